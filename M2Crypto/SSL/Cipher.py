"""Cipher suites of a connection (SSL_CIPHER_get_name(3))."""

from __future__ import annotations

from M2Crypto import m2
from M2Crypto._copies import Constant
from M2Crypto._typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from M2Crypto import _m2crypto

__all__ = ["Cipher", "Cipher_Stack", "split_cipher_list"]


# The separators of a cipher list (openssl-ciphers(1)), which are equal.
_SEPARATORS = str.maketrans(", ;", ":::")


def split_cipher_list(cipher_list: str | None) -> tuple[str | None, str | None]:
    """Split a cipher list into that of TLS 1.2 and older and the cipher suites of TLS 1.3.

    Either is None if the list names none of its ciphers. OpenSSL sets the two separately
    (SSL_CTX_set_cipher_list(3)). The name of a TLS 1.3 cipher suite, such as
    TLS_AES_128_GCM_SHA256, has no key exchange (RFC 8446, appendix B.4).
    """
    if cipher_list is None:
        return None, None
    names = cipher_list.translate(_SEPARATORS).split(":")
    newer = [name for name in names if name.startswith("TLS_") and "_WITH_" not in name]
    if not newer:
        return cipher_list, None
    older = [name for name in names if name and name not in newer]
    return ":".join(older) or None, ":".join(newer)


class Cipher(Constant):
    """A cipher suite. `_pyfree` is ignored."""

    def __init__(self, cipher: _m2crypto.SSL_CIPHER, _pyfree: int = 0) -> None:
        self.cipher = cipher

    def __len__(self) -> int:
        """Return the number of secret bits (SSL_CIPHER_get_bits(3))."""
        return m2.ssl_cipher_get_bits(self.cipher)

    def __bool__(self) -> bool:
        return True

    def version(self) -> str:
        """Return its oldest protocol version, such as TLSv1.2 (SSL_CIPHER_get_version(3))."""
        return m2.ssl_cipher_get_version(self.cipher)

    def name(self) -> str:
        """Return the name, such as TLS_AES_256_GCM_SHA384 (SSL_CIPHER_get_name(3))."""
        return m2.ssl_cipher_get_name(self.cipher)

    def __repr__(self) -> str:
        return f"{self.name()}-{len(self)}"


class Cipher_Stack(Constant):
    """Cipher suites in order of preference. `_pyfree` is ignored."""

    def __init__(self, stack: _m2crypto.m2_ssl_ciphers, _pyfree: int = 0) -> None:
        self.stack = stack

    def __len__(self) -> int:
        return m2.sk_ssl_cipher_num(self.stack)

    def __getitem__(self, idx: int) -> Cipher:
        if not 0 <= idx < len(self):
            raise IndexError(f"the stack has {len(self)} ciphers, and no number {idx}")
        return Cipher(m2.sk_ssl_cipher_value(self.stack, idx))

    def __repr__(self) -> str:
        return f"<Cipher_Stack of {len(self)}>"

    def __iter__(self) -> Iterator[Cipher]:
        return (self[index] for index in range(len(self)))
