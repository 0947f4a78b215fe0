"""Small things that several modules and programs need: padding, numbers, and standard callbacks.

The callbacks are what keys are loaded and made with when a program gives none of its own. The one
for passphrases asks by `getpass`; no other place of the package asks a person for anything.
"""

from __future__ import annotations

import base64
import getpass
import inspect
import os
import sys
import unittest
from typing import Any, Callable, TypeVar, Union

from M2Crypto._errors import M2CryptoError
from M2Crypto.BIO import BIOFileError, FilePath

__all__ = [
    "AddrType",
    "ModeStr",
    "PassphraseCallback",
    "UtilError",
    "bin_to_hex",
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

# Evaluated when the module runs, on Python 3.9 too.
AddrType = Union[tuple[str, int], str]
ModeStr = str
# Called with 1 to make a passphrase, with 0 to use one (pem_password_cb).
PassphraseCallback = Callable[[int], Union[str, bytes]]

_Text = TypeVar("_Text", str, bytes)
_Test = TypeVar("_Test", bound=Callable[..., Any])


class UtilError(M2CryptoError):
    """An operation of this module failed."""


def expectedFailureIf(condition: object) -> Callable[[_Test], _Test]:
    """Decorate a `unittest` test that is expected to fail when `condition` is true."""

    def decorate(test: _Test) -> _Test:
        return unittest.expectedFailure(test) if condition else test

    return decorate


def pkcs5_pad(data: _Text, blklen: int = 8) -> _Text:
    """Fill up to the next multiple of `blklen`; PKCS #5 has it for 8 (RFC 8018, 6.1.1)."""
    return pkcs7_pad(data, blklen)


def pkcs7_pad(data: _Text, blklen: int) -> _Text:
    """Fill up to the next multiple of `blklen`, which is at most 255 (RFC 5652, 6.3).

    At least one is added; each that is added has as its value how many there are.

    Raises:
        ValueError: the block length is not from 1 to 255.
    """
    if not 1 <= blklen <= 255:
        raise ValueError(f"illegal block size: {blklen} is not from 1 to 255")
    count = blklen - len(data) % blklen
    if isinstance(data, str):
        return data + chr(count) * count
    return data + bytes([count]) * count


def bin_to_hex(b: bytes) -> str:
    """Bytes as hexadecimal digits, in upper case."""
    return base64.b16encode(b).decode("ascii")


def octx_to_num(x: bytes | str) -> int:
    """Octets, the highest first, as a number; text counts as Latin-1."""
    return int.from_bytes(x.encode("latin-1") if isinstance(x, str) else x, "big")


def genparam_callback(p: int, n: int) -> None:
    """Show on standard output how a generation goes on: `p` is what is being done (0 to 3)."""
    sys.stdout.write(".+*\n"[min(max(p, 0), 3)])
    sys.stdout.flush()


def quiet_genparam_callback(p: int, n: int) -> None:
    """Show nothing of how a generation goes on."""


def progress_callback(callback: Callable[..., object] | None) -> Callable[..., None] | None:
    """Return a callback for `m2` that calls `callback` with as many arguments as it takes.

    They are, in this order, what is being done (0 to 3), how often it was (BN_generate_prime_ex(3))
    and None. A callback that takes neither 0, 1, 2 nor 3 arguments is not called.
    """
    if callback is None or not callable(callback):
        return callback
    count = _arity(callback)

    def report(p: int, n: int) -> None:
        if count is not None:
            callback(*(p, n, None)[:count])

    return report


def _arity(callback: Callable[..., object]) -> int | None:
    # Two if it takes several; a function in C may not describe its parameters.
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
    """Ask for a passphrase on the terminal; twice, until both are the same, when `v` is true."""
    while True:
        first = getpass.getpass(prompt1)
        if not v or first == getpass.getpass(prompt2):
            return first


def no_passphrase_callback(*args: object) -> str:
    """Give the empty passphrase, without asking."""
    return ""


def save_private(file: FilePath, data: bytes) -> int:
    """Write a private key to `file`, which only its owner may read when it is new: 1.

    The key is complete before the file is touched, so that a failure to make it leaves an older
    file as it was.

    Raises:
        BIOFileError: the file cannot be written.
    """

    def opener(name: str, flags: int) -> int:
        return os.open(name, flags, 0o600)

    try:
        with open(file, "wb", opener=opener) as stream:
            stream.write(data)
    except OSError as error:
        raise BIOFileError(error.errno, error.strerror, error.filename) from None
    return 1
