/*
 * Handles, as handle.h explains them. A capsule keeps its type in its context, so one destructor
 * serves all types and there is no state of the process.
 */
#include "handle.h"

static const char *const SPENT = "freed";

static void release(PyObject *handle)
{
    const m2_handle_type *type = PyCapsule_GetContext(handle);
    const char *name = PyCapsule_GetName(handle);

    if (name != SPENT)
        type->release(PyCapsule_GetPointer(handle, name));
}

PyObject *m2_handle_new(void *object, const m2_handle_type *type)
{
    PyObject *handle = PyCapsule_New(object, type->name, release);

    if (handle == NULL)
        type->release(object);
    else
        PyCapsule_SetContext(handle, (void *)type);
    return handle;
}

void *m2_handle_get(PyObject *handle, const m2_handle_type *type)
{
    PyObject *text = NULL;

    if (PyCapsule_CheckExact(handle)) {
        const char *name = PyCapsule_GetName(handle);

        if (name == type->name)
            return PyCapsule_GetPointer(handle, name);
        if (name == SPENT)
            PyErr_Format(PyExc_ValueError, "the %s was freed already", type->name);
        else
            PyErr_Format(PyExc_TypeError, "expected a handle of type %s, not one of type %s",
                         type->name, name == NULL ? "unknown" : name);
        return NULL;
    }
    text = PyObject_Str((PyObject *)Py_TYPE(handle));
    if (text != NULL)
        PyErr_Format(PyExc_TypeError, "expected a handle of type %s, not %U", type->name, text);
    Py_XDECREF(text);
    return NULL;
}

void *m2_handle_take(PyObject *handle, const m2_handle_type *type)
{
    void *object = m2_handle_get(handle, type);

    if (object != NULL)
        PyCapsule_SetName(handle, SPENT);
    return object;
}
