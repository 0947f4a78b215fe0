/* A BIO that reads and writes the data of a TLS connection (BIO_meth_new(3)). */
#include <string.h>

#include "m2.h"
#include "bio_chain.h"
#include "ssl_bio.h"
#include "ssl_connection.h"

static CRYPTO_ONCE once = CRYPTO_ONCE_STATIC_INIT;
static BIO_METHOD *method = NULL;
static int method_type = 0;

SSL *m2_bio_get0_ssl(const BIO *bio)
{
    BIO *last = (BIO *)bio;

    while (BIO_next(last) != NULL)
        last = BIO_next(last);
    return method != NULL && BIO_method_type(last) == method_type ? BIO_get_data(last) : NULL;
}

/* Return what BIO_read and BIO_write return for the result of an operation. */
static int ssl_bio_result(BIO *bio, long long result)
{
    BIO_clear_retry_flags(bio);
    if (result == -SSL_ERROR_WANT_READ)
        BIO_set_retry_read(bio);
    else if (result == -SSL_ERROR_WANT_WRITE)
        BIO_set_retry_write(bio);
    else if (result == -SSL_ERROR_ZERO_RETURN)
        return 0;
    return result > 0 ? 1 : -1;
}

static int ssl_bio_read(BIO *bio, char *data, size_t length, size_t *done)
{
    m2_target target = {(unsigned char *)data, length};
    long long result = m2_ssl_read(BIO_get_data(bio), target);

    *done = result > 0 ? (size_t)result : 0;
    return ssl_bio_result(bio, result);
}

static int ssl_bio_write(BIO *bio, const char *data, size_t length, size_t *done)
{
    m2_buffer buffer = {(const unsigned char *)data, length};
    long long result = m2_ssl_write(BIO_get_data(bio), buffer);
    int status = ssl_bio_result(bio, result);

    *done = result > 0 ? (size_t)result : 0;
    /* A filter above that flushes would try again without end. */
    return status == 0 ? -1 : status;
}

static int ssl_bio_puts(BIO *bio, const char *text)
{
    return BIO_write(bio, text, (int)strlen(text));
}

static long ssl_bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
    const SSL *connection = BIO_get_data(bio);

    (void)number;
    (void)pointer;
    if (connection == NULL)
        return 0;
    switch (command) {
    case BIO_CTRL_FLUSH:
        return 1;
    case BIO_CTRL_PENDING:
        return SSL_pending(connection);
    case BIO_C_GET_FD:
        return SSL_get_fd(connection);
    case BIO_CTRL_EOF:
        return (SSL_get_shutdown(connection) & SSL_RECEIVED_SHUTDOWN) != 0;
    default:
        return 0;
    }
}

/* Without it BIO_new initializes the BIO, which has no connection yet. */
static int ssl_bio_create(BIO *bio)
{
    (void)bio;
    return 1;
}

static int ssl_bio_destroy(BIO *bio)
{
    SSL_free(BIO_get_data(bio));
    return 1;
}

static void ssl_bio_make_method(void)
{
    BIO_METHOD *made;

    method_type = BIO_get_new_index() | BIO_TYPE_SOURCE_SINK;
    made = BIO_meth_new(method_type, "TLS connection");
    if (made != NULL && BIO_meth_set_read_ex(made, ssl_bio_read) &&
        BIO_meth_set_write_ex(made, ssl_bio_write) && BIO_meth_set_puts(made, ssl_bio_puts) &&
        BIO_meth_set_ctrl(made, ssl_bio_ctrl) && BIO_meth_set_create(made, ssl_bio_create) &&
        BIO_meth_set_destroy(made, ssl_bio_destroy))
        method = made;
    else
        BIO_meth_free(made);
}

const BIO_METHOD *m2_bio_f_ssl(void)
{
    (void)CRYPTO_THREAD_run_once(&once, ssl_bio_make_method);
    return method;
}

m2_status m2_bio_set_ssl(BIO *bio, SSL *connection, int close_flag)
{
    (void)close_flag;
    if (method == NULL || BIO_method_type(bio) != method_type) {
        m2_error("the BIO is not one of bio_f_ssl");
        return 0;
    }
    if (BIO_get_data(bio) != NULL) {
        m2_error("the BIO has a connection; create another");
        return 0;
    }
    if (m2_bio_reaches(SSL_get_rbio(connection), bio) ||
        m2_bio_reaches(SSL_get_wbio(connection), bio)) {
        m2_error("the connection would be below itself");
        return 0;
    }
    if (!SSL_up_ref(connection))
        return 0;
    BIO_set_data(bio, connection);
    BIO_set_init(bio, 1);
    return 1;
}

SSL *m2_bio_get_ssl(const BIO *bio)
{
    SSL *connection = m2_bio_get0_ssl(bio);

    return connection != NULL && SSL_up_ref(connection) ? connection : NULL;
}

m2_verdict m2_bio_do_handshake(BIO *bio)
{
    SSL *connection = m2_bio_get0_ssl(bio);

    if (connection == NULL) {
        m2_error("the BIO has no connection");
        return -1;
    }
    switch (ssl_bio_result(bio, m2_ssl_do_handshake(connection))) {
    case 1:
        return 1;
    case 0:
        m2_error("the peer closed the connection in the handshake");
        return -1;
    default:
        return BIO_should_retry(bio) ? 0 : -1;
    }
}
