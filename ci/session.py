"""What pytest's session of a cell says of itself: the journal that tests/fix_cell.py writes.

Given the journal it gives each test's outcome, or a `Problem` when the session did not go from its
first to its last collected test in one process; while the session runs, how far it is.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ci.problem import Problem


@dataclass(slots=True)
class Session:
    """The events of a session so far: the tests collected, those that ended and how."""

    process: int = 0
    collected: list[str] | None = None
    running: str = ""
    ended: dict[str, tuple[str, str]] = field(default_factory=dict)
    forked: list[str] = field(default_factory=list)
    exit: int | None = None
    _read: int = 0

    def follow(self, path: Path) -> None:
        """Take in the events that were appended to the journal since the last time."""
        if not path.exists():
            return
        with path.open("rb") as journal:
            journal.seek(self._read)
            # The last line may be on its way.
            lines, end, _ = journal.read().rpartition(b"\n")
        self._read += len(lines) + len(end)
        for line in lines.splitlines():
            self._add(json.loads(line))

    @property
    def progress(self) -> str:
        """How far it is, and in which test."""
        if self.collected is None:
            return "collecting"
        return f"{len(self.ended)} of {len(self.collected)} {self.running}".rstrip()

    def _add(self, event: dict[str, Any]) -> None:
        for kind, value in event.items():
            if kind == "start":
                self.running = value
            elif kind == "end":
                self.running = ""
                self.ended[value] = (event["outcome"], event["why"])
            elif kind == "forked":
                self.forked.append(value)
            elif kind in ("process", "collected", "exit"):
                setattr(self, kind, value)


def read(path: Path) -> Session:
    """Read a journal, whole or as far as it is written."""
    session = Session()
    session.follow(path)
    return session


def outcomes(session: Session, status: int) -> dict[str, tuple[str, str]]:
    """Each collected test's outcome and the reason for it.

    `status` is pytest's exit code. Raises a `Problem` unless the session was whole.
    """
    if session.forked:
        raise Problem(
            f"result refused, a forked child went on with the session after {session.forked[0]}; "
            "end it with os._exit in the test"
        )
    collected = session.collected or []
    missing = [test for test in collected if test not in session.ended]
    if session.exit is None or session.exit != status or missing:
        where = session.running or (missing[0] if missing else "") or "the end"
        raise Problem(
            f"result refused, the session ended early: {len(session.ended)} of {len(collected)} "
            f"tests ended, it stopped at {where}"
        )
    if not collected:
        raise Problem("result refused, no test was collected")
    return session.ended
