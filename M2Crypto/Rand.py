"""OpenSSL's random number generator (RAND_bytes(3), RAND_add(3), RAND_load_file(3))."""

from __future__ import annotations

import os
import warnings

from M2Crypto import m2
from M2Crypto._errors import RandError
from M2Crypto._typing import TYPE_CHECKING

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
    """Add `blob`, with `entropy` bytes of entropy, to the generator's state (RAND_add(3))."""
    m2.rand_add(blob, entropy)


def rand_seed(seed: Buffer) -> None:
    """Add `seed` to the generator's state, with full entropy (RAND_seed(3))."""
    m2.rand_seed(seed)


def rand_status() -> int:
    """Return 1 if the generator is seeded with enough entropy, else 0 (RAND_status(3))."""
    return m2.rand_status()


def rand_file_name() -> str:
    """Return the path of the default seed file, empty if there is none (RAND_file_name(3))."""
    return os.fsdecode(m2.rand_file_name())


def load_file(filename: str | bytes, max_bytes: int) -> int:
    """Seed the generator from a file (RAND_load_file(3)).

    Args:
        filename: the path.
        max_bytes: the number of bytes to read; -1 reads the whole file.

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
    """Write random bytes to a file that can seed the generator (RAND_write_file(3)).

    Returns:
        The number of bytes written.

    Raises:
        RandError: the file cannot be written.
    """
    return m2.rand_save_file(os.fsdecode(filename))


def rand_bytes(num: int) -> bytes:
    """Return `num` cryptographically secure random bytes (RAND_bytes(3)).

    Raises:
        RandError: `num` is negative, or the generator is not seeded.
    """
    return m2.rand_bytes(num)


def rand_pseudo_bytes(num: int) -> tuple[bytes, int]:
    """Return `num` secure random bytes, and 1. Deprecated: use `rand_bytes`."""
    message = "rand_pseudo_bytes is deprecated: use rand_bytes"
    warnings.warn(message, DeprecationWarning, stacklevel=2)
    return m2.rand_bytes(num), 1
