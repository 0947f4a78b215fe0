"""Progress on stderr: lines that stay, and lines that are updated in place on a terminal.

Elsewhere an updated line is printed every twenty seconds, so that a log stays short. Threads may
share it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

# Seconds between two prints of one line outside a terminal.
LOG_INTERVAL = 20.0

_lock = threading.RLock()
_lines: list[ProgressLine] = []
_live: Live | None = None
_console = Console(stderr=True)


def log(text: str) -> None:
    """Print a line that stays, above the updated ones."""
    with _lock:
        _console.print(Text(text), soft_wrap=True)


@dataclass(eq=False, slots=True)
class ProgressLine:
    """The state of one running task; as a context manager, displayed until the block ends."""

    name: str
    text: str = ""
    started: float = field(default_factory=time.monotonic)
    printed: float = field(default_factory=time.monotonic)

    def __enter__(self) -> ProgressLine:
        global _live
        with _lock:
            _lines.append(self)
            if _live is None and _updates_in_place():
                _live = Live(
                    console=_console,
                    get_renderable=_display,
                    transient=True,
                    redirect_stdout=False,
                    redirect_stderr=False,
                )
                _live.start(refresh=True)
        return self

    def __exit__(self, *_error: object) -> None:
        global _live
        with _lock:
            _lines.remove(self)
            if _live is not None and not _lines:
                _live.stop()
                _live = None

    @property
    def elapsed(self) -> float:
        """Seconds since the task started."""
        return time.monotonic() - self.started

    def update(self, text: str) -> None:
        """Set the text; outside a terminal, print it if the last print is long ago."""
        with _lock:
            self.text = text
            now = time.monotonic()
            if not _updates_in_place() and now - self.printed >= LOG_INTERVAL:
                self.printed = now
                log(_format(self))


@dataclass(slots=True)
class Count:
    """The states of several tasks on one line: waiting, running, done, failed, and the time left.

    Args:
        name: of the tasks, such as `cells`.
        seconds: about how long each task takes, by its id.
        workers: how many run at a time.
    """

    name: str
    seconds: Mapping[str, float]
    workers: int
    running: set[str] = field(default_factory=set)
    done: dict[str, float] = field(default_factory=dict)
    failed: int = 0
    _line: ProgressLine = field(init=False)

    def __post_init__(self) -> None:
        self._line = ProgressLine(self.name)

    def __enter__(self) -> Count:
        self._line.__enter__()
        self._show()
        return self

    def __exit__(self, *error: object) -> None:
        self._line.__exit__(*error)

    @contextmanager
    def task(self, id: str) -> Iterator[None]:  # noqa: A002
        """Count a task as running until the block ends, then as done; as failed if it raises."""
        with _lock:
            self.running.add(id)
            self._show()
        started = time.monotonic()
        try:
            yield
        except BaseException:
            self.fail()
            raise
        finally:
            with _lock:
                self.running.remove(id)
                self.done[id] = time.monotonic() - started
                self._show()

    def fail(self) -> None:
        """Count one task as failed, too."""
        with _lock:
            self.failed += 1

    @property
    def left(self) -> float:
        """The seconds until all tasks are done, as far as those done took what was expected."""
        planned = sum(self.seconds[each] for each in self.done)
        rate = sum(self.done.values()) / planned if planned else 1.0
        remaining = sum(self.seconds[each] for each in self.seconds.keys() - self.done.keys())
        return rate * remaining / self.workers

    def _show(self) -> None:
        waiting = len(self.seconds) - len(self.running) - len(self.done)
        counts = {"waiting": waiting, "running": len(self.running), "done": len(self.done)}
        if self.failed:
            counts["failed"] = self.failed
        text = ", ".join(f"{count} {state}" for state, count in counts.items())
        self._line.update(f"{text}; about {minutes(self.left)} left")


def _updates_in_place() -> bool:
    """Return whether standard error can move the cursor.

    FORCE_COLOR makes rich take a log for a terminal.
    """
    return _console.is_terminal and not _console.is_dumb_terminal and _console.file.isatty()


def minutes(seconds: float) -> str:
    """Return 75 seconds as `1:15`."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def _format(line: ProgressLine, width: int | None = None) -> str:
    """Return the line; in `width` columns its text is cut, its elapsed time is not."""
    elapsed = f"  {minutes(line.elapsed)}"
    text = f"{line.name:<12} {line.text}"
    return text[: max(width - len(elapsed), 0) if width else None] + elapsed


def _display() -> RenderableType:
    with _lock:
        texts = (_format(line, _console.width) for line in _lines)
        return Group(*(Text(text, no_wrap=True, overflow="crop") for text in texts))
