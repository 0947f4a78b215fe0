"""RSA keys, encryption and signatures (RFC 8017; EVP_PKEY-RSA(7)).

`RSA` is a key pair, `RSA_pub` a public key. The numbers `e` and `n` are bytes in MPI format
(BN_bn2mpi(3)).
"""

from __future__ import annotations

import warnings

from M2Crypto import BIO, Err, _algorithms, _keys, _pem, m2, util
from M2Crypto._arguments import handle_of
from M2Crypto._errors import RSAError
from M2Crypto._typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Callable, NoReturn

    from M2Crypto._m2crypto import EVP_MD, Buffer, m2_rsa

__all__ = [
    "RSA",
    "DigestLengthWarning",
    "RSAError",
    "RSA_pub",
    "gen_key",
    "keygen_callback",
    "load_key",
    "load_key_bio",
    "load_key_string",
    "load_pub_key",
    "load_pub_key_bio",
    "new_pub_key",
    "no_padding",
    "pkcs1_oaep_padding",
    "pkcs1_padding",
    "pkcs1_pss_padding",
    "rsa_error",
    "sslv23_padding",
]

no_padding: int = m2.no_padding
pkcs1_padding: int = m2.pkcs1_padding
sslv23_padding: int = m2.sslv23_padding
pkcs1_oaep_padding: int = m2.pkcs1_oaep_padding
pkcs1_pss_padding: int = m2.pkcs1_pss_padding


class DigestLengthWarning(UserWarning):
    """The data to sign or verify do not have the length of the algorithm's digest.

    `warnings.simplefilter("error", DigestLengthWarning)` turns it into an exception.
    """


def rsa_error() -> NoReturn:
    """Raise RSAError for the oldest error in OpenSSL's queue."""
    raise RSAError(Err.get_error_message())


class RSA(_pem.PrivateKey):
    """An RSA key pair. Its PEM is PKCS #1 (RFC 8017, appendix A.1.2). `_pyfree` is ignored.

    On OpenSSL 3.0 to 3.5 threads that sign or decrypt with a key at once use up to seven copies of
    it, which are in memory until the key is freed: OpenSSL blinds under a lock of the key.
    """

    def __init__(self, rsa: m2_rsa, _pyfree: int = 0) -> None:
        self.rsa = rsa
        self._pyfree = 1
        self._ex_data: dict[int, object] = {}

    def __copy__(self) -> RSA:
        copied = super().__copy__()
        copied._ex_data = dict(self._ex_data)
        return copied

    def __repr__(self) -> str:
        try:
            part = "private" if m2.rsa_is_private(self.rsa) else "public"
            what = f"{part} key of {len(self)} bits"
        except RSAError:
            what = "incomplete key"
        return f"<M2Crypto.RSA.{type(self).__name__}: {what}>"

    def _ptr(self) -> m2_rsa:
        return self.rsa

    @property
    def e(self) -> bytes:
        """The public exponent in MPI format."""
        return m2.rsa_get_e(self.rsa)

    @e.setter
    def e(self, number: object) -> None:
        raise RSAError("the values of a key cannot be changed; create another key with new_pub_key")

    @property
    def n(self) -> bytes:
        """The modulus in MPI format."""
        return m2.rsa_get_n(self.rsa)

    @n.setter
    def n(self, number: object) -> None:
        raise RSAError("the values of a key cannot be changed; create another key with new_pub_key")

    def __len__(self) -> int:
        """Return the number of bits of the modulus, rounded up to whole bytes."""
        return m2.rsa_size(self.rsa) * 8

    def pub(self) -> tuple[bytes, bytes]:
        """Return the public key: `e` and `n`."""
        return self.e, self.n

    def public_encrypt(
        self,
        data: Buffer,
        padding: int,
        md: str | None = None,
        mgf1_md: str | None = None,
        label: Buffer | None = None,
    ) -> bytes:
        """Encrypt with the public key (RFC 8017, section 7).

        Args:
            data: at most as long as the modulus without the padding.
            padding: `pkcs1_oaep_padding` for new applications.
            md: the digest of OAEP, by default SHA-1.
            mgf1_md: the digest of its mask generation function MGF1, by default `md`.
            label: the label of OAEP (RFC 8017, section 7.1.1).

        Raises:
            RSAError: the data are too long, or the padding is unknown or has no digest and label.
        """
        if md is None and mgf1_md is None and label is None:
            return m2.rsa_public_encrypt(self.rsa, data, padding)
        return m2.rsa_public_encrypt_oaep(self.rsa, data, padding, *_oaep(md, mgf1_md), label)

    def public_decrypt(self, data: Buffer, padding: int) -> bytes:
        """Reverse `private_encrypt` (EVP_PKEY_verify_recover(3)).

        Raises:
            RSAError: the data are not from the private key, or have another padding.
        """
        return m2.rsa_public_decrypt(self.rsa, data, padding)

    def private_encrypt(self, data: Buffer, padding: int) -> bytes:
        """Apply the private key to data without a digest. To sign, use `sign`.

        Raises:
            RSAError: there is no private key, the data are too long, or the padding is unknown.
        """
        return m2.rsa_private_encrypt(self.rsa, data, padding)

    def private_decrypt(
        self,
        data: Buffer,
        padding: int,
        md: str | None = None,
        mgf1_md: str | None = None,
        label: Buffer | None = None,
    ) -> bytes:
        """Decrypt with the private key; the arguments are those of `public_encrypt`.

        Raises:
            RSAError: there is no private key, or the padding is invalid. With `pkcs1_padding`
                OpenSSL 3.2 and later return random bytes instead (EVP_PKEY_decrypt(3)).
        """
        if md is None and mgf1_md is None and label is None:
            return m2.rsa_private_decrypt(self.rsa, data, padding)
        return m2.rsa_private_decrypt_oaep(self.rsa, data, padding, *_oaep(md, mgf1_md), label)

    def _write_private(
        self, bio: BIO.BIO, cipher: str | None, callback: util.PassphraseCallback
    ) -> int:
        encryption = _pem.cipher(cipher, RSAError)
        return m2.rsa_write_key(self.rsa, handle_of(bio), encryption, callback)

    save_pem = _pem.PrivateKey.save_key

    def save_key_der_bio(self, bio: BIO.BIO) -> int:
        """Save the private key unencrypted in DER (PKCS #1) into a BIO, and return 1."""
        return m2.rsa_write_key_der(self.rsa, handle_of(bio))

    def save_key_der(self, file: str | bytes) -> int:
        """Save the private key unencrypted in DER into a file of mode 0600, and return 1."""
        bio = BIO.MemoryBuffer()
        self.save_key_der_bio(bio)
        return util.save_private(file, bio.read())

    def save_pub_key_bio(self, bio: BIO.BIO) -> int:
        """Save the public key as PEM (SubjectPublicKeyInfo) into a BIO and return 1."""
        return m2.rsa_write_pub_key(self.rsa, handle_of(bio))

    def save_pub_key(self, file: str | bytes) -> int:
        """Save the public key as PEM into a file and return 1."""
        with BIO.openfile(file, "wb") as bio:
            return self.save_pub_key_bio(bio)

    def check_key(self) -> int:
        """Return 1 if the key is valid (EVP_PKEY_check(3)), else 0.

        Raises:
            RSAError: there is no private key.
        """
        return m2.rsa_check_key(self.rsa)

    def sign_rsassa_pss(
        self,
        digest: Buffer,
        algo: str = "sha256",
        salt_length: _keys.SaltLength = 20,
        mgf1_md: str | None = None,
    ) -> bytes:
        """Sign a digest by RSASSA-PSS (RFC 8017, section 8.1).

        Args:
            digest: the digest, not the message.
            algo: the digest's algorithm.
            salt_length: bytes of salt; `digest` (-1) for the length of the digest, `auto` (-2) or
                `max` (-3) for the maximum.
            mgf1_md: the digest of the mask generation function MGF1, by default `algo`.

        Raises:
            RSAError: the algorithm is unknown, the digest has another length, or the key is too
                short.
        """
        return m2.rsa_sign_pss(
            self.rsa,
            digest,
            _algorithms.digest(algo, RSAError),
            _keys.salt_length(salt_length, RSAError),
            _keys.digest(mgf1_md, RSAError),
        )

    def verify_rsassa_pss(
        self,
        data: Buffer,
        signature: Buffer,
        algo: str = "sha256",
        salt_length: _keys.SaltLength = 20,
        mgf1_md: str | None = None,
    ) -> int:
        """Return 1 if `signature` is the RSASSA-PSS signature of the digest `data`, else 0.

        The other arguments are those of `sign_rsassa_pss`. The salt length `auto` accepts any.

        Raises:
            RSAError: the algorithm is unknown.
        """
        return m2.rsa_verify_pss(
            self.rsa,
            data,
            signature,
            _algorithms.digest(algo, RSAError),
            _keys.salt_length(salt_length, RSAError),
            _keys.digest(mgf1_md, RSAError),
        )

    def sign(self, digest: Buffer, algo: str = "sha256") -> bytes:
        """Sign a digest by RSASSA-PKCS1-v1_5 (RFC 8017, section 8.2).

        Args:
            digest: the digest, not the message. If it has another length than the algorithm's, a
                DigestLengthWarning is issued, and the DigestInfo contains it unchanged.
            algo: the digest's algorithm.

        Raises:
            ValueError: the algorithm is unknown.
            RSAError: there is no private key, or the modulus is too short for the digest.
        """
        md = _algorithms.digest(algo, ValueError)
        _warn_of_length(digest, md, algo)
        return m2.rsa_sign(self.rsa, digest, md)

    def verify(self, data: Buffer, signature: Buffer, algo: str = "sha256") -> int:
        """Verify the RSASSA-PKCS1-v1_5 signature of the digest `data`.

        A digest of another length than the algorithm's is processed as by `sign`.

        Returns:
            1.

        Raises:
            ValueError: the algorithm is unknown.
            RSAError: the signature does not verify.
        """
        md = _algorithms.digest(algo, ValueError)
        _warn_of_length(data, md, algo)
        return m2.rsa_verify(self.rsa, data, signature, md)

    def set_ex_data(self, index: int, data: object) -> int:
        """Store an object under an index, and return 1."""
        self._ex_data[index] = data
        return 1

    def get_ex_data(self, index: int) -> object:
        """Return the object that `set_ex_data` stored under an index, or None."""
        return self._ex_data.get(index)


class RSA_pub(RSA):
    """An RSA public key."""

    def private_encrypt(self, *argv: object) -> NoReturn:
        """Raise RSAError, because there is no private key."""
        raise RSAError("an RSA_pub has no private key to encrypt with")

    def private_decrypt(self, *argv: object) -> NoReturn:
        """Raise RSAError, because there is no private key."""
        raise RSAError("an RSA_pub has no private key to decrypt with")

    def save_key(self, file: str | bytes, *args: object, **kw: object) -> int:
        """Save the public key as PEM into a file and return 1."""
        return self.save_pub_key(file)

    def save_key_bio(self, bio: BIO.BIO, *args: object, **kw: object) -> int:
        """Save the public key as PEM into a BIO and return 1."""
        return self.save_pub_key_bio(bio)

    def as_pem(self, *args: object, **kw: object) -> bytes:
        """Return the public key as PEM (SubjectPublicKeyInfo). Arguments are ignored."""
        bio = BIO.MemoryBuffer()
        self.save_pub_key_bio(bio)
        return bio.read()

    def check_key(self) -> int:
        """Return 1 if the numbers can be a public key (RFC 8017, section 3.1), else 0."""
        return m2.rsa_check_pub_key(self.rsa)


def _oaep(md: str | None, mgf1_md: str | None) -> tuple[EVP_MD | None, EVP_MD | None]:
    return _keys.digest(md, RSAError), _keys.digest(mgf1_md, RSAError)


def _warn_of_length(digest: Buffer, md: EVP_MD, algo: str) -> None:
    length = memoryview(digest).nbytes
    if length != m2.md_size(md):
        message = f"{length} bytes are not a {algo} digest, which has {m2.md_size(md)}"
        warnings.warn(message, DigestLengthWarning, stacklevel=3)


def keygen_callback(p: int, n: int) -> None:
    """Print the progress of a generation, whose phase is `p` (0 to 3), to standard output."""
    util.genparam_callback(p, n)


def gen_key(bits: int, e: int, callback: Callable[..., object] | None = keygen_callback) -> RSA:
    """Generate a key pair (EVP_PKEY_keygen(3)).

    Args:
        bits: the bits of the modulus.
        e: the public exponent, normally 65537.
        callback: the progress callback (`util.progress_callback`), or None. An exception that it
            raises ends the generation and propagates.

    Raises:
        RSAError: the modulus is too short or the exponent is even or too small.
    """
    return RSA(m2.rsa_generate_key(bits, e, util.progress_callback(callback)), 1)


def load_key(
    file: str | bytes, callback: util.PassphraseCallback | None = util.passphrase_callback
) -> RSA:
    """Load a key pair from a PEM file (PKCS #1 or #8).

    Raises:
        BIOError: the file cannot be read.
        RSAError: it has no private RSA key, or the passphrase is wrong.
    """
    with BIO.openfile(file, "rb") as bio:
        return load_key_bio(bio, callback)


def load_key_bio(
    bio: BIO.BIO, callback: util.PassphraseCallback | None = util.passphrase_callback
) -> RSA:
    """Load a key pair in PEM from a BIO; see `load_key`."""
    return RSA(m2.rsa_read_key(handle_of(bio), callback), 1)


def load_key_string(
    string: bytes | str, callback: util.PassphraseCallback | None = util.passphrase_callback
) -> RSA:
    """Load a key pair in PEM from bytes; see `load_key`."""
    return load_key_bio(_pem.bio_of(string), callback)


def load_pub_key(file: str | bytes) -> RSA_pub:
    """Load a public key from a PEM file (SubjectPublicKeyInfo).

    Raises:
        BIOError: the file cannot be read.
        RSAError: it has no public RSA key.
    """
    with BIO.openfile(file, "rb") as bio:
        return load_pub_key_bio(bio)


def load_pub_key_bio(bio: BIO.BIO) -> RSA_pub:
    """Load a public key in PEM from a BIO; see `load_pub_key`."""
    return RSA_pub(m2.rsa_read_pub_key(handle_of(bio)), 1)


def new_pub_key(e_n: tuple[Buffer, Buffer]) -> RSA_pub:
    """Return the public key with an exponent and a modulus in MPI format.

    Raises:
        RSAError: a number is malformed or out of range.
    """
    e, n = e_n
    rsa = m2.rsa_new()
    m2.rsa_set_en(rsa, e, n)
    return RSA_pub(rsa, 1)
