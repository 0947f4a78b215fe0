/* Verification callbacks in Python. */
#ifndef M2_X509_CALLBACKS_H
#define M2_X509_CALLBACKS_H

#include "m2.h"

/* callback(ok, context), where the context's handle is spent when the callback returns. 1 to go on;
 * 0 to stop, also when the callback raised (m2_call_ints in m2.h says what becomes of that). */
int m2_call_verify(m2_callback callback, int ok, X509_STORE_CTX *context);

/* The callable that a store holds, in its ex_data, and OpenSSL's callback that calls it. */
int m2_verify_callback_set(X509_STORE *store, m2_callback callback);
int m2_verify_callback(int ok, X509_STORE_CTX *context);

#endif
