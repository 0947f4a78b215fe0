/*
 * RSA keys (rsa.h), by EVP_PKEY_CTX.
 */
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "m2.h"
#include "bn.h"
#include "compat.h"
#include "evp.h"
#include "key_copy.h"
#include "keys.h"
#include "pkey.h"
#include "rsa.h"

struct m2_rsa_st {
    EVP_PKEY *key;
    /* The numbers of an incomplete key. */
    BIGNUM *n;
    BIGNUM *e;
};

/* ---- the handle type ---------------------------------------------------------------------- */

m2_rsa *m2_rsa_new(void)
{
    return OPENSSL_zalloc(sizeof(m2_rsa));
}

void m2_rsa_free(m2_rsa *rsa)
{
    if (rsa == NULL)
        return;
    EVP_PKEY_free(rsa->key);
    BN_free(rsa->n);
    BN_free(rsa->e);
    OPENSSL_free(rsa);
}

/* Return an m2_rsa of the key, which may be NULL. */
static m2_rsa *rsa_wrap(EVP_PKEY *key)
{
    m2_rsa *rsa = NULL;

    if (key == NULL)
        return NULL;
    if (EVP_PKEY_base_id(key) != EVP_PKEY_RSA && EVP_PKEY_base_id(key) != EVP_PKEY_RSA_PSS)
        m2_error_of(M2_REASON_KEY_TYPE, "the key is not an RSA key");
    else
        rsa = m2_rsa_new();
    if (rsa == NULL)
        EVP_PKEY_free(key);
    else
        rsa->key = key;
    return rsa;
}

static EVP_PKEY *rsa_key(const m2_rsa *rsa)
{
    if (rsa->key == NULL)
        m2_error("the RSA key has no modulus or no public exponent");
    return rsa->key;
}

static EVP_PKEY *rsa_private_key(const m2_rsa *rsa)
{
    EVP_PKEY *key = rsa_key(rsa);

    if (key == NULL || m2_rsa_is_private(rsa) == 1)
        return key;
    m2_error("the RSA key has no private part");
    return NULL;
}

/* ---- keys created from values ------------------------------------------------------------- */

static int rsa_set_number(m2_rsa *rsa, BIGNUM **place, m2_buffer bytes)
{
    BIGNUM *number = NULL;

    if (rsa->key != NULL) {
        m2_error("the RSA key is complete; it cannot be changed");
        return 0;
    }
    number = m2_mpi_to_bn(bytes);
    if (number == NULL)
        return 0;
    BN_free(*place);
    *place = number;
    if (rsa->n == NULL || rsa->e == NULL)
        return 1;
    if (BN_is_zero(rsa->n) || BN_is_negative(rsa->n) || BN_is_zero(rsa->e) ||
        BN_is_negative(rsa->e)) {
        m2_error("the modulus and the exponent of an RSA key must be positive");
        return 0;
    }
    rsa->key = m2_rsa_from_numbers(rsa->n, rsa->e);
    return rsa->key != NULL;
}

m2_status m2_rsa_set_e(m2_rsa *rsa, m2_buffer number)
{
    return rsa_set_number(rsa, &rsa->e, number);
}

m2_status m2_rsa_set_n(m2_rsa *rsa, m2_buffer number)
{
    return rsa_set_number(rsa, &rsa->n, number);
}

m2_status m2_rsa_set_en(m2_rsa *rsa, m2_buffer e, m2_buffer n)
{
    return rsa_set_number(rsa, &rsa->e, e) && rsa_set_number(rsa, &rsa->n, n);
}

/* Return a number of the key, or one that was set, in MPI format. */
static m2_bytes rsa_get_number(const m2_rsa *rsa, const BIGNUM *so_far, m2_key_number which)
{
    m2_bytes bytes = {NULL, 0};
    BIGNUM *number = rsa->key == NULL ? NULL : m2_pkey_number(rsa->key, which);

    if (number != NULL || so_far != NULL)
        bytes = m2_bn_to_mpi(number != NULL ? number : so_far);
    else
        m2_error("this value of the RSA key is not set");
    BN_free(number);
    return bytes;
}

m2_bytes m2_rsa_get_e(const m2_rsa *rsa)
{
    return rsa_get_number(rsa, rsa->e, M2_RSA_EXPONENT);
}

m2_bytes m2_rsa_get_n(const m2_rsa *rsa)
{
    return rsa_get_number(rsa, rsa->n, M2_RSA_MODULUS);
}

/* ---- key generation ----------------------------------------------------------------------- */

static int rsa_progress(EVP_PKEY_CTX *context)
{
    int arguments[2];

    arguments[0] = EVP_PKEY_CTX_get_keygen_info(context, 0);
    arguments[1] = EVP_PKEY_CTX_get_keygen_info(context, 1);
    /* The result is ignored. An exception ends the generation. */
    return m2_call_ints(EVP_PKEY_CTX_get_app_data(context), 2, arguments) >= 0;
}

m2_rsa *m2_rsa_generate_key(int bits, unsigned long e, m2_callback progress)
{
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_id(EVP_PKEY_RSA, NULL);
    BIGNUM *exponent = BN_new();
    EVP_PKEY *key = NULL;

    if (e < 3 || e % 2 == 0) {
        m2_error("the public exponent must be odd and at least 3");
        goto done;
    }
    if (context == NULL || exponent == NULL || !BN_set_word(exponent, e) ||
        EVP_PKEY_keygen_init(context) <= 0 ||
        EVP_PKEY_CTX_set_rsa_keygen_bits(context, bits) <= 0 ||
        m2_rsa_generate_exponent(context, exponent) <= 0)
        goto done;
    if (progress != NULL) {
        EVP_PKEY_CTX_set_app_data(context, progress);
        EVP_PKEY_CTX_set_cb(context, rsa_progress);
    }
    if (EVP_PKEY_keygen(context, &key) <= 0)
        key = NULL;
done:
    BN_free(exponent);
    EVP_PKEY_CTX_free(context);
    return rsa_wrap(key);
}

/* ---- conversion to PKey, loading and saving ----------------------------------------------- */

EVP_PKEY *m2_pkey_from_rsa(const m2_rsa *rsa)
{
    EVP_PKEY *key = rsa_key(rsa);

    if (key != NULL)
        EVP_PKEY_up_ref(key);
    return key;
}

m2_rsa *m2_pkey_get1_rsa(const EVP_PKEY *pkey)
{
    EVP_PKEY_up_ref((EVP_PKEY *)pkey);
    return rsa_wrap((EVP_PKEY *)pkey);
}

m2_status m2_pkey_set1_rsa(EVP_PKEY *pkey, const m2_rsa *rsa)
{
    EVP_PKEY *key = rsa_key(rsa);

    return key == NULL ? 0 : m2_pkey_set_key(pkey, key);
}

m2_status m2_pkey_assign_rsa(EVP_PKEY *pkey, const m2_rsa *rsa)
{
    return m2_pkey_set1_rsa(pkey, rsa);
}

m2_rsa *m2_rsa_read_key(BIO *bio, m2_callback passphrase)
{
    return rsa_wrap(m2_read_private_key(bio, passphrase));
}

m2_rsa *m2_rsa_read_pub_key(BIO *bio)
{
    return rsa_wrap(PEM_read_bio_PUBKEY(bio, NULL, m2_password, NULL));
}

m2_status m2_rsa_write_key(const m2_rsa *rsa, BIO *bio, const EVP_CIPHER *cipher,
                           m2_callback passphrase)
{
    EVP_PKEY *key = rsa_key(rsa);

    if (key == NULL || !m2_pkey_is_exportable(key) || !m2_pem_takes_cipher(cipher, 0))
        return 0;
    return PEM_write_bio_PrivateKey_traditional(bio, key, cipher, NULL, 0, m2_password, passphrase);
}

m2_status m2_rsa_write_key_no_cipher(const m2_rsa *rsa, BIO *bio, m2_callback passphrase)
{
    return m2_rsa_write_key(rsa, bio, NULL, passphrase);
}

m2_status m2_rsa_write_key_der(const m2_rsa *rsa, BIO *bio)
{
    EVP_PKEY *key = rsa_key(rsa);

    return key == NULL || !m2_pkey_is_exportable(key) ? 0 : i2d_PrivateKey_bio(bio, key);
}

m2_status m2_rsa_write_pub_key(const m2_rsa *rsa, BIO *bio)
{
    EVP_PKEY *key = rsa_key(rsa);

    return key == NULL ? 0 : PEM_write_bio_PUBKEY(bio, key);
}

/* ---- key properties ----------------------------------------------------------------------- */

m2_number m2_rsa_size(const m2_rsa *rsa)
{
    EVP_PKEY *key = rsa_key(rsa);

    return key == NULL ? -1 : EVP_PKEY_size(key);
}

m2_verdict m2_rsa_is_private(const m2_rsa *rsa)
{
    EVP_PKEY *key = rsa_key(rsa);

    return key == NULL ? -1 : m2_pkey_is_private(key);
}

m2_verdict m2_rsa_check_key(const m2_rsa *rsa)
{
    EVP_PKEY *key = rsa_key(rsa);
    EVP_PKEY_CTX *context = NULL;
    int agree = -1;

    if (key == NULL || !m2_pkey_is_exportable(key))
        return -1;
    /* OpenSSL tests the factors for primality, which takes hours for a hostile key. */
    if (EVP_PKEY_bits(key) > OPENSSL_RSA_MAX_MODULUS_BITS) {
        m2_error("the modulus exceeds OpenSSL's maximum");
        return -1;
    }
    /* A factor must not be longer than the modulus. */
    if (m2_rsa_longest_prime(key) > EVP_PKEY_bits(key))
        return 0;
    context = EVP_PKEY_CTX_new(key, NULL);
    if (context != NULL)
        agree = EVP_PKEY_check(context) == 1;
    EVP_PKEY_CTX_free(context);
    return agree;
}

m2_verdict m2_rsa_check_pub_key(const m2_rsa *rsa)
{
    EVP_PKEY *key = rsa_key(rsa);
    BIGNUM *n = key == NULL ? NULL : m2_pkey_number(key, M2_RSA_MODULUS);
    BIGNUM *e = key == NULL ? NULL : m2_pkey_number(key, M2_RSA_EXPONENT);
    int agree = -1;

    /* RFC 8017, 3.1: 3 <= e < n, and both are odd. */
    if (n != NULL && e != NULL)
        agree = BN_is_odd(n) && BN_is_odd(e) && !BN_is_one(e) && BN_cmp(e, n) < 0;
    BN_free(n);
    BN_free(e);
    return agree;
}

/* ---- encrypting and decrypting ------------------------------------------------------------ */

#ifndef RSA_SSLV23_PADDING
#define RSA_SSLV23_PADDING 2
#define WITHOUT_SSLV23_PADDING
#endif

int m2_rsa_set_padding(EVP_PKEY_CTX *context, int padding)
{
#ifdef WITHOUT_SSLV23_PADDING
    if (padding == RSA_SSLV23_PADDING) {
        m2_error("this OpenSSL has no sslv23_padding, which was removed with SSL 2.0");
        return 0;
    }
#endif
    if (EVP_PKEY_CTX_set_rsa_padding(context, padding) <= 0)
        return 0;
    /* The digests by default, which the provider of a token does not know. */
    return padding != RSA_PKCS1_OAEP_PADDING ||
           (EVP_PKEY_CTX_set_rsa_oaep_md(context, EVP_sha1()) > 0 &&
            EVP_PKEY_CTX_set_rsa_mgf1_md(context, EVP_sha1()) > 0);
}

/* Return a context with a padding for the key, which may be NULL. */
static EVP_PKEY_CTX *rsa_begin(EVP_PKEY *key, int (*init)(EVP_PKEY_CTX *), int padding)
{
    EVP_PKEY_CTX *context = key == NULL ? NULL : m2_pkey_begin(key, init);

    if (context != NULL && !m2_rsa_set_padding(context, padding)) {
        EVP_PKEY_CTX_free(context);
        context = NULL;
    }
    return context;
}

m2_bytes m2_rsa_public_encrypt(const m2_rsa *rsa, m2_buffer data, int padding)
{
    return m2_pkey_operate(rsa_begin(rsa_key(rsa), EVP_PKEY_encrypt_init, padding),
                           EVP_PKEY_encrypt, data);
}

/* Perform an operation of the private key. */
static m2_bytes rsa_operate_private(const m2_rsa *rsa, int (*init)(EVP_PKEY_CTX *),
                                    m2_pkey_operation operation, m2_buffer data, int padding)
{
    m2_key_copy copy;
    EVP_PKEY *key = m2_key_copy_begin(&copy, rsa_private_key(rsa));
    m2_bytes out = m2_pkey_operate(rsa_begin(key, init, padding), operation, data);

    m2_key_copy_end(&copy);
    return out;
}

m2_bytes m2_rsa_private_decrypt(const m2_rsa *rsa, m2_buffer data, int padding)
{
    return rsa_operate_private(rsa, EVP_PKEY_decrypt_init, EVP_PKEY_decrypt, data, padding);
}

m2_bytes m2_rsa_public_encrypt_oaep(const m2_rsa *rsa, m2_buffer data, int padding,
                                    const EVP_MD *md, const EVP_MD *mgf1, m2_buffer label)
{
    const m2_bytes failed = {NULL, 0};
    EVP_PKEY *key = rsa_key(rsa);

    return key == NULL ? failed : m2_pkey_encrypt(key, data, padding, md, mgf1, label);
}

m2_bytes m2_rsa_private_decrypt_oaep(const m2_rsa *rsa, m2_buffer data, int padding,
                                     const EVP_MD *md, const EVP_MD *mgf1, m2_buffer label)
{
    const m2_bytes failed = {NULL, 0};
    EVP_PKEY *key = rsa_private_key(rsa);

    return key == NULL ? failed : m2_pkey_decrypt(key, data, padding, md, mgf1, label);
}

/* Without a digest, sign is the private key operation, and recover its inverse. */
m2_bytes m2_rsa_private_encrypt(const m2_rsa *rsa, m2_buffer data, int padding)
{
    return rsa_operate_private(rsa, EVP_PKEY_sign_init, EVP_PKEY_sign, data, padding);
}

m2_bytes m2_rsa_public_decrypt(const m2_rsa *rsa, m2_buffer data, int padding)
{
    return m2_pkey_operate(rsa_begin(rsa_key(rsa), EVP_PKEY_verify_recover_init, padding),
                           EVP_PKEY_verify_recover, data);
}

/* ---- signing and verifying ---------------------------------------------------------------- */

/* Like `rsa_begin`, with the salt length of PSS. */
static EVP_PKEY_CTX *rsa_begin_with_digest(EVP_PKEY *key, int (*init)(EVP_PKEY_CTX *), int padding,
                                           const EVP_MD *md, int salt_length)
{
    EVP_PKEY_CTX *context = rsa_begin(key, init, padding);

    if (context == NULL)
        return NULL;
    if (EVP_PKEY_CTX_set_signature_md(context, md) > 0 &&
        (padding != RSA_PKCS1_PSS_PADDING ||
         EVP_PKEY_CTX_set_rsa_pss_saltlen(context, salt_length) > 0))
        return context;
    EVP_PKEY_CTX_free(context);
    return NULL;
}

/* Return 1 if the signature verifies, 0 if not, less for an error. Frees the context. */
static int rsa_verify(EVP_PKEY_CTX *context, m2_buffer digest, m2_buffer signature)
{
    int verdict = -1;

    if (context == NULL)
        return -1;
    verdict =
        EVP_PKEY_verify(context, signature.data, signature.length, digest.data, digest.length) == 1;
    EVP_PKEY_CTX_free(context);
    return verdict;
}

/* Return a DigestInfo in DER (RFC 8017, section 9.2) with a digest of any length. */
static m2_bytes rsa_digest_info(m2_buffer digest, const EVP_MD *md)
{
    m2_bytes der = {NULL, 0};
    X509_SIG *info = NULL;
    X509_ALGOR *algorithm;
    ASN1_OCTET_STRING *octets;

    if (EVP_MD_type(md) == NID_md5_sha1) {
        m2_error("an MD5-SHA1 digest must be 36 bytes");
        goto done;
    }
    info = X509_SIG_new();
    if (info == NULL)
        goto done;
    X509_SIG_getm(info, &algorithm, &octets);
    if (X509_ALGOR_set0(algorithm, OBJ_nid2obj(EVP_MD_type(md)), V_ASN1_NULL, NULL) == 1 &&
        ASN1_OCTET_STRING_set(octets, digest.data, (int)digest.length) == 1)
        der = M2_DER(X509_SIG, info);
done:
    X509_SIG_free(info);
    return der;
}

/* Like `rsa_begin_with_digest`, for RSASSA-PKCS1-v1_5. `input` is set to `digest`, or, because
 * OpenSSL accepts only the algorithm's length, to its DigestInfo in `made`. */
static EVP_PKEY_CTX *rsa_begin_pkcs1(EVP_PKEY *key, int (*init)(EVP_PKEY_CTX *), m2_buffer digest,
                                     const EVP_MD *md, m2_buffer *input, m2_bytes *made)
{
    EVP_PKEY_CTX *context = rsa_begin_with_digest(key, init, RSA_PKCS1_PADDING, md, 0);

    *input = digest;
    if (context == NULL || digest.length == (size_t)EVP_MD_size(md))
        return context;
    EVP_PKEY_CTX_free(context);
    *made = rsa_digest_info(digest, md);
    if (made->data == NULL)
        return NULL;
    input->data = made->data;
    input->length = made->length;
    return rsa_begin(key, init, RSA_PKCS1_PADDING);
}

m2_bytes m2_rsa_sign(const m2_rsa *rsa, m2_buffer digest, const EVP_MD *md)
{
    m2_buffer input;
    m2_bytes made = {NULL, 0};
    m2_bytes signature;
    m2_key_copy copy;
    EVP_PKEY *key = m2_key_copy_begin(&copy, rsa_private_key(rsa));
    EVP_PKEY_CTX *context = rsa_begin_pkcs1(key, EVP_PKEY_sign_init, digest, md, &input, &made);

    signature = m2_pkey_operate(context, EVP_PKEY_sign, input);
    m2_key_copy_end(&copy);
    m2_bytes_free(&made);
    return signature;
}

m2_status m2_rsa_verify(const m2_rsa *rsa, m2_buffer digest, m2_buffer signature, const EVP_MD *md)
{
    m2_buffer input;
    m2_bytes made = {NULL, 0};
    EVP_PKEY_CTX *context =
        rsa_begin_pkcs1(rsa_key(rsa), EVP_PKEY_verify_init, digest, md, &input, &made);
    int verdict = rsa_verify(context, input, signature);

    m2_bytes_free(&made);
    if (verdict == 0 && ERR_peek_error() == 0)
        m2_error("the signature does not match the key and the digest");
    return verdict;
}

/* Like `rsa_begin_with_digest`, for RSASSA-PSS. */
static EVP_PKEY_CTX *rsa_begin_pss(EVP_PKEY *key, int (*init)(EVP_PKEY_CTX *), const EVP_MD *md,
                                   int salt_length, const EVP_MD *mgf1)
{
    EVP_PKEY_CTX *context =
        rsa_begin_with_digest(key, init, RSA_PKCS1_PSS_PADDING, md, salt_length);

    if (context == NULL || mgf1 == NULL || EVP_PKEY_CTX_set_rsa_mgf1_md(context, mgf1) > 0)
        return context;
    EVP_PKEY_CTX_free(context);
    return NULL;
}

m2_bytes m2_rsa_sign_pss(const m2_rsa *rsa, m2_buffer digest, const EVP_MD *md, int salt_length,
                         const EVP_MD *mgf1)
{
    m2_key_copy copy;
    EVP_PKEY *key = m2_key_copy_begin(&copy, rsa_private_key(rsa));
    m2_bytes signature = m2_pkey_operate(
        rsa_begin_pss(key, EVP_PKEY_sign_init, md, salt_length, mgf1), EVP_PKEY_sign, digest);

    m2_key_copy_end(&copy);
    return signature;
}

m2_verdict m2_rsa_verify_pss(const m2_rsa *rsa, m2_buffer digest, m2_buffer signature,
                             const EVP_MD *md, int salt_length, const EVP_MD *mgf1)
{
    return rsa_verify(rsa_begin_pss(rsa_key(rsa), EVP_PKEY_verify_init, md, salt_length, mgf1),
                      digest, signature);
}
