"""Cells → results: the tests of every cell that was asked for, several at a time, under coverage.

Given cells it takes the prefix, the instrumented wheel and the environment of each from the cache,
runs pytest, and leaves a result per cell in `coverage/results`. A cell that cannot run is named
with the reason; one that fails shows its last lines and where its log is.
"""

from __future__ import annotations

import math
import os
import re
import shutil
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import coverage
from ci import (
    c_lines,
    checkout,
    doctor,
    environments,
    interpreters,
    manifest,
    plan,
    prefixes,
    process,
    progress,
    results,
    session,
    store,
    wheels,
)
from ci.interpreters import Interpreter
from ci.manifest import Build, Manifest
from ci.plan import Cell
from ci.problem import Problem
from ci.results import NotRun
from ci.wheels import PROJECT, Wheel

# The copy of the checkout that a run builds, tests and reports, beside its results. Always the same
# place, so that the bytecode of the tests is found again.
COPY = ".checkout"
SETTINGS = Path("coverage", "coveragerc")
JOURNAL = "journal.jsonl"
# Variables that would change what a cell does from one person's shell to another's.
PERSONAL = re.compile(r"(PYTHON|PYTEST_|COVERAGE_|COV_|GCOV_|OPENSSL_|SSL_CERT_|M2CRYPTO_).*")

# By the value of this variable the processes that a cell's tests leave behind are found.
MARK = "M2CRYPTO_RUN"

# The core that costs least, in the Pythons that have it (PEP 669).
SYSMON = (3, 12)

# pytest's exit codes: tests failed; an argument is wrong; no test was collected. Only the first one
# leaves a result.
TESTS_FAILED = 1
WRONG_ARGUMENT, NO_TEST = 4, 5

# The seconds that a cell may take. It takes ten; this is for sanitizers on a busy computer. The
# variable M2CRYPTO_TIMEOUT sets another limit.
LIMIT = 900.0

# pytest's options that only ask it for something, and so leave no result.
QUESTIONS = frozenset(
    (
        *("--cache-show", "--co", "--collect-only", "--fixtures", "--fixtures-per-test"),
        *("--funcargs", "--help", "-h", "--markers", "--setup-only", "--setup-plan"),
        *("--version", "-V"),
    )
)

# As `-m pytest`, but without the working directory on sys.path: M2Crypto's sources are there, and
# what is tested is the wheel.
PYTEST = "import sys; del sys.path[0]; import pytest; sys.exit(pytest.main())"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a cell ended; `why` is empty when all of its tests passed, else `failed` are those."""

    id: str
    summary: str
    why: str = ""
    failed: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Bench:
    """All that the cells of one run share; wheels by a cell's id, Pythons by their series.

    `copy` is that of the checkout, `sources` its digest.
    """

    copy: Path
    sources: str
    swig: str
    arguments: tuple[str, ...]
    wheels: Mapping[str, Wheel | Problem]
    pythons: Mapping[str, Path]
    limit: float = LIMIT


def main_tests(argv: list[str]) -> None:
    """Run the quick builds on each Python that is installed, then the report."""
    known = manifest.load()
    _run_and_report(plan.cells(known, known.quick), known, argv)


def main_matrix(argv: list[str]) -> None:
    """Run every cell of the manifest whose Python is installed, then the report."""
    known = manifest.load()
    _run_and_report(plan.cells(known), known, argv)


def main_cell(argv: list[str]) -> None:
    """Run one cell, by its id; what follows the id is for pytest."""
    known = manifest.load()
    if not argv:
        raise Problem("which cell? Name it by its id, such as " + plan.cells(known)[0].id)
    cell = plan.find_cell(known, argv[0])
    found = interpreters.installed(known.pythons)
    with results.writing(results.ROOT):
        copy = copy_checkout()
        if _asks(argv[1:]):
            _answer([cell], known, argv[1:], found, copy)
            return
        outcomes, missing = run([cell], known, argv[1:], found, copy)
    _demand(outcomes, missing, [])


def _run_and_report(cells: Sequence[Cell], known: Manifest, arguments: Sequence[str]) -> None:
    from ci import report

    # All of them, whatever is asked for: which one builds for an ABI must not change with it.
    found = interpreters.installed(known.pythons)
    with results.writing(results.ROOT):
        copy = copy_checkout()
        if _asks(arguments):
            _answer(cells, known, arguments, found, copy)
            return
        outcomes, missing = run(cells, known, arguments, found, copy)
        try:
            told = {outcome.id for outcome in outcomes}
            complaints = report.make(known, found, copy, told=told) if outcomes else []
        except Problem as problem:
            # What the cells said is more to the point.
            complaints = [str(problem)]
    _demand(outcomes, missing, complaints)


def copy_checkout() -> Path:
    """Copy the checkout as it is now, for all that follows; the caller holds `results.writing`."""
    copy = results.ROOT / COPY
    shutil.rmtree(copy, ignore_errors=True)
    return checkout.copy(PROJECT, copy)


def _demand(
    outcomes: Sequence[Outcome], missing: Sequence[NotRun], complaints: Sequence[str]
) -> None:
    """Raise a `Problem` unless a cell ran, all that ran passed, and the report has no complaint."""
    if not outcomes:
        raise Problem(f"no cell could run: {missing[0].why}" if missing else "no cell to run")
    failed = [outcome.id for outcome in outcomes if outcome.why]
    if failed:
        complaints = [
            f"{len(failed)} of {len(outcomes)} cells failed: {', '.join(failed)}",
            *complaints,
        ]
    if complaints:
        raise Problem("\nerror: ".join(complaints))


def run(
    cells: Sequence[Cell],
    known: Manifest,
    arguments: Sequence[str],
    found: Mapping[str, Interpreter],
    copy: Path,
) -> tuple[list[Outcome], list[NotRun]]:
    """Run the cells whose Python was found; the other ones are given back with the reason."""
    started = time.monotonic()
    missing = [
        NotRun(cell.id, f"Python {cell.python} is not installed")
        for cell in cells
        if cell.python not in found
    ]
    able = [cell for cell in cells if cell.python in found]
    outcomes = _run_all(able, _bench(able, known, arguments, found, copy)) if able else []
    _say_missing(missing)
    passed = sum(not outcome.why for outcome in outcomes)
    progress.say(
        f"{passed} of {len(outcomes)} cells passed in {time.monotonic() - started:.0f} s"
        + (f", {len(missing)} not run" if missing else "")
    )
    return outcomes, missing


def _say_missing(missing: list[NotRun]) -> None:
    """One line for each reason: whole columns of the matrix share one."""
    by_reason: dict[str, list[str]] = {}
    for each in missing:
        by_reason.setdefault(each.why, []).append(each.id)
    for why, ids in by_reason.items():
        progress.say(f"  not run  {why}: {', '.join(ids)}")


def _bench(
    cells: Sequence[Cell],
    known: Manifest,
    arguments: Sequence[str],
    found: Mapping[str, Interpreter],
    copy: Path,
) -> Bench:
    """Make, or find in the cache, everything these cells need."""
    doctor.require(doctor.FOR_CELLS)
    root = store.cache_root()
    limit = _limit()
    requirements = environments.group(copy / "pyproject.toml", "tests")
    used = dict.fromkeys(cell.python for cell in cells)
    made = _wheels(cells, known, found, copy)
    pythons = process.in_threads(
        lambda each: environments.ensure(root, "tests", found[each], requirements), used, _jobs()
    )
    evict_bytecode(root / "pycache")
    return Bench(
        copy=copy,
        sources=checkout.digest(copy),
        swig=known.swig,
        # A path may be written from the root of the file system too; what is meant is the copy.
        arguments=tuple(each.replace(f"{PROJECT}{os.sep}", "") for each in arguments),
        wheels=made,
        pythons=dict(zip(used, pythons, strict=True)),
        limit=limit,
    )


def _limit() -> float:
    named = os.environ.get("M2CRYPTO_TIMEOUT")
    if not named:
        return LIMIT
    try:
        limit = float(named)
    except ValueError:
        limit = math.nan
    if not limit > 0:
        raise Problem(f"M2CRYPTO_TIMEOUT={named}: set it to the seconds that a cell may take")
    return limit


def evict_bytecode(root: Path) -> None:
    """Remove the bytecode of folders that are gone, such as those of wheels that were evicted.

    Below `root` lies the bytecode of a folder `/a/b` in `a/b` (PYTHONPYCACHEPREFIX).
    """
    if os.name != "posix":
        return
    for path, folders, _ in os.walk(root):
        for name in list(folders):
            kept = Path(path, name)
            if not (Path("/") / kept.relative_to(root)).is_dir():
                folders.remove(name)
                shutil.rmtree(kept, ignore_errors=True)


def _wheels(
    cells: Sequence[Cell], known: Manifest, found: Mapping[str, Interpreter], copy: Path
) -> dict[str, Wheel | Problem]:
    """The wheel of each cell by its id, or why there is none."""
    installed = _prefixes({cell.build.name: cell.build for cell in cells}.values())
    builders = wheels.builders(found.values())
    made: dict[str, Wheel | Problem] = {}
    requests: dict[str, wheels.Request] = {}
    for cell in cells:
        prefix = installed[cell.build.name]
        if isinstance(prefix, Problem):
            made[cell.id] = prefix
        else:
            builder = builders[wheels.abi(found[cell.python])]
            requests[cell.id] = wheels.Request(cell.build.name, prefix, builder)
    built = wheels.ensure(requests.values(), known.swig, instrumented=True, project=copy)
    return made | {cell: built[request.label] for cell, request in requests.items()}


def _prefixes(builds: Iterable[Build]) -> dict[str, Path | Problem]:
    """The prefix of each build by its name; where some cannot be had, why, and the other ones.

    A tarball that has gone from every source must not keep the rest of the matrix from running.
    """
    chosen = list(builds)
    try:
        return dict(prefixes.ensure(chosen))
    except Problem as problem:
        there = {build.name: prefixes.find(build) for build in chosen}
        if not any(there.values()):
            raise
        progress.say(f"error: {problem}")
        absent = ", ".join(name for name, prefix in there.items() if not prefix)
        why = Problem(f"OpenSSL {absent} cannot be had, as said above")
        return {name: prefix or why for name, prefix in there.items()}


def _asks(arguments: Sequence[str]) -> bool:
    """Return whether the arguments only ask pytest for something."""
    return not QUESTIONS.isdisjoint(arguments)


def _answer(
    cells: Sequence[Cell],
    known: Manifest,
    arguments: Sequence[str],
    found: Mapping[str, Interpreter],
    copy: Path,
) -> None:
    """Let pytest answer on the terminal, in the first cell that can; no result, no report."""
    able = [cell for cell in cells if cell.python in found][:1]
    if not able:
        raise Problem(f"no cell could run: Python {cells[0].python} is not installed")
    bench = _bench(able, known, arguments, found, copy)
    wheel = bench.wheels[able[0].id]
    if isinstance(wheel, Problem):
        raise wheel
    with tempfile.TemporaryDirectory() as scratch:
        command = [*_pytest(able[0], bench), *bench.arguments]
        environment = _environment(able[0], wheel, bench, Path(scratch), measured=False)
        # Its output is the point, so it goes where this process's goes.
        status = subprocess.run(command, cwd=copy, env=environment, check=False).returncode
    if status:
        raise Problem(f"pytest ended with exit code {status}, see above")


def _check_arguments(cell: Cell, bench: Bench) -> None:
    """Raise a `Problem` of one line for an argument that pytest refuses, before any cell runs.

    A test's id that is not there says nothing: another cell may have it.
    """
    wheel = bench.wheels[cell.id]
    if not bench.arguments or isinstance(wheel, Problem):
        return
    with tempfile.TemporaryDirectory() as scratch:
        try:
            process.capture(
                [*_pytest(cell, bench), "--collect-only", "-qq", *bench.arguments],
                cwd=bench.copy,
                env=_environment(cell, wheel, bench, Path(scratch), measured=False),
                timeout=bench.limit,
            )
        except process.CommandFailed as failed:
            refused = _refused_argument(failed.tail)
            if failed.status == WRONG_ARGUMENT and "::" not in refused:
                raise Problem(f"pytest: {refused}") from None


def _refused_argument(text: str) -> str:
    """What pytest's output says of an argument that it refuses: after the last `error:`."""
    found = re.findall(r"(?i)error: (.*)", text)
    return found[-1].strip() if found else "an argument is wrong"


def _run_all(cells: Sequence[Cell], bench: Bench) -> list[Outcome]:
    done: list[Outcome] = []
    _check_arguments(cells[0], bench)

    def one(cell: Cell) -> Outcome:
        started = time.monotonic()
        try:
            with store.clear_errors(results.ROOT, str(results.ROOT), "use another disk"):
                outcome = run_cell(cell, bench)
        except Problem as problem:
            outcome = Outcome(cell.id, "no result", str(problem))
        # Within 60 columns, for a terminal that is narrow.
        progress.say(
            f"{'FAILED' if outcome.why else 'passed'} {cell.id:<25} {outcome.summary:<20}"
            f" {time.monotonic() - started:3.0f} s" + _details(outcome, done)
        )
        done.append(outcome)
        return outcome

    return process.in_threads(one, cells, _jobs())


def _details(outcome: Outcome, before: Sequence[Outcome]) -> str:
    """Why a cell failed; where an earlier one failed in the same tests, only that."""
    if not outcome.why:
        return ""
    same = [other.id for other in before if other.failed and other.failed == outcome.failed]
    return f"\n  | the same tests as in {same[0]}" if same else f"\n{outcome.why}"


def run_cell(cell: Cell, bench: Bench) -> Outcome:
    """Run the tests of one cell and put its result in place.

    Raises a `Problem` when they left no result, or one whose stamp disagrees with the cell. Then
    the log takes the place of the result, unless no test was run at all.
    """
    wheel = bench.wheels[cell.id]
    if isinstance(wheel, Problem):
        raise wheel
    expected = results.expectation(
        cell,
        bench.swig,
        sources=bench.sources,
        extension=wheel.extension_hash(),
        partial=bool(bench.arguments),
    )
    refused: Problem | None = None
    with results.in_place(results.ROOT, cell.id) as folder:
        try:
            results.write(expected, folder)
            failure = _test(cell, bench, wheel, folder)
            results.seal(folder)
            # As everybody reads it, but for its place.
            tests = results.read(folder, id=cell.id).tests
        except process.CommandFailed as failed:
            if failed.status in (WRONG_ARGUMENT, NO_TEST):
                raise _none_run(failed) from None
            if store.is_full(failed, folder):
                raise
            refused = failed
        except Problem as problem:
            refused = problem
        if refused:
            store.require_room(folder)
            results.keep_log(folder)
            refused = Problem(_relocated(str(refused), folder, bench.copy, cell.id))
    if refused:
        raise refused
    return Outcome(
        cell.id, _summary(tests), _relocated(failure, folder, bench.copy, cell.id), tests.failed
    )


def _none_run(failed: process.CommandFailed) -> Problem:
    if failed.status == NO_TEST:
        return Problem("pytest: the arguments leave no test to run")
    # Its standard error comes first in the log, so the tail may not have it.
    log = failed.log.read_text(encoding="utf-8", errors="replace") if failed.log else failed.tail
    return Problem(f"pytest: {_refused_argument(log)}")


def _summary(tests: results.Tests) -> str:
    """`1424 run, 12 skipped`, or of failures `3 of 1424 failed`."""
    if tests.failed:
        return f"{len(tests.failed)} of {len(tests.ran)} failed"
    return f"{len(tests.ran)} run" + (f", {len(tests.skipped)} skipped" if tests.skipped else "")


def _test(cell: Cell, bench: Bench, wheel: Wheel, folder: Path) -> str:
    """Run pytest and collect what it measured; what it printed last if tests failed."""
    scratch = folder / "scratch"
    for name in ("python", "counts", "work"):
        (scratch / name).mkdir(parents=True)
    started = time.monotonic()
    status, failure = 0, ""
    try:
        _run_pytest(cell, bench, wheel, folder)
    except process.CommandFailed as failed:
        if failed.status != TESTS_FAILED:
            raise
        status, failure = failed.status, str(failed)
    finally:
        _name_files_from_the_checkout(folder / results.LOG, bench.copy)
    tested = time.monotonic()
    # Neither gcov's counts nor coverage.py's data complain when they were cut.
    store.require_room(folder)
    said = session.read(scratch / "work" / JOURNAL)
    try:
        results.write_tests(session.outcomes(said, status), folder)
    except Problem as problem:
        # Of tests that failed (and `-x`) their own messages say more.
        raise Problem(failure or f"{problem}; the whole log is {folder / results.LOG}") from None
    if not list((scratch / "python").glob(f"data.*{said.process}.*")):
        raise Problem(f"coverage.py saved no data; the whole log is {folder / results.LOG}")
    _join_python_lines(cell.id, wheel.site, bench.copy, scratch / "python", folder / results.PYTHON)
    if wheel.notes:
        if not list((scratch / "counts").glob("*.gcda")):
            raise Problem(f"gcov's counts were not saved; the whole log is {folder / results.LOG}")
        lines = c_lines.measure(wheel.notes, scratch / "counts")
        c_lines.dump(lines, folder / results.C_LINES)
    shutil.rmtree(scratch)
    results.write(results.Timings(tested - started, time.monotonic() - tested), folder)
    return failure


def _run_pytest(cell: Cell, bench: Bench, wheel: Wheel, folder: Path) -> None:
    scratch = folder / "scratch"
    journal = scratch / "work" / JOURNAL
    log = folder / results.LOG
    environment = _environment(cell, wheel, bench, scratch)
    command = [
        *_pytest(cell, bench),
        f"--basetemp={scratch / 'tmp'}",
        f"--cell={folder / results.CELL}",
        f"--stamp={folder / results.STAMP}",
        f"--journal={journal}",
        f"--junitxml={folder / results.JUNIT}",
        *bench.arguments,
    ]
    so_far = session.Session()
    with progress.Line(cell.id) as line:

        def show() -> None:
            so_far.follow(journal)
            line.show(so_far.progress)

        bounds = process.Bounds(bench.limit, f"{MARK}={environment[MARK]}", show)
        try:
            process.run(
                command, log=log, cwd=bench.copy, env=environment, quiet=True, bounds=bounds
            )
        except process.TimedOut as late:
            where = session.read(journal).running or "no test"
            raise Problem(f"{late}, {where} was running; the whole log is {log}") from None
        except process.LeftBehind as left:
            raise Problem(f"{left}; the whole log is {log}") from None


def _pytest(cell: Cell, bench: Bench) -> list[str | Path]:
    """The command without what makes a result of it. It runs in the copy of the checkout."""
    return [
        bench.pythons[cell.python],
        *("-W", "error"),
        *("-X", "dev"),
        *("-c", PYTEST),
        *("-c", "pyproject.toml"),
        "--rootdir=.",
        # Cells run side by side: neither the project's cache nor /tmp is for one of them alone.
        *("-p", "no:cacheprovider"),
        # Nothing here logs, and to capture it is a tenth of the time of tests that are measured.
        *("-p", "no:logging"),
    ]


def _environment(
    cell: Cell, wheel: Wheel, bench: Bench, scratch: Path, *, measured: bool = True
) -> dict[str, str]:
    """The person's environment without what would change the tests, and with what they need."""
    environment = {k: v for k, v in os.environ.items() if not PERSONAL.fullmatch(k)}
    environment |= {
        "PYTHONPATH": str(wheel.site),
        # Kept for the next run, and out of the wheel and the checkout.
        "PYTHONPYCACHEPREFIX": str(store.cache_root() / "pycache"),
        "M2CRYPTO_CELL": cell.id,
        MARK: f"{cell.id}-{os.getpid()}-{time.monotonic_ns()}",
        # The machine's openssl.cnf is read by every OpenSSL: a cell is about OpenSSL alone.
        "OPENSSL_CONF": os.devnull,
        "GCOV_PREFIX": str(scratch / "counts"),
        # Of the path that was compiled in nothing but the file's name: counts lie flat.
        "GCOV_PREFIX_STRIP": "999",
    }
    if measured:
        environment["COVERAGE_PROCESS_START"] = str(bench.copy / SETTINGS)
        environment["COVERAGE_FILE"] = str(scratch / "python" / "data")
    if tuple(int(part) for part in cell.python.rstrip("t").split(".")) >= SYSMON:
        environment["COVERAGE_CORE"] = "sysmon"
    return environment


def _join_python_lines(cell: str, site: Path, copy: Path, parts: Path, target: Path) -> None:
    """Join what each process of the cell measured, with names from the project's root."""
    lines: dict[str, set[int]] = {}
    try:
        for path in sorted(parts.glob("data.*")):
            part = coverage.CoverageData(str(path))
            part.read()
            for file in part.measured_files():
                # What the build generated has no lines that anybody wrote.
                if (
                    Path(file).is_relative_to(site)
                    and (copy / Path(file).relative_to(site)).exists()
                ):
                    name = Path(file).relative_to(site).as_posix()
                    lines.setdefault(name, set()).update(part.lines(file) or ())
            part.close()
        joined = coverage.CoverageData(str(target))
        joined.set_context(cell)
        joined.add_lines(lines)
        joined.write()
        joined.close()
    except (coverage.CoverageException, sqlite3.Error) as error:
        raise Problem(f"coverage.py's data cannot be joined: {error}") from None


def _name_files_from_the_checkout(log: Path, copy: Path) -> None:
    """Write the paths of the copy in a log as those of the checkout, from its root."""
    if log.exists():
        text = log.read_bytes()
        log.write_bytes(text.replace(os.fsencode(f"{copy}{os.sep}"), b""))


def _relocated(text: str, folder: Path, copy: Path, id: str) -> str:  # noqa: A002
    """The same text with the paths as they are once the result is in place."""
    return text.replace(str(folder), str(folder.parent / id)).replace(f"{copy}{os.sep}", "")


def _jobs() -> int:
    # One more than there are cores: a cell's tests wait for peers a tenth of their time.
    return (os.cpu_count() or 1) + 1
