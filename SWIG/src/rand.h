/* Random bytes and seed files. */
#ifndef M2_RAND_H
#define M2_RAND_H

m2_bytes m2_rand_bytes(int length);
m2_status m2_rand_seed(m2_buffer seed);
/* `entropy` is the estimated entropy of `blob` in bytes. */
m2_status m2_rand_add(m2_buffer blob, double entropy);
/* Return the path of the default seed file in the file system's encoding; empty if there is
 * none. */
m2_bytes m2_rand_file_name(void);
/* Return the number of bytes read (all if `max_bytes` is -1) or written, or -1. */
m2_number m2_rand_load_file(const char *filename, long max_bytes);
m2_number m2_rand_save_file(const char *filename);

#endif
