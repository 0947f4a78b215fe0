/* The OpenSSL library in the process. */
#ifndef M2_LIBRARY_H
#define M2_LIBRARY_H

/* Return the path of the file that holds OpenSSL: the extension's own if it was linked statically.
 * It is empty if the system cannot tell. */
const char *m2_openssl_library(void);
/* Return whether the default properties require FIPS
 * (EVP_default_properties_is_fips_enabled(3)). */
int m2_openssl_fips_enabled(void);
/* Load a configuration file (config(5)), and no other one later; none if `file` is empty. It must
 * be the first use of OpenSSL. */
m2_status m2_openssl_configure(const char *file);
/* Return whether a configuration file sets config_diagnostics, so that its errors are not ignored
 * (config(5)): 1 or 0, also if it cannot be read. */
int m2_openssl_config_diagnostics(const char *file);
/* Return whether a provider that is loaded, or is by default, has SHA-256: 1 or 0. */
int m2_openssl_has_sha256(void);
/* Return the configuration file that OpenSSL loads by itself: that of OPENSSL_CONF, or openssl.cnf
 * in OPENSSLDIR (CONF_get1_default_config_file(3)). */
m2_bytes m2_openssl_config_file(void);

/* Compare in a time that depends on the lengths alone (CRYPTO_memcmp(3)). Return 0 if both are
 * equal. */
int m2_crypto_memcmp(m2_buffer first, m2_buffer second);

#endif
