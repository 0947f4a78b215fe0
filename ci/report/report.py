"""Gather results, write the report, and check it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from ci import console
from ci.errors import UserError
from ci.manifest import Manifest
from ci.matrix.machine import Machine
from ci.project import Project
from ci.report import gates, page
from ci.report.gather import gather


def make(
    manifest: Manifest, machine: Machine, project: Project, *, logged: Iterable[str] = ()
) -> list[str]:
    """Write the report, log the totals, and return a line for each complaint.

    Floors and skips are checked if every cell of the default plan that the computer can run has run
    all of its tests.

    Args:
        manifest: the manifest.
        machine: this computer.
        project: the project; the caller holds the lock of its results.
        logged: ids of cells whose failures are logged already.

    Raises:
        UserError: there is no usable result, or the report cannot be written.
    """
    policy = gates.read_policy(project.policy)
    gathered = gather(manifest, machine, project)
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
    for release in manifest.releases:
        if warning := release.warning(date.today()):
            console.log(warning)
    console.log(f"report: {project.html / 'index.html'}")
    may_fail = {each.cell.id for each in gathered.planned if not each.required}
    complaints = gates.failures(gathered.usable, may_fail | logged)
    if gathered.partial:
        console.log("floors and skips were not checked: some cells ran only some of the tests")
        return complaints
    able = {each.cell.id for each in gathered.planned if not machine.obstacle(each.cell)}
    absent = [each for each in gathered.absent if each.id in able]
    if absent:
        console.log(
            "floors and skips are checked over the whole matrix; this report lacks "
            f"{len(absent)} of its cells: {absent[0].id}: {absent[0].why}"
        )
        return complaints
    missing = gates.missing(gathered.usable, policy)
    if missing:
        console.log(missing)
    return [*complaints, *gates.complaints(gathered.usable, totals, policy, may_fail)]
