/* The parameters of a validation (X509_VERIFY_PARAM_set_flags(3)), and the policies that it found
 * (RFC 5280, section 6.1). */
#ifndef M2_X509_PARAM_H
#define M2_X509_PARAM_H

#ifndef SWIG
#include <Python.h>

#include <openssl/x509_vfy.h>

#include "m2.h"
#include "handle.h"
#include "x509_store.h"

/* Return the parameters of an X509_STORE, m2_x509_store_ctx, SSL_CTX or SSL, which are valid until
 * m2_argument_end; NULL with an exception set. See m2_argument_begin. */
X509_VERIFY_PARAM *m2_param_begin(m2_argument *argument, PyObject *owner, m2_access access,
                                  const char *area, const char *function);
#endif

/* Require one of the policies, OIDs that newlines separate; NULL requires none. */
m2_status m2_x509_verify_param_set1_policies(X509_VERIFY_PARAM *param, const char *OPTIONAL);
/* Seconds since the epoch. */
void m2_x509_verify_param_set_time(X509_VERIFY_PARAM *param, long long seconds);
long long m2_x509_verify_param_get_time(X509_VERIFY_PARAM *READ);
/* Set the reference identity: a DNS name in A-labels without a trailing dot (RFC 9525), or an IP
 * address in text. */
m2_status m2_x509_verify_param_set1_host(X509_VERIFY_PARAM *param, const char *name);
m2_status m2_x509_verify_param_set1_ip_asc(X509_VERIFY_PARAM *param, const char *address);
m2_status m2_x509_verify_param_set1_email(X509_VERIFY_PARAM *param, const char *address);
/* Return the DNS name in the certificate that matched; empty if none did. */
m2_bytes m2_x509_verify_param_get_peername(X509_VERIFY_PARAM *READ);
/* Return whether the certificate is for the DNS name by the rules of x509_verify_param_set1_host;
 * if `subject` is 1, also by its common name. */
m2_verdict m2_x509_matches_host(X509 *certificate, const char *name, int subject);
/* Return the SubjectPublicKeyInfo in DER. */
m2_bytes m2_x509_get_spki(const X509 *certificate);

#ifndef SWIG
/* Sets of policies; 0 and more is a level of the policy tree. */
#define M2_POLICIES_OF_AUTHORITIES (-2)
#define M2_POLICIES_OF_USER (-1)
#endif

/* Return whether the path had to have an acceptable policy: 1 or 0. */
int m2_x509_policy_is_explicit(const m2_x509_store_ctx *context);
/* Return the number of levels of the policy tree; 0 if there is no tree. */
int m2_x509_policy_levels(const m2_x509_store_ctx *context);
/* Return the number of policies in a set. */
int m2_x509_policy_num(const m2_x509_store_ctx *context, int set);
ASN1_OBJECT *m2_x509_policy_oid(const m2_x509_store_ctx *context, int set, int index);
/* Return the index of the parent in the level above; -1 at the root. */
int m2_x509_policy_parent(const m2_x509_store_ctx *context, int level, int index);
/* Return the number of qualifiers of a policy (RFC 5280, section 4.2.1.4). */
int m2_x509_policy_qualifier_num(const m2_x509_store_ctx *context, int set, int index);
ASN1_OBJECT *m2_x509_policy_qualifier_oid(const m2_x509_store_ctx *context, int set, int index,
                                          int qualifier);
/* Return the URI of a CPS pointer, or the explicitText of a user notice as UTF-8; empty without. */
m2_bytes m2_x509_policy_qualifier_text(const m2_x509_store_ctx *context, int set, int index,
                                       int qualifier);
/* Return the PolicyQualifierInfo. */
m2_bytes m2_x509_policy_qualifier_der(const m2_x509_store_ctx *context, int set, int index,
                                      int qualifier);

#endif
