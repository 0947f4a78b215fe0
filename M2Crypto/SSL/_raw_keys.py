"""Raw public keys instead of certificates (RFC 7250, SSL_add_expected_rpk(3))."""

from __future__ import annotations

from typing import TYPE_CHECKING

from M2Crypto import EVP, m2
from M2Crypto._arguments import check_type, handle_of
from M2Crypto.SSL.Checker import NoCertificate, WrongCertificate

if TYPE_CHECKING:
    from collections.abc import Iterable

    from M2Crypto import _m2crypto
    from M2Crypto.SSL.Connection import Connection


class RawPublicKeys:
    """The keys of a context: whether it has one itself, and those that the peer may have."""

    def __init__(self, has_own: bool, expected: Iterable[EVP.PKey]) -> None:
        self._has_own = has_own
        self._expected = [check_type(key, EVP.PKey) for key in expected]
        self._encoded = {key.as_der() for key in self._expected}

    @property
    def are_expected(self) -> bool:
        """Whether the peer is identified by its key."""
        return bool(self._expected)

    def prepare(self, connection: _m2crypto.SSL) -> None:
        """Set the keys of the peer for a new connection."""
        if self._expected:
            m2.ssl_expect_rpk(connection)
        for key in self._expected:
            m2.ssl_add_expected_rpk(connection, handle_of(key))

    def negotiate(self, connection: _m2crypto.SSL) -> None:
        """Set what the next handshake negotiates."""
        m2.ssl_use_rpk(connection, self._has_own, self.are_expected)

    def check(self, connection: Connection) -> None:
        """Raise an error unless the key of the peer is expected.

        OpenSSL compares it in the handshake. This holds whatever the verification mode is, and for
        sessions that are resumed.

        Raises:
            NoCertificate: the peer has no key.
            WrongCertificate: its key is another.
        """
        key = connection.get_peer_raw_public_key()
        certificate = connection.get_peer_cert()
        if key is None and certificate is not None:
            key = certificate.get_pubkey()
        if key is None:
            raise NoCertificate("the peer has no public key")
        if key.as_der() not in self._encoded:
            raise WrongCertificate("the peer's public key is none of the expected ones")
