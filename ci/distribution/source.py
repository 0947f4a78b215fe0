"""The commit that is built, and its sdist."""

from __future__ import annotations

import os
import shutil
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

from ci import console, process
from ci.distribution import archives
from ci.errors import UserError
from ci.process import CommandError


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit.

    Attributes:
        name: its hash.
        moment: the committer's date, in seconds since the epoch (SOURCE_DATE_EPOCH).
        changed: the files of the checkout that differ from it.
    """

    name: str
    moment: int
    changed: tuple[str, ...]


def commit(root: Path) -> Commit:
    """Return the commit that is checked out in `root`.

    Raises:
        UserError: `root` is no checkout of git.
    """
    try:
        name, moment = git(root, "log", "-1", "--format=%H %ct").split()
        changed = git(root, "status", "--porcelain").splitlines()
    except (CommandError, ValueError) as error:
        raise UserError(
            f"{root}: no commit is checked out, whose date the archives hold; clone the repository"
        ) from error
    return Commit(name, int(moment), tuple(line[3:] for line in changed))


def copy(root: Path, target: Path) -> Path:
    """Copy the files that git knows or would add, as they are in the checkout, to `target`."""
    listed = git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    for name in filter(None, listed.split("\0")):
        # A file that was removed is listed until that is committed.
        if (root / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(root / name, target / name)
    return target


def sdist(tree: Path, work: Path, moment: int, log: Path) -> Path:
    """Build the sdist of the sources in `tree`, and return its path in `work`.

    The build is that of this process's environment, whose setuptools the constraints pin.
    """
    console.log("sdist: building")
    raw = work / "raw"
    process.run(
        [
            *(sys.executable, "-m", "build", "--sdist", "--no-isolation"),
            *("--skip-dependency-check", "--outdir", raw, tree),
        ],
        log=log,
        env={**os.environ, "SOURCE_DATE_EPOCH": str(moment)},
        quiet=True,
    )
    (built,) = raw.glob("*.tar.gz")
    target = work / built.name
    archives.rewrite(built, target, moment)
    return target


def unpack(archive: Path, directory: Path) -> Path:
    """Unpack an sdist into a new directory, and return that of its sources."""
    directory.mkdir(parents=True)
    with tarfile.open(archive) as source:
        source.extractall(directory, filter="data")
    (tree,) = directory.iterdir()
    return tree


def git(root: Path, *arguments: str) -> str:
    """Run git in a checkout and return its output.

    Raises:
        CommandError: it failed.
    """
    return process.capture(["git", "-C", root, *arguments])
