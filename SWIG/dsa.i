/* DSA keys, if this OpenSSL has them. */
%{
#include "dsa.h"
%}

#ifndef OPENSSL_NO_DSA
%thread m2_dsa_generate_parameters;
%thread m2_dsa_gen_key;
%thread m2_dsa_check_key;
%thread m2_dsa_check_pub_key;
%thread m2_dsa_read_params;
%thread m2_dsa_read_key;
%thread m2_dsa_read_pub_key;
%thread_when(m2_dsa_write_params_bio, m2_bio_may_block(arg2))
%thread m2_dsa_write_key_bio;
%thread m2_dsa_write_key_bio_no_cipher;
%thread_when(m2_dsa_write_pub_key_bio, m2_bio_may_block(arg2))
%thread m2_dsa_sign;
%thread m2_dsa_verify;
%thread m2_dsa_sign_asn1;
%thread m2_dsa_verify_asn1;
#endif

%include "src/dsa.h"
