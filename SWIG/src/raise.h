/*
 * From OpenSSL's error queue to a Python exception.
 */
#ifndef M2_RAISE_H
#define M2_RAISE_H

/* Set the exception for the m2 function `function` that failed, and empty the error queue. An
 * exception that a callback raised on the way stands: it is the reason. */
void m2_raise(const char *function);

#endif
