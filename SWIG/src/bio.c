/* BIOs: OpenSSL's streams (BIO_read(3), BIO_ctrl(3), BIO_s_mem(3)). */
#include <errno.h>
#include <string.h>

#include "m2.h"
#include "bio.h"
#include "bio_chain.h"
#include "compat.h"
#include "ssl_bio.h"

BIO *m2_bio_new_mem(void)
{
    return BIO_new(BIO_s_mem());
}

/* A BIO_callback_fn_ex of files: their write returns 0 if it fails, and a filter above that flushes
 * would try again without end. */
static long bio_fail_write(BIO *bio, int operation, const char *data, size_t length, int command,
                           long number, int result, size_t *processed)
{
    int error = errno;

    (void)bio;
    (void)data;
    (void)length;
    (void)command;
    (void)number;
    (void)processed;
    if (operation != (BIO_CB_WRITE | BIO_CB_RETURN) || result != 0)
        return result;
    m2_compat_system_error(error);
    return -1;
}

BIO *m2_bio_new_file(const char *filename, const char *mode)
{
    BIO *bio = BIO_new_file(filename, mode);

    if (bio != NULL)
        BIO_set_callback_ex(bio, bio_fail_write);
    return bio;
}

/* Return the bytes that BIO_read or BIO_gets reads. */
static m2_bytes bio_take(BIO *bio, int length, int (*read)(BIO *, void *, int))
{
    m2_bytes bytes = {NULL, 0};
    int got;

    if (length < 0) {
        m2_error("the number of bytes to read is negative");
        return bytes;
    }
    bytes = m2_bytes_new((size_t)length);
    if (bytes.data == NULL)
        return bytes;
    got = length == 0 ? 0 : read(bio, bytes.data, length);
    if (got < 0 && BIO_should_retry(bio))
        got = 0;
    if (got < 0) {
        /* Nothing was written, so nothing must be cleansed. */
        bytes.length = 0;
        if (ERR_peek_error() == 0)
            m2_error("the BIO cannot be read");
    }
    /* A cipher filter reports a wrong final block as the end. */
    if (got == 0 && length > 0 && !BIO_should_retry(bio) && m2_bio_has_failed_cipher(bio)) {
        bytes.length = 0;
        got = -1;
    }
    return m2_bytes_finish(bytes, got >= 0, (size_t)got);
}

m2_bytes m2_bio_read(BIO *bio, int length)
{
    return bio_take(bio, length, BIO_read);
}

/* Return the length of the first line in a memory BIO; 0 if it is empty. */
static int bio_line_length(BIO *bio, int length)
{
    char *data = NULL;
    char *end = NULL;
    long pending = BIO_get_mem_data(bio, &data);

    if (pending < length)
        length = (int)pending;
    if (length > 0)
        end = memchr(data, '\n', (size_t)length);
    return end == NULL ? length : (int)(end - data) + 1;
}

/* BIO_gets(3), except that it returns the whole line and not the bytes before the first NUL. For
 * a descriptor it reads single bytes, as BIO_gets does. */
static int bio_read_line(BIO *bio, void *data, int length)
{
    unsigned char *line = data;
    int count = 0;
    int got = 1;

    if (BIO_method_type(bio) == BIO_TYPE_MEM) {
        int pending = bio_line_length(bio, length);

        return BIO_read(bio, data, pending > 0 ? pending : length);
    }
    while (got > 0 && count < length && (count == 0 || line[count - 1] != '\n')) {
        got = BIO_read(bio, line + count, 1);
        if (got > 0)
            count++;
    }
    return count > 0 ? count : got;
}

m2_bytes m2_bio_gets(BIO *bio, int length)
{
    return bio_take(bio, length, bio_read_line);
}

m2_number m2_bio_write(BIO *bio, m2_buffer data)
{
    int written;

    if (data.length == 0)
        return 0;
    written = BIO_write(bio, data.data, (int)data.length);
    if (written <= 0 && BIO_should_retry(bio))
        return 0;
    if (written <= 0 && ERR_peek_error() == 0)
        m2_error("the BIO cannot be written");
    return written > 0 ? written : -1;
}

m2_status m2_bio_flush(BIO *bio)
{
    m2_status flushed = (m2_status)BIO_flush(bio);

    if (flushed <= 0 && !BIO_should_retry(bio))
        (void)m2_bio_has_failed_cipher(bio);
    if (flushed <= 0 && ERR_peek_error() == 0)
        m2_error("the BIO cannot be flushed");
    return flushed;
}

m2_status m2_bio_reset(BIO *bio)
{
    /* File BIOs return 0 for success, others 1 (BIO_reset(3)). */
    int result = (int)BIO_reset(bio);

    return result == 0 || result == 1;
}

m2_number m2_bio_tell(BIO *bio)
{
    return BIO_tell(bio);
}

m2_number m2_bio_seek(BIO *bio, long offset)
{
    return BIO_seek(bio, offset);
}

int m2_bio_eof(const BIO *bio)
{
    return BIO_eof((BIO *)bio);
}

m2_number m2_bio_ctrl_pending(const BIO *bio)
{
    return (m2_number)BIO_ctrl_pending((BIO *)bio);
}

m2_number m2_bio_ctrl_wpending(const BIO *bio)
{
    return (m2_number)BIO_ctrl_wpending((BIO *)bio);
}

m2_status m2_bio_set_mem_eof_return(BIO *bio, int value)
{
    /* It is what BIO_read returns, which is the number of bytes read if it is not negative. */
    if (value > 0) {
        m2_error("the value that an empty memory BIO returns is positive");
        return 0;
    }
    return (m2_status)BIO_set_mem_eof_return(bio, value);
}

m2_number m2_bio_get_fd(const BIO *bio)
{
    return BIO_get_fd((BIO *)bio, NULL);
}

int m2_bio_may_block(const BIO *bio)
{
    const SSL *connection = m2_bio_get0_ssl(bio);

    if (connection == NULL)
        return BIO_find_type((BIO *)bio, BIO_TYPE_DESCRIPTOR) != NULL;
    return (SSL_get_rbio(connection) != NULL && m2_bio_may_block(SSL_get_rbio(connection))) ||
           (SSL_get_wbio(connection) != NULL && m2_bio_may_block(SSL_get_wbio(connection)));
}

int m2_bio_is_descriptor(const BIO *bio)
{
    return (BIO_method_type(bio) & BIO_TYPE_DESCRIPTOR) != 0;
}

int m2_bio_should_retry(const BIO *bio)
{
    return BIO_should_retry(bio) != 0;
}

int m2_bio_should_read(const BIO *bio)
{
    return BIO_should_read(bio) != 0;
}

int m2_bio_should_write(const BIO *bio)
{
    return BIO_should_write(bio) != 0;
}
