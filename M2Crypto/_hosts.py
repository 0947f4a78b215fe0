"""Reference identities, and their comparison with certificates (RFC 9525).

There is one set of rules. `SSL.Checker`, `X509.check_host`, the `set_host` of trust stores and
validations, and `SSL.Connection.set1_host` pass what `reference_identity` returns to one comparison
in C, OpenSSL's (X509_check_host(3)) with one set of flags.

- A DNS name matches a dNSName, an IP address an iPAddress. Neither matches the other, and only
  `SSL.Checker` uses a common name, unless it is strict.
- A wildcard is the whole left-most label of a dNSName, matches exactly one label, and precedes at
  least two. The labels beside it, and that which it matches, are letters, digits and hyphens.
- A trailing dot, on either side, is not part of a name. A dNSName with both a wildcard and a
  trailing dot matches nothing.
- U-labels become A-labels by Python's codec `idna` (IDNA 2003, RFC 3490), by which `socket`
  resolves host names, so that the name in the certificate is the one that was connected to.
  A program that resolves names by IDNA 2008 (RFC 5891) passes A-labels.
"""

from __future__ import annotations

from M2Crypto import m2
from M2Crypto._typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address
    from typing import Union

    from M2Crypto import _m2crypto

    IPAddress = Union[IPv4Address, IPv6Address]

# The letters, digits and hyphens of a label (RFC 5890, section 2.3.1). Host names with underscores
# are in use.
_CHARACTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
# Of a label and of a name.
_LONGEST_LABEL = 63
_LONGEST = 253


def reference_identity(host: str | bytes) -> str | IPAddress:
    """Return the reference identity of a host: an IP address, or a DNS name in lower-case A-labels.

    A trailing dot and the zone of an IPv6 address are not part of it.

    Raises:
        ValueError: `host` is neither. A DNS name has at most 253 characters, and labels of 1 to 63
            letters, digits, hyphens and underscores that neither begin nor end with a hyphen.
            Bytes are ASCII.
    """
    if isinstance(host, bytes):
        host = host.decode("ascii")
    if not isinstance(host, str):
        raise TypeError(f"a host name is str or bytes, not {type(host).__name__}")
    address = _address(host)
    if address is not None:
        return address
    name = host[:-1] if host.endswith(".") else host
    if not name.isascii() and len(name) <= _LONGEST:
        try:
            name = name.encode("idna").decode("ascii")
        except UnicodeError as error:
            raise ValueError(f"{host!r} is not a host name: {error}") from None
    is_name = len(name) <= _LONGEST and all(map(_is_label, name.split(".")))
    if not is_name or _address(name) is not None:
        raise ValueError(f"{host!r} is not a host name")
    return name.lower()


def _address(host: str) -> IPAddress | None:
    """Return the IP address `host` without its zone; None if it is not an IP address.

    Only an IPv6 address has a zone (RFC 4007, section 11).
    """
    # An IPv4 address ends with a digit, and an IPv6 address has a colon. The import and the parsers
    # of ipaddress take longer than the rest of `reference_identity`.
    if ":" not in host and not host[-1:].isdigit():
        return None
    import ipaddress

    address, percent, zone = host.partition("%")
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return None
    has_zone = zone.isprintable() and zone != "" and "%" not in zone
    return found if not percent or (found.version == 6 and has_zone) else None


def _is_label(label: str) -> bool:
    is_long = 1 <= len(label) <= _LONGEST_LABEL
    return is_long and _CHARACTERS.issuperset(label) and "-" not in (label[0], label[-1])


def matches(
    certificate: _m2crypto.X509, identity: str | IPAddress, *, by_common_name: bool = False
) -> bool:
    """Return whether a certificate is for a reference identity.

    Args:
        certificate: its handle.
        identity: the result of `reference_identity`.
        by_common_name: whether a DNS name also matches a common name.
    """
    if isinstance(identity, str):
        return m2.x509_matches_host(certificate, identity, by_common_name) == 1
    return m2.x509_check_ip_asc(certificate, str(identity), 0) == 1
