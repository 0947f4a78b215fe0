/* BIOs: OpenSSL's streams (BIO_read(3), BIO_ctrl(3), BIO_s_mem(3)). */
#ifndef M2_BIO_H
#define M2_BIO_H

/* An empty memory BIO that can be read and written. */
BIO *m2_bio_new_mem(void);

/* Up to `length` bytes; none at the end, and none when the BIO should be asked again later. */
m2_bytes m2_bio_read(BIO *bio, int length);
/* One line with its end, of at most `length` bytes; a NUL is a byte like any other. */
m2_bytes m2_bio_gets(BIO *bio, int length);
/* How many bytes were written; 0 when the BIO should be asked again later. */
m2_number m2_bio_write(BIO *bio, m2_buffer data);
m2_status m2_bio_flush(BIO *bio);
m2_status m2_bio_reset(BIO *bio);
m2_number m2_bio_tell(BIO *bio);
m2_number m2_bio_seek(BIO *bio, long offset);
int m2_bio_eof(const BIO *bio);
/* Bytes that can be read at once, and bytes written but not yet passed on. */
m2_number m2_bio_ctrl_pending(const BIO *bio);
m2_number m2_bio_ctrl_wpending(const BIO *bio);
/* A memory BIO that is empty is at its end from now on, and does not ask to be read again. */
m2_status m2_bio_set_mem_eof_return(BIO *bio, int value);
m2_number m2_bio_get_fd(const BIO *bio);
/* Is there a file or socket in its chain? */
int m2_bio_may_block(const BIO *bio);

int m2_bio_should_retry(const BIO *bio);
int m2_bio_should_read(const BIO *bio);
int m2_bio_should_write(const BIO *bio);

#endif
