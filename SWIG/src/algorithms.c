/*
 * Algorithms that are fetched once (algorithms.h).
 */
#include <string.h>

#include "algorithms.h"
#include "compat.h"
#include "compat_evp.h"
#include "evp.h"

#define BUCKETS 64

typedef struct entry {
    m2_cached kind;
    void *object;
    struct entry *next;
    char name[];
} entry;

static entry *entries[BUCKETS];
static CRYPTO_RWLOCK *lock;
static CRYPTO_ONCE once = CRYPTO_ONCE_STATIC_INIT;

static void algorithm_create_lock(void)
{
    lock = CRYPTO_THREAD_lock_new();
}

/* Without a lock, which needs memory, nothing is cached. */
static int algorithm_is_locked(int (*acquire)(CRYPTO_RWLOCK *))
{
    return CRYPTO_THREAD_run_once(&once, algorithm_create_lock) == 1 && lock != NULL &&
           acquire(lock) == 1;
}

static entry **algorithm_bucket(m2_cached kind, const char *name)
{
    /* FNV-1a. */
    unsigned int hash = 2166136261u ^ (unsigned int)kind;

    for (; *name != '\0'; name++)
        hash = (hash ^ (unsigned char)*name) * 16777619u;
    return &entries[(hash ^ hash >> 16) % BUCKETS];
}

static void *algorithm_share(m2_cached kind, void *object)
{
    switch (kind) {
    case M2_CACHED_DIGEST:
        return m2_digest_share(object);
    case M2_CACHED_CIPHER:
        return m2_cipher_share(object);
    default:
        return m2_compat_mac_share(object);
    }
}

static void algorithm_release(m2_cached kind, void *object)
{
    switch (kind) {
    case M2_CACHED_DIGEST:
        m2_digest_free(object);
        break;
    case M2_CACHED_CIPHER:
        m2_cipher_free(object);
        break;
    default:
        m2_compat_mac_free(object);
        break;
    }
}

void *m2_algorithm_find(m2_cached kind, const char *name)
{
    const entry *each;
    void *found = NULL;

    if (!algorithm_is_locked(CRYPTO_THREAD_read_lock))
        return NULL;
    for (each = *algorithm_bucket(kind, name); each != NULL; each = each->next) {
        if (each->kind == kind && strcmp(each->name, name) == 0) {
            found = algorithm_share(kind, each->object);
            break;
        }
    }
    CRYPTO_THREAD_unlock(lock);
    return found;
}

/* Two threads may add the same algorithm: the newer one is found. */
void m2_algorithm_keep(m2_cached kind, const char *name, void *object)
{
    size_t size = strlen(name) + 1;
    entry *added = OPENSSL_malloc(sizeof(*added) + size);
    entry **bucket = algorithm_bucket(kind, name);

    if (added == NULL)
        return;
    if (!algorithm_is_locked(CRYPTO_THREAD_write_lock)) {
        OPENSSL_free(added);
        return;
    }
    added->kind = kind;
    added->object = algorithm_share(kind, object);
    memcpy(added->name, name, size);
    added->next = *bucket;
    *bucket = added;
    CRYPTO_THREAD_unlock(lock);
}

void m2_algorithms_forget(void)
{
    int i;

    if (!algorithm_is_locked(CRYPTO_THREAD_write_lock))
        return;
    for (i = 0; i < BUCKETS; i++) {
        while (entries[i] != NULL) {
            entry *first = entries[i];

            entries[i] = first->next;
            algorithm_release(first->kind, first->object);
            OPENSSL_free(first);
        }
    }
    CRYPTO_THREAD_unlock(lock);
}

m2_status m2_set_default_properties(const char *properties)
{
    int status = m2_compat_set_properties(properties);

    m2_algorithms_forget();
    return status;
}

/* ---- names -------------------------------------------------------------------------------- */

int m2_algorithm_spell(const char *name, char *spelt, size_t size)
{
    size_t length = strlen(name);
    char *cfb = NULL;
    char *wrap = NULL;
    size_t i;

    if (length + sizeof("id-") > size)
        return 0;
    for (i = 0; i <= length; i++)
        spelt[i] = name[i] == '_' ? '-' : name[i];
    cfb = strstr(spelt, "-cfb");
    if (cfb != NULL && (strcmp(cfb, "-cfb128") == 0 || strcmp(cfb, "-cfb64") == 0))
        cfb[strlen("-cfb")] = '\0';
    /* aes-128-wrap is id-aes128-wrap. */
    wrap = strstr(spelt, "-wrap");
    if (wrap == spelt + strlen("aes-128") && strncmp(spelt, "aes-", strlen("aes-")) == 0) {
        memmove(spelt + strlen("id-aes"), spelt + strlen("aes-"), length + 1 - strlen("aes-"));
        memcpy(spelt, "id-aes", strlen("id-aes"));
    }
    return 1;
}

static void algorithm_unknown(const char *what, const char *name)
{
    ERR_clear_error();
    m2_compat_queue_error(ERR_R_OPERATION_FAIL);
    ERR_add_error_data(3, what, ": ", name);
}

EVP_MD *m2_fetch_digest(const char *name, const char *properties)
{
    EVP_MD *digest = properties == NULL ? m2_algorithm_find(M2_CACHED_DIGEST, name) : NULL;
    const EVP_MD *known;

    if (digest != NULL)
        return digest;
    /* Providers do not have all the names that EVP_get_digestbyname(3) has, and the other way. */
    known = m2_get_digestbyname(name);
    digest = m2_compat_fetch_digest(known == NULL ? name : EVP_MD_name(known), properties);
    if (digest == NULL && known == NULL)
        algorithm_unknown("unknown digest algorithm", name);
    if (digest != NULL && properties == NULL)
        m2_algorithm_keep(M2_CACHED_DIGEST, name, digest);
    return digest;
}

EVP_CIPHER *m2_fetch_cipher(const char *name, const char *properties)
{
    EVP_CIPHER *cipher = properties == NULL ? m2_algorithm_find(M2_CACHED_CIPHER, name) : NULL;
    const EVP_CIPHER *known;
    char spelt[64] = "";

    if (cipher != NULL)
        return cipher;
    known = m2_get_cipherbyname(name);
    /* SIV ciphers have names of providers alone. */
    if (known != NULL)
        cipher = m2_compat_fetch_cipher(EVP_CIPHER_name(known), properties);
    else if (m2_algorithm_spell(name, spelt, sizeof(spelt)))
        cipher = m2_compat_fetch_cipher(spelt, properties);
    if (cipher == NULL && known == NULL)
        algorithm_unknown("unknown cipher", name);
    if (cipher != NULL && properties == NULL)
        m2_algorithm_keep(M2_CACHED_CIPHER, name, cipher);
    return cipher;
}
