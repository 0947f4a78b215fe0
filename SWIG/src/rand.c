/* Random bytes and seed files (RAND_bytes(3), RAND_add(3), RAND_load_file(3)). */
#include <string.h>

#include <openssl/rand.h>

#include "m2.h"
#include "rand.h"

m2_bytes m2_rand_bytes(int length)
{
    m2_bytes bytes = {NULL, 0};

    if (length < 0) {
        m2_error("the number of random bytes is negative");
        return bytes;
    }
    bytes = m2_bytes_new((size_t)length);
    if (bytes.data != NULL && RAND_bytes(bytes.data, length) != 1)
        m2_bytes_free(&bytes);
    return bytes;
}

m2_status m2_rand_seed(m2_buffer seed)
{
    RAND_seed(seed.data, (int)seed.length);
    return 1;
}

m2_status m2_rand_add(m2_buffer blob, double entropy)
{
    RAND_add(blob.data, (int)blob.length, entropy);
    return 1;
}

m2_bytes m2_rand_file_name(void)
{
    m2_bytes name = m2_bytes_new(4096);

    if (name.data != NULL) {
        if (RAND_file_name((char *)name.data, name.length) == NULL)
            name.data[0] = '\0';
        name.length = strlen((char *)name.data);
    }
    return name;
}

m2_number m2_rand_load_file(const char *filename, long max_bytes)
{
    return RAND_load_file(filename, max_bytes);
}

m2_number m2_rand_save_file(const char *filename)
{
    return RAND_write_file(filename);
}
