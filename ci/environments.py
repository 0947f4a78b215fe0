"""Virtual environments that are made once: an interpreter and requirements → a Python.

Given an interpreter and what to install it gives the path of a Python that has it, from the cache.
uv makes it where there is one, else venv and pip. Only `python -m` is used of it: it was made in
another folder, whose path its scripts hold.
"""

from __future__ import annotations

import os
import shutil
import tomllib
from collections.abc import Sequence
from pathlib import Path

from ci import process, progress, store
from ci.interpreters import Interpreter
from ci.problem import Problem

# Starts coverage.py in every Python of a cell, children of the tests included, where a cell asks
# for it. coverage.py's own `patch = subprocess` writes such a file at run time and, up to 7.10,
# removes it again at exit: cells that share an environment would pull it from under one another.
COVERAGE_PTH = (
    "import os; exec(\"if os.environ.get('COVERAGE_PROCESS_START'):"
    ' import coverage; coverage.process_startup()")\n'
)


def group(pyproject: Path, name: str) -> tuple[str, ...]:
    """The requirements of a dependency group (PEP 735) that includes no other."""
    try:
        groups = tomllib.loads(pyproject.read_text(encoding="utf-8")).get("dependency-groups", {})
    except (OSError, ValueError) as error:
        raise Problem(f"{pyproject}: cannot be read: {error}") from None
    wanted = groups.get(name)
    if not wanted or not all(isinstance(each, str) for each in wanted):
        raise Problem(f"{pyproject}: dependency-groups.{name} must be a list of requirements")
    return tuple(wanted)


def ensure(root: Path, kind: str, interpreter: Interpreter, requirements: Sequence[str]) -> Path:
    """The Python of the environment `kind` for an interpreter, made if it is not in the cache."""
    name = f"{kind}-py{interpreter.version}"
    facts = store.key(
        requirements=list(requirements),
        executable=str(interpreter.executable),
        python=interpreter.full_version,
        pth=COVERAGE_PTH,
    )

    def make(folder: Path) -> None:
        progress.say(f"environment {name}: installing {', '.join(requirements)}")
        _make(folder, interpreter, requirements, root / "logs" / f"environment-{name}.txt")

    environments = store.Store(root, "environments")
    folder = environments.get(name, facts, make)
    return _python(folder)


def _make(folder: Path, interpreter: Interpreter, requirements: Sequence[str], log: Path) -> None:
    log.unlink(missing_ok=True)
    python = _python(folder)
    uv = shutil.which("uv")
    if uv:
        process.run(
            [uv, "venv", "--quiet", "--allow-existing", "--python", interpreter.executable, folder],
            log=log,
            quiet=True,
        )
        process.run([uv, "pip", "install", "--python", python, *requirements], log=log, quiet=True)
    else:
        # venv would run ensurepip itself, but drop what that says when it fails.
        process.run(
            [interpreter.executable, "-m", "venv", "--without-pip", folder], log=log, quiet=True
        )
        process.run(
            [python, "-I", "-m", "ensurepip", "--upgrade", "--default-pip"], log=log, quiet=True
        )
        process.run(
            [python, "-m", "pip", "install", "--disable-pip-version-check", *requirements],
            log=log,
            quiet=True,
        )
    for packages in _site_packages(folder):
        (packages / "m2crypto_cell.pth").write_text(COVERAGE_PTH, encoding="utf-8")


def _python(folder: Path) -> Path:
    return folder / "Scripts" / "python.exe" if os.name == "nt" else folder / "bin" / "python"


def _site_packages(folder: Path) -> list[Path]:
    return [*folder.glob("lib/python3*/site-packages"), *folder.glob("Lib/site-packages")]
