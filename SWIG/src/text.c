/*
 * Text arguments.
 */
#include <string.h>

#include "text.h"

const char *m2_text_get(PyObject *text, const char *function)
{
    const char *utf8;
    Py_ssize_t length;

    if (!PyUnicode_Check(text)) {
        PyErr_Format(PyExc_TypeError, "%s: expected text, not %R", function,
                     (PyObject *)Py_TYPE(text));
        return NULL;
    }
    utf8 = PyUnicode_AsUTF8AndSize(text, &length);
    if (utf8 != NULL && strlen(utf8) != (size_t)length) {
        PyErr_Format(PyExc_ValueError, "%s: the text has a NUL in it", function);
        return NULL;
    }
    return utf8;
}
