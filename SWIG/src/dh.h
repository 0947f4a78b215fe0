/*
 * DH keys (RFC 7919; EVP_PKEY-DH(7)): parameters or key pairs. Numbers are in MPI format
 * (BN_bn2mpi(3)).
 */
#ifndef M2_DH_H
#define M2_DH_H

#ifndef SWIG
#include "ffc.h"
#endif

#ifndef OPENSSL_NO_DH

typedef m2_ffc m2_dh;

m2_dh *m2_dh_new(void);
void m2_dh_free(m2_dh *RELEASE);
m2_dh *m2_dh_dup(const m2_dh *dh);
/* Generate a safe prime. The callback's arguments are the phase and the number of the iteration
 * (BN_generate_prime_ex(3)). */
m2_dh *m2_dh_generate_parameters(int bits, int generator, m2_callback progress);
/* Generate a key pair with the parameters, and replace that of the key. */
m2_status m2_dh_generate_key(m2_dh *dh);

/* Setting the parameters removes the keys. */
m2_status m2_dh_set_pg(m2_dh *dh, m2_buffer p, m2_buffer g);
m2_bytes m2_dh_get_p(const m2_dh *dh);
m2_bytes m2_dh_get_g(const m2_dh *dh);
m2_bytes m2_dh_get_pub(const m2_dh *dh);
m2_bytes m2_dh_get_priv(const m2_dh *dh);
/* Return the length of p in bytes. */
m2_number m2_dh_size(const m2_dh *dh);
/* Return 0 if the parameters are valid, else the sum of DH_check(3)'s DH_CHECK_* codes. */
m2_number m2_dh_check(const m2_dh *dh);

/* Read PKCS #3 or X9.42 parameters. */
m2_dh *m2_dh_read_parameters(BIO *bio);
m2_status m2_dh_write_parameters(const m2_dh *dh, BIO *bio);
m2_status m2_dhparams_print(BIO *bio, const m2_dh *dh);

/* Return the shared secret with a public key, without leading zeros. */
m2_bytes m2_dh_compute_key(const m2_dh *dh, m2_buffer number);

#endif
#endif
