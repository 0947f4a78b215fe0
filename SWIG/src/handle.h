/*
 * Handles of OpenSSL objects. A handle is a capsule that owns one reference to its object,
 * which its destructor releases, so no order of deletion leaves a pointer to freed memory.
 * Every function that returns an object therefore returns a new reference (X_up_ref or X_dup).
 *
 * A handle that is an argument of a call keeps its object until the call ends. If a callback or
 * another thread frees the handle, it is spent at once, and the object is released at the end
 * of the call.
 */
#ifndef M2_HANDLE_H
#define M2_HANDLE_H

#include <Python.h>

#include "use.h"

typedef struct {
    const char *name;
    void (*release)(void *object);
    /* Returns whether several threads may use the object at once, because OpenSSL locks it or
     * nothing changes it; NULL if they never may. */
    int (*is_shared)(const void *object);
    /* For objects whose calls use others, too; otherwise NULL. */
    const struct m2_handle_chain *chain;
} m2_handle_type;

/* An object that calls use together with others, such as a chain of BIOs. */
typedef struct m2_handle_chain {
    /* Returns what a call registers (use.h) in place of the object. */
    const void *(*used)(const void *object);
    /* Register more for a call that changes the object. `more` is for end_more, also if it fails
     * with an error queued or an exception set. */
    int (*begin_more)(const void *object, void **more);
    void (*end_more)(void *more);
} m2_handle_chain;

/* The types of handles.i that callbacks use, and those that have X509_VERIFY_PARAM (x509_param.c).
 */
extern const m2_handle_type handle_SSL;
extern const m2_handle_type handle_SSL_CTX;
extern const m2_handle_type handle_X509_NAME;
extern const m2_handle_type handle_X509_STORE;
extern const m2_handle_type handle_m2_x509_crl_stack;
extern const m2_handle_type handle_m2_x509_store_ctx;

/* A handle that is an argument of a call. All fields are zero before the call. */
typedef struct {
    PyObject *handle;
    m2_use use;
    void *more;
} m2_argument;

/* M2_HOLDS registers no use: the function does. */
typedef enum { M2_READS, M2_CHANGES, M2_HOLDS } m2_access;

/* Create a handle that owns `object`. Returns NULL with an exception set, and `object` released, on
 * failure. */
PyObject *m2_handle_new(void *object, const m2_handle_type *type);
/* Create the handle that the m2 function `function` returns. A NULL object makes the function
 * return `if_null`, a borrowed reference, unless that is NULL or an error is queued. Then, and if a
 * callback raised an exception, it returns NULL with the exception set. The error queue is empty
 * afterwards. */
PyObject *m2_handle_or_raise(void *object, const m2_handle_type *type, PyObject *if_null,
                             const char *area, const char *function);
/* Return the object, which is valid until m2_argument_end. Returns NULL with an exception set if
 * the handle has another type or is spent, or if the object is in use (use.h); the latter is the
 * exception of the m2 function `function`. */
void *m2_argument_begin(m2_argument *argument, PyObject *handle, const m2_handle_type *type,
                        m2_access access, const char *area, const char *function);
void m2_argument_end(m2_argument *argument);
/* Spend the handle and transfer its object to `object`; NULL if a call uses it, whose end
 * releases it. Returns 0 with an exception set if the handle has another type or is spent. */
int m2_handle_take(PyObject *handle, const m2_handle_type *type, void **object);
/* Spend the handle of an object that is released elsewhere, and wait until no other thread uses
 * the object. */
void m2_handle_detach(PyObject *handle);

#endif
