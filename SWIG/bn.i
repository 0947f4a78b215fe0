/* Big numbers. */
%{
#include "bn.h"
%}

BIGNUM *BN_new(void);
void BN_free(BIGNUM *RELEASE);
int BN_num_bits(const BIGNUM *number);
%include "src/bn.h"
