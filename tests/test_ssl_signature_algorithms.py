"""Contexts select the signature algorithms of handshakes (RFC 8446, section 4.2.3)."""

from __future__ import annotations

import ssl

import pytest

from M2Crypto import SSL, m2
from M2Crypto.SSL.stdlib import SSLContext

NAMES = pytest.mark.headers(">= 3.5")


@pytest.mark.parametrize(
    "version", [m2.TLS1_2_VERSION, pytest.param(m2.TLS1_3_VERSION, marks=pytest.mark.needs_tls13)]
)
@pytest.mark.parametrize("size", ["256", "384", "512"])
@pytest.mark.parametrize("side", [0, 1])
def test_either_side_selects_the_digest_of_the_signature(
    pair, shake, contexts, version, size, side
):
    for context in contexts:
        context.set_max_proto_version(version)
    algorithm = f"rsa_pss_rsae_sha{size}"
    assert contexts[side].set_signature_algorithms(algorithm) == 1
    client, server = shake(*pair(*contexts))
    assert client.get_peer_signature_digest() == f"SHA{size}"
    # The client has no certificate.
    assert server.get_peer_signature_digest() is None


def test_a_handshake_without_a_common_signature_algorithm_fails(pair, shake, contexts):
    contexts[0].set_signature_algorithms("rsa_pss_rsae_sha256")
    contexts[1].set_signature_algorithms("rsa_pss_rsae_sha512")
    with pytest.raises(SSL.SSLError, match="no suitable signature algorithm|no shared signature"):
        shake(*pair(*contexts))


@pytest.mark.parametrize("algorithms", ["none-such", "", "rsa_pss_rsae_sha256:none-such+SHA256"])
def test_an_unknown_signature_algorithm_is_refused(algorithms):
    with pytest.raises(SSL.SSLError):
        SSL.Context().set_signature_algorithms(algorithms)
    assert m2.err_peek_error() == 0


@NAMES
@pytest.mark.parametrize(
    "version", [m2.TLS1_2_VERSION, pytest.param(m2.TLS1_3_VERSION, marks=pytest.mark.needs_tls13)]
)
def test_the_algorithms_of_the_signatures_are_named(pair, shake, contexts, certificates, version):
    for context in contexts:
        context.set_max_proto_version(version)
        context.set_signature_algorithms("rsa_pss_rsae_sha384")
    contexts[1].load_verify_locations(certificates("ca.pem"))
    contexts[1].set_verify(SSL.verify_peer | SSL.verify_fail_if_no_peer_cert, 9)
    contexts[0].load_cert(certificates("client.pem"))
    client, server = pair(*contexts)
    assert client.get_signature_name() is None
    shake(client, server)
    for connection in (client, server):
        assert connection.get_signature_name() == "rsa_pss_rsae_sha384"
        assert connection.get_peer_signature_name() == "rsa_pss_rsae_sha384"


@NAMES
def test_the_groups_of_the_protocol_versions_are_listed(contexts):
    context, _ = contexts
    groups = context.get_groups()
    assert "ffdhe2048" in groups
    assert set(groups) < set(context.get_groups(include_aliases=True)) or m2.OPENSSL_NO_EC
    context.set_max_proto_version(m2.TLS1_2_VERSION)
    assert "X25519MLKEM768" not in context.get_groups()
    assert SSLContext(ssl.PROTOCOL_TLS_CLIENT).get_groups() == groups


@pytest.mark.headers("< 3.5")
def test_an_older_openssl_names_neither_groups_nor_signatures(connected, contexts):
    with pytest.raises(SSL.SSLError, match="before 3.5"):
        contexts[0].get_groups()
    with pytest.raises(NotImplementedError, match="3.5"):
        SSLContext(ssl.PROTOCOL_TLS_CLIENT).get_groups()
    assert connected[0].get_peer_signature_name() is None
