/* RC4, where the OpenSSL has it. */
#ifndef OPENSSL_NO_RC4
%{
#include "rc4.h"
%}

%thread_large(m2_rc4_update, arg2)

%rename(rc4_free) m2_rc4_free;
void m2_rc4_free(m2_rc4 *RELEASE);
%include "src/rc4.h"
#endif
