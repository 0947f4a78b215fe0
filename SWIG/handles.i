/*
 * The OpenSSL types that handles hold, with the function that releases one reference.
 */
%{
#include "bio.h"

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

/* Threads can read and write a descriptor at once, but not a memory BIO. */
static int is_shared_bio(const void *object)
{
    return m2_bio_may_block((BIO *)object);
}
%}

%shared_handle(BIO, BIO_free_all, is_shared_bio)
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
#include "ssl_connection.h"
%}
%handle(SSL, SSL_free)
%shared_handle(SSL_CIPHER, release_nothing, always_shared)
%handle(SSL_CTX, SSL_CTX_free)
%shared_handle(SSL_METHOD, release_nothing, always_shared)
%handle(SSL_SESSION, SSL_SESSION_free)
%handle(m2_ssl_ciphers, m2_sk_ssl_cipher_free)
