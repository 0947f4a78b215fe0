/* Providers, their stores, and keys on tokens, if this OpenSSL has providers. */
#if OPENSSL_VERSION_NUMBER >= 0x30000000L
%{
#include "provider.h"
#include "pkcs11.h"
%}

/* A provider that is loaded stays so until provider_unload or the end of the process. */
%shared_handle(OSSL_PROVIDER, release_nothing, always_shared)

%thread m2_provider_load;
%thread m2_provider_unload;
%thread m2_provider_self_test;
%thread m2_provider_load_key;
%thread m2_provider_load_certificate;
%thread m2_provider_generate_rsa;
%thread m2_provider_generate_ec;
%thread m2_pkcs11_destroy_keys;

%apply m2_buffer OPTIONAL { m2_buffer configuration, m2_buffer id, m2_buffer label,
                            m2_buffer pin };
%apply const char *OPTIONAL { const char *object, const char *token, const char *serial };
%apply const char *PATH { const char *module };
%include "src/provider.h"
%include "src/pkcs11.h"
%clear m2_buffer configuration, m2_buffer id, m2_buffer label, m2_buffer pin;
%clear const char *object, const char *token, const char *serial, const char *module;
#endif
