/* The properties of a cipher suite, and the suites of the peer. */
#include <string.h>

#include "ssl_ciphers.h"

m2_ssl_ciphers *m2_ssl_get_client_ciphers(const SSL *connection)
{
    STACK_OF(SSL_CIPHER) *ciphers = SSL_get_client_ciphers(connection);

    return ciphers == NULL ? sk_SSL_CIPHER_new_null() : sk_SSL_CIPHER_dup(ciphers);
}

int m2_ssl_cipher_get_alg_bits(const SSL_CIPHER *cipher)
{
    int bits = 0;

    SSL_CIPHER_get_bits(cipher, &bits);
    return bits;
}

m2_number m2_ssl_cipher_get_id(const SSL_CIPHER *cipher)
{
    return SSL_CIPHER_get_id(cipher);
}

m2_bytes m2_ssl_cipher_description(const SSL_CIPHER *cipher)
{
    /* Of at least 128 bytes (SSL_CIPHER_get_name(3)). */
    char text[256];
    m2_bytes description = {0};
    size_t length;

    if (SSL_CIPHER_description(cipher, text, sizeof(text)) == NULL)
        return description;
    length = strcspn(text, "\n");
    description = m2_bytes_new(length);
    if (description.data != NULL)
        memcpy(description.data, text, length);
    return description;
}
