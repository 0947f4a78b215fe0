"""PEM in memory and in files: a BIO to load from, and the methods that save private keys."""

from __future__ import annotations

from M2Crypto import BIO, _algorithms, util
from M2Crypto._typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import NoReturn, TypeVar

    from M2Crypto._m2crypto import EVP_CIPHER

    _Key = TypeVar("_Key", bound="Key")


def bio_of(content: str | bytes) -> BIO.MemoryBuffer:
    """Return a BIO that holds `content`, text as UTF-8."""
    return BIO.MemoryBuffer(content.encode() if isinstance(content, str) else content)


def cipher(name: str | None, error: type[Exception]) -> EVP_CIPHER | None:
    """Return the cipher called `name`; None for None, which writes the key unencrypted."""
    return None if name is None else _algorithms.cipher(name, error)


class Key:
    """Base class of keys. A copy shares the key, which does not change."""

    def __copy__(self: _Key) -> _Key:
        copied = type(self).__new__(type(self))
        copied.__dict__.update(self.__dict__)
        return copied

    def __deepcopy__(self: _Key, memo: object) -> _Key:
        return self.__copy__()

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        """Refuse to be pickled, because the pickle would hold the key unencrypted.

        Raises:
            TypeError: always.
        """
        raise TypeError(
            f"cannot pickle {type(self).__name__}, which holds a key; save it in PEM or DER instead"
        )


class PrivateKey(Key):
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
