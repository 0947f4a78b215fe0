/*
 * What differs between OpenSSL 1.1.1 and 3.x in digests, ciphers, MACs and key derivation. Only
 * compat_evp.c checks the version.
 */
#ifndef M2_COMPAT_EVP_H
#define M2_COMPAT_EVP_H

#include "m2.h"

/* ---- references to algorithms ------------------------------------------------------------ */

/* Fetch an algorithm by OpenSSL's name (EVP_MD_fetch(3)). Return a reference, or NULL with an error
 * queued. OpenSSL 1.1.1 has no property queries and refuses them. */
EVP_MD *m2_compat_fetch_digest(const char *name, const char *properties);
EVP_CIPHER *m2_compat_fetch_cipher(const char *name, const char *properties);
/* Return a new reference to the algorithm. */
EVP_MD *m2_digest_share(EVP_MD *digest);
EVP_CIPHER *m2_cipher_share(EVP_CIPHER *cipher);
void m2_digest_free(EVP_MD *digest);
void m2_cipher_free(EVP_CIPHER *cipher);
/* Set the default properties of every fetch (EVP_set_default_properties(3)). Return 1, or less with
 * an error queued. */
int m2_compat_set_properties(const char *properties);

/* ---- MACs --------------------------------------------------------------------------------- */

/* The parameters of a MAC (EVP_MAC(3)); a string is NULL, and a buffer has no data, if it is not
 * given. The length is 0 for the algorithm's own. */
typedef struct {
    m2_buffer key;
    const char *digest;
    const char *cipher;
    m2_buffer iv;
    m2_buffer custom;
    size_t length;
    int xof;
} m2_mac_parameters;

#if OPENSSL_VERSION_NUMBER < 0x30000000L
typedef EVP_MD_CTX m2_compat_mac;
#else
typedef EVP_MAC_CTX m2_compat_mac;
#endif

/* Return a MAC that is initialized, or NULL with an error queued. */
m2_compat_mac *m2_compat_mac_new(const char *name, const m2_mac_parameters *parameters,
                                 const char *properties);
m2_compat_mac *m2_compat_mac_copy(const m2_compat_mac *mac);
void m2_compat_mac_release(m2_compat_mac *mac);
int m2_compat_mac_update(m2_compat_mac *mac, const unsigned char *data, size_t length);
/* Return the length of the MAC, 0 if it is not known. */
size_t m2_compat_mac_length(m2_compat_mac *mac);
int m2_compat_mac_final(m2_compat_mac *mac, unsigned char *out, size_t *length, size_t size);
/* Share and release an EVP_MAC of OpenSSL 3.x, for the cache (algorithms.h). */
void *m2_compat_mac_share(void *mac);
void m2_compat_mac_free(void *mac);
/* Write the HMAC of `data`, at most EVP_MAX_MD_SIZE bytes. Return 1, or less with an error
 * queued. */
int m2_compat_hmac(const EVP_MD *digest, m2_buffer key, m2_buffer data, unsigned char *out,
                   size_t *length);

/* ---- key derivation ----------------------------------------------------------------------- */

/* The modes of HKDF (EVP_KDF-HKDF(7)). */
typedef enum { M2_HKDF_BOTH, M2_HKDF_EXTRACT, M2_HKDF_EXPAND } m2_hkdf_mode;

/* Write `length` bytes. Return 1, or less with an error queued. */
int m2_compat_hkdf(const EVP_MD *digest, m2_hkdf_mode mode, m2_buffer key, m2_buffer salt,
                   m2_buffer info, unsigned char *out, size_t length);

/* The parameters of Argon2 (RFC 9106, section 3.1). */
typedef struct {
    m2_buffer password;
    m2_buffer salt;
    m2_buffer secret;
    m2_buffer data;
    unsigned int iterations;
    unsigned int lanes;
    unsigned int memory;
} m2_argon2_parameters;

/* `name` is ARGON2D, ARGON2I or ARGON2ID. Argon2 needs OpenSSL 3.2. */
int m2_compat_argon2(const char *name, const m2_argon2_parameters *parameters, unsigned char *out,
                     size_t length);

#endif
