/*
 * Buffer arguments (buffer.h).
 */
#include <Python.h>

#include "m2.h"
#include "buffer.h"
#include "raise.h"

int m2_buffer_acquire(PyObject *object, Py_buffer *view, int flags, const char *area,
                      const char *function)
{
    if (PyObject_GetBuffer(object, view, flags) < 0)
        return 0;
    if (m2_fits_int((size_t)view->len))
        return 1;
    PyBuffer_Release(view);
    m2_raise(area, function);
    return 0;
}
