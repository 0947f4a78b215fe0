/*
 * The OpenSSL types that Python holds, and what gives one reference back.
 */
%{
/* Some types are constants inside OpenSSL: nothing is given back. */
static void release_nothing(const void *object)
{
    (void)object;
}
%}

%handle(BIO, BIO_free_all)
%handle(BIGNUM, BN_clear_free)
%handle(EVP_MD, release_nothing)
%handle(EVP_CIPHER, release_nothing)
