/*
 * Convert OpenSSL's error queue to a Python exception. M2Crypto._errors chooses the class and
 * the text, so that C has no state of the process.
 */
#include <Python.h>

#include "m2.h"
#include "compat.h"
#include "raise.h"

/* Remove all errors from the queue and return a list of (code, data), oldest first. */
static PyObject *raise_drain_queue(void)
{
    PyObject *errors = PyList_New(0);
    const char *data;
    int flags;
    unsigned long code;

    while (errors != NULL && (code = m2_compat_next_error(&data, &flags)) != 0) {
        PyObject *error = Py_BuildValue("(ks)", code, flags & ERR_TXT_STRING ? data : "");

        if (error == NULL || PyList_Append(errors, error) < 0) {
            Py_DECREF(errors);
            errors = NULL;
        }
        Py_XDECREF(error);
    }
    ERR_clear_error();
    return errors;
}

void m2_raise(const char *area, const char *function)
{
    PyObject *errors = NULL;
    PyObject *module = NULL;
    PyObject *exception = NULL;

    if (PyErr_Occurred()) {
        ERR_clear_error();
        return;
    }
    errors = raise_drain_queue();
    if (errors == NULL)
        goto done;
    module = PyImport_ImportModule("M2Crypto._errors");
    if (module == NULL)
        goto done;
    exception = PyObject_CallMethod(module, "from_queue", "ssO", area, function, errors);
    if (exception != NULL)
        PyErr_SetObject((PyObject *)Py_TYPE(exception), exception);
done:
    Py_XDECREF(exception);
    Py_XDECREF(module);
    Py_XDECREF(errors);
}
