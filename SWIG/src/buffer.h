/*
 * Buffer arguments.
 */
#ifndef M2_BUFFER_H
#define M2_BUFFER_H

#include <Python.h>

/* Acquire the buffer of an object, for PyBuffer_Release. Returns 0 with an exception set; that of
 * `area` if the buffer is longer than 2 GiB: many of OpenSSL's lengths are an int. */
int m2_buffer_acquire(PyObject *object, Py_buffer *view, int flags, const char *area,
                      const char *function);

#endif
