/*
 * Authenticated encryption of whole messages (aead.h).
 */
#include <string.h>

#include "aead.h"
#include "algorithms.h"
#include "compat.h"
#include "compat_evp.h"
#include "evp.h"

#define MAX_TAG 16

struct m2_aead {
    EVP_CIPHER *cipher;
    unsigned char key[EVP_MAX_KEY_LENGTH];
    size_t key_length;
    int tag_length;
    /* A context with the key for each direction, which a call takes and gives back; NULL while one
     * has it. `lock` is NULL for a key of one message. */
    CRYPTO_RWLOCK *lock;
    EVP_CIPHER_CTX *idle[2];
};

/* ---- keys --------------------------------------------------------------------------------- */

/* Return whether a context can be used for another message by setting a nonce alone. */
static int aead_keeps_context(const m2_aead *aead)
{
    int mode = EVP_CIPHER_mode(aead->cipher);

    return mode == EVP_CIPH_GCM_MODE || mode == EVP_CIPH_STREAM_CIPHER;
}

static void aead_clear(m2_aead *aead)
{
    EVP_CIPHER_CTX_free(aead->idle[0]);
    EVP_CIPHER_CTX_free(aead->idle[1]);
    CRYPTO_THREAD_lock_free(aead->lock);
    m2_cipher_free(aead->cipher);
    OPENSSL_cleanse(aead, sizeof(*aead));
}

void m2_aead_free(m2_aead *aead)
{
    if (aead != NULL)
        aead_clear(aead);
    OPENSSL_free(aead);
}

static int aead_supports(const EVP_CIPHER *cipher, m2_buffer key, int tag_length)
{
    int needed = EVP_CIPHER_key_length(cipher);
    char message[128];

    if (!m2_cipher_is_aead(cipher)) {
        m2_error("the cipher is not an AEAD cipher; use one such as aes_256_gcm");
        return 0;
    }
    /* That others ignore the end of a key hides a mistake. */
    if (key.length != (size_t)needed) {
        BIO_snprintf(message, sizeof(message), "the key is %zu bytes and %s needs %d", key.length,
                     EVP_CIPHER_name(cipher), needed);
        m2_error(message);
        return 0;
    }
    return m2_cipher_supports_tag(cipher, tag_length < 0 ? 0 : (size_t)tag_length, 4);
}

/* Initialize `aead`, whose bytes are 0. Returns 0 with an error queued. */
static int aead_init(m2_aead *aead, const char *algorithm, m2_buffer key, int tag_length,
                     const char *properties)
{
    aead->cipher = m2_fetch_cipher(algorithm, properties);
    if (aead->cipher == NULL || !aead_supports(aead->cipher, key, tag_length))
        return 0;
    memcpy(aead->key, key.data, key.length);
    aead->key_length = key.length;
    aead->tag_length = tag_length;
    return 1;
}

m2_aead *m2_aead_new(const char *algorithm, m2_buffer key, int tag_length, const char *properties)
{
    m2_aead *aead = OPENSSL_zalloc(sizeof(*aead));

    if (aead == NULL || !aead_init(aead, algorithm, key, tag_length, properties))
        goto failed;
    aead->lock = CRYPTO_THREAD_lock_new();
    if (aead->lock != NULL)
        return aead;
failed:
    m2_aead_free(aead);
    return NULL;
}

/* ---- contexts ----------------------------------------------------------------------------- */

static EVP_CIPHER_CTX *aead_context_new(const m2_aead *aead, int encrypt)
{
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    int ok =
        context != NULL && EVP_CipherInit_ex(context, aead->cipher, NULL, NULL, NULL, encrypt) == 1;

    /* OCB needs the length of the tag before the key. */
    if (ok && EVP_CIPHER_mode(aead->cipher) == EVP_CIPH_OCB_MODE)
        ok = EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, aead->tag_length, NULL) == 1;
    if (ok && EVP_CipherInit_ex(context, NULL, NULL, aead->key, NULL, encrypt) == 1)
        return context;
    EVP_CIPHER_CTX_free(context);
    return NULL;
}

static EVP_CIPHER_CTX *aead_swap(m2_aead *aead, int encrypt, EVP_CIPHER_CTX *given)
{
    EVP_CIPHER_CTX *found = NULL;

    if (aead->lock != NULL && CRYPTO_THREAD_write_lock(aead->lock) == 1) {
        found = aead->idle[encrypt];
        aead->idle[encrypt] = given;
        CRYPTO_THREAD_unlock(aead->lock);
        return found;
    }
    return given;
}

static EVP_CIPHER_CTX *aead_take(m2_aead *aead, int encrypt)
{
    EVP_CIPHER_CTX *context = aead_swap(aead, encrypt, NULL);

    return context == NULL ? aead_context_new(aead, encrypt) : context;
}

static void aead_give_back(m2_aead *aead, int encrypt, EVP_CIPHER_CTX *context)
{
    if (context != NULL && aead_keeps_context(aead))
        context = aead_swap(aead, encrypt, context);
    EVP_CIPHER_CTX_free(context);
}

/* ---- messages ----------------------------------------------------------------------------- */

static int aead_set_nonce(EVP_CIPHER_CTX *context, const m2_aead *aead, m2_buffer nonce)
{
    int length = EVP_CIPHER_CTX_iv_length(context);
    int mode = EVP_CIPHER_mode(aead->cipher);
    char message[128];

    if (nonce.length == (size_t)length ||
        ((mode == EVP_CIPH_GCM_MODE || mode == EVP_CIPH_OCB_MODE) && nonce.length > 0 &&
         EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_IVLEN, (int)nonce.length, NULL) == 1))
        return EVP_CipherInit_ex(context, NULL, NULL, NULL, nonce.data, -1) == 1;
    ERR_clear_error();
    BIO_snprintf(message, sizeof(message), "%s has no nonce of %zu bytes; use %d",
                 EVP_CIPHER_name(aead->cipher), nonce.length, EVP_CIPHER_iv_length(aead->cipher));
    m2_error(message);
    return 0;
}

/* Write the output for `data`. A NULL input would be additional authenticated data or the end. */
static int aead_process(EVP_CIPHER_CTX *context, m2_buffer aad, m2_buffer data, unsigned char *out)
{
    static const unsigned char NOTHING[1] = {0};
    int length = 0;
    int rest = 0;

    if (aad.length > 0 && EVP_CipherUpdate(context, NULL, &length, aad.data, (int)aad.length) != 1)
        return 0;
    if (EVP_CipherUpdate(context, out, &length, data.length == 0 ? NOTHING : data.data,
                         (int)data.length) != 1)
        return 0;
    return EVP_CipherFinal_ex(context, out + length, &rest) == 1 &&
           (size_t)length + (size_t)rest == data.length;
}

static m2_bytes aead_seal(m2_aead *aead, m2_buffer nonce, m2_buffer data, m2_buffer aad)
{
    size_t tag_length = (size_t)aead->tag_length;
    m2_bytes out = m2_result_new(data.length + tag_length);
    EVP_CIPHER_CTX *context = out.data == NULL ? NULL : aead_take(aead, 1);
    int ok = context != NULL && aead_set_nonce(context, aead, nonce) &&
             aead_process(context, aad, data, out.data) &&
             EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, aead->tag_length,
                                 out.data + data.length) == 1;

    aead_give_back(aead, 1, context);
    return m2_bytes_finish(out, ok, data.length + tag_length);
}

static m2_bytes aead_open(m2_aead *aead, m2_buffer nonce, m2_buffer data, m2_buffer tag,
                          m2_buffer aad)
{
    m2_bytes out = m2_result_new(data.length);
    EVP_CIPHER_CTX *context = out.data == NULL ? NULL : aead_take(aead, 0);
    int ok = context != NULL && aead_set_nonce(context, aead, nonce) &&
             EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, aead->tag_length,
                                 (void *)tag.data) == 1;

    if (ok) {
        ok = aead_process(context, aad, data, out.data);
        if (!ok) {
            ERR_clear_error();
            m2_error("the tag does not match");
        }
    }
    aead_give_back(aead, 0, context);
    return m2_bytes_finish(out, ok, data.length);
}

/* ---- SIV (RFC 5297), whose tag is before the ciphertext ------------------------------------ */

/* Add a component of the vector of associated data. */
static int aead_add_component(EVP_CIPHER_CTX *context, m2_buffer component)
{
    int length = 0;

    return component.length == 0 ||
           EVP_CipherUpdate(context, NULL, &length, component.data, (int)component.length) == 1;
}

static m2_bytes aead_siv(const m2_aead *aead, m2_buffer nonce, m2_buffer data, m2_buffer tag,
                         m2_buffer aad, int encrypt)
{
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    size_t before = encrypt ? tag.length : 0;
    m2_bytes out = m2_result_new(data.length + before);
    int length = 0;
    int ok = context != NULL && out.data != NULL;

    if (ok && data.length == 0) {
        m2_error("OpenSSL has no AES-SIV of an empty message");
        ok = 0;
    }
    ok = ok && EVP_CipherInit_ex(context, aead->cipher, NULL, aead->key, NULL, encrypt) == 1 &&
         (encrypt || EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, (int)tag.length,
                                         (void *)tag.data) == 1) &&
         aead_add_component(context, aad) && aead_add_component(context, nonce);
    if (ok) {
        ok = EVP_CipherUpdate(context, out.data + before, &length, data.data, (int)data.length) ==
                 1 &&
             (!encrypt ||
              EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, (int)tag.length, out.data) == 1);
        if (!ok) {
            ERR_clear_error();
            m2_error("the tag does not match");
        }
    }
    EVP_CIPHER_CTX_free(context);
    return m2_bytes_finish(out, ok, data.length + before);
}

/* ---- CCM, which needs the length of the message before it --------------------------------- */

static m2_bytes aead_ccm(const m2_aead *aead, m2_buffer nonce, m2_buffer data, m2_buffer tag,
                         m2_buffer aad, int encrypt)
{
    m2_buffer key = {aead->key, aead->key_length};
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    m2_bytes out = {NULL, 0};
    m2_bytes sealed = {NULL, 0};
    int ok;

    if (context == NULL)
        return out;
    out = m2_cipher_ccm(context, aead->cipher, key, nonce, aad, data, tag, encrypt, 4);
    if (out.data != NULL && encrypt) {
        sealed = m2_result_new(out.length + tag.length);
        ok = sealed.data != NULL;
        if (ok) {
            memcpy(sealed.data, out.data, out.length);
            ok = EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, (int)tag.length,
                                     sealed.data + out.length) == 1;
        }
        m2_bytes_free(&out);
        out = m2_bytes_finish(sealed, ok, sealed.length);
    } else if (out.data == NULL && !encrypt && m2_context_cipher(context) != NULL) {
        /* The context was initialized, so that only the tag can have failed. */
        ERR_clear_error();
        m2_error("the tag does not match");
    }
    EVP_CIPHER_CTX_free(context);
    return out;
}

/* ---- the functions of m2 ------------------------------------------------------------------ */

static m2_bytes aead_run(m2_aead *aead, m2_buffer nonce, m2_buffer data, m2_buffer aad, int encrypt)
{
    static const unsigned char ZEROS[MAX_TAG] = {0};
    m2_bytes failed = {NULL, 0};
    size_t tag_length = (size_t)aead->tag_length;
    m2_buffer tag = {ZEROS, tag_length};

    if (!m2_fits_int(data.length + MAX_TAG))
        return failed;
    if (!encrypt) {
        if (data.length < tag_length) {
            m2_error("the data is shorter than the tag");
            return failed;
        }
        data.length -= tag_length;
        tag.data = data.data + data.length;
        if (m2_cipher_is_siv(aead->cipher)) {
            tag.data = data.data;
            data.data += tag_length;
        }
    }
    if (m2_cipher_is_siv(aead->cipher))
        return aead_siv(aead, nonce, data, tag, aad, encrypt);
    if (m2_cipher_is_ccm(aead->cipher))
        return aead_ccm(aead, nonce, data, tag, aad, encrypt);
    return encrypt ? aead_seal(aead, nonce, data, aad) : aead_open(aead, nonce, data, tag, aad);
}

m2_bytes m2_aead_seal(m2_aead *aead, m2_buffer nonce, m2_buffer data, m2_buffer aad)
{
    return aead_run(aead, nonce, data, aad, 1);
}

m2_bytes m2_aead_open(m2_aead *aead, m2_buffer nonce, m2_buffer data, m2_buffer aad)
{
    return aead_run(aead, nonce, data, aad, 0);
}

static m2_bytes aead_run_once(const char *algorithm, m2_buffer key, m2_buffer nonce, m2_buffer data,
                              m2_buffer aad, int tag_length, int encrypt)
{
    m2_aead aead;
    m2_bytes out = {NULL, 0};

    memset(&aead, 0, sizeof(aead));
    if (aead_init(&aead, algorithm, key, tag_length, NULL))
        out = aead_run(&aead, nonce, data, aad, encrypt);
    aead_clear(&aead);
    return out;
}

m2_bytes m2_aead_seal_once(const char *algorithm, m2_buffer key, m2_buffer nonce, m2_buffer data,
                           m2_buffer aad, int tag_length)
{
    return aead_run_once(algorithm, key, nonce, data, aad, tag_length, 1);
}

m2_bytes m2_aead_open_once(const char *algorithm, m2_buffer key, m2_buffer nonce, m2_buffer data,
                           m2_buffer aad, int tag_length)
{
    return aead_run_once(algorithm, key, nonce, data, aad, tag_length, 0);
}
