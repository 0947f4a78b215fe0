/* Stacks of certificates, revocation lists and extensions. A stack owns its elements; what goes in
 * or comes out is shared (certificates, CRLs) or copied (extensions). */
#ifndef M2_X509_STACK_H
#define M2_X509_STACK_H

#ifndef SWIG
#include "m2.h"
#endif

typedef struct stack_st_X509 m2_x509_stack;
typedef struct stack_st_X509_CRL m2_x509_crl_stack;
typedef struct stack_st_X509_EXTENSION m2_x509_ext_stack;

m2_x509_stack *m2_sk_x509_new_null(void);
void m2_sk_x509_free(m2_x509_stack *RELEASE);
int m2_sk_x509_num(const m2_x509_stack *stack);
X509 *m2_sk_x509_value(const m2_x509_stack *stack, int index);
/* How many the stack has then. */
m2_status m2_sk_x509_push(m2_x509_stack *stack, X509 *certificate);
/* NULL when it is empty. */
X509 *m2_sk_x509_pop(m2_x509_stack *stack);
/* To and from the DER of SEQUENCE OF Certificate. */
m2_bytes m2_get_der_encoding_stack(const m2_x509_stack *stack);
m2_x509_stack *m2_make_stack_from_der_sequence(m2_buffer der);
/* PKCS #7 signed data without content or signers, in PEM (RFC 2315, 9.1). */
m2_status m2_sk_x509_write_degenerate(BIO *bio, m2_x509_stack *stack);

m2_x509_crl_stack *m2_sk_x509_crl_new_null(void);
void m2_sk_x509_crl_free(m2_x509_crl_stack *RELEASE);
int m2_sk_x509_crl_num(const m2_x509_crl_stack *stack);
X509_CRL *m2_sk_x509_crl_value(const m2_x509_crl_stack *stack, int index);
m2_status m2_sk_x509_crl_push(m2_x509_crl_stack *stack, X509_CRL *crl);
X509_CRL *m2_sk_x509_crl_pop(m2_x509_crl_stack *stack);

m2_x509_ext_stack *m2_sk_x509_ext_new_null(void);
void m2_sk_x509_ext_free(m2_x509_ext_stack *RELEASE);
int m2_sk_x509_ext_num(const m2_x509_ext_stack *stack);
X509_EXTENSION *m2_sk_x509_ext_value(const m2_x509_ext_stack *stack, int index);
m2_status m2_sk_x509_ext_push(m2_x509_ext_stack *stack, const X509_EXTENSION *extension);
X509_EXTENSION *m2_sk_x509_ext_pop(m2_x509_ext_stack *stack);

#endif
