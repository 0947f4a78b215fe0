"""What the wheels are built from, and where."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ci.manifest import Wheels
from ci.project import Project


@dataclass(frozen=True, slots=True)
class Request:
    """The wheels of an sdist.

    Attributes:
        project: the project.
        wheels: what the manifest says of them.
        sdist: the sdist.
        swig: SWIG's version.
        moment: the commit's date, in seconds since the epoch.
        work: a directory for everything that is made on the way.
        chosen: the build identifiers of cibuildwheel to build; empty for all.
    """

    project: Project
    wheels: Wheels
    sdist: Path
    swig: str
    moment: int
    work: Path
    chosen: tuple[str, ...] = ()

    @property
    def raw(self) -> Path:
        """The directory of the repaired wheels."""
        return self.work / "repaired"
