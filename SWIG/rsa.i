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

/* The values of rsa.h. The second one also exists if OpenSSL has no such padding. */
%constant int pkcs1_padding = 1;
%constant int sslv23_padding = 2;
%constant int no_padding = 3;
%constant int pkcs1_oaep_padding = 4;

%include "src/rsa.h"
