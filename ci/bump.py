"""`nox -s bump`: newer versions of what the sessions install, and of the OpenSSL releases.

uv resolves the requirements of the sessions for every Python into ci/constraints.txt. The newest
version of each OpenSSL series comes from upstream's list of releases, else from the sources of
ci/openssl/sources.py. Its tarball is downloaded and must have the sha256 that upstream lists; if
upstream lists none, compare the one in the difference with upstream's release page. Both files are
written at the end, or neither.
"""

from __future__ import annotations

import difflib
import json
import re
import sys
import tempfile
import urllib.request
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import tomlkit
from packaging.requirements import Requirement

from ci import console, environments, manifest, process
from ci.documents import read_toml
from ci.errors import UserError
from ci.manifest import Manifest, Release
from ci.matrix import plan
from ci.openssl import sources
from ci.project import Project

UPSTREAM = "https://api.github.com/repos/openssl/openssl/releases?per_page=100"
# The dependency group that a cell installs, and the one that builds wheels, on every Python; the
# others are the tooling's.
CELLS = "tests"
BUILD = "build"
TAG = re.compile(r"(?:openssl-|OpenSSL_)(\d+[._]\d+[._]\d+[a-z]?)")
SHA256 = re.compile(r"sha256:([0-9a-f]{64})")
# The number of versions after the manifest's that are looked for in the mirrors.
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
    pythons: set[str] = set()
    if project.constraints in changed:
        texts = old[project.constraints], new[project.constraints]
        pythons = _changed_pythons(*texts, in_cells(project, texts[1]), known)
    with _staged({path: new[path] for path in changed}) as staged:
        # It is invalid if upstream has changed how it names its releases.
        bumped = manifest.load(staged.get(project.manifest, project.manifest))
        for path in changed:
            sys.stdout.writelines(_difference(path.relative_to(project.root), old[path], new[path]))
        for path, file in staged.items():
            file.replace(path)
    print("\n".join(_rerun(known, bumped, pythons, changed=bool(changed))))


def constraints(project: Project, known: Manifest) -> str:
    """Return the constraints with the newest versions of what the sessions install.

    Raises:
        UserError: uv cannot resolve the requirements, such as without a network.
    """
    tables = read_toml(project.pyproject)
    groups = tables["dependency-groups"]
    wanted = [
        # The manifest fixes SWIG's version.
        *(each for each in tables["build-system"]["requires"] if not re.match(r"swig\b", each)),
        *environments.group(project.pyproject, CELLS),
        *(environments.group(project.pyproject, BUILD) if BUILD in groups else ()),
        *(
            # A requirement may have a marker.
            each + (TOOLING_PYTHON if ";" not in each else TOOLING_PYTHON.replace(";", " and"))
            for name in groups
            for each in environments.group(project.pyproject, name)
        ),
    ]
    series = min(known.pythons, key=lambda each: [int(part) for part in re.findall(r"\d+", each)])
    resolved = _resolve(wanted, "--python-version", series)
    return "# Written by `nox -s bump`: versions with which the sessions are known to work.\n" + (
        "".join(line for line in resolved.splitlines(keepends=True) if not line.startswith("swig="))
    )


def in_cells(project: Project, text: str) -> set[str]:
    """Return the names of the packages that cells install under these constraints.

    Raises:
        UserError: uv cannot resolve the requirements.
    """
    with tempfile.TemporaryDirectory() as directory:
        limits = Path(directory, "constraints.txt")
        limits.write_text(text, encoding="utf-8")
        wanted = environments.group(project.pyproject, CELLS)
        return {each.name for each in _requirements(_resolve(wanted, "-c", str(limits)))}


def _resolve(wanted: Sequence[str], *options: str) -> str:
    """Return the versions that uv resolves requirements to, for every Python and platform.

    Raises:
        UserError: it cannot.
    """
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory, "requirements.txt")
        file.write_text("\n".join(dict.fromkeys(wanted)), encoding="utf-8")
        options = ("--universal", "--no-annotate", "--no-header", *options)
        command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", *options, str(file)]
        try:
            return process.capture(command)
        except process.CommandError as error:
            why = error.tail.strip().splitlines() or ["uv failed"]
            raise UserError(
                f"newer packages cannot be resolved: {why[-1].strip()}; check the network"
            ) from None


def _requirements(text: str) -> list[Requirement]:
    return [Requirement(line) for line in text.splitlines() if line and not line.startswith("#")]


def _changed_pythons(old: str, new: str, names: Container[str], known: Manifest) -> set[str]:
    """Return the Pythons whose cells install another version of one of the packages `names`."""

    def installed(text: str, python: str) -> set[tuple[str, str]]:
        series = python.rstrip("t")
        facts = {"python_version": series, "python_full_version": f"{series}.0"}
        return {
            (each.name, str(each.specifier))
            for each in _requirements(text)
            if each.name in names and not (each.marker and not each.marker.evaluate(facts))
        }

    return {each for each in known.pythons if installed(old, each) != installed(new, each)}


def releases(project: Project, known: Manifest) -> str:
    """Return the manifest with the newest version of each OpenSSL series, and its comments.

    Raises:
        UserError: no list of releases can be read, or a tarball cannot be downloaded.
    """
    document: Any = tomlkit.parse(project.manifest.read_text(encoding="utf-8"))
    listed, why = _listed()
    for release in [each for each in known.releases if not each.is_system]:
        if listed:
            own = [each for each in listed if _series(each) == release.series]
            version = max([release.version, *own], key=_order)
        else:
            version = _probed(release, project)
        if version != release.version:
            found = _of_version(release, version, listed.get(version, ""))
            table = document["openssl"]["releases"][release.series]
            table["version"], table["url"] = found.version, found.url
            table["sha256"] = _verified(found, project)
    if why:
        console.log(f"upstream's list of releases cannot be read: {why}; the mirrors were asked")
    return tomlkit.dumps(document)


def _verified(release: Release, project: Project) -> str:
    """Return the sha256 of a tarball, which must be upstream's if upstream lists one."""
    if release.sha256:
        sources.tarball(release, project)
        return release.sha256
    sha256 = sources.digest(release, project)
    console.log(
        f"OpenSSL {release.version}: upstream's list does not confirm its sha256; compare "
        f"ci/matrix.toml with {release.url}.sha256"
    )
    return sha256


def _listed() -> tuple[dict[str, str], str]:
    """Return the sha256 of each version of OpenSSL that upstream lists; else none, and why.

    A sha256 is empty if upstream lists the version without.
    """
    found = {}
    try:
        with urllib.request.urlopen(UPSTREAM, timeout=sources.TIMEOUT) as response:
            listed = json.load(response)
        for each in listed:
            tag = TAG.fullmatch(each["tag_name"])
            if tag and not each["prerelease"]:
                version = tag[1].replace("_", ".")
                assets = {one["name"]: one.get("digest") or "" for one in each.get("assets", ())}
                digest = SHA256.fullmatch(assets.get(f"openssl-{version}.tar.gz", ""))
                found[version] = digest[1] if digest else ""
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        return {}, str(error)
    return found, "" if found else "it is empty"


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


def _of_version(release: Release, version: str, sha256: str = "") -> Release:
    """Return a release with another version, its URL, and its sha256 if that is known."""
    url = release.url.replace(release.version, version)
    # Upstream's tags of 1.1.1 have underscores.
    url = url.replace(release.version.replace(".", "_"), version.replace(".", "_"))
    return replace(release, version=version, url=url, sha256=sha256)


def _series(version: str) -> str:
    numbers = re.findall(r"\d+", version)
    return ".".join(numbers if numbers[0] == "1" else numbers[:2])


def _order(version: str) -> tuple[list[int], str]:
    return [int(each) for each in re.findall(r"\d+", version)], version[-1:].strip("0123456789")


def _difference(path: Path, old: str, new: str) -> list[str]:
    before, after = (text.splitlines(keepends=True) for text in (old, new))
    name = path.as_posix()
    return list(difflib.unified_diff(before, after, f"a/{name}", f"b/{name}"))


@contextmanager
def _staged(texts: Mapping[Path, str]) -> Iterator[dict[Path, Path]]:
    """Yield a file with each text beside its path; those that were not renamed are removed."""
    staged = {path: path.with_name(f".{path.name}.new") for path in texts}
    try:
        for path, file in staged.items():
            file.write_text(texts[path], encoding="utf-8")
        yield staged
    finally:
        for file in staged.values():
            file.unlink(missing_ok=True)


def _rerun(old: Manifest, new: Manifest, pythons: Container[str], *, changed: bool) -> list[str]:
    """Return which cells of the default plan must run again: their ids, then how many they are.

    Args:
        old: the manifest before.
        new: the manifest now.
        pythons: those whose cells install other packages.
        changed: whether a file was written.
    """
    before = {release.series: release for release in old.releases}
    series = {each.series for each in new.releases if before.get(each.series) != each}
    cells = [each.cell for each in plan.make(new, "default", today=date.today())]
    again = [cell for cell in cells if cell.python in pythons or _series_of(cell) & series]
    if not again:
        return [f"{'' if changed else 'nothing is newer; '}no cell must run again"]
    return [
        *(cell.id for cell in again),
        f"{len(again)} of {len(cells)} cells of the default plan must run again: nox -s matrix",
    ]


def _series_of(cell: plan.Cell) -> set[str]:
    builds = (cell.build, cell.runtime) if cell.runtime else (cell.build,)
    return {build.release.series for build in builds}
