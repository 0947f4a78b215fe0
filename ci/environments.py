"""Virtual environments in the cache, one for each interpreter and its requirements.

uv makes an environment if it is installed, else venv and pip. Only `python -m` may be used of it:
an environment is renamed after it was made, and its scripts hold the old path.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import dependency_groups

from ci import console, process
from ci.cache import Store, key
from ci.documents import read_toml
from ci.errors import UserError
from ci.interpreters import Interpreter
from ci.project import Project

# Starts coverage.py in every Python of a cell that requests it, including children of the tests.
# coverage.py's `patch = subprocess` writes such a file when it starts and, up to 7.10, removes it
# when it exits, which cells that share an environment must not do to each other.
COVERAGE_PTH = (
    "import os; exec(\"if os.environ.get('COVERAGE_PROCESS_START'):"
    ' import coverage; coverage.process_startup()")\n'
)

# Run with -I, so that no module of the working directory or of PYTHONPATH is listed.
DESCRIBE = """
import importlib.metadata, json, sys
packages = {each.metadata["Name"]: each.version for each in importlib.metadata.distributions()}
print(json.dumps([" ".join(sys.version.split()), packages]))
"""


@dataclass(frozen=True, slots=True)
class Environment:
    """What is installed in an environment.

    Attributes:
        python: the path of its Python.
        version: Python's version and build (sys.version).
        packages: `NAME==VERSION` of each package, sorted.
    """

    python: Path
    version: str
    packages: tuple[str, ...]


def describe(python: Path) -> Environment:
    """Return the environment of a Python."""
    version, packages = json.loads(process.capture([python, "-I", "-c", DESCRIBE]))
    listed = sorted(f"{name}=={release}" for name, release in packages.items())
    return Environment(python, version, tuple(listed))


def group(pyproject: Path, name: str) -> tuple[str, ...]:
    """Return the requirements of a dependency group (PEP 735).

    Raises:
        UserError: pyproject.toml cannot be read, or the group is missing or invalid.
    """
    groups = read_toml(pyproject).get("dependency-groups", {})
    try:
        return dependency_groups.resolve(groups, name)
    except (LookupError, ValueError, TypeError) as error:
        raise UserError(f"{pyproject}: dependency-groups.{name}: {error}") from None


def ensure(
    project: Project, kind: str, interpreter: Interpreter, requirements: Sequence[str]
) -> Path:
    """Return the Python of the environment `kind`, made if the cache does not have it."""
    name = f"{kind}-py{interpreter.version}"
    constraints = project.constraints
    inputs = key(
        requirements=list(requirements),
        constraints=constraints.read_text(encoding="utf-8") if constraints.exists() else "",
        executable=str(interpreter.executable),
        python=interpreter.full_version,
        pth=COVERAGE_PTH,
    )

    def make(directory: Path) -> None:
        console.log(f"environment {name}: installing {', '.join(requirements)}")
        log = project.cache / "logs" / f"environment-{name}.txt"
        limits: list[str | Path] = ["-c", constraints] if constraints.exists() else []
        create(directory, interpreter, [*limits, *requirements], log)

    return _python(Store(project.cache, "environments").get(name, inputs, make))


def create(
    directory: Path, interpreter: Interpreter, requirements: Sequence[str | Path], log: Path
) -> Path:
    """Make an environment with the requirements in a directory, and return its Python."""
    log.unlink(missing_ok=True)
    python = _python(directory)
    uv = shutil.which("uv")
    if uv:
        process.run(
            [
                uv,
                "venv",
                "--quiet",
                "--allow-existing",
                "--python",
                interpreter.executable,
                directory,
            ],
            log=log,
            quiet=True,
        )
        process.run([uv, "pip", "install", "--python", python, *requirements], log=log, quiet=True)
    else:
        # venv would run ensurepip itself, but discard its error message.
        process.run(
            [interpreter.executable, "-m", "venv", "--without-pip", directory], log=log, quiet=True
        )
        process.run(
            [python, "-I", "-m", "ensurepip", "--upgrade", "--default-pip"], log=log, quiet=True
        )
        process.run(
            [python, "-m", "pip", "install", "--disable-pip-version-check", *requirements],
            log=log,
            quiet=True,
        )
    for packages in _site_packages(directory):
        (packages / "m2crypto_cell.pth").write_text(COVERAGE_PTH, encoding="utf-8")
    return python


def _python(directory: Path) -> Path:
    return directory / "Scripts" / "python.exe" if os.name == "nt" else directory / "bin" / "python"


def _site_packages(directory: Path) -> list[Path]:
    return [*directory.glob("lib/python3*/site-packages"), *directory.glob("Lib/site-packages")]
