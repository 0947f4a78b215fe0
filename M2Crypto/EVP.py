"""Digests, HMAC, key derivation, ciphers, and keys of any type (evp(7)).

Algorithms have m2's names (`sha256`, `aes_128_cbc`) or OpenSSL's (`SHA2-256`, `aes-128-cbc`). Which
ones exist depends on OpenSSL: from 3.0 on MD4, RC4, DES and others are in the legacy provider
(OSSL_PROVIDER-legacy(7)), and using them raises `EVPError` unless it is loaded. Several threads can
use one object: a lock is held for each call, and the GIL is released for large data.
"""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING

from M2Crypto import _algorithms, m2
from M2Crypto._errors import EVPError, KeyTypeError, PassphraseError
from M2Crypto._pkey import (
    PKey,
    gen_key,
    load_key,
    load_key_bio,
    load_key_bio_pubkey,
    load_key_der,
    load_key_der_pubkey,
    load_key_pubkey,
    load_key_raw,
    load_key_raw_pubkey,
    load_key_string,
    load_key_string_pubkey,
    sign,
    verify,
)

if TYPE_CHECKING:
    from M2Crypto._m2crypto import EVP_CIPHER, EVP_CIPHER_CTX, Buffer

__all__ = [
    "HMAC",
    "Cipher",
    "EVPError",
    "KeyTypeError",
    "MessageDigest",
    "PKey",
    "PassphraseError",
    "gen_key",
    "hmac",
    "load_key",
    "load_key_bio",
    "load_key_bio_pubkey",
    "load_key_der",
    "load_key_der_pubkey",
    "load_key_pubkey",
    "load_key_raw",
    "load_key_raw_pubkey",
    "load_key_string",
    "load_key_string_pubkey",
    "pbkdf2",
    "sign",
    "verify",
]


# ---- digests, HMAC, derivation -------------------------------------------------------------------


def pbkdf2(password: Buffer, salt: Buffer, iter: int, keylen: int) -> bytes:
    """Derive a key of `keylen` bytes by PBKDF2 with HMAC-SHA-1 (RFC 8018, section 5.2).

    Raises:
        EVPError: `iter` is less than 1, or `keylen` is negative.
    """
    return m2.pkcs5_pbkdf2_hmac_sha1(password, salt, iter, keylen)


class MessageDigest:
    """A message digest (EVP_DigestInit(3))."""

    def __init__(self, algo: str) -> None:
        """Create a digest of the algorithm `algo`.

        Raises:
            EVPError: the algorithm is unknown or not available.
        """
        self.algo = algo
        self.ctx = m2.md_ctx_new()
        self._lock = Lock()
        self._is_final = False
        m2.digest_init(self.ctx, _algorithms.digest(algo, EVPError))

    def update(self, data: Buffer) -> int:
        """Add data and return 1.

        Raises:
            EVPError: the digest was finalized.
        """
        with self._lock:
            self._check_open()
            return m2.digest_update(self.ctx, data)

    def final(self) -> bytes:
        """Finalize and return the digest.

        Raises:
            EVPError: the digest was finalized already, or the algorithm has no digest length.
        """
        with self._lock:
            self._check_open()
            self._is_final = True
            return m2.digest_final(self.ctx)

    digest = final

    def _check_open(self) -> None:
        if self._is_final:
            raise EVPError("digest already finalized; create a new MessageDigest")


class HMAC:
    """A keyed-hash message authentication code (RFC 2104)."""

    def __init__(self, key: Buffer, algo: str = "sha256") -> None:
        """Create an HMAC with a key and a digest algorithm.

        Raises:
            EVPError: the algorithm is unknown or not available.
        """
        self.algo = algo
        self._md = _algorithms.digest(algo, EVPError)
        self.ctx = m2.hmac_ctx_new()
        self._lock = Lock()
        self.reset(key)

    def reset(self, key: Buffer) -> None:
        """Restart with a key."""
        with self._lock:
            m2.hmac_init(self.ctx, key, self._md)
            self._is_final = False

    def update(self, data: Buffer) -> None:
        """Add data.

        Raises:
            EVPError: the HMAC was finalized and not reset.
        """
        with self._lock:
            self._check_open()
            m2.hmac_update(self.ctx, data)

    def final(self) -> bytes:
        """Finalize and return the HMAC.

        Raises:
            EVPError: the HMAC was finalized already and not reset.
        """
        with self._lock:
            self._check_open()
            self._is_final = True
            return m2.hmac_final(self.ctx)

    digest = final

    def _check_open(self) -> None:
        if self._is_final:
            raise EVPError("HMAC already finalized; reset it with a key")


def hmac(key: Buffer, data: Buffer, algo: str = "sha256") -> bytes:
    """Return the HMAC of `data` (RFC 2104).

    Raises:
        EVPError: the algorithm is unknown or not available.
    """
    return m2.hmac(key, data, _algorithms.digest(algo, EVPError))


# ---- ciphers -------------------------------------------------------------------------------------


class _Stream:
    """A cipher whose data are processed in parts."""

    def __init__(
        self, ctx: EVP_CIPHER_CTX, cipher: EVP_CIPHER, key: Buffer, iv: bytes, op: int
    ) -> None:
        self.ctx = ctx
        self.iv = iv
        m2.cipher_init(ctx, cipher, key, iv, op)

    def update(self, data: Buffer) -> bytes:
        return m2.cipher_update(self.ctx, data)

    def update_aad(self, data: Buffer) -> int:
        return m2.cipher_update_aad(self.ctx, data)

    def set_iv(self, iv: bytes) -> int:
        return m2.cipher_set_iv(self.ctx, iv)

    def set_tag(self, tag: Buffer, min_length: int) -> int:
        return m2.cipher_set_tag(self.ctx, tag, min_length)

    def final(self) -> bytes:
        return m2.cipher_final(self.ctx)


class _WholeMessage:
    """A cipher in CCM mode, which must know every length before it begins (SP 800-38C)."""

    def __init__(
        self, ctx: EVP_CIPHER_CTX, cipher: EVP_CIPHER, key: Buffer, iv: bytes, op: int
    ) -> None:
        self.ctx = ctx
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
        if self.is_done:
            raise EVPError("CCM processes all data in one update")
        if not self.tag:
            raise EVPError("CCM needs the tag before the data")
        self.is_done = True
        arguments = (self.key, self.iv, self.aad, data, self.tag, self.op, self.min_length)
        return m2.cipher_ccm(self.ctx, self.cipher, *arguments)

    def update_aad(self, data: Buffer) -> int:
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


class Cipher:
    """An encryption or decryption (EVP_EncryptInit(3)).

    For AEAD ciphers (GCM, CCM, OCB, ChaCha20-Poly1305) call `update_aad`, then `update`, then
    `final`. When encrypting, `get_tag` then returns the tag. When decrypting, call `set_tag` before
    `update`, whose output is not authentic until `final` (CCM: `update`) has verified the tag. CCM
    processes all data in one `update`. Before it, `set_tag(bytes(8))` sets the length of the tag
    that an encryption makes to 8 bytes.
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
        cipher = _algorithms.cipher(alg, EVPError)
        vector = b"" if iv is None else bytes(iv)
        if key_as_bytes:
            key = m2.bytes_to_key(cipher, _algorithms.digest(d, EVPError), key, salt, i)
            vector = vector.ljust(m2.cipher_get_iv_length(cipher), b"\0")
        self.ctx = m2.cipher_ctx_new()
        self._lock = Lock()
        kind = _WholeMessage if m2.cipher_is_ccm(cipher) else _Stream
        self._mode = kind(self.ctx, cipher, key, vector, op)
        if kind is _Stream:
            self.set_padding(padding)

    def update(self, data: Buffer) -> bytes:
        """Process `data` and return the output available so far.

        Raises:
            EVPError: the cipher refuses the data.
        """
        with self._lock:
            return self._mode.update(data)

    def update_aad(self, data: Buffer) -> int:
        """Add additional authenticated data, before any other, and return 1.

        Raises:
            EVPError: the cipher is not an AEAD cipher.
        """
        with self._lock:
            return self._mode.update_aad(data)

    def set_iv_len(self, length: int) -> int:
        """Use the first `length` bytes of the IV of an AEAD cipher, before any data; return 1.

        Raises:
            EVPError: the IV is shorter, or the cipher does not support the length.
        """
        with self._lock:
            iv = self._mode.iv
            if not 0 <= length <= len(iv):
                raise EVPError(f"the IV is {len(iv)} bytes: its length cannot be {length}")
            return self._mode.set_iv(iv[:length])

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
        with self._lock:
            return self._mode.set_tag(tag, min_length)

    def get_tag(self, length: int = 16) -> bytes:
        """Return the first `length` bytes of the tag after encryption with an AEAD cipher.

        Raises:
            EVPError: there is no tag, or none of this length.
        """
        with self._lock:
            return m2.cipher_get_tag(self.ctx, length)

    def final(self) -> bytes:
        """Finalize and return the rest of the output.

        Raises:
            EVPError: the padding is invalid, the tag does not match, or the last block is partial.
        """
        with self._lock:
            return self._mode.final()

    def set_padding(self, padding: int = 1) -> int:
        """Set whether the last block is padded, and return 1."""
        with self._lock:
            return m2.cipher_set_padding(self.ctx, padding)
