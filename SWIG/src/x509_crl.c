/* Certificate revocation lists and their entries (X509_CRL_get0_by_serial(3); RFC 5280, section 5).
 */
#include <openssl/x509v3.h>

#include "m2.h"
#include "asn1.h"
#include "x509_crl.h"

/* ---- lists -------------------------------------------------------------------------------- */

X509_CRL *m2_d2i_x509_crl(BIO *bio)
{
    return d2i_X509_CRL_bio(bio, NULL);
}

m2_bytes m2_i2d_x509_crl(const X509_CRL *crl)
{
    return M2_DER(X509_CRL, crl);
}

m2_number m2_x509_crl_get_version(const X509_CRL *crl)
{
    long version = X509_CRL_get_version(crl);

    if (version < 0 && ERR_peek_error() == 0)
        m2_error("the version is negative");
    return version;
}

X509_EXTENSION *m2_x509_crl_get_ext(const X509_CRL *crl, int index)
{
    const X509_EXTENSION *extension = X509_CRL_get_ext(crl, index);

    if (extension == NULL) {
        m2_error("the CRL has no such extension");
        return NULL;
    }
    return X509_EXTENSION_dup((X509_EXTENSION *)extension);
}

ASN1_INTEGER *m2_x509_crl_get_number(const X509_CRL *crl)
{
    return X509_CRL_get_ext_d2i(crl, NID_crl_number, NULL, NULL);
}

m2_status m2_x509_crl_set_number(X509_CRL *crl, ASN1_INTEGER *number)
{
    return X509_CRL_add1_ext_i2d(crl, NID_crl_number, number, 0, X509V3_ADD_REPLACE);
}

int m2_x509_crl_revoked_num(const X509_CRL *crl)
{
    int count = sk_X509_REVOKED_num(X509_CRL_get_REVOKED((X509_CRL *)crl));

    return count < 0 ? 0 : count;
}

X509_REVOKED *m2_x509_crl_revoked_value(const X509_CRL *crl, int index)
{
    const X509_REVOKED *entry = sk_X509_REVOKED_value(X509_CRL_get_REVOKED((X509_CRL *)crl), index);

    if (entry == NULL) {
        m2_error("the CRL has no such entry");
        return NULL;
    }
    return X509_REVOKED_dup((X509_REVOKED *)entry);
}

/* The look-up sorts the entries. An entry of reason removeFromCRL is found, too. */
X509_REVOKED *m2_x509_crl_get_by_serial(X509_CRL *crl, const ASN1_INTEGER *serial)
{
    X509_REVOKED *entry = NULL;

    if (X509_CRL_get0_by_serial(crl, &entry, (ASN1_INTEGER *)serial) == 0 || entry == NULL)
        return NULL;
    return X509_REVOKED_dup(entry);
}

m2_status m2_x509_crl_add_revoked(X509_CRL *crl, const X509_REVOKED *entry)
{
    X509_REVOKED *copy = X509_REVOKED_dup((X509_REVOKED *)entry);

    if (copy == NULL)
        return 0;
    if (X509_CRL_add0_revoked(crl, copy) == 1)
        return 1;
    X509_REVOKED_free(copy);
    return 0;
}

/* ---- entries ------------------------------------------------------------------------------ */

ASN1_INTEGER *m2_x509_revoked_get_serial_number(const X509_REVOKED *entry)
{
    return ASN1_INTEGER_dup(X509_REVOKED_get0_serialNumber(entry));
}

ASN1_TIME *m2_x509_revoked_get_date(const X509_REVOKED *entry)
{
    return m2_asn1_time_dup(X509_REVOKED_get0_revocationDate(entry));
}

int m2_x509_revoked_get_reason(const X509_REVOKED *entry)
{
    ASN1_ENUMERATED *reason = X509_REVOKED_get_ext_d2i(entry, NID_crl_reason, NULL, NULL);
    long value = reason == NULL ? CRL_REASON_NONE : ASN1_ENUMERATED_get(reason);

    ASN1_ENUMERATED_free(reason);
    ERR_clear_error();
    /* The enumeration of RFC 5280, section 5.3.1, ends at 10. */
    return value >= 0 && value <= 10 ? (int)value : CRL_REASON_NONE;
}

m2_status m2_x509_revoked_set_reason(X509_REVOKED *entry, int reason)
{
    ASN1_ENUMERATED *value = NULL;
    int result = 0;

    /* RFC 5280, section 5.3.1: 7 is not used. */
    if (reason < 0 || reason > 10 || reason == 7) {
        m2_error("unknown reason for a revocation");
        return 0;
    }
    value = ASN1_ENUMERATED_new();
    if (value != NULL && ASN1_ENUMERATED_set(value, reason) == 1)
        result = X509_REVOKED_add1_ext_i2d(entry, NID_crl_reason, value, 0, X509V3_ADD_REPLACE);
    ASN1_ENUMERATED_free(value);
    return result;
}

ASN1_TIME *m2_x509_revoked_get_invalidity_date(const X509_REVOKED *entry)
{
    return (ASN1_TIME *)X509_REVOKED_get_ext_d2i(entry, NID_invalidity_date, NULL, NULL);
}

m2_status m2_x509_revoked_set_invalidity_date(X509_REVOKED *entry, const char *date)
{
    ASN1_GENERALIZEDTIME *time = ASN1_GENERALIZEDTIME_new();
    int result = 0;

    if (time != NULL && ASN1_GENERALIZEDTIME_set_string(time, date) == 1)
        result = X509_REVOKED_add1_ext_i2d(entry, NID_invalidity_date, time, 0, X509V3_ADD_REPLACE);
    else if (ERR_peek_error() == 0)
        m2_error("the date is not such as 20260131235959Z");
    ASN1_GENERALIZEDTIME_free(time);
    return result;
}
