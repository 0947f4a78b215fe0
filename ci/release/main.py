"""`nox -s release`: prepare, check, build, audit and tag a version.

    nox -s release -- --prepare 1.0.0           the version and the entry of CHANGES.md, to commit
    nox -s release -- --dry-run 1.0.0           everything but the tag
    nox -s release -- 1.0.0                     checks, builds, audits, and tags
    nox -s release -- --tagged v1.0.0           the checks, of a commit that has the tag
    nox -s release -- --complete v1.0.0 dist    whether dist/ holds every wheel, audited

The last two are steps of .github/workflows/release.yml, which the pushed tag starts, and which
publishes. Nothing here does. `--host` is passed to `nox -s wheels`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

from ci import console, manifest
from ci.audit import run as audit
from ci.distribution import listed, source
from ci.distribution import main as distribution
from ci.errors import UserError, suggest
from ci.project import Project
from ci.release import checks, news
from ci.release.checks import BRANCH, REMOTE, Candidate

PREPARE = "--prepare"
DRY_RUN = "--dry-run"
TAGGED = "--tagged"
COMPLETE = "--complete"
MODES = (PREPARE, DRY_RUN, TAGGED, COMPLETE)
WORKFLOW = ".github/workflows/release.yml"


def main(arguments: Sequence[str], project: Project) -> None:
    """Do what the arguments choose with the version that they name.

    Raises:
        UserError: an argument is wrong, a check does not hold, or a build, a test or the audit
            failed. Then there is no tag.
    """
    mode, on_host, named = _parse(arguments)
    tagged = mode in (TAGGED, COMPLETE)
    version = named[0].removeprefix("v") if tagged else named[0]
    parsed = checks.parse(version)
    if mode == PREPARE:
        _prepare(version, project, development=parsed.is_devrelease)
        return
    known = manifest.load(project.manifest)
    if not known.wheels:
        raise UserError(f"{project.manifest}: wheels is missing, so there is nothing to release")
    candidate = Candidate(
        version=version,
        commit=source.commit(project.root),
        tagged=tagged,
        known=known,
        wheels=known.wheels,
        project=project,
        today=date.today(),
    )
    if mode == COMPLETE:
        _complete(Path(named[1]), candidate)
        return
    print(f"release {version}", flush=True)
    checks.run(candidate)
    if mode == TAGGED:
        return
    distribution.main([distribution.HOST] if on_host else [], project)
    checks.contained(sorted((project.root / "dist").glob("m2crypto-*")), candidate)
    # A build takes minutes, in which a file can change.
    checks.tree(_again(candidate))
    if mode == DRY_RUN:
        console.log(f"dry run: {candidate.tag} was not made")
        return
    _tag(candidate)


def _parse(arguments: Sequence[str]) -> tuple[str, bool, list[str]]:
    """Return the mode, whether to build on the host, and the other arguments."""
    modes = [each for each in arguments if each in MODES]
    rest = [each for each in arguments if each not in (*MODES, distribution.HOST)]
    unknown = [each for each in rest if each.startswith("-")]
    if unknown:
        options = (*MODES, distribution.HOST)
        raise UserError(
            f"release: unexpected option {unknown[0]!r}: {suggest(unknown[0], options)}"
        )
    mode = "".join(modes)
    if len(modes) > 1 or len(rest) != (2 if mode == COMPLETE else 1):
        raise UserError(
            f"release: name one version, such as `nox -s release -- {DRY_RUN} 1.0.0`; "
            f"{COMPLETE} takes a tag and a directory"
        )
    return mode, distribution.HOST in arguments, rest


def _prepare(version: str, project: Project, *, development: bool) -> None:
    if changed := source.commit(project.root).changed:
        raise UserError(f"release: {changed[0]} differs from the commit; commit or remove it first")
    if development:
        news.set_version(version, project)
    else:
        news.prepare(version, date.today(), project)
    console.log(
        f"{version} is in the checkout: read `git diff`, commit it on {BRANCH}, wait for the "
        "matrix" + ("" if development else f", then `nox -s release -- {version}`")
    )


def _complete(directory: Path, candidate: Candidate) -> None:
    """Check and audit what the jobs of the workflow have built."""
    archives = sorted(directory.glob("*")) if directory.is_dir() else []
    listed.check(archives, candidate.version, candidate.wheels)
    checks.contained(archives, candidate)
    audit.main([str(path) for path in archives if path.suffix == ".whl"], candidate.project)
    console.log(f"{directory}: the sdist and every wheel of the manifest's list")


def _again(candidate: Candidate) -> Candidate:
    """Return the candidate with the commit that is checked out now.

    Raises:
        UserError: it is another one.
    """
    now = source.commit(candidate.project.root)
    if now.name != candidate.commit.name:
        raise UserError("release: another commit was checked out during the build; run again")
    return replace(candidate, commit=now)


def _tag(candidate: Candidate) -> None:
    """Make the annotated tag, signed if git is configured so, and print what happens next."""
    message = (
        f"M2Crypto {candidate.version}\n\n{news.released(candidate.version, candidate.project)}"
    )
    # Without cleanup, a line of the entry that begins with # would be lost.
    candidate.git("tag", "--annotate", "--cleanup=verbatim", "--message", message, candidate.tag)
    console.log(
        f"{candidate.tag} is made. Next:\n"
        f"  git push --atomic {REMOTE} {BRANCH} {candidate.tag}\n"
        f"starts {WORKFLOW}: it repeats these checks, builds each wheel of ci/matrix.toml's list\n"
        "without a cache, and publishes all of them, or none, once a maintainer has approved the\n"
        "environment `pypi`. Until the push, this takes it back:\n"
        f"  git tag --delete {candidate.tag}"
    )
