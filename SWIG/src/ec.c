/*
 * Elliptic curve keys, ECDSA and ECDH, by EVP_PKEY_CTX.
 */
#include "m2.h"
#include "bn.h"
#include "compat.h"
#include "ec.h"
#include "evp.h"
#include "keys.h"
#include "pkey.h"

#ifndef OPENSSL_NO_EC

#include <openssl/ec.h>
#include <openssl/objects.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

/* ---- key properties ----------------------------------------------------------------------- */

/* OpenSSL 1.1.1 dereferences NULL if there is no public key. */
static int ec_is_public(const m2_ec *key)
{
    if (m2_ec_has_point(key))
        return 1;
    m2_error("the EC key has only parameters; generate a key with gen_key");
    return 0;
}

/* ---- creating keys ------------------------------------------------------------------------ */

/* Return the key, which may be NULL, if it is an EC key; else free it. */
static EVP_PKEY *ec_only(EVP_PKEY *key)
{
    if (key == NULL || EVP_PKEY_id(key) == EVP_PKEY_EC || EVP_PKEY_id(key) == EVP_PKEY_SM2)
        return key;
    m2_error_of(M2_REASON_KEY_TYPE, "the key is not an EC key");
    EVP_PKEY_free(key);
    return NULL;
}

m2_ec *m2_ec_key_new_by_curve_name(int nid)
{
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_id(EVP_PKEY_EC, NULL);
    EVP_PKEY *parameters = NULL;

    if (context == NULL || EVP_PKEY_paramgen_init(context) <= 0)
        goto done;
    if (EVP_PKEY_CTX_set_ec_paramgen_curve_nid(context, nid) <= 0 ||
        EVP_PKEY_paramgen(context, &parameters) <= 0) {
        parameters = NULL;
        if (ERR_peek_error() == 0)
            m2_error("the number is not the NID of a curve that this OpenSSL has");
    }
done:
    EVP_PKEY_CTX_free(context);
    return parameters;
}

m2_ec *m2_ec_key_gen_key(const m2_ec *parameters)
{
    EVP_PKEY_CTX *context = m2_pkey_begin(parameters, EVP_PKEY_keygen_init);
    EVP_PKEY *key = NULL;

    if (context != NULL && EVP_PKEY_keygen(context, &key) <= 0)
        key = NULL;
    EVP_PKEY_CTX_free(context);
    return key;
}

/* Return the public key, which may be NULL, if it is valid (SEC 1, section 3.2.2.1); else free
 * it. */
static EVP_PKEY *ec_valid_public(EVP_PKEY *key)
{
    if (key == NULL || m2_ec_key_check_key(key) == 1)
        return key;
    ERR_clear_error();
    m2_error("the point is not a public key on the curve");
    EVP_PKEY_free(key);
    return NULL;
}

m2_ec *m2_ec_key_from_pubkey_der(m2_buffer der)
{
    const unsigned char *at = der.data;
    EVP_PKEY *key = NULL;

    key = d2i_PUBKEY(NULL, &at, (long)der.length);
    if (key != NULL && at != der.data + der.length) {
        m2_error("the data continues after the key");
        EVP_PKEY_free(key);
        key = NULL;
    }
    return ec_valid_public(ec_only(key));
}

/* Set a copy of the point, whose ownership X509_PUBKEY_set0_param takes. */
static int ec_set_point(X509_PUBKEY *info, int nid, m2_buffer point)
{
    unsigned char *copy = OPENSSL_memdup(point.data, point.length);

    if (copy == NULL)
        return 0;
    if (X509_PUBKEY_set0_param(info, OBJ_nid2obj(EVP_PKEY_EC), V_ASN1_OBJECT, OBJ_nid2obj(nid),
                               copy, (int)point.length) == 1)
        return 1;
    OPENSSL_free(copy);
    return 0;
}

/* Decode DER, because every OpenSSL version supports that. */
m2_ec *m2_ec_key_from_pubkey_params(int nid, m2_buffer point)
{
    X509_PUBKEY *info = NULL;
    EVP_PKEY *key = NULL;
    m2_bytes der = {NULL, 0};
    m2_buffer whole;

    if (point.length == 0 || OBJ_nid2obj(nid) == NULL) {
        m2_error("a public EC key requires the NID of a curve and a point on it");
        goto done;
    }
    info = X509_PUBKEY_new();
    if (info == NULL || !ec_set_point(info, nid, point))
        goto done;
    der = M2_DER(X509_PUBKEY, info);
    if (der.data == NULL)
        goto done;
    whole.data = der.data;
    whole.length = der.length;
    key = m2_ec_key_from_pubkey_der(whole);
done:
    m2_bytes_free(&der);
    X509_PUBKEY_free(info);
    return key;
}

EVP_PKEY *m2_pkey_from_ec(const m2_ec *key)
{
    if (!ec_is_public(key))
        return NULL;
    EVP_PKEY_up_ref((EVP_PKEY *)key);
    return (EVP_PKEY *)key;
}

m2_ec *m2_pkey_get1_ec(const EVP_PKEY *pkey)
{
    EVP_PKEY_up_ref((EVP_PKEY *)pkey);
    return ec_only((EVP_PKEY *)pkey);
}

m2_status m2_pkey_set1_ec(EVP_PKEY *pkey, const m2_ec *key)
{
    return ec_is_public(key) ? m2_pkey_set_key(pkey, (EVP_PKEY *)key) : 0;
}

m2_status m2_pkey_assign_ec(EVP_PKEY *pkey, const m2_ec *key)
{
    return m2_pkey_set1_ec(pkey, key);
}

/* ---- loading and saving ------------------------------------------------------------------- */

m2_ec *m2_ec_key_read_bio(BIO *bio, m2_callback passphrase)
{
    return ec_only(m2_read_private_key(bio, passphrase));
}

m2_ec *m2_ec_key_read_pubkey(BIO *bio)
{
    return ec_valid_public(ec_only(PEM_read_bio_PUBKEY(bio, NULL, m2_password, NULL)));
}

m2_status m2_ec_key_write_bio(const m2_ec *key, BIO *bio, const EVP_CIPHER *cipher,
                              m2_callback passphrase)
{
    if (!m2_pkey_is_exportable(key) || !m2_pem_takes_cipher(cipher, 0))
        return 0;
    return PEM_write_bio_PrivateKey_traditional(bio, (EVP_PKEY *)key, cipher, NULL, 0, m2_password,
                                                passphrase);
}

m2_status m2_ec_key_write_bio_no_cipher(const m2_ec *key, BIO *bio, m2_callback passphrase)
{
    return m2_ec_key_write_bio(key, bio, NULL, passphrase);
}

m2_status m2_ec_key_write_pubkey(const m2_ec *key, BIO *bio)
{
    return ec_is_public(key) ? PEM_write_bio_PUBKEY(bio, (EVP_PKEY *)key) : 0;
}

m2_bytes m2_ec_key_get_public_der(const m2_ec *key)
{
    const m2_bytes failed = {NULL, 0};

    return ec_is_public(key) ? M2_DER(PUBKEY, key) : failed;
}

m2_bytes m2_ec_key_get_public_key(const m2_ec *key)
{
    const m2_bytes failed = {NULL, 0};

    return ec_is_public(key) ? M2_DER(PublicKey, key) : failed;
}

/* ---- key properties ----------------------------------------------------------------------- */

m2_number m2_ec_key_keylen(const m2_ec *key)
{
    EC_GROUP *group = m2_ec_group(key);
    int bits = group == NULL ? -1 : EC_GROUP_get_degree(group);

    EC_GROUP_free(group);
    return bits;
}

m2_verdict m2_ec_key_check_key(const m2_ec *key)
{
    EVP_PKEY_CTX *context = NULL;
    EVP_PKEY *checked = NULL;
    int agree = -1;

    if (!m2_ec_has_point(key))
        return 0;
    checked = m2_pkey_public(key);
    if (checked != NULL)
        context = EVP_PKEY_CTX_new(checked, NULL);
    if (context != NULL)
        agree = (m2_pkey_has_private(checked) ? EVP_PKEY_check(context)
                                              : EVP_PKEY_public_check(context)) == 1;
    EVP_PKEY_CTX_free(context);
    EVP_PKEY_free(checked);
    return agree;
}

/* ---- ECDSA -------------------------------------------------------------------------------- */

static ECDSA_SIG *ec_decode_signature(m2_buffer signature)
{
    const unsigned char *at = signature.data;
    ECDSA_SIG *numbers = NULL;

    numbers = d2i_ECDSA_SIG(NULL, &at, (long)signature.length);
    if (numbers != NULL && at != signature.data + signature.length) {
        ECDSA_SIG_free(numbers);
        numbers = NULL;
    }
    if (numbers == NULL) {
        /* The decoder's errors differ between versions. */
        ERR_clear_error();
        m2_error("the signature is not a DER-encoded ECDSA-Sig-Value");
    }
    return numbers;
}

m2_bytes m2_ecdsa_sign_asn1(const m2_ec *key, m2_buffer digest)
{
    return m2_pkey_operate(m2_pkey_begin(key, EVP_PKEY_sign_init), EVP_PKEY_sign, digest);
}

m2_verdict m2_ecdsa_verify_asn1(const m2_ec *key, m2_buffer digest, m2_buffer signature)
{
    ECDSA_SIG *numbers = ec_decode_signature(signature);
    EVP_PKEY_CTX *context = NULL;
    int verdict = -1;

    if (numbers != NULL && ec_is_public(key))
        context = m2_pkey_begin(key, EVP_PKEY_verify_init);
    if (context != NULL)
        verdict = EVP_PKEY_verify(context, signature.data, signature.length, digest.data,
                                  digest.length) == 1;
    EVP_PKEY_CTX_free(context);
    ECDSA_SIG_free(numbers);
    return verdict;
}

static m2_bytes ec_signature_number(m2_buffer signature, const BIGNUM *(*which)(const ECDSA_SIG *))
{
    m2_bytes bytes = {NULL, 0};
    ECDSA_SIG *numbers = ec_decode_signature(signature);

    if (numbers != NULL)
        bytes = m2_bn_to_mpi(which(numbers));
    ECDSA_SIG_free(numbers);
    return bytes;
}

m2_bytes m2_ecdsa_sig_get_r(m2_buffer signature)
{
    return ec_signature_number(signature, ECDSA_SIG_get0_r);
}

m2_bytes m2_ecdsa_sig_get_s(m2_buffer signature)
{
    return ec_signature_number(signature, ECDSA_SIG_get0_s);
}

m2_bytes m2_ecdsa_sig_new(m2_buffer r, m2_buffer s)
{
    m2_bytes der = {NULL, 0};
    ECDSA_SIG *numbers = ECDSA_SIG_new();
    BIGNUM *first = m2_mpi_to_bn(r);
    BIGNUM *second = m2_mpi_to_bn(s);

    if (numbers == NULL || first == NULL || second == NULL ||
        ECDSA_SIG_set0(numbers, first, second) != 1)
        goto done;
    first = second = NULL;
    der = M2_DER(ECDSA_SIG, numbers);
done:
    BN_free(first);
    BN_free(second);
    ECDSA_SIG_free(numbers);
    return der;
}

/* ---- ECDH --------------------------------------------------------------------------------- */

static int ec_derive(EVP_PKEY_CTX *context, unsigned char *out, size_t *length,
                     const unsigned char *in, size_t in_length)
{
    (void)in;
    (void)in_length;
    return EVP_PKEY_derive(context, out, length);
}

m2_bytes m2_ecdh_compute_key(const m2_ec *key, const m2_ec *peer)
{
    const m2_buffer nothing = {NULL, 0};
    EVP_PKEY_CTX *context = m2_pkey_begin(key, EVP_PKEY_derive_init);

    if (context != NULL &&
        (!ec_is_public(peer) || EVP_PKEY_derive_set_peer(context, (EVP_PKEY *)peer) <= 0)) {
        EVP_PKEY_CTX_free(context);
        context = NULL;
    }
    return m2_pkey_operate(context, ec_derive, nothing);
}

/* ---- curves ------------------------------------------------------------------------------- */

/* Return the curve at an index; its NID is 0 after the last one. */
static EC_builtin_curve ec_builtin_curve(int place)
{
    EC_builtin_curve found = {0, NULL};
    size_t count = EC_get_builtin_curves(NULL, 0);
    EC_builtin_curve *curves = OPENSSL_zalloc(count * sizeof(*curves));

    if (curves != NULL && place >= 0 && (size_t)place < count) {
        EC_get_builtin_curves(curves, count);
        found = curves[place];
    }
    OPENSSL_free(curves);
    return found;
}

int m2_ec_builtin_curve_nid(int place)
{
    return ec_builtin_curve(place).nid;
}

const char *m2_ec_builtin_curve_comment(int place)
{
    return ec_builtin_curve(place).comment;
}

#endif
