/*
 * A library to preload: one allocation of OpenSSL or the extension returns NULL, that whose number
 * since allocations_fail() is chosen. The C library and Python get what they ask for.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *block, size_t size);

/* Of this thread: the allocations before the one that fails, negative if none does. */
static __thread long left = -1;

void allocations_fail(long number)
{
    left = number;
}

/* Return whether the allocation was reached. */
int allocations_stop(void)
{
    int failed = left < 0;

    left = -1;
    return failed;
}

static int fails(const void *caller)
{
    Dl_info from;

    if (left < 0 || dladdr(caller, &from) == 0 || from.dli_fname == NULL ||
        (strstr(from.dli_fname, "_m2crypto") == NULL &&
         strstr(from.dli_fname, "libcrypto") == NULL && strstr(from.dli_fname, "libssl") == NULL) ||
        left-- > 0)
        return 0;
    errno = ENOMEM;
    return 1;
}

void *malloc(size_t size)
{
    return fails(__builtin_return_address(0)) ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return fails(__builtin_return_address(0)) ? NULL : __libc_calloc(count, size);
}

void *realloc(void *block, size_t size)
{
    return fails(__builtin_return_address(0)) ? NULL : __libc_realloc(block, size);
}
