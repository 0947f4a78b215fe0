/* Certificates and keys from memory, and the modes and cache of TLS objects (SSL_CTX_new(3)). */
#ifndef M2_SSL_OBJECTS_H
#define M2_SSL_OBJECTS_H

#ifndef SWIG
#include <openssl/ssl.h>

#include "m2.h"
#endif

/* Set the local certificate and private key. The context shares them. */
m2_status m2_ssl_ctx_use_x509(SSL_CTX *context, X509 *certificate);
m2_status m2_ssl_ctx_use_pkey_privkey(SSL_CTX *context, EVP_PKEY *pkey);

/* Set the maximum number of sessions in the cache, 0 for no limit, and return the previous one. */
m2_number m2_ssl_ctx_sess_set_cache_size(SSL_CTX *context, long size);
long m2_ssl_ctx_sess_get_cache_size(const SSL_CTX *context);
/* Return the number of sessions in the cache. */
long m2_ssl_ctx_sess_number(const SSL_CTX *context);
/* Return one of the statistics of SSL_CTX_sess_number(3), SSL_CTRL_SESS_... */
m2_number m2_ssl_ctx_sess_statistic(const SSL_CTX *context, int kind);

/* Add modes, SSL_MODE_..., and return all that are set. */
long m2_ssl_set_mode(SSL *connection, long mode);
long m2_ssl_get_mode(const SSL *connection);
long m2_ssl_ctx_get_mode(const SSL_CTX *context);

#endif
