"""The results of the present plan and sources, and the reason for each excluded one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from ci import checkout
from ci.errors import UserError
from ci.manifest import Manifest
from ci.matrix import plan, results
from ci.matrix.machine import Machine
from ci.matrix.plan import Planned
from ci.matrix.results import Expected, NotRun, Result
from ci.project import Project


@dataclass(frozen=True, slots=True)
class Gathered:
    """The usable results, and the cells without one.

    Attributes:
        planned: the cells of the default plan, and others that have a result.
        usable: the results of what the manifest plans now and of the present sources.
        absent: the planned cells without such a result.
    """

    planned: tuple[Planned, ...]
    usable: tuple[Result, ...]
    absent: tuple[NotRun, ...]

    @property
    def partial(self) -> bool:
        """Whether a cell ran only some of the tests."""
        return any(result.expected.partial for result in self.usable)


def gather(
    manifest: Manifest, machine: Machine | None, project: Project, name: str = "default"
) -> Gathered:
    """Read the results of the cells in a plan, and of others that have run.

    Args:
        manifest: the manifest.
        machine: this computer, whose obstacles explain what is absent; None if the results are
            those of several.
        project: the project.
        name: the plan's.
    """
    sources = checkout.digest(project.copy)
    found = {each.name: each for each in results.directories(project.results)}
    planned = _planned(manifest, found, name)
    usable, absent = [], []
    for cell in [each.cell for each in planned]:
        try:
            expected = results.expectation(cell, manifest, sources=sources)
            usable.append(_read(expected, found))
        except UserError as error:
            why = str(error)
            obstacle = machine.obstacle(cell) if machine else ""
            absent.append(NotRun(cell.id, obstacle or why))
    return Gathered(tuple(planned), tuple(usable), tuple(absent))


def _planned(manifest: Manifest, found: Mapping[str, Path], name: str) -> list[Planned]:
    planned = plan.make(manifest, name, today=date.today())
    ids = {each.cell.id for each in planned}
    if found.keys() <= ids:
        return planned
    every = plan.make(manifest, "all", today=date.today())
    every += [Planned(cell, "a release wheel", None) for cell in plan.wheel_cells(manifest)]
    return [*planned, *(each for each in every if each.cell.id in found.keys() - ids)]


def _read(expected: Expected, found: Mapping[str, Path]) -> Result:
    if expected.id not in found:
        raise UserError("not run yet")
    result = results.read(found[expected.id])
    difference = result.expected.difference(expected)
    if difference:
        raise UserError(difference)
    return result
