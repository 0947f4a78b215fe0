/*
 * What differs between OpenSSL 1.1.1 and 3.x, under one name. Only this header and compat.c
 * check the version.
 */
#ifndef M2_COMPAT_H
#define M2_COMPAT_H

#include "m2.h"

#include <openssl/hmac.h>
#include <openssl/ssl.h>
#ifndef OPENSSL_NO_EC
#include <openssl/ec.h>
#endif

/* ---- the error queue --------------------------------------------------------------------- */

/* Queue an error of the binding, for ERR_add_error_data. */
void m2_compat_queue_error(int reason);
/* Remove the oldest error and return its code, 0 if the queue is empty; `data` is valid if `flags`
 * has ERR_TXT_STRING. */
unsigned long m2_compat_next_error(const char **data, int *flags);
/* Return the name of the C function of an error code; NULL from OpenSSL 3.0 on. */
const char *m2_compat_error_function(unsigned long code);

/* ---- the configuration -------------------------------------------------------------------- */

/* Make known what a configuration file can have sections for, which OpenSSL 3.0 does itself. */
void m2_compat_load_conf_modules(void);

/* ---- FIPS --------------------------------------------------------------------------------- */

/* Return whether the default properties require FIPS: 1 or 0. */
int m2_compat_fips_enabled(void);

/* ---- checks of initialized contexts ------------------------------------------------------- */

const EVP_MD *m2_context_digest(const EVP_MD_CTX *context);
const EVP_CIPHER *m2_context_cipher(const EVP_CIPHER_CTX *context);

/* ---- HMAC --------------------------------------------------------------------------------- */

#if OPENSSL_VERSION_NUMBER < 0x30000000L
typedef HMAC_CTX m2_hmac;
#else
typedef EVP_MAC_CTX m2_hmac;
#endif

m2_hmac *m2_hmac_context_new(void);
void m2_hmac_context_free(m2_hmac *context);
/* Return 1, or less with an error queued. */
int m2_hmac_context_init(m2_hmac *context, const unsigned char *key, int length, const EVP_MD *md);
int m2_hmac_context_update(m2_hmac *context, const unsigned char *data, size_t length);
/* Writes at most EVP_MAX_MD_SIZE bytes. */
int m2_hmac_context_final(m2_hmac *context, unsigned char *mac, size_t *length);

/* ---- RC4 ---------------------------------------------------------------------------------- */

#ifndef OPENSSL_NO_RC4
/* RC4; from OpenSSL 3.0 on of a legacy provider in a library context of its own
 * (OSSL_PROVIDER-legacy(7)). All fields are zero before m2_compat_rc4_begin. */
typedef struct {
    const EVP_CIPHER *cipher;
    void *fetched;
    void *library;
    void *legacy;
} m2_compat_rc4;

int m2_compat_rc4_begin(m2_compat_rc4 *rc4);
void m2_compat_rc4_end(m2_compat_rc4 *rc4);
#endif

/* ---- key values --------------------------------------------------------------------------- */

typedef enum { M2_RSA_MODULUS, M2_RSA_EXPONENT, M2_DSA_PUBLIC } m2_key_number;

/* Return a copy for BN_clear_free, or NULL without an error if the key has no such number. */
BIGNUM *m2_pkey_number(const EVP_PKEY *pkey, m2_key_number which);

/* Return whether the private key can be read from the key: 1 or 0, with no error queued. */
int m2_pkey_has_private(const EVP_PKEY *pkey);
/* Return whether the private key can be used, also if it cannot be read because it is on a token:
 * 1 or 0, with no error queued. */
int m2_pkey_is_private(const EVP_PKEY *pkey);
/* Return a reference to the key for public key operations, or NULL with an error queued. For a key
 * on a token it is a copy of the public key: with a private one, tokens cannot verify. */
EVP_PKEY *m2_pkey_public(const EVP_PKEY *pkey);
/* Return whether OpenSSL checks for the private key itself before it signs. */
int m2_pkey_signs_checked(const EVP_PKEY *pkey);

/* Return whether the key has its own digest, as Ed25519 has. */
int m2_pkey_has_own_digest(const EVP_PKEY *pkey);

/* Set the key of `pkey`, which has none, to that of `source`. Return 1, or less with an error
 * queued. */
int m2_pkey_copy_key(EVP_PKEY *pkey, EVP_PKEY *source);

/* Return a public RSA key. */
EVP_PKEY *m2_rsa_from_numbers(const BIGNUM *modulus, const BIGNUM *exponent);
/* Return the bits of the longest prime factor in an RSA key; 0 if it has none. */
int m2_rsa_longest_prime(const EVP_PKEY *pkey);
/* Set the public exponent of the key to generate. */
int m2_rsa_generate_exponent(EVP_PKEY_CTX *context, const BIGNUM *exponent);

#ifndef OPENSSL_NO_EC
/* Return a copy of the key's group for EC_GROUP_free, or NULL with an error queued. */
EC_GROUP *m2_ec_group(const EVP_PKEY *pkey);
/* The same for a group without a name, and NULL for others, which are not copied. */
EC_GROUP *m2_ec_explicit_group(const EVP_PKEY *pkey);
/* Return whether the EC key has a public key, and not only parameters. */
int m2_ec_has_point(const EVP_PKEY *pkey);
#endif

/* ---- X.509 -------------------------------------------------------------------------------- */

unsigned long m2_name_hash(const X509_NAME *name);
/* The parameters of an X509_STORE_CTX_lookup_crls_fn. */
#if OPENSSL_VERSION_NUMBER < 0x30000000L
typedef X509_STORE_CTX m2_lookup_context;
typedef X509_NAME m2_lookup_name;
#else
typedef const X509_STORE_CTX m2_lookup_context;
typedef const X509_NAME m2_lookup_name;
#endif
/* Let the parameters take any host name: OpenSSL 4.0 refuses some. */
void m2_compat_accept_hosts(X509_VERIFY_PARAM *param);
/* Add the certificates and CRLs of a PEM file to the store. */
int m2_store_load_file(X509_STORE *store, const char *file);

/* ---- TLS ---------------------------------------------------------------------------------- */

#if OPENSSL_VERSION_NUMBER < 0x30000000L
typedef unsigned long m2_ssl_options;
#else
typedef uint64_t m2_ssl_options;
#endif

/* Queue an error of the operating system. */
void m2_compat_system_error(int number);
/* Return a reference to the peer's certificate, or NULL. */
X509 *m2_compat_ssl_get1_peer_certificate(SSL *connection);
/* The objects that are loaded into a store, which stays locked in the meantime in older versions.
 */
STACK_OF(X509_OBJECT) * m2_compat_store_objects_begin(X509_STORE *store);
void m2_compat_store_objects_end(X509_STORE *store, STACK_OF(X509_OBJECT) * objects);
/* The group of the key exchange, or NULL. */
const char *m2_compat_ssl_group_name(SSL *connection);
/* Write the names of the groups, separated by colons. Before OpenSSL 3.5 it returns 0 with an error
 * queued. */
int m2_compat_ssl_ctx_implemented_groups(SSL_CTX *context, int aliases, BIO *names);
/* The algorithm of the signature of this side or of the peer, or NULL, as always before 3.5. */
const char *m2_compat_ssl_signature_name(SSL *connection, int of_peer);
/* Return whether the kernel encrypts what is written: 1 or 0. OpenSSL 1.1.1 has no kTLS. */
int m2_compat_ssl_uses_ktls(SSL *connection);
/* Write a part of a file by the kernel (SSL_sendfile(3)). */
long long m2_compat_ssl_sendfile(SSL *connection, int fd, long long offset, size_t size);
/* Set the DH parameters from PEM. */
int m2_compat_ssl_ctx_set_tmp_dh(SSL_CTX *context, BIO *parameters);
long long m2_compat_ssl_session_get_time(const SSL_SESSION *session);
void m2_compat_ssl_session_set_time(SSL_SESSION *session, long long seconds);

#endif
