/*
 * The stream socket of a connection. The attempts of ssl_io.c do not block, whatever the mode of
 * the descriptor, and a thread that waits for data receives them in the same system call.
 */
#ifndef M2_SSL_SOCKET_H
#define M2_SSL_SOCKET_H

#include <openssl/ssl.h>

/* Set the descriptor as the transport. On Windows, with SSL_OP_ENABLE_KTLS, and for what is no
 * stream socket, the BIO is one of OpenSSL. */
int m2_ssl_socket_set(SSL *connection, int fd);
/* Set whether OpenSSL blocks if the descriptor does, as by default. If the BIO is one of OpenSSL,
 * the descriptor is set to non-blocking mode and remains so. */
void m2_ssl_socket_set_blocking(SSL *connection, int on);
/* Return whether bytes were received that OpenSSL has not read. */
int m2_ssl_socket_has_received(const SSL *connection);

/* A thread that receives: NULL, or a reference. */
typedef struct {
    BIO *bio;
} m2_ssl_receiver;

/* Reserve the socket's bytes for m2_ssl_socket_receive. Until m2_ssl_socket_end_receive OpenSSL
 * reads none. The caller has the only use of the connection. Returns 0 without an error if the
 * caller must wait by poll(2) instead. */
int m2_ssl_socket_begin_receive(m2_ssl_receiver *self, SSL *connection);
/* Wait for bytes, for the end of the data, or for an error, and keep it for OpenSSL. A signal ends
 * the wait. Needs neither a use of the connection nor the GIL. */
void m2_ssl_socket_receive(m2_ssl_receiver *self);
/* Does nothing if nothing was begun. */
void m2_ssl_socket_end_receive(m2_ssl_receiver *self);

#endif
