"""Digests, HMAC, key derivation, ciphers, and keys of any type (evp(7)).

Algorithms have m2's names (`sha256`, `aes_128_cbc`) or OpenSSL's (`SHA2-256`, `aes-128-cbc`). Which
ones exist depends on OpenSSL: from 3.0 on MD4, RC4, DES and others are in the legacy provider
(OSSL_PROVIDER-legacy(7)), and using them raises `EVPError` unless it is loaded. Several threads can
use one object: calls that change it wait for each other, and the GIL is released for large data.
"""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING

from M2Crypto import BIO, _algorithms, _pem, m2, util
from M2Crypto._ciphers import AEAD, Cipher, open, seal, unwrap_key, wrap_key  # noqa: A004
from M2Crypto._digests import MessageDigest, digest, fips_enabled, set_default_properties
from M2Crypto._errors import EVPError
from M2Crypto._kdfs import argon2, hkdf, hkdf_expand, hkdf_extract, pbkdf2, scrypt
from M2Crypto._macs import HMAC, MAC, compare_digest, hmac

if TYPE_CHECKING:
    from M2Crypto import EC, RSA
    from M2Crypto._m2crypto import EVP_PKEY, Buffer

__all__ = [
    "AEAD",
    "HMAC",
    "MAC",
    "Cipher",
    "EVPError",
    "MessageDigest",
    "PKey",
    "argon2",
    "compare_digest",
    "digest",
    "fips_enabled",
    "hkdf",
    "hkdf_expand",
    "hkdf_extract",
    "hmac",
    "load_key",
    "load_key_bio",
    "load_key_bio_pubkey",
    "load_key_pubkey",
    "load_key_string",
    "load_key_string_pubkey",
    "open",
    "pbkdf2",
    "scrypt",
    "seal",
    "set_default_properties",
    "unwrap_key",
    "wrap_key",
]


# ---- keys ----------------------------------------------------------------------------------------


class PKey(_pem.PrivateKey):
    """A key of any type, and its signatures (EVP_PKEY(3), EVP_SignInit(3), EVP_DigestSignInit(3)).

    `sign_*` and `verify_*` compute the digest `md` and sign it. `digest_sign*` and `digest_verify*`
    do the same; Ed25519 and Ed448 keys, which have their own digest, support only `digest_sign` and
    `digest_verify`. The PEM is PKCS #8 (RFC 5958). `_pyfree` is ignored.
    """

    def __init__(
        self, pkey: EVP_PKEY | None = None, _pyfree: int = 0, md: str | None = "sha256"
    ) -> None:
        self.pkey = m2.pkey_new() if pkey is None else pkey
        self._pyfree = 1
        self._lock = Lock()
        self.reset_context(md)

    def _ptr(self) -> EVP_PKEY:
        return self.pkey

    def reset_context(self, md: str | None = "sha256") -> None:
        """Discard the current operation and set the digest; None for Ed25519 and Ed448 keys.

        Raises:
            EVPError: the digest is unknown.
        """
        self.md = None if md is None else _algorithms.digest(md, EVPError)
        self.ctx = m2.md_ctx_new()

    def _begin(self) -> None:
        if self.md is None:
            raise EVPError("no digest is set; set one by reset_context, or use digest_sign")
        with self._lock:
            m2.digest_init(self.ctx, self.md)

    def sign_init(self) -> None:
        """Start a signature."""
        self._begin()

    def sign_update(self, data: Buffer) -> None:
        """Add data to the signature."""
        with self._lock:
            m2.digest_update(self.ctx, data)

    def sign_final(self) -> bytes:
        """Return the signature.

        Raises:
            EVPError: the key cannot sign, or no signature was started.
        """
        with self._lock:
            return m2.sign_final(self.ctx, self.pkey)

    update = sign_update
    final = sign_final

    def verify_init(self) -> None:
        """Start a verification."""
        self._begin()

    def verify_update(self, data: Buffer) -> int:
        """Add data to the verification and return 1."""
        with self._lock:
            return m2.digest_update(self.ctx, data)

    def verify_final(self, sign: Buffer) -> int:
        """Return 1 if `sign` is the signature of the data by this key, else 0.

        Raises:
            EVPError: no verification was started, or there is no key.
        """
        with self._lock:
            return m2.verify_final(self.ctx, sign, self.pkey)

    def digest_sign_init(self) -> None:
        """Start a signature.

        Raises:
            EVPError: the key cannot sign.
        """
        with self._lock:
            m2.digest_sign_init(self.ctx, self.md, self.pkey)

    def digest_sign_update(self, data: Buffer) -> None:
        """Add data to the signature.

        Raises:
            EVPError: the key signs a whole message at once, by `digest_sign`.
        """
        with self._lock:
            m2.digest_sign_update(self.ctx, data)

    def digest_sign_final(self) -> bytes:
        """Return the signature."""
        with self._lock:
            return m2.digest_sign_final(self.ctx)

    def digest_sign(self, data: Buffer) -> bytes:
        """Sign data after `digest_sign_init`, and return the signature."""
        with self._lock:
            return m2.digest_sign(self.ctx, data)

    def digest_verify_init(self) -> None:
        """Start a verification."""
        with self._lock:
            m2.digest_verify_init(self.ctx, self.md, self.pkey)

    def digest_verify_update(self, data: Buffer) -> int:
        """Add data to the verification and return 1.

        Raises:
            EVPError: the key verifies a whole message at once, by `digest_verify`.
        """
        with self._lock:
            return m2.digest_verify_update(self.ctx, data)

    def digest_verify_final(self, sign: Buffer) -> int:
        """Return 1 if `sign` is the signature of the data by this key, else 0."""
        with self._lock:
            return m2.digest_verify_final(self.ctx, sign)

    def digest_verify(self, sign: Buffer, data: Buffer) -> int:
        """Return 1 if `sign` is the signature of `data`, else 0; after `digest_verify_init`."""
        with self._lock:
            return m2.digest_verify(self.ctx, sign, data)

    def assign_rsa(self, rsa: RSA.RSA, capture: int = 1) -> int:
        """Set the key to an RSA key, which `rsa` shares, and return 1. `capture` is ignored.

        Raises:
            EVPError: the RSA key is incomplete.
        """
        self.pkey = m2.pkey_from_rsa(rsa.rsa)
        return 1

    def get_rsa(self) -> RSA.RSA:
        """Return the RSA key, which is shared.

        Returns:
            An `RSA` for a private key, an `RSA_pub` for a public one.

        Raises:
            EVPError: the key is not an RSA key.
        """
        from M2Crypto import RSA

        handle = m2.pkey_get1_rsa(self.pkey)
        return RSA.RSA(handle, 1) if m2.rsa_is_private(handle) else RSA.RSA_pub(handle, 1)

    def assign_ec(self, ec: EC.EC, capture: int = 1) -> int:
        """Set the key to an EC key, which `ec` shares, and return 1. `capture` is ignored.

        Raises:
            EVPError: `ec` has only parameters.
        """
        from M2Crypto import EC

        self.pkey = EC.ec_m2.pkey_from_ec(ec.ec)
        return 1

    def get_ec(self) -> EC.EC_pub:
        """Return the EC key, which is shared.

        Raises:
            EVPError: the key is not an EC key.
            ECError: this OpenSSL was built without EC.
        """
        from M2Crypto import EC

        return EC.EC_pub(EC.ec_m2.pkey_get1_ec(self.pkey), 1)

    def _write_private(
        self, bio: BIO.BIO, cipher: str | None, callback: util.PassphraseCallback
    ) -> int:
        encryption = None if cipher is None else _algorithms.cipher(cipher, EVPError)
        return m2.pkey_write_pem(self.pkey, bio._ptr(), encryption, callback)

    def as_der(self) -> bytes:
        """Return the SubjectPublicKeyInfo in DER (RFC 5280, section 4.1.2.7)."""
        return m2.pkey_as_der(self.pkey)

    def size(self) -> int:
        """Return the maximum size of a signature in bytes (EVP_PKEY_get_size(3)).

        Raises:
            EVPError: there is no key.
        """
        return m2.pkey_size(self.pkey)

    def get_modulus(self) -> bytes:
        """Return the modulus of an RSA key, or the public value of a DSA key, in hexadecimal.

        Raises:
            EVPError: the key is of another type.
        """
        return m2.pkey_get_modulus(self.pkey)

    def get_key_identifier(self) -> bytes:
        """Return the SHA-1 digest of the public key (RFC 5280, section 4.2.1.2, method 1)."""
        return m2.pkey_get_key_identifier(self.pkey)


def load_key(
    file: str | bytes, callback: util.PassphraseCallback | None = util.passphrase_callback
) -> PKey:
    """Load a private key from a PEM file.

    Raises:
        BIOError: the file cannot be read.
        EVPError: it has no private key, or the passphrase is wrong.
    """
    with BIO.openfile(file, "rb") as bio:
        return load_key_bio(bio, callback)


def load_key_pubkey(
    file: str | bytes, callback: util.PassphraseCallback | None = util.passphrase_callback
) -> PKey:
    """Load a public key from a PEM file.

    Raises:
        BIOError: the file cannot be read.
        EVPError: it has no public key.
    """
    with BIO.openfile(file, "rb") as bio:
        return load_key_bio_pubkey(bio, callback)


def load_key_bio(
    bio: BIO.BIO, callback: util.PassphraseCallback | None = util.passphrase_callback
) -> PKey:
    """Load a private key in PEM from a BIO; see `load_key`."""
    return PKey(m2.pkey_read_pem(bio._ptr(), callback), 1)


def load_key_bio_pubkey(
    bio: BIO.BIO, callback: util.PassphraseCallback | None = util.passphrase_callback
) -> PKey:
    """Load a public key in PEM from a BIO; see `load_key_pubkey`."""
    return PKey(m2.pkey_read_pem_pubkey(bio._ptr(), callback), 1)


def load_key_string(
    string: bytes | str, callback: util.PassphraseCallback | None = util.passphrase_callback
) -> PKey:
    """Load a private key in PEM from bytes; see `load_key`."""
    return load_key_bio(_pem.bio_of(string), callback)


def load_key_string_pubkey(
    string: bytes | str, callback: util.PassphraseCallback | None = util.passphrase_callback
) -> PKey:
    """Load a public key in PEM from bytes; see `load_key_pubkey`."""
    return load_key_bio_pubkey(_pem.bio_of(string), callback)
