"""The ClientHello is encrypted with its server name (RFC 9849)."""

from __future__ import annotations

import base64
import socket

import pytest

from M2Crypto import BIO, EVP, SSL, m2

HAS_ECH = m2.OPENSSL_VERSION_NUMBER >= 0x40000000 and not m2.OPENSSL_NO_ECH and not m2.OPENSSL_NO_EC


@pytest.fixture
def ech_keys():
    return SSL.Context.new_ech_keys("public.example.org")


@pytest.mark.headers(">= 4.0")
@pytest.mark.needs_ec
@pytest.mark.needs("ECH")
def test_the_server_decrypts_the_server_name(pair, shake, contexts, ech_keys):
    assert b"-----BEGIN ECHCONFIG-----" in ech_keys
    assert contexts[1].set_ech_keys(ech_keys) == 1
    client, server = pair(*contexts)
    client.set_tlsext_host_name("localhost")
    client.set_ech_config(ech_keys)
    shake(client, server)
    assert client.ech_accepted()
    assert server.ech_accepted()
    assert server.get_server_name() == "localhost"
    assert client.verify_ok()
    assert client.get_ech_retry_config() is None


@pytest.mark.headers(">= 4.0")
@pytest.mark.needs_ec
@pytest.mark.needs("ECH")
def test_the_name_is_not_in_the_client_hello(contexts, ech_keys):
    for config, visible in ((None, b"secret.example.org"), (ech_keys, b"public.example.org")):
        output = BIO.MemoryBuffer()
        with SSL.Connection(contexts[0]) as client:
            client.set_bio(BIO.MemoryBuffer(), output)
            client.set_tlsext_host_name("secret.example.org")
            if config is not None:
                client.set_ech_config(config)
            assert client.connect_ssl() == -1
        hello = output.read_all()
        assert visible in hello
        assert (b"secret" in hello) == (config is None)


@pytest.mark.headers(">= 4.0")
@pytest.mark.needs_ec
@pytest.mark.needs("ECH")
def test_a_server_with_another_key_is_refused_and_sends_its_configuration(
    pair, shake, contexts, ech_keys
):
    contexts[1].set_ech_keys(SSL.Context.new_ech_keys("localhost"))
    client, server = pair(*contexts)
    client.set_tlsext_host_name("localhost")
    client.set_ech_config(ech_keys)
    with pytest.raises(SSL.SSLError) as caught:
        shake(client, server)
    assert caught.value.step in ("handshake", "certificate verification")
    assert not client.ech_accepted()
    assert not server.ech_accepted()


@pytest.mark.headers(">= 4.0")
@pytest.mark.needs_ec
@pytest.mark.needs("ECH")
def test_the_configuration_that_a_server_sends_can_be_used(pair, shake, contexts, certificates):
    # The certificate must be that of the public name, or the configuration is not trusted.
    old, new = (SSL.Context.new_ech_keys("localhost") for _ in range(2))
    contexts[1].set_ech_keys(new)
    client, server = pair(*contexts)
    client.set_tlsext_host_name("localhost")
    client.set_ech_config(old)
    with pytest.raises(SSL.SSLError):
        shake(client, server)
    config = client.get_ech_retry_config()
    assert config
    client, server = pair(*contexts)
    client.set_tlsext_host_name("localhost")
    client.set_ech_config(config)
    shake(client, server)
    assert client.ech_accepted()


@pytest.mark.headers(">= 4.0")
@pytest.mark.needs_ec
@pytest.mark.needs("ECH")
@pytest.mark.parametrize("config", [b"", b"\0", b"no configuration", bytes(100)])
def test_an_invalid_configuration_is_refused(pair, contexts, config):
    client, _ = pair(*contexts)
    with pytest.raises(SSL.SSLError):
        client.set_ech_config(config)
    with pytest.raises(SSL.SSLError):
        contexts[1].set_ech_keys(config)
    assert m2.err_peek_error() == 0


@pytest.mark.headers(">= 4.0")
@pytest.mark.needs_ec
@pytest.mark.needs("ECH")
@pytest.mark.parametrize("name", ["-.x", "a b", "a..b", "192.0.2.1", "x" * 64 + ".example"])
def test_a_public_name_that_is_not_a_dns_name_is_refused(name):
    with pytest.raises(SSL.SSLError, match="not a DNS name"):
        SSL.Context.new_ech_keys(name)
    assert m2.err_peek_error() == 0


@pytest.mark.headers(">= 4.0")
@pytest.mark.needs_ec
@pytest.mark.needs("ECH")
def test_a_forged_configuration_reveals_no_name_and_verifies_the_server(pair, contexts):
    """Each octet of a configuration is changed; what OpenSSL accepts is no weaker handshake."""
    keys = SSL.Context.new_ech_keys("public.example")
    text = keys.partition(b"-----BEGIN ECHCONFIG-----")[2].partition(b"-----END")[0]
    genuine = base64.b64decode(text)
    contexts[1].set_ech_keys(keys)
    accepted = 0
    for position in range(len(genuine)):
        forged = bytearray(genuine)
        forged[position] ^= 0x01
        client, server = pair(*contexts)
        try:
            client.set_ech_config(bytes(forged))
        except SSL.SSLError:
            continue
        accepted += 1
        client.set_tlsext_host_name("localhost")
        client.set1_host("localhost")
        with pytest.raises(SSL.SSLError):
            client.connect_ssl()
            assert b"localhost" not in server.socket.recv(1 << 16, socket.MSG_PEEK)
            for _ in range(5):
                server.accept_ssl()
                client.connect_ssl()
        assert not client.ech_accepted()
    assert accepted > 0
    assert m2.err_peek_error() == 0


@pytest.mark.headers(">= 4.0")
@pytest.mark.needs_ec
@pytest.mark.needs("ECH")
def test_an_encrypted_key_is_refused_without_a_prompt(contexts, ech_keys):
    end = b"-----END PRIVATE KEY-----\n"
    key, configuration = ech_keys.split(end)
    encrypted = EVP.load_key_string(key + end).as_pem("aes_128_cbc", lambda *_: b"for tests")
    with pytest.raises(SSL.SSLError, match="the private key is encrypted"):
        contexts[1].set_ech_keys(encrypted + configuration)


def test_without_ech_connections_are_not_encrypted_so(connected):
    client, server = connected
    assert not client.ech_accepted()
    assert not server.ech_accepted()
    assert client.get_ech_retry_config() is None


@pytest.mark.skipif(HAS_ECH, reason="needs OpenSSL without ECH")
def test_what_is_missing_is_named(pair, contexts):
    client, _ = pair(*contexts)
    for call in (
        lambda: SSL.Context.new_ech_keys("localhost"),
        lambda: contexts[1].set_ech_keys(b""),
        lambda: client.set_ech_config(b""),
    ):
        with pytest.raises(SSL.SSLError, match="Encrypted Client Hello needs OpenSSL 4.0"):
            call()
