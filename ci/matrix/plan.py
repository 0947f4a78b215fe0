"""The cells of a manifest. Planning has no side effects."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ci.errors import UserError, suggest
from ci.manifest import Build, Manifest


@dataclass(frozen=True, slots=True)
class Cell:
    """A Python, by its series such as `3.13`, with an OpenSSL build."""

    python: str
    build: Build

    @property
    def id(self) -> str:
        """The cell's name everywhere, such as `py3.13-openssl3.5-no-ec`."""
        return f"py{self.python}-openssl{self.build.name}"


def cells(manifest: Manifest, builds: Iterable[Build] | None = None) -> tuple[Cell, ...]:
    """Return every Python with each of `builds`, by default with every build."""
    chosen = manifest.builds if builds is None else tuple(builds)
    return tuple(Cell(python, build) for python in manifest.pythons for build in chosen)


def find_cell(manifest: Manifest, id: str) -> Cell:  # noqa: A002 - a cell's name is its id
    """Return the cell of that id.

    Raises:
        UserError: there is none; the message suggests the nearest id.
    """
    by_id = {cell.id: cell for cell in cells(manifest)}
    if id not in by_id:
        raise UserError(f"unknown cell {id!r}: {suggest(id, by_id)}")
    return by_id[id]
