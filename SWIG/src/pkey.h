/*
 * EVP_PKEYs from RSA, EC, DSA and DH keys, and back (EVP_PKEY_set1_RSA(3)). Both share the key.
 */
#ifndef M2_PKEY_H
#define M2_PKEY_H

#ifndef SWIG
#include "dh.h"
#include "dsa.h"
#include "ec.h"
#include "rsa.h"
#endif

EVP_PKEY *m2_pkey_from_rsa(const m2_rsa *rsa);
m2_rsa *m2_pkey_get1_rsa(const EVP_PKEY *pkey);
/* Set the key of an EVP_PKEY that has none. Either leaves the RSA key valid. */
m2_status m2_pkey_set1_rsa(EVP_PKEY *pkey, const m2_rsa *rsa);
m2_status m2_pkey_assign_rsa(EVP_PKEY *pkey, const m2_rsa *rsa);

#ifndef OPENSSL_NO_EC
/* Fails for parameters without a public key. */
EVP_PKEY *m2_pkey_from_ec(const m2_ec *key);
m2_ec *m2_pkey_get1_ec(const EVP_PKEY *pkey);
/* Set the key of an EVP_PKEY that has none. Either leaves the EC key valid. */
m2_status m2_pkey_set1_ec(EVP_PKEY *pkey, const m2_ec *key);
m2_status m2_pkey_assign_ec(EVP_PKEY *pkey, const m2_ec *key);
#endif

/* The former fail for parameters without a public key. */
#ifndef OPENSSL_NO_DSA
EVP_PKEY *m2_pkey_from_dsa(const m2_dsa *dsa);
m2_dsa *m2_pkey_get1_dsa(const EVP_PKEY *pkey);
#endif
#ifndef OPENSSL_NO_DH
EVP_PKEY *m2_pkey_from_dh(const m2_dh *dh);
m2_dh *m2_pkey_get1_dh(const EVP_PKEY *pkey);
#endif

#endif
