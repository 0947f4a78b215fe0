/* Elliptic curve keys, if this OpenSSL has them. */
%{
#include "ec.h"
%}

#ifndef OPENSSL_NO_EC
%thread m2_ec_key_gen_key;
%thread m2_ec_key_read_bio;
%thread m2_ec_key_write_bio;
%thread m2_ec_key_write_bio_no_cipher;
%thread m2_ec_key_check_key;
%thread m2_ecdsa_sign_asn1;
%thread m2_ecdsa_verify_asn1;
%thread m2_ecdh_compute_key;
#endif

/* The curves of X9.62 by short name, for which OpenSSL has no NID_ macros. */
%constant int NID_prime192v1 = NID_X9_62_prime192v1;
%constant int NID_prime192v2 = NID_X9_62_prime192v2;
%constant int NID_prime192v3 = NID_X9_62_prime192v3;
%constant int NID_prime239v1 = NID_X9_62_prime239v1;
%constant int NID_prime239v2 = NID_X9_62_prime239v2;
%constant int NID_prime239v3 = NID_X9_62_prime239v3;
%constant int NID_prime256v1 = NID_X9_62_prime256v1;
%constant int NID_c2pnb163v1 = NID_X9_62_c2pnb163v1;
%constant int NID_c2pnb163v2 = NID_X9_62_c2pnb163v2;
%constant int NID_c2pnb163v3 = NID_X9_62_c2pnb163v3;
%constant int NID_c2pnb176v1 = NID_X9_62_c2pnb176v1;
%constant int NID_c2tnb191v1 = NID_X9_62_c2tnb191v1;
%constant int NID_c2tnb191v2 = NID_X9_62_c2tnb191v2;
%constant int NID_c2tnb191v3 = NID_X9_62_c2tnb191v3;
%constant int NID_c2pnb208w1 = NID_X9_62_c2pnb208w1;
%constant int NID_c2tnb239v1 = NID_X9_62_c2tnb239v1;
%constant int NID_c2tnb239v2 = NID_X9_62_c2tnb239v2;
%constant int NID_c2tnb239v3 = NID_X9_62_c2tnb239v3;
%constant int NID_c2pnb272w1 = NID_X9_62_c2pnb272w1;
%constant int NID_c2pnb304w1 = NID_X9_62_c2pnb304w1;
%constant int NID_c2tnb359v1 = NID_X9_62_c2tnb359v1;
%constant int NID_c2pnb368w1 = NID_X9_62_c2pnb368w1;
%constant int NID_c2tnb431r1 = NID_X9_62_c2tnb431r1;

%include "src/ec.h"
