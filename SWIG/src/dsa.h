/*
 * DSA keys (FIPS 186-4; EVP_PKEY-DSA(7)): parameters, public or private keys. Digests are signed.
 * Numbers are in MPI format (BN_bn2mpi(3)).
 */
#ifndef M2_DSA_H
#define M2_DSA_H

#ifndef SWIG
#include "ffc.h"
#include "keys.h"
#endif

#ifndef OPENSSL_NO_DSA

typedef m2_ffc m2_dsa;

m2_dsa *m2_dsa_new(void);
void m2_dsa_free(m2_dsa *RELEASE);
m2_dsa *m2_dsa_dup(const m2_dsa *dsa);
/* The callback's arguments are the phase and the number of the iteration
 * (BN_generate_prime_ex(3)). */
m2_dsa *m2_dsa_generate_parameters(int bits, m2_callback progress);
/* Generate a key pair with the parameters, and replace that of the key. */
m2_status m2_dsa_gen_key(m2_dsa *dsa);

/* Setting the parameters removes the keys. */
m2_status m2_dsa_set_pqg(m2_dsa *dsa, m2_buffer p, m2_buffer q, m2_buffer g);
m2_status m2_dsa_set_pub(m2_dsa *dsa, m2_buffer number);
m2_bytes m2_dsa_get_p(const m2_dsa *dsa);
m2_bytes m2_dsa_get_q(const m2_dsa *dsa);
m2_bytes m2_dsa_get_g(const m2_dsa *dsa);
m2_bytes m2_dsa_get_pub(const m2_dsa *dsa);
m2_bytes m2_dsa_get_priv(const m2_dsa *dsa);

/* Return the bits of p, and the maximum size of a signature in bytes. */
m2_number m2_dsa_keylen(const m2_dsa *dsa);
m2_number m2_dsa_size(const m2_dsa *dsa);
int m2_dsa_is_private(const m2_dsa *dsa);
/* Return whether the private and the public key, or the public key, fit the parameters. */
m2_verdict m2_dsa_check_key(const m2_dsa *dsa);
m2_verdict m2_dsa_check_pub_key(const m2_dsa *dsa);

m2_dsa *m2_dsa_read_params(BIO *bio, m2_callback passphrase);
m2_dsa *m2_dsa_read_key(BIO *bio, m2_callback passphrase);
m2_dsa *m2_dsa_read_pub_key(BIO *bio, m2_callback passphrase);
m2_status m2_dsa_write_params_bio(const m2_dsa *dsa, BIO *bio);
/* Write the traditional format as PEM, unencrypted if the cipher is None. */
m2_status m2_dsa_write_key_bio(const m2_dsa *dsa, BIO *bio, const EVP_CIPHER *OPTIONAL,
                               m2_callback passphrase);
m2_status m2_dsa_write_key_bio_no_cipher(const m2_dsa *dsa, BIO *bio, m2_callback passphrase);
m2_status m2_dsa_write_pub_key_bio(const m2_dsa *dsa, BIO *bio);

/* Signatures as numbers r and s, and in DER (RFC 3279, section 2.2.2). A signature that is not DER
 * is an error. */
m2_pair m2_dsa_sign(const m2_dsa *dsa, m2_buffer digest);
m2_verdict m2_dsa_verify(const m2_dsa *dsa, m2_buffer digest, m2_buffer r, m2_buffer s);
m2_bytes m2_dsa_sign_asn1(const m2_dsa *dsa, m2_buffer digest);
m2_verdict m2_dsa_verify_asn1(const m2_dsa *dsa, m2_buffer digest, m2_buffer signature);

#endif
#endif
