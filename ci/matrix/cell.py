"""Run the tests of one cell under coverage, and leave its result."""

from __future__ import annotations

import os
import re
import sqlite3
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import coverage
from ci import checkout, disk, process
from ci.console import ProgressLine
from ci.directories import remove
from ci.errors import UserError
from ci.gcov import lines as c_lines
from ci.matrix import results, sanitizers, session, surface, surroundings
from ci.matrix.plan import Cell
from ci.matrix.prepare import Inputs
from ci.wheels import Wheel

SETTINGS = Path("coverage", "coveragerc")
JOURNAL = "journal.jsonl"
# The user's variables that reach a cell. Any other one could change what it does, and a result
# would be that of the user's shell.
CARRIED = re.compile(
    # The last ones are what programs of Windows need.
    r"PATH|USER|LOGNAME|TMPDIR|TEMP|TMP|SYSTEMROOT|SYSTEMDRIVE|WINDIR|PATHEXT|COMSPEC|USERPROFILE",
    re.IGNORECASE,
)
# Those that have one value in every cell, and the permissions that new files do not have.
FIXED = {"LANG": "C.UTF-8", "TZ": "UTC"}
UMASK = 0o022
# Bytes of output. A cell writes a hundredth of them.
MOST_OUTPUT = 64 * 1024**2
# The variable by which processes that a cell's tests leave are found.
MARK = "M2CRYPTO_RUN"
# The first series in which coverage.py can measure lines by sys.monitoring (PEP 669), which costs
# least, and the first in which it can measure branches by it.
SYSMON_LINES = (3, 12)
SYSMON_BRANCHES = (3, 14)

# pytest's exit codes: tests failed; an argument is invalid; no test was collected.
TESTS_FAILED = 1
INVALID_ARGUMENT, NO_TEST = 4, 5

# pytest's options that print something and run no test.
QUERIES = frozenset(
    (
        *("--cache-show", "--co", "--collect-only", "--fixtures", "--fixtures-per-test"),
        *("--funcargs", "--help", "-h", "--markers", "--setup-only", "--setup-plan"),
        *("--version", "-V"),
    )
)

# A test that exceeds its limit by this factor was not interrupted.
HANG = 1.25

# The tests of a cell whose extension refuses its libraries.
REFUSAL = "tests/test_import.py"

# Like `-m pytest`, without the working directory in sys.path: it holds M2Crypto's sources, and the
# wheel is what is tested.
PYTEST = "import sys; del sys.path[0]; import pytest; sys.exit(pytest.main())"


class NoTestError(UserError):
    """pytest refused its arguments or selected no test; the earlier result stays."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a cell ended.

    Attributes:
        id: the cell's.
        summary: the number of tests, for progress.
        why: the end of the log, or the error; empty if all tests passed.
        failed: the ids of the tests that failed.
        unchanged: whether the result is that of an earlier run, which nothing can have changed.
    """

    id: str
    summary: str
    why: str = ""
    failed: frozenset[str] = frozenset()
    unchanged: bool = False


def unchanged(cell: Cell, inputs: Inputs) -> Outcome | None:
    """Return the outcome of an earlier run that would be repeated, or None.

    It passed, and everything that can change it is as it was.
    """
    if inputs.fresh or inputs.arguments:
        return None
    try:
        earlier = results.read(inputs.project.results / cell.id)
        if earlier.tests.failed or earlier.expected != _expected(cell, inputs):
            return None
    except UserError:
        return None
    return Outcome(cell.id, _summary(earlier.tests), unchanged=True)


def run(cell: Cell, inputs: Inputs) -> Outcome:
    """Run the tests of one cell and put its result in place.

    Raises:
        UserError: the run left no result, or one whose stamp disagrees with the plan. Then the log
            replaces the earlier result, unless no test ran.
    """
    wheel = _wheel(cell, inputs)
    root = inputs.project.results
    expected = _expected(cell, inputs)
    refused: UserError | None = None
    with results.in_place(root, cell.id) as directory:
        relocated = _Relocated(directory, root / cell.id, inputs.project.copy)
        try:
            results.write(expected, directory)
            failure = _test(cell, inputs, wheel, expected, directory)
            results.seal(directory)
            tests = results.read(directory, id=cell.id).tests
        except NoTestError:
            raise
        except process.CommandError as error:
            if disk.is_full(error, directory):
                # The log and what filled the disk are removed before the error is reported.
                raise disk.full(root / cell.id) from error
            refused = _crash(error, directory) if error.crash else error
        except FileNotFoundError as error:
            refused = UserError(f"result refused, a test removed {error.filename}")
            directory.mkdir(parents=True, exist_ok=True)
        except UserError as error:
            refused = error
        if refused:
            disk.require_room(directory)
            results.keep_log(directory)
            refused = UserError(relocated.text(str(refused)))
    if refused:
        raise refused
    return Outcome(cell.id, _summary(tests), relocated.text(failure), tests.failed)


def _wheel(cell: Cell, inputs: Inputs) -> Wheel:
    """Return the wheel of a cell, or raise the error of its build."""
    wheel = inputs.wheels[cell.id]
    if isinstance(wheel, UserError):
        raise wheel
    return wheel


def _expected(cell: Cell, inputs: Inputs) -> results.Expected:
    return results.expectation(
        cell,
        inputs.manifest,
        sources=inputs.sources,
        extension=_wheel(cell, inputs).extension,
        package=checkout.package(inputs.project.copy),
        around=surroundings.describe(cell, inputs),
        partial=bool(inputs.arguments),
    )


def _crash(error: process.CommandError, directory: Path) -> UserError:
    """Return the error of a crash that ended pytest, with the test that was running."""
    test = session.read(directory / "scratch" / "work" / JOURNAL).running or "no test"
    return UserError(
        f"{error.crash} ended the process, {test} was running; the whole log is {error.log}"
        + process.quoted(error.tail)
    )


def is_query(arguments: tuple[str, ...]) -> bool:
    """Return whether pytest's arguments make it print something and run no test."""
    return not QUERIES.isdisjoint(arguments)


def query(cell: Cell, inputs: Inputs) -> None:
    """Run pytest on the terminal, without a result.

    Raises:
        UserError: the wheel could not be built, or pytest failed.
    """
    wheel = _wheel(cell, inputs)
    with tempfile.TemporaryDirectory() as scratch:
        status = process.attached(
            [*_pytest(cell, inputs), *inputs.arguments],
            cwd=inputs.directory,
            env=_environment(cell, wheel, inputs, Path(scratch), measured=False),
        )
    if status:
        raise UserError(f"pytest failed with exit code {status}, see above")


def check_arguments(cell: Cell, inputs: Inputs) -> None:
    """Check pytest's arguments before any cell runs.

    The id of a test that this cell does not have is accepted, as another cell may have it.

    Raises:
        UserError: pytest refuses an argument.
    """
    wheel = inputs.wheels[cell.id]
    if not inputs.arguments or isinstance(wheel, UserError):
        return
    with tempfile.TemporaryDirectory() as scratch:
        try:
            process.capture(
                [*_pytest(cell, inputs), "--collect-only", "-qq", *inputs.arguments],
                cwd=inputs.directory,
                env=_environment(cell, wheel, inputs, Path(scratch), measured=False),
                timeout=inputs.project.timeout,
            )
        except process.CommandError as error:
            refused = _refused_argument(error.tail)
            if error.status == INVALID_ARGUMENT and "::" not in refused:
                raise UserError(f"pytest: {refused}") from None


def _refused_argument(text: str) -> str:
    """Return what follows the last `error:` of pytest's output."""
    found = re.findall(r"(?i)error: (.*)", text)
    return found[-1].strip() if found else "an argument is invalid"


def _no_test(error: process.CommandError) -> NoTestError:
    if error.status == NO_TEST:
        return NoTestError("pytest: the arguments select no test")
    # The log begins with the standard error, so the tail may not hold it.
    log = error.log.read_text(encoding="utf-8", errors="replace") if error.log else error.tail
    return NoTestError(f"pytest: {_refused_argument(log)}")


def _summary(tests: results.Tests) -> str:
    """Return such as `1424 run, 12 skipped`, or `3 of 1424 failed`."""
    if tests.failed:
        return f"{len(tests.failed)} of {len(tests.ran)} failed"
    return f"{len(tests.ran)} run" + (f", {len(tests.skipped)} skipped" if tests.skipped else "")


def _test(
    cell: Cell, inputs: Inputs, wheel: Wheel, expected: results.Expected, directory: Path
) -> str:
    """Run pytest and collect what it measured; return the end of the log if tests failed."""
    scratch = directory / "scratch"
    for name in ("python", "counts", "work"):
        (scratch / name).mkdir(parents=True)
    log = directory / results.LOG
    copy = inputs.project.copy
    started = time.monotonic()
    status, failure = 0, ""
    try:
        _run_pytest(cell, inputs, wheel, directory)
    except process.CommandError as error:
        if error.status in (INVALID_ARGUMENT, NO_TEST):
            raise _no_test(error) from None
        if error.status != TESTS_FAILED:
            raise
        status, failure = error.status, str(error)
    finally:
        _relocate_log(log, copy)
        # An error of a sanitizer ends the process, so this is the reason of what follows.
        sanitizers.check(scratch, log)
    tested = time.monotonic()
    # Neither gcov nor coverage.py reports data that were cut.
    disk.require_room(directory)
    journal = session.read(scratch / "work" / JOURNAL)
    try:
        results.write_tests(session.outcomes(journal, status), directory)
    except UserError as error:
        # If tests failed, as with -x, their own messages are more precise.
        raise UserError(failure or f"{error}; the whole log is {log}") from None
    if checkout.digest(copy) != inputs.sources:
        raise UserError(
            "result refused, a test of this cell or of one that ran beside it changed the copy of "
            f"the checkout that all cells test; write below tmp_path; the whole log is {log}"
        )
    # First, because the coverage of another extension cannot be read.
    results.check_stamp(expected, results.read_stamp(directory))
    headers = surroundings.headers(cell, inputs.prefixes)
    found = results.read_surface(directory)
    results.check_surface(expected, found)
    surface.check_constants(found, headers, copy / "SWIG")
    if not list((scratch / "python").glob(f"data.*{journal.process}.*")):
        raise UserError(f"coverage.py saved no data; the whole log is {log}")
    _join_python(cell.id, wheel.site, copy, scratch / "python", directory / results.PYTHON)
    lines = {}
    # An extension that refuses its libraries runs nothing.
    if wheel.notes and not cell.refuses:
        if not list((scratch / "counts").glob("*.gcda")):
            raise UserError(f"gcov's counts were not saved; the whole log is {log}")
        lines = c_lines.measure(wheel.notes, scratch / "counts")
    c_lines.dump(lines, directory / results.C_LINES)
    remove(scratch, read_only=True)
    results.write(results.Timings(tested - started, time.monotonic() - tested), directory)
    return failure


def _run_pytest(cell: Cell, inputs: Inputs, wheel: Wheel, directory: Path) -> None:
    scratch = directory / "scratch"
    journal = scratch / "work" / JOURNAL
    log = directory / results.LOG
    environment = _environment(cell, wheel, inputs, scratch)
    command = [
        *_pytest(cell, inputs),
        f"--basetemp={scratch / 'tmp'}",
        f"--cell={directory / results.CELL}",
        f"--stamp={directory / results.STAMP}",
        f"--surface={directory / results.SURFACE}",
        f"--journal={journal}",
        f"--junitxml={directory / results.JUNIT}",
        *inputs.arguments,
    ]
    so_far = session.Session()
    hang = _Hang(inputs.project.test_timeout)
    filled = False
    with ProgressLine(cell.id) as line:

        def show() -> str:
            nonlocal filled
            filled = filled or disk.free(directory) < disk.NO_ROOM
            so_far.follow(journal)
            line.update(so_far.progress)
            if log.stat().st_size > MOST_OUTPUT:
                return f"the cell wrote more than {MOST_OUTPUT // 1024**2} MiB of output"
            return hang.seen(so_far)

        mark = f"{MARK}={environment[MARK]}"
        bounds = process.Bounds(inputs.project.timeout, mark, show, UMASK)
        try:
            process.run(
                command,
                log=log,
                cwd=inputs.directory,
                env=environment,
                quiet=True,
                bounds=bounds,
            )
        except process.CommandError as error:
            if filled:
                # The output may have been cut, and another cell that ends makes room.
                raise disk.full(inputs.project.results / cell.id) from error
            raise
        except process.TimeLimitError as error:
            test = session.read(journal).running or "no test"
            raise UserError(
                f"{error}, {test} was running; the whole log is {log}"
                + process.quoted(error.stacks)
            ) from None
        except process.LeftoverProcessError as error:
            raise UserError(f"{error}; the whole log is {log}") from None


@dataclass(slots=True)
class _Hang:
    """The running test, or that the session has ended, and since when.

    pytest-timeout fails a test at its limit. C code that does not return keeps it from doing so,
    which shows when the test runs longer still. Nothing limits the end of the process, where a
    thread or an object's release can wait for ever.
    """

    limit: float
    test: str = ""
    ended: bool = False
    since: float = 0.0

    def seen(self, so_far: session.Session) -> str:
        """Return why the cell must be ended, or an empty string."""
        now = time.monotonic()
        test, ended = so_far.running, so_far.exit is not None
        if (test, ended) != (self.test, self.ended):
            self.test, self.ended, self.since = test, ended, now
        if not (test or ended) or now - self.since <= self.limit * HANG:
            return ""
        if ended:
            return f"the process did not end within {self.limit * HANG:.0f} s of its last test"
        return f"a test exceeded the limit of {self.limit:.0f} s in C code"


def _pytest(cell: Cell, inputs: Inputs) -> list[str | Path]:
    """Return pytest's command without the options that make a result."""
    return [
        inputs.environments[cell.python].python,
        *("-W", "error"),
        *("-X", "dev"),
        *("-c", PYTEST),
        *("-c", "pyproject.toml"),
        "--rootdir=.",
        f"--timeout={inputs.project.test_timeout:g}",
        # Cells that run at once share the copy of the checkout, and so its cache directory.
        *("-p", "no:cacheprovider"),
        # No code here logs, and capturing logs takes a tenth of the tests' time.
        *("-p", "no:logging"),
        # A sanitizer's report must not go into a file that pytest removes.
        *(("--capture=sys",) if cell.flags.preload else ()),
        *((REFUSAL,) if cell.refuses else ()),
    ]


def _environment(
    cell: Cell, wheel: Wheel, inputs: Inputs, scratch: Path, *, measured: bool = True
) -> dict[str, str]:
    """Return the user's CARRIED variables with those of the cell."""
    environment = {k: v for k, v in os.environ.items() if CARRIED.fullmatch(k)}
    environment |= {
        **FIXED,
        # A program of a test reads no configuration of the user, and leaves none.
        "HOME": str(scratch),
        "PYTHONPATH": str(wheel.site),
        # Kept for the next run, outside of the wheel and the checkout.
        "PYTHONPYCACHEPREFIX": str(inputs.project.cache / "pycache"),
        "M2CRYPTO_CELL": cell.id,
        MARK: f"{cell.id}-{os.getpid()}-{time.monotonic_ns()}",
        **surroundings.variables(cell, inputs.prefixes, scratch),
        "GCOV_PREFIX": str(scratch / "counts"),
        # More than any path has: counts are written side by side.
        "GCOV_PREFIX_STRIP": "999",
    }
    if inputs.bare:
        environment["PATH"] = str(inputs.bare / "bin")
    if measured:
        environment["COVERAGE_PROCESS_START"] = str(inputs.project.copy / SETTINGS)
        environment["COVERAGE_FILE"] = str(scratch / "python" / "data")
    series = tuple(int(part) for part in cell.python.rstrip("t").split("."))
    if series >= SYSMON_LINES:
        environment["COVERAGE_CORE"] = "sysmon"
    # The other series measure branches by the C tracer, which they need for lines, too.
    branches = not SYSMON_LINES <= series < SYSMON_BRANCHES
    environment["M2CRYPTO_BRANCHES"] = str(branches).lower()
    return environment


def _join_python(cell: str, site: Path, copy: Path, parts: Path, target: Path) -> None:
    """Join the data of each process into one file, with paths from the project's root."""
    try:
        joined = coverage.CoverageData(str(target))
        joined.set_context(cell)
        for path in sorted(parts.glob("data.*")):
            part = coverage.CoverageData(str(path))
            part.read()
            # A file that is not in the copy was generated by the build.
            names = {
                file: Path(file).relative_to(site).as_posix()
                for file in part.measured_files()
                if Path(file).is_relative_to(site)
                and (copy / Path(file).relative_to(site)).exists()
            }
            if part.has_arcs():
                joined.add_arcs({name: part.arcs(file) or () for file, name in names.items()})
            else:
                joined.add_lines({name: part.lines(file) or () for file, name in names.items()})
            part.close()
        joined.write()
        joined.close()
    except (coverage.CoverageException, sqlite3.Error) as error:
        raise UserError(f"coverage.py's data cannot be joined: {error}") from None


def _relocate_log(log: Path, copy: Path) -> None:
    """Write paths of the copy in a log as those of the checkout, from its root; cut a huge log."""
    if log.exists():
        if log.stat().st_size > MOST_OUTPUT:
            os.truncate(log, MOST_OUTPUT)
        text = log.read_bytes()
        log.write_bytes(text.replace(os.fsencode(f"{copy}{os.sep}"), b""))


@dataclass(frozen=True, slots=True)
class _Relocated:
    """Paths in messages: a result's in its place, the copy's from the checkout's root."""

    new: Path
    place: Path
    copy: Path

    def text(self, text: str) -> str:
        return text.replace(str(self.new), str(self.place)).replace(f"{self.copy}{os.sep}", "")
