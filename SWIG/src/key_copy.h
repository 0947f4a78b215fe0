/*
 * Threads that use an RSA private key at once. Before 3.6 OpenSSL computes the blinding of a key
 * under its lock, so a second thread waits, and two have 1.7 times the speed of one. Here a thread
 * that finds the key in use takes a copy. The key owns its copies; they are cleared and freed with
 * it.
 */
#ifndef M2_KEY_COPY_H
#define M2_KEY_COPY_H

#include <openssl/evp.h>

typedef struct {
    struct key_copies *copies;
    /* Of the copy in use. */
    int index;
} m2_key_copy;

/* Return the key to use until m2_key_copy_end: `key`, which may be NULL, or a copy. */
EVP_PKEY *m2_key_copy_begin(m2_key_copy *self, EVP_PKEY *key);
void m2_key_copy_end(m2_key_copy *self);

#endif
