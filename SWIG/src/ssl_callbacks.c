/* What a connection tells Python while it works (SSL_CTX_set_info_callback(3)). */
#include <Python.h>

#include "handle.h"
#include "ssl_callbacks.h"

extern const m2_handle_type handle_SSL;

void m2_call_info(m2_callback callback, int where, int ret, SSL *connection)
{
    PyGILState_STATE state = PyGILState_Ensure();
    PyObject *handle = NULL;
    PyObject *answer = NULL;

    /* One that raised stands until it is back in Python: no Python runs on top of an exception. */
    if (PyErr_Occurred() || !SSL_up_ref(connection))
        goto done;
    handle = m2_handle_new(connection, &handle_SSL);
    if (handle != NULL)
        answer = PyObject_CallFunction((PyObject *)callback, "iiO", where, ret, handle);
done:
    Py_XDECREF(answer);
    Py_XDECREF(handle);
    PyGILState_Release(state);
}
