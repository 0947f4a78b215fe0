/*
 * How values cross between Python and C: the types of src/m2.h, and handles (src/handle.h).
 */

/* ---- names ---------------------------------------------------------------------------------- */

/* Our own functions lose their prefix, OpenSSL's are offered in lower case: m2_rsa_sign is rsa_sign,
 * X509_NAME_new is x509_name_new. */
%rename("%(strip:[m2_])s", %$isfunction, regextarget=1) "^m2_";
%rename("%(lower)s", %$isfunction, regextarget=1) "^[A-Z]";

/* ---- areas ---------------------------------------------------------------------------------- */

/* %area(NAME): the functions declared from here on raise the exception of the area NAME
 * (M2Crypto/_errors.py). */
%define %area(NAME)
%insert("wrapper") %{
#undef M2_AREA
#define M2_AREA NAME
%}
%enddef

/* ---- results -------------------------------------------------------------------------------- */

/* Whatever the outcome, the error queue is empty afterwards: OpenSSL also queues errors that it
 * recovers from. An exception that a callback raised propagates, also if OpenSSL succeeded. */

%typemap(out, noblock=1) m2_status {
    if ($1 <= 0 || PyErr_Occurred()) {
        m2_raise(M2_AREA, "$symname");
        SWIG_fail;
    }
    m2_errors_clear();
    $result = PyLong_FromLong($1);
}

%typemap(out, noblock=1) m2_verdict {
    if ($1 < 0 || PyErr_Occurred()) {
        m2_raise(M2_AREA, "$symname");
        SWIG_fail;
    }
    m2_errors_clear();
    $result = PyLong_FromLong($1);
}

%typemap(out, noblock=1) m2_number {
    if ($1 < 0 || PyErr_Occurred()) {
        m2_raise(M2_AREA, "$symname");
        SWIG_fail;
    }
    m2_errors_clear();
    $result = PyLong_FromLongLong($1);
}

%typemap(out, noblock=1) m2_bytes {
    if ($1.data == NULL || PyErr_Occurred()) {
        m2_bytes_free(&$1);
        m2_raise(M2_AREA, "$symname");
        SWIG_fail;
    }
    m2_errors_clear();
    $result = m2_bytes_take(&$1);
}

%typemap(out, noblock=1) m2_integer {
    if ($1.data == NULL || PyErr_Occurred()) {
        m2_bytes_free(&$1);
        m2_raise(M2_AREA, "$symname");
        SWIG_fail;
    }
    m2_errors_clear();
    $result = PyLong_FromString((const char *)$1.data, NULL, 16);
    m2_bytes_free(&$1);
}

/* ---- arguments ------------------------------------------------------------------------------ */

%typemap(in) m2_buffer (Py_buffer view = {0}) {
    if (!m2_buffer_acquire($input, &view, PyBUF_SIMPLE, M2_AREA, "$symname"))
        SWIG_fail;
    $1.data = view.buf;
    $1.length = (size_t)view.len;
}

%typemap(in) m2_buffer OPTIONAL (Py_buffer view = {0}) {
    $1.data = NULL;
    $1.length = 0;
    if ($input != Py_None) {
        if (!m2_buffer_acquire($input, &view, PyBUF_SIMPLE, M2_AREA, "$symname"))
            SWIG_fail;
        $1.data = view.buf;
        $1.length = (size_t)view.len;
    }
}

%typemap(freearg, noblock=1) m2_buffer, m2_buffer OPTIONAL {
    if (view$argnum.obj != NULL)
        PyBuffer_Release(&view$argnum);
}

%typemap(in, noblock=1) const char * {
    $1 = (char *)m2_text_get($input, "$symname");
    if ($1 == NULL)
        SWIG_fail;
}
%typemap(in, noblock=1) const char *OPTIONAL {
    $1 = NULL;
    if ($input != Py_None) {
        $1 = (char *)m2_text_get($input, "$symname");
        if ($1 == NULL)
            SWIG_fail;
    }
}
%typemap(freearg) const char *, const char *OPTIONAL "";

/* A path: str, bytes or os.PathLike, as os.fsencode encodes it. The parameter names select it. */
%typemap(in) const char *PATH (PyObject *encoded = NULL) {
    $1 = (char *)m2_path_get($input, "$symname", &encoded);
    if ($1 == NULL)
        SWIG_fail;
}
%typemap(in) const char *OPTIONAL_PATH (PyObject *encoded = NULL) {
    $1 = NULL;
    if ($input != Py_None) {
        $1 = (char *)m2_path_get($input, "$symname", &encoded);
        if ($1 == NULL)
            SWIG_fail;
    }
}
%typemap(freearg, noblock=1) const char *PATH, const char *OPTIONAL_PATH {
    Py_XDECREF(encoded$argnum);
}
%apply const char *PATH { const char *file, const char *filename };

/* Seconds, or bits of entropy. NaN compares false with every limit. */
%typemap(in, noblock=1) double {
    $1 = PyFloat_AsDouble($input);
    if ($1 == -1.0 && PyErr_Occurred())
        SWIG_fail;
    if (isnan($1)) {
        PyErr_SetString(PyExc_ValueError, "$symname: argument $argnum is not a number (NaN)");
        SWIG_fail;
    }
}

%typemap(in) m2_callback {
    if ($input != Py_None && !PyCallable_Check($input)) {
        PyErr_SetString(PyExc_TypeError, "$symname: argument $argnum is a callable or None");
        SWIG_fail;
    }
    $1 = $input == Py_None ? NULL : $input;
}

/* ---- handles -------------------------------------------------------------------------------- */

/* %handle(TYPE, FREE): calls that change one object wait for each other. %shared_handle: they need not,
 * if IS_SHARED(object) is true. */
%define %handle(TYPE, FREE)
%shared_handle(TYPE, FREE, NULL)
%enddef

%define %shared_handle(TYPE, FREE, IS_SHARED)
%chain_handle(TYPE, FREE, IS_SHARED, NULL)
%enddef

/* CHAIN: the address of an m2_handle_chain, for an object that calls use together with others. */
%define %chain_handle(TYPE, FREE, IS_SHARED, CHAIN)
%{
static void release_##TYPE(void *object)
{
    FREE((TYPE *)object);
}
const m2_handle_type handle_##TYPE = {#TYPE, release_##TYPE, IS_SHARED, CHAIN};
%}

%typemap(in, noblock=1) TYPE * (m2_argument argument = {0}) {
    $1 = m2_argument_begin(&argument, $input, &handle_##TYPE, M2_CHANGES, M2_AREA, "$symname");
    if ($1 == NULL)
        SWIG_fail;
}
/* The function only reads the object, or OpenSSL locks what the function changes. */
%typemap(in, noblock=1) const TYPE * (m2_argument argument = {0}),
                        TYPE *SHARED (m2_argument argument = {0}) {
    $1 = m2_argument_begin(&argument, $input, &handle_##TYPE, M2_READS, M2_AREA, "$symname");
    if ($1 == NULL)
        SWIG_fail;
}
/* None is NULL, where a parameter is called OPTIONAL. */
%typemap(in, noblock=1) TYPE *OPTIONAL (m2_argument argument = {0}),
                        const TYPE *OPTIONAL (m2_argument argument = {0}) {
    $1 = NULL;
    if ($input != Py_None) {
        $1 = m2_argument_begin(&argument, $input, &handle_##TYPE, M2_READS, M2_AREA, "$symname");
        if ($1 == NULL)
            SWIG_fail;
    }
}
%typemap(freearg, noblock=1) TYPE *, const TYPE *, TYPE *SHARED, TYPE *OPTIONAL,
                             const TYPE *OPTIONAL {
    m2_argument_end(&argument$argnum);
}
/* The function frees what it gets: the handle is spent. */
%typemap(in, noblock=1) TYPE *RELEASE (void *object = NULL) {
    if (!m2_handle_take($input, &handle_##TYPE, &object))
        SWIG_fail;
    $1 = object;
}
%typemap(freearg) TYPE *RELEASE "";
/* A handle owns what it holds, so every function that returns one returns a reference of its own. */
%typemap(out, noblock=1) TYPE *, const TYPE * {
    $result = m2_handle_or_raise((void *)$1, &handle_##TYPE, NULL, M2_AREA, "$symname");
    if ($result == NULL)
        SWIG_fail;
}
%enddef

/* A function that returns None if OpenSSL returns NULL and no error is queued. */
%define %none_for_null(TYPE, FUNCTION)
%typemap(out, noblock=1) TYPE *FUNCTION, const TYPE *FUNCTION {
    $result = m2_handle_or_raise((void *)$1, &handle_##TYPE, Py_None, M2_AREA, "$symname");
    if ($result == NULL)
        SWIG_fail;
}
%enddef

/* ---- the GIL -------------------------------------------------------------------------------- */

/* %thread FUNCTION; (SWIG's own) runs it without the GIL. %thread_when does so only under a CONDITION
 * on the arguments arg1, arg2, ...; %thread_large when ARGUMENT, an m2_buffer, is large enough to be
 * worth the 44 ns. */
%define %thread_large(FUNCTION, ARGUMENT)
%thread_when(FUNCTION, ARGUMENT.length > M2_GIL_THRESHOLD)
%enddef

%define %thread_when(FUNCTION, CONDITION)
%exception FUNCTION {
    PyThreadState *waiting = CONDITION ? PyEval_SaveThread() : NULL;
    $action
    if (waiting != NULL)
        PyEval_RestoreThread(waiting);
}
%enddef
