"""Gather results, write the report, and check it."""

from __future__ import annotations

from collections.abc import Container

from ci import console
from ci.errors import UserError
from ci.manifest import Manifest
from ci.matrix import plan
from ci.project import Project
from ci.report import gates, page
from ci.report.gather import gather


def make(
    manifest: Manifest, installed: Container[str], project: Project, *, logged: Container[str] = ()
) -> list[str]:
    """Write the report, log the totals, and return a line for each complaint.

    Floors and skips are checked if every cell of the installed Pythons has run all of its tests.

    Args:
        manifest: the manifest.
        installed: the installed series of Python.
        project: the project; the caller holds the lock of its results.
        logged: ids of cells whose failures are logged already.

    Raises:
        UserError: there is no usable result, or the report cannot be written.
    """
    policy = gates.read_policy(project.policy)
    gathered = gather(manifest, installed, project)
    if not gathered.usable:
        why = [f" ({each.id}: {each.why})" for each in gathered.absent if each.id in logged]
        raise UserError(
            f"no results in {project.results} of the present sources{''.join(why[:1])}; "
            "run `nox -s tests`"
        )
    totals = page.write(gathered, manifest, project)
    console.log("")
    for total in totals:
        console.log(str(total))
    console.log(f"report: {project.html / 'index.html'}")
    complaints = gates.failures(gathered.usable, logged)
    if gathered.partial:
        console.log("floors and skips were not checked: some cells ran only some of the tests")
        return complaints
    able = {cell.id for cell in plan.cells(manifest) if cell.python in installed}
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
    return [*complaints, *gates.complaints(gathered.usable, totals, policy)]
