/* The objects that an operation uses besides the connection (use.h). */
#include "m2.h"
#include "bio.h"
#include "bio_chain.h"
#include "ssl_use.h"

/* Return what calls register for a BIO, or NULL for a descriptor, which threads share. */
static const void *ssl_used_bio(BIO *bio)
{
    return bio == NULL || m2_bio_is_descriptor(bio) ? NULL : m2_bio_used(bio);
}

static int ssl_use_bio(m2_ssl_use *use, int index, BIO *bio, const void *used)
{
    return used == NULL || (m2_use_begin(&use->bios[index], "BIO", used, 1) &&
                            m2_bio_begin_more(bio, &use->below[index]));
}

/* Both BIOs, which may be the same, in the order of their addresses, so that two connections
 * with the same two BIOs do not wait for each other. If a BIO is another connection, with what that
 * uses. */
static int ssl_use_bios(m2_ssl_use *use, const SSL *connection)
{
    BIO *bios[2] = {SSL_get_rbio(connection), SSL_get_wbio(connection)};
    const void *used[2] = {ssl_used_bio(bios[0]), ssl_used_bio(bios[1])};
    int second = used[0] > used[1] ? 0 : 1;
    int first = 1 - second;

    if (used[first] == used[second])
        used[first] = NULL;
    return ssl_use_bio(use, first, bios[first], used[first]) &&
           ssl_use_bio(use, second, bios[second], used[second]);
}

/* ---- the use of a handshake, in the ex_data of its connection ------------------------------- */

static CRYPTO_ONCE once = CRYPTO_ONCE_STATIC_INIT;
static int use_index = -1;

static void ssl_make_index(void)
{
    use_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
}

static int ssl_set_use(SSL *connection, m2_ssl_use *use)
{
    if (CRYPTO_THREAD_run_once(&once, ssl_make_index) && use_index >= 0 &&
        SSL_set_ex_data(connection, use_index, use))
        return 1;
    m2_error("out of memory");
    return 0;
}

/* ---- contexts and their trust stores -------------------------------------------------------- */

static int ssl_use_context(m2_use *use, m2_use *store, const SSL_CTX *context)
{
    return m2_use_begin(use, "SSL_CTX", context, 0) &&
           m2_use_begin(store, "X509_STORE", SSL_CTX_get_cert_store(context), 0);
}

int m2_ssl_use_add_context(SSL *connection, const SSL_CTX *context)
{
    m2_ssl_use *use = SSL_get_ex_data(connection, use_index);

    if (use == NULL)
        return 1;
    m2_use_end(&use->other_store);
    m2_use_end(&use->other_context);
    return ssl_use_context(&use->other_context, &use->other_store, context);
}

int m2_ssl_use_begin(m2_ssl_use *use, SSL *connection)
{
    if (!SSL_is_init_finished(connection)) {
        if (!ssl_set_use(connection, use))
            return 0;
        use->connection = connection;
    }
    return ssl_use_context(&use->context, &use->store, SSL_get_SSL_CTX(connection)) &&
           ssl_use_bios(use, connection);
}

int m2_ssl_use_begin_write(m2_ssl_use *use, SSL *connection)
{
    return SSL_is_init_finished(connection) && !SSL_renegotiate_pending(connection)
               ? ssl_use_bios(use, connection)
               : m2_ssl_use_begin(use, connection);
}

void m2_ssl_use_end(m2_ssl_use *use)
{
    int index;

    if (use->connection != NULL)
        (void)SSL_set_ex_data(use->connection, use_index, NULL);
    m2_use_end(&use->other_store);
    m2_use_end(&use->other_context);
    for (index = 1; index >= 0; index--) {
        if (use->below[index] != NULL)
            m2_bio_end_more(use->below[index]);
        use->below[index] = NULL;
        m2_use_end(&use->bios[index]);
    }
    m2_use_end(&use->store);
    m2_use_end(&use->context);
}
