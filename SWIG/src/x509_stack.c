/* Stacks of certificates, revocation lists and extensions (DEFINE_STACK_OF(3)). */
#include <openssl/asn1t.h>
#include <openssl/pem.h>
#include <openssl/pkcs7.h>
#include <openssl/x509.h>

#include "m2.h"
#include "x509_stack.h"

/* ---- certificates ------------------------------------------------------------------------- */

m2_x509_stack *m2_sk_x509_new_null(void)
{
    return sk_X509_new_null();
}

void m2_sk_x509_free(m2_x509_stack *stack)
{
    sk_X509_pop_free(stack, X509_free);
}

int m2_sk_x509_num(const m2_x509_stack *stack)
{
    return sk_X509_num(stack);
}

X509 *m2_sk_x509_value(const m2_x509_stack *stack, int index)
{
    X509 *certificate = sk_X509_value(stack, index);

    if (certificate == NULL) {
        m2_error("the stack has no such element");
        return NULL;
    }
    return X509_up_ref(certificate) == 1 ? certificate : NULL;
}

m2_status m2_sk_x509_push(m2_x509_stack *stack, X509 *certificate)
{
    int count;

    if (X509_up_ref(certificate) != 1)
        return 0;
    count = sk_X509_push(stack, certificate);
    if (count <= 0)
        X509_free(certificate);
    return count;
}

X509 *m2_sk_x509_pop(m2_x509_stack *stack)
{
    return sk_X509_pop(stack);
}

/* SEQUENCE OF Certificate. The semicolon is for clang-format, which knows no macros. */
ASN1_ITEM_TEMPLATE(m2_certificates) = ASN1_EX_TEMPLATE_TYPE(ASN1_TFLG_SEQUENCE_OF, 0,
                                                            m2_certificates, X509)
    static_ASN1_ITEM_TEMPLATE_END(m2_certificates);

m2_bytes m2_get_der_encoding_stack(const m2_x509_stack *stack)
{
    m2_bytes der = {NULL, 0};
    int length = ASN1_item_i2d((ASN1_VALUE *)stack, &der.data, ASN1_ITEM_rptr(m2_certificates));

    if (length >= 0)
        der.length = (size_t)length;
    return der;
}

m2_x509_stack *m2_make_stack_from_der_sequence(m2_buffer der)
{
    const unsigned char *data = der.data;

    return (m2_x509_stack *)ASN1_item_d2i(NULL, &data, (long)der.length,
                                          ASN1_ITEM_rptr(m2_certificates));
}

m2_status m2_sk_x509_write_degenerate(BIO *bio, m2_x509_stack *stack)
{
    PKCS7 *message = PKCS7_sign(NULL, NULL, stack, NULL, PKCS7_PARTIAL | PKCS7_DETACHED);
    int result = message != NULL && PEM_write_bio_PKCS7(bio, message) == 1;

    PKCS7_free(message);
    return result;
}

/* ---- CRLs --------------------------------------------------------------------------------- */

m2_x509_crl_stack *m2_sk_x509_crl_new_null(void)
{
    return sk_X509_CRL_new_null();
}

void m2_sk_x509_crl_free(m2_x509_crl_stack *stack)
{
    sk_X509_CRL_pop_free(stack, X509_CRL_free);
}

int m2_sk_x509_crl_num(const m2_x509_crl_stack *stack)
{
    return sk_X509_CRL_num(stack);
}

X509_CRL *m2_sk_x509_crl_value(const m2_x509_crl_stack *stack, int index)
{
    X509_CRL *crl = sk_X509_CRL_value(stack, index);

    if (crl == NULL) {
        m2_error("the stack has no such element");
        return NULL;
    }
    return X509_CRL_up_ref(crl) == 1 ? crl : NULL;
}

m2_status m2_sk_x509_crl_push(m2_x509_crl_stack *stack, X509_CRL *crl)
{
    int count;

    if (X509_CRL_up_ref(crl) != 1)
        return 0;
    count = sk_X509_CRL_push(stack, crl);
    if (count <= 0)
        X509_CRL_free(crl);
    return count;
}

X509_CRL *m2_sk_x509_crl_pop(m2_x509_crl_stack *stack)
{
    return sk_X509_CRL_pop(stack);
}

/* ---- extensions --------------------------------------------------------------------------- */

m2_x509_ext_stack *m2_sk_x509_ext_new_null(void)
{
    return sk_X509_EXTENSION_new_null();
}

void m2_sk_x509_ext_free(m2_x509_ext_stack *stack)
{
    sk_X509_EXTENSION_pop_free(stack, X509_EXTENSION_free);
}

int m2_sk_x509_ext_num(const m2_x509_ext_stack *stack)
{
    return sk_X509_EXTENSION_num(stack);
}

X509_EXTENSION *m2_sk_x509_ext_value(const m2_x509_ext_stack *stack, int index)
{
    X509_EXTENSION *extension = sk_X509_EXTENSION_value(stack, index);

    if (extension == NULL) {
        m2_error("the stack has no such element");
        return NULL;
    }
    return X509_EXTENSION_dup(extension);
}

m2_status m2_sk_x509_ext_push(m2_x509_ext_stack *stack, const X509_EXTENSION *extension)
{
    X509_EXTENSION *copy = X509_EXTENSION_dup((X509_EXTENSION *)extension);
    int count = 0;

    if (copy != NULL)
        count = sk_X509_EXTENSION_push(stack, copy);
    if (count <= 0)
        X509_EXTENSION_free(copy);
    return count;
}

X509_EXTENSION *m2_sk_x509_ext_pop(m2_x509_ext_stack *stack)
{
    return sk_X509_EXTENSION_pop(stack);
}
