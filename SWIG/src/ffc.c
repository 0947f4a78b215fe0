/*
 * DSA and DH keys (ffc.h).
 */
#include <string.h>

#include "m2.h"
#include "bn.h"
#include "ffc.h"
#include "compat.h"
#include "compat_keys.h"
#include "evp.h"
#include "keys.h"

/* OpenSSL's maximum (OPENSSL_DSA_MAX_MODULUS_BITS, OPENSSL_DH_MAX_MODULUS_BITS). */
#define MAX_BITS 10000
#define MIN_ORDER_BITS 128

m2_ffc *m2_ffc_new(const char *type)
{
    m2_ffc *ffc = OPENSSL_zalloc(sizeof(*ffc));

    if (ffc != NULL)
        ffc->type = type;
    return ffc;
}

static void ffc_clear(m2_ffc *ffc, m2_ffc_number from)
{
    int i;

    for (i = (int)from; i < M2_FFC_NUMBERS; i++) {
        BN_clear_free(ffc->numbers[i]);
        ffc->numbers[i] = NULL;
    }
    EVP_PKEY_free(ffc->key);
    ffc->key = NULL;
}

void m2_ffc_free(m2_ffc *ffc)
{
    if (ffc == NULL)
        return;
    ffc_clear(ffc, M2_FFC_P);
    OPENSSL_free(ffc);
}

m2_ffc *m2_ffc_dup(const m2_ffc *ffc)
{
    m2_ffc *copy = m2_ffc_new(ffc->type);
    int i;

    for (i = 0; copy != NULL && i < M2_FFC_NUMBERS; i++) {
        if (ffc->numbers[i] == NULL)
            continue;
        copy->numbers[i] = BN_dup(ffc->numbers[i]);
        if (copy->numbers[i] == NULL) {
            m2_ffc_free(copy);
            copy = NULL;
        }
    }
    if (copy != NULL && ffc->key != NULL) {
        EVP_PKEY_up_ref(ffc->key);
        copy->key = ffc->key;
    }
    return copy;
}

/* ---- errors that name the type ------------------------------------------------------------ */

static void ffc_error(int reason, const char *before, const char *type, const char *after)
{
    m2_compat_queue_error(reason);
    ERR_add_error_data(3, before, type, after);
}

EVP_PKEY *m2_ffc_parameters(const m2_ffc *ffc)
{
    if (ffc->key == NULL)
        ffc_error(ERR_R_OPERATION_FAIL, "the ", ffc->type, " key has no domain parameters");
    return ffc->key;
}

static EVP_PKEY *ffc_with(const m2_ffc *ffc, m2_ffc_number which, const char *lack)
{
    EVP_PKEY *key = m2_ffc_parameters(ffc);

    if (key == NULL || ffc->numbers[which] != NULL)
        return key;
    ffc_error(ERR_R_OPERATION_FAIL, "the ", ffc->type, lack);
    return NULL;
}

EVP_PKEY *m2_ffc_public(const m2_ffc *ffc)
{
    return ffc_with(ffc, M2_FFC_PUBLIC, " key has no public part; generate one with gen_key");
}

EVP_PKEY *m2_ffc_private(const m2_ffc *ffc)
{
    return ffc_with(ffc, M2_FFC_PRIVATE, " key has no private part");
}

/* ---- keys from OpenSSL -------------------------------------------------------------------- */

static int ffc_is_of_type(const EVP_PKEY *key, const char *type)
{
    const char *name = m2_compat_type_name(key);

    return m2_is_key_type(name, type) ||
           (m2_is_key_type(type, "DH") && m2_is_key_type(name, "DHX"));
}

m2_ffc *m2_ffc_wrap(EVP_PKEY *key, const char *type)
{
    m2_ffc *ffc = NULL;
    int i;

    if (key == NULL)
        return NULL;
    if (!ffc_is_of_type(key, type))
        ffc_error(M2_REASON_KEY_TYPE, "the key is not a ", type, " key");
    else
        ffc = m2_ffc_new(type);
    if (ffc == NULL) {
        EVP_PKEY_free(key);
        return NULL;
    }
    ffc->key = key;
    for (i = 0; i < M2_FFC_NUMBERS; i++)
        ffc->numbers[i] = m2_compat_ffc_number(key, (m2_ffc_number)i);
    if (ffc->numbers[M2_FFC_P] == NULL || ffc->numbers[M2_FFC_G] == NULL)
        m2_error("the key has no domain parameters (RFC 3279, section 2.3.2)");
    else if (m2_ffc_order_is_safe(key))
        return ffc;
    m2_ffc_free(ffc);
    return NULL;
}

/* ---- keys from numbers -------------------------------------------------------------------- */

int m2_ffc_order_is_safe(const EVP_PKEY *pkey)
{
    BIGNUM *order = m2_compat_ffc_number(pkey, M2_FFC_Q);
    int safe = order == NULL || BN_num_bits(order) >= MIN_ORDER_BITS;

    BN_free(order);
    if (!safe)
        m2_error("the order q of the key is too small");
    return safe;
}

/* Replace a number that is positive and has at most `bits` bits. */
static int ffc_set(m2_ffc *ffc, m2_ffc_number which, m2_buffer mpi, int bits)
{
    BIGNUM *number = m2_mpi_to_bn(mpi);

    if (number == NULL)
        return 0;
    if (BN_is_zero(number) || BN_is_negative(number) || BN_num_bits(number) > bits) {
        ffc_error(ERR_R_OPERATION_FAIL, "a number of a ", ffc->type,
                  " key must be positive and not exceed OpenSSL's maximum");
        BN_clear_free(number);
        return 0;
    }
    BN_clear_free(ffc->numbers[which]);
    ffc->numbers[which] = number;
    return 1;
}

static int ffc_build(m2_ffc *ffc)
{
    EVP_PKEY_free(ffc->key);
    ffc->key = m2_compat_ffc_key(ffc->type, ffc->numbers);
    return ffc->key != NULL && m2_ffc_order_is_safe(ffc->key);
}

int m2_ffc_set_parameters(m2_ffc *ffc, const m2_buffer *p, const m2_buffer *q, const m2_buffer *g)
{
    ffc_clear(ffc, M2_FFC_P);
    if (ffc_set(ffc, M2_FFC_P, *p, MAX_BITS) &&
        (q == NULL || ffc_set(ffc, M2_FFC_Q, *q, MAX_BITS)) &&
        ffc_set(ffc, M2_FFC_G, *g, MAX_BITS) && ffc_build(ffc))
        return 1;
    ffc_clear(ffc, M2_FFC_P);
    return 0;
}

int m2_ffc_set_public(m2_ffc *ffc, m2_buffer number)
{
    if (m2_ffc_parameters(ffc) == NULL)
        return 0;
    if (ffc->numbers[M2_FFC_PRIVATE] != NULL) {
        m2_error("the public key cannot be changed, because the private key is set");
        return 0;
    }
    return ffc_set(ffc, M2_FFC_PUBLIC, number, MAX_BITS) && ffc_build(ffc);
}

m2_bytes m2_ffc_get(const m2_ffc *ffc, m2_ffc_number which)
{
    m2_bytes bytes = {NULL, 0};

    if (ffc->numbers[which] != NULL)
        return m2_bn_to_mpi(ffc->numbers[which]);
    ffc_error(ERR_R_OPERATION_FAIL, "this value of the ", ffc->type, " key is not set");
    return bytes;
}

int m2_ffc_bits(const m2_ffc *ffc)
{
    return m2_ffc_parameters(ffc) == NULL ? -1 : BN_num_bits(ffc->numbers[M2_FFC_P]);
}

int m2_ffc_generate(m2_ffc *ffc)
{
    EVP_PKEY *parameters = m2_ffc_parameters(ffc);
    EVP_PKEY_CTX *context = parameters == NULL ? NULL : EVP_PKEY_CTX_new(parameters, NULL);
    EVP_PKEY *key = NULL;
    m2_ffc *generated = NULL;
    m2_ffc former = *ffc;

    if (context != NULL && EVP_PKEY_keygen_init(context) > 0 && EVP_PKEY_keygen(context, &key) > 0)
        generated = m2_ffc_wrap(key, ffc->type);
    EVP_PKEY_CTX_free(context);
    if (generated == NULL)
        return 0;
    *ffc = *generated;
    *generated = former;
    m2_ffc_free(generated);
    return 1;
}

/* ---- checks ------------------------------------------------------------------------------- */

/* Return whether base^exponent mod p is `expected`: 1, 0 or -1. The exponent is secret. */
static int ffc_power_is(const BIGNUM *base, const BIGNUM *exponent, const BIGNUM *p,
                        const BIGNUM *expected)
{
    BN_CTX *context = BN_CTX_new();
    BIGNUM *power = BN_new();
    int result = -1;

    if (context != NULL && power != NULL &&
        BN_mod_exp_mont_consttime(power, base, exponent, p, context, NULL) == 1)
        result = BN_cmp(power, expected) == 0;
    BN_clear_free(power);
    BN_CTX_free(context);
    return result;
}

int m2_ffc_check_public(const m2_ffc *ffc)
{
    const BIGNUM *p = ffc->numbers[M2_FFC_P];
    const BIGNUM *key = ffc->numbers[M2_FFC_PUBLIC];

    if (m2_ffc_public(ffc) == NULL)
        return -1;
    if (!BN_is_odd(p) || BN_is_one(p) || BN_is_one(key) || BN_cmp(key, p) >= 0)
        return 0;
    return ffc->numbers[M2_FFC_Q] == NULL
               ? 1
               : ffc_power_is(key, ffc->numbers[M2_FFC_Q], p, BN_value_one());
}

int m2_ffc_check_private(const m2_ffc *ffc)
{
    int valid = m2_ffc_private(ffc) == NULL ? -1 : m2_ffc_check_public(ffc);

    return valid <= 0 ? valid
                      : ffc_power_is(ffc->numbers[M2_FFC_G], ffc->numbers[M2_FFC_PRIVATE],
                                     ffc->numbers[M2_FFC_P], ffc->numbers[M2_FFC_PUBLIC]);
}
