"""`nox -s peers`, with Python's ssl on both ends instead of M2Crypto."""

from __future__ import annotations

import errno
import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from ci.errors import UserError
from ci.peers import handshakes, implementations, main
from ci.peers.implementations import VERSIONS, Peer
from ci.project import Project

CERTIFICATES = Path(__file__).parents[1] / "data" / "certificates"


@pytest.fixture(scope="module")
def stdlib() -> Peer:
    return implementations.of_python("own", Path(sys.executable), "ssl", CERTIFICATES, os.environ)


def test_each_version_is_negotiated_in_each_role(stdlib: Peer) -> None:
    rows = list(handshakes.run([stdlib], [replace(stdlib, name="other")]))
    assert [(row.version, row.role) for row in rows] == [
        (version, role) for version in VERSIONS for role in ("client", "server")
    ]
    assert {row.result for row in rows} == {"passed"}
    assert rows[0].document()["peer_version"] == stdlib.version


def test_a_peer_has_the_roles_that_it_has(stdlib: Peer) -> None:
    server = replace(stdlib, name="server", connect=None)
    assert [row.role for row in handshakes.run([stdlib], [server])] == ["client", "client"]


def test_a_failure_says_why(stdlib: Peer) -> None:
    def complain(*_: object) -> implementations.Command:
        return [sys.executable, "-c", "import sys; sys.exit('no such option')"]

    broken = Peer("broken", "1", serve=complain, connect=complain)
    for row in handshakes.run([stdlib], [broken]):
        assert row.result == "failed"
        assert "no such option" in row.detail


def test_a_server_that_hangs_fails(stdlib: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(*_: object) -> implementations.Command:
        return [sys.executable, "-c", "import time; print('4', end='', flush=True); time.sleep(99)"]

    monkeypatch.setattr(handshakes, "PATIENCE", 1.0)
    hanging = Peer("hanging", "1", serve=hang, connect=None, prints_port=True)
    for row in handshakes.run([stdlib], [hanging]):
        assert (row.result, row.detail) == ("failed", "hanging does not listen after 1 s")


@pytest.mark.parametrize("output", ["5", "[]", "nothing"])
def test_what_was_negotiated_is_an_object(output: str) -> None:
    with pytest.raises(ValueError, match="instead of what was negotiated|Expecting value"):
        handshakes._negotiated(output.encode())


def test_a_program_that_fails_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nss").mkdir()
    monkeypatch.setattr("shutil.which", lambda name: name)
    found, missing = implementations.programs(CERTIFICATES, tmp_path, isolated=False)
    assert "NSS" not in [each.name for each in found]
    assert any("tstclnt" in line and "not usable" in line for line in missing)


def test_a_library_that_is_missing_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"absent version: KeyError: 'absent'\Z"):
        implementations.of_python("x", Path(sys.executable), "absent", CERTIFICATES, os.environ)


def test_rows_are_written_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "coverage" / "peers.json"
    path.parent.mkdir()
    path.write_text("before")

    def full(self: Path, text: str, encoding: str) -> int:
        with self.open("w", encoding=encoding) as file:
            file.write(text[:1])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_text", full)
        with pytest.raises(UserError, match="No space left on device"):
            main._write({"rows": []}, path)
    assert [each.name for each in path.parent.iterdir()] == ["peers.json"]
    assert path.read_text() == "before"
    main._write({"rows": []}, path)
    assert path.read_text() == '{\n "rows": []\n}\n'


def test_what_cannot_work_is_not_tried(stdlib: Peer) -> None:
    old = replace(stdlib, name="1.1.1-no-ec", lacks={"TLSv1.3": "it has no TLS 1.3"})
    rows = list(handshakes.run([old], [stdlib]))
    assert [row.result for row in rows] == ["passed", "passed", "impossible", "impossible"]
    assert rows[-1].detail == "it has no TLS 1.3"
    without = replace(stdlib, name="3.5-no-ec")
    rows = list(handshakes.run([without], [replace(stdlib, version="1.1.1w")]))
    assert "finite fields" in rows[-1].detail


def test_programs_that_are_missing_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    found, missing = implementations.programs(CERTIFICATES, tmp_path, isolated=False)
    assert found == []
    assert missing[1] == "gnutls-cli, gnutls-serv: not found; install gnutls-bin"


def test_an_unknown_build_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    project = Project.from_environment()
    with pytest.raises(UserError, match=r"unknown build 'x'; there are 1\.1\.1, 1\.1\.1-no-ec, "):
        main.main(["x"], project)
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(UserError, match="on Linux alone"):
        main.main([], project)
