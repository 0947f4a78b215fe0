"""Cells → results: the tests of every cell that was asked for, several at a time, under coverage.

Given cells it takes the prefix, the instrumented wheel and the environment of each from the cache,
runs pytest, and leaves a result per cell in `coverage/results`. A cell that cannot run is named
with the reason; one that fails shows its last lines and where its log is.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import coverage
from ci import (
    c_lines,
    doctor,
    environments,
    interpreters,
    manifest,
    plan,
    prefixes,
    process,
    progress,
    results,
    store,
    wheels,
)
from ci.interpreters import Interpreter
from ci.manifest import Build, Manifest
from ci.plan import Cell
from ci.problem import Problem
from ci.results import NotRun
from ci.wheels import PROJECT, TESTED, Wheel

SETTINGS = PROJECT / "coverage" / "coveragerc"
# Variables that would change what a cell does from one person's shell to another's.
PERSONAL = re.compile(r"(PYTHON|PYTEST_|COVERAGE_|COV_|GCOV_|OPENSSL_|SSL_CERT_|M2CRYPTO_).*")

# The core that costs least, in the Pythons that have it (PEP 669).
SYSMON = (3, 12)

# pytest's exit codes: tests failed; anything above is no result at all.
TESTS_FAILED = 1


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a cell ended; `why` is empty when all of its tests passed, else `failed` are those."""

    id: str
    summary: str
    why: str = ""
    failed: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Bench:
    """All that the cells of one run share; wheels by a cell's id, Pythons by their series."""

    sources: str
    arguments: tuple[str, ...]
    wheels: Mapping[str, Wheel | Problem]
    pythons: Mapping[str, Path]


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
    outcomes, missing = run([cell], known, argv[1:], interpreters.installed(known.pythons))
    _demand(outcomes, missing, [])


def _run_and_report(cells: Sequence[Cell], known: Manifest, arguments: Sequence[str]) -> None:
    from ci import report

    # All of them, whatever is asked for: which one builds for an ABI must not change with it.
    found = interpreters.installed(known.pythons)
    outcomes, missing = run(cells, known, arguments, found)
    try:
        complaints = report.make(known, found) if outcomes else []
    except Problem as problem:
        # What the cells said is more to the point.
        complaints = [str(problem)]
    _demand(outcomes, missing, complaints)


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
) -> tuple[list[Outcome], list[NotRun]]:
    """Run the cells whose Python was found; the other ones are given back with the reason."""
    started = time.monotonic()
    missing = [
        NotRun(cell.id, f"Python {cell.python} is not installed")
        for cell in cells
        if cell.python not in found
    ]
    able = [cell for cell in cells if cell.python in found]
    outcomes = _run_all(able, _bench(able, known, arguments, found)) if able else []
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
) -> Bench:
    """Make, or find in the cache, everything these cells need."""
    doctor.require(doctor.FOR_CELLS)
    root = store.cache_root()
    requirements = environments.group(PROJECT / "pyproject.toml", "tests")
    used = dict.fromkeys(cell.python for cell in cells)
    sources = wheels.digest(PROJECT, TESTED)
    made = _wheels(cells, known, found)
    pythons = process.in_threads(
        lambda each: environments.ensure(root, "tests", found[each], requirements), used, _jobs()
    )
    return Bench(
        sources=sources,
        arguments=tuple(_absolute(argument) for argument in arguments),
        wheels=made,
        pythons=dict(zip(used, pythons, strict=True)),
    )


def _wheels(
    cells: Sequence[Cell], known: Manifest, found: Mapping[str, Interpreter]
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
    built = wheels.ensure(requests.values(), known.swig, instrumented=True)
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


def _absolute(argument: str) -> str:
    """`tests/test_rsa.py::test_x` from the project's root: a cell runs in a folder of its own."""
    path, separator, rest = argument.partition("::")
    there = path and not path.startswith("-") and (PROJECT / path).exists()
    return f"{PROJECT / path}{separator}{rest}" if there else argument


def _run_all(cells: Sequence[Cell], bench: Bench) -> list[Outcome]:
    done: list[Outcome] = []

    def one(cell: Cell) -> Outcome:
        started = time.monotonic()
        try:
            outcome = run_cell(cell, bench)
        except Problem as problem:
            outcome = Outcome(cell.id, "no result", str(problem))
        word = "FAILED" if outcome.why else "passed"
        progress.say(
            f"{f'[{len(done) + 1}/{len(cells)}]':>7} {word}  {cell.id:<28} {outcome.summary:<40}"
            f" {time.monotonic() - started:5.1f} s" + _details(outcome, done)
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

    Raises a `Problem` when they left no result, or one whose stamp disagrees with the cell.
    """
    wheel = bench.wheels[cell.id]
    if isinstance(wheel, Problem):
        raise wheel
    expected = results.expectation(
        cell.id,
        cell.python,
        cell.build,
        sources=bench.sources,
        partial=bool(bench.arguments),
    )
    refused: Problem | None = None
    with results.in_place(results.ROOT, cell.id) as folder:
        results.write(expected, folder)
        try:
            failure = _test(cell, bench, wheel, folder)
            tests = results.read(folder).tests
        except Problem as problem:
            results.keep_log(folder)
            refused = Problem(_relocated(str(problem), folder, cell.id))
    if refused:
        raise refused
    summary = f"{tests.passed} passed, {len(tests.failed)} failed, {len(tests.skipped)} skipped"
    return Outcome(cell.id, summary, _relocated(failure, folder, cell.id), tests.failed)


def _test(cell: Cell, bench: Bench, wheel: Wheel, folder: Path) -> str:
    """Run pytest and collect what it measured; what it printed last if tests failed."""
    scratch = folder / "scratch"
    for name in ("python", "counts"):
        (scratch / name).mkdir(parents=True)
    started = time.monotonic()
    failure = ""
    try:
        process.run(
            _command(cell, bench, folder),
            log=folder / results.LOG,
            # A folder of its own: were it the project's, Python would find the sources of
            # M2Crypto there before the wheel.
            cwd=scratch,
            env=_environment(cell, wheel, scratch),
            quiet=True,
        )
    except process.CommandFailed as failed:
        if failed.status != TESTS_FAILED:
            raise
        failure = str(failed)
    tested = time.monotonic()
    _join_python_lines(cell.id, wheel.site, scratch / "python", folder / results.PYTHON)
    if wheel.notes:
        lines = c_lines.measure(wheel.notes, scratch / "counts")
        c_lines.dump(lines, folder / results.C_LINES)
    shutil.rmtree(scratch)
    results.write(results.Timings(tested - started, time.monotonic() - tested), folder)
    return failure


def _command(cell: Cell, bench: Bench, folder: Path) -> list[str | Path]:
    named = any("::" in each or Path(each).is_absolute() for each in bench.arguments)
    return [
        bench.pythons[cell.python],
        *("-W", "error"),
        *("-X", "dev"),
        *("-m", "pytest"),
        *("-c", PROJECT / "pyproject.toml"),
        f"--rootdir={PROJECT}",
        # Cells run side by side: neither the project's cache nor /tmp is for one of them alone.
        *("-p", "no:cacheprovider"),
        f"--basetemp={folder / 'scratch' / 'tmp'}",
        f"--cell={folder / results.CELL}",
        f"--stamp={folder / results.STAMP}",
        f"--junitxml={folder / results.JUNIT}",
        # The tests of the machine itself say nothing about a cell.
        *(() if named else (PROJECT / "tests", f"--ignore={PROJECT / 'tests' / 'ci'}")),
        *bench.arguments,
    ]


def _environment(cell: Cell, wheel: Wheel, scratch: Path) -> dict[str, str]:
    """The person's environment without what would change the tests, and with what they need."""
    environment = {k: v for k, v in os.environ.items() if not PERSONAL.fullmatch(k)}
    environment |= {
        "PYTHONPATH": str(wheel.site),
        # Kept for the next run, and out of the wheel and the checkout.
        "PYTHONPYCACHEPREFIX": str(store.cache_root() / "pycache"),
        "COVERAGE_PROCESS_START": str(SETTINGS),
        "COVERAGE_FILE": str(scratch / "python" / "data"),
        "M2CRYPTO_CELL": cell.id,
        # The machine's openssl.cnf is read by every OpenSSL: a cell is about OpenSSL alone.
        "OPENSSL_CONF": os.devnull,
        "GCOV_PREFIX": str(scratch / "counts"),
        # Of the path that was compiled in nothing but the file's name: counts lie flat.
        "GCOV_PREFIX_STRIP": "999",
    }
    if tuple(int(part) for part in cell.python.rstrip("t").split(".")) >= SYSMON:
        environment["COVERAGE_CORE"] = "sysmon"
    return environment


def _join_python_lines(cell: str, site: Path, parts: Path, target: Path) -> None:
    """Join what each process of the cell measured, with names from the project's root."""
    lines: dict[str, set[int]] = {}
    for path in sorted(parts.glob("data.*")):
        part = coverage.CoverageData(str(path))
        part.read()
        for file in part.measured_files():
            # What the build generated has no lines that anybody wrote.
            if (
                Path(file).is_relative_to(site)
                and (PROJECT / Path(file).relative_to(site)).exists()
            ):
                name = Path(file).relative_to(site).as_posix()
                lines.setdefault(name, set()).update(part.lines(file) or ())
        part.close()
    joined = coverage.CoverageData(str(target))
    joined.set_context(cell)
    joined.add_lines(lines)
    joined.write()
    joined.close()


def _relocated(text: str, folder: Path, id: str) -> str:  # noqa: A002
    """The same text with the paths as they are once the result is in place."""
    from_scratch = os.path.relpath(PROJECT, folder / "scratch") + "/"
    return text.replace(str(folder), str(folder.parent / id)).replace(from_scratch, "")


def _jobs() -> int:
    return os.cpu_count() or 1
