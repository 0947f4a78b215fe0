"""Ciphers, authenticated encryption in one call, and key wrap (EVP_EncryptInit(3))."""

from __future__ import annotations

from M2Crypto import _algorithms, m2
from M2Crypto._copies import Constant, Unique
from M2Crypto._errors import EVPError
from M2Crypto._locks import Lock
from M2Crypto._typing import TYPE_CHECKING

if TYPE_CHECKING:
    from M2Crypto._m2crypto import EVP_CIPHER, Buffer


# Whether the cipher of a name is in CCM mode.
_ccm: dict[str, bool] = {}


def _is_ccm(name: str) -> bool:
    """Return whether a cipher is in CCM mode.

    Raises:
        EVPError: the cipher is unknown or not available.
    """
    found = _ccm.get(name)
    if found is None:
        found = _ccm[name] = bool(m2.cipher_is_ccm(m2.fetch_cipher(name, None)))
    return found


class _WholeMessage:
    """A cipher in CCM mode, which must know every length before it begins (SP 800-38C)."""

    def __init__(self, cipher: EVP_CIPHER, key: Buffer, iv: bytes, op: int) -> None:
        # Refuses a key or an IV of a wrong length.
        self.ctx = m2.cipher_ctx_new()
        m2.cipher_init(self.ctx, cipher, key, iv, op)
        self.lock = Lock()
        self.cipher = cipher
        self.key = bytes(key)
        self.iv = iv
        self.op = op
        self.aad = b""
        # When encrypting only the length of the tag is used.
        self.tag = bytes(16) if op else b""
        self.min_length = 16
        self.is_done = False

    def update(self, data: Buffer) -> bytes:
        with self.lock:
            if self.is_done:
                raise EVPError("CCM processes all data in one update")
            if not self.tag:
                raise EVPError("CCM needs the tag before the data")
            self.is_done = True
        arguments = (self.key, self.iv, self.aad, data, self.tag, self.op, self.min_length)
        return m2.cipher_ccm(self.ctx, self.cipher, *arguments)

    def update_aad(self, data: Buffer) -> int:
        with self.lock:
            if self.is_done:
                raise EVPError("CCM needs the additional authenticated data before the data")
            self.aad += data
        return 1

    def set_iv(self, iv: bytes) -> int:
        self.iv = iv
        return 1

    def set_tag(self, tag: Buffer, min_length: int) -> int:
        self.tag = bytes(tag)
        self.min_length = min_length
        return 1

    def final(self) -> bytes:
        return b"" if self.is_done else self.update(b"")


class Cipher(Unique):
    """An encryption or decryption (EVP_EncryptInit(3)).

    For AEAD ciphers (GCM, CCM, OCB, SIV, ChaCha20-Poly1305), which `AEAD` uses in one call, call
    `update_aad`, then `update`, then `final`. When encrypting, `get_tag` then returns the tag. When
    decrypting, call `set_tag` before `update`, whose output is not authentic until `final` (CCM:
    `update`) has verified the tag. CCM, SIV, XTS and key wrap process all data in one `update`.
    Before it, with CCM, `set_tag(bytes(8))` sets the length of the tag that an encryption makes to
    8 bytes.
    """

    def __init__(
        self,
        alg: str,
        key: Buffer,
        iv: Buffer | None,
        op: int,
        key_as_bytes: int = 0,
        d: str = "md5",
        salt: Buffer = b"12345678",
        i: int = 1,
        padding: int = 1,
    ) -> None:
        """Create an encryption or decryption.

        Args:
            alg: the cipher's name.
            key: the key. If it is longer than the cipher's, its first bytes are used.
            iv: the initialization vector; None for a cipher that has none. If it is longer than the
                cipher's, its first bytes are used, except by AEAD ciphers.
            op: 1 to encrypt, 0 to decrypt.
            key_as_bytes: whether to derive the key from the password `key` (EVP_BytesToKey(3)),
                which is weak and for old data only. Then an IV that is too short is padded with
                zeros.
            d: the digest of that derivation.
            salt: the salt of that derivation, 8 bytes.
            i: the iterations of that derivation, 1 or more.
            padding: 1 to pad the last block (RFC 5652, section 6.3); 0 requires whole blocks.

        Raises:
            EVPError: the cipher is unknown or not available, or the key or IV is too short.
        """
        if op not in (0, 1):
            raise EVPError(f"op is 1 to encrypt or 0 to decrypt, not {op!r}")
        vector = b"" if iv is None else iv
        if type(vector) is not bytes:
            vector = bytes(memoryview(vector))
        if key_as_bytes:
            cipher = m2.fetch_cipher(alg, None)
            key = m2.bytes_to_key(cipher, _algorithms.digest(d, EVPError), key, salt, i)
            vector = vector.ljust(m2.cipher_get_iv_length(cipher), b"\0")
        self.algo = alg
        self._iv = vector
        self._whole = None
        if _is_ccm(alg):
            self._whole = _WholeMessage(m2.fetch_cipher(alg, None), key, vector, op)
            self.ctx = self._whole.ctx
        else:
            self.ctx = m2.cipher_begin(alg, key, vector, op, padding)

    def __copy__(self) -> Cipher:
        """Return a cipher with the same key and data so far (EVP_CIPHER_CTX_copy(3)).

        Raises:
            EVPError: OpenSSL cannot copy this cipher.
        """
        if self._whole is not None:
            raise EVPError(f"OpenSSL cannot copy {self.algo}")
        copied = object.__new__(type(self))
        copied.__dict__.update(self.__dict__)
        copied.ctx = m2.cipher_copy(self.ctx)
        return copied

    def __deepcopy__(self, memo: object) -> Cipher:
        return self.__copy__()

    def __repr__(self) -> str:
        return f"<Cipher {self.algo!r}>"

    def update(self, data: Buffer) -> bytes:
        """Process `data` and return the output available so far.

        Raises:
            EVPError: the cipher refuses the data.
        """
        if self._whole is not None:
            return self._whole.update(data)
        return m2.cipher_update(self.ctx, data)

    def update_aad(self, data: Buffer) -> int:
        """Add additional authenticated data, before any other, and return 1.

        Raises:
            EVPError: the cipher is not an AEAD cipher.
        """
        if self._whole is not None:
            return self._whole.update_aad(data)
        return m2.cipher_update_aad(self.ctx, data)

    def set_iv_len(self, length: int) -> int:
        """Use the first `length` bytes of the IV of an AEAD cipher, before any data; return 1.

        Raises:
            EVPError: the IV is shorter, or the cipher does not support the length.
        """
        iv = self._iv
        if not 0 <= length <= len(iv):
            raise EVPError(f"the IV is {len(iv)} bytes: its length cannot be {length}")
        if self._whole is not None:
            return self._whole.set_iv(iv[:length])
        return m2.cipher_set_iv(self.ctx, iv[:length])

    def set_tag(self, tag: Buffer, min_length: int = 16) -> int:
        """Set the tag that decryption with an AEAD cipher verifies.

        A tag of n bits is forged with probability 2^-n, and more often in GCM (SP 800-38D,
        appendix C), so the peer must not choose its length. OCB and ChaCha20-Poly1305 have tags of
        16 bytes. When encrypting, only CCM accepts a tag, whose length it uses.

        Args:
            tag: the tag. GCM has 16, 15, 14, 13, 12, 8 or 4 bytes (SP 800-38D, section 5.2.1.2),
                CCM an even number from 4 to 16 (RFC 3610, section 2).
            min_length: the least length to accept when decrypting, from 4 to 16.

        Returns:
            1.

        Raises:
            EVPError: the cipher is not an AEAD cipher, encrypts, or has no tag of this length, or
                the tag is shorter than `min_length`. CCM raises it in `update`.
        """
        if self._whole is not None:
            return self._whole.set_tag(tag, min_length)
        return m2.cipher_set_tag(self.ctx, tag, min_length)

    def get_tag(self, length: int = 16) -> bytes:
        """Return the first `length` bytes of the tag after encryption with an AEAD cipher.

        Raises:
            EVPError: there is no tag, or none of this length.
        """
        return m2.cipher_get_tag(self.ctx, length)

    def final(self) -> bytes:
        """Finalize and return the rest of the output.

        Raises:
            EVPError: the padding is invalid, the tag does not match, or the last block is partial.
        """
        if self._whole is not None:
            return self._whole.final()
        return m2.cipher_final(self.ctx)

    def set_padding(self, padding: int = 1) -> int:
        """Set whether the last block is padded, and return 1."""
        return m2.cipher_set_padding(self.ctx, padding)


# ---- one call ------------------------------------------------------------------------------------


class AEAD(Constant):
    """A key for authenticated encryption with associated data (RFC 5116).

    Several threads can use it at once. A nonce must be used for one message only; AES-SIV and
    AES-GCM-SIV (RFC 5297, RFC 8452) reveal only whether two messages with the same nonce are equal.
    """

    def __init__(
        self, algo: str, key: Buffer, tag_length: int = 16, properties: str | None = None
    ) -> None:
        """Create it with a key.

        Args:
            algo: the cipher's name, in GCM, CCM, OCB, SIV or GCM-SIV mode, or chacha20_poly1305.
            key: the key, of exactly the cipher's length.
            tag_length: the length of the tag in bytes (see `Cipher.set_tag`).
            properties: a property query (property(7)), since OpenSSL 3.0.

        Raises:
            EVPError: the cipher is unknown, not available or no AEAD cipher, or has no key or tag
                of this length.
        """
        self.algo = algo
        self._key = m2.aead_new(algo, key, tag_length, properties)

    def seal(self, nonce: Buffer, data: Buffer, aad: Buffer = b"") -> bytes:
        """Encrypt a message.

        Args:
            nonce: the nonce, 12 bytes for most ciphers. AES-SIV may have an empty one.
            data: the plaintext. OpenSSL has no AES-SIV of an empty one.
            aad: additional data to authenticate. AES-SIV uses it as a component unless it is empty.

        Returns:
            The ciphertext with the tag, which is at its end, with AES-SIV at its beginning.

        Raises:
            EVPError: the cipher does not support a nonce of this length.
        """
        return m2.aead_seal(self._key, nonce, data, aad)

    def open(self, nonce: Buffer, data: Buffer, aad: Buffer = b"") -> bytes:
        """Decrypt a message that `seal` returned.

        Raises:
            EVPError: the tag does not match, or the cipher does not support a nonce of this length.
        """
        return m2.aead_open(self._key, nonce, data, aad)

    def __repr__(self) -> str:
        return f"<AEAD {self.algo!r}>"


def seal(
    algo: str, key: Buffer, nonce: Buffer, data: Buffer, aad: Buffer = b"", tag_length: int = 16
) -> bytes:
    """Encrypt one message with a key; see `AEAD.seal`."""
    return m2.aead_seal_once(algo, key, nonce, data, aad, tag_length)


def open(  # noqa: A001  (the names of the two functions of RFC 5116 are seal and open in most APIs)
    algo: str, key: Buffer, nonce: Buffer, data: Buffer, aad: Buffer = b"", tag_length: int = 16
) -> bytes:
    """Decrypt one message with a key; see `AEAD.open`."""
    return m2.aead_open_once(algo, key, nonce, data, aad, tag_length)


def _wrap(kek: Buffer, data: Buffer, pad: bool, op: int) -> bytes:
    bits = 8 * memoryview(kek).nbytes
    if bits not in (128, 192, 256):
        raise EVPError(f"AES has no key of {bits} bits")
    cipher = m2.cipher_begin(f"aes_{bits}_wrap" + "_pad" * bool(pad), kek, b"", op, 1)
    return m2.cipher_update(cipher, data)


def wrap_key(kek: Buffer, key: Buffer, pad: bool = False) -> bytes:
    """Encrypt a key with an AES key, by AES key wrap (RFC 3394).

    Args:
        kek: the key-encryption key, 16, 24 or 32 bytes.
        key: the key, 16 bytes or more and whole blocks of 8 bytes; with padding, 1 byte or more.
        pad: whether to use padding (RFC 5649).

    Raises:
        EVPError: a key has another length.
    """
    return _wrap(kek, key, pad, 1)


def unwrap_key(kek: Buffer, wrapped: Buffer, pad: bool = False) -> bytes:
    """Decrypt a key that `wrap_key` returned.

    Raises:
        EVPError: the key is not intact, or was wrapped with another one or in the other way.
    """
    return _wrap(kek, wrapped, pad, 0)
