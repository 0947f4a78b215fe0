/* Digests, HMAC, ciphers and keys. */
%{
#include "evp.h"
%}

/* Functions that can take longer than releasing and acquiring the GIL. */
%thread_large(m2_digest_update, arg2)
%thread_large(m2_digest_sign_update, arg2)
%thread_large(m2_digest_verify_update, arg2)
%thread_large(m2_hmac_update, arg2)
%thread_large(m2_hmac_once, arg2)
%thread_large(m2_cipher_update, arg2)
%thread_large(m2_cipher_update_aad, arg2)
%thread_when(m2_cipher_ccm, arg5.length + arg6.length > M2_GIL_THRESHOLD)
%thread m2_pkcs5_pbkdf2_hmac_sha1;
%thread m2_bytes_to_key;
%thread m2_pkey_read_pem;
%thread m2_pkey_read_pem_pubkey;
%thread m2_pkey_write_pem;
%thread m2_pkey_write_pem_no_cipher;
%thread m2_sign_final;
%thread m2_verify_final;
%thread m2_digest_sign_final;
%thread m2_digest_sign;
%thread m2_digest_verify_final;
%thread m2_digest_verify;

%constant int encrypt = 1;
%constant int decrypt = 0;

%none_for_null(EVP_MD, m2_get_digestbyname)
%none_for_null(EVP_CIPHER, m2_get_cipherbyname)
%rename(hmac) m2_hmac_once;

%rename(md_ctx_new) EVP_MD_CTX_new;
EVP_MD_CTX *EVP_MD_CTX_new(void);
%rename(md_ctx_free) EVP_MD_CTX_free;
void EVP_MD_CTX_free(EVP_MD_CTX *RELEASE);
%typemap(default, noblock=1) int min_length { $1 = 16; }

%rename(md_size) EVP_MD_size;
int EVP_MD_size(const EVP_MD *md);

/* Applies from here on in every file. Only md_size accepts the null digest. */
%typemap(check, noblock=1) const EVP_MD *, const EVP_MD *OPTIONAL {
    if ($1 != NULL && !m2_digest_is_usable($1)) {
        m2_raise(M2_AREA, "$symname");
        SWIG_fail;
    }
}

%rename(hmac_ctx_free) m2_hmac_context_free;
void m2_hmac_context_free(m2_hmac *RELEASE);

%rename(cipher_ctx_new) EVP_CIPHER_CTX_new;
EVP_CIPHER_CTX *EVP_CIPHER_CTX_new(void);
%rename(cipher_ctx_free) EVP_CIPHER_CTX_free;
void EVP_CIPHER_CTX_free(EVP_CIPHER_CTX *RELEASE);
%rename(cipher_get_iv_length) EVP_CIPHER_iv_length;
int EVP_CIPHER_iv_length(const EVP_CIPHER *cipher);

%rename(pkey_new) EVP_PKEY_new;
EVP_PKEY *EVP_PKEY_new(void);
%rename(pkey_free) EVP_PKEY_free;
void EVP_PKEY_free(EVP_PKEY *RELEASE);
%rename(pkey_base_id) EVP_PKEY_base_id;
int EVP_PKEY_base_id(const EVP_PKEY *pkey);

%ignore m2_cipher_is_aead;
%ignore m2_cipher_is_siv;
%include "src/evp.h"
