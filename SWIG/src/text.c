/*
 * Text and path arguments.
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

const char *m2_path_get(PyObject *path, const char *function, PyObject **encoded)
{
    PyObject *name = PyOS_FSPath(path);
    const char *result = NULL;

    if (name == NULL)
        return NULL;
    if (PyUnicode_Check(name)) {
        *encoded = PyUnicode_EncodeFSDefault(name);
    } else {
        Py_INCREF(name);
        *encoded = name;
    }
    Py_DECREF(name);
    if (*encoded != NULL)
        result = PyBytes_AsString(*encoded);
    if (result != NULL && strlen(result) != (size_t)PyBytes_Size(*encoded)) {
        PyErr_Format(PyExc_ValueError, "%s: the path has a NUL in it", function);
        result = NULL;
    }
    return result;
}
