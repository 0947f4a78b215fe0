/* Raw public keys instead of certificates (RFC 7250), which OpenSSL has from 3.2 on. */
#ifndef M2_SSL_RPK_H
#define M2_SSL_RPK_H

#ifndef SWIG
#include <openssl/ssl.h>

#include "m2.h"
#endif

/* Return whether this OpenSSL has raw public keys. */
int m2_ssl_has_rpk(void);
/* Allow connections of the context to expect keys. */
m2_status m2_ssl_ctx_enable_rpk(SSL_CTX *context);
/* Negotiate a raw public key of this side, and of the peer, in the role that is set. */
m2_status m2_ssl_use_rpk(SSL *connection, int own, int peer);
/* Let the peer's key be one of those that are added (SSL_add_expected_rpk(3)). */
m2_status m2_ssl_expect_rpk(SSL *connection);
m2_status m2_ssl_add_expected_rpk(SSL *connection, EVP_PKEY *key);
/* Return the raw public key of the peer; None without one. */
EVP_PKEY *m2_ssl_get_peer_rpk(const SSL *connection);

#endif
