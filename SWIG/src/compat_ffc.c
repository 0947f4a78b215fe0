/*
 * What differs between OpenSSL 1.1.1 and 3.x in DSA and DH keys, with one implementation for each.
 */
#include <string.h>

#include <openssl/dh.h>
#include <openssl/pem.h>
#ifndef OPENSSL_NO_DSA
#include <openssl/dsa.h>
#endif

#include "compat.h"
#include "ffc.h"
#include "keys.h"

#if OPENSSL_VERSION_NUMBER >= 0x30000000L
#include <openssl/decoder.h>
#endif
#if OPENSSL_VERSION_NUMBER < 0x30000000L

/* ---- OpenSSL 1.1.1 ------------------------------------------------------------------------ */

static BIGNUM *ffc_dup(const BIGNUM *number)
{
    return number == NULL ? NULL : BN_dup(number);
}

/* Return a key of the type that owns `object`, of which it frees what it does not return. */
static EVP_PKEY *ffc_assign(int type, void *object)
{
    EVP_PKEY *key = object == NULL ? NULL : EVP_PKEY_new();

    if (key != NULL && EVP_PKEY_assign(key, type, object) == 1)
        return key;
    EVP_PKEY_free(key);
#ifndef OPENSSL_NO_DSA
    if (type == EVP_PKEY_DSA)
        DSA_free(object);
#endif
#ifndef OPENSSL_NO_DH
    if (type != EVP_PKEY_DSA)
        DH_free(object);
#endif
    return NULL;
}

#ifndef OPENSSL_NO_DSA
static EVP_PKEY *ffc_dsa_key(BIGNUM *const numbers[M2_FFC_NUMBERS])
{
    DSA *dsa = DSA_new();
    BIGNUM *p = ffc_dup(numbers[M2_FFC_P]);
    BIGNUM *q = ffc_dup(numbers[M2_FFC_Q]);
    BIGNUM *g = ffc_dup(numbers[M2_FFC_G]);
    BIGNUM *public = ffc_dup(numbers[M2_FFC_PUBLIC]);
    BIGNUM *private = ffc_dup(numbers[M2_FFC_PRIVATE]);

    if (dsa == NULL || DSA_set0_pqg(dsa, p, q, g) != 1)
        goto failed;
    p = q = g = NULL;
    if (public != NULL && DSA_set0_key(dsa, public, private) != 1)
        goto failed;
    return ffc_assign(EVP_PKEY_DSA, dsa);
failed:
    BN_free(p);
    BN_free(q);
    BN_free(g);
    BN_free(public);
    BN_clear_free(private);
    DSA_free(dsa);
    return NULL;
}
#endif

#ifndef OPENSSL_NO_DH
static EVP_PKEY *ffc_dh_key(BIGNUM *const numbers[M2_FFC_NUMBERS])
{
    DH *dh = DH_new();
    BIGNUM *p = ffc_dup(numbers[M2_FFC_P]);
    BIGNUM *q = ffc_dup(numbers[M2_FFC_Q]);
    BIGNUM *g = ffc_dup(numbers[M2_FFC_G]);
    BIGNUM *public = ffc_dup(numbers[M2_FFC_PUBLIC]);
    BIGNUM *private = ffc_dup(numbers[M2_FFC_PRIVATE]);
    int type = q == NULL ? EVP_PKEY_DH : EVP_PKEY_DHX;

    if (dh == NULL || DH_set0_pqg(dh, p, q, g) != 1)
        goto failed;
    p = q = g = NULL;
    if (public != NULL && DH_set0_key(dh, public, private) != 1)
        goto failed;
    return ffc_assign(type, dh);
failed:
    BN_free(p);
    BN_free(q);
    BN_free(g);
    BN_free(public);
    BN_clear_free(private);
    DH_free(dh);
    return NULL;
}
#endif

EVP_PKEY *m2_compat_ffc_key(const char *type, BIGNUM *const numbers[M2_FFC_NUMBERS])
{
    EVP_PKEY *key = NULL;

#ifndef OPENSSL_NO_DSA
    if (strcmp(type, "DSA") == 0)
        key = ffc_dsa_key(numbers);
#endif
#ifndef OPENSSL_NO_DH
    if (strcmp(type, "DH") == 0)
        key = ffc_dh_key(numbers);
#endif
    return key;
}

BIGNUM *m2_compat_ffc_number(const EVP_PKEY *pkey, m2_ffc_number which)
{
    const BIGNUM *numbers[M2_FFC_NUMBERS] = {NULL};
    int type = EVP_PKEY_base_id(pkey);

#ifndef OPENSSL_NO_DSA
    if (type == EVP_PKEY_DSA) {
        const DSA *dsa = EVP_PKEY_get0_DSA((EVP_PKEY *)pkey);

        DSA_get0_pqg(dsa, &numbers[M2_FFC_P], &numbers[M2_FFC_Q], &numbers[M2_FFC_G]);
        DSA_get0_key(dsa, &numbers[M2_FFC_PUBLIC], &numbers[M2_FFC_PRIVATE]);
    }
#endif
#ifndef OPENSSL_NO_DH
    if (type == EVP_PKEY_DH || type == EVP_PKEY_DHX) {
        const DH *dh = EVP_PKEY_get0_DH((EVP_PKEY *)pkey);

        DH_get0_pqg(dh, &numbers[M2_FFC_P], &numbers[M2_FFC_Q], &numbers[M2_FFC_G]);
        DH_get0_key(dh, &numbers[M2_FFC_PUBLIC], &numbers[M2_FFC_PRIVATE]);
        if (type == EVP_PKEY_DH)
            numbers[M2_FFC_Q] = NULL;
    }
#endif
    return ffc_dup(numbers[which]);
}

EVP_PKEY *m2_compat_ffc_read(BIO *bio, const char *type, m2_callback passphrase)
{
    EVP_PKEY *key = NULL;

#ifndef OPENSSL_NO_DSA
    if (strcmp(type, "DSA") == 0)
        key = ffc_assign(EVP_PKEY_DSA, PEM_read_bio_DSAparams(bio, NULL, m2_password, passphrase));
#endif
#ifndef OPENSSL_NO_DH
    if (strcmp(type, "DH") == 0) {
        DH *dh = PEM_read_bio_DHparams(bio, NULL, m2_password, passphrase);
        int has_order = dh != NULL && DH_get0_q(dh) != NULL;

        key = ffc_assign(has_order ? EVP_PKEY_DHX : EVP_PKEY_DH, dh);
    }
#endif
    return key;
}

int m2_compat_is_prime(const BIGNUM *number, BN_CTX *context)
{
    return BN_is_prime_ex(number, BN_prime_checks, context, NULL);
}

#else

/* ---- OpenSSL 3.0 and later ---------------------------------------------------------------- */

#include <openssl/core_names.h>
#include <openssl/param_build.h>
#include <openssl/params.h>

static const char *const NAMES[M2_FFC_NUMBERS] = {OSSL_PKEY_PARAM_FFC_P, OSSL_PKEY_PARAM_FFC_Q,
                                                  OSSL_PKEY_PARAM_FFC_G, OSSL_PKEY_PARAM_PUB_KEY,
                                                  OSSL_PKEY_PARAM_PRIV_KEY};

EVP_PKEY *m2_compat_ffc_key(const char *type, BIGNUM *const numbers[M2_FFC_NUMBERS])
{
    int is_dhx = strcmp(type, "DH") == 0 && numbers[M2_FFC_Q] != NULL;
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, is_dhx ? "DHX" : type, NULL);
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    OSSL_PARAM *params = NULL;
    EVP_PKEY *key = NULL;
    int selection = EVP_PKEY_KEY_PARAMETERS;
    int i;

    if (numbers[M2_FFC_PUBLIC] != NULL)
        selection = numbers[M2_FFC_PRIVATE] == NULL ? EVP_PKEY_PUBLIC_KEY : EVP_PKEY_KEYPAIR;
    if (context == NULL || builder == NULL)
        goto done;
    for (i = 0; i < M2_FFC_NUMBERS; i++) {
        if (numbers[i] != NULL && !OSSL_PARAM_BLD_push_BN(builder, NAMES[i], numbers[i]))
            goto done;
    }
    params = OSSL_PARAM_BLD_to_param(builder);
    if (params == NULL || EVP_PKEY_fromdata_init(context) <= 0 ||
        EVP_PKEY_fromdata(context, &key, selection, params) <= 0)
        key = NULL;
done:
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(builder);
    EVP_PKEY_CTX_free(context);
    return key;
}

BIGNUM *m2_compat_ffc_number(const EVP_PKEY *pkey, m2_ffc_number which)
{
    BIGNUM *number = NULL;
    int is_dh = EVP_PKEY_is_a(pkey, "DH");

    if (!is_dh && !EVP_PKEY_is_a(pkey, "DHX") && !EVP_PKEY_is_a(pkey, "DSA"))
        return NULL;
    /* A DH key of a named group has an order, which its encoding leaves out. */
    if (is_dh && which == M2_FFC_Q)
        return NULL;
    ERR_set_mark();
    EVP_PKEY_get_bn_param(pkey, NAMES[which], &number);
    ERR_pop_to_mark();
    /* For a number that is not there OpenSSL can return 0. */
    if (number != NULL && BN_is_zero(number)) {
        BN_free(number);
        number = NULL;
    }
    return number;
}

/* Return the domain parameters in DER. d2i_KeyParams makes legacy keys. */
static EVP_PKEY *ffc_decode_parameters(const char *type, const unsigned char *der, size_t length)
{
    EVP_PKEY *key = NULL;
    OSSL_DECODER_CTX *context =
        OSSL_DECODER_CTX_new_for_pkey(&key, "DER", NULL, type, EVP_PKEY_KEY_PARAMETERS, NULL, NULL);

    if (context != NULL)
        OSSL_DECODER_from_data(context, &der, &length);
    OSSL_DECODER_CTX_free(context);
    return key;
}

EVP_PKEY *m2_compat_ffc_read(BIO *bio, const char *type, m2_callback passphrase)
{
    int is_dsa = strcmp(type, "DSA") == 0;
    unsigned char *der = NULL;
    char *label = NULL;
    EVP_PKEY *key = NULL;
    long length = 0;

    /* PEM_read_bio_Parameters would prompt for the passphrase of an encrypted file. */
    if (PEM_bytes_read_bio(&der, &length, &label,
                           is_dsa ? PEM_STRING_DSAPARAMS : PEM_STRING_DHPARAMS, bio, m2_password,
                           passphrase) != 1)
        return NULL;
    if (!is_dsa)
        type = strcmp(label, PEM_STRING_DHXPARAMS) == 0 ? "DHX" : "DH";
    key = ffc_decode_parameters(type, der, (size_t)length);
    OPENSSL_free(label);
    OPENSSL_free(der);
    return key;
}

int m2_compat_is_prime(const BIGNUM *number, BN_CTX *context)
{
    return BN_check_prime(number, context, NULL);
}

#endif
