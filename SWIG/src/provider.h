/* Providers, which OpenSSL 1.1.1 does not have, and the stores that they open (OSSL_PROVIDER(3),
 * ossl_store(7)). All of the default library context, whose state is the process's. */
#ifndef M2_PROVIDER_H
#define M2_PROVIDER_H

#ifndef SWIG
#include "m2.h"
#endif

#if OPENSSL_VERSION_NUMBER >= 0x30000000L

#ifndef SWIG
#include <openssl/provider.h>
#endif

/* Load a provider. `configuration`, which may be None, is the text of a configuration file
 * (config(5)) that names its file and parameters. The default provider remains a fallback if none
 * was loaded explicitly. */
OSSL_PROVIDER *m2_provider_load(const char *name, m2_buffer configuration);
m2_status m2_provider_unload(OSSL_PROVIDER *RELEASE);
const char *m2_provider_get_name(const OSSL_PROVIDER *provider);
/* Return a parameter of type UTF-8 (OSSL_PROVIDER_get_params(3)), or None if it has none. */
const char *m2_provider_get_text(const OSSL_PROVIDER *provider, const char *key);
/* Return whether the provider can be used (OSSL_PROV_PARAM_STATUS). */
m2_verdict m2_provider_get_status(const OSSL_PROVIDER *provider);
m2_verdict m2_provider_self_test(const OSSL_PROVIDER *provider);
/* Return whether the provider is loaded. */
m2_verdict m2_provider_available(const char *name);
/* Return the names of the loaded providers, each with a newline. */
m2_bytes m2_provider_names(void);

/* Set the property query of every fetch (property(7)). */
m2_status m2_provider_set_default_properties(const char *query);
/* Require FIPS in every fetch, or no longer (EVP_default_properties_enable_fips(3)). */
m2_status m2_provider_enable_fips(int enable);

/* Load from a URI, with a property query and a passphrase callback. A private key is preferred to a
 * public one, which is copied into memory. */
EVP_PKEY *m2_provider_load_key(const char *uri, const char *query, m2_callback pin);
X509 *m2_provider_load_certificate(const char *uri, const char *query, m2_callback pin);

/* Generate a key pair in the provider; `object`, a PKCS #11 URI or None, names it on a token. */
EVP_PKEY *m2_provider_generate_rsa(const char *query, int bits, unsigned long exponent,
                                   const char *object);
#ifndef OPENSSL_NO_EC
EVP_PKEY *m2_provider_generate_ec(const char *query, const char *curve, const char *object);
#endif

#endif
#endif
