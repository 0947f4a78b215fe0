"""A worker of the benchmark `older` (turns.py): the operations that each M2Crypto has.

`python older.py this|older DIRECTORY`; DIRECTORY holds the keys and certificates of the tests. Both
call the same methods, but `this` encrypts by EVP.AEAD, which the older one does not have: there it
is EVP.Cipher, without a tag.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import M2Crypto
from M2Crypto import EVP, RSA, X509, m2

if TYPE_CHECKING:
    from collections.abc import Callable

MESSAGE = bytes(range(64))
KEY, IV, NONCE = bytes(range(16)), bytes(16), bytes(12)


def sha256() -> bytes:
    """Hash."""
    digest = EVP.MessageDigest("sha256")
    digest.update(MESSAGE)
    return digest.final()


def hmac() -> bytes:
    """Authenticate."""
    mac = EVP.HMAC(KEY, "sha256")
    mac.update(MESSAGE)
    return mac.final()


def cbc() -> bytes:
    """Encrypt by a block cipher."""
    cipher = EVP.Cipher("aes_128_cbc", KEY, IV, 1, padding=0)
    return bytes(cipher.update(MESSAGE) + cipher.final())


def gcm() -> bytes:
    """Encrypt by GCM without a tag."""
    cipher = EVP.Cipher("aes_128_gcm", KEY, NONCE, 1, padding=0)
    return bytes(cipher.update(MESSAGE))


def operations(library: str, data: Path) -> dict[str, Callable[[], object]]:
    """Return the operations of a library."""
    rsa_pem = (data / "keys" / "rsa_2048.pem").read_bytes()
    certificate = (data / "certificates" / "server.pem").read_bytes()
    certificate = certificate[certificate.index(b"-----BEGIN CERTIFICATE") :]
    rsa, digest = RSA.load_key_string(rsa_pem), sha256()
    encrypt: Callable[[], object] = gcm
    if library == "this":
        aead = EVP.AEAD("aes_128_gcm", KEY)
        encrypt = lambda: aead.seal(NONCE, MESSAGE)  # noqa: E731
    return {
        "SHA-256 64 B": sha256,
        "HMAC-SHA-256 64 B": hmac,
        "AES-128-CBC 64 B": cbc,
        "AES-128-GCM 64 B": encrypt,
        "RSA-2048 sign": lambda: rsa.sign(digest, "sha256"),
        "PEM RSA key": lambda: RSA.load_key_string(rsa_pem),
        "PEM certificate": lambda: X509.load_cert_string(certificate),
    }


def main() -> None:
    """Serve the lines of standard input."""
    known = operations(sys.argv[1], Path(sys.argv[2]))
    print(f"M2Crypto {M2Crypto.__version__}, {m2.OPENSSL_VERSION_TEXT}", flush=True)
    for line in sys.stdin:
        name, _, count = line.rpartition(" ")
        run = known[name]
        start = time.process_time()
        for _ in range(int(count)):
            run()
        print(time.process_time() - start, flush=True)


if __name__ == "__main__":
    main()
