"""The inputs of cells: prefixes, wheels and environments, cached or newly built."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ci import checkout, console, environments, process, toolchain, wheels
from ci.directories import remove
from ci.environments import Environment
from ci.errors import UserError
from ci.interpreters import Interpreter
from ci.manifest import Build, Manifest
from ci.matrix.plan import Cell
from ci.openssl import prefixes
from ci.project import Project
from ci.wheels import Wheel


@dataclass(frozen=True, slots=True)
class Inputs:
    """The inputs that the cells of one run share.

    Attributes:
        project: the project, whose `copy` the cells test.
        manifest: the manifest.
        sources: the digest of the copy.
        arguments: those after `--`, for pytest.
        wheels: the wheel of each cell by the cell's id, or the error of its build.
        prefixes: the prefix of each build by its name, or the error of its build.
        environments: the environment of each Python by its series.
        fresh: whether to run the cells whose result is that of an unchanged cell.
        bare: a directory with the tests alone, where cells find no source of the project and, but
            for those in its `bin`, no program; None to run in the copy.
    """

    project: Project
    manifest: Manifest
    sources: str
    arguments: tuple[str, ...]
    wheels: Mapping[str, Wheel | UserError]
    prefixes: Mapping[str, Path | UserError]
    environments: Mapping[str, Environment]
    fresh: bool = True
    bare: Path | None = None

    @property
    def directory(self) -> Path:
        """The directory that the tests run in."""
        return self.bare or self.project.copy


def copy_checkout(project: Project) -> None:
    """Copy the checkout for the run; the caller holds the lock of the results."""
    remove(project.copy, read_only=True)
    if project.copy.exists():
        raise UserError(
            f"{project.copy}: files of another user cannot be removed; remove it as that user"
        )
    checkout.copy(project.root, project.copy)


def prepare(
    cells: Sequence[Cell],
    manifest: Manifest,
    arguments: Sequence[str],
    installed: Mapping[str, Interpreter],
    project: Project,
    *,
    fresh: bool = True,
) -> Inputs:
    """Return the inputs of cells, made where the cache does not have them.

    Raises:
        UserError: a tool is missing, no prefix could be built, or an environment could not.
    """
    toolchain.require(toolchain.FOR_CELLS)
    requirements = environments.group(project.copy / "pyproject.toml", "tests")
    series = dict.fromkeys(cell.python for cell in cells)
    built = _prefixes(builds_of(cells), project)
    made = _wheels(cells, built, installed, project)

    def environment(each: str) -> Environment:
        return environments.describe(
            environments.ensure(project, "tests", installed[each], requirements)
        )

    described = process.in_threads(environment, series, os.cpu_count() or 1)
    evict_bytecode(project.cache / "pycache")
    return Inputs(
        project=project,
        manifest=manifest,
        sources=checkout.digest(project.copy),
        # An argument may name an absolute path of the checkout; the tests run in its copy.
        arguments=tuple(each.replace(f"{project.root}{os.sep}", "") for each in arguments),
        wheels=made,
        prefixes=built,
        environments=dict(zip(series, described, strict=True)),
        fresh=fresh,
    )


def evict_bytecode(root: Path) -> None:
    """Remove the bytecode of directories that were removed, such as those of evicted wheels.

    The bytecode of a directory `/a/b` is in `root`/a/b (PYTHONPYCACHEPREFIX). A directory that
    cannot be accessed, as in a cache copied from another user, counts as removed.
    """
    if os.name != "posix":
        return
    for path, directories, _ in os.walk(root):
        for name in list(directories):
            kept = Path(path, name)
            if not os.path.isdir(Path("/") / kept.relative_to(root)):  # noqa: PTH112  # no error
                directories.remove(name)
                remove(kept)


def builds_of(cells: Sequence[Cell]) -> list[Build]:
    """Return the OpenSSL builds that cells are built with, and those that they run with."""
    builds = {cell.build.name: cell.build for cell in cells}
    builds |= {cell.runtime.name: cell.runtime for cell in cells if cell.runtime}
    return [build for build in builds.values() if not build.release.is_system]


def _wheels(
    cells: Sequence[Cell],
    built: Mapping[str, Path | UserError],
    installed: Mapping[str, Interpreter],
    project: Project,
) -> dict[str, Wheel | UserError]:
    builders = wheels.builders(installed.values())
    made: dict[str, Wheel | UserError] = {}
    requests: dict[str, wheels.Request] = {}
    for cell in cells:
        prefix = None if cell.build.release.is_system else built[cell.build.name]
        if isinstance(prefix, UserError):
            made[cell.id] = prefix
        else:
            builder = builders[wheels.abi(cell.python)]
            requests[cell.id] = wheels.Request(
                cell.build.name, prefix, builder, cell.flags, cell.swig
            )
    found = wheels.ensure(requests.values(), project, sources=project.copy)
    return made | {cell: found[request.label] for cell, request in requests.items()}


def _prefixes(builds: Iterable[Build], project: Project) -> dict[str, Path | UserError]:
    """Return the prefix of each build by its name, or why there is none.

    A tarball that no source has fails the cells of its build and no others.
    """
    chosen = list(builds)
    try:
        return dict(prefixes.ensure(chosen, project))
    except UserError as error:
        found = {build.name: prefixes.find(build, project) for build in chosen}
        if not any(found.values()):
            raise
        console.log(f"error: {error}")
        absent = ", ".join(name for name, prefix in found.items() if not prefix)
        why = UserError(f"OpenSSL {absent} is not available, see the error above")
        return {name: prefix or why for name, prefix in found.items()}
