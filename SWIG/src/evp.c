/*
 * Digests, HMAC, ciphers, keys and signatures (evp(7)). OpenSSL 1.1.1 dereferences NULL in an
 * uninitialized context, so every function checks first.
 */
#include <string.h>

#include <openssl/pem.h>
#include <openssl/x509.h>

#include "m2.h"
#include "algorithms.h"
#include "compat_evp.h"
#include "evp.h"
#include "ffc.h"
#include "key_copy.h"
#include "keys.h"

/* ---- algorithms by name ------------------------------------------------------------------- */

const EVP_MD *m2_get_digestbyname(const char *name)
{
    char spelt[64];
    const EVP_MD *md = EVP_get_digestbyname(name);

    if (md == NULL && m2_algorithm_spell(name, spelt, sizeof(spelt)))
        md = EVP_get_digestbyname(spelt);
    return md;
}

const EVP_CIPHER *m2_get_cipherbyname(const char *name)
{
    char spelt[64];
    const EVP_CIPHER *cipher = EVP_get_cipherbyname(name);

    if (cipher == NULL && m2_algorithm_spell(name, spelt, sizeof(spelt)))
        cipher = EVP_get_cipherbyname(spelt);
    return cipher;
}

/* ---- digests ------------------------------------------------------------------------------ */

/* The null digest of all data is the same, so its signature is that of every message. */
int m2_digest_is_usable(const EVP_MD *md)
{
    if (EVP_MD_size(md) > 0 || (EVP_MD_flags(md) & EVP_MD_FLAG_XOF) != 0)
        return 1;
    m2_error("the null digest cannot be used; choose another digest");
    return 0;
}

int m2_digest_has_length(const EVP_MD *md)
{
    if ((EVP_MD_flags(md) & EVP_MD_FLAG_XOF) == 0)
        return 1;
    m2_error("the digest has no fixed length; use another, such as SHA-256");
    return 0;
}

/* A context of digest_sign_init has a digest, too. */
static int digest_is_initialized(EVP_MD_CTX *context)
{
    if (m2_context_digest(context) != NULL && EVP_MD_CTX_pkey_ctx(context) == NULL)
        return 1;
    m2_error("the context was not initialized with a digest");
    return 0;
}

m2_status m2_digest_init(EVP_MD_CTX *context, const EVP_MD *md)
{
    return EVP_MD_CTX_reset(context) == 1 ? EVP_DigestInit_ex(context, md, NULL) : 0;
}

m2_status m2_digest_update(EVP_MD_CTX *context, m2_buffer data)
{
    return digest_is_initialized(context) ? EVP_DigestUpdate(context, data.data, data.length) : 0;
}

m2_bytes m2_digest_final(EVP_MD_CTX *context)
{
    m2_bytes digest = m2_bytes_new(EVP_MAX_MD_SIZE);
    unsigned int length = 0;
    int ok = digest.data != NULL && digest_is_initialized(context) &&
             EVP_DigestFinal_ex(context, digest.data, &length) == 1;

    /* OpenSSL 1.1.1 crashes if a finalized SHA-3 is updated. */
    EVP_MD_CTX_reset(context);
    if (!ok && ERR_peek_error() == 0)
        m2_error("the algorithm has no digest length of its own");
    return m2_bytes_finish(digest, ok, length);
}

/* ---- HMAC and key derivation -------------------------------------------------------------- */

/* For OpenSSL NULL is the previous key, also if the length is 0. */
static const unsigned char *evp_not_null(m2_buffer buffer)
{
    return buffer.data == NULL ? (const unsigned char *)"" : buffer.data;
}

m2_hmac *m2_hmac_ctx_new(void)
{
    return m2_hmac_context_new();
}

m2_status m2_hmac_init(m2_hmac *context, m2_buffer key, const EVP_MD *md)
{
    if (!m2_digest_has_length(md))
        return 0;
    return m2_hmac_context_init(context, evp_not_null(key), (int)key.length, md);
}

m2_status m2_hmac_update(m2_hmac *context, m2_buffer data)
{
    return m2_hmac_context_update(context, data.data, data.length);
}

m2_bytes m2_hmac_final(m2_hmac *context)
{
    m2_bytes mac = m2_bytes_new(EVP_MAX_MD_SIZE);
    size_t length = 0;

    int ok = mac.data != NULL && m2_hmac_context_final(context, mac.data, &length) == 1;

    return m2_bytes_finish(mac, ok, length);
}

m2_bytes m2_hmac_once(m2_buffer key, m2_buffer data, const EVP_MD *md)
{
    m2_bytes mac = {NULL, 0};
    unsigned int length = 0;
    int ok;

    if (!m2_digest_has_length(md))
        return mac;
    mac = m2_bytes_new(EVP_MAX_MD_SIZE);
    ok = mac.data != NULL && HMAC(md, evp_not_null(key), (int)key.length, evp_not_null(data),
                                  data.length, mac.data, &length) != NULL;
    return m2_bytes_finish(mac, ok, length);
}

m2_bytes m2_pkcs5_pbkdf2_hmac_sha1(m2_buffer password, m2_buffer salt, int iterations, int length)
{
    m2_bytes key = {NULL, 0};

    if (iterations < 1 || length < 0) {
        m2_error("PBKDF2 requires at least one iteration and a nonnegative length");
        return key;
    }
    key = m2_bytes_new((size_t)length);
    /* OpenSSL 1.1.1 accepts the length 0, 3.x refuses it. */
    if (key.data == NULL || length == 0)
        return key;
    if (PKCS5_PBKDF2_HMAC_SHA1((const char *)evp_not_null(password), (int)password.length,
                               evp_not_null(salt), (int)salt.length, iterations, length,
                               key.data) != 1)
        m2_bytes_free(&key);
    return key;
}

m2_bytes m2_bytes_to_key(const EVP_CIPHER *cipher, const EVP_MD *md, m2_buffer data, m2_buffer salt,
                         int iterations)
{
    m2_bytes key = {NULL, 0};
    int length;

    if (salt.length != 0 && salt.length != PKCS5_SALT_LEN) {
        m2_error("the salt must be 8 bytes or empty");
        return key;
    }
    /* With a digest of no bytes, or with 2^32 - 1 iterations, OpenSSL does not return. */
    if (iterations < 1) {
        m2_error("the key derivation requires at least one iteration");
        return key;
    }
    if (EVP_CIPHER_key_length(cipher) == 0) {
        m2_error("the null cipher has no key");
        return key;
    }
    if (!m2_digest_has_length(md))
        return key;
    key = m2_bytes_new(EVP_MAX_KEY_LENGTH);
    if (key.data == NULL)
        return key;
    length = EVP_BytesToKey(cipher, md, salt.length == 0 ? NULL : salt.data, evp_not_null(data),
                            (int)data.length, iterations, key.data, NULL);
    return m2_bytes_finish(key, length > 0, (size_t)length);
}

/* ---- ciphers ------------------------------------------------------------------------------ */

int m2_cipher_is_aead(const EVP_CIPHER *cipher)
{
    /* Ciphers with this flag in CBC mode are for TLS records. */
    return (EVP_CIPHER_flags(cipher) & EVP_CIPH_FLAG_AEAD_CIPHER) != 0 &&
           EVP_CIPHER_mode(cipher) != EVP_CIPH_CBC_MODE;
}

int m2_cipher_is_ccm(const EVP_CIPHER *cipher)
{
    return EVP_CIPHER_mode(cipher) == EVP_CIPH_CCM_MODE;
}

/* Return whether the cipher is in a mode of RFC 5297 or RFC 8452, whose additional authenticated
 * data and IV are not those of other AEAD ciphers. */
int m2_cipher_is_siv(const EVP_CIPHER *cipher)
{
#ifdef EVP_CIPH_SIV_MODE
    return EVP_CIPHER_mode(cipher) == EVP_CIPH_SIV_MODE;
#else
    (void)cipher;
    return 0;
#endif
}

/* In these modes a second update would be another message, with the same tweak or IV. */
static int cipher_is_of_one_update(const EVP_CIPHER *cipher)
{
    int mode = EVP_CIPHER_mode(cipher);

    return mode == EVP_CIPH_XTS_MODE || mode == EVP_CIPH_WRAP_MODE;
}

static int cipher_is_initialized(const EVP_CIPHER_CTX *context)
{
    if (m2_context_cipher(context) != NULL)
        return 1;
    m2_error("the context was not initialized with a cipher");
    return 0;
}

static int cipher_is_aead_context(const EVP_CIPHER_CTX *context)
{
    if (!cipher_is_initialized(context))
        return 0;
    if (m2_cipher_is_aead(m2_context_cipher(context)))
        return 1;
    m2_error("the cipher is not an AEAD cipher and has no tag");
    return 0;
}

static int cipher_is_tag_long_enough(const char *what, const EVP_CIPHER *cipher, size_t length,
                                     int needed)
{
    char message[128];

    if (length >= (size_t)needed)
        return 1;
    BIO_snprintf(message, sizeof(message), "the %s is %d bytes and %s needs %d", what, (int)length,
                 OBJ_nid2ln(EVP_CIPHER_nid(cipher)), needed);
    m2_error(message);
    return 0;
}

/* Return whether the tag has at least the required length. SP 800-38D, section 5.2.1.2, and RFC
 * 3610, section 2, allow shorter tags, which are easier to forge. */
int m2_cipher_supports_tag(const EVP_CIPHER *cipher, size_t length, int min_length)
{
    char message[128];
    int mode = EVP_CIPHER_mode(cipher);
    int fits = length == 16;

    if (mode == EVP_CIPH_GCM_MODE)
        fits = (length >= 12 && length <= 16) || length == 8 || length == 4;
    else if (mode == EVP_CIPH_CCM_MODE)
        fits = length >= 4 && length <= 16 && length % 2 == 0;
    if (!fits)
        BIO_snprintf(message, sizeof(message), "%s has no tag of this length",
                     OBJ_nid2ln(EVP_CIPHER_nid(cipher)));
    else if (min_length < 4 || min_length > 16)
        BIO_snprintf(message, sizeof(message), "min_length is from 4 to 16, not %d", min_length);
    else if (length < (size_t)min_length)
        BIO_snprintf(message, sizeof(message),
                     "the tag has %d bytes; pass min_length to accept fewer than %d", (int)length,
                     min_length);
    else
        return 1;
    m2_error(message);
    return 0;
}

/* Blowfish and others support short keys if the length is set. */
static int cipher_set_key_length(EVP_CIPHER_CTX *context, const EVP_CIPHER *cipher, size_t length)
{
    int needed = EVP_CIPHER_key_length(cipher);
    int shorter = length > 0 && length < (size_t)needed;

    if (shorter && EVP_CIPHER_flags(cipher) & EVP_CIPH_VARIABLE_LENGTH)
        return EVP_CIPHER_CTX_set_key_length(context, (int)length);
    return cipher_is_tag_long_enough("key", cipher, length, needed);
}

static int cipher_set_iv_length(EVP_CIPHER_CTX *context, const EVP_CIPHER *cipher, size_t length)
{
    int usual = EVP_CIPHER_iv_length(cipher);

    /* RFC 3394 and RFC 5649 have IVs of their own. */
    if (length == 0 && EVP_CIPHER_mode(cipher) == EVP_CIPH_WRAP_MODE)
        return 1;
    if (!m2_cipher_is_aead(cipher))
        return cipher_is_tag_long_enough("IV", cipher, length, usual);
    if (length == (size_t)EVP_CIPHER_CTX_iv_length(context))
        return 1;
    if (length > 0 && EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_IVLEN, (int)length, NULL) == 1)
        return 1;
    if (ERR_peek_error() == 0)
        m2_error("the cipher does not support IVs of this length");
    return 0;
}

/* Set everything except the key and the IV; `tag` is for CCM. */
static int cipher_prepare(EVP_CIPHER_CTX *context, const EVP_CIPHER *cipher, m2_buffer key,
                          m2_buffer iv, const m2_buffer *tag, int encrypt)
{
    if (EVP_CIPHER_CTX_reset(context) != 1)
        return 0;
    EVP_CIPHER_CTX_set_flags(context, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
    if (EVP_CipherInit_ex(context, cipher, NULL, NULL, NULL, encrypt != 0) != 1)
        return 0;
    if (tag != NULL && EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, (int)tag->length,
                                           encrypt ? NULL : (void *)tag->data) != 1) {
        m2_error("the cipher does not support tags of this length");
        return 0;
    }
    return cipher_set_key_length(context, cipher, key.length) &&
           cipher_set_iv_length(context, cipher, iv.length);
}

m2_status m2_cipher_init(EVP_CIPHER_CTX *context, const EVP_CIPHER *cipher, m2_buffer key,
                         m2_buffer iv, int encrypt)
{
    if (cipher_prepare(context, cipher, key, iv, NULL, encrypt) &&
        EVP_CipherInit_ex(context, NULL, NULL, key.data, iv.length == 0 ? NULL : iv.data, -1) == 1)
        return 1;
    /* A context with a cipher and no key crashes when it is used. */
    EVP_CIPHER_CTX_reset(context);
    return 0;
}

/* Process `data`. It must not be NULL, which means additional authenticated data. */
static m2_bytes cipher_process(EVP_CIPHER_CTX *context, m2_buffer data)
{
    m2_bytes out = {NULL, 0};
    int length = 0;
    int ok;

    if (!m2_fits_int(data.length + EVP_MAX_BLOCK_LENGTH))
        return out;
    /* The output of key wrap is 8 bytes longer than the data, or up to 15 with padding; without
     * blocks it has the length of the data. */
    out = EVP_CIPHER_CTX_block_size(context) == 1
              ? m2_result_new(data.length)
              : m2_bytes_new(data.length + EVP_MAX_BLOCK_LENGTH);
    ok = out.data != NULL &&
         EVP_CipherUpdate(context, out.data, &length, evp_not_null(data), (int)data.length) == 1;
    return m2_bytes_finish(out, ok, (size_t)length);
}

EVP_CIPHER_CTX *m2_cipher_begin(const char *name, m2_buffer key, m2_buffer iv, int encrypt,
                                int padding)
{
    EVP_CIPHER *cipher = m2_fetch_cipher(name, NULL);
    EVP_CIPHER_CTX *context = cipher == NULL ? NULL : EVP_CIPHER_CTX_new();

    if (context != NULL && (m2_cipher_init(context, cipher, key, iv, encrypt) != 1 ||
                            EVP_CIPHER_CTX_set_padding(context, padding) != 1)) {
        EVP_CIPHER_CTX_free(context);
        context = NULL;
    }
    m2_cipher_free(cipher);
    return context;
}

m2_bytes m2_cipher_update(EVP_CIPHER_CTX *context, m2_buffer data)
{
    const m2_bytes failed = {NULL, 0};

    if (!cipher_is_initialized(context))
        return failed;
    if (cipher_is_of_one_update(m2_context_cipher(context))) {
        if (EVP_CIPHER_CTX_get_app_data(context) != NULL || data.length == 0) {
            m2_error("the cipher processes a message, which is not empty, in one update");
            return failed;
        }
        EVP_CIPHER_CTX_set_app_data(context, context);
    }
    return cipher_process(context, data);
}

/* OpenSSL decrypts ChaCha20-Poly1305 without a tag, so the context's app_data records whether
 * one is set (not NULL). */
static int cipher_may_finalize(EVP_CIPHER_CTX *context)
{
    if (!cipher_is_initialized(context))
        return 0;
    if (!m2_cipher_is_aead(m2_context_cipher(context)) || EVP_CIPHER_CTX_encrypting(context) ||
        EVP_CIPHER_CTX_get_app_data(context) != NULL)
        return 1;
    m2_error("no tag was set; the decrypted data is not authenticated");
    return 0;
}

m2_bytes m2_cipher_final(EVP_CIPHER_CTX *context)
{
    m2_bytes out = {NULL, 0};
    int length = 0;

    if (!cipher_may_finalize(context))
        return out;
    out = m2_bytes_new(EVP_MAX_BLOCK_LENGTH);
    if (out.data == NULL)
        return out;
    if (EVP_CipherFinal_ex(context, out.data, &length) == 1)
        return m2_bytes_finish(out, 1, (size_t)length);
    m2_bytes_free(&out);
    if (ERR_peek_error() == 0 && m2_cipher_is_aead(m2_context_cipher(context)))
        m2_error("the tag does not match");
    return out;
}

EVP_CIPHER_CTX *m2_cipher_copy(const EVP_CIPHER_CTX *context)
{
    EVP_CIPHER_CTX *copy = EVP_CIPHER_CTX_new();

    if (copy != NULL && EVP_CIPHER_CTX_copy(copy, context) != 1) {
        EVP_CIPHER_CTX_free(copy);
        copy = NULL;
    }
    return copy;
}

m2_status m2_cipher_set_padding(EVP_CIPHER_CTX *context, int padding)
{
    return cipher_is_initialized(context) ? EVP_CIPHER_CTX_set_padding(context, padding) : 0;
}

m2_status m2_cipher_update_aad(EVP_CIPHER_CTX *context, m2_buffer data)
{
    int length = 0;

    if (!cipher_is_aead_context(context))
        return 0;
    return EVP_CipherUpdate(context, NULL, &length, evp_not_null(data), (int)data.length);
}

m2_status m2_cipher_set_iv(EVP_CIPHER_CTX *context, m2_buffer iv)
{
    if (!cipher_is_aead_context(context) ||
        !cipher_set_iv_length(context, m2_context_cipher(context), iv.length))
        return 0;
    return EVP_CipherInit_ex(context, NULL, NULL, NULL, iv.data, -1);
}

m2_status m2_cipher_set_tag(EVP_CIPHER_CTX *context, m2_buffer tag, int min_length)
{
    if (!cipher_is_aead_context(context) ||
        !m2_cipher_supports_tag(m2_context_cipher(context), tag.length, min_length))
        return 0;
    if (EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, (int)tag.length, (void *)tag.data) ==
        1) {
        EVP_CIPHER_CTX_set_app_data(context, context);
        return 1;
    }
    ERR_clear_error();
    m2_error("a tag can be set only for decryption and before final");
    return 0;
}

m2_bytes m2_cipher_get_tag(EVP_CIPHER_CTX *context, int length)
{
    m2_bytes tag = {NULL, 0};

    if (!cipher_is_aead_context(context))
        return tag;
    if (length > 0 && length <= EVP_MAX_BLOCK_LENGTH)
        tag = m2_bytes_new((size_t)length);
    if (tag.data != NULL &&
        EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, length, tag.data) != 1)
        m2_bytes_free(&tag);
    if (tag.data == NULL) {
        ERR_clear_error();
        m2_error("no tag of this length is available; encryption creates one of 16 bytes in final");
    }
    return tag;
}

m2_bytes m2_cipher_ccm(EVP_CIPHER_CTX *context, const EVP_CIPHER *cipher, m2_buffer key,
                       m2_buffer iv, m2_buffer aad, m2_buffer data, m2_buffer tag, int encrypt,
                       int min_length)
{
    m2_bytes out = {NULL, 0};
    int length = 0;

    if (!m2_cipher_is_ccm(cipher)) {
        m2_error("the cipher is not in CCM mode");
        return out;
    }
    if (!m2_cipher_supports_tag(cipher, tag.length, encrypt ? 4 : min_length) ||
        !cipher_prepare(context, cipher, key, iv, &tag, encrypt) ||
        EVP_CipherInit_ex(context, NULL, NULL, key.data, iv.data, -1) != 1 ||
        EVP_CipherUpdate(context, NULL, &length, NULL, (int)data.length) != 1 ||
        (aad.length > 0 &&
         EVP_CipherUpdate(context, NULL, &length, aad.data, (int)aad.length) != 1)) {
        EVP_CIPHER_CTX_reset(context);
        return out;
    }
    out = cipher_process(context, data);
    if (out.data == NULL && !encrypt && ERR_peek_error() == 0)
        m2_error("the tag does not match");
    return out;
}

/* ---- keys --------------------------------------------------------------------------------- */

EVP_PKEY *m2_pkey_read_pem(BIO *bio, m2_callback passphrase)
{
    return m2_read_private_key(bio, passphrase);
}

EVP_PKEY *m2_pkey_read_pem_pubkey(BIO *bio, m2_callback passphrase)
{
    return PEM_read_bio_PUBKEY(bio, NULL, m2_password, passphrase);
}

#define NOT_A_GROUP "the domain parameters of the EC key are not a valid group (SEC 1, 3.1.1.2.1)"

/* Return whether an EC key's curve is a group whose generator has the stated order. With an order
 * of 1, ECDSA and key generation of OpenSSL 1.1.1 search for a non-zero number without end. A curve
 * with a name is one of OpenSSL's own. */
static int pkey_has_valid_group(const EVP_PKEY *pkey)
{
    int valid = 1;
#ifndef OPENSSL_NO_EC
    EC_GROUP *group = NULL;

    if (EVP_PKEY_id(pkey) == EVP_PKEY_EC || EVP_PKEY_id(pkey) == EVP_PKEY_SM2)
        group = m2_ec_explicit_group(pkey);
    if (group != NULL) {
        ERR_set_mark();
        valid = EC_GROUP_check(group, NULL) == 1 && !BN_is_one(EC_GROUP_get0_order(group));
        ERR_pop_to_mark();
    }
    EC_GROUP_free(group);
#endif
    return valid;
}

#define NOT_PRIVATE "the key has no private part"
#define NOT_PUBLIC "the key has no public part"

int m2_pkey_is_exportable(const EVP_PKEY *pkey)
{
    if (m2_pkey_has_private(pkey))
        return 1;
    m2_error(m2_pkey_is_private(pkey)
                 ? "the private key cannot be exported from its provider or engine"
                 : NOT_PRIVATE);
    return 0;
}

/* Return whether a DSA or DH key has a public key: domain parameters alone are of the same type,
 * and OpenSSL 1.1.1 dereferences what they lack. */
static int pkey_has_public(const EVP_PKEY *pkey)
{
    int type = EVP_PKEY_id(pkey);
    BIGNUM *number = NULL;

    if (type != EVP_PKEY_DSA && type != EVP_PKEY_DH && type != EVP_PKEY_DHX)
        return 1;
    number = m2_compat_ffc_number(pkey, M2_FFC_PUBLIC);
    BN_free(number);
    return number != NULL;
}

static int pkey_require_public(const EVP_PKEY *pkey)
{
    if (pkey_has_public(pkey))
        return 1;
    m2_error(NOT_PUBLIC);
    return 0;
}

int m2_pkey_is_usable(const EVP_PKEY *pkey, m2_key_use use)
{
    int needs_private = use == M2_KEY_SIGN && !m2_pkey_signs_checked(pkey);
    const char *lack = NULL;

    if (EVP_PKEY_id(pkey) == EVP_PKEY_NONE)
        lack = "the PKey has no key";
    else if (EVP_PKEY_missing_parameters(pkey))
        lack = "the key has no domain parameters (RFC 3279, section 2.3.2)";
    else if (EVP_PKEY_size(pkey) <= 0)
        lack = "the key has no modulus";
    else if (needs_private && !m2_pkey_is_private(pkey))
        lack = NOT_PRIVATE;
    else if (!pkey_has_valid_group(pkey))
        lack = NOT_A_GROUP;
    else if ((EVP_PKEY_id(pkey) == EVP_PKEY_DSA || EVP_PKEY_id(pkey) == EVP_PKEY_DHX) &&
             !m2_ffc_order_is_safe(pkey))
        lack = "the order q of the key is too small";
    else if (use == M2_KEY_VERIFY && !pkey_has_public(pkey))
        lack = NOT_PUBLIC;
    if (lack == NULL)
        return use != M2_KEY_WRITE || m2_pkey_is_exportable(pkey);
    ERR_clear_error();
    m2_error(lack);
    return 0;
}

/* Other threads may be using a key, so it is never replaced. */
int m2_pkey_set_key(EVP_PKEY *pkey, EVP_PKEY *source)
{
    if (!m2_pkey_has_private(source) && m2_pkey_is_private(source))
        return m2_pkey_is_exportable(source);
    if (EVP_PKEY_id(pkey) == EVP_PKEY_NONE)
        return m2_pkey_copy_key(pkey, source);
    m2_error("the PKey already has a key; create another with pkey_new");
    return 0;
}

int m2_pem_takes_cipher(const EVP_CIPHER *cipher, int pkcs8)
{
    int fits = 1;

    if (cipher == NULL)
        return 1;
    /* Key wrap overflows OpenSSL's buffer. PEM cannot hold the tag of an AEAD cipher or the MAC
     * key of AES-CBC-HMAC. */
    switch (EVP_CIPHER_mode(cipher)) {
    case EVP_CIPH_ECB_MODE:
    case EVP_CIPH_CBC_MODE:
    case EVP_CIPH_CFB_MODE:
    case EVP_CIPH_OFB_MODE:
    case EVP_CIPH_CTR_MODE:
        fits = (EVP_CIPHER_flags(cipher) & EVP_CIPH_FLAG_AEAD_CIPHER) == 0;
        break;
    default:
        fits = 0;
    }
    /* For a cipher without an OID OpenSSL 1.1.1 writes the OID of another cipher, such as that
     * of DES-CFB for DES-EDE3-CFB. */
    if (pkcs8 && (EVP_CIPHER_type(cipher) != EVP_CIPHER_nid(cipher) ||
                  OBJ_length(OBJ_nid2obj(EVP_CIPHER_nid(cipher))) == 0))
        fits = 0;
    if (!fits)
        m2_error(
            "PEM encryption does not support the cipher; use a CBC cipher such as aes_256_cbc");
    return fits;
}

m2_status m2_pkey_write_pem(const EVP_PKEY *pkey, BIO *bio, const EVP_CIPHER *cipher,
                            m2_callback passphrase)
{
    if (!m2_pkey_is_usable(pkey, M2_KEY_WRITE) || !m2_pem_takes_cipher(cipher, 1))
        return 0;
    return PEM_write_bio_PKCS8PrivateKey(bio, (EVP_PKEY *)pkey, cipher, NULL, 0, m2_password,
                                         passphrase);
}

m2_status m2_pkey_write_pem_no_cipher(const EVP_PKEY *pkey, BIO *bio, m2_callback passphrase)
{
    return m2_pkey_write_pem(pkey, bio, NULL, passphrase);
}

m2_bytes m2_pkey_as_der(const EVP_PKEY *pkey)
{
    m2_bytes failed = {NULL, 0};

    return pkey_require_public(pkey) ? M2_DER(PUBKEY, pkey) : failed;
}

EVP_PKEY *m2_pkey_copy_public(const EVP_PKEY *pkey)
{
    m2_bytes der = m2_pkey_as_der(pkey);
    const unsigned char *at = der.data;
    EVP_PKEY *key = at == NULL ? NULL : d2i_PUBKEY(NULL, &at, (long)der.length);

    m2_bytes_free(&der);
    return key;
}

m2_bytes m2_pkey_get_key_identifier(const EVP_PKEY *pkey)
{
    m2_bytes identifier = {NULL, 0};
    X509_PUBKEY *info = NULL;
    const unsigned char *key;
    int length;
    unsigned int written = 0;
    int ok;

    if (!pkey_require_public(pkey) || X509_PUBKEY_set(&info, (EVP_PKEY *)pkey) != 1 ||
        X509_PUBKEY_get0_param(NULL, &key, &length, NULL, info) != 1)
        goto done;
    identifier = m2_bytes_new(EVP_MAX_MD_SIZE);
    ok = identifier.data != NULL &&
         EVP_Digest(key, (size_t)length, identifier.data, &written, EVP_sha1(), NULL) == 1;
    identifier = m2_bytes_finish(identifier, ok, written);
done:
    X509_PUBKEY_free(info);
    return identifier;
}

m2_bytes m2_pkey_get_modulus(const EVP_PKEY *pkey)
{
    m2_bytes text = {NULL, 0};
    BIGNUM *number = m2_pkey_number(pkey, M2_RSA_MODULUS);

    if (number == NULL)
        number = m2_pkey_number(pkey, M2_DSA_PUBLIC);
    if (number == NULL) {
        m2_error("the key has no modulus; it is neither an RSA nor a DSA key");
        return text;
    }
    text.data = (unsigned char *)BN_bn2hex(number);
    if (text.data != NULL)
        text.length = strlen((char *)text.data);
    BN_free(number);
    return text;
}

m2_number m2_pkey_size(const EVP_PKEY *pkey)
{
    return m2_pkey_is_usable(pkey, M2_KEY_VERIFY) ? EVP_PKEY_size(pkey) : -1;
}

m2_number m2_pkey_bits(const EVP_PKEY *pkey)
{
    return m2_pkey_is_usable(pkey, M2_KEY_VERIFY) ? EVP_PKEY_bits(pkey) : -1;
}

EVP_PKEY_CTX *m2_pkey_begin(const EVP_PKEY *pkey, int (*init)(EVP_PKEY_CTX *context))
{
    EVP_PKEY_CTX *context = NULL;
    EVP_PKEY *key = NULL;

    if (!pkey_has_valid_group(pkey)) {
        m2_error(NOT_A_GROUP);
        return NULL;
    }
    if (init == EVP_PKEY_encrypt_init || init == EVP_PKEY_verify_init ||
        init == EVP_PKEY_verify_recover_init)
        key = m2_pkey_public(pkey);
    else if (EVP_PKEY_up_ref((EVP_PKEY *)pkey) == 1)
        key = (EVP_PKEY *)pkey;
    if (key != NULL)
        context = EVP_PKEY_CTX_new(key, NULL);
    EVP_PKEY_free(key);
    if (context != NULL && init(context) <= 0) {
        EVP_PKEY_CTX_free(context);
        context = NULL;
    }
    return context;
}

m2_bytes m2_pkey_operate(EVP_PKEY_CTX *context, m2_pkey_operation operation, m2_buffer input)
{
    m2_bytes out = {NULL, 0};
    size_t length = 0;
    int ok;

    if (context == NULL || operation(context, NULL, &length, input.data, input.length) <= 0)
        goto done;
    out = m2_bytes_new(length);
    ok = out.data != NULL && operation(context, out.data, &length, input.data, input.length) > 0;
    out = m2_bytes_finish(out, ok, length);
done:
    EVP_PKEY_CTX_free(context);
    return out;
}

/* ---- signatures --------------------------------------------------------------------------- */

m2_bytes m2_sign_final(EVP_MD_CTX *context, EVP_PKEY *pkey)
{
    m2_bytes signature = {NULL, 0};
    m2_key_copy copy;
    unsigned int length = 0;
    int ok;

    if (!m2_pkey_is_usable(pkey, M2_KEY_SIGN) || !digest_is_initialized(context))
        return signature;
    signature = m2_bytes_new((size_t)EVP_PKEY_size(pkey));
    pkey = m2_key_copy_begin(&copy, pkey);
    ok = signature.data != NULL && EVP_SignFinal(context, signature.data, &length, pkey) == 1;
    m2_key_copy_end(&copy);
    return m2_bytes_finish(signature, ok, length);
}

m2_verdict m2_verify_final(EVP_MD_CTX *context, m2_buffer signature, EVP_PKEY *pkey)
{
    EVP_PKEY *key = NULL;
    int verdict;

    if (!digest_is_initialized(context) || !m2_pkey_is_usable(pkey, M2_KEY_VERIFY))
        return -1;
    key = m2_pkey_public(pkey);
    if (key == NULL)
        return -1;
    /* A malformed signature does not verify and is no error. */
    verdict = EVP_VerifyFinal(context, signature.data, (unsigned int)signature.length, key) == 1;
    EVP_PKEY_free(key);
    return verdict;
}

/* OpenSSL 1.1.1 does not check whether a context is for signing or verifying, so the app_data of
 * its EVP_PKEY_CTX records it. */
static const char SIGNS[] = "sign";
static const char VERIFIES[] = "verify";

static int digest_note_purpose(EVP_MD_CTX *context, const char *purpose)
{
    EVP_PKEY_CTX_set_app_data(EVP_MD_CTX_pkey_ctx(context), (void *)purpose);
    return 1;
}

static int digest_has_key(EVP_MD_CTX *context, const char *purpose)
{
    EVP_PKEY_CTX *key = EVP_MD_CTX_pkey_ctx(context);

    if (key != NULL && EVP_PKEY_CTX_get_app_data(key) == purpose)
        return 1;
    m2_error(purpose == SIGNS ? "the context was not initialized to sign"
                              : "the context was not initialized to verify");
    return 0;
}

m2_status m2_digest_sign_init(EVP_MD_CTX *context, const EVP_MD *md, EVP_PKEY *pkey)
{
    if (!m2_pkey_is_usable(pkey, M2_KEY_SIGN) || EVP_MD_CTX_reset(context) != 1)
        return 0;
    if (EVP_DigestSignInit(context, NULL, m2_pkey_has_own_digest(pkey) ? NULL : md, NULL, pkey) !=
        1)
        return 0;
    return digest_note_purpose(context, SIGNS);
}

m2_status m2_digest_verify_init(EVP_MD_CTX *context, const EVP_MD *md, EVP_PKEY *pkey)
{
    EVP_PKEY *key = NULL;
    int status;

    if (!m2_pkey_is_usable(pkey, M2_KEY_VERIFY) || EVP_MD_CTX_reset(context) != 1)
        return 0;
    key = m2_pkey_public(pkey);
    if (key == NULL)
        return 0;
    status =
        EVP_DigestVerifyInit(context, NULL, m2_pkey_has_own_digest(key) ? NULL : md, NULL, key);
    EVP_PKEY_free(key);
    return status == 1 && digest_note_purpose(context, VERIFIES);
}

/* Ed25519 and Ed448 sign and verify a whole message at once. OpenSSL 1.1.1 calls a NULL function
 * for their updates and finals. */
static int digest_has_streaming_key(EVP_MD_CTX *context, const char *purpose)
{
    if (!digest_has_key(context, purpose))
        return 0;
    if (!m2_pkey_has_own_digest(EVP_PKEY_CTX_get0_pkey(EVP_MD_CTX_pkey_ctx(context))))
        return 1;
    m2_error(purpose == SIGNS ? "the key signs only whole messages; use digest_sign"
                              : "the key verifies only whole messages; use digest_verify");
    return 0;
}

m2_status m2_digest_sign_update(EVP_MD_CTX *context, m2_buffer data)
{
    return digest_has_streaming_key(context, SIGNS)
               ? EVP_DigestSignUpdate(context, data.data, data.length)
               : 0;
}

m2_status m2_digest_verify_update(EVP_MD_CTX *context, m2_buffer data)
{
    return digest_has_streaming_key(context, VERIFIES)
               ? EVP_DigestVerifyUpdate(context, data.data, data.length)
               : 0;
}

m2_bytes m2_digest_sign_final(EVP_MD_CTX *context)
{
    m2_bytes signature = {NULL, 0};
    size_t length = 0;
    int ok;

    if (!digest_has_streaming_key(context, SIGNS) ||
        EVP_DigestSignFinal(context, NULL, &length) != 1)
        return signature;
    signature = m2_bytes_new(length);
    ok = signature.data != NULL && EVP_DigestSignFinal(context, signature.data, &length) == 1;
    return m2_bytes_finish(signature, ok, length);
}

m2_bytes m2_digest_sign(EVP_MD_CTX *context, m2_buffer data)
{
    m2_bytes signature = {NULL, 0};
    size_t length = 0;
    int ok;

    if (!digest_has_key(context, SIGNS) ||
        EVP_DigestSign(context, NULL, &length, evp_not_null(data), data.length) != 1)
        return signature;
    signature = m2_bytes_new(length);
    ok = signature.data != NULL &&
         EVP_DigestSign(context, signature.data, &length, evp_not_null(data), data.length) == 1;
    return m2_bytes_finish(signature, ok, length);
}

m2_verdict m2_digest_verify_final(EVP_MD_CTX *context, m2_buffer signature)
{
    if (!digest_has_streaming_key(context, VERIFIES))
        return -1;
    return EVP_DigestVerifyFinal(context, signature.data, signature.length) == 1;
}

m2_verdict m2_digest_verify(EVP_MD_CTX *context, m2_buffer signature, m2_buffer data)
{
    if (!digest_has_key(context, VERIFIES))
        return -1;
    return EVP_DigestVerify(context, evp_not_null(signature), signature.length, evp_not_null(data),
                            data.length) == 1;
}
