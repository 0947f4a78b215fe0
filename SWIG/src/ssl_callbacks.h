/* What a connection tells Python while it works (SSL_CTX_set_info_callback(3)). */
#ifndef M2_SSL_CALLBACKS_H
#define M2_SSL_CALLBACKS_H

#include <openssl/ssl.h>

#include "m2.h"

/* callback(where, ret, connection). An exception that it raises is left for the caller, as
 * m2_call_ints in m2.h says. */
void m2_call_info(m2_callback callback, int where, int ret, SSL *connection);

/* Keep the exception that a callback raised while bytes were read or written, so that the caller
 * gets the number of bytes now and the exception from its next call. The GIL is held. */
void m2_ssl_postpone_exception(SSL *connection);
/* Raise it: 1 if there was one, else 0. The GIL need not be held. */
int m2_ssl_raise_postponed(SSL *connection);

#endif
