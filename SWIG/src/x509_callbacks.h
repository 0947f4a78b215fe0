/* Verify callbacks in Python. */
#ifndef M2_X509_CALLBACKS_H
#define M2_X509_CALLBACKS_H

#include "m2.h"

/* Call callback(ok, context), where the context's handle is spent afterwards. Return 1 to
 * continue, or 0 to stop, such as after an exception (m2_call_ints). */
int m2_call_verify(m2_callback callback, int ok, X509_STORE_CTX *context);

/* The callable in a store's ex_data, and OpenSSL's callback that calls it. */
int m2_verify_callback_set(X509_STORE *store, m2_callback callback);
int m2_verify_callback(int ok, X509_STORE_CTX *context);

/* Append the CRLs that the store's lookup callback returns for an issuer. Return 0 with an
 * exception set if it fails. */
int m2_call_crl_lookup(STACK_OF(X509_CRL) * found, X509_STORE *store, const X509_NAME *issuer);

#endif
