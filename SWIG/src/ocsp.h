/* Online Certificate Status Protocol: requests, responses and their signatures (RFC 6960). */
#ifndef M2_OCSP_H
#define M2_OCSP_H

#ifndef OPENSSL_NO_OCSP

#ifndef SWIG
#include <openssl/ocsp.h>

#include "m2.h"
#include "x509_stack.h"
#endif

/* ---- CertIDs ---- */

/* Identify a certificate by its issuer's name, its issuer's key and its serial number. */
OCSP_CERTID *m2_ocsp_cert_to_id(const EVP_MD *algorithm, const X509 *certificate,
                                const X509 *issuer);
m2_bytes m2_i2d_ocsp_certid(OCSP_CERTID *id);
int m2_ocsp_id_equal(const OCSP_CERTID *id, const OCSP_CERTID *other);
/* Return whether the id's issuer is this certificate, hashed as in the id. */
m2_verdict m2_ocsp_id_is_issued_by(const OCSP_CERTID *id, X509 *issuer);
ASN1_INTEGER *m2_ocsp_id_serial_number(const OCSP_CERTID *id);

/* ---- requests ---- */

OCSP_REQUEST *m2_d2i_ocsp_request(m2_buffer der);
m2_bytes m2_i2d_ocsp_request(OCSP_REQUEST *request);
m2_status m2_ocsp_request_add(OCSP_REQUEST *request, const OCSP_CERTID *id);
m2_status m2_ocsp_request_add_nonce(OCSP_REQUEST *request, m2_buffer nonce);
m2_status m2_ocsp_request_sign(OCSP_REQUEST *request, X509 *certificate, EVP_PKEY *signer,
                               const EVP_MD *OPTIONAL);
int m2_ocsp_request_count(const OCSP_REQUEST *request);
OCSP_CERTID *m2_ocsp_request_id(const OCSP_REQUEST *request, int index);
/* Return the nonce; NULL without an error if there is none. */
ASN1_STRING *m2_ocsp_request_nonce(const OCSP_REQUEST *request);
int m2_ocsp_request_is_signed(const OCSP_REQUEST *request);

/* ---- responses ---- */

OCSP_RESPONSE *m2_d2i_ocsp_response(m2_buffer der);
m2_bytes m2_i2d_ocsp_response(OCSP_RESPONSE *response);
/* Return a response of OCSP_RESPONSE_STATUS_...; `basic` is NULL unless it is successful. */
OCSP_RESPONSE *m2_ocsp_response_create(int status, OCSP_BASICRESP *OPTIONAL);
int m2_ocsp_response_status(const OCSP_RESPONSE *response);
OCSP_BASICRESP *m2_ocsp_response_get_basic(const OCSP_RESPONSE *response);
m2_status m2_ocsp_response_print(BIO *bio, OCSP_RESPONSE *response);

int m2_ocsp_basic_count(const OCSP_BASICRESP *basic);
/* Return the index of the first response for an id, -1 if there is none. */
int m2_ocsp_basic_find(const OCSP_BASICRESP *basic, const OCSP_CERTID *id);
OCSP_CERTID *m2_ocsp_basic_id(const OCSP_BASICRESP *basic, int index);
/* Return V_OCSP_CERTSTATUS_... */
m2_number m2_ocsp_basic_status(const OCSP_BASICRESP *basic, int index);
/* Return the reason of a revocation; -1 if it has none. */
int m2_ocsp_basic_reason(const OCSP_BASICRESP *basic, int index);
/* Return NULL without an error for a time that is absent. */
ASN1_TIME *m2_ocsp_basic_this_update(const OCSP_BASICRESP *basic, int index);
ASN1_TIME *m2_ocsp_basic_next_update(const OCSP_BASICRESP *basic, int index);
ASN1_TIME *m2_ocsp_basic_revoked_at(const OCSP_BASICRESP *basic, int index);
ASN1_TIME *m2_ocsp_basic_produced_at(const OCSP_BASICRESP *basic);
ASN1_STRING *m2_ocsp_basic_nonce(const OCSP_BASICRESP *basic);
/* Return the responder's name or the SHA-1 of its key; NULL without an error for the other. */
X509_NAME *m2_ocsp_basic_responder_name(const OCSP_BASICRESP *basic);
ASN1_STRING *m2_ocsp_basic_responder_key(const OCSP_BASICRESP *basic);
m2_x509_stack *m2_ocsp_basic_certificates(const OCSP_BASICRESP *basic);
/* Verify the signature and that the signer may respond (OCSP_basic_verify(3)). */
m2_verdict m2_ocsp_basic_verify(OCSP_BASICRESP *basic, m2_x509_stack *certificates,
                                X509_STORE *SHARED, unsigned long flags);

/* A response to be: add a status for each id, then sign. */
OCSP_BASICRESP *m2_ocsp_basic_new(void);
void m2_ocsp_basic_free(OCSP_BASICRESP *RELEASE);
/* `revoked` and `next_update` may be NULL; `reason` is -1 for none. */
m2_status m2_ocsp_basic_add(OCSP_BASICRESP *basic, const OCSP_CERTID *id, int status, int reason,
                            const ASN1_TIME *revoked, const ASN1_TIME *this_update,
                            const ASN1_TIME *next_update);
m2_status m2_ocsp_basic_copy_nonce(OCSP_BASICRESP *basic, OCSP_REQUEST *request);
m2_status m2_ocsp_basic_sign(OCSP_BASICRESP *basic, X509 *certificate, EVP_PKEY *signer,
                             const EVP_MD *OPTIONAL, m2_x509_stack *certificates,
                             unsigned long flags);

#endif
#endif
