"""PKCS #12 files: a private key and certificates under a passphrase (RFC 7292, PKCS12_create(3)).

Example::

    pkcs12 = PKCS12.load("client.p12", "passphrase")
    der = PKCS12.create(pkcs12.pkey, pkcs12.x509, pkcs12.ca, "another passphrase")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from M2Crypto import BIO, EVP, X509, _algorithms, m2, util
from M2Crypto._arguments import handle_of, text
from M2Crypto._errors import PKCS12Error

if TYPE_CHECKING:
    from collections.abc import Iterable

    from M2Crypto._m2crypto import Buffer

__all__ = ["PKCS12", "PKCS12Error", "PassphraseError", "create", "load", "load_der", "save"]


class PassphraseError(PKCS12Error):
    """The passphrase is wrong: the MAC does not verify."""


class PKCS12(NamedTuple):
    """The content of a file.

    Attributes:
        pkey: the private key, or None.
        x509: the certificate of the private key, or None.
        ca: the other certificates.
        name: the friendlyName of the certificate, or None.
    """

    pkey: EVP.PKey | None
    x509: X509.X509 | None
    ca: tuple[X509.X509, ...]
    name: str | None

    def __repr__(self) -> str:
        subject = "no certificate" if self.x509 is None else str(self.x509.get_subject())
        return f"<PKCS12 {subject}>"


def _passphrase(passphrase: str | Buffer | None) -> Buffer | None:
    return passphrase.encode() if isinstance(passphrase, str) else passphrase


def load_der(der: Buffer, passphrase: str | Buffer | None = None) -> PKCS12:
    """Load a file's content from DER (PKCS12_parse(3)).

    Args:
        der: the content.
        passphrase: the passphrase, text as UTF-8; None for a file without one.

    Raises:
        PassphraseError: the passphrase is wrong.
        PKCS12Error: the content is malformed, or has an algorithm that OpenSSL does not provide,
            such as RC2 without the legacy provider. OpenSSL 1.1.1 requires a MAC.
    """
    handle = m2.d2i_pkcs12(der)
    secret = _passphrase(passphrase)
    if not m2.pkcs12_verify_mac(handle, secret):
        raise PassphraseError("the passphrase is wrong")
    parts = m2.pkcs12_parse(handle, secret)
    pkey, certificate = m2.pkcs12_get1_pkey(parts), m2.pkcs12_get1_cert(parts)
    alias = b"" if certificate is None else m2.x509_alias_get(certificate)
    return PKCS12(
        None if pkey is None else EVP.PKey(pkey),
        None if certificate is None else X509.X509(certificate),
        tuple(X509.X509_Stack(m2.pkcs12_get1_ca(parts))),
        alias.decode(errors="replace") or None,
    )


def load(file: BIO.FilePath, passphrase: str | Buffer | None = None) -> PKCS12:
    """Load a file; see `load_der`.

    Raises:
        BIO.BIOFileError: the file cannot be opened.
    """
    with BIO.openfile(file) as bio:
        return load_der(bio.read() or b"", passphrase)


def create(
    pkey: EVP.PKey | None,
    x509: X509.X509 | None,
    ca: Iterable[X509.X509] = (),
    passphrase: str | Buffer | None = None,
    name: str | None = None,
    cipher: str | None = "aes_256_cbc",
    mac: str | None = "sha256",
    iterations: int = 100_000,
    pbmac1: bool = False,
) -> bytes:
    """Create the content of a file, in DER (PKCS12_create(3)).

    Args:
        pkey: the private key, or None.
        x509: its certificate, or None.
        ca: more certificates.
        passphrase: the passphrase, text as UTF-8.
        name: the friendlyName of the key and its certificate.
        cipher: the cipher, in CBC mode, which encrypts key and certificates by PBES2 (RFC 8018,
            section 6.2); None encrypts nothing.
        mac: the digest of the MAC; None is no MAC.
        iterations: the iterations of the key derivations.
        pbmac1: whether the MAC is PBMAC1 (RFC 9579), which needs OpenSSL 3.4, instead of that of
            RFC 7292, which FIPS does not approve.

    Raises:
        PKCS12Error: an algorithm is unknown or not supported, the key is not the certificate's, or
            there is no passphrase for the cipher or the MAC.
    """
    stack = X509.X509_Stack()
    for certificate in ca:
        stack.push(certificate)
    handle = m2.pkcs12_create(
        _passphrase(passphrase),
        text(name or "").encode(),
        None if pkey is None else handle_of(pkey),
        None if x509 is None else handle_of(x509),
        handle_of(stack),
        None if cipher is None else _algorithms.cipher(cipher, PKCS12Error),
        None if mac is None else _algorithms.digest(mac, PKCS12Error),
        # OpenSSL's is a C int.
        min(iterations, 2**31 - 1),
        int(pbmac1),
    )
    return m2.i2d_pkcs12(handle)


def save(file: BIO.FilePath, der: bytes) -> int:
    """Write the output of `create` to a file, which is created with mode 0600, and return 1."""
    return util.save_private(file, der)
