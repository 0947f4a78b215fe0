/* DTLS over datagram sockets (ssl_dtls.h). */
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#ifdef _WIN32
#include <winsock2.h>
#include <ws2tcpip.h>
#else
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#endif

#include <openssl/hmac.h>
#include <openssl/rand.h>

#include "compat.h"
#include "ssl_dtls.h"

#define COOKIE_SECRET 32
/* Microseconds. */
#define LONGEST_TIMEOUT 60000000

static CRYPTO_ONCE once = CRYPTO_ONCE_STATIC_INIT;
static int secret_index = -1;
static int timeout_index = -1;

static void dtls_free_secret(void *parent, void *secret, CRYPTO_EX_DATA *data, int index, long argl,
                             void *argp)
{
    (void)parent;
    (void)data;
    (void)index;
    (void)argl;
    (void)argp;
    OPENSSL_clear_free(secret, COOKIE_SECRET);
}

static void dtls_make_indices(void)
{
    secret_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, dtls_free_secret);
    timeout_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
}

static int dtls_has_indices(void)
{
    return CRYPTO_THREAD_run_once(&once, dtls_make_indices) && secret_index >= 0 &&
           timeout_index >= 0;
}

/* ---- sockets ------------------------------------------------------------------------------ */

/* Set the address of the socket's peer; return 0 if it has none. */
static int dtls_peer_of(int fd, BIO_ADDR *peer)
{
    struct sockaddr_storage address = {0};
    socklen_t length = sizeof(address);

    if (getpeername(fd, (struct sockaddr *)&address, &length) != 0)
        return 0;
    if (address.ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)&address;

        return BIO_ADDR_rawmake(peer, AF_INET, &v4->sin_addr, sizeof(v4->sin_addr), v4->sin_port);
    }
    if (address.ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&address;

        return BIO_ADDR_rawmake(peer, AF_INET6, &v6->sin6_addr, sizeof(v6->sin6_addr),
                                v6->sin6_port);
    }
    return 0;
}

/* An empty datagram is dropped, as what is no record (RFC 6347, section 4.1.2.7). To OpenSSL it
 * would be the end of the connection, and anyone can send it. */
static long dtls_drop_empty(BIO *bio, int operation, const char *data, size_t length, int argi,
                            long argl, int result, size_t *processed)
{
    (void)data;
    (void)length;
    (void)argi;
    (void)argl;
    (void)processed;
    if (operation != (BIO_CB_READ | BIO_CB_RETURN) || result != 0)
        return result;
    BIO_set_retry_read(bio);
    return -1;
}

m2_status m2_ssl_set_datagram(SSL *connection, long long fd)
{
    BIO *bio = NULL;
    BIO_ADDR *peer = NULL;

    if (fd < 0 || fd > INT_MAX) {
        m2_error("the socket is closed");
        return 0;
    }
    peer = BIO_ADDR_new();
    if (peer != NULL)
        bio = BIO_new_dgram((int)fd, BIO_NOCLOSE);
    if (bio != NULL) {
        BIO_set_callback_ex(bio, dtls_drop_empty);
        if (dtls_peer_of((int)fd, peer))
            (void)BIO_ctrl_set_connected(bio, peer);
        SSL_set_bio(connection, bio, bio);
    }
    BIO_ADDR_free(peer);
    return bio != NULL;
}

m2_status m2_ssl_connect_datagram(SSL *connection, long long fd)
{
    BIO *bio = SSL_get_rbio(connection);
    BIO_ADDR *peer = BIO_ADDR_new();
    int done = 0;

    if (peer == NULL)
        return 0;
    if (fd < 0 || fd > INT_MAX || bio == NULL || BIO_dgram_get_peer(bio, peer) <= 0)
        m2_error("no client was received, or the socket is closed");
    else
        done = BIO_connect((int)fd, peer, BIO_SOCK_NONBLOCK);
    if (done) {
        (void)BIO_set_fd(bio, (int)fd, BIO_NOCLOSE);
        (void)BIO_ctrl_set_connected(bio, peer);
    }
    BIO_ADDR_free(peer);
    return done;
}

m2_status m2_ssl_set_mtu(SSL *connection, int mtu)
{
    SSL_set_options(connection, SSL_OP_NO_QUERY_MTU);
    if (mtu > 0 && SSL_set_mtu(connection, mtu) > 0)
        return 1;
    m2_error("the MTU is too small for DTLS");
    return 0;
}

/* ---- retransmission ------------------------------------------------------------------------ */

static unsigned int dtls_next_timeout(SSL *connection, unsigned int last)
{
    if (last == 0)
        return (unsigned int)(uintptr_t)SSL_get_ex_data(connection, timeout_index);
    return last > LONGEST_TIMEOUT / 2 ? LONGEST_TIMEOUT : 2 * last;
}

m2_status m2_ssl_set_retransmission_timeout(SSL *connection, double seconds)
{
    double microseconds = seconds * 1e6;

    if (!(microseconds >= 1 && microseconds <= LONGEST_TIMEOUT) || !SSL_is_dtls(connection)) {
        m2_error("the retransmission timeout of DTLS is at least a microsecond, at most a minute");
        return 0;
    }
    if (!dtls_has_indices() ||
        !SSL_set_ex_data(connection, timeout_index, (void *)(uintptr_t)microseconds))
        return 0;
    DTLS_set_timer_cb(connection, dtls_next_timeout);
    return 1;
}

double m2_ssl_get_retransmission_timeout(const SSL *connection)
{
    struct timeval left = {0};

    if (!SSL_is_dtls(connection) || DTLSv1_get_timeout((SSL *)connection, &left) <= 0)
        return -1;
    return (double)left.tv_sec + (double)left.tv_usec / 1e6;
}

m2_verdict m2_ssl_handle_retransmission(SSL *connection)
{
    return SSL_is_dtls(connection) ? (int)DTLSv1_handle_timeout(connection) : 0;
}

int m2_ssl_is_dtls(const SSL *connection)
{
    return SSL_is_dtls(connection) != 0;
}

/* ---- cookies ------------------------------------------------------------------------------- */

#define COOKIE_LENGTH 32
/* Seconds. A cookie is valid in the period that it was generated in, and in the next. */
#define COOKIE_PERIOD 60
#define COOKIE_ADDRESS 16

/* Write the MAC of the peer's address and of a period. */
static int dtls_cookie(SSL *connection, unsigned long long period, unsigned char *cookie)
{
    const unsigned char *secret = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(connection), secret_index);
    unsigned char input[sizeof(period) + 2 * sizeof(int) + COOKIE_ADDRESS] = {0};
    BIO_ADDR *peer = BIO_ADDR_new();
    size_t length = 0;
    unsigned int written = 0;
    int numbers[2];
    int done = 0;

    if (secret == NULL || peer == NULL || BIO_dgram_get_peer(SSL_get_rbio(connection), peer) <= 0)
        goto done;
    numbers[0] = BIO_ADDR_family(peer);
    numbers[1] = BIO_ADDR_rawport(peer);
    if (!BIO_ADDR_rawaddress(peer, NULL, &length) || length > COOKIE_ADDRESS ||
        !BIO_ADDR_rawaddress(peer, input + sizeof(period) + sizeof(numbers), &length))
        goto done;
    memcpy(input, &period, sizeof(period));
    memcpy(input + sizeof(period), numbers, sizeof(numbers));
    done =
        HMAC(EVP_sha256(), secret, COOKIE_SECRET, input, sizeof(input), cookie, &written) != NULL;
done:
    BIO_ADDR_free(peer);
    return done && written == COOKIE_LENGTH;
}

static unsigned long long dtls_period(void)
{
    return (unsigned long long)time(NULL) / COOKIE_PERIOD;
}

static int dtls_generate_cookie(SSL *connection, unsigned char *cookie, unsigned int *length)
{
    *length = COOKIE_LENGTH;
    return dtls_cookie(connection, dtls_period(), cookie);
}

static int dtls_verify_cookie(SSL *connection, const unsigned char *cookie, unsigned int length)
{
    unsigned char expected[EVP_MAX_MD_SIZE];
    unsigned long long period = dtls_period();
    int back;

    for (back = 0; back < 2; back++) {
        if (length == COOKIE_LENGTH && dtls_cookie(connection, period - back, expected) &&
            CRYPTO_memcmp(cookie, expected, COOKIE_LENGTH) == 0)
            return 1;
    }
    return 0;
}

m2_status m2_ssl_ctx_use_cookies(SSL_CTX *context)
{
    unsigned char *secret;

    if (!dtls_has_indices())
        return 0;
    if (SSL_CTX_get_ex_data(context, secret_index) == NULL) {
        secret = OPENSSL_malloc(COOKIE_SECRET);
        if (secret == NULL || RAND_priv_bytes(secret, COOKIE_SECRET) <= 0 ||
            !SSL_CTX_set_ex_data(context, secret_index, secret)) {
            OPENSSL_clear_free(secret, COOKIE_SECRET);
            return 0;
        }
    }
    SSL_CTX_set_cookie_generate_cb(context, dtls_generate_cookie);
    SSL_CTX_set_cookie_verify_cb(context, dtls_verify_cookie);
    SSL_CTX_set_options(context, SSL_OP_COOKIE_EXCHANGE);
    return 1;
}

m2_ssl_progress m2_ssl_listen(SSL *connection)
{
    BIO_ADDR *client = BIO_ADDR_new();
    int system;
    int result;

    if (client == NULL)
        return -SSL_ERROR_SSL;
    ERR_clear_error();
    errno = 0;
    result = DTLSv1_listen(connection, client);
    system = errno;
    BIO_ADDR_free(client);
    if (result > 0)
        return 1;
    /* An empty datagram fails without an error. */
    if (result < 0 && ERR_peek_error() == 0 && system != 0 &&
        !BIO_should_retry(SSL_get_rbio(connection))) {
        m2_compat_system_error(system);
        return -SSL_ERROR_SSL;
    }
    if (result < 0 && ERR_peek_error() != 0)
        return -SSL_ERROR_SSL;
    /* Nothing was received, or what is dropped. */
    ERR_clear_error();
    return -SSL_ERROR_WANT_READ;
}
