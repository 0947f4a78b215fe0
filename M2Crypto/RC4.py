"""RC4 (EVP_rc4(3)). Deprecated: it is broken, and RFC 7465 prohibits it in TLS.

From OpenSSL 3.0 on RC4 is in the legacy provider, which each `RC4` loads into a library context of
its own, so that nothing else of the process can use it. With an OpenSSL that was built without RC4
the module can be imported, and creating an `RC4` raises `EVPError`.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from M2Crypto import m2
from M2Crypto._copies import Unique
from M2Crypto._errors import EVPError

if TYPE_CHECKING:
    from M2Crypto._m2crypto import Buffer, m2_rc4

__all__ = ["RC4"]


class RC4(Unique):
    """The key stream of an RC4 key."""

    def __init__(self, key: Buffer | None = None) -> None:
        """Create the cipher, with a key of 1 to 256 bytes or, for None, without one.

        Raises:
            EVPError: the key has another length, this OpenSSL has no RC4, or it requires FIPS.
        """
        message = "RC4 is broken and deprecated: use an AEAD cipher of EVP"
        warnings.warn(message, DeprecationWarning, stacklevel=2)
        if m2.OPENSSL_NO_RC4:
            raise EVPError(f"this OpenSSL was built without RC4 ({m2.OPENSSL_VERSION_TEXT})")
        self.cipher = m2.rc4_new()
        if key is not None:
            self.set_key(key)

    def rc4_free(self, cipher: m2_rc4) -> None:
        """Release a handle of `m2.rc4_new`."""
        m2.rc4_free(cipher)

    def set_key(self, key: Buffer) -> None:
        """Set the key and begin its key stream.

        Raises:
            EVPError: the key has not 1 to 256 bytes.
        """
        m2.rc4_set_key(self.cipher, key)

    def update(self, data: Buffer) -> bytes:
        """Encrypt or decrypt `data` with the next bytes of the key stream.

        Raises:
            EVPError: there is no key.
        """
        return m2.rc4_update(self.cipher, data)

    def final(self) -> bytes:
        """Return no bytes, because a stream cipher has no last block."""
        return b""
