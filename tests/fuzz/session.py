"""The parts that the fuzzers share: random numbers, journal, oracle."""

from __future__ import annotations

import random
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from journal import Journal, Watchdog

DATA = Path(__file__).resolve().parent.parent / "data"


class PlantedError(Exception):
    """Raised by the fuzzers' own callbacks: any call may propagate it."""


# The documented exceptions. Any other, above all SystemError, is a finding.
DOCUMENTED = (TypeError, ValueError, OverflowError, BufferError, MemoryError, OSError, PlantedError)


@dataclass
class Session:
    """One run of a fuzzer with one seed."""

    fuzzer: str
    seed: int
    seconds: float
    journal: Journal
    watchdog: Watchdog
    without: frozenset[str] = frozenset()
    # Where inputs that reached new code are kept, a directory for each parser.
    corpus: Path = Path("corpus")
    step: int = 0
    random: random.Random = field(init=False)
    findings: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.random = random.Random(f"{self.fuzzer}-{self.seed}")
        self._end = time.monotonic() + self.seconds
        sys.unraisablehook = self._unraisable

    def steps(self, count: int):
        """Count the steps of this seed, at most `count`; end early when the time is up."""
        for self.step in range(1, count + 1):
            if time.monotonic() > self._end:
                return
            self.watchdog.feed()
            yield self.step

    def record(self, text: str) -> None:
        """Write into the journal what is about to be done."""
        self.journal.write(self.step, text)

    def find(self, key: str, what: str) -> None:
        """Print a finding, one line for each `key`."""
        if key not in self.findings:
            self.findings.add(key)
            print(f"finding: step {self.step}: {what}", flush=True)

    def check_exception(self, name: str, error: BaseException) -> None:
        """Report an exception that `name` does not document."""
        documented = isinstance(error, DOCUMENTED) or type(error).__module__.startswith("M2Crypto.")
        if not documented:
            kind = type(error).__name__
            self.find(f"{name} {kind}", f"{name} raised {kind}: {str(error)[:200]}")

    def check_queue(self, name: str) -> None:
        """Report an error that `name` left in OpenSSL's queue."""
        from M2Crypto import m2

        code = m2.err_peek_error()
        if code:
            reason = m2.err_reason_error_string(code)
            m2.err_clear_error()
            self.find(f"{name} queue", f"{name} left an error in OpenSSL's queue: {reason}")

    def _unraisable(self, unraisable: object) -> None:
        error = unraisable.exc_value
        if not isinstance(error, PlantedError):
            kind = type(error).__name__
            where = getattr(unraisable.object, "__qualname__", type(unraisable.object).__name__)
            self.find(
                f"unraisable {where} {kind}", f"{kind} could not be raised in {where}: {error}"
            )
