/* RSA keys. */
%{
#include "rsa.h"
%}

%thread m2_rsa_generate_key;
%thread m2_rsa_read_key;
%thread m2_rsa_write_key;
%thread m2_rsa_check_key;
%thread m2_rsa_public_encrypt;
%thread m2_rsa_public_decrypt;
%thread m2_rsa_private_encrypt;
%thread m2_rsa_private_decrypt;
%thread m2_rsa_sign;
%thread m2_rsa_verify;
%thread m2_rsa_sign_pss;
%thread m2_rsa_verify_pss;

%thread m2_rsa_write_key_no_cipher;
%thread m2_rsa_public_encrypt_oaep;
%thread m2_rsa_private_decrypt_oaep;

/* Applies from here on in every file. */
%apply const EVP_MD *OPTIONAL {
    const EVP_MD *md_or_none,
    const EVP_MD *mgf1_or_none,
    const EVP_MD *mgf1_or_default
};
%typemap(default, noblock=1) const EVP_MD *mgf1_or_default { $1 = NULL; }

/* The values of rsa.h. The second one also exists if OpenSSL has no such padding. */
%constant int pkcs1_padding = 1;
%constant int sslv23_padding = 2;
%constant int no_padding = 3;
%constant int pkcs1_oaep_padding = 4;
%constant int pkcs1_pss_padding = 6;

%include "src/rsa.h"
