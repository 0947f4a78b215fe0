/*
 * Text and path arguments.
 */
#ifndef M2_TEXT_H
#define M2_TEXT_H

#include <Python.h>

/* A path as the operating system has it (os.fsencode), in `*encoded`, a new reference for the
 * caller to give back; NULL with TypeError or ValueError set. On Windows it is UTF-8, which OpenSSL
 * expects there. A path with a NUL in it is refused. */
const char *m2_path_get(PyObject *path, const char *function, PyObject **encoded);

/* The UTF-8 of a str, as long as that lives; NULL with TypeError or ValueError set. Text with a NUL
 * in it is refused: OpenSSL would read the half before it and take that for all. */
const char *m2_text_get(PyObject *text, const char *function);

#endif
