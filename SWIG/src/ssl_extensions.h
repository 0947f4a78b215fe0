/* What clients and servers agree on besides versions and ciphers: server names (RFC 6066),
 * application protocols (RFC 7301), pre-shared keys (RFC 4279, RFC 8446), groups, signature
 * algorithms, tickets, post-handshake authentication, key logs and channel bindings. */
#ifndef M2_SSL_EXTENSIONS_H
#define M2_SSL_EXTENSIONS_H

#ifndef SWIG
#include <openssl/ssl.h>

#include "m2.h"
#include "x509_stack.h"
#endif

/* Set the application protocols in order of preference, each after a byte with its length. A
 * server selects the first one that the client offers, or fails without one. */
m2_status m2_ssl_ctx_set_alpn_protos(SSL_CTX *context, m2_buffer protocols);
/* Empty if none was selected. */
m2_bytes m2_ssl_get_alpn_selected(const SSL *connection);

/* A server calls callback(connection, name), with None if the client sent no name. It returns the
 * context whose certificate is used, None for the present one, or the number of a fatal alert. */
m2_status m2_ssl_ctx_set_servername_callback(SSL_CTX *context, m2_callback callback);
/* The name that the client sent; None without one. */
const char *m2_ssl_get_servername(const SSL *connection);
m2_status m2_ssl_set_ssl_ctx(SSL *connection, SSL_CTX *SHARED);

/* Call callback(line) for each secret of the key log (SSL_CTX_set_keylog_callback(3)). */
m2_status m2_ssl_ctx_set_keylog_callback(SSL_CTX *context, m2_callback callback);

/* A client calls callback(connection, hint), with the identity hint of the server, or None without
 * one. It returns (identity, key), or None without a key (SSL_CTX_set_psk_client_callback(3)). */
m2_status m2_ssl_ctx_set_psk_client_callback(SSL_CTX *context, m2_callback callback);
/* A server calls callback(connection, identity). It returns the key, or None without one. */
m2_status m2_ssl_ctx_set_psk_server_callback(SSL_CTX *context, m2_callback callback);
/* Set the identity hint that a server sends in TLS 1.2; None for none. */
m2_status m2_ssl_ctx_use_psk_identity_hint(SSL_CTX *context, const char *OPTIONAL);
/* Return whether a key that this client's callback returned authenticates the server, and neither a
 * certificate nor a session. */
int m2_ssl_uses_psk(const SSL *connection);
#ifndef SWIG
/* Forget the key of an earlier handshake. */
void m2_ssl_forget_psk(SSL *connection);
#endif

/* Set the groups in order of preference, separated by colons. */
m2_status m2_ssl_ctx_set1_groups_list(SSL_CTX *context, const char *groups);
/* Return the names of the groups of this OpenSSL that the protocol versions allow, separated by
 * colons. Needs OpenSSL 3.5. */
m2_bytes m2_ssl_ctx_get_implemented_groups(SSL_CTX *context, int aliases);
/* Set the signature algorithms of the server in order of preference, separated by colons. */
m2_status m2_ssl_ctx_set1_sigalgs_list(SSL_CTX *context, const char *algorithms);
/* The same for those of clients. */
m2_status m2_ssl_ctx_set1_client_sigalgs_list(SSL_CTX *context, const char *algorithms);
/* The algorithm of the signature of this side or of the peer in the handshake; None without one.
 * Needs OpenSSL 3.5. */
const char *m2_ssl_get_signature_name(const SSL *connection, int of_peer);
/* Return the digest of the peer's signature in the handshake, NID_undef if there is none. */
int m2_ssl_get_peer_signature_nid(const SSL *connection);
/* The group of the key exchange; None without one. */
const char *m2_ssl_get_group_name(const SSL *connection);

m2_status m2_ssl_ctx_set_num_tickets(SSL_CTX *context, unsigned int count);
unsigned int m2_ssl_ctx_get_num_tickets(const SSL_CTX *context);
void m2_ssl_ctx_set_post_handshake_auth(SSL_CTX *context, int on);
m2_status m2_ssl_verify_client_post_handshake(SSL *connection);

m2_ssl_ciphers *m2_ssl_ctx_get_ciphers(const SSL_CTX *context);

/* The Finished messages of this side or of the peer; empty before the handshake. */
m2_bytes m2_ssl_get_finished(const SSL *connection, int of_peer);
/* Keying material for a label (SSL_export_keying_material(3), RFC 5705). */
m2_bytes m2_ssl_export_keying_material(SSL *connection, const char *label, m2_buffer OPTIONAL,
                                       int length);
/* The digest of a certificate for tls-server-end-point (RFC 5929, section 4.1). */
m2_bytes m2_x509_endpoint_digest(const X509 *certificate);
/* The certificate of this side; None without one. */
X509 *m2_ssl_get_certificate(const SSL *connection);

#endif
