/* What differs between OpenSSL versions in messages, PKCS #12 and stores (compat_messages.h). */
#include "compat_messages.h"

int m2_compat_cms_has_auth_enveloped(void)
{
    return OPENSSL_VERSION_NUMBER >= 0x30000000L;
}

#if OPENSSL_VERSION_NUMBER < 0x30400000L

int m2_compat_pkcs12_set_pbmac1(PKCS12 *pkcs12, const char *passphrase, int iterations,
                                const EVP_MD *digest)
{
    (void)pkcs12;
    (void)passphrase;
    (void)iterations;
    (void)digest;
    m2_error("PBMAC1 (RFC 9579) needs OpenSSL 3.4 or later");
    return 0;
}

#else

int m2_compat_pkcs12_set_pbmac1(PKCS12 *pkcs12, const char *passphrase, int iterations,
                                const EVP_MD *digest)
{
    /* 16 bytes of salt (RFC 8018, section 4.1); the digest is that of PBKDF2, too. */
    return PKCS12_set_pbmac1_pbkdf2(pkcs12, passphrase, -1, NULL, 16, iterations, digest, NULL);
}

#endif

EVP_PKEY *m2_compat_store_key(const OSSL_STORE_INFO *info)
{
    switch (OSSL_STORE_INFO_get_type(info)) {
    case OSSL_STORE_INFO_PKEY:
        return OSSL_STORE_INFO_get1_PKEY(info);
    case OSSL_STORE_INFO_PARAMS:
        return OSSL_STORE_INFO_get1_PARAMS(info);
#if OPENSSL_VERSION_NUMBER >= 0x30000000L
    case OSSL_STORE_INFO_PUBKEY:
        return OSSL_STORE_INFO_get1_PUBKEY(info);
#endif
    default:
        return NULL;
    }
}
