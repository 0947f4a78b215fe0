/* Encrypted Client Hello (RFC 9849), which OpenSSL has from 4.0 on (SSL_set1_echstore(3)). */
#ifndef M2_SSL_ECH_H
#define M2_SSL_ECH_H

#ifndef SWIG
#include <openssl/ssl.h>

#include "m2.h"
#endif

/* Generate a key and its ECHConfigList for a public name, in PEM (RFC 9934). */
m2_bytes m2_ech_new_config(const char *public_name);
/* Set the keys of a server from PEM. */
m2_status m2_ssl_ctx_set_ech_keys(SSL_CTX *context, m2_buffer pem);
/* Set the ECHConfigList of a client. */
m2_status m2_ssl_set1_ech_config_list(SSL *connection, m2_buffer list);
/* Return whether the peer accepted the encrypted ClientHello: 1 or 0. */
m2_verdict m2_ssl_ech_accepted(SSL *connection);
/* Return the ECHConfigList that the server sent for another attempt; empty without one. */
m2_bytes m2_ssl_ech_retry_config(SSL *connection);

#endif
