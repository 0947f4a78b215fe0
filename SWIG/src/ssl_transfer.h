/*
 * The functions that read from and write to a connection (ssl_io.h), which Python's API makes
 * faster than SWIG does: the tuple of arguments costs a tenth of the time of a short message.
 */
#ifndef M2_SSL_TRANSFER_H
#define M2_SSL_TRANSFER_H

#include <Python.h>

/* Add them to the extension. Returns less than 0 with an exception set. */
int m2_ssl_transfer_add(PyObject *module);

#endif
