"""Where a machine keeps the certificates of the CAs that it trusts.

A static OpenSSL has the folder it was configured with compiled in (OPENSSLDIR). In a wheel that is
a folder of the machine that built it: on a user's machine it is not there, or, worse, somebody
else's. So it is not asked; `trusted_certificates` gives what SSL_CERT_FILE and SSL_CERT_DIR say, as
in OpenSSL (openssl-env(7)), and where they say nothing the places of the usual systems.
"""

from __future__ import annotations

from pathlib import Path
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
FOLDERS = ("/etc/ssl/certs", "/etc/pki/tls/certs")


class TrustedCertificates(NamedTuple):
    """A PEM file, and folders of files named by hash; each None when there is none."""

    cafile: str | None
    capath: str | None


def trusted_certificates(environ: Mapping[str, str]) -> TrustedCertificates:
    """Find them, given the environment's variables.

    SSL_CERT_DIR may name several folders, with the system's path separator between them.
    """
    cafile = environ.get("SSL_CERT_FILE") or None
    capath = environ.get("SSL_CERT_DIR") or None
    if cafile or capath:
        return TrustedCertificates(cafile, capath)
    return TrustedCertificates(
        next((path for path in FILES if Path(path).is_file()), None),
        next((path for path in FOLDERS if Path(path).is_dir()), None),
    )
