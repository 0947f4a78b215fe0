/*
 * The error of the last verification of a peer's certificate (ssl_verification.h). OpenSSL keeps
 * only its code, so the verify callback remembers the rest in the connection's ex_data.
 */
#include "ssl_verification.h"

typedef struct {
    int code;
    int depth;
    X509 *certificate;
} verify_error;

static CRYPTO_ONCE once = CRYPTO_ONCE_STATIC_INIT;
static int error_index = -1;

static void verify_free_error(void *parent, void *error, CRYPTO_EX_DATA *data, int index, long argl,
                              void *argp)
{
    (void)parent;
    (void)data;
    (void)index;
    (void)argl;
    (void)argp;
    if (error != NULL)
        X509_free(((verify_error *)error)->certificate);
    OPENSSL_free(error);
}

static void verify_make_index(void)
{
    error_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, verify_free_error);
}

static int verify_have_index(void)
{
    return CRYPTO_THREAD_run_once(&once, verify_make_index) && error_index >= 0;
}

void m2_ssl_remember_verify_error(SSL *connection, int result, X509_STORE_CTX *store_context)
{
    int code = X509_STORE_CTX_get_error(store_context);
    X509 *certificate = X509_STORE_CTX_get_current_cert(store_context);
    verify_error *error;

    if ((result > 0 && code == X509_V_OK) || !verify_have_index())
        return;
    error = SSL_get_ex_data(connection, error_index);
    if (error == NULL) {
        error = OPENSSL_zalloc(sizeof(*error));
        if (error == NULL || !SSL_set_ex_data(connection, error_index, error)) {
            OPENSSL_free(error);
            return;
        }
    }
    X509_free(error->certificate);
    error->certificate = certificate != NULL && X509_up_ref(certificate) ? certificate : NULL;
    /* OpenSSL sets this if a callback refuses a valid certificate. */
    error->code = code == X509_V_OK ? X509_V_ERR_UNSPECIFIED : code;
    error->depth = X509_STORE_CTX_get_error_depth(store_context);
}

/* Return the error if it is that of the result, or NULL. */
static const verify_error *verify_error_of(const SSL *connection)
{
    const verify_error *error =
        verify_have_index() ? SSL_get_ex_data(connection, error_index) : NULL;

    return error != NULL && error->code == SSL_get_verify_result(connection) ? error : NULL;
}

int m2_ssl_get_verify_error_depth(const SSL *connection)
{
    const verify_error *error = verify_error_of(connection);

    return error == NULL ? -1 : error->depth;
}

X509 *m2_ssl_get_verify_error_cert(const SSL *connection)
{
    const verify_error *error = verify_error_of(connection);

    if (error == NULL || error->certificate == NULL)
        return NULL;
    return X509_up_ref(error->certificate) ? error->certificate : NULL;
}
