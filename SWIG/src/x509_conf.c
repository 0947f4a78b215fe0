/* Extensions from the format of x509v3_config(5), with a configuration, an issuer and a subject
 * behind the value (X509V3_set_ctx(3)). */
#include "m2.h"
#include "x509_conf.h"
#include "x509_ext.h"

CONF *m2_nconf_load(m2_buffer text)
{
    const void *bytes = text.data == NULL ? "" : (const void *)text.data;
    CONF *configuration = NULL;
    BIO *reader = NULL;
    long line = 0;

    reader = BIO_new_mem_buf(bytes, (int)text.length);
    if (reader != NULL)
        configuration = NCONF_new(NULL);
    if (configuration != NULL && NCONF_load_bio(configuration, reader, &line) != 1) {
        NCONF_free(configuration);
        configuration = NULL;
    }
    BIO_free(reader);
    return configuration;
}

void m2_nconf_free(CONF *configuration)
{
    NCONF_free(configuration);
}

m2_x509v3_ctx *m2_x509v3_set_nconf(void)
{
    const m2_buffer empty = {NULL, 0};
    m2_x509v3_ctx *context = OPENSSL_zalloc(sizeof(*context));

    if (context == NULL)
        return NULL;
    context->configuration = m2_nconf_load(empty);
    if (context->configuration == NULL) {
        OPENSSL_free(context);
        context = NULL;
    }
    return context;
}

void m2_x509v3_ctx_free(m2_x509v3_ctx *context)
{
    if (context == NULL)
        return;
    X509_free(context->issuer);
    X509_free(context->subject);
    NCONF_free(context->configuration);
    OPENSSL_free(context);
}

m2_status m2_x509v3_set_ctx(m2_x509v3_ctx *context, X509 *issuer, X509 *subject)
{
    if (issuer != NULL && X509_up_ref(issuer) != 1)
        return 0;
    if (subject != NULL && X509_up_ref(subject) != 1) {
        X509_free(issuer);
        return 0;
    }
    X509_free(context->issuer);
    X509_free(context->subject);
    context->issuer = issuer;
    context->subject = subject;
    return 1;
}

X509_EXTENSION *m2_x509v3_ext_conf(CONF *configuration, m2_x509v3_ctx *context, const char *name,
                                   const char *value)
{
    X509V3_CTX openssl;

    if (configuration == NULL)
        configuration = context->configuration;
    X509V3_set_ctx(&openssl, context->issuer, context->subject, NULL, NULL, 0);
    return m2_ext_create(configuration, &openssl, name, value);
}
