"""Random bytes from OpenSSL's generator (RAND_bytes(3), RAND_add(3), RAND_load_file(3))."""

from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING

from M2Crypto import m2
from M2Crypto._errors import RandError

if TYPE_CHECKING:
    from M2Crypto._m2crypto import Buffer

__all__ = [
    "RandError",
    "load_file",
    "rand_add",
    "rand_bytes",
    "rand_file_name",
    "rand_pseudo_bytes",
    "rand_seed",
    "rand_status",
    "save_file",
]


def rand_add(blob: Buffer, entropy: float) -> None:
    """Mix `blob` into the generator's state; it holds `entropy` bytes of entropy (RAND_add)."""
    m2.rand_add(blob, entropy)


def rand_seed(seed: Buffer) -> None:
    """Mix `seed` into the generator's state as if it were all entropy (RAND_seed)."""
    m2.rand_seed(seed)


def rand_status() -> int:
    """1 when the generator has been seeded with enough entropy, else 0 (RAND_status)."""
    return m2.rand_status()


def rand_file_name() -> str:
    """The default seed file's name; "" where the environment names none (RAND_file_name)."""
    return os.fsdecode(m2.rand_file_name())


def load_file(filename: str | bytes, max_bytes: int) -> int:
    """Seed the generator from a file; -1 for `max_bytes` reads it all (RAND_load_file).

    Returns:
        The number of bytes read, or -1 if there is no such file.

    Raises:
        RandError: the file cannot be read.
    """
    try:
        return m2.rand_load_file(os.fsdecode(filename), max_bytes)
    except RandError:
        if os.path.lexists(filename):
            raise
        return -1


def save_file(filename: str | bytes) -> int:
    """Write random bytes to a file, to seed from later (RAND_write_file).

    Returns:
        How many bytes were written.

    Raises:
        RandError: the file cannot be written.
    """
    return m2.rand_save_file(os.fsdecode(filename))


def rand_bytes(num: int) -> bytes:
    """`num` random bytes fit for keys (RAND_bytes).

    Raises:
        RandError: `num` is negative, or the generator has no entropy.
    """
    return m2.rand_bytes(num)


def rand_pseudo_bytes(num: int) -> tuple[bytes, int]:
    """`num` random bytes, and 1 because they are fit for keys. Deprecated: use `rand_bytes`."""
    message = "rand_pseudo_bytes is deprecated: use rand_bytes"
    warnings.warn(message, DeprecationWarning, stacklevel=2)
    return m2.rand_bytes(num), 1
