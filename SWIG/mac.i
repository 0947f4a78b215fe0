/* MACs, key derivation, and authenticated encryption of whole messages. */
%{
#include "aead.h"
#include "algorithms.h"
#include "digest_object.h"
#include "mac.h"
%}

%thread_large(m2_mac_update, arg2)
%thread m2_pbkdf2;
%thread m2_scrypt;
%thread m2_hkdf;
%thread m2_argon2;
%thread_when(m2_aead_seal, arg3.length + arg4.length > M2_GIL_THRESHOLD)
%thread_when(m2_aead_open, arg3.length + arg4.length > M2_GIL_THRESHOLD)
%thread_when(m2_aead_seal_once, arg4.length + arg5.length > M2_GIL_THRESHOLD)
%thread_when(m2_aead_open_once, arg4.length + arg5.length > M2_GIL_THRESHOLD)

%apply const char *OPTIONAL { const char *digest, const char *cipher, const char *properties };
%apply m2_buffer OPTIONAL { m2_buffer iv, m2_buffer custom };
%include "src/mac.h"
%clear const char *digest, const char *cipher;
%clear m2_buffer iv, m2_buffer custom;
%include "src/aead.h"
%ignore m2_algorithms_forget;
%include "src/algorithms.h"
%clear const char *properties;

%init %{
    if (m2_digest_objects_add(m) < 0)
        return -1;
%}
