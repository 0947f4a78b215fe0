/* OCSP, if this OpenSSL has it. */
%{
#include "ocsp.h"
%}

#ifndef OPENSSL_NO_OCSP
%handle(OCSP_CERTID, OCSP_CERTID_free)
%handle(OCSP_REQUEST, OCSP_REQUEST_free)
%handle(OCSP_RESPONSE, OCSP_RESPONSE_free)
%handle(OCSP_BASICRESP, OCSP_BASICRESP_free)

%thread m2_ocsp_basic_verify;
%thread m2_ocsp_basic_sign;
%thread m2_ocsp_request_sign;
%thread_io(m2_ocsp_response_print)

%none_for_null(ASN1_STRING, m2_ocsp_request_nonce)
%none_for_null(ASN1_STRING, m2_ocsp_basic_nonce)
%none_for_null(ASN1_STRING, m2_ocsp_basic_responder_key)
%none_for_null(ASN1_TIME, m2_ocsp_basic_next_update)
%none_for_null(ASN1_TIME, m2_ocsp_basic_revoked_at)
%none_for_null(X509_NAME, m2_ocsp_basic_responder_name)

/* None is NULL. */
%apply const ASN1_TIME *OPTIONAL { const ASN1_TIME *revoked, const ASN1_TIME *next_update };
%apply m2_x509_stack *OPTIONAL { m2_x509_stack *certificates };

OCSP_REQUEST *OCSP_REQUEST_new(void);
#endif

%include "src/ocsp.h"
#ifndef OPENSSL_NO_OCSP
%clear const ASN1_TIME *revoked, const ASN1_TIME *next_update, m2_x509_stack *certificates;
#endif
