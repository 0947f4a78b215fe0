/*
 * Message authentication codes, and key derivation (mac.h).
 */
#include <string.h>

#include "algorithms.h"
#include "compat_evp.h"
#include "evp.h"
#include "mac.h"

/* Some MACs of OpenSSL can be updated after the end, with another result than of all the data. */
struct m2_mac {
    m2_compat_mac *context;
    int is_final;
};

/* ---- MACs --------------------------------------------------------------------------------- */

void m2_mac_free(m2_mac *mac)
{
    if (mac != NULL)
        m2_compat_mac_release(mac->context);
    OPENSSL_free(mac);
}

static m2_mac *mac_of(m2_compat_mac *context)
{
    m2_mac *mac = context == NULL ? NULL : OPENSSL_zalloc(sizeof(*mac));

    if (mac != NULL)
        mac->context = context;
    else
        m2_compat_mac_release(context);
    return mac;
}

/* Return whether the cipher of a CMAC is in CBC mode; OpenSSL 3.0 accepts any. */
static int mac_is_cbc(const char *name, const char *properties)
{
    EVP_CIPHER *cipher = m2_fetch_cipher(name, properties);
    int is_cbc = cipher != NULL && EVP_CIPHER_mode(cipher) == EVP_CIPH_CBC_MODE;

    if (cipher != NULL && !is_cbc)
        m2_error("CMAC needs a cipher in CBC mode");
    m2_cipher_free(cipher);
    return is_cbc;
}

m2_mac *m2_mac_new(const char *name, m2_buffer key, const char *digest, const char *cipher,
                   m2_buffer iv, m2_buffer custom, int length, int xof, const char *properties)
{
    m2_mac_parameters parameters = {key, digest, cipher, iv, custom, (size_t)length, xof != 0};

    if (length < 0) {
        m2_error("the length of a MAC is positive");
        return NULL;
    }
    if (strcmp(name, "CMAC") == 0 && cipher != NULL && !mac_is_cbc(cipher, properties))
        return NULL;
    return mac_of(m2_compat_mac_new(name, &parameters, properties));
}

static int mac_is_open(const m2_mac *mac)
{
    if (!mac->is_final)
        return 1;
    m2_error("MAC already finalized; reset it with a key, or create a new one");
    return 0;
}

m2_mac *m2_mac_copy(const m2_mac *mac)
{
    return mac_is_open(mac) ? mac_of(m2_compat_mac_copy(mac->context)) : NULL;
}

m2_status m2_mac_update(m2_mac *mac, m2_buffer data)
{
    return mac_is_open(mac) ? m2_compat_mac_update(mac->context, data.data, data.length) : 0;
}

m2_bytes m2_mac_final(m2_mac *mac)
{
    m2_bytes code = {NULL, 0};
    size_t length = 0;
    int ok;

    if (!mac_is_open(mac))
        return code;
    mac->is_final = 1;
    code = m2_bytes_new(m2_compat_mac_length(mac->context));
    ok = code.data != NULL &&
         m2_compat_mac_final(mac->context, code.data, &length, code.length) == 1;
    return m2_bytes_finish(code, ok, length);
}

static int mac_is_same(const unsigned char *a, size_t a_length, m2_buffer b)
{
    return a_length == b.length && (a_length == 0 || CRYPTO_memcmp(a, b.data, a_length) == 0);
}

m2_verdict m2_mac_verify(m2_mac *mac, m2_buffer expected)
{
    m2_bytes code = m2_mac_final(mac);
    int same = code.data == NULL ? -1 : mac_is_same(code.data, code.length, expected);

    m2_bytes_free(&code);
    return same;
}

/* ---- key derivation ----------------------------------------------------------------------- */

/* OpenSSL takes NULL for a password or a salt that is missing, not for one that is empty. */
static const unsigned char *mac_not_null(m2_buffer buffer)
{
    return buffer.data == NULL ? (const unsigned char *)"" : buffer.data;
}

/* Return `length` bytes to derive; the failed value with an error queued if that is negative. */
static m2_bytes kdf_bytes(int length)
{
    m2_bytes failed = {NULL, 0};

    if (length >= 0)
        return m2_bytes_new((size_t)length);
    m2_error("the length of a key is not negative");
    return failed;
}

m2_bytes m2_pbkdf2(m2_buffer password, m2_buffer salt, int iterations, int length, const EVP_MD *md)
{
    m2_bytes key = {NULL, 0};
    int ok;

    if (iterations < 1 || length < 0) {
        m2_error("PBKDF2 requires at least one iteration and a nonnegative length");
        return key;
    }
    if (!m2_digest_has_length(md))
        return key;
    key = m2_bytes_new((size_t)length);
    /* OpenSSL 1.1.1 accepts the length 0, 3.x refuses it. */
    if (key.data == NULL || length == 0)
        return key;
    ok = PKCS5_PBKDF2_HMAC((const char *)mac_not_null(password), (int)password.length,
                           mac_not_null(salt), (int)salt.length, iterations, md, length,
                           key.data) == 1;
    return m2_bytes_finish(key, ok, (size_t)length);
}

m2_bytes m2_scrypt(m2_buffer password, m2_buffer salt, unsigned long long n, unsigned long long r,
                   unsigned long long p, unsigned long long max_memory, int length)
{
    m2_bytes key = {NULL, 0};
    int ok = 0;

    key = kdf_bytes(length);
    if (key.data == NULL)
        return key;
#ifdef OPENSSL_NO_SCRYPT
    (void)n, (void)r, (void)p, (void)max_memory;
    m2_error("this OpenSSL was built without scrypt");
#else
    ok = EVP_PBE_scrypt((const char *)mac_not_null(password), password.length, mac_not_null(salt),
                        salt.length, n, r, p, max_memory, key.data, (size_t)length) == 1;
    if (!ok && ERR_peek_error() == 0)
        m2_error("scrypt refuses the parameters (RFC 7914, section 6)");
#endif
    return m2_bytes_finish(key, ok, (size_t)length);
}

m2_bytes m2_hkdf(const EVP_MD *md, int mode, m2_buffer key, m2_buffer salt, m2_buffer info,
                 int length)
{
    m2_bytes out = {NULL, 0};
    int ok;

    if (mode < M2_HKDF_BOTH || mode > M2_HKDF_EXPAND) {
        m2_error("the mode of HKDF is 0, 1 or 2");
        return out;
    }
    if (!m2_digest_has_length(md))
        return out;
    out = kdf_bytes(mode == M2_HKDF_EXTRACT ? EVP_MD_size(md) : length);
    if (out.data == NULL || out.length == 0)
        return out;
    ok = m2_compat_hkdf(md, (m2_hkdf_mode)mode, key, salt, info, out.data, out.length) == 1;
    return m2_bytes_finish(out, ok, out.length);
}

m2_bytes m2_argon2(const char *name, m2_buffer password, m2_buffer salt, m2_buffer secret,
                   m2_buffer data, unsigned int iterations, unsigned int lanes, unsigned int memory,
                   int length)
{
    m2_argon2_parameters parameters = {password, salt, secret, data, iterations, lanes, memory};
    m2_bytes key = {NULL, 0};
    int ok;

    key = kdf_bytes(length);
    ok = key.data != NULL && m2_compat_argon2(name, &parameters, key.data, key.length) == 1;
    return m2_bytes_finish(key, ok, key.length);
}
