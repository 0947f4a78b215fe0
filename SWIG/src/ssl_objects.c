/* Certificates and keys from memory, and the modes and cache of TLS objects (SSL_CTX_new(3)). */
#include "ssl_objects.h"

/* ---- local certificate and private key ---------------------------------------------------- */

m2_status m2_ssl_ctx_use_x509(SSL_CTX *context, X509 *certificate)
{
    return SSL_CTX_use_certificate(context, certificate);
}

m2_status m2_ssl_ctx_use_pkey_privkey(SSL_CTX *context, EVP_PKEY *pkey)
{
    return SSL_CTX_use_PrivateKey(context, pkey);
}

/* ---- the cache of sessions ---------------------------------------------------------------- */

m2_number m2_ssl_ctx_sess_set_cache_size(SSL_CTX *context, long size)
{
    if (size < 0) {
        m2_error("the size of the session cache is negative");
        return -1;
    }
    return SSL_CTX_sess_set_cache_size(context, size);
}

long m2_ssl_ctx_sess_get_cache_size(const SSL_CTX *context)
{
    return SSL_CTX_sess_get_cache_size((SSL_CTX *)context);
}

long m2_ssl_ctx_sess_number(const SSL_CTX *context)
{
    return SSL_CTX_sess_number((SSL_CTX *)context);
}

m2_number m2_ssl_ctx_sess_statistic(const SSL_CTX *context, int kind)
{
    if (kind < SSL_CTRL_SESS_NUMBER || kind > SSL_CTRL_SESS_CACHE_FULL) {
        m2_error("there is no such statistic of sessions");
        return -1;
    }
    return SSL_CTX_ctrl((SSL_CTX *)context, kind, 0, NULL);
}

/* ---- modes -------------------------------------------------------------------------------- */

long m2_ssl_set_mode(SSL *connection, long mode)
{
    return SSL_set_mode(connection, mode);
}

long m2_ssl_get_mode(const SSL *connection)
{
    return SSL_get_mode((SSL *)connection);
}

long m2_ssl_ctx_get_mode(const SSL_CTX *context)
{
    return SSL_CTX_get_mode((SSL_CTX *)context);
}
