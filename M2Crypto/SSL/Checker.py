"""Is the peer's certificate the one of the host that was meant? (RFC 9525).

A `Checker` is called after the handshake with the peer's certificate and the host's name or
address. It looks at names only: whether the certificate is to be trusted is the handshake's
business (`Context.set_verify`). `matches_dns_name` is the rule for one name.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
from typing import TYPE_CHECKING, ClassVar, NamedTuple, Union

from M2Crypto import m2
from M2Crypto._errors import SSLVerificationError, X509Error

if TYPE_CHECKING:
    from M2Crypto.X509 import X509

__all__ = [
    "Checker",
    "NoCertificate",
    "SSLVerificationError",
    "WrongCertificate",
    "WrongHost",
    "matches_dns_name",
    "reference_identity",
]

IPAddress = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]

# A label of letters, digits and hyphens (RFC 5890, section 2.3.1).
_LDH_LABEL = re.compile("[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
# A DNS name that a host can be reached by: underscores are in use.
_LABEL = "[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_LONGEST = 253
_NAME = re.compile(rf"(?=.{{1,{_LONGEST}}}\Z){_LABEL}(\.{_LABEL})*")


class NoCertificate(SSLVerificationError):
    """The peer gave no certificate."""


class WrongCertificate(SSLVerificationError):
    """The peer's certificate is not the one whose fingerprint was given."""


class WrongHost(SSLVerificationError):
    """The peer's certificate is for another host."""

    def __init__(self, expectedHost: str, actualHost: str, fieldName: str = "commonName") -> None:
        """Take the host that was meant, those in the certificate, and where they stand there.

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
    """What a host is called in certificates: an IP address, or a DNS name in lower-case A-labels.

    A dot at the end of a name and the zone of an IPv6 address are dropped: they say how to reach a
    host, not which it is.

    Raises:
        ValueError: it is neither; a DNS name has labels of 1 to 63 letters, digits, hyphens and
            underscores, none of which begins or ends with a hyphen, and 253 characters at most.
    """
    address = _address(host)
    if address is not None:
        return address
    name = host[:-1] if host.endswith(".") else host
    if not name.isascii() and len(name) <= _LONGEST:
        try:
            name = name.encode("idna").decode("ascii")
        except UnicodeError as error:
            raise ValueError(f"{host!r} is no host name: {error}") from None
    if not _NAME.fullmatch(name) or _address(name) is not None:
        raise ValueError(f"{host!r} is no host name")
    return name.lower()


def _address(host: str) -> IPAddress | None:
    """Return the IP address that `host` is, without its zone; None if it is none.

    Only an IPv6 address has a zone (RFC 4007, section 11).
    """
    address, percent, zone = host.partition("%")
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return None
    has_zone = zone.isprintable() and zone != "" and "%" not in zone
    return found if not percent or (found.version == 6 and has_zone) else None


def matches_dns_name(presented: str, name: str) -> bool:
    """Does a DNS name in a certificate stand for `name`? (RFC 9525, 6.3).

    A `*` is allowed as the whole left-most label only, stands for exactly one label, and needs two
    labels behind it, so that nobody has a certificate for `*.com`. All these labels are letters,
    digits and hyphens, and neither begin nor end with a hyphen, as in X509_check_host(3).

    Args:
        presented: the name in the certificate.
        name: the host's name, as `reference_identity` gives it.
    """
    presented = presented.lower()
    if "*" not in presented:
        return presented == name
    first, _, domain = presented.partition(".")
    label, _, rest = name.partition(".")
    labels = [label, *domain.split(".")]
    is_valid = first == "*" and len(labels) > 2 and all(map(_LDH_LABEL.fullmatch, labels))
    return is_valid and domain == rest


class _Presented(NamedTuple):
    """What a certificate says whom it is for."""

    field: str
    names: tuple[str, ...]
    addresses: tuple[bytes, ...]

    def __str__(self) -> str:
        addresses = (_address_text(address) for address in self.addresses)
        return ", ".join([*self.names, *addresses]) or "no names"

    def stands_for(self, identity: str | IPAddress) -> bool:
        """Names are for names and addresses for addresses (RFC 9525, 6.2)."""
        if isinstance(identity, str):
            return any(matches_dns_name(name, identity) for name in self.names)
        return identity.packed in self.addresses


def _address_text(address: bytes) -> str:
    return str(ipaddress.ip_address(address)) if len(address) in (4, 16) else address.hex()


def _subject_alt_names(certificate: X509) -> _Presented | None:
    """What its subjectAltName says; None when it has none."""
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
            # Latin-1 keeps every octet apart; what is not ASCII then equals no name.
            names.append(m2.general_names_value(handle, index).decode("latin-1"))
        elif kind == m2.GEN_IPADD:
            addresses.append(m2.general_names_value(handle, index))
    return _Presented("subjectAltName", tuple(names), tuple(addresses))


def _common_names(certificate: X509) -> _Presented:
    entries = certificate.get_subject().get_entries_by_nid(m2.NID_commonName)
    return _Presented("commonName", tuple(entry.get_data().as_text() for entry in entries), ())


class Checker:
    """Compares a certificate with a host, and with a fingerprint when there is one."""

    # To programs SSL.Checker is this class as well as the module that it is in.
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
        """Say what to look for.

        Args:
            host: the name or IP address, where the call gives none.
            peerCertHash: the certificate's fingerprint in hexadecimal, colons allowed.
            peerCertDigest: the digest that the fingerprint was made with.
            strict: never look at a common name. Else it counts where a certificate has no
                subjectAltName at all.
        """
        self.host = host
        self.fingerprint = peerCertHash
        self.digest = peerCertDigest
        self.strict = strict

    def __call__(self, peerCert: X509 | None, host: str | None = None) -> bool:
        """Check a certificate; True.

        Args:
            peerCert: the peer's certificate.
            host: the name or IP address that was meant; None takes the constructor's. When there is
                none either, no names are compared.

        Raises:
            NoCertificate: there is none.
            WrongCertificate: its fingerprint is another.
            WrongHost: it is for another host.
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
        if not hmac.compare_digest(expected.encode(), actual.encode()):
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
        if not presented.stands_for(identity):
            raise WrongHost(host, str(presented), presented.field)


Checker.Checker = Checker
