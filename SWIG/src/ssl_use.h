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
    /* Of the connection whose data a BIO is (m2_bio_begin_more), or NULL. */
    void *below[2];
    /* Those of the context that a callback for server names returned. */
    m2_use other_context;
    m2_use other_store;
    /* That shakes hands, or NULL. */
    SSL *connection;
} m2_ssl_use;

/* Register that the connection's context and trust store are read and its memory BIOs changed.
 * Returns the result of m2_use_begin. */
int m2_ssl_use_begin(m2_ssl_use *use, SSL *connection);
/* The same for writing, which after the handshake does not read the context and its store. */
int m2_ssl_use_begin_write(m2_ssl_use *use, SSL *connection);
void m2_ssl_use_end(m2_ssl_use *use);
/* Register, until the handshake's operation ends, that it also reads another context. Returns
 * the result of m2_use_begin. The GIL is held. */
int m2_ssl_use_add_context(SSL *connection, const SSL_CTX *context);

#endif
