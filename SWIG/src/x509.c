/* Certificates, certification requests and CRLs (X509_new(3), X509_sign(3)). */
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "m2.h"
#include "asn1.h"
#include "x509_stack.h"
#include "x509.h"

/* Return -1 with an error queued for a negative version. */
static m2_number x509_version(long version)
{
    if (version >= 0)
        return version;
    if (ERR_peek_error() == 0)
        m2_error("the version is negative");
    return -1;
}

static X509_NAME *x509_copy_name(const X509_NAME *name)
{
    return name == NULL ? NULL : X509_NAME_dup((X509_NAME *)name);
}

/* ---- certificates ------------------------------------------------------------------------- */

X509 *m2_x509_read_pem(BIO *bio)
{
    return PEM_read_bio_X509(bio, NULL, m2_password, NULL);
}

X509 *m2_d2i_x509(BIO *bio)
{
    return d2i_X509_bio(bio, NULL);
}

m2_bytes m2_i2d_x509(const X509 *certificate)
{
    return M2_DER(X509, certificate);
}

m2_number m2_x509_get_version(const X509 *certificate)
{
    return x509_version(X509_get_version(certificate));
}

X509_NAME *m2_x509_get_subject_name(const X509 *certificate)
{
    return x509_copy_name(X509_get_subject_name(certificate));
}

X509_NAME *m2_x509_get_issuer_name(const X509 *certificate)
{
    return x509_copy_name(X509_get_issuer_name(certificate));
}

ASN1_INTEGER *m2_x509_get_serial_number(const X509 *certificate)
{
    return ASN1_INTEGER_dup(X509_get0_serialNumber(certificate));
}

ASN1_TIME *m2_x509_get_not_before(const X509 *certificate)
{
    return m2_asn1_time_dup(X509_get0_notBefore(certificate));
}

ASN1_TIME *m2_x509_get_not_after(const X509 *certificate)
{
    return m2_asn1_time_dup(X509_get0_notAfter(certificate));
}

X509_EXTENSION *m2_x509_get_ext(const X509 *certificate, int index)
{
    const X509_EXTENSION *extension = X509_get_ext(certificate, index);

    if (extension == NULL) {
        m2_error("the certificate has no such extension");
        return NULL;
    }
    return X509_EXTENSION_dup((X509_EXTENSION *)extension);
}

m2_bytes m2_x509_digest(const X509 *certificate, const EVP_MD *algorithm)
{
    m2_bytes digest = m2_bytes_new(EVP_MAX_MD_SIZE);
    unsigned int length = 0;

    int ok = digest.data != NULL && X509_digest(certificate, algorithm, digest.data, &length) == 1;

    return m2_bytes_finish(digest, ok, length);
}

m2_verdict m2_x509_check_purpose(X509 *certificate, int purpose, int ca)
{
    int verdict = X509_check_purpose(certificate, purpose, ca);

    if (verdict < 0 && ERR_peek_error() == 0)
        m2_error("unknown purpose, or an extension of the certificate is malformed");
    return verdict;
}

/* -2 is a malformed argument, -1 another failure. */
static int x509_verdict(int verdict)
{
    if (verdict < 0 && ERR_peek_error() == 0)
        m2_error("the name or address is malformed");
    return verdict;
}

m2_verdict m2_x509_check_host(X509 *certificate, const char *name, unsigned int flags)
{
    return x509_verdict(X509_check_host(certificate, name, 0, flags, NULL));
}

m2_verdict m2_x509_check_email(X509 *certificate, const char *address, unsigned int flags)
{
    return x509_verdict(X509_check_email(certificate, address, 0, flags));
}

m2_verdict m2_x509_check_ip_asc(X509 *certificate, const char *address, unsigned int flags)
{
    return x509_verdict(X509_check_ip_asc(certificate, address, flags));
}

int m2_x509_type_check(const X509 *certificate)
{
    return certificate != NULL;
}

int m2_x509_name_type_check(const X509_NAME *name)
{
    return name != NULL;
}

GENERAL_NAMES *m2_x509_get_subject_alt_names(const X509 *certificate)
{
    int critical = -1;
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, &critical, NULL);

    /* -1 is none, -2 more than one. */
    if (names == NULL && critical == -2)
        m2_error("the certificate has more than one subjectAltName");
    else if (names == NULL && critical >= 0)
        m2_error("the certificate's subjectAltName is malformed");
    return names;
}

/* ---- requests ----------------------------------------------------------------------------- */

X509_REQ *m2_x509_req_read_pem(BIO *bio)
{
    return PEM_read_bio_X509_REQ(bio, NULL, m2_password, NULL);
}

X509_REQ *m2_d2i_x509_req(BIO *bio)
{
    return d2i_X509_REQ_bio(bio, NULL);
}

X509_REQ *m2_x509_req_dup(const X509_REQ *request)
{
    /* X509_REQ_dup copies the decoded key, too, and fails if that is an engine's. */
    m2_bytes der = M2_DER(X509_REQ, request);
    const unsigned char *start = der.data;
    X509_REQ *copy = der.data == NULL ? NULL : d2i_X509_REQ(NULL, &start, (long)der.length);

    m2_bytes_free(&der);
    return copy;
}

m2_bytes m2_i2d_x509_req(const X509_REQ *request)
{
    return M2_DER(X509_REQ, request);
}

m2_number m2_x509_req_get_version(const X509_REQ *request)
{
    return x509_version(X509_REQ_get_version(request));
}

m2_verdict m2_x509_req_set_version(X509_REQ *request, long version)
{
    /* Only version 1, encoded as 0, exists (RFC 2986, section 4.1); OpenSSL 3.5 checks the same. */
    return version == 0 && X509_REQ_set_version(request, version) == 1;
}

X509_NAME *m2_x509_req_get_subject_name(const X509_REQ *request)
{
    return x509_copy_name(X509_REQ_get_subject_name(request));
}

m2_status m2_x509_req_add_extensions(X509_REQ *request, m2_x509_ext_stack *extensions)
{
    return X509_REQ_add_extensions(request, extensions);
}

/* ---- CRLs --------------------------------------------------------------------------------- */

X509_CRL *m2_x509_crl_read_pem(BIO *bio)
{
    return PEM_read_bio_X509_CRL(bio, NULL, m2_password, NULL);
}

X509_NAME *m2_x509_crl_get_issuer(const X509_CRL *crl)
{
    return x509_copy_name(X509_CRL_get_issuer(crl));
}

ASN1_TIME *m2_x509_crl_get_last_update(const X509_CRL *crl)
{
    return m2_asn1_time_dup(X509_CRL_get0_lastUpdate(crl));
}

ASN1_TIME *m2_x509_crl_get_next_update(const X509_CRL *crl)
{
    return m2_asn1_time_dup(X509_CRL_get0_nextUpdate(crl));
}
