"""Message authentication codes (EVP_MAC(3))."""

from __future__ import annotations

from M2Crypto import m2
from M2Crypto._copies import Unique
from M2Crypto._typing import TYPE_CHECKING
from M2Crypto.util import compare_digest as compare_digest

if TYPE_CHECKING:
    from typing import TypeVar

    from M2Crypto._m2crypto import Buffer

    _Code = TypeVar("_Code", bound="MAC")


class MAC(Unique):
    """A message authentication code (EVP_MAC(3)). Several threads can update one."""

    def __init__(
        self,
        algo: str,
        key: Buffer,
        digest: str | None = None,
        cipher: str | None = None,
        iv: Buffer | None = None,
        custom: Buffer | None = None,
        length: int = 0,
        xof: bool = False,
        properties: str | None = None,
    ) -> None:
        """Create a MAC of the algorithm `algo` with a key.

        OpenSSL 1.1.1 has HMAC, CMAC, Poly1305 and SipHash.

        Args:
            algo: OpenSSL's name: HMAC, CMAC, GMAC, KMAC128, KMAC256, POLY1305, SIPHASH, BLAKE2BMAC
                or BLAKE2SMAC.
            key: the key. A key of Poly1305 must authenticate one message only (RFC 8439, section
                2.5), and so must a key of GMAC with the same IV.
            digest: the digest of HMAC.
            cipher: the cipher of CMAC (CBC mode) or GMAC (GCM mode).
            iv: the IV of GMAC.
            custom: the customization string of KMAC or BLAKE2.
            length: the length of the MAC in bytes for KMAC, SipHash and BLAKE2; 0 for the
                algorithm's own.
            xof: whether KMAC is KMACXOF (SP 800-185, section 4.3.1).
            properties: a property query (property(7)), since OpenSSL 3.0.

        Raises:
            EVPError: the algorithm is unknown or not available, or refuses a parameter.
        """
        self.algo = algo
        self.ctx = m2.mac_new(algo, key, digest, cipher, iv, custom, length, bool(xof), properties)

    def update(self, data: Buffer) -> None:
        """Add data.

        Raises:
            EVPError: the MAC was finalized.
        """
        m2.mac_update(self.ctx, data)

    def final(self) -> bytes:
        """Finalize and return the MAC.

        Raises:
            EVPError: the MAC was finalized already.
        """
        return m2.mac_final(self.ctx)

    digest = final

    def verify(self, mac: Buffer) -> bool:
        """Finalize, and return whether `mac` is the MAC, in constant time.

        Raises:
            EVPError: the MAC was finalized already.
        """
        return bool(m2.mac_verify(self.ctx, mac))

    def copy(self: _Code) -> _Code:
        """Return a MAC of the same data so far.

        Raises:
            EVPError: the MAC was finalized, or OpenSSL is 1.1.1 and it is no HMAC.
        """
        copy = object.__new__(type(self))
        copy.__dict__.update(self.__dict__)
        copy.ctx = m2.mac_copy(self.ctx)
        return copy

    __copy__ = copy

    def __deepcopy__(self: _Code, memo: object) -> _Code:
        return self.copy()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.algo!r}>"


class HMAC(MAC):
    """A keyed-hash message authentication code (RFC 2104)."""

    def __init__(self, key: Buffer, algo: str = "sha256") -> None:
        """Create an HMAC with a key and a digest algorithm.

        Raises:
            EVPError: the algorithm is unknown or not available.
        """
        self.algo = algo
        self.reset(key)

    def reset(self, key: Buffer) -> None:
        """Restart with a key."""
        self.ctx = m2.mac_new("HMAC", key, self.algo, None, None, None, 0, 0, None)


hmac = m2.hmac_digest
