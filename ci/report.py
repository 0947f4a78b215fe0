"""Results → one coverage.py HTML report of Python and C, the totals, and what is wrong with them.

Given the results in `coverage/results` it leaves out those of other sources, joins the rest, writes
`coverage/html/`, prints the totals of each language, and gives one line for each complaint: a total
below its floor, a test that ran nowhere, a skip for a reason that nobody declared.
"""

from __future__ import annotations

import contextlib
import html
import re
import shutil
import sqlite3
import tomllib
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import coverage
from ci import c_lines, cells, checkout, interpreters, manifest, plan, progress, results
from ci.c_lines import CPlugin
from ci.checkout import PACKAGE
from ci.manifest import Manifest
from ci.problem import Problem, nearest
from ci.results import NotRun, Result
from ci.wheels import PROJECT

FOLDER = PROJECT / "coverage"
HTML = FOLDER / "html"
POLICY = FOLDER / "policy.toml"
_POLICY = f"{FOLDER.name}/{POLICY.name}"
LANGUAGES = ("Python", "C")


@dataclass(frozen=True, slots=True)
class Floor:
    """The least share of a language's lines, in percent, that must have run; and why that much."""

    language: str
    percent: float
    reason: str


@dataclass(frozen=True, slots=True)
class Skip:
    """A reason to skip a test; `machine` if it is what this computer lacks, not the build."""

    reason: re.Pattern[str]
    machine: bool = False


@dataclass(frozen=True, slots=True)
class Policy:
    """What is asked of a report (`coverage/policy.toml`)."""

    floors: tuple[Floor, ...]
    skips: tuple[Skip, ...]


@dataclass(frozen=True, slots=True)
class Total:
    """Lines of one language: those that count, and those of them that ran in some cell."""

    language: str
    lines: int
    run: int

    @property
    def percent(self) -> float:
        """The share that ran; of no lines at all, all ran."""
        return 100 * self.run / self.lines if self.lines else 100.0

    def __str__(self) -> str:
        """Say it in the line that ends a session."""
        return f"{self.language:<7}{self.percent:6.2f} %  {self.run} of {self.lines} lines ran"


@dataclass(frozen=True, slots=True)
class Gathered:
    """The results that are fit for the report, and why each of the other cells is not in it."""

    fit: tuple[Result, ...]
    absent: tuple[NotRun, ...]

    @property
    def partial(self) -> bool:
        """Whether a cell ran only some of the tests."""
        return any(result.expected.partial for result in self.fit)


def main_coverage(argv: list[str]) -> None:
    """Join the results that are there into the report, and print the totals."""
    if argv:
        raise Problem(
            f"coverage takes no arguments, not {argv[0]!r}; it joins every result there is"
        )
    known = manifest.load()
    installed = interpreters.installed(known.pythons)
    with results.writing(results.ROOT):
        complaints = make(known, installed, cells.copy_checkout())
    if complaints:
        raise Problem("\nerror: ".join(complaints))


def make(
    known: Manifest, installed: Container[str], copy: Path, *, told: Container[str] = ()
) -> list[str]:
    """Write the report and print the totals; what is wrong with them, a line each.

    `installed` are the series of Python that are, `copy` is that of the checkout, and of the cells
    `told` their failures are known already. Floors and skips are judged when every cell of those
    Pythons is in the report with all of its tests.
    """
    policy = read_policy(POLICY)
    gathered = gather(known, installed, results.ROOT, copy)
    if not gathered.fit:
        why = next((f" ({each.id}: {each.why})" for each in gathered.absent if each.id in told), "")
        raise Problem(
            f"no results in {results.ROOT} of the present sources{why}; run `nox -s tests`"
        )
    totals = write_html(gathered, known, HTML, copy)
    progress.say("")
    for total in totals:
        progress.say(str(total))
    progress.say(f"report: {HTML / 'index.html'}")
    complaints = failures(gathered.fit, told)
    if gathered.partial:
        progress.say("floors and skips were not judged: some cells ran only some of the tests")
        return complaints
    able = {cell.id for cell in plan.cells(known) if cell.python in installed}
    left_out = [each for each in gathered.absent if each.id in able]
    if left_out:
        progress.say(
            f"floors and skips are judged over the matrix, of which {len(left_out)} cells are not"
            f" in this report: {left_out[0].id}: {left_out[0].why}"
        )
        return complaints
    lacking = lacks(gathered.fit, policy)
    if lacking:
        progress.say(lacking)
    return [*complaints, *below_floor(totals, policy), *skip_complaints(gathered.fit, policy)]


def failures(fit: Iterable[Result], told: Container[str]) -> list[str]:
    """A line that names the cells whose tests failed, but those `told`; none if there are none."""
    failed = [each.expected.id for each in fit if each.tests.failed]
    untold = [cell for cell in failed if cell not in told]
    return [f"tests failed in {len(untold)} cells: {', '.join(untold)}"] if untold else []


def gather(known: Manifest, installed: Container[str], root: Path, copy: Path) -> Gathered:
    """Read the result of each cell of the manifest; say of each without a fit one why.

    Fit is a result of what the manifest says now and of the sources in `copy`.
    """
    sources = checkout.digest(copy)
    there = {folder.name: folder for folder in results.folders(root)}
    fit, absent = [], []
    for cell in plan.cells(known):
        try:
            wanted = results.expectation(cell, known.swig, sources=sources)
            fit.append(_fit(wanted, there))
        except Problem as problem:
            why = str(problem)
            if cell.python not in installed:
                why = f"Python {cell.python} is not installed"
            absent.append(NotRun(cell.id, why))
    return Gathered(tuple(fit), tuple(absent))


def _fit(wanted: results.Expected, there: Mapping[str, Path]) -> Result:
    if wanted.id not in there:
        raise Problem("not run yet")
    result = results.read(there[wanted.id])
    differs = result.expected.differs(wanted)
    if differs:
        raise Problem(differs)
    return result


# --- the page -------------------------------------------------------------------------------------


def write_html(gathered: Gathered, known: Manifest, target: Path, copy: Path) -> list[Total]:
    """Write coverage.py's HTML report of both languages to `target`; give each one's total.

    Shown are the files in `copy`, which are those that the cells tested.
    """
    # coverage.py names files from the working directory.
    with contextlib.chdir(copy), _fresh(target) as folder, _clear_coverage_errors():
        measured = _measured(gathered.fit, copy)
        totals = [_total(measured, language) for language in LANGUAGES]
        shares = ", ".join(f"{each.language} {each.percent:.1f} %" for each in totals)
        measured.set_option("html:title", f"M2Crypto: {shares}; both")
        measured.html_report(
            directory=str(folder),
            show_contexts=True,
            extra_css=str(FOLDER / "report.css"),
        )
        _add_cells(folder / "index.html", gathered, known)
    return totals


@contextlib.contextmanager
def _clear_coverage_errors() -> Iterator[None]:
    """Turn what coverage.py cannot read or write into a `Problem`."""
    try:
        yield
    except coverage.CoverageException as error:
        raise Problem(f"coverage.py cannot make the report: {error}") from None


def _measured(fit: Sequence[Result], copy: Path) -> coverage.Coverage:
    """All that the cells measured, in the memory of one Coverage."""
    c_cells = {each.expected.id: c_lines.load(each.folder / results.C_LINES) for each in fit}
    plugin = CPlugin(copy, c_lines.files_over(c_cells))
    measured = coverage.Coverage(
        data_file=None,
        config_file=str(copy / cells.SETTINGS),
        plugins=[lambda registry: registry.add_file_tracer(plugin)],
        messages=False,
    )
    data = measured.get_data()
    for each in fit:
        data.set_context(each.expected.id)
        data.add_lines(_python_lines(each.folder / results.PYTHON, copy))
    for path in sorted((copy / PACKAGE).rglob("*.py")):
        # A file nobody imported is missed, not absent.
        data.touch_file(str(path))
    c_lines.add_to(data, c_cells, plugin)
    return measured


def _python_lines(path: Path, copy: Path) -> dict[str, list[int]]:
    data = coverage.CoverageData(str(path))
    try:
        data.read()
        return {str(copy / name): data.lines(name) or [] for name in data.measured_files()}
    except (coverage.CoverageException, sqlite3.Error) as error:
        raise Problem(f"{path}: cannot be read ({error}); run the cell again") from None
    finally:
        data.close()


def _total(measured: coverage.Coverage, language: str) -> Total:
    files = [
        name
        for name in measured.get_data().measured_files()
        if name.endswith(".py") == (language == "Python")
    ]
    lines = missed = 0
    for name in files:
        _, statements, _, missing, _ = measured.analysis2(name)
        lines += len(statements)
        missed += len(missing)
    return Total(language, lines, lines - missed)


@contextlib.contextmanager
def _fresh(target: Path) -> Iterator[Path]:
    """An empty folder that takes the place of `target` when it is done, and only then."""
    making, old = results.ROOT / ".html", results.ROOT / ".html.old"
    for left in (making, old):
        shutil.rmtree(left, ignore_errors=True)
    making.mkdir(parents=True)
    try:
        yield making
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():
            target.rename(old)
        making.rename(target)
    finally:
        for left in (making, old):
            shutil.rmtree(left, ignore_errors=True)


def _add_cells(index: Path, gathered: Gathered, known: Manifest) -> None:
    """Put the table of cells under coverage.py's list of files."""
    page = index.read_text(encoding="utf-8")
    if page.count("</main>") != 1:
        raise Problem("coverage.py writes its index page in a new way: look at ci/report.py")
    index.write_text(page.replace("</main>", cells_table(gathered, known) + "</main>"), "utf-8")


def cells_table(gathered: Gathered, known: Manifest) -> str:
    """Builds down, Pythons across, in HTML: how each cell went, or why it is not in the report."""
    fit = {result.expected.id: result for result in gathered.fit}
    absent = {each.id: each.why for each in gathered.absent}
    cells = {cell.id: cell for cell in plan.cells(known)}
    head = "".join(f"<th>{python}</th>" for python in known.pythons)
    rows = []
    for build in known.builds:
        names = [name for name, cell in cells.items() if cell.build == build]
        row = "".join(_table_cell(name, fit.get(name), absent.get(name, "")) for name in names)
        rows.append(f"<tr><th>OpenSSL {html.escape(build.name)}</th>{row}</tr>")
    count = f"{len(fit)} of {len(cells)} cells are in this report"
    return (
        f'<section class="cells"><h2>Cells</h2><p>{count}; in each the tests that passed.</p>'
        f"<table><thead><tr><th></th>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
        f"{_absent_list(gathered.absent)}</section>"
    )


def _table_cell(id: str, result: Result | None, why: str) -> str:  # noqa: A002
    if result is None:
        return f'<td class="absent" title="{html.escape(f"{id}: {why}")}">not run</td>'
    tests = result.tests
    kind = "failed" if tests.failed else "passed"
    title = f"{id}: {result.timings.tests:.1f} s, {result.stamp.library}"
    counts = [str(tests.passed)]
    counts += [f"<b>{len(tests.failed)} failed</b>"] if tests.failed else []
    counts += [f"<i>{len(tests.skipped)} skipped</i>"] if tests.skipped else []
    return f'<td class="{kind}" title="{html.escape(title)}">{" ".join(counts)}</td>'


def _absent_list(absent: Iterable[NotRun]) -> str:
    by_reason: dict[str, list[str]] = {}
    for each in absent:
        by_reason.setdefault(each.why, []).append(each.id)
    items = "".join(
        f"<li>{html.escape(why)}: {', '.join(ids)}</li>" for why, ids in by_reason.items()
    )
    return f"<h2>Not run</h2><ul>{items}</ul>" if items else ""


# --- the policy -----------------------------------------------------------------------------------


def read_policy(path: Path) -> Policy:
    """Read the floors and the reasons to skip; a `Problem` says what is wrong, and where."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Problem(f"{path}: cannot be read: {error}") from None
    for key in document.keys() - {"floor", "skip"}:
        raise Problem(f"{path}: {key} is an unknown key; there are floor and skip")
    floors = [
        Floor(
            _entry(path, "floor", entry, "language", str),
            _entry(path, "floor", entry, "percent", (int, float)),
            _entry(path, "floor", entry, "reason", str),
        )
        for entry in _entries(path, document, "floor", ("language", "percent", "reason"))
    ]
    if sorted(floor.language for floor in floors) != sorted(LANGUAGES):
        raise Problem(f"{path}: floor.language must be once each of {', '.join(LANGUAGES)}")
    skips = []
    for entry in _entries(path, document, "skip", ("reason", "why", "machine")):
        _entry(path, "skip", entry, "why", str)
        reason = _entry(path, "skip", entry, "reason", str)
        machine = _entry(path, "skip", {"machine": False} | entry, "machine", bool)
        try:
            skips.append(Skip(re.compile(reason), machine))
        except re.error as error:
            raise Problem(f"{path}: skip.reason {reason!r} is no pattern: {error}") from None
    return Policy(tuple(floors), tuple(skips))


def _entries(
    path: Path, document: Mapping[str, object], table: str, keys: Sequence[str]
) -> list[dict[str, object]]:
    """The tables `[[table]]` of the policy, which have no other keys than these."""
    entries = document.get(table, [])
    if not isinstance(entries, list) or not all(isinstance(each, dict) for each in entries):
        raise Problem(f"{path}: {table} must be tables: write [[{table}]]")
    for entry in entries:
        for key in entry.keys() - set(keys):
            raise Problem(f"{path}: {table}.{key} is an unknown key; {nearest(key, keys)}")
    return entries


def _entry(
    path: Path,
    table: str,
    entry: Mapping[str, object],
    key: str,
    kind: type | tuple[type, ...],
) -> Any:
    value = entry.get(key, "")
    if value == "":
        raise Problem(f"{path}: {table}.{key} is missing")
    # bool is an int, but no share.
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise Problem(f"{path}: {table}.{key} is of the wrong type: {value!r}")
    return value


def below_floor(totals: Iterable[Total], policy: Policy) -> list[str]:
    """A line for each language of which too few lines ran."""
    floors = {floor.language: floor for floor in policy.floors}
    return [
        f"{total.language}: {total.percent:.2f} % of the lines ran, less than the floor of"
        f" {floors[total.language].percent} % in {_POLICY}"
        for total in totals
        if total.percent < floors[total.language].percent
    ]


def skip_complaints(fit: Iterable[Result], policy: Policy) -> list[str]:
    """A line for each test that ran in no cell, and for each reason to skip nobody declared.

    A test that ran in no cell because of what this computer lacks is left to `lacks`.
    """
    ran, reasons = _skipped(fit)
    never = [
        f"{test} ran in no cell: {'; '.join(sorted(why))}"
        for test, why in sorted(reasons.items())
        if test not in ran and not any(_of_the_machine(reason, policy) for reason in why)
    ]
    undeclared = [
        f"{test} was skipped for a reason that {_POLICY} does not declare: {why}"
        for test, whys in sorted(reasons.items())
        for why in sorted(whys)
        if not any(skip.reason.fullmatch(why) for skip in policy.skips)
    ]
    return [*never, *undeclared]


def lacks(fit: Iterable[Result], policy: Policy) -> str:
    """Name, in one line, what this computer lacks for tests that ran in no cell; empty if none."""
    ran, reasons = _skipped(fit)
    never = {
        test: sorted(reason for reason in why if _of_the_machine(reason, policy))
        for test, why in reasons.items()
        if test not in ran
    }
    lacking = sorted({reason for why in never.values() for reason in why})
    count = sum(bool(why) for why in never.values())
    if not lacking:
        return ""
    return f"{count} tests ran in no cell because of this computer: {'; '.join(lacking)}"


def _skipped(fit: Iterable[Result]) -> tuple[set[str], dict[str, set[str]]]:
    """The tests that ran in some cell, and the reasons for which each was skipped in others."""
    ran: set[str] = set()
    reasons: dict[str, set[str]] = {}
    for result in fit:
        ran |= result.tests.ran
        for test, reason in result.tests.skipped.items():
            reasons.setdefault(test, set()).add(reason)
    return ran, reasons


def _of_the_machine(reason: str, policy: Policy) -> bool:
    return any(skip.machine and skip.reason.fullmatch(reason) for skip in policy.skips)
