/*
 * Providers, and the stores that they open (provider.h).
 */
#include <string.h>

#include "algorithms.h"
#include "m2.h"
#include "evp.h"
#include "provider.h"

#if OPENSSL_VERSION_NUMBER >= 0x30000000L

#include <openssl/conf.h>
#include <openssl/core_names.h>
#include <openssl/params.h>
#include <openssl/store.h>
#include <openssl/ui.h>

/* The parameter of pkcs11-provider's key generation. */
#define PARAM_PKCS11_URI "pkcs11_uri"

/* ---- providers ---------------------------------------------------------------------------- */

static int provider_configure(m2_buffer configuration)
{
    BIO *text = NULL;
    CONF *conf = NULL;
    long line = 0;
    int status = 0;

    text = BIO_new_mem_buf(configuration.data, (int)configuration.length);
    conf = NCONF_new(NULL);
    if (text != NULL && conf != NULL && NCONF_load_bio(conf, text, &line) == 1)
        status = CONF_modules_load(conf, NULL, 0);
    NCONF_free(conf);
    BIO_free(text);
    return status;
}

OSSL_PROVIDER *m2_provider_load(const char *name, m2_buffer configuration)
{
    if (configuration.data != NULL && provider_configure(configuration) <= 0)
        return NULL;
    m2_algorithms_forget();
    return OSSL_PROVIDER_try_load(NULL, name, 1);
}

m2_status m2_provider_unload(OSSL_PROVIDER *provider)
{
    /* The cache keeps the provider's algorithms. */
    m2_algorithms_forget();
    return OSSL_PROVIDER_unload(provider);
}

const char *m2_provider_get_name(const OSSL_PROVIDER *provider)
{
    return OSSL_PROVIDER_get0_name(provider);
}

const char *m2_provider_get_text(const OSSL_PROVIDER *provider, const char *key)
{
    char *text = NULL;
    OSSL_PARAM params[2];

    params[0] = OSSL_PARAM_construct_utf8_ptr(key, &text, 0);
    params[1] = OSSL_PARAM_construct_end();
    ERR_set_mark();
    if (OSSL_PROVIDER_get_params(provider, params) != 1)
        text = NULL;
    ERR_pop_to_mark();
    return text;
}

m2_verdict m2_provider_get_status(const OSSL_PROVIDER *provider)
{
    int running = 0;
    OSSL_PARAM params[2];

    params[0] = OSSL_PARAM_construct_int(OSSL_PROV_PARAM_STATUS, &running);
    params[1] = OSSL_PARAM_construct_end();
    return OSSL_PROVIDER_get_params(provider, params) == 1 && running == 1;
}

m2_verdict m2_provider_self_test(const OSSL_PROVIDER *provider)
{
    return OSSL_PROVIDER_self_test(provider) == 1;
}

m2_verdict m2_provider_available(const char *name)
{
    return OSSL_PROVIDER_available(NULL, name) == 1;
}

static int provider_add_name(OSSL_PROVIDER *provider, void *names)
{
    return BIO_printf(names, "%s\n", OSSL_PROVIDER_get0_name(provider)) > 0;
}

m2_bytes m2_provider_names(void)
{
    BIO *names = BIO_new(BIO_s_mem());

    if (names != NULL && OSSL_PROVIDER_do_all(NULL, provider_add_name, names) != 1) {
        BIO_free(names);
        names = NULL;
    }
    return m2_bytes_from_bio(names);
}

m2_status m2_provider_set_default_properties(const char *query)
{
    return m2_set_default_properties(query);
}

m2_status m2_provider_enable_fips(int enable)
{
    int status = EVP_default_properties_enable_fips(NULL, enable != 0);

    m2_algorithms_forget();
    return status;
}

/* ---- stores ------------------------------------------------------------------------------- */

/* Return the value for a type of object: 0 for one that is of no use. */
typedef int (*store_rank)(int type);

static int store_rank_of_key(int type)
{
    return type == OSSL_STORE_INFO_PKEY ? 2 : type == OSSL_STORE_INFO_PUBKEY;
}

static int store_rank_of_certificate(int type)
{
    return type == OSSL_STORE_INFO_CERT;
}

/* Return the first of the most valuable objects at a URI; NULL with an error queued if there is
 * none. */
static OSSL_STORE_INFO *store_load(const char *uri, const char *query, m2_callback pin,
                                   store_rank rank)
{
    UI_METHOD *prompt = UI_UTIL_wrap_read_pem_callback(m2_password, 0);
    OSSL_STORE_CTX *store = NULL;
    OSSL_STORE_INFO *found = NULL;
    int found_rank = 0;

    if (prompt != NULL)
        store = OSSL_STORE_open_ex(uri, NULL, query, prompt, pin, NULL, NULL, NULL);
    while (store != NULL && !OSSL_STORE_eof(store)) {
        OSSL_STORE_INFO *info = OSSL_STORE_load(store);
        int info_rank = info == NULL ? 0 : rank(OSSL_STORE_INFO_get_type(info));

        if (info_rank > found_rank) {
            OSSL_STORE_INFO_free(found);
            found = info;
            found_rank = info_rank;
        } else {
            OSSL_STORE_INFO_free(info);
        }
        if (info == NULL && OSSL_STORE_error(store))
            break;
    }
    OSSL_STORE_close(store);
    UI_destroy_method(prompt);
    if (store != NULL && found == NULL && ERR_peek_error() == 0)
        m2_error("there is no such object at the URI");
    return found;
}

EVP_PKEY *m2_provider_load_key(const char *uri, const char *query, m2_callback pin)
{
    OSSL_STORE_INFO *info = store_load(uri, query, pin, store_rank_of_key);
    EVP_PKEY *key = NULL;

    if (info != NULL && OSSL_STORE_INFO_get_type(info) == OSSL_STORE_INFO_PKEY)
        key = OSSL_STORE_INFO_get1_PKEY(info);
    else if (info != NULL)
        key = m2_pkey_copy_public(OSSL_STORE_INFO_get0_PUBKEY(info));
    OSSL_STORE_INFO_free(info);
    return key;
}

X509 *m2_provider_load_certificate(const char *uri, const char *query, m2_callback pin)
{
    OSSL_STORE_INFO *info = store_load(uri, query, pin, store_rank_of_certificate);
    m2_bytes der = {NULL, 0};
    X509 *certificate = NULL;

    if (info != NULL)
        der = M2_DER(X509, OSSL_STORE_INFO_get0_CERT(info));
    if (der.data != NULL) {
        const unsigned char *at = der.data;

        /* The certificate of the store would be verified with the query, by the provider alone. */
        certificate = d2i_X509(NULL, &at, (long)der.length);
    }
    m2_bytes_free(&der);
    OSSL_STORE_INFO_free(info);
    return certificate;
}

/* ---- key generation ----------------------------------------------------------------------- */

static EVP_PKEY *provider_generate(const char *type, const char *query, const char *object,
                                   OSSL_PARAM *params, OSSL_PARAM *end)
{
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, type, query);
    EVP_PKEY *key = NULL;

    if (object != NULL)
        *end++ = OSSL_PARAM_construct_utf8_string(PARAM_PKCS11_URI, (char *)object, 0);
    *end = OSSL_PARAM_construct_end();
    if (context == NULL || EVP_PKEY_keygen_init(context) <= 0 ||
        EVP_PKEY_CTX_set_params(context, params) <= 0 || EVP_PKEY_generate(context, &key) <= 0)
        key = NULL;
    EVP_PKEY_CTX_free(context);
    return key;
}

EVP_PKEY *m2_provider_generate_rsa(const char *query, int bits, unsigned long exponent,
                                   const char *object)
{
    OSSL_PARAM params[4];
    size_t size = (size_t)bits;

    if (bits < 0) {
        m2_error("a key has no negative number of bits");
        return NULL;
    }
    params[0] = OSSL_PARAM_construct_size_t(OSSL_PKEY_PARAM_RSA_BITS, &size);
    params[1] = OSSL_PARAM_construct_ulong(OSSL_PKEY_PARAM_RSA_E, &exponent);
    return provider_generate("RSA", query, object, params, params + 2);
}

#ifndef OPENSSL_NO_EC
EVP_PKEY *m2_provider_generate_ec(const char *query, const char *curve, const char *object)
{
    OSSL_PARAM params[3];

    params[0] = OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char *)curve, 0);
    return provider_generate("EC", query, object, params, params + 1);
}
#endif

#endif
