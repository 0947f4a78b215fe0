"""Measure the speed of one thread while another hashes 256 MiB, beside hashlib in the same run.

One thread counts while the other hashes by M2Crypto, then by hashlib. The output is the counting
thread's speed as a share of its speed alone (at most 1.00) and the hashing speed, as medians of
several rounds. The exit code is 1 if the share is less than half beside M2Crypto but not beside
hashlib. If it is less beside both, the computer is busy and the result is not judged.
"""

from __future__ import annotations

import hashlib
import os
import statistics
import sys
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

MIB = 1 << 20
TOTAL = 256
# MiB of one update: as programs read files, and everything at once.
PIECES = (1, 256)
ROUNDS = 5
LEAST_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Share:
    """Of one way to hash: the counter's share of its idle speed, and MiB hashed a second."""

    counting: float
    hashing: float


class Counter:
    """A thread that counts during the `with` block; `speed` is its counts per second."""

    def __init__(self) -> None:
        self._stop = False
        self.speed = 0.0
        self._thread = threading.Thread(target=self._count)

    def __enter__(self) -> Counter:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stop = True
        self._thread.join()

    def _count(self) -> None:
        count = 0
        start = time.perf_counter()
        while not self._stop:
            count += 1
        self.speed = count / (time.perf_counter() - start)


def with_m2crypto(data: bytes, times: int) -> bytes:
    """Hash `data` `times` times over by M2Crypto."""
    from M2Crypto import EVP

    digest = EVP.MessageDigest("sha256")
    for _ in range(times):
        digest.update(data)
    return digest.final()


def with_hashlib(data: bytes, times: int) -> bytes:
    """Hash `data` `times` times over by hashlib."""
    digest = hashlib.sha256()
    for _ in range(times):
        digest.update(data)
    return digest.digest()


def idle_speed() -> float:
    """Return the counting thread's speed alone."""
    with Counter() as counter:
        time.sleep(0.3)
    return counter.speed


def measure(hash_all: Callable[[bytes, int], bytes], data: bytes, times: int) -> Share:
    """Run one round: measure the speed alone, then the speed while `hash_all` runs."""
    idle = idle_speed()
    with Counter() as counter:
        start = time.perf_counter()
        hash_all(data, times)
        seconds = time.perf_counter() - start
    return Share(counter.speed / idle, TOTAL / seconds)


def median(shares: list[Share]) -> Share:
    """Return the medians of both numbers."""
    return Share(
        statistics.median(share.counting for share in shares),
        statistics.median(share.hashing for share in shares),
    )


def compare(piece: int) -> tuple[Share, Share]:
    """Return M2Crypto's and hashlib's medians for pieces of `piece` MiB, measured in turn."""
    data = bytes(piece * MIB)
    times = TOTAL // piece
    if with_m2crypto(data, times) != with_hashlib(data, times):
        raise SystemExit("error: M2Crypto and hashlib disagree about a digest")
    ours, theirs = [], []
    for _ in range(ROUNDS):
        ours.append(measure(with_m2crypto, data, times))
        theirs.append(measure(with_hashlib, data, times))
    return median(ours), median(theirs)


def main() -> int:
    """Measure, print, and judge."""
    try:
        from M2Crypto import m2
    except ImportError as error:
        raise SystemExit(f"error: M2Crypto is not there ({error}): run `pip install .`") from None
    print(f"Python {sys.version.split()[0]}, {m2.openssl_version(0)}, {os.cpu_count()} cores")
    print(f"SHA-256 of {TOTAL} MiB, medians of {ROUNDS} rounds")
    too_slow = False
    for piece in PIECES:
        ours, theirs = compare(piece)
        too_slow |= ours.counting < LEAST_SHARE <= theirs.counting
        print(f"in pieces of {piece} MiB: the counter keeps")
        print(f"  M2Crypto  {ours.counting:5.2f} of its speed  ({ours.hashing:5.0f} MiB/s hashed)")
        print(
            f"  hashlib   {theirs.counting:5.2f} of its speed  ({theirs.hashing:5.0f} MiB/s hashed)"
        )
        print(f"  ratio     {ours.counting / theirs.counting:5.2f}")
    if too_slow:
        print(f"error: the counter keeps less than {LEAST_SHARE} of its speed, unlike with hashlib")
    return int(too_slow)


if __name__ == "__main__":
    sys.exit(main())
