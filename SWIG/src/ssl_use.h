/* The objects that an operation of a connection uses beside the connection (use.h). */
#ifndef M2_SSL_USE_H
#define M2_SSL_USE_H

#include <openssl/ssl.h>

#include "use.h"

/* All zero before m2_ssl_use_begin. */
typedef struct {
    m2_use context;
    m2_use store;
    m2_use bios[2];
} m2_ssl_use;

/* Begin to read the connection's context and its store of trusted certificates, and to change its
 * BIOs over memory. Returns as m2_use_begin does. */
int m2_ssl_use_begin(m2_ssl_use *use, const SSL *connection);
void m2_ssl_use_end(m2_ssl_use *use);

#endif
