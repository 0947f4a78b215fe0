/* X.509: certificates, names, extensions, requests, revocation lists, stores and verification. */
%{
#include <string.h>

#include "x509_name.h"
#include "x509_ext.h"
#include "x509.h"
%}

%constant long long VERIFY_CRL_CHECK_LEAF = X509_V_FLAG_CRL_CHECK;
%constant long long VERIFY_CRL_CHECK_CHAIN = X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL;

/* See m2_pkey_is_usable: a key that verifies, by m2_pkey_public, and one that signs. */
%typemap(check, noblock=1) EVP_PKEY *key (EVP_PKEY *public_key = NULL) {
    public_key = m2_pkey_is_usable($1, M2_KEY_VERIFY) ? m2_pkey_public($1) : NULL;
    if (public_key == NULL) {
        m2_raise(M2_AREA, "$symname");
        SWIG_fail;
    }
    $1 = public_key;
}
%typemap(freearg, noblock=1) EVP_PKEY *key {
    EVP_PKEY_free(public_key$argnum);
    m2_argument_end(&argument$argnum);
}
%typemap(check, noblock=1) EVP_PKEY *signer {
    if (!m2_pkey_is_usable($1, M2_KEY_SIGN)) {
        m2_raise(M2_AREA, "$symname");
        SWIG_fail;
    }
}

%thread_io(X509_NAME_print_ex)
%thread_io(m2_x509_ext_print)
%thread_io(m2_sk_x509_write_degenerate)
%thread_io(X509_print)
%thread_io(PEM_write_bio_X509)
%thread_io(m2_x509_read_pem)
%thread_io(m2_d2i_x509)
%thread_io(X509_REQ_print)
%thread_io(PEM_write_bio_X509_REQ)
%thread_io(m2_x509_req_read_pem)
%thread_io(m2_d2i_x509_req)
%thread_io(X509_CRL_print)
%thread_io(m2_x509_crl_read_pem)

%typemap(out, noblock=1) char *m2_x509_name_oneline {
    if ($1 == NULL) {
        m2_raise(M2_AREA, "$symname");
        SWIG_fail;
    }
    ERR_clear_error();
    $result = PyUnicode_DecodeUTF8($1, (Py_ssize_t)strlen($1), "backslashreplace");
    OPENSSL_free($1);
}

/* Names. */
X509_NAME *X509_NAME_new(void);
X509_NAME *X509_NAME_dup(X509_NAME *name);
void X509_NAME_free(X509_NAME *RELEASE);
int X509_NAME_entry_count(const X509_NAME *name);
m2_number X509_NAME_print_ex(BIO *bio, const X509_NAME *name, int indent, unsigned long flags);
X509_NAME_ENTRY *X509_NAME_ENTRY_new(void);
void X509_NAME_ENTRY_free(X509_NAME_ENTRY *RELEASE);
%include "src/x509_name.h"

/* Extensions. */
X509_EXTENSION *X509_EXTENSION_new(void);
X509_EXTENSION *X509_EXTENSION_dup(X509_EXTENSION *extension);
void X509_EXTENSION_free(X509_EXTENSION *RELEASE);
int X509_EXTENSION_get_critical(const X509_EXTENSION *extension);
m2_status X509_EXTENSION_set_critical(X509_EXTENSION *extension, int critical);
%include "src/x509_ext.h"
%{
#include "x509_conf.h"
%}
%apply X509 *OPTIONAL { X509 *issuer_or_none, X509 *subject_or_none };
%include "src/x509_conf.h"

%none_for_null(X509, m2_sk_x509_pop)
%none_for_null(X509_CRL, m2_sk_x509_crl_pop)
%none_for_null(X509_EXTENSION, m2_sk_x509_ext_pop)
%include "src/x509_stack.h"
/* Under these names programs look them up. */
%{
#define m2_sk_x509_extension_new_null m2_sk_x509_ext_new_null
#define m2_sk_x509_extension_free m2_sk_x509_ext_free
#define m2_sk_x509_extension_num m2_sk_x509_ext_num
#define m2_sk_x509_extension_value m2_sk_x509_ext_value
#define m2_sk_x509_extension_push m2_sk_x509_ext_push
#define m2_sk_x509_extension_pop m2_sk_x509_ext_pop
%}
%none_for_null(X509_EXTENSION, m2_sk_x509_extension_pop)
m2_x509_ext_stack *m2_sk_x509_extension_new_null(void);
void m2_sk_x509_extension_free(m2_x509_ext_stack *RELEASE);
int m2_sk_x509_extension_num(const m2_x509_ext_stack *stack);
X509_EXTENSION *m2_sk_x509_extension_value(const m2_x509_ext_stack *stack, int index);
m2_status m2_sk_x509_extension_push(m2_x509_ext_stack *stack, const X509_EXTENSION *extension);
X509_EXTENSION *m2_sk_x509_extension_pop(m2_x509_ext_stack *stack);

/* Certificates. */
%thread X509_sign;
%thread X509_verify;
X509 *X509_new(void);
X509 *X509_dup(X509 *certificate);
void X509_free(X509 *RELEASE);
m2_status X509_print(BIO *bio, X509 *certificate);
%rename(x509_write_pem) PEM_write_bio_X509;
m2_status PEM_write_bio_X509(BIO *bio, X509 *certificate);
m2_status X509_set_version(X509 *certificate, long version);
%rename(x509_set_serial_number) X509_set_serialNumber;
m2_status X509_set_serialNumber(X509 *certificate, ASN1_INTEGER *serial);
%rename(x509_set_not_before) X509_set1_notBefore;
m2_status X509_set1_notBefore(X509 *certificate, const ASN1_TIME *time);
%rename(x509_set_not_after) X509_set1_notAfter;
m2_status X509_set1_notAfter(X509 *certificate, const ASN1_TIME *time);
m2_status X509_set_subject_name(X509 *certificate, X509_NAME *name);
m2_status X509_set_issuer_name(X509 *certificate, X509_NAME *name);
EVP_PKEY *X509_get_pubkey(X509 *certificate);
m2_status X509_set_pubkey(X509 *certificate, EVP_PKEY *key);
int X509_get_ext_count(const X509 *certificate);
m2_status X509_add_ext(X509 *certificate, X509_EXTENSION *extension, int index);
m2_status X509_sign(X509 *certificate, EVP_PKEY *signer, const EVP_MD *OPTIONAL);
m2_verdict X509_verify(X509 *certificate, EVP_PKEY *key);
m2_verdict X509_check_ca(X509 *certificate);
%none_for_null(GENERAL_NAMES, m2_x509_get_subject_alt_names)

/* Requests. */
%thread X509_REQ_sign;
%thread X509_REQ_verify;
X509_REQ *X509_REQ_new(void);
void X509_REQ_free(X509_REQ *RELEASE);
m2_status X509_REQ_print(BIO *bio, X509_REQ *request);
%rename(x509_req_write_pem) PEM_write_bio_X509_REQ;
m2_status PEM_write_bio_X509_REQ(BIO *bio, X509_REQ *request);
m2_status X509_REQ_set_subject_name(X509_REQ *request, X509_NAME *name);
EVP_PKEY *X509_REQ_get_pubkey(X509_REQ *request);
m2_status X509_REQ_set_pubkey(X509_REQ *request, EVP_PKEY *key);
m2_status X509_REQ_sign(X509_REQ *request, EVP_PKEY *signer, const EVP_MD *OPTIONAL);
m2_verdict X509_REQ_verify(X509_REQ *request, EVP_PKEY *key);

/* Revocation lists. */
%thread X509_CRL_verify;
X509_CRL *X509_CRL_new(void);
X509_CRL *X509_CRL_dup(X509_CRL *crl);
void X509_CRL_free(X509_CRL *RELEASE);
m2_status X509_CRL_print(BIO *bio, X509_CRL *crl);
m2_verdict X509_CRL_verify(X509_CRL *crl, EVP_PKEY *key);
%none_for_null(ASN1_TIME, m2_x509_crl_get_next_update)
%include "src/x509.h"
%include "x509_crl.i"

/* Stores and verification. */
%thread m2_x509_store_load_locations;
%exception m2_x509_verify_cert {
    m2_use use = {0};
    int may_run = arg1->store == NULL || m2_use_begin(&use, "X509_STORE", arg1->store, 0);

    if (may_run) {
        PyThreadState *waiting = PyEval_SaveThread();
        $action
        PyEval_RestoreThread(waiting);
    }
    m2_use_end(&use);
    if (!may_run) {
        m2_raise(M2_AREA, "$symname");
        SWIG_fail;
    }
}
void X509_STORE_free(X509_STORE *RELEASE);
/* OpenSSL locks the store for these, also during a verification. */
m2_status X509_STORE_add_cert(X509_STORE *SHARED, X509 *certificate);
m2_status X509_STORE_add_crl(X509_STORE *SHARED, X509_CRL *crl);
m2_status X509_STORE_set_flags(X509_STORE *store, unsigned long flags);
m2_status X509_STORE_set_purpose(X509_STORE *store, int purpose);
m2_status X509_STORE_set_depth(X509_STORE *store, int depth);
%none_for_null(X509, m2_x509_store_ctx_get_current_cert)
%include "src/x509_store.h"
