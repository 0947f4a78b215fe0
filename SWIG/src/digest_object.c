/*
 * The type MessageDigest, and digests and HMACs in one call (digest_object.h).
 */
#include <Python.h>
#include <limits.h>

#include "m2.h"
#include "algorithms.h"
#include "buffer.h"
#include "compat.h"
#include "compat_evp.h"
#include "digest_object.h"
#include "evp.h"
#include "raise.h"
#include "text.h"
#include "use.h"

#define AREA "EVP"

typedef struct {
    PyObject_HEAD PyObject *algo;
    /* NULL once it is finalized. */
    EVP_MD_CTX *context;
    /* Of the output of an XOF; 0 if the digest has its own. */
    size_t length;
} digest_object;

/* ---- arguments ---------------------------------------------------------------------------- */

/* Store the arguments of a call by METH_FASTCALL | METH_KEYWORDS in the order of `names`, whose end
 * is NULL. The first `needed` are not optional. Returns 0 with TypeError set. */
static int digest_parse(const char *function, const char *const *names, int needed,
                        PyObject *const *given, Py_ssize_t count, PyObject *keywords,
                        PyObject **found)
{
    Py_ssize_t more = keywords == NULL ? 0 : PyTuple_Size(keywords);
    Py_ssize_t i;
    int most = 0;
    int which;

    while (names[most] != NULL)
        found[most++] = NULL;
    if (count > most) {
        PyErr_Format(PyExc_TypeError, "%s() takes at most %d arguments (%zd given)", function, most,
                     count);
        return 0;
    }
    for (i = 0; i < count; i++)
        found[i] = given[i];
    for (i = 0; i < more; i++) {
        PyObject *keyword = PyTuple_GetItem(keywords, i);

        for (which = 0; which < most; which++) {
            if (PyUnicode_CompareWithASCIIString(keyword, names[which]) == 0)
                break;
        }
        if (which == most || found[which] != NULL) {
            PyErr_Format(PyExc_TypeError, "%s() got an unexpected or repeated argument '%U'",
                         function, keyword);
            return 0;
        }
        found[which] = given[count + i];
    }
    for (which = 0; which < needed; which++) {
        if (found[which] == NULL) {
            PyErr_Format(PyExc_TypeError, "%s() lacks the argument '%s'", function, names[which]);
            return 0;
        }
    }
    return 1;
}

/* Return the text of an argument, `otherwise` if it is missing or None, or NULL with an exception
 * set; so NULL for `otherwise` is ambiguous, see PyErr_Occurred. */
static const char *digest_text(PyObject *argument, const char *function, const char *otherwise)
{
    if (argument == NULL || argument == Py_None)
        return otherwise;
    return m2_text_get(argument, function);
}

/* Return the length of an XOF's output that the argument asks for; 0 if it is missing or None. Sets
 * an exception and returns -1 if it is no positive int. */
static long long digest_length(PyObject *argument)
{
    long long length;

    if (argument == NULL || argument == Py_None)
        return 0;
    length = PyLong_AsLongLong(argument);
    if (length == -1 && PyErr_Occurred())
        return -1;
    if (length >= 1 && length <= INT_MAX)
        return length;
    PyErr_Format(PyExc_ValueError, "the length of a digest is from 1 to %d bytes", INT_MAX);
    return -1;
}

/* Fetch a digest whose length `length` can be. Returns NULL with an error queued. */
static EVP_MD *digest_fetch(const char *name, const char *properties, long long length)
{
    EVP_MD *md = m2_fetch_digest(name, properties);
    char message[128];

    if (md == NULL)
        return NULL;
    if (length == 0 || (EVP_MD_flags(md) & EVP_MD_FLAG_XOF) != 0) {
        if (m2_digest_is_usable(md))
            return md;
    } else if (EVP_MD_size(md) == length) {
        return md;
    } else {
        BIO_snprintf(message, sizeof(message), "%s has %d bytes; only an XOF has other lengths",
                     EVP_MD_name(md), EVP_MD_size(md));
        m2_error(message);
    }
    m2_digest_free(md);
    return NULL;
}

/* Finalize, and return the digest as bytes; NULL with an exception set or an error queued. */
static PyObject *digest_finish(EVP_MD_CTX *context, size_t length)
{
    unsigned char fixed[EVP_MAX_MD_SIZE];
    unsigned int written = 0;
    PyObject *result;

    if (length == 0) {
        if (EVP_DigestFinal_ex(context, fixed, &written) == 1)
            return PyBytes_FromStringAndSize((const char *)fixed, (Py_ssize_t)written);
        if (ERR_peek_error() == 0)
            m2_error("the algorithm has no digest length of its own; pass a length");
        return NULL;
    }
    result = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)length);
    if (result != NULL &&
        EVP_DigestFinalXOF(context, (unsigned char *)PyBytes_AsString(result), length) != 1) {
        Py_DECREF(result);
        result = NULL;
    }
    return result;
}

/* ---- MessageDigest ------------------------------------------------------------------------ */

static PyObject *digest_create(PyTypeObject *type, PyObject *algo, size_t length)
{
    digest_object *self = (digest_object *)PyType_GenericAlloc(type, 0);

    if (self == NULL)
        return NULL;
    Py_INCREF(algo);
    self->algo = algo;
    self->length = length;
    self->context = EVP_MD_CTX_new();
    return (PyObject *)self;
}

static PyObject *digest_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = {"algo", "length", "properties", NULL};
    PyObject *algo = NULL;
    PyObject *given = NULL;
    const char *properties = NULL;
    const char *name;
    long long length;
    EVP_MD *md = NULL;
    PyObject *self = NULL;
    int ok = 0;

    /* The usual call is not parsed. */
    if (keywords == NULL && PyTuple_Size(arguments) == 1)
        algo = PyTuple_GetItem(arguments, 0);
    else if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "O|Oz:MessageDigest", names, &algo,
                                          &given, &properties))
        return NULL;
    name = m2_text_get(algo, "MessageDigest");
    length = name == NULL ? -1 : digest_length(given);
    if (length < 0)
        return NULL;
    md = digest_fetch(name, properties, length);
    if (md != NULL && EVP_MD_size(md) == length && (EVP_MD_flags(md) & EVP_MD_FLAG_XOF) == 0)
        length = 0;
    if (md != NULL) {
        self = digest_create(type, algo, (size_t)length);
        if (self == NULL)
            goto done;
        ok = ((digest_object *)self)->context != NULL &&
             EVP_DigestInit_ex(((digest_object *)self)->context, md, NULL) == 1;
    }
    if (!ok) {
        m2_raise(AREA, "MessageDigest");
        Py_XDECREF(self);
        self = NULL;
    }
done:
    m2_digest_free(md);
    m2_errors_clear();
    return self;
}

static void digest_dealloc(PyObject *object)
{
    digest_object *self = (digest_object *)object;
    PyTypeObject *type = Py_TYPE(object);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);

    EVP_MD_CTX_free(self->context);
    Py_XDECREF(self->algo);
    release(object);
    /* An object of a heap type has a reference to it. */
    Py_DECREF(type);
}

/* Register the use of a digest that is not finalized. Returns 0 with an error queued or an
 * exception set. */
static int digest_begin(digest_object *self, m2_use *use)
{
    if (!m2_use_begin(use, "MessageDigest", self, 1))
        return 0;
    if (self->context != NULL)
        return 1;
    m2_error("digest already finalized; create a new MessageDigest");
    return 0;
}

/* End a use, and return `result`, whose reference is the caller's; NULL with an exception set if it
 * is NULL. */
static PyObject *digest_end(m2_use *use, PyObject *result, const char *function)
{
    m2_use_end(use);
    if (result == NULL)
        m2_raise(AREA, function);
    else
        m2_errors_clear();
    return result;
}

/* The one argument may be given by its name, as in every other `update`. */
static PyObject *digest_data(PyObject *const *arguments, Py_ssize_t count, PyObject *names)
{
    Py_ssize_t named = names == NULL ? 0 : PyTuple_Size(names);

    if (count + named == 1 &&
        (named == 0 || PyUnicode_CompareWithASCIIString(PyTuple_GetItem(names, 0), "data") == 0))
        return arguments[0];
    PyErr_SetString(PyExc_TypeError, "update() takes one argument, data");
    return NULL;
}

static PyObject *digest_update(PyObject *object, PyObject *const *arguments, Py_ssize_t count,
                               PyObject *names)
{
    PyObject *data = digest_data(arguments, count, names);
    digest_object *self = (digest_object *)object;
    m2_use use = {0};
    Py_buffer view;
    PyObject *result = NULL;
    int ok;

    if (data == NULL || !m2_buffer_acquire(data, &view, PyBUF_SIMPLE, AREA, "update"))
        return NULL;
    if (digest_begin(self, &use)) {
        PyThreadState *waiting = view.len > M2_GIL_THRESHOLD ? PyEval_SaveThread() : NULL;

        ok = EVP_DigestUpdate(self->context, view.buf, (size_t)view.len);
        if (waiting != NULL)
            PyEval_RestoreThread(waiting);
        result = ok == 1 ? PyLong_FromLong(1) : NULL;
    }
    PyBuffer_Release(&view);
    return digest_end(&use, result, "update");
}

static PyObject *digest_final(PyObject *object, PyObject *unused)
{
    digest_object *self = (digest_object *)object;
    m2_use use = {0};
    PyObject *result = NULL;

    (void)unused;
    if (digest_begin(self, &use)) {
        result = digest_finish(self->context, self->length);
        /* OpenSSL 1.1.1 crashes if a finalized SHA-3 is updated. */
        EVP_MD_CTX_free(self->context);
        self->context = NULL;
    }
    return digest_end(&use, result, "final");
}

static PyObject *digest_copy(PyObject *object, PyObject *unused)
{
    digest_object *self = (digest_object *)object;
    m2_use use = {0};
    PyObject *copy = NULL;

    (void)unused;
    if (digest_begin(self, &use)) {
        copy = digest_create(Py_TYPE(object), self->algo, self->length);
        if (copy != NULL &&
            (((digest_object *)copy)->context == NULL ||
             EVP_MD_CTX_copy_ex(((digest_object *)copy)->context, self->context) != 1)) {
            Py_DECREF(copy);
            copy = NULL;
        }
    }
    return digest_end(&use, copy, "copy");
}

static PyObject *digest_get_algo(PyObject *object, void *unused)
{
    PyObject *algo = ((digest_object *)object)->algo;

    (void)unused;
    Py_INCREF(algo);
    return algo;
}

static PyObject *digest_repr(PyObject *object)
{
    return PyUnicode_FromFormat("<MessageDigest %R>", ((digest_object *)object)->algo);
}

static PyMethodDef digest_methods[] = {
    {"update", (PyCFunction)(void (*)(void))digest_update, METH_FASTCALL | METH_KEYWORDS,
     "update($self, data)\n--\n\nAdd data and return 1.\n\n"
     "Raises:\n    EVPError: the digest was finalized."},
    {"final", digest_final, METH_NOARGS,
     "final($self)\n--\n\nFinalize and return the digest.\n\nRaises:\n"
     "    EVPError: the digest was finalized already, or is an XOF and no length was given."},
    {"digest", digest_final, METH_NOARGS,
     "digest($self)\n--\n\nFinalize and return the digest, as `final` does."},
    {"copy", digest_copy, METH_NOARGS,
     "copy($self)\n--\n\nReturn a digest of the same data so far (EVP_MD_CTX_copy_ex(3)).\n\n"
     "Raises:\n    EVPError: the digest was finalized."},
    {"__copy__", digest_copy, METH_NOARGS, "__copy__($self)\n--\n\nReturn `copy()`."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef digest_attributes[] = {
    {"algo", digest_get_algo, NULL, "The name that the algorithm was created by.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static const char DIGEST_DOC[] =
    "MessageDigest(algo, length=None, properties=None)\n--\n\n"
    "A message digest (EVP_DigestInit(3)). Several threads can update one.\n\n"
    "Args:\n"
    "    algo: the algorithm's name.\n"
    "    length: the length in bytes of the output of an XOF, such as SHAKE128.\n"
    "    properties: a property query (property(7)), since OpenSSL 3.0.\n\n"
    "Raises:\n"
    "    EVPError: the algorithm is unknown or not available, or has another length.\n"
    "    ValueError: the length is not from 1 to 2^31 - 1.";

static PyType_Slot digest_slots[] = {
    {Py_tp_new, digest_new},
    {Py_tp_dealloc, digest_dealloc},
    {Py_tp_methods, digest_methods},
    {Py_tp_getset, digest_attributes},
    {Py_tp_repr, digest_repr},
    {Py_tp_doc, (void *)DIGEST_DOC},
    {0, NULL},
};

static PyType_Spec digest_spec = {
    "M2Crypto.EVP.MessageDigest",
    sizeof(digest_object),
    0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    digest_slots,
};

/* ---- one call ----------------------------------------------------------------------------- */

static PyObject *digest_once(PyObject *module, PyObject *const *given, Py_ssize_t count,
                             PyObject *keywords)
{
    static const char *const names[] = {"data", "algo", "length", "properties", NULL};
    PyObject *found[4];
    const char *name;
    const char *properties;
    long long length;
    Py_buffer view;
    EVP_MD *md = NULL;
    EVP_MD_CTX *context = NULL;
    PyObject *result = NULL;

    (void)module;
    if (!digest_parse("digest", names, 1, given, count, keywords, found))
        return NULL;
    name = digest_text(found[1], "digest", "sha256");
    length = name == NULL ? -1 : digest_length(found[2]);
    properties = length < 0 ? NULL : digest_text(found[3], "digest", NULL);
    if (length < 0 || PyErr_Occurred() ||
        !m2_buffer_acquire(found[0], &view, PyBUF_SIMPLE, AREA, "digest"))
        return NULL;
    md = digest_fetch(name, properties, length);
    if (md != NULL && (EVP_MD_flags(md) & EVP_MD_FLAG_XOF) == 0)
        length = 0;
    context = md == NULL ? NULL : EVP_MD_CTX_new();
    if (context != NULL) {
        PyThreadState *waiting = view.len > M2_GIL_THRESHOLD ? PyEval_SaveThread() : NULL;
        int ok = EVP_DigestInit_ex(context, md, NULL) == 1 &&
                 EVP_DigestUpdate(context, view.buf, (size_t)view.len) == 1;

        if (waiting != NULL)
            PyEval_RestoreThread(waiting);
        if (ok)
            result = digest_finish(context, (size_t)length);
    }
    EVP_MD_CTX_free(context);
    m2_digest_free(md);
    PyBuffer_Release(&view);
    if (result == NULL)
        m2_raise(AREA, "digest");
    else
        m2_errors_clear();
    return result;
}

static PyObject *digest_hmac(PyObject *module, PyObject *const *given, Py_ssize_t count,
                             PyObject *keywords)
{
    static const char *const names[] = {"key", "data", "algo", NULL};
    PyObject *found[3];
    const char *name;
    Py_buffer key;
    Py_buffer data;
    unsigned char code[EVP_MAX_MD_SIZE];
    size_t length = 0;
    EVP_MD *md = NULL;
    int ok = 0;

    (void)module;
    if (!digest_parse("hmac", names, 2, given, count, keywords, found))
        return NULL;
    name = digest_text(found[2], "hmac", "sha256");
    if (name == NULL || !m2_buffer_acquire(found[0], &key, PyBUF_SIMPLE, AREA, "hmac"))
        return NULL;
    if (!m2_buffer_acquire(found[1], &data, PyBUF_SIMPLE, AREA, "hmac")) {
        PyBuffer_Release(&key);
        return NULL;
    }
    md = m2_fetch_digest(name, NULL);
    if (md != NULL && m2_digest_is_usable(md) && m2_digest_has_length(md)) {
        PyThreadState *waiting =
            key.len > M2_GIL_THRESHOLD || data.len > M2_GIL_THRESHOLD ? PyEval_SaveThread() : NULL;
        m2_buffer secret = {key.buf, (size_t)key.len};
        m2_buffer message = {data.buf, (size_t)data.len};

        ok = m2_compat_hmac(md, secret, message, code, &length) == 1;
        if (waiting != NULL)
            PyEval_RestoreThread(waiting);
    }
    m2_digest_free(md);
    PyBuffer_Release(&data);
    PyBuffer_Release(&key);
    if (!ok) {
        m2_raise(AREA, "hmac");
        return NULL;
    }
    m2_errors_clear();
    return PyBytes_FromStringAndSize((const char *)code, (Py_ssize_t)length);
}

static PyMethodDef digest_functions[] = {
    {"digest", (PyCFunction)(void (*)(void))digest_once, METH_FASTCALL | METH_KEYWORDS,
     "digest(data, algo='sha256', length=None, properties=None)\n--\n\n"
     "Return the digest of `data`; see `MessageDigest` for the arguments (EVP_Digest(3)).\n\n"
     "Raises:\n"
     "    EVPError: the algorithm is unknown or not available, or has another length."},
    {"hmac_digest", (PyCFunction)(void (*)(void))digest_hmac, METH_FASTCALL | METH_KEYWORDS,
     "hmac_digest(key, data, algo='sha256')\n--\n\n"
     "Return the HMAC of `data` (RFC 2104).\n\n"
     "Raises:\n"
     "    EVPError: the algorithm is unknown or not available."},
    {NULL, NULL, 0, NULL},
};

int m2_digest_objects_add(PyObject *module)
{
    PyObject *type = PyType_FromSpec(&digest_spec);
    int status = type == NULL ? -1 : PyObject_SetAttrString(module, "MessageDigest", type);

    Py_XDECREF(type);
    return status < 0 ? status : PyModule_AddFunctions(module, digest_functions);
}
