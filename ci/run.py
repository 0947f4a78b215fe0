"""`nox -s tests`, `matrix`, `coverage`, and a cell's own session: run cells, then report."""

from __future__ import annotations

from collections.abc import Container, Sequence

from ci import manifest, plans
from ci.errors import UserError
from ci.manifest import Manifest
from ci.matrix import cell as one
from ci.matrix import plan, results, runner
from ci.matrix.cell import Outcome
from ci.matrix.machine import Machine
from ci.matrix.plan import Planned
from ci.matrix.prepare import copy_checkout, prepare
from ci.matrix.results import NotRun
from ci.project import Project
from ci.report import report


def tests(arguments: Sequence[str], project: Project) -> None:
    """Run the quick builds on each installed Python, then report."""
    _chosen(plans.choose(arguments, project.root, "quick"), project)


def matrix(arguments: Sequence[str], project: Project) -> None:
    """Run the cells of the default plan that this computer can run, then report.

    `--plan NAME` and a filter choose others.
    """
    _chosen(plans.choose(arguments, project.root), project)


def _chosen(choice: plans.Choice, project: Project) -> None:
    known = manifest.load(project.manifest)
    _run(choice.cells(known), known, choice.others, project)


def cell(arguments: Sequence[str], project: Project) -> None:
    """Run the cell of an id; the other arguments are pytest's."""
    known = manifest.load(project.manifest)
    if not arguments:
        raise UserError("no cell given; name one by its id, such as " + plan.cells(known)[0].id)
    chosen = plan.find_cell(known, arguments[0])
    planned = [plan.Planned(chosen, "named", None)]
    _run(planned, known, arguments[1:], project, reported=False)


def coverage(arguments: Sequence[str], project: Project) -> None:
    """Report the existing results."""
    if arguments:
        raise UserError(
            f"coverage takes no arguments, not {arguments[0]!r}; it reports every result"
        )
    known = manifest.load(project.manifest)
    machine = Machine.here(known)
    with results.writing(project.results):
        copy_checkout(project)
        complaints = report.make(known, machine, project)
    if complaints:
        raise UserError("\nerror: ".join(complaints))


def _run(
    cells: Sequence[Planned],
    known: Manifest,
    arguments: Sequence[str],
    project: Project,
    *,
    reported: bool = True,
) -> None:
    machine = Machine.here(known)
    complaints: list[str] = []
    with results.writing(project.results):
        copy_checkout(project)
        if one.is_query(tuple(arguments)):
            _query(cells, known, arguments, machine, project)
            return
        outcomes, missing = runner.run(cells, known, arguments, machine, project)
        if outcomes and reported:
            try:
                logged = {outcome.id for outcome in outcomes}
                complaints = report.make(known, machine, project, logged=logged)
            except UserError as error:
                # The outcomes of the cells are reported before it.
                complaints = [str(error)]
    allowed = {each.cell.id for each in cells if not each.required}
    check(outcomes, missing, complaints, allowed)


def _query(
    cells: Sequence[Planned],
    known: Manifest,
    arguments: Sequence[str],
    machine: Machine,
    project: Project,
) -> None:
    able = [each.cell for each in cells if not machine.obstacle(each.cell)][:1]
    if not able:
        raise UserError(f"no cell could run: {machine.obstacle(cells[0].cell)}")
    one.query(able[0], prepare(able, known, arguments, machine.pythons, project))


def check(
    outcomes: Sequence[Outcome],
    missing: Sequence[NotRun],
    complaints: Sequence[str],
    allowed: Container[str] = (),
) -> None:
    """Check that a cell ran, that all passed but those `allowed` to fail, and the complaints.

    Raises:
        UserError: one of these does not hold; a line for each.
    """
    if not outcomes:
        raise UserError(f"no cell could run: {missing[0].why}" if missing else "no cell to run")
    failed = [outcome.id for outcome in outcomes if outcome.why and outcome.id not in allowed]
    lines = list(complaints)
    if failed:
        lines.insert(0, f"{len(failed)} of {len(outcomes)} cells failed: {', '.join(failed)}")
    if lines:
        raise UserError("\nerror: ".join(lines))
