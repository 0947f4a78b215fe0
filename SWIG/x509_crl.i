/* Certificate revocation lists and their entries. */
%{
#include "x509_crl.h"
%}

%thread X509_CRL_sign;
%thread_io(m2_d2i_x509_crl)
%thread_io(PEM_write_bio_X509_CRL)

%rename(x509_crl_write_pem) PEM_write_bio_X509_CRL;
m2_status PEM_write_bio_X509_CRL(BIO *bio, X509_CRL *crl);
m2_status X509_CRL_set_version(X509_CRL *crl, long version);
m2_status X509_CRL_set_issuer_name(X509_CRL *crl, X509_NAME *name);
%rename(x509_crl_set_last_update) X509_CRL_set1_lastUpdate;
m2_status X509_CRL_set1_lastUpdate(X509_CRL *crl, const ASN1_TIME *time);
%rename(x509_crl_set_next_update) X509_CRL_set1_nextUpdate;
m2_status X509_CRL_set1_nextUpdate(X509_CRL *crl, const ASN1_TIME *time);
m2_status X509_CRL_sort(X509_CRL *crl);
m2_status X509_CRL_sign(X509_CRL *crl, EVP_PKEY *signer, const EVP_MD *OPTIONAL);
int X509_CRL_get_ext_count(const X509_CRL *crl);
m2_status X509_CRL_add_ext(X509_CRL *crl, X509_EXTENSION *extension, int index);

X509_REVOKED *X509_REVOKED_new(void);
void X509_REVOKED_free(X509_REVOKED *RELEASE);
%rename(x509_revoked_set_serial_number) X509_REVOKED_set_serialNumber;
m2_status X509_REVOKED_set_serialNumber(X509_REVOKED *entry, ASN1_INTEGER *serial);
%rename(x509_revoked_set_date) X509_REVOKED_set_revocationDate;
m2_status X509_REVOKED_set_revocationDate(X509_REVOKED *entry, ASN1_TIME *time);
%none_for_null(ASN1_INTEGER, m2_x509_crl_get_number)
%none_for_null(X509_REVOKED, m2_x509_crl_get_by_serial)
%none_for_null(ASN1_TIME, m2_x509_revoked_get_invalidity_date)
%include "src/x509_crl.h"
