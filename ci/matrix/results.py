"""The result of a cell: its files, its seal, and the checks that refuse it.

A result is written into a directory beside its place and renamed, so that what is in place is
whole:

    coverage/results/CELL/cell.json        what the plan expects, and of which sources
                          stamp.json       what the tests found in the process
                          tests.json       each test's outcome
                          surface.json     the names that the extension offers
                          junit.xml        the same in JUnit's format, for other programs
                          python.coverage  the Python lines that ran, in coverage.py's format
                          c_lines.json     the C lines that ran, were missed or were compiled out
                          timings.json     seconds
                          log.txt          pytest's output
                          seal.json        the sha256 of each of these files, written last
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from msgspec import Meta, structs

from ci import disk
from ci.directories import remove, replacement
from ci.documents import Record, convert, read_json
from ci.errors import UserError, one_line
from ci.locks import held
from ci.manifest import REFUSES, Build, Manifest, implied
from ci.matrix.plan import Cell
from ci.matrix.surface import Surface

CELL = "cell.json"
STAMP = "stamp.json"
TESTS = "tests.json"
SURFACE = "surface.json"
JUNIT = "junit.xml"
PYTHON = "python.coverage"
C_LINES = "c_lines.json"
TIMINGS = "timings.json"
LOG = "log.txt"
SEAL = "seal.json"
SEALED = (CELL, STAMP, TESTS, SURFACE, JUNIT, PYTHON, C_LINES, TIMINGS, LOG)
WHOLE = (*SEALED, SEAL)

# Names with a leading dot are no results. The lock is held by the run that writes results and the
# report, whose pid is in the other file.
LOCK = ".lock"
HOLDER = ".holder"
# A result while it is written, and the one that it replaces.
NEW = ".{}.new"
OLD = ".{}.old"

T = TypeVar("T")


class Expected(Record, frozen=True):
    """What the plan expects of a cell.

    Attributes:
        id: the cell's.
        python: a series such as `3.13`.
        platform: such as `linux-x86_64`.
        series: that of the OpenSSL release, such as `3.5`, or `system`.
        variant: the name of the variant.
        openssl: the headers' version, such as `3.5.7`; empty for the system's.
        runtime: the version of the OpenSSL in the process; empty for the system's.
        outcome: `works`, or `refuses` if the import must fail.
        tarball: the sha256 of OpenSSL's tarball.
        options: those of Configure.
        switches: macros that the headers must define (true) or must not (false).
        swig: SWIG's version.
        link: `static` or `shared`.
        flags: the name of the compiler's flags, and the flags themselves.
        sources: the digest of the sources, tests, tools and settings.
        interpreter: Python's version and build (sys.version).
        packages: `NAME==VERSION` of each package that is installed beside the wheel.
        prefixes: the directories of the builds that the cell is built and runs with, whose names
            hold their keys; of the system's OpenSSL, its version and flags.
        computer: what else the tests use of the computer.
        extension: the sha256 of the wheel's extension.
        package: the digest over the package's Python files.
        library: the directory of the OpenSSL in the process; empty for the extension's own and for
            the system's.
        libraries: the sha256 of each library in that directory.
        partial: whether pytest's arguments selected some of the tests.
    """

    id: str
    python: str
    platform: str
    series: str
    variant: str
    openssl: str
    runtime: str
    outcome: str
    tarball: str
    options: list[str]
    switches: dict[str, bool]
    swig: str
    link: str
    flags: list[str]
    sources: str
    interpreter: str
    packages: list[str]
    prefixes: list[str]
    computer: list[str]
    extension: str
    package: str
    library: str
    libraries: dict[str, str]
    partial: bool

    def difference(self, now: Expected) -> str:
        """Return how the plan has changed since this cell ran, or an empty string."""
        for what, name in PLANNED.items():
            ran, planned = getattr(self, name), getattr(now, name)
            if ran != planned:
                found = one_line(_text(ran))
                return f"it ran with {what} {found}, the plan is {_text(planned)}"
        return "" if self.sources == now.sources else "the sources have changed since it ran"


# What the manifest decides, by its name in messages.
PLANNED = {
    "Python": "python",
    "the platform": "platform",
    "OpenSSL": "openssl",
    "the OpenSSL in the process": "runtime",
    "the outcome": "outcome",
    "the tarball": "tarball",
    "the OpenSSL options": "options",
    "SWIG": "swig",
    "the link": "link",
    "the flags": "flags",
}


class Stamp(Record, frozen=True):
    """What the tests found in the process (tests/fix_cell.py).

    Attributes:
        id: the cell's.
        python: its version and build (sys.version).
        header: the version of the headers, and its number.
        runtime: the version of the OpenSSL in the process, and its number.
        switches: the OPENSSL_NO_ macros that the headers define.
        package: the digest over the package's Python files.
        library: the file of the OpenSSL in the process.
        libraries: the sha256 of the shared libraries of that OpenSSL in the process, by name.
        extension: the extension's file, and its sha256.
        swig: SWIG's version.
        compiler: the first line of the compiler's version, and the flags.
        abi: `abi3` or a tag such as `cpython-39`.
        link: `static` or `shared`.
        refusal: the message of the import that failed; empty if it succeeded.
    """

    id: str
    python: str
    header: str
    header_number: str
    runtime: str
    runtime_number: str
    switches: list[str]
    package: str
    library: str
    libraries: dict[str, str]
    extension: str
    sha256: str
    swig: str
    compiler: str
    flags: str
    abi: str
    link: str
    refusal: str


# A cell's limit can be set to days, not to more than this.
Seconds = Annotated[float, Meta(ge=0, lt=1e7, description="a number of seconds")]


class Timings(Record, frozen=True):
    """Seconds that pytest ran, and that collecting its results took."""

    tests: Seconds
    coverage: Seconds


@dataclass(frozen=True, slots=True)
class Tests:
    """The ids of the tests that ran, those of them that failed, and the reasons of the skipped."""

    ran: frozenset[str]
    failed: frozenset[str]
    skipped: dict[str, str]

    @property
    def passed(self) -> int:
        """The number of tests that passed."""
        return len(self.ran) - len(self.failed)


@dataclass(frozen=True, slots=True)
class Result:
    """A whole result whose stamp agrees with the plan."""

    directory: Path
    expected: Expected
    stamp: Stamp
    tests: Tests
    timings: Timings
    surface: Surface


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The rest that can change a result: not plan, sources or wheel; see `Expected`."""

    interpreter: str = ""
    packages: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()
    computer: tuple[str, ...] = ()
    library: str = ""
    libraries: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NotRun:
    """A cell without a usable result, and why."""

    id: str
    why: str


def expectation(
    cell: Cell,
    manifest: Manifest,
    *,
    sources: str,
    extension: str = "",
    package: str = "",
    around: Surroundings = Surroundings(),
    partial: bool = False,
) -> Expected:
    """Return what the plan expects of a cell.

    Args:
        cell: the cell.
        manifest: the manifest.
        sources: the digest of the sources, tests, tools and settings.
        extension: the sha256 of the wheel's extension.
        package: the digest over the package's Python files.
        around: what can change the result besides.
        partial: whether pytest's arguments selected some of the tests.
    """
    release, options = cell.build.release, cell.build.options
    return Expected(
        id=cell.id,
        python=cell.python,
        platform=cell.platform,
        series=release.series,
        variant=cell.build.variant.name,
        openssl=release.version,
        runtime=(cell.runtime or cell.build).version,
        outcome=cell.outcome,
        tarball=release.sha256,
        options=list(options),
        switches={} if release.is_system else _switches(cell.build, manifest),
        swig=cell.swig,
        link=cell.build.link,
        flags=[cell.flags.name, *cell.flags.cflags],
        sources=sources,
        interpreter=around.interpreter,
        packages=list(around.packages),
        prefixes=list(around.prefixes),
        computer=list(around.computer),
        extension=extension,
        package=package,
        library=around.library,
        libraries=dict(around.libraries),
        partial=partial,
    )


def _switches(build: Build, manifest: Manifest) -> dict[str, bool]:
    """Return which macros the options of a build imply.

    An option can disable others, too, so only without options must the macros of the other
    variants be undefined.
    """
    own = dict(implied(option) for option in build.options if not option.startswith("-D"))
    return own or dict.fromkeys(manifest.switches(build.release), False)


def write(record: Expected | Timings, directory: Path) -> None:
    """Write a part of a result into its directory."""
    name = CELL if isinstance(record, Expected) else TIMINGS
    text = json.dumps(structs.asdict(record), indent=1)
    (directory / name).write_text(text, encoding="utf-8")


def write_tests(outcomes: Mapping[str, tuple[str, str]], directory: Path) -> None:
    """Write each test's outcome, `passed`, `failed` or `skipped`, with its reason."""
    (directory / TESTS).write_text(json.dumps(outcomes, indent=0), encoding="utf-8")


def seal(directory: Path) -> None:
    """Write the sha256 of each part, which makes the result whole."""
    hashes = {name: _sha256(directory / name) for name in SEALED}
    (directory / SEAL).write_text(json.dumps(hashes, indent=1), encoding="utf-8")


def read(directory: Path, *, id: str | None = None) -> Result:  # noqa: A002
    """Return the result in a directory, of the cell that it is named after unless `id` is given.

    Raises:
        UserError: a part is missing, invalid or changed since it was sealed, the result is another
            cell's, or its stamp or its surface disagrees with the plan.
    """
    _check_seal(directory)
    expected = _record(Expected, directory / CELL)
    if expected.id != (id or directory.name):
        other = one_line(expected.id)
        raise UserError(f"{directory.name}: result refused, it is that of {other}")
    stamp = read_stamp(directory)
    check_stamp(expected, stamp)
    timings = _record(Timings, directory / TIMINGS)
    tests = _tests(directory / TESTS)
    surface = read_surface(directory)
    check_surface(expected, surface)
    return Result(directory, expected, stamp, tests, timings, surface)


def read_stamp(directory: Path) -> Stamp:
    """Return the stamp in a result's directory."""
    return _record(Stamp, directory / STAMP)


def read_surface(directory: Path) -> Surface:
    """Return the surface in a result's directory."""
    return _record(Surface, directory / SURFACE)


def recorded(path: Path) -> tuple[str, Expected | None]:
    """Return the cell that a result is of, and what was expected of it.

    Args:
        path: the result's directory, its cell.json, or its stamp, which has the cell's id alone.

    Raises:
        UserError: there is no such file, or it is not a result's.
    """
    file = path / CELL if path.is_dir() else path
    if not file.is_file():
        raise UserError(
            f"{path}: not a result; name the directory of a cell's result, or its {STAMP}"
        )
    if path.name == STAMP:
        return read_stamp(path.parent).id, None
    expected = _record(Expected, file)
    return expected.id, expected


def duration(directory: Path) -> float:
    """Return the seconds that the cell of a result took, or 0.0 if there is none."""
    try:
        timings = _record(Timings, directory / TIMINGS)
    except UserError:
        return 0.0
    return timings.tests + timings.coverage


def _check_seal(directory: Path) -> None:
    for name in WHOLE:
        # pathlib raises for a directory that another user closed.
        if not os.path.isfile(directory / name):  # noqa: PTH113
            raise UserError(
                f"{directory.name}: no result, {name} is missing; see {directory / LOG}"
            )
    sealed = _record(dict[str, str], directory / SEAL)
    unknown = sorted(sealed.keys() - set(SEALED))
    if unknown:
        raise UserError(
            f"{directory.name}: result refused, it has a part that these sources do not know, "
            f"{one_line(unknown[0])}; it is of other sources"
        )
    for name in SEALED:
        if sealed.get(name) != _sha256(directory / name):
            raise UserError(
                f"{directory / name}: changed since the run sealed it; run the cell again"
            )


def _sha256(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); run the cell again") from None


def check_stamp(expected: Expected, stamp: Stamp) -> None:
    """Compare a stamp with the plan.

    Raises:
        UserError: they disagree.
    """
    facts = [*_build_facts(expected, stamp), *_runtime_facts(expected, stamp)]
    for what, found, planned in facts:
        if found != planned:
            raise UserError(
                f"{expected.id}: result refused, {what} is {one_line(found)}, "
                f"the plan is {planned}; the extension was {one_line(stamp.extension)}"
            )


def check_surface(expected: Expected, surface: Surface) -> None:
    """Check that an extension offers names, or none if it refuses its libraries.

    Raises:
        UserError: it does not.
    """
    if bool(surface.names) == (expected.outcome == REFUSES):
        found = f"{len(surface.names)} names"
        raise UserError(
            f"{expected.id}: result refused, the extension offers {found}, the plan is that it "
            f"{expected.outcome}"
        )


Fact = tuple[str, str, str]


def _build_facts(expected: Expected, stamp: Stamp) -> list[Fact]:
    """Return what is known of the extension even if it refuses its libraries."""
    facts = [
        ("the cell", stamp.id, expected.id),
        ("Python", stamp.python, expected.interpreter),
        ("SWIG", stamp.swig, expected.swig),
        ("the link", stamp.link, expected.link),
        ("the extension's sha256", stamp.sha256, expected.extension),
        ("the sha256 of the package's Python files", stamp.package, expected.package),
    ]
    if expected.openssl:
        facts.append(("the version of OpenSSL's headers", stamp.header, expected.openssl))
    return facts


def _runtime_facts(expected: Expected, stamp: Stamp) -> list[Fact]:
    """Return what is known of the OpenSSL in the process, or of its refusal."""
    if expected.outcome == REFUSES:
        both = all(each in stamp.refusal for each in (expected.openssl, expected.runtime))
        refused = both and len(stamp.refusal.splitlines()) == 1
        line = f"a line that names OpenSSL {expected.openssl} and {expected.runtime}"
        return [("the import's error", line if refused else repr(stamp.refusal), line)]
    facts = [("the import's error", repr(stamp.refusal), repr(""))]
    facts += [
        (macro, "defined" if macro in stamp.switches else "not defined", _text(defined))
        for macro, defined in expected.switches.items()
    ]
    if expected.runtime:
        # The system's is any that pkg-config found.
        what = "the version of the OpenSSL in the process"
        facts.append((what, stamp.runtime, expected.runtime))
    if expected.runtime and expected.runtime == expected.openssl:
        facts.append(("its number", stamp.runtime_number, stamp.header_number))
    if expected.link == "static":
        facts.append(("the OpenSSL in the process", stamp.library, stamp.extension))
    elif expected.library:
        directory = str(Path(stamp.library).parent)
        facts.append(("the directory of the OpenSSL in the process", directory, expected.library))
        facts += [
            (f"the sha256 of {name} in the process", stamp.libraries.get(name, "none"), sha256)
            for name, sha256 in expected.libraries.items()
        ]
    return facts


def directories(root: Path) -> list[Path]:
    """Return the directories of results in `root`, whole or not, without those being written."""
    if not root.is_dir():
        return []
    return sorted(
        path for path in root.iterdir() if path.is_dir() and not path.name.startswith(".")
    )


@contextmanager
def writing(root: Path) -> Iterator[None]:
    """Hold the lock of the results and the report in `root`, and remove what a killed run left.

    Raises:
        UserError: the directory cannot be written, or its disk is full.
    """
    way_out = "run in a checkout that is on another disk or yours"
    with disk.reported(root, str(root), way_out):
        root.mkdir(parents=True, exist_ok=True)
        with held(root / LOCK, lambda: _waiting(root)):
            (root / HOLDER).write_text(str(os.getpid()), encoding="utf-8")
            _clear(root)
            yield


def _waiting(root: Path) -> str:
    try:
        holder = f"process {(root / HOLDER).read_text(encoding='utf-8')}"
    except (OSError, UnicodeDecodeError):
        holder = "another run"
    return f"waiting for {holder}, which runs cells in this checkout"


def _clear(root: Path) -> None:
    """Remove what a killed run left, and restore a result that it was about to replace."""
    for old in root.glob(OLD.format("*")):
        place = root / old.name.removeprefix(".").removesuffix(".old")
        if not place.exists():
            old.rename(place)
    for pattern in (NEW, OLD):
        for left in root.glob(pattern.format("*")):
            remove(left, read_only=True)


@contextmanager
def in_place(root: Path, id: str) -> Iterator[Path]:  # noqa: A002
    """Yield a directory for the result of a cell, which takes its place when the block ends.

    The caller holds `writing`.
    """
    new, old = root / NEW.format(id), root / OLD.format(id)
    with replacement(root / id, new=new, old=old) as directory:
        yield directory


def keep_log(directory: Path) -> None:
    """Remove everything but the log of a run that left no result."""
    for path in directory.iterdir():
        if path.is_dir():
            remove(path, read_only=True)
        elif path.name != LOG:
            path.unlink()


def _record(kind: type[T], path: Path) -> T:
    try:
        return convert(read_json(path), kind, path)
    except UserError as error:
        raise UserError(f"{error}; run the cell again") from None


def _tests(path: Path) -> Tests:
    ran, failed, skipped = set(), set(), {}
    outcomes = _record(dict[str, tuple[Literal["passed", "failed", "skipped"], str]], path)
    for test, (outcome, reason) in outcomes.items():
        if outcome == "skipped":
            skipped[test] = reason
            continue
        ran.add(test)
        if outcome == "failed":
            failed.add(test)
    return Tests(frozenset(ran), frozenset(failed), skipped)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "defined" if value else "not defined"
    return " ".join(value) or "none" if isinstance(value, list) else str(value)
