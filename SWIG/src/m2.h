/*
 * What every area of the binding shares: the values that cross between Python and C, how a function
 * says that it failed, and the callbacks that may run Python.
 *
 * The functions of an area are declared in its own header (evp.h, ssl.h, ...). SWIG and the
 * compiler read the same header, so a declaration stands once.
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

/* OpenSSL's usual verdict: 1 (or more) is success; 0 and less raise the area's exception. */
typedef int m2_status;

/* The answer to a question: 1 is yes, 0 is no (whatever it left in the error queue is dropped),
 * less than 0 raises the area's exception. */
typedef int m2_verdict;

/* A number, such as a length or a count, whose values below 0 raise the area's exception. */
typedef long long m2_number;

/* Bytes that Python lends to a call: any object with the buffer protocol. `data` is NULL where the
 * parameter is called OPTIONAL and Python passed None. */
typedef struct {
    const unsigned char *data;
    size_t length;
} m2_buffer;

/* Bytes that a function made with OPENSSL_malloc and Python gets as a bytes object; they are wiped
 * and freed after the copy. `data` is NULL when the function failed. */
typedef struct {
    unsigned char *data;
    size_t length;
} m2_bytes;

/* A Python callable, or NULL for None; only callbacks.c looks inside. */
typedef struct _object *m2_callback;

#ifndef SWIG

/* Above this many bytes an operation runs without the GIL. */
#define M2_GIL_THRESHOLD 2048

/* m2_bytes of a length, uninitialised; `data` is NULL, with an error queued, when memory is out. */
m2_bytes m2_bytes_new(size_t length);
/* A copy of what a memory BIO holds; the BIO is freed. A NULL BIO gives the failed value. */
m2_bytes m2_bytes_from_bio(BIO *bio);
/* The DER of an object, by its i2d function: M2_DER(X509, certificate). */
#define M2_DER(TYPE, object)                                                                       \
    m2_bytes_from_i2d((int (*)(const void *, unsigned char **))i2d_##TYPE, object)
m2_bytes m2_bytes_from_i2d(int (*i2d)(const void *, unsigned char **), const void *object);
/* Return `bytes` with the length of its valid part if `ok`, else the failed value; `bytes` is then
 * freed. `bytes` may be failed itself. */
m2_bytes m2_bytes_finish(m2_bytes bytes, int ok, size_t length);
void m2_bytes_free(m2_bytes *bytes);

/* Is the length one that OpenSSL's int parameters can take? Queues an error when it is not. */
int m2_fits_int(size_t length);

/* Queue an error of the binding's own, so that the caller raises it like OpenSSL's. */
void m2_error(const char *message);

/* Empty the error queue; costs a tenth of ERR_clear_error where it is empty already. */
void m2_errors_clear(void);

/* pem_password_cb that asks the callable `callback` (NULL: there is no passphrase, and none is
 * asked for on the terminal). The callable gets rwflag and returns str or bytes. */
int m2_password(char *buffer, int size, int writing, void *callback);

/* Acquire the GIL and call `callback` with ints; less than 0 when it raised, else the truth of what
 * it returned. A callback that raised leaves its exception for the caller; until that is back in
 * Python no further callback runs. */
int m2_call_ints(m2_callback callback, int count, const int *arguments);

/* References to a callable that an OpenSSL object's ex_data holds; these acquire the GIL. */
void m2_callback_keep(m2_callback callback);
void m2_callback_drop(m2_callback callback);
/* The same for the index's free_func; without a callable it leaves the GIL alone. */
CRYPTO_EX_free m2_callback_drop_ex_data;

#endif
#endif
