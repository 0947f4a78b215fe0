/* TLS: contexts, connections, their ciphers and sessions. */
%{
#include "ssl_callbacks.h"
#include "ssl_context.h"
#include "ssl_ciphers.h"
#include "ssl_connection.h"
#include "ssl_dtls.h"
#include "ssl_ech.h"
#include "ssl_io.h"
#include "ssl_objects.h"
#include "ssl_rpk.h"
#include "ssl_session.h"
#include "ssl_transfer.h"
#include "ssl_use.h"
#include "ssl_verification.h"
%}

/* ---- values ---------------------------------------------------------------------------------- */

%ignore m2_target;

%typemap(in) m2_target (Py_buffer view = {0}) {
    if (!m2_buffer_acquire($input, &view, PyBUF_WRITABLE, M2_AREA, "$symname"))
        SWIG_fail;
    $1.data = view.buf;
    $1.length = (size_t)view.len;
}
%typemap(freearg, noblock=1) m2_target {
    if (view$argnum.obj != NULL)
        PyBuffer_Release(&view$argnum);
}

/* A callback may have raised although the operation went well. */
%typemap(out, noblock=1) m2_ssl_progress {
    if ($1 == -SSL_ERROR_SSL || PyErr_Occurred()) {
        m2_raise(M2_AREA, "$symname");
        SWIG_fail;
    }
    /* A provider queues errors also if the handshake succeeds. */
    m2_errors_clear();
    $result = PyLong_FromLongLong($1);
}
/* What was read or written counts in any case. */
%typemap(out, noblock=1) m2_ssl_transfer {
    if ($1 > 0 && PyErr_Occurred())
        m2_ssl_postpone_exception(arg1);
    if ($1 == -SSL_ERROR_SSL || PyErr_Occurred()) {
        m2_raise(M2_AREA, "$symname");
        SWIG_fail;
    }
    m2_errors_clear();
    $result = PyLong_FromLongLong($1);
}

/* The function registers its uses itself. */
%typemap(in, noblock=1) SSL *HELD (m2_argument argument = {0}) {
    $1 = m2_argument_begin(&argument, $input, &handle_SSL, M2_HOLDS, M2_AREA, "$symname");
    if ($1 == NULL)
        SWIG_fail;
}
%typemap(freearg, noblock=1) SSL *HELD {
    m2_argument_end(&argument$argnum);
}

/* The connection shares its BIOs, which may be one. */
%apply BIO *SHARED { BIO *readbio, BIO *writebio };

/* Either may be None. */
%apply const char *OPTIONAL_PATH { const char *cafile, const char *capath };

/* Under these names programs look them up. */
%constant int ssl_sent_shutdown = SSL_SENT_SHUTDOWN;
%constant int ssl_received_shutdown = SSL_RECEIVED_SHUTDOWN;
%constant int ssl_error_none = SSL_ERROR_NONE;
%constant int ssl_error_ssl = SSL_ERROR_SSL;
%constant int ssl_error_syscall = SSL_ERROR_SYSCALL;
%constant int ssl_error_want_connect = SSL_ERROR_WANT_CONNECT;
%constant int ssl_error_want_read = SSL_ERROR_WANT_READ;
%constant int ssl_error_want_write = SSL_ERROR_WANT_WRITE;
%constant int ssl_error_want_x509_lookup = SSL_ERROR_WANT_X509_LOOKUP;
%constant int ssl_error_zero_return = SSL_ERROR_ZERO_RETURN;

/* ---- contexts -------------------------------------------------------------------------------- */

const SSL_METHOD *TLS_method(void);
const SSL_METHOD *TLS_client_method(void);
const SSL_METHOD *TLS_server_method(void);
const SSL_METHOD *DTLS_method(void);

void SSL_CTX_free(SSL_CTX *RELEASE);
m2_status SSL_CTX_check_private_key(const SSL_CTX *context);
m2_status SSL_CTX_load_verify_locations(SSL_CTX *context, const char *cafile, const char *capath);
m2_status SSL_CTX_set_default_verify_paths(SSL_CTX *context);
int SSL_CTX_get_verify_mode(const SSL_CTX *context);
int SSL_CTX_get_verify_depth(const SSL_CTX *context);
void SSL_CTX_set_verify_depth(SSL_CTX *context, int depth);
m2_status SSL_CTX_set_cipher_list(SSL_CTX *context, const char *ciphers);
m2_status SSL_CTX_set_ciphersuites(SSL_CTX *context, const char *ciphers);
int SSL_CTX_get_security_level(const SSL_CTX *context);
void SSL_CTX_set_security_level(SSL_CTX *context, int level);
/* OpenSSL locks the context's cache of sessions. */
m2_verdict SSL_CTX_remove_session(SSL_CTX *SHARED, SSL_SESSION *session);
/* In seconds. */
long SSL_CTX_get_timeout(const SSL_CTX *context);
/* Where a store context has its connection. */
int SSL_get_ex_data_X509_STORE_CTX_idx(void);
%none_for_null(SSL, m2_x509_store_ctx_get_ex_data)
%include "src/ssl_context.h"

/* ---- connections ----------------------------------------------------------------------------- */

%none_for_null(X509, m2_ssl_get_peer_cert)
%none_for_null(m2_x509_stack, m2_ssl_get_peer_cert_chain)
%none_for_null(SSL_SESSION, m2_ssl_get_session)
%none_for_null(SSL_CIPHER, m2_ssl_get_current_cipher)
%none_for_null(X509, m2_ssl_get_verify_error_cert)
%none_for_null(EVP_PKEY, m2_ssl_get_peer_rpk)

/* An operation runs without the GIL, and uses more than its argument. */
%define %ssl_operation(FUNCTION)
%exception FUNCTION {
    m2_ssl_use use = {{0}};
    int may_run = m2_ssl_use_begin(&use, arg1);

    if (may_run) {
        PyThreadState *waiting = PyEval_SaveThread();
        $action
        PyEval_RestoreThread(waiting);
    }
    m2_ssl_use_end(&use);
    if (!may_run) {
        m2_raise(M2_AREA, "$symname");
        SWIG_fail;
    }
}
%enddef

%ssl_operation(m2_ssl_do_handshake)
%ssl_operation(m2_ssl_read)
%ssl_operation(m2_ssl_write)
%ssl_operation(m2_ssl_shutdown)
%ssl_operation(m2_ssl_handle_retransmission)

void SSL_free(SSL *RELEASE);
int SSL_pending(const SSL *connection);
int SSL_get_shutdown(const SSL *connection);
void SSL_set_shutdown(SSL *connection, int mode);
m2_status SSL_renegotiate(SSL *connection);
m2_status SSL_set_cipher_list(SSL *connection, const char *ciphers);
m2_status SSL_set_ciphersuites(SSL *connection, const char *ciphers);
/* None behind the last one. */
const char *SSL_get_cipher_list(const SSL *connection, int priority);
const char *SSL_get_version(const SSL *connection);
int SSL_version(const SSL *connection);
long SSL_get_verify_result(const SSL *connection);
int SSL_get_verify_mode(const SSL *connection);
int SSL_get_verify_depth(const SSL *connection);
long SSL_get_default_timeout(const SSL *connection);
/* A few letters, and in words. */
%rename(ssl_get_state) SSL_state_string;
const char *SSL_state_string(const SSL *connection);
%rename(ssl_get_state_v) SSL_state_string_long;
const char *SSL_state_string_long(const SSL *connection);
%rename(ssl_get_alert_type) SSL_alert_type_string;
const char *SSL_alert_type_string(int value);
%rename(ssl_get_alert_type_v) SSL_alert_type_string_long;
const char *SSL_alert_type_string_long(int value);
%rename(ssl_get_alert_desc) SSL_alert_desc_string;
const char *SSL_alert_desc_string(int value);
%rename(ssl_get_alert_desc_v) SSL_alert_desc_string_long;
const char *SSL_alert_desc_string_long(int value);

const char *SSL_CIPHER_get_name(const SSL_CIPHER *cipher);
const char *SSL_CIPHER_get_version(const SSL_CIPHER *cipher);
int SSL_CIPHER_is_aead(const SSL_CIPHER *cipher);
int SSL_CIPHER_get_cipher_nid(const SSL_CIPHER *cipher);
int SSL_CIPHER_get_digest_nid(const SSL_CIPHER *cipher);
int SSL_CIPHER_get_kx_nid(const SSL_CIPHER *cipher);
int SSL_CIPHER_get_auth_nid(const SSL_CIPHER *cipher);
%include "src/ssl_connection.h"
%include "src/ssl_ciphers.h"
%include "src/ssl_io.h"
%init %{
    if (m2_ssl_transfer_add(m) < 0)
        return -1;
%}
%include "src/ssl_verification.h"
%include "src/ssl_dtls.h"
%include "src/ssl_rpk.h"
%include "src/ssl_ech.h"

/* ---- sessions -------------------------------------------------------------------------------- */

void SSL_SESSION_free(SSL_SESSION *RELEASE);
long SSL_SESSION_get_timeout(const SSL_SESSION *session);
int SSL_SESSION_has_ticket(const SSL_SESSION *session);
unsigned long SSL_SESSION_get_ticket_lifetime_hint(const SSL_SESSION *session);
%include "src/ssl_session.h"

/* ---- certificates, keys, modes and the cache ------------------------------------------------- */

%include "src/ssl_objects.h"
