/* The parameters of a validation (X509_VERIFY_PARAM_set_flags(3)), and the policies that it found
 * (RFC 5280, section 6.1). */
#include "x509_param.h"

#include <string.h>

#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "asn1.h"
#include "compat.h"
#include "raise.h"

/* ---- whose parameters --------------------------------------------------------------------- */

static X509_VERIFY_PARAM *param_of_store(void *owner)
{
    return X509_STORE_get0_param(owner);
}

static X509_VERIFY_PARAM *param_of_validation(void *owner)
{
    return m2_store_ctx_param(owner);
}

static X509_VERIFY_PARAM *param_of_context(void *owner)
{
    return SSL_CTX_get0_param(owner);
}

static X509_VERIFY_PARAM *param_of_connection(void *owner)
{
    return SSL_get0_param(owner);
}

static const struct {
    const m2_handle_type *type;
    X509_VERIFY_PARAM *(*get)(void *owner);
} param_owners[] = {
    {&handle_X509_STORE, param_of_store},
    {&handle_m2_x509_store_ctx, param_of_validation},
    {&handle_SSL_CTX, param_of_context},
    {&handle_SSL, param_of_connection},
};

X509_VERIFY_PARAM *m2_param_begin(m2_argument *argument, PyObject *owner, m2_access access,
                                  const char *area, const char *function)
{
    X509_VERIFY_PARAM *param = NULL;
    size_t i = sizeof(param_owners) / sizeof(param_owners[0]) - 1;
    void *object;

    /* Of another type, the error is about the first one. */
    while (i > 0 && !PyCapsule_IsValid(owner, param_owners[i].type->name))
        i--;
    object = m2_argument_begin(argument, owner, param_owners[i].type, access, area, function);
    if (object == NULL)
        return NULL;
    param = param_owners[i].get(object);
    if (param == NULL)
        m2_raise(area, function);
    return param;
}

/* ---- values ------------------------------------------------------------------------------- */

/* Append the policy whose OID is the first `length` characters. */
static int param_add_policy(STACK_OF(ASN1_OBJECT) * policies, const char *oid, size_t length)
{
    char *text = OPENSSL_strndup(oid, length);
    ASN1_OBJECT *policy = text == NULL ? NULL : OBJ_txt2obj(text, 0);

    OPENSSL_free(text);
    if (policy != NULL && sk_ASN1_OBJECT_push(policies, policy) > 0)
        return 1;
    ASN1_OBJECT_free(policy);
    return 0;
}

m2_status m2_x509_verify_param_set1_policies(X509_VERIFY_PARAM *param, const char *oids)
{
    STACK_OF(ASN1_OBJECT) * policies;
    int ok;

    if (oids == NULL)
        return X509_VERIFY_PARAM_set1_policies(param, NULL);
    policies = sk_ASN1_OBJECT_new_null();
    ok = policies != NULL;
    while (ok) {
        size_t length = strcspn(oids, "\n");

        ok = param_add_policy(policies, oids, length);
        if (oids[length] == '\0')
            break;
        oids += length + 1;
    }
    ok = ok && X509_VERIFY_PARAM_set1_policies(param, policies) == 1;
    sk_ASN1_OBJECT_pop_free(policies, ASN1_OBJECT_free);
    return ok;
}

void m2_x509_verify_param_set_time(X509_VERIFY_PARAM *param, long long seconds)
{
    X509_VERIFY_PARAM_set_time(param, (time_t)seconds);
}

long long m2_x509_verify_param_get_time(X509_VERIFY_PARAM *param)
{
    return X509_VERIFY_PARAM_get_time(param);
}

/* ---- identities --------------------------------------------------------------------------- */

/* Every comparison of host names uses these flags and m2_host_absolute, in a validation and out of
 * it, so that two cannot disagree. RFC 9525, section 6.3: a wildcard is a whole label, ... */
#define HOST_FLAGS X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS
/* ... and section 2: the common name is no identifier. */
#define HOST_ONLY (HOST_FLAGS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT)

/* Return the name with a trailing dot, for OPENSSL_free. Certificates have names of either form,
 * and OpenSSL compares them octet by octet. */
static char *host_absolute(const char *name)
{
    size_t size = strlen(name) + 2;
    char *absolute = OPENSSL_malloc(size);

    if (absolute != NULL)
        BIO_snprintf(absolute, size, "%s.", name);
    return absolute;
}

m2_status m2_x509_verify_param_set1_host(X509_VERIFY_PARAM *param, const char *name)
{
    char *absolute = host_absolute(name);
    int ok;

    m2_compat_accept_hosts(param);
    X509_VERIFY_PARAM_set_hostflags(param, HOST_ONLY);
    ok = absolute != NULL && X509_VERIFY_PARAM_set1_host(param, name, 0) == 1 &&
         X509_VERIFY_PARAM_add1_host(param, absolute, 0) == 1;
    OPENSSL_free(absolute);
    return ok;
}

m2_status m2_x509_verify_param_set1_ip_asc(X509_VERIFY_PARAM *param, const char *address)
{
    if (X509_VERIFY_PARAM_set1_ip_asc(param, address) == 1)
        return 1;
    if (ERR_peek_error() == 0)
        m2_error("the text is not an IP address");
    return 0;
}

m2_status m2_x509_verify_param_set1_email(X509_VERIFY_PARAM *param, const char *address)
{
    if (X509_VERIFY_PARAM_set1_email(param, address, 0) == 1)
        return 1;
    if (ERR_peek_error() == 0)
        m2_error("the text is not an e-mail address");
    return 0;
}

m2_bytes m2_x509_verify_param_get_peername(X509_VERIFY_PARAM *param)
{
    const char *name = X509_VERIFY_PARAM_get0_peername(param);
    m2_bytes copy = m2_bytes_new(name == NULL ? 0 : strlen(name));

    if (copy.data != NULL && name != NULL)
        memcpy(copy.data, name, copy.length);
    return copy;
}

m2_verdict m2_x509_matches_host(X509 *certificate, const char *name, int subject)
{
    unsigned int flags = subject ? HOST_FLAGS : HOST_ONLY;
    char *absolute = host_absolute(name);
    int verdict = absolute == NULL ? -1 : X509_check_host(certificate, name, 0, flags, NULL);

    if (verdict == 0)
        verdict = X509_check_host(certificate, absolute, 0, flags, NULL);
    OPENSSL_free(absolute);
    if (verdict < 0 && ERR_peek_error() == 0)
        m2_error("the name is malformed");
    return verdict;
}

m2_bytes m2_x509_get_spki(const X509 *certificate)
{
    return M2_DER(X509_PUBKEY, X509_get_X509_PUBKEY(certificate));
}

/* ---- policies ----------------------------------------------------------------------------- */

static const X509_POLICY_TREE *policy_tree(const m2_x509_store_ctx *context)
{
    return X509_STORE_CTX_get0_policy_tree(context->context);
}

static const X509_POLICY_NODE *policy_node(const m2_x509_store_ctx *context, int set, int index)
{
    const X509_POLICY_TREE *tree = policy_tree(context);
    const X509_POLICY_NODE *node;

    if (set == M2_POLICIES_OF_AUTHORITIES)
        node = sk_X509_POLICY_NODE_value(X509_policy_tree_get0_policies(tree), index);
    else if (set == M2_POLICIES_OF_USER)
        node = sk_X509_POLICY_NODE_value(X509_policy_tree_get0_user_policies(tree), index);
    else
        node = X509_policy_level_get0_node(X509_policy_tree_get0_level(tree, set), index);
    if (node == NULL)
        m2_error("the validation has no such policy");
    return node;
}

static const POLICYQUALINFO *policy_qualifier(const m2_x509_store_ctx *context, int set, int index,
                                              int qualifier)
{
    const X509_POLICY_NODE *node = policy_node(context, set, index);
    const POLICYQUALINFO *found =
        node == NULL ? NULL
                     : sk_POLICYQUALINFO_value(X509_policy_node_get0_qualifiers(node), qualifier);

    if (found == NULL && node != NULL)
        m2_error("the policy has no such qualifier");
    return found;
}

int m2_x509_policy_is_explicit(const m2_x509_store_ctx *context)
{
    return X509_STORE_CTX_get_explicit_policy(context->context) != 0;
}

int m2_x509_policy_levels(const m2_x509_store_ctx *context)
{
    return X509_policy_tree_level_count(policy_tree(context));
}

int m2_x509_policy_num(const m2_x509_store_ctx *context, int set)
{
    const X509_POLICY_TREE *tree = policy_tree(context);
    int count;

    if (set == M2_POLICIES_OF_AUTHORITIES)
        count = sk_X509_POLICY_NODE_num(X509_policy_tree_get0_policies(tree));
    else if (set == M2_POLICIES_OF_USER)
        count = sk_X509_POLICY_NODE_num(X509_policy_tree_get0_user_policies(tree));
    else
        count = X509_policy_level_node_count(X509_policy_tree_get0_level(tree, set));
    return count < 0 ? 0 : count;
}

ASN1_OBJECT *m2_x509_policy_oid(const m2_x509_store_ctx *context, int set, int index)
{
    const X509_POLICY_NODE *node = policy_node(context, set, index);

    return node == NULL ? NULL : m2_obj_copy(X509_policy_node_get0_policy(node));
}

int m2_x509_policy_parent(const m2_x509_store_ctx *context, int level, int index)
{
    const X509_POLICY_NODE *node = level > 0 ? policy_node(context, level, index) : NULL;
    const X509_POLICY_NODE *parent = node == NULL ? NULL : X509_policy_node_get0_parent(node);
    int i = parent == NULL ? -1 : m2_x509_policy_num(context, level - 1) - 1;

    while (parent != NULL && i >= 0 && policy_node(context, level - 1, i) != parent)
        i--;
    ERR_clear_error();
    return i;
}

int m2_x509_policy_qualifier_num(const m2_x509_store_ctx *context, int set, int index)
{
    const X509_POLICY_NODE *node = policy_node(context, set, index);
    int count = node == NULL ? 0 : sk_POLICYQUALINFO_num(X509_policy_node_get0_qualifiers(node));

    ERR_clear_error();
    return count < 0 ? 0 : count;
}

ASN1_OBJECT *m2_x509_policy_qualifier_oid(const m2_x509_store_ctx *context, int set, int index,
                                          int qualifier)
{
    const POLICYQUALINFO *info = policy_qualifier(context, set, index, qualifier);

    return info == NULL ? NULL : m2_obj_copy(info->pqualid);
}

m2_bytes m2_x509_policy_qualifier_text(const m2_x509_store_ctx *context, int set, int index,
                                       int qualifier)
{
    const POLICYQUALINFO *info = policy_qualifier(context, set, index, qualifier);
    const ASN1_STRING *text = NULL;
    m2_bytes failed = {NULL, 0};

    if (info == NULL)
        return failed;
    if (OBJ_obj2nid(info->pqualid) == NID_id_qt_cps)
        text = info->d.cpsuri;
    else if (OBJ_obj2nid(info->pqualid) == NID_id_qt_unotice)
        text = info->d.usernotice->exptext;
    return text == NULL ? m2_bytes_new(0) : m2_asn1_string_to_utf8(text);
}

m2_bytes m2_x509_policy_qualifier_der(const m2_x509_store_ctx *context, int set, int index,
                                      int qualifier)
{
    const POLICYQUALINFO *info = policy_qualifier(context, set, index, qualifier);
    m2_bytes failed = {NULL, 0};

    return info == NULL ? failed : M2_DER(POLICYQUALINFO, info);
}
