"""The journal of a cell's pytest session, which tests/fix_cell.py writes.

It has each test's outcome and whether the session ran all collected tests in one process; while the
session runs, the test that is running.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import msgspec

from ci.documents import Record
from ci.errors import UserError


class _Event(Record, frozen=True):
    process: int | None = None
    collected: list[str] | None = None
    start: str | None = None
    end: str | None = None
    outcome: Literal["passed", "failed", "skipped"] = "skipped"
    why: str = ""
    forked: str | None = None
    exit: int | None = None


@dataclass(slots=True)
class Session:
    """The events of a session so far: the collected tests, and the outcomes of those that ended.

    `damaged` counts the lines that are no event: a test can write into any open file.
    """

    process: int = 0
    collected: list[str] | None = None
    running: str = ""
    ended: dict[str, tuple[str, str]] = field(default_factory=dict)
    forked: list[str] = field(default_factory=list)
    exit: int | None = None
    damaged: int = 0
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
            try:
                self._add(msgspec.json.decode(line, type=_Event))
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                self.damaged += 1

    @property
    def progress(self) -> str:
        """The number of tests that ended, and the test that is running."""
        if self.collected is None:
            return "collecting"
        return f"{len(self.ended)} of {len(self.collected)} {self.running}".rstrip()

    def _add(self, event: _Event) -> None:
        self.process = event.process or self.process
        if event.collected is not None:
            self.collected = event.collected
        if event.start is not None:
            self.running = event.start
        if event.end is not None:
            self.running = ""
            self.ended[event.end] = (event.outcome, event.why)
        if event.forked is not None:
            self.forked.append(event.forked)
        if event.exit is not None:
            self.exit = event.exit


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
        UserError: a test did not end, a forked child continued the session, no test was collected,
            or the journal is damaged.
    """
    if session.forked:
        raise UserError(
            f"result refused, a forked child continued the session after {session.forked[0]}; "
            "end it with os._exit in the test"
        )
    if session.damaged:
        raise UserError(
            f"result refused, {session.damaged} lines of the session's journal are damaged; "
            "a test has written into a file that it did not open"
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
