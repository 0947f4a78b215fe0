"""RSA keys: making, loading and saving them; encrypting, signing (RFC 8017; EVP_PKEY-RSA(7)).

`RSA` is a key pair, `RSA_pub` a public key. The numbers `e` and `n` are bytes in OpenSSL's MPI
format: four bytes of length, then the number, the highest byte first.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Callable, NoReturn

from M2Crypto import BIO, Err, _algorithms, _pem, m2, util
from M2Crypto._errors import RSAError

if TYPE_CHECKING:
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
    "rsa_error",
    "sslv23_padding",
]

no_padding: int = m2.no_padding
pkcs1_padding: int = m2.pkcs1_padding
sslv23_padding: int = m2.sslv23_padding
pkcs1_oaep_padding: int = m2.pkcs1_oaep_padding


class DigestLengthWarning(UserWarning):
    """The data signed or verified do not have the length of the algorithm's digest.

    `warnings.simplefilter("error", DigestLengthWarning)` makes it an exception.
    """


def rsa_error() -> NoReturn:
    """Raise what stands in the error queue as an RSAError."""
    raise RSAError(Err.get_error_message())


class RSA(_pem.PrivateKey):
    """An RSA key pair on an `m2` handle; its PEM is PKCS #1 (RFC 8017, A.1.2).

    `_pyfree` is for compatibility: the handle frees itself.
    """

    def __init__(self, rsa: m2_rsa, _pyfree: int = 0) -> None:
        self.rsa = rsa
        self._pyfree = 1
        self._ex_data: dict[int, object] = {}

    def _ptr(self) -> m2_rsa:
        return self.rsa

    @property
    def e(self) -> bytes:
        """The public exponent, as MPI."""
        return m2.rsa_get_e(self.rsa)

    @e.setter
    def e(self, number: object) -> None:
        raise RSAError("the numbers of a key do not change: make another with new_pub_key")

    @property
    def n(self) -> bytes:
        """The modulus, as MPI."""
        return m2.rsa_get_n(self.rsa)

    @n.setter
    def n(self, number: object) -> None:
        raise RSAError("the numbers of a key do not change: make another with new_pub_key")

    def __len__(self) -> int:
        """Count the bits of the modulus, in whole bytes."""
        return m2.rsa_size(self.rsa) * 8

    def pub(self) -> tuple[bytes, bytes]:
        """Give the public key: `e` and `n`."""
        return self.e, self.n

    def public_encrypt(self, data: Buffer, padding: int) -> bytes:
        """Encrypt for the holder of the private key (RFC 8017, 7).

        Args:
            data: at most as long as the modulus, less what the padding needs.
            padding: `pkcs1_oaep_padding` for anything new.

        Raises:
            RSAError: the data are too long, or the padding is unknown.
        """
        return m2.rsa_public_encrypt(self.rsa, data, padding)

    def public_decrypt(self, data: Buffer, padding: int) -> bytes:
        """Undo `private_encrypt` (EVP_PKEY_verify_recover(3)).

        Raises:
            RSAError: it is not from the private key, or padded otherwise.
        """
        return m2.rsa_public_decrypt(self.rsa, data, padding)

    def private_encrypt(self, data: Buffer, padding: int) -> bytes:
        """Apply the private key to data, without a digest; to sign, use `sign`.

        Raises:
            RSAError: there is no private key, the data are too long, or the padding is unknown.
        """
        return m2.rsa_private_encrypt(self.rsa, data, padding)

    def private_decrypt(self, data: Buffer, padding: int) -> bytes:
        """Undo `public_encrypt`.

        Raises:
            RSAError: there is no private key, or it is not the one. With `pkcs1_padding` OpenSSL
                3.2 and later give random bytes instead, so that nobody learns from the error.
        """
        return m2.rsa_private_decrypt(self.rsa, data, padding)

    def _write_private(
        self, bio: BIO.BIO, cipher: str | None, callback: util.PassphraseCallback
    ) -> int:
        encryption = _pem.cipher(cipher, RSAError)
        return m2.rsa_write_key(self.rsa, bio._ptr(), encryption, callback)

    save_pem = _pem.PrivateKey.save_key

    def save_key_der_bio(self, bio: BIO.BIO) -> int:
        """Save the private key as DER (PKCS #1), not encrypted, into a BIO: 1."""
        return m2.rsa_write_key_der(self.rsa, bio._ptr())

    def save_key_der(self, file: str | bytes) -> int:
        """Save the private key as DER, not encrypted, into a file for its owner alone: 1."""
        bio = BIO.MemoryBuffer()
        self.save_key_der_bio(bio)
        return util.save_private(file, bio.read())

    def save_pub_key_bio(self, bio: BIO.BIO) -> int:
        """Save the public key as PEM (subjectPublicKeyInfo) into a BIO: 1."""
        return m2.rsa_write_pub_key(self.rsa, bio._ptr())

    def save_pub_key(self, file: str | bytes) -> int:
        """Save the public key as PEM into a file: 1."""
        with BIO.openfile(file, "wb") as bio:
            return self.save_pub_key_bio(bio)

    def check_key(self) -> int:
        """Do the key's numbers agree (EVP_PKEY_check(3))? 1, or 0.

        Raises:
            RSAError: there is no private key.
        """
        return m2.rsa_check_key(self.rsa)

    def sign_rsassa_pss(self, digest: Buffer, algo: str = "sha256", salt_length: int = 20) -> bytes:
        """Sign a digest by RSASSA-PSS (RFC 8017, 8.1), with MGF1 on the same algorithm.

        Args:
            digest: the digest, not the message.
            algo: the algorithm that made it.
            salt_length: bytes of salt; -1 is as many as the digest has, -2 as many as fit.

        Raises:
            RSAError: the algorithm is unknown, the digest is not its length, or the key too short.
        """
        return m2.rsa_sign_pss(self.rsa, digest, _algorithms.digest(algo, RSAError), salt_length)

    def verify_rsassa_pss(
        self, data: Buffer, signature: Buffer, algo: str = "sha256", salt_length: int = 20
    ) -> int:
        """Is it the key's RSASSA-PSS signature of the digest `data`? 1, or 0.

        Raises:
            RSAError: the algorithm is unknown.
        """
        return m2.rsa_verify_pss(
            self.rsa, data, signature, _algorithms.digest(algo, RSAError), salt_length
        )

    def sign(self, digest: Buffer, algo: str = "sha256") -> bytes:
        """Sign a digest by RSASSA-PKCS1-v1_5 (RFC 8017, section 8.2).

        Args:
            digest: the digest, not the message. One of another length than the algorithm's is put
                into the DigestInfo as it is, with a DigestLengthWarning.
            algo: the algorithm that made it.

        Raises:
            ValueError: the algorithm is unknown.
            RSAError: there is no private key, or the modulus is too short for the digest.
        """
        md = _algorithms.digest(algo, ValueError)
        _warn_of_length(digest, md, algo)
        return m2.rsa_sign(self.rsa, digest, md)

    def verify(self, data: Buffer, signature: Buffer, algo: str = "sha256") -> int:
        """Verify the key's RSASSA-PKCS1-v1_5 signature of the digest `data`.

        A digest of another length than the algorithm's is verified as `sign` signs it, with a
        DigestLengthWarning.

        Returns:
            1.

        Raises:
            ValueError: the algorithm is unknown.
            RSAError: the signature is not the key's over this digest.
        """
        md = _algorithms.digest(algo, ValueError)
        _warn_of_length(data, md, algo)
        return m2.rsa_verify(self.rsa, data, signature, md)

    def set_ex_data(self, index: int, data: object) -> int:
        """Keep anything with this object, under a number: 1."""
        self._ex_data[index] = data
        return 1

    def get_ex_data(self, index: int) -> object:
        """Give what `set_ex_data` has kept under a number; None when nothing was."""
        return self._ex_data.get(index)


class RSA_pub(RSA):
    """An RSA public key."""

    def private_encrypt(self, *argv: object) -> NoReturn:
        """Raise RSAError: that needs the private key."""
        raise RSAError("an RSA_pub has no private key to encrypt with")

    def private_decrypt(self, *argv: object) -> NoReturn:
        """Raise RSAError: that needs the private key."""
        raise RSAError("an RSA_pub has no private key to decrypt with")

    def save_key(self, file: str | bytes, *args: object, **kw: object) -> int:
        """Save the public key as PEM into a file: 1."""
        return self.save_pub_key(file)

    def save_key_bio(self, bio: BIO.BIO, *args: object, **kw: object) -> int:
        """Save the public key as PEM into a BIO: 1."""
        return self.save_pub_key_bio(bio)

    def as_pem(self, *args: object, **kw: object) -> bytes:
        """Return the public key as PEM (subjectPublicKeyInfo); arguments are ignored."""
        bio = BIO.MemoryBuffer()
        self.save_pub_key_bio(bio)
        return bio.read()

    def check_key(self) -> int:
        """Can these be an RSA public key's numbers (RFC 8017, 3.1)? 1, or 0."""
        return m2.rsa_check_pub_key(self.rsa)


def _warn_of_length(digest: Buffer, md: EVP_MD, algo: str) -> None:
    length = memoryview(digest).nbytes
    if length != m2.md_size(md):
        message = f"{length} bytes are not a {algo} digest, which has {m2.md_size(md)}"
        warnings.warn(message, DigestLengthWarning, stacklevel=3)


def keygen_callback(p: int, n: int) -> None:
    """Show on standard output how a generation goes on: `p` is what is being done (0 to 3)."""
    util.genparam_callback(p, n)


def gen_key(bits: int, e: int, callback: Callable[..., object] | None = keygen_callback) -> RSA:
    """Generate a key pair (EVP_PKEY_keygen(3)).

    Args:
        bits: of the modulus.
        e: the public exponent; 65537 unless something else is needed.
        callback: called as the generation proceeds, or None. `util.progress_callback` describes
            its arguments. An exception in it ends the generation and propagates.

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
        RSAError: it holds no private RSA key, or the passphrase is wrong.
    """
    with BIO.openfile(file, "rb") as bio:
        return load_key_bio(bio, callback)


def load_key_bio(
    bio: BIO.BIO, callback: util.PassphraseCallback | None = util.passphrase_callback
) -> RSA:
    """Load a key pair in PEM from a BIO; see `load_key`."""
    return RSA(m2.rsa_read_key(bio._ptr(), callback), 1)


def load_key_string(
    string: bytes | str, callback: util.PassphraseCallback | None = util.passphrase_callback
) -> RSA:
    """Load a key pair in PEM from bytes; see `load_key`."""
    return load_key_bio(_pem.bio_of(string), callback)


def load_pub_key(file: str | bytes) -> RSA_pub:
    """Load a public key from a PEM file (subjectPublicKeyInfo).

    Raises:
        BIOError: the file cannot be read.
        RSAError: it holds no public RSA key.
    """
    with BIO.openfile(file, "rb") as bio:
        return load_pub_key_bio(bio)


def load_pub_key_bio(bio: BIO.BIO) -> RSA_pub:
    """Load a public key in PEM from a BIO; see `load_pub_key`."""
    return RSA_pub(m2.rsa_read_pub_key(bio._ptr()), 1)


def new_pub_key(e_n: tuple[Buffer, Buffer]) -> RSA_pub:
    """Make a public key of its exponent and modulus, each as MPI.

    Raises:
        RSAError: they are no such numbers.
    """
    e, n = e_n
    rsa = m2.rsa_new()
    m2.rsa_set_en(rsa, e, n)
    return RSA_pub(rsa, 1)
