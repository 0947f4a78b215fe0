/*
 * DSA and DH keys: finite field cryptography (EVP_PKEY-FFC(7)). Programs set the numbers of a key
 * one by one, so an m2_ffc holds those that are set, and an EVP_PKEY if they make parameters or a
 * key. Numbers of Python are in MPI format (BN_bn2mpi(3)).
 */
#ifndef M2_FFC_H
#define M2_FFC_H

#include "m2.h"

typedef enum { M2_FFC_P, M2_FFC_Q, M2_FFC_G, M2_FFC_PUBLIC, M2_FFC_PRIVATE } m2_ffc_number;
#define M2_FFC_NUMBERS 5

typedef struct {
    /* "DSA" or "DH". */
    const char *type;
    BIGNUM *numbers[M2_FFC_NUMBERS];
    EVP_PKEY *key;
} m2_ffc;

m2_ffc *m2_ffc_new(const char *type);
void m2_ffc_free(m2_ffc *ffc);
m2_ffc *m2_ffc_dup(const m2_ffc *ffc);
/* Return an m2_ffc that owns the key, which may be NULL, if it is of the type; else free it. */
m2_ffc *m2_ffc_wrap(EVP_PKEY *key, const char *type);
/* Return the key, or parameters alone; NULL with an error queued if there are not even those, or no
 * public or private key. */
EVP_PKEY *m2_ffc_parameters(const m2_ffc *ffc);
EVP_PKEY *m2_ffc_public(const m2_ffc *ffc);
EVP_PKEY *m2_ffc_private(const m2_ffc *ffc);

/* Set the parameters, which removes the keys; `q` may be NULL for DH. */
int m2_ffc_set_parameters(m2_ffc *ffc, const m2_buffer *p, const m2_buffer *q, const m2_buffer *g);
int m2_ffc_set_public(m2_ffc *ffc, m2_buffer number);
m2_bytes m2_ffc_get(const m2_ffc *ffc, m2_ffc_number which);
int m2_ffc_bits(const m2_ffc *ffc);
/* Generate a key pair with the parameters. */
int m2_ffc_generate(m2_ffc *ffc);
/* Return whether the public key is in the subgroup, and the private key is that of it: 1, 0 or -1.
 */
int m2_ffc_check_public(const m2_ffc *ffc);
int m2_ffc_check_private(const m2_ffc *ffc);
/* Return whether the order q of a DSA or DHX key is no hostile one; 0 with an error queued. With 1
 * OpenSSL searches for a nonzero number below it without end. */
int m2_ffc_order_is_safe(const EVP_PKEY *pkey);

/* ---- OpenSSL 1.1.1 and 3.x (compat_ffc.c) ------------------------------------------------- */

/* Return a key of the numbers, of which those after g may be NULL. DH with q is DHX. */
EVP_PKEY *m2_compat_ffc_key(const char *type, BIGNUM *const numbers[M2_FFC_NUMBERS]);
/* Return a copy for BN_clear_free, or NULL with no error queued if the key does not have it. */
BIGNUM *m2_compat_ffc_number(const EVP_PKEY *pkey, m2_ffc_number which);
/* Read domain parameters in PEM. */
EVP_PKEY *m2_compat_ffc_read(BIO *bio, const char *type, m2_callback passphrase);
int m2_compat_is_prime(const BIGNUM *number, BN_CTX *context);

#endif
