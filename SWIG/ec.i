/* Elliptic curve keys, where the OpenSSL at hand has them. */
%{
#include "ec.h"
%}

#ifndef OPENSSL_NO_EC
%thread m2_ec_key_gen_key;
%thread m2_ec_key_read_bio;
%thread m2_ec_key_write_bio;
%thread m2_ec_key_check_key;
%thread m2_ecdsa_sign_asn1;
%thread m2_ecdsa_verify_asn1;
%thread m2_ecdh_compute_key;
#endif

%include "src/ec.h"
