/* DH keys, if this OpenSSL has them. */
%{
#include "dh.h"
%}

#ifndef OPENSSL_NO_DH
%thread m2_dh_generate_parameters;
%thread m2_dh_generate_key;
%thread m2_dh_check;
%thread m2_dh_compute_key;
%thread_io(m2_dh_read_parameters)
%thread_when(m2_dh_write_parameters, m2_bio_may_block(arg2))
%thread_io(m2_dhparams_print)
#endif

/* DH_GENERATOR_2 and DH_GENERATOR_5 of OpenSSL's dh.h. */
%constant int DH_GENERATOR_2 = 2;
%constant int DH_GENERATOR_5 = 5;

%include "src/dh.h"
