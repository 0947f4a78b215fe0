/* The objects that an operation uses besides the connection (use.h). */
#ifndef M2_SSL_USE_H
#define M2_SSL_USE_H

#include <openssl/ssl.h>

#include "use.h"

/* All fields are zero before m2_ssl_use_begin. */
typedef struct {
    m2_use context;
    m2_use store;
    m2_use bios[2];
} m2_ssl_use;

/* Register that the connection's context and trust store are read and its memory BIOs changed.
 * Returns the result of m2_use_begin. */
int m2_ssl_use_begin(m2_ssl_use *use, const SSL *connection);
void m2_ssl_use_end(m2_ssl_use *use);

#endif
