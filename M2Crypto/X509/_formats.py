"""What certificates, requests and CRLs have in common: formats, texts and digests."""

from __future__ import annotations

from M2Crypto import BIO, _algorithms
from M2Crypto._errors import X509Error
from M2Crypto._typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Callable, TypeVar

    from M2Crypto import _m2crypto

    Handle = TypeVar("Handle")

FORMAT_DER = 0
FORMAT_PEM = 1


def text(write: Callable[..., object], *arguments: object) -> str:
    """Return what an OpenSSL function prints to a BIO."""
    return written(write, *arguments).decode(errors="backslashreplace")


def written(write: Callable[..., object], *arguments: object) -> bytes:
    buffer = BIO.MemoryBuffer()
    write(buffer.bio_ptr(), *arguments)
    return buffer.read() or b""


def save(filename: BIO.FilePath, content: bytes) -> int:
    with BIO.openfile(filename, "wb") as file:
        file.write(content)
    return 1


def in_format(format: int, pem: Callable[[], Handle], der: Callable[[], Handle]) -> Handle:
    if format == FORMAT_PEM:
        return pem()
    if format == FORMAT_DER:
        return der()
    raise ValueError(f"unknown format {format!r}: not FORMAT_PEM or FORMAT_DER")


def digest(name: str | None) -> _m2crypto.EVP_MD | None:
    """Return a digest; None for None, which Ed25519 and Ed448 keys require."""
    return None if name is None else _algorithms.digest(name, X509Error)
