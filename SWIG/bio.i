/* BIOs: OpenSSL's streams, over memory, a file descriptor or another BIO. */
%{
#include "bio.h"
#include "bio_chain.h"
#include "ssl_bio.h"
%}

%constant int bio_noclose = BIO_NOCLOSE;
%constant int bio_close = BIO_CLOSE;

/* A FUNCTION that reads or writes the BIO in its first argument. Only a descriptor can block.
 * tests/test_bio.py checks that no such function is missing. */
%define %thread_io(FUNCTION)
%thread_when(FUNCTION, m2_bio_may_block(arg1))
%enddef

%thread_io(m2_bio_read)
%thread_io(m2_bio_gets)
%thread_io(m2_bio_write)
%thread_io(m2_bio_flush)
%thread_io(m2_bio_do_handshake)
/* Functions of later areas for which no %thread always releases the GIL. */
%thread_io(m2_rsa_read_pub_key)
%thread_when(m2_rsa_write_key_der, m2_bio_may_block(arg2))
%thread_when(m2_rsa_write_pub_key, m2_bio_may_block(arg2))
%thread_io(m2_ec_key_read_pubkey)
%thread_when(m2_ec_key_write_pubkey, m2_bio_may_block(arg2))

%none_for_null(BIO, m2_bio_pop)
%none_for_null(SSL, m2_bio_get_ssl)

BIO *BIO_new_fd(int fd, int close_flag);
void BIO_free_all(BIO *RELEASE);
%include "src/bio.h"
%include "src/bio_chain.h"
%include "src/ssl_bio.h"
