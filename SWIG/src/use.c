/*
 * Objects in use (use.h).
 */
#include <Python.h>
#include <stdint.h>

#ifndef _WIN32
#include <pthread.h>
#endif

#include "clock.h"
#include "m2.h"
#include "use.h"

#define BUCKETS 64
/* The seconds of one wait, of which Windows allows about four times as many. */
#define LONGEST_WAIT 1e6

typedef struct m2_registered_use registered;

/* A registered use. It is not in the stack frame of the call: a daemon thread loses its stack when
 * the interpreter is finalized. */
struct m2_registered_use {
    const void *object;
    unsigned long thread;
    int changes;
    /* The number of waits that had started before. */
    unsigned long long waits;
    registered *next;
};

/* A call that waits for an object, in its stack frame. `lock` is held until another call ends
 * its use of the object. */
typedef struct waiter {
    const void *object;
    unsigned long thread;
    int changes;
    /* Of the wait, a time of m2_clock; less than 0 is no limit. */
    double end;
    PyThread_type_lock lock;
    int woken;
    /* Whether a signal handler of its thread runs: until that returns, others are before it. */
    int is_interrupted;
    /* Its number among all waits, from 1 on. */
    unsigned long long number;
    /* The number of the last search for a deadlock that has visited it. */
    unsigned long long search;
    struct waiter *next;
} waiter;

static registered *in_use[BUCKETS];
/* Those that were ended, for the next uses. */
static registered *unused;
/* In the order in which they get the object, which is that in which they started. */
static waiter *waiters;
static unsigned long long waits_started;
static unsigned long long searches;

static registered **use_bucket(const void *object)
{
    uintptr_t address = (uintptr_t)object;

    return &in_use[(address >> 4 ^ address >> 12) % BUCKETS];
}

static registered *use_new(void)
{
    registered *use = unused;

    if (use == NULL)
        return PyMem_Malloc(sizeof(*use));
    unused = use->next;
    return use;
}

static void use_remove(registered **link)
{
    registered *use = *link;

    *link = use->next;
    use->next = unused;
    unused = use;
}

/* ---- fork ---------------------------------------------------------------------------------- */

/* A child process has no uses and waiters of other threads, because fork(2) copies only the
 * calling thread. */
#ifndef _WIN32
static void use_forget_other_threads(void)
{
    unsigned long thread = PyThread_get_thread_ident();
    waiter **waiting = &waiters;
    int i;

    for (i = 0; i < BUCKETS; i++) {
        registered **link = &in_use[i];

        while (*link != NULL) {
            if ((*link)->thread != thread)
                use_remove(link);
            else
                link = &(*link)->next;
        }
    }
    /* A signal handler of a call that waits can fork. */
    while (*waiting != NULL) {
        if ((*waiting)->thread != thread)
            *waiting = (*waiting)->next;
        else
            waiting = &(*waiting)->next;
    }
}

/* The GIL protects it. */
static int watches_forks;

static void use_watch_forks(void)
{
    watches_forks = 1;
    (void)pthread_atfork(NULL, NULL, use_forget_other_threads);
}
#endif

/* ---- the end of the interpreter ------------------------------------------------------------- */

/* Return whether the main interpreter is being finalized: daemon threads do not run again
 * (Py_FinalizeEx), and their uses do not end. It is asked only if calls conflict, because that
 * takes longer than the rest of a use. */
static int use_is_last_thread(void)
{
    PyObject *type, *value, *traceback;
    PyObject *function = PySys_GetObject("is_finalizing");
    PyObject *answer = NULL;
    int is_last;

    PyErr_Fetch(&type, &value, &traceback);
    if (function != NULL)
        answer = PyObject_CallObject(function, NULL);
    /* At its end an interpreter has no `sys`. Threads of the main one survive the others. */
    is_last = function == NULL ? PyInterpreterState_GetID(PyInterpreterState_Get()) == 0
                               : answer == Py_True;
    Py_XDECREF(answer);
    PyErr_Restore(type, value, traceback);
    /* In the stack frames of threads that are gone. */
    if (is_last)
        waiters = NULL;
    return is_last;
}

/* ---- conflicting uses ----------------------------------------------------------------------- */

static int use_conflicts(const registered *use, const void *object, int changes)
{
    return use->object == object && (changes || use->changes);
}

static const registered *use_of_thread(const void *object, unsigned long thread)
{
    const registered *use = *use_bucket(object);

    while (use != NULL && (use->object != object || use->thread != thread))
        use = use->next;
    return use;
}

static int use_is_busy(const void *object, int changes, unsigned long thread)
{
    const registered *use;

    for (use = *use_bucket(object); use != NULL; use = use->next) {
        if (use->thread != thread && use_conflicts(use, object, changes))
            return 1;
    }
    return 0;
}

/* Return whether a signal handler of another call that waits called this one. */
static int use_is_nested(unsigned long thread, const waiter *self)
{
    const waiter *each;

    for (each = waiters; each != NULL && each != self; each = each->next) {
        if (each->thread == thread)
            return 1;
    }
    return 0;
}

/* Return the call that waits for the object and is before a call of `thread`: `self`, or NULL if
 * that does not wait yet. Without this order a thread that uses an object repeatedly would starve
 * others. A nested call is before all, as the calls in line may wait for its thread. */
static waiter *use_waiter_ahead(const void *object, int changes, unsigned long thread,
                                const waiter *self)
{
    waiter *each;

    for (each = waiters; each != NULL && each != self; each = each->next) {
        if (each->object == object && (changes || each->changes) && !each->is_interrupted)
            return use_is_nested(thread, self) ? NULL : each;
    }
    return NULL;
}

static int use_search_deadlock(waiter *self, unsigned long thread);

/* Return whether a wait that must end before `use` does waits for `thread`. A use by a signal
 * handler ends before the waits that the handler interrupted. */
static int use_depends_on(const registered *use, unsigned long thread)
{
    waiter *each;

    for (each = waiters; each != NULL; each = each->next) {
        if (each->thread == use->thread && each->number > use->waits &&
            use_search_deadlock(each, thread))
            return 1;
    }
    return 0;
}

/* Return whether the calls that `self` waits for wait, directly or not, for `thread`. Each waiter
 * is searched once. */
static int use_search_deadlock(waiter *self, unsigned long thread)
{
    waiter *other = use_waiter_ahead(self->object, self->changes, self->thread, self);
    const registered *use;

    if (self->search == searches)
        return 0;
    self->search = searches;
    if (other != NULL && use_search_deadlock(other, thread))
        return 1;
    for (use = *use_bucket(self->object); use != NULL; use = use->next) {
        if (use_conflicts(use, self->object, self->changes) &&
            (use->thread == thread || use_depends_on(use, thread)))
            return 1;
    }
    return 0;
}

static int use_would_deadlock(waiter *self)
{
    searches++;
    return use_search_deadlock(self, self->thread);
}

/* ---- waiting and timeouts ------------------------------------------------------------------- */

static void use_wake(const void *object)
{
    waiter *each;

    for (each = waiters; each != NULL; each = each->next) {
        if (each->object == object && !each->woken) {
            each->woken = 1;
            PyThread_release_lock(each->lock);
        }
    }
}

static int use_start_waiting(waiter *self)
{
    waiter **link = &waiters;

    self->lock = PyThread_allocate_lock();
    if (self->lock == NULL) {
        m2_error("out of memory");
        return 0;
    }
    PyThread_acquire_lock(self->lock, WAIT_LOCK);
    while (*link != NULL)
        link = &(*link)->next;
    *link = self;
    self->number = ++waits_started;
    return 1;
}

static void use_stop_waiting(waiter *self)
{
    waiter **link = &waiters;

    if (self->lock == NULL)
        return;
    while (*link != NULL && *link != self)
        link = &(*link)->next;
    if (*link != NULL)
        *link = self->next;
    if (!self->woken)
        PyThread_release_lock(self->lock);
    PyThread_free_lock(self->lock);
}

/* Return the microseconds until the end of a wait, or -1. */
static long long use_microseconds(const waiter *self)
{
    double left;

    if (self->end < 0)
        return -1;
    left = self->end - m2_clock();
    if (left < 0)
        return 0;
    return (long long)((left > LONGEST_WAIT ? LONGEST_WAIT : left) * 1e6 + 0.999999);
}

/* Wait until a use of the object ends. Returns 0 if a signal handler raised an exception, -1 if the
 * time is over. */
static int use_wait_for_end(waiter *self, int interruptible)
{
    long long microseconds = use_microseconds(self);
    PyLockStatus status;
    int result;

    Py_BEGIN_ALLOW_THREADS;
    status = PyThread_acquire_lock_timed(self->lock, microseconds, interruptible);
    Py_END_ALLOW_THREADS;
    if (status == PY_LOCK_ACQUIRED)
        self->woken = 0;
    else if (status == PY_LOCK_FAILURE && use_microseconds(self) == 0)
        return -1;
    if (status != PY_LOCK_INTR)
        return 1;
    self->is_interrupted = 1;
    use_wake(self->object);
    result = PyErr_CheckSignals() == 0;
    self->is_interrupted = 0;
    return result;
}

static int use_refuse(const char *type, const char *why)
{
    char message[160];

    BIO_snprintf(message, sizeof(message), "the %s is in use by %s", type, why);
    m2_error(message);
    return 0;
}

/* Wait until it is this call's turn. Returns what use_wait_for_end returns. */
static int use_take_turn(waiter *self, const char *type)
{
    int busy = use_is_busy(self->object, self->changes, self->thread);
    int waited;

    while (busy || use_waiter_ahead(self->object, self->changes, self->thread, self) != NULL) {
        if (use_would_deadlock(self)) {
            /* Out of turn, because otherwise there would be a deadlock. */
            return busy ? use_refuse(type, "another thread, which waits for this one") : 1;
        }
        waited = use_wait_for_end(self, 1);
        if (waited <= 0)
            return waited;
        busy = use_is_busy(self->object, self->changes, self->thread);
    }
    return 1;
}

/* Wait for conflicting calls. Returns 0 if this one is refused, -1 if the time is over. */
static int use_get_turn(const char *type, const void *object, int changes, unsigned long thread,
                        double end)
{
    waiter self = {.object = object, .thread = thread, .changes = changes, .end = end};
    int turn;

    if (use_of_thread(object, thread) != NULL)
        return !changes || use_refuse(type, "the call that called the callback");
    if (waiters == NULL && !use_is_busy(object, changes, thread))
        return 1;
    if (use_is_last_thread())
        return !use_is_busy(object, changes, thread) ||
               use_refuse(type, "a thread that the end of the interpreter stopped");
    if (!use_is_busy(object, changes, thread) &&
        use_waiter_ahead(object, changes, thread, NULL) == NULL)
        return 1;
    turn = use_start_waiting(&self) ? use_take_turn(&self, type) : 0;
    use_stop_waiting(&self);
    /* The next one may be the first now. */
    use_wake(object);
    return turn;
}

static int use_register(m2_use *use, const void *object, int changes, unsigned long thread)
{
    registered **bucket = use_bucket(object);
    registered *added;

#ifndef _WIN32
    if (!watches_forks)
        use_watch_forks();
#endif
    added = use_new();
    if (added == NULL) {
        m2_error("out of memory");
        return 0;
    }
    added->object = object;
    added->thread = thread;
    added->changes = changes;
    added->waits = waits_started;
    added->next = *bucket;
    *bucket = added;
    use->registered = added;
    return 1;
}

int m2_use_begin_until(m2_use *use, const char *type, const void *object, int changes, double end)
{
    unsigned long thread = PyThread_get_thread_ident();

    if (*use_bucket(object) != NULL || waiters != NULL) {
        int turn = use_get_turn(type, object, changes, thread, end);

        if (turn <= 0)
            return turn;
    }
    return use_register(use, object, changes, thread);
}

int m2_use_try(m2_use *use, const void *object)
{
    unsigned long thread = PyThread_get_thread_ident();

    return use_is_busy(object, 1, thread) ? -1 : use_register(use, object, 1, thread);
}

int m2_use_begin(m2_use *use, const char *type, const void *object, int changes)
{
    return m2_use_begin_until(use, type, object, changes, -1);
}

void m2_use_end(m2_use *use)
{
    registered *ended = use->registered;
    const void *object;
    registered **link;

    if (ended == NULL)
        return;
    object = ended->object;
    link = use_bucket(object);
    while (*link != NULL && *link != ended)
        link = &(*link)->next;
    if (*link != NULL)
        use_remove(link);
    if (waiters != NULL && !use_is_last_thread())
        use_wake(object);
    use->registered = NULL;
}

int m2_use_is_callback(const void *object)
{
    unsigned long thread = PyThread_get_thread_ident();
    const registered *use;

    for (use = *use_bucket(object); use != NULL; use = use->next) {
        if (use->object == object && use->thread == thread && use->changes)
            return 1;
    }
    return 0;
}

int m2_use_count_others(const void *object)
{
    unsigned long thread = PyThread_get_thread_ident();
    const registered *use;
    int count = 0;

    for (use = *use_bucket(object); use != NULL; use = use->next)
        count += use->object == object && use->thread != thread;
    return count;
}

int m2_use_wait_once(const char *type, const void *object, double end)
{
    waiter self = {.object = object, .thread = PyThread_get_thread_ident(), .end = end};
    int waited;

    if (!use_is_busy(object, 1, self.thread))
        return 1;
    if (use_is_last_thread())
        return use_refuse(type, "a thread that the end of the interpreter stopped");
    waited = use_start_waiting(&self) ? use_wait_for_end(&self, 1) : 0;
    use_stop_waiting(&self);
    return waited;
}

void m2_use_wait(const void *object)
{
    waiter self = {
        .object = object, .thread = PyThread_get_thread_ident(), .changes = 1, .end = -1};

    if (!use_is_busy(object, 1, self.thread) || use_is_last_thread() || !use_start_waiting(&self))
        return;
    while (use_is_busy(object, 1, self.thread))
        (void)use_wait_for_end(&self, 0);
    use_stop_waiting(&self);
    use_wake(object);
}
