/* Chains of filter BIOs (BIO_push(3)). BIO_pop(3) is not used: it follows the pointer of a BIO to
 * the one above it, which may have been freed. */
#include "m2.h"
#include "bio_chain.h"
#include "evp.h"
#include "ssl_bio.h"
#include "ssl_use.h"

const BIO_METHOD *m2_bio_s_mem(void)
{
    return BIO_s_mem();
}

const BIO_METHOD *m2_bio_s_null(void)
{
    return BIO_s_null();
}

const BIO_METHOD *m2_bio_f_base64(void)
{
    return BIO_f_base64();
}

const BIO_METHOD *m2_bio_f_buffer(void)
{
    return BIO_f_buffer();
}

const BIO_METHOD *m2_bio_f_cipher(void)
{
    return BIO_f_cipher();
}

const BIO_METHOD *m2_bio_f_null(void)
{
    return BIO_f_null();
}

/* A BIO_callback_fn_ex of filters: without a BIO below, OpenSSL dereferences NULL when it flushes a
 * cipher filter and when it reads a line from a buffer. OpenSSL 1.1.1 does so in a cipher filter
 * without a cipher, too. */
static long bio_check_next(BIO *bio, int operation, const char *argument, size_t length,
                           int command, long number, int result, size_t *processed)
{
    int is_flush = operation == BIO_CB_CTRL &&
                   (command == BIO_CTRL_FLUSH || command == BIO_C_DO_STATE_MACHINE);

    (void)argument;
    (void)length;
    (void)number;
    (void)processed;
    if ((is_flush || operation == BIO_CB_GETS) && (BIO_next(bio) == NULL || !BIO_get_init(bio)))
        return 0;
    return result;
}

BIO *m2_bio_new(const BIO_METHOD *method)
{
    BIO *bio = BIO_new(method);

    if (bio != NULL && (BIO_method_type(bio) & BIO_TYPE_FILTER) != 0)
        BIO_set_callback_ex(bio, bio_check_next);
    /* BIO_read and BIO_write refuse it until it has a cipher. */
    if (bio != NULL && BIO_method_type(bio) == BIO_TYPE_CIPHER)
        BIO_set_init(bio, 0);
    return bio;
}

/* ---- chains ------------------------------------------------------------------------------- */

static BIO *bio_last(const BIO *bio)
{
    BIO *last = (BIO *)bio;

    while (BIO_next(last) != NULL)
        last = BIO_next(last);
    return last;
}

int m2_bio_reaches(const BIO *bio, const void *target)
{
    const BIO *each;
    const SSL *connection;

    for (each = bio; each != NULL; each = BIO_next((BIO *)each)) {
        if (each == target)
            return 1;
    }
    connection = bio == NULL ? NULL : m2_bio_get0_ssl(bio);
    return connection != NULL &&
           (connection == target || m2_bio_reaches(SSL_get_rbio(connection), target) ||
            m2_bio_reaches(SSL_get_wbio(connection), target));
}

void m2_bio_free(BIO *bio)
{
    BIO_free_all(bio);
}

BIO *m2_bio_push(BIO *bio, BIO *next)
{
    BIO *last = bio_last(bio);

    if ((BIO_method_type(last) & BIO_TYPE_FILTER) == 0) {
        m2_error("the chain does not end with a filter");
        return NULL;
    }
    if (m2_bio_reaches(next, last)) {
        m2_error("the BIO would be below itself");
        return NULL;
    }
    if (!BIO_up_ref(bio))
        return NULL;
    if (!BIO_up_ref(next)) {
        BIO_free(bio);
        return NULL;
    }
    return BIO_push(bio, next);
}

BIO *m2_bio_pop(BIO *bio)
{
    BIO *next = BIO_next(bio);

    BIO_set_next(bio, NULL);
    return next;
}

m2_status m2_bio_set_flags(BIO *bio, int flags)
{
    if (flags != BIO_FLAGS_BASE64_NO_NL) {
        m2_error("the only flag to set is BIO_FLAGS_BASE64_NO_NL");
        return 0;
    }
    BIO_set_flags(bio, flags);
    return 1;
}

const void *m2_bio_used(const void *bio)
{
    const SSL *connection = m2_bio_get0_ssl(bio);

    return connection != NULL ? (const void *)connection : bio_last(bio);
}

int m2_bio_begin_more(const void *bio, void **more)
{
    SSL *connection = m2_bio_get0_ssl(bio);

    if (connection == NULL)
        return 1;
    *more = OPENSSL_zalloc(sizeof(m2_ssl_use));
    if (*more == NULL) {
        m2_error("out of memory");
        return 0;
    }
    return m2_ssl_use_begin(*more, connection);
}

void m2_bio_end_more(void *more)
{
    m2_ssl_use_end(more);
    OPENSSL_free(more);
}

/* ---- cipher filters ----------------------------------------------------------------------- */

static int bio_is_cipher_for_filter(const EVP_CIPHER *cipher)
{
    switch (EVP_CIPHER_mode(cipher)) {
    case EVP_CIPH_STREAM_CIPHER:
    case EVP_CIPH_ECB_MODE:
    case EVP_CIPH_CBC_MODE:
    case EVP_CIPH_CFB_MODE:
    case EVP_CIPH_OFB_MODE:
    case EVP_CIPH_CTR_MODE:
        return (EVP_CIPHER_flags(cipher) & EVP_CIPH_FLAG_AEAD_CIPHER) == 0;
    default:
        return 0;
    }
}

m2_status m2_bio_set_cipher(BIO *bio, const EVP_CIPHER *cipher, m2_buffer key, m2_buffer iv,
                            int encrypt)
{
    EVP_CIPHER_CTX *context = NULL;

    if (BIO_method_type(bio) != BIO_TYPE_CIPHER) {
        m2_error("the BIO is not a cipher filter");
        return 0;
    }
    if (BIO_get_init(bio)) {
        m2_error("the filter has a cipher; create another");
        return 0;
    }
    if (!bio_is_cipher_for_filter(cipher)) {
        m2_error("the mode needs whole messages; use EVP.Cipher");
        return 0;
    }
    /* BIO_get_cipher_ctx initializes the BIO. */
    BIO_get_cipher_ctx(bio, &context);
    if (context != NULL && m2_cipher_init(context, cipher, key, iv, encrypt) == 1)
        return 1;
    BIO_set_init(bio, 0);
    return 0;
}

m2_verdict m2_bio_get_cipher_status(const BIO *bio)
{
    if (BIO_method_type(bio) == BIO_TYPE_CIPHER)
        return BIO_get_cipher_status((BIO *)bio) > 0;
    m2_error("the BIO is not a cipher filter");
    return -1;
}

int m2_bio_has_failed_cipher(BIO *bio)
{
    BIO *filter = BIO_find_type(bio, BIO_TYPE_CIPHER);

    while (filter != NULL && BIO_get_cipher_status(filter) > 0) {
        filter = BIO_next(filter);
        filter = filter == NULL ? NULL : BIO_find_type(filter, BIO_TYPE_CIPHER);
    }
    if (filter == NULL)
        return 0;
    ERR_clear_error();
    m2_error("the last block is wrong: another key or cipher, or changed or truncated data");
    return 1;
}
