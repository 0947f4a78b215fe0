/* PKCS #7 and S/MIME messages. */
%{
#include "pkcs7.h"
%}

/* The types of PKCS7.type. */
%constant int PKCS7_DATA = NID_pkcs7_data;
%constant int PKCS7_SIGNED = NID_pkcs7_signed;
%constant int PKCS7_ENVELOPED = NID_pkcs7_enveloped;
%constant int PKCS7_SIGNED_ENVELOPED = NID_pkcs7_signedAndEnveloped;

%thread m2_pkcs7_read_bio;
%thread m2_pkcs7_read_bio_der;
%thread m2_pkcs7_write_bio;
%thread m2_pkcs7_write_bio_der;
%thread m2_smime_read_pkcs7;
%thread m2_smime_write_pkcs7;
%thread m2_smime_write_pkcs7_multi;
%thread m2_smime_crlf_copy;
%thread m2_pkcs7_sign0;
%thread m2_pkcs7_sign1;
%thread m2_pkcs7_verify0;
%thread m2_pkcs7_verify1;
%thread m2_pkcs7_encrypt;
%thread m2_pkcs7_decrypt;

PKCS7 *PKCS7_new(void);
void PKCS7_free(PKCS7 *RELEASE);
%include "src/pkcs7.h"
