"""A context with default settings offers what sslyze and testssl.sh saw of a server with them.

`nox -s scan` wrote the data: data/scan_sslyze.json and data/scan_testssl.json.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from M2Crypto import SSL

DATA = Path(__file__).parent / "data"
SSLYZE, TESTSSL = (
    json.loads((DATA / f"scan_{name}.json").read_text()) for name in ("sslyze", "testssl")
)
FINDINGS = {name: text for found in TESTSSL["findings"].values() for name, text in found.items()}
# testssl.sh's names of the protocol versions that OpenSSL may have.
VERSIONS = {"TLSv1.0": "TLS1", "TLSv1.1": "TLS1_1", "TLSv1.2": "TLS1_2", "TLSv1.3": "TLS1_3"}


@pytest.fixture
def weak(contexts):
    """Return a client context that offers all that OpenSSL has, and a server's with defaults."""
    client = SSL.Context(weak_crypto=1)
    client.set_verify(SSL.verify_none, 1)
    return client, contexts[1]


def test_the_scanners_found_no_weakness():
    worse = {
        name
        for severity, found in TESTSSL["findings"].items()
        if severity not in ("OK", "INFO")
        for name in found
    }
    # The tests' certificates: of a CA that nobody trusts, valid for 100 years, without revocation.
    about = ("cert_chain_of_trust", "cert_validityPeriod", "cert_revocation")
    assert worse == {f"{name} <cert#{number}>" for name in about for number in (1, 2)}
    assert FINDINGS["LUCKY13"] == "not vulnerable"
    for name in ("cipherlist_NULL", "cipherlist_aNULL", "cipherlist_EXPORT", "cipherlist_AVERAGE"):
        assert FINDINGS[name] == "not offered"


def test_the_defaults_comply_with_mozilla_s_intermediate_configuration():
    assert SSLYZE["mozilla"]["configuration"] == "intermediate"
    assert set(SSLYZE["mozilla"]["deviations"]) == {
        "certificate_path_validation",
        "maximum_certificate_lifespan",
    }


def test_sslyze_s_attacks_failed():
    attacks = SSLYZE["attacks"]
    assert not attacks["tls_compression"]["supports_compression"]
    assert not attacks["openssl_ccs_injection"]["is_vulnerable_to_ccs_injection"]
    assert not attacks["heartbleed"]["is_vulnerable_to_heartbleed"]
    assert attacks["robot"]["robot_result"] == "NOT_VULNERABLE_RSA_NOT_SUPPORTED"
    assert attacks["session_renegotiation"]["supports_secure_renegotiation"]
    assert not attacks["session_renegotiation"]["is_vulnerable_to_client_renegotiation_dos"]
    assert attacks["tls_fallback_scsv"]["supports_fallback_scsv"]
    assert attacks["tls_extended_master_secret"]["supports_ems_extension"]


@pytest.mark.needs_ec
@pytest.mark.needs("DH")
def test_the_suites_are_those_that_the_scanners_saw():
    offered = {}
    for cipher in SSL.Context().get_ciphers():
        offered.setdefault(cipher.version(), []).append(cipher.name())
    seen = {version: names for version, names in SSLYZE["suites"].items() if names}
    assert {version: sorted(names) for version, names in offered.items()} == seen
    # The server's order is in effect.
    for version, name in {"TLSv1.2": "TLSv1_2", "TLSv1.3": "TLSv1_3"}.items():
        assert FINDINGS[f"cipherorder_{name}"].split() == offered[version]
    assert FINDINGS["cipher_order"] == "server"


@pytest.mark.needs_tls13
@pytest.mark.parametrize("version", VERSIONS)
def test_the_versions_are_those_that_the_scanners_saw(weak, pair, shake, version):
    client, server = weak
    client.set_min_proto_version(version.replace(".0", ""))
    client.set_max_proto_version(version.replace(".0", ""))
    scanned = bool(SSLYZE["suites"][version])
    assert FINDINGS[VERSIONS[version]].startswith("offered" if scanned else "not offered")
    if scanned:
        assert shake(*pair(client, server))[0].get_version() == version
    else:
        with pytest.raises(SSL.SSLError):
            shake(*pair(client, server))


@pytest.mark.openssl("== 3.5")
@pytest.mark.needs_ec
@pytest.mark.parametrize(
    ("curve", "scanned"),
    [(name, state) for state, names in SSLYZE["curves"].items() for name in names],
)
def test_the_curves_are_those_that_the_scanners_saw(weak, pair, shake, curve, scanned):
    client, server = weak
    # Without a curve in common the two would use finite fields.
    client.set_cipher_list("ECDHE+AESGCM:@SECLEVEL=0")
    try:
        client.set_groups(curve)
    except SSL.SSLError:
        # No client of this OpenSSL has it, and neither has a server.
        assert scanned == "rejected"
        return
    if scanned == "accepted":
        assert shake(*pair(client, server))[0].get_group().lower() == curve.lower()
    else:
        with pytest.raises(SSL.SSLError):
            shake(*pair(client, server))


@pytest.mark.openssl("== 3.5")
@pytest.mark.needs_ec
@pytest.mark.needs("DH")
@pytest.mark.parametrize("bits", [2048, 3072, 4096, 6144, 8192])
def test_the_finite_fields_are_those_that_testssl_saw(weak, pair, shake, bits):
    client, server = weak
    group = f"ffdhe{bits}"
    client.set_groups(group)
    client.set_min_proto_version("TLSv1.3")
    if group in FINDINGS["DH_groups"].split():
        assert shake(*pair(client, server))[0].get_group() == group
    else:
        with pytest.raises(SSL.SSLError):
            shake(*pair(client, server))
