/* Connections (SSL_new(3)), and the ciphers that they use (SSL_CIPHER_get_name(3)). */
#ifndef M2_SSL_CONNECTION_H
#define M2_SSL_CONNECTION_H

#ifndef SWIG
#include <openssl/ssl.h>

#include "m2.h"
#include "x509_stack.h"
#endif

typedef struct stack_st_SSL_CIPHER m2_ssl_ciphers;

/* Bytes that Python lends to be written into. */
typedef struct {
    unsigned char *data;
    size_t length;
} m2_target;

/* How far an operation came (SSL_get_error(3)): 0 and more is done, in reading and writing that
 * many bytes; -SSL_ERROR_WANT_READ and -SSL_ERROR_WANT_WRITE ask to be called again when the socket
 * is ready; -SSL_ERROR_ZERO_RETURN is the peer's close_notify. What else there is raises. */
typedef long long m2_ssl_progress;
/* The same for reading and writing: an exception that a callback raised while bytes were moved is
 * raised by the next operation. */
typedef long long m2_ssl_transfer;

SSL *m2_ssl_new(SSL_CTX *SHARED);
m2_status m2_ssl_set_fd(SSL *connection, long long fd);
/* The connection reads from one BIO and writes to the other; it shares them. */
m2_status m2_ssl_set_bio(SSL *connection, BIO *readbio, BIO *writebio);

m2_ssl_progress m2_ssl_do_handshake(SSL *connection);
m2_ssl_transfer m2_ssl_read(SSL *connection, m2_target target);
m2_ssl_transfer m2_ssl_write(SSL *connection, m2_buffer data);
/* 0: our close_notify is sent, the peer's is still to come; 1: both went through. */
m2_ssl_progress m2_ssl_shutdown(SSL *connection);
int m2_ssl_get_error(const SSL *connection, int result);

m2_status m2_ssl_set_session_id_context(SSL *connection, m2_buffer id);
m2_status m2_ssl_set_client_ca_list_from_file(SSL *connection, const char *file);
m2_status m2_ssl_set_client_ca_list_from_context(SSL *connection);
/* On a client: the names of the CAs whose certificates the server takes. */
int m2_ssl_client_ca_num(const SSL *connection);
X509_NAME *m2_ssl_client_ca_value(const SSL *connection, int index);

m2_status m2_ssl_set_tlsext_host_name(SSL *connection, const char *name);
/* OpenSSL's own check in the handshake, for a DNS name or an IP address: a wildcard is a whole
 * label, and the common name is never looked at. */
m2_status m2_ssl_set1_host(SSL *connection, const char *name);
m2_status m2_ssl_set1_ip(SSL *connection, const char *address);

/* Resume a copy of the session. */
m2_status m2_ssl_set_session(SSL *connection, const SSL_SESSION *session);

/* NULL when there is none. */
X509 *m2_ssl_get_peer_cert(const SSL *connection);
m2_x509_stack *m2_ssl_get_peer_cert_chain(const SSL *connection);
SSL_SESSION *m2_ssl_get_session(const SSL *connection);
SSL_CIPHER *m2_ssl_get_current_cipher(const SSL *connection);

SSL_CTX *m2_ssl_get_ssl_ctx(const SSL *connection);
int m2_ssl_is_init_finished(const SSL *connection);
int m2_ssl_session_reused(const SSL *connection);
int m2_ssl_is_server(const SSL *connection);

m2_ssl_ciphers *m2_ssl_get_ciphers(const SSL *connection);
void m2_sk_ssl_cipher_free(m2_ssl_ciphers *RELEASE);
int m2_sk_ssl_cipher_num(const m2_ssl_ciphers *ciphers);
SSL_CIPHER *m2_sk_ssl_cipher_value(const m2_ssl_ciphers *ciphers, int index);
int m2_ssl_cipher_get_bits(const SSL_CIPHER *cipher);

#endif
