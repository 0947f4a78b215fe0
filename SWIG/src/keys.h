/*
 * Keys of any type: generation, raw and DER encodings, and operations in one call
 * (EVP_PKEY_keygen(3), EVP_PKEY_new_raw_private_key(3), EVP_DigestSign(3), EVP_PKEY_encrypt(3),
 * EVP_PKEY_derive(3), EVP_PKEY_encapsulate(3)).
 */
#ifndef M2_KEYS_H
#define M2_KEYS_H

/* Two results that are converted to a tuple of bytes. */
typedef struct {
    m2_bytes first;
    m2_bytes second;
} m2_pair;

/* ---- generation and properties ------------------------------------------------------------ */

/* Generate a key of the type called such as "RSA" or "ML-KEM-768". RSA and DSA have a number of
 * bits, RSA a public exponent, EC and DH the NID of a curve or group, ML-KEM, ML-DSA and SLH-DSA
 * a seed; 0 and None leave them out. */
EVP_PKEY *m2_pkey_generate(const char *type, int bits, unsigned long exponent, int nid,
                           m2_buffer OPTIONAL, m2_callback progress);
/* Return the NID of a curve called such as "P-256" or "prime256v1", or of a group such as
 * "ffdhe2048"; 0 for an unknown name. */
int m2_pkey_group_nid(const char *name);
/* Return the name of the key's type, such as "RSA"; empty if there is no key. */
const char *m2_pkey_type_name(const EVP_PKEY *pkey);
m2_number m2_pkey_security_bits(const EVP_PKEY *pkey);
/* Return whether the private key can be read from the key. */
int m2_pkey_is_private(const EVP_PKEY *pkey);
/* Return whether both have the same public key and parameters (EVP_PKEY_eq(3)). */
m2_verdict m2_pkey_eq(const EVP_PKEY *pkey, const EVP_PKEY *other);

/* ---- encodings ---------------------------------------------------------------------------- */

/* Convert the octets of types without parameters, such as Ed25519 and ML-KEM. */
EVP_PKEY *m2_pkey_from_raw_private(const char *type, m2_buffer octets);
EVP_PKEY *m2_pkey_from_raw_public(const char *type, m2_buffer octets);
/* Return the EC key with a private value (RFC 5915, section 3) on the curve with a NID. */
EVP_PKEY *m2_pkey_from_ec_scalar(int nid, m2_buffer octets);
m2_bytes m2_pkey_raw_private(const EVP_PKEY *pkey);
/* Return the octets of the public key; an EC or DH key has those of
 * EVP_PKEY_get1_encoded_public_key.
 */
m2_bytes m2_pkey_raw_public(const EVP_PKEY *pkey);
/* Read a private key in DER: PKCS #8, which may be encrypted, or the type's own format. */
EVP_PKEY *m2_pkey_read_der(m2_buffer der, m2_callback passphrase);
/* Read a SubjectPublicKeyInfo. */
EVP_PKEY *m2_pkey_read_der_pubkey(m2_buffer der);
/* Return PKCS #8 in DER, unencrypted if the cipher is None. */
m2_bytes m2_pkey_private_der(const EVP_PKEY *pkey, const EVP_CIPHER *OPTIONAL,
                             m2_callback passphrase);

/* ---- operations --------------------------------------------------------------------------- */

/* Sign or verify a message. `padding` is an RSA_*_PADDING, or 0 for the key's default;
 * `salt_length` and `mgf1` are for RSA_PKCS1_PSS_PADDING. The context string is for ML-DSA, SLH-DSA
 * and EdDSA (3.2). `deterministic` omits the random part of ML-DSA, SLH-DSA, ECDSA and DSA (3.2).
 */
m2_bytes m2_pkey_sign(EVP_PKEY *pkey, m2_buffer data, const EVP_MD *md_or_none, int padding,
                      const EVP_MD *mgf1_or_none, int salt_length, m2_buffer OPTIONAL,
                      int deterministic);
m2_verdict m2_pkey_verify(EVP_PKEY *pkey, m2_buffer signature, m2_buffer data,
                          const EVP_MD *md_or_none, int padding, const EVP_MD *mgf1_or_none,
                          int salt_length, m2_buffer OPTIONAL);

/* Encrypt or decrypt. The digests and the label are for RSA_PKCS1_OAEP_PADDING; None leaves
 * OpenSSL's SHA-1 and the digest of the former. A padding of 0 is for types other than RSA. */
m2_bytes m2_pkey_encrypt(const EVP_PKEY *pkey, m2_buffer data, int padding,
                         const EVP_MD *md_or_none, const EVP_MD *mgf1_or_none, m2_buffer OPTIONAL);
m2_bytes m2_pkey_decrypt(const EVP_PKEY *pkey, m2_buffer data, int padding,
                         const EVP_MD *md_or_none, const EVP_MD *mgf1_or_none, m2_buffer OPTIONAL);

/* Return the shared secret of two keys of a type, such as X25519, EC or DH. */
m2_bytes m2_pkey_derive(const EVP_PKEY *pkey, const EVP_PKEY *peer);

/* Return a ciphertext for the key and the secret in it. RSA keys use RSASVE (SP 800-56B, section
 * 7.2.1), EC, X25519 and X448 keys DHKEM (RFC 9180, section 4.1). */
m2_pair m2_pkey_encapsulate(const EVP_PKEY *pkey);
m2_bytes m2_pkey_decapsulate(const EVP_PKEY *pkey, m2_buffer ciphertext);

#ifndef SWIG
/* Set what applies to RSA OAEP: any of the arguments can be NULL or empty. */
int m2_rsa_set_oaep(EVP_PKEY_CTX *context, const EVP_MD *md, const EVP_MD *mgf1, m2_buffer label);
/* Return EVP_PKEY_derive's operation for m2_pkey_operate, which has no input. */
int m2_derive_operation(EVP_PKEY_CTX *context, unsigned char *out, size_t *length,
                        const unsigned char *in, size_t in_length);
/* Compare names of key types without regard to case, as OpenSSL's look-up does. */
int m2_is_key_type(const char *type, const char *name);
/* Read a private key in PEM. A wrong passphrase is queued as M2_REASON_PASSPHRASE. */
EVP_PKEY *m2_read_private_key(BIO *bio, m2_callback callback);
/* Call the progress callback that is the context's app_data with two numbers. */
int m2_pkey_progress(EVP_PKEY_CTX *context);
/* Generate domain parameters of a DSA key. */
EVP_PKEY *m2_dsa_parameters(int bits, m2_callback progress);
#endif
#endif
