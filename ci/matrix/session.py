"""The journal of a cell's pytest session, which tests/fix_cell.py writes.

It has each test's outcome and whether the session ran all collected tests in one process; while the
session runs, the test that is running.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ci.errors import UserError


@dataclass(slots=True)
class Session:
    """The events of a session so far: the collected tests, and the outcomes of those that ended."""

    process: int = 0
    collected: list[str] | None = None
    running: str = ""
    ended: dict[str, tuple[str, str]] = field(default_factory=dict)
    forked: list[str] = field(default_factory=list)
    exit: int | None = None
    _read: int = 0

    def follow(self, path: Path) -> None:
        """Read the events that were appended to the journal since the last call."""
        if not path.exists():
            return
        with path.open("rb") as journal:
            journal.seek(self._read)
            # The last line may be incomplete.
            lines, end, _ = journal.read().rpartition(b"\n")
        self._read += len(lines) + len(end)
        for line in lines.splitlines():
            self._add(json.loads(line))

    @property
    def progress(self) -> str:
        """The number of tests that ended, and the test that is running."""
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
    """Return the session of a journal, which may be incomplete."""
    session = Session()
    session.follow(path)
    return session


def outcomes(session: Session, status: int) -> dict[str, tuple[str, str]]:
    """Return each collected test's outcome and its reason.

    Args:
        session: the session.
        status: pytest's exit code.

    Raises:
        UserError: a test did not end, a forked child continued the session, or no test was
            collected.
    """
    if session.forked:
        raise UserError(
            f"result refused, a forked child continued the session after {session.forked[0]}; "
            "end it with os._exit in the test"
        )
    collected = session.collected or []
    missing = [test for test in collected if test not in session.ended]
    if session.exit is None or session.exit != status or missing:
        where = session.running or (missing[0] if missing else "") or "the end"
        raise UserError(
            f"result refused, the session ended early: {len(session.ended)} of {len(collected)} "
            f"tests ended, it stopped at {where}"
        )
    if not collected:
        raise UserError("result refused, no test was collected")
    return session.ended
