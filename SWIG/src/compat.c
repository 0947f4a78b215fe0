/*
 * What differs between OpenSSL 1.1.1 and 3.x, with one implementation for each.
 */
#include <string.h>

#include "compat.h"
#include "evp.h"

#include <openssl/conf.h>
#include <openssl/rsa.h>
#ifndef OPENSSL_NO_DSA
#include <openssl/dsa.h>
#endif

#if OPENSSL_VERSION_NUMBER < 0x30000000L

/* ---- OpenSSL 1.1.1 ------------------------------------------------------------------------ */

void m2_compat_load_conf_modules(void)
{
    OPENSSL_load_builtin_modules();
#ifndef OPENSSL_NO_ENGINE
    OPENSSL_init_crypto(OPENSSL_INIT_ENGINE_ALL_BUILTIN, NULL);
#endif
}

int m2_compat_fips_enabled(void)
{
    /* The FIPS module of OpenSSL 1.0.2 has no successor in 1.1.1. */
    return 0;
}

const EVP_MD *m2_context_digest(const EVP_MD_CTX *context)
{
    return EVP_MD_CTX_md(context);
}

const EVP_CIPHER *m2_context_cipher(const EVP_CIPHER_CTX *context)
{
    return EVP_CIPHER_CTX_cipher(context);
}

m2_hmac *m2_hmac_context_new(void)
{
    return HMAC_CTX_new();
}

void m2_hmac_context_free(m2_hmac *context)
{
    HMAC_CTX_free(context);
}

int m2_hmac_context_init(m2_hmac *context, const unsigned char *key, int length, const EVP_MD *md)
{
    /* HMAC_Update crashes with the null digest, which has no block size. */
    if (EVP_MD_size(md) > 0 && HMAC_Init_ex(context, key, length, md, NULL) == 1)
        return 1;
    /* A partly initialized context crashes when it is used. */
    HMAC_CTX_reset(context);
    return 0;
}

int m2_hmac_context_update(m2_hmac *context, const unsigned char *data, size_t length)
{
    return HMAC_Update(context, data, length);
}

int m2_hmac_context_final(m2_hmac *context, unsigned char *mac, size_t *length)
{
    unsigned int written = 0;
    int status = HMAC_Final(context, mac, &written);

    /* Updating a finalized SHA-3 crashes. */
    HMAC_CTX_reset(context);
    *length = written;
    return status;
}

#ifndef OPENSSL_NO_RC4
int m2_compat_rc4_begin(m2_compat_rc4 *rc4)
{
    rc4->cipher = EVP_rc4();
    return 1;
}

void m2_compat_rc4_end(m2_compat_rc4 *rc4)
{
    rc4->cipher = NULL;
}
#endif

static const BIGNUM *compat_get0_number(EVP_PKEY *pkey, m2_key_number which)
{
    int type = EVP_PKEY_base_id(pkey);
    const BIGNUM *number = NULL;

    if (type == EVP_PKEY_RSA || type == EVP_PKEY_RSA_PSS) {
        const RSA *rsa = EVP_PKEY_get0_RSA(pkey);

        if (which == M2_RSA_MODULUS)
            number = RSA_get0_n(rsa);
        else if (which == M2_RSA_EXPONENT)
            number = RSA_get0_e(rsa);
    }
#ifndef OPENSSL_NO_DSA
    if (type == EVP_PKEY_DSA && which == M2_DSA_PUBLIC)
        number = DSA_get0_pub_key(EVP_PKEY_get0_DSA(pkey));
#endif
    return number;
}

BIGNUM *m2_pkey_number(const EVP_PKEY *pkey, m2_key_number which)
{
    const BIGNUM *number = compat_get0_number((EVP_PKEY *)pkey, which);

    return number == NULL ? NULL : BN_dup(number);
}

/* Return whether OpenSSL represents the key as octets. */
static int compat_is_raw(const EVP_PKEY *pkey)
{
    int type = EVP_PKEY_base_id(pkey);

    return type == EVP_PKEY_X25519 || type == EVP_PKEY_X448 || type == EVP_PKEY_ED25519 ||
           type == EVP_PKEY_ED448;
}

static const BIGNUM *compat_has_private(EVP_PKEY *pkey)
{
    switch (EVP_PKEY_base_id(pkey)) {
    case EVP_PKEY_RSA:
    case EVP_PKEY_RSA_PSS:
        return RSA_get0_d(EVP_PKEY_get0_RSA(pkey));
#ifndef OPENSSL_NO_DSA
    case EVP_PKEY_DSA:
        return DSA_get0_priv_key(EVP_PKEY_get0_DSA(pkey));
#endif
#ifndef OPENSSL_NO_DH
    case EVP_PKEY_DH:
    case EVP_PKEY_DHX:
        return DH_get0_priv_key(EVP_PKEY_get0_DH(pkey));
#endif
#ifndef OPENSSL_NO_EC
    case EVP_PKEY_EC:
        return EC_KEY_get0_private_key(EVP_PKEY_get0_EC_KEY(pkey));
#endif
    default:
        return NULL;
    }
}

int m2_pkey_has_private(const EVP_PKEY *pkey)
{
    unsigned char raw[64];
    size_t length = sizeof(raw);
    int found;

    if (!compat_is_raw(pkey))
        return compat_has_private((EVP_PKEY *)pkey) != NULL;
    /* OpenSSL 1.1.1 returns the length of a private key for a public one, too. */
    ERR_set_mark();
    found = EVP_PKEY_get_raw_private_key(pkey, raw, &length) == 1;
    ERR_pop_to_mark();
    OPENSSL_cleanse(raw, sizeof(raw));
    return found;
}

int m2_pkey_is_private(const EVP_PKEY *pkey)
{
    int type = EVP_PKEY_base_id(pkey);

    if (m2_pkey_has_private(pkey))
        return 1;
    /* Engines set the flag in the keys that they have. */
    return (type == EVP_PKEY_RSA || type == EVP_PKEY_RSA_PSS) &&
           RSA_test_flags(EVP_PKEY_get0_RSA((EVP_PKEY *)pkey), RSA_FLAG_EXT_PKEY) != 0;
}

EVP_PKEY *m2_pkey_public(const EVP_PKEY *pkey)
{
    EVP_PKEY_up_ref((EVP_PKEY *)pkey);
    return (EVP_PKEY *)pkey;
}

/* OpenSSL 1.1.1 dereferences the missing private key of Ed25519 and Ed448. */
int m2_pkey_signs_checked(const EVP_PKEY *pkey)
{
    return !compat_is_raw(pkey);
}

int m2_pkey_has_own_digest(const EVP_PKEY *pkey)
{
    int nid = NID_undef;

    return EVP_PKEY_get_default_digest_nid((EVP_PKEY *)pkey, &nid) == 2 && nid == NID_undef;
}

int m2_pkey_copy_key(EVP_PKEY *pkey, EVP_PKEY *source)
{
    switch (EVP_PKEY_base_id(source)) {
    case EVP_PKEY_RSA:
        return EVP_PKEY_set1_RSA(pkey, EVP_PKEY_get0_RSA(source));
#ifndef OPENSSL_NO_EC
    case EVP_PKEY_EC:
        return EVP_PKEY_set1_EC_KEY(pkey, EVP_PKEY_get0_EC_KEY(source));
#endif
    default:
        m2_error("only an RSA or EC key can be assigned");
        return 0;
    }
}

EVP_PKEY *m2_rsa_from_numbers(const BIGNUM *modulus, const BIGNUM *exponent)
{
    EVP_PKEY *pkey = EVP_PKEY_new();
    RSA *rsa = RSA_new();
    BIGNUM *n = BN_dup(modulus);
    BIGNUM *e = BN_dup(exponent);
    int done = 0;

    if (pkey == NULL || rsa == NULL || n == NULL || e == NULL || !RSA_set0_key(rsa, n, e, NULL))
        goto done;
    n = e = NULL;
    if (!EVP_PKEY_assign_RSA(pkey, rsa))
        goto done;
    rsa = NULL;
    done = 1;
done:
    BN_free(n);
    BN_free(e);
    RSA_free(rsa);
    if (!done) {
        EVP_PKEY_free(pkey);
        pkey = NULL;
    }
    return pkey;
}

static int compat_longer(int bits, const BIGNUM *number)
{
    int other = number == NULL ? 0 : BN_num_bits(number);

    return other > bits ? other : bits;
}

int m2_rsa_longest_prime(const EVP_PKEY *pkey)
{
    const RSA *rsa = EVP_PKEY_get0_RSA((EVP_PKEY *)pkey);
    /* OpenSSL reads five primes at most (RSA_MAX_PRIME_NUM). */
    const BIGNUM *others[8] = {NULL};
    const BIGNUM *p = NULL;
    const BIGNUM *q = NULL;
    int count = rsa == NULL ? 0 : RSA_get_multi_prime_extra_count(rsa);
    int bits;
    int i;

    if (rsa == NULL)
        return 0;
    RSA_get0_factors(rsa, &p, &q);
    bits = compat_longer(compat_longer(0, p), q);
    if (count > 0 && count <= (int)(sizeof(others) / sizeof(others[0])) &&
        RSA_get0_multi_prime_factors(rsa, others) == 1) {
        for (i = 0; i < count; i++)
            bits = compat_longer(bits, others[i]);
    }
    return bits;
}

int m2_rsa_generate_exponent(EVP_PKEY_CTX *context, const BIGNUM *exponent)
{
    BIGNUM *owned = BN_dup(exponent);
    int status = owned == NULL ? 0 : EVP_PKEY_CTX_set_rsa_keygen_pubexp(context, owned);

    if (status <= 0)
        BN_free(owned);
    return status;
}

#ifndef OPENSSL_NO_EC
EC_GROUP *m2_ec_group(const EVP_PKEY *pkey)
{
    const EC_KEY *key = EVP_PKEY_get0_EC_KEY((EVP_PKEY *)pkey);
    const EC_GROUP *group = key == NULL ? NULL : EC_KEY_get0_group(key);

    return group == NULL ? NULL : EC_GROUP_dup(group);
}

EC_GROUP *m2_ec_explicit_group(const EVP_PKEY *pkey)
{
    const EC_KEY *key = EVP_PKEY_get0_EC_KEY((EVP_PKEY *)pkey);
    const EC_GROUP *group = key == NULL ? NULL : EC_KEY_get0_group(key);

    return group == NULL || EC_GROUP_get_curve_name(group) != NID_undef ? NULL
                                                                        : EC_GROUP_dup(group);
}

int m2_ec_has_point(const EVP_PKEY *pkey)
{
    const EC_KEY *key = EVP_PKEY_get0_EC_KEY((EVP_PKEY *)pkey);

    return key != NULL && EC_KEY_get0_public_key(key) != NULL;
}
#endif

unsigned long m2_name_hash(const X509_NAME *name)
{
    return X509_NAME_hash((X509_NAME *)name);
}

int m2_store_load_file(X509_STORE *store, const char *file)
{
    return X509_STORE_load_locations(store, file, NULL);
}

#else

/* ---- OpenSSL 3.0 and later ---------------------------------------------------------------- */

#include <openssl/core_names.h>
#include <openssl/param_build.h>
#include <openssl/params.h>
#include <openssl/provider.h>

void m2_compat_load_conf_modules(void)
{
}

int m2_compat_fips_enabled(void)
{
    return EVP_default_properties_is_fips_enabled(NULL) == 1;
}

const EVP_MD *m2_context_digest(const EVP_MD_CTX *context)
{
    return EVP_MD_CTX_get0_md(context);
}

const EVP_CIPHER *m2_context_cipher(const EVP_CIPHER_CTX *context)
{
    return EVP_CIPHER_CTX_get0_cipher(context);
}

m2_hmac *m2_hmac_context_new(void)
{
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *context;

    /* No provider has it, for example after a failed self-test of the FIPS module. */
    if (mac == NULL)
        return NULL;
    context = EVP_MAC_CTX_new(mac);
    EVP_MAC_free(mac);
    return context;
}

void m2_hmac_context_free(m2_hmac *context)
{
    EVP_MAC_CTX_free(context);
}

int m2_hmac_context_init(m2_hmac *context, const unsigned char *key, int length, const EVP_MD *md)
{
    OSSL_PARAM params[2];

    params[0] =
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)EVP_MD_get0_name(md), 0);
    params[1] = OSSL_PARAM_construct_end();
    return EVP_MAC_init(context, key, (size_t)length, params);
}

int m2_hmac_context_update(m2_hmac *context, const unsigned char *data, size_t length)
{
    return EVP_MAC_update(context, data, length);
}

int m2_hmac_context_final(m2_hmac *context, unsigned char *mac, size_t *length)
{
    return EVP_MAC_final(context, mac, length, EVP_MAX_MD_SIZE);
}

#ifndef OPENSSL_NO_RC4
int m2_compat_rc4_begin(m2_compat_rc4 *rc4)
{
    if (m2_compat_fips_enabled()) {
        m2_error("RC4 is not approved, and the default properties require FIPS");
        return 0;
    }
    rc4->library = OSSL_LIB_CTX_new();
    if (rc4->library == NULL)
        return 0;
    rc4->legacy = OSSL_PROVIDER_load(rc4->library, "legacy");
    if (rc4->legacy == NULL) {
        ERR_clear_error();
        m2_error("RC4 needs the legacy provider, which this OpenSSL cannot load");
        return 0;
    }
    rc4->fetched = EVP_CIPHER_fetch(rc4->library, "RC4", NULL);
    rc4->cipher = rc4->fetched;
    return rc4->fetched != NULL;
}

void m2_compat_rc4_end(m2_compat_rc4 *rc4)
{
    EVP_CIPHER_free(rc4->fetched);
    /* The provider has a child of the library context, which keeps the context alive. */
    if (rc4->legacy != NULL)
        OSSL_PROVIDER_unload(rc4->legacy);
    OSSL_LIB_CTX_free(rc4->library);
}
#endif

/* RSA-PSS keys have the same numbers as RSA keys and another type. */
static int compat_is_rsa(const EVP_PKEY *pkey)
{
    return EVP_PKEY_is_a(pkey, "RSA") || EVP_PKEY_is_a(pkey, "RSA-PSS");
}

BIGNUM *m2_pkey_number(const EVP_PKEY *pkey, m2_key_number which)
{
    static const char *const NAMES[] = {OSSL_PKEY_PARAM_RSA_N, OSSL_PKEY_PARAM_RSA_E,
                                        OSSL_PKEY_PARAM_PUB_KEY};
    BIGNUM *number = NULL;

    if (!(which == M2_DSA_PUBLIC ? EVP_PKEY_is_a(pkey, "DSA") : compat_is_rsa(pkey)))
        return NULL;
    ERR_set_mark();
    EVP_PKEY_get_bn_param(pkey, NAMES[which], &number);
    ERR_pop_to_mark();
    return number;
}

int m2_pkey_has_private(const EVP_PKEY *pkey)
{
    const char *name = compat_is_rsa(pkey) ? OSSL_PKEY_PARAM_RSA_D : OSSL_PKEY_PARAM_PRIV_KEY;
    BIGNUM *number = NULL;
    size_t length = 0;
    int found;

    ERR_set_mark();
    found = EVP_PKEY_get_bn_param(pkey, name, &number) == 1 ||
            (EVP_PKEY_get_octet_string_param(pkey, name, NULL, 0, &length) == 1 && length > 0);
    ERR_pop_to_mark();
    BN_clear_free(number);
    return found;
}

/* Return whether the key is in memory, by OpenSSL's own providers. An engine's has no provider. */
static int compat_is_in_memory(const EVP_PKEY *pkey)
{
    static const char *const NAMES[] = {"default", "fips", "legacy", "base"};
    const OSSL_PROVIDER *provider = EVP_PKEY_get0_provider(pkey);
    const char *name = provider == NULL ? "" : OSSL_PROVIDER_get0_name(provider);
    size_t i;

    for (i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++) {
        if (strcmp(name, NAMES[i]) == 0)
            return 1;
    }
    return 0;
}

int m2_pkey_is_private(const EVP_PKEY *pkey)
{
    if (EVP_PKEY_get_id(pkey) == EVP_PKEY_NONE)
        return 0;
    /* Public keys of tokens are copied when they are loaded. */
    return m2_pkey_has_private(pkey) || !compat_is_in_memory(pkey);
}

EVP_PKEY *m2_pkey_public(const EVP_PKEY *pkey)
{
    if (!compat_is_in_memory(pkey))
        return m2_pkey_copy_public(pkey);
    EVP_PKEY_up_ref((EVP_PKEY *)pkey);
    return (EVP_PKEY *)pkey;
}

int m2_pkey_signs_checked(const EVP_PKEY *pkey)
{
    (void)pkey;
    return 1;
}

int m2_pkey_copy_key(EVP_PKEY *pkey, EVP_PKEY *source)
{
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_pkey(NULL, source, NULL);
    OSSL_PARAM *params = NULL;
    int selection = m2_pkey_has_private(source) ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY;
    int status = 0;

    if (context != NULL && EVP_PKEY_todata(source, selection, &params) == 1 &&
        EVP_PKEY_fromdata_init(context) == 1)
        status = EVP_PKEY_fromdata(context, &pkey, selection, params);
    OSSL_PARAM_free(params);
    EVP_PKEY_CTX_free(context);
    return status;
}

int m2_pkey_has_own_digest(const EVP_PKEY *pkey)
{
    char name[64] = "";

    /* The usual types need no question to their provider. */
    if (EVP_PKEY_id(pkey) == EVP_PKEY_RSA || EVP_PKEY_id(pkey) == EVP_PKEY_EC)
        return 0;
    return EVP_PKEY_get_default_digest_name((EVP_PKEY *)pkey, name, sizeof(name)) == 2 &&
           strcmp(name, SN_undef) == 0;
}

EVP_PKEY *m2_rsa_from_numbers(const BIGNUM *modulus, const BIGNUM *exponent)
{
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    OSSL_PARAM *params = NULL;
    EVP_PKEY *pkey = NULL;

    if (context == NULL || builder == NULL ||
        !OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, modulus) ||
        !OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, exponent))
        goto done;
    params = OSSL_PARAM_BLD_to_param(builder);
    if (params == NULL || EVP_PKEY_fromdata_init(context) <= 0 ||
        EVP_PKEY_fromdata(context, &pkey, EVP_PKEY_PUBLIC_KEY, params) <= 0)
        pkey = NULL;
done:
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(builder);
    EVP_PKEY_CTX_free(context);
    return pkey;
}

int m2_rsa_longest_prime(const EVP_PKEY *pkey)
{
    static const char *const NAMES[] = {OSSL_PKEY_PARAM_RSA_FACTOR1, OSSL_PKEY_PARAM_RSA_FACTOR2,
                                        OSSL_PKEY_PARAM_RSA_FACTOR3, OSSL_PKEY_PARAM_RSA_FACTOR4,
                                        OSSL_PKEY_PARAM_RSA_FACTOR5, OSSL_PKEY_PARAM_RSA_FACTOR6,
                                        OSSL_PKEY_PARAM_RSA_FACTOR7, OSSL_PKEY_PARAM_RSA_FACTOR8,
                                        OSSL_PKEY_PARAM_RSA_FACTOR9, OSSL_PKEY_PARAM_RSA_FACTOR10};
    int longest = 0;
    size_t i;

    ERR_set_mark();
    for (i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++) {
        BIGNUM *prime = NULL;

        if (EVP_PKEY_get_bn_param(pkey, NAMES[i], &prime) == 1 && BN_num_bits(prime) > longest)
            longest = BN_num_bits(prime);
        BN_clear_free(prime);
    }
    ERR_pop_to_mark();
    return longest;
}

int m2_rsa_generate_exponent(EVP_PKEY_CTX *context, const BIGNUM *exponent)
{
    return EVP_PKEY_CTX_set1_rsa_keygen_pubexp(context, (BIGNUM *)exponent);
}

#ifndef OPENSSL_NO_EC
EC_GROUP *m2_ec_group(const EVP_PKEY *pkey)
{
    OSSL_PARAM *params = NULL;
    EC_GROUP *group = NULL;

    if (EVP_PKEY_todata(pkey, EVP_PKEY_KEY_PARAMETERS, &params) == 1)
        group = EC_GROUP_new_from_params(params, NULL, NULL);
    OSSL_PARAM_free(params);
    return group;
}

EC_GROUP *m2_ec_explicit_group(const EVP_PKEY *pkey)
{
    EC_GROUP *group = NULL;
    char name[80];
    int has_name;

    /* Making a group takes an eighth of a signature's time. */
    ERR_set_mark();
    has_name = EVP_PKEY_get_group_name(pkey, name, sizeof(name), NULL) == 1;
    ERR_pop_to_mark();
    if (!has_name)
        group = m2_ec_group(pkey);
    if (group != NULL && EC_GROUP_get_curve_name(group) != NID_undef) {
        EC_GROUP_free(group);
        group = NULL;
    }
    return group;
}

int m2_ec_has_point(const EVP_PKEY *pkey)
{
    size_t length = 0;
    int found;

    ERR_set_mark();
    found =
        (EVP_PKEY_get_octet_string_param(pkey, OSSL_PKEY_PARAM_PUB_KEY, NULL, 0, &length) == 1 &&
         length > 0) ||
        /* The providers of tokens may have no such parameter. */
        (!compat_is_in_memory(pkey) && i2d_PUBKEY(pkey, NULL) > 0);
    ERR_pop_to_mark();
    return found;
}
#endif

unsigned long m2_name_hash(const X509_NAME *name)
{
    return X509_NAME_hash_ex(name, NULL, NULL, NULL);
}

int m2_store_load_file(X509_STORE *store, const char *file)
{
    return X509_STORE_load_file(store, file);
}

#endif

#if OPENSSL_VERSION_NUMBER >= 0x40000000L

static int compat_accept_host(const char *name, size_t length)
{
    (void)name;
    return length > 0;
}

void m2_compat_accept_hosts(X509_VERIFY_PARAM *param)
{
    X509_VERIFY_PARAM_set1_host_input_validation(param, compat_accept_host);
}

#else

void m2_compat_accept_hosts(X509_VERIFY_PARAM *param)
{
    (void)param;
}

#endif

/* ---- TLS ---------------------------------------------------------------------------------- */

#include <openssl/pem.h>

#if OPENSSL_VERSION_NUMBER < 0x30000000L

void m2_compat_system_error(int number)
{
    ERR_put_error(ERR_LIB_SYS, 0, number, OPENSSL_FILE, OPENSSL_LINE);
}

void m2_compat_queue_error(int reason)
{
    ERR_put_error(ERR_LIB_USER, 0, reason, OPENSSL_FILE, OPENSSL_LINE);
}

unsigned long m2_compat_next_error(const char **data, int *flags)
{
    return ERR_get_error_line_data(NULL, NULL, data, flags);
}

const char *m2_compat_error_function(unsigned long code)
{
    return ERR_func_error_string(code);
}

X509 *m2_compat_ssl_get1_peer_certificate(SSL *connection)
{
    return SSL_get_peer_certificate(connection);
}

int m2_compat_ssl_uses_ktls(SSL *connection)
{
    (void)connection;
    return 0;
}

long long m2_compat_ssl_sendfile(SSL *connection, int fd, long long offset, size_t size)
{
    (void)connection;
    (void)fd;
    (void)offset;
    (void)size;
    return -1;
}

const char *m2_compat_ssl_group_name(SSL *connection)
{
    EVP_PKEY *key = NULL;
    int number = NID_undef;

    /* Only a key of the peer says which group it is. */
    if (!SSL_get_peer_tmp_key(connection, &key))
        return NULL;
    number = EVP_PKEY_base_id(key);
#ifndef OPENSSL_NO_EC
    if (number == EVP_PKEY_EC)
        number = EC_GROUP_get_curve_name(EC_KEY_get0_group(EVP_PKEY_get0_EC_KEY(key)));
#endif
    EVP_PKEY_free(key);
    return OBJ_nid2sn(number);
}

int m2_compat_ssl_ctx_set_tmp_dh(SSL_CTX *context, BIO *parameters)
{
#ifdef OPENSSL_NO_DH
    m2_error("this OpenSSL was built without DH");
    return 0;
#else
    DH *dh = PEM_read_bio_DHparams(parameters, NULL, m2_password, NULL);
    int result = 0;

    if (dh != NULL)
        result = (int)SSL_CTX_set_tmp_dh(context, dh);
    DH_free(dh);
    return result;
#endif
}

#else

void m2_compat_system_error(int number)
{
    ERR_raise(ERR_LIB_SYS, number);
}

void m2_compat_queue_error(int reason)
{
    ERR_raise(ERR_LIB_USER, reason);
}

unsigned long m2_compat_next_error(const char **data, int *flags)
{
    return ERR_get_error_all(NULL, NULL, NULL, data, flags);
}

const char *m2_compat_error_function(unsigned long code)
{
    (void)code;
    return NULL;
}

X509 *m2_compat_ssl_get1_peer_certificate(SSL *connection)
{
    return SSL_get1_peer_certificate(connection);
}

int m2_compat_ssl_uses_ktls(SSL *connection)
{
    BIO *bio = SSL_get_wbio(connection);

    return bio != NULL && BIO_get_ktls_send(bio);
}

long long m2_compat_ssl_sendfile(SSL *connection, int fd, long long offset, size_t size)
{
    return SSL_sendfile(connection, fd, (off_t)offset, size, 0);
}

const char *m2_compat_ssl_group_name(SSL *connection)
{
    /* OpenSSL 3.0 and 3.1 dereference the session of a connection that has none. */
    int number =
        SSL_get_session(connection) == NULL ? NID_undef : (int)SSL_get_negotiated_group(connection);

    return number == NID_undef ? NULL : SSL_group_to_name(connection, number);
}

int m2_compat_ssl_ctx_set_tmp_dh(SSL_CTX *context, BIO *parameters)
{
    unsigned char *der = NULL;
    const unsigned char *at;
    char *label = NULL;
    EVP_PKEY *pkey = NULL;
    long length = 0;
    int result = 0;

    /* PEM_read_bio_Parameters would prompt for the passphrase of an encrypted file. */
    if (PEM_bytes_read_bio(&der, &length, &label, PEM_STRING_DHPARAMS, parameters, m2_password,
                           NULL) != 1)
        return 0;
    at = der;
    pkey = d2i_KeyParams(strcmp(label, PEM_STRING_DHXPARAMS) == 0 ? EVP_PKEY_DHX : EVP_PKEY_DH,
                         NULL, &at, length);
    if (pkey != NULL)
        result = SSL_CTX_set0_tmp_dh_pkey(context, pkey);
    if (result <= 0)
        EVP_PKEY_free(pkey);
    OPENSSL_free(label);
    OPENSSL_free(der);
    return result;
}

#endif

#if OPENSSL_VERSION_NUMBER < 0x30500000L

int m2_compat_ssl_ctx_implemented_groups(SSL_CTX *context, int aliases, BIO *names)
{
    (void)context;
    (void)aliases;
    (void)names;
    m2_error("OpenSSL before 3.5 does not list its groups");
    return 0;
}

const char *m2_compat_ssl_signature_name(SSL *connection, int of_peer)
{
    (void)connection;
    (void)of_peer;
    return NULL;
}

#else

int m2_compat_ssl_ctx_implemented_groups(SSL_CTX *context, int aliases, BIO *names)
{
    STACK_OF(OPENSSL_CSTRING) *groups = sk_OPENSSL_CSTRING_new_null();
    int done = groups != NULL && SSL_CTX_get0_implemented_groups(context, aliases, groups) > 0;
    int i;

    for (i = 0; done && i < sk_OPENSSL_CSTRING_num(groups); i++)
        done =
            BIO_printf(names, "%s%s", i == 0 ? "" : ":", sk_OPENSSL_CSTRING_value(groups, i)) > 0;
    sk_OPENSSL_CSTRING_free(groups);
    return done;
}

const char *m2_compat_ssl_signature_name(SSL *connection, int of_peer)
{
    const char *name = NULL;

    if (of_peer)
        (void)SSL_get0_peer_signature_name(connection, &name);
    else
        (void)SSL_get0_signature_name(connection, &name);
    return name;
}

#endif

/* A time_t since OpenSSL 3.3; before, a long. */
#if OPENSSL_VERSION_NUMBER < 0x30300000L

long long m2_compat_ssl_session_get_time(const SSL_SESSION *session)
{
    return SSL_SESSION_get_time(session);
}

void m2_compat_ssl_session_set_time(SSL_SESSION *session, long long seconds)
{
    (void)SSL_SESSION_set_time(session, (long)seconds);
}

#else

long long m2_compat_ssl_session_get_time(const SSL_SESSION *session)
{
    return (long long)SSL_SESSION_get_time_ex(session);
}

void m2_compat_ssl_session_set_time(SSL_SESSION *session, long long seconds)
{
    (void)SSL_SESSION_set_time_ex(session, (time_t)seconds);
}

#endif

#if OPENSSL_VERSION_NUMBER < 0x30300000L

STACK_OF(X509_OBJECT) * m2_compat_store_objects_begin(X509_STORE *store)
{
    X509_STORE_lock(store);
    return X509_STORE_get0_objects(store);
}

void m2_compat_store_objects_end(X509_STORE *store, STACK_OF(X509_OBJECT) * objects)
{
    (void)objects;
    X509_STORE_unlock(store);
}

#else

STACK_OF(X509_OBJECT) * m2_compat_store_objects_begin(X509_STORE *store)
{
    return X509_STORE_get1_objects(store);
}

void m2_compat_store_objects_end(X509_STORE *store, STACK_OF(X509_OBJECT) * objects)
{
    (void)store;
    sk_X509_OBJECT_pop_free(objects, X509_OBJECT_free);
}

#endif
