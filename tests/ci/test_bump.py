"""`nox -s bump` finds newer versions, keeps the manifest's comments, and writes all or nothing."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from conftest import Server
from tiny_openssl import tiny_openssl
from tiny_project import here

from ci import bump, manifest, process
from ci.errors import UserError
from ci.process import CommandError
from ci.project import Project

LOCKED = "pytest==9.1\n"


@pytest.fixture
def project(matrix: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Return a checkout whose manifest has OpenSSL 9.9.1, without upstream's list."""
    root = matrix.parents[1]
    matrix.write_text("# A comment.\n" + matrix.read_text())
    (root / "ci" / "constraints.txt").write_text(LOCKED)
    monkeypatch.setattr(bump, "UPSTREAM", "http://127.0.0.1:9/releases")
    monkeypatch.setattr(bump, "constraints", lambda *_: LOCKED)
    return here(root)


def test_nothing_newer_changes_nothing(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    before = project.manifest.read_text()
    bump.main([], project)
    assert project.manifest.read_text() == before
    assert capsys.readouterr().out == "nothing is newer; no cell must run again\n"


def test_a_newer_version_of_a_mirror_replaces_the_release_and_keeps_comments(
    project: Project, mirror: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # The next one is missing: not every version reaches every mirror.
    tarball = tiny_openssl("9.9.3")
    (mirror / "openssl-9.9.3.tar.gz").write_bytes(tarball)
    bump.main([], project)

    (release,) = manifest.load(project.manifest).releases
    assert (release.version, release.url, release.sha256) == (
        "9.9.3",
        "https://127.0.0.1:9/openssl-9.9.3.tar.gz",
        hashlib.sha256(tarball).hexdigest(),
    )
    assert project.manifest.read_text().startswith("# A comment.\n")
    printed = capsys.readouterr().out
    assert '\n-version = "9.9.1"\n' in printed
    assert '\n+version = "9.9.3"\n' in printed
    assert printed.endswith("2 of 2 cells of the default plan must run again: nox -s matrix\n")


def test_upstreams_list_comes_first_and_prereleases_are_left_out(
    project: Project, server: Server, mirror: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tags = {"openssl-9.9.2": False, "openssl-9.9.4": True, "openssl-10.0.0": False, "other": False}
    listed = [{"tag_name": tag, "prerelease": early} for tag, early in tags.items()]
    server.files["/releases"] = json.dumps(listed).encode()
    monkeypatch.setattr(bump, "UPSTREAM", f"{server.address}/releases")
    (mirror / "openssl-9.9.2.tar.gz").write_bytes(tiny_openssl("9.9.2"))
    bump.main([], project)
    assert manifest.load(project.manifest).releases[0].version == "9.9.2"


def test_a_tarball_that_no_source_has_leaves_both_files(
    project: Project, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.files["/releases"] = b'[{"tag_name": "openssl-9.9.2", "prerelease": false}]'
    monkeypatch.setattr(bump, "UPSTREAM", f"{server.address}/releases")
    monkeypatch.setattr(bump, "constraints", lambda *_: "pytest==9.2\n")
    before = project.manifest.read_text()
    with pytest.raises(UserError, match=r"OpenSSL 9\.9\.2 is in no source"):
        bump.main([], project)
    assert project.manifest.read_text() == before
    assert project.constraints.read_text() == LOCKED


def test_without_a_network_there_is_one_line(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("M2CRYPTO_MIRRORS")
    with pytest.raises(UserError, match="no source of OpenSSL's tarballs can be reached: check"):
        bump.main([], here(project.root))
    monkeypatch.setenv("M2CRYPTO_OFFLINE", "1")
    with pytest.raises(UserError, match="over the network; unset M2CRYPTO_OFFLINE"):
        bump.main([], here(project.root))
    with pytest.raises(UserError, match="bump takes no arguments, not '-x'"):
        bump.main(["-x"], project)


@pytest.mark.parametrize(
    ("version", "following"), [("3.5.7", "3.5.8"), ("3.0.19", "3.0.20"), ("1.1.1w", "1.1.1x")]
)
def test_the_next_version_of_a_series(version: str, following: str) -> None:
    assert bump._successor(version) == following
    assert bump._order(following) > bump._order(version)
    assert bump._series(version) == bump._series(following)


REAL = Path(__file__).parents[2]


def test_constraints_are_resolved_for_every_python_without_swig(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []

    def capture(command: list[str]) -> str:
        asked.extend(Path(command[-1]).read_text().splitlines())
        assert command[command.index("--python-version") + 1] == "3.9"
        return LOCKED

    monkeypatch.setattr(process, "capture", capture)
    project = here(REAL)
    text = bump.constraints(project, manifest.load(project.manifest))
    assert text.splitlines()[1:] == LOCKED.splitlines()
    assert "setuptools>=77" in asked
    assert 'mypy>=1.18; python_version >= "3.11"' in asked
    assert not [each for each in asked if each.startswith("swig")]

    def fail(command: list[str]) -> str:
        raise CommandError(command, 2, "error: Failed to fetch\n  Caused by: no route to host")

    monkeypatch.setattr(process, "capture", fail)
    with pytest.raises(UserError) as caught:
        bump.constraints(project, manifest.load(project.manifest))
    assert str(caught.value) == (
        "newer packages cannot be resolved: Caused by: no route to host; check the network"
    )
