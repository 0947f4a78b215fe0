/* Encrypted Client Hello (ssl_ech.h). */
#include <limits.h>
#include <string.h>

#include <openssl/pem.h>

#include "ssl_ech.h"

/* ssl.h includes ech.h where there is one. Without curves, HPKE has no key exchange. */
#if defined(SSL_ECH_STATUS_SUCCESS) && !defined(OPENSSL_NO_EC)

m2_bytes m2_ech_new_config(const char *public_name)
{
    OSSL_HPKE_SUITE suite = OSSL_HPKE_SUITE_DEFAULT;
    OSSL_ECHSTORE *store = OSSL_ECHSTORE_new(NULL, NULL);
    BIO *bio = BIO_new(BIO_s_mem());

    if (bio == NULL || store == NULL ||
        !OSSL_ECHSTORE_new_config(store, OSSL_ECH_CURRENT_VERSION, 0, public_name, suite) ||
        !OSSL_ECHSTORE_write_pem(store, OSSL_ECHSTORE_LAST, bio)) {
        /* OpenSSL queues no error for a name that is not a DNS name. */
        if (bio != NULL && store != NULL && ERR_peek_error() == 0)
            m2_error("the public name is not a DNS name");
        BIO_free(bio);
        bio = NULL;
    }
    OSSL_ECHSTORE_free(store);
    return m2_bytes_from_bio(bio);
}

/* A pem_password_cb: without one, OpenSSL would prompt for the passphrase of an encrypted key. */
static int ech_refuse_encrypted(char *passphrase, int size, int verify, void *data)
{
    (void)passphrase;
    (void)size;
    (void)verify;
    (void)data;
    m2_error("the private key is encrypted, and RFC 9934 has no such keys");
    return -1;
}

static int ech_has_plain_key(BIO *bio)
{
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, ech_refuse_encrypted, NULL);
    int found = key != NULL;

    EVP_PKEY_free(key);
    return found && BIO_reset(bio) > 0;
}

m2_status m2_ssl_ctx_set_ech_keys(SSL_CTX *context, m2_buffer pem)
{
    OSSL_ECHSTORE *store;
    BIO *bio;
    int done;

    if (!m2_fits_int(pem.length))
        return 0;
    bio = BIO_new_mem_buf(pem.data, (int)pem.length);
    store = OSSL_ECHSTORE_new(NULL, NULL);
    done = bio != NULL && store != NULL && ech_has_plain_key(bio) &&
           OSSL_ECHSTORE_read_pem(store, bio, OSSL_ECH_FOR_RETRY) > 0 &&
           SSL_CTX_set1_echstore(context, store) > 0;
    OSSL_ECHSTORE_free(store);
    BIO_free(bio);
    return done;
}

m2_status m2_ssl_set1_ech_config_list(SSL *connection, m2_buffer list)
{
    return SSL_set1_ech_config_list(connection, list.data, list.length);
}

m2_verdict m2_ssl_ech_accepted(SSL *connection)
{
    char *inner = NULL, *outer = NULL;
    int status = SSL_ech_get1_status(connection, &inner, &outer);

    OPENSSL_free(inner);
    OPENSSL_free(outer);
    /* The certificate is verified separately. */
    return status == SSL_ECH_STATUS_SUCCESS || status == SSL_ECH_STATUS_BAD_NAME;
}

m2_bytes m2_ssl_ech_retry_config(SSL *connection)
{
    unsigned char *list = NULL;
    size_t length = 0;
    m2_bytes copy;

    if (SSL_ech_get1_retry_config(connection, &list, &length) <= 0)
        length = 0;
    copy = m2_bytes_new(length);
    if (copy.data != NULL && length > 0)
        memcpy(copy.data, list, length);
    OPENSSL_free(list);
    return copy;
}

#else

static void ech_missing(void)
{
    m2_error("Encrypted Client Hello needs OpenSSL 4.0 with ECH and EC");
}

m2_bytes m2_ech_new_config(const char *public_name)
{
    m2_bytes nothing = {NULL, 0, NULL};

    (void)public_name;
    ech_missing();
    return nothing;
}

m2_status m2_ssl_ctx_set_ech_keys(SSL_CTX *context, m2_buffer pem)
{
    (void)context;
    (void)pem;
    ech_missing();
    return 0;
}

m2_status m2_ssl_set1_ech_config_list(SSL *connection, m2_buffer list)
{
    (void)connection;
    (void)list;
    ech_missing();
    return 0;
}

m2_verdict m2_ssl_ech_accepted(SSL *connection)
{
    (void)connection;
    return 0;
}

m2_bytes m2_ssl_ech_retry_config(SSL *connection)
{
    (void)connection;
    return m2_bytes_new(0);
}

#endif
