"""Key derivation from passwords and from keys (EVP_KDF(3))."""

from __future__ import annotations

from M2Crypto import _algorithms, m2
from M2Crypto._errors import EVPError
from M2Crypto._typing import TYPE_CHECKING

if TYPE_CHECKING:
    from M2Crypto._m2crypto import Buffer


def pbkdf2(password: Buffer, salt: Buffer, iter: int, keylen: int, algo: str = "sha1") -> bytes:
    """Derive a key of `keylen` bytes by PBKDF2 with HMAC (RFC 8018, section 5.2).

    Raises:
        EVPError: `iter` is less than 1, `keylen` is negative, or the digest is not available.
    """
    return m2.pbkdf2(password, salt, iter, keylen, _algorithms.digest(algo, EVPError))


def scrypt(
    password: Buffer, salt: Buffer, n: int, r: int, p: int, keylen: int, maxmem: int = 0
) -> bytes:
    """Derive a key of `keylen` bytes by scrypt (RFC 7914).

    Args:
        password: the password.
        salt: the salt.
        n: the CPU and memory cost, a power of 2 greater than 1.
        r: the block size.
        p: the parallelization.
        keylen: the length of the key in bytes.
        maxmem: the greatest memory to use in bytes; 0 is OpenSSL's limit, 32 MiB. About
            128 * n * r bytes are used.

    Raises:
        EVPError: the parameters are refused or need more memory, or OpenSSL was built without
            scrypt.
    """
    return m2.scrypt(password, salt, n, r, p, maxmem, keylen)


def hkdf(
    key: Buffer, length: int, salt: Buffer = b"", info: Buffer = b"", algo: str = "sha256"
) -> bytes:
    """Derive a key of `length` bytes by HKDF (RFC 5869).

    Raises:
        EVPError: `length` is more than 255 times the digest's, or the digest is not available.
    """
    return m2.hkdf(_algorithms.digest(algo, EVPError), 0, key, salt, info, length)


def hkdf_extract(key: Buffer, salt: Buffer = b"", algo: str = "sha256") -> bytes:
    """Return the pseudorandom key of HKDF-Extract (RFC 5869, section 2.2)."""
    return m2.hkdf(_algorithms.digest(algo, EVPError), 1, key, salt, b"", 0)


def hkdf_expand(key: Buffer, length: int, info: Buffer = b"", algo: str = "sha256") -> bytes:
    """Derive a key of `length` bytes by HKDF-Expand (RFC 5869, section 2.3).

    Raises:
        EVPError: `length` is more than 255 times the digest's, or the digest is not available.
    """
    return m2.hkdf(_algorithms.digest(algo, EVPError), 2, key, b"", info, length)


def argon2(
    password: Buffer,
    salt: Buffer,
    keylen: int,
    iterations: int = 3,
    lanes: int = 4,
    memory: int = 65536,
    variant: str = "argon2id",
    secret: Buffer = b"",
    data: Buffer = b"",
) -> bytes:
    """Derive a key of `keylen` bytes by Argon2 (RFC 9106), since OpenSSL 3.2.

    The defaults are the second recommended option (RFC 9106, section 4).

    Args:
        password: the password.
        salt: the salt, 8 bytes or more.
        keylen: the length of the key in bytes, 4 or more.
        iterations: the number of passes.
        lanes: the degree of parallelism, which is computed by one thread.
        memory: the memory in KiB, 8 for each lane or more.
        variant: argon2id, argon2i or argon2d.
        secret: the secret value.
        data: the associated data.

    Raises:
        EVPError: the parameters are refused, or this OpenSSL has no Argon2.
    """
    if variant not in ("argon2id", "argon2i", "argon2d"):
        raise EVPError(f"unknown variant of Argon2: {variant}")
    arguments = (password, salt, secret, data, iterations, lanes, memory, keylen)
    return m2.argon2(variant.upper(), *arguments)
