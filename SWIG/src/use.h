/*
 * Objects in use. OpenSSL locks few of its objects (openssl-threads(7)), and a callback can
 * call the binding, so each call registers the objects that it uses:
 *
 * - Calls that read an object run at once. A call that changes it runs alone, and other
 * threads' calls wait for it.
 * - A callback can read the objects of the call that called it. A call in the callback that
 * changes one of them is refused.
 * - When the interpreter is finalized, the calls of daemon threads do not end, so a call that
 * would wait for one is refused.
 *
 * The GIL protects the register.
 */
#ifndef M2_USE_H
#define M2_USE_H

/* The use of an object by a call: NULL unless it is registered. */
typedef struct {
    struct m2_registered_use *registered;
} m2_use;

/* Register a use of `object`, whose type is called `type`. Wait without the GIL for conflicting
 * calls of other threads. Returns 1; 0 with an error queued if the call is refused, or with an
 * exception set if a signal handler raised it. */
int m2_use_begin(m2_use *use, const char *type, const void *object, int changes);
/* The same, but wait until `end` at most, a time of m2_clock; less than 0 is no limit. Returns -1
 * if it is over. */
int m2_use_begin_until(m2_use *use, const char *type, const void *object, int changes, double end);
/* Register a use of a call that changes `object`, before those of calls that wait. Returns -1 if
 * another thread uses it, 0 with an error queued. */
int m2_use_try(m2_use *use, const void *object);
/* End a use. Does nothing if it was not registered. */
void m2_use_end(m2_use *use);
/* Return whether the caller runs in a callback of a call that changes `object`. */
int m2_use_is_callback(const void *object);
/* Return the number of uses of `object` by other threads. */
int m2_use_count_others(const void *object);
/* Wait until some use of `object` by another thread ends, until `end` at most, as
 * m2_use_begin_until does. Returns what that returns. */
int m2_use_wait_once(const char *type, const void *object, double end);
/* Wait until no other thread uses `object`, or none runs any more. */
void m2_use_wait(const void *object);

#endif
