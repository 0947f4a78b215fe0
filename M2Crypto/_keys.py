"""What a key of any type can do with one call; `EVP.PKey` inherits it."""

from __future__ import annotations

from M2Crypto import _algorithms, m2, util
from M2Crypto._arguments import handle_of
from M2Crypto._errors import EVPError
from M2Crypto._typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any, Union

    from M2Crypto._m2crypto import EVP_MD, EVP_PKEY, Buffer

    # A number of bytes, or a name of SALT_LENGTHS.
    SaltLength = Union[int, str]

# EVP_PKEY_CTX_set_rsa_pss_saltlen(3).
SALT_LENGTHS = {"digest": -1, "auto": -2, "max": -3}


def salt_length(length: SaltLength, error: type[Exception]) -> int:
    """Return OpenSSL's number for the salt length of RSASSA-PSS.

    Raises:
        error: the name is unknown.
    """
    if isinstance(length, int):
        return length
    if length not in SALT_LENGTHS:
        raise error(f"unknown salt length: {length!r} is not digest, auto, max or a number")
    return SALT_LENGTHS[length]


def digest(name: str | None, error: type[Exception]) -> EVP_MD | None:
    """Return the digest called `name`, or None for None."""
    return None if name is None else _algorithms.digest(name, error)


class Operations:
    """The properties and operations of a key handle, `pkey`."""

    pkey: EVP_PKEY

    def _ptr(self) -> EVP_PKEY:
        return self.pkey

    @property
    def algorithm(self) -> str:
        """The name of the key's type, such as `RSA`, `ED25519` or `ML-KEM-768`; empty if none."""
        return m2.pkey_type_name(self.pkey)

    @property
    def bits(self) -> int:
        """The length of the key in bits (EVP_PKEY_get_bits(3)).

        Raises:
            EVPError: there is no key.
        """
        return m2.pkey_bits(self.pkey)

    @property
    def security_bits(self) -> int:
        """The security strength in bits (EVP_PKEY_get_security_bits(3); SP 800-57).

        Raises:
            EVPError: there is no key.
        """
        return m2.pkey_security_bits(self.pkey)

    @property
    def is_private(self) -> bool:
        """Whether the private key is there and OpenSSL can export it."""
        return bool(m2.pkey_is_private(self.pkey))

    def __repr__(self) -> str:
        name = self.algorithm
        if not name:
            return "<M2Crypto.EVP.PKey: no key>"
        part = "private" if self.is_private else "public"
        return f"<M2Crypto.EVP.PKey: {part} {name} key>"

    def has_public_key_of(self, other: Operations) -> bool:
        """Return whether both keys have the same type and public key (EVP_PKEY_eq(3)).

        Raises:
            EVPError: one of them has no key.
        """
        return bool(m2.pkey_eq(self.pkey, handle_of(other)))

    def raw_private(self) -> bytes:
        """Return the octets of the private key (EVP_PKEY_get_raw_private_key(3)).

        That of an EC key is the private value in as many octets as the order (RFC 5915, section
        3), that of ML-KEM and ML-DSA the expanded key (FIPS 203, FIPS 204).

        Raises:
            EVPError: there is no private key, or its type has no raw encoding, such as RSA.
        """
        return m2.pkey_raw_private(self.pkey)

    def raw_public(self) -> bytes:
        """Return the octets of the public key (EVP_PKEY_get_raw_public_key(3)).

        That of an EC key is the point (SEC 1, section 2.3.3), that of a DH key the public value.

        Raises:
            EVPError: there is no key, or its type has no raw encoding, such as RSA.
        """
        return m2.pkey_raw_public(self.pkey)

    def private_der(
        self,
        cipher: str | None = "aes_256_cbc",
        callback: util.PassphraseCallback = util.passphrase_callback,
    ) -> bytes:
        """Return the private key in DER (PKCS #8, RFC 5958).

        Args:
            cipher: the cipher that encrypts the key; None leaves it unencrypted.
            callback: the passphrase callback.

        Raises:
            EVPError: there is no private key, the cipher is unknown or not supported, or the
                callback returned no passphrase.
        """
        encryption = None if cipher is None else _algorithms.cipher(cipher, EVPError)
        return m2.pkey_private_der(self.pkey, encryption, callback)

    def encrypt(
        self,
        data: Buffer,
        padding: int | None = None,
        md: str | None = None,
        mgf1_md: str | None = None,
        label: Buffer | None = None,
    ) -> bytes:
        """Encrypt with the public key (EVP_PKEY_encrypt(3)).

        Args:
            data: with RSA, at most as long as the modulus without the padding.
            padding: for RSA, a padding of the module RSA, by default `pkcs1_oaep_padding`.
            md: the digest of OAEP, by default SHA-256.
            mgf1_md: the digest of its mask generation function MGF1, by default `md`.
            label: the label of OAEP (RFC 8017, section 7.1.1).

        Raises:
            EVPError: the type of the key does not encrypt, the data are too long, or the padding
                is unknown or has no digest and label.
        """
        return m2.pkey_encrypt(self.pkey, data, *self._padding(padding, md, mgf1_md), label)

    def decrypt(
        self,
        data: Buffer,
        padding: int | None = None,
        md: str | None = None,
        mgf1_md: str | None = None,
        label: Buffer | None = None,
    ) -> bytes:
        """Decrypt with the private key; the arguments are those of `encrypt`.

        Raises:
            EVPError: there is no private key, or the padding is invalid. With `pkcs1_padding`
                OpenSSL 3.2 and later return random bytes instead (EVP_PKEY_decrypt(3)).
        """
        return m2.pkey_decrypt(self.pkey, data, *self._padding(padding, md, mgf1_md), label)

    def _padding(
        self, padding: int | None, md: str | None, mgf1_md: str | None
    ) -> tuple[int, Any, Any]:
        is_rsa = self.algorithm in ("RSA", "RSA-PSS")
        if padding is None:
            padding = m2.pkcs1_oaep_padding if is_rsa else 0
        if md is None and padding == m2.pkcs1_oaep_padding:
            md = "sha256"
        return padding, digest(md, EVPError), digest(mgf1_md, EVPError)

    def derive(self, peer: Operations) -> bytes:
        """Return the shared secret with the public key `peer` (EVP_PKEY_derive(3)).

        It is not uniformly random: derive keys from it by a KDF, such as HKDF.

        Raises:
            EVPError: there is no private key, the types or parameters of the keys differ, or
                `peer` is a point of small order (RFC 7748, section 6).
        """
        return m2.pkey_derive(self.pkey, handle_of(peer))

    def encapsulate(self) -> tuple[bytes, bytes]:
        """Return a ciphertext for the owner of the private key, and the secret in it.

        ML-KEM (FIPS 203) needs OpenSSL 3.5, DHKEM of X25519, X448 and EC keys (RFC 9180) 3.2, and
        RSASVE (SP 800-56B) 3.0.

        Raises:
            EVPError: the type of the key has no key encapsulation in this OpenSSL.
        """
        return m2.pkey_encapsulate(self.pkey)

    def decapsulate(self, ciphertext: Buffer) -> bytes:
        """Return the secret in a ciphertext of `encapsulate`.

        ML-KEM returns another secret for a ciphertext that was changed (FIPS 203, section 6.3).

        Raises:
            EVPError: there is no private key, or the ciphertext has another length.
        """
        return m2.pkey_decapsulate(self.pkey, ciphertext)
