/* Contexts (SSL_CTX_new(3)). */
#include <openssl/pem.h>

#include "compat.h"
#include "ssl_callbacks.h"
#include "ssl_context.h"
#include "ssl_session.h"
#include "ssl_verification.h"
#include "x509_callbacks.h"
#include "x509_crl_lookup.h"

const SSL_METHOD *m2_sslv23_method(void)
{
    return TLS_method();
}

/* ---- certificates and keys ---------------------------------------------------------------- */

/* SSL_CTX_use_* call the context's passphrase callback, which is set only during the call,
 * because its callable may be freed afterwards. */
static m2_status ssl_use_file(SSL_CTX *context, const char *file, m2_callback passphrase,
                              int (*use)(SSL_CTX *, const char *))
{
    int result;

    SSL_CTX_set_default_passwd_cb(context, m2_password);
    SSL_CTX_set_default_passwd_cb_userdata(context, passphrase);
    result = use(context, file);
    SSL_CTX_set_default_passwd_cb_userdata(context, NULL);
    return result;
}

static int ssl_use_certificate_pem(SSL_CTX *context, const char *file)
{
    return SSL_CTX_use_certificate_file(context, file, SSL_FILETYPE_PEM);
}

static int ssl_use_key_pem(SSL_CTX *context, const char *file)
{
    return SSL_CTX_use_PrivateKey_file(context, file, SSL_FILETYPE_PEM);
}

m2_status m2_ssl_ctx_use_cert(SSL_CTX *context, const char *file, m2_callback passphrase)
{
    return ssl_use_file(context, file, passphrase, ssl_use_certificate_pem);
}

m2_status m2_ssl_ctx_use_cert_chain(SSL_CTX *context, const char *file, m2_callback passphrase)
{
    return ssl_use_file(context, file, passphrase, SSL_CTX_use_certificate_chain_file);
}

m2_status m2_ssl_ctx_use_privkey(SSL_CTX *context, const char *file, m2_callback passphrase)
{
    return ssl_use_file(context, file, passphrase, ssl_use_key_pem);
}

/* ---- trust store -------------------------------------------------------------------------- */

/* Return whether reading ended at the end of the file, and remove that error. */
static int ssl_is_end_of_pem(void)
{
    unsigned long code = ERR_peek_last_error();

    if (ERR_GET_LIB(code) != ERR_LIB_PEM || ERR_GET_REASON(code) != PEM_R_NO_START_LINE)
        return 0;
    ERR_clear_error();
    return 1;
}

STACK_OF(X509_NAME) * m2_subjects_of_file(const char *file)
{
    BIO *bio = BIO_new_file(file, "r");
    STACK_OF(X509_NAME) *names = sk_X509_NAME_new_null();
    X509 *certificate = NULL;
    int done = 0;

    if (bio == NULL || names == NULL)
        goto done;
    while ((certificate = PEM_read_bio_X509(bio, NULL, m2_password, NULL)) != NULL) {
        X509_NAME *name = X509_NAME_dup(X509_get_subject_name(certificate));

        X509_free(certificate);
        if (name == NULL || sk_X509_NAME_push(names, name) <= 0) {
            X509_NAME_free(name);
            goto done;
        }
    }
    done = sk_X509_NAME_num(names) > 0 && ssl_is_end_of_pem();
done:
    BIO_free(bio);
    if (!done) {
        sk_X509_NAME_pop_free(names, X509_NAME_free);
        names = NULL;
    }
    return names;
}

m2_status m2_ssl_ctx_set_client_ca_list_from_file(SSL_CTX *context, const char *file)
{
    STACK_OF(X509_NAME) *names = m2_subjects_of_file(file);

    if (names == NULL)
        return 0;
    SSL_CTX_set_client_CA_list(context, names);
    return 1;
}

X509_STORE *m2_ssl_ctx_get_cert_store(const SSL_CTX *context)
{
    X509_STORE *store = SSL_CTX_get_cert_store(context);

    X509_STORE_up_ref(store);
    return store;
}

/* ---- callbacks ---------------------------------------------------------------------------- */

/* The ex_data indices of callables. */
typedef struct {
    int verify;
    int info;
} callback_indices;

static callback_indices context_index = {-1, -1};
static callback_indices connection_index = {-1, -1};
static CRYPTO_ONCE indices_once = CRYPTO_ONCE_STATIC_INIT;

static void ssl_make_indices(void)
{
    context_index.verify = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, m2_callback_drop_ex_data);
    context_index.info = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, m2_callback_drop_ex_data);
    connection_index.verify = SSL_get_ex_new_index(0, NULL, NULL, NULL, m2_callback_drop_ex_data);
    connection_index.info = SSL_get_ex_new_index(0, NULL, NULL, NULL, m2_callback_drop_ex_data);
}

static int ssl_have_indices(void)
{
    return CRYPTO_THREAD_run_once(&indices_once, ssl_make_indices) && context_index.verify >= 0 &&
           context_index.info >= 0 && connection_index.verify >= 0 && connection_index.info >= 0;
}

/* OpenSSL verifies the issuer of a CRL in a context of its own, without the ex_data of its parent
 * (X509_STORE_CTX_get0_parent_ctx(3)). */
static SSL *ssl_verifying_connection(X509_STORE_CTX *store_context)
{
    X509_STORE_CTX *parent = X509_STORE_CTX_get0_parent_ctx(store_context);

    return X509_STORE_CTX_get_ex_data(parent == NULL ? store_context : parent,
                                      SSL_get_ex_data_X509_STORE_CTX_idx());
}

SSL *m2_x509_store_ctx_get_ex_data(const m2_x509_store_ctx *context, int index)
{
    SSL *connection = NULL;

    if (index == SSL_get_ex_data_X509_STORE_CTX_idx())
        connection = (SSL *)ssl_verifying_connection(context->context);
    if (connection != NULL)
        SSL_up_ref(connection);
    return connection;
}

static int ssl_verify(int ok, X509_STORE_CTX *store_context)
{
    SSL *connection = ssl_verifying_connection(store_context);
    X509_STORE_CTX_verify_cb of_store =
        X509_STORE_get_verify_cb(X509_STORE_CTX_get0_store(store_context));
    m2_callback callback;

    if (connection == NULL)
        return 0;
    callback = SSL_get_ex_data(connection, connection_index.verify);
    if (callback != NULL)
        ok = m2_call_verify(callback, ok, store_context);
    else if (of_store != NULL)
        ok = of_store(ok, store_context);
    m2_ssl_remember_verify_error(connection, ok, store_context);
    return ok;
}

static void ssl_info(const SSL *connection, int where, int ret)
{
    m2_callback callback = SSL_get_ex_data(connection, connection_index.info);

    if (callback != NULL)
        m2_call_info(callback, where, ret, (SSL *)connection);
}

static int ssl_keep_in_context(SSL_CTX *context, int index, m2_callback callback)
{
    m2_callback before = SSL_CTX_get_ex_data(context, index);

    if (!SSL_CTX_set_ex_data(context, index, callback))
        return 0;
    m2_callback_keep(callback);
    m2_callback_drop(before);
    return 1;
}

static int ssl_keep_in_connection(SSL *connection, int index, m2_callback callback)
{
    if (callback == NULL)
        return 1;
    if (!SSL_set_ex_data(connection, index, callback))
        return 0;
    m2_callback_keep(callback);
    return 1;
}

m2_status m2_ssl_ctx_set_verify(SSL_CTX *context, int mode, m2_callback callback)
{
    if (!ssl_have_indices() || !ssl_keep_in_context(context, context_index.verify, callback))
        return 0;
    SSL_CTX_set_verify(context, mode, ssl_verify);
    return 1;
}

m2_status m2_ssl_ctx_set_info_callback(SSL_CTX *context, m2_callback callback)
{
    if (!ssl_have_indices() || !ssl_keep_in_context(context, context_index.info, callback))
        return 0;
    SSL_CTX_set_info_callback(context, callback == NULL ? NULL : ssl_info);
    return 1;
}

int m2_ssl_inherit_callbacks(SSL *connection, const SSL_CTX *context)
{
    return ssl_have_indices() &&
           ssl_keep_in_connection(connection, connection_index.verify,
                                  SSL_CTX_get_ex_data(context, context_index.verify)) &&
           ssl_keep_in_connection(connection, connection_index.info,
                                  SSL_CTX_get_ex_data(context, context_index.info));
}

SSL_CTX *m2_ssl_ctx_new(const SSL_METHOD *method)
{
    SSL_CTX *context = ssl_have_indices() ? SSL_CTX_new(method) : NULL;

    if (context != NULL) {
        m2_crl_lookup_install(SSL_CTX_get_cert_store(context));
        SSL_CTX_set_verify(context, SSL_CTX_get_verify_mode(context), ssl_verify);
    }
    return context;
}

/* ---- versions and options ----------------------------------------------------------------- */

m2_status m2_ssl_ctx_set_min_proto_version(SSL_CTX *context, int version)
{
    return SSL_CTX_set_min_proto_version(context, version);
}

m2_status m2_ssl_ctx_set_max_proto_version(SSL_CTX *context, int version)
{
    return SSL_CTX_set_max_proto_version(context, version);
}

int m2_ssl_ctx_get_min_proto_version(const SSL_CTX *context)
{
    return (int)SSL_CTX_get_min_proto_version((SSL_CTX *)context);
}

int m2_ssl_ctx_get_max_proto_version(const SSL_CTX *context)
{
    return (int)SSL_CTX_get_max_proto_version((SSL_CTX *)context);
}

unsigned long long m2_ssl_ctx_set_options(SSL_CTX *context, unsigned long long options)
{
    return SSL_CTX_set_options(context, (m2_ssl_options)options);
}

unsigned long long m2_ssl_ctx_clear_options(SSL_CTX *context, unsigned long long options)
{
    return SSL_CTX_clear_options(context, (m2_ssl_options)options);
}

unsigned long long m2_ssl_ctx_get_options(const SSL_CTX *context)
{
    return SSL_CTX_get_options(context);
}

long m2_ssl_ctx_set_mode(SSL_CTX *context, long mode)
{
    return SSL_CTX_set_mode(context, mode);
}

/* ---- key exchange ------------------------------------------------------------------------- */

m2_status m2_ssl_ctx_set_tmp_dh(SSL_CTX *context, BIO *parameters)
{
    return m2_compat_ssl_ctx_set_tmp_dh(context, parameters);
}

m2_status m2_ssl_ctx_set_dh_auto(SSL_CTX *context, int on)
{
#ifdef OPENSSL_NO_DH
    /* OpenSSL 1.1.1 fails, and there is no cipher that could use the parameters. */
    (void)context;
    (void)on;
    return 1;
#else
    return (m2_status)SSL_CTX_set_dh_auto(context, on);
#endif
}

/* ---- sessions ----------------------------------------------------------------------------- */

m2_status m2_ssl_ctx_set_session_id_context(SSL_CTX *context, m2_buffer id)
{
    if (id.length > SSL_MAX_SID_CTX_LENGTH) {
        m2_error("a session ID context has at most 32 bytes");
        return 0;
    }
    return SSL_CTX_set_session_id_context(context, id.data, (unsigned int)id.length);
}

long m2_ssl_ctx_set_session_cache_mode(SSL_CTX *context, long mode)
{
    return SSL_CTX_set_session_cache_mode(context, mode);
}

long m2_ssl_ctx_get_session_cache_mode(const SSL_CTX *context)
{
    return SSL_CTX_get_session_cache_mode((SSL_CTX *)context);
}

/* Remove the session with the same ID. SSL_CTX_remove_session marks its argument as not resumable,
 * so it gets a copy. */
static int ssl_remove_cached(SSL_CTX *context, const SSL_SESSION *session)
{
    SSL_SESSION *copy = SSL_SESSION_dup((SSL_SESSION *)session);
    int removed;

    if (copy == NULL)
        return -1;
    removed = SSL_CTX_remove_session(context, copy);
    SSL_SESSION_free(copy);
    return removed;
}

m2_verdict m2_ssl_ctx_add_session(SSL_CTX *context, const SSL_SESSION *session)
{
    /* A session links to its neighbours in a cache, so it can be in one cache only. */
    SSL_SESSION *copy = SSL_SESSION_dup((SSL_SESSION *)session);
    int removed = -1;
    int result = -1;

    if (copy != NULL)
        removed = ssl_remove_cached(context, session);
    if (removed >= 0 && SSL_CTX_add_session(context, copy))
        result = !removed;
    SSL_SESSION_free(copy);
    return result;
}

m2_number m2_ssl_ctx_set_timeout(SSL_CTX *context, long long seconds)
{
    if (!m2_ssl_fits_seconds(seconds))
        return -1;
    return SSL_CTX_set_timeout(context, (long)seconds);
}
