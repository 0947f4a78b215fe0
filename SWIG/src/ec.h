/*
 * Elliptic curve keys (EVP_PKEY-EC(7)): parameters, public or private keys. They are EVP_PKEYs
 * with a handle type of their own, because some functions of OpenSSL 1.1.1 crash with an
 * EVP_PKEY of parameters. Digests are signed. The numbers of signatures are in MPI format
 * (BN_bn2mpi(3)).
 */
#ifndef M2_EC_H
#define M2_EC_H

#ifndef OPENSSL_NO_EC

typedef EVP_PKEY m2_ec;

/* Return the parameters of a curve's NID, and a new key with the parameters of a key. */
m2_ec *m2_ec_key_new_by_curve_name(int nid);
m2_ec *m2_ec_key_gen_key(const m2_ec *parameters);

m2_ec *m2_ec_key_read_bio(BIO *bio, m2_callback passphrase);
m2_ec *m2_ec_key_read_pubkey(BIO *bio);
/* Return the public key of a SubjectPublicKeyInfo, and of a curve and a point (SEC 1, section
 * 2.3.3). */
m2_ec *m2_ec_key_from_pubkey_der(m2_buffer der);
m2_ec *m2_ec_key_from_pubkey_params(int nid, m2_buffer point);
/* Write an ECPrivateKey as PEM, unencrypted if the cipher is None. */
m2_status m2_ec_key_write_bio(const m2_ec *key, BIO *bio, const EVP_CIPHER *OPTIONAL,
                              m2_callback passphrase);
m2_status m2_ec_key_write_bio_no_cipher(const m2_ec *key, BIO *bio, m2_callback passphrase);
m2_status m2_ec_key_write_pubkey(const m2_ec *key, BIO *bio);
m2_bytes m2_ec_key_get_public_der(const m2_ec *key);
m2_bytes m2_ec_key_get_public_key(const m2_ec *key);

/* Return the number of bits of the curve's field. */
m2_number m2_ec_key_keylen(const m2_ec *key);
m2_verdict m2_ec_key_check_key(const m2_ec *key);

/* Signatures in DER (RFC 3279, section 2.2.3). A signature that is not DER is an error. */
m2_bytes m2_ecdsa_sign_asn1(const m2_ec *key, m2_buffer digest);
m2_verdict m2_ecdsa_verify_asn1(const m2_ec *key, m2_buffer digest, m2_buffer signature);
m2_bytes m2_ecdsa_sig_get_r(m2_buffer signature);
m2_bytes m2_ecdsa_sig_get_s(m2_buffer signature);
m2_bytes m2_ecdsa_sig_new(m2_buffer r, m2_buffer s);

/* Return the shared secret (SEC 1, section 3.3.1). */
m2_bytes m2_ecdh_compute_key(const m2_ec *key, const m2_ec *peer);

/* Return the NID (0 after the last one) and the comment of the curve at an index. */
int m2_ec_builtin_curve_nid(int place);
const char *m2_ec_builtin_curve_comment(int place);

#endif
#endif
