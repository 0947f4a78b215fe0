"""The cells of the release wheels: the whole test suite against what a user would install.

uv installs each wheel into a directory of its own, as pip does. The tests are the sdist's. They run
where no source of M2Crypto is, and find no compiler.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from packaging.utils import parse_wheel_filename

from ci import checkout, console, environments, process, wheels
from ci.distribution import listed, source
from ci.distribution.request import Request
from ci.errors import UserError
from ci.interpreters import Interpreter
from ci.manifest import Manifest
from ci.matrix import plan, runner
from ci.matrix.cell import Outcome
from ci.matrix.machine import Machine
from ci.matrix.plan import Cell
from ci.matrix.prepare import Inputs
from ci.wheels import Wheel

# The programs of the computer that the tests run; a compiler is none of them.
PROGRAMS = ("openssl", "sh")


def run(
    request: Request, made: Sequence[Path], prefix: Path, known: Manifest, machine: Machine
) -> list[Outcome]:
    """Run the cell of each installed Python that the tag of a wheel claims.

    Args:
        request: the sdist and where to work.
        made: the wheels.
        prefix: the OpenSSL prefix that they were built with, for its headers.
        known: the manifest.
        machine: this computer.

    Raises:
        UserError: no Python that is installed can use a wheel.
    """
    chosen: dict[Cell, Path] = {}
    for cell in plan.wheel_cells(known):
        if cell.platform != machine.platform:
            continue
        why = machine.obstacle(cell)
        path = claimed(made, cell.python, cell.platform)
        if path and not why:
            chosen[cell] = path
        else:
            console.log(f"  not run  {cell.id}: {why or 'no wheel for it was built'}")
    if not chosen:
        raise UserError("wheels: no Python that is installed can use one; install one")
    inputs = _inputs(request, chosen, prefix, known, machine.pythons)
    return runner.run_all(list(chosen), inputs)


def claimed(made: Iterable[Path], python: str, platform: str) -> Path | None:
    """Return the wheel whose tag claims a Python such as `3.13t` on a platform, or None.

    The tests run on the host, so wheels for musl are left to cibuildwheel.
    """
    system, _, processor = platform.partition("-")
    kind = {"linux": "manylinux", "macos": "macosx", "windows": "win"}[system]
    for path in made:
        for tag in parse_wheel_filename(path.name)[3]:
            fits = tag.platform.startswith(kind) and tag.platform.endswith(processor)
            if fits and listed.claims(tag, python):
                return path
    return None


def _inputs(
    request: Request,
    chosen: Mapping[Cell, Path],
    prefix: Path,
    known: Manifest,
    installed: Mapping[str, Interpreter],
) -> Inputs:
    project = request.project
    requirements = environments.group(project.copy / "pyproject.toml", "tests")
    described = {
        cell.python: environments.describe(
            environments.ensure(project, "tests", installed[cell.python], requirements)
        )
        for cell in chosen
    }
    made = {
        cell.id: _install(
            path,
            described[cell.python].python,
            request.work / "installed" / cell.id,
            project.cache / "logs" / f"install-{cell.id}.txt",
        )
        for cell, path in chosen.items()
    }
    return Inputs(
        project=project,
        manifest=known,
        sources=checkout.digest(project.copy),
        arguments=(),
        wheels=made,
        prefixes={request.wheels.build.name: prefix},
        environments=described,
        bare=_bare(request),
    )


def _install(wheel: Path, python: Path, site: Path, log: Path) -> Wheel:
    log.unlink(missing_ok=True)
    # It refuses a wheel whose tag does not claim the Python.
    process.run(
        [
            *(sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", python),
            *("--no-index", "--no-deps", "--target", site, wheel),
        ],
        log=log,
        quiet=True,
    )
    return Wheel(site, None, wheels.extension_hash(site))


def _bare(request: Request) -> Path:
    """Return a directory with the sdist's tests, and links to PROGRAMS in its `bin`."""
    tree = source.unpack(request.sdist, request.work / "sdist-tests")
    bare = request.work / "bare"
    shutil.copytree(tree / "tests", bare / "tests")
    shutil.copy(tree / "pyproject.toml", bare)
    (bare / "bin").mkdir()
    for name in PROGRAMS:
        if path := shutil.which(name):
            (bare / "bin" / name).symlink_to(os.path.realpath(path))
    return bare
