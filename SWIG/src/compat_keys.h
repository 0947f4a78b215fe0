/*
 * What differs between OpenSSL 1.1.1 and 3.x in keys, under one name (see compat.h).
 */
#ifndef M2_COMPAT_KEYS_H
#define M2_COMPAT_KEYS_H

#include "m2.h"

#include <openssl/pem.h>

/* Return a context for keys of the type, or NULL with an error queued. */
EVP_PKEY_CTX *m2_compat_context_of_type(const char *type);
/* Set the seed of the key to generate. */
int m2_compat_set_seed(EVP_PKEY_CTX *context, m2_buffer seed);
const char *m2_compat_type_name(const EVP_PKEY *pkey);
int m2_compat_eq(const EVP_PKEY *pkey, const EVP_PKEY *other);

/* Read a private key in PEM, as PEM_read_bio_PrivateKey does. */
EVP_PKEY *m2_compat_read_private_key(BIO *bio, pem_password_cb *password, void *argument);

EVP_PKEY *m2_compat_raw_private(const char *type, m2_buffer octets);
EVP_PKEY *m2_compat_raw_public(const char *type, m2_buffer octets);
/* Return the public value of an EC or DH key as octets. */
m2_bytes m2_compat_encoded_public(const EVP_PKEY *pkey);
#ifndef OPENSSL_NO_EC
/* Return a copy of the private value of an EC key for BN_clear_free, or NULL. */
BIGNUM *m2_compat_ec_scalar(const EVP_PKEY *pkey);
#endif

/* Set the context string, unless its data are NULL, and whether the signature has no random part.
 */
int m2_compat_set_signing(EVP_PKEY_CTX *context, m2_buffer string, int deterministic);

/* Prepare, and do, a key encapsulation; without `secret` the lengths are returned. */
EVP_PKEY_CTX *m2_compat_begin_kem(const EVP_PKEY *pkey, int decapsulate);
int m2_compat_encapsulate(EVP_PKEY_CTX *context, unsigned char *out, size_t *length,
                          unsigned char *secret, size_t *secret_length);
int m2_compat_decapsulate(EVP_PKEY_CTX *context, unsigned char *out, size_t *length,
                          const unsigned char *in, size_t in_length);

#endif
