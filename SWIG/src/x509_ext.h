/* Extensions, and the names in a subjectAltName (X509V3_EXT_print(3), x509v3_config(5)). */
#ifndef M2_X509_EXT_H
#define M2_X509_EXT_H

/* The extension's short name, or its OID's digits when OpenSSL has no name for it. */
m2_bytes m2_x509_extension_get_name(const X509_EXTENSION *extension);
/* As text; one that OpenSSL cannot read is dumped when `flag` is 0. */
m2_status m2_x509_ext_print(BIO *bio, const X509_EXTENSION *extension, unsigned long flag,
                            int indent);
/* From the language of x509v3_config(5). The configuration behind it is empty, so "@section" is
 * refused. The key is the subject's and the issuer's, for the values "hash" and "keyid". */
X509_EXTENSION *m2_x509_new_extension(const char *name, const char *value, int critical,
                                      EVP_PKEY *OPTIONAL);
X509_EXTENSION *m2_x509_new_authority_key_identifier(m2_buffer identifier, int critical);

int m2_general_names_num(const GENERAL_NAMES *names);
/* GEN_DNS, GEN_IPADD and so on. */
m2_number m2_general_names_type(const GENERAL_NAMES *names, int index);
/* DNS names, URIs and mail addresses as they are encoded, IP addresses as octets, directory names
 * as RFC 2253 text, registered IDs as digits, the others as the DER of the whole name. */
m2_bytes m2_general_names_value(const GENERAL_NAMES *names, int index);

#endif
