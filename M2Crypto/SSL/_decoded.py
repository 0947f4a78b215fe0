"""Certificates and ciphers as the dicts of `ssl.SSLSocket.getpeercert` and `get_ciphers`."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

from M2Crypto import OCSP, X509, m2
from M2Crypto.SSL import Revocation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from M2Crypto.ASN1 import ASN1_TIME, ASN1_Object
    from M2Crypto.SSL.Cipher import Cipher
_MONTHS = (
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
)  # fmt: skip


def cipher(cipher: Cipher) -> dict[str, Any]:
    """Return the fields of a cipher."""
    handle = cipher.cipher
    return {
        "id": m2.ssl_cipher_get_id(handle),
        "name": cipher.name(),
        "protocol": cipher.version(),
        "description": m2.ssl_cipher_description(handle).decode(),
        "strength_bits": len(cipher),
        "alg_bits": m2.ssl_cipher_get_alg_bits(handle),
        "aead": bool(m2.ssl_cipher_is_aead(handle)),
        "symmetric": _long_name(m2.ssl_cipher_get_cipher_nid(handle)),
        "digest": _long_name(m2.ssl_cipher_get_digest_nid(handle)),
        "kea": _long_name(m2.ssl_cipher_get_kx_nid(handle)),
        "auth": _long_name(m2.ssl_cipher_get_auth_nid(handle)),
    }


def _long_name(nid: int) -> str | None:
    return m2.obj_nid2ln(nid) if nid != m2.NID_undef else None


def certificate(certificate: X509.X509) -> dict[str, Any]:
    """Return the fields of a certificate."""
    decoded: dict[str, Any] = {
        "subject": _name(certificate.get_subject()),
        "issuer": _name(certificate.get_issuer()),
        "version": certificate.get_version() + 1,
        "serialNumber": _serial(certificate.get_serial_number()),
        "notBefore": _time(certificate.get_not_before()),
        "notAfter": _time(certificate.get_not_after()),
    }
    names = tuple(_general_names(certificate))
    if names:
        decoded["subjectAltName"] = names
    for field, uris in (
        ("OCSP", OCSP.urls(certificate)),
        ("crlDistributionPoints", Revocation.urls(certificate)),
    ):
        if uris:
            decoded[field] = tuple(uris)
    return decoded


def _serial(number: int) -> str:
    digits = f"{abs(number):X}"
    return ("-" if number < 0 else "") + digits.zfill(len(digits) + len(digits) % 2)


def _name(name: X509.X509_Name) -> tuple[tuple[tuple[str, str], ...], ...]:
    """Return the relative distinguished names, each as attribute types and values."""
    found: list[list[tuple[str, str]]] = []
    last = None
    for index, entry in enumerate(name):
        number = m2.x509_name_entry_set(name._ptr(), index)
        if number != last:
            found.append([])
        last = number
        found[-1].append((_attribute(entry.get_object()), str(entry.get_data())))
    return tuple(tuple(each) for each in found)


def _attribute(type: ASN1_Object) -> str:
    return type.long_name or str(type)


def _time(time: ASN1_TIME) -> str:
    moment = time.get_datetime()
    # In English whatever the locale is, with a day of two columns (ASN1_TIME_print(3)).
    return f"{_MONTHS[moment.month - 1]} {moment.day:2} {moment:%H:%M:%S} {moment.year} GMT"


def _general_names(certificate: X509.X509) -> Iterator[tuple[str, Any]]:
    for kind, text in certificate.get_subject_alt_names_as_text():
        if kind == "IP Address":
            yield kind, _address(text)
        elif kind == "othername":
            yield kind, "<unsupported>"
        else:
            yield kind, text


def _address(text: str) -> str:
    """Return an address as OpenSSL prints it, without the abbreviation of zeros."""
    if ":" not in text:
        return text
    octets = socket.inet_pton(socket.AF_INET6, text)
    return ":".join(f"{int.from_bytes(octets[at : at + 2], 'big'):X}" for at in range(0, 16, 2))
