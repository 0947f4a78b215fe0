/*
 * Handles: how Python holds an OpenSSL object. A handle is a capsule that owns one reference to its
 * object and gives it back when the capsule dies, so no order of deletion on Python's side can
 * leave a pointer to freed memory. Every function that hands out an object therefore hands out a
 * reference of its own (X_up_ref or X_dup).
 */
#ifndef M2_HANDLE_H
#define M2_HANDLE_H

#include <Python.h>

typedef struct {
    const char *name;
    void (*release)(void *object);
} m2_handle_type;

/* A new handle that owns `object`, or NULL with an exception set (then `object` is released). */
PyObject *m2_handle_new(void *object, const m2_handle_type *type);
/* The object, still the handle's; NULL with TypeError or ValueError set. */
void *m2_handle_get(PyObject *handle, const m2_handle_type *type);
/* The object, no longer the handle's: the handle is spent. NULL as above. */
void *m2_handle_take(PyObject *handle, const m2_handle_type *type);

#endif
