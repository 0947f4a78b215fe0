/*
 * Authenticated encryption of whole messages (RFC 5116) by the AEAD ciphers of OpenSSL.
 */
#ifndef M2_AEAD_H
#define M2_AEAD_H

#include "m2.h"

/* A key for a cipher. Several threads can use it at once. */
typedef struct m2_aead m2_aead;
void m2_aead_free(m2_aead *RELEASE);

m2_aead *m2_aead_new(const char *algorithm, m2_buffer key, int tag_length, const char *properties);
/* Return the ciphertext and the tag, and the plaintext of both if the tag matches. In SIV the tag
 * is first, and `aad` and `nonce` are components if they are not empty (RFC 5297, section 3). */
m2_bytes m2_aead_seal(m2_aead *SHARED, m2_buffer nonce, m2_buffer data, m2_buffer aad);
m2_bytes m2_aead_open(m2_aead *SHARED, m2_buffer nonce, m2_buffer data, m2_buffer aad);
/* The same with a key for one message. */
m2_bytes m2_aead_seal_once(const char *algorithm, m2_buffer key, m2_buffer nonce, m2_buffer data,
                           m2_buffer aad, int tag_length);
m2_bytes m2_aead_open_once(const char *algorithm, m2_buffer key, m2_buffer nonce, m2_buffer data,
                           m2_buffer aad, int tag_length);

#endif
