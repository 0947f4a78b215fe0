/* PKCS #7 and S/MIME messages (PKCS7_sign(3), SMIME_write_PKCS7(3); RFC 2315). */
#ifndef M2_PKCS7_H
#define M2_PKCS7_H

#ifndef SWIG
#include <openssl/pkcs7.h>

#include "x509_stack.h"

/* Return a BIO that reads `bio` to its end, for BIO_free: OpenSSL 1.1.1 fails at the end of a
 * memory BIO that reports a retry there. */
BIO *m2_smime_reader(BIO *bio);
#endif

PKCS7 *m2_pkcs7_read_bio(BIO *bio);
PKCS7 *m2_pkcs7_read_bio_der(BIO *bio);
m2_status m2_pkcs7_write_bio(BIO *bio, const PKCS7 *message);
m2_status m2_pkcs7_write_bio_der(BIO *bio, const PKCS7 *message);
/* Read S/MIME, and write the content of a multipart/signed message to `content`. */
PKCS7 *m2_smime_read_pkcs7(BIO *bio, BIO *content);
m2_status m2_smime_write_pkcs7(BIO *bio, PKCS7 *message, int flags);
/* Write multipart/signed with the content `data`. */
m2_status m2_smime_write_pkcs7_multi(BIO *bio, PKCS7 *message, BIO *data, int flags);
/* Copy text with CRLF line ends. PKCS7_TEXT adds a text/plain header. */
m2_status m2_smime_crlf_copy(BIO *source, BIO *target, int flags);

/* Return such as NID_pkcs7_signed, and its short name. */
m2_number m2_pkcs7_type_nid(const PKCS7 *message);
const char *m2_pkcs7_type_sn(const PKCS7 *message);
/* Return whether signed data have no content. */
m2_verdict m2_pkcs7_is_detached(const PKCS7 *message);
m2_x509_stack *m2_pkcs7_get0_signers(const PKCS7 *message, m2_x509_stack *OPTIONAL, int flags);
m2_x509_stack *m2_pkcs7_get1_certs(const PKCS7 *message);
m2_x509_crl_stack *m2_pkcs7_get1_crls(const PKCS7 *message);

PKCS7 *m2_pkcs7_sign0(X509 *certificate, EVP_PKEY *signer, BIO *data, const EVP_MD *digest,
                      int flags);
/* Add the certificates of a stack. */
PKCS7 *m2_pkcs7_sign1(X509 *certificate, EVP_PKEY *signer, m2_x509_stack *certificates, BIO *data,
                      const EVP_MD *digest, int flags);
/* Return the content. A signature that does not verify is an error. */
m2_bytes m2_pkcs7_verify0(PKCS7 *message, m2_x509_stack *OPTIONAL, const X509_STORE *store,
                          int flags);
/* Verify a detached signature of `data`. */
m2_bytes m2_pkcs7_verify1(PKCS7 *message, m2_x509_stack *OPTIONAL, const X509_STORE *store,
                          BIO *data, int flags);
PKCS7 *m2_pkcs7_encrypt(m2_x509_stack *recipients, BIO *data, const EVP_CIPHER *cipher, int flags);
/* Without a certificate each recipient is tried. */
m2_bytes m2_pkcs7_decrypt(PKCS7 *message, EVP_PKEY *signer, X509 *OPTIONAL, int flags);

#endif
