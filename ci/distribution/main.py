"""`nox -s wheels`: the sdist and the release wheels of this platform in `dist/`.

The sdist is made of the commit's files, and the wheels of the sdist: by cibuildwheel where a
container engine runs, else on the host. The archives are rewritten (ci/distribution/archives.py),
the whole test suite runs against each wheel, and each is audited. `dist/` changes only if all of
them passed.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ci import console, manifest, run
from ci.audit import run as audit
from ci.distribution import archives, cells, engine, host, source
from ci.distribution.request import Request
from ci.errors import UserError, suggest
from ci.manifest import Manifest, Wheels
from ci.matrix import results
from ci.matrix.machine import Machine
from ci.matrix.prepare import copy_checkout
from ci.project import Project
from ci.report import report

# Build on the host even if a container engine runs.
HOST = "--host"
# Only build, into a directory; for `reproduce`, and for a release, whose wheels cibuildwheel tests.
INTO = "--into="
# Only build the sdist; build the wheels of an sdist that another job has built.
SDIST = "--sdist"
FROM = "--from="
# Only the wheels of `quick` in the manifest.
QUICK = "--quick"
OPTIONS = (HOST, INTO, SDIST, FROM, QUICK)
# The bytes that a wheel may have.
LARGEST = 3_000_000
# The names of the archives, which replace others in `dist/`.
NAMES = ("m2crypto-*.whl", "m2crypto-*.tar.gz")


@dataclass(frozen=True, slots=True)
class Made:
    """The archives in a directory, and the OpenSSL prefix of the wheels."""

    request: Request
    archives: tuple[Path, ...]
    prefix: Path

    @property
    def wheels(self) -> list[Path]:
        """The wheels among the archives."""
        return [path for path in self.archives if path.suffix == ".whl"]


@dataclass(frozen=True, slots=True)
class Options:
    """What the arguments choose.

    Attributes:
        on_host: whether to build on the host even if a container engine runs.
        quick: whether to build only the few wheels of a pull request.
        only_sdist: whether to build only the sdist.
        sdist: the sdist to build from; None to build it.
        into: the directory to build into without tests; None for `dist/`, with tests.
    """

    on_host: bool
    quick: bool
    only_sdist: bool
    sdist: Path | None
    into: Path | None


def main(arguments: Sequence[str], project: Project) -> None:
    """Build, test, report and audit; `--into=DIRECTORY` only builds and audits.

    `--host` builds on the host, `--quick` the wheels of a pull request, `--sdist` the sdist alone,
    and `--from=SDIST` the wheels of an sdist.

    Raises:
        UserError: an argument is unknown, a build, a test or the audit failed, or a wheel is too
            large.
    """
    options = _options(arguments)
    known = manifest.load(project.manifest)
    if not known.wheels:
        raise UserError(f"{project.manifest}: wheels is missing, so there are none to build")
    with tempfile.TemporaryDirectory(prefix="m2crypto-") as directory:
        work = Path(directory).resolve()
        into = options.into or project.root / "dist"
        if options.only_sdist:
            _publish([_sdist(project, work)[0]], into)
            return
        if options.into:
            made = _make(known, known.wheels, project, work, options)
        else:
            with results.writing(project.results):
                copy_checkout(project)
                made = _make(known, known.wheels, project, work, options)
                _test(made, known, project)
        audit.main([str(path) for path in made.wheels], project)
        _publish(made.archives, into)


def _options(arguments: Sequence[str]) -> Options:
    values: dict[str, str] = {}
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if name + equals not in OPTIONS or bool(equals) != bool(value):
            raise UserError(
                f"wheels: unexpected argument {argument!r}: {suggest(argument, OPTIONS)}"
            )
        values[name + equals] = value
    return Options(
        on_host=HOST in values,
        quick=QUICK in values,
        only_sdist=SDIST in values,
        sdist=_existing(values[FROM]) if FROM in values else None,
        into=Path(values[INTO]) if INTO in values else None,
    )


def _existing(name: str) -> Path:
    """Return the sdist of that name, or the one in the directory of that name."""
    path = Path(name)
    found = sorted(path.glob("*.tar.gz")) if path.is_dir() else [path]
    if len(found) != 1 or not found[0].is_file():
        raise UserError(f"{FROM}{name}: name one sdist, or a directory that holds one")
    return found[0].resolve()


def _sdist(project: Project, work: Path) -> tuple[Path, int]:
    """Build the sdist into `work`/dist; return its path and the commit's date."""
    commit = source.commit(project.root)
    if commit.changed:
        console.log(
            f"the checkout differs from commit {commit.name[:12]}, whose date the archives hold: "
            f"{commit.changed[0]}"
            + (f" and {len(commit.changed) - 1} more" * (len(commit.changed) > 1))
        )
    tree = source.copy(project.root, work / "tree")
    dist = work / "dist"
    dist.mkdir()
    log = project.cache / "logs" / "sdist.txt"
    log.unlink(missing_ok=True)
    return source.sdist(tree, dist, commit.moment, log), commit.moment


def _given(sdist: Path, project: Project, work: Path) -> tuple[Path, int]:
    (work / "dist").mkdir()
    target = work / "dist" / sdist.name
    shutil.copyfile(sdist, target)
    return target, source.commit(project.root).moment


def _make(known: Manifest, wanted: Wheels, project: Project, work: Path, options: Options) -> Made:
    """Build the wheels of the sdist, and rewrite them into `work`/dist."""
    if options.sdist:
        sdist, moment = _given(options.sdist, project, work)
    else:
        sdist, moment = _sdist(project, work)
    chosen = wanted.quick if options.quick else ()
    request = Request(project, wanted, sdist, known.swig, moment, work, chosen)
    request.raw.mkdir()
    name = "" if options.on_host else engine.available()
    if name:
        prefix = engine.build(request, name)
    else:
        why = HOST if options.on_host else "no container engine runs (docker or podman)"
        console.log(f"wheels: {why}; building on the host, for this computer's C library and newer")
        machine = Machine.here(known)
        pythons = {
            name: machine.pythons[name] for name in wanted.pythons if name in machine.pythons
        }
        prefix = host.build(request, pythons)
    for path in sorted(request.raw.glob("*.whl")):
        archives.rewrite(path, work / "dist" / path.name, moment)
    made = Made(request, (sdist, *sorted((work / "dist").glob("*.whl"))), prefix)
    for path in made.wheels:
        if path.stat().st_size > LARGEST:
            raise UserError(
                f"{path.name}: {path.stat().st_size} bytes, more than {LARGEST}; see what it holds"
                " with `python -m zipfile -l`, or raise LARGEST in ci/distribution/main.py"
            )
    return made


def _test(made: Made, known: Manifest, project: Project) -> None:
    """Run the wheels' cells and report them.

    Raises:
        UserError: a test failed, or the report complains.
    """
    machine = Machine.here(known)
    outcomes = cells.run(made.request, made.wheels, made.prefix, known, machine)
    complaints = report.make(known, machine, project, logged={each.id for each in outcomes})
    run.check(outcomes, [], complaints)


def _publish(made: Sequence[Path], directory: Path) -> None:
    """Copy the archives into a directory, in place of earlier ones, and list them."""
    directory.mkdir(parents=True, exist_ok=True)
    earlier = {path for name in NAMES for path in directory.glob(name)}
    # Renamed at the end, so that a full disk leaves the earlier ones.
    parts = {directory / path.name: directory / f".{path.name}.part" for path in made}
    for path, part in zip(made, parts.values(), strict=True):
        shutil.copyfile(path, part)
    for target, part in parts.items():
        part.replace(target)
        data = target.read_bytes()
        console.log(
            f"{target}: {len(data) / 1e6:.2f} MB, sha256 {hashlib.sha256(data).hexdigest()}"
        )
    for path in earlier - parts.keys():
        path.unlink()
