"""`nox -s bench`: the benchmarks of ci/benchmarks, each beside its peer in the same run."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from ci import environments, interpreters, manifest, process, wheels
from ci.errors import UserError, one_line, suggest
from ci.openssl import prefixes
from ci.project import Project

# The flags of the wheels that users install.
OPTIMISED = "release"
# These take minutes, and run only if they are named.
SLOW = ("kills", "older", "shell_loop", "tls", "wheel")
# These measure OpenSSL, too, and take that of the release wheels. The other prefixes have -O1.
WITH_WHEEL = ("older", "tls")
# These have the last M2Crypto before 1.0 as a peer, whose Python M2CRYPTO_OLDER names.
WITH_OLDER = ("older", "tls")
OLDER = "m2crypto==0.51.0"
SCRIPTS = {path.stem: path for path in sorted((Path(__file__).parent / "benchmarks").glob("*.py"))}


def optimised(project: Project, *, with_wheel: bool = False) -> str:
    """Return the PYTHONPATH of the optimised extension, and of the checkout.

    Args:
        project: the project.
        with_wheel: whether it has the OpenSSL of the release wheels, and not that of a quick build.

    Raises:
        UserError: the wheel cannot be built.
    """
    known = manifest.load(project.manifest)
    installed = interpreters.installed(known.pythons)
    series = "{}.{}".format(*sys.version_info)
    if series not in installed:
        raise UserError(
            f"the benchmarks run on this Python, and the manifest does not name {series}"
        )
    build = known.wheels.build if with_wheel and known.wheels else known.quick[0]
    builder = wheels.builders(installed.values())[wheels.abi(series)]
    prefix = prefixes.ensure([build], project)[build.name]
    request = wheels.Request(build.name, prefix, builder, known.flags_of(OPTIMISED), known.swig)
    wheel = wheels.ensure([request], project)[request.label]
    if isinstance(wheel, UserError):
        raise wheel
    # The wheel comes before the checkout, which holds the same Python files.
    return os.pathsep.join([str(wheel.site), str(project.root)])


def older(project: Project) -> str:
    """Return the Python of an environment with the last M2Crypto before 1.0, or an empty string.

    It is built with the system's OpenSSL, so a line says why if that is impossible.
    """
    interpreter = interpreters.describe(Path(sys.executable))
    if interpreter is None:
        return ""
    try:
        return str(environments.ensure(project, "older", interpreter, [OLDER]))
    except UserError as error:
        print(f"the older M2Crypto cannot be built: {one_line(str(error))}", flush=True)
        return ""


def main(arguments: Sequence[str], project: Project) -> None:
    """Run the named benchmarks, or the quick ones, with the optimised extension.

    Raises:
        UserError: a benchmark reports that its figure is not reached, or is unknown.
    """
    for name in arguments:
        if name not in SCRIPTS:
            raise UserError(f"unknown benchmark {name!r}: {suggest(name, SCRIPTS)}")
    for name in arguments or [each for each in SCRIPTS if each not in SLOW]:
        path = optimised(project, with_wheel=name in WITH_WHEEL)
        print(f"--- {name}", flush=True)
        command: list[str | Path] = [sys.executable, "-P", SCRIPTS[name]]
        variables = {**os.environ, "PYTHONPATH": path}
        if name in WITH_OLDER:
            variables["M2CRYPTO_OLDER"] = older(project)
        if process.attached(command, env=variables):
            raise UserError(f"benchmark {name}: the figure is not reached, see above")
