/* Callbacks of connections: for states and alerts (SSL_CTX_set_info_callback(3)), server names, key
 * logs and pre-shared keys. */
#ifndef M2_SSL_CALLBACKS_H
#define M2_SSL_CALLBACKS_H

#include <openssl/ssl.h>

#include "m2.h"

/* Call callback(where, ret, connection). For an exception see m2_call_ints. */
void m2_call_info(m2_callback callback, int where, int ret, SSL *connection);

/* Call callback(connection, name), where a NULL name is None. Returns -1, or the alert with which
 * the handshake fails. If the callback returns a context, the connection uses its certificate. */
int m2_call_server_name(m2_callback callback, SSL *connection, const char *name);
/* Call callback(line). */
void m2_call_key_log(m2_callback callback, const char *line);
/* Call callback(connection, name), where a NULL name is None. It returns None, or the key, or
 * (identity, key) if there is a buffer for the identity and its NUL. Return the length of the key;
 * 0 without one, or with an exception set. */
unsigned int m2_call_psk(m2_callback callback, SSL *connection, const char *name, char *identity,
                         size_t identity_size, unsigned char *key, size_t key_size);

/* Store the exception that a callback raised while bytes were read or written. The operation
 * returns the number of bytes, and the next one raises the exception. The GIL is held. */
void m2_ssl_postpone_exception(SSL *connection);
/* Return whether there is a stored exception. */
int m2_ssl_has_postponed(const SSL *connection);
/* Set the stored exception and return 1; 0 if there is none. The GIL need not be held. */
int m2_ssl_raise_postponed(SSL *connection);

#endif
