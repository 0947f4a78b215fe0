/* Threads that use an RSA private key at once (key_copy.h). */
#include <Python.h>
#include <string.h>

#ifndef _WIN32
#include <pthread.h>
#endif

#include "key_copy.h"

#if OPENSSL_VERSION_NUMBER < 0x30000000L || OPENSSL_VERSION_NUMBER >= 0x30600000L

/* 1.1.1 has no EVP_PKEY_dup(3). */
EVP_PKEY *m2_key_copy_begin(m2_key_copy *self, EVP_PKEY *key)
{
    self->copies = NULL;
    return key;
}

void m2_key_copy_end(m2_key_copy *self)
{
    (void)self;
}

#else

#include <openssl/err.h>
#include <openssl/provider.h>

/* Of a key; further threads share the key itself. */
#define COPIES 8

/* In the key's ex_data. `copies[0]` is the key itself, without a reference. */
typedef struct key_copies {
    EVP_PKEY *copies[COPIES];
    unsigned char in_use[COPIES];
    int forks;
} key_copies;

static CRYPTO_ONCE once = CRYPTO_ONCE_STATIC_INIT;
static int copies_index = -1;
/* Protects `in_use` of all keys. */
static PyThread_type_lock lock;
/* The number of forks between this process and the first one. */
static int forks;

static void copies_free(void *parent, void *data, CRYPTO_EX_DATA *ex_data, int index, long argl,
                        void *argp)
{
    key_copies *self = data;

    (void)parent;
    (void)ex_data;
    (void)index;
    (void)argl;
    (void)argp;
    for (int i = 1; self != NULL && i < COPIES; i++)
        EVP_PKEY_free(self->copies[i]);
    OPENSSL_free(self);
}

/* A copy of the key has no copies. */
static int copies_dup(CRYPTO_EX_DATA *to, const CRYPTO_EX_DATA *from, void **data, int index,
                      long argl, void *argp)
{
    (void)to;
    (void)from;
    (void)index;
    (void)argl;
    (void)argp;
    *data = NULL;
    return 1;
}

#ifndef _WIN32
/* A child process may inherit the lock from a thread that it does not have. */
static void copies_after_fork(void)
{
    forks++;
    lock = PyThread_allocate_lock();
}
#endif

static void copies_init(void)
{
    copies_index = EVP_PKEY_get_ex_new_index(0, NULL, NULL, copies_dup, copies_free);
    lock = PyThread_allocate_lock();
#ifndef _WIN32
    (void)pthread_atfork(NULL, NULL, copies_after_fork);
#endif
}

/* In a child process, leave alone what other threads used at the fork: OpenSSL's lock in it is that
 * of a thread that does not exist. */
static void copies_abandon(key_copies *self)
{
    self->forks = forks;
    for (int i = 1; i < COPIES; i++) {
        if (self->in_use[i])
            self->copies[i] = NULL;
        self->in_use[i] = 0;
    }
}

/* Return whether this is an RSA key in memory. A token's cannot be copied. */
static int copies_are_useful(const EVP_PKEY *key)
{
    int type = EVP_PKEY_get_id(key);
    const OSSL_PROVIDER *provider = NULL;

    if (type == EVP_PKEY_RSA || type == EVP_PKEY_RSA_PSS)
        provider = EVP_PKEY_get0_provider(key);
    return provider != NULL && strcmp(OSSL_PROVIDER_get0_name(provider), "default") == 0;
}

/* Return the copies of a key, or NULL. With the lock. */
static key_copies *copies_of(EVP_PKEY *key)
{
    key_copies *self = EVP_PKEY_get_ex_data(key, copies_index);

    if (self != NULL) {
        if (self->forks != forks)
            copies_abandon(self);
        return self;
    }
    self = OPENSSL_zalloc(sizeof(*self));
    if (self != NULL && EVP_PKEY_set_ex_data(key, copies_index, self)) {
        self->copies[0] = key;
        self->forks = forks;
        return self;
    }
    OPENSSL_free(self);
    return NULL;
}

EVP_PKEY *m2_key_copy_begin(m2_key_copy *self, EVP_PKEY *key)
{
    EVP_PKEY **copy;

    self->copies = NULL;
    if (key == NULL || !copies_are_useful(key) || !CRYPTO_THREAD_run_once(&once, copies_init) ||
        copies_index < 0 || lock == NULL)
        return key;
    PyThread_acquire_lock(lock, WAIT_LOCK);
    ERR_set_mark();
    self->copies = copies_of(key);
    self->index = 0;
    while (self->copies != NULL && self->index < COPIES && self->copies->in_use[self->index])
        self->index++;
    if (self->index == COPIES)
        self->copies = NULL;
    if (self->copies != NULL)
        self->copies->in_use[self->index] = 1;
    PyThread_release_lock(lock);
    if (self->copies != NULL) {
        copy = &self->copies->copies[self->index];
        if (*copy == NULL)
            *copy = EVP_PKEY_dup(key);
        if (*copy != NULL)
            key = *copy;
    }
    /* Without memory for a copy, the threads share the key. */
    ERR_pop_to_mark();
    return key;
}

void m2_key_copy_end(m2_key_copy *self)
{
    if (self->copies == NULL)
        return;
    PyThread_acquire_lock(lock, WAIT_LOCK);
    self->copies->in_use[self->index] = 0;
    PyThread_release_lock(lock);
}

#endif
