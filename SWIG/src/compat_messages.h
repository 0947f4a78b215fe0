/*
 * What differs between OpenSSL versions in messages, PKCS #12 and stores. Only this header,
 * compat.h and their C files check the version.
 */
#ifndef M2_COMPAT_MESSAGES_H
#define M2_COMPAT_MESSAGES_H

#include "m2.h"

#include <openssl/pkcs12.h>
#include <openssl/store.h>

/* Return whether CMS supports AuthEnvelopedData (RFC 5083). */
int m2_compat_cms_has_auth_enveloped(void);
/* Set a PBMAC1 of PBKDF2 (RFC 9579). Return 1; 0 with an error queued before OpenSSL 3.4. */
int m2_compat_pkcs12_set_pbmac1(PKCS12 *pkcs12, const char *passphrase, int iterations,
                                const EVP_MD *digest);
/* Return the key of an object, public or private, or parameters; NULL if it is no key. */
EVP_PKEY *m2_compat_store_key(const OSSL_STORE_INFO *info);

#endif
