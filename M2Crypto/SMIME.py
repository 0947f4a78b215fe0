"""S/MIME messages and PKCS #7 (RFC 2315, RFC 8551, PKCS7_sign(3), SMIME_write_PKCS7(3)).

`SMIME` signs and verifies, encrypts and decrypts. `M2Crypto.CMS` supports the newer algorithms.

Example::

    smime = SMIME.SMIME()
    smime.load_key("signer.pem")
    message = smime.sign(BIO.MemoryBuffer(b"text"))
    out = BIO.MemoryBuffer()
    smime.write(out, message, BIO.MemoryBuffer(b"text"))
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from M2Crypto import BIO, EVP, X509, _algorithms, m2, util
from M2Crypto._arguments import check_type, handle_of
from M2Crypto._copies import Constant
from M2Crypto._errors import PKCS7_Error, SMIME_Error

if TYPE_CHECKING:
    from M2Crypto import _m2crypto

__all__ = [
    "PKCS7",
    "PKCS7_BINARY",
    "PKCS7_DATA",
    "PKCS7_DETACHED",
    "PKCS7_ENVELOPED",
    "PKCS7_NOATTR",
    "PKCS7_NOCERTS",
    "PKCS7_NOCHAIN",
    "PKCS7_NOINTERN",
    "PKCS7_NOSIGS",
    "PKCS7_NOVERIFY",
    "PKCS7_SIGNED",
    "PKCS7_SIGNED_ENVELOPED",
    "PKCS7_TEXT",
    "SMIME",
    "Cipher",
    "PKCS7_Error",
    "SMIME_Error",
    "create_degenerate",
    "load_certificates",
    "load_pkcs7",
    "load_pkcs7_bio",
    "load_pkcs7_bio_der",
    "load_pkcs7_der",
    "save_degenerate",
    "smime_load_pkcs7",
    "smime_load_pkcs7_bio",
    "text_crlf",
    "text_crlf_bio",
]

# Flags (PKCS7_sign(3), PKCS7_verify(3)).
PKCS7_TEXT = m2.PKCS7_TEXT
PKCS7_NOCERTS = m2.PKCS7_NOCERTS
PKCS7_NOSIGS = m2.PKCS7_NOSIGS
PKCS7_NOCHAIN = m2.PKCS7_NOCHAIN
PKCS7_NOINTERN = m2.PKCS7_NOINTERN
PKCS7_NOVERIFY = m2.PKCS7_NOVERIFY
PKCS7_DETACHED = m2.PKCS7_DETACHED
PKCS7_BINARY = m2.PKCS7_BINARY
PKCS7_NOATTR = m2.PKCS7_NOATTR

# The types that `PKCS7.type` returns.
PKCS7_SIGNED = m2.PKCS7_SIGNED
PKCS7_ENVELOPED = m2.PKCS7_ENVELOPED
PKCS7_SIGNED_ENVELOPED = m2.PKCS7_SIGNED_ENVELOPED
PKCS7_DATA = m2.PKCS7_DATA


class PKCS7:
    """A PKCS #7 message. `_pyfree` is ignored."""

    def __init__(self, pkcs7: _m2crypto.PKCS7 | None = None, _pyfree: int = 0) -> None:
        self.pkcs7 = m2.pkcs7_new() if pkcs7 is None else pkcs7

    def _ptr(self) -> _m2crypto.PKCS7:
        return self.pkcs7

    def __repr__(self) -> str:
        return f"<PKCS7 {self.type(1)}>"

    def __reduce__(self) -> tuple[object, ...]:
        bio = BIO.MemoryBuffer()
        self.write_der(bio)
        return _restored, (bio.read(),)

    def type(self, text_name: int = 0) -> int | str:
        """Return the content type: a number such as `PKCS7_SIGNED`.

        Args:
            text_name: whether to return its short name instead, such as "pkcs7-signedData".
        """
        return m2.pkcs7_type_sn(self.pkcs7) if text_name else m2.pkcs7_type_nid(self.pkcs7)

    def write(self, bio: BIO.BIO) -> int:
        """Write the message in PEM, and return 1."""
        return m2.pkcs7_write_bio(handle_of(bio), self.pkcs7)

    def write_der(self, bio: BIO.BIO) -> int:
        """Write the message in DER, and return 1."""
        return m2.pkcs7_write_bio_der(handle_of(bio), self.pkcs7)

    def get0_signers(self, certs: X509.X509_Stack | None, flags: int = 0) -> X509.X509_Stack:
        """Return the signers' certificates, which are not verified (PKCS7_get0_signers(3)).

        Args:
            certs: certificates to search before those of the message.
            flags: `PKCS7_NOINTERN` does not search those of the message.

        Raises:
            PKCS7_Error: the message is not signed, or a certificate is not found.
        """
        stack = None if certs is None else handle_of(certs)
        return X509.X509_Stack(m2.pkcs7_get0_signers(self.pkcs7, stack, flags), 1)

    def get_certificates(self) -> X509.X509_Stack:
        """Return the certificates of signed data.

        Raises:
            PKCS7_Error: the message has another type.
        """
        return X509.X509_Stack(m2.pkcs7_get1_certs(self.pkcs7), 1)

    def get_crls(self) -> X509.CRL_Stack:
        """Return the CRLs of signed data.

        Raises:
            PKCS7_Error: the message has another type.
        """
        return X509.CRL_Stack(m2.pkcs7_get1_crls(self.pkcs7), 1)


def _restored(der: bytes) -> PKCS7:
    """Return the message of a pickle."""
    return load_pkcs7_bio_der(BIO.MemoryBuffer(der))


def load_pkcs7(p7file: BIO.FilePath) -> PKCS7:
    """Load a message from a PEM file.

    Raises:
        BIO.BIOFileError: the file cannot be opened.
        PKCS7_Error: it has no message.
    """
    with BIO.openfile(p7file) as bio:
        return load_pkcs7_bio(bio)


def load_pkcs7_der(p7file: BIO.FilePath) -> PKCS7:
    """Load a message from a file in DER; see `load_pkcs7`."""
    with BIO.openfile(p7file) as bio:
        return load_pkcs7_bio_der(bio)


def load_pkcs7_bio(p7_bio: BIO.BIO) -> PKCS7:
    """Load a message in PEM from a BIO."""
    return PKCS7(m2.pkcs7_read_bio(handle_of(p7_bio)), 1)


def load_pkcs7_bio_der(p7_bio: BIO.BIO) -> PKCS7:
    """Load a message in DER from a BIO."""
    return PKCS7(m2.pkcs7_read_bio_der(handle_of(p7_bio)), 1)


def smime_load_pkcs7(p7file: BIO.FilePath) -> tuple[PKCS7, BIO.BIO | None]:
    """Load a message from a file of S/MIME; see `smime_load_pkcs7_bio`."""
    with BIO.openfile(p7file) as bio:
        return smime_load_pkcs7_bio(bio)


def smime_load_pkcs7_bio(p7_bio: BIO.BIO) -> tuple[PKCS7, BIO.BIO | None]:
    """Load a message of S/MIME from a BIO (SMIME_read_PKCS7(3)).

    Returns:
        The message, and the signed content of a multipart/signed message, else None.

    Raises:
        PKCS7_Error: it is not S/MIME.
    """
    content = BIO.MemoryBuffer()
    message = m2.smime_read_pkcs7(handle_of(p7_bio), content._ptr())
    return PKCS7(message, 1), content if m2.pkcs7_is_detached(message) else None


def create_degenerate(cert_stack: X509.X509_Stack, bio: BIO.BIO) -> int:
    """Write certificates as a degenerate message in PEM (RFC 2315, section 9.1), and return 1."""
    return check_type(cert_stack, X509.X509_Stack).create_degenerate(bio)


def save_degenerate(cert_stack: X509.X509_Stack, filename: BIO.FilePath) -> int:
    """Write the output of `create_degenerate` to a file, and return 1."""
    return check_type(cert_stack, X509.X509_Stack).save_degenerate(filename)


def load_certificates(filename: BIO.FilePath) -> X509.X509_Stack:
    """Load the certificates of a message in a PEM file, such as `save_degenerate` writes.

    Raises:
        BIO.BIOFileError: the file cannot be opened.
        PKCS7_Error: it has no signed message.
    """
    return load_pkcs7(filename).get_certificates()


class Cipher(Constant):
    """The cipher that encrypts the content of messages.

    Raises:
        EVP.EVPError: OpenSSL has no cipher `algo`, such as "aes_256_cbc".
    """

    def __init__(self, algo: str) -> None:
        self.algo = algo
        self.cipher = _algorithms.cipher(algo, EVP.EVPError)

    def _ptr(self) -> _m2crypto.EVP_CIPHER:
        return self.cipher

    def __repr__(self) -> str:
        return f"<Cipher {self.algo}>"


class SMIME:
    """The keys, certificates and cipher of S/MIME operations.

    Attributes:
        pkey: the private key that signs or decrypts.
        x509: its certificate.
        x509_stack: the recipients' certificates, or those that accompany a signature.
        x509_store: the trust anchors.
        cipher: the cipher that encrypts.
    """

    pkey: EVP.PKey | None = None
    x509: X509.X509 | None = None
    x509_stack: X509.X509_Stack | None = None
    x509_store: X509.X509_Store | None = None
    cipher: Cipher | None = None

    def __repr__(self) -> str:
        return f"<SMIME of {self.x509!r}>"

    def load_key(
        self,
        keyfile: BIO.FilePath,
        certfile: BIO.FilePath | None = None,
        callback: util.PassphraseCallback = util.passphrase_callback,
    ) -> None:
        """Load the private key and its certificate from PEM files.

        Args:
            keyfile: the file of the key.
            certfile: the file of the certificate; None is `keyfile`.
            callback: the passphrase callback.

        Raises:
            BIO.BIOFileError: a file cannot be opened.
            EVP.EVPError: there is no private key, or the passphrase is wrong.
            X509.X509Error: there is no certificate.
        """
        with BIO.openfile(keyfile) as bio:
            pkey = EVP.load_key_bio(bio, callback)
        certificate = X509.load_cert(keyfile if certfile is None else certfile)
        self.pkey, self.x509 = pkey, certificate

    def load_key_bio(
        self,
        keybio: BIO.BIO,
        certbio: BIO.BIO | None = None,
        callback: util.PassphraseCallback = util.passphrase_callback,
    ) -> None:
        """Load the private key and its certificate in PEM from BIOs; see `load_key`.

        Without `certbio` the certificate follows the key in `keybio`.
        """
        pkey = EVP.load_key_bio(keybio, callback)
        certificate = X509.load_cert_bio(keybio if certbio is None else certbio)
        self.pkey, self.x509 = pkey, certificate

    def set_x509_stack(self, stack: X509.X509_Stack) -> None:
        """Set the recipients' certificates, or those that accompany a signature."""
        if not isinstance(stack, X509.X509_Stack):
            raise TypeError(f"expected an X509_Stack, not {type(stack).__name__}")
        self.x509_stack = stack

    def set_x509_store(self, store: X509.X509_Store) -> None:
        """Set the trust anchors."""
        if not isinstance(store, X509.X509_Store):
            raise TypeError(f"expected an X509_Store, not {type(store).__name__}")
        self.x509_store = store

    def set_cipher(self, cipher: Cipher) -> None:
        """Set the cipher that encrypts."""
        if not isinstance(cipher, Cipher):
            raise TypeError(f"expected a Cipher, not {type(cipher).__name__}")
        self.cipher = cipher

    def unset_key(self) -> None:
        """Remove the private key and its certificate."""
        self.pkey = self.x509 = None

    def unset_x509_stack(self) -> None:
        """Remove the certificates that `set_x509_stack` set."""
        self.x509_stack = None

    def unset_x509_store(self) -> None:
        """Remove the trust anchors."""
        self.x509_store = None

    def unset_cipher(self) -> None:
        """Remove the cipher."""
        self.cipher = None

    def encrypt(self, data_bio: BIO.BIO, flags: int = 0) -> PKCS7:
        """Encrypt data for the recipients (PKCS7_encrypt(3)).

        Args:
            data_bio: the data.
            flags: `PKCS7_TEXT` adds a text/plain header, `PKCS7_BINARY` keeps line ends.

        Raises:
            SMIME_Error: there is no cipher or no recipient, or PKCS #7 does not support the
                cipher: it has no AEAD.
        """
        if self.cipher is None:
            raise SMIME_Error("there is no cipher: call set_cipher")
        if self.x509_stack is None:
            raise SMIME_Error("there are no recipients' certificates: call set_x509_stack")
        stack, cipher = handle_of(self.x509_stack), handle_of(self.cipher)
        return PKCS7(m2.pkcs7_encrypt(stack, handle_of(data_bio), cipher, flags), 1)

    def decrypt(self, pkcs7: PKCS7, flags: int = 0) -> bytes:
        """Decrypt a message by the private key, and return the data (PKCS7_decrypt(3)).

        The data are not authenticated: an attacker can change them. With a wrong key, OpenSSL can
        return random data instead of an error.

        Args:
            pkcs7: the message.
            flags: `PKCS7_TEXT` removes a text/plain header.

        Raises:
            SMIME_Error: there is no private key.
            PKCS7_Error: the message is not encrypted for this certificate, or it is malformed.
        """
        pkey, certificate = self._key()
        return m2.pkcs7_decrypt(handle_of(pkcs7), handle_of(pkey), handle_of(certificate), flags)

    def sign(
        self, data_bio: BIO.BIO, flags: int = PKCS7_DETACHED, algo: str | None = "sha256"
    ) -> PKCS7:
        """Sign data (PKCS7_sign(3)).

        Args:
            data_bio: the data.
            flags: `PKCS7_DETACHED` leaves the data out of the message, `PKCS7_BINARY` keeps line
                ends, `PKCS7_TEXT` adds a text/plain header, `PKCS7_NOCERTS` leaves out
                certificates, `PKCS7_NOATTR` signed attributes.
            algo: the digest.

        Raises:
            SMIME_Error: there is no private key, or the digest is unknown.
            PKCS7_Error: the key cannot sign, or is not that of the certificate.
        """
        pkey, certificate = self._key()
        if algo is None:
            raise SMIME_Error("a PKCS #7 signature needs a digest")
        digest = _algorithms.digest(algo, SMIME_Error)
        signer, data = (handle_of(certificate), handle_of(pkey)), handle_of(data_bio)
        if self.x509_stack is None:
            return PKCS7(m2.pkcs7_sign0(*signer, data, digest, flags), 1)
        return PKCS7(m2.pkcs7_sign1(*signer, handle_of(self.x509_stack), data, digest, flags), 1)

    def verify(self, pkcs7: PKCS7, data_bio: BIO.BIO | None = None, flags: int = 0) -> bytes:
        """Verify the signatures and the signers' paths, and return the data (PKCS7_verify(3)).

        Args:
            pkcs7: the message.
            data_bio: the data of a detached signature.
            flags: `PKCS7_NOINTERN` ignores the signers' certificates of the message,
                `PKCS7_NOVERIFY` does not verify the signers' paths, `PKCS7_NOSIGS` not the
                signatures, `PKCS7_NOCHAIN` does not build paths from the message's certificates.

        Raises:
            SMIME_Error: there are no trust anchors.
            PKCS7_Error: a signature or path does not verify, or the message is malformed.
        """
        if self.x509_store is None:
            raise SMIME_Error("there are no trust anchors: call set_x509_store")
        message, store = handle_of(pkcs7), handle_of(self.x509_store)
        stack = None if self.x509_stack is None else handle_of(self.x509_stack)
        if data_bio is None:
            return m2.pkcs7_verify0(message, stack, store, flags)
        return m2.pkcs7_verify1(message, stack, store, handle_of(data_bio), flags)

    def write(
        self,
        out_bio: BIO.BIO,
        pkcs7: PKCS7,
        data_bio: BIO.BIO | None = None,
        flags: int = PKCS7_DETACHED,
    ) -> int:
        """Write a message as S/MIME, and return 1 (SMIME_write_PKCS7(3)).

        Args:
            out_bio: the BIO.
            pkcs7: the message.
            data_bio: the data of a detached signature, which make it multipart/signed.
            flags: those of `sign`.
        """
        bio, message = handle_of(out_bio), handle_of(pkcs7)
        if data_bio is None or not flags & PKCS7_DETACHED:
            return m2.smime_write_pkcs7(bio, message, flags)
        return m2.smime_write_pkcs7_multi(bio, message, handle_of(data_bio), flags)

    def _key(self) -> tuple[EVP.PKey, X509.X509]:
        if self.pkey is None or self.x509 is None:
            raise SMIME_Error("there is no private key: call load_key")
        return self.pkey, self.x509


def text_crlf(text: str | bytes) -> bytes:
    """Return text as a text/plain entity with CRLF line ends (RFC 8551, section 3.1.1)."""
    data = text.encode() if isinstance(text, str) else text
    return text_crlf_bio(BIO.MemoryBuffer(data)).read() or b""


def text_crlf_bio(bio_in: BIO.BIO) -> BIO.MemoryBuffer:
    """Return a BIO of what `text_crlf` returns for the content of `bio_in`."""
    out = BIO.MemoryBuffer()
    m2.smime_crlf_copy(handle_of(bio_in), out._ptr(), PKCS7_TEXT)
    return out
