/* Sessions for resumption (SSL_get1_session(3)). */
#ifndef M2_SSL_SESSION_H
#define M2_SSL_SESSION_H

#ifndef SWIG
#include <openssl/ssl.h>

#include "m2.h"
#endif

SSL_SESSION *m2_ssl_session_read_bio(BIO *bio);
SSL_SESSION *m2_ssl_session_dup(const SSL_SESSION *session);
m2_status m2_ssl_session_write_bio(BIO *bio, const SSL_SESSION *session);
m2_status m2_ssl_session_print(BIO *bio, const SSL_SESSION *session);
m2_bytes m2_i2d_ssl_session(const SSL_SESSION *session);
m2_bytes m2_ssl_session_get_id(const SSL_SESSION *session);

/* The creation time in seconds since the epoch. */
long long m2_ssl_session_get_time(const SSL_SESSION *session);
m2_status m2_ssl_session_set_time(SSL_SESSION *session, long long seconds);
m2_status m2_ssl_session_set_timeout(SSL_SESSION *session, long long seconds);

#ifndef SWIG
/* Return whether OpenSSL can represent a time or timeout in seconds; queue an error if not. */
int m2_ssl_fits_seconds(long long seconds);
#endif

#endif
