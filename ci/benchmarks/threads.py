"""Measure the speed of two threads at once, in multiples of one thread's.

Each operation is measured beside the same one of hashlib or cryptography, as the median of several
rounds in turn. A computer whose other programs leave less than two cores gives no two threads their
speed. Therefore the figure is judged only if the peer, or two processes in the same rounds, reach
the bar. The exit code is 1 if M2Crypto does not reach what they reach.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import statistics
import sys
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from M2Crypto import EVP, m2

if TYPE_CHECKING:
    from collections.abc import Callable

# The least speed of two threads, in multiples of one's.
LEAST_SPEED = 1.9
ROUNDS = 9
# CPU seconds of one thread in a round.
SECONDS = 0.1
LARGE = bytes(1 << 20)
KEY, NONCE, SALT = bytes(range(16)), bytes(12), bytes(8)
MESSAGE = b"a message to sign"
ITERATIONS = 2000

AEAD, THEIR_AEAD = EVP.AEAD("aes_128_gcm", KEY), AESGCM(KEY)
RSA = EVP.gen_key("RSA", 2048)
RSA_PEM = RSA.as_pem(None)
THEIR_RSA = load_pem_private_key(RSA_PEM, None)
COPIES = [(EVP.load_key_string(RSA_PEM), load_pem_private_key(RSA_PEM, None)) for _ in range(2)]
TURNS = itertools.cycle(COPIES)


@dataclass(frozen=True, slots=True)
class Pair:
    """An operation of M2Crypto and the same one of its peer."""

    name: str
    ours: Callable[[], object]
    theirs: Callable[[], object]


class _OwnKeys(threading.local):
    """The keys of a thread, which the other thread does not use."""

    def __init__(self) -> None:
        self.ours, self.theirs = next(TURNS)


OWN = _OwnKeys()


def sign(key: EVP.PKey) -> bytes:
    """Sign by M2Crypto."""
    return EVP.sign(key, MESSAGE, "sha256")


def their_sign(key: Any) -> bytes:
    """Sign by cryptography."""
    signature: bytes = key.sign(MESSAGE, padding.PKCS1v15(), hashes.SHA256())
    return signature


PAIRS = (
    Pair("SHA-256, 1 MiB", lambda: EVP.digest(LARGE), lambda: hashlib.sha256(LARGE).digest()),
    Pair(
        "AES-128-GCM, 1 MiB",
        lambda: AEAD.seal(NONCE, LARGE),
        lambda: THEIR_AEAD.encrypt(NONCE, LARGE, None),
    ),
    Pair("RSA-2048, a key each", lambda: sign(OWN.ours), lambda: their_sign(OWN.theirs)),
    Pair(
        "RSA-2048, one key",
        lambda: sign(RSA),
        lambda: their_sign(THEIR_RSA),
    ),
    Pair(
        "PBKDF2",
        lambda: EVP.pbkdf2(KEY, SALT, ITERATIONS, 32),
        lambda: hashlib.pbkdf2_hmac("sha256", KEY, SALT, ITERATIONS, 32),
    ),
)


def times_of(work: Callable[[], object]) -> int:
    """Return how often `work` runs in the seconds of a round."""
    start = time.process_time()
    count = 0
    while time.process_time() - start < SECONDS:
        work()
        count += 1
    return count


def repeat(work: Callable[[], object], times: int) -> None:
    """Run `work` again and again."""
    for _ in range(times):
        work()


def in_threads(work: Callable[[], object], times: int, count: int) -> float:
    """Return the seconds that `count` threads take, each of which runs `work` `times` times."""
    threads = [threading.Thread(target=repeat, args=(work, times)) for _ in range(count)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - start


def in_processes(work: Callable[[], object], times: int, count: int) -> float:
    """Return the seconds that `count` processes take."""
    start = time.perf_counter()
    children = []
    for _ in range(count):
        child = os.fork()
        if child == 0:
            repeat(work, times)
            os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
    return time.perf_counter() - start


def measure(pair: Pair) -> bool:
    """Print the speeds of a pair and of processes; return whether M2Crypto's is reached."""
    ways = {
        "M2Crypto": (in_threads, pair.ours),
        "peer": (in_threads, pair.theirs),
        "processes": (in_processes, pair.ours),
    }
    times = {name: times_of(work) for name, (_, work) in ways.items()}
    rounds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, (run, work) in ways.items():
            one, two = (run(work, times[name], count) for count in (1, 2))
            rounds[name].append(2 * one / two)
    speeds = {name: statistics.median(found) for name, found in rounds.items()}
    figures = "".join(f"{speed:>11.2f}" for speed in speeds.values())
    best = max(speeds["peer"], speeds["processes"])
    verdict = "" if best >= LEAST_SPEED else "  (the computer is busy)"
    print(f"{pair.name:22}{figures}{verdict}", flush=True)
    return speeds["M2Crypto"] >= LEAST_SPEED or best < LEAST_SPEED


def main() -> int:
    """Measure, print, and judge."""
    print(f"Python {sys.version.split()[0]}, {m2.openssl_version(0)}, {os.cpu_count()} cores")
    print(f"{'two at once':22}{'M2Crypto':>11}{'peer':>11}{'processes':>11}  of one's speed")
    good = [measure(pair) for pair in PAIRS]
    return int(not all(good))


if __name__ == "__main__":
    sys.exit(main())
