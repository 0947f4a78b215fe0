"""Verification of service identity: the peer's certificate and the reference identity (RFC 9525).

A `Checker` compares the names in the peer's certificate with a host name or IP address after the
handshake, by the rules of `set1_host` and `X509.check_host` (M2Crypto/_hosts.py), and the
certificate or its public key with one that is known. The handshake validates the certification path
(`Context.set_verify`).

A program with rules of its own sets a callable instead of a `Checker`, which takes the certificate
and the host, and returns false or raises an exception to close the connection:
`Context(post_connection_check=...)`, `Connection.set_post_connection_check_callback`.
"""

from __future__ import annotations

from M2Crypto import _hosts, m2
from M2Crypto._errors import SSLVerificationError, X509Error
from M2Crypto._hosts import reference_identity
from M2Crypto._typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import ClassVar

    from M2Crypto.X509 import X509

__all__ = [
    "Checker",
    "NoCertificate",
    "SSLVerificationError",
    "WrongCertificate",
    "WrongHost",
    "reference_identity",
    "spki_pin",
]


class NoCertificate(SSLVerificationError):
    """The peer sent no certificate."""


class WrongCertificate(SSLVerificationError):
    """The fingerprint or public key of the peer's certificate does not match."""


class WrongHost(SSLVerificationError):
    """The names in the peer's certificate do not match the reference identity."""

    def __init__(self, expectedHost: str, actualHost: str, fieldName: str = "commonName") -> None:
        """Store the reference identity, the certificate's names, and the field they are in.

        Raises:
            ValueError: `fieldName` is neither commonName nor subjectAltName.
        """
        if fieldName not in ("commonName", "subjectAltName"):
            raise ValueError(f"fieldName is commonName or subjectAltName, not {fieldName!r}")
        super().__init__(expectedHost, actualHost, fieldName)
        self.expectedHost = expectedHost
        self.actualHost = actualHost
        self.fieldName = fieldName

    def __str__(self) -> str:
        return (
            f"Peer certificate {self.fieldName} does not match host, "
            f"expected {self.expectedHost}, got {self.actualHost}"
        )


class _Presented(NamedTuple):
    """The presented identifiers of a certificate (RFC 9525, section 4)."""

    field: str
    names: tuple[str, ...]
    addresses: tuple[bytes, ...]

    def __str__(self) -> str:
        addresses = (_address_text(address) for address in self.addresses)
        return ", ".join([*self.names, *addresses]) or "no names"


def _address_text(address: bytes) -> str:
    import ipaddress

    return str(ipaddress.ip_address(address)) if len(address) in (4, 16) else address.hex()


def _subject_alt_names(certificate: X509) -> _Presented | None:
    """Return the identifiers in the subjectAltName; None if there is no subjectAltName."""
    try:
        handle = m2.x509_get_subject_alt_names(certificate._ptr())
    except X509Error as error:
        raise WrongCertificate(f"the peer's subjectAltName cannot be read: {error}") from None
    if handle is None:
        return None
    names = []
    addresses = []
    for index in range(m2.general_names_num(handle)):
        kind = m2.general_names_type(handle, index)
        if kind == m2.GEN_DNS:
            # Latin-1 decodes every octet; a name that is not ASCII matches no host.
            names.append(m2.general_names_value(handle, index).decode("latin-1"))
        elif kind == m2.GEN_IPADD:
            addresses.append(m2.general_names_value(handle, index))
    return _Presented("subjectAltName", tuple(names), tuple(addresses))


def _text(host: str | bytes) -> str:
    return host if isinstance(host, str) else host.decode("ascii", "backslashreplace")


def _common_names(certificate: X509) -> _Presented:
    entries = certificate.get_subject().get_entries_by_nid(m2.NID_commonName)
    return _Presented("commonName", tuple(entry.get_data().as_text() for entry in entries), ())


def spki_pin(certificate: X509) -> str:
    """Return the SHA-256 of a certificate's SubjectPublicKeyInfo in base64 (RFC 7469, section 2.4).

    A certificate that is renewed for the same key has the same pin.
    """
    import binascii

    return binascii.b2a_base64(_spki_digest(certificate), newline=False).decode()


def _spki_digest(certificate: X509) -> bytes:
    import hashlib

    return hashlib.sha256(m2.x509_get_spki(certificate._ptr())).digest()


def _pins(pins: str | Iterable[str]) -> frozenset[bytes]:
    return frozenset(map(_pin, (pins,) if isinstance(pins, str) else pins))


def _pin(text: str) -> bytes:
    """Return the digest of a pin.

    Raises:
        ValueError: it is not the base64 or hexadecimal of 32 bytes.
    """
    import binascii

    encoded = text[len("sha256//") :] if text.startswith("sha256//") else text
    try:
        if len(encoded) == 44:
            digest = binascii.a2b_base64(encoded)
        else:
            digest = bytes.fromhex(encoded.replace(":", ""))
    except ValueError:
        digest = b""
    if len(digest) != 32:
        raise ValueError(f"{text!r} is not the SHA-256 of a public key in base64 or hexadecimal")
    return digest


class Checker:
    """Compares a certificate with a reference identity and, if set, with a fingerprint and pins."""

    # SSL.Checker is both this class and its module in programs.
    Checker: ClassVar[type[Checker]]
    SSLVerificationError = SSLVerificationError
    NoCertificate = NoCertificate
    WrongCertificate = WrongCertificate
    WrongHost = WrongHost

    def __init__(
        self,
        host: str | bytes | None = None,
        peerCertHash: str | None = None,
        peerCertDigest: str = "sha256",
        strict: bool = False,
        spki: str | Iterable[str] | None = None,
        check_host: bool = True,
    ) -> None:
        """Create a checker.

        Args:
            host: the default host name or IP address.
            peerCertHash: the certificate's fingerprint in hexadecimal, with or without colons.
            peerCertDigest: the digest of the fingerprint.
            strict: whether never to use the common name. By default it is used if the certificate
                has no subjectAltName.
            spki: a pin of the certificate's public key, as `spki_pin` returns it, in hexadecimal,
                or after "sha256//"; or several, one of which must match.
            check_host: whether to compare names at all; false to rely on `peerCertHash` or `spki`
                instead.

        Raises:
            ValueError: a pin is malformed, there is none in `spki`, or nothing would be checked.
        """
        self.host = host
        self.fingerprint = peerCertHash
        self.digest = peerCertDigest
        self.strict = strict
        self.pins = None if spki is None else _pins(spki)
        self.check_host = check_host
        if self.pins is not None and not self.pins:
            raise ValueError("spki has no pin")
        if not check_host and peerCertHash is None and spki is None:
            raise ValueError("without check_host, a fingerprint or a pin is needed")

    def __repr__(self) -> str:
        return f"<Checker {self.host!r}>"

    def __call__(self, peerCert: X509 | None, host: str | bytes | None = None) -> bool:
        """Check a certificate.

        Args:
            peerCert: the peer's certificate.
            host: the host name or IP address; None uses the constructor's. If that is None, too, no
                names are compared.

        Returns:
            True.

        Raises:
            NoCertificate: `peerCert` is None.
            WrongCertificate: the fingerprint or the public key does not match, the subjectAltName
                is malformed, or the certificate has no names.
            WrongHost: no name matches.
        """
        if peerCert is None:
            raise NoCertificate("peer did not return certificate")
        if self.fingerprint is not None:
            self._check_fingerprint(peerCert, self.fingerprint)
        if self.pins is not None:
            self._check_pins(peerCert, self.pins)
        host = self.host if host is None else host
        if host is not None and self.check_host:
            self._check_host(peerCert, host)
        return True

    def _check_fingerprint(self, certificate: X509, fingerprint: str) -> None:
        expected = fingerprint.replace(":", "").lower()
        actual = certificate.get_fingerprint(self.digest).lower()
        if m2.crypto_memcmp(expected.encode(), actual.encode()) != 0:
            raise WrongCertificate(
                f"peer certificate {self.digest} fingerprint does not match, "
                f"expected {expected}, got {actual}"
            )

    def _check_pins(self, certificate: X509, pins: frozenset[bytes]) -> None:
        if _spki_digest(certificate) not in pins:
            raise WrongCertificate(
                "the peer's public key matches no pin: the SHA-256 of its SubjectPublicKeyInfo is "
                + spki_pin(certificate)
            )

    def _check_host(self, certificate: X509, host: str | bytes) -> None:
        try:
            identity = reference_identity(host)
        except ValueError:
            identity = None
        if identity is not None and _hosts.matches(certificate._ptr(), identity):
            return
        # Only the common name and the texts of errors need the names themselves.
        presented = _subject_alt_names(certificate)
        by_common_name = presented is None
        if presented is None:
            presented = _common_names(certificate)
            if self.strict:
                raise WrongHost(_text(host), "no names", "subjectAltName")
            if not presented.names:
                raise WrongCertificate("the peer's certificate has no names")
        if (
            identity is None
            or not by_common_name
            or not _hosts.matches(certificate._ptr(), identity, by_common_name=True)
        ):
            raise WrongHost(_text(host), str(presented), presented.field)


Checker.Checker = Checker
