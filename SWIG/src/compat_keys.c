/*
 * What differs between OpenSSL 1.1.1 and 3.x in keys, with one implementation for each.
 */
#include <string.h>

#include "compat.h"
#include "evp.h"
#include "compat_keys.h"
#include "keys.h"

#if OPENSSL_VERSION_NUMBER < 0x30000000L

/* ---- OpenSSL 1.1.1 ------------------------------------------------------------------------ */

#include <openssl/objects.h>

static int keys_id_of_type(const char *type)
{
    static const int IDS[] = {EVP_PKEY_RSA,  EVP_PKEY_RSA_PSS, EVP_PKEY_DSA,
                              EVP_PKEY_DH,   EVP_PKEY_EC,      EVP_PKEY_X25519,
                              EVP_PKEY_X448, EVP_PKEY_ED25519, EVP_PKEY_ED448};
    const EVP_PKEY_ASN1_METHOD *method = EVP_PKEY_asn1_find_str(NULL, type, -1);
    int id = EVP_PKEY_NONE;
    size_t i;

    if (method != NULL)
        EVP_PKEY_asn1_get0_info(&id, NULL, NULL, NULL, NULL, method);
    for (i = 0; i < sizeof(IDS) / sizeof(IDS[0]); i++) {
        if (IDS[i] == id)
            return id;
    }
    return EVP_PKEY_NONE;
}

static int keys_id_or_error(const char *type)
{
    int id = keys_id_of_type(type);

    if (id == EVP_PKEY_NONE) {
        m2_compat_queue_error(ERR_R_OPERATION_FAIL);
        ERR_add_error_data(2, "this OpenSSL has no keys of type ", type);
    }
    return id;
}

EVP_PKEY_CTX *m2_compat_context_of_type(const char *type)
{
    int id = keys_id_or_error(type);

    return id == EVP_PKEY_NONE ? NULL : EVP_PKEY_CTX_new_id(id, NULL);
}

int m2_compat_set_seed(EVP_PKEY_CTX *context, m2_buffer seed)
{
    (void)context;
    (void)seed;
    m2_error("this type of key is not generated from a seed");
    return 0;
}

const char *m2_compat_type_name(const EVP_PKEY *pkey)
{
    int id = EVP_PKEY_base_id(pkey);
    const char *name = "";

    if (id == EVP_PKEY_DHX)
        return "DHX";
    if (EVP_PKEY_id(pkey) == EVP_PKEY_SM2)
        return "SM2";
    if (id != EVP_PKEY_NONE && EVP_PKEY_get0_asn1(pkey) != NULL)
        EVP_PKEY_asn1_get0_info(NULL, NULL, NULL, NULL, &name, EVP_PKEY_get0_asn1(pkey));
    return name == NULL ? "" : name;
}

int m2_compat_eq(const EVP_PKEY *pkey, const EVP_PKEY *other)
{
    return EVP_PKEY_cmp(pkey, other);
}

static EVP_PKEY *keys_from_raw(const char *type, m2_buffer octets,
                               EVP_PKEY *(*convert)(int, ENGINE *, const unsigned char *, size_t))
{
    int id = keys_id_or_error(type);

    switch (id) {
    case EVP_PKEY_NONE:
        return NULL;
    case EVP_PKEY_X25519:
    case EVP_PKEY_X448:
    case EVP_PKEY_ED25519:
    case EVP_PKEY_ED448:
        return convert(id, NULL, octets.data, octets.length);
    default:
        m2_error("keys of this type have no raw encoding; use DER");
        return NULL;
    }
}

EVP_PKEY *m2_compat_read_private_key(BIO *bio, pem_password_cb *password, void *argument)
{
    return PEM_read_bio_PrivateKey(bio, NULL, password, argument);
}

EVP_PKEY *m2_compat_raw_private(const char *type, m2_buffer octets)
{
    return keys_from_raw(type, octets, EVP_PKEY_new_raw_private_key);
}

EVP_PKEY *m2_compat_raw_public(const char *type, m2_buffer octets)
{
    return keys_from_raw(type, octets, EVP_PKEY_new_raw_public_key);
}

m2_bytes m2_compat_encoded_public(const EVP_PKEY *pkey)
{
    m2_bytes octets = {NULL, 0};

    if (EVP_PKEY_base_id(pkey) == EVP_PKEY_EC)
        octets.length = EVP_PKEY_get1_tls_encodedpoint((EVP_PKEY *)pkey, &octets.data);
    if (octets.length == 0)
        octets.data = NULL;
    return octets;
}

#ifndef OPENSSL_NO_EC
BIGNUM *m2_compat_ec_scalar(const EVP_PKEY *pkey)
{
    const EC_KEY *key = EVP_PKEY_get0_EC_KEY((EVP_PKEY *)pkey);

    return key == NULL ? NULL : BN_dup(EC_KEY_get0_private_key(key));
}
#endif

int m2_compat_set_signing(EVP_PKEY_CTX *context, m2_buffer string, int deterministic)
{
    (void)context;
    if (string.data == NULL && !deterministic)
        return 1;
    m2_error("context strings and deterministic signatures need OpenSSL 3.2 or later");
    return 0;
}

EVP_PKEY_CTX *m2_compat_begin_kem(const EVP_PKEY *pkey, int decapsulate)
{
    (void)pkey;
    (void)decapsulate;
    m2_error("key encapsulation needs OpenSSL 3.0 or later");
    return NULL;
}

int m2_compat_encapsulate(EVP_PKEY_CTX *context, unsigned char *out, size_t *length,
                          unsigned char *secret, size_t *secret_length)
{
    (void)context;
    (void)out;
    (void)length;
    (void)secret;
    (void)secret_length;
    return 0;
}

int m2_compat_decapsulate(EVP_PKEY_CTX *context, unsigned char *out, size_t *length,
                          const unsigned char *in, size_t in_length)
{
    (void)context;
    (void)out;
    (void)length;
    (void)in;
    (void)in_length;
    return 0;
}

#else

/* ---- OpenSSL 3.0 and later ---------------------------------------------------------------- */

#include <openssl/core_names.h>
#include <openssl/decoder.h>
#include <openssl/params.h>
#include <openssl/x509.h>

/* OpenSSL also represents the keys of MACs as EVP_PKEYs. */
static int keys_is_mac(const char *type)
{
    static const char *const MACS[] = {"HMAC", "CMAC", "SIPHASH", "POLY1305"};
    size_t i;

    for (i = 0; i < sizeof(MACS) / sizeof(MACS[0]); i++) {
        if (m2_is_key_type(type, MACS[i])) {
            m2_error("keys of MACs are bytes");
            return 1;
        }
    }
    return 0;
}

EVP_PKEY_CTX *m2_compat_context_of_type(const char *type)
{
    EVP_PKEY_CTX *context = NULL;

    if (keys_is_mac(type))
        return NULL;
    context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    if (context == NULL) {
        ERR_clear_error();
        m2_compat_queue_error(ERR_R_OPERATION_FAIL);
        ERR_add_error_data(2, "this OpenSSL has no keys of type ", type);
    }
    return context;
}

int m2_compat_set_seed(EVP_PKEY_CTX *context, m2_buffer seed)
{
    OSSL_PARAM params[2];

    /* OpenSSL ignores an empty seed and parameters that it does not know. */
    if (seed.length == 0) {
        m2_error("the seed is empty");
        return 0;
    }
    if (OSSL_PARAM_locate_const(EVP_PKEY_CTX_settable_params(context), "seed") == NULL) {
        m2_error("this type of key is not generated from a seed");
        return 0;
    }
    params[0] = OSSL_PARAM_construct_octet_string("seed", (void *)seed.data, seed.length);
    params[1] = OSSL_PARAM_construct_end();
    return EVP_PKEY_CTX_set_params(context, params);
}

const char *m2_compat_type_name(const EVP_PKEY *pkey)
{
    const char *name = EVP_PKEY_get0_type_name(pkey);

    return name == NULL ? "" : name;
}

int m2_compat_eq(const EVP_PKEY *pkey, const EVP_PKEY *other)
{
    return EVP_PKEY_eq(pkey, other);
}

/* Return the key in `der` if all of it is a key of that structure and type, else NULL. */
static EVP_PKEY *keys_decode(const char *structure, const char *type, m2_buffer der)
{
    EVP_PKEY *key = NULL;
    OSSL_DECODER_CTX *context =
        OSSL_DECODER_CTX_new_for_pkey(&key, "DER", structure, type, EVP_PKEY_KEYPAIR, NULL, NULL);

    if (context != NULL && OSSL_DECODER_from_data(context, &der.data, &der.length) == 1 &&
        der.length > 0) {
        EVP_PKEY_free(key);
        key = NULL;
    }
    OSSL_DECODER_CTX_free(context);
    return key;
}

static EVP_PKEY *keys_decode_pkcs8(m2_buffer der)
{
    const unsigned char *at = der.data;
    PKCS8_PRIV_KEY_INFO *info = d2i_PKCS8_PRIV_KEY_INFO(NULL, &at, (long)der.length);
    const ASN1_OBJECT *algorithm = NULL;
    char type[80];
    EVP_PKEY *key = NULL;

    if (info == NULL || PKCS8_pkey_get0(&algorithm, NULL, NULL, NULL, info) != 1)
        goto done;
    /* By its other name, id-ecPublicKey, OpenSSL takes twice the time. */
    if (OBJ_obj2nid(algorithm) == EVP_PKEY_EC)
        key = keys_decode("PrivateKeyInfo", "EC", der);
    else if (OBJ_obj2txt(type, sizeof(type), algorithm, 0) > 0)
        key = keys_decode("PrivateKeyInfo", type, der);
done:
    PKCS8_PRIV_KEY_INFO_free(info);
    return key;
}

static EVP_PKEY *keys_decode_labelled(const char *label, m2_buffer der)
{
    if (strcmp(label, PEM_STRING_RSA) == 0)
        return keys_decode("type-specific", "RSA", der);
    if (strcmp(label, PEM_STRING_ECPRIVATEKEY) == 0)
        return keys_decode("type-specific", "EC", der);
    return strcmp(label, PEM_STRING_PKCS8INF) == 0 ? keys_decode_pkcs8(der) : NULL;
}

/* Read the key if it is unencrypted and comes first. Otherwise return NULL, with the BIO as it was.
 */
static EVP_PKEY *keys_read_first(BIO *bio)
{
    int position = BIO_tell(bio);
    char *label = NULL;
    char *header = NULL;
    unsigned char *data = NULL;
    long length = 0;
    EVP_PKEY *key = NULL;

    if (position < 0)
        return NULL;
    ERR_set_mark();
    if (PEM_read_bio(bio, &label, &header, &data, &length) == 1 && header[0] == '\0') {
        m2_buffer der = {data, (size_t)length};

        key = keys_decode_labelled(label, der);
    }
    OPENSSL_free(label);
    OPENSSL_free(header);
    OPENSSL_clear_free(data, (size_t)length);
    ERR_pop_to_mark();
    if (key == NULL)
        (void)BIO_seek(bio, position);
    return key;
}

EVP_PKEY *m2_compat_read_private_key(BIO *bio, pem_password_cb *password, void *argument)
{
    /* Its search for decoders takes as long as decoding. Other BIOs may not return to a position.
     */
    EVP_PKEY *key = BIO_method_type(bio) == BIO_TYPE_MEM ? keys_read_first(bio) : NULL;

    return key != NULL ? key : PEM_read_bio_PrivateKey(bio, NULL, password, argument);
}

EVP_PKEY *m2_compat_raw_private(const char *type, m2_buffer octets)
{
    if (keys_is_mac(type))
        return NULL;
    return EVP_PKEY_new_raw_private_key_ex(NULL, type, NULL, octets.data, octets.length);
}

EVP_PKEY *m2_compat_raw_public(const char *type, m2_buffer octets)
{
    if (keys_is_mac(type))
        return NULL;
    return EVP_PKEY_new_raw_public_key_ex(NULL, type, NULL, octets.data, octets.length);
}

m2_bytes m2_compat_encoded_public(const EVP_PKEY *pkey)
{
    m2_bytes octets = {NULL, 0};

    ERR_set_mark();
    octets.length = EVP_PKEY_get1_encoded_public_key((EVP_PKEY *)pkey, &octets.data);
    ERR_pop_to_mark();
    if (octets.length == 0)
        octets.data = NULL;
    return octets;
}

#ifndef OPENSSL_NO_EC
BIGNUM *m2_compat_ec_scalar(const EVP_PKEY *pkey)
{
    BIGNUM *scalar = NULL;

    EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_PRIV_KEY, &scalar);
    return scalar;
}
#endif

/* Set a parameter of the signature, which OpenSSL ignores if the algorithm does not know it. */
static int keys_set_param(EVP_PKEY_CTX *context, OSSL_PARAM param, const char *lack)
{
    OSSL_PARAM params[2];
    const OSSL_PARAM *known = EVP_PKEY_CTX_settable_params(context);

    if (known == NULL || OSSL_PARAM_locate_const(known, param.key) == NULL) {
        m2_error(lack);
        return 0;
    }
    params[0] = param;
    params[1] = OSSL_PARAM_construct_end();
    return EVP_PKEY_CTX_set_params(context, params);
}

static const char LACKS_DETERMINISM[] =
    "the signature algorithm, or this OpenSSL, has no deterministic signatures";

/* Have ECDSA or DSA derive the nonce (RFC 6979). DSA does not list the parameter as settable, so it
 * is read back. */
static int keys_set_nonce_type(EVP_PKEY_CTX *context)
{
    unsigned int nonce_type = 1;
    OSSL_PARAM params[2];

    params[0] = OSSL_PARAM_construct_uint("nonce-type", &nonce_type);
    params[1] = OSSL_PARAM_construct_end();
    if (EVP_PKEY_CTX_set_params(context, params) <= 0)
        return 0;
    nonce_type = 0;
    if (EVP_PKEY_CTX_get_params(context, params) > 0 && nonce_type == 1)
        return 1;
    m2_error(LACKS_DETERMINISM);
    return 0;
}

int m2_compat_set_signing(EVP_PKEY_CTX *context, m2_buffer string, int deterministic)
{
    static const char LACKS_STRING[] =
        "the signature algorithm, or this OpenSSL, supports no context string";
    const EVP_PKEY *pkey = EVP_PKEY_CTX_get0_pkey(context);
    int yes = 1;

    /* RFC 8032, section 5.1: Ed25519 with a context string is another algorithm. */
    if (string.data != NULL && string.length > 0 && EVP_PKEY_is_a(pkey, "ED25519") &&
        keys_set_param(context,
                       OSSL_PARAM_construct_utf8_string("instance", (char *)"Ed25519ctx", 0),
                       LACKS_STRING) <= 0)
        return 0;
    if (string.data != NULL &&
        keys_set_param(
            context,
            OSSL_PARAM_construct_octet_string("context-string", (void *)string.data, string.length),
            LACKS_STRING) <= 0)
        return 0;
    if (!deterministic)
        return 1;
    if (EVP_PKEY_is_a(pkey, "EC") || EVP_PKEY_is_a(pkey, "DSA"))
        return keys_set_nonce_type(context);
    return keys_set_param(context, OSSL_PARAM_construct_int("deterministic", &yes),
                          LACKS_DETERMINISM);
}

EVP_PKEY_CTX *m2_compat_begin_kem(const EVP_PKEY *pkey, int decapsulate)
{
    static const char *const BY_DH[] = {"EC", "X25519", "X448"};
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_pkey(NULL, (EVP_PKEY *)pkey, NULL);
    const char *operation = EVP_PKEY_is_a(pkey, "RSA") ? "RSASVE" : NULL;
    size_t i;

    for (i = 0; i < sizeof(BY_DH) / sizeof(BY_DH[0]); i++) {
        if (EVP_PKEY_is_a(pkey, BY_DH[i]))
            operation = "DHKEM";
    }
    if (context != NULL &&
        (decapsulate ? EVP_PKEY_decapsulate_init(context, NULL)
                     : EVP_PKEY_encapsulate_init(context, NULL)) > 0 &&
        (operation == NULL || EVP_PKEY_CTX_set_kem_op(context, operation) > 0))
        return context;
    if (ERR_peek_error() == 0)
        m2_error("keys of this type have no key encapsulation");
    EVP_PKEY_CTX_free(context);
    return NULL;
}

int m2_compat_encapsulate(EVP_PKEY_CTX *context, unsigned char *out, size_t *length,
                          unsigned char *secret, size_t *secret_length)
{
    return EVP_PKEY_encapsulate(context, out, length, secret, secret_length);
}

int m2_compat_decapsulate(EVP_PKEY_CTX *context, unsigned char *out, size_t *length,
                          const unsigned char *in, size_t in_length)
{
    return EVP_PKEY_decapsulate(context, out, length, in, in_length);
}

#endif
