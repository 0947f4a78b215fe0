/*
 * A BIO that reads and writes the data of a TLS connection. BIO_f_ssl(3) is not used: it shuts the
 * connection down when it is freed, which may be in use by another thread.
 */
#ifndef M2_SSL_BIO_H
#define M2_SSL_BIO_H

#ifndef SWIG
#include <openssl/ssl.h>

#include "m2.h"
#endif

const BIO_METHOD *m2_bio_f_ssl(void);
/* Set the connection, to which the BIO holds a reference whatever `close_flag` is. */
m2_status m2_bio_set_ssl(BIO *bio, SSL *SHARED, int close_flag);
/* Return a reference to the connection of a chain; None if it has none. */
SSL *m2_bio_get_ssl(const BIO *bio);
/* Return 1, or 0 if the handshake should be retried. */
m2_verdict m2_bio_do_handshake(BIO *bio);

#ifndef SWIG
/* Return the connection at the end of a chain, or NULL. */
SSL *m2_bio_get0_ssl(const BIO *bio);
#endif

#endif
