/*
 * Types that every area uses: arguments and results of Python, failures, and callbacks.
 *
 * Each area declares its functions in a header (evp.h, ssl_context.h, ...), which SWIG and the
 * compiler read.
 */
#ifndef M2_H
#define M2_H

#include <stddef.h>

#ifndef SWIG
#include <openssl/opensslv.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#endif

/* A status: 1 or more is success, 0 or less raises the area's exception. */
typedef int m2_status;

/* A truth value: 1 is true, 0 is false and its errors are removed from the queue, less than 0
 * raises the area's exception. */
typedef int m2_verdict;

/* A number, such as a length. A value below 0 raises the area's exception. */
typedef long long m2_number;

/* The buffer of an argument that supports the buffer protocol. `data` is NULL for None if the
 * parameter is called OPTIONAL. `length` fits an int (buffer.h). */
typedef struct {
    const unsigned char *data;
    size_t length;
} m2_buffer;

/* A result that is converted to bytes, then cleansed and freed. OPENSSL_malloc allocated `data`,
 * which is NULL if the function failed, or they are those of `object`, a bytes object. */
typedef struct {
    unsigned char *data;
    size_t length;
    struct _object *object;
} m2_bytes;

/* Hexadecimal digits with a sign that are converted to an int, as m2_bytes are to bytes. */
typedef m2_bytes m2_integer;

/* A Python callable, or NULL for None. Only the files *callbacks.c use its type. */
typedef struct _object *m2_callback;

#ifndef SWIG

/* An operation on more bytes runs without the GIL. */
#define M2_GIL_THRESHOLD 2048

/* Return uninitialized bytes of a length; `data` is NULL with an error queued if allocation
 * fails. */
m2_bytes m2_bytes_new(size_t length);
/* Return uninitialized bytes of a new bytes object, which is the result unless it is shorter.
 * Acquires the GIL; `data` is NULL with an exception set if allocation fails. */
m2_bytes m2_result_new(size_t length);
/* Return a bytes object of a result, which is then empty. The GIL is held. */
struct _object *m2_bytes_take(m2_bytes *bytes);
/* Return a copy of a memory BIO's data and free the BIO; the failed value for NULL. */
m2_bytes m2_bytes_from_bio(BIO *bio);
/* Return the DER of an object by its i2d function: M2_DER(X509, certificate). */
#define M2_DER(TYPE, object)                                                                       \
    m2_bytes_from_i2d((int (*)(const void *, unsigned char **))i2d_##TYPE, object)
m2_bytes m2_bytes_from_i2d(int (*i2d)(const void *, unsigned char **), const void *object);
/* Return `bytes` with the length of its valid part if `ok`, else the failed value; `bytes` is then
 * freed. `bytes` may be failed itself. */
m2_bytes m2_bytes_finish(m2_bytes bytes, int ok, size_t length);
void m2_bytes_free(m2_bytes *bytes);

/* Return whether a length fits OpenSSL's int parameters; queue an error if not. */
int m2_fits_int(size_t length);

/* Reasons of errors of the binding that have exceptions of their own (M2Crypto/_errors.py). */
#define M2_REASON_PASSPHRASE 101
#define M2_REASON_KEY_TYPE 102
#define M2_REASON_TIMEOUT 103

/* Queue an error of the binding, with a reason or without. */
void m2_error(const char *message);
void m2_error_of(int reason, const char *message);

/* Empty the error queue. If it is empty, this costs a tenth of ERR_clear_error. */
void m2_errors_clear(void);

/* A pem_password_cb(3) that calls `callback` with rwflag, which returns str or bytes. NULL fails
 * without a prompt on the terminal. */
int m2_password(char *buffer, int size, int writing, void *callback);

/* Acquire the GIL and call `callback` with ints. Return the truth value of its result, or less
 * than 0 with an exception set. While an exception is set, no further callback runs. */
int m2_call_ints(m2_callback callback, int count, const int *arguments);

/* Acquire the GIL, and increment or decrement the reference count of a callable in ex_data. */
void m2_callback_keep(m2_callback callback);
void m2_callback_drop(m2_callback callback);
/* The free_func of the ex_data index. It does not acquire the GIL for NULL. */
CRYPTO_EX_free m2_callback_drop_ex_data;

#endif
#endif
