/* BIOs: OpenSSL's streams (BIO_read(3), BIO_ctrl(3), BIO_s_mem(3)). */
#ifndef M2_BIO_H
#define M2_BIO_H

/* An empty memory BIO that can be read and written. */
BIO *m2_bio_new_mem(void);

/* Up to `length` bytes; none at the end, and none when the BIO should be asked again later. */
m2_bytes m2_bio_read(BIO *bio, int length);
/* One line with its end, of at most `length` bytes. */
m2_bytes m2_bio_gets(BIO *bio, int length);
/* How many bytes were written; 0 when the BIO should be asked again later. */
m2_number m2_bio_write(BIO *bio, m2_buffer data);
m2_status m2_bio_flush(BIO *bio);
m2_status m2_bio_reset(BIO *bio);
m2_number m2_bio_tell(BIO *bio);
m2_number m2_bio_seek(BIO *bio, long offset);
int m2_bio_eof(BIO *bio);
/* Bytes that can be read at once, and bytes written but not yet passed on. */
m2_number m2_bio_ctrl_pending(BIO *bio);
m2_number m2_bio_ctrl_wpending(BIO *bio);
/* A memory BIO that is empty is at its end from now on, and does not ask to be read again. */
m2_status m2_bio_set_mem_eof_return(BIO *bio, int value);
m2_number m2_bio_get_fd(BIO *bio);
/* Is there a file or socket in its chain? */
int m2_bio_may_block(BIO *bio);

int m2_bio_should_retry(BIO *bio);
int m2_bio_should_read(BIO *bio);
int m2_bio_should_write(BIO *bio);

#endif
