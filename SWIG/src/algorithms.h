/*
 * Digests, ciphers and MACs that are fetched once by name, because a fetch or an implicit one costs
 * as much as hashing 64 bytes (crypto(7), "Performance"). The cache is of the default library
 * context, as OpenSSL's own is, and has a lock.
 */
#ifndef M2_ALGORITHMS_H
#define M2_ALGORITHMS_H

#include "m2.h"

#ifndef SWIG
/* Copy a name in OpenSSL's spelling: "-" for "_", CFB without the block size, and id-aes128-wrap
 * for aes_128_wrap. Returns 0 if it does not fit. */
int m2_algorithm_spell(const char *name, char *spelt, size_t size);

typedef enum { M2_CACHED_DIGEST, M2_CACHED_CIPHER, M2_CACHED_MAC } m2_cached;
/* Return a reference to an object of the cache; NULL without an error if there is none. */
void *m2_algorithm_find(m2_cached kind, const char *name);
/* Add an object, to which the caller keeps its reference. */
void m2_algorithm_keep(m2_cached kind, const char *name, void *object);
#endif

/* Return a reference to an algorithm, by m2's name or OpenSSL's, which satisfies the property query
 * (property(7)); NULL with an error queued. Without a query the result is cached. */
EVP_MD *m2_fetch_digest(const char *name, const char *properties);
EVP_CIPHER *m2_fetch_cipher(const char *name, const char *properties);
/* Set the property query of every fetch, and forget what is cached; None removes it
 * (EVP_set_default_properties(3)). */
m2_status m2_set_default_properties(const char *properties);
/* Forget what is cached: the default properties or the providers have changed. */
void m2_algorithms_forget(void);

#endif
