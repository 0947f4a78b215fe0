"""What a cell leaves behind: its stamp, junit, coverage data and timings; and when to refuse it.

Given what a cell must be and the folder its run wrote, it gives a `Result`, or a `Problem` when the
folder is not whole or its stamp says that something else was tested. A folder gets its place by
renaming, so what is there is whole:

    coverage/results/CELL/cell.json        what was expected, of which sources
                          stamp.json       what was found in the process
                          junit.xml        each test's outcome
                          python.coverage  Python lines that ran, as coverage.py keeps them
                          c_lines.json     C lines that ran, were missed or were compiled out
                          timings.json     seconds
                          log.txt          what pytest printed
"""

from __future__ import annotations

import json
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from filelock import FileLock

from ci.manifest import Build
from ci.problem import Problem

ROOT = Path(__file__).resolve().parent.parent / "coverage" / "results"

CELL = "cell.json"
STAMP = "stamp.json"
JUNIT = "junit.xml"
PYTHON = "python.coverage"
C_LINES = "c_lines.json"
TIMINGS = "timings.json"
LOG = "log.txt"
WHOLE = (CELL, STAMP, JUNIT, PYTHON, C_LINES, TIMINGS)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Expected:
    """What a cell must be.

    `python` is a series such as `3.13`, `openssl` a version such as `3.5.7`, `sources` the digest
    of the sources that are tested; `partial` means that only some of the tests were asked for.
    """

    id: str
    python: str
    openssl: str
    ec: bool
    sources: str
    partial: bool


@dataclass(frozen=True, slots=True)
class Stamp:
    """What was in the process (see tests/fix_cell.py)."""

    python: str
    header: str
    header_number: str
    runtime: str
    runtime_number: str
    ec: bool
    library: str
    extension: str
    sha256: str
    swig: str
    compiler: str
    flags: str
    abi: str
    link: str


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds: of pytest, and of collecting what it left."""

    tests: float
    coverage: float


@dataclass(frozen=True, slots=True)
class Tests:
    """The ids of the tests that ran, those of them that failed, and of the others why not."""

    ran: frozenset[str]
    failed: frozenset[str]
    skipped: dict[str, str]

    @property
    def passed(self) -> int:
        """How many."""
        return len(self.ran) - len(self.failed)


@dataclass(frozen=True, slots=True)
class Result:
    """A whole result whose stamp agrees with its cell."""

    folder: Path
    expected: Expected
    stamp: Stamp
    tests: Tests
    timings: Timings


@dataclass(frozen=True, slots=True)
class NotRun:
    """A cell that has no result fit for use, and why."""

    id: str
    why: str


def expectation(
    id: str,  # noqa: A002 - a cell's id is called that
    python: str,
    build: Build,
    *,
    sources: str,
    partial: bool,
) -> Expected:
    """What a run on a Python with a build must be."""
    ec = "no-ec" not in build.variant.options
    return Expected(id, python, build.version, ec, sources, partial)


def write(record: Expected | Timings, folder: Path) -> None:
    """Write a part of a result into its folder."""
    name = CELL if isinstance(record, Expected) else TIMINGS
    (folder / name).write_text(json.dumps(asdict(record), indent=1), encoding="utf-8")


def read(folder: Path) -> Result:
    """Read a result.

    Raises a `Problem` when a part is missing or broken, or the stamp disagrees with the cell.
    """
    for name in WHOLE:
        if not (folder / name).is_file():
            raise Problem(f"{folder.name}: no result, {name} is missing; see {folder / LOG}")
    expected = _record(Expected, folder / CELL)
    stamp = _record(Stamp, folder / STAMP)
    refuse(expected, stamp)
    return Result(
        folder, expected, stamp, _tests(folder / JUNIT), _record(Timings, folder / TIMINGS)
    )


def refuse(expected: Expected, stamp: Stamp) -> None:
    """Raise a `Problem` when the stamp is not that of the cell."""
    series = ".".join(stamp.python.split(".")[:2])
    for what, found, wanted in (
        ("Python", series, expected.python.rstrip("t")),
        ("OpenSSL's headers", stamp.header, expected.openssl),
        ("the OpenSSL in the process", stamp.runtime, expected.openssl),
        ("its number", stamp.runtime_number, stamp.header_number),
        ("EC", _yes(stamp.ec), _yes(expected.ec)),
    ):
        if found != wanted:
            raise Problem(
                f"{expected.id}: result refused, {what} is {found} where the cell says {wanted}; "
                f"the extension was {stamp.extension}"
            )


def folders(root: Path) -> list[Path]:
    """The folders of results under `root`, whole or not; of a run that goes on, nothing."""
    if not root.is_dir():
        return []
    return sorted(
        path for path in root.iterdir() if path.is_dir() and not path.name.startswith(".")
    )


@contextmanager
def in_place(root: Path, id: str) -> Iterator[Path]:  # noqa: A002
    """A folder to write the result of a cell into, which takes its place at the end.

    The cell's old result is gone from the start, so that a run which is killed leaves none. Two
    runs of one cell wait for each other.
    """
    root.mkdir(parents=True, exist_ok=True)
    fresh = root / f".{id}"
    with FileLock(root / f".{id}.lock"):
        for old in (root / id, fresh):
            shutil.rmtree(old, ignore_errors=True)
        fresh.mkdir()
        try:
            yield fresh
            fresh.rename(root / id)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)


def keep_log(folder: Path) -> None:
    """Leave nothing but the log, of a run that gave no result."""
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != LOG:
            path.unlink()


def _record(kind: type[T], path: Path) -> T:
    names = {each.name for each in fields(kind)}  # type: ignore[arg-type]
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if set(found) != names:
            odd = ", ".join(sorted(set(found) ^ names))
            raise Problem(f"{path}: unknown or missing: {odd}; run the cell again")
        return kind(**found)
    except (OSError, ValueError, TypeError) as error:
        raise Problem(f"{path}: cannot be read ({error}); run the cell again") from None


def _tests(path: Path) -> Tests:
    try:
        cases = list(ET.parse(path).getroot().iter("testcase"))  # noqa: S314 - pytest wrote it
    except ET.ParseError as error:
        raise Problem(f"{path}: not XML ({error}); run the cell again") from None
    ran, failed, skipped = set(), set(), {}
    for case in cases:
        name = f"{case.get('classname')}::{case.get('name')}"
        skip = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            ran.add(name)
            failed.add(name)
        elif skip is not None and skip.get("type") != "pytest.xfail":
            skipped[name] = skip.get("message") or ""
        else:
            ran.add(name)
    return Tests(
        frozenset(ran), frozenset(failed), {k: v for k, v in skipped.items() if k not in ran}
    )


def _yes(there: bool) -> str:
    return "there" if there else "not there"
