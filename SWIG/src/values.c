/*
 * Arguments and results (m2.h) without Python's API.
 */
#include <limits.h>
#include <string.h>

#include "m2.h"
#include "compat.h"

void m2_error(const char *message)
{
    m2_error_of(ERR_R_OPERATION_FAIL, message);
}

void m2_error_of(int reason, const char *message)
{
    m2_compat_queue_error(reason);
    ERR_add_error_data(1, message);
}

void m2_errors_clear(void)
{
    if (ERR_peek_error() != 0)
        ERR_clear_error();
}

int m2_fits_int(size_t length)
{
    if (length <= INT_MAX)
        return 1;
    m2_error("the data are longer than 2 GiB");
    return 0;
}

m2_bytes m2_bytes_new(size_t length)
{
    m2_bytes bytes = {NULL, length};

    /* Not NULL for an empty result, because NULL means failure. */
    bytes.data = OPENSSL_malloc(length == 0 ? 1 : length);
    if (bytes.data == NULL)
        m2_error("out of memory");
    return bytes;
}

void m2_bytes_free(m2_bytes *bytes)
{
    if (bytes->object != NULL) {
        OPENSSL_cleanse(bytes->data, bytes->length);
        m2_callback_drop(bytes->object);
    } else {
        OPENSSL_clear_free(bytes->data, bytes->length);
    }
    bytes->object = NULL;
    bytes->data = NULL;
    bytes->length = 0;
}

m2_bytes m2_bytes_finish(m2_bytes bytes, int ok, size_t length)
{
    /* EVP_PKEY_sign of 3.5 can return success and the length -1 when its memory is exhausted. */
    if (bytes.data != NULL && ok && length <= bytes.length)
        bytes.length = length;
    else if (bytes.data != NULL)
        m2_bytes_free(&bytes);
    return bytes;
}

m2_bytes m2_bytes_from_bio(BIO *bio)
{
    m2_bytes bytes = {NULL, 0};
    char *data = NULL;
    long length;

    if (bio == NULL)
        return bytes;
    length = BIO_get_mem_data(bio, &data);
    bytes = m2_bytes_new((size_t)length);
    if (bytes.data != NULL && length > 0)
        memcpy(bytes.data, data, (size_t)length);
    BIO_free(bio);
    return bytes;
}

m2_bytes m2_bytes_from_i2d(int (*i2d)(const void *, unsigned char **), const void *object)
{
    m2_bytes bytes = {NULL, 0};
    unsigned char *data = NULL;
    int length = i2d(object, &data);

    if (length >= 0) {
        bytes.data = data;
        bytes.length = (size_t)length;
    }
    return bytes;
}
