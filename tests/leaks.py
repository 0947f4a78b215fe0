"""Repeat each constructor, parser and function, and report by how many bytes memory grows.

    python tests/leaks.py [--rounds N] [--seconds S] [NAME...]

The tables are those of the tests: an object of each class and each function with arguments of its
types (examples.py), and the operations of allocations/operations.py. The exit code is 1 if the
memory that malloc has given out grows by more than a byte a round.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE / "allocations")]

import examples  # noqa: E402
import operations  # noqa: E402

from M2Crypto.Err import M2CryptoError  # noqa: E402

# What right arguments may raise all the same: a file is absent, a name unknown.
EXPECTED = (M2CryptoError, TypeError, ValueError, OSError, LookupError, AttributeError)
# Change the process, prompt, or wait for a peer.
LEFT_OUT = {
    "EVP.set_default_properties",
    "Provider.set_default_properties",
    "Provider.enable_fips",
    "RSA.keygen_callback",
    "SSL.replacement.install",
    "certdata.main",
    "threading.init",
    "util.genparam_callback",
    "util.passphrase_callback",
    "util.quiet_genparam_callback",
}
# The growth that a round may have on average, and one of a whole run: caches fill up.
BYTES_A_ROUND = 1.0
BYTES = 65536
WARM_UP = 0.2


class Info(ctypes.Structure):
    """What mallinfo2(3) returns."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
            *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
        )
    ]


LIBC = ctypes.CDLL(None)
LIBC.mallinfo2.restype = Info


def in_use() -> int:
    """Return the bytes that malloc has given out."""
    gc.collect()
    info = LIBC.mallinfo2()
    used: int = info.uordblks + info.hblkhd
    return used


def items() -> Iterator[tuple[str, Callable[[], object]]]:
    """Generate what is repeated."""
    yield from sorted(examples.EXAMPLES.items())
    for name, function in sorted(examples.functions().items()):
        if name not in LEFT_OUT:
            yield f"{name}()", called(function)
    for prepare in operations.OPERATIONS:
        yield f"operations.{prepare.__name__}", operated(prepare)


def called(function: Callable[..., object]) -> Callable[[], object]:
    """Return the call of a function with arguments of its types."""
    parameters = examples.positional(function)

    def call() -> object:
        return function(*map(examples.argument, parameters))

    return call


def operated(prepare: Callable[[], Iterator[Callable[[], object]]]) -> Callable[[], object]:
    """Return the calls of an operation."""

    def call() -> None:
        for each in prepare():
            each()

    return call


def repeat(call: Callable[[], object], rounds: int, seconds: float) -> int:
    """Call at most so often and so long, and return how often."""
    end = time.monotonic() + seconds
    for done in range(rounds):
        with suppress(*EXPECTED):
            call()
        if time.monotonic() > end:
            return done + 1
    return rounds


def main() -> int:
    """Repeat what is named, or all, and report."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=10.0, help="of one item (default: 10)")
    parser.add_argument("names", nargs="*", metavar="NAME")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    chosen = [each for each in items() if not options.names or each[0] in options.names]
    growing = []
    total = 0
    print(f"{'rounds':>8} {'bytes':>9}  of what")
    for name, call in chosen:
        repeat(call, options.rounds, WARM_UP)
        before = in_use()
        rounds = repeat(call, options.rounds, options.seconds)
        growth = in_use() - before
        total += rounds
        print(f"{rounds:8} {growth:9}  {name}", flush=True)
        if growth > BYTES and growth > rounds * BYTES_A_ROUND:
            growing.append(name)
    print(f"{len(chosen)} items, {total} rounds; memory grows in {', '.join(growing) or 'none'}")
    return int(bool(growing))


if __name__ == "__main__":
    sys.exit(main())
