"""`nox -s bump`: newer versions of what the sessions install, and of the OpenSSL releases.

uv resolves the requirements of the sessions for every Python into ci/constraints.txt. The newest
version of each OpenSSL series comes from upstream's list of releases, else from the sources of
ci/openssl/sources.py. Its tarball is downloaded for its sha256, which the difference shows: compare
it with upstream's release page. Both files are written at the end, or neither.
"""

from __future__ import annotations

import difflib
import json
import re
import sys
import tempfile
import urllib.request
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import tomlkit

from ci import console, environments, manifest, process
from ci.documents import read_toml
from ci.errors import UserError
from ci.manifest import Manifest, Release
from ci.matrix import plan
from ci.openssl import sources
from ci.project import Project

UPSTREAM = "https://api.github.com/repos/openssl/openssl/releases?per_page=100"
# What the sessions install on the Python of the tooling; a cell's environments are on every Python.
TOOLING = ("ci", "lint", "tooling", "types", "docs", "bump", "workflow")
TAG = re.compile(r"(?:openssl-|OpenSSL_)(\d+[._]\d+[._]\d+[a-z]?)")
# How many versions after the manifest's are looked for in the mirrors.
AHEAD = 3
TOOLING_PYTHON = '; python_version >= "3.11"'


def main(arguments: Sequence[str], project: Project) -> None:
    """Write the newer versions, and print the differences and how many cells must run again.

    Raises:
        UserError: there is an argument, or no network.
    """
    if arguments:
        raise UserError(f"bump takes no arguments, not {arguments[0]!r}")
    if project.offline:
        raise UserError("bump asks for newer versions over the network; unset M2CRYPTO_OFFLINE")
    known = manifest.load(project.manifest)
    new = {
        project.constraints: constraints(project, known),
        project.manifest: releases(project, known),
    }
    old = {path: path.read_text(encoding="utf-8") if path.exists() else "" for path in new}
    changed = [path for path in new if new[path] != old[path]]
    for path in changed:
        sys.stdout.writelines(_difference(path.relative_to(project.root), old[path], new[path]))
    for path in changed:
        _write(path, new[path])
    print(_rerun(known, manifest.load(project.manifest), everything=project.constraints in changed))


def constraints(project: Project, known: Manifest) -> str:
    """Return the constraints with the newest versions of what the sessions install.

    Raises:
        UserError: uv cannot resolve the requirements, such as without a network.
    """
    requires = read_toml(project.pyproject)["build-system"]["requires"]
    wanted = [
        # The manifest fixes SWIG's version.
        *(each for each in requires if not re.match(r"swig\b", each)),
        *environments.group(project.pyproject, "tests"),
        *(
            each + TOOLING_PYTHON
            for name in TOOLING
            for each in environments.group(project.pyproject, name)
        ),
    ]
    series = min(known.pythons, key=lambda each: [int(part) for part in re.findall(r"\d+", each)])
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory, "requirements.txt")
        file.write_text("\n".join(dict.fromkeys(wanted)), encoding="utf-8")
        options = ["--universal", "--python-version", series, "--no-annotate", "--no-header"]
        command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", *options, str(file)]
        try:
            resolved = process.capture(command)
        except process.CommandError as error:
            why = error.tail.strip().splitlines() or ["uv failed"]
            raise UserError(
                f"newer packages cannot be resolved: {why[-1].strip()}; check the network"
            ) from None
    return "# Written by `nox -s bump`: versions with which the sessions are known to work.\n" + (
        "".join(line for line in resolved.splitlines(keepends=True) if not line.startswith("swig="))
    )


def releases(project: Project, known: Manifest) -> str:
    """Return the manifest with the newest version of each OpenSSL series, and its comments.

    Raises:
        UserError: no list of releases can be read, or a tarball cannot be downloaded.
    """
    document: Any = tomlkit.parse(project.manifest.read_text(encoding="utf-8"))
    listed = _listed()
    for release in [each for each in known.releases if not each.is_system]:
        if listed:
            own = [each for each in listed if _series(each) == release.series]
            version = max([release.version, *own], key=_order)
        else:
            version = _probed(release, project)
        if version != release.version:
            found = _of_version(release, version)
            table = document["openssl"]["releases"][release.series]
            table["version"], table["url"] = found.version, found.url
            table["sha256"] = sources.digest(found, project)
    return tomlkit.dumps(document)


def _listed() -> list[str]:
    """Return the versions of OpenSSL that upstream lists; none if it cannot be reached."""
    try:
        with urllib.request.urlopen(UPSTREAM, timeout=sources.TIMEOUT) as response:
            listed = json.load(response)
        found = [TAG.fullmatch(each["tag_name"]) for each in listed if not each["prerelease"]]
    except (OSError, ValueError, LookupError, TypeError) as error:
        console.log(f"upstream's list of releases cannot be read: {error}; asking the mirrors")
        return []
    return [each[1].replace("_", ".") for each in found if each]


def _probed(release: Release, project: Project) -> str:
    """Return the newest version of a series that a source has; mirrors have no list."""
    newest = tried = release.version
    for _ in range(AHEAD):
        tried = _successor(tried)
        if sources.available(_of_version(release, tried), project):
            newest = tried
    return newest


def _successor(version: str) -> str:
    """Return the next version of a series: 3.5.8 after 3.5.7, and 1.1.1x after 1.1.1w."""
    stem, last = re.fullmatch(r"(.*?)(\d+|[a-z])", version).groups()  # type: ignore[union-attr]
    return stem + (str(int(last) + 1) if last.isdigit() else chr(ord(last) + 1))


def _of_version(release: Release, version: str) -> Release:
    """Return a release with another version and its URL, without its sha256."""
    url = release.url.replace(release.version, version)
    # Upstream's tags of 1.1.1 have underscores.
    url = url.replace(release.version.replace(".", "_"), version.replace(".", "_"))
    return replace(release, version=version, url=url, sha256="")


def _series(version: str) -> str:
    numbers = re.findall(r"\d+", version)
    return ".".join(numbers if numbers[0] == "1" else numbers[:2])


def _order(version: str) -> tuple[list[int], str]:
    return [int(each) for each in re.findall(r"\d+", version)], version[-1:].strip("0123456789")


def _difference(path: Path, old: str, new: str) -> list[str]:
    before, after = (text.splitlines(keepends=True) for text in (old, new))
    name = path.as_posix()
    return list(difflib.unified_diff(before, after, f"a/{name}", f"b/{name}"))


def _write(path: Path, text: str) -> None:
    """Write a file whole: a killed process leaves the old one."""
    new = path.with_name(f".{path.name}.new")
    try:
        new.write_text(text, encoding="utf-8")
        new.replace(path)
    finally:
        with suppress(FileNotFoundError):
            new.unlink()


def _rerun(old: Manifest, new: Manifest, *, everything: bool) -> str:
    """Return how many cells of the default plan must run again."""
    before = {release.series: release for release in old.releases}
    changed = {each.series for each in new.releases if before.get(each.series) != each}
    cells = [each.cell for each in plan.make(new, "default", today=date.today())]
    again = [cell for cell in cells if everything or _series_of(cell) & changed]
    if not again:
        return "nothing is newer; no cell must run again"
    return f"{len(again)} of {len(cells)} cells of the default plan must run again: nox -s matrix"


def _series_of(cell: plan.Cell) -> set[str]:
    builds = (cell.build, cell.runtime) if cell.runtime else (cell.build,)
    return {build.release.series for build in builds}
