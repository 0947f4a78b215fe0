/* Connections (SSL_new(3)) and ciphers (SSL_CIPHER_get_name(3)). */
#include <errno.h>
#include <limits.h>
#include <string.h>

#ifdef _WIN32
#include <winsock2.h>
#endif

#include <openssl/x509v3.h>

#include "bio_chain.h"
#include "compat.h"
#include "ssl_callbacks.h"
#include "ssl_connection.h"
#include "ssl_context.h"
#include "ssl_io.h"
#include "ssl_socket.h"
#include "x509_param.h"

SSL *m2_ssl_new(SSL_CTX *context)
{
    SSL *connection = SSL_new(context);

    if (connection != NULL &&
        (!m2_ssl_io_init(connection) || !m2_ssl_inherit_callbacks(connection, context))) {
        SSL_free(connection);
        connection = NULL;
    }
    return connection;
}

m2_status m2_ssl_set_fd(SSL *connection, long long fd)
{
    if (fd < 0 || fd > INT_MAX) {
        m2_error("the socket is closed");
        return 0;
    }
    return m2_ssl_socket_set(connection, (int)fd);
}

m2_status m2_ssl_set_bio(SSL *connection, BIO *readbio, BIO *writebio)
{
    if (m2_bio_reaches(readbio, connection) || m2_bio_reaches(writebio, connection)) {
        m2_error("the connection would be below itself");
        return 0;
    }
    if (!BIO_up_ref(readbio))
        return 0;
    if (!BIO_up_ref(writebio)) {
        BIO_free(readbio);
        return 0;
    }
    SSL_set0_rbio(connection, readbio);
    SSL_set0_wbio(connection, writebio);
    return 1;
}

/* ---- input and output --------------------------------------------------------------------- */

/* Queue the error number of the thread's last system call. */
static int ssl_system_error(void)
{
#ifdef _WIN32
    return WSAGetLastError();
#else
    return errno;
#endif
}

/* SSL_get_error(3) looks at the retry flags of the BIOs, which are those of an earlier operation if
 * this one reads and writes nothing. */
static void ssl_clear_errors(const SSL *connection)
{
    BIO *reads = SSL_get_rbio(connection), *writes = SSL_get_wbio(connection);

    if (reads != NULL)
        BIO_clear_retry_flags(reads);
    if (writes != NULL && writes != reads)
        BIO_clear_retry_flags(writes);
    m2_errors_clear();
#ifdef _WIN32
    WSASetLastError(0);
#else
    errno = 0;
#endif
}

/* OpenSSL up to 3.x dereferences the BIOs in SSL_get_error. */
static int ssl_has_bios(const SSL *connection)
{
    return SSL_get_rbio(connection) != NULL && SSL_get_wbio(connection) != NULL;
}

int m2_ssl_get_error(const SSL *connection, int result)
{
    return result <= 0 && !ssl_has_bios(connection) ? SSL_ERROR_SSL
                                                    : SSL_get_error(connection, result);
}

static m2_ssl_progress ssl_result(const SSL *connection, int result, size_t done)
{
    int system = ssl_system_error();
    int error = SSL_ERROR_NONE;

    if (result <= 0 && !ssl_has_bios(connection)) {
        ERR_clear_error();
        m2_error("the connection has neither a socket nor BIOs");
        return -SSL_ERROR_SSL;
    }
    if (result <= 0)
        error = SSL_get_error(connection, result);
    /* OpenSSL queues no error then. */
    if ((error == SSL_ERROR_SYSCALL || error == SSL_ERROR_SSL) && system == 0 &&
        ERR_peek_error() == 0 && strcmp(SSL_state_string(connection), "SSLERR") == 0)
        m2_error("an earlier operation of the connection failed");
#ifdef __linux__
    /* Elsewhere a socket can be connecting; on Linux, which says EAGAIN then, it is not connected,
     * and waiting for it would not end. */
    if ((error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) && system == ENOTCONN)
        error = SSL_ERROR_SYSCALL;
#endif
    switch (error) {
    case SSL_ERROR_NONE:
        return (m2_ssl_progress)done;
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
    case SSL_ERROR_ZERO_RETURN:
        return -error;
    case SSL_ERROR_SYSCALL:
        if (ERR_peek_error() == 0 && system != 0)
            m2_compat_system_error(system);
        /* OpenSSL 1.1.1 has no such error, so the text is that of later versions. */
        if (ERR_peek_error() == 0)
            m2_error("unexpected eof while reading");
        return -SSL_ERROR_SSL;
    default:
        return -SSL_ERROR_SSL;
    }
}

m2_ssl_progress m2_ssl_do_handshake(SSL *connection)
{
    if (m2_ssl_raise_postponed(connection))
        return -SSL_ERROR_SSL;
    ssl_clear_errors(connection);
    return ssl_result(connection, SSL_do_handshake(connection), 1);
}

m2_ssl_transfer m2_ssl_read(SSL *connection, m2_target target)
{
    size_t got = 0;
    int result;

    if (m2_ssl_raise_postponed(connection))
        return -SSL_ERROR_SSL;
    ssl_clear_errors(connection);
    result = SSL_read_ex(connection, target.data, target.length, &got);
    return ssl_result(connection, result, got);
}

m2_ssl_transfer m2_ssl_write(SSL *connection, m2_buffer data)
{
    size_t written = 0;
    int result;

    if (m2_ssl_raise_postponed(connection))
        return -SSL_ERROR_SSL;
    ssl_clear_errors(connection);
    result = SSL_write_ex(connection, data.data, data.length, &written);
    return ssl_result(connection, result, written);
}

int m2_ssl_uses_ktls(SSL *connection)
{
    return m2_compat_ssl_uses_ktls(connection);
}

m2_ssl_transfer m2_ssl_sendfile(SSL *connection, int fd, long long offset, size_t size)
{
    long long written;

    if (m2_ssl_raise_postponed(connection))
        return -SSL_ERROR_SSL;
    ssl_clear_errors(connection);
    if (!m2_compat_ssl_uses_ktls(connection)) {
        m2_error("the kernel does not encrypt what is written");
        return -SSL_ERROR_SSL;
    }
    written = m2_compat_ssl_sendfile(connection, fd, offset, size);
    return written >= 0 ? written : ssl_result(connection, -1, 0);
}

m2_ssl_progress m2_ssl_shutdown(SSL *connection)
{
    int result;

    ssl_clear_errors(connection);
    result = SSL_shutdown(connection);
    /* The peer's close_notify is not required. */
    if (m2_ssl_raise_postponed(connection))
        return -SSL_ERROR_SSL;
    return result < 0 ? ssl_result(connection, result, 0) : result;
}

/* ---- settings of a connection ------------------------------------------------------------- */

m2_status m2_ssl_set_session_id_context(SSL *connection, m2_buffer id)
{
    if (id.length > SSL_MAX_SID_CTX_LENGTH) {
        m2_error("a session ID context has at most 32 bytes");
        return 0;
    }
    return SSL_set_session_id_context(connection, id.data, (unsigned int)id.length);
}

m2_status m2_ssl_set_client_ca_list_from_file(SSL *connection, const char *file)
{
    STACK_OF(X509_NAME) *names = m2_subjects_of_file(file);

    if (names == NULL)
        return 0;
    SSL_set_client_CA_list(connection, names);
    return 1;
}

m2_status m2_ssl_set_client_ca_list_from_context(SSL *connection)
{
    const STACK_OF(X509_NAME) *names = SSL_CTX_get_client_CA_list(SSL_get_SSL_CTX(connection));
    STACK_OF(X509_NAME) *copy = names == NULL ? NULL : SSL_dup_CA_list(names);

    if (names != NULL && copy == NULL)
        return 0;
    SSL_set_client_CA_list(connection, copy);
    return 1;
}

int m2_ssl_client_ca_num(const SSL *connection)
{
    int count = sk_X509_NAME_num(SSL_get_client_CA_list(connection));

    return count < 0 ? 0 : count;
}

X509_NAME *m2_ssl_client_ca_value(const SSL *connection, int index)
{
    const X509_NAME *name = sk_X509_NAME_value(SSL_get_client_CA_list(connection), index);

    if (name == NULL) {
        m2_error("the list of CA names has no such entry");
        return NULL;
    }
    return X509_NAME_dup((X509_NAME *)name);
}

m2_status m2_ssl_set_tlsext_host_name(SSL *connection, const char *name)
{
    return (m2_status)SSL_set_tlsext_host_name(connection, name);
}

m2_status m2_ssl_set1_host(SSL *connection, const char *name)
{
    return m2_x509_verify_param_set1_host(SSL_get0_param(connection), name);
}

m2_status m2_ssl_set1_ip(SSL *connection, const char *address)
{
    return m2_x509_verify_param_set1_ip_asc(SSL_get0_param(connection), address);
}

/* ---- state of a connection ---------------------------------------------------------------- */

X509 *m2_ssl_get_peer_cert(const SSL *connection)
{
    return m2_compat_ssl_get1_peer_certificate((SSL *)connection);
}

m2_x509_stack *m2_ssl_get_peer_cert_chain(const SSL *connection)
{
    STACK_OF(X509) *chain = SSL_get_peer_cert_chain(connection);

    return chain == NULL ? NULL : X509_chain_up_ref(chain);
}

m2_status m2_ssl_set_session(SSL *connection, const SSL_SESSION *session)
{
    /* A session belongs to one context (SSL_SESSION_free(3)). */
    SSL_SESSION *copy = SSL_SESSION_dup((SSL_SESSION *)session);
    int result = 0;

    if (copy != NULL)
        result = SSL_set_session(connection, copy);
    SSL_SESSION_free(copy);
    return result;
}

SSL_SESSION *m2_ssl_get_session(const SSL *connection)
{
    return SSL_get1_session((SSL *)connection);
}

SSL_CIPHER *m2_ssl_get_current_cipher(const SSL *connection)
{
    return (SSL_CIPHER *)SSL_get_current_cipher(connection);
}

SSL_CTX *m2_ssl_get_ssl_ctx(const SSL *connection)
{
    SSL_CTX *context = SSL_get_SSL_CTX(connection);

    SSL_CTX_up_ref(context);
    return context;
}

int m2_ssl_is_init_finished(const SSL *connection)
{
    return SSL_is_init_finished(connection) != 0;
}

int m2_ssl_session_reused(const SSL *connection)
{
    return SSL_session_reused(connection) != 0;
}

int m2_ssl_is_server(const SSL *connection)
{
    return SSL_is_server(connection) != 0;
}

/* ---- ciphers ------------------------------------------------------------------------------ */

m2_ssl_ciphers *m2_ssl_get_ciphers(const SSL *connection)
{
    return sk_SSL_CIPHER_dup(SSL_get_ciphers(connection));
}

void m2_sk_ssl_cipher_free(m2_ssl_ciphers *ciphers)
{
    sk_SSL_CIPHER_free(ciphers);
}

int m2_sk_ssl_cipher_num(const m2_ssl_ciphers *ciphers)
{
    return sk_SSL_CIPHER_num(ciphers);
}

SSL_CIPHER *m2_sk_ssl_cipher_value(const m2_ssl_ciphers *ciphers, int index)
{
    const SSL_CIPHER *cipher = sk_SSL_CIPHER_value(ciphers, index);

    if (cipher == NULL)
        m2_error("the stack of ciphers has no such element");
    return (SSL_CIPHER *)cipher;
}

int m2_ssl_cipher_get_bits(const SSL_CIPHER *cipher)
{
    return SSL_CIPHER_get_bits(cipher, NULL);
}
