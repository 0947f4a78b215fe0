"""Timeouts of operations with several steps."""

from __future__ import annotations

import time

from M2Crypto._locks import TIMEOUT_MAX

# poll(2) and sockets take milliseconds as an int, so a longer wait is divided.
LONGEST_WAIT = 24 * 86400.0


class Deadline:
    """The end of a timeout: in some seconds, never (None), or at once (0)."""

    __slots__ = ("_end", "waits")

    def __init__(self, seconds: float | None) -> None:
        self.waits = seconds != 0
        self._end = None if seconds is None else time.monotonic() + seconds

    def left(self) -> float | None:
        """Return the remaining seconds, 0 or more; None without a timeout."""
        return None if self._end is None else max(0.0, self._end - time.monotonic())

    def part(self) -> float | None:
        """Return the remaining seconds, at most those of one wait for a socket."""
        left = self.left()
        return None if left is None else min(left, LONGEST_WAIT)

    def lock_timeout(self) -> float:
        """Return the remaining seconds for a lock's `acquire`."""
        left = self.left()
        return -1 if left is None else min(left, TIMEOUT_MAX)

    def io_timeout(self) -> float:
        """Return the remaining seconds for the extension (src/ssl_io.h)."""
        left = self.left()
        if left is None:
            return -1
        # 0 would be non-blocking mode.
        return max(left, 1e-9) if self.waits else 0
