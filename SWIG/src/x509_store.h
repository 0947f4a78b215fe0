/* Stores of trusted certificates, and the verification of a chain (X509_STORE_CTX_new(3),
 * X509_STORE_set_verify_cb_func(3), X509_verify_cert(3)). */
#ifndef M2_X509_STORE_H
#define M2_X509_STORE_H

#ifndef SWIG
#include "m2.h"
#include "x509_stack.h"
#endif

#ifdef SWIG
typedef struct m2_x509_store_ctx m2_x509_store_ctx;
#else
/* A verification, and what it needs: X509_STORE_CTX_init borrows its arguments. */
typedef struct m2_x509_store_ctx {
    X509_STORE_CTX *context;
    X509_STORE *store;
    X509 *certificate;
    m2_x509_stack *untrusted;
    /* The lookup of CRLs uses it (x509_crl_lookup.c). */
    m2_x509_crl_stack *crls;
    /* It is OpenSSL's own, lent to a callback until that returns; only `context` is set. */
    int lent;
} m2_x509_store_ctx;
#endif

X509_STORE *m2_x509_store_new(void);
/* PEM files of certificates and CRLs. */
m2_status m2_x509_store_load_locations(X509_STORE *store, const char *file);
/* Copies of the certificates and CRLs that are loaded, without those that a look-up would find. */
m2_x509_stack *m2_x509_store_get_certificates(X509_STORE *SHARED);
m2_x509_crl_stack *m2_x509_store_get_crls(X509_STORE *SHARED);
/* Remove X509_V_FLAG_... of the store. */
m2_status m2_x509_store_clear_flags(X509_STORE *store, unsigned long flags);
/* Set callback(ok, context), which returns whether to continue; NULL removes it. */
m2_status m2_x509_store_set_verify_cb(X509_STORE *SHARED, m2_callback callback);

/* Set callback(name), which returns a stack of the CRLs by an issuer or None; NULL removes it. */
m2_status m2_x509_store_set_lookup_crls(X509_STORE *store, m2_callback callback);

m2_x509_store_ctx *m2_x509_store_ctx_new(void);
void m2_x509_store_ctx_free(m2_x509_store_ctx *RELEASE);
m2_status m2_x509_store_ctx_init(m2_x509_store_ctx *context, X509_STORE *SHARED, X509 *certificate,
                                 m2_x509_stack *OPTIONAL);
/* Add X509_V_FLAG_... to those of the store. */
m2_status m2_x509_store_ctx_set_flags(m2_x509_store_ctx *context, unsigned long flags);
m2_status m2_x509_store_ctx_add_crls(m2_x509_store_ctx *context, m2_x509_crl_stack *crls);
/* 1: the chain is good. */
m2_verdict m2_x509_verify_cert(m2_x509_store_ctx *context);
int m2_x509_store_ctx_get_error(const m2_x509_store_ctx *context);
void m2_x509_store_ctx_set_error(m2_x509_store_ctx *context, int error);
int m2_x509_store_ctx_get_error_depth(const m2_x509_store_ctx *context);
/* NULL when no certificate is at fault. */
X509 *m2_x509_store_ctx_get_current_cert(const m2_x509_store_ctx *context);
/* The chain that was built, leaf first; empty before the verification. */
m2_x509_stack *m2_x509_store_ctx_get1_chain(const m2_x509_store_ctx *context);

#ifndef SWIG
/* Return the parameters of a validation that has not begun; NULL with an error queued otherwise. */
X509_VERIFY_PARAM *m2_store_ctx_param(m2_x509_store_ctx *context);
#endif

#endif
