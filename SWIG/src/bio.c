/* BIOs: OpenSSL's streams (BIO_read(3), BIO_ctrl(3), BIO_s_mem(3)). */
#include "m2.h"
#include "bio.h"

BIO *m2_bio_new_mem(void)
{
    return BIO_new(BIO_s_mem());
}

/* BIO_read or BIO_gets into bytes of the length that it gave. */
static m2_bytes take(BIO *bio, int length, int (*read)(BIO *, void *, int))
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
        m2_bytes_free(&bytes);
        if (ERR_peek_error() == 0)
            m2_error("the BIO cannot be read");
    } else {
        bytes.length = (size_t)got;
    }
    return bytes;
}

m2_bytes m2_bio_read(BIO *bio, int length)
{
    return take(bio, length, BIO_read);
}

static int gets_line(BIO *bio, void *data, int length)
{
    return BIO_gets(bio, data, length);
}

m2_bytes m2_bio_gets(BIO *bio, int length)
{
    /* BIO_gets puts a NUL behind the line, so it is given one byte more. */
    return take(bio, length < 0x7fffffff ? length + 1 : length, gets_line);
}

m2_number m2_bio_write(BIO *bio, m2_buffer data)
{
    int written;

    if (!m2_fits_int(data.length))
        return -1;
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
    return (m2_status)BIO_flush(bio);
}

m2_status m2_bio_reset(BIO *bio)
{
    /* File BIOs answer 0 for success, the others 1 (BIO_reset(3)). */
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

int m2_bio_eof(BIO *bio)
{
    return BIO_eof(bio);
}

m2_number m2_bio_ctrl_pending(BIO *bio)
{
    return (m2_number)BIO_ctrl_pending(bio);
}

m2_number m2_bio_ctrl_wpending(BIO *bio)
{
    return (m2_number)BIO_ctrl_wpending(bio);
}

m2_status m2_bio_set_mem_eof_return(BIO *bio, int value)
{
    return (m2_status)BIO_set_mem_eof_return(bio, value);
}

m2_number m2_bio_get_fd(BIO *bio)
{
    return BIO_get_fd(bio, NULL);
}

int m2_bio_may_block(BIO *bio)
{
    return BIO_find_type(bio, BIO_TYPE_DESCRIPTOR) != NULL;
}

int m2_bio_should_retry(BIO *bio)
{
    return BIO_should_retry(bio) != 0;
}

int m2_bio_should_read(BIO *bio)
{
    return BIO_should_read(bio) != 0;
}

int m2_bio_should_write(BIO *bio)
{
    return BIO_should_write(bio) != 0;
}
