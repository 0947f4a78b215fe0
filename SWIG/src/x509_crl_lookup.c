/*
 * How a validation finds CRLs.
 *
 * OpenSSL looks for the CRLs of a certificate in two places: the list of the context, and, if that
 * has none that is valid, the store, by the name of the certificate's issuer. It looks for a delta
 * CRL only in the place that had the complete one. So it does not find
 *
 * - an indirect CRL in the store (RFC 5280, section 5.2.5), which has another issuer,
 * - a delta CRL in the store for a complete one in the list, and the reverse.
 *
 * This lookup returns the CRLs of all places at once, and OpenSSL chooses.
 */
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include "m2.h"
#include "compat.h"
#include "x509_stack.h"
#include "x509_store.h"
#include "x509_callbacks.h"
#include "x509_crl_lookup.h"

static CRYPTO_ONCE once = CRYPTO_ONCE_STATIC_INIT;
static int list_index = -1;

static void lookup_make_index(void)
{
    list_index = X509_STORE_CTX_get_ex_new_index(0, NULL, NULL, NULL, NULL);
}

/* Append references to CRLs. */
static int lookup_append(STACK_OF(X509_CRL) * found, const STACK_OF(X509_CRL) * more)
{
    int i;

    for (i = 0; i < sk_X509_CRL_num(more); i++) {
        if (m2_sk_x509_crl_push(found, sk_X509_CRL_value(more, i)) <= 0)
            return 0;
    }
    return 1;
}

/* Append the CRLs of the store, and of its directories, by an issuer. */
static int lookup_by_issuer(STACK_OF(X509_CRL) * found, m2_lookup_context *context,
                            m2_lookup_name *issuer)
{
    STACK_OF(X509_CRL) *more = X509_STORE_CTX_get1_crls(context, issuer);
    int ok = lookup_append(found, more);

    sk_X509_CRL_pop_free(more, X509_CRL_free);
    return ok;
}

/* Append the CRLs by each cRLIssuer in the certificate's distribution points other than its own
 * issuer (RFC 5280, section 4.2.1.13). */
static int lookup_indirect(STACK_OF(X509_CRL) * found, m2_lookup_context *context,
                           const X509_NAME *issuer)
{
    const X509 *certificate = X509_STORE_CTX_get_current_cert(context);
    CRL_DIST_POINTS *points = NULL;
    int ok = 1;
    int i, j;

    if (certificate != NULL)
        points = X509_get_ext_d2i(certificate, NID_crl_distribution_points, NULL, NULL);
    for (i = 0; ok && i < sk_DIST_POINT_num(points); i++) {
        const GENERAL_NAMES *names = sk_DIST_POINT_value(points, i)->CRLissuer;

        for (j = 0; ok && j < sk_GENERAL_NAME_num(names); j++) {
            const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, j);

            if (name->type == GEN_DIRNAME && X509_NAME_cmp(name->d.directoryName, issuer) != 0)
                ok = lookup_by_issuer(found, context, name->d.directoryName);
        }
    }
    CRL_DIST_POINTS_free(points);
    return ok;
}

/* Return the list of the validation, also in the validation of a CRL's issuer, which has a context
 * of its own; NULL if there is none. */
static const STACK_OF(X509_CRL) * lookup_list(m2_lookup_context *context)
{
    const m2_x509_store_ctx *ours = NULL;

    while (ours == NULL && context != NULL && list_index >= 0) {
        ours = X509_STORE_CTX_get_ex_data(context, list_index);
        context = X509_STORE_CTX_get0_parent_ctx(context);
    }
    return ours == NULL ? NULL : ours->crls;
}

/* An X509_STORE_CTX_lookup_crls_fn. OpenSSL frees the result. */
static STACK_OF(X509_CRL) * lookup_crls(m2_lookup_context *context, m2_lookup_name *issuer)
{
    STACK_OF(X509_CRL) *found = sk_X509_CRL_new_null();
    int ok = found != NULL && lookup_by_issuer(found, context, issuer) &&
             lookup_indirect(found, context, issuer) &&
             lookup_append(found, lookup_list(context)) &&
             m2_call_crl_lookup(found, X509_STORE_CTX_get0_store(context), issuer);

    if (!ok || sk_X509_CRL_num(found) == 0) {
        sk_X509_CRL_pop_free(found, X509_CRL_free);
        return NULL;
    }
    return found;
}

void m2_crl_lookup_install(X509_STORE *store)
{
    X509_STORE_set_lookup_crls(store, lookup_crls);
}

int m2_crl_lookup_set_list(m2_x509_store_ctx *context)
{
    if (CRYPTO_THREAD_run_once(&once, lookup_make_index) != 1 || list_index < 0) {
        m2_error("OpenSSL could not allocate an index for CRLs");
        return 0;
    }
    return X509_STORE_CTX_set_ex_data(context->context, list_index, context);
}
