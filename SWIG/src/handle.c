/*
 * Handles (handle.h). A capsule's pointer is the object, its context the state below, and its
 * name that of the type, or SPENT. So all types have the same destructor.
 */
#include "m2.h"
#include "handle.h"
#include "raise.h"

typedef struct {
    const m2_handle_type *type;
    /* Calls that have the handle as an argument, and whether the last of them releases the object.
     */
    int calls;
    int is_freed;
} handle_state;

static const char *const SPENT = "freed";

static int handle_is_spent(PyObject *handle)
{
    return PyCapsule_GetName(handle) == SPENT;
}

static void handle_destroy(PyObject *handle)
{
    handle_state *state = PyCapsule_GetContext(handle);

    if (!handle_is_spent(handle)) {
        /* The provider of a token queues errors also when its objects are released. */
        ERR_set_mark();
        state->type->release(PyCapsule_GetPointer(handle, state->type->name));
        ERR_pop_to_mark();
    }
    PyMem_Free(state);
}

PyObject *m2_handle_new(void *object, const m2_handle_type *type)
{
    handle_state *state = PyMem_Malloc(sizeof(*state));
    PyObject *handle = NULL;

    if (state == NULL)
        PyErr_NoMemory();
    else
        handle = PyCapsule_New(object, type->name, handle_destroy);
    if (handle == NULL) {
        PyMem_Free(state);
        type->release(object);
        return NULL;
    }
    state->type = type;
    state->calls = 0;
    state->is_freed = 0;
    PyCapsule_SetContext(handle, state);
    return handle;
}

static void handle_refuse_spent(const m2_handle_type *type)
{
    PyErr_Format(PyExc_ValueError, "the %s was freed already", type->name);
}

static void *handle_object(PyObject *handle, const m2_handle_type *type)
{
    PyObject *text = NULL;

    if (PyCapsule_CheckExact(handle)) {
        const char *name = PyCapsule_GetName(handle);

        if (name == type->name)
            return PyCapsule_GetPointer(handle, name);
        if (name == SPENT)
            handle_refuse_spent(type);
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

PyObject *m2_handle_or_raise(void *object, const m2_handle_type *type, PyObject *if_null,
                             const char *area, const char *function)
{
    int raised = PyErr_Occurred() != NULL;

    if (object != NULL && !raised) {
        m2_errors_clear();
        return m2_handle_new(object, type);
    }
    if (object != NULL)
        type->release(object);
    else if (if_null != NULL && !raised && ERR_peek_error() == 0) {
        Py_INCREF(if_null);
        return if_null;
    }
    m2_raise(area, function);
    return NULL;
}

/* Register the use of a chain. */
static int handle_begin_chain(m2_argument *argument, const m2_handle_type *type, const void *object,
                              m2_access access)
{
    const void *used = NULL;

    /* Another thread can change the chain while this one waits. */
    while (used != type->chain->used(object)) {
        m2_use_end(&argument->use);
        used = type->chain->used(object);
        if (!m2_use_begin(&argument->use, type->name, used, access == M2_CHANGES))
            return 0;
    }
    return access == M2_READS || type->chain->begin_more(object, &argument->more);
}

void *m2_argument_begin(m2_argument *argument, PyObject *handle, const m2_handle_type *type,
                        m2_access access, const char *area, const char *function)
{
    void *object = handle_object(handle, type);
    handle_state *state;
    int begun;

    if (object == NULL)
        return NULL;
    state = PyCapsule_GetContext(handle);
    state->calls++;
    Py_INCREF(handle);
    argument->handle = handle;
    if (access == M2_HOLDS || (type->is_shared != NULL && type->is_shared(object)))
        return object;
    begun = type->chain != NULL
                ? handle_begin_chain(argument, type, object, access)
                : m2_use_begin(&argument->use, type->name, object, access == M2_CHANGES);
    if (!begun) {
        m2_raise(area, function);
        return NULL;
    }
    if (handle_is_spent(handle)) {
        /* Another thread freed the handle while this one waited. */
        handle_refuse_spent(type);
        return NULL;
    }
    return object;
}

void m2_argument_end(m2_argument *argument)
{
    PyObject *handle = argument->handle;
    handle_state *state;

    if (handle == NULL)
        return;
    argument->handle = NULL;
    if (argument->more != NULL) {
        state = PyCapsule_GetContext(handle);
        state->type->chain->end_more(argument->more);
        argument->more = NULL;
    }
    m2_use_end(&argument->use);
    state = PyCapsule_GetContext(handle);
    state->calls--;
    if (state->calls == 0 && state->is_freed) {
        state->type->release(PyCapsule_GetPointer(handle, SPENT));
        m2_errors_clear();
    }
    Py_DECREF(handle);
}

int m2_handle_take(PyObject *handle, const m2_handle_type *type, void **object)
{
    handle_state *state;

    *object = handle_object(handle, type);
    if (*object == NULL)
        return 0;
    state = PyCapsule_GetContext(handle);
    PyCapsule_SetName(handle, SPENT);
    if (state->calls > 0) {
        state->is_freed = 1;
        *object = NULL;
    }
    return 1;
}

void m2_handle_detach(PyObject *handle)
{
    handle_state *state = PyCapsule_GetContext(handle);
    const void *object = PyCapsule_GetPointer(handle, PyCapsule_GetName(handle));

    PyCapsule_SetName(handle, SPENT);
    state->is_freed = 0;
    m2_use_wait(object);
}
