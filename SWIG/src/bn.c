/* Big numbers: conversions and random numbers (BN_bn2bin(3), BN_rand(3)). */
#include <string.h>

#include "m2.h"
#include "bn.h"

m2_bytes m2_bn_to_bin(const BIGNUM *number)
{
    m2_bytes bytes = m2_bytes_new((size_t)BN_num_bytes(number));

    if (bytes.data != NULL)
        BN_bn2bin(number, bytes.data);
    return bytes;
}

BIGNUM *m2_bin_to_bn(m2_buffer bytes)
{
    return BN_bin2bn(bytes.data, (int)bytes.length, NULL);
}

m2_bytes m2_bn_to_mpi(const BIGNUM *number)
{
    m2_bytes bytes = m2_bytes_new((size_t)BN_bn2mpi(number, NULL));

    if (bytes.data != NULL)
        BN_bn2mpi(number, bytes.data);
    return bytes;
}

BIGNUM *m2_mpi_to_bn(m2_buffer bytes)
{
    return BN_mpi2bn(bytes.data, (int)bytes.length, NULL);
}

m2_bytes m2_bn_to_hex(const BIGNUM *number)
{
    m2_bytes text = {NULL, 0};

    text.data = (unsigned char *)BN_bn2hex(number);
    if (text.data != NULL)
        text.length = strlen((char *)text.data);
    return text;
}

/* Convert all of `digits`, which need not end with a NUL, by BN_hex2bn or BN_dec2bn. */
static BIGNUM *bn_from_text(m2_buffer digits, int (*parse)(BIGNUM **, const char *))
{
    BIGNUM *number = NULL;
    char *text = NULL;

    text = OPENSSL_strndup((const char *)digits.data, digits.length);
    if (text == NULL)
        goto done;
    if ((size_t)parse(&number, text) != digits.length || digits.length == 0) {
        BN_free(number);
        number = NULL;
        m2_error("the text is not a number");
    }
done:
    OPENSSL_free(text);
    return number;
}

BIGNUM *m2_hex_to_bn(m2_buffer digits)
{
    return bn_from_text(digits, BN_hex2bn);
}

BIGNUM *m2_dec_to_bn(m2_buffer digits)
{
    return bn_from_text(digits, BN_dec2bn);
}

BIGNUM *m2_bn_rand(int bits, int top, int bottom)
{
    BIGNUM *number = BN_new();

    if (number != NULL && BN_rand(number, bits, top, bottom) != 1) {
        BN_free(number);
        number = NULL;
    }
    return number;
}

BIGNUM *m2_bn_rand_range(const BIGNUM *range)
{
    BIGNUM *number = BN_new();

    if (number != NULL && BN_rand_range(number, range) != 1) {
        BN_free(number);
        number = NULL;
    }
    return number;
}
