/* BIOs: OpenSSL's streams, over memory, a file descriptor or another BIO. */
%{
#include "bio.h"
%}

%constant int bio_noclose = BIO_NOCLOSE;
%constant int bio_close = BIO_CLOSE;

%thread m2_bio_read;
%thread m2_bio_gets;
%thread m2_bio_write;
%thread m2_bio_flush;

BIO *BIO_new_fd(int fd, int close_flag);
void BIO_free(BIO *RELEASE);
void BIO_free_all(BIO *RELEASE);
%include "src/bio.h"
