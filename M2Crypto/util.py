"""Padding, conversions, and the default callbacks.

The default passphrase callback prompts by `getpass`. Nothing else in the package prompts. Modules
of the standard library that few programs need are imported where they are used, because some take
longer than the package itself.
"""

from __future__ import annotations

import os
import sys

from M2Crypto import m2
from M2Crypto._errors import M2CryptoError
from M2Crypto._typing import TYPE_CHECKING
from M2Crypto.BIO import BIOFileError, FilePath

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any, Callable, TypeAlias, TypeVar

    from M2Crypto._m2crypto import Buffer

    _Text = TypeVar("_Text", str, bytes)
    _Test = TypeVar("_Test", bound=Callable[..., Any])

__all__ = [
    "AddrType",
    "ModeStr",
    "PassphraseCallback",
    "UtilError",
    "bin_to_hex",
    "compare_digest",
    "expectedFailureIf",
    "genparam_callback",
    "no_passphrase_callback",
    "octx_to_num",
    "passphrase_callback",
    "pkcs5_pad",
    "pkcs7_pad",
    "progress_callback",
    "quiet_genparam_callback",
]

# For annotations, which Python does not evaluate.
AddrType: TypeAlias = "tuple[str, int] | str"
ModeStr = str
# Called with 1 to encrypt and with 0 to decrypt (pem_password_cb(3)).
PassphraseCallback: TypeAlias = "Callable[[int], str | bytes]"


class UtilError(M2CryptoError):
    """An operation of this module failed."""


def expectedFailureIf(condition: object) -> Callable[[_Test], _Test]:
    """Return a decorator that marks a unittest test as expected to fail if `condition` is true."""

    def decorate(test: _Test) -> _Test:
        # Modules that few programs need are imported on use, because every area imports this one.
        import unittest

        return unittest.expectedFailure(test) if condition else test

    return decorate


def pkcs5_pad(data: _Text, blklen: int = 8) -> _Text:
    """Pad to a multiple of `blklen` (RFC 8018, section 6.1.1, for 8)."""
    return pkcs7_pad(data, blklen)


def pkcs7_pad(data: _Text, blklen: int) -> _Text:
    """Pad to a multiple of `blklen` (RFC 5652, section 6.3).

    At least one octet is added. The value of each added octet is their number.

    Raises:
        ValueError: the block length is not from 1 to 255.
    """
    if not 1 <= blklen <= 255:
        raise ValueError(f"illegal block size: {blklen} is not from 1 to 255")
    count = blklen - len(data) % blklen
    if isinstance(data, str):
        return data + chr(count) * count
    return data + bytes([count]) * count


def bin_to_hex(b: Buffer) -> str:
    """Return bytes as upper-case hexadecimal digits."""
    return memoryview(b).hex().upper()


def compare_digest(a: Buffer, b: Buffer) -> bool:
    """Return whether both are equal, in a time that depends on their lengths alone.

    Use it for a MAC, a digest of a secret or a token (CRYPTO_memcmp(3)).
    """
    return m2.crypto_memcmp(a, b) == 0


def octx_to_num(x: bytes | str) -> int:
    """Return the number that big-endian octets encode. Text is encoded as Latin-1."""
    return int.from_bytes(x.encode("latin-1") if isinstance(x, str) else x, "big")


def genparam_callback(p: int, n: int) -> None:
    """Print the progress of a generation, whose phase is `p` (0 to 3), to standard output."""
    sys.stdout.write(".+*\n"[min(max(p, 0), 3)])
    sys.stdout.flush()


def quiet_genparam_callback(p: int, n: int) -> None:
    """Print nothing."""


def progress_callback(callback: Callable[..., object] | None) -> Callable[..., None] | None:
    """Return a callback for `m2` that calls `callback` with as many arguments as it accepts.

    The arguments are the phase (0 to 3), the number of the iteration (BN_generate_prime_ex(3)) and
    None. A callback that does not accept 0 to 3 arguments is not called.
    """
    if callback is None or not callable(callback):
        return callback
    count = _arity(callback)

    def report(p: int, n: int) -> None:
        if count is not None:
            callback(*(p, n, None)[:count])

    return report


def _arity(callback: Callable[..., object]) -> int | None:
    # Two if it accepts several numbers. A function in C may have no signature.
    import inspect

    try:
        signature = inspect.signature(callback)
    except ValueError:
        return 2
    for count in (2, 3, 1, 0):
        try:
            signature.bind(*range(count))
        except TypeError:
            continue
        return count
    return None


def passphrase_callback(
    v: int, prompt1: str = "Enter passphrase:", prompt2: str = "Verify passphrase:"
) -> str:
    """Prompt for a passphrase; if `v` is true, prompt twice until both are equal."""
    import getpass

    while True:
        first = getpass.getpass(prompt1)
        if not v or first == getpass.getpass(prompt2):
            return first


def no_passphrase_callback(*args: object) -> str:
    """Return the empty passphrase without a prompt."""
    return ""


def save_private(file: FilePath, data: bytes) -> int:
    """Write a private key to a file of mode 0600, which replaces a regular file atomically.

    Returns:
        1.

    Raises:
        BIOFileError: the file cannot be written.
    """
    # Imported here because most programs save no keys.
    from pathlib import Path

    path = Path(os.fsdecode(file))
    try:
        path = path.resolve()
        if path.exists() and not path.is_file():
            # A device or a named pipe cannot be replaced.
            path.write_bytes(data)
        else:
            _replace(path, data)
    except OSError as error:
        raise BIOFileError(error.errno, error.strerror, os.fspath(file)) from None
    return 1


def _replace(path: Path, data: bytes) -> None:
    import tempfile

    # Beside the file, because a file is renamed atomically only within a file system.
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".m2crypto-")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(descriptor)
        os.replace(temporary, path)  # noqa: PTH105  (mkstemp returns text)
    except BaseException:
        os.unlink(temporary)  # noqa: PTH108
        raise
