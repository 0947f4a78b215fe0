/*
 * Text arguments.
 */
#ifndef M2_TEXT_H
#define M2_TEXT_H

#include <Python.h>

/* The UTF-8 of a str, as long as that lives; NULL with TypeError or ValueError set. Text with a NUL
 * in it is refused: OpenSSL would read the half before it and take that for all. */
const char *m2_text_get(PyObject *text, const char *function);

#endif
