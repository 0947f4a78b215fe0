/*
 * Callbacks from OpenSSL into Python. They acquire the GIL. An exception stays in the thread's
 * error indicator, which the wrapper checks before OpenSSL's error queue.
 */
#include <Python.h>
#include <string.h>

#include "m2.h"

/* Copy the passphrase and return its length; -1 with an exception set if it has another type or
 * is too long. */
static int callback_copy_passphrase(PyObject *returned, char *buffer, int size)
{
    PyObject *encoded = NULL;
    char *data;
    Py_ssize_t length;
    int result = -1;

    if (PyUnicode_Check(returned)) {
        encoded = PyUnicode_AsUTF8String(returned);
        if (encoded == NULL)
            goto done;
        returned = encoded;
    }
    if (!PyBytes_Check(returned)) {
        PyErr_SetString(PyExc_TypeError, "a passphrase callback must return str or bytes");
        goto done;
    }
    if (PyBytes_AsStringAndSize(returned, &data, &length) < 0)
        goto done;
    if (length > size) {
        PyErr_Format(PyExc_ValueError, "the passphrase is longer than %d bytes", size);
        goto done;
    }
    memcpy(buffer, data, (size_t)length);
    result = (int)length;
done:
    /* CPython shares bytes objects of less than two bytes. */
    if (encoded != NULL && PyBytes_AsStringAndSize(encoded, &data, &length) == 0 && length > 1)
        OPENSSL_cleanse(data, (size_t)length);
    Py_XDECREF(encoded);
    return result;
}

int m2_password(char *buffer, int size, int writing, void *callback)
{
    PyGILState_STATE state;
    PyObject *returned = NULL;
    int length = -1;

    if (callback == NULL) {
        m2_error_of(M2_REASON_PASSPHRASE,
                    "the key is encrypted and no passphrase callback was given");
        return -1;
    }
    state = PyGILState_Ensure();
    if (PyErr_Occurred())
        goto done;
    returned = PyObject_CallFunction((PyObject *)callback, "i", writing);
    if (returned == NULL)
        goto done;
    length = callback_copy_passphrase(returned, buffer, size);
done:
    Py_XDECREF(returned);
    PyGILState_Release(state);
    return length;
}

/* Call a callback and release the arguments and the result. The GIL is held. */
static int callback_call(PyObject *callback, PyObject *arguments)
{
    PyObject *returned;
    int result = -1;

    if (arguments == NULL)
        return -1;
    returned = PyObject_CallObject(callback, arguments);
    Py_DECREF(arguments);
    if (returned != NULL) {
        result = PyObject_IsTrue(returned);
        Py_DECREF(returned);
    }
    return result;
}

int m2_call_ints(m2_callback callback, int count, const int *arguments)
{
    PyGILState_STATE state = PyGILState_Ensure();
    PyObject *tuple = NULL;
    int result = -1;
    int i;

    if (!PyErr_Occurred())
        tuple = PyTuple_New(count);
    for (i = 0; tuple != NULL && i < count; i++) {
        PyObject *number = PyLong_FromLong(arguments[i]);

        if (number == NULL || PyTuple_SetItem(tuple, i, number) < 0) {
            Py_DECREF(tuple);
            tuple = NULL;
        }
    }
    if (tuple != NULL)
        result = callback_call(callback, tuple);
    PyGILState_Release(state);
    return result;
}

void m2_callback_keep(m2_callback callback)
{
    PyGILState_STATE state = PyGILState_Ensure();

    Py_XINCREF(callback);
    PyGILState_Release(state);
}

void m2_callback_drop(m2_callback callback)
{
    PyGILState_STATE state = PyGILState_Ensure();

    Py_XDECREF(callback);
    PyGILState_Release(state);
}

void m2_callback_drop_ex_data(void *parent, void *callback, CRYPTO_EX_DATA *data, int index,
                              long argl, void *argp)
{
    (void)parent;
    (void)data;
    (void)index;
    (void)argl;
    (void)argp;
    if (callback != NULL)
        m2_callback_drop(callback);
}
