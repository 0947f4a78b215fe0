/* Chains of filter BIOs (BIO_push(3), BIO_f_buffer(3), BIO_f_base64(3), BIO_f_cipher(3)). */
#ifndef M2_BIO_CHAIN_H
#define M2_BIO_CHAIN_H

#ifndef SWIG
#include "m2.h"
#endif

const BIO_METHOD *m2_bio_s_mem(void);
const BIO_METHOD *m2_bio_s_null(void);
const BIO_METHOD *m2_bio_f_base64(void);
const BIO_METHOD *m2_bio_f_buffer(void);
const BIO_METHOD *m2_bio_f_cipher(void);
const BIO_METHOD *m2_bio_f_null(void);
/* Return a BIO of a method. One of a cipher refuses data until bio_set_cipher. */
BIO *m2_bio_new(const BIO_METHOD *method);

/* Release a reference to a BIO, and so to those below it: BIO_free_all(3). BIO_free(3) would leak
 * the reference that bio_push took to the next one. */
void m2_bio_free(BIO *RELEASE);
/* Append `next` and what follows it to the chain of `bio`, which ends with a filter, and return
 * `bio`. The chain holds references to all. */
BIO *m2_bio_push(BIO *bio, BIO *SHARED);
/* Remove what follows `bio` from its chain and return it; None if there is nothing. */
BIO *m2_bio_pop(BIO *bio);
/* Set BIO_FLAGS_BASE64_NO_NL, which makes a Base64 filter use one line without an end. */
m2_status m2_bio_set_flags(BIO *bio, int flags);

/* Set the cipher of a cipher filter once; `encrypt` is 1 or 0. Data are split, so AEAD, XTS and
 * key wrap are refused. */
m2_status m2_bio_set_cipher(BIO *bio, const EVP_CIPHER *cipher, m2_buffer key, m2_buffer iv,
                            int encrypt);
/* Return 0 if the last block was wrong (BIO_get_cipher_status(3)). */
m2_verdict m2_bio_get_cipher_status(const BIO *bio);

#ifndef SWIG
/* Queue an error and return 1 if a cipher filter of the chain failed. */
int m2_bio_has_failed_cipher(BIO *bio);
/* Return whether `bio` or what is below it, also through connections, is the BIO or connection
 * `target`. */
int m2_bio_reaches(const BIO *bio, const void *target);

/* The m2_handle_chain of BIOs. The end of a chain is in use by a call of each BIO above it. */
const void *m2_bio_used(const void *bio);
int m2_bio_begin_more(const void *bio, void **more);
void m2_bio_end_more(void *more);
#endif

#endif
