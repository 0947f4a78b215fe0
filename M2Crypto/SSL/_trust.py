"""The location of the system's trust store.

OPENSSLDIR is compiled into OpenSSL. That of a wheel is a directory of the computer that built it,
which on another computer may not exist or may belong to another user. Therefore it is not used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["TrustedCertificates", "trusted_certificates"]

FILES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Arch, Gentoo, Alpine
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, RHEL
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",  # newer Fedora, CentOS
    "/etc/ssl/ca-bundle.pem",  # SUSE
    "/etc/ssl/cert.pem",  # Alpine, macOS, OpenBSD, FreeBSD
    "/usr/local/share/certs/ca-root-nss.crt",  # FreeBSD's package
)
DIRECTORIES = ("/etc/ssl/certs", "/etc/pki/tls/certs")


class TrustedCertificates(NamedTuple):
    """A PEM file, and directories of files named by hash; None if there is none."""

    cafile: str | None
    capath: str | None


def trusted_certificates(environ: Mapping[str, str]) -> TrustedCertificates:
    """Return the trust store of SSL_CERT_FILE and SSL_CERT_DIR (openssl-env(7)).

    By default it is the first that exists of the usual paths. SSL_CERT_DIR can name several
    directories, separated by `os.pathsep`.
    """
    from pathlib import Path

    cafile = environ.get("SSL_CERT_FILE") or None
    capath = environ.get("SSL_CERT_DIR") or None
    if cafile or capath:
        return TrustedCertificates(cafile, capath)
    return TrustedCertificates(
        next((path for path in FILES if Path(path).is_file()), None),
        next((path for path in DIRECTORIES if Path(path).is_dir()), None),
    )
