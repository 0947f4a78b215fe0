/*
 * The stream socket of a connection. OpenSSL's attempts do not block, whatever the mode of
 * the descriptor, and a thread that waits for data receives them in the same system call.
 */
#ifndef M2_SSL_SOCKET_H
#define M2_SSL_SOCKET_H

#include <openssl/ssl.h>

/* Set the descriptor as the transport. On Windows, with SSL_OP_ENABLE_KTLS, and for what is no
 * stream socket, the BIO is one of OpenSSL. */
int m2_ssl_socket_set(SSL *connection, int fd);
/* Set the descriptor to non-blocking mode if the BIO is one of OpenSSL, which would block. */
void m2_ssl_socket_prepare(SSL *connection);
/* Return whether bytes were received that OpenSSL has not read. */
int m2_ssl_socket_has_received(const SSL *connection);

/* A thread that waits for data: NULL, or a reference. */
typedef struct {
    BIO *bio;
} m2_ssl_receiver;

/* Reserve the socket's bytes for the thread that waits for them: until m2_ssl_socket_end_receive
 * OpenSSL reads none, so that no other thread takes them and leaves the rest in OpenSSL's buffer.
 * The caller has the only use of the connection. Returns 1 if the thread must call
 * m2_ssl_socket_receive, as only one that `receives` does; 0 without an error if it must wait by
 * poll(2) instead; -1 if another thread has received bytes or an error in the meantime. */
int m2_ssl_socket_begin_receive(m2_ssl_receiver *self, SSL *connection, int receives);
/* Wait for bytes, for the end of the data, or for an error, and keep it for OpenSSL. A signal ends
 * the wait, unless its handler has SA_RESTART. Needs neither a use of the connection nor the GIL.
 */
void m2_ssl_socket_receive(m2_ssl_receiver *self);
/* Let OpenSSL read from the socket again, and release the reference, if there is one. */
void m2_ssl_socket_end_receive(m2_ssl_receiver *self);

#endif
