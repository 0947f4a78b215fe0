"""`nox -s tests`, `matrix`, `coverage`, and a cell's own session: run cells, then report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ci import interpreters, manifest
from ci.errors import UserError
from ci.interpreters import Interpreter
from ci.manifest import Manifest
from ci.matrix import cell as one
from ci.matrix import plan, results, runner
from ci.matrix.cell import Outcome
from ci.matrix.plan import Cell
from ci.matrix.prepare import copy_checkout, prepare
from ci.matrix.results import NotRun
from ci.project import Project
from ci.report import report


def tests(arguments: Sequence[str], project: Project) -> None:
    """Run the quick builds on each installed Python, then report."""
    known = manifest.load(project.manifest)
    _run(plan.cells(known, known.quick), known, arguments, project)


def matrix(arguments: Sequence[str], project: Project) -> None:
    """Run every cell whose Python is installed, then report."""
    known = manifest.load(project.manifest)
    _run(plan.cells(known), known, arguments, project)


def cell(arguments: Sequence[str], project: Project) -> None:
    """Run the cell of an id; the other arguments are pytest's."""
    known = manifest.load(project.manifest)
    if not arguments:
        raise UserError("no cell given; name one by its id, such as " + plan.cells(known)[0].id)
    _run([plan.find_cell(known, arguments[0])], known, arguments[1:], project, reported=False)


def coverage(arguments: Sequence[str], project: Project) -> None:
    """Report the existing results."""
    if arguments:
        raise UserError(
            f"coverage takes no arguments, not {arguments[0]!r}; it reports every result"
        )
    known = manifest.load(project.manifest)
    installed = interpreters.installed(known.pythons)
    with results.writing(project.results):
        copy_checkout(project)
        complaints = report.make(known, installed, project)
    if complaints:
        raise UserError("\nerror: ".join(complaints))


def _run(
    cells: Sequence[Cell],
    known: Manifest,
    arguments: Sequence[str],
    project: Project,
    *,
    reported: bool = True,
) -> None:
    # Of every series, because the builder of an ABI must not depend on the cells.
    installed = interpreters.installed(known.pythons)
    complaints: list[str] = []
    with results.writing(project.results):
        copy_checkout(project)
        if one.is_query(tuple(arguments)):
            _query(cells, known, arguments, installed, project)
            return
        outcomes, missing = runner.run(cells, known, arguments, installed, project)
        if outcomes and reported:
            try:
                logged = {outcome.id for outcome in outcomes}
                complaints = report.make(known, installed, project, logged=logged)
            except UserError as error:
                # The outcomes of the cells are reported before it.
                complaints = [str(error)]
    check(outcomes, missing, complaints)


def _query(
    cells: Sequence[Cell],
    known: Manifest,
    arguments: Sequence[str],
    installed: Mapping[str, Interpreter],
    project: Project,
) -> None:
    able = [cell for cell in cells if cell.python in installed][:1]
    if not able:
        raise UserError(f"no cell could run: Python {cells[0].python} is not installed")
    one.query(able[0], prepare(able, known, arguments, installed, project))


def check(
    outcomes: Sequence[Outcome], missing: Sequence[NotRun], complaints: Sequence[str]
) -> None:
    """Check that a cell ran, that all passed, and that the report has no complaint.

    Raises:
        UserError: one of these does not hold; a line for each.
    """
    if not outcomes:
        raise UserError(f"no cell could run: {missing[0].why}" if missing else "no cell to run")
    failed = [outcome.id for outcome in outcomes if outcome.why]
    lines = list(complaints)
    if failed:
        lines.insert(0, f"{len(failed)} of {len(outcomes)} cells failed: {', '.join(failed)}")
    if lines:
        raise UserError("\nerror: ".join(lines))
