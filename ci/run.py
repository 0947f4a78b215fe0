"""`nox -s tests`, `matrix`, `coverage`, and a cell's own session: run cells, then report."""

from __future__ import annotations

import os
from collections.abc import Container, Sequence
from pathlib import Path

from ci import console, manifest, plans
from ci.errors import UserError
from ci.manifest import Manifest
from ci.matrix import cell as one
from ci.matrix import plan, results, runner
from ci.matrix.cell import Outcome
from ci.matrix.machine import Machine
from ci.matrix.plan import Planned
from ci.matrix.prepare import copy_checkout, prepare
from ci.matrix.results import Expected, NotRun
from ci.project import Project
from ci.report import report

# Runs cells that have not changed, too.
FRESH = "--fresh"
# The results to report are those of several computers.
MERGED = "--merged"


def tests(arguments: Sequence[str], project: Project) -> None:
    """Run the quick builds on each installed Python, then report."""
    _chosen(arguments, project, "quick")


def matrix(arguments: Sequence[str], project: Project) -> None:
    """Run the cells of the default plan that this computer can run, then report.

    `--plan NAME` and a filter choose others. A cell that passed is not run again, unless something
    that can change its result has, or `--fresh` is given.
    """
    _chosen(arguments, project, "default")


def _chosen(arguments: Sequence[str], project: Project, name: str) -> None:
    """Run the plan of that name, or what the arguments choose; `--fresh` repeats all cells."""
    choice = plans.choose([each for each in arguments if each != FRESH], project.root, name)
    known = manifest.load(project.manifest)
    _run(choice.cells(known), known, choice.others, project, fresh=FRESH in arguments)


def cell(arguments: Sequence[str], project: Project) -> None:
    """Run the cell of an id, or of a result of another run; the other arguments are pytest's.

    A result is named by its directory or its stamp. What the plan has changed since is logged.
    """
    known = manifest.load(project.manifest)
    if not any(arguments[:1]):
        raise UserError("no cell given; name one by its id, such as " + plan.cells(known)[0].id)
    path = Path(arguments[0])
    # pathlib raises for a name that is too long.
    exists = os.path.exists(path)  # noqa: PTH110
    named, before = results.recorded(path) if exists else (arguments[0], None)
    chosen = plan.find_cell(known, named)
    if before:
        _log_difference(before, results.expectation(chosen, known, sources=before.sources))
    planned = [plan.Planned(chosen, "named", None)]
    _run(planned, known, arguments[1:], project, reported=False)


def _log_difference(before: Expected, now: Expected) -> None:
    difference = before.difference(now)
    if difference:
        console.log(f"{before.id}: {difference}")


def coverage(arguments: Sequence[str], project: Project) -> None:
    """Report the existing results, of the default plan or of `--plan NAME`.

    With `--merged` they are those of several computers, and every cell of the plan must have one.
    """
    choice = plans.choose([each for each in arguments if each != MERGED], project.root)
    if choice.others or choice.filter:
        wrong = choice.filter or choice.others[0]
        raise UserError(
            f"coverage: unexpected argument {wrong!r}; it takes {MERGED} and --plan NAME"
        )
    known = manifest.load(project.manifest)
    machine = None if MERGED in arguments else Machine.here(known)
    with results.writing(project.results):
        copy_checkout(project)
        complaints = report.make(known, machine, project, plan=choice.plan)
    if complaints:
        raise UserError("\nerror: ".join(complaints))


def _run(
    cells: Sequence[Planned],
    known: Manifest,
    arguments: Sequence[str],
    project: Project,
    *,
    reported: bool = True,
    fresh: bool = True,
) -> None:
    machine = Machine.here(known)
    complaints: list[str] = []
    with results.writing(project.results):
        copy_checkout(project)
        if one.is_query(tuple(arguments)):
            _query(cells, known, arguments, machine, project)
            return
        outcomes, missing = runner.run(cells, known, arguments, machine, project, fresh=fresh)
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
