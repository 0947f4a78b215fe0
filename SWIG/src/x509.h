/* Certificates, certificate requests and revocation lists (X509_new(3), X509_sign(3)). What a
 * getter gives is a copy, or a reference of its own. */
#ifndef M2_X509_H
#define M2_X509_H

X509 *m2_x509_read_pem(BIO *bio);
X509 *m2_d2i_x509(BIO *bio);
m2_bytes m2_i2d_x509(X509 *certificate);
X509_NAME *m2_x509_get_subject_name(X509 *certificate);
X509_NAME *m2_x509_get_issuer_name(X509 *certificate);
ASN1_INTEGER *m2_x509_get_serial_number(X509 *certificate);
ASN1_TIME *m2_x509_get_not_before(X509 *certificate);
ASN1_TIME *m2_x509_get_not_after(X509 *certificate);
X509_EXTENSION *m2_x509_get_ext(X509 *certificate, int index);
m2_bytes m2_x509_digest(X509 *certificate, const EVP_MD *algorithm);
/* NULL when the certificate has none; an error when it has two, or one that is malformed. */
GENERAL_NAMES *m2_x509_get_subject_alt_names(X509 *certificate);

X509_REQ *m2_x509_req_read_pem(BIO *bio);
X509_REQ *m2_d2i_x509_req(BIO *bio);
m2_bytes m2_i2d_x509_req(X509_REQ *request);
X509_NAME *m2_x509_req_get_subject_name(X509_REQ *request);
m2_status m2_x509_req_add_extensions(X509_REQ *request, m2_x509_ext_stack *extensions);

X509_CRL *m2_x509_crl_read_pem(BIO *bio);
X509_NAME *m2_x509_crl_get_issuer(X509_CRL *crl);
ASN1_TIME *m2_x509_crl_get_last_update(X509_CRL *crl);
ASN1_TIME *m2_x509_crl_get_next_update(X509_CRL *crl);

#endif
