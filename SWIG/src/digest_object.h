/*
 * The type MessageDigest and the functions of one call, which Python's API makes faster than SWIG
 * does: the cost of a call is about that of hashing 64 bytes.
 */
#ifndef M2_DIGEST_OBJECT_H
#define M2_DIGEST_OBJECT_H

#include <Python.h>

/* Add them to the extension. Returns less than 0 with an exception set. */
int m2_digest_objects_add(PyObject *module);

#endif
