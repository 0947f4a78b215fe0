/* Operations of a connection that wait for its socket (ssl_io.h). */
#include <Python.h>
#include <errno.h>
#include <limits.h>

#ifdef _WIN32
#include <winsock2.h>
#else
#include <poll.h>
#include <sys/socket.h>
#endif

#include "clock.h"
#include "raise.h"
#include "ssl_callbacks.h"
#include "ssl_dtls.h"
#include "ssl_extensions.h"
#include "ssl_io.h"
#include "ssl_socket.h"
#include "ssl_use.h"

/* The state of a connection, in its ex_data. The GIL protects it. */
typedef struct {
    long long handshake;
    /* Whether the post-connection check of the current handshake has succeeded. */
    int is_open;
    int is_closed;
    int has_failed;
    int has_written;
    /* Whether data were written after the last ones were read. */
    int awaits_reply;
    int no_read_ahead;
    /* Whether close_notify waits for space in the send buffer, although OpenSSL says that it was
     * sent. */
    int is_closing;
    /* Their addresses stand for the write that is in progress, and the wait for data (use.h). */
    char writing;
    char receiving;
} io_state;

static CRYPTO_ONCE once = CRYPTO_ONCE_STATIC_INIT;
static int state_index = -1;

static void io_free_state(void *parent, void *state, CRYPTO_EX_DATA *data, int index, long argl,
                          void *argp)
{
    (void)parent;
    (void)data;
    (void)index;
    (void)argl;
    (void)argp;
    OPENSSL_free(state);
}

static void io_make_index(void)
{
    state_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, io_free_state);
}

int m2_ssl_io_init(SSL *connection)
{
    io_state *state = OPENSSL_zalloc(sizeof(*state));

    if (state != NULL && CRYPTO_THREAD_run_once(&once, io_make_index) && state_index >= 0 &&
        SSL_set_ex_data(connection, state_index, state))
        return 1;
    OPENSSL_free(state);
    return 0;
}

static io_state *io_state_of(const SSL *connection)
{
    return SSL_get_ex_data(connection, state_index);
}

/* ---- waiting ------------------------------------------------------------------------------- */

/* Return the milliseconds of one wait, rounded up; -1 is no limit. */
static int io_milliseconds(double seconds)
{
    if (seconds < 0)
        return -1;
    return seconds >= INT_MAX / 1000 ? INT_MAX : (int)(seconds * 1e3 + 0.999999);
}

/* Wait for the socket, or for a signal. */
static void io_poll(int fd, int writing, int milliseconds)
{
#ifdef _WIN32
    struct timeval limit = {milliseconds / 1000, milliseconds % 1000 * 1000};
    fd_set ready, failed;

    FD_ZERO(&ready);
    FD_SET((SOCKET)fd, &ready);
    /* A connection that could not be established. */
    FD_ZERO(&failed);
    FD_SET((SOCKET)fd, &failed);
    (void)select(0, writing ? NULL : &ready, writing ? &ready : NULL, &failed,
                 milliseconds < 0 ? NULL : &limit);
#else
    struct pollfd poller = {fd, writing ? POLLOUT : POLLIN, 0};

    (void)poll(&poller, 1, milliseconds);
#endif
}

/* Return the sooner of two times or intervals, of which less than 0 is never. */
static double io_sooner(double one, double other)
{
    return one < 0 || (other >= 0 && other < one) ? other : one;
}

static void io_time_out(void)
{
    m2_error_of(M2_REASON_TIMEOUT, "timed out");
}

/* ---- operations ---------------------------------------------------------------------------- */

typedef struct io_operation {
    SSL *connection;
    io_state *state;
    m2_ssl_transfer (*attempt)(struct io_operation *self);
    int is_transfer;
    int waits;
    int has_waited;
    /* Whether it reads from the socket that it writes to. */
    int has_one_socket;
    /* Of a transfer. */
    unsigned char *target;
    const unsigned char *data;
    size_t length;
    size_t done;
    /* Whether it may receive more than OpenSSL asks for. */
    int reads_ahead;
    /* Whether it may wait in recv(2), instead of poll(2). */
    int may_receive;
    /* The result of m2_ssl_socket_begin_receive. */
    int receives;
    /* A file, instead of data. */
    int file;
    long long offset;
    /* Whether a record after those that were read is invalid. */
    int failed_later;
    /* The seconds until DTLS retransmits; less than 0 without that. */
    double retransmission;
    /* Of the socket, while the operation waits for it. */
    m2_use waiting;
    m2_ssl_receiver receiver;
} io_operation;

static int io_may_run(const io_operation *operation)
{
    if (operation->state->is_closed)
        m2_error("the connection was closed by another thread");
    else if (operation->is_transfer && !operation->state->is_open)
        m2_error("the connection was cleared by another thread");
    else
        return 1;
    return 0;
}

/* Return whether bytes were received that no operation has processed. */
static int io_has_received(const SSL *connection)
{
    return SSL_has_pending(connection) || m2_ssl_socket_has_received(connection);
}

/* Return whether to wait before an attempt to read: the peer replies to what was written, so
 * the data can only be on their way, and a call of recv(2) would find nothing; or another thread
 * waits for data, and would not learn what this one leaves of them in OpenSSL's buffer. */
static int io_waits_first(const io_operation *operation)
{
    SSL *connection = operation->connection;
    io_state *state = operation->state;
    int expects = state->awaits_reply && operation->waits && !operation->has_waited;
    int is_reserved;

    if (operation->target == NULL)
        return 0;
    is_reserved = m2_use_count_others(&state->receiving) > 0;
    state->awaits_reply = 0;
    /* The part of a record says nothing of the rest, which the other thread waits for. */
    return ((is_reserved && SSL_pending(connection) == 0) ||
            (expects && !io_has_received(connection))) &&
           !state->has_failed && SSL_is_init_finished(connection) &&
           !(SSL_get_shutdown(connection) & SSL_RECEIVED_SHUTDOWN) &&
           !m2_ssl_has_postponed(connection);
}

/* Return whether the connection has a socket. Without a BIO, as after m2_ssl_io_close, OpenSSL
 * would queue an error. */
static int io_has_socket(const SSL *connection)
{
    return SSL_get_rbio(connection) != NULL && SSL_get_rfd(connection) >= 0;
}

static int io_has_one_socket(const SSL *connection)
{
    return SSL_get_rfd(connection) == SSL_get_wfd(connection);
}

/* Return whether the operation ends soon, so that it need not release the GIL: it transfers few
 * bytes over memory BIOs, after the handshake. */
static int io_is_short(const io_operation *operation)
{
    const BIO *reads = SSL_get_rbio(operation->connection);
    const BIO *writes = SSL_get_wbio(operation->connection);

    return operation->is_transfer && operation->length <= M2_GIL_THRESHOLD && reads != NULL &&
           BIO_method_type(reads) == BIO_TYPE_MEM && writes != NULL &&
           BIO_method_type(writes) == BIO_TYPE_MEM && SSL_is_init_finished(operation->connection);
}

/* Attempt the operation once. */
static m2_ssl_transfer io_call(io_operation *operation)
{
    m2_ssl_use others = {{0}};
    m2_ssl_transfer result = -SSL_ERROR_SSL;
    int begun = operation->data != NULL ? m2_ssl_use_begin_write(&others, operation->connection)
                                        : m2_ssl_use_begin(&others, operation->connection);

    if (begun) {
        m2_ssl_socket_prepare(operation->connection);
        if (!operation->waits && io_is_short(operation)) {
            result = operation->attempt(operation);
        } else {
            Py_BEGIN_ALLOW_THREADS;
            result = operation->attempt(operation);
            Py_END_ALLOW_THREADS;
        }
        /* A postponed exception of a callback is no error of the connection. */
        if ((result == -SSL_ERROR_SSL || operation->failed_later) && ERR_peek_error() != 0)
            operation->state->has_failed = 1;
        /* The wrapper keeps the exception for the next operation. */
        if (operation->failed_later)
            m2_raise("SSL", "ssl_io_read");
    }
    m2_ssl_use_end(&others);
    return result;
}

/* Begin to wait for data, unless another thread does: it may receive those of this one, which then
 * attempts again. Returns 0 with an error queued. */
static int io_begin_receive(io_operation *operation)
{
    /* It cannot wait in line, as it has the use of the connection. */
    int begun = m2_use_try(&operation->waiting, &operation->state->receiving);

    if (begun > 0)
        operation->receives = m2_ssl_socket_begin_receive(
            &operation->receiver, operation->connection, operation->may_receive);
    return begun != 0;
}

static void io_end_waiting(io_operation *operation)
{
    m2_ssl_socket_end_receive(&operation->receiver);
    m2_use_end(&operation->waiting);
}

/* Attempt the operation once, unless it must wait. */
static m2_ssl_transfer io_attempt(io_operation *operation)
{
    m2_use connection = {0};
    m2_ssl_transfer result = -SSL_ERROR_SSL;

    if (m2_use_begin(&connection, "SSL", operation->connection, 1) && io_may_run(operation)) {
        result = io_waits_first(operation) ? -SSL_ERROR_WANT_READ : io_call(operation);
        if (result == -SSL_ERROR_WANT_WRITE)
            operation->has_one_socket = io_has_one_socket(operation->connection);
        if (result < 0)
            operation->retransmission = m2_ssl_get_retransmission_timeout(operation->connection);
        if (result == -SSL_ERROR_WANT_READ && operation->waits && !io_begin_receive(operation))
            result = -SSL_ERROR_SSL;
    }
    m2_use_end(&connection);
    return result;
}

/* Wait until the thread that waits for data has waited: what it received may be all that this
 * operation needs, even if it waits again. Returns 0 with an error queued or an exception set. */
static int io_wait_for_receiver(const io_operation *operation, double seconds)
{
    double end = seconds < 0 ? -1 : m2_clock() + seconds;

    return m2_use_wait_once("socket", &operation->state->receiving, end) != 0;
}

/* Wait once for the socket, without a use of the connection. `end` is that of the timeout, less
 * than 0 without one. Returns 1 if the operation should be attempted again, 0 with an error queued
 * or an exception set. */
static int io_wait(io_operation *operation, int writing, double end)
{
    io_state *state = operation->state;
    double left = end < 0 ? -1 : end - m2_clock();
    double seconds = io_sooner(left, operation->retransmission);

    operation->has_waited = 1;
    /* A peer that keeps the socket ready does not extend the timeout. */
    if (end >= 0 && left <= 0) {
        io_time_out();
        return 0;
    }
    if (!writing && operation->waiting.registered == NULL)
        return io_wait_for_receiver(operation, seconds);
    if (writing && !m2_use_begin(&operation->waiting, "socket", state, 0))
        return 0;
    /* m2_ssl_io_close waits for the end of this use before the descriptor can be reused. */
    if (!state->is_closed && (writing || operation->receives >= 0)) {
        int fd = SSL_get_rfd(operation->connection);

        Py_BEGIN_ALLOW_THREADS;
        if (!writing && operation->receives > 0)
            m2_ssl_socket_receive(&operation->receiver);
        else
            io_poll(fd, writing, io_milliseconds(seconds));
        Py_END_ALLOW_THREADS;
    }
    io_end_waiting(operation);
    /* Also if the socket is ready, as one that was shut down always is. */
    return PyErr_CheckSignals() == 0;
}

/* Return whether to wait and to attempt the operation again. There is no waiting for memory BIOs,
 * nor until another descriptor than the one to read from is writable. */
static int io_should_wait(const io_operation *operation, m2_ssl_transfer result)
{
    return (result == -SSL_ERROR_WANT_READ ||
            (result == -SSL_ERROR_WANT_WRITE && operation->has_one_socket)) &&
           operation->waits && !PyErr_Occurred();
}

/* Attempt the operation until it need not wait, or may not. `end` is that of the timeout, or less
 * than 0 if the timeout begins now. */
static m2_ssl_transfer io_run_until(io_operation *operation, double seconds, double end)
{
    m2_ssl_transfer result;

    operation->waits = seconds != 0 && io_has_socket(operation->connection);
    operation->may_receive =
        operation->reads_ahead && seconds < 0 && !operation->state->no_read_ahead;
    while (io_should_wait(operation, result = io_attempt(operation))) {
        if (seconds > 0 && end < 0)
            end = m2_clock() + seconds;
        if (!io_wait(operation, result == -SSL_ERROR_WANT_WRITE, end)) {
            result = -SSL_ERROR_SSL;
            break;
        }
    }
    io_end_waiting(operation);
    return result;
}

static m2_ssl_transfer io_run(io_operation *operation, double seconds)
{
    operation->state = io_state_of(operation->connection);
    return io_run_until(operation, seconds, -1);
}

/* Run the operation without another write of the connection: OpenSSL buffers at most one record, so
 * a write must end before the next one starts. */
static m2_ssl_transfer io_run_write(io_operation *operation, double seconds)
{
    io_state *state = io_state_of(operation->connection);
    double end = seconds > 0 ? m2_clock() + seconds : seconds;
    m2_use writing = {0};
    m2_ssl_transfer result = -SSL_ERROR_SSL;
    int begun = 1;

    operation->state = state;
    /* In a callback of the connection the operation is refused, and must not wait before. */
    if (!m2_use_is_callback(operation->connection))
        begun = m2_use_begin_until(&writing, "connection", &state->writing, 1, end);
    /* Over BIOs no write waits, so neither is the other one long. */
    if (begun < 0 && !io_has_socket(operation->connection))
        begun = m2_use_begin(&writing, "connection", &state->writing, 1);
    if (begun > 0)
        result = io_run_until(operation, seconds, end > 0 ? end : -1);
    else if (begun < 0 && seconds == 0)
        result = -SSL_ERROR_WANT_WRITE;
    else if (begun < 0)
        io_time_out();
    m2_use_end(&writing);
    if (operation->done > 0)
        state->has_written = state->awaits_reply = 1;
    return result;
}

/* Without waiting, a program selects the socket, so records that it could read must not be in
 * OpenSSL's buffer. */
static void io_set_read_ahead(const io_operation *operation)
{
    SSL *connection = operation->connection;
    int on = operation->waits && !operation->state->no_read_ahead;

    if (SSL_get_read_ahead(connection) != on)
        SSL_set_read_ahead(connection, on);
}

static m2_ssl_transfer io_attempt_handshake(io_operation *self)
{
    io_set_read_ahead(self);
    return m2_ssl_do_handshake(self->connection);
}

m2_ssl_progress m2_ssl_io_handshake(SSL *connection, double seconds)
{
    io_operation operation = {
        .connection = connection, .attempt = io_attempt_handshake, .reads_ahead = 1};
    long long handshake = io_state_of(connection)->handshake;
    m2_ssl_progress result = io_run(&operation, seconds);

    return result > 0 ? handshake : result;
}

static m2_ssl_transfer io_attempt_listen(io_operation *self)
{
    return m2_ssl_listen(self->connection);
}

m2_ssl_progress m2_ssl_io_listen(SSL *connection, double seconds)
{
    io_operation operation = {.connection = connection, .attempt = io_attempt_listen};

    return io_run(&operation, seconds);
}

static m2_ssl_transfer io_attempt_read(io_operation *self)
{
    m2_ssl_transfer result;

    io_set_read_ahead(self);
    do {
        m2_target rest = {self->target + self->done, self->length - self->done};

        result = m2_ssl_read(self->connection, rest);
        if (result > 0)
            self->done += (size_t)result;
        /* A datagram is read alone. */
    } while (result > 0 && self->done < self->length && !SSL_is_dtls(self->connection) &&
             SSL_has_pending(self->connection));
    if (self->done == 0)
        return result;
    self->failed_later = result == -SSL_ERROR_SSL;
    return (m2_ssl_transfer)self->done;
}

m2_ssl_transfer m2_ssl_io_read(SSL *connection, m2_target target, double seconds)
{
    io_operation operation = {.connection = connection,
                              .attempt = io_attempt_read,
                              .is_transfer = 1,
                              .reads_ahead = 1,
                              .target = target.data,
                              .length = target.length};

    return target.length == 0 ? 0 : io_run(&operation, seconds);
}

static m2_ssl_transfer io_attempt_write(io_operation *self)
{
    m2_ssl_transfer result;

    do {
        m2_buffer rest = {self->data + self->done, self->length - self->done};

        result = m2_ssl_write(self->connection, rest);
        if (result > 0)
            self->done += (size_t)result;
    } while (result > 0 && self->done < self->length);
    return result > 0 ? (m2_ssl_transfer)self->done : result;
}

m2_ssl_transfer m2_ssl_io_write(SSL *connection, m2_buffer data, double seconds)
{
    io_operation operation = {.connection = connection,
                              .attempt = io_attempt_write,
                              .is_transfer = 1,
                              .data = data.data,
                              .length = data.length};
    m2_ssl_transfer result;

    if (data.length == 0)
        return 0;
    /* OpenSSL refuses it, too, but that is a failure of the connection. */
    if (SSL_is_dtls(connection) && data.length > SSL3_RT_MAX_PLAIN_LENGTH) {
        m2_error("DTLS sends at most 16384 bytes in a datagram");
        return -SSL_ERROR_SSL;
    }
    result = io_run_write(&operation, seconds);
    if (operation.done > 0 && result != -SSL_ERROR_SSL)
        return (m2_ssl_transfer)operation.done;
    return result;
}

static m2_ssl_transfer io_attempt_sendfile(io_operation *self)
{
    m2_ssl_transfer result =
        m2_ssl_sendfile(self->connection, self->file, self->offset, self->length);

    if (result > 0)
        self->done = (size_t)result;
    return result;
}

m2_ssl_transfer m2_ssl_io_sendfile(SSL *connection, int fd, long long offset, long long size,
                                   double seconds)
{
    io_operation operation = {.connection = connection,
                              .attempt = io_attempt_sendfile,
                              .is_transfer = 1,
                              .file = fd,
                              .offset = offset,
                              /* The kernel writes fewer bytes at once. */
                              .length = (size_t)(size > INT_MAX ? INT_MAX : size)};

    if (offset < 0 || size < 0) {
        PyErr_SetString(PyExc_ValueError, "offset or size is negative");
        return -SSL_ERROR_SSL;
    }
    return io_run_write(&operation, seconds);
}

static m2_ssl_transfer io_attempt_shutdown(io_operation *self)
{
    io_state *state = self->state;
    m2_ssl_transfer result;

    if (!SSL_is_init_finished(self->connection) ||
        (SSL_get_shutdown(self->connection) & SSL_SENT_SHUTDOWN && !state->is_closing))
        return 1;
    result = m2_ssl_shutdown(self->connection);
    state->is_closing = result == -SSL_ERROR_WANT_WRITE;
    return result;
}

m2_ssl_progress m2_ssl_io_shutdown(SSL *connection, double seconds)
{
    io_operation operation = {.connection = connection, .attempt = io_attempt_shutdown};

    if (io_state_of(connection)->has_failed || SSL_get_rbio(connection) == NULL)
        return 1;
    return io_run(&operation, seconds);
}

static m2_ssl_transfer io_attempt_unwrap(io_operation *self)
{
    m2_ssl_transfer result;

    /* What follows the peer's close_notify is not TLS. */
    SSL_set_read_ahead(self->connection, 0);
    do {
        result = m2_ssl_shutdown(self->connection);
    } while (result == 0);
    return result;
}

m2_ssl_progress m2_ssl_io_unwrap(SSL *connection, double seconds)
{
    io_operation operation = {.connection = connection, .attempt = io_attempt_unwrap};

    return io_run(&operation, seconds);
}

static m2_ssl_transfer io_attempt_peek(io_operation *self)
{
    unsigned char byte;
    size_t got = 0;

    /* Process the next record that was read ahead, if it is complete. An error comes again. */
    if (SSL_pending(self->connection) == 0 && io_has_received(self->connection))
        (void)SSL_peek_ex(self->connection, &byte, 1, &got);
    ERR_clear_error();
    return SSL_pending(self->connection);
}

m2_ssl_transfer m2_ssl_io_pending(SSL *connection)
{
    io_operation operation = {
        .connection = connection, .attempt = io_attempt_peek, .is_transfer = 1};

    if (!io_state_of(connection)->is_open)
        return 0;
    if (m2_use_is_callback(connection))
        return SSL_pending(connection);
    return io_run(&operation, 0);
}

/* ---- state --------------------------------------------------------------------------------- */

static void io_require_handshake(SSL *connection)
{
    io_state *state = io_state_of(connection);

    state->is_open = 0;
    state->has_failed = 0;
    state->has_written = 0;
    state->is_closing = 0;
    state->handshake++;
    m2_ssl_forget_psk(connection);
}

m2_status m2_ssl_clear(SSL *connection)
{
    io_require_handshake(connection);
    return SSL_clear(connection);
}

void m2_ssl_set_accept_state(SSL *connection)
{
    io_require_handshake(connection);
    SSL_set_accept_state(connection);
}

void m2_ssl_set_connect_state(SSL *connection)
{
    io_require_handshake(connection);
    SSL_set_connect_state(connection);
}

m2_status m2_ssl_io_open(SSL *connection, long long handshake)
{
    io_state *state = io_state_of(connection);

    if (state->handshake != handshake) {
        m2_error("the connection was cleared during its handshake");
        return 0;
    }
    state->is_open = 1;
    return 1;
}

static int io_count_waiting(const io_state *state)
{
    return m2_use_count_others(state) + m2_use_count_others(&state->receiving);
}

m2_status m2_ssl_io_close(SSL *connection)
{
    io_state *state = io_state_of(connection);
    m2_use use = {0};
    int fd = SSL_get_rfd(connection);

    state->is_closed = 1;
    /* A child process has none of these threads, and shares the socket with its parent. */
    if (io_count_waiting(state) > 0 && fd >= 0) {
#ifdef _WIN32
        (void)shutdown((SOCKET)fd, SD_BOTH);
#else
        (void)shutdown(fd, SHUT_RDWR);
#endif
    }
    m2_use_wait(state);
    m2_use_wait(&state->receiving);
    if (!m2_use_begin(&use, "SSL", connection, 1))
        return 0;
    SSL_set_bio(connection, NULL, NULL);
    m2_use_end(&use);
    return 1;
}

void m2_ssl_io_set_read_ahead(SSL *connection, int on)
{
    io_state_of(connection)->no_read_ahead = !on;
}

int m2_ssl_io_is_callback(SSL *connection)
{
    return m2_use_is_callback(connection);
}

int m2_ssl_io_waiting(SSL *connection)
{
    return io_count_waiting(io_state_of(connection));
}

int m2_ssl_io_expects_tickets(const SSL *connection)
{
    const SSL_SESSION *session = SSL_get0_session(connection);

    return io_state_of(connection)->has_written && !SSL_is_server(connection) &&
           SSL_version(connection) == TLS1_3_VERSION && session != NULL &&
           !SSL_SESSION_is_resumable(session);
}
