"""What connections negotiate and export, and what contexts select."""

from __future__ import annotations

import pytest

from M2Crypto import SSL, X509, m2


@pytest.fixture
def ends(contexts, pair, shake):
    """Return a client that names localhost and its server, after the handshake."""
    client, server = pair(*contexts)
    client.set_tlsext_host_name("localhost")
    assert client.get_channel_binding("tls-exporter") is None
    assert client.get_verified_chain() is None
    return shake(client, server)


def test_both_ends_export_the_same_keying_material(ends):
    client, server = ends
    for context in (None, b"", b"context"):
        material = client.export_keying_material("EXPERIMENTAL label", 40, context)
        assert len(material) == 40
        assert server.export_keying_material("EXPERIMENTAL label", 40, context) == material
    assert client.export_keying_material("EXPERIMENTAL other", 40) != material
    for length in (0, -1, 65536):
        with pytest.raises(SSL.SSLError, match="1 to 65535"):
            client.export_keying_material("EXPERIMENTAL label", length)


def test_a_server_knows_the_name_that_the_client_asked_for(ends):
    client, server = ends
    assert client.get_server_name() == server.get_server_name() == "localhost"


def test_the_path_is_that_of_the_validation(ends, certificates):
    client, _ = ends
    path = client.get_verified_chain()
    assert [each.get_subject().CN for each in path] == ["localhost", "Test CA"]
    assert path[0].as_der() == X509.load_cert(certificates("server.pem")).as_der()


def test_a_connection_takes_the_certificate_of_another_context(contexts, pair, shake, certificates):
    other = SSL.Context()
    other.load_cert(certificates("other_host.pem"))
    client, server = pair(*contexts)
    server.set_context(other)
    shake(client, server)
    expected = X509.load_cert(certificates("other_host.pem")).as_der()
    assert client.get_peer_cert().as_der() == expected


def test_options_are_added_and_removed():
    context = SSL.Context()
    assert not context.get_options() & m2.SSL_OP_NO_TICKET
    assert context.set_options(m2.SSL_OP_NO_TICKET) & m2.SSL_OP_NO_TICKET
    assert not context.clear_options(m2.SSL_OP_NO_TICKET) & m2.SSL_OP_NO_TICKET


def test_ciphers_are_listed():
    names = [each.name() for each in SSL.Context().get_ciphers()]
    assert names
    # AEAD alone.
    assert all("GCM" in name or "CHACHA20" in name for name in names)


def test_a_server_name_callback_returns_a_context_none_or_an_alert(contexts, pair, shake):
    contexts[1].set_server_name_callback(lambda name, connection: "localhost")
    client, server = pair(*contexts)
    client.set_connect_state()
    client.connect_ssl()
    with pytest.raises(TypeError, match="returns a Context, None or (an )?int, not str"):
        server.accept_ssl()


@pytest.mark.parametrize("protocols", [[""], ["x" * 256], [b""]])
def test_an_application_protocol_has_1_to_255_bytes(protocols):
    with pytest.raises(ValueError, match="has not 1 to 255 bytes"):
        SSL.Context().set_alpn_protocols(protocols)


def test_a_key_log_that_cannot_be_opened_is_an_error(tmp_path):
    with pytest.raises(OSError, match="missing"):
        SSL.Context().set_key_log_file(tmp_path / "missing" / "keys")
