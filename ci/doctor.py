"""`nox -s doctor`: which tools and Pythons are installed, and what installs the missing ones."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from datetime import date

from ci import interpreters, manifest
from ci.errors import UserError
from ci.interpreters import Interpreter
from ci.packages import install_command, python_packages
from ci.project import Project
from ci.toolchain import REQUIRED, TOOLS, advice, reasons, require


def main(arguments: Sequence[str], project: Project) -> None:
    """Print the state of each tool and Python.

    Raises:
        UserError: a required tool cannot be used, or no Python can.
    """
    if arguments:
        raise UserError(f"doctor takes no arguments, not {arguments[0]!r}")
    plan = manifest.load(project.manifest)
    unusable = reasons(TOOLS)
    print("Tools")
    for tool in TOOLS:
        state = str(unusable[tool]) if tool in unusable else tool.version()
        _print(tool not in unusable, tool.name, state, f"{tool.need}: {tool.use}")
    swigs = ", ".join(plan.swigs.values())
    print(f"  ok  {'SWIG':<12} {swigs}  (from the package registry; the sessions install it)")
    print("Pythons, each required by its own cells")
    usable = _print_pythons(plan.pythons)
    warnings = plan.warnings(date.today())
    print("OpenSSL releases")
    for line in warnings or ["none is within 90 days of its end of life"]:
        print(f"      {line}")
    print(f"Cache\n      {project.cache}")
    missing = {tool: error for tool, error in unusable.items() if tool not in REQUIRED}
    if missing:
        print(f"Not required: {advice(missing)}")
    require(REQUIRED)
    if not usable:
        raise UserError("no cell can run: none of the Pythons above can be used")


def _print_pythons(versions: Sequence[str]) -> int:
    """Print a line for each version; return the number of those that can be used."""
    found = interpreters.installed(versions)
    usable = 0
    for version in versions:
        python = found.get(version)
        if python is None:
            way = f"uv python install {version}, or pyenv install {version}"
            _print(False, version, "not installed, its cells are not run", way)
        else:
            note = _missing_parts(python)
            usable += not note
            _print(not note, version, f"{python.full_version}  {python.executable}", note)
    return usable


def _missing_parts(python: Interpreter) -> str:
    """Return what an installed Python lacks to build and run a cell, and what installs it."""
    series = python.version.rstrip("t")
    lacks = []
    if not python.has_headers:
        lacks.append(f"no Python.h: {install_command([python_packages(series, 'dev')])}")
    if not (python.has_ensurepip or shutil.which("uv")):
        lacks.append(f"no ensurepip: {install_command([python_packages(series, 'venv')])}")
    return ", ".join(lacks)


def _print(good: bool, name: str, what: str, note: str) -> None:
    print(f"  {'ok' if good else '--'}  {name:<12} {what}" + (f"  ({note})" if note else ""))
