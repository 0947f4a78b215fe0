"""The results of the present plan and sources, and the reason for each excluded one."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass
from pathlib import Path

from ci import checkout
from ci.errors import UserError
from ci.manifest import Manifest
from ci.matrix import plan, results
from ci.matrix.results import Expected, NotRun, Result
from ci.project import Project


@dataclass(frozen=True, slots=True)
class Gathered:
    """The usable results, and the cells without one."""

    usable: tuple[Result, ...]
    absent: tuple[NotRun, ...]

    @property
    def partial(self) -> bool:
        """Whether a cell ran only some of the tests."""
        return any(result.expected.partial for result in self.usable)


def gather(manifest: Manifest, installed: Container[str], project: Project) -> Gathered:
    """Read the result of each cell of the manifest.

    Usable is a result of what the manifest plans now and of the sources in the project's copy.
    """
    sources = checkout.digest(project.copy)
    found = {each.name: each for each in results.directories(project.results)}
    usable, absent = [], []
    for cell in plan.cells(manifest):
        try:
            expected = results.expectation(cell, manifest, sources=sources)
            usable.append(_read(expected, found))
        except UserError as error:
            why = str(error)
            if cell.python not in installed:
                why = f"Python {cell.python} is not installed"
            absent.append(NotRun(cell.id, why))
    return Gathered(tuple(usable), tuple(absent))


def _read(expected: Expected, found: Mapping[str, Path]) -> Result:
    if expected.id not in found:
        raise UserError("not run yet")
    result = results.read(found[expected.id])
    difference = result.expected.difference(expected)
    if difference:
        raise UserError(difference)
    return result
