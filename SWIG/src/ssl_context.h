/* Contexts (SSL_CTX_new(3)). */
#ifndef M2_SSL_CONTEXT_H
#define M2_SSL_CONTEXT_H

#ifndef SWIG
#include <openssl/ssl.h>

#include "m2.h"
#include "x509_store.h"
#endif

/* TLS_method under its older name. */
const SSL_METHOD *m2_sslv23_method(void);

/* Load the certificate, with the chain after it in the file, and the private key from PEM files,
 * with a passphrase callback. */
m2_status m2_ssl_ctx_use_cert(SSL_CTX *context, const char *file, m2_callback passphrase);
m2_status m2_ssl_ctx_use_cert_chain(SSL_CTX *context, const char *file, m2_callback passphrase);
m2_status m2_ssl_ctx_use_privkey(SSL_CTX *context, const char *file, m2_callback passphrase);

m2_status m2_ssl_ctx_set_client_ca_list_from_file(SSL_CTX *context, const char *file);
SSL_CTX *m2_ssl_ctx_new(const SSL_METHOD *method);
X509_STORE *m2_ssl_ctx_get_cert_store(const SSL_CTX *context);

/* The callback's arguments are ok and the store context. A connection uses the callback that its
 * context had when the connection was created. */
m2_status m2_ssl_ctx_set_verify(SSL_CTX *context, int mode, m2_callback verify);
/* The callback's arguments are where, ret and the connection. */
m2_status m2_ssl_ctx_set_info_callback(SSL_CTX *context, m2_callback info);

/* The connection whose peer a verify callback judges, under the index for it; None otherwise. */
SSL *m2_x509_store_ctx_get_ex_data(const m2_x509_store_ctx *context, int index);

m2_status m2_ssl_ctx_set_min_proto_version(SSL_CTX *context, int version);
m2_status m2_ssl_ctx_set_max_proto_version(SSL_CTX *context, int version);
/* 0 is the lowest or highest that OpenSSL supports. */
int m2_ssl_ctx_get_min_proto_version(const SSL_CTX *context);
int m2_ssl_ctx_get_max_proto_version(const SSL_CTX *context);

/* These three return the resulting options. */
unsigned long long m2_ssl_ctx_set_options(SSL_CTX *context, unsigned long long options);
unsigned long long m2_ssl_ctx_clear_options(SSL_CTX *context, unsigned long long options);
unsigned long long m2_ssl_ctx_get_options(const SSL_CTX *context);
long m2_ssl_ctx_set_mode(SSL_CTX *context, long mode);

/* Set DH parameters from PEM, or select them by the size of the certificate's key. */
m2_status m2_ssl_ctx_set_tmp_dh(SSL_CTX *context, BIO *parameters);
m2_status m2_ssl_ctx_set_dh_auto(SSL_CTX *context, int on);

m2_status m2_ssl_ctx_set_session_id_context(SSL_CTX *context, m2_buffer id);
/* Return the previous mode. */
long m2_ssl_ctx_set_session_cache_mode(SSL_CTX *context, long mode);
long m2_ssl_ctx_get_session_cache_mode(const SSL_CTX *context);
/* Add a copy of the session to the cache: 1, or 0 if it replaces a session with the same ID. */
m2_verdict m2_ssl_ctx_add_session(SSL_CTX *SHARED, const SSL_SESSION *session);
/* Set the lifetime of new sessions in seconds and return the previous one. */
m2_number m2_ssl_ctx_set_timeout(SSL_CTX *context, long long seconds);

#ifndef SWIG
/* Return the subjects of the certificates in a PEM file, or NULL with an error queued if it has
 * none. SSL_load_client_CA_file would prompt for the passphrase of an encrypted file. */
STACK_OF(X509_NAME) * m2_subjects_of_file(const char *file);
/* Set the callbacks of a new connection to those of its context. */
int m2_ssl_inherit_callbacks(SSL *connection, const SSL_CTX *context);
#endif

#endif
