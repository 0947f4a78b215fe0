/* Big numbers: conversions and random numbers (BN_bn2bin(3), BN_rand(3)). */
#ifndef M2_BN_H
#define M2_BN_H

/* Convert to and from big-endian octets without a sign. */
m2_bytes m2_bn_to_bin(const BIGNUM *number);
BIGNUM *m2_bin_to_bn(m2_buffer bytes);
/* Convert to and from MPI format (BN_bn2mpi(3)). */
m2_bytes m2_bn_to_mpi(const BIGNUM *number);
BIGNUM *m2_mpi_to_bn(m2_buffer bytes);
m2_bytes m2_bn_to_hex(const BIGNUM *number);
BIGNUM *m2_hex_to_bn(m2_buffer digits);
BIGNUM *m2_dec_to_bn(m2_buffer digits);

/* For `top` and `bottom` see BN_rand(3). */
BIGNUM *m2_bn_rand(int bits, int top, int bottom);
BIGNUM *m2_bn_rand_range(const BIGNUM *range);

#endif
