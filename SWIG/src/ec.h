/*
 * Elliptic curve keys (EVP_PKEY-EC(7)): parameters alone, with a public key, or with a private one.
 * They are EVP_PKEYs under a handle type of their own, as OpenSSL 1.1.1 does not expect an EVP_PKEY
 * of parameters alone everywhere. Signatures are of digests; the numbers in them cross in OpenSSL's
 * MPI format (BN_bn2mpi(3)).
 */
#ifndef M2_EC_H
#define M2_EC_H

#ifndef OPENSSL_NO_EC

typedef EVP_PKEY m2_ec;

/* Parameters alone, for a curve's NID; and a new key for the parameters of a key. */
m2_ec *m2_ec_key_new_by_curve_name(int nid);
m2_ec *m2_ec_key_gen_key(const m2_ec *parameters);

m2_ec *m2_ec_key_read_bio(BIO *bio, m2_callback passphrase);
m2_ec *m2_ec_key_read_pubkey(BIO *bio);
/* A subjectPublicKeyInfo; a curve and a point on it (SEC 1, 2.3.3). */
m2_ec *m2_ec_key_from_pubkey_der(m2_buffer der);
m2_ec *m2_ec_key_from_pubkey_params(int nid, m2_buffer point);
/* PEM as SEC 1 has it; not encrypted when the cipher is None. */
m2_status m2_ec_key_write_bio(const m2_ec *key, BIO *bio, const EVP_CIPHER *OPTIONAL,
                              m2_callback passphrase);
m2_status m2_ec_key_write_pubkey(const m2_ec *key, BIO *bio);
m2_bytes m2_ec_key_get_public_der(const m2_ec *key);
m2_bytes m2_ec_key_get_public_key(const m2_ec *key);

/* Bits of the curve's field. */
m2_number m2_ec_key_keylen(const m2_ec *key);
m2_verdict m2_ec_key_check_key(const m2_ec *key);

/* DER signatures (RFC 3279, 2.2.3). One that is not DER is an error, not just wrong. */
m2_bytes m2_ecdsa_sign_asn1(const m2_ec *key, m2_buffer digest);
m2_verdict m2_ecdsa_verify_asn1(const m2_ec *key, m2_buffer digest, m2_buffer signature);
m2_bytes m2_ecdsa_sig_get_r(m2_buffer signature);
m2_bytes m2_ecdsa_sig_get_s(m2_buffer signature);
m2_bytes m2_ecdsa_sig_new(m2_buffer r, m2_buffer s);

/* The x coordinate of the common point (SEC 1, 3.3.1). */
m2_bytes m2_ecdh_compute_key(const m2_ec *key, const m2_ec *peer);

/* The curves of this OpenSSL, by their place: NID (0 after the last) and comment. */
int m2_ec_builtin_curve_nid(int place);
const char *m2_ec_builtin_curve_comment(int place);

#endif
#endif
