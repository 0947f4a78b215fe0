"""Verification of service identity: the peer's certificate and the reference identity (RFC 9525).

A `Checker` compares the names in the peer's certificate with a host name or IP address after the
handshake. The handshake validates the certification path (`Context.set_verify`).
"""

from __future__ import annotations

from M2Crypto import m2
from M2Crypto._arguments import text
from M2Crypto._errors import SSLVerificationError, X509Error
from M2Crypto._typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address
    from typing import ClassVar, Union

    from M2Crypto.X509 import X509

    IPAddress = Union[IPv4Address, IPv6Address]

__all__ = [
    "Checker",
    "NoCertificate",
    "SSLVerificationError",
    "WrongCertificate",
    "WrongHost",
    "matches_dns_name",
    "reference_identity",
]


# The letters, digits and hyphens of a label (RFC 5890, section 2.3.1).
_LDH = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-")
# Host names with underscores are in use.
_OF_HOSTS = _LDH | {"_"}
# Of a label and of a name.
_LONGEST_LABEL = 63
_LONGEST = 253


class NoCertificate(SSLVerificationError):
    """The peer sent no certificate."""


class WrongCertificate(SSLVerificationError):
    """The fingerprint of the peer's certificate does not match."""


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


def reference_identity(host: str) -> str | IPAddress:
    """Return the reference identity of a host: an IP address, or a DNS name in lower-case A-labels.

    A trailing dot and the zone of an IPv6 address are not part of it.

    Raises:
        ValueError: `host` is neither. A DNS name has at most 253 characters, and labels of 1 to 63
            letters, digits, hyphens and underscores that neither begin nor end with a hyphen.
    """
    address = _address(host)
    if address is not None:
        return address
    name = host[:-1] if host.endswith(".") else host
    if not name.isascii() and len(name) <= _LONGEST:
        try:
            name = name.encode("idna").decode("ascii")
        except UnicodeError as error:
            raise ValueError(f"{host!r} is not a host name: {error}") from None
    labels = name.split(".")
    is_name = len(name) <= _LONGEST and all(_is_label(label, _OF_HOSTS) for label in labels)
    if not is_name or _address(name) is not None:
        raise ValueError(f"{host!r} is not a host name")
    return name.lower()


def _address(host: str) -> IPAddress | None:
    """Return the IP address `host` without its zone; None if it is not an IP address.

    Only an IPv6 address has a zone (RFC 4007, section 11).
    """
    import ipaddress

    address, percent, zone = text(host).partition("%")
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return None
    has_zone = zone.isprintable() and zone != "" and "%" not in zone
    return found if not percent or (found.version == 6 and has_zone) else None


def matches_dns_name(presented: str, name: str) -> bool:
    """Return whether a DNS name in a certificate matches `name` (RFC 9525, section 6.3).

    A wildcard must be the whole left-most label and precede at least two labels. It matches exactly
    one label. All labels must consist of letters, digits and hyphens, and neither begin nor end
    with a hyphen, as in X509_check_host(3).

    Args:
        presented: the name in the certificate.
        name: the DNS name that `reference_identity` returned.
    """
    presented = text(presented).lower()
    if "*" not in presented:
        return presented == name
    first, _, domain = presented.partition(".")
    label, _, rest = name.partition(".")
    labels = [label, *domain.split(".")]
    is_valid = first == "*" and len(labels) > 2 and all(_is_label(each, _LDH) for each in labels)
    return is_valid and domain == rest


def _is_label(label: str, characters: frozenset[str]) -> bool:
    """Return whether a label of a DNS name has these characters, and no hyphen at either end."""
    is_long = 1 <= len(label) <= _LONGEST_LABEL
    return is_long and characters.issuperset(label) and "-" not in (label[0], label[-1])


class _Presented(NamedTuple):
    """The presented identifiers of a certificate (RFC 9525, section 4)."""

    field: str
    names: tuple[str, ...]
    addresses: tuple[bytes, ...]

    def __str__(self) -> str:
        addresses = (_address_text(address) for address in self.addresses)
        return ", ".join([*self.names, *addresses]) or "no names"

    def matches(self, identity: str | IPAddress) -> bool:
        """Return whether an identifier of the same type matches (RFC 9525, section 6.2)."""
        if isinstance(identity, str):
            return any(matches_dns_name(name, identity) for name in self.names)
        return identity.packed in self.addresses


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


def _common_names(certificate: X509) -> _Presented:
    entries = certificate.get_subject().get_entries_by_nid(m2.NID_commonName)
    return _Presented("commonName", tuple(entry.get_data().as_text() for entry in entries), ())


class Checker:
    """Compares a certificate with a reference identity and, if one is set, with a fingerprint."""

    # SSL.Checker is both this class and its module in programs.
    Checker: ClassVar[type[Checker]]
    SSLVerificationError = SSLVerificationError
    NoCertificate = NoCertificate
    WrongCertificate = WrongCertificate
    WrongHost = WrongHost

    def __init__(
        self,
        host: str | None = None,
        peerCertHash: str | None = None,
        peerCertDigest: str = "sha256",
        strict: bool = False,
    ) -> None:
        """Create a checker.

        Args:
            host: the default host name or IP address.
            peerCertHash: the certificate's fingerprint in hexadecimal, with or without colons.
            peerCertDigest: the digest of the fingerprint.
            strict: whether never to use the common name. By default it is used if the certificate
                has no subjectAltName.
        """
        self.host = host
        self.fingerprint = peerCertHash
        self.digest = peerCertDigest
        self.strict = strict

    def __repr__(self) -> str:
        return f"<Checker {self.host!r}>"

    def __call__(self, peerCert: X509 | None, host: str | None = None) -> bool:
        """Check a certificate.

        Args:
            peerCert: the peer's certificate.
            host: the host name or IP address; None uses the constructor's. If that is None, too, no
                names are compared.

        Returns:
            True.

        Raises:
            NoCertificate: `peerCert` is None.
            WrongCertificate: the fingerprint does not match.
            WrongHost: no name matches.
        """
        if peerCert is None:
            raise NoCertificate("peer did not return certificate")
        if self.fingerprint is not None:
            self._check_fingerprint(peerCert, self.fingerprint)
        host = self.host if host is None else host
        if host is not None:
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

    def _check_host(self, certificate: X509, host: str) -> None:
        presented = _subject_alt_names(certificate)
        if presented is None:
            presented = _common_names(certificate)
            if self.strict:
                raise WrongHost(host, "no names", "subjectAltName")
        try:
            identity = reference_identity(host)
        except ValueError:
            raise WrongHost(host, str(presented), presented.field) from None
        if not presented.matches(identity):
            raise WrongHost(host, str(presented), presented.field)


Checker.Checker = Checker
