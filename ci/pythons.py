"""`nox -s pythons`: install the manifest's Pythons that are missing, by uv."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from ci import console, interpreters, manifest, process
from ci.errors import UserError
from ci.project import Project


def main(arguments: Sequence[str], project: Project) -> None:
    """Install the missing Pythons among `arguments`, or among the manifest's, unless offline.

    Raises:
        UserError: a Python is not in the manifest, or uv cannot install it.
    """
    known = manifest.load(project.manifest)
    for each in arguments:
        if each not in known.pythons:
            raise UserError(
                f"pythons: {each!r} is not in ci/matrix.toml; it has {', '.join(known.pythons)}"
            )
    wanted = list(arguments) or list(known.pythons)
    found = interpreters.installed(wanted)
    missing = [each for each in wanted if each not in found]
    how = "not installed, because M2CRYPTO_OFFLINE is set" if project.offline else "installing"
    for each in missing:
        console.log(f"Python {each}: {how}")
    if missing and not project.offline:
        log = project.cache / "logs" / "pythons.txt"
        log.unlink(missing_ok=True)
        command = [sys.executable, "-m", "uv", "python", "install", *missing]
        process.run(command, log=log, quiet=True)
    for each, interpreter in interpreters.installed(wanted).items():
        print(each, interpreter.executable)
