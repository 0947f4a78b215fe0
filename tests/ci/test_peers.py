"""`nox -s peers`, with Python's ssl on both ends instead of M2Crypto."""

from __future__ import annotations

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
        assert "no such option" in row.detail or row.role == "server"


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
