"""`nox -s wheels`: the sdist and the release wheels of this platform in `dist/`.

The sdist is made of the commit's files, and the wheels of the sdist: by cibuildwheel where a
container engine runs, else on the host. The archives are rewritten (ci/distribution/archives.py),
and the whole test suite runs against each wheel. `dist/` changes only if all tests passed.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ci import console, manifest, run
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
# Only build, into a directory; for `reproduce`.
INTO = "--into="
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


def main(arguments: Sequence[str], project: Project) -> None:
    """Build, test and report; with `--host` on the host, and with `--into=DIRECTORY` only build.

    Raises:
        UserError: an argument is unknown, a build or a test failed, or a wheel is too large.
    """
    unknown = [each for each in arguments if each != HOST and not each.startswith(INTO)]
    if unknown:
        raise UserError(
            f"wheels: unexpected argument {unknown[0]!r}: {suggest(unknown[0], (HOST, INTO))}"
        )
    known = manifest.load(project.manifest)
    if not known.wheels:
        raise UserError(f"{project.manifest}: wheels is missing, so there are none to build")
    into = [Path(each.removeprefix(INTO)) for each in arguments if each.startswith(INTO)]
    with tempfile.TemporaryDirectory(prefix="m2crypto-") as directory:
        work = Path(directory).resolve()
        if into:
            made = _make(known, known.wheels, project, work, on_host=HOST in arguments)
            _publish(made.archives, into[-1])
            return
        with results.writing(project.results):
            copy_checkout(project)
            made = _make(known, known.wheels, project, work, on_host=HOST in arguments)
            _test(made, known, project)
        _publish(made.archives, project.root / "dist")


def _make(known: Manifest, wanted: Wheels, project: Project, work: Path, *, on_host: bool) -> Made:
    """Build the sdist, and the wheels from it, and rewrite them into `work`/dist."""
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
    sdist = source.sdist(tree, dist, commit.moment, log)
    request = Request(project, wanted, sdist, known.swig, commit.moment, work)
    request.raw.mkdir()
    name = "" if on_host else engine.available()
    if name:
        prefix = engine.build(request, name)
    else:
        why = HOST if on_host else "no container engine runs (docker or podman)"
        console.log(f"wheels: {why}; building on the host, for this computer's C library and newer")
        machine = Machine.here(known)
        pythons = {
            name: machine.pythons[name] for name in wanted.pythons if name in machine.pythons
        }
        prefix = host.build(request, pythons)
    for path in sorted(request.raw.glob("*.whl")):
        archives.rewrite(path, dist / path.name, commit.moment)
    made = Made(request, (sdist, *sorted(dist.glob("*.whl"))), prefix)
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
