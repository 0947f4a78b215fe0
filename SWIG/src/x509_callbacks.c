/*
 * Verify callbacks in Python. OpenSSL's context is valid only during the validation, so the
 * handle that is the callback's argument is spent when the callback returns.
 */
#include <Python.h>
#include <errno.h>

#include <openssl/crypto.h>
#include <openssl/x509_vfy.h>

#include "m2.h"
#include "handle.h"
#include "x509_store.h"
#include "x509_callbacks.h"

static CRYPTO_ONCE once = CRYPTO_ONCE_STATIC_INIT;
static int callback_index = -1;

static void store_get_index(void)
{
    callback_index = X509_STORE_get_ex_new_index(0, NULL, NULL, NULL, m2_callback_drop_ex_data);
}

int m2_verify_callback_set(X509_STORE *store, m2_callback callback)
{
    m2_callback before;

    if (CRYPTO_THREAD_run_once(&once, store_get_index) != 1 || callback_index < 0) {
        m2_error("OpenSSL could not allocate an index for a callback");
        return 0;
    }
    before = X509_STORE_get_ex_data(store, callback_index);
    if (X509_STORE_set_ex_data(store, callback_index, callback) != 1)
        return 0;
    if (callback != NULL)
        m2_callback_keep(callback);
    if (before != NULL)
        m2_callback_drop(before);
    return 1;
}

/* The GIL is held. */
static int store_call(m2_callback callback, int ok, X509_STORE_CTX *context)
{
    m2_x509_store_ctx lent = {0};
    PyObject *handle;
    PyObject *returned;
    int result = 0;

    if (PyErr_Occurred())
        return 0;
    lent.context = context;
    lent.lent = 1;
    handle = m2_handle_new(&lent, &handle_m2_x509_store_ctx);
    if (handle == NULL)
        return 0;
    returned = PyObject_CallFunction((PyObject *)callback, "iO", ok, handle);
    if (returned != NULL) {
        result = PyObject_IsTrue(returned) > 0;
        Py_DECREF(returned);
    }
    m2_handle_detach(handle);
    Py_DECREF(handle);
    return result;
}

int m2_call_verify(m2_callback callback, int ok, X509_STORE_CTX *context)
{
    /* The handshake uses errno after the callback. */
    int saved_errno = errno;
    PyGILState_STATE state = PyGILState_Ensure();
    int result = store_call(callback, ok, context);

    PyGILState_Release(state);
    errno = saved_errno;
    return result;
}

int m2_verify_callback(int ok, X509_STORE_CTX *context)
{
    PyGILState_STATE state = PyGILState_Ensure();
    /* Read with the GIL held, because another thread can set another callback. */
    PyObject *callback = X509_STORE_get_ex_data(X509_STORE_CTX_get0_store(context), callback_index);

    if (callback != NULL) {
        Py_INCREF(callback);
        ok = store_call(callback, ok, context);
        Py_DECREF(callback);
    }
    PyGILState_Release(state);
    return ok;
}
