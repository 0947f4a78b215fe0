"""Gather results, write the report, and check it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from ci import console, github
from ci.errors import UserError
from ci.manifest import Manifest
from ci.matrix.machine import Machine
from ci.project import Project
from ci.report import gates, page, summary, surface
from ci.report.gather import Gathered, gather


def make(
    manifest: Manifest,
    machine: Machine | None,
    project: Project,
    *,
    logged: Iterable[str] = (),
    plan: str = "default",
) -> list[str]:
    """Write the report, log the totals, and return a line for each complaint.

    Floors and skips are checked if every cell of the plan that the computer can run has run all of
    its tests.

    Args:
        manifest: the manifest.
        machine: this computer; None if the results are those of several, and all must be there.
        project: the project; the caller holds the lock of its results.
        logged: ids of cells whose failures are logged already.
        plan: the name of the plan.

    Raises:
        UserError: there is no usable result, or the report cannot be written.
    """
    policy = gates.read_policy(project.policy)
    gathered = gather(manifest, machine, project, plan)
    logged = set(logged)
    if not gathered.usable:
        why = [f" ({each.id}: {each.why})" for each in gathered.absent if each.id in logged]
        raise UserError(
            f"no results in {project.results} of the present sources{''.join(why[:1])}; "
            "run `nox -s tests`"
        )
    totals = page.update(gathered, manifest, project)
    console.log("")
    for total in totals:
        console.log(str(total))
    warnings = manifest.warnings(date.today())
    for warning in warnings:
        console.log(warning)
    console.log(f"report: {project.html / 'index.html'}")
    may_fail = {each.cell.id for each in gathered.planned if not each.required}
    complaints = gates.failures(gathered.usable, may_fail | logged)
    complaints += surface.complaints(gathered.usable, surface.read(project))
    missing = ""
    if _whole(gathered, machine, complaints):
        missing = gates.missing(gathered.usable, policy)
        complaints += gates.complaints(gathered.usable, totals, policy, may_fail)
        required = gates.missing(gathered.usable, policy, optional=False)
        if required and project.ci:
            complaints.append(required)
        elif missing:
            console.log(missing)
    github.summary(summary.markdown(gathered, totals, complaints, missing, warnings))
    return complaints


def _whole(gathered: Gathered, machine: Machine | None, complaints: list[str]) -> bool:
    """Return whether all cells ran all tests; log what lacks, of several computers complain."""
    if not machine:
        # A cell that may fail may be absent, too.
        needed = {each.cell.id for each in gathered.planned if each.required}
        lacking = [f"{each.id}: {each.why}" for each in gathered.absent if each.id in needed]
        lacking += [
            f"{each.expected.id}: only some of the tests ran"
            for each in gathered.usable
            if each.expected.partial
        ]
        complaints += lacking
        return not lacking
    if gathered.partial:
        console.log("floors and skips were not checked: some cells ran only some of the tests")
        return False
    able = {each.cell.id for each in gathered.planned if not machine.obstacle(each.cell)}
    absent = [each for each in gathered.absent if each.id in able]
    if absent:
        console.log(
            "floors and skips are checked over the whole matrix; this report lacks "
            f"{len(absent)} of its cells: {absent[0].id}: {absent[0].why}"
        )
    return not absent
