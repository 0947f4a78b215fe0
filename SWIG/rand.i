/* Random numbers from OpenSSL's generator of the thread. */
%{
#include "rand.h"
%}

%thread_large(m2_rand_seed, arg1)
%thread m2_rand_bytes;

int RAND_status(void);
%include "src/rand.h"
