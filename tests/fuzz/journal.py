"""The last calls of a fuzzing process, in a file that outlives the process."""

from __future__ import annotations

import faulthandler
import itertools
import mmap
import time
from pathlib import Path

# Lines of the file, and the bytes of each.
LINES = 64
WIDTH = 512


class Journal:
    """A file of LINES lines of fixed width, written in a circle: `SERIAL STEP TEXT`.

    The file is mapped, so that the kernel keeps what was written when the process crashes.
    """

    def __init__(self, path: Path) -> None:
        path.write_bytes((b" " * (WIDTH - 1) + b"\n") * LINES)
        with path.open("r+b") as file:
            self._lines = mmap.mmap(file.fileno(), 0)
        self._serials = itertools.count()

    def write(self, step: int, text: str) -> None:
        """Record what is about to be done in this step."""
        serial = next(self._serials)
        line = f"{serial} {step} {text}".encode("ascii", "backslashreplace")
        line = line.replace(b"\n", b" ")[: WIDTH - 1].ljust(WIDTH - 1)
        start = serial % LINES * WIDTH
        self._lines[start : start + WIDTH - 1] = line


class Watchdog:
    """End the process with every thread's traceback when no step ends for `seconds`.

    faulthandler's thread needs no GIL, so that a call that holds it is noticed too.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._armed = 0.0

    def feed(self) -> None:
        """Report that the process makes progress."""
        now = time.monotonic()
        if now - self._armed > min(1.0, self.seconds / 4):
            faulthandler.dump_traceback_later(self.seconds, exit=True)
            self._armed = now

    @staticmethod
    def stop() -> None:
        """Watch no longer."""
        faulthandler.cancel_dump_traceback_later()
