"""Processes that run the operations of a library in turns, which the benchmarks compare.

A worker prints a line that describes its library. Then it reads lines `OPERATION COUNT` and prints
the CPU seconds of each.
"""

from __future__ import annotations

import os
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from ci.errors import UserError

# CPU seconds of one turn, and how often each library has one.
TURN = 0.02
ROUNDS = 51


class Worker:
    """A process that runs the operations of one library.

    Attributes:
        version: the line that describes the library.
        counts: how often each operation runs in a turn.
    """

    def __init__(
        self, command: Sequence[str | Path], path: str, operations: Sequence[str], stack: ExitStack
    ) -> None:
        self._script = command[1]
        python, *arguments = map(str, command)
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        self._child = stack.enter_context(
            subprocess.Popen(
                [python, "-P", *arguments],
                env={**environment, **({"PYTHONPATH": path} if path else {})},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        )
        # Closing its input ends it.
        if self._child.stdin:
            stack.callback(self._child.stdin.close)
        self.version = self._read()
        self.counts = dict.fromkeys(operations, 1)
        for name in operations:
            self._calibrate(name)

    def run(self, operation: str) -> float:
        """Return the CPU seconds of one operation, measured over a turn."""
        count = self.counts[operation]
        return self._seconds(operation, count) / count

    def _calibrate(self, operation: str) -> None:
        """Find the number of operations in a turn; the first ones fill caches."""
        while (seconds := self._seconds(operation, self.counts[operation])) < TURN:
            self.counts[operation] = int(self.counts[operation] * max(TURN / max(seconds, 1e-6), 2))

    def _seconds(self, operation: str, count: int) -> float:
        if self._child.stdin:
            self._child.stdin.write(f"{operation} {count}\n")
            self._child.stdin.flush()
        return float(self._read())

    def _read(self) -> str:
        line = self._child.stdout.readline() if self._child.stdout else ""
        if not line:
            raise UserError(f"the worker {self._script} ended, see above")
        return line.strip()


def take_turns(operation: str, workers: Mapping[str, Worker]) -> dict[str, list[float]]:
    """Return the CPU seconds of an operation in each round, by the names of the workers."""
    rounds: dict[str, list[float]] = {name: [] for name in workers}
    order = list(workers)
    for _ in range(ROUNDS):
        for name in order:
            rounds[name].append(workers[name].run(operation))
        # Each library follows each other one.
        order.append(order.pop(0))
    return rounds


def median_ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Return the median of the rounds' ratios."""
    return statistics.median(mine / other for mine, other in zip(ours, theirs, strict=True))
