/* Where a certificate's revocation status is found, and stapled OCSP responses (RFC 6066, section
 * 8). */
#ifndef M2_REVOCATION_H
#define M2_REVOCATION_H

#ifndef SWIG
#include <openssl/ssl.h>

#include "m2.h"
#include "x509_stack.h"
#endif

/* The URLs of a certificate's OCSP responders (RFC 5280, section 4.2.2.1) and CRLs (section
 * 4.2.1.13), each followed by a newline. One that contains a newline is left out. */
m2_bytes m2_x509_ocsp_urls(X509 *certificate);
m2_bytes m2_x509_crl_urls(const X509 *certificate);
/* Return whether a server must staple a response (RFC 7633): 1 or 0. */
m2_verdict m2_x509_must_staple(const X509 *certificate);

/* The path that was validated, from the peer's certificate to the trust anchor; empty if none was,
 * as in a resumed session. */
m2_x509_stack *m2_ssl_get1_verified_chain(const SSL *connection);

#ifndef OPENSSL_NO_OCSP
/* Request a stapled response in later connections of a client. */
m2_status m2_ssl_ctx_request_ocsp(SSL_CTX *context, int request);
/* Return the response that the server stapled; empty for none. */
m2_bytes m2_ssl_get_ocsp_response(const SSL *connection);
/* Staple a response in later handshakes of a server; nothing if it is empty. */
m2_status m2_ssl_ctx_set_ocsp_response(SSL_CTX *context, m2_buffer response);
#endif

#endif
