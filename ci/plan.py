"""Which cells there are. Given a manifest it gives cells; it touches nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ci.manifest import Build, Manifest
from ci.problem import Problem, nearest


@dataclass(frozen=True, slots=True)
class Cell:
    """A Python, by its series such as `3.13`, times an OpenSSL build."""

    python: str
    build: Build

    @property
    def id(self) -> str:
        """`py3.13-openssl3.5-no-ec`, the one spelling of a cell everywhere."""
        return f"py{self.python}-openssl{self.build.name}"


def cells(manifest: Manifest, builds: Iterable[Build] | None = None) -> tuple[Cell, ...]:
    """Every Python times each of `builds` (None: every build), Python by Python."""
    chosen = manifest.builds if builds is None else tuple(builds)
    return tuple(Cell(python, build) for python in manifest.pythons for build in chosen)


def find_cell(manifest: Manifest, id: str) -> Cell:  # noqa: A002 - a cell's id is called that
    """The cell of that id; a `Problem` with the nearest one when there is none."""
    known = {cell.id: cell for cell in cells(manifest)}
    if id not in known:
        raise Problem(f"unknown cell {id!r}: {nearest(id, known)}")
    return known[id]


def find_build(manifest: Manifest, name: str) -> Build:
    """The build of that name; a `Problem` with the nearest one when there is none."""
    known = {build.name: build for build in manifest.builds}
    if name not in known:
        raise Problem(f"unknown OpenSSL build {name!r}: {nearest(name, known)}")
    return known[name]
