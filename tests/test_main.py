"""`python -m M2Crypto` prints what the extension in the process is."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable
from subprocess import CompletedProcess

import pytest
from fix_cell import Expected, facts, switches

from M2Crypto import __version__, m2
from M2Crypto.__main__ import describe, main

Python = Callable[..., CompletedProcess[str]]


def test_the_versions_are_those_of_the_loaded_extension() -> None:
    versions = describe()["versions"]
    found = facts()
    assert versions == {
        "m2crypto": __version__,
        "openssl_headers": found["header"],
        "openssl": found["runtime"],
        "openssl_text": m2.openssl_version(0),
        "swig": found["swig"],
        "python": platform.python_version(),
    }


def test_the_options_and_the_origin_are_those_of_the_loaded_openssl() -> None:
    found = describe()
    assert found["options"]["openssl_switches"] == switches(m2)
    assert found["options"]["openssl_directory"] in m2.openssl_version(4)
    assert found["options"]["openssl_compiler"] in m2.openssl_version(1)
    assert found["origin"]["link"] == facts()["link"]
    assert found["origin"]["openssl_library"] == m2.openssl_library()


def test_the_features_are_those_of_the_headers() -> None:
    features = describe()["features"]
    assert features["ec"] == (not m2.OPENSSL_NO_EC)
    assert features["engines"] == (not m2.OPENSSL_NO_ENGINE)
    assert ("TLS 1.3" in features["protocols"]) == (not m2.OPENSSL_NO_TLS1_3)
    assert ("DSA" in features["algorithms"]) == (not m2.OPENSSL_NO_DSA)
    newest = m2.OPENSSL_VERSION_NUMBER >= 0x30500000 and not m2.OPENSSL_NO_ML_KEM
    assert ("ML-KEM" in features["algorithms"]) == newest


def test_fips_is_on_in_the_cell_that_requires_it(cell: Expected | None) -> None:
    wanted = "-fips" in cell.id if cell else bool(m2.openssl_fips_enabled())
    assert describe()["features"]["fips"] is wanted


def test_the_trust_store_is_that_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/some/roots.pem")
    monkeypatch.setenv("SSL_CERT_DIR", "/some/roots")
    origin = describe()["origin"]
    assert (origin["trusted_file"], origin["trusted_directory"]) == (
        "/some/roots.pem",
        "/some/roots",
    )


def test_the_text_has_the_facts_of_the_json(capsys: pytest.CaptureFixture[str]) -> None:
    main([])
    lines = capsys.readouterr().out.splitlines()
    sections = [line for line in lines if not line.startswith(" ")]
    assert sections == ["versions", "options", "features", "origin"]
    assert f"  {'openssl text':<20}{m2.openssl_version(0)}" in lines
    assert f"  {'ec':<20}{'no' if m2.OPENSSL_NO_EC else 'yes'}" in lines
    main(["--json"])
    assert json.loads(capsys.readouterr().out) == describe()


def test_the_module_is_run_and_refuses_another_argument_in_one_line(python: Python) -> None:
    done = python("-m", "M2Crypto", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert list(json.loads(done.stdout)) == ["versions", "options", "features", "origin"]
    done = python("-m", "M2Crypto", "--jsno")
    assert (done.returncode, done.stderr) == (1, "usage: python -m M2Crypto [--json]\n")
    with pytest.raises(SystemExit, match="usage: "):
        main(["--jsno"])
