"""PEM in memory and in files, as the modules for keys and certificates load and save it.

Given text or bytes it gives a BIO to load from; a class of keys that says how OpenSSL writes one
gets from `PrivateKey` the functions that save it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from M2Crypto import BIO, _algorithms, util

if TYPE_CHECKING:
    from M2Crypto._m2crypto import EVP_CIPHER


def bio_of(content: str | bytes) -> BIO.MemoryBuffer:
    """Give a BIO that holds `content`; text as UTF-8."""
    return BIO.MemoryBuffer(content.encode() if isinstance(content, str) else content)


def cipher(name: str | None, error: type[Exception]) -> EVP_CIPHER | None:
    """Return the cipher called `name`; None for None, which writes the key unencrypted."""
    return None if name is None else _algorithms.cipher(name, error)


class PrivateKey:
    """What is saved as the PEM of a private key."""

    def _write_private(
        self, bio: BIO.BIO, cipher: str | None, callback: util.PassphraseCallback
    ) -> int:
        """Write the private key as PEM into a BIO: 1. Each class has its own."""
        raise NotImplementedError

    # A subclass for public keys may give save_key_bio and as_pem another meaning.
    def _private_pem(self, cipher: str | None, callback: util.PassphraseCallback) -> bytes:
        bio = BIO.MemoryBuffer()
        self._write_private(bio, cipher, callback)
        return bio.read()

    def save_key_bio(
        self,
        bio: BIO.BIO,
        cipher: str | None = "aes_128_cbc",
        callback: util.PassphraseCallback = util.passphrase_callback,
    ) -> int:
        """Save the private key as PEM into a BIO: 1.

        Args:
            bio: what to write to.
            cipher: what encrypts it, or None to save it as it is.
            callback: what gives the passphrase.

        Raises:
            RSAError, ECError, EVPError: there is no private key of this module's kind, no such
                cipher or no passphrase.
        """
        return self._write_private(bio, cipher, callback)

    def save_key(
        self,
        file: str | bytes,
        cipher: str | None = "aes_128_cbc",
        callback: util.PassphraseCallback = util.passphrase_callback,
    ) -> int:
        """Save the private key as PEM into a file; a new one can only be read by its owner: 1.

        Raises:
            BIOError: the file cannot be written.
            RSAError, ECError, EVPError: see `save_key_bio`.
        """
        return util.save_private(file, self._private_pem(cipher, callback))

    def as_pem(
        self,
        cipher: str | None = "aes_128_cbc",
        callback: util.PassphraseCallback = util.passphrase_callback,
    ) -> bytes:
        """Give the private key as PEM; see `save_key_bio`."""
        return self._private_pem(cipher, callback)
