"""What a cell leaves behind: its stamp, tests, coverage data and timings; and when to refuse it.

Given what a cell must be and the folder its run wrote, it gives a `Result`, or a `Problem` when the
folder is not whole, was changed since, or its stamp says that something else was tested. A folder
gets its place by renaming, so what is there is whole:

    coverage/results/CELL/cell.json        what was expected, of which sources
                          stamp.json       what was found in the process
                          tests.json       each test's outcome
                          junit.xml        the same, for those who show tests
                          python.coverage  Python lines that ran, as coverage.py keeps them
                          c_lines.json     C lines that ran, were missed or were compiled out
                          timings.json     seconds
                          log.txt          what pytest printed
                          seal.json        the sha256 of each of the files above, written last
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from filelock import FileLock

from ci import store
from ci.plan import Cell
from ci.problem import Problem

ROOT = Path(__file__).resolve().parent.parent / "coverage" / "results"

CELL = "cell.json"
STAMP = "stamp.json"
TESTS = "tests.json"
JUNIT = "junit.xml"
PYTHON = "python.coverage"
C_LINES = "c_lines.json"
TIMINGS = "timings.json"
LOG = "log.txt"
SEAL = "seal.json"
SEALED = (CELL, STAMP, TESTS, JUNIT, PYTHON, C_LINES, TIMINGS, LOG)
WHOLE = (*SEALED, SEAL)

# Under the results, with a leading dot as what is no result: held by the run that writes them and
# the report, and the id of its process.
LOCK = ".lock"
HOLDER = ".holder"
# A cell's result while it is written, and the one before it while they change places.
WRITING = ".{}.new"
BEFORE = ".{}.old"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Expected:
    """What a cell must be.

    `python` is a series such as `3.13`, `openssl` a version such as `3.5.7` with its `tarball`'s
    sha256, built with `options`; `swig` a version, `sources` the digest of everything that is
    tested and tests, `extension` the sha256 of the wheel's; `partial` means that only some of the
    tests were asked for.
    """

    id: str
    python: str
    openssl: str
    tarball: str
    options: list[str]
    ec: bool
    swig: str
    link: str
    sources: str
    extension: str
    partial: bool

    def differs(self, now: Expected) -> str:
        """Say in which way this is no longer what the cell must be; empty if it still is."""
        for what, name in PLANNED.items():
            ran, wanted = getattr(self, name), getattr(now, name)
            if ran != wanted:
                return f"it ran with {what} {_word(ran)}, now it is {_word(wanted)}"
        return "" if self.sources == now.sources else "the sources have changed since it ran"


# What the manifest decides, in words.
PLANNED = {
    "Python": "python",
    "OpenSSL": "openssl",
    "the tarball": "tarball",
    "the OpenSSL options": "options",
    "SWIG": "swig",
    "the link": "link",
}


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
    cell: Cell, swig: str, *, sources: str, extension: str = "", partial: bool = False
) -> Expected:
    """What a run of a cell must be, as the plan says; `extension` is its wheel's."""
    release, options = cell.build.release, cell.build.variant.options
    return Expected(
        id=cell.id,
        python=cell.python,
        openssl=release.version,
        tarball=release.sha256,
        options=list(options),
        ec="no-ec" not in options,
        swig=swig,
        # Each prefix has static libraries alone.
        link="static",
        sources=sources,
        extension=extension,
        partial=partial,
    )


def write(record: Expected | Timings, folder: Path) -> None:
    """Write a part of a result into its folder."""
    name = CELL if isinstance(record, Expected) else TIMINGS
    (folder / name).write_text(json.dumps(asdict(record), indent=1), encoding="utf-8")


def write_tests(outcomes: Mapping[str, tuple[str, str]], folder: Path) -> None:
    """Write each test's outcome, `passed`, `failed` or `skipped`, and the reason for it."""
    (folder / TESTS).write_text(json.dumps(outcomes, indent=0), encoding="utf-8")


def seal(folder: Path) -> None:
    """Write down the hash of each part, which makes the result whole."""
    hashes = {name: _hash(folder / name) for name in SEALED}
    (folder / SEAL).write_text(json.dumps(hashes, indent=1), encoding="utf-8")


def read(folder: Path, *, id: str | None = None) -> Result:  # noqa: A002
    """Read a result, that of the cell the folder is named after unless `id` is given.

    Raises a `Problem` when a part is missing, broken or not as it was sealed, when the folder is
    another cell's, or when the stamp disagrees with the cell.
    """
    _check_seal(folder)
    expected = _record(Expected, folder / CELL)
    if expected.id != (id or folder.name):
        raise Problem(f"{folder.name}: result refused, it is that of {expected.id}")
    stamp = _record(Stamp, folder / STAMP)
    refuse(expected, stamp)
    return Result(
        folder, expected, stamp, _tests(folder / TESTS), _record(Timings, folder / TIMINGS)
    )


def _check_seal(folder: Path) -> None:
    for name in WHOLE:
        if not (folder / name).is_file():
            raise Problem(f"{folder.name}: no result, {name} is missing; see {folder / LOG}")
    sealed = _json(folder / SEAL)
    for name in SEALED:
        if sealed.get(name) != _hash(folder / name):
            raise Problem(f"{folder / name}: changed since its run sealed it; run the cell again")


def _hash(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise Problem(f"{path}: cannot be read ({error.strerror}); run the cell again") from None


def refuse(expected: Expected, stamp: Stamp) -> None:
    """Raise a `Problem` when the stamp is not that of the cell."""
    series = ".".join(stamp.python.split(".")[:2])
    for what, found, wanted in (
        ("Python", series, expected.python.rstrip("t")),
        ("OpenSSL's headers", stamp.header, expected.openssl),
        ("the OpenSSL in the process", stamp.runtime, expected.openssl),
        ("its number", stamp.runtime_number, stamp.header_number),
        ("EC", _word(stamp.ec), _word(expected.ec)),
        ("SWIG", stamp.swig, expected.swig),
        ("the link", stamp.link, expected.link),
        ("the extension's sha256", stamp.sha256, expected.extension),
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
def writing(root: Path) -> Iterator[None]:
    """Be the one run that writes results and the report under `root`; wait while another does.

    What a killed run left is cleared up first. Raises a `Problem` when the folder cannot be written
    or its disk is full.
    """
    way_out = "run in a checkout that is on another disk or yours"
    with store.clear_errors(root, str(root), way_out):
        root.mkdir(parents=True, exist_ok=True)
        with store.held(FileLock(root / LOCK), lambda: _waiting(root)):
            (root / HOLDER).write_text(str(os.getpid()), encoding="utf-8")
            _clear_up(root)
            yield


def _waiting(root: Path) -> str:
    try:
        holder = f"process {(root / HOLDER).read_text(encoding='utf-8')}"
    except (OSError, UnicodeDecodeError):
        holder = "another run"
    return f"waiting for {holder}, which runs cells in this checkout"


def _clear_up(root: Path) -> None:
    """Remove what a killed run left; put back a result that it was about to replace."""
    for old in root.glob(BEFORE.format("*")):
        place = root / old.name.removeprefix(".").removesuffix(".old")
        if not place.exists():
            old.rename(place)
    for pattern in (WRITING, BEFORE):
        for left in root.glob(pattern.format("*")):
            shutil.rmtree(left, ignore_errors=True)


@contextmanager
def in_place(root: Path, id: str) -> Iterator[Path]:  # noqa: A002
    """A folder to write the result of a cell into, which takes its place at the end.

    The cell's old result stays until then: a run that is killed or breaks off changes nothing. The
    caller holds `writing`.
    """
    fresh, old = root / WRITING.format(id), root / BEFORE.format(id)
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    try:
        yield fresh
        if (root / id).exists():
            (root / id).rename(old)
        fresh.rename(root / id)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def keep_log(folder: Path) -> None:
    """Leave nothing but the log, of a run that gave no result."""
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != LOG:
            path.unlink()


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise Problem(f"{path}: cannot be read ({error}); run the cell again") from None
    if not isinstance(found, dict):
        raise Problem(f"{path}: cannot be read (no JSON object); run the cell again")
    return found


def _record(kind: type[T], path: Path) -> T:
    names = {each.name for each in fields(kind)}  # type: ignore[arg-type]
    types = get_type_hints(kind)
    found = _json(path)
    odd = set(found) ^ names or {
        name
        for name, value in found.items()
        if type(value) is not getattr(types[name], "__origin__", types[name])
    }
    if odd:
        raise Problem(
            f"{path}: unknown, missing or wrong: {', '.join(sorted(odd))}; run the cell again"
        )
    return kind(**found)


def _tests(path: Path) -> Tests:
    ran, failed, skipped = set(), set(), {}
    for test, said in _json(path).items():
        match said:
            case ["passed", str()]:
                ran.add(test)
            case ["failed", str()]:
                ran.add(test)
                failed.add(test)
            case ["skipped", str(why)]:
                skipped[test] = why
            case _:
                raise Problem(f"{path}: no outcome of {test}: {said!r}; run the cell again")
    return Tests(frozenset(ran), frozenset(failed), skipped)


def _word(value: object) -> str:
    if isinstance(value, bool):
        return "there" if value else "not there"
    return " ".join(value) or "none" if isinstance(value, list) else str(value)
