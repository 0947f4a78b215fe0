/* Certificates, certification requests and CRLs (X509_new(3), X509_sign(3)). A getter returns a
 * copy or a new reference. */
#ifndef M2_X509_H
#define M2_X509_H

X509 *m2_x509_read_pem(BIO *bio);
X509 *m2_d2i_x509(BIO *bio);
m2_bytes m2_i2d_x509(const X509 *certificate);
m2_number m2_x509_get_version(const X509 *certificate);
X509_NAME *m2_x509_get_subject_name(const X509 *certificate);
X509_NAME *m2_x509_get_issuer_name(const X509 *certificate);
ASN1_INTEGER *m2_x509_get_serial_number(const X509 *certificate);
ASN1_TIME *m2_x509_get_not_before(const X509 *certificate);
ASN1_TIME *m2_x509_get_not_after(const X509 *certificate);
X509_EXTENSION *m2_x509_get_ext(const X509 *certificate, int index);
m2_bytes m2_x509_digest(const X509 *certificate, const EVP_MD *algorithm);
m2_verdict m2_x509_check_purpose(X509 *certificate, int purpose, int ca);
/* Return 1 if the certificate is for the name or address (X509_check_host(3)), else 0. */
m2_verdict m2_x509_check_host(X509 *certificate, const char *name, unsigned int flags);
m2_verdict m2_x509_check_email(X509 *certificate, const char *address, unsigned int flags);
m2_verdict m2_x509_check_ip_asc(X509 *certificate, const char *address, unsigned int flags);
/* Return 1; TypeError refuses any other object. */
int m2_x509_type_check(const X509 *certificate);
int m2_x509_name_type_check(const X509_NAME *name);
/* Return NULL if there is none. More than one, or a malformed one, is an error. */
GENERAL_NAMES *m2_x509_get_subject_alt_names(const X509 *certificate);

X509_REQ *m2_x509_req_read_pem(BIO *bio);
X509_REQ *m2_x509_req_dup(const X509_REQ *request);
X509_REQ *m2_d2i_x509_req(BIO *bio);
m2_bytes m2_i2d_x509_req(const X509_REQ *request);
m2_number m2_x509_req_get_version(const X509_REQ *request);
/* Return 0 for a version other than 0, which leaves the request unchanged. */
m2_verdict m2_x509_req_set_version(X509_REQ *request, long version);
X509_NAME *m2_x509_req_get_subject_name(const X509_REQ *request);
m2_status m2_x509_req_add_extensions(X509_REQ *request, m2_x509_ext_stack *extensions);

X509_CRL *m2_x509_crl_read_pem(BIO *bio);
X509_NAME *m2_x509_crl_get_issuer(const X509_CRL *crl);
ASN1_TIME *m2_x509_crl_get_last_update(const X509_CRL *crl);
ASN1_TIME *m2_x509_crl_get_next_update(const X509_CRL *crl);

#endif
