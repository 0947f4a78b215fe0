/* Cryptographic Message Syntax (CMS_sign(3), CMS_encrypt(3); RFC 5652). */
#ifndef M2_CMS_H
#define M2_CMS_H

#ifndef SWIG
#include <openssl/cms.h>

#include "x509_stack.h"
#endif

#ifndef OPENSSL_NO_CMS
CMS_ContentInfo *m2_cms_read_pem(BIO *bio);
CMS_ContentInfo *m2_cms_read_der(BIO *bio);
m2_status m2_cms_write_pem(BIO *bio, const CMS_ContentInfo *message);
m2_status m2_cms_write_der(BIO *bio, const CMS_ContentInfo *message);
/* Read S/MIME, and write the content of a multipart/signed message to `content`. */
CMS_ContentInfo *m2_smime_read_cms(BIO *bio, BIO *content);
/* Write S/MIME; multipart/signed if there are `data`. */
m2_bytes m2_smime_write_cms(CMS_ContentInfo *message, m2_buffer OPTIONAL, int flags);

/* Return such as NID_pkcs7_signed. */
m2_number m2_cms_type_nid(const CMS_ContentInfo *message);
m2_verdict m2_cms_is_detached(const CMS_ContentInfo *message);
m2_x509_stack *m2_cms_get1_certs(const CMS_ContentInfo *message);
m2_x509_crl_stack *m2_cms_get1_crls(const CMS_ContentInfo *message);
/* Return the signers' certificates, which m2_cms_verify sets. */
m2_x509_stack *m2_cms_get0_signers(const CMS_ContentInfo *message);

/* Without a digest the key's default is used. */
CMS_ContentInfo *m2_cms_sign(X509 *certificate, EVP_PKEY *signer, m2_x509_stack *certificates,
                             m2_buffer data, const EVP_MD *OPTIONAL, int flags);
/* Return the content. A signature that does not verify is an error. */
m2_bytes m2_cms_verify(CMS_ContentInfo *message, m2_x509_stack *certificates,
                       const X509_STORE *store, m2_buffer OPTIONAL, int flags);
CMS_ContentInfo *m2_cms_encrypt(m2_x509_stack *recipients, m2_buffer data, const EVP_CIPHER *cipher,
                                int flags);
/* Without a certificate each recipient is tried. */
m2_bytes m2_cms_decrypt(const CMS_ContentInfo *message, EVP_PKEY *signer, X509 *OPTIONAL,
                        int flags);
#endif

#endif
