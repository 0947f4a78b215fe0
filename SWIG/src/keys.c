/*
 * Keys of any type (keys.h).
 */
#include <string.h>

#include <openssl/dh.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#ifndef OPENSSL_NO_DSA
#include <openssl/dsa.h>
#endif
#ifndef OPENSSL_NO_EC
#include <openssl/ec.h>
#endif

#include "m2.h"
#include "compat.h"
#include "compat_keys.h"
#include "evp.h"
#include "rsa.h"
#include "ec.h"
#include "key_copy.h"
#include "keys.h"

/* ---- properties --------------------------------------------------------------------------- */

const char *m2_pkey_type_name(const EVP_PKEY *pkey)
{
    return m2_compat_type_name(pkey);
}

static char keys_upper(char letter)
{
    return (char)(letter >= 'a' && letter <= 'z' ? letter - 'a' + 'A' : letter);
}

int m2_is_key_type(const char *type, const char *name)
{
    while (*type != '\0' && keys_upper(*type) == keys_upper(*name)) {
        type++;
        name++;
    }
    return *type == *name;
}

static int keys_is_a(const EVP_PKEY *pkey, const char *name)
{
    return m2_is_key_type(m2_compat_type_name(pkey), name);
}

static int keys_is_rsa(const EVP_PKEY *pkey)
{
    return keys_is_a(pkey, "RSA") || keys_is_a(pkey, "RSA-PSS");
}

m2_number m2_pkey_security_bits(const EVP_PKEY *pkey)
{
    return m2_pkey_is_usable(pkey, M2_KEY_VERIFY) ? EVP_PKEY_security_bits(pkey) : -1;
}

m2_verdict m2_pkey_eq(const EVP_PKEY *pkey, const EVP_PKEY *other)
{
    if (!m2_pkey_is_usable(pkey, M2_KEY_VERIFY) || !m2_pkey_is_usable(other, M2_KEY_VERIFY))
        return -1;
    /* Keys of two types are no error. */
    return m2_compat_eq(pkey, other) == 1;
}

int m2_pkey_group_nid(const char *name)
{
    int nid = NID_undef;

    ERR_set_mark();
#ifndef OPENSSL_NO_EC
    nid = EC_curve_nist2nid(name);
#endif
    if (nid == NID_undef)
        nid = OBJ_txt2nid(name);
    ERR_pop_to_mark();
    return nid;
}

/* ---- generation --------------------------------------------------------------------------- */

int m2_pkey_progress(EVP_PKEY_CTX *context)
{
    int arguments[2];

    arguments[0] = EVP_PKEY_CTX_get_keygen_info(context, 0);
    arguments[1] = EVP_PKEY_CTX_get_keygen_info(context, 1);
    /* The result is ignored. An exception ends the generation. */
    return m2_call_ints(EVP_PKEY_CTX_get_app_data(context), 2, arguments) >= 0;
}

static void keys_set_progress(EVP_PKEY_CTX *context, m2_callback progress)
{
    if (progress == NULL)
        return;
    EVP_PKEY_CTX_set_app_data(context, progress);
    EVP_PKEY_CTX_set_cb(context, m2_pkey_progress);
}

EVP_PKEY *m2_dsa_parameters(int bits, m2_callback progress)
{
    EVP_PKEY *parameters = NULL;
#ifdef OPENSSL_NO_DSA
    (void)bits;
    (void)progress;
    m2_error("this OpenSSL was built without DSA");
#else
    EVP_PKEY_CTX *context = NULL;

    if (bits < 512 || bits > OPENSSL_DSA_MAX_MODULUS_BITS) {
        m2_error("DSA has from 512 to 10000 bits");
        return NULL;
    }
    context = m2_compat_context_of_type("DSA");
    /* FIPS 186-4, section 4.2: 256 bits of q fit 2048 and 3072 of p. */
    if (context == NULL || EVP_PKEY_paramgen_init(context) <= 0 ||
        EVP_PKEY_CTX_set_dsa_paramgen_bits(context, bits) <= 0 ||
        EVP_PKEY_CTX_set_dsa_paramgen_q_bits(context, bits < 2048 ? 160 : 256) <= 0)
        goto done;
    keys_set_progress(context, progress);
    if (EVP_PKEY_paramgen(context, &parameters) <= 0)
        parameters = NULL;
done:
    EVP_PKEY_CTX_free(context);
#endif
    return parameters;
}

static EVP_PKEY_CTX *keys_begin_dsa(int bits, m2_callback progress)
{
    EVP_PKEY *parameters = m2_dsa_parameters(bits, progress);
    EVP_PKEY_CTX *context = parameters == NULL ? NULL : EVP_PKEY_CTX_new(parameters, NULL);

    EVP_PKEY_free(parameters);
    return context;
}

static int keys_set_rsa(EVP_PKEY_CTX *context, int bits, unsigned long exponent)
{
    BIGNUM *number = NULL;
    int ok = 0;

    if (exponent < 3 || exponent % 2 == 0) {
        m2_error("the public exponent must be odd and at least 3");
        return 0;
    }
    if (bits > OPENSSL_RSA_MAX_MODULUS_BITS) {
        m2_error("the modulus exceeds OpenSSL's maximum");
        return 0;
    }
    number = BN_new();
    ok = number != NULL && BN_set_word(number, exponent) == 1 &&
         EVP_PKEY_CTX_set_rsa_keygen_bits(context, bits) > 0 &&
         m2_rsa_generate_exponent(context, number) > 0;
    BN_free(number);
    return ok;
}

static int keys_set_curve(EVP_PKEY_CTX *context, int nid)
{
#ifdef OPENSSL_NO_EC
    (void)context;
    (void)nid;
    m2_error("this OpenSSL was built without EC");
    return 0;
#else
    if (EVP_PKEY_CTX_set_ec_paramgen_curve_nid(context, nid) > 0)
        return 1;
    if (ERR_peek_error() == 0)
        m2_error("the number is not the NID of a curve that this OpenSSL has");
    return 0;
#endif
}

static int keys_set_group(EVP_PKEY_CTX *context, int nid)
{
#ifdef OPENSSL_NO_DH
    (void)context;
    (void)nid;
    m2_error("this OpenSSL was built without DH");
    return 0;
#else
    if (EVP_PKEY_CTX_set_dh_nid(context, nid) > 0)
        return 1;
    if (ERR_peek_error() == 0)
        m2_error("the number is not the NID of a group that this OpenSSL has");
    return 0;
#endif
}

static int keys_set_generation(EVP_PKEY_CTX *context, const char *type, int bits,
                               unsigned long exponent, int nid, m2_buffer seed)
{
    if (m2_is_key_type(type, "RSA") || m2_is_key_type(type, "RSA-PSS"))
        return keys_set_rsa(context, bits, exponent);
    if (m2_is_key_type(type, "EC"))
        return keys_set_curve(context, nid);
    if (m2_is_key_type(type, "DH"))
        return keys_set_group(context, nid);
    return seed.data == NULL || m2_compat_set_seed(context, seed) > 0;
}

EVP_PKEY *m2_pkey_generate(const char *type, int bits, unsigned long exponent, int nid,
                           m2_buffer seed, m2_callback progress)
{
    EVP_PKEY_CTX *context = m2_is_key_type(type, "DSA") ? keys_begin_dsa(bits, progress)
                                                        : m2_compat_context_of_type(type);
    EVP_PKEY *key = NULL;

    if (context == NULL)
        return NULL;
    if (EVP_PKEY_keygen_init(context) <= 0) {
        if (ERR_peek_error() == 0)
            m2_error("keys of this type cannot be generated");
        goto done;
    }
    if (!keys_set_generation(context, type, bits, exponent, nid, seed))
        goto done;
    keys_set_progress(context, progress);
    if (EVP_PKEY_keygen(context, &key) <= 0)
        key = NULL;
done:
    EVP_PKEY_CTX_free(context);
    return key;
}

/* ---- encodings ---------------------------------------------------------------------------- */

/* The argument of `keys_password`: a passphrase callback, and whether it returned a passphrase. */
typedef struct {
    m2_callback callback;
    int returned;
} keys_passphrase;

static int keys_password(char *buffer, int size, int writing, void *argument)
{
    keys_passphrase *passphrase = argument;
    int length = m2_password(buffer, size, writing, passphrase->callback);

    if (length >= 0)
        passphrase->returned = 1;
    return length;
}

/* Return the key, which may be NULL; then queue a wrong passphrase as the cause if there is one. */
static EVP_PKEY *keys_decrypted(EVP_PKEY *key, const keys_passphrase *passphrase)
{
    if (key == NULL && passphrase->returned)
        m2_error_of(M2_REASON_PASSPHRASE, "the passphrase is wrong");
    return key;
}

EVP_PKEY *m2_read_private_key(BIO *bio, m2_callback callback)
{
    keys_passphrase passphrase = {callback, 0};

    return keys_decrypted(m2_compat_read_private_key(bio, keys_password, &passphrase), &passphrase);
}

EVP_PKEY *m2_pkey_from_raw_private(const char *type, m2_buffer octets)
{
    EVP_PKEY *key = m2_compat_raw_private(type, octets);

    if (key == NULL && ERR_peek_error() == 0)
        m2_error("the octets are not a private key of this type");
    return key;
}

EVP_PKEY *m2_pkey_from_raw_public(const char *type, m2_buffer octets)
{
    EVP_PKEY *key = m2_compat_raw_public(type, octets);

    if (key == NULL && ERR_peek_error() == 0)
        m2_error("the octets are not a public key of this type");
    return key;
}

static m2_bytes keys_get_raw(const EVP_PKEY *pkey,
                             int (*get)(const EVP_PKEY *, unsigned char *, size_t *))
{
    m2_bytes octets = {NULL, 0};
    size_t length = 0;
    int ok;

    if (get(pkey, NULL, &length) != 1) {
        ERR_clear_error();
        m2_error("keys of this type have no raw encoding; use DER");
        return octets;
    }
    octets = m2_bytes_new(length);
    ok = octets.data != NULL && get(pkey, octets.data, &length) == 1;
    return m2_bytes_finish(octets, ok, length);
}

/* The octets of the longest order, that of sect571r1 (SEC 2, section 3.7). */
#define KEYS_LONGEST_ORDER 72

/* Return an ECPrivateKey (RFC 5915, section 3) without a public key, which OpenSSL computes. */
static m2_bytes keys_ec_private_der(m2_buffer scalar)
{
    static const unsigned char VERSION[] = {V_ASN1_INTEGER, 1, 1, V_ASN1_OCTET_STRING};
    m2_bytes der = {NULL, 0};

    if (scalar.length == 0 || scalar.length > KEYS_LONGEST_ORDER) {
        m2_error("the private value of an EC key has as many octets as the order of its curve");
        return der;
    }
    der = m2_bytes_new(2 + sizeof(VERSION) + 1 + scalar.length);
    if (der.data == NULL)
        return der;
    der.data[0] = V_ASN1_SEQUENCE | V_ASN1_CONSTRUCTED;
    der.data[1] = (unsigned char)(sizeof(VERSION) + 1 + scalar.length);
    memcpy(der.data + 2, VERSION, sizeof(VERSION));
    der.data[2 + sizeof(VERSION)] = (unsigned char)scalar.length;
    memcpy(der.data + 3 + sizeof(VERSION), scalar.data, scalar.length);
    return der;
}

EVP_PKEY *m2_pkey_from_ec_scalar(int nid, m2_buffer octets)
{
#ifdef OPENSSL_NO_EC
    (void)nid;
    (void)octets;
    (void)keys_ec_private_der;
    m2_error("this OpenSSL was built without EC");
    return NULL;
#else
    m2_bytes der = {NULL, 0};
    PKCS8_PRIV_KEY_INFO *info = NULL;
    EVP_PKEY *key = NULL;

    if (OBJ_nid2obj(nid) == NULL) {
        m2_error("the number is not the NID of a curve");
        return NULL;
    }
    der = keys_ec_private_der(octets);
    info = der.data == NULL ? NULL : PKCS8_PRIV_KEY_INFO_new();
    if (info == NULL || PKCS8_pkey_set0(info, OBJ_nid2obj(EVP_PKEY_EC), 0, V_ASN1_OBJECT,
                                        OBJ_nid2obj(nid), der.data, (int)der.length) != 1)
        goto done;
    /* `info` owns the data, and cleanses them. */
    der.data = NULL;
    key = EVP_PKCS82PKEY(info);
    if (key != NULL && m2_ec_key_check_key(key) != 1) {
        ERR_clear_error();
        m2_error("the octets are not a private key on the curve");
        EVP_PKEY_free(key);
        key = NULL;
    }
done:
    m2_bytes_free(&der);
    PKCS8_PRIV_KEY_INFO_free(info);
    return key;
#endif
}

#ifndef OPENSSL_NO_EC
static m2_bytes keys_get_scalar(const EVP_PKEY *pkey)
{
    m2_bytes octets = {NULL, 0};
    EC_GROUP *group = m2_ec_group(pkey);
    BIGNUM *scalar = m2_compat_ec_scalar(pkey);
    int length;

    if (group != NULL && scalar != NULL) {
        length = (EC_GROUP_order_bits(group) + 7) / 8;
        octets = m2_bytes_new((size_t)length);
        octets = m2_bytes_finish(
            octets, octets.data != NULL && BN_bn2binpad(scalar, octets.data, length) == length,
            (size_t)length);
    }
    BN_clear_free(scalar);
    EC_GROUP_free(group);
    return octets;
}
#endif

m2_bytes m2_pkey_raw_private(const EVP_PKEY *pkey)
{
    const m2_bytes failed = {NULL, 0};

    if (!m2_pkey_is_usable(pkey, M2_KEY_WRITE))
        return failed;
#ifndef OPENSSL_NO_EC
    if (keys_is_a(pkey, "EC"))
        return keys_get_scalar(pkey);
#endif
    return keys_get_raw(pkey, EVP_PKEY_get_raw_private_key);
}

m2_bytes m2_pkey_raw_public(const EVP_PKEY *pkey)
{
    m2_bytes octets = {NULL, 0};

    if (!m2_pkey_is_usable(pkey, M2_KEY_VERIFY))
        return octets;
    if (!keys_is_rsa(pkey))
        octets = m2_compat_encoded_public(pkey);
    return octets.data != NULL ? octets : keys_get_raw(pkey, EVP_PKEY_get_raw_public_key);
}

/* Return whether the data are one DER value, an EncryptedPrivateKeyInfo (RFC 5958, section 3). */
static int keys_is_encrypted(m2_buffer der)
{
    const unsigned char *at = der.data;
    X509_SIG *info = NULL;
    int encrypted;

    ERR_set_mark();
    info = d2i_X509_SIG(NULL, &at, (long)der.length);
    encrypted = info != NULL && at == der.data + der.length;
    X509_SIG_free(info);
    ERR_pop_to_mark();
    return encrypted;
}

static EVP_PKEY *keys_read_encrypted(m2_buffer der, m2_callback callback)
{
    keys_passphrase passphrase = {callback, 0};
    BIO *bio = BIO_new_mem_buf(der.data, (int)der.length);
    EVP_PKEY *key = NULL;

    if (bio != NULL)
        key = d2i_PKCS8PrivateKey_bio(bio, NULL, keys_password, &passphrase);
    BIO_free(bio);
    return keys_decrypted(key, &passphrase);
}

/* Return whether the data are one DER value and no more; 0 with an error queued. d2i_AutoPrivateKey
 * does not always return where the key ends. */
static int keys_is_der(m2_buffer der)
{
    const unsigned char *at = der.data;
    long length = 0;
    int tag;
    int class;

    if (der.length > 0 &&
        ASN1_get_object(&at, &length, &tag, &class, (long)der.length) == V_ASN1_CONSTRUCTED &&
        at + length == der.data + der.length)
        return 1;
    ERR_clear_error();
    m2_error("the data are not one DER value: they are malformed, or continue after the key");
    return 0;
}

EVP_PKEY *m2_pkey_read_der(m2_buffer der, m2_callback passphrase)
{
    const unsigned char *at = der.data;

    if (!keys_is_der(der))
        return NULL;
    return keys_is_encrypted(der) ? keys_read_encrypted(der, passphrase)
                                  : d2i_AutoPrivateKey(NULL, &at, (long)der.length);
}

EVP_PKEY *m2_pkey_read_der_pubkey(m2_buffer der)
{
    const unsigned char *at = der.data;

    return keys_is_der(der) ? d2i_PUBKEY(NULL, &at, (long)der.length) : NULL;
}

m2_bytes m2_pkey_private_der(const EVP_PKEY *pkey, const EVP_CIPHER *cipher, m2_callback passphrase)
{
    m2_bytes der = {NULL, 0};
    BIO *bio = NULL;

    if (!m2_pkey_is_usable(pkey, M2_KEY_WRITE) || !m2_pem_takes_cipher(cipher, 1))
        return der;
    bio = BIO_new(BIO_s_mem());
    if (bio != NULL && i2d_PKCS8PrivateKey_bio(bio, (EVP_PKEY *)pkey, cipher, NULL, 0, m2_password,
                                               passphrase) == 1)
        return m2_bytes_from_bio(bio);
    BIO_free(bio);
    return der;
}

/* ---- signatures --------------------------------------------------------------------------- */

typedef int keys_digest_init(EVP_MD_CTX *context, EVP_PKEY_CTX **key, const EVP_MD *md,
                             ENGINE *engine, EVP_PKEY *pkey);

static int keys_set_rsa_signature(EVP_PKEY_CTX *context, const EVP_PKEY *pkey, int padding,
                                  const EVP_MD *mgf1, int salt_length)
{
    if (padding == 0 && mgf1 == NULL)
        return 1;
    if (!keys_is_rsa(pkey)) {
        m2_error("only RSA keys have a padding");
        return 0;
    }
    if (padding != RSA_PKCS1_PSS_PADDING && mgf1 != NULL) {
        m2_error("only PSS padding has a digest of MGF1");
        return 0;
    }
    return EVP_PKEY_CTX_set_rsa_padding(context, padding) > 0 &&
           (padding != RSA_PKCS1_PSS_PADDING ||
            EVP_PKEY_CTX_set_rsa_pss_saltlen(context, salt_length) > 0) &&
           (mgf1 == NULL || EVP_PKEY_CTX_set_rsa_mgf1_md(context, mgf1) > 0);
}

/* Return a context that `init` initialized, or NULL with an error queued. */
static EVP_MD_CTX *keys_begin_signature(keys_digest_init *init, EVP_PKEY *pkey, const EVP_MD *md,
                                        int padding, const EVP_MD *mgf1, int salt_length,
                                        m2_buffer string, int deterministic)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_PKEY_CTX *key = NULL;

    if (context != NULL &&
        init(context, &key, m2_pkey_has_own_digest(pkey) ? NULL : md, NULL, pkey) == 1 &&
        keys_set_rsa_signature(key, pkey, padding, mgf1, salt_length) &&
        m2_compat_set_signing(key, string, deterministic) > 0)
        return context;
    if (ERR_peek_error() == 0)
        m2_error("the key does not support this signature");
    EVP_MD_CTX_free(context);
    return NULL;
}

/* NULL is an error for some implementations. */
static const unsigned char *keys_not_null(m2_buffer buffer)
{
    return buffer.data == NULL ? (const unsigned char *)"" : buffer.data;
}

m2_bytes m2_pkey_sign(EVP_PKEY *pkey, m2_buffer data, const EVP_MD *md, int padding,
                      const EVP_MD *mgf1, int salt_length, m2_buffer string, int deterministic)
{
    m2_bytes signature = {NULL, 0};
    EVP_MD_CTX *context = NULL;
    m2_key_copy copy;
    size_t length;
    int ok;

    if (!m2_pkey_is_usable(pkey, M2_KEY_SIGN))
        return signature;
    pkey = m2_key_copy_begin(&copy, pkey);
    /* The maximum size of a signature (EVP_PKEY_get_size(3)), which EVP_DigestSign would compute.
     */
    length = (size_t)EVP_PKEY_size(pkey);
    context = keys_begin_signature(EVP_DigestSignInit, pkey, md, padding, mgf1, salt_length, string,
                                   deterministic);
    if (context != NULL)
        signature = m2_bytes_new(length);
    ok = signature.data != NULL &&
         EVP_DigestSign(context, signature.data, &length, keys_not_null(data), data.length) == 1;
    signature = m2_bytes_finish(signature, ok, length);
    EVP_MD_CTX_free(context);
    m2_key_copy_end(&copy);
    return signature;
}

m2_verdict m2_pkey_verify(EVP_PKEY *pkey, m2_buffer signature, m2_buffer data, const EVP_MD *md,
                          int padding, const EVP_MD *mgf1, int salt_length, m2_buffer string)
{
    EVP_MD_CTX *context = NULL;
    int verdict = -1;

    if (!m2_pkey_is_usable(pkey, M2_KEY_VERIFY))
        return -1;
    context =
        keys_begin_signature(EVP_DigestVerifyInit, pkey, md, padding, mgf1, salt_length, string, 0);
    /* A malformed signature does not verify and is no error. */
    if (context != NULL)
        verdict = EVP_DigestVerify(context, keys_not_null(signature), signature.length,
                                   keys_not_null(data), data.length) == 1;
    EVP_MD_CTX_free(context);
    return verdict;
}

/* ---- encryption --------------------------------------------------------------------------- */

int m2_rsa_set_oaep(EVP_PKEY_CTX *context, const EVP_MD *md, const EVP_MD *mgf1, m2_buffer label)
{
    unsigned char *copy = NULL;

    if ((md != NULL && EVP_PKEY_CTX_set_rsa_oaep_md(context, md) <= 0) ||
        (mgf1 != NULL && EVP_PKEY_CTX_set_rsa_mgf1_md(context, mgf1) <= 0))
        return 0;
    if (label.length == 0)
        return 1;
    copy = OPENSSL_memdup(label.data, label.length);
    /* The context owns the label from then on. */
    if (copy != NULL && EVP_PKEY_CTX_set0_rsa_oaep_label(context, copy, (int)label.length) > 0)
        return 1;
    OPENSSL_free(copy);
    return 0;
}

/* Return a context for a key that `init` initialized, with the padding, or NULL. */
static EVP_PKEY_CTX *keys_begin_cipher(const EVP_PKEY *pkey, int (*init)(EVP_PKEY_CTX *),
                                       int padding, const EVP_MD *md, const EVP_MD *mgf1,
                                       m2_buffer label)
{
    EVP_PKEY_CTX *context = m2_pkey_begin(pkey, init);
    int is_oaep = padding == RSA_PKCS1_OAEP_PADDING;

    if (context == NULL) {
        if (ERR_peek_error() == 0)
            m2_error("keys of this type do not encrypt");
        return NULL;
    }
    if (!is_oaep && (md != NULL || mgf1 != NULL || label.length > 0))
        m2_error("only OAEP padding has digests and a label");
    else if (padding != 0 && !keys_is_rsa(pkey))
        m2_error("only RSA keys have a padding");
    else if ((padding == 0 || m2_rsa_set_padding(context, padding)) &&
             (!is_oaep || m2_rsa_set_oaep(context, md, mgf1, label)))
        return context;
    EVP_PKEY_CTX_free(context);
    return NULL;
}

m2_bytes m2_pkey_encrypt(const EVP_PKEY *pkey, m2_buffer data, int padding, const EVP_MD *md,
                         const EVP_MD *mgf1, m2_buffer label)
{
    const m2_bytes failed = {NULL, 0};

    if (!m2_pkey_is_usable(pkey, M2_KEY_VERIFY))
        return failed;
    return m2_pkey_operate(keys_begin_cipher(pkey, EVP_PKEY_encrypt_init, padding, md, mgf1, label),
                           EVP_PKEY_encrypt, data);
}

m2_bytes m2_pkey_decrypt(const EVP_PKEY *pkey, m2_buffer data, int padding, const EVP_MD *md,
                         const EVP_MD *mgf1, m2_buffer label)
{
    m2_bytes plain = {NULL, 0};
    m2_key_copy copy;

    if (!m2_pkey_is_usable(pkey, M2_KEY_SIGN))
        return plain;
    pkey = m2_key_copy_begin(&copy, (EVP_PKEY *)pkey);
    plain =
        m2_pkey_operate(keys_begin_cipher(pkey, EVP_PKEY_decrypt_init, padding, md, mgf1, label),
                        EVP_PKEY_decrypt, data);
    m2_key_copy_end(&copy);
    return plain;
}

/* ---- key agreement and encapsulation ------------------------------------------------------ */

int m2_derive_operation(EVP_PKEY_CTX *context, unsigned char *out, size_t *length,
                        const unsigned char *in, size_t in_length)
{
    (void)in;
    (void)in_length;
    return EVP_PKEY_derive(context, out, length);
}

m2_bytes m2_pkey_derive(const EVP_PKEY *pkey, const EVP_PKEY *peer)
{
    const m2_buffer nothing = {NULL, 0};
    m2_bytes secret = {NULL, 0};
    EVP_PKEY_CTX *context = NULL;

    if (!m2_pkey_is_usable(pkey, M2_KEY_SIGN) || !m2_pkey_is_usable(peer, M2_KEY_VERIFY))
        return secret;
    context = m2_pkey_begin(pkey, EVP_PKEY_derive_init);
    if (context != NULL && EVP_PKEY_derive_set_peer(context, (EVP_PKEY *)peer) <= 0) {
        EVP_PKEY_CTX_free(context);
        context = NULL;
    }
    secret = m2_pkey_operate(context, m2_derive_operation, nothing);
    if (secret.data == NULL && ERR_peek_error() == 0)
        m2_error("keys of these types have no shared secret");
    return secret;
}

m2_pair m2_pkey_encapsulate(const EVP_PKEY *pkey)
{
    m2_pair pair = {{NULL, 0}, {NULL, 0}};
    EVP_PKEY_CTX *context = NULL;
    size_t length = 0;
    size_t secret_length = 0;
    int ok;

    if (!m2_pkey_is_usable(pkey, M2_KEY_VERIFY))
        return pair;
    context = m2_compat_begin_kem(pkey, 0);
    if (context == NULL || m2_compat_encapsulate(context, NULL, &length, NULL, &secret_length) <= 0)
        goto done;
    pair.first = m2_bytes_new(length);
    pair.second = m2_bytes_new(secret_length);
    ok = pair.first.data != NULL && pair.second.data != NULL &&
         m2_compat_encapsulate(context, pair.first.data, &length, pair.second.data,
                               &secret_length) > 0;
    pair.first = m2_bytes_finish(pair.first, ok, length);
    pair.second = m2_bytes_finish(pair.second, ok, secret_length);
done:
    EVP_PKEY_CTX_free(context);
    return pair;
}

m2_bytes m2_pkey_decapsulate(const EVP_PKEY *pkey, m2_buffer ciphertext)
{
    const m2_bytes failed = {NULL, 0};

    if (!m2_pkey_is_usable(pkey, M2_KEY_SIGN))
        return failed;
    return m2_pkey_operate(m2_compat_begin_kem(pkey, 1), m2_compat_decapsulate, ciphertext);
}
