"""Raw public keys identify peers without certificates (RFC 7250)."""

from __future__ import annotations

import gc

import pytest

from M2Crypto import EVP, RSA, SSL, m2


@pytest.fixture(scope="module")
def keys():
    """Return three private keys, made for these tests."""
    made = [EVP.PKey() for _ in range(3)]
    for key in made:
        key.assign_rsa(RSA.gen_key(2048, 65537, lambda *_: None))
    return made


VERSIONS = [
    m2.TLS1_2_VERSION,
    pytest.param(m2.TLS1_3_VERSION, marks=pytest.mark.needs_tls13),
]


@pytest.mark.headers(">= 3.2")
@pytest.mark.parametrize("version", VERSIONS)
def test_a_client_verifies_the_key_of_the_server(pair, shake, keys, version):
    client, server = SSL.Context(), SSL.Context()
    for context in (client, server):
        context.set_max_proto_version(version)
    server.set_raw_public_keys(keys[0])
    client.set_raw_public_keys(expected=[keys[1], EVP.load_key_der_pubkey(keys[0].as_der())])
    ends = shake(*pair(client, server))
    found = ends[0].get_peer_raw_public_key()
    assert isinstance(found, EVP.PKey)
    assert found.as_der() == keys[0].as_der()
    assert ends[0].get_peer_cert() is None
    assert ends[0].verify_ok()
    assert ends[1].get_peer_raw_public_key() is None
    assert ends[0].write(b"hello") == 5
    assert ends[1].read() == b"hello"


@pytest.mark.headers(">= 3.2")
@pytest.mark.parametrize("version", VERSIONS)
def test_both_sides_can_have_raw_public_keys(pair, shake, keys, version):
    client, server = SSL.Context(), SSL.Context()
    for context in (client, server):
        context.set_max_proto_version(version)
    server.set_raw_public_keys(keys[0], [keys[1]])
    client.set_raw_public_keys(keys[1], [keys[0]])
    ends = shake(*pair(client, server))
    assert ends[1].get_peer_raw_public_key().as_der() == keys[1].as_der()


@pytest.mark.headers(">= 3.2")
def test_expected_keys_do_not_depend_on_a_context_that_was_replaced(keys):
    # OpenSSL keeps a pointer into the context, but no reference.
    contexts = [SSL.Context() for _ in range(2)]
    for context in contexts:
        m2.ssl_ctx_enable_rpk(context.ctx)
    connection = m2.ssl_new(contexts[0].ctx)
    m2.ssl_set_ssl_ctx(connection, contexts[1].ctx)
    m2.ssl_expect_rpk(connection)
    m2.ssl_set_ssl_ctx(connection, contexts[0].ctx)
    del context, contexts
    gc.collect()
    for key in keys:
        assert m2.ssl_add_expected_rpk(connection, key.pkey) == 1
    with pytest.raises(SSL.SSLError, match="dane already enabled"):
        m2.ssl_expect_rpk(connection)


@pytest.mark.headers(">= 3.2")
@pytest.mark.parametrize("mode", [SSL.verify_peer, SSL.verify_none])
def test_another_key_is_refused_whatever_the_verification_mode(pair, shake, keys, mode):
    client, server = SSL.Context(), SSL.Context()
    server.set_raw_public_keys(keys[0])
    client.set_raw_public_keys(expected=[keys[1]])
    client.set_verify(mode, 9)
    error = SSL.SSLError if mode == SSL.verify_peer else SSL.Checker.WrongCertificate
    with pytest.raises(error) as caught:
        shake(*pair(client, server))
    assert caught.value.step == "certificate verification"
    assert caught.value.verify_code != m2.X509_V_OK
    assert m2.err_peek_error() == 0


@pytest.mark.headers(">= 3.2")
def test_a_server_refuses_a_client_without_an_expected_key(pair, shake, keys):
    client, server = SSL.Context(), SSL.Context()
    server.set_raw_public_keys(keys[0], [keys[1]])
    client.set_raw_public_keys(keys[2], [keys[0]])
    with pytest.raises(SSL.SSLError):
        shake(*pair(client, server))
    client.set_raw_public_keys(expected=[keys[0]])
    with pytest.raises(SSL.SSLError):
        shake(*pair(SSL.Context(), server))


@pytest.mark.headers(">= 3.2")
def test_a_certificate_must_have_an_expected_key(pair, shake, contexts, certificates, keys):
    # A server without raw public keys sends its certificate.
    client = SSL.Context()
    client.set_raw_public_keys(expected=[keys[0]])
    with pytest.raises(SSL.SSLError):
        shake(*pair(client, contexts[1]))
    client = SSL.Context()
    client.set_raw_public_keys(expected=[EVP.load_key(certificates("server.pem"))])
    ends = shake(*pair(client, contexts[1]))
    assert ends[0].get_peer_cert() is not None


@pytest.mark.headers(">= 3.2")
def test_no_host_name_is_compared_with_a_key(shake, pair, keys):
    client, server = SSL.Context(), SSL.Context()
    server.set_raw_public_keys(keys[0])
    client.set_raw_public_keys(expected=[keys[0]])
    ends = pair(client, server)
    # The default check of clients, which wants a certificate.
    ends[0]._has_own_check = False
    ends[0].set_tlsext_host_name("example.org")
    shake(*ends)


def test_a_pin_by_key_is_required(keys):
    with pytest.raises(ValueError, match="need a key"):
        SSL.Context().set_raw_public_keys()
    with pytest.raises(TypeError):
        SSL.Context().set_raw_public_keys(expected=[b"key"])


@pytest.mark.headers("< 3.2")
def test_older_versions_have_no_raw_public_keys(pair, contexts, keys):
    with pytest.raises(SSL.SSLError, match="raw public keys need OpenSSL 3.2"):
        contexts[0].set_raw_public_keys(keys[0])
    client, _ = pair(*contexts)
    assert client.get_peer_raw_public_key() is None
    for call in (
        lambda: m2.ssl_use_rpk(client.ssl, 1, 1),
        lambda: m2.ssl_expect_rpk(client.ssl),
        lambda: m2.ssl_add_expected_rpk(client.ssl, keys[0].pkey),
    ):
        with pytest.raises(SSL.SSLError, match="need OpenSSL 3.2"):
            call()


def test_whether_there_are_raw_public_keys_can_be_queried():
    assert m2.ssl_has_rpk() == (m2.OPENSSL_VERSION_NUMBER >= 0x30200000)
