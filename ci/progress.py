"""What a person sees while something long goes on: a line each, kept up to date.

Given texts, it writes to stderr: on a terminal each line is rewritten in place, several at a time;
elsewhere a line is printed now and then, so that a log stays short. Threads may share it.
"""

from __future__ import annotations

import shutil
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import TextIO

# Seconds between two prints of one line: what an eye follows, and what a log bears.
ON_A_TERMINAL = 0.1
IN_A_LOG = 20.0

_lock = threading.RLock()
_live: list[Line] = []


def say(text: str) -> None:
    """Print a line that stays, above those that change."""
    with _lock:
        _clear(sys.stderr)
        print(text, file=sys.stderr)
        _draw(sys.stderr)


@dataclass(eq=False, slots=True)
class Line:
    """One thing that goes on; used as a context, it disappears at the end."""

    name: str
    text: str = ""
    started: float = field(default_factory=time.monotonic)
    printed: float = field(default_factory=time.monotonic)

    def __enter__(self) -> Line:
        with _lock:
            _clear(sys.stderr)
            _live.append(self)
            _draw(sys.stderr)
        return self

    def __exit__(self, *_error: object) -> None:
        with _lock:
            _clear(sys.stderr)
            _live.remove(self)
            _draw(sys.stderr)

    @property
    def elapsed(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self.started

    def show(self, text: str) -> None:
        """Say how far it is; not every call is printed."""
        with _lock:
            self.text = text
            now = time.monotonic()
            terminal = sys.stderr.isatty()
            if now - self.printed < (ON_A_TERMINAL if terminal else IN_A_LOG):
                return
            self.printed = now
            if terminal:
                _clear(sys.stderr)
                _draw(sys.stderr)
            else:
                print(_written(self), file=sys.stderr, flush=True)


def minutes(seconds: float) -> str:
    """`75` as `1:15`."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def _written(line: Line, width: int | None = None) -> str:
    """The line; in `width` columns the text gives way, as the time is what shows that it moves."""
    time_so_far = f"  {minutes(line.elapsed)}"
    text = f"{line.name:<12} {line.text}"
    return text[: width - len(time_so_far) if width else None] + time_so_far


def _draw(stream: TextIO) -> None:
    if stream.isatty():
        width = shutil.get_terminal_size().columns - 1
        # A line that wraps would be two to clear.
        stream.write("".join(f"{_written(line, width)}\n" for line in _live))
        stream.flush()


def _clear(stream: TextIO) -> None:
    if stream.isatty() and _live:
        # Up over the lines drawn, then clear from there to the end of the screen.
        stream.write(f"\x1b[{len(_live)}F\x1b[J")
