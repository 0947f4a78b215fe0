/* Contexts: what connections are made from (SSL_CTX_new(3)). */
#ifndef M2_SSL_CONTEXT_H
#define M2_SSL_CONTEXT_H

#ifndef SWIG
#include <openssl/ssl.h>

#include "m2.h"
#endif

/* TLS_method, as it was called when there was SSL. */
const SSL_METHOD *m2_sslv23_method(void);

/* The certificate, with the chain that follows it in the file, and the key, from PEM; the callable
 * is asked for the passphrase of what is encrypted. */
m2_status m2_ssl_ctx_use_cert(SSL_CTX *context, const char *file, m2_callback passphrase);
m2_status m2_ssl_ctx_use_cert_chain(SSL_CTX *context, const char *file, m2_callback passphrase);
m2_status m2_ssl_ctx_use_privkey(SSL_CTX *context, const char *file, m2_callback passphrase);

m2_status m2_ssl_ctx_set_client_ca_list_from_file(SSL_CTX *context, const char *file);
X509_STORE *m2_ssl_ctx_get_cert_store(const SSL_CTX *context);

/* The callable gets ok and the store context, and answers whether to go on; connections keep the
 * one that their context had when they were made. */
m2_status m2_ssl_ctx_set_verify(SSL_CTX *context, int mode, m2_callback verify);
/* The callable gets where, ret and the connection; kept like the one above. */
m2_status m2_ssl_ctx_set_info_callback(SSL_CTX *context, m2_callback info);

m2_status m2_ssl_ctx_set_min_proto_version(SSL_CTX *context, int version);
m2_status m2_ssl_ctx_set_max_proto_version(SSL_CTX *context, int version);
/* 0 is the oldest, or the newest, that the build has. */
int m2_ssl_ctx_get_min_proto_version(const SSL_CTX *context);
int m2_ssl_ctx_get_max_proto_version(const SSL_CTX *context);

/* These three give the options that hold afterwards. */
unsigned long long m2_ssl_ctx_set_options(SSL_CTX *context, unsigned long long options);
unsigned long long m2_ssl_ctx_clear_options(SSL_CTX *context, unsigned long long options);
unsigned long long m2_ssl_ctx_get_options(const SSL_CTX *context);
long m2_ssl_ctx_set_mode(SSL_CTX *context, long mode);

/* DH parameters from PEM, or chosen by the size of the certificate's key. */
m2_status m2_ssl_ctx_set_tmp_dh(SSL_CTX *context, BIO *parameters);
m2_status m2_ssl_ctx_set_dh_auto(SSL_CTX *context, int on);

m2_status m2_ssl_ctx_set_session_id_context(SSL_CTX *context, m2_buffer id);
/* The mode that held before. */
long m2_ssl_ctx_set_session_cache_mode(SSL_CTX *context, long mode);
long m2_ssl_ctx_get_session_cache_mode(const SSL_CTX *context);
/* Add a copy of the session to the cache: 1, or 0 if it replaces a session with the same ID. */
m2_verdict m2_ssl_ctx_add_session(SSL_CTX *SHARED, const SSL_SESSION *session);
/* Set the lifetime of new sessions in seconds and return the previous one. */
m2_number m2_ssl_ctx_set_timeout(SSL_CTX *context, long long seconds);

#ifndef SWIG
/* The subjects of a PEM file's certificates, of which there is at least one. NULL with an error
 * queued; SSL_load_client_CA_file would prompt for the passphrase of an encrypted file. */
STACK_OF(X509_NAME) * m2_subjects_of_file(const char *file);
/* Give a new connection the callbacks of its context. */
int m2_ssl_inherit_callbacks(SSL *connection, const SSL_CTX *context);
#endif

#endif
