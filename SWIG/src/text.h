/*
 * Text and path arguments.
 */
#ifndef M2_TEXT_H
#define M2_TEXT_H

#include <Python.h>

/* Return a path in the file system's encoding (os.fsencode), or NULL with TypeError or
 * ValueError set. It is valid while the new reference `*encoded` exists. On Windows it is UTF-8,
 * which OpenSSL expects. A path with a NUL is refused. */
const char *m2_path_get(PyObject *path, const char *function, PyObject **encoded);

/* Return the UTF-8 of a str, valid while the str exists, or NULL with TypeError or ValueError
 * set. Text with a NUL is refused, because OpenSSL would truncate it. */
const char *m2_text_get(PyObject *text, const char *function);

#endif
