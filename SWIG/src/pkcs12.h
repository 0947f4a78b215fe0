/* PKCS #12 files (PKCS12_create(3), PKCS12_parse(3); RFC 7292). */
#ifndef M2_PKCS12_H
#define M2_PKCS12_H

#ifndef SWIG
#include <openssl/pkcs12.h>

#include "x509_stack.h"
#endif

#ifdef SWIG
typedef struct m2_pkcs12_parts m2_pkcs12_parts;
#else
typedef struct m2_pkcs12_parts {
    EVP_PKEY *pkey;
    X509 *certificate;
    m2_x509_stack *others;
} m2_pkcs12_parts;
#endif

/* A passphrase is UTF-8 without a NUL, or None. */
PKCS12 *m2_d2i_pkcs12(m2_buffer der);
m2_bytes m2_i2d_pkcs12(const PKCS12 *pkcs12);
/* Return whether the passphrase fits the MAC, or 1 if there is no MAC. */
m2_verdict m2_pkcs12_verify_mac(PKCS12 *pkcs12, m2_buffer OPTIONAL);
m2_pkcs12_parts *m2_pkcs12_parse(PKCS12 *pkcs12, m2_buffer OPTIONAL);
void m2_pkcs12_parts_free(m2_pkcs12_parts *RELEASE);
/* Return NULL if there is none. */
EVP_PKEY *m2_pkcs12_get1_pkey(const m2_pkcs12_parts *parts);
X509 *m2_pkcs12_get1_cert(const m2_pkcs12_parts *parts);
m2_x509_stack *m2_pkcs12_get1_ca(const m2_pkcs12_parts *parts);
/* Return the friendlyName of a certificate as UTF-8, which is empty if there is none. */
m2_bytes m2_x509_alias_get(const X509 *certificate);

/* Create a file with PBES2 (RFC 8018) of `cipher`, or unencrypted for None. `digest` is that of
 * the MAC, or None for no MAC; `pbmac1` chooses its kind (RFC 9579). */
PKCS12 *m2_pkcs12_create(m2_buffer OPTIONAL, m2_buffer name, EVP_PKEY *key_or_none,
                         X509 *certificate_or_none, m2_x509_stack *ca_or_none,
                         const EVP_CIPHER *cipher_or_none, const EVP_MD *digest_or_none,
                         int iterations, int pbmac1);

#endif
