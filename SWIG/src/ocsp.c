/* OCSP requests and responses (OCSP_REQUEST_new(3), OCSP_response_status(3), OCSP_cert_to_id(3)).
 */
#include <openssl/ocsp.h>
#include <openssl/x509v3.h>

#include "ocsp.h"
#include "asn1.h"

#ifndef OPENSSL_NO_OCSP

/* ---- CertIDs ------------------------------------------------------------------------------ */

OCSP_CERTID *m2_ocsp_cert_to_id(const EVP_MD *algorithm, const X509 *certificate,
                                const X509 *issuer)
{
    return OCSP_cert_to_id(algorithm, certificate, issuer);
}

m2_bytes m2_i2d_ocsp_certid(OCSP_CERTID *id)
{
    return M2_DER(OCSP_CERTID, id);
}

int m2_ocsp_id_equal(const OCSP_CERTID *id, const OCSP_CERTID *other)
{
    return OCSP_id_cmp(id, other) == 0;
}

static int ocsp_id_parts(const OCSP_CERTID *id, ASN1_OBJECT **algorithm, ASN1_INTEGER **serial)
{
    return OCSP_id_get0_info(NULL, algorithm, NULL, serial, (OCSP_CERTID *)id);
}

static int ocsp_id_digest(const OCSP_CERTID *id)
{
    ASN1_OBJECT *algorithm = NULL;

    return ocsp_id_parts(id, &algorithm, NULL) ? OBJ_obj2nid(algorithm) : NID_undef;
}

m2_verdict m2_ocsp_id_is_issued_by(const OCSP_CERTID *id, X509 *issuer)
{
    const EVP_MD *algorithm = EVP_get_digestbynid(ocsp_id_digest(id));
    OCSP_CERTID *wanted;
    int same;

    if (algorithm == NULL) {
        m2_error("the CertID has an unknown digest");
        return -1;
    }
    wanted = OCSP_cert_to_id(algorithm, NULL, issuer);
    if (wanted == NULL)
        return -1;
    same = OCSP_id_issuer_cmp(id, wanted) == 0;
    OCSP_CERTID_free(wanted);
    return same;
}

ASN1_INTEGER *m2_ocsp_id_serial_number(const OCSP_CERTID *id)
{
    ASN1_INTEGER *serial = NULL;

    return ocsp_id_parts(id, NULL, &serial) ? ASN1_INTEGER_dup(serial) : NULL;
}

/* ---- requests ----------------------------------------------------------------------------- */

/* Return whether a buffer of DER was read to its end. */
static int ocsp_is_whole(m2_buffer der, const unsigned char *end)
{
    if (end == der.data + der.length)
        return 1;
    m2_error("the data continues after the OCSP message");
    return 0;
}

OCSP_REQUEST *m2_d2i_ocsp_request(m2_buffer der)
{
    const unsigned char *end = der.data;
    OCSP_REQUEST *request = d2i_OCSP_REQUEST(NULL, &end, (long)der.length);

    if (request != NULL && !ocsp_is_whole(der, end)) {
        OCSP_REQUEST_free(request);
        request = NULL;
    }
    return request;
}

m2_bytes m2_i2d_ocsp_request(OCSP_REQUEST *request)
{
    return M2_DER(OCSP_REQUEST, request);
}

m2_status m2_ocsp_request_add(OCSP_REQUEST *request, const OCSP_CERTID *id)
{
    OCSP_CERTID *copy = OCSP_CERTID_dup((OCSP_CERTID *)id);

    if (copy != NULL && OCSP_request_add0_id(request, copy) != NULL)
        return 1;
    OCSP_CERTID_free(copy);
    return 0;
}

m2_status m2_ocsp_request_add_nonce(OCSP_REQUEST *request, m2_buffer nonce)
{
    /* OpenSSL takes no length for that of its own nonces, and reads as many bytes. */
    if (nonce.length == 0) {
        m2_error("a nonce has at least one byte (RFC 9654, section 2.1)");
        return 0;
    }
    return OCSP_request_add1_nonce(request, (unsigned char *)nonce.data, (int)nonce.length) == 1;
}

m2_status m2_ocsp_request_sign(OCSP_REQUEST *request, X509 *certificate, EVP_PKEY *signer,
                               const EVP_MD *algorithm)
{
    return OCSP_request_sign(request, certificate, signer, algorithm, NULL, 0);
}

int m2_ocsp_request_count(const OCSP_REQUEST *request)
{
    return OCSP_request_onereq_count((OCSP_REQUEST *)request);
}

OCSP_CERTID *m2_ocsp_request_id(const OCSP_REQUEST *request, int index)
{
    OCSP_ONEREQ *one = OCSP_request_onereq_get0((OCSP_REQUEST *)request, index);

    if (one == NULL) {
        m2_error("the request has no such CertID");
        return NULL;
    }
    return OCSP_CERTID_dup(OCSP_onereq_get0_id(one));
}

/* Return the value of a nonce (RFC 8954): the octets of the OCTET STRING in the extension. */
static ASN1_STRING *ocsp_nonce(const X509_EXTENSION *extension)
{
    const ASN1_OCTET_STRING *value;
    const unsigned char *end;
    ASN1_OCTET_STRING *nonce;

    if (extension == NULL)
        return NULL;
    value = X509_EXTENSION_get_data((X509_EXTENSION *)extension);
    end = ASN1_STRING_get0_data(value);
    nonce = d2i_ASN1_OCTET_STRING(NULL, &end, ASN1_STRING_length(value));
    if (nonce != NULL)
        return nonce;
    /* Responders before RFC 8954 put the octets into the extension as they are. */
    ERR_clear_error();
    return ASN1_STRING_dup(value);
}

ASN1_STRING *m2_ocsp_request_nonce(const OCSP_REQUEST *request)
{
    OCSP_REQUEST *asked = (OCSP_REQUEST *)request;
    int index = OCSP_REQUEST_get_ext_by_NID(asked, NID_id_pkix_OCSP_Nonce, -1);

    return ocsp_nonce(index < 0 ? NULL : OCSP_REQUEST_get_ext(asked, index));
}

int m2_ocsp_request_is_signed(const OCSP_REQUEST *request)
{
    return OCSP_request_is_signed((OCSP_REQUEST *)request);
}

/* ---- responses ---------------------------------------------------------------------------- */

OCSP_RESPONSE *m2_d2i_ocsp_response(m2_buffer der)
{
    const unsigned char *end = der.data;
    OCSP_RESPONSE *response = d2i_OCSP_RESPONSE(NULL, &end, (long)der.length);

    if (response != NULL && !ocsp_is_whole(der, end)) {
        OCSP_RESPONSE_free(response);
        response = NULL;
    }
    return response;
}

m2_bytes m2_i2d_ocsp_response(OCSP_RESPONSE *response)
{
    return M2_DER(OCSP_RESPONSE, response);
}

OCSP_RESPONSE *m2_ocsp_response_create(int status, OCSP_BASICRESP *basic)
{
    return OCSP_response_create(status, basic);
}

int m2_ocsp_response_status(const OCSP_RESPONSE *response)
{
    return OCSP_response_status((OCSP_RESPONSE *)response);
}

OCSP_BASICRESP *m2_ocsp_response_get_basic(const OCSP_RESPONSE *response)
{
    return OCSP_response_get1_basic((OCSP_RESPONSE *)response);
}

m2_status m2_ocsp_response_print(BIO *bio, OCSP_RESPONSE *response)
{
    return OCSP_RESPONSE_print(bio, response, 0);
}

int m2_ocsp_basic_count(const OCSP_BASICRESP *basic)
{
    return OCSP_resp_count((OCSP_BASICRESP *)basic);
}

int m2_ocsp_basic_find(const OCSP_BASICRESP *basic, const OCSP_CERTID *id)
{
    return OCSP_resp_find((OCSP_BASICRESP *)basic, (OCSP_CERTID *)id, -1);
}

/* Return a response for one certificate, or NULL with an error queued. */
static OCSP_SINGLERESP *ocsp_single(const OCSP_BASICRESP *basic, int index)
{
    OCSP_SINGLERESP *single = OCSP_resp_get0((OCSP_BASICRESP *)basic, index);

    if (single == NULL)
        m2_error("the response has no status at that index");
    return single;
}

OCSP_CERTID *m2_ocsp_basic_id(const OCSP_BASICRESP *basic, int index)
{
    OCSP_SINGLERESP *single = ocsp_single(basic, index);

    return single == NULL ? NULL : OCSP_CERTID_dup((OCSP_CERTID *)OCSP_SINGLERESP_get0_id(single));
}

m2_number m2_ocsp_basic_status(const OCSP_BASICRESP *basic, int index)
{
    OCSP_SINGLERESP *single = ocsp_single(basic, index);

    return single == NULL ? -1 : OCSP_single_get0_status(single, NULL, NULL, NULL, NULL);
}

int m2_ocsp_basic_reason(const OCSP_BASICRESP *basic, int index)
{
    OCSP_SINGLERESP *single = OCSP_resp_get0((OCSP_BASICRESP *)basic, index);
    int reason = -1;

    if (single != NULL)
        OCSP_single_get0_status(single, &reason, NULL, NULL, NULL);
    return reason;
}

ASN1_TIME *m2_ocsp_basic_this_update(const OCSP_BASICRESP *basic, int index)
{
    OCSP_SINGLERESP *single = ocsp_single(basic, index);
    ASN1_GENERALIZEDTIME *time = NULL;

    if (single != NULL)
        OCSP_single_get0_status(single, NULL, NULL, &time, NULL);
    return m2_asn1_time_dup(time);
}

ASN1_TIME *m2_ocsp_basic_next_update(const OCSP_BASICRESP *basic, int index)
{
    OCSP_SINGLERESP *single = ocsp_single(basic, index);
    ASN1_GENERALIZEDTIME *time = NULL;

    if (single != NULL)
        OCSP_single_get0_status(single, NULL, NULL, NULL, &time);
    return m2_asn1_time_dup(time);
}

ASN1_TIME *m2_ocsp_basic_revoked_at(const OCSP_BASICRESP *basic, int index)
{
    OCSP_SINGLERESP *single = ocsp_single(basic, index);
    ASN1_GENERALIZEDTIME *time = NULL;

    if (single != NULL)
        OCSP_single_get0_status(single, NULL, &time, NULL, NULL);
    return m2_asn1_time_dup(time);
}

ASN1_TIME *m2_ocsp_basic_produced_at(const OCSP_BASICRESP *basic)
{
    return m2_asn1_time_dup(OCSP_resp_get0_produced_at(basic));
}

ASN1_STRING *m2_ocsp_basic_nonce(const OCSP_BASICRESP *basic)
{
    OCSP_BASICRESP *answered = (OCSP_BASICRESP *)basic;
    int index = OCSP_BASICRESP_get_ext_by_NID(answered, NID_id_pkix_OCSP_Nonce, -1);

    return ocsp_nonce(index < 0 ? NULL : OCSP_BASICRESP_get_ext(answered, index));
}

X509_NAME *m2_ocsp_basic_responder_name(const OCSP_BASICRESP *basic)
{
    const ASN1_OCTET_STRING *key = NULL;
    const X509_NAME *name = NULL;

    if (!OCSP_resp_get0_id(basic, &key, &name) || name == NULL)
        return NULL;
    return X509_NAME_dup((X509_NAME *)name);
}

ASN1_STRING *m2_ocsp_basic_responder_key(const OCSP_BASICRESP *basic)
{
    const ASN1_OCTET_STRING *key = NULL;
    const X509_NAME *name = NULL;

    if (!OCSP_resp_get0_id(basic, &key, &name) || key == NULL)
        return NULL;
    return ASN1_STRING_dup(key);
}

m2_x509_stack *m2_ocsp_basic_certificates(const OCSP_BASICRESP *basic)
{
    const STACK_OF(X509) *certificates = OCSP_resp_get0_certs(basic);

    if (certificates == NULL)
        return sk_X509_new_null();
    return X509_chain_up_ref((STACK_OF(X509) *)certificates);
}

m2_verdict m2_ocsp_basic_verify(OCSP_BASICRESP *basic, m2_x509_stack *certificates,
                                X509_STORE *store, unsigned long flags)
{
    const ASN1_OCTET_STRING *key = NULL;
    const X509_NAME *name = NULL;
    int verdict = -1;

    /* OpenSSL dereferences the responder ID, which a response has once it is signed. */
    if (!OCSP_resp_get0_id(basic, &key, &name))
        m2_error("the response is not signed");
    else
        verdict = OCSP_basic_verify(basic, certificates, store, flags);
    /* The reason is in the queue, so that the exception has it. */
    return verdict == 1 ? 1 : -1;
}

OCSP_BASICRESP *m2_ocsp_basic_new(void)
{
    return OCSP_BASICRESP_new();
}

void m2_ocsp_basic_free(OCSP_BASICRESP *basic)
{
    OCSP_BASICRESP_free(basic);
}

/* Set `*copy` to a GeneralizedTime, or to NULL for NULL. Return 0 if that fails. */
static int ocsp_time(const ASN1_TIME *time, ASN1_GENERALIZEDTIME **copy)
{
    *copy = time == NULL ? NULL : ASN1_TIME_to_generalizedtime(time, NULL);
    return time == NULL || *copy != NULL;
}

m2_status m2_ocsp_basic_add(OCSP_BASICRESP *basic, const OCSP_CERTID *id, int status, int reason,
                            const ASN1_TIME *revoked, const ASN1_TIME *this_update,
                            const ASN1_TIME *next_update)
{
    ASN1_GENERALIZEDTIME *at = NULL;
    ASN1_GENERALIZEDTIME *from = NULL;
    ASN1_GENERALIZEDTIME *until = NULL;
    int ok =
        ocsp_time(revoked, &at) && ocsp_time(this_update, &from) &&
        ocsp_time(next_update, &until) &&
        OCSP_basic_add1_status(basic, (OCSP_CERTID *)id, status, reason, at, from, until) != NULL;

    ASN1_GENERALIZEDTIME_free(at);
    ASN1_GENERALIZEDTIME_free(from);
    ASN1_GENERALIZEDTIME_free(until);
    return ok;
}

m2_status m2_ocsp_basic_copy_nonce(OCSP_BASICRESP *basic, OCSP_REQUEST *request)
{
    /* 2 is a request without a nonce. */
    return OCSP_copy_nonce(basic, request) > 0;
}

m2_status m2_ocsp_basic_sign(OCSP_BASICRESP *basic, X509 *certificate, EVP_PKEY *signer,
                             const EVP_MD *algorithm, m2_x509_stack *certificates,
                             unsigned long flags)
{
    const ASN1_OCTET_STRING *key = NULL;
    const X509_NAME *name = NULL;

    /* OpenSSL would take a responder's key for its name. */
    if (OCSP_resp_get0_id(basic, &key, &name)) {
        m2_error("the response is already signed; create a new one");
        return 0;
    }
    return OCSP_basic_sign(basic, certificate, signer, algorithm, certificates, flags);
}

#endif
