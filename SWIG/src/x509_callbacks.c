/*
 * Verify callbacks and lookups of CRLs in Python. OpenSSL's context is valid only during the
 * validation, so the handle that is the callback's argument is spent when the callback returns.
 */
#include <Python.h>
#include <errno.h>

#include <openssl/crypto.h>
#include <openssl/x509_vfy.h>

#include "m2.h"
#include "handle.h"
#include "x509_stack.h"
#include "x509_store.h"
#include "x509_callbacks.h"

static CRYPTO_ONCE once = CRYPTO_ONCE_STATIC_INIT;
static int callback_index = -1;
static int lookup_index = -1;

static void store_get_indices(void)
{
    callback_index = X509_STORE_get_ex_new_index(0, NULL, NULL, NULL, m2_callback_drop_ex_data);
    lookup_index = X509_STORE_get_ex_new_index(0, NULL, NULL, NULL, m2_callback_drop_ex_data);
}

static int store_has_indices(void)
{
    return CRYPTO_THREAD_run_once(&once, store_get_indices) == 1 && callback_index >= 0 &&
           lookup_index >= 0;
}

/* `index`: its address, because the index itself is not valid before store_has_indices. */
static int store_set_callback(X509_STORE *store, const int *index, m2_callback callback)
{
    m2_callback before;

    if (!store_has_indices()) {
        m2_error("OpenSSL could not allocate an index for a callback");
        return 0;
    }
    before = X509_STORE_get_ex_data(store, *index);
    if (X509_STORE_set_ex_data(store, *index, callback) != 1)
        return 0;
    if (callback != NULL)
        m2_callback_keep(callback);
    if (before != NULL)
        m2_callback_drop(before);
    return 1;
}

int m2_verify_callback_set(X509_STORE *store, m2_callback callback)
{
    return store_set_callback(store, &callback_index, callback);
}

/* The GIL is held. */
static int store_call(m2_callback callback, int ok, X509_STORE_CTX *context)
{
    m2_x509_store_ctx *lent;
    PyObject *handle;
    PyObject *returned;
    int result = 0;

    if (PyErr_Occurred())
        return 0;
    /* Not in this stack frame: a daemon thread loses its stack when the interpreter is finalized,
     * and the handle remains valid. */
    lent = OPENSSL_zalloc(sizeof(*lent));
    if (lent == NULL)
        return 0;
    lent->context = context;
    lent->lent = 1;
    handle = m2_handle_new(lent, &handle_m2_x509_store_ctx);
    if (handle == NULL)
        goto done;
    returned = PyObject_CallFunction((PyObject *)callback, "iO", ok, handle);
    if (returned != NULL) {
        result = PyObject_IsTrue(returned) > 0;
        Py_DECREF(returned);
    }
    m2_handle_detach(handle);
    Py_DECREF(handle);
done:
    OPENSSL_free(lent);
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

/* ---- lookups of CRLs ---------------------------------------------------------------------- */

m2_status m2_x509_store_set_lookup_crls(X509_STORE *store, m2_callback callback)
{
    return store_set_callback(store, &lookup_index, callback);
}

/* Append the CRLs of the stack that a lookup returned. The GIL is held. */
static int store_append_crls(STACK_OF(X509_CRL) * found, PyObject *returned)
{
    m2_argument argument = {0};
    m2_x509_crl_stack *stack;
    int ok = 1;
    int i;

    if (returned == Py_None)
        return 1;
    stack = m2_argument_begin(&argument, returned, &handle_m2_x509_crl_stack, M2_READS, "X509",
                              "x509_store_set_lookup_crls");
    for (i = 0; stack != NULL && ok && i < sk_X509_CRL_num(stack); i++)
        ok = m2_sk_x509_crl_push(found, sk_X509_CRL_value(stack, i)) > 0;
    m2_argument_end(&argument);
    return stack != NULL && ok;
}

/* The GIL is held. */
static int store_call_lookup(STACK_OF(X509_CRL) * found, m2_callback callback,
                             const X509_NAME *issuer)
{
    PyObject *name = m2_handle_or_raise(X509_NAME_dup((X509_NAME *)issuer), &handle_X509_NAME, NULL,
                                        "X509", "x509_store_set_lookup_crls");
    PyObject *returned;
    int ok;

    if (name == NULL)
        return 0;
    returned = PyObject_CallFunction((PyObject *)callback, "O", name);
    ok = returned != NULL && store_append_crls(found, returned);
    Py_XDECREF(returned);
    Py_DECREF(name);
    return ok;
}

int m2_call_crl_lookup(STACK_OF(X509_CRL) * found, X509_STORE *store, const X509_NAME *issuer)
{
    PyGILState_STATE state;
    PyObject *callback;
    int ok = 1;

    if (!store_has_indices() || X509_STORE_get_ex_data(store, lookup_index) == NULL)
        return 1;
    state = PyGILState_Ensure();
    /* Read with the GIL held, because another thread can set another callback. */
    callback = X509_STORE_get_ex_data(store, lookup_index);
    if (PyErr_Occurred()) {
        ok = 0;
    } else if (callback != NULL) {
        Py_INCREF(callback);
        ok = store_call_lookup(found, callback, issuer);
        Py_DECREF(callback);
    }
    PyGILState_Release(state);
    return ok;
}
