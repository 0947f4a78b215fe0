"""Two cells of the tiny project, and the fixtures that run them with a fake OpenSSL."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from tiny_project import here, tiny_cell, tiny_manifest, write_project

from ci import environments, extension, interpreters, manifest, prototypes, toolchain
from ci.errors import UserError
from ci.manifest import Build, Release, Variant
from ci.matrix import cell as one
from ci.matrix import prepare, results, surface
from ci.matrix.prepare import Inputs
from ci.openssl import prefixes
from ci.project import Project
from ci.report import report

SERIES = "{}.{}".format(*sys.version_info)
RELEASE = Release("3.5", "3.5", "https://example.org/a.tar.gz", "0" * 64, date(2030, 4, 8))
PLAIN = Build(RELEASE, Variant("default", ()))
NO_EC = Build(RELEASE, Variant("no-ec", ("no-ec",)))
MANIFEST = tiny_manifest(RELEASE, (PLAIN.variant, NO_EC.variant), (SERIES, "3.99"), (PLAIN, NO_EC))
CELL = tiny_cell(SERIES, PLAIN)
CELL_NO_EC = tiny_cell(SERIES, NO_EC)

MakeInputs = Callable[..., Inputs]


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return one cache for all these tests, so that each extension is built once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def project(tmp_path: Path, shared_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Return a tiny project whose cells run on this Python with a fake OpenSSL."""
    monkeypatch.setenv("M2CRYPTO_CACHE", str(shared_cache))
    monkeypatch.setattr(environments, "ensure", lambda *_: Path(sys.executable))
    monkeypatch.setattr(toolchain, "swig", lambda _: {})
    # The tiny project has no SWIG, and no headers of OpenSSL.
    monkeypatch.setattr(prototypes, "check", lambda *_: None)
    monkeypatch.setattr(extension, "HEADERS", ())
    monkeypatch.setattr(surface, "HEADERS", ())
    monkeypatch.setattr(
        prefixes,
        "ensure",
        lambda builds, _: {build.name: Path("/p") / build.name for build in builds},
    )
    return here(write_project(tmp_path / "project"))


@pytest.fixture
def inputs(project: Project) -> MakeInputs:
    """Return the inputs that the two cells share; the arguments are pytest's."""

    def make(*arguments: str, fresh: bool = True) -> Inputs:
        found = interpreters.describe(Path(sys.executable))
        assert found
        now = here(project.root)
        prepare.copy_checkout(now)
        chosen = [CELL, CELL_NO_EC]
        return prepare.prepare(chosen, MANIFEST, arguments, {SERIES: found}, now, fresh=fresh)

    return make


def write_test(project: Project, text: str) -> None:
    """Add a test file to a cell."""
    (project.root / "tests" / "test_more.py").write_text(text)


def refused(inputs: Inputs) -> str:
    """Return the error of a cell that writes no result and keeps its log.

    It has one line, and those of the program's output.
    """
    project = inputs.project
    with pytest.raises(UserError) as caught:
        one.run(CELL, inputs)
    assert all(line.startswith("  | ") for line in str(caught.value).splitlines()[1:])
    assert [path.name for path in (project.results / CELL.id).iterdir()] == [results.LOG]
    assert str(project.results / CELL.id / results.LOG) in str(caught.value)
    return str(caught.value)


@pytest.fixture
def session(project: Project, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Prepare a session on the tiny project; the list receives what the report is given."""
    reported: list[str] = []
    found = {SERIES: interpreters.describe(Path(sys.executable))}
    monkeypatch.setattr(manifest, "load", lambda _: MANIFEST)
    monkeypatch.setattr(interpreters, "installed", lambda _: found)

    def make(*_: object, logged: set[str]) -> list[str]:
        reported.extend(sorted(logged))
        return []

    monkeypatch.setattr(report, "make", make)
    return reported
