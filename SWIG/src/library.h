/* The OpenSSL library in the process. */
#ifndef M2_LIBRARY_H
#define M2_LIBRARY_H

/* Return the path of the file that holds OpenSSL: the extension's own if it was linked statically.
 * It is empty if the system cannot tell. */
const char *m2_openssl_library(void);
/* Return whether the default properties require FIPS
 * (EVP_default_properties_is_fips_enabled(3)). */
int m2_openssl_fips_enabled(void);
/* Load a configuration file (config(5)) instead of that of OPENSSL_CONF. It must be the first use
 * of OpenSSL. */
m2_status m2_openssl_configure(const char *path);

/* Compare in a time that depends on the lengths alone (CRYPTO_memcmp(3)). Return 0 if both are
 * equal. */
int m2_crypto_memcmp(m2_buffer first, m2_buffer second);

#endif
