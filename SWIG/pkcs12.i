/* PKCS #12 files. */
%{
#include "pkcs12.h"
%}

%thread m2_pkcs12_verify_mac;
%thread m2_pkcs12_parse;
%thread m2_pkcs12_create;

%apply EVP_PKEY *OPTIONAL { EVP_PKEY *key_or_none };
%apply X509 *OPTIONAL { X509 *certificate_or_none };
%apply m2_x509_stack *OPTIONAL { m2_x509_stack *ca_or_none };
%apply const EVP_CIPHER *OPTIONAL { const EVP_CIPHER *cipher_or_none };
%apply const EVP_MD *OPTIONAL { const EVP_MD *digest_or_none };
/* The private key is written (m2_pkey_is_usable). */
%typemap(check, noblock=1) EVP_PKEY *key_or_none {
    if ($1 != NULL && !m2_pkey_is_usable($1, M2_KEY_WRITE)) {
        m2_raise(M2_AREA, "$symname");
        SWIG_fail;
    }
}

%none_for_null(EVP_PKEY, m2_pkcs12_get1_pkey)
%none_for_null(X509, m2_pkcs12_get1_cert)

void PKCS12_free(PKCS12 *RELEASE);
%include "src/pkcs12.h"
