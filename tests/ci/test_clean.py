"""`nox -s clean` frees what no cell of the manifest needs, and nothing that another run makes."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from filelock import FileLock
from tiny_cells import CELL, CELL_NO_EC, MANIFEST, RELEASE, SERIES
from tiny_project import here

from ci import clean, manifest, wheels
from ci.errors import UserError
from ci.openssl import prefixes
from ci.project import Project

OLD = "0" * 16
HOUR = 3600.0


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Return a project with an empty cache."""
    monkeypatch.setenv("M2CRYPTO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(manifest, "load", lambda _: MANIFEST)
    return here(tmp_path)


def put(project: Project, kind: str, name: str, hours: float = 2.0) -> Path:
    """Make an entry that was used so many hours ago."""
    path = project.cache / kind / name
    path.mkdir(parents=True)
    (path / "file").write_bytes(b"x" * 1000)
    moment = time.time() - hours * HOUR
    os.utime(path, (moment, moment))
    return path


def test_what_no_cell_needs_is_freed(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    label = wheels.label(CELL.build.name, CELL.flags, CELL.swig, wheels.abi(SERIES))
    needed = [
        put(project, "sources", f"openssl-{RELEASE.version}-{RELEASE.sha256[:16]}"),
        put(project, "prefixes", prefixes.entry(CELL.build)),
        put(project, "prefixes", prefixes.entry(CELL_NO_EC.build)),
        put(project, "wheels", f"{label}-{OLD}"),
        put(project, "environments", f"tests-py{SERIES}-{OLD}"),
        put(project, "nox", "py3.11-00"),
        put(project, "pycache", "tmp"),
    ]
    recent = put(project, "prefixes", f"2.0-{OLD}", hours=0.5)
    unneeded = [
        put(project, "sources", f"openssl-2.0-{OLD}"),
        put(project, "prefixes", f"{CELL.build.name}-{OLD}"),
        put(project, "extensions", f"2.0-instrumented-4.5.1-abi3-{OLD}"),
        put(project, "wheels", f"{label}-{'1' * 16}", hours=30),
        put(project, "environments", f"tests-py{SERIES}-{'1' * 16}", hours=3),
    ]
    log = project.cache / "logs" / f"{unneeded[1].name}.log"
    log.parent.mkdir()
    log.touch()
    os.utime(log, (0, 0))
    clean.main([], project)

    assert all(path.exists() for path in [*needed, recent])
    assert not any(path.exists() for path in [*unneeded, log])
    printed = capsys.readouterr().out.splitlines()
    assert "wheels               2    0.0 MB  today to 1 day ago" in printed
    assert printed[-1] == "freed 5 entries, 0.0 MB"


def test_all_frees_everything_but_what_is_being_made(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    busy = put(project, "prefixes", prefixes.entry(CELL.build))
    others = [put(project, "nox", "py3.11-00"), put(project, "prefixes", f"3.5-{OLD}")]
    lock = busy.parent / ".locks" / busy.name
    lock.parent.mkdir()
    with FileLock(lock):
        clean.main(["--all"], project)
        assert busy.exists()
    assert not any(path.exists() for path in others)
    assert "1 entries are being made by another process" in capsys.readouterr().err


def test_an_empty_cache_and_an_unknown_argument(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    clean.main([], project)
    assert capsys.readouterr().out.endswith("freed 0 entries, 0.0 MB\n")
    with pytest.raises(UserError, match="unexpected argument '--al'; it takes --all"):
        clean.main(["--al"], project)
