/*
 * The OpenSSL types that handles hold, with the function that releases one reference.
 */
%{
#include "bio.h"
#include "bio_chain.h"
#include "ssl_bio.h"

/* Objects of some types are OpenSSL's constants and are not released. */
static void release_nothing(const void *object)
{
    (void)object;
}

/* Nothing changes an object of the type, or OpenSSL locks it (openssl-threads(7)). */
static int always_shared(const void *object)
{
    (void)object;
    return 1;
}

/* Threads can read and write a descriptor at once, but not a memory BIO or a filter. */
static int is_shared_bio(const void *object)
{
    return m2_bio_is_descriptor((BIO *)object);
}

static const m2_handle_chain bio_chain = {m2_bio_used, m2_bio_begin_more, m2_bio_end_more};
%}

%chain_handle(BIO, BIO_free_all, is_shared_bio, &bio_chain)
%shared_handle(BIO_METHOD, release_nothing, always_shared)
%handle(BIGNUM, BN_clear_free)

%{
#include "aead.h"
#include "compat_evp.h"
#include "ec.h"
#include "evp.h"
#include "mac.h"
#include "rsa.h"
%}
%handle(EVP_MD_CTX, EVP_MD_CTX_free)
%handle(EVP_CIPHER_CTX, EVP_CIPHER_CTX_free)
%shared_handle(EVP_PKEY, EVP_PKEY_free, always_shared)
#ifndef OPENSSL_NO_RC4
%{
#include "rc4.h"
%}
%handle(m2_rc4, m2_rc4_free)
#endif
%shared_handle(EVP_MD, m2_digest_free, always_shared)
%shared_handle(EVP_CIPHER, m2_cipher_free, always_shared)
%handle(m2_hmac, m2_hmac_context_free)
%handle(m2_mac, m2_mac_free)
%shared_handle(m2_aead, m2_aead_free, always_shared)
%handle(m2_rsa, m2_rsa_free)
#ifndef OPENSSL_NO_EC
%shared_handle(m2_ec, EVP_PKEY_free, always_shared)
#endif

%{
#include "dh.h"
#include "dsa.h"
%}
#ifndef OPENSSL_NO_DSA
%handle(m2_dsa, m2_dsa_free)
#endif
#ifndef OPENSSL_NO_DH
%handle(m2_dh, m2_dh_free)
#endif

%{
#include "x509_stack.h"
#include "x509_store.h"
%}
%handle(ASN1_INTEGER, ASN1_INTEGER_free)
%handle(ASN1_OBJECT, ASN1_OBJECT_free)
%handle(ASN1_STRING, ASN1_STRING_free)
%handle(ASN1_TIME, ASN1_TIME_free)
%handle(X509, X509_free)
%handle(X509_CRL, X509_CRL_free)
%handle(X509_EXTENSION, X509_EXTENSION_free)
%handle(X509_NAME, X509_NAME_free)
%handle(X509_NAME_ENTRY, X509_NAME_ENTRY_free)
%handle(X509_REQ, X509_REQ_free)
%handle(X509_STORE, X509_STORE_free)
%handle(GENERAL_NAMES, GENERAL_NAMES_free)
%handle(m2_x509_stack, m2_sk_x509_free)
%handle(m2_x509_crl_stack, m2_sk_x509_crl_free)
%handle(m2_x509_ext_stack, m2_sk_x509_ext_free)
%handle(m2_x509_store_ctx, m2_x509_store_ctx_free)

%{
#include "cms.h"
#include "ossl_store.h"
#include "pkcs12.h"
#include "pkcs7.h"
#include "x509_conf.h"
%}
%handle(CONF, NCONF_free)
%handle(m2_x509v3_ctx, m2_x509v3_ctx_free)
%handle(X509_REVOKED, X509_REVOKED_free)
%handle(PKCS7, PKCS7_free)
#ifndef OPENSSL_NO_CMS
%handle(CMS_ContentInfo, CMS_ContentInfo_free)
#endif
%handle(PKCS12, PKCS12_free)
%handle(m2_pkcs12_parts, m2_pkcs12_parts_free)
%handle(m2_store_objects, m2_store_objects_free)

%{
#include "ssl_connection.h"
%}
%handle(SSL, SSL_free)
%shared_handle(SSL_CIPHER, release_nothing, always_shared)
%handle(SSL_CTX, SSL_CTX_free)
%shared_handle(SSL_METHOD, release_nothing, always_shared)
%handle(SSL_SESSION, SSL_SESSION_free)
%handle(m2_ssl_ciphers, m2_sk_ssl_cipher_free)
