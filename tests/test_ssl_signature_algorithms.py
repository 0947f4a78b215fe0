"""Contexts select the signature algorithms of handshakes (RFC 8446, section 4.2.3)."""

from __future__ import annotations

import pytest

from M2Crypto import SSL, m2


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
