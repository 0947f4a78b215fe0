/* Extensions, and the names in a subjectAltName (X509V3_EXT_print(3), x509v3_config(5)). */
#ifndef M2_X509_EXT_H
#define M2_X509_EXT_H

#ifndef SWIG
#include <openssl/conf.h>
#include <openssl/x509v3.h>

/* Create an extension with the context, whose configuration is set. */
X509_EXTENSION *m2_ext_create(CONF *configuration, X509V3_CTX *context, const char *name,
                              const char *value);
#endif

X509_EXTENSION *m2_d2i_x509_extension(m2_buffer der);
m2_bytes m2_i2d_x509_extension(const X509_EXTENSION *extension);
/* Return the extension's short name, or its OID if OpenSSL has no name. */
m2_bytes m2_x509_extension_get_name(const X509_EXTENSION *extension);
/* Print the value; a dump if it is malformed and `flag` is 0. */
m2_status m2_x509_ext_print(BIO *bio, const X509_EXTENSION *extension, unsigned long flag,
                            int indent);
/* Create an extension from the format of x509v3_config(5). There is no configuration, so
 * "@section" is refused. The key is the subject's and the issuer's, for "hash" and "keyid". */
X509_EXTENSION *m2_x509_new_extension(const char *name, const char *value, int critical,
                                      EVP_PKEY *OPTIONAL);
X509_EXTENSION *m2_x509_new_authority_key_identifier(m2_buffer identifier, int critical);

int m2_general_names_num(const GENERAL_NAMES *names);
/* Return such as GEN_DNS. */
m2_number m2_general_names_type(const GENERAL_NAMES *names, int index);
/* Return the encoded octets of DNS names, URIs, mail and IP addresses; directory names as RFC
 * 2253 text, registered IDs as OIDs, other types as the DER of the GeneralName. */
m2_bytes m2_general_names_value(const GENERAL_NAMES *names, int index);

#endif
