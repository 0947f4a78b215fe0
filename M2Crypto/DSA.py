"""DSA parameters, keys and signatures (FIPS 186-4; EVP_PKEY-DSA(7)).

`DSA` holds parameters or a key pair, `DSA_pub` a public key. Numbers are bytes in MPI format
(BN_bn2mpi(3)). FIPS 186-5 no longer approves signing by DSA. With an OpenSSL that was built without
DSA the module can be imported, and its functions raise `DSAError`.
"""

from __future__ import annotations

from M2Crypto import BIO, _features, _pem, util
from M2Crypto._arguments import handle_of
from M2Crypto._errors import DSAError
from M2Crypto._typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any, Callable, NoReturn

    from M2Crypto._m2crypto import Buffer, m2_dsa

__all__ = [
    "DSA",
    "DSAError",
    "DSA_pub",
    "gen_params",
    "load_key",
    "load_key_bio",
    "load_params",
    "load_params_bio",
    "load_pub_key",
    "load_pub_key_bio",
    "pub_key_from_params",
    "set_params",
]

dsa_m2: Any = _features.m2_with("DSA", DSAError)


class DSA(_pem.PrivateKey):
    """Parameters or a key pair. Its PEM is OpenSSL's traditional format. `_pyfree` is ignored."""

    def __init__(self, dsa: m2_dsa, _pyfree: int = 0) -> None:
        self.dsa = dsa
        self._pyfree = 1

    def __copy__(self) -> DSA:
        copied = super().__copy__()
        copied.dsa = dsa_m2.dsa_dup(self.dsa)
        return copied

    def __repr__(self) -> str:
        try:
            what = f"{len(self)} bits"
        except DSAError:
            what = "no parameters"
        return f"<M2Crypto.DSA.{type(self).__name__}: {what}>"

    def _ptr(self) -> m2_dsa:
        return self.dsa

    @property
    def p(self) -> bytes:
        """The prime modulus in MPI format."""
        number: bytes = dsa_m2.dsa_get_p(self.dsa)
        return number

    @property
    def q(self) -> bytes:
        """The order in MPI format."""
        number: bytes = dsa_m2.dsa_get_q(self.dsa)
        return number

    @property
    def g(self) -> bytes:
        """The generator in MPI format."""
        number: bytes = dsa_m2.dsa_get_g(self.dsa)
        return number

    @property
    def pub(self) -> bytes:
        """The public key in MPI format."""
        number: bytes = dsa_m2.dsa_get_pub(self.dsa)
        return number

    @property
    def priv(self) -> bytes:
        """The private key in MPI format."""
        number: bytes = dsa_m2.dsa_get_priv(self.dsa)
        return number

    def __len__(self) -> int:
        """Return the number of bits of the prime p."""
        length: int = dsa_m2.dsa_keylen(self.dsa)
        return length

    def set_params(self, p: Buffer, q: Buffer, g: Buffer) -> int:
        """Set the parameters, which removes the keys, and return 1.

        Raises:
            DSAError: a number is malformed or out of range.
        """
        status: int = dsa_m2.dsa_set_pqg(self.dsa, p, q, g)
        return status

    def gen_key(self) -> int:
        """Generate a key pair with the parameters (EVP_PKEY_keygen(3)), and return 1.

        Raises:
            DSAError: there are no parameters.
        """
        status: int = dsa_m2.dsa_gen_key(self.dsa)
        return status

    def save_params(self, filename: str | bytes) -> int:
        """Save the parameters as PEM into a file and return 1."""
        with BIO.openfile(filename, "wb") as bio:
            return self.save_params_bio(bio)

    def save_params_bio(self, bio: BIO.BIO) -> int:
        """Save the parameters as PEM into a BIO and return 1."""
        status: int = dsa_m2.dsa_write_params_bio(self.dsa, handle_of(bio))
        return status

    def save_key(
        self,
        filename: str | bytes,
        cipher: str | None = "aes_128_cbc",
        callback: util.PassphraseCallback = util.passphrase_callback,
    ) -> int:
        """Save the private key as PEM into a file of mode 0600; see `save_key_bio`."""
        return super().save_key(filename, cipher, callback)

    def _write_private(
        self, bio: BIO.BIO, cipher: str | None, callback: util.PassphraseCallback
    ) -> int:
        encryption = _pem.cipher(cipher, DSAError)
        status: int = dsa_m2.dsa_write_key_bio(self.dsa, handle_of(bio), encryption, callback)
        return status

    def save_pub_key(self, filename: str | bytes) -> int:
        """Save the public key as PEM into a file and return 1."""
        with BIO.openfile(filename, "wb") as bio:
            return self.save_pub_key_bio(bio)

    def save_pub_key_bio(self, bio: BIO.BIO) -> int:
        """Save the public key as PEM (SubjectPublicKeyInfo) into a BIO and return 1."""
        status: int = dsa_m2.dsa_write_pub_key_bio(self.dsa, handle_of(bio))
        return status

    def sign(self, digest: Buffer) -> tuple[bytes, bytes]:
        """Sign a digest.

        Returns:
            The numbers r and s in MPI format.

        Raises:
            DSAError: there is no private key.
        """
        numbers: tuple[bytes, bytes] = dsa_m2.dsa_sign(self.dsa, digest)
        return numbers

    def verify(self, digest: Buffer, r: Buffer, s: Buffer) -> int:
        """Return 1 if `r` and `s` are the signature of a digest by this key, else 0.

        Raises:
            DSAError: there is no public key, or a number is not in MPI format.
        """
        verdict: int = dsa_m2.dsa_verify(self.dsa, digest, r, s)
        return verdict

    def sign_asn1(self, digest: Buffer) -> bytes:
        """Sign a digest and return the signature in DER (RFC 3279, section 2.2.2).

        Raises:
            DSAError: there is no private key.
        """
        signature: bytes = dsa_m2.dsa_sign_asn1(self.dsa, digest)
        return signature

    def verify_asn1(self, digest: Buffer, blob: Buffer) -> int:
        """Return 1 if `blob` is the signature of a digest by this key, else 0.

        Raises:
            DSAError: there is no public key, or the signature is not DER.
        """
        verdict: int = dsa_m2.dsa_verify_asn1(self.dsa, digest, blob)
        return verdict

    def check_key(self) -> int:
        """Return 1 if the private and the public key fit each other and the parameters, else 0.

        Raises:
            DSAError: there is no private key.
        """
        verdict: int = dsa_m2.dsa_check_key(self.dsa)
        return verdict


class DSA_pub(DSA):
    """A public key."""

    def sign(self, digest: Buffer = b"") -> NoReturn:
        """Raise DSAError, because there is no private key."""
        raise DSAError("a DSA_pub has no private key to sign with")

    sign_asn1 = sign

    def save_key(self, filename: str | bytes, *args: object, **kw: object) -> int:  # type: ignore[override]
        """Save the public key as PEM into a file and return 1."""
        return self.save_pub_key(filename)

    def save_key_bio(self, bio: BIO.BIO, *args: object, **kw: object) -> int:
        """Save the public key as PEM into a BIO and return 1."""
        return self.save_pub_key_bio(bio)

    def as_pem(self, *args: object, **kw: object) -> bytes:
        """Return the public key as PEM (SubjectPublicKeyInfo). Arguments are ignored."""
        bio = BIO.MemoryBuffer()
        self.save_pub_key_bio(bio)
        return bio.read()

    def check_key(self) -> int:
        """Return 1 if the public key fits the parameters, else 0."""
        verdict: int = dsa_m2.dsa_check_pub_key(self.dsa)
        return verdict


def gen_params(bits: int, callback: Callable[..., object] | None = util.genparam_callback) -> DSA:
    """Generate parameters (EVP_PKEY_paramgen(3)).

    Args:
        bits: the bits of the prime p, from 512; q has 256 bits for 2048 bits or more, else 160.
        callback: the progress callback (`util.progress_callback`), or None. An exception that it
            raises ends the generation and propagates.

    Raises:
        DSAError: there are no parameters of this length.
    """
    return DSA(dsa_m2.dsa_generate_parameters(bits, util.progress_callback(callback)), 1)


def set_params(p: Buffer, q: Buffer, g: Buffer) -> DSA:
    """Return parameters from numbers in MPI format.

    Raises:
        DSAError: a number is malformed or out of range.
    """
    dsa = dsa_m2.dsa_new()
    dsa_m2.dsa_set_pqg(dsa, p, q, g)
    return DSA(dsa, 1)


def load_params(
    file: str | bytes, callback: util.PassphraseCallback | None = util.passphrase_callback
) -> DSA:
    """Load parameters from a PEM file.

    Raises:
        BIOFileError: the file cannot be read.
        DSAError: it has no DSA parameters.
    """
    with BIO.openfile(file, "rb") as bio:
        return load_params_bio(bio, callback)


def load_params_bio(
    bio: BIO.BIO, callback: util.PassphraseCallback | None = util.passphrase_callback
) -> DSA:
    """Load parameters in PEM from a BIO; see `load_params`."""
    return DSA(dsa_m2.dsa_read_params(handle_of(bio), callback), 1)


def load_key(
    file: str | bytes, callback: util.PassphraseCallback | None = util.passphrase_callback
) -> DSA:
    """Load a key pair from a PEM file (traditional or PKCS #8).

    Raises:
        BIOFileError: the file cannot be read.
        PassphraseError: the passphrase is wrong or was not given; a DSAError, too.
        KeyTypeError: the key is not a DSA key; a DSAError, too.
        DSAError: the file has no private key.
    """
    with BIO.openfile(file, "rb") as bio:
        return load_key_bio(bio, callback)


def load_key_bio(
    bio: BIO.BIO, callback: util.PassphraseCallback | None = util.passphrase_callback
) -> DSA:
    """Load a key pair in PEM from a BIO; see `load_key`."""
    return DSA(dsa_m2.dsa_read_key(handle_of(bio), callback), 1)


def pub_key_from_params(p: Buffer, q: Buffer, g: Buffer, pub: Buffer) -> DSA_pub:
    """Return the public key from numbers in MPI format.

    Raises:
        DSAError: a number is malformed or out of range.
    """
    dsa = dsa_m2.dsa_new()
    dsa_m2.dsa_set_pqg(dsa, p, q, g)
    dsa_m2.dsa_set_pub(dsa, pub)
    return DSA_pub(dsa, 1)


def load_pub_key(
    file: str | bytes, callback: util.PassphraseCallback | None = util.passphrase_callback
) -> DSA_pub:
    """Load a public key from a PEM file (SubjectPublicKeyInfo).

    Raises:
        BIOFileError: the file cannot be read.
        KeyTypeError: the key is not a DSA key; a DSAError, too.
        DSAError: the file has no public key.
    """
    with BIO.openfile(file, "rb") as bio:
        return load_pub_key_bio(bio, callback)


def load_pub_key_bio(
    bio: BIO.BIO, callback: util.PassphraseCallback | None = util.passphrase_callback
) -> DSA_pub:
    """Load a public key in PEM from a BIO; see `load_pub_key`."""
    return DSA_pub(dsa_m2.dsa_read_pub_key(handle_of(bio), callback), 1)
