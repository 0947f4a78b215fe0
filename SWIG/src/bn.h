/* Big numbers: to and from bytes and text, and random ones (BN_bn2bin(3), BN_rand(3)). */
#ifndef M2_BN_H
#define M2_BN_H

/* Big-endian, without a sign. */
m2_bytes m2_bn_to_bin(const BIGNUM *number);
BIGNUM *m2_bin_to_bn(m2_buffer bytes);
/* OpenSSL's MPI format: four bytes of length, then big-endian with a sign bit. */
m2_bytes m2_bn_to_mpi(const BIGNUM *number);
BIGNUM *m2_mpi_to_bn(m2_buffer bytes);
m2_bytes m2_bn_to_hex(const BIGNUM *number);
BIGNUM *m2_hex_to_bn(m2_buffer digits);
BIGNUM *m2_dec_to_bn(m2_buffer digits);

/* `top` and `bottom` as BN_rand(3) says: -1, 0 or 1 high bits set; bottom 1 makes it odd. */
BIGNUM *m2_bn_rand(int bits, int top, int bottom);
BIGNUM *m2_bn_rand_range(const BIGNUM *range);

#endif
