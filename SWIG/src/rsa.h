/*
 * RSA keys (EVP_PKEY-RSA(7)). An m2_rsa holds an EVP_PKEY, because programs set the numbers of
 * a public key one by one: `rsa_new`, `rsa_set_e`, `rsa_set_n`. Numbers are in MPI format
 * (BN_bn2mpi(3)). With both numbers the key is complete and does not change, so calls without
 * the GIL can use it.
 */
#ifndef M2_RSA_H
#define M2_RSA_H

typedef struct m2_rsa_st m2_rsa;

m2_rsa *m2_rsa_new(void);
void m2_rsa_free(m2_rsa *RELEASE);
m2_status m2_rsa_set_e(m2_rsa *rsa, m2_buffer number);
m2_status m2_rsa_set_n(m2_rsa *rsa, m2_buffer number);
m2_status m2_rsa_set_en(m2_rsa *rsa, m2_buffer e, m2_buffer n);
m2_bytes m2_rsa_get_e(const m2_rsa *rsa);
m2_bytes m2_rsa_get_n(const m2_rsa *rsa);

/* The callback's arguments are the phase and the number of the iteration
 * (BN_generate_prime_ex(3)). */
m2_rsa *m2_rsa_generate_key(int bits, unsigned long e, m2_callback progress);

m2_rsa *m2_rsa_read_key(BIO *bio, m2_callback passphrase);
m2_rsa *m2_rsa_read_pub_key(BIO *bio);
/* Write PKCS #1 as PEM, unencrypted if the cipher is None. */
m2_status m2_rsa_write_key(const m2_rsa *rsa, BIO *bio, const EVP_CIPHER *OPTIONAL,
                           m2_callback passphrase);
m2_status m2_rsa_write_key_no_cipher(const m2_rsa *rsa, BIO *bio, m2_callback passphrase);
m2_status m2_rsa_write_key_der(const m2_rsa *rsa, BIO *bio);
m2_status m2_rsa_write_pub_key(const m2_rsa *rsa, BIO *bio);

/* Return the length of the modulus in bytes. */
m2_number m2_rsa_size(const m2_rsa *rsa);
m2_verdict m2_rsa_is_private(const m2_rsa *rsa);
/* Return whether a private key, or a public key, is valid. */
m2_verdict m2_rsa_check_key(const m2_rsa *rsa);
m2_verdict m2_rsa_check_pub_key(const m2_rsa *rsa);

/* `padding` is an RSA_*_PADDING. */
m2_bytes m2_rsa_public_encrypt(const m2_rsa *rsa, m2_buffer data, int padding);
m2_bytes m2_rsa_public_decrypt(const m2_rsa *rsa, m2_buffer data, int padding);
m2_bytes m2_rsa_private_encrypt(const m2_rsa *rsa, m2_buffer data, int padding);
m2_bytes m2_rsa_private_decrypt(const m2_rsa *rsa, m2_buffer data, int padding);
/* As above, with what applies to OAEP: the digests and the label. */
m2_bytes m2_rsa_public_encrypt_oaep(const m2_rsa *rsa, m2_buffer data, int padding,
                                    const EVP_MD *md_or_none, const EVP_MD *mgf1_or_none,
                                    m2_buffer OPTIONAL);
m2_bytes m2_rsa_private_decrypt_oaep(const m2_rsa *rsa, m2_buffer data, int padding,
                                     const EVP_MD *md_or_none, const EVP_MD *mgf1_or_none,
                                     m2_buffer OPTIONAL);

/* RSASSA-PKCS1-v1_5 and RSASSA-PSS of a digest (RFC 8017, sections 8.2 and 8.1). The former
 * accepts digests of any length. The salt length can be an RSA_PSS_SALTLEN_*. */
m2_bytes m2_rsa_sign(const m2_rsa *rsa, m2_buffer digest, const EVP_MD *md);
m2_status m2_rsa_verify(const m2_rsa *rsa, m2_buffer digest, m2_buffer signature, const EVP_MD *md);
m2_bytes m2_rsa_sign_pss(const m2_rsa *rsa, m2_buffer digest, const EVP_MD *md, int salt_length,
                         const EVP_MD *mgf1_or_default);
m2_verdict m2_rsa_verify_pss(const m2_rsa *rsa, m2_buffer digest, m2_buffer signature,
                             const EVP_MD *md, int salt_length, const EVP_MD *mgf1_or_default);

#ifndef SWIG
/* Set an RSA_*_PADDING; 0 with an error queued if the key or this OpenSSL does not have it. */
int m2_rsa_set_padding(EVP_PKEY_CTX *context, int padding);
#endif

#endif
