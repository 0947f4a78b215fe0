/* The objects that an operation uses besides the connection (use.h). */
#include "m2.h"
#include "bio.h"
#include "bio_chain.h"
#include "ssl_use.h"

/* Return what calls register for a BIO, or NULL for a descriptor, which threads share. */
static const void *ssl_used_bio(BIO *bio)
{
    return bio == NULL || m2_bio_is_descriptor(bio) ? NULL : m2_bio_used(bio);
}

/* Both BIOs, which may be the same, in the order of their addresses, so that two connections
 * with the same two BIOs do not wait for each other. */
static int ssl_use_bios(m2_use uses[2], const SSL *connection)
{
    const void *first = ssl_used_bio(SSL_get_rbio(connection));
    const void *second = ssl_used_bio(SSL_get_wbio(connection));

    if (first > second) {
        const void *swapped = first;

        first = second;
        second = swapped;
    }
    if (first == second)
        first = NULL;
    return (first == NULL || m2_use_begin(&uses[0], "BIO", first, 1)) &&
           (second == NULL || m2_use_begin(&uses[1], "BIO", second, 1));
}

int m2_ssl_use_begin(m2_ssl_use *use, const SSL *connection)
{
    const SSL_CTX *context = SSL_get_SSL_CTX(connection);

    return m2_use_begin(&use->context, "SSL_CTX", context, 0) &&
           m2_use_begin(&use->store, "X509_STORE", SSL_CTX_get_cert_store(context), 0) &&
           ssl_use_bios(use->bios, connection);
}

void m2_ssl_use_end(m2_ssl_use *use)
{
    m2_use_end(&use->bios[1]);
    m2_use_end(&use->bios[0]);
    m2_use_end(&use->store);
    m2_use_end(&use->context);
}
