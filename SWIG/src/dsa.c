/*
 * DSA keys (dsa.h), by EVP_PKEY_CTX.
 */
#include "dsa.h"

#ifndef OPENSSL_NO_DSA

#include <openssl/dsa.h>
#include <openssl/pem.h>

#include "bn.h"
#include "evp.h"
#include "pkey.h"

static const char DSA_TYPE[] = "DSA";

m2_dsa *m2_dsa_new(void)
{
    return m2_ffc_new(DSA_TYPE);
}

void m2_dsa_free(m2_dsa *dsa)
{
    m2_ffc_free(dsa);
}

m2_dsa *m2_dsa_dup(const m2_dsa *dsa)
{
    return m2_ffc_dup(dsa);
}

m2_dsa *m2_dsa_generate_parameters(int bits, m2_callback progress)
{
    return m2_ffc_wrap(m2_dsa_parameters(bits, progress), DSA_TYPE);
}

m2_status m2_dsa_gen_key(m2_dsa *dsa)
{
    return m2_ffc_generate(dsa);
}

/* ---- numbers and properties --------------------------------------------------------------- */

m2_status m2_dsa_set_pqg(m2_dsa *dsa, m2_buffer p, m2_buffer q, m2_buffer g)
{
    return m2_ffc_set_parameters(dsa, &p, &q, &g);
}

m2_status m2_dsa_set_pub(m2_dsa *dsa, m2_buffer number)
{
    return m2_ffc_set_public(dsa, number);
}

m2_bytes m2_dsa_get_p(const m2_dsa *dsa)
{
    return m2_ffc_get(dsa, M2_FFC_P);
}

m2_bytes m2_dsa_get_q(const m2_dsa *dsa)
{
    return m2_ffc_get(dsa, M2_FFC_Q);
}

m2_bytes m2_dsa_get_g(const m2_dsa *dsa)
{
    return m2_ffc_get(dsa, M2_FFC_G);
}

m2_bytes m2_dsa_get_pub(const m2_dsa *dsa)
{
    return m2_ffc_get(dsa, M2_FFC_PUBLIC);
}

m2_bytes m2_dsa_get_priv(const m2_dsa *dsa)
{
    return m2_ffc_get(dsa, M2_FFC_PRIVATE);
}

m2_number m2_dsa_keylen(const m2_dsa *dsa)
{
    return m2_ffc_bits(dsa);
}

m2_number m2_dsa_size(const m2_dsa *dsa)
{
    EVP_PKEY *key = m2_ffc_parameters(dsa);

    return key == NULL ? -1 : EVP_PKEY_size(key);
}

int m2_dsa_is_private(const m2_dsa *dsa)
{
    return dsa->numbers[M2_FFC_PRIVATE] != NULL;
}

m2_verdict m2_dsa_check_key(const m2_dsa *dsa)
{
    return m2_ffc_check_private(dsa);
}

m2_verdict m2_dsa_check_pub_key(const m2_dsa *dsa)
{
    return m2_ffc_check_public(dsa);
}

/* ---- loading and saving ------------------------------------------------------------------- */

m2_dsa *m2_dsa_read_params(BIO *bio, m2_callback passphrase)
{
    return m2_ffc_wrap(m2_compat_ffc_read(bio, DSA_TYPE, passphrase), DSA_TYPE);
}

m2_dsa *m2_dsa_read_key(BIO *bio, m2_callback passphrase)
{
    return m2_ffc_wrap(m2_read_private_key(bio, passphrase), DSA_TYPE);
}

m2_dsa *m2_dsa_read_pub_key(BIO *bio, m2_callback passphrase)
{
    return m2_ffc_wrap(PEM_read_bio_PUBKEY(bio, NULL, m2_password, passphrase), DSA_TYPE);
}

m2_status m2_dsa_write_params_bio(const m2_dsa *dsa, BIO *bio)
{
    EVP_PKEY *key = m2_ffc_parameters(dsa);

    return key == NULL ? 0 : PEM_write_bio_Parameters(bio, key);
}

m2_status m2_dsa_write_key_bio(const m2_dsa *dsa, BIO *bio, const EVP_CIPHER *cipher,
                               m2_callback passphrase)
{
    EVP_PKEY *key = m2_ffc_private(dsa);

    if (key == NULL || !m2_pem_takes_cipher(cipher, 0))
        return 0;
    return PEM_write_bio_PrivateKey_traditional(bio, key, cipher, NULL, 0, m2_password, passphrase);
}

m2_status m2_dsa_write_key_bio_no_cipher(const m2_dsa *dsa, BIO *bio, m2_callback passphrase)
{
    return m2_dsa_write_key_bio(dsa, bio, NULL, passphrase);
}

m2_status m2_dsa_write_pub_key_bio(const m2_dsa *dsa, BIO *bio)
{
    EVP_PKEY *key = m2_ffc_public(dsa);

    return key == NULL ? 0 : PEM_write_bio_PUBKEY(bio, key);
}

EVP_PKEY *m2_pkey_from_dsa(const m2_dsa *dsa)
{
    EVP_PKEY *key = m2_ffc_public(dsa);

    if (key != NULL)
        EVP_PKEY_up_ref(key);
    return key;
}

m2_dsa *m2_pkey_get1_dsa(const EVP_PKEY *pkey)
{
    EVP_PKEY_up_ref((EVP_PKEY *)pkey);
    return m2_ffc_wrap((EVP_PKEY *)pkey, DSA_TYPE);
}

/* ---- signatures --------------------------------------------------------------------------- */

static DSA_SIG *dsa_decode_signature(m2_buffer signature)
{
    const unsigned char *at = signature.data;
    DSA_SIG *numbers = NULL;

    numbers = d2i_DSA_SIG(NULL, &at, (long)signature.length);
    if (numbers != NULL && at != signature.data + signature.length) {
        DSA_SIG_free(numbers);
        numbers = NULL;
    }
    if (numbers == NULL) {
        /* The decoder's errors differ between versions. */
        ERR_clear_error();
        m2_error("the signature is not a DER-encoded Dss-Sig-Value");
    }
    return numbers;
}

m2_bytes m2_dsa_sign_asn1(const m2_dsa *dsa, m2_buffer digest)
{
    EVP_PKEY *key = m2_ffc_private(dsa);
    EVP_PKEY_CTX *context = key == NULL ? NULL : m2_pkey_begin(key, EVP_PKEY_sign_init);

    return m2_pkey_operate(context, EVP_PKEY_sign, digest);
}

m2_verdict m2_dsa_verify_asn1(const m2_dsa *dsa, m2_buffer digest, m2_buffer signature)
{
    EVP_PKEY *key = m2_ffc_public(dsa);
    DSA_SIG *numbers = key == NULL ? NULL : dsa_decode_signature(signature);
    EVP_PKEY_CTX *context = NULL;
    int verdict = -1;

    if (numbers != NULL)
        context = m2_pkey_begin(key, EVP_PKEY_verify_init);
    if (context != NULL)
        verdict = EVP_PKEY_verify(context, signature.data, signature.length, digest.data,
                                  digest.length) == 1;
    EVP_PKEY_CTX_free(context);
    DSA_SIG_free(numbers);
    return verdict;
}

m2_pair m2_dsa_sign(const m2_dsa *dsa, m2_buffer digest)
{
    m2_pair pair = {{NULL, 0}, {NULL, 0}};
    m2_bytes der = m2_dsa_sign_asn1(dsa, digest);
    m2_buffer signature;
    DSA_SIG *numbers = NULL;
    const BIGNUM *r = NULL;
    const BIGNUM *s = NULL;

    signature.data = der.data;
    signature.length = der.length;
    if (der.data != NULL)
        numbers = dsa_decode_signature(signature);
    if (numbers != NULL) {
        DSA_SIG_get0(numbers, &r, &s);
        pair.first = m2_bn_to_mpi(r);
        pair.second = m2_bn_to_mpi(s);
    }
    DSA_SIG_free(numbers);
    m2_bytes_free(&der);
    return pair;
}

/* Return the numbers of a signature, which are in MPI format, in DER. */
static m2_bytes dsa_encode_signature(m2_buffer r, m2_buffer s)
{
    m2_bytes der = {NULL, 0};
    DSA_SIG *numbers = DSA_SIG_new();
    BIGNUM *first = m2_mpi_to_bn(r);
    BIGNUM *second = m2_mpi_to_bn(s);

    if (numbers == NULL || first == NULL || second == NULL ||
        DSA_SIG_set0(numbers, first, second) != 1)
        goto done;
    first = second = NULL;
    der = M2_DER(DSA_SIG, numbers);
done:
    BN_free(first);
    BN_free(second);
    DSA_SIG_free(numbers);
    return der;
}

m2_verdict m2_dsa_verify(const m2_dsa *dsa, m2_buffer digest, m2_buffer r, m2_buffer s)
{
    m2_bytes der = dsa_encode_signature(r, s);
    m2_buffer signature;
    int verdict = -1;

    signature.data = der.data;
    signature.length = der.length;
    if (der.data != NULL)
        verdict = m2_dsa_verify_asn1(dsa, digest, signature);
    m2_bytes_free(&der);
    return verdict;
}

#else

/* ISO C has no empty translation unit. */
typedef int dsa_is_left_out;

#endif
