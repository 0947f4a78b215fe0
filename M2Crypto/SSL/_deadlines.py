"""Timeouts of operations with several steps."""

from __future__ import annotations

import time

from M2Crypto._locks import TIMEOUT_MAX

# poll(2) and sockets take milliseconds as an int, so a longer wait is divided.
LONGEST_WAIT = 24 * 86400.0


def one_wait(seconds: float | None) -> float | None:
    """Return the seconds of one wait for a socket, at most `seconds`."""
    return None if seconds is None else min(seconds, LONGEST_WAIT)


class Deadline:
    """The end of a timeout: in some seconds, at once (0), or never (None or less than 0)."""

    __slots__ = ("_end", "waits")

    def __init__(self, seconds: float | None) -> None:
        self.waits = seconds != 0
        # None is never, 0 at once: neither needs the clock.
        self._end: float | None = None
        if seconds is not None and seconds >= 0:
            self._end = time.monotonic() + seconds if seconds else 0.0

    def left(self) -> float | None:
        """Return the remaining seconds, 0 or more; None without a timeout."""
        return max(0.0, self._end - time.monotonic()) if self._end else self._end

    def part(self) -> float | None:
        """Return the remaining seconds, at most those of one wait for a socket."""
        return one_wait(self.left())

    def lock_timeout(self) -> float:
        """Return the remaining seconds for a lock's `acquire`."""
        left = self.left()
        return -1 if left is None else min(left, TIMEOUT_MAX)

    def io_timeout(self) -> float:
        """Return the remaining seconds for the extension (src/ssl_io.h)."""
        if not self._end:
            return -1 if self._end is None else 0
        # 0 would be non-blocking mode.
        return max(self._end - time.monotonic(), 1e-9)
