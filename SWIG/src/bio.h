/* BIOs: OpenSSL's streams (BIO_read(3), BIO_ctrl(3), BIO_s_mem(3)). */
#ifndef M2_BIO_H
#define M2_BIO_H

/* Return an empty memory BIO. */
BIO *m2_bio_new_mem(void);
/* Open a file (BIO_new_file(3)). A write that fails is an error. */
BIO *m2_bio_new_file(const char *filename, const char *mode);

/* Return up to `length` bytes; none at the end or if the operation should be retried. */
m2_bytes m2_bio_read(BIO *bio, int length);
/* Return one line of at most `length` bytes with its newline. A NUL does not end it. */
m2_bytes m2_bio_gets(BIO *bio, int length);
/* Return the number of bytes written; 0 if the operation should be retried. */
m2_number m2_bio_write(BIO *bio, m2_buffer data);
m2_status m2_bio_flush(BIO *bio);
m2_status m2_bio_reset(BIO *bio);
m2_number m2_bio_tell(BIO *bio);
m2_number m2_bio_seek(BIO *bio, long offset);
int m2_bio_eof(const BIO *bio);
/* Return the bytes that can be read, and the bytes in the write buffer. */
m2_number m2_bio_ctrl_pending(const BIO *bio);
m2_number m2_bio_ctrl_wpending(const BIO *bio);
/* Set what an empty memory BIO returns: 0 for its end, less for retry. */
m2_status m2_bio_set_mem_eof_return(BIO *bio, int value);
m2_number m2_bio_get_fd(const BIO *bio);
/* Return whether the chain has a file or socket BIO. */
int m2_bio_may_block(const BIO *bio);
#ifndef SWIG
/* Return whether the BIO itself is a file or socket BIO. */
int m2_bio_is_descriptor(const BIO *bio);
#endif

int m2_bio_should_retry(const BIO *bio);
int m2_bio_should_read(const BIO *bio);
int m2_bio_should_write(const BIO *bio);

#endif
