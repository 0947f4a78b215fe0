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
import tomllib
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import coverage
from ci import c_lines, interpreters, manifest, plan, progress, results, wheels
from ci.c_lines import CPlugin
from ci.manifest import Manifest
from ci.problem import Problem
from ci.results import NotRun, Result
from ci.wheels import PACKAGE, PROJECT, TESTED

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
class Policy:
    """What is asked of a report (`coverage/policy.toml`)."""

    floors: tuple[Floor, ...]
    skips: tuple[re.Pattern[str], ...]


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
    complaints = make(known, interpreters.installed(known.pythons))
    if complaints:
        raise Problem("\nerror: ".join(complaints))


def make(known: Manifest, installed: Container[str]) -> list[str]:
    """Write the report and print the totals; what is wrong with them, a line each.

    `installed` are the series of Python that are. Floors and skips are judged when every cell of
    those is in the report with all of its tests.
    """
    policy = read_policy(POLICY)
    gathered = gather(known, installed, results.ROOT)
    if not gathered.fit:
        raise Problem(f"no results in {results.ROOT} of the present sources; run `nox -s tests`")
    totals = write_html(gathered, known, HTML)
    progress.say("")
    for total in totals:
        progress.say(str(total))
    progress.say(f"report: {HTML / 'index.html'}")
    if gathered.partial:
        progress.say("floors and skips were not judged: some cells ran only some of the tests")
        return []
    able = {cell.id for cell in plan.cells(known) if cell.python in installed}
    left_out = [each for each in gathered.absent if each.id in able]
    if left_out:
        progress.say(
            f"floors and skips are judged over the matrix, of which {len(left_out)} cells are not"
            f" in this report: {left_out[0].id}: {left_out[0].why}"
        )
        return []
    return [*below_floor(totals, policy), *skip_complaints(gathered.fit, policy)]


def gather(known: Manifest, installed: Container[str], root: Path) -> Gathered:
    """Read the result of each cell of the manifest; say of each without a fit one why."""
    sources = wheels.digest(PROJECT, TESTED)
    there = {folder.name: folder for folder in results.folders(root)}
    fit, absent = [], []
    for cell in plan.cells(known):
        try:
            fit.append(_fit(cell.id, there, sources))
        except Problem as problem:
            why = str(problem)
            if cell.python not in installed:
                why = f"Python {cell.python} is not installed"
            absent.append(NotRun(cell.id, why))
    return Gathered(tuple(fit), tuple(absent))


def _fit(id: str, there: Mapping[str, Path], sources: str) -> Result:  # noqa: A002
    if id not in there:
        raise Problem("not run yet")
    result = results.read(there[id])
    if result.expected.sources != sources:
        raise Problem("the sources have changed since it ran")
    return result


# --- the page -------------------------------------------------------------------------------------


def write_html(gathered: Gathered, known: Manifest, target: Path) -> list[Total]:
    """Write coverage.py's HTML report of both languages to `target`; give each one's total."""
    # coverage.py names files from the working directory.
    with contextlib.chdir(PROJECT), _fresh(target) as folder:
        measured = _measured(gathered.fit)
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


def _measured(fit: Sequence[Result]) -> coverage.Coverage:
    """All that the cells measured, in the memory of one Coverage."""
    c_cells = {each.expected.id: c_lines.load(each.folder / results.C_LINES) for each in fit}
    plugin = CPlugin(PROJECT, c_lines.files_over(c_cells))
    measured = coverage.Coverage(
        data_file=None,
        config_file=str(FOLDER / "coveragerc"),
        plugins=[lambda registry: registry.add_file_tracer(plugin)],
        messages=False,
    )
    data = measured.get_data()
    for each in fit:
        data.set_context(each.expected.id)
        data.add_lines(_python_lines(each.folder / results.PYTHON))
    for path in sorted((PROJECT / PACKAGE).rglob("*.py")):
        # A file nobody imported is missed, not absent.
        data.touch_file(str(path))
    c_lines.add_to(data, c_cells, plugin)
    return measured


def _python_lines(path: Path) -> dict[str, list[int]]:
    data = coverage.CoverageData(str(path))
    try:
        data.read()
        return {str(PROJECT / name): data.lines(name) or [] for name in data.measured_files()}
    except coverage.CoverageException as error:
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
    making = results.ROOT / ".html"
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(parents=True)
    try:
        yield making
        shutil.rmtree(target, ignore_errors=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        making.rename(target)
    finally:
        shutil.rmtree(making, ignore_errors=True)


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
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise Problem(f"{path}: cannot be read: {error}") from None
    for key in document.keys() - {"floor", "skip"}:
        raise Problem(f"{path}: {key} is an unknown key; there are floor and skip")
    floors = [
        Floor(*(_entry(path, "floor", entry, key) for key in ("language", "percent", "reason")))
        for entry in document.get("floor", [])
    ]
    if sorted(floor.language for floor in floors) != sorted(LANGUAGES):
        raise Problem(f"{path}: floor.language must be once each of {', '.join(LANGUAGES)}")
    skips = []
    for entry in document.get("skip", []):
        _entry(path, "skip", entry, "why")
        skips.append(re.compile(_entry(path, "skip", entry, "reason")))
    return Policy(tuple(floors), tuple(skips))


def _entry(path: Path, table: str, entry: Mapping[str, object], key: str) -> Any:
    if not entry.get(key):
        raise Problem(f"{path}: {table}.{key} is missing")
    return entry[key]


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
    """A line for each test that ran in no cell, and for each reason to skip nobody declared."""
    ran: set[str] = set()
    reasons: dict[str, set[str]] = {}
    for result in fit:
        ran |= result.tests.ran
        for test, reason in result.tests.skipped.items():
            reasons.setdefault(test, set()).add(reason)
    never = [
        f"{test} ran in no cell: {'; '.join(sorted(why))}"
        for test, why in sorted(reasons.items())
        if test not in ran
    ]
    undeclared = [
        f"{test} was skipped for a reason that {_POLICY} does not declare: {why}"
        for test, whys in sorted(reasons.items())
        for why in sorted(whys)
        if not any(pattern.fullmatch(why) for pattern in policy.skips)
    ]
    return [*never, *undeclared]
