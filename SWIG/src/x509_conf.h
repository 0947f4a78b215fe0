/* Extensions from the format of x509v3_config(5), with a configuration, an issuer and a subject
 * behind the value (X509V3_set_ctx(3)). */
#ifndef M2_X509_CONF_H
#define M2_X509_CONF_H

#ifndef SWIG
#include <openssl/conf.h>
#include <openssl/x509v3.h>
#endif

#ifdef SWIG
typedef struct m2_x509v3_ctx m2_x509v3_ctx;
#else
typedef struct m2_x509v3_ctx {
    X509 *issuer;
    X509 *subject;
    /* Never NULL: OpenSSL dereferences a missing one. */
    CONF *configuration;
} m2_x509v3_ctx;
#endif

/* Parse the text of a configuration (config(5)), which can be empty. */
CONF *m2_nconf_load(m2_buffer text);
void m2_nconf_free(CONF *RELEASE);

/* Return a context with an empty configuration, and no certificates. */
m2_x509v3_ctx *m2_x509v3_set_nconf(void);
void m2_x509v3_ctx_free(m2_x509v3_ctx *RELEASE);
/* Set the certificates that "hash", "keyid", "issuer" and "copy" refer to. */
m2_status m2_x509v3_set_ctx(m2_x509v3_ctx *context, X509 *issuer_or_none, X509 *subject_or_none);
/* Create an extension. The sections of `value` are those of the configuration, if it is given. */
X509_EXTENSION *m2_x509v3_ext_conf(CONF *OPTIONAL, m2_x509v3_ctx *context, const char *name,
                                   const char *value);

#endif
