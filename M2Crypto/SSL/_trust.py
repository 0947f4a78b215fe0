"""The location of the system's trust store.

OPENSSLDIR is compiled into OpenSSL. That of a wheel is a directory of the computer that built it,
which on another computer may not exist or may belong to another user. Therefore it is not used.

On Windows and macOS the system's trust store is no file: `certificates` reads it.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["TrustedCertificates", "certificates", "trusted_certificates"]

FILES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Arch, Gentoo, Alpine, newest Fedora
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, RHEL, Amazon Linux
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",  # the same, without the link above
    "/etc/ssl/ca-bundle.pem",  # SUSE
    "/var/lib/ca-certificates/ca-bundle.pem",  # the same, without the link above
    "/etc/ca-certificates/extracted/tls-ca-bundle.pem",  # Arch
    "/etc/ssl/certs/ca-bundle.crt",  # NixOS
    "/etc/ssl/cert.pem",  # Alpine, OpenBSD, FreeBSD, macOS
    "/usr/local/etc/ssl/cert.pem",  # FreeBSD
    "/usr/local/share/certs/ca-root-nss.crt",  # FreeBSD's package
    "/etc/openssl/certs/ca-certificates.crt",  # NetBSD
    "/etc/certs/ca-certificates.crt",  # Solaris
    "/opt/etc/ssl/certs/ca-certificates.crt",  # Entware
    "/data/data/com.termux/files/usr/etc/tls/cert.pem",  # Termux
)
DIRECTORIES = (
    "/etc/ssl/certs",
    "/etc/pki/tls/certs",
    "/var/lib/ca-certificates/openssl",  # SUSE
    "/usr/local/share/certs",  # FreeBSD
    "/etc/openssl/certs",  # NetBSD
)
# The name of a certificate's file in a directory (openssl-rehash(1)).
HASHED = re.compile(r"[0-9a-f]{8}\.\d+")

WAY_OUT = (
    "set SSL_CERT_FILE to a PEM file of CA certificates, such as that of the package "
    "ca-certificates or of Python's certifi"
)


class TrustedCertificates(NamedTuple):
    """A PEM file, and directories of files named by hash; None if there is none."""

    cafile: str | None
    capath: str | None


def trusted_certificates(environ: Mapping[str, str]) -> TrustedCertificates:
    """Return the trust store of SSL_CERT_FILE and SSL_CERT_DIR (openssl-env(7)).

    By default it is the first that has certificates of the usual paths. SSL_CERT_DIR can name
    several directories, separated by `os.pathsep`.
    """
    cafile = environ.get("SSL_CERT_FILE") or None
    capath = environ.get("SSL_CERT_DIR") or None
    if cafile or capath:
        return TrustedCertificates(cafile, capath)
    if is_native():
        return TrustedCertificates(None, None)
    return TrustedCertificates(
        next((path for path in FILES if _has_text(Path(path))), None),
        next((path for path in DIRECTORIES if _is_hashed(Path(path))), None),
    )


def origin(environ: Mapping[str, str]) -> str:
    """Return a clause that tells where the trust store's location is from, for an error's text."""
    names = [name for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if environ.get(name)]
    return (
        f"{' and '.join(names)} set{'s' * (len(names) == 1)} the trust store" if names else WAY_OUT
    )


def is_native() -> bool:
    """Return whether the system's trust store is no file, on Windows and macOS."""
    return sys.platform in ("win32", "darwin")


def certificates() -> Iterable[bytes]:
    """Return the CA certificates of the native trust store, in DER.

    Raises:
        OSError: the system refuses to read it.
    """
    if sys.platform == "win32":
        return _of_windows()
    from M2Crypto.SSL import _keychain

    return _keychain.certificates()


def _of_windows() -> list[bytes]:
    """Return the certificates of the ROOT and CA stores that are trusted for TLS servers.

    Python's ssl reads them (ssl.enum_certificates), which needs no provider of OpenSSL's and
    respects the purposes that a certificate is trusted for.
    """
    import ssl

    found: dict[bytes, None] = {}
    for store in ("ROOT", "CA"):
        for certificate, encoding, trust in ssl.enum_certificates(store):  # type: ignore[attr-defined,unused-ignore]
            is_trusted = trust is True or ssl.Purpose.SERVER_AUTH.oid in trust
            if encoding == "x509_asn" and is_trusted:
                found[certificate] = None
    return list(found)


def _has_text(path: Path) -> bool:
    try:
        return path.is_file() and path.stat().st_size > 0
    except OSError:
        return False


def _is_hashed(path: Path) -> bool:
    try:
        return any(HASHED.fullmatch(each.name) for each in path.iterdir())
    except OSError:
        return False
