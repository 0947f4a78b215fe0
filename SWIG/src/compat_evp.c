/*
 * What differs between OpenSSL 1.1.1 and 3.x in digests, ciphers, MACs and key derivation
 * (compat_evp.h), with one implementation for each.
 */
#include <string.h>

#include <openssl/hmac.h>

#include "algorithms.h"
#include "compat.h"
#include "compat_evp.h"
#include "evp.h"

/* OpenSSL takes NULL for "the previous one" or refuses it, also if the length is 0. */
static const unsigned char *compat_not_null(m2_buffer buffer)
{
    return buffer.data == NULL ? (const unsigned char *)"" : buffer.data;
}

/* Return a reference to the digest of an HMAC, or NULL with an error queued. */
static EVP_MD *compat_digest(const char *name, const char *properties)
{
    EVP_MD *digest = NULL;

    if (name == NULL)
        m2_error("HMAC needs a digest");
    else
        digest = m2_fetch_digest(name, properties);
    if (digest == NULL || (m2_digest_is_usable(digest) && m2_digest_has_length(digest)))
        return digest;
    m2_digest_free(digest);
    return NULL;
}

#if OPENSSL_VERSION_NUMBER < 0x30000000L

/* ---- OpenSSL 1.1.1 ------------------------------------------------------------------------ */

static int compat_is(const char *name, const char *known)
{
    while (*name != '\0' && (*name == *known || (*name ^ ' ') == *known)) {
        name++;
        known++;
    }
    return *name == *known;
}

static int compat_refuses(const char *properties)
{
    if (properties != NULL)
        m2_error("property queries need OpenSSL 3.0");
    return properties != NULL;
}

EVP_MD *m2_compat_fetch_digest(const char *name, const char *properties)
{
    EVP_MD *digest = NULL;

    if (!compat_refuses(properties)) {
        digest = (EVP_MD *)EVP_get_digestbyname(name);
        if (digest == NULL)
            m2_error("OpenSSL has no such digest");
    }
    return digest;
}

EVP_CIPHER *m2_compat_fetch_cipher(const char *name, const char *properties)
{
    EVP_CIPHER *cipher = NULL;

    if (!compat_refuses(properties)) {
        cipher = (EVP_CIPHER *)EVP_get_cipherbyname(name);
        if (cipher == NULL)
            m2_error("OpenSSL has no such cipher");
    }
    return cipher;
}

/* All algorithms are constants. */
EVP_MD *m2_digest_share(EVP_MD *digest)
{
    return digest;
}

EVP_CIPHER *m2_cipher_share(EVP_CIPHER *cipher)
{
    return cipher;
}

void m2_digest_free(EVP_MD *digest)
{
    (void)digest;
}

void m2_cipher_free(EVP_CIPHER *cipher)
{
    (void)cipher;
}

int m2_compat_set_properties(const char *properties)
{
    return !compat_refuses(properties == NULL ? "" : properties);
}

static EVP_PKEY *compat_cmac_key(const m2_mac_parameters *parameters)
{
#ifdef OPENSSL_NO_CMAC
    m2_error("this OpenSSL was built without CMAC");
    return NULL;
#else
    EVP_CIPHER *cipher = NULL;

    if (parameters->cipher == NULL)
        m2_error("CMAC needs a cipher, such as aes_128_cbc");
    else
        cipher = m2_fetch_cipher(parameters->cipher, NULL);
    /* CMAC_Init crashes with a cipher that is not in CBC mode. */
    if (cipher == NULL)
        return NULL;
    if (EVP_CIPHER_mode(cipher) != EVP_CIPH_CBC_MODE ||
        (size_t)EVP_CIPHER_key_length(cipher) != parameters->key.length) {
        m2_error("CMAC needs a CBC cipher and a key of its length");
        return NULL;
    }
    return EVP_PKEY_new_CMAC_key(NULL, parameters->key.data, parameters->key.length, cipher);
#endif
}

static EVP_PKEY *compat_raw_key(int type, size_t needed, const char *refusal, m2_buffer key)
{
    if (needed == 0 || key.length == needed)
        return EVP_PKEY_new_raw_private_key(type, NULL, compat_not_null(key), key.length);
    m2_error(refusal);
    return NULL;
}

/* Return the key of a MAC, which EVP_DigestSignInit(3) takes, or NULL with an error queued. */
static EVP_PKEY *compat_mac_key(const char *name, const m2_mac_parameters *parameters,
                                const EVP_MD **digest)
{
    if (compat_is(name, "HMAC")) {
        *digest = compat_digest(parameters->digest, NULL);
        return *digest == NULL ? NULL : compat_raw_key(EVP_PKEY_HMAC, 0, "", parameters->key);
    }
    if (compat_is(name, "CMAC"))
        return compat_cmac_key(parameters);
#ifndef OPENSSL_NO_POLY1305
    if (compat_is(name, "POLY1305"))
        return compat_raw_key(EVP_PKEY_POLY1305, 32, "Poly1305 needs a key of 32 bytes",
                              parameters->key);
#endif
#ifndef OPENSSL_NO_SIPHASH
    if (compat_is(name, "SIPHASH"))
        return compat_raw_key(EVP_PKEY_SIPHASH, 16, "SipHash needs a key of 16 bytes",
                              parameters->key);
#endif
    m2_compat_queue_error(ERR_R_OPERATION_FAIL);
    ERR_add_error_data(3, "this OpenSSL has no MAC called ", name,
                       "; GMAC, KMAC and BLAKE2 need OpenSSL 3.0");
    return NULL;
}

m2_compat_mac *m2_compat_mac_new(const char *name, const m2_mac_parameters *parameters,
                                 const char *properties)
{
    const EVP_MD *digest = NULL;
    EVP_PKEY *key = NULL;
    EVP_PKEY_CTX *options = NULL;
    EVP_MD_CTX *context = NULL;
    int is_siphash = compat_is(name, "SIPHASH");

    if (compat_refuses(properties))
        return NULL;
    if (parameters->iv.data != NULL || parameters->custom.data != NULL || parameters->xof ||
        (parameters->length != 0 && !is_siphash)) {
        m2_error("OpenSSL 1.1.1 has no MAC with this parameter");
        return NULL;
    }
    key = compat_mac_key(name, parameters, &digest);
    context = key == NULL ? NULL : EVP_MD_CTX_new();
    if (context == NULL || EVP_DigestSignInit(context, &options, digest, NULL, key) != 1 ||
        (parameters->length != 0 &&
         EVP_PKEY_CTX_ctrl(options, EVP_PKEY_SIPHASH, EVP_PKEY_OP_SIGNCTX,
                           EVP_PKEY_CTRL_SET_DIGEST_SIZE, (int)parameters->length, NULL) != 1)) {
        EVP_MD_CTX_free(context);
        context = NULL;
    }
    EVP_PKEY_free(key);
    return context;
}

m2_compat_mac *m2_compat_mac_copy(const m2_compat_mac *mac)
{
    EVP_MD_CTX *copy = NULL;

    /* EVP_MD_CTX_copy_ex(3) copies only a context with a digest. */
    if (EVP_MD_CTX_md(mac) == NULL) {
        m2_error("OpenSSL 1.1.1 can copy no MAC but HMAC");
        return NULL;
    }
    copy = EVP_MD_CTX_new();
    if (copy != NULL && EVP_MD_CTX_copy_ex(copy, mac) != 1) {
        EVP_MD_CTX_free(copy);
        copy = NULL;
    }
    return copy;
}

void m2_compat_mac_release(m2_compat_mac *mac)
{
    EVP_MD_CTX_free(mac);
}

int m2_compat_mac_update(m2_compat_mac *mac, const unsigned char *data, size_t length)
{
    return EVP_DigestSignUpdate(mac, data, length);
}

size_t m2_compat_mac_length(m2_compat_mac *mac)
{
    size_t length = 0;

    return EVP_DigestSignFinal(mac, NULL, &length) == 1 ? length : 0;
}

int m2_compat_mac_final(m2_compat_mac *mac, unsigned char *out, size_t *length, size_t size)
{
    *length = size;
    return EVP_DigestSignFinal(mac, out, length);
}

void *m2_compat_mac_share(void *mac)
{
    return mac;
}

void m2_compat_mac_free(void *mac)
{
    (void)mac;
}

int m2_compat_hmac(const EVP_MD *digest, m2_buffer key, m2_buffer data, unsigned char *out,
                   size_t *length)
{
    unsigned int written = 0;
    int ok = HMAC(digest, compat_not_null(key), (int)key.length, compat_not_null(data), data.length,
                  out, &written) != NULL;

    *length = written;
    return ok;
}

/* EVP_PKEY_HKDF limits `info` and refuses an empty key, which RFC 5869 allows. */
static int compat_hkdf_expand(const EVP_MD *digest, m2_buffer key, m2_buffer info,
                              unsigned char *out, size_t length)
{
    HMAC_CTX *context = HMAC_CTX_new();
    unsigned char block[EVP_MAX_MD_SIZE];
    size_t size = (size_t)EVP_MD_size(digest);
    size_t done = 0;
    unsigned char number;
    int ok = context != NULL && length <= 255 * size;

    if (context != NULL && !ok)
        m2_error("HKDF returns at most 255 times the digest's length (RFC 5869, section 2.3)");
    for (number = 1; ok && done < length; number++) {
        size_t part = length - done < size ? length - done : size;

        ok = HMAC_Init_ex(context, compat_not_null(key), (int)key.length, digest, NULL) &&
             HMAC_Update(context, block, number == 1 ? 0 : size) &&
             HMAC_Update(context, compat_not_null(info), info.length) &&
             HMAC_Update(context, &number, 1) && HMAC_Final(context, block, NULL);
        if (ok)
            memcpy(out + done, block, part);
        done += part;
    }
    OPENSSL_cleanse(block, sizeof(block));
    HMAC_CTX_free(context);
    return ok;
}

int m2_compat_hkdf(const EVP_MD *digest, m2_hkdf_mode mode, m2_buffer key, m2_buffer salt,
                   m2_buffer info, unsigned char *out, size_t length)
{
    unsigned char extracted[EVP_MAX_MD_SIZE];
    m2_buffer pseudorandom = {extracted, 0};
    int ok = 1;

    if (mode == M2_HKDF_EXPAND)
        return compat_hkdf_expand(digest, key, info, out, length);
    ok = m2_compat_hmac(digest, salt, key, extracted, &pseudorandom.length);
    if (ok && mode == M2_HKDF_BOTH)
        ok = compat_hkdf_expand(digest, pseudorandom, info, out, length);
    else if (ok)
        memcpy(out, extracted, length);
    OPENSSL_cleanse(extracted, sizeof(extracted));
    return ok;
}

#else

/* ---- OpenSSL 3.0 and later ---------------------------------------------------------------- */

#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

EVP_MD *m2_compat_fetch_digest(const char *name, const char *properties)
{
    return EVP_MD_fetch(NULL, name, properties);
}

EVP_CIPHER *m2_compat_fetch_cipher(const char *name, const char *properties)
{
    return EVP_CIPHER_fetch(NULL, name, properties);
}

EVP_MD *m2_digest_share(EVP_MD *digest)
{
    return EVP_MD_up_ref(digest) == 1 ? digest : NULL;
}

EVP_CIPHER *m2_cipher_share(EVP_CIPHER *cipher)
{
    return EVP_CIPHER_up_ref(cipher) == 1 ? cipher : NULL;
}

void m2_digest_free(EVP_MD *digest)
{
    EVP_MD_free(digest);
}

void m2_cipher_free(EVP_CIPHER *cipher)
{
    EVP_CIPHER_free(cipher);
}

int m2_compat_set_properties(const char *properties)
{
    return EVP_set_default_properties(NULL, properties);
}

/* Return a reference to a MAC, cached if there is no property query; NULL with an error queued. */
static EVP_MAC *compat_fetch_mac(const char *name, const char *properties)
{
    EVP_MAC *mac = properties == NULL ? m2_algorithm_find(M2_CACHED_MAC, name) : NULL;

    if (mac != NULL)
        return mac;
    mac = EVP_MAC_fetch(NULL, name, properties);
    if (mac == NULL && properties == NULL) {
        ERR_clear_error();
        m2_compat_queue_error(ERR_R_OPERATION_FAIL);
        ERR_add_error_data(2, "this OpenSSL has no MAC called ", name);
    } else if (properties == NULL) {
        m2_algorithm_keep(M2_CACHED_MAC, name, mac);
    }
    return mac;
}

static OSSL_PARAM *compat_text(OSSL_PARAM *at, const char *key, const char *text)
{
    if (text != NULL)
        *at++ = OSSL_PARAM_construct_utf8_string(key, (char *)text, 0);
    return at;
}

static OSSL_PARAM *compat_octets(OSSL_PARAM *at, const char *key, m2_buffer octets)
{
    if (octets.data != NULL)
        *at++ = OSSL_PARAM_construct_octet_string(key, (void *)octets.data, octets.length);
    return at;
}

m2_compat_mac *m2_compat_mac_new(const char *name, const m2_mac_parameters *parameters,
                                 const char *properties)
{
    OSSL_PARAM params[9];
    OSSL_PARAM *at = params;
    EVP_MAC *mac = compat_fetch_mac(name, properties);
    EVP_MAC_CTX *context = NULL;
    EVP_MD *digest = NULL;
    EVP_CIPHER *cipher = NULL;
    size_t length = parameters->length;
    int xof = parameters->xof;

    if (mac == NULL)
        return NULL;
    /* The provider fetches by its own names, which m2's are not. */
    if (parameters->digest != NULL || EVP_MAC_is_a(mac, OSSL_MAC_NAME_HMAC)) {
        digest = compat_digest(parameters->digest, properties);
        if (digest == NULL)
            goto done;
        at = compat_text(at, OSSL_MAC_PARAM_DIGEST, EVP_MD_get0_name(digest));
    }
    if (parameters->cipher != NULL) {
        cipher = m2_fetch_cipher(parameters->cipher, properties);
        if (cipher == NULL)
            goto done;
        at = compat_text(at, OSSL_MAC_PARAM_CIPHER, EVP_CIPHER_get0_name(cipher));
    }
    at = compat_text(at, OSSL_MAC_PARAM_PROPERTIES, properties);
    at = compat_octets(at, OSSL_MAC_PARAM_IV, parameters->iv);
    at = compat_octets(at, OSSL_MAC_PARAM_CUSTOM, parameters->custom);
    if (length != 0)
        *at++ = OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &length);
    if (xof)
        *at++ = OSSL_PARAM_construct_int(OSSL_MAC_PARAM_XOF, &xof);
    *at = OSSL_PARAM_construct_end();
    context = EVP_MAC_CTX_new(mac);
    if (context != NULL && EVP_MAC_init(context, compat_not_null(parameters->key),
                                        parameters->key.length, params) != 1) {
        EVP_MAC_CTX_free(context);
        context = NULL;
    }
done:
    m2_digest_free(digest);
    m2_cipher_free(cipher);
    EVP_MAC_free(mac);
    return context;
}

m2_compat_mac *m2_compat_mac_copy(const m2_compat_mac *mac)
{
    return EVP_MAC_CTX_dup(mac);
}

void m2_compat_mac_release(m2_compat_mac *mac)
{
    EVP_MAC_CTX_free(mac);
}

int m2_compat_mac_update(m2_compat_mac *mac, const unsigned char *data, size_t length)
{
    return EVP_MAC_update(mac, data, length);
}

size_t m2_compat_mac_length(m2_compat_mac *mac)
{
    return EVP_MAC_CTX_get_mac_size(mac);
}

int m2_compat_mac_final(m2_compat_mac *mac, unsigned char *out, size_t *length, size_t size)
{
    return EVP_MAC_final(mac, out, length, size);
}

void *m2_compat_mac_share(void *mac)
{
    return EVP_MAC_up_ref(mac) == 1 ? mac : NULL;
}

void m2_compat_mac_free(void *mac)
{
    EVP_MAC_free(mac);
}

int m2_compat_hmac(const EVP_MD *digest, m2_buffer key, m2_buffer data, unsigned char *out,
                   size_t *length)
{
    EVP_MAC *mac = compat_fetch_mac("HMAC", NULL);
    EVP_MAC_CTX *context = mac == NULL ? NULL : EVP_MAC_CTX_new(mac);
    OSSL_PARAM params[2];
    int ok;

    params[0] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST,
                                                 (char *)EVP_MD_get0_name(digest), 0);
    params[1] = OSSL_PARAM_construct_end();
    ok = context != NULL && EVP_MAC_init(context, compat_not_null(key), key.length, params) == 1 &&
         EVP_MAC_update(context, data.data, data.length) == 1 &&
         EVP_MAC_final(context, out, length, EVP_MAX_MD_SIZE) == 1;
    EVP_MAC_CTX_free(context);
    EVP_MAC_free(mac);
    return ok;
}

/* Derive a key by the KDF `name`. Return 1, or less with an error queued. */
static int compat_derive(const char *name, const OSSL_PARAM *params, unsigned char *out,
                         size_t length)
{
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, name, NULL);
    EVP_KDF_CTX *context = kdf == NULL ? NULL : EVP_KDF_CTX_new(kdf);
    int ok = context != NULL && EVP_KDF_derive(context, out, length, params) == 1;

    EVP_KDF_CTX_free(context);
    EVP_KDF_free(kdf);
    return ok;
}

int m2_compat_hkdf(const EVP_MD *digest, m2_hkdf_mode mode, m2_buffer key, m2_buffer salt,
                   m2_buffer info, unsigned char *out, size_t length)
{
    static const int MODES[] = {EVP_KDF_HKDF_MODE_EXTRACT_AND_EXPAND,
                                EVP_KDF_HKDF_MODE_EXTRACT_ONLY, EVP_KDF_HKDF_MODE_EXPAND_ONLY};
    int number = MODES[mode];
    m2_buffer given = {compat_not_null(key), key.length};
    OSSL_PARAM params[6];
    OSSL_PARAM *at = params;

    *at++ = OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &number);
    at = compat_text(at, OSSL_KDF_PARAM_DIGEST, EVP_MD_get0_name(digest));
    at = compat_octets(at, OSSL_KDF_PARAM_KEY, given);
    if (salt.length > 0)
        at = compat_octets(at, OSSL_KDF_PARAM_SALT, salt);
    if (info.length > 0)
        at = compat_octets(at, OSSL_KDF_PARAM_INFO, info);
    *at = OSSL_PARAM_construct_end();
    return compat_derive("HKDF", params, out, length);
}

#endif

/* ---- Argon2, since OpenSSL 3.2 ------------------------------------------------------------ */

#if OPENSSL_VERSION_NUMBER < 0x30200000L

int m2_compat_argon2(const char *name, const m2_argon2_parameters *parameters, unsigned char *out,
                     size_t length)
{
    (void)name;
    (void)parameters;
    (void)out;
    (void)length;
    m2_error("Argon2 needs OpenSSL 3.2");
    return 0;
}

#else

int m2_compat_argon2(const char *name, const m2_argon2_parameters *parameters, unsigned char *out,
                     size_t length)
{
    unsigned int iterations = parameters->iterations;
    unsigned int lanes = parameters->lanes;
    unsigned int memory = parameters->memory;
    m2_buffer password = {compat_not_null(parameters->password), parameters->password.length};
    OSSL_PARAM params[8];
    OSSL_PARAM *at = params;

    at = compat_octets(at, OSSL_KDF_PARAM_PASSWORD, password);
    at = compat_octets(at, OSSL_KDF_PARAM_SALT, parameters->salt);
    if (parameters->secret.length > 0)
        at = compat_octets(at, OSSL_KDF_PARAM_SECRET, parameters->secret);
    if (parameters->data.length > 0)
        at = compat_octets(at, OSSL_KDF_PARAM_ARGON2_AD, parameters->data);
    *at++ = OSSL_PARAM_construct_uint(OSSL_KDF_PARAM_ITER, &iterations);
    *at++ = OSSL_PARAM_construct_uint(OSSL_KDF_PARAM_ARGON2_LANES, &lanes);
    *at++ = OSSL_PARAM_construct_uint(OSSL_KDF_PARAM_ARGON2_MEMCOST, &memory);
    *at = OSSL_PARAM_construct_end();
    return compat_derive(name, params, out, length);
}

#endif
