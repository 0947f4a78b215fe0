/* Certificates, keys and CRLs by URI. */
%{
#include "ossl_store.h"
%}

%thread m2_store_load;

%constant int OSSL_STORE_INFO_NAME = OSSL_STORE_INFO_NAME;
%constant int OSSL_STORE_INFO_PARAMS = OSSL_STORE_INFO_PARAMS;
%constant int OSSL_STORE_INFO_PKEY = OSSL_STORE_INFO_PKEY;
%constant int OSSL_STORE_INFO_CERT = OSSL_STORE_INFO_CERT;
%constant int OSSL_STORE_INFO_CRL = OSSL_STORE_INFO_CRL;

%apply const char *PATH { const char *uri };
%include "src/ossl_store.h"
%clear const char *uri;
