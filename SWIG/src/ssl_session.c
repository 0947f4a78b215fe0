/* Sessions: what lets a later connection begin where an earlier one agreed (SSL_get1_session(3)).
 */
#include <openssl/pem.h>

#include "compat.h"
#include "ssl_session.h"

SSL_SESSION *m2_ssl_session_read_bio(BIO *bio)
{
    return PEM_read_bio_SSL_SESSION(bio, NULL, m2_password, NULL);
}

m2_status m2_ssl_session_write_bio(BIO *bio, SSL_SESSION *session)
{
    return PEM_write_bio_SSL_SESSION(bio, session);
}

m2_status m2_ssl_session_print(BIO *bio, const SSL_SESSION *session)
{
    return SSL_SESSION_print(bio, session);
}

m2_bytes m2_i2d_ssl_session(const SSL_SESSION *session)
{
    return M2_DER(SSL_SESSION, session);
}

long long m2_ssl_session_get_time(const SSL_SESSION *session)
{
    return m2_compat_ssl_session_get_time(session);
}

m2_status m2_ssl_session_set_time(SSL_SESSION *session, long long seconds)
{
    if (seconds < 0) {
        m2_error("a session's time is negative");
        return 0;
    }
    m2_compat_ssl_session_set_time(session, seconds);
    return 1;
}
