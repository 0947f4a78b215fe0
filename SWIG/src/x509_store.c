/* Stores of trusted certificates, and the verification of a chain (X509_STORE_CTX_new(3),
 * X509_STORE_set_verify_cb_func(3), X509_verify_cert(3)). */
#include <openssl/x509_vfy.h>

#include "m2.h"
#include "compat.h"
#include "x509_stack.h"
#include "x509_store.h"
#include "x509_callbacks.h"
#include "x509_crl_lookup.h"

X509_STORE *m2_x509_store_new(void)
{
    X509_STORE *store = X509_STORE_new();

    if (store != NULL)
        m2_crl_lookup_install(store);
    return store;
}

m2_status m2_x509_store_load_locations(X509_STORE *store, const char *file)
{
    return m2_store_load_file(store, file);
}

m2_x509_stack *m2_x509_store_get_certificates(X509_STORE *store)
{
    m2_x509_stack *certificates = m2_sk_x509_new_null();
    STACK_OF(X509_OBJECT) *objects = m2_compat_store_objects_begin(store);
    int i;

    for (i = 0; certificates != NULL && i < sk_X509_OBJECT_num(objects); i++) {
        X509 *certificate = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(objects, i));

        if (certificate != NULL && !m2_sk_x509_push(certificates, certificate)) {
            m2_sk_x509_free(certificates);
            certificates = NULL;
        }
    }
    m2_compat_store_objects_end(store, objects);
    return certificates;
}

m2_x509_crl_stack *m2_x509_store_get_crls(X509_STORE *store)
{
    m2_x509_crl_stack *crls = m2_sk_x509_crl_new_null();
    STACK_OF(X509_OBJECT) *objects = m2_compat_store_objects_begin(store);
    int i;

    for (i = 0; crls != NULL && i < sk_X509_OBJECT_num(objects); i++) {
        X509_CRL *crl = X509_OBJECT_get0_X509_CRL(sk_X509_OBJECT_value(objects, i));

        if (crl != NULL && !m2_sk_x509_crl_push(crls, crl)) {
            m2_sk_x509_crl_free(crls);
            crls = NULL;
        }
    }
    m2_compat_store_objects_end(store, objects);
    return crls;
}

m2_status m2_x509_store_clear_flags(X509_STORE *store, unsigned long flags)
{
    return X509_VERIFY_PARAM_clear_flags(X509_STORE_get0_param(store), flags);
}

m2_status m2_x509_store_set_verify_cb(X509_STORE *store, m2_callback callback)
{
    if (!m2_verify_callback_set(store, callback))
        return 0;
    X509_STORE_set_verify_cb(store, callback == NULL ? NULL : m2_verify_callback);
    return 1;
}

m2_x509_store_ctx *m2_x509_store_ctx_new(void)
{
    m2_x509_store_ctx *context = OPENSSL_zalloc(sizeof(*context));

    if (context == NULL)
        return NULL;
    context->context = X509_STORE_CTX_new();
    if (context->context == NULL) {
        OPENSSL_free(context);
        context = NULL;
    }
    return context;
}

/* The X509_STORE_CTX goes first: it has pointers into the others. */
static void store_release_parts(m2_x509_store_ctx *context)
{
    X509_STORE_CTX_free(context->context);
    X509_STORE_free(context->store);
    X509_free(context->certificate);
    sk_X509_pop_free(context->untrusted, X509_free);
    sk_X509_CRL_pop_free(context->crls, X509_CRL_free);
}

void m2_x509_store_ctx_free(m2_x509_store_ctx *context)
{
    if (context == NULL || context->lent)
        return;
    store_release_parts(context);
    OPENSSL_free(context);
}

static int store_is_own(const m2_x509_store_ctx *context)
{
    if (!context->lent)
        return 1;
    m2_error("a callback cannot start or modify the verification that calls it");
    return 0;
}

m2_status m2_x509_store_ctx_init(m2_x509_store_ctx *context, X509_STORE *store, X509 *certificate,
                                 m2_x509_stack *untrusted)
{
    m2_x509_store_ctx parts = {0};

    if (!store_is_own(context))
        return 0;
    parts.context = X509_STORE_CTX_new();
    parts.store = X509_STORE_up_ref(store) == 1 ? store : NULL;
    parts.certificate = X509_up_ref(certificate) == 1 ? certificate : NULL;
    parts.untrusted = untrusted == NULL ? NULL : X509_chain_up_ref(untrusted);
    parts.crls = sk_X509_CRL_new_null();
    if (parts.context == NULL || parts.store == NULL || parts.certificate == NULL ||
        (untrusted != NULL && parts.untrusted == NULL) || parts.crls == NULL ||
        X509_STORE_CTX_init(parts.context, store, certificate, parts.untrusted) != 1) {
        store_release_parts(&parts);
        return 0;
    }
    store_release_parts(context);
    *context = parts;
    return m2_crl_lookup_set_list(context);
}

/* Return 1 after init, before which OpenSSL dereferences NULL; 0 with an error queued. */
static int store_is_begun(const m2_x509_store_ctx *context, const char *message)
{
    if (context->certificate == NULL)
        m2_error(message);
    return context->certificate != NULL;
}

X509_VERIFY_PARAM *m2_store_ctx_param(m2_x509_store_ctx *context)
{
    if (!store_is_own(context) ||
        !store_is_begun(context, "init comes before the parameters of a validation"))
        return NULL;
    return X509_STORE_CTX_get0_param(context->context);
}

m2_status m2_x509_store_ctx_set_flags(m2_x509_store_ctx *context, unsigned long flags)
{
    X509_VERIFY_PARAM *param = m2_store_ctx_param(context);

    return param != NULL && X509_VERIFY_PARAM_set_flags(param, flags);
}

m2_status m2_x509_store_ctx_add_crls(m2_x509_store_ctx *context, m2_x509_crl_stack *crls)
{
    int i;

    if (!store_is_own(context))
        return 0;
    if (context->crls == NULL) {
        m2_error("init comes before add_crls");
        return 0;
    }
    for (i = 0; i < sk_X509_CRL_num(crls); i++) {
        if (m2_sk_x509_crl_push(context->crls, sk_X509_CRL_value(crls, i)) <= 0)
            return 0;
    }
    return 1;
}

m2_verdict m2_x509_verify_cert(m2_x509_store_ctx *context)
{
    int verdict;

    if (!store_is_own(context) || !store_is_begun(context, "init comes before verify_cert"))
        return -1;
    verdict = X509_verify_cert(context->context);
    if (verdict < 0 && ERR_peek_error() == 0)
        m2_error("the context has already verified; initialize it again with init");
    return verdict;
}

int m2_x509_store_ctx_get_error(const m2_x509_store_ctx *context)
{
    return X509_STORE_CTX_get_error(context->context);
}

void m2_x509_store_ctx_set_error(m2_x509_store_ctx *context, int error)
{
    X509_STORE_CTX_set_error(context->context, error);
}

int m2_x509_store_ctx_get_error_depth(const m2_x509_store_ctx *context)
{
    return X509_STORE_CTX_get_error_depth(context->context);
}

X509 *m2_x509_store_ctx_get_current_cert(const m2_x509_store_ctx *context)
{
    X509 *certificate = X509_STORE_CTX_get_current_cert(context->context);

    if (certificate == NULL || X509_up_ref(certificate) != 1)
        return NULL;
    return certificate;
}

m2_x509_stack *m2_x509_store_ctx_get1_chain(const m2_x509_store_ctx *context)
{
    m2_x509_stack *chain = X509_STORE_CTX_get1_chain(context->context);

    return chain != NULL ? chain : sk_X509_new_null();
}
