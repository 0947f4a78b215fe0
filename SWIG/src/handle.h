/*
 * Handles: how Python holds an OpenSSL object. A handle is a capsule that owns one reference to its
 * object and releases it when the capsule dies, so no order of deletion on Python's side can
 * leave a pointer to freed memory. Every function that hands out an object therefore hands out a
 * reference of its own (X_up_ref or X_dup).
 *
 * While a call has a handle as its argument, the object stays: a callback or another thread that
 * frees the handle spends it at once, and the object is released when the call ends.
 */
#ifndef M2_HANDLE_H
#define M2_HANDLE_H

#include <Python.h>

#include "use.h"

typedef struct {
    const char *name;
    void (*release)(void *object);
    /* Whether calls may change the object side by side, because OpenSSL locks it or nothing changes
     * it; NULL: never. */
    int (*is_shared)(const void *object);
} m2_handle_type;

/* The types of handles.i whose handles callbacks create. */
extern const m2_handle_type handle_SSL;
extern const m2_handle_type handle_m2_x509_store_ctx;

/* A handle that is an argument of a call, for the length of the call; all zero before it begins. */
typedef struct {
    PyObject *handle;
    m2_use use;
} m2_argument;

typedef enum { M2_READS, M2_CHANGES } m2_access;

/* Create a handle that owns `object`. Returns NULL with an exception set, and `object` released, on
 * failure. */
PyObject *m2_handle_new(void *object, const m2_handle_type *type);
/* Create the handle that the m2 function `function` returns. A NULL object makes the function
 * return `if_null`, a borrowed reference, unless that is NULL or an error is queued. Then, and if a
 * callback raised an exception, it returns NULL with the exception set. The error queue is empty
 * afterwards. */
PyObject *m2_handle_or_raise(void *object, const m2_handle_type *type, PyObject *if_null,
                             const char *area, const char *function);
/* Return the object, which is the call's until m2_argument_end. Returns NULL with an exception set
 * if the handle is none of this type or spent, or if the object is in use (use.h): then the
 * exception is that of the m2 function `function`. */
void *m2_argument_begin(m2_argument *argument, PyObject *handle, const m2_handle_type *type,
                        m2_access access, const char *area, const char *function);
void m2_argument_end(m2_argument *argument);
/* Spend the handle and store its object, now the caller's, in `object`; NULL if a call still works
 * on it, whose end releases it. Returns 0 with an exception set if the handle is none of this type
 * or spent. */
int m2_handle_take(PyObject *handle, const m2_handle_type *type, void **object);
/* Spend the handle of an object that is released otherwise, and wait until no other thread works on
 * the object. */
void m2_handle_detach(PyObject *handle);

#endif
