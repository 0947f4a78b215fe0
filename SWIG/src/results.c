/*
 * Results (m2.h) that OpenSSL writes directly into the bytes object that Python gets. For 1 MiB a
 * copy takes longer than AES-GCM, because both buffers are new pages.
 */
#include <Python.h>

#include "m2.h"

m2_bytes m2_result_new(size_t length)
{
    m2_bytes result = {NULL, length, NULL};
    PyGILState_STATE state;

    /* A copy takes less time than the GIL. */
    if (length <= M2_GIL_THRESHOLD)
        return m2_bytes_new(length);
    state = PyGILState_Ensure();
    result.object = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)length);
    if (result.object != NULL)
        result.data = (unsigned char *)PyBytes_AsString(result.object);
    PyGILState_Release(state);
    return result;
}

PyObject *m2_bytes_take(m2_bytes *bytes)
{
    PyObject *object = bytes->object;

    /* The limited API cannot shrink a bytes object. */
    if (object != NULL && PyBytes_Size(object) == (Py_ssize_t)bytes->length) {
        bytes->data = NULL;
        bytes->object = NULL;
        return object;
    }
    object = PyBytes_FromStringAndSize((const char *)bytes->data, (Py_ssize_t)bytes->length);
    m2_bytes_free(bytes);
    return object;
}
