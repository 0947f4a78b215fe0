/* The stream socket of a connection (ssl_socket.h). */
#include "m2.h"
#include "ssl_socket.h"

#ifdef _WIN32

/* Winsock's recv has no MSG_DONTWAIT. */
int m2_ssl_socket_set(SSL *connection, int fd)
{
    return SSL_set_fd(connection, fd);
}

static int socket_is_ours(const BIO *bio)
{
    (void)bio;
    return 0;
}

int m2_ssl_socket_has_received(const SSL *connection)
{
    (void)connection;
    return 0;
}

int m2_ssl_socket_begin_receive(m2_ssl_receiver *self, SSL *connection, int receives)
{
    (void)self;
    (void)connection;
    (void)receives;
    return 0;
}

void m2_ssl_socket_receive(m2_ssl_receiver *self)
{
    (void)self;
}

void m2_ssl_socket_end_receive(m2_ssl_receiver *self)
{
    (void)self;
}

#else

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>

/* Without it send(2) raises SIGPIPE, which Python ignores. */
#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0
#endif

/* The bytes that are received in a wait: glibc allocates so few without a lock. OpenSSL receives
 * the rest. */
#define RECEIVED 1024

/* The data of a BIO. */
typedef struct {
    int fd;
    /* Whether the peer has closed its side. */
    int is_at_end;
    /* A buffer of RECEIVED bytes, or NULL. OpenSSL has not read those from start to end. */
    unsigned char *received;
    size_t start;
    size_t end;
    /* The errno of the wait, which OpenSSL has not read either; 0 without one. */
    int error;
    /* Whether a thread of this process waits for data; it alone uses the socket's bytes and the
     * four fields above until then. */
    atomic_int is_receiving;
    int forks;
} stream;

static CRYPTO_ONCE once = CRYPTO_ONCE_STATIC_INIT;
static BIO_METHOD *method = NULL;
static int method_type = 0;
/* The number of forks between this process and the first one. */
static int forks;

static void socket_count_fork(void)
{
    forks++;
}

/* Return whether a thread waits for data. A child process has no such thread, and has lost what
 * that would have received. */
static int socket_is_receiving(stream *self)
{
    if (!atomic_load_explicit(&self->is_receiving, memory_order_acquire))
        return 0;
    if (self->forks == forks)
        return 1;
    atomic_store(&self->is_receiving, 0);
    return 0;
}

/* Move what was received, as far as it fits. */
static size_t socket_take_received(stream *self, char *data, size_t size)
{
    size_t length = self->end - self->start;

    if (length > size)
        length = size;
    memcpy(data, self->received + self->start, length);
    self->start += length;
    if (self->start == self->end) {
        OPENSSL_free(self->received);
        self->received = NULL;
    }
    return length;
}

static ssize_t socket_receive(stream *self, char *data, size_t size)
{
    errno = self->error;
    self->error = 0;
    return errno != 0 ? -1 : recv(self->fd, data, size, MSG_DONTWAIT);
}

static int socket_read(BIO *bio, char *data, size_t size, size_t *done)
{
    stream *self = BIO_get_data(bio);
    ssize_t got;

    *done = 0;
    BIO_clear_retry_flags(bio);
    if (socket_is_receiving(self)) {
        BIO_set_retry_read(bio);
        errno = EAGAIN;
        return -1;
    }
    got = self->received == NULL ? 0 : (ssize_t)socket_take_received(self, data, size);
    if (got == 0)
        got = socket_receive(self, data, size);
    if (got > 0) {
        *done = (size_t)got;
        return 1;
    }
    if (got == 0)
        self->is_at_end = 1;
    else if (BIO_sock_should_retry(-1))
        BIO_set_retry_read(bio);
    return (int)got;
}

static int socket_write(BIO *bio, const char *data, size_t size, size_t *done)
{
    const stream *self = BIO_get_data(bio);
    ssize_t put;

    BIO_clear_retry_flags(bio);
    errno = 0;
    put = send(self->fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    *done = put > 0 ? (size_t)put : 0;
    if (put < 0 && BIO_sock_should_retry(-1))
        BIO_set_retry_write(bio);
    return put > 0 ? 1 : -1;
}

static long socket_ctrl(BIO *bio, int command, long number, void *pointer)
{
    const stream *self = BIO_get_data(bio);

    (void)number;
    switch (command) {
    case BIO_CTRL_FLUSH:
        return 1;
    case BIO_CTRL_EOF:
        return self->is_at_end;
    case BIO_C_GET_FD:
        if (pointer != NULL)
            *(int *)pointer = self->fd;
        return self->fd;
    default:
        return 0;
    }
}

static int socket_destroy(BIO *bio)
{
    stream *self = BIO_get_data(bio);

    if (self != NULL)
        OPENSSL_free(self->received);
    OPENSSL_free(self);
    return 1;
}

static void socket_make_method(void)
{
    BIO_METHOD *made;

    method_type = BIO_get_new_index() | BIO_TYPE_SOURCE_SINK | BIO_TYPE_DESCRIPTOR;
    made = BIO_meth_new(method_type, "stream socket");
    if (made != NULL && BIO_meth_set_read_ex(made, socket_read) &&
        BIO_meth_set_write_ex(made, socket_write) && BIO_meth_set_ctrl(made, socket_ctrl) &&
        BIO_meth_set_destroy(made, socket_destroy) &&
        pthread_atfork(NULL, NULL, socket_count_fork) == 0)
        method = made;
    else
        BIO_meth_free(made);
}

static int socket_is_ours(const BIO *bio)
{
    return bio != NULL && BIO_method_type(bio) == method_type;
}

/* Return whether this is a stream socket: descriptors of other types have no recv(2), or it
 * truncates messages. */
static int socket_is_stream(int fd)
{
    int type = 0;
    socklen_t size = sizeof(type);

    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM;
}

static int socket_wants_ktls(const SSL *connection)
{
#ifdef SSL_OP_ENABLE_KTLS
    return (SSL_get_options(connection) & SSL_OP_ENABLE_KTLS) != 0;
#else
    (void)connection;
    return 0;
#endif
}

int m2_ssl_socket_set(SSL *connection, int fd)
{
    stream *self;
    BIO *bio;

    /* OpenSSL's BIO uses the kernel's TLS. */
    if (socket_wants_ktls(connection) || !socket_is_stream(fd))
        return SSL_set_fd(connection, fd);
    (void)CRYPTO_THREAD_run_once(&once, socket_make_method);
    bio = method == NULL ? NULL : BIO_new(method);
    self = OPENSSL_zalloc(sizeof(*self));
    if (bio == NULL || self == NULL) {
        BIO_free(bio);
        OPENSSL_free(self);
        m2_error("out of memory");
        return 0;
    }
    self->fd = fd;
    BIO_set_data(bio, self);
    BIO_set_init(bio, 1);
    SSL_set_bio(connection, bio, bio);
    return 1;
}

int m2_ssl_socket_has_received(const SSL *connection)
{
    BIO *bio = SSL_get_rbio(connection);
    stream *self = socket_is_ours(bio) ? BIO_get_data(bio) : NULL;

    return self != NULL && !socket_is_receiving(self) && self->start < self->end;
}

int m2_ssl_socket_begin_receive(m2_ssl_receiver *self, SSL *connection, int receives)
{
    BIO *bio = SSL_get_rbio(connection);
    stream *source = socket_is_ours(bio) ? BIO_get_data(bio) : NULL;

    if (source == NULL || socket_is_receiving(source))
        return 0;
    if (source->start < source->end || source->error != 0)
        return -1;
    if (receives && source->received == NULL)
        source->received = OPENSSL_malloc(RECEIVED);
    if ((receives && source->received == NULL) || !BIO_up_ref(bio)) {
        ERR_clear_error();
        return 0;
    }
    source->start = source->end = 0;
    source->forks = forks;
    atomic_store(&source->is_receiving, 1);
    self->bio = bio;
    return receives;
}

void m2_ssl_socket_receive(m2_ssl_receiver *self)
{
    stream *source = BIO_get_data(self->bio);
    struct pollfd poller = {source->fd, POLLIN, 0};
    ssize_t got = recv(source->fd, source->received, RECEIVED, 0);

    if (got > 0)
        source->end = (size_t)got;
    else if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        (void)poll(&poller, 1, -1);
    else if (got < 0 && errno != EINTR)
        source->error = errno;
}

void m2_ssl_socket_end_receive(m2_ssl_receiver *self)
{
    if (self->bio == NULL)
        return;
    atomic_store_explicit(&((stream *)BIO_get_data(self->bio))->is_receiving, 0,
                          memory_order_release);
    BIO_free(self->bio);
    self->bio = NULL;
}

#endif

void m2_ssl_socket_prepare(SSL *connection)
{
    BIO *bio = SSL_get_rbio(connection);

    if (bio != NULL && !socket_is_ours(bio) && (BIO_method_type(bio) & BIO_TYPE_DESCRIPTOR))
        (void)BIO_socket_nbio((int)BIO_get_fd(bio, NULL), 1);
}
