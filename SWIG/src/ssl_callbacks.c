/* Callbacks of connections (ssl_callbacks.h). */
#include <Python.h>
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "handle.h"
#include "ssl_callbacks.h"
#include "ssl_use.h"

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

/* Return the alert of what a callback for server names returned, or -1. */
static int ssl_server_name_result(SSL *connection, PyObject *returned)
{
    m2_argument argument = {0};
    SSL_CTX *context;
    long alert;

    if (returned == Py_None)
        return -1;
    if (PyLong_Check(returned)) {
        alert = PyLong_AsLong(returned);
        return alert < 0 || alert > UCHAR_MAX ? SSL_AD_INTERNAL_ERROR : (int)alert;
    }
    context = m2_argument_begin(&argument, returned, &handle_SSL_CTX, M2_READS, "SSL",
                                "ssl_ctx_set_servername_callback");
    alert = context != NULL && m2_ssl_use_add_context(connection, context) &&
                    SSL_set_SSL_CTX(connection, context) != NULL
                ? -1
                : SSL_AD_INTERNAL_ERROR;
    m2_argument_end(&argument);
    return (int)alert;
}

int m2_call_server_name(m2_callback callback, SSL *connection, const char *name)
{
    int saved_errno = errno;
    PyGILState_STATE state = PyGILState_Ensure();
    PyObject *function = (PyObject *)callback;
    PyObject *handle = NULL;
    PyObject *returned = NULL;
    int alert = SSL_AD_INTERNAL_ERROR;

    Py_INCREF(function);
    if (!PyErr_Occurred() && SSL_up_ref(connection))
        handle = m2_handle_new(connection, &handle_SSL);
    if (handle != NULL)
        returned = PyObject_CallFunction(function, "Oz", handle, name);
    if (returned != NULL)
        alert = ssl_server_name_result(connection, returned);
    Py_XDECREF(returned);
    Py_XDECREF(handle);
    Py_DECREF(function);
    PyGILState_Release(state);
    errno = saved_errno;
    return alert;
}

void m2_call_key_log(m2_callback callback, const char *line)
{
    int saved_errno = errno;
    PyGILState_STATE state = PyGILState_Ensure();
    PyObject *function = (PyObject *)callback;

    Py_INCREF(function);
    if (!PyErr_Occurred())
        Py_XDECREF(PyObject_CallFunction(function, "s", line));
    Py_DECREF(function);
    PyGILState_Release(state);
    errno = saved_errno;
}

/* Copy bytes that a callback returned. Returns their number; 0 with an exception set. */
static unsigned int ssl_copy_returned(PyObject *returned, const char *what, void *buffer,
                                      size_t size)
{
    char *data;
    Py_ssize_t length;

    if (PyBytes_AsStringAndSize(returned, &data, &length) < 0)
        return 0;
    if ((size_t)length > size) {
        PyErr_Format(PyExc_ValueError, "the %s has more than %zu bytes", what, size);
        return 0;
    }
    memcpy(buffer, data, (size_t)length);
    return (unsigned int)length;
}

/* Copy the identity of (identity, key), and return the key, which the tuple owns. Returns NULL with
 * an exception set. */
static PyObject *ssl_copy_identity(PyObject *returned, char *identity, size_t size)
{
    unsigned int length;

    if (!PyTuple_Check(returned) || PyTuple_Size(returned) != 2) {
        PyErr_SetString(PyExc_TypeError,
                        "a callback for pre-shared keys returns (identity, key) or None");
        return NULL;
    }
    length = ssl_copy_returned(PyTuple_GetItem(returned, 0), "identity of a pre-shared key",
                               identity, size - 1);
    identity[length] = '\0';
    return PyErr_Occurred() ? NULL : PyTuple_GetItem(returned, 1);
}

unsigned int m2_call_psk(m2_callback callback, SSL *connection, const char *name, char *identity,
                         size_t identity_size, unsigned char *key, size_t key_size)
{
    int saved_errno = errno;
    PyGILState_STATE state = PyGILState_Ensure();
    PyObject *function = (PyObject *)callback;
    PyObject *handle = NULL, *returned = NULL, *returned_key;
    unsigned int length = 0;

    Py_INCREF(function);
    if (!PyErr_Occurred() && SSL_up_ref(connection))
        handle = m2_handle_new(connection, &handle_SSL);
    if (handle != NULL)
        returned = PyObject_CallFunction(function, "Oy", handle, name);
    returned_key = returned;
    if (returned != NULL && returned != Py_None && identity != NULL)
        returned_key = ssl_copy_identity(returned, identity, identity_size);
    if (returned_key != NULL && returned_key != Py_None)
        length = ssl_copy_returned(returned_key, "pre-shared key", key, key_size);
    Py_XDECREF(returned);
    Py_XDECREF(handle);
    Py_DECREF(function);
    PyGILState_Release(state);
    errno = saved_errno;
    return length;
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

int m2_ssl_has_postponed(const SSL *connection)
{
    return ssl_have_index() && SSL_get_ex_data(connection, postponed_index) != NULL;
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
