/*
 * Convert OpenSSL's error queue to a Python exception.
 */
#ifndef M2_RAISE_H
#define M2_RAISE_H

/* Set the exception of the area `area` for the m2 function `function`, which failed, and empty the
 * error queue. An exception that a callback raised remains set. */
void m2_raise(const char *area, const char *function);

#endif
