"""Measure digests, HMACs and ciphers of 64 bytes beside hashlib, hmac and cryptography.

Each pair is measured in turn in one process, several rounds. The output is the median CPU time of
each in microseconds, and the median of the rounds' ratios, M2Crypto's time to the peer's. The exit
code is 1 if a ratio exceeds its bar.
"""

from __future__ import annotations

import hashlib
import hmac
import statistics
import sys
import time
import timeit
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from M2Crypto import EVP, m2

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 15
SECONDS = 0.02
DATA = bytes(range(64))
KEY = bytes(range(16))
IV = bytes(16)
NONCE = bytes(12)


@dataclass(frozen=True, slots=True)
class Pair:
    """Two ways to the same result, and the greatest ratio of their times."""

    name: str
    ours: Callable[[], bytes]
    theirs: Callable[[], bytes]
    bar: float


def message_digest() -> bytes:
    """Hash by a MessageDigest."""
    digest = EVP.MessageDigest("sha256")
    digest.update(DATA)
    return digest.final()


def cbc() -> bytes:
    """Encrypt by M2Crypto."""
    cipher = EVP.Cipher("aes_128_cbc", KEY, IV, 1, padding=0)
    return cipher.update(DATA) + cipher.final()


def their_cbc() -> bytes:
    """Encrypt by cryptography."""
    cipher = Cipher(algorithms.AES(KEY), modes.CBC(IV)).encryptor()
    return bytes(cipher.update(DATA) + cipher.finalize())


AEAD = EVP.AEAD("aes_128_gcm", KEY)
THEIR_AEAD = AESGCM(KEY)
SEALED = AEAD.seal(NONCE, DATA)
PAIRS = (
    Pair("SHA-256, object", message_digest, lambda: hashlib.sha256(DATA).digest(), 1.5),
    Pair("SHA-256, one call", lambda: EVP.digest(DATA), lambda: hashlib.sha256(DATA).digest(), 1.2),
    Pair(
        "HMAC-SHA-256, one call",
        lambda: EVP.hmac(KEY, DATA),
        lambda: hmac.digest(KEY, DATA, "sha256"),
        1.0,
    ),
    Pair("AES-128-CBC", cbc, their_cbc, 1.0),
    Pair(
        "AES-128-GCM, a key",
        lambda: AEAD.seal(NONCE, DATA),
        lambda: THEIR_AEAD.encrypt(NONCE, DATA, None),
        1.0,
    ),
    Pair(
        "AES-128-GCM, decrypt",
        lambda: AEAD.open(NONCE, SEALED),
        lambda: THEIR_AEAD.decrypt(NONCE, SEALED, None),
        1.0,
    ),
    Pair(
        "AES-128-GCM, one call",
        lambda: EVP.seal("aes_128_gcm", KEY, NONCE, DATA),
        lambda: AESGCM(KEY).encrypt(NONCE, DATA, None),
        1.0,
    ),
)


def seconds(work: Callable[[], bytes], number: int) -> float:
    """Return the CPU seconds of one call."""
    return timeit.timeit(work, timer=time.process_time, number=number) / number


def measure(pair: Pair) -> bool:
    """Print a pair's medians, and return whether the ratio is within the bar."""
    if pair.ours() != pair.theirs():
        raise SystemExit(f"error: the results of {pair.name} differ")
    number = max(1, int(SECONDS / seconds(pair.theirs, 100)))
    rounds = [(seconds(pair.ours, number), seconds(pair.theirs, number)) for _ in range(ROUNDS)]
    ours, theirs = (statistics.median(each) * 1e6 for each in zip(*rounds, strict=True))
    ratio = statistics.median(first / second for first, second in rounds)
    print(f"{pair.name:24} {ours:7.3f} µs {theirs:7.3f} µs   {ratio:5.2f}  (at most {pair.bar})")
    return ratio <= pair.bar


def main() -> int:
    """Measure, print, and judge."""
    print(f"Python {sys.version.split()[0]}, {m2.openssl_version(0)}")
    print(f"{'64 bytes':24} {'M2Crypto':>10} {'peer':>10}   ratio")
    good = [measure(pair) for pair in PAIRS]
    return int(not all(good))


if __name__ == "__main__":
    sys.exit(main())
