/* The part of PKCS #11 that OpenSSL's providers do not have: destroying keys of a token. */
#ifndef M2_PKCS11_H
#define M2_PKCS11_H

#if OPENSSL_VERSION_NUMBER >= 0x30000000L

/* Destroy the keys of the one token that has the label and serial number, each of which may be
 * None. `id` and `label` are CKA_ID and CKA_LABEL, of which one may be None; `key_class` is
 * CKO_PUBLIC_KEY (2), CKO_PRIVATE_KEY (3), CKO_SECRET_KEY (4), or -1 for all three. Without a PIN
 * only public keys can be found. Return the number of keys destroyed. */
m2_number m2_pkcs11_destroy_keys(const char *module, const char *token, const char *serial,
                                 m2_buffer id, m2_buffer label, int key_class, m2_buffer pin);

#endif
#endif
