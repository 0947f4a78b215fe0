/*
 * Objects in use, as use.h explains them.
 */
#include <Python.h>
#include <stdint.h>

#ifndef _WIN32
#include <pthread.h>
#endif

#include "m2.h"
#include "use.h"

#define BUCKETS 64

/* A call that waits for an object, in its stack frame; `lock` is held until a use of it ends. */
typedef struct waiter {
    const void *object;
    unsigned long thread;
    int changes;
    PyThread_type_lock lock;
    int woken;
    struct waiter *next;
} waiter;

static m2_use *in_use[BUCKETS];
static waiter *waiters;

static m2_use **bucket_of(const void *object)
{
    uintptr_t address = (uintptr_t)object;

    return &in_use[(address >> 4 ^ address >> 12) % BUCKETS];
}

/* ---- fork ---------------------------------------------------------------------------------- */

/* The uses and waiters of other threads do not exist in a child process: fork(2) copies only the
 * thread that calls it. */
#ifndef _WIN32
static void forget_other_threads(void)
{
    unsigned long thread = PyThread_get_thread_ident();
    int i;

    for (i = 0; i < BUCKETS; i++) {
        m2_use **link = &in_use[i];

        while (*link != NULL) {
            if ((*link)->thread != thread)
                *link = (*link)->next;
            else
                link = &(*link)->next;
        }
    }
    waiters = NULL;
}

static CRYPTO_ONCE once = CRYPTO_ONCE_STATIC_INIT;

static void watch_forks(void)
{
    (void)pthread_atfork(NULL, NULL, forget_other_threads);
}
#endif

/* ---- conflicts ------------------------------------------------------------------------------ */

static int conflict(const m2_use *use, const void *object, int changes)
{
    return use->object == object && (changes || use->changes);
}

/* Whether a call of this thread is in the way. A callback may read what its caller changes. */
static int is_reentrant(const void *object, int changes, unsigned long thread)
{
    const m2_use *use;

    for (use = *bucket_of(object); use != NULL; use = use->next) {
        if (use->object == object && use->thread == thread)
            return changes;
    }
    return 0;
}

static int is_busy(const void *object, int changes, unsigned long thread)
{
    const m2_use *use;

    for (use = *bucket_of(object); use != NULL; use = use->next) {
        if (use->thread != thread && conflict(use, object, changes))
            return 1;
    }
    return 0;
}

static const waiter *waiter_of(unsigned long thread)
{
    const waiter *found = waiters;

    while (found != NULL && found->thread != thread)
        found = found->next;
    return found;
}

/* Whether a thread that `thread` would wait for waits, directly or not, for `thread`. There are at
 * most as many steps as waiters, since a thread waits for one object. */
static int would_deadlock(const void *object, int changes, unsigned long thread, int steps)
{
    const m2_use *use;

    for (use = *bucket_of(object); use != NULL && steps > 0; use = use->next) {
        const waiter *other = NULL;

        if (!conflict(use, object, changes))
            continue;
        if (use->thread == thread)
            return 1;
        other = waiter_of(use->thread);
        if (other != NULL && would_deadlock(other->object, other->changes, thread, steps - 1))
            return 1;
    }
    return 0;
}

static int count_waiters(void)
{
    const waiter *each;
    int count = 1;

    for (each = waiters; each != NULL; each = each->next)
        count++;
    return count;
}

/* ---- waiting -------------------------------------------------------------------------------- */

static void stop_waiting(waiter *self)
{
    waiter **link = &waiters;

    while (*link != NULL && *link != self)
        link = &(*link)->next;
    if (*link != NULL)
        *link = self->next;
}

/* Wait until a use of the object ends. Returns 0 if a signal handler raised an exception. */
static int wait_for_end(const void *object, int changes, unsigned long thread, int interruptible)
{
    waiter self = {0};
    PyLockStatus status;

    self.lock = PyThread_allocate_lock();
    if (self.lock == NULL) {
        m2_error("out of memory");
        return 0;
    }
    PyThread_acquire_lock(self.lock, WAIT_LOCK);
    self.object = object;
    self.changes = changes;
    self.thread = thread;
    self.next = waiters;
    waiters = &self;
    Py_BEGIN_ALLOW_THREADS;
    status = PyThread_acquire_lock_timed(self.lock, -1, interruptible);
    Py_END_ALLOW_THREADS;
    stop_waiting(&self);
    if (status == PY_LOCK_ACQUIRED || !self.woken)
        PyThread_release_lock(self.lock);
    PyThread_free_lock(self.lock);
    return status != PY_LOCK_INTR || PyErr_CheckSignals() == 0;
}

static void wake(const void *object)
{
    waiter *each;

    for (each = waiters; each != NULL; each = each->next) {
        if (each->object == object && !each->woken) {
            each->woken = 1;
            PyThread_release_lock(each->lock);
        }
    }
}

static int refuse(const char *type, const char *why)
{
    char message[160];

    BIO_snprintf(message, sizeof(message), "the %s is in use by %s", type, why);
    m2_error(message);
    return 0;
}

int m2_use_begin(m2_use *use, const char *type, const void *object, int changes)
{
    unsigned long thread = PyThread_get_thread_ident();
    m2_use **bucket = bucket_of(object);

#ifndef _WIN32
    CRYPTO_THREAD_run_once(&once, watch_forks);
#endif
    if (*bucket != NULL && is_reentrant(object, changes, thread))
        return refuse(type, "the call whose callback this is");
    while (*bucket != NULL && is_busy(object, changes, thread)) {
        if (would_deadlock(object, changes, thread, count_waiters()))
            return refuse(type, "another thread, which waits for this one");
        if (!wait_for_end(object, changes, thread, 1))
            return 0;
    }
    use->object = object;
    use->thread = thread;
    use->changes = changes;
    use->next = *bucket;
    *bucket = use;
    return 1;
}

void m2_use_end(m2_use *use)
{
    m2_use **link;

    if (use->object == NULL)
        return;
    link = bucket_of(use->object);
    while (*link != NULL && *link != use)
        link = &(*link)->next;
    if (*link != NULL)
        *link = use->next;
    if (waiters != NULL)
        wake(use->object);
    use->object = NULL;
}

void m2_use_wait(const void *object)
{
    unsigned long thread = PyThread_get_thread_ident();

    while (is_busy(object, 1, thread))
        (void)wait_for_end(object, 1, thread, 0);
}
