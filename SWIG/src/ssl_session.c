/* Sessions for resumption (SSL_get1_session(3)). */
#include <limits.h>
#include <string.h>

#include <openssl/pem.h>

#include "compat.h"
#include "ssl_session.h"

SSL_SESSION *m2_ssl_session_read_bio(BIO *bio)
{
    return PEM_read_bio_SSL_SESSION(bio, NULL, m2_password, NULL);
}

SSL_SESSION *m2_ssl_session_dup(const SSL_SESSION *session)
{
    /* The parameter of OpenSSL 1.1.1 is not const. */
    return SSL_SESSION_dup((SSL_SESSION *)session);
}

m2_status m2_ssl_session_write_bio(BIO *bio, const SSL_SESSION *session)
{
    return PEM_write_bio_SSL_SESSION(bio, (SSL_SESSION *)session);
}

m2_status m2_ssl_session_print(BIO *bio, const SSL_SESSION *session)
{
    return SSL_SESSION_print(bio, session);
}

m2_bytes m2_i2d_ssl_session(const SSL_SESSION *session)
{
    return M2_DER(SSL_SESSION, session);
}

m2_bytes m2_ssl_session_get_id(const SSL_SESSION *session)
{
    unsigned int length = 0;
    const unsigned char *id = SSL_SESSION_get_id(session, &length);
    m2_bytes copy = m2_bytes_new(length);

    if (copy.data != NULL && length > 0)
        memcpy(copy.data, id, length);
    return copy;
}

long long m2_ssl_session_get_time(const SSL_SESSION *session)
{
    return m2_compat_ssl_session_get_time(session);
}

int m2_ssl_fits_seconds(long long seconds)
{
    /* OpenSSL 1.1.1 uses a long; 3.2 and later use nanoseconds in 64 bits. */
    if (seconds >= 0 && seconds <= LLONG_MAX / 1000000000 && seconds <= LONG_MAX)
        return 1;
    m2_error(seconds < 0 ? "the number of seconds is negative"
                         : "the number of seconds is too large for OpenSSL");
    return 0;
}

m2_status m2_ssl_session_set_time(SSL_SESSION *session, long long seconds)
{
    if (!m2_ssl_fits_seconds(seconds))
        return 0;
    m2_compat_ssl_session_set_time(session, seconds);
    return 1;
}

m2_status m2_ssl_session_set_timeout(SSL_SESSION *session, long long seconds)
{
    if (!m2_ssl_fits_seconds(seconds))
        return 0;
    return (m2_status)SSL_SESSION_set_timeout(session, (long)seconds);
}
