/* The extensions that say where a certificate's status is found, and stapled OCSP responses
 * (SSL_CTX_set_tlsext_status_cb(3)). */
#include <string.h>

#include <openssl/x509v3.h>

#include "revocation.h"

/* ---- where the status is ------------------------------------------------------------------ */

/* Write a URL and a newline, unless it is NULL or has a newline or NUL of its own. */
static void revocation_put_url(BIO *bio, const ASN1_STRING *url)
{
    const char *text = url == NULL ? NULL : (const char *)ASN1_STRING_get0_data(url);
    int length = url == NULL ? 0 : ASN1_STRING_length(url);

    if (length <= 0 || memchr(text, '\n', length) != NULL || memchr(text, '\0', length) != NULL)
        return;
    BIO_write(bio, text, length);
    BIO_write(bio, "\n", 1);
}

/* Return an extension that the certificate has at most once. NULL with an error queued if it is
 * malformed or repeated, without one if it is absent. */
static void *revocation_extension(const X509 *certificate, int nid)
{
    int critical = -1;
    void *found = X509_get_ext_d2i(certificate, nid, &critical, NULL);

    /* -1 is none, -2 more than one. */
    if (found == NULL && critical != -1)
        m2_error("an extension of the certificate is malformed or repeated");
    return found;
}

m2_bytes m2_x509_ocsp_urls(X509 *certificate)
{
    AUTHORITY_INFO_ACCESS *access = revocation_extension(certificate, NID_info_access);
    m2_bytes failed = {NULL, 0};
    BIO *bio;
    int i;

    if (access == NULL && ERR_peek_error() != 0)
        return failed;
    bio = BIO_new(BIO_s_mem());
    for (i = 0; bio != NULL && i < sk_ACCESS_DESCRIPTION_num(access); i++) {
        const ACCESS_DESCRIPTION *one = sk_ACCESS_DESCRIPTION_value(access, i);

        if (OBJ_obj2nid(one->method) == NID_ad_OCSP && one->location->type == GEN_URI)
            revocation_put_url(bio, one->location->d.uniformResourceIdentifier);
    }
    AUTHORITY_INFO_ACCESS_free(access);
    return m2_bytes_from_bio(bio);
}

m2_bytes m2_x509_crl_urls(const X509 *certificate)
{
    CRL_DIST_POINTS *points = revocation_extension(certificate, NID_crl_distribution_points);
    m2_bytes failed = {NULL, 0};
    BIO *bio;
    int i, j;

    if (points == NULL && ERR_peek_error() != 0)
        return failed;
    bio = BIO_new(BIO_s_mem());
    for (i = 0; bio != NULL && i < sk_DIST_POINT_num(points); i++) {
        const DIST_POINT *point = sk_DIST_POINT_value(points, i);

        /* 0 is fullName. */
        if (point->distpoint == NULL || point->distpoint->type != 0)
            continue;
        for (j = 0; j < sk_GENERAL_NAME_num(point->distpoint->name.fullname); j++) {
            const GENERAL_NAME *name = sk_GENERAL_NAME_value(point->distpoint->name.fullname, j);

            if (name->type == GEN_URI)
                revocation_put_url(bio, name->d.uniformResourceIdentifier);
        }
    }
    CRL_DIST_POINTS_free(points);
    return m2_bytes_from_bio(bio);
}

m2_verdict m2_x509_must_staple(const X509 *certificate)
{
    TLS_FEATURE *features = revocation_extension(certificate, NID_tlsfeature);
    int found = 0;
    int i;

    if (features == NULL)
        return ERR_peek_error() == 0 ? 0 : -1;
    for (i = 0; i < sk_ASN1_INTEGER_num(features); i++) {
        if (ASN1_INTEGER_get(sk_ASN1_INTEGER_value(features, i)) == TLSEXT_TYPE_status_request)
            found = 1;
    }
    TLS_FEATURE_free(features);
    return found;
}

m2_x509_stack *m2_ssl_get1_verified_chain(const SSL *connection)
{
    STACK_OF(X509) *chain = SSL_get0_verified_chain(connection);

    return chain == NULL ? sk_X509_new_null() : X509_chain_up_ref(chain);
}

#ifndef OPENSSL_NO_OCSP

/* ---- clients ------------------------------------------------------------------------------ */

m2_status m2_ssl_ctx_request_ocsp(SSL_CTX *context, int request)
{
    return SSL_CTX_set_tlsext_status_type(context, request ? TLSEXT_STATUSTYPE_ocsp : -1) == 1;
}

m2_bytes m2_ssl_get_ocsp_response(const SSL *connection)
{
    const unsigned char *response = NULL;
    long length = SSL_get_tlsext_status_ocsp_resp((SSL *)connection, &response);
    m2_bytes copy;

    if (response == NULL || length < 0)
        length = 0;
    copy = m2_bytes_new((size_t)length);
    if (copy.data != NULL && length > 0)
        memcpy(copy.data, response, (size_t)length);
    return copy;
}

/* ---- servers ------------------------------------------------------------------------------ */

/* The response of a context. Handshakes read it while the program replaces it. */
typedef struct {
    CRYPTO_RWLOCK *lock;
    unsigned char *data;
    size_t length;
} staple;

static CRYPTO_ONCE once = CRYPTO_ONCE_STATIC_INIT;
static int staple_index = -1;

static void staple_free(void *parent, void *pointer, CRYPTO_EX_DATA *data, int index, long argl,
                        void *argp)
{
    staple *kept = pointer;

    if (kept == NULL)
        return;
    CRYPTO_THREAD_lock_free(kept->lock);
    OPENSSL_free(kept->data);
    OPENSSL_free(kept);
}

static void staple_make_index(void)
{
    staple_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, staple_free);
}

/* A status callback of SSL_CTX_set_tlsext_status_cb(3). */
static int staple_send(SSL *connection, void *argument)
{
    staple *kept = argument;
    unsigned char *copy = NULL;
    size_t length = 0;

    /* A client with the same context receives; Python checks the response after the handshake. */
    if (!SSL_is_server(connection))
        return 1;
    if (CRYPTO_THREAD_read_lock(kept->lock) != 1)
        return SSL_TLSEXT_ERR_NOACK;
    if (kept->length > 0)
        copy = OPENSSL_memdup(kept->data, kept->length);
    length = kept->length;
    CRYPTO_THREAD_unlock(kept->lock);
    if (copy == NULL)
        return SSL_TLSEXT_ERR_NOACK;
    /* The connection frees the copy. */
    if (SSL_set_tlsext_status_ocsp_resp(connection, copy, (long)length) != 1) {
        OPENSSL_free(copy);
        return SSL_TLSEXT_ERR_NOACK;
    }
    return SSL_TLSEXT_ERR_OK;
}

/* Return the staple of a context, which is created if it has none. */
static staple *staple_of(SSL_CTX *context)
{
    staple *kept;

    if (CRYPTO_THREAD_run_once(&once, staple_make_index) != 1 || staple_index < 0) {
        m2_error("OpenSSL could not allocate an index for a stapled response");
        return NULL;
    }
    kept = SSL_CTX_get_ex_data(context, staple_index);
    if (kept != NULL)
        return kept;
    kept = OPENSSL_zalloc(sizeof(*kept));
    if (kept == NULL)
        return NULL;
    kept->lock = CRYPTO_THREAD_lock_new();
    if (kept->lock == NULL || SSL_CTX_set_ex_data(context, staple_index, kept) != 1) {
        CRYPTO_THREAD_lock_free(kept->lock);
        OPENSSL_free(kept);
        return NULL;
    }
    SSL_CTX_set_tlsext_status_cb(context, staple_send);
    SSL_CTX_set_tlsext_status_arg(context, kept);
    return kept;
}

m2_status m2_ssl_ctx_set_ocsp_response(SSL_CTX *context, m2_buffer response)
{
    staple *kept = staple_of(context);
    unsigned char *copy = NULL;
    unsigned char *before;

    if (kept == NULL)
        return 0;
    if (response.length > 0) {
        copy = OPENSSL_memdup(response.data, response.length);
        if (copy == NULL)
            return 0;
    }
    if (CRYPTO_THREAD_write_lock(kept->lock) != 1) {
        OPENSSL_free(copy);
        return 0;
    }
    before = kept->data;
    kept->data = copy;
    kept->length = response.length;
    CRYPTO_THREAD_unlock(kept->lock);
    OPENSSL_free(before);
    return 1;
}

#endif
