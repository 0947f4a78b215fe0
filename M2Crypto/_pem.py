"""PEM in memory and in files: a BIO to load from, and the methods that save private keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from M2Crypto import BIO, _algorithms, util

if TYPE_CHECKING:
    from M2Crypto._m2crypto import EVP_CIPHER


def bio_of(content: str | bytes) -> BIO.MemoryBuffer:
    """Return a BIO that holds `content`, text as UTF-8."""
    return BIO.MemoryBuffer(content.encode() if isinstance(content, str) else content)


def cipher(name: str | None, error: type[Exception]) -> EVP_CIPHER | None:
    """Return the cipher called `name`; None for None, which writes the key unencrypted."""
    return None if name is None else _algorithms.cipher(name, error)


class PrivateKey:
    """Base class of keys that are saved as PEM."""

    def _write_private(
        self, bio: BIO.BIO, cipher: str | None, callback: util.PassphraseCallback
    ) -> int:
        """Write the private key as PEM into a BIO and return 1."""
        raise NotImplementedError

    # A subclass of public keys can override save_key_bio and as_pem.
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
        """Save the private key as PEM into a BIO.

        Args:
            bio: the BIO.
            cipher: the cipher that encrypts the key; None saves it unencrypted.
            callback: the passphrase callback.

        Returns:
            1.

        Raises:
            RSAError, ECError, EVPError: there is no private key, the cipher is unknown or not
                supported in PEM, or the callback returned no passphrase.
        """
        return self._write_private(bio, cipher, callback)

    def save_key(
        self,
        file: str | bytes,
        cipher: str | None = "aes_128_cbc",
        callback: util.PassphraseCallback = util.passphrase_callback,
    ) -> int:
        """Save the private key as PEM into a file, which is created with mode 0600.

        Returns:
            1.

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
        """Return the private key as PEM; see `save_key_bio`."""
        return self._private_pem(cipher, callback)
