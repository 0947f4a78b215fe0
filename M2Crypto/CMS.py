"""Cryptographic Message Syntax (RFC 5652, CMS_sign(3), CMS_encrypt(3)).

`sign` and `encrypt` create a `ContentInfo`, `load` and its variants read one. Data are bytes.

Example::

    message = CMS.sign(b"data", certificate, pkey)
    data = CMS.load_der(message.as_der()).verify(store)
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any

from M2Crypto import BIO, EVP, X509, _algorithms, _pem, m2
from M2Crypto._arguments import handle_of
from M2Crypto._errors import CMSError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from M2Crypto._m2crypto import Buffer

__all__ = [
    "CMSError",
    "ContentInfo",
    "Flags",
    "encrypt",
    "load",
    "load_bio",
    "load_der",
    "load_pem",
    "load_smime",
    "sign",
]


class _WithoutCMS:
    def __getattr__(self, name: str) -> Any:
        raise CMSError(f"{name}: this OpenSSL was built without CMS ({m2.OPENSSL_VERSION_TEXT})")


cms_m2: Any = _WithoutCMS() if m2.OPENSSL_NO_CMS else m2


class Flags(enum.IntFlag):
    """Flags of operations (CMS_sign(3), CMS_verify(3), CMS_encrypt(3))."""

    TEXT = 0x1
    NOCERTS = 0x2
    NO_CONTENT_VERIFY = 0x4
    NO_ATTR_VERIFY = 0x8
    NOINTERN = 0x10
    NO_SIGNER_CERT_VERIFY = 0x20
    DETACHED = 0x40
    BINARY = 0x80
    NOATTR = 0x100
    NOSMIMECAP = 0x200
    NOCRL = 0x2000
    USE_KEYID = 0x10000
    DEBUG_DECRYPT = 0x20000


def _stack(certificates: Iterable[X509.X509] | None) -> Any:
    """Return the handle of a stack, or None."""
    if certificates is None or isinstance(certificates, X509.X509_Stack):
        return None if certificates is None else handle_of(certificates)
    stack = X509.X509_Stack()
    for certificate in certificates:
        stack.push(certificate)
    return handle_of(stack)


class ContentInfo:
    """A message; `sign`, `encrypt` and `load` return one. Pickling keeps its DER."""

    def __init__(self, handle: Any) -> None:
        self.cms = handle

    def _ptr(self) -> Any:
        return self.cms

    def __repr__(self) -> str:
        return f"<ContentInfo {self.type}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return load_der, (self.as_der(),)

    @property
    def type(self) -> str:
        """The short name of the content type, such as "pkcs7-signedData"."""
        return m2.obj_nid2sn(cms_m2.cms_type_nid(self.cms))

    @property
    def detached(self) -> bool:
        """Whether signed data have no content."""
        return bool(cms_m2.cms_is_detached(self.cms))

    def as_der(self) -> bytes:
        """Return the message in DER."""
        return self._written(cms_m2.cms_write_der)

    def as_pem(self) -> bytes:
        """Return the message in PEM."""
        return self._written(cms_m2.cms_write_pem)

    def _written(self, write: Any) -> bytes:
        bio = BIO.MemoryBuffer()
        write(handle_of(bio), self.cms)
        return bio.read() or b""

    def as_smime(self, data: Buffer | None = None, flags: int = 0) -> bytes:
        """Return the message as S/MIME (SMIME_write_CMS(3)).

        The data of a multipart/signed message are text with CRLF line ends when they are loaded.

        Args:
            data: the data of a detached signature, which make it multipart/signed.
            flags: those of `sign`.
        """
        written: bytes = cms_m2.smime_write_cms(self.cms, data, flags)
        return written

    def certificates(self) -> X509.X509_Stack:
        """Return the certificates of signed or enveloped data.

        Raises:
            CMSError: the message has another type.
        """
        return X509.X509_Stack(cms_m2.cms_get1_certs(self.cms))

    def crls(self) -> X509.CRL_Stack:
        """Return the CRLs of signed or enveloped data.

        Raises:
            CMSError: the message has another type.
        """
        return X509.CRL_Stack(cms_m2.cms_get1_crls(self.cms))

    def signers(self) -> X509.X509_Stack:
        """Return the certificates of the signers, after `verify` or `sign`.

        Raises:
            CMSError: the message is not signed.
        """
        return X509.X509_Stack(cms_m2.cms_get0_signers(self.cms))

    def verify(
        self,
        store: X509.X509_Store,
        certs: Iterable[X509.X509] | None = None,
        data: Buffer | None = None,
        flags: int = Flags.BINARY,
    ) -> bytes:
        """Verify the signatures and the signers' paths, and return the data (CMS_verify(3)).

        Args:
            store: the trust anchors.
            certs: certificates to search for the signers' before those of the message.
            data: the data of a detached signature.
            flags: such as `Flags.NO_SIGNER_CERT_VERIFY`. Without `Flags.BINARY` line ends of `data`
                become CRLF.

        Raises:
            CMSError: a signature or path does not verify, or the message is malformed.
        """
        content: bytes = cms_m2.cms_verify(self.cms, _stack(certs), handle_of(store), data, flags)
        return content

    def decrypt(self, pkey: EVP.PKey, cert: X509.X509 | None = None, flags: int = 0) -> bytes:
        """Decrypt the message, and return the data (CMS_decrypt(3)).

        The data are authenticated only if the cipher is an AEAD cipher. Without `cert`, OpenSSL can
        return random data or an error: a key for another RSA recipient decrypts to a random one
        (RFC 3218), which is used if its length fits.

        Args:
            pkey: the recipient's private key.
            cert: the recipient's certificate, which finds its key; None tries each recipient.
            flags: `Flags.TEXT` removes a text/plain header; `Flags.DEBUG_DECRYPT` raises an error
                for a wrong key, too, which enables attacks (RFC 3218).

        Raises:
            CMSError: the message is not encrypted for the certificate, or it is malformed.
        """
        certificate = None if cert is None else handle_of(cert)
        content: bytes = cms_m2.cms_decrypt(self.cms, handle_of(pkey), certificate, flags)
        return content


def sign(
    data: Buffer,
    cert: X509.X509,
    pkey: EVP.PKey,
    certs: Iterable[X509.X509] | None = None,
    md: str | None = "sha256",
    flags: int = Flags.BINARY,
) -> ContentInfo:
    """Sign data (CMS_sign(3), CMS_add1_signer(3)).

    Args:
        data: the data.
        cert: the signer's certificate.
        pkey: its private key.
        certs: more certificates for the message.
        md: the digest; None is the key's default.
        flags: such as `Flags.DETACHED`. Without `Flags.BINARY` line ends become CRLF.

    Raises:
        CMSError: the digest is unknown, the key cannot sign with it, or it is not the
            certificate's.
    """
    digest = None if md is None else _algorithms.digest(md, CMSError)
    return ContentInfo(
        cms_m2.cms_sign(handle_of(cert), handle_of(pkey), _stack(certs), data, digest, flags)
    )


def encrypt(
    data: Buffer,
    recipients: Iterable[X509.X509],
    cipher: str = "aes_256_cbc",
    flags: int = Flags.BINARY,
) -> ContentInfo:
    """Encrypt data for recipients (CMS_encrypt(3)).

    Args:
        data: the data.
        recipients: their certificates, with RSA keys, or with EC or DH keys (RFC 5753, RFC 2631).
        cipher: in CBC, CFB or OFB mode; from OpenSSL 3.0 on in GCM mode, too, which authenticates
            the data (AuthEnvelopedData, RFC 5083).
        flags: without `Flags.BINARY` line ends become CRLF.

    Raises:
        CMSError: there are no recipients, or the cipher is unknown or not supported.
    """
    stack = _stack(recipients)
    algorithm = _algorithms.cipher(cipher, CMSError)
    return ContentInfo(cms_m2.cms_encrypt(stack, data, algorithm, flags))


def load_bio(bio: BIO.BIO) -> ContentInfo:
    """Load a message in PEM from a BIO.

    Raises:
        CMSError: there is none.
    """
    return ContentInfo(cms_m2.cms_read_pem(handle_of(bio)))


def load(file: BIO.FilePath) -> ContentInfo:
    """Load a message from a PEM file.

    Raises:
        BIO.BIOFileError: the file cannot be opened.
        CMSError: it has no message.
    """
    with BIO.openfile(file) as bio:
        return load_bio(bio)


def load_pem(pem: str | bytes) -> ContentInfo:
    """Load a message from PEM."""
    return load_bio(_pem.bio_of(pem))


def load_der(der: bytes) -> ContentInfo:
    """Load a message from DER."""
    return ContentInfo(cms_m2.cms_read_der(BIO.MemoryBuffer(der)._ptr()))


def load_smime(smime: str | bytes) -> tuple[ContentInfo, bytes | None]:
    """Load a message from S/MIME (SMIME_read_CMS(3)).

    Returns:
        The message, and the signed data of a multipart/signed message, else None.
    """
    content = BIO.MemoryBuffer()
    message = ContentInfo(cms_m2.smime_read_cms(_pem.bio_of(smime)._ptr(), content._ptr()))
    data = content.read() or b""
    is_multipart = bool(data) or (message.type == "pkcs7-signedData" and message.detached)
    return message, data if is_multipart else None
