"""Run a verb in a container, for the platform that GitHub Actions has no runner for.

The image is one of the manylinux project's: it has a compiler and every CPython, in /opt/python.
Checkout and cache have the same paths in it, and what it writes belongs to its user, root.
"""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path

from ci import process
from ci.errors import UserError
from ci.project import Project

# Variables of the user that the verb needs in the container, and of those the names of files.
PASSED = ("CI", "GITHUB_ACTIONS", "M2CRYPTO_TIMEOUT", "M2CRYPTO_OFFLINE", "M2CRYPTO_MIRRORS")
FILES = ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")
# uname(1) prints the kernel's processor, from which OpenSSL's config would derive its target;
# linux32 makes it print the image's. The sessions' environments are apart from those of the user,
# one of which runs this.
SCRIPT = """
set -e
dnf install -y -q perl-core >/dev/null
for directory in /opt/python/cp*/bin; do PATH=$PATH:$directory; done
git config --global --add safe.directory "$PWD"
sessions=$M2CRYPTO_CACHE/nox/container
exec linux32 python3.13 noxfile.py --envdir "$sessions" -s {session} -- {arguments}
"""


def run(image: str, verb: str, arguments: Sequence[str], project: Project) -> None:
    """Run the session of a verb in a container of an image.

    Raises:
        UserError: there is no container engine, or the session failed.
    """
    engine = next((each for each in ("docker", "podman") if shutil.which(each)), None)
    if not engine:
        raise UserError(
            f"M2CRYPTO_CONTAINER={image}: neither docker nor podman is installed; install one, or "
            "unset the variable"
        )
    status = process.attached(command(engine, image, verb, arguments, project))
    if status:
        raise UserError(f"the session {verb} failed in {image} with exit code {status}, see above")


def command(
    engine: str, image: str, verb: str, arguments: Sequence[str], project: Project
) -> list[str]:
    """Return the command that runs a verb's session in a container."""
    files = [name for name in FILES if name in os.environ]
    shared = {project.root, project.cache, *(Path(os.environ[name]).parent for name in files)}
    volumes = [f"--volume={path}:{path}" for path in sorted(shared)]
    variables = [f"--env={name}" for name in (*PASSED, *files) if name in os.environ]
    script = SCRIPT.format(session=verb, arguments=shlex.join(arguments))
    return [
        *(engine, "run", "--rm", *volumes, *variables),
        *(f"--env=M2CRYPTO_CACHE={project.cache}", f"--workdir={project.root}"),
        *(image, "bash", "-c", script.strip()),
    ]
