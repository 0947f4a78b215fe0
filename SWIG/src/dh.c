/*
 * DH keys (dh.h), by EVP_PKEY_CTX.
 */
#include "dh.h"

#ifndef OPENSSL_NO_DH

#include <openssl/dh.h>
#include <openssl/pem.h>

#include "bn.h"
#include "compat_keys.h"
#include "evp.h"
#include "keys.h"
#include "pkey.h"

static const char DH_TYPE[] = "DH";

/* The codes of DH_check(3), which OpenSSL 3.x deprecates. */
enum {
    DH_P_IS_NOT_PRIME = 0x01,
    DH_P_IS_NOT_SAFE = 0x02,
    DH_G_IS_NOT_SUITABLE = 0x08,
    DH_Q_IS_NOT_PRIME = 0x10,
    DH_Q_IS_INVALID = 0x20
};

m2_dh *m2_dh_new(void)
{
    return m2_ffc_new(DH_TYPE);
}

void m2_dh_free(m2_dh *dh)
{
    m2_ffc_free(dh);
}

m2_dh *m2_dh_dup(const m2_dh *dh)
{
    return m2_ffc_dup(dh);
}

m2_dh *m2_dh_generate_parameters(int bits, int generator, m2_callback progress)
{
    EVP_PKEY_CTX *context = NULL;
    EVP_PKEY *parameters = NULL;

    if (bits < 512 || bits > 10000 || generator < 2) {
        m2_error("DH parameters have from 512 to 10000 bits, and a generator of at least 2");
        return NULL;
    }
    context = m2_compat_context_of_type(DH_TYPE);
    if (context == NULL || EVP_PKEY_paramgen_init(context) <= 0 ||
        EVP_PKEY_CTX_set_dh_paramgen_prime_len(context, bits) <= 0 ||
        EVP_PKEY_CTX_set_dh_paramgen_generator(context, generator) <= 0)
        goto done;
    if (progress != NULL) {
        EVP_PKEY_CTX_set_app_data(context, progress);
        EVP_PKEY_CTX_set_cb(context, m2_pkey_progress);
    }
    if (EVP_PKEY_paramgen(context, &parameters) <= 0)
        parameters = NULL;
done:
    EVP_PKEY_CTX_free(context);
    return m2_ffc_wrap(parameters, DH_TYPE);
}

m2_status m2_dh_generate_key(m2_dh *dh)
{
    return m2_ffc_generate(dh);
}

/* ---- numbers and properties --------------------------------------------------------------- */

m2_status m2_dh_set_pg(m2_dh *dh, m2_buffer p, m2_buffer g)
{
    return m2_ffc_set_parameters(dh, &p, NULL, &g);
}

m2_bytes m2_dh_get_p(const m2_dh *dh)
{
    return m2_ffc_get(dh, M2_FFC_P);
}

m2_bytes m2_dh_get_g(const m2_dh *dh)
{
    return m2_ffc_get(dh, M2_FFC_G);
}

m2_bytes m2_dh_get_pub(const m2_dh *dh)
{
    return m2_ffc_get(dh, M2_FFC_PUBLIC);
}

m2_bytes m2_dh_get_priv(const m2_dh *dh)
{
    return m2_ffc_get(dh, M2_FFC_PRIVATE);
}

m2_number m2_dh_size(const m2_dh *dh)
{
    int bits = m2_ffc_bits(dh);

    return bits < 0 ? bits : (bits + 7) / 8;
}

/* Return the codes for p; its safe half (p - 1) / 2 matters if there is no q. */
static int dh_check_prime(const m2_dh *dh, BN_CTX *context)
{
    const BIGNUM *p = dh->numbers[M2_FFC_P];
    BIGNUM *half = BN_new();
    int codes = -1;

    if (half == NULL || BN_rshift1(half, p) != 1)
        goto done;
    codes = 0;
    if (m2_compat_is_prime(p, context) != 1)
        codes |= DH_P_IS_NOT_PRIME;
    else if (dh->numbers[M2_FFC_Q] == NULL && m2_compat_is_prime(half, context) != 1)
        codes |= DH_P_IS_NOT_SAFE;
done:
    BN_free(half);
    return codes;
}

/* Return the codes for q, which must be a prime factor of p - 1 and the order of g. */
static int dh_check_order(const m2_dh *dh, BN_CTX *context)
{
    const BIGNUM *p = dh->numbers[M2_FFC_P];
    const BIGNUM *q = dh->numbers[M2_FFC_Q];
    BIGNUM *number;
    int codes = -1;

    /* OpenSSL refuses such a q, whose tests would take hours if it is long (DH_check(3)). */
    if (BN_cmp(q, p) >= 0)
        return DH_Q_IS_INVALID;
    number = BN_new();
    if (number == NULL || BN_mod(number, p, q, context) != 1)
        goto done;
    codes = BN_is_one(number) ? 0 : DH_Q_IS_INVALID;
    if (m2_compat_is_prime(q, context) != 1)
        codes |= DH_Q_IS_NOT_PRIME;
    if (!BN_is_odd(p))
        goto done;
    if (BN_mod_exp(number, dh->numbers[M2_FFC_G], q, p, context) != 1)
        codes = -1;
    else if (!BN_is_one(number))
        codes |= DH_G_IS_NOT_SUITABLE;
done:
    BN_free(number);
    return codes;
}

m2_number m2_dh_check(const m2_dh *dh)
{
    const BIGNUM *p = dh->numbers[M2_FFC_P];
    const BIGNUM *g = dh->numbers[M2_FFC_G];
    BN_CTX *context = NULL;
    BIGNUM *largest = NULL;
    int codes = -1;
    int of_order = 0;

    if (m2_ffc_parameters(dh) == NULL)
        return -1;
    /* OpenSSL tests larger numbers for primality for hours. */
    if (BN_num_bits(p) > 10000) {
        m2_error("the modulus exceeds OpenSSL's maximum");
        return -1;
    }
    context = BN_CTX_new();
    largest = BN_dup(p);
    if (context == NULL || largest == NULL || BN_sub_word(largest, 1) != 1)
        goto done;
    codes = dh_check_prime(dh, context);
    if (codes >= 0 && dh->numbers[M2_FFC_Q] != NULL)
        of_order = dh_check_order(dh, context);
    codes = codes < 0 || of_order < 0 ? -1 : codes | of_order;
    if (codes >= 0 && (BN_is_one(g) || BN_cmp(g, largest) >= 0))
        codes |= DH_G_IS_NOT_SUITABLE;
done:
    BN_free(largest);
    BN_CTX_free(context);
    return codes;
}

/* ---- loading and saving ------------------------------------------------------------------- */

m2_dh *m2_dh_read_parameters(BIO *bio)
{
    return m2_ffc_wrap(m2_compat_ffc_read(bio, DH_TYPE, NULL), DH_TYPE);
}

m2_status m2_dh_write_parameters(const m2_dh *dh, BIO *bio)
{
    EVP_PKEY *key = m2_ffc_parameters(dh);

    return key == NULL ? 0 : PEM_write_bio_Parameters(bio, key);
}

m2_status m2_dhparams_print(BIO *bio, const m2_dh *dh)
{
    EVP_PKEY *key = m2_ffc_parameters(dh);

    return key == NULL ? 0 : EVP_PKEY_print_params(bio, key, 0, NULL);
}

EVP_PKEY *m2_pkey_from_dh(const m2_dh *dh)
{
    EVP_PKEY *key = m2_ffc_public(dh);

    if (key != NULL)
        EVP_PKEY_up_ref(key);
    return key;
}

m2_dh *m2_pkey_get1_dh(const EVP_PKEY *pkey)
{
    EVP_PKEY_up_ref((EVP_PKEY *)pkey);
    return m2_ffc_wrap((EVP_PKEY *)pkey, DH_TYPE);
}

/* ---- key agreement ------------------------------------------------------------------------ */

/* Return a key with the parameters of `dh` and another public key. */
static EVP_PKEY *dh_peer(const m2_dh *dh, m2_buffer number)
{
    m2_dh *peer = m2_dh_new();
    EVP_PKEY *key = NULL;
    BIGNUM *public = m2_mpi_to_bn(number);
    int i;

    if (peer == NULL || public == NULL)
        goto done;
    if (BN_is_zero(public) || BN_is_negative(public)) {
        m2_error("the public key of the peer must be positive");
        goto done;
    }
    for (i = M2_FFC_P; i <= M2_FFC_G; i++)
        peer->numbers[i] = dh->numbers[i] == NULL ? NULL : BN_dup(dh->numbers[i]);
    peer->numbers[M2_FFC_PUBLIC] = public;
    public = NULL;
    key = m2_compat_ffc_key(DH_TYPE, peer->numbers);
done:
    BN_free(public);
    m2_dh_free(peer);
    return key;
}

m2_bytes m2_dh_compute_key(const m2_dh *dh, m2_buffer number)
{
    const m2_buffer nothing = {NULL, 0};
    EVP_PKEY *key = m2_ffc_private(dh);
    EVP_PKEY *peer = key == NULL ? NULL : dh_peer(dh, number);
    EVP_PKEY_CTX *context = peer == NULL ? NULL : m2_pkey_begin(key, EVP_PKEY_derive_init);

    if (context != NULL && EVP_PKEY_derive_set_peer(context, peer) <= 0) {
        EVP_PKEY_CTX_free(context);
        context = NULL;
    }
    EVP_PKEY_free(peer);
    return m2_pkey_operate(context, m2_derive_operation, nothing);
}

#else

/* ISO C has no empty translation unit. */
typedef int dh_is_left_out;

#endif
