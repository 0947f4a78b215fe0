"""`nox -s reproduce`: build the sdist and the wheels of the commit twice, and compare the bytes.

Each round has a clone, a cache, a umask, a locale, a time zone and a hash seed of its own, and no
ccache, so that OpenSSL is compiled twice, too. Both use the host's way.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ci import console, manifest, process
from ci.distribution import source
from ci.distribution.main import HOST, INTO
from ci.errors import UserError
from ci.openssl import sources
from ci.project import Project

# The differences of the two rounds; the depth of their directories differs, too.
ROUNDS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "first": ("022", {"LC_ALL": "C", "TZ": "UTC", "PYTHONHASHSEED": "1"}),
    "second/and/deeper": ("077", {"LC_ALL": "C.UTF-8", "TZ": "Asia/Tokyo", "PYTHONHASHSEED": "2"}),
}
# How many differing members an error lists.
LISTED = 5
# How many lines of diffoscope's text an error shows.
LINES = 60


def main(arguments: Sequence[str], project: Project) -> None:
    """Build twice and compare.

    Raises:
        UserError: there is an argument, a build failed, or the archives differ.
    """
    if arguments:
        raise UserError(f"reproduce takes no arguments, not {arguments[0]!r}")
    commit = source.commit(project.root)
    if commit.changed:
        console.log(f"changes that are not committed are left out: {', '.join(commit.changed)}")
    wheels = manifest.load(project.manifest).wheels
    if not wheels:
        raise UserError(f"{project.manifest}: wheels is missing, so there are none to reproduce")
    mirror = sources.tarball(wheels.build.release, project).parent
    with tempfile.TemporaryDirectory(prefix="m2crypto-") as directory:
        made = [_round(name, Path(directory), mirror, project) for name in ROUNDS]
        compare(*made)
        for path in sorted(made[0].iterdir()):
            console.log(f"{path.name}: the same bytes twice, sha256 {_sha256(path)}")


def _round(name: str, directory: Path, mirror: Path, project: Project) -> Path:
    """Build in a clone of its own, and return the directory of the archives."""
    umask, variables = ROUNDS[name]
    home = directory / name
    log = project.cache / "logs" / f"reproduce-{name.partition('/')[0]}.txt"
    log.unlink(missing_ok=True)
    process.run(["git", "clone", "--quiet", project.root, home / "clone"], log=log, quiet=True)
    console.log(f"reproduce: {name} round, umask {umask}, {variables}")
    # A shell sets the umask of the build alone.
    shell = ["sh", "-c", f'umask {umask}; exec "$@"', "sh"]
    process.run(
        [*shell, sys.executable, "-m", "ci", "wheels", HOST, f"{INTO}{home / 'dist'}"],
        log=log,
        cwd=home / "clone",
        env={
            **{name: value for name, value in os.environ.items() if name != "CFLAGS"},
            **variables,
            "CCACHE_DISABLE": "1",
            "M2CRYPTO_CACHE": str(home / "cache"),
            "M2CRYPTO_MIRRORS": str(mirror),
        },
    )
    return home / "dist"


def compare(first: Path, second: Path) -> None:
    """Compare the archives in two directories.

    Raises:
        UserError: one has an archive that the other has not, or with other bytes.
    """
    names = {each.name for each in first.iterdir()}
    others = {each.name for each in second.iterdir()}
    if names != others:
        alone = ", ".join(sorted(names ^ others))
        raise UserError(f"reproduce: only one of two builds made {alone}")
    lines = [
        f"{name}: two builds of the commit differ: {_explain(first / name, second / name)}"
        for name in sorted(names)
        if _sha256(first / name) != _sha256(second / name)
    ]
    if lines:
        raise UserError("\nerror: ".join(lines))


def _explain(first: Path, second: Path) -> str:
    """Return what diffoscope finds, or the members that differ if it is not installed."""
    if shutil.which("diffoscope"):
        return "".join(f"\n  | {line}" for line in _diffoscope(first, second))
    if first.suffix != ".whl":
        return "install diffoscope to see how"
    members = list(_differing(first, second))
    more = f" and {len(members) - LISTED} more" if len(members) > LISTED else ""
    return f"{', '.join(members[:LISTED])}{more}; install diffoscope to see how"


def _diffoscope(first: Path, second: Path) -> list[str]:
    """Return the first lines of diffoscope's text, or of its error."""
    with tempfile.TemporaryDirectory(prefix="m2crypto-") as directory:
        text = Path(directory, "difference.txt")
        try:
            process.capture(["diffoscope", "--text", text, first, second])
        except process.CommandError as error:
            # Its exit code for a difference is 1.
            found = text.read_text(encoding="utf-8") if text.exists() else error.tail
            lines = found.splitlines()
            more = [f"and {len(lines) - LINES} lines more"] if len(lines) > LINES else []
            return [*lines[:LINES], *more]
    return ["diffoscope finds none"]


def _differing(first: Path, second: Path) -> Iterator[str]:
    with zipfile.ZipFile(first) as one, zipfile.ZipFile(second) as two:
        names = dict.fromkeys([*one.namelist(), *two.namelist()])
        for name in names:
            both = name in one.namelist() and name in two.namelist()
            if not both or one.read(name) != two.read(name):
                yield name


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
