"""What must hold before a release, each a function that returns what it found.

A check raises a UserError of one line. All of them run, so that one look shows everything that
stands in the way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from packaging.version import InvalidVersion, Version

from ci.audit import wheel
from ci.distribution import source
from ci.distribution.source import Commit
from ci.errors import UserError
from ci.manifest import Manifest, Wheels
from ci.process import CommandError
from ci.project import Project
from ci.release import green, news

BRANCH = "main"
REMOTE = "origin"
# The tag of a version.
TAG = "v{}"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A version that is to be released.

    Attributes:
        version: such as `1.0.0`.
        commit: the commit that is checked out.
        tagged: whether the tag exists already, as in the workflow that it starts.
        known: the manifest.
        wheels: the release wheels.
        project: the project.
        today: the day of the release.
    """

    version: str
    commit: Commit
    tagged: bool
    known: Manifest
    wheels: Wheels
    project: Project
    today: date

    @property
    def tag(self) -> str:
        """The tag's name, such as `v1.0.0`."""
        return TAG.format(self.version)

    def git(self, *arguments: str) -> str:
        """Run git in the checkout and return its output.

        Raises:
            CommandError: it failed.
        """
        return source.git(self.project.root, *arguments).strip()


def run(candidate: Candidate) -> None:
    """Run all checks and print what each found.

    Raises:
        UserError: one line for each that does not hold.
    """
    failed = []
    for name, check in CHECKS.items():
        try:
            print(f"  ok      {name:<9}{check(candidate)}", flush=True)
        except UserError as error:
            # A program's error has its last lines below the first.
            why = str(error).splitlines()[0]
            print(f"  failed  {name:<9}{why}", flush=True)
            failed.append(f"{name}: {why}")
    if failed:
        raise UserError("\nerror: ".join(failed))


def parse(text: str) -> Version:
    """Return a version of PEP 440 in its normal form.

    Raises:
        UserError: it is not, or has a local part.
    """
    try:
        version = Version(text)
    except InvalidVersion:
        raise UserError(f"release: {text!r} is not a version; name one such as 1.0.0") from None
    if str(version) != text or version.local:
        raise UserError(f"release: write {text!r} as {version.public!r}")
    return version


def tree(candidate: Candidate) -> str:
    """Check that the checkout is the commit."""
    changed = candidate.commit.changed
    if changed:
        more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        raise UserError(f"{changed[0]}{more} differs from the commit; commit or remove it")
    return f"clean, commit {candidate.commit.name[:12]}"


def branch(candidate: Candidate) -> str:
    """Check that the commit is on the main branch."""
    if candidate.tagged:
        try:
            candidate.git("merge-base", "--is-ancestor", "HEAD", f"{REMOTE}/{BRANCH}")
        except CommandError:
            raise UserError(f"the commit of {candidate.tag} is not on {BRANCH}") from None
        return f"on {BRANCH}"
    try:
        name = candidate.git("symbolic-ref", "--short", "--quiet", "HEAD")
    except CommandError:
        name = "no branch"
    if name != BRANCH:
        raise UserError(f"{name} is checked out, and releases are made of {BRANCH}")
    return f"on {BRANCH}"


def version(candidate: Candidate) -> str:
    """Check that the package has this version, which is newer than every tag."""
    new = parse(candidate.version)
    if new.is_devrelease:
        raise UserError(f"{new} is a version of development")
    found = news.version(candidate.project)
    if found != candidate.version:
        raise UserError(
            f"the package's version is {found}; `nox -s release -- --prepare {new}` sets it"
        )
    newest = max(released(candidate), default=None)
    if newest and newest >= new:
        raise UserError(f"{new} is not newer than {newest}, which is released")
    return f"{new}, after {newest}" if newest else f"{new}, the first"


def released(candidate: Candidate) -> Iterable[Version]:
    """Yield the versions of the other tags."""
    for name in candidate.git("tag", "--list", TAG.format("*")).split():
        if name == candidate.tag:
            continue
        try:
            yield Version(name.removeprefix("v"))
        except InvalidVersion:
            # A tag of something else.
            continue


def tag(candidate: Candidate) -> str:
    """Check that the tag does not exist, here and on the remote; or that it is of this commit."""
    name = candidate.tag
    exists = bool(candidate.git("tag", "--list", name))
    if candidate.tagged:
        if not exists or candidate.git("rev-list", "-n1", name) != candidate.commit.name:
            raise UserError(f"the tag {name} is not of the commit that is checked out")
        return f"{name} is of this commit"
    if exists:
        raise UserError(f"the tag {name} exists; a version is released once")
    remotes = candidate.git("remote").split()
    if REMOTE not in remotes or candidate.project.offline:
        return f"{name} does not exist here"
    try:
        found = candidate.git("ls-remote", "--tags", REMOTE, f"refs/tags/{name}")
    except CommandError:
        raise UserError(
            f"{REMOTE} cannot be queried for {name}; connect to the network, or set "
            "M2CRYPTO_OFFLINE=1"
        ) from None
    if found:
        raise UserError(f"the tag {name} exists on {REMOTE}; a version is released once")
    return f"{name} does not exist"


def changes(candidate: Candidate) -> str:
    """Check that CHANGES.md has the entry, and that no fragment is left."""
    lines = news.released(candidate.version, candidate.project).splitlines()
    return f"{len(lines)} lines for {candidate.version}"


def openssl(candidate: Candidate) -> str:
    """Check that the OpenSSL of the wheels is supported."""
    release = candidate.wheels.build.release
    if candidate.today > release.end_of_life:
        raise UserError(
            f"the wheels' OpenSSL {release.version} is past its end of life, {release.end_of_life};"
            " set wheels.series in ci/matrix.toml to a supported series"
        )
    return f"OpenSSL {release.version}, supported until {release.end_of_life}"


def matrix(candidate: Candidate) -> str:
    """Check that the matrix is green for the commit."""
    return green.check(candidate.commit.name, candidate.known, candidate.project)


def contained(archives: Iterable[Path], candidate: Candidate) -> None:
    """Check that each wheel contains the OpenSSL of the manifest.

    Raises:
        UserError: one contains another.
    """
    wanted = candidate.wheels.build.version
    for path in archives:
        if path.suffix == ".whl":
            found = list(wheel.read(path).openssl)
            if found != [wanted]:
                raise UserError(
                    f"{path.name}: contains OpenSSL {' and '.join(found) or 'of no version'}, not "
                    f"the {wanted} of ci/matrix.toml; build it again"
                )


CHECKS: dict[str, Callable[[Candidate], str]] = {
    "tree": tree,
    "branch": branch,
    "version": version,
    "tag": tag,
    "CHANGES": changes,
    "OpenSSL": openssl,
    "matrix": matrix,
}
