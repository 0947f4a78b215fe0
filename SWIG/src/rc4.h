/* RC4 (RFC 6229 has test vectors). RFC 7465 prohibits it in TLS. */
#ifndef M2_RC4_H
#define M2_RC4_H

#ifndef OPENSSL_NO_RC4

typedef struct m2_rc4 m2_rc4;

m2_rc4 *m2_rc4_new(void);
/* Set a key of 1 to 256 bytes and begin another key stream. */
m2_status m2_rc4_set_key(m2_rc4 *rc4, m2_buffer key);
/* Encrypt or decrypt. */
m2_bytes m2_rc4_update(m2_rc4 *rc4, m2_buffer data);

#ifndef SWIG
void m2_rc4_free(m2_rc4 *rc4);
#endif

#endif
#endif
