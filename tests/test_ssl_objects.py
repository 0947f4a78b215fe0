"""Certificates and keys from memory, modes, and the cache of sessions, by low-level functions."""

from __future__ import annotations

import pytest

from M2Crypto import EVP, SSL, X509, m2


def test_a_certificate_and_key_from_memory(contexts, certificates, pair, shake):
    server = SSL.Context()
    path = certificates("server.pem")
    assert m2.ssl_ctx_use_x509(server.ctx, X509.load_cert(path)._ptr()) == 1
    assert m2.ssl_ctx_use_pkey_privkey(server.ctx, EVP.load_key(path)._ptr()) == 1
    assert m2.ssl_ctx_check_private_key(server.ctx) == 1
    client, _ = shake(*pair(contexts[0], server))
    assert client.get_peer_cert().as_der() == X509.load_cert(path).as_der()


def test_a_key_of_another_certificate_is_refused(certificates):
    context = SSL.Context()
    m2.ssl_ctx_use_x509(context.ctx, X509.load_cert(certificates("server.pem"))._ptr())
    with pytest.raises(SSL.SSLError, match="key values mismatch"):
        m2.ssl_ctx_use_pkey_privkey(context.ctx, EVP.load_key(certificates("client.pem"))._ptr())
    for use in (m2.ssl_ctx_use_x509, m2.ssl_ctx_use_pkey_privkey):
        with pytest.raises(TypeError):
            use(context.ctx, None)


def test_the_cache_of_sessions_has_a_size(contexts, pair, shake):
    context = contexts[1].ctx
    before = m2.ssl_ctx_sess_get_cache_size(context)
    assert m2.ssl_ctx_sess_set_cache_size(context, 5) == before
    assert m2.ssl_ctx_sess_get_cache_size(context) == 5
    with pytest.raises(SSL.SSLError, match="the size of the session cache is negative"):
        m2.ssl_ctx_sess_set_cache_size(context, -1)
    assert m2.ssl_ctx_sess_number(context) == 0
    contexts[0].set_max_proto_version("tlsv1_2")
    shake(*pair(*contexts))
    contexts[1].set_options(m2.SSL_OP_NO_TICKET)
    shake(*pair(*contexts))
    assert m2.ssl_ctx_sess_number(context) == 1


def test_modes_are_added():
    context = SSL.Context()
    connection = m2.ssl_new(context.ctx)
    modes = m2.ssl_get_mode(connection)
    assert modes == m2.ssl_ctx_get_mode(context.ctx)
    assert modes & m2.SSL_MODE_AUTO_RETRY
    added = m2.ssl_set_mode(connection, m2.SSL_MODE_SEND_FALLBACK_SCSV)
    assert added == modes | m2.SSL_MODE_SEND_FALLBACK_SCSV == m2.ssl_get_mode(connection)


def test_error_codes_have_their_lower_case_names():
    names = ["none", "ssl", "syscall", "want_connect", "want_read", "want_write",
             "want_x509_lookup", "zero_return"]  # fmt: skip
    for name in names:
        assert getattr(m2, f"ssl_error_{name}") == getattr(m2, f"SSL_ERROR_{name.upper()}")
