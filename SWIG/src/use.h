/*
 * Objects in use. OpenSSL locks few of its objects (openssl-threads(7)), and a callback may call
 * back into the binding, so each call registers the objects that it works on:
 *
 * - calls that only read an object run side by side; a call that changes it runs alone, and calls
 * of other threads wait for it;
 * - a callback of a call may read the objects of that call. It may not change them, nor may it
 * start a second call that changes what it reads itself: such a call is refused.
 *
 * The register is protected by the GIL.
 */
#ifndef M2_USE_H
#define M2_USE_H

/* One object in use, in the stack frame of the call; all zero before m2_use_begin. */
typedef struct m2_use {
    const void *object;
    unsigned long thread;
    int changes;
    struct m2_use *next;
} m2_use;

/* Register a use of `object`, of the type called `type`, waiting without the GIL for the calls of
 * other threads in its way. Returns 1; 0 with an error queued if the call is refused, or with an
 * exception set if a signal handler raised it. */
int m2_use_begin(m2_use *use, const char *type, const void *object, int changes);
/* End a use; does nothing for one that did not begin. */
void m2_use_end(m2_use *use);
/* Wait until no other thread uses `object`. */
void m2_use_wait(const void *object);

#endif
