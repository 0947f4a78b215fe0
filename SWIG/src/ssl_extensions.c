/* What clients and servers agree on besides versions and ciphers (ssl_extensions.h). */
#include <limits.h>
#include <string.h>

#include <openssl/x509v3.h>

#include "compat.h"
#include "ssl_callbacks.h"
#include "ssl_connection.h"
#include "ssl_extensions.h"

/* The ex_data indices of what a context has. */
static struct {
    int protocols;
    int server_name;
    int key_log;
    int psk_client;
    int psk_server;
} index_of = {-1, -1, -1, -1, -1};
/* That of a connection, whose data are NULL until the callback of a client returns a key. */
static int psk_index = -1;
/* Then the data are the address of one of these: without and with a resumable session. */
static char psk_alone, psk_beside_session;
static CRYPTO_ONCE once = CRYPTO_ONCE_STATIC_INIT;

static m2_bytes ssl_copy(const unsigned char *data, size_t length)
{
    m2_bytes copy = m2_bytes_new(length);

    if (copy.data != NULL && length > 0)
        memcpy(copy.data, data, length);
    return copy;
}

/* ---- application protocols ------------------------------------------------------------------ */

typedef struct {
    size_t length;
    unsigned char data[];
} protocol_list;

static void ssl_free_protocols(void *parent, void *list, CRYPTO_EX_DATA *data, int index, long argl,
                               void *argp)
{
    (void)parent;
    (void)data;
    (void)index;
    (void)argl;
    (void)argp;
    OPENSSL_free(list);
}

static int ssl_make_callback_index(void)
{
    return SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, m2_callback_drop_ex_data);
}

static void ssl_make_indices(void)
{
    index_of.protocols = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, ssl_free_protocols);
    index_of.server_name = ssl_make_callback_index();
    index_of.key_log = ssl_make_callback_index();
    index_of.psk_client = ssl_make_callback_index();
    index_of.psk_server = ssl_make_callback_index();
    psk_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
}

static int ssl_have_indices(void)
{
    return CRYPTO_THREAD_run_once(&once, ssl_make_indices) && index_of.protocols >= 0 &&
           index_of.server_name >= 0 && index_of.key_log >= 0 && index_of.psk_client >= 0 &&
           index_of.psk_server >= 0 && psk_index >= 0;
}

static int ssl_select_protocol(SSL *connection, const unsigned char **selected,
                               unsigned char *length, const unsigned char *offered,
                               unsigned int offered_length, void *argument)
{
    const protocol_list *list =
        SSL_CTX_get_ex_data(SSL_get_SSL_CTX(connection), index_of.protocols);

    (void)argument;
    if (list == NULL || list->length == 0)
        return SSL_TLSEXT_ERR_NOACK;
    if (SSL_select_next_proto((unsigned char **)selected, length, list->data,
                              (unsigned int)list->length, offered,
                              offered_length) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    return SSL_TLSEXT_ERR_OK;
}

m2_status m2_ssl_ctx_set_alpn_protos(SSL_CTX *context, m2_buffer protocols)
{
    protocol_list *list;
    protocol_list *before;

    /* The extension has a length of two bytes (RFC 7301, section 3.1). */
    if (protocols.length > USHRT_MAX - 2) {
        m2_error("the application protocols are too long");
        return 0;
    }
    if (!ssl_have_indices())
        return 0;
    list = OPENSSL_malloc(sizeof(*list) + protocols.length);
    if (list == NULL)
        return 0;
    list->length = protocols.length;
    if (protocols.length > 0)
        memcpy(list->data, protocols.data, protocols.length);
    before = SSL_CTX_get_ex_data(context, index_of.protocols);
    /* Unlike others, this function returns 0 for success. */
    if (SSL_CTX_set_alpn_protos(context, list->data, (unsigned int)list->length) != 0 ||
        !SSL_CTX_set_ex_data(context, index_of.protocols, list)) {
        OPENSSL_free(list);
        return 0;
    }
    OPENSSL_free(before);
    SSL_CTX_set_alpn_select_cb(context, ssl_select_protocol, NULL);
    return 1;
}

m2_bytes m2_ssl_get_alpn_selected(const SSL *connection)
{
    const unsigned char *protocol = NULL;
    unsigned int length = 0;

    SSL_get0_alpn_selected(connection, &protocol, &length);
    return ssl_copy(protocol, length);
}

/* ---- server names and key logs -------------------------------------------------------------- */

static int ssl_keep(SSL_CTX *context, int index, m2_callback callback)
{
    m2_callback before = SSL_CTX_get_ex_data(context, index);

    if (!SSL_CTX_set_ex_data(context, index, callback))
        return 0;
    if (callback != NULL)
        m2_callback_keep(callback);
    if (before != NULL)
        m2_callback_drop(before);
    return 1;
}

static int ssl_server_name(SSL *connection, int *alert, void *argument)
{
    m2_callback callback = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(connection), index_of.server_name);

    (void)argument;
    if (callback == NULL)
        return SSL_TLSEXT_ERR_OK;
    *alert = m2_call_server_name(callback, connection, m2_ssl_get_servername(connection));
    return *alert < 0 ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

m2_status m2_ssl_ctx_set_servername_callback(SSL_CTX *context, m2_callback callback)
{
    if (!ssl_have_indices() || !ssl_keep(context, index_of.server_name, callback))
        return 0;
    return SSL_CTX_set_tlsext_servername_callback(context, ssl_server_name) > 0;
}

const char *m2_ssl_get_servername(const SSL *connection)
{
    return SSL_get_servername(connection, TLSEXT_NAMETYPE_host_name);
}

m2_status m2_ssl_set_ssl_ctx(SSL *connection, SSL_CTX *context)
{
    return SSL_set_SSL_CTX(connection, context) != NULL;
}

static void ssl_key_log(const SSL *connection, const char *line)
{
    m2_callback callback = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(connection), index_of.key_log);

    if (callback != NULL)
        m2_call_key_log(callback, line);
}

m2_status m2_ssl_ctx_set_keylog_callback(SSL_CTX *context, m2_callback callback)
{
    if (!ssl_have_indices() || !ssl_keep(context, index_of.key_log, callback))
        return 0;
    SSL_CTX_set_keylog_callback(context, callback == NULL ? NULL : ssl_key_log);
    return 1;
}

/* ---- pre-shared keys ------------------------------------------------------------------------ */

#ifndef OPENSSL_NO_PSK

static unsigned int ssl_psk_of_client(SSL *connection, const char *hint, char *identity,
                                      unsigned int identity_size, unsigned char *key,
                                      unsigned int key_size)
{
    m2_callback callback = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(connection), index_of.psk_client);
    const SSL_SESSION *session = SSL_get0_session(connection);
    unsigned int length = 0;

    if (callback != NULL)
        length = m2_call_psk(callback, connection, hint, identity, identity_size, key, key_size);
    if (length > 0)
        (void)SSL_set_ex_data(connection, psk_index,
                              session != NULL && SSL_SESSION_is_resumable(session)
                                  ? &psk_beside_session
                                  : &psk_alone);
    return length;
}

static unsigned int ssl_psk_of_server(SSL *connection, const char *identity, unsigned char *key,
                                      unsigned int key_size)
{
    m2_callback callback = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(connection), index_of.psk_server);

    return callback == NULL ? 0
                            : m2_call_psk(callback, connection, identity, NULL, 0, key, key_size);
}

m2_status m2_ssl_ctx_set_psk_client_callback(SSL_CTX *context, m2_callback callback)
{
    if (!ssl_have_indices() || !ssl_keep(context, index_of.psk_client, callback))
        return 0;
    SSL_CTX_set_psk_client_callback(context, callback == NULL ? NULL : ssl_psk_of_client);
    return 1;
}

m2_status m2_ssl_ctx_set_psk_server_callback(SSL_CTX *context, m2_callback callback)
{
    if (!ssl_have_indices() || !ssl_keep(context, index_of.psk_server, callback))
        return 0;
    SSL_CTX_set_psk_server_callback(context, callback == NULL ? NULL : ssl_psk_of_server);
    return 1;
}

m2_status m2_ssl_ctx_use_psk_identity_hint(SSL_CTX *context, const char *hint)
{
    return SSL_CTX_use_psk_identity_hint(context, hint);
}

int m2_ssl_uses_psk(const SSL *connection)
{
    const SSL_CIPHER *cipher = SSL_get_current_cipher(connection);
    int is_resumed = SSL_session_reused((SSL *)connection);
    const void *key = NULL;

    if (cipher != NULL && ssl_have_indices() && !SSL_is_server((SSL *)connection))
        key = SSL_get_ex_data(connection, psk_index);
    /* A session may be one of another key, or of none. */
    if (SSL_is_dtls(connection) || SSL_version(connection) < TLS1_3_VERSION)
        return key != NULL && !is_resumed && SSL_CIPHER_get_auth_nid(cipher) == NID_auth_psk;
    /* In TLS 1.3 OpenSSL reports a pre-shared key as resumption. */
    return key == &psk_alone && is_resumed;
}

void m2_ssl_forget_psk(SSL *connection)
{
    if (ssl_have_indices())
        (void)SSL_set_ex_data(connection, psk_index, NULL);
}

#else

static int ssl_refuse_psk(void)
{
    m2_error("this OpenSSL was built without PSK");
    return 0;
}

m2_status m2_ssl_ctx_set_psk_client_callback(SSL_CTX *context, m2_callback callback)
{
    (void)context;
    (void)callback;
    return ssl_refuse_psk();
}

m2_status m2_ssl_ctx_set_psk_server_callback(SSL_CTX *context, m2_callback callback)
{
    (void)context;
    (void)callback;
    return ssl_refuse_psk();
}

m2_status m2_ssl_ctx_use_psk_identity_hint(SSL_CTX *context, const char *hint)
{
    (void)context;
    (void)hint;
    return ssl_refuse_psk();
}

int m2_ssl_uses_psk(const SSL *connection)
{
    (void)connection;
    return 0;
}

void m2_ssl_forget_psk(SSL *connection)
{
    (void)connection;
}

#endif

/* ---- groups, signature algorithms, tickets, post-handshake authentication ------------------- */

m2_status m2_ssl_ctx_set1_groups_list(SSL_CTX *context, const char *groups)
{
    return (m2_status)SSL_CTX_set1_groups_list(context, (char *)groups);
}

m2_bytes m2_ssl_ctx_get_implemented_groups(SSL_CTX *context, int aliases)
{
    BIO *names = BIO_new(BIO_s_mem());

    if (names != NULL && !m2_compat_ssl_ctx_implemented_groups(context, aliases, names)) {
        BIO_free(names);
        names = NULL;
    }
    return m2_bytes_from_bio(names);
}

m2_status m2_ssl_ctx_set1_sigalgs_list(SSL_CTX *context, const char *algorithms)
{
    return (m2_status)SSL_CTX_set1_sigalgs_list(context, algorithms);
}

m2_status m2_ssl_ctx_set1_client_sigalgs_list(SSL_CTX *context, const char *algorithms)
{
    return (m2_status)SSL_CTX_set1_client_sigalgs_list(context, algorithms);
}

const char *m2_ssl_get_signature_name(const SSL *connection, int of_peer)
{
    return m2_compat_ssl_signature_name((SSL *)connection, of_peer);
}

int m2_ssl_get_peer_signature_nid(const SSL *connection)
{
    int digest = NID_undef;

    (void)SSL_get_peer_signature_nid((SSL *)connection, &digest);
    return digest;
}

const char *m2_ssl_get_group_name(const SSL *connection)
{
    return m2_compat_ssl_group_name((SSL *)connection);
}

m2_status m2_ssl_ctx_set_num_tickets(SSL_CTX *context, unsigned int count)
{
    return SSL_CTX_set_num_tickets(context, count);
}

unsigned int m2_ssl_ctx_get_num_tickets(const SSL_CTX *context)
{
    return (unsigned int)SSL_CTX_get_num_tickets((SSL_CTX *)context);
}

void m2_ssl_ctx_set_post_handshake_auth(SSL_CTX *context, int on)
{
    SSL_CTX_set_post_handshake_auth(context, on);
}

m2_status m2_ssl_verify_client_post_handshake(SSL *connection)
{
    return SSL_verify_client_post_handshake(connection);
}

m2_ssl_ciphers *m2_ssl_ctx_get_ciphers(const SSL_CTX *context)
{
    return sk_SSL_CIPHER_dup(SSL_CTX_get_ciphers(context));
}

/* ---- channel bindings ----------------------------------------------------------------------- */

m2_bytes m2_ssl_get_finished(const SSL *connection, int of_peer)
{
    unsigned char finished[EVP_MAX_MD_SIZE];
    size_t length = of_peer ? SSL_get_peer_finished(connection, finished, sizeof(finished))
                            : SSL_get_finished(connection, finished, sizeof(finished));

    return ssl_copy(finished, length);
}

m2_bytes m2_ssl_export_keying_material(SSL *connection, const char *label, m2_buffer context,
                                       int length)
{
    m2_bytes material = {NULL, 0};

    if (length < 1 || length > USHRT_MAX) {
        m2_error("the keying material has 1 to 65535 bytes");
        return material;
    }
    material = m2_bytes_new((size_t)length);
    if (material.data != NULL &&
        SSL_export_keying_material(connection, material.data, material.length, label, strlen(label),
                                   context.data, context.length, context.data != NULL) <= 0)
        m2_bytes_free(&material);
    return material;
}

m2_bytes m2_x509_endpoint_digest(const X509 *certificate)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int length = 0;
    int number = NID_undef;
    const EVP_MD *algorithm;
    m2_bytes nothing = {NULL, 0};

    X509_get_signature_info((X509 *)certificate, &number, NULL, NULL, NULL);
    if (number == NID_md5 || number == NID_sha1)
        number = NID_sha256;
    algorithm = EVP_get_digestbynid(number);
    if (algorithm == NULL) {
        m2_error("the certificate's signature algorithm has no digest");
        return nothing;
    }
    if (!X509_digest(certificate, algorithm, digest, &length))
        return nothing;
    return ssl_copy(digest, length);
}

X509 *m2_ssl_get_certificate(const SSL *connection)
{
    X509 *certificate = SSL_get_certificate(connection);

    if (certificate != NULL)
        X509_up_ref(certificate);
    return certificate;
}
