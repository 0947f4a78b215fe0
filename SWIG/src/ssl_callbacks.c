/* Info callbacks of connections (SSL_CTX_set_info_callback(3)). */
#include <Python.h>
#include <errno.h>

#include "handle.h"
#include "ssl_callbacks.h"

void m2_call_info(m2_callback callback, int where, int ret, SSL *connection)
{
    /* The operation uses errno after the callback. */
    int saved_errno = errno;
    PyGILState_STATE state = PyGILState_Ensure();
    PyObject *handle = NULL;
    PyObject *returned = NULL;

    /* While an exception is set, no callback runs. */
    if (PyErr_Occurred() || !SSL_up_ref(connection))
        goto done;
    handle = m2_handle_new(connection, &handle_SSL);
    if (handle != NULL)
        returned = PyObject_CallFunction((PyObject *)callback, "iiO", where, ret, handle);
done:
    Py_XDECREF(returned);
    Py_XDECREF(handle);
    PyGILState_Release(state);
    errno = saved_errno;
}

/* ---- postponed exceptions ------------------------------------------------------------------- */

static CRYPTO_ONCE once = CRYPTO_ONCE_STATIC_INIT;
static int postponed_index = -1;

static void ssl_make_index(void)
{
    postponed_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, m2_callback_drop_ex_data);
}

static int ssl_have_index(void)
{
    return CRYPTO_THREAD_run_once(&once, ssl_make_index) && postponed_index >= 0;
}

/* Remove the traceback, whose frames can refer to the connection that keeps the exception. */
static void ssl_clear_traceback(PyObject *traceback)
{
    PyObject *module = PyImport_ImportModule("traceback");
    PyObject *result = NULL;

    if (module != NULL)
        result = PyObject_CallMethod(module, "clear_frames", "O", traceback);
    if (result == NULL)
        PyErr_Clear();
    Py_XDECREF(result);
    Py_XDECREF(module);
}

void m2_ssl_postpone_exception(SSL *connection)
{
    PyObject *type = NULL, *value = NULL, *traceback = NULL;
    PyObject *before;

    if (!ssl_have_index())
        return;
    before = SSL_get_ex_data(connection, postponed_index);
    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    if (!SSL_set_ex_data(connection, postponed_index, value)) {
        PyErr_Restore(type, value, traceback);
        return;
    }
    if (traceback != NULL) {
        PyException_SetTraceback(value, traceback);
        ssl_clear_traceback(traceback);
    }
    Py_XDECREF(type);
    Py_XDECREF(traceback);
    Py_XDECREF(before);
}

int m2_ssl_raise_postponed(SSL *connection)
{
    PyGILState_STATE state;
    PyObject *exception;

    if (!ssl_have_index())
        return 0;
    exception = SSL_get_ex_data(connection, postponed_index);
    if (exception == NULL)
        return 0;
    state = PyGILState_Ensure();
    SSL_set_ex_data(connection, postponed_index, NULL);
    if (!PyErr_Occurred())
        PyErr_SetObject((PyObject *)Py_TYPE(exception), exception);
    Py_DECREF(exception);
    PyGILState_Release(state);
    return 1;
}
