"""`nox -s scan` keeps what the scanners say of the configuration, and names each weakness."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ci.errors import UserError
from ci.peers import scan
from ci.project import Project

DATA = Path(__file__).parents[1] / "data"
SUITE = {"cipher_suite": {"name": "TLS_A", "openssl_name": "A"}, "ephemeral_key": None}
SERVER = {
    "connectivity_status": "COMPLETED",
    "scan_result": {
        "tls_1_2_cipher_suites": {"result": {"accepted_cipher_suites": [SUITE]}},
        "ssl_3_0_cipher_suites": {"result": {"accepted_cipher_suites": []}},
        "elliptic_curves": {
            "result": {"supported_curves": [{"name": "X25519"}], "rejected_curves": []}
        },
        "certificate_info": {"result": {"path": "/somewhere"}},
        "heartbleed": {"result": {"is_vulnerable_to_heartbleed": False}},
        "http_headers": {"result": None},
    },
}
MOZILLA = """
 COMPLIANCE AGAINST TLS CONFIGURATION
    127.0.0.1:4433: FAILED - Not compliant.
        * ciphers: Cipher suites {'B'} are supported, but should be rejected.
        * maximum_certificate_lifespan: Certificate life span is 36524 days.
"""
END = {"id": "scanTime", "severity": "INFO", "finding": "97"}


def by_sslyze(server: dict[str, Any], output: str = MOZILLA) -> dict[str, Any]:
    return scan.of_sslyze({"sslyze_version": "6", "server_scan_results": [server]}, output)


def by_testssl(*findings: tuple[str, str, str]) -> dict[str, Any]:
    found = [dict(zip(("id", "severity", "finding"), each, strict=True)) for each in findings]
    return scan.of_testssl([*found, END], "\x1b[1m testssl  3.0.8 from \x1b[m")


def test_sslyze_s_findings_are_about_the_configuration() -> None:
    found = by_sslyze(SERVER)
    assert found["scanner"] == "sslyze 6"
    assert found["suites"] == {"TLSv1.2": ["A"], "SSLv3": []}
    assert found["curves"] == {"accepted": ["X25519"], "rejected": []}
    assert found["attacks"] == {"heartbleed": {"is_vulnerable_to_heartbleed": False}}
    assert list(found["mozilla"]["deviations"]) == ["ciphers", "maximum_certificate_lifespan"]


def test_testssl_s_findings_are_about_the_configuration_or_a_weakness() -> None:
    found = by_testssl(
        ("TLS1_2", "OK", "offered  with \n columns"),
        ("HTTP_status_code", "INFO", "200 OK"),
        ("cert_keySize <cert#1>", "INFO", "RSA 2048 bits"),
        ("cert_chain_of_trust <cert#1>", "CRITICAL", "failed"),
    )
    assert found == {
        "scanner": "testssl.sh 3.0.8",
        "findings": {
            "OK": {"TLS1_2": "offered with columns"},
            "CRITICAL": {"cert_chain_of_trust <cert#1>": "failed"},
        },
    }


def test_a_weakness_is_what_is_not_about_the_certificate() -> None:
    found = by_testssl(("LUCKY13", "LOW", "four suites"), ("cert_trust", "HIGH", "none"))
    assert scan.weaknesses(by_sslyze(SERVER), found) == [
        "sslyze: ciphers: Cipher suites {'B'} are supported, but should be rejected.",
        "testssl.sh: LOW: LUCKY13: four suites",
    ]


def test_the_kept_scans_have_no_weakness() -> None:
    kept = [json.loads((DATA / f"scan_{name}.json").read_text()) for name in ("sslyze", "testssl")]
    assert scan.weaknesses(*kept) == []


def test_a_scan_that_did_not_end_is_an_error() -> None:
    with pytest.raises(UserError, match="sslyze did not scan the server: ERROR"):
        by_sslyze({"connectivity_status": "ERROR", "scan_result": None})
    with pytest.raises(UserError, match="sslyze did not scan"):
        by_sslyze(SERVER, "")
    with pytest.raises(UserError, match=r"testssl\.sh did not scan the server to the end"):
        scan.of_testssl([], "testssl 3.0.8 from")


def test_what_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match=r"^scan: testssl\.sh not found; install testssl\.sh$"):
        scan.scan([], Project.from_environment())
    with pytest.raises(UserError, match="takes no arguments, not 3.5"):
        scan.scan(["3.5"], Project.from_environment())
