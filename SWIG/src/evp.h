/*
 * Digests, HMAC, ciphers, keys and signatures (evp(7)). Only one thread at a time may use a
 * context; M2Crypto.EVP has a lock for each.
 */
#ifndef M2_EVP_H
#define M2_EVP_H

#ifndef SWIG
#include "compat.h"
#endif

/* ---- algorithms by name ------------------------------------------------------------------- */

/* Return the digest called such as "sha3-256" or "sha3_256"; NULL without an error if it is
 * unknown. */
const EVP_MD *m2_get_digestbyname(const char *name);
const EVP_CIPHER *m2_get_cipherbyname(const char *name);

/* ---- digests (EVP_DigestInit(3)) ---------------------------------------------------------- */

m2_status m2_digest_init(EVP_MD_CTX *context, const EVP_MD *md);
m2_status m2_digest_update(EVP_MD_CTX *context, m2_buffer data);
m2_bytes m2_digest_final(EVP_MD_CTX *context);

/* ---- HMAC and key derivation (EVP_MAC-HMAC(7), PKCS5_PBKDF2_HMAC(3), EVP_BytesToKey(3)) --- */

m2_hmac *m2_hmac_ctx_new(void);
m2_status m2_hmac_init(m2_hmac *context, m2_buffer key, const EVP_MD *md);
m2_status m2_hmac_update(m2_hmac *context, m2_buffer data);
m2_bytes m2_hmac_final(m2_hmac *context);
m2_bytes m2_hmac_once(m2_buffer key, m2_buffer data, const EVP_MD *md);

m2_bytes m2_pkcs5_pbkdf2_hmac_sha1(m2_buffer password, m2_buffer salt, int iterations, int length);
/* Return the key for `cipher`. The salt is 8 bytes or empty. */
m2_bytes m2_bytes_to_key(const EVP_CIPHER *cipher, const EVP_MD *md, m2_buffer data, m2_buffer salt,
                         int iterations);

/* ---- ciphers (EVP_EncryptInit(3)) --------------------------------------------------------- */

/* Initialize the context; `encrypt` is 1 or 0. The first bytes of a key or IV that is too long
 * are used; one that is too short is refused. An AEAD cipher uses all bytes of its IV. */
m2_status m2_cipher_init(EVP_CIPHER_CTX *context, const EVP_CIPHER *cipher, m2_buffer key,
                         m2_buffer iv, int encrypt);
/* Return a context for the cipher called `name` that is initialized, with or without padding. */
EVP_CIPHER_CTX *m2_cipher_begin(const char *name, m2_buffer key, m2_buffer iv, int encrypt,
                                int padding);
m2_bytes m2_cipher_update(EVP_CIPHER_CTX *context, m2_buffer data);
m2_bytes m2_cipher_final(EVP_CIPHER_CTX *context);
/* Set whether the last block is padded (1 or 0). */
EVP_CIPHER_CTX *m2_cipher_copy(const EVP_CIPHER_CTX *context);
m2_status m2_cipher_set_padding(EVP_CIPHER_CTX *context, int padding);

/* For AEAD ciphers: add additional authenticated data, set another IV, set and return the tag. */
m2_status m2_cipher_update_aad(EVP_CIPHER_CTX *context, m2_buffer data);
m2_status m2_cipher_set_iv(EVP_CIPHER_CTX *context, m2_buffer iv);
/* A tag shorter than `min_length` is refused. */
m2_status m2_cipher_set_tag(EVP_CIPHER_CTX *context, m2_buffer tag, int min_length);
m2_bytes m2_cipher_get_tag(EVP_CIPHER_CTX *context, int length);
/* Process a whole message in CCM mode, which requires all lengths in advance. When encrypting,
 * only the length of `tag` is used. */
m2_bytes m2_cipher_ccm(EVP_CIPHER_CTX *context, const EVP_CIPHER *cipher, m2_buffer key,
                       m2_buffer iv, m2_buffer aad, m2_buffer data, m2_buffer tag, int encrypt,
                       int min_length);

int m2_cipher_is_aead(const EVP_CIPHER *cipher);
int m2_cipher_is_ccm(const EVP_CIPHER *cipher);
int m2_cipher_is_siv(const EVP_CIPHER *cipher);

/* ---- keys (EVP_PKEY_new(3), PEM_read_bio_PrivateKey(3)) ----------------------------------- */

EVP_PKEY *m2_pkey_read_pem(BIO *bio, m2_callback passphrase);
EVP_PKEY *m2_pkey_read_pem_pubkey(BIO *bio, m2_callback passphrase);
/* Write PKCS #8 as PEM, unencrypted if the cipher is None. */
m2_status m2_pkey_write_pem(const EVP_PKEY *pkey, BIO *bio, const EVP_CIPHER *OPTIONAL,
                            m2_callback passphrase);
m2_status m2_pkey_write_pem_no_cipher(const EVP_PKEY *pkey, BIO *bio, m2_callback passphrase);
/* Return the SubjectPublicKeyInfo, and the key identifier (RFC 5280, section 4.2.1.2, method 1). */
m2_bytes m2_pkey_as_der(const EVP_PKEY *pkey);
m2_bytes m2_pkey_get_key_identifier(const EVP_PKEY *pkey);
/* Return the modulus of an RSA key, or the public value of a DSA key, in hexadecimal. */
m2_bytes m2_pkey_get_modulus(const EVP_PKEY *pkey);
m2_number m2_pkey_size(const EVP_PKEY *pkey);
m2_number m2_pkey_bits(const EVP_PKEY *pkey);

/* ---- signatures (EVP_SignInit(3), EVP_DigestSignInit(3)) ---------------------------------- */

m2_bytes m2_sign_final(EVP_MD_CTX *context, EVP_PKEY *pkey);
m2_verdict m2_verify_final(EVP_MD_CTX *context, m2_buffer signature, EVP_PKEY *pkey);

/* `md` is ignored for a key with its own digest, such as Ed25519. */
m2_status m2_digest_sign_init(EVP_MD_CTX *context, const EVP_MD *OPTIONAL, EVP_PKEY *pkey);
m2_status m2_digest_sign_update(EVP_MD_CTX *context, m2_buffer data);
m2_bytes m2_digest_sign_final(EVP_MD_CTX *context);
m2_bytes m2_digest_sign(EVP_MD_CTX *context, m2_buffer data);
m2_status m2_digest_verify_init(EVP_MD_CTX *context, const EVP_MD *OPTIONAL, EVP_PKEY *pkey);
m2_status m2_digest_verify_update(EVP_MD_CTX *context, m2_buffer data);
m2_verdict m2_digest_verify_final(EVP_MD_CTX *context, m2_buffer signature);
m2_verdict m2_digest_verify(EVP_MD_CTX *context, m2_buffer signature, m2_buffer data);

#ifndef SWIG
/* Uses of a key: the public key, the private key, and writing the private key. */
typedef enum { M2_KEY_VERIFY, M2_KEY_SIGN, M2_KEY_WRITE } m2_key_use;
/* Return whether the key can be used; 0 with an error queued. Every key of a call is checked
 * first, because OpenSSL 1.1.1 dereferences what a key lacks. */
int m2_pkey_is_usable(const EVP_PKEY *pkey, m2_key_use use);

/* Return whether the private key can be read; 0 with an error queued. */
int m2_pkey_is_exportable(const EVP_PKEY *pkey);

/* Return a copy of the public key in memory, or NULL with an error queued. */
EVP_PKEY *m2_pkey_copy_public(const EVP_PKEY *pkey);

/* Set the key of `pkey`, which must have none, to that of `source`. Return 1, or less with an
 * error queued. */
int m2_pkey_set_key(EVP_PKEY *pkey, EVP_PKEY *source);

/* Return whether the cipher has tags of this length, and that is not less than `min_length`; 0 with
 * an error queued. */
int m2_cipher_supports_tag(const EVP_CIPHER *cipher, size_t length, int min_length);

/* Return whether the digest is not the null digest; 0 with an error queued. Every digest of a
 * call is checked first. */
int m2_digest_is_usable(const EVP_MD *md);
/* Return whether the digest's length is fixed, as no XOF's is; 0 with an error queued. */
int m2_digest_has_length(const EVP_MD *md);

/* Return whether a private key in PEM can be read again when the cipher, which may be NULL,
 * encrypts it; 0 with an error queued. PKCS#8 identifies the cipher by its OID, the traditional
 * format by its name. */
int m2_pem_takes_cipher(const EVP_CIPHER *cipher, int pkcs8);

typedef int (*m2_pkey_operation)(EVP_PKEY_CTX *context, unsigned char *out, size_t *length,
                                 const unsigned char *in, size_t in_length);
/* Call `operation` for the length of the output, then for the output. Frees the context, which
 * may be NULL. */
m2_bytes m2_pkey_operate(EVP_PKEY_CTX *context, m2_pkey_operation operation, m2_buffer input);
/* Return a context for the key that `init` initialized, or NULL with an error queued. For a public
 * key operation it is one for m2_pkey_public. */
EVP_PKEY_CTX *m2_pkey_begin(const EVP_PKEY *pkey, int (*init)(EVP_PKEY_CTX *context));
#endif
#endif
