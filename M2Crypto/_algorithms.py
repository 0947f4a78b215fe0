"""The look-up of digests and ciphers by name, for every module."""

from __future__ import annotations

from M2Crypto import m2
from M2Crypto._typing import TYPE_CHECKING

if TYPE_CHECKING:
    from M2Crypto._m2crypto import EVP_CIPHER, EVP_MD


def digest(name: str, error: type[Exception]) -> EVP_MD:
    """Return the digest called `name`, in m2's or OpenSSL's spelling (EVP_get_digestbyname(3)).

    Raises:
        error: OpenSSL has no such digest.
    """
    found = m2.get_digestbyname(name)
    if found is None:
        raise error(f"unknown digest algorithm: {name}")
    return found


def cipher(name: str, error: type[Exception]) -> EVP_CIPHER:
    """Return the cipher called `name`, in m2's or OpenSSL's spelling (EVP_get_cipherbyname(3)).

    Raises:
        error: OpenSSL has no such cipher.
    """
    found = m2.get_cipherbyname(name)
    if found is None:
        raise error(f"unknown cipher: {name}")
    return found
