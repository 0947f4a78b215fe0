"""Measure 64 bytes, keys and certificates beside the last M2Crypto before 1.0, in turns.

`nox -s bench -- older`. That M2Crypto is built from the registry's sdist with the system's OpenSSL,
in an environment of its own. Each has a process, and they take turns in each round. The output is
the CPU time of an operation, as the median of the rounds, and the median of the rounds' ratios of
this one to the older: below 1, this one is faster. The exit code is 1 if an operation takes 5 %
longer, which covers the difference of two OpenSSL releases.
"""

from __future__ import annotations

import os
import statistics
import sys
from contextlib import ExitStack
from pathlib import Path

from ci.benchmarks.workers.turns import Worker, median_ratio, take_turns
from ci.project import Project

WORKER = Path(__file__).parent / "workers" / "older.py"
MARGIN = 1.05
OPERATIONS = (
    "SHA-256 64 B",
    "HMAC-SHA-256 64 B",
    "AES-128-CBC 64 B",
    "AES-128-GCM 64 B",
    "RSA-2048 sign",
    "PEM RSA key",
    "PEM certificate",
)


def main() -> int:
    """Measure, print, and judge."""
    older = os.environ.get("M2CRYPTO_OLDER")
    if not older:
        print("not measured: the older M2Crypto is not installed, see above")
        return 0
    data = Project.from_environment().root / "tests" / "data"
    with ExitStack() as stack:
        workers = {
            "this": Worker(
                [sys.executable, WORKER, "this", data], os.environ["PYTHONPATH"], OPERATIONS, stack
            ),
            "older": Worker([older, WORKER, "older", data], "", OPERATIONS, stack),
        }
        for name, worker in workers.items():
            print(f"{name:<8}{worker.version}")
        slower = []
        for operation in OPERATIONS:
            rounds = take_turns(operation, workers)
            ours, theirs = (statistics.median(rounds[name]) * 1e6 for name in workers)
            ratio = median_ratio(rounds["this"], rounds["older"])
            print(f"{operation:<20}{ours:9.2f} µs{theirs:9.2f} µs{ratio:8.3f}", flush=True)
            if ratio > MARGIN:
                slower.append(operation)
    if slower:
        print(f"error: slower than the older M2Crypto: {', '.join(slower)}")
    return int(bool(slower))


if __name__ == "__main__":
    sys.exit(main())
