"""`nox -s clean` frees what no cell of the manifest needs, and nothing that another run makes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from filelock import FileLock
from tiny_cells import CELL, CELL_NO_EC, MANIFEST, RELEASE, SERIES
from tiny_project import here

from ci import clean, manifest, wheels
from ci.cache import Store
from ci.errors import UserError
from ci.manifest import Flags, Wheels
from ci.openssl import prefixes
from ci.project import ROOT, Project

OLD = "0" * 16
HOUR = 3600.0


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Return a project with an empty cache."""
    monkeypatch.setenv("M2CRYPTO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(manifest, "load", lambda _: MANIFEST)
    return here(tmp_path)


def put(project: Project, kind: str, name: str, hours: float = 2.0) -> Path:
    """Make an entry that was used so many hours ago; a log if the name has a suffix."""
    path = project.cache / kind / name
    if name.endswith((".log", ".txt")):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * 1000)
    else:
        path.mkdir(parents=True)
        (path / "file").write_bytes(b"x" * 1000)
    moment = time.time() - hours * HOUR
    os.utime(path, (moment, moment))
    return path


def test_what_no_cell_needs_is_freed(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    label = wheels.label(CELL.build.name, CELL.flags, CELL.swig, wheels.abi(SERIES))
    prefix = prefixes.entry(CELL.build)
    tarball = f"openssl-{RELEASE.version}-{RELEASE.sha256[:16]}"
    needed = [
        put(project, "sources", tarball),
        put(project, "prefixes", prefix),
        put(project, "prefixes", prefixes.entry(CELL_NO_EC.build)),
        put(project, "wheels", f"{label}-{OLD}"),
        put(project, "extensions", f"{label}-{OLD}"),
        put(project, "environments", f"tests-py{SERIES}-{OLD}"),
        put(project, "nox", f"py{SERIES}-{OLD}"),
        put(project, "nox", f"sessions-{OLD}"),
        put(project, "nox", f"sessions-{'1' * 16}"),
        put(project, "pycache", "tmp"),
        put(project, "logs", f"{prefix}.log"),
        put(project, "logs", f"extension-{label}.txt"),
        put(project, "logs", f"environment-tests-py{SERIES}.txt"),
        put(project, "logs", "fuzz-raw-py3.13-openssl3.5.txt"),
        put(project, "logs", "wheel-cp39.txt"),
        put(project, "logs", "cibuildwheel.txt"),
    ]
    recent = [
        put(project, "prefixes", f"2.0-{OLD}", hours=0.5),
        put(project, "logs", f"2.0-{OLD}.log"),
        # Of a build that has just failed.
        put(project, "logs", f"2.1-{OLD}.log", hours=0.5),
    ]
    unneeded = [
        put(project, "sources", f"openssl-2.0-{OLD}"),
        put(project, "prefixes", f"{CELL.build.name}-{OLD}"),
        put(project, "extensions", f"2.0-instrumented-4.5.1-abi3-{OLD}"),
        put(project, "wheels", f"{label}-{'1' * 16}", hours=30),
        put(project, "environments", f"tests-py{SERIES}-{'1' * 16}", hours=3),
        put(project, "nox", f"py{SERIES}-{'1' * 16}", hours=3),
        put(project, "logs", f"{CELL.build.name}-{OLD}.log"),
        put(project, "logs", "extension-2.0-instrumented-4.5.1-abi3.txt"),
        put(project, "logs", "environment-tests-py2.7.txt"),
        # Dead processes left these.
        put(project, "prefixes/.making", f"{prefix}.1234567"),
        put(project, "sources/.parts", tarball),
    ]
    clean.main([], project)

    assert [path for path in [*needed, *recent] if not path.exists()] == []
    assert [path for path in unneeded if path.exists()] == []
    printed = capsys.readouterr().out.splitlines()
    assert "wheels               2      0.0 MB  today to 1 day ago" in printed
    assert "unfinished           2      0.0 MB  today" in printed
    assert printed[-1] == "freed 11 of 30, 0.0 MB"


def test_the_release_wheels_keep_their_prefix(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    flags = Flags("wheel", upstream=True)
    wanted = Wheels(replace(CELL.build, flags=flags), flags, (SERIES,), ("manylinux_x86_64",))
    monkeypatch.setattr(manifest, "load", lambda _: replace(MANIFEST, wheels=wanted))
    prefix = put(project, "prefixes", prefixes.entry(wanted.build))
    environments = [
        put(project, "environments", f"build-py{SERIES}-{place * 16}") for place in "12"
    ]
    clean.main([], project)
    assert all(path.exists() for path in (prefix, *environments))


def test_all_frees_everything_but_what_is_being_made(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    busy = put(project, "prefixes", prefixes.entry(CELL.build))
    others = [
        put(project, "nox", f"py3.11-{OLD}"),
        put(project, "prefixes", f"3.5-{OLD}", hours=0),
        put(project, "logs", "pythons.txt"),
        put(project, "pycache", "tmp"),
        put(project, "sources/.parts", f"openssl-3.5-{OLD}"),
    ]
    making = put(project, "prefixes/.making", f"{busy.name}.{os.getpid()}")
    lock = busy.parent / ".locks" / busy.name
    lock.parent.mkdir()
    with FileLock(lock):
        clean.main(["--all"], project)
        assert busy.exists()
        assert making.exists()
    assert not any(path.exists() for path in others)
    printed = capsys.readouterr().out
    assert "\n2 could not be freed: they are being made" in printed
    assert printed.endswith("\nfreed 5 of 7, 0.0 MB\n")


def test_all_leaves_what_the_tooling_did_not_make(project: Project) -> None:
    strange = [
        put(project, "Documents", f"thesis-{OLD}"),
        put(project, "sources", "linux"),
        put(project, "wheels", "a-0123456789"),
        put(project, "nox", "tests"),
        put(project, "logs", "mail.log"),
        put(project, ".locks", "a"),
    ]
    clean.main(["--all"], project)
    assert [path for path in strange if not path.exists()] == []


def test_the_running_environment_is_not_removed(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    own = put(project, "nox", f"sessions-{OLD}")
    monkeypatch.setattr(sys, "prefix", str(own / "clean"))
    clean.main(["--all"], project)
    assert own.exists()
    assert "\n1 could not be freed: " in capsys.readouterr().out


USER = """
import sys
from pathlib import Path
from ci.cache import Store
Store(Path(sys.argv[1]), "prefixes").get("3.5", "0" * 16, lambda _: None)
print("used", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("killed", [False, True])
def test_nothing_is_freed_while_another_process_uses_the_cache(
    project: Project, killed: bool
) -> None:
    unneeded = put(project, "sources", f"openssl-2.0-{OLD}")
    command = [sys.executable, "-c", USER, str(project.cache)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as user:
        assert user.stdout
        assert user.stdout.readline() == "used\n"
        for arguments in ([], ["--all"]):
            with pytest.raises(UserError) as caught:
                clean.main(arguments, project)
            assert str(caught.value) == (
                f"nothing was freed: process {user.pid} uses the cache; run clean again when it "
                "has ended"
            )
        assert unneeded.exists()
        if killed:
            user.kill()
        else:
            user.communicate("")
    clean.main([], project)
    assert not unneeded.exists()
    assert (project.cache / "prefixes" / f"3.5-{OLD}").exists()
    assert [path.name for path in (project.cache / ".locks").iterdir()] == ["all"]


def test_an_entry_that_is_found_again_was_used_now(project: Project) -> None:
    entry = Store(project.cache, "sources").get("openssl-2.0", OLD, lambda _: None)
    os.utime(entry, (0, 0))
    Store(project.cache, "sources").get("openssl-2.0", OLD, lambda _: None)
    assert time.time() - entry.stat().st_mtime < HOUR


def test_an_empty_cache_and_an_unknown_argument(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    clean.main([], project)
    assert capsys.readouterr().out.endswith("  last used\nthe cache is empty\n")
    assert not project.cache.exists()
    with pytest.raises(UserError, match="unexpected argument '--al'; it takes --all"):
        clean.main(["--al"], project)
