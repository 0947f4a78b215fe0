/*
 * Message authentication codes, and key derivation (EVP_MAC(3), EVP_KDF(3)).
 */
#ifndef M2_MAC_H
#define M2_MAC_H

#include "m2.h"

/* A MAC that is being computed. */
typedef struct m2_mac m2_mac;
void m2_mac_free(m2_mac *RELEASE);

/* Return a MAC by OpenSSL's name, such as CMAC; None or 0 leaves a parameter out. */
m2_mac *m2_mac_new(const char *name, m2_buffer key, const char *digest, const char *cipher,
                   m2_buffer iv, m2_buffer custom, int length, int xof, const char *properties);
m2_mac *m2_mac_copy(const m2_mac *mac);
m2_status m2_mac_update(m2_mac *mac, m2_buffer data);
m2_bytes m2_mac_final(m2_mac *mac);
/* Finalize, and return whether the MAC is `expected`, in a time that depends on its length alone.
 */
m2_verdict m2_mac_verify(m2_mac *mac, m2_buffer expected);

m2_bytes m2_pbkdf2(m2_buffer password, m2_buffer salt, int iterations, int length,
                   const EVP_MD *md);
/* 0 is OpenSSL's limit of memory, 32 MiB. */
m2_bytes m2_scrypt(m2_buffer password, m2_buffer salt, unsigned long long n, unsigned long long r,
                   unsigned long long p, unsigned long long max_memory, int length);
/* `mode` is 0 to extract and expand, 1 to extract, 2 to expand. */
m2_bytes m2_hkdf(const EVP_MD *md, int mode, m2_buffer key, m2_buffer salt, m2_buffer info,
                 int length);
m2_bytes m2_argon2(const char *name, m2_buffer password, m2_buffer salt, m2_buffer secret,
                   m2_buffer data, unsigned int iterations, unsigned int lanes, unsigned int memory,
                   int length);

#endif
