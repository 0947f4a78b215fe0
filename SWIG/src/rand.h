/* Random bytes, and the seed file. */
#ifndef M2_RAND_H
#define M2_RAND_H

m2_bytes m2_rand_bytes(int length);
m2_status m2_rand_seed(m2_buffer seed);
/* `entropy` is how many bytes of entropy the caller believes to be in `blob`. */
m2_status m2_rand_add(m2_buffer blob, double entropy);
/* The default seed file's name, in the file system's encoding; "" where the environment names none.
 */
m2_bytes m2_rand_file_name(void);
/* How many bytes were read (all of the file when `max_bytes` is -1) or written; -1 when it failed.
 */
m2_number m2_rand_load_file(const char *filename, long max_bytes);
m2_number m2_rand_save_file(const char *filename);

#endif
