/* Connections (SSL_new(3)) and ciphers (SSL_CIPHER_get_name(3)). */
#ifndef M2_SSL_CONNECTION_H
#define M2_SSL_CONNECTION_H

#ifndef SWIG
#include <openssl/ssl.h>

#include "m2.h"
#include "x509_stack.h"
#endif

typedef struct stack_st_SSL_CIPHER m2_ssl_ciphers;

/* The writable buffer of an argument. */
typedef struct {
    unsigned char *data;
    size_t length;
} m2_target;

/* The result of an operation (SSL_get_error(3)). 0 or more is success, and the number of bytes
 * read or written. -SSL_ERROR_WANT_READ and -SSL_ERROR_WANT_WRITE require a retry when the
 * socket is ready. -SSL_ERROR_ZERO_RETURN is the peer's close_notify. Other results raise
 * SSLError. */
typedef long long m2_ssl_progress;
/* The same for reading and writing. An exception that a callback raised although bytes were read
 * or written is raised by the next operation. */
typedef long long m2_ssl_transfer;

SSL *m2_ssl_new(SSL_CTX *SHARED);
m2_status m2_ssl_set_fd(SSL *connection, long long fd);
/* Set the BIOs to read from and to write to, which the connection shares. */
m2_status m2_ssl_set_bio(SSL *connection, BIO *readbio, BIO *writebio);

m2_ssl_progress m2_ssl_do_handshake(SSL *connection);
m2_ssl_transfer m2_ssl_read(SSL *connection, m2_target target);
m2_ssl_transfer m2_ssl_write(SSL *connection, m2_buffer data);
/* Return whether the kernel encrypts what is written (SSL_OP_ENABLE_KTLS, BIO_get_ktls_send(3)). */
int m2_ssl_uses_ktls(SSL *connection);
#ifndef SWIG
/* Write `size` bytes of a file at most, by the kernel. Return 0 at the end of the file. */
m2_ssl_transfer m2_ssl_sendfile(SSL *connection, int fd, long long offset, size_t size);
#endif
/* Return 0 if close_notify was sent but not received, 1 if both. */
m2_ssl_progress m2_ssl_shutdown(SSL *connection);
int m2_ssl_get_error(const SSL *connection, int result);

m2_status m2_ssl_set_session_id_context(SSL *connection, m2_buffer id);
m2_status m2_ssl_set_client_ca_list_from_file(SSL *connection, const char *file);
m2_status m2_ssl_set_client_ca_list_from_context(SSL *connection);
/* On a client, the CA names of the server's certificate request. */
int m2_ssl_client_ca_num(const SSL *connection);
X509_NAME *m2_ssl_client_ca_value(const SSL *connection, int index);

m2_status m2_ssl_set_tlsext_host_name(SSL *connection, const char *name);
/* Set the reference identity for OpenSSL's check in the handshake. A wildcard matches a whole
 * label, and the common name is not used. */
m2_status m2_ssl_set1_host(SSL *connection, const char *name);
m2_status m2_ssl_set1_ip(SSL *connection, const char *address);

/* Resume a copy of the session. */
m2_status m2_ssl_set_session(SSL *connection, const SSL_SESSION *session);

/* Return NULL if there is none. */
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
