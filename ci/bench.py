"""The benchmarks: what the project promises in figures, measured beside its named peer.

Given the names of scripts in `ci/benchmarks` (none: all of them), it runs each by itself with the
plain wheel of the manifest's first quick build, on the Python that runs this.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from ci import interpreters, manifest, prefixes, wheels
from ci.problem import Problem, nearest

SCRIPTS = {path.stem: path for path in sorted((Path(__file__).parent / "benchmarks").glob("*.py"))}


def main(argv: list[str]) -> None:
    """Run the benchmarks named, or all; a `Problem` when one says its figure is not met."""
    for name in argv:
        if name not in SCRIPTS:
            raise Problem(f"unknown benchmark {name!r}: {nearest(name, SCRIPTS)}")
    known = manifest.load()
    installed = interpreters.installed(known.pythons)
    series = "{}.{}".format(*sys.version_info)
    if series not in installed:
        raise Problem(f"the benchmarks run on this Python, and Python {series} is no cell's")
    build = known.quick[0]
    builder = wheels.builders(installed.values())[wheels.abi(installed[series])]
    request = wheels.Request(build.name, prefixes.ensure([build])[build.name], builder)
    wheel = wheels.ensure([request], known.swig, instrumented=False)[request.label]
    if isinstance(wheel, Problem):
        raise wheel
    # The wheel comes before the checkout, which has its Python files too.
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(wheel.site), str(wheels.PROJECT)]),
    }
    for name in argv or SCRIPTS:
        print(f"--- {name}", flush=True)
        # Its own output is the point, so it goes where this process's goes.
        command: list[str | Path] = [sys.executable, "-P", SCRIPTS[name]]
        if subprocess.run(command, env=environment, check=False).returncode:
            raise Problem(f"benchmark {name}: the figure is not met, see above")
