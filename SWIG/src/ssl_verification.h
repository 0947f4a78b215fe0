/* The error of the last verification of a peer's certificate (SSL_get_verify_result(3)). */
#ifndef M2_SSL_VERIFICATION_H
#define M2_SSL_VERIFICATION_H

#ifndef SWIG
#include <openssl/ssl.h>

#include "m2.h"
#endif

/* Return the depth of the certificate at fault, 0 for the peer's; -1 if there is none. */
int m2_ssl_get_verify_error_depth(const SSL *connection);
/* Return the certificate at fault; None if there is none. */
X509 *m2_ssl_get_verify_error_cert(const SSL *connection);

#ifndef SWIG
/* Remember the error of a store context whose verify callback returned `result`. */
void m2_ssl_remember_verify_error(SSL *connection, int result, X509_STORE_CTX *store_context);
#endif

#endif
