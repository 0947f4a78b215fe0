/* DTLS 1.2 over datagram sockets (RFC 6347, BIO_s_datagram(3), DTLSv1_listen(3)). */
#ifndef M2_SSL_DTLS_H
#define M2_SSL_DTLS_H

#ifndef SWIG
#include <openssl/ssl.h>

#include "m2.h"
#include "ssl_connection.h"
#endif

/* Set a datagram socket as the transport. If it is connected, datagrams go to its peer. */
m2_status m2_ssl_set_datagram(SSL *connection, long long fd);
/* Connect a datagram socket to the client that m2_ssl_io_listen received, and set it as the
 * transport. */
m2_status m2_ssl_connect_datagram(SSL *connection, long long fd);
/* Set the largest datagram to send, in bytes without the headers of UDP and IP. */
m2_status m2_ssl_set_mtu(SSL *connection, int mtu);
/* Set the seconds after which a flight of the handshake is first sent again; each time they double,
 * up to a minute (DTLS_set_timer_cb(3)). */
m2_status m2_ssl_set_retransmission_timeout(SSL *connection, double seconds);
/* Return the seconds until a flight of the handshake is sent again; -1 without one. */
double m2_ssl_get_retransmission_timeout(const SSL *connection);
/* Send the flight again if that is due: 1 if it was sent, else 0 (DTLSv1_handle_timeout(3)). */
m2_verdict m2_ssl_handle_retransmission(SSL *connection);
int m2_ssl_is_dtls(const SSL *connection);
/* Generate and verify the cookies of a server (RFC 6347, section 4.2.1). */
m2_status m2_ssl_ctx_use_cookies(SSL_CTX *context);

#ifndef SWIG
/* Receive datagrams until one is a ClientHello with a valid cookie. */
m2_ssl_progress m2_ssl_listen(SSL *connection);
#endif

#endif
