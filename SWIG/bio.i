/* BIOs: OpenSSL's streams, over memory, a file descriptor or another BIO. */
%{
#include "bio.h"
%}

%constant int bio_noclose = BIO_NOCLOSE;
%constant int bio_close = BIO_CLOSE;

/* Memory never blocks, and under the GIL no two threads are in one buffer. */
%thread_when(m2_bio_read, m2_bio_may_block(arg1))
%thread_when(m2_bio_gets, m2_bio_may_block(arg1))
%thread_when(m2_bio_write, m2_bio_may_block(arg1))
%thread_when(m2_bio_flush, m2_bio_may_block(arg1))

BIO *BIO_new_fd(int fd, int close_flag);
void BIO_free(BIO *RELEASE);
void BIO_free_all(BIO *RELEASE);
%include "src/bio.h"
