"""Random big numbers (BN_rand(3))."""

from __future__ import annotations

import warnings

from M2Crypto import m2

__all__ = ["rand", "rand_range", "randfname"]


def rand(bits: int, top: int = -1, bottom: int = 0) -> int:
    """Return a random number of at most `bits` bits (BN_rand(3)).

    Args:
        bits: the number of bits, 0 or more.
        top: -1 leaves the most significant bit random, 0 sets it, 1 sets the two most significant.
        bottom: 1 makes the number odd.
    """
    return int(m2.bn_to_hex(m2.bn_rand(bits, top, bottom)), 16)


def rand_range(range: int) -> int:
    """Return a random number from 0 to `range` - 1 (BN_rand_range(3)).

    Raises:
        M2CryptoError: `range` is not positive.
    """
    bound = m2.hex_to_bn(f"{range:x}".encode())
    return int(m2.bn_to_hex(m2.bn_rand_range(bound)), 16)


def randfname(length: int) -> str:
    """Return a random file name of `length` letters and digits. Deprecated: use `tempfile`.

    Raises:
        ValueError: `length` is more than 255, which few file systems support.
    """
    warnings.warn("randfname is deprecated: use tempfile", DeprecationWarning, stacklevel=2)
    if length > 255:
        raise ValueError(f"a file name of {length} characters is too long")
    letters = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    return "".join(letters[rand_range(len(letters))] for _ in range(length))
