/* RC4 (EVP_rc4(3)). */
#include "m2.h"
#include "compat.h"
#include "rc4.h"

#ifndef OPENSSL_NO_RC4

struct m2_rc4 {
    EVP_CIPHER_CTX *context;
    m2_compat_rc4 cipher;
    int has_key;
};

m2_rc4 *m2_rc4_new(void)
{
    m2_rc4 *rc4 = OPENSSL_zalloc(sizeof(*rc4));

    if (rc4 == NULL) {
        m2_error("out of memory");
        return NULL;
    }
    rc4->context = EVP_CIPHER_CTX_new();
    if (rc4->context != NULL && m2_compat_rc4_begin(&rc4->cipher))
        return rc4;
    m2_rc4_free(rc4);
    return NULL;
}

void m2_rc4_free(m2_rc4 *rc4)
{
    if (rc4 == NULL)
        return;
    EVP_CIPHER_CTX_free(rc4->context);
    m2_compat_rc4_end(&rc4->cipher);
    OPENSSL_free(rc4);
}

m2_status m2_rc4_set_key(m2_rc4 *rc4, m2_buffer key)
{
    if (key.length < 1 || key.length > 256) {
        m2_error("an RC4 key has 1 to 256 bytes");
        return 0;
    }
    rc4->has_key = EVP_CIPHER_CTX_reset(rc4->context) == 1 &&
                   EVP_EncryptInit_ex(rc4->context, rc4->cipher.cipher, NULL, NULL, NULL) == 1 &&
                   EVP_CIPHER_CTX_set_key_length(rc4->context, (int)key.length) == 1 &&
                   EVP_EncryptInit_ex(rc4->context, NULL, NULL, key.data, NULL) == 1;
    return rc4->has_key;
}

m2_bytes m2_rc4_update(m2_rc4 *rc4, m2_buffer data)
{
    m2_bytes out = {NULL, 0};
    int length = 0;
    int ok;

    if (!rc4->has_key) {
        m2_error("RC4 has no key");
        return out;
    }
    out = m2_result_new(data.length);
    ok = out.data != NULL &&
         (data.length == 0 ||
          EVP_EncryptUpdate(rc4->context, out.data, &length, data.data, (int)data.length) == 1);
    return m2_bytes_finish(out, ok, (size_t)length);
}

#endif
