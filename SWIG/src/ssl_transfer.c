/* Reading and writing (ssl_transfer.h). */
#include <Python.h>
#include <math.h>

#include "buffer.h"
#include "handle.h"
#include "raise.h"
#include "ssl_callbacks.h"
#include "ssl_io.h"
#include "ssl_transfer.h"

#define AREA "SSL"

/* The largest bytes object that is allocated for one call. */
#define LARGEST_READ (256 * 1024)

/* A call. All fields but `function` are zero before transfer_begin. */
typedef struct {
    const char *function;
    m2_argument argument;
    SSL *connection;
    double seconds;
} transfer;

/* Convert the connection and the timeout, which are the first argument of three and the last.
 * Returns 0 with an exception set. */
static int transfer_begin(transfer *self, PyObject *const *given, Py_ssize_t count)
{
    if (count != 3) {
        PyErr_Format(PyExc_TypeError, "%s expected 3 arguments, got %zd", self->function, count);
        return 0;
    }
    self->seconds = PyFloat_AsDouble(given[2]);
    if (self->seconds == -1.0 && PyErr_Occurred())
        return 0;
    if (isnan(self->seconds)) {
        PyErr_Format(PyExc_ValueError, "%s: argument 3 is not a number (NaN)", self->function);
        return 0;
    }
    self->connection =
        m2_argument_begin(&self->argument, given[0], &handle_SSL, M2_HOLDS, AREA, self->function);
    return self->connection != NULL;
}

/* Return 1 if the operation succeeded or must be called again; 0 with an exception set. What was
 * read or written counts in any case. */
static int transfer_check(const transfer *self, m2_ssl_transfer result)
{
    if (result > 0 && PyErr_Occurred())
        m2_ssl_postpone_exception(self->connection);
    if (result == -SSL_ERROR_SSL || PyErr_Occurred()) {
        m2_raise(AREA, self->function);
        return 0;
    }
    m2_errors_clear();
    return 1;
}

/* Return what was read into `bytes`, whose reference it takes; None if it would block. */
static PyObject *transfer_bytes(PyObject *bytes, m2_ssl_transfer result)
{
    PyObject *read;

    if (result == PyBytes_Size(bytes))
        return bytes;
    if (result == -SSL_ERROR_WANT_READ || result == -SSL_ERROR_WANT_WRITE) {
        read = Py_None;
        Py_INCREF(read);
    } else {
        /* The limited API has no _PyBytes_Resize. */
        read =
            PyBytes_FromStringAndSize(PyBytes_AsString(bytes), result > 0 ? (Py_ssize_t)result : 0);
    }
    Py_DECREF(bytes);
    return read;
}

static PyObject *transfer_read(PyObject *module, PyObject *const *given, Py_ssize_t count)
{
    transfer self = {.function = "ssl_io_read"};
    PyObject *bytes = NULL;
    Py_ssize_t size;

    (void)module;
    if (!transfer_begin(&self, given, count))
        goto done;
    size = PyNumber_AsSsize_t(given[1], PyExc_OverflowError);
    if (size == -1 && PyErr_Occurred())
        goto done;
    if (size < 0) {
        PyErr_SetString(PyExc_ValueError, "size is negative");
        goto done;
    }
    bytes = PyBytes_FromStringAndSize(NULL, size > LARGEST_READ ? LARGEST_READ : size);
    if (bytes != NULL) {
        m2_target target = {(unsigned char *)PyBytes_AsString(bytes), (size_t)PyBytes_Size(bytes)};
        m2_ssl_transfer result = m2_ssl_io_read(self.connection, target, self.seconds);

        if (transfer_check(&self, result))
            bytes = transfer_bytes(bytes, result);
        else
            Py_CLEAR(bytes);
    }
done:
    m2_argument_end(&self.argument);
    return bytes;
}

static PyObject *transfer_read_into(PyObject *module, PyObject *const *given, Py_ssize_t count)
{
    transfer self = {.function = "ssl_io_read_into"};
    Py_buffer view = {0};
    PyObject *number = NULL;

    (void)module;
    if (transfer_begin(&self, given, count) &&
        m2_buffer_acquire(given[1], &view, PyBUF_WRITABLE, AREA, self.function)) {
        m2_target target = {view.buf, (size_t)view.len};
        m2_ssl_transfer result = m2_ssl_io_read(self.connection, target, self.seconds);

        if (transfer_check(&self, result))
            number = PyLong_FromLongLong(result);
        PyBuffer_Release(&view);
    }
    m2_argument_end(&self.argument);
    return number;
}

static PyObject *transfer_write(PyObject *module, PyObject *const *given, Py_ssize_t count)
{
    transfer self = {.function = "ssl_io_write"};
    Py_buffer view = {0};
    PyObject *number = NULL;

    (void)module;
    if (transfer_begin(&self, given, count) &&
        m2_buffer_acquire(given[1], &view, PyBUF_SIMPLE, AREA, self.function)) {
        m2_buffer data = {view.buf, (size_t)view.len};
        m2_ssl_transfer result = m2_ssl_io_write(self.connection, data, self.seconds);

        if (transfer_check(&self, result))
            number = PyLong_FromLongLong(result);
        PyBuffer_Release(&view);
    }
    m2_argument_end(&self.argument);
    return number;
}

static PyMethodDef transfer_functions[] = {
    {"ssl_io_read", (PyCFunction)(void (*)(void))transfer_read, METH_FASTCALL,
     "ssl_io_read(connection, size, seconds, /)\n--\n\n"
     "Return up to `size` bytes; None if a non-blocking operation would block."},
    {"ssl_io_read_into", (PyCFunction)(void (*)(void))transfer_read_into, METH_FASTCALL,
     "ssl_io_read_into(connection, target, seconds, /)\n--\n\n"
     "Read into a buffer, and return the number of bytes, or minus SSL_get_error(3)."},
    {"ssl_io_write", (PyCFunction)(void (*)(void))transfer_write, METH_FASTCALL,
     "ssl_io_write(connection, data, seconds, /)\n--\n\n"
     "Write, and return the number of bytes, or minus SSL_get_error(3)."},
    {NULL, NULL, 0, NULL},
};

int m2_ssl_transfer_add(PyObject *module)
{
    return PyModule_AddFunctions(module, transfer_functions);
}
