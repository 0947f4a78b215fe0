/* The properties of a cipher suite (SSL_CIPHER_get_name(3)), and the suites of the peer. */
#ifndef M2_SSL_CIPHERS_H
#define M2_SSL_CIPHERS_H

#ifndef SWIG
#include <openssl/ssl.h>

#include "m2.h"
#include "ssl_connection.h"
#endif

/* Return the cipher suites that the client offered; none for a client. */
m2_ssl_ciphers *m2_ssl_get_client_ciphers(const SSL *connection);

/* Return the number of bits that the algorithm processes. */
int m2_ssl_cipher_get_alg_bits(const SSL_CIPHER *cipher);
m2_number m2_ssl_cipher_get_id(const SSL_CIPHER *cipher);
/* Return a line of text, in ASCII. */
m2_bytes m2_ssl_cipher_description(const SSL_CIPHER *cipher);

#endif
