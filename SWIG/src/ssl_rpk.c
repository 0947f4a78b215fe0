/* Raw public keys (ssl_rpk.h). */
#include "ssl_rpk.h"

#ifdef TLSEXT_cert_type_rpk

static const unsigned char rpk_only[] = {TLSEXT_cert_type_rpk};

int m2_ssl_has_rpk(void)
{
    return 1;
}

m2_status m2_ssl_ctx_enable_rpk(SSL_CTX *context)
{
    return SSL_CTX_dane_enable(context);
}

m2_status m2_ssl_use_rpk(SSL *connection, int own, int peer)
{
    int client = SSL_is_server(connection) ? peer : own;
    int server = SSL_is_server(connection) ? own : peer;

    return SSL_set1_client_cert_type(connection, client ? rpk_only : NULL, client ? 1 : 0) &&
           SSL_set1_server_cert_type(connection, server ? rpk_only : NULL, server ? 1 : 0);
}

static CRYPTO_ONCE once = CRYPTO_ONCE_STATIC_INIT;
static int context_index = -1;

static void rpk_free_context(void *parent, void *context, CRYPTO_EX_DATA *data, int index,
                             long argl, void *argp)
{
    (void)parent;
    (void)data;
    (void)index;
    (void)argl;
    (void)argp;
    SSL_CTX_free(context);
}

static void rpk_make_index(void)
{
    context_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, rpk_free_context);
}

m2_status m2_ssl_expect_rpk(SSL *connection)
{
    SSL_CTX *context = SSL_get_SSL_CTX(connection);
    void *before;

    if (!CRYPTO_THREAD_run_once(&once, rpk_make_index) || context_index < 0)
        return 0;
    before = SSL_get_ex_data(connection, context_index);
    /* The keys of the connection refer to this context also after SSL_set_SSL_CTX(3). */
    if (!SSL_set_ex_data(connection, context_index, context))
        return 0;
    /* It succeeds once, so there is none before. */
    if (SSL_dane_enable(connection, NULL) > 0)
        return SSL_CTX_up_ref(context);
    (void)SSL_set_ex_data(connection, context_index, before);
    return 0;
}

m2_status m2_ssl_add_expected_rpk(SSL *connection, EVP_PKEY *key)
{
    return SSL_add_expected_rpk(connection, key);
}

EVP_PKEY *m2_ssl_get_peer_rpk(const SSL *connection)
{
    EVP_PKEY *key = SSL_get0_peer_rpk(connection);

    return key != NULL && EVP_PKEY_up_ref(key) ? key : NULL;
}

#else

static m2_status rpk_missing(void)
{
    m2_error("raw public keys need OpenSSL 3.2");
    return 0;
}

int m2_ssl_has_rpk(void)
{
    return 0;
}

m2_status m2_ssl_ctx_enable_rpk(SSL_CTX *context)
{
    (void)context;
    return rpk_missing();
}

m2_status m2_ssl_use_rpk(SSL *connection, int own, int peer)
{
    (void)connection;
    (void)own;
    (void)peer;
    return rpk_missing();
}

m2_status m2_ssl_expect_rpk(SSL *connection)
{
    (void)connection;
    return rpk_missing();
}

m2_status m2_ssl_add_expected_rpk(SSL *connection, EVP_PKEY *key)
{
    (void)connection;
    (void)key;
    return rpk_missing();
}

EVP_PKEY *m2_ssl_get_peer_rpk(const SSL *connection)
{
    (void)connection;
    return NULL;
}

#endif
