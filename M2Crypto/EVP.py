"""Digests, HMAC, key derivation, ciphers, and keys of any kind (evp(7)).

Algorithms are named as `m2` names them (`sha256`, `aes_128_cbc`) or as OpenSSL does (`SHA2-256`,
`aes-128-cbc`). An object may be used by several threads: each call is whole, and large data are
worked on without the GIL. Which algorithms there are is up to OpenSSL; from 3.0 on MD4, RC4, DES
and others are in its legacy provider, and asking for them raises `EVPError` with OpenSSL's reason.
"""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING

from M2Crypto import BIO, _algorithms, _pem, m2, util
from M2Crypto._errors import EVPError

if TYPE_CHECKING:
    from M2Crypto import EC, RSA
    from M2Crypto._m2crypto import EVP_CIPHER, EVP_CIPHER_CTX, EVP_PKEY, Buffer

__all__ = [
    "HMAC",
    "Cipher",
    "EVPError",
    "MessageDigest",
    "PKey",
    "hmac",
    "load_key",
    "load_key_bio",
    "load_key_bio_pubkey",
    "load_key_pubkey",
    "load_key_string",
    "load_key_string_pubkey",
    "pbkdf2",
]


# ---- digests, HMAC, derivation -------------------------------------------------------------------


def pbkdf2(password: Buffer, salt: Buffer, iter: int, keylen: int) -> bytes:
    """Derive a key of `keylen` bytes by PBKDF2 with HMAC-SHA-1 (RFC 8018, 5.2).

    Raises:
        EVPError: `iter` is less than 1, or `keylen` is negative.
    """
    return m2.pkcs5_pbkdf2_hmac_sha1(password, salt, iter, keylen)


class MessageDigest:
    """A digest (EVP_DigestInit(3)) of what it is updated with."""

    def __init__(self, algo: str) -> None:
        """Begin.

        Raises:
            EVPError: there is no such digest, or this OpenSSL does not do it.
        """
        self.algo = algo
        self.ctx = m2.md_ctx_new()
        self._lock = Lock()
        self._is_final = False
        m2.digest_init(self.ctx, _algorithms.digest(algo, EVPError))

    def update(self, data: Buffer) -> int:
        """Add data: 1.

        Raises:
            EVPError: the digest was finished.
        """
        with self._lock:
            self._check_open()
            return m2.digest_update(self.ctx, data)

    def final(self) -> bytes:
        """Finish, and give the digest.

        Raises:
            EVPError: it was finished before, or the algorithm has no length of its own.
        """
        with self._lock:
            self._check_open()
            self._is_final = True
            return m2.digest_final(self.ctx)

    digest = final

    def _check_open(self) -> None:
        if self._is_final:
            raise EVPError("the digest is finished: begin another MessageDigest")


class HMAC:
    """An authentication code (RFC 2104) of what it is updated with."""

    def __init__(self, key: Buffer, algo: str = "sha256") -> None:
        """Begin.

        Raises:
            EVPError: there is no such digest, or this OpenSSL does not do it.
        """
        self.algo = algo
        self._md = _algorithms.digest(algo, EVPError)
        self.ctx = m2.hmac_ctx_new()
        self._lock = Lock()
        self.reset(key)

    def reset(self, key: Buffer) -> None:
        """Begin again, with a key."""
        with self._lock:
            m2.hmac_init(self.ctx, key, self._md)
            self._is_final = False

    def update(self, data: Buffer) -> None:
        """Add data.

        Raises:
            EVPError: the code was finished and not reset.
        """
        with self._lock:
            self._check_open()
            m2.hmac_update(self.ctx, data)

    def final(self) -> bytes:
        """Finish, and give the code.

        Raises:
            EVPError: it was finished before and not reset.
        """
        with self._lock:
            self._check_open()
            self._is_final = True
            return m2.hmac_final(self.ctx)

    digest = final

    def _check_open(self) -> None:
        if self._is_final:
            raise EVPError("the HMAC is finished: reset it with a key")


def hmac(key: Buffer, data: Buffer, algo: str = "sha256") -> bytes:
    """Make the authentication code of `data` in one go (RFC 2104).

    Raises:
        EVPError: there is no such digest, or this OpenSSL does not do it.
    """
    return m2.hmac(key, data, _algorithms.digest(algo, EVPError))


# ---- ciphers -------------------------------------------------------------------------------------


class _Stream:
    """A cipher that takes data in pieces."""

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
        # When encrypting only its length counts.
        self.tag = bytes(16) if op else b""
        self.min_length = 16
        self.is_done = False

    def update(self, data: Buffer) -> bytes:
        if self.is_done:
            raise EVPError("a CCM cipher takes its data in one piece")
        if not self.tag:
            raise EVPError("a CCM cipher needs the tag before the data")
        self.is_done = True
        arguments = (self.key, self.iv, self.aad, data, self.tag, self.op, self.min_length)
        return m2.cipher_ccm(self.ctx, self.cipher, *arguments)

    def update_aad(self, data: Buffer) -> int:
        if self.is_done:
            raise EVPError("a CCM cipher takes what is only authenticated before the data")
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
    """A cipher that encrypts or decrypts (EVP_EncryptInit(3)).

    For AEAD ciphers (GCM, CCM, OCB, ChaCha20-Poly1305): first `update_aad`, then `update`, `final`;
    encrypting, `get_tag` then gives the tag; decrypting, `set_tag` comes before, and what `update`
    gives is not to be trusted until `final` (CCM: `update`) has found the tag right. CCM takes all
    data in one `update`; `set_tag(bytes(8))` before it makes an encrypting one's tag 8 bytes long.
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
        """Begin.

        Args:
            alg: the cipher.
            key: the key. If it is longer than the cipher's, its beginning is used.
            iv: the initialisation vector, or None for a cipher that has none. If it is longer than
                the cipher's, its beginning is used; an AEAD cipher takes it whole.
            op: 1 encrypts, 0 decrypts.
            key_as_bytes: is `key` a password that the key is derived from, by `i` rounds of the
                digest `d` with 8 bytes of `salt` (EVP_BytesToKey(3))? That is weak, and for old
                data alone. An IV that is too short is filled up with zeros then.
            d: see `key_as_bytes`.
            salt: see `key_as_bytes`.
            i: see `key_as_bytes`; 1 or more.
            padding: 1 pads the last block (RFC 5652, 6.3); 0 wants whole blocks.

        Raises:
            EVPError: the cipher is unknown, not in this OpenSSL, or the key or IV is too short.
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
        """Encrypt or decrypt data: what is ready of the result.

        Raises:
            EVPError: the cipher cannot take them.
        """
        with self._lock:
            return self._mode.update(data)

    def update_aad(self, data: Buffer) -> int:
        """Add data that are only authenticated, before any other: 1.

        Raises:
            EVPError: it is not an AEAD cipher.
        """
        with self._lock:
            return self._mode.update_aad(data)

    def set_iv_len(self, length: int) -> int:
        """Use the first `length` bytes of the IV, with an AEAD cipher, before any data: 1.

        Raises:
            EVPError: the IV is shorter, or the cipher takes none of this length.
        """
        with self._lock:
            iv = self._mode.iv
            if not 0 <= length <= len(iv):
                raise EVPError(f"the IV is {len(iv)} bytes: its length cannot be {length}")
            return self._mode.set_iv(iv[:length])

    def set_tag(self, tag: Buffer, min_length: int = 16) -> int:
        """Set the tag that an AEAD cipher compares when it decrypts.

        A tag of n bits is forged with probability 2^-n, and more often in GCM (SP 800-38D,
        appendix C), so a peer must not choose its length. OCB and ChaCha20-Poly1305 take 16 bytes
        only. When encrypting, CCM alone takes a tag, for its length.

        Args:
            tag: the tag. GCM has 16, 15, 14, 13, 12, 8 or 4 bytes (SP 800-38D, section 5.2.1.2),
                CCM an even number from 4 to 16 (RFC 3610, section 2).
            min_length: the least length to accept when decrypting, from 4 to 16.

        Returns:
            1.

        Raises:
            EVPError: the cipher is not an AEAD cipher, is encrypting, or has no tag of this length,
                or the tag is shorter than `min_length`. CCM raises it in `update`.
        """
        with self._lock:
            return self._mode.set_tag(tag, min_length)

    def get_tag(self, length: int = 16) -> bytes:
        """Give the tag that encrypting with an AEAD cipher has made, or its beginning.

        Raises:
            EVPError: there is none, or none of this length.
        """
        with self._lock:
            return m2.cipher_get_tag(self.ctx, length)

    def final(self) -> bytes:
        """Finish: the rest of the result.

        Raises:
            EVPError: the padding or the tag is wrong, or the data do not end with a block.
        """
        with self._lock:
            return self._mode.final()

    def set_padding(self, padding: int = 1) -> int:
        """Pad the last block, or with 0 do not: 1."""
        with self._lock:
            return m2.cipher_set_padding(self.ctx, padding)


# ---- keys ----------------------------------------------------------------------------------------


class PKey(_pem.PrivateKey):
    """A key of any kind, and what signs or verifies by it (EVP_PKEY(3), EVP_SignInit(3)).

    `sign_*` and `verify_*` hash with `md` and sign the digest. `digest_sign*` and `digest_verify*`
    do the same and work for keys that bring their own digest (Ed25519) too, in one go. Its PEM is
    PKCS #8 (RFC 5958).
    `_pyfree` is for compatibility: the handle frees itself.
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
        """Forget what was begun, and use another digest from now on; None is for Ed25519's like.

        Raises:
            EVPError: there is no such digest.
        """
        self.md = None if md is None else _algorithms.digest(md, EVPError)
        self.ctx = m2.md_ctx_new()

    def _begin(self) -> None:
        if self.md is None:
            raise EVPError("there is no digest: name one by reset_context, or use digest_sign")
        with self._lock:
            m2.digest_init(self.ctx, self.md)

    def sign_init(self) -> None:
        """Begin to sign."""
        self._begin()

    def sign_update(self, data: Buffer) -> None:
        """Add data that are to be signed."""
        with self._lock:
            m2.digest_update(self.ctx, data)

    def sign_final(self) -> bytes:
        """Give the signature.

        Raises:
            EVPError: the key cannot sign, or nothing was begun.
        """
        with self._lock:
            return m2.sign_final(self.ctx, self.pkey)

    update = sign_update
    final = sign_final

    def verify_init(self) -> None:
        """Begin to verify."""
        self._begin()

    def verify_update(self, data: Buffer) -> int:
        """Add data that were signed: 1."""
        with self._lock:
            return m2.digest_update(self.ctx, data)

    def verify_final(self, sign: Buffer) -> int:
        """Is `sign` the key's signature of the data? 1, or 0.

        Raises:
            EVPError: nothing was begun, or there is no key.
        """
        with self._lock:
            return m2.verify_final(self.ctx, sign, self.pkey)

    def digest_sign_init(self) -> None:
        """Begin to sign.

        Raises:
            EVPError: the key cannot sign.
        """
        with self._lock:
            m2.digest_sign_init(self.ctx, self.md, self.pkey)

    def digest_sign_update(self, data: Buffer) -> None:
        """Add data that are to be signed.

        Raises:
            EVPError: the key signs in one go alone: use `digest_sign`.
        """
        with self._lock:
            m2.digest_sign_update(self.ctx, data)

    def digest_sign_final(self) -> bytes:
        """Give the signature."""
        with self._lock:
            return m2.digest_sign_final(self.ctx)

    def digest_sign(self, data: Buffer) -> bytes:
        """Sign data in one go, after `digest_sign_init`."""
        with self._lock:
            return m2.digest_sign(self.ctx, data)

    def digest_verify_init(self) -> None:
        """Begin to verify."""
        with self._lock:
            m2.digest_verify_init(self.ctx, self.md, self.pkey)

    def digest_verify_update(self, data: Buffer) -> int:
        """Add data that were signed: 1.

        Raises:
            EVPError: the key verifies in one go alone: use `digest_verify`.
        """
        with self._lock:
            return m2.digest_verify_update(self.ctx, data)

    def digest_verify_final(self, sign: Buffer) -> int:
        """Is `sign` the key's signature of the data? 1, or 0."""
        with self._lock:
            return m2.digest_verify_final(self.ctx, sign)

    def digest_verify(self, sign: Buffer, data: Buffer) -> int:
        """Is `sign` the key's signature of `data`? 1, or 0; after `digest_verify_init`."""
        with self._lock:
            return m2.digest_verify(self.ctx, sign, data)

    def assign_rsa(self, rsa: RSA.RSA, capture: int = 1) -> int:
        """Hold an RSA key, shared with `rsa` whatever `capture` is: 1.

        Raises:
            EVPError: the key is not complete.
        """
        self.pkey = m2.pkey_from_rsa(rsa.rsa)
        return 1

    def get_rsa(self) -> RSA.RSA:
        """Return the RSA key, which is shared.

        Returns:
            An `RSA` if the private key is there, else an `RSA_pub`.

        Raises:
            EVPError: it is not an RSA key.
        """
        from M2Crypto import RSA

        handle = m2.pkey_get1_rsa(self.pkey)
        return RSA.RSA(handle, 1) if m2.rsa_is_private(handle) else RSA.RSA_pub(handle, 1)

    def assign_ec(self, ec: EC.EC, capture: int = 1) -> int:
        """Hold an EC key, shared with `ec` whatever `capture` is: 1.

        Raises:
            EVPError: there are only parameters.
        """
        from M2Crypto import EC

        self.pkey = EC.ec_m2.pkey_from_ec(ec.ec)
        return 1

    def get_ec(self) -> EC.EC_pub:
        """Give the EC key that is held.

        Raises:
            EVPError: it is none.
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
        """Give the public key as DER: a subjectPublicKeyInfo (RFC 5280, 4.1.2.7)."""
        return m2.pkey_as_der(self.pkey)

    def size(self) -> int:
        """Give the most bytes that a signature has (EVP_PKEY_size(3)).

        Raises:
            EVPError: there is no key.
        """
        return m2.pkey_size(self.pkey)

    def get_modulus(self) -> bytes:
        """Give the modulus of an RSA key, or a DSA key's public number, in hexadecimal.

        Raises:
            EVPError: it is another kind of key.
        """
        return m2.pkey_get_modulus(self.pkey)

    def get_key_identifier(self) -> bytes:
        """Give the SHA-1 of the public key, as certificates do (RFC 5280, 4.2.1.2, method 1)."""
        return m2.pkey_get_key_identifier(self.pkey)


def load_key(
    file: str | bytes, callback: util.PassphraseCallback | None = util.passphrase_callback
) -> PKey:
    """Load a private key from a PEM file.

    Raises:
        BIOError: the file cannot be read.
        EVPError: it holds no private key, or the passphrase is wrong.
    """
    with BIO.openfile(file, "rb") as bio:
        return load_key_bio(bio, callback)


def load_key_pubkey(
    file: str | bytes, callback: util.PassphraseCallback | None = util.passphrase_callback
) -> PKey:
    """Load a public key from a PEM file.

    Raises:
        BIOError: the file cannot be read.
        EVPError: it holds no public key.
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
