/* Extensions, and the names in a subjectAltName (X509V3_EXT_print(3), x509v3_config(5)). */
#include <string.h>

#include <openssl/conf.h>
#include <openssl/x509v3.h>

#include "m2.h"
#include "asn1.h"
#include "x509_conf.h"
#include "x509_ext.h"

X509_EXTENSION *m2_d2i_x509_extension(m2_buffer der)
{
    const unsigned char *data = der.data;

    return d2i_X509_EXTENSION(NULL, &data, (long)der.length);
}

m2_bytes m2_i2d_x509_extension(const X509_EXTENSION *extension)
{
    return M2_DER(X509_EXTENSION, extension);
}

m2_bytes m2_x509_extension_get_name(const X509_EXTENSION *extension)
{
    const ASN1_OBJECT *object = X509_EXTENSION_get_object((X509_EXTENSION *)extension);
    int nid = OBJ_obj2nid(object);
    m2_bytes text;

    if (nid == NID_undef)
        return m2_obj_obj2txt(object, 1);
    text = m2_bytes_new(strlen(OBJ_nid2sn(nid)));
    if (text.data != NULL)
        memcpy(text.data, OBJ_nid2sn(nid), text.length);
    return text;
}

m2_status m2_x509_ext_print(BIO *bio, const X509_EXTENSION *extension, unsigned long flag,
                            int indent)
{
    const ASN1_OCTET_STRING *data = X509_EXTENSION_get_data((X509_EXTENSION *)extension);

    if (X509V3_EXT_print(bio, (X509_EXTENSION *)extension, flag, indent) == 1)
        return 1;
    if (flag != 0)
        return 0;
    ERR_clear_error();
    /* X509V3_EXT_DUMP_UNKNOWN does not dump an empty IA5String, which OpenSSL cannot print. */
    return BIO_dump_indent(bio, (const char *)ASN1_STRING_get0_data(data), ASN1_STRING_length(data),
                           indent) >= 0;
}

/* Add the subjectKeyIdentifier of the certificate's key (RFC 5280, section 4.2.1.2, method 1). */
static int ext_add_key_identifier(X509 *certificate)
{
    X509_EXTENSION *extension = NULL;
    X509V3_CTX context;
    int result;

    X509V3_set_ctx(&context, NULL, certificate, NULL, NULL, 0);
    X509V3_set_ctx_nodb(&context);
    extension = X509V3_EXT_nconf_nid(NULL, &context, NID_subject_key_identifier, "hash");
    result = extension != NULL && X509_add_ext(certificate, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return result;
}

/* Return whether each item has a name and a value. OpenSSL 1.1.1 dereferences NULL for an item
 * without a value in these extensions. */
static int ext_has_values(const char *name, const char *value)
{
    STACK_OF(CONF_VALUE) *items = NULL;
    int complete = 1;
    int i;

    if (strcmp(name, SN_sbgp_ipAddrBlock) != 0 && strcmp(name, SN_sbgp_autonomousSysNum) != 0 &&
        strcmp(name, SN_issuing_distribution_point) != 0)
        return 1;
    if (strncmp(value, "critical,", strlen("critical,")) == 0)
        value += strlen("critical,");
    /* Each line of a section has a value. */
    if (value[strspn(value, " ")] == '@')
        return 1;
    items = X509V3_parse_list(value);
    for (i = 0; i < sk_CONF_VALUE_num(items); i++) {
        if (sk_CONF_VALUE_value(items, i)->value == NULL)
            complete = 0;
    }
    sk_CONF_VALUE_pop_free(items, X509V3_conf_free);
    if (!complete)
        m2_error("an item of the extension value has no value");
    return complete;
}

X509_EXTENSION *m2_ext_create(CONF *configuration, X509V3_CTX *context, const char *name,
                              const char *value)
{
    if (!ext_has_values(name, value))
        return NULL;
    X509V3_set_nconf(context, configuration);
    return X509V3_EXT_nconf(configuration, context, name, value);
}

X509_EXTENSION *m2_x509_new_extension(const char *name, const char *value, int critical,
                                      EVP_PKEY *key)
{
    X509_EXTENSION *extension = NULL;
    X509 *subject = NULL;
    X509 *issuer = NULL;
    const m2_buffer empty = {NULL, 0};
    CONF *configuration = m2_nconf_load(empty);
    X509V3_CTX context;

    if (configuration == NULL)
        goto done;
    if (key != NULL) {
        /* Two certificates: OpenSSL 3 omits "keyid" if the issuer is the subject. */
        subject = X509_new();
        issuer = X509_new();
        if (subject == NULL || X509_set_pubkey(subject, key) != 1)
            goto done;
        if (issuer == NULL || X509_set_pubkey(issuer, key) != 1 || !ext_add_key_identifier(issuer))
            goto done;
    }
    X509V3_set_ctx(&context, issuer, subject, NULL, NULL, 0);
    extension = m2_ext_create(configuration, &context, name, value);
    if (extension != NULL && critical && X509_EXTENSION_set_critical(extension, 1) != 1) {
        X509_EXTENSION_free(extension);
        extension = NULL;
    }
done:
    X509_free(subject);
    X509_free(issuer);
    NCONF_free(configuration);
    return extension;
}

X509_EXTENSION *m2_x509_new_authority_key_identifier(m2_buffer identifier, int critical)
{
    X509_EXTENSION *extension = NULL;
    AUTHORITY_KEYID *authority = AUTHORITY_KEYID_new();

    if (authority == NULL)
        goto done;
    authority->keyid = ASN1_OCTET_STRING_new();
    if (authority->keyid == NULL)
        goto done;
    if (ASN1_OCTET_STRING_set(authority->keyid, identifier.data, (int)identifier.length) != 1)
        goto done;
    extension = X509V3_EXT_i2d(NID_authority_key_identifier, critical != 0, authority);
done:
    AUTHORITY_KEYID_free(authority);
    return extension;
}

int m2_general_names_num(const GENERAL_NAMES *names)
{
    return sk_GENERAL_NAME_num(names);
}

static const GENERAL_NAME *ext_get_name(const GENERAL_NAMES *names, int index)
{
    const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, index);

    if (name == NULL)
        m2_error("there is no such name");
    return name;
}

m2_number m2_general_names_type(const GENERAL_NAMES *names, int index)
{
    const GENERAL_NAME *name = ext_get_name(names, index);
    int type = -1;

    if (name != NULL)
        GENERAL_NAME_get0_value(name, &type);
    return type;
}

static m2_bytes ext_directory_name(const X509_NAME *name)
{
    BIO *bio = BIO_new(BIO_s_mem());

    if (bio != NULL && X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253) < 0) {
        BIO_free(bio);
        bio = NULL;
    }
    return m2_bytes_from_bio(bio);
}

m2_bytes m2_general_names_value(const GENERAL_NAMES *names, int index)
{
    const m2_bytes failed = {NULL, 0};
    const GENERAL_NAME *name = ext_get_name(names, index);
    const void *value;
    int type;

    if (name == NULL)
        return failed;
    value = GENERAL_NAME_get0_value(name, &type);
    switch (type) {
    case GEN_EMAIL:
    case GEN_DNS:
    case GEN_URI:
    case GEN_IPADD:
        return m2_asn1_string_data(value);
    case GEN_DIRNAME:
        return ext_directory_name(value);
    case GEN_RID:
        return m2_obj_obj2txt(value, 1);
    default:
        return M2_DER(GENERAL_NAME, name);
    }
}
