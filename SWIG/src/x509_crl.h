/* Certificate revocation lists and their entries (X509_CRL_get0_by_serial(3); RFC 5280, section 5).
 */
#ifndef M2_X509_CRL_H
#define M2_X509_CRL_H

X509_CRL *m2_d2i_x509_crl(BIO *bio);
m2_bytes m2_i2d_x509_crl(const X509_CRL *crl);
m2_number m2_x509_crl_get_version(const X509_CRL *crl);
X509_EXTENSION *m2_x509_crl_get_ext(const X509_CRL *crl, int index);

/* Return the cRLNumber, NULL if there is none. */
ASN1_INTEGER *m2_x509_crl_get_number(const X509_CRL *crl);
m2_status m2_x509_crl_set_number(X509_CRL *crl, ASN1_INTEGER *number);

int m2_x509_crl_revoked_num(const X509_CRL *crl);
X509_REVOKED *m2_x509_crl_revoked_value(const X509_CRL *crl, int index);
/* Return NULL if the list has no entry for the serial number. */
X509_REVOKED *m2_x509_crl_get_by_serial(X509_CRL *crl, const ASN1_INTEGER *serial);
/* Add a copy of an entry. */
m2_status m2_x509_crl_add_revoked(X509_CRL *crl, const X509_REVOKED *entry);

ASN1_INTEGER *m2_x509_revoked_get_serial_number(const X509_REVOKED *entry);
ASN1_TIME *m2_x509_revoked_get_date(const X509_REVOKED *entry);
/* Return a CRL_REASON_, or CRL_REASON_NONE (-1) if there is no reasonCode. */
int m2_x509_revoked_get_reason(const X509_REVOKED *entry);
m2_status m2_x509_revoked_set_reason(X509_REVOKED *entry, int reason);
/* Return NULL if there is no invalidityDate. */
ASN1_TIME *m2_x509_revoked_get_invalidity_date(const X509_REVOKED *entry);
/* Set it to "YYYYMMDDHHMMSSZ". */
m2_status m2_x509_revoked_set_invalidity_date(X509_REVOKED *entry, const char *date);

#endif
