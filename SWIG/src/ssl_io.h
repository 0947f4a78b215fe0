/*
 * Operations of a connection that wait for its socket. They run OpenSSL without the GIL, and wait
 * without a use of the connection (use.h), so one thread can read while another writes.
 *
 * `seconds` is the timeout: 0 does not wait, less than 0 is no limit. A timeout raises
 * SSLTimeoutError. A signal handler runs, and its exception ends the operation.
 */
#ifndef M2_SSL_IO_H
#define M2_SSL_IO_H

#ifndef SWIG
#include <openssl/ssl.h>

#include "m2.h"
#include "ssl_connection.h"
#endif

/* The wrapper only keeps the connection: the function registers its use. Success is the number of
 * handshakes that were required, for m2_ssl_io_open. */
m2_ssl_progress m2_ssl_io_handshake(SSL *HELD, double seconds);
/* Wait for a client of DTLS (ssl_dtls.h). */
m2_ssl_progress m2_ssl_io_listen(SSL *HELD, double seconds);
#ifndef SWIG
/* Their functions are those of ssl_transfer.c. */
/* Read all records that were received, at least one, as far as they fit. */
m2_ssl_transfer m2_ssl_io_read(SSL *connection, m2_target target, double seconds);
/* Write all bytes. Without waiting it may write fewer. */
m2_ssl_transfer m2_ssl_io_write(SSL *connection, m2_buffer data, double seconds);
#endif
/* Write `size` bytes of a file at most, from `offset` on, which the kernel reads and encrypts
 * (SSL_sendfile(3)). Returns 0 at the end of the file. */
m2_ssl_transfer m2_ssl_io_sendfile(SSL *HELD, int fd, long long offset, long long size,
                                   double seconds);
/* Send close_notify, unless that is done, or the handshake is unfinished, or an operation failed
 * (SSL_shutdown(3)). */
m2_ssl_progress m2_ssl_io_shutdown(SSL *HELD, double seconds);
/* Send close_notify and receive the peer's. */
m2_ssl_progress m2_ssl_io_unwrap(SSL *HELD, double seconds);
/* Return the number of bytes that can be read without the socket. */
m2_ssl_transfer m2_ssl_io_pending(SSL *HELD);

/* These require another handshake. Until m2_ssl_io_open, reading and writing raise, so that no
 * other thread transfers data by a handshake that OpenSSL performs itself and nothing checks. */
m2_status m2_ssl_clear(SSL *connection);
void m2_ssl_set_accept_state(SSL *connection);
void m2_ssl_set_connect_state(SSL *connection);
/* Allow application data after that handshake, if no other one was required since. */
m2_status m2_ssl_io_open(SSL *HELD, long long handshake);
/* Remove the socket from the connection, before it is closed. Threads that wait for it raise. */
m2_status m2_ssl_io_close(SSL *HELD);

/* Set whether an operation that waits receives as much as OpenSSL's buffer holds, which is the
 * default (SSL_set_read_ahead(3)). */
void m2_ssl_io_set_read_ahead(SSL *HELD, int on);

/* Return whether this is a callback of an operation on the connection. */
int m2_ssl_io_is_callback(SSL *HELD);
/* Return the number of threads that wait for the socket. */
int m2_ssl_io_waiting(SSL *HELD);
/* Return whether a client wrote data, and the session tickets of TLS 1.3, which a server sends
 * after the handshake, were not received. */
int m2_ssl_io_expects_tickets(const SSL *connection);

#ifndef SWIG
/* Create the state of a new connection. */
int m2_ssl_io_init(SSL *connection);
#endif

#endif
