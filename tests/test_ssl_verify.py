"""Peers are verified in the handshake; callbacks can change the result."""

from __future__ import annotations

import pytest

from M2Crypto import SSL, X509, m2
from M2Crypto.SSL import cb


@pytest.fixture
def client_context(certificates):
    context = SSL.Context()
    context.load_verify_locations(certificates("ca.pem"))
    return context


@pytest.fixture
def server_of(certificates):
    def make(certificate):
        context = SSL.Context()
        context.load_cert_chain(certificates(certificate))
        return context

    return make


# ---- callbacks of both styles --------------------------------------------------------------------


def test_a_verify_callback_receives_the_chain_from_the_root_down(pair, shake, contexts):
    seen = []

    def callback(ok, store):
        assert isinstance(store, X509.X509_Store_Context)
        seen.append((ok, store.get_error_depth(), store.get_current_cert().get_subject().CN))
        return ok

    contexts[0].set_verify(SSL.verify_peer, 9, callback)
    shake(*pair(*contexts))
    assert list(dict.fromkeys(seen)) == [(1, 1, "Test CA"), (1, 0, "localhost")]


def test_a_verify_callback_with_five_parameters_receives_handles(pair, shake, contexts):
    seen = []

    def callback(ssl_ctx_ptr, x509_ptr, errnum, errdepth, ok):
        seen.append((ssl_ctx_ptr, X509.X509(x509_ptr).get_subject().CN, errnum, errdepth, ok))
        return ok

    contexts[0].set_verify(SSL.verify_peer, 9, callback)
    shake(*pair(*contexts))
    assert seen[-1] == (contexts[0].ctx, "localhost", m2.X509_V_OK, 0, 1)


def test_a_verify_callback_can_accept_an_error(pair, shake, client_context, server_of):
    client_context.set_verify(SSL.verify_peer, 9, lambda ok, store: True)
    client, _ = shake(*pair(client_context, server_of("self_signed.pem")))
    # The error is still reported.
    assert client.get_verify_result() == m2.X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT
    assert not client.verify_ok()


def test_a_verify_callback_can_refuse_a_valid_chain(pair, shake, contexts):
    contexts[0].set_verify(SSL.verify_peer, 9, lambda ok, store: False)
    with pytest.raises(SSL.SSLError, match="certificate verify failed"):
        shake(*pair(*contexts))


@pytest.mark.parametrize("style", [2, 5])
def test_an_exception_of_a_verify_callback_propagates(pair, shake, contexts, style):
    def raises(*arguments):
        raise LookupError("the list of friends is lost")

    def new(ok, store):
        raises()

    def old(ssl_ctx_ptr, x509_ptr, errnum, errdepth, ok):
        raises()

    contexts[0].set_verify(SSL.verify_peer, 9, new if style == 2 else old)
    with pytest.raises(LookupError, match="the list of friends is lost"):
        shake(*pair(*contexts))
    assert m2.err_peek_error() == 0


def test_an_exception_of_a_verify_callback_propagates_from_a_handshake_with_a_timeout(
    stdlib_server, contexts
):
    def callback(ok, store):
        raise KeyboardInterrupt

    contexts[0].set_verify(SSL.verify_peer, 9, callback)
    server = stdlib_server()
    with SSL.Connection(contexts[0]) as client, pytest.raises(KeyboardInterrupt):
        client.settimeout(20)
        client.connect(("127.0.0.1", server.port))


def test_each_context_calls_its_own_verify_callback(pair, shake, contexts, certificates):
    called = []
    others = SSL.Context()
    others.load_verify_locations(certificates("ca.pem"))
    contexts[0].set_verify(SSL.verify_peer, 9, lambda ok, store: called.append("one") or ok)
    others.set_verify(SSL.verify_peer, 9, lambda ok, store: called.append("two") or ok)
    first, second = pair(*contexts), pair(others, contexts[1])
    shake(*first)
    assert set(called) == {"one"}
    called.clear()
    shake(*second)
    assert set(called) == {"two"}


def test_the_store_context_is_refused_after_the_callback_returned(pair, shake, contexts):
    kept = []
    contexts[0].set_verify(SSL.verify_peer, 9, lambda ok, store: kept.append(store) or ok)
    shake(*pair(*contexts))
    with pytest.raises(ValueError, match="freed already"):
        kept[0].get_error()


def test_a_verify_callback_can_be_removed(pair, shake, contexts):
    called = []
    contexts[0].set_verify(SSL.verify_peer, 9, lambda ok, store: called.append(ok) or ok)
    contexts[0].set_verify(SSL.verify_peer, 9)
    shake(*pair(*contexts))
    assert called == []


def test_a_verify_callback_accepts_two_or_five_arguments():
    context = SSL.Context()
    with pytest.raises(TypeError, match=r"takes \(ok, store\)"):
        context.set_verify(SSL.verify_peer, 9, lambda one: one)
    # A callback that accepts any number receives two.
    context.set_verify(SSL.verify_peer, 9, lambda *arguments: arguments[0])


def test_the_verify_depth_limits_the_chain(pair, shake, client_context, server_of):
    client_context.set_verify(SSL.verify_peer, 0)
    with pytest.raises(SSL.SSLError, match="certificate verify failed"):
        shake(*pair(client_context, server_of("chain.pem")))
    client_context.set_verify(SSL.verify_peer, 1)
    client, _ = shake(*pair(client_context, server_of("chain.pem")))
    assert client.verify_ok()


# ---- revocation --------------------------------------------------------------------------------

X509_V_FLAG_EXTENDED_CRL_SUPPORT = 0x1000


@pytest.fixture
def impostor_pair(pair, client_context, server_of, certificates):
    """Make a pair whose server sends an untrusted CA with the name of the CRL's issuer.

    OpenSSL verifies that CA, as the issuer of the CRL, in a store context of its own.
    """

    def make(callback):
        store = client_context.get_cert_store()
        store.add_crl(X509.load_crl(certificates("impostor.crl")))
        store.set_flags(SSL.verify_crl_check_leaf | X509_V_FLAG_EXTENDED_CRL_SUPPORT)
        client_context.set_verify(SSL.verify_peer, 9, callback)
        return pair(client_context, server_of("impostor.pem"))

    return make


def is_impostor(store):
    return store.get_error() == m2.X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT


def test_the_verify_callback_is_called_for_the_issuer_of_a_crl(shake, impostor_pair):
    seen = []

    def callback(ok, store):
        seen.append((ok, store.get_error(), store.get_current_cert().get_subject().CN))
        return ok

    with pytest.raises(SSL.SSLError, match="CRL path validation error"):
        shake(*impostor_pair(callback))
    assert (0, m2.X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, "Test CA") in seen


def test_the_verify_callback_can_accept_the_issuer_of_a_crl(shake, impostor_pair):
    client, _ = shake(*impostor_pair(lambda ok, store: True))
    assert not client.verify_ok()


def test_a_verify_callback_that_refuses_the_issuer_of_a_crl_fails_the_handshake(
    shake, impostor_pair
):
    refused = []

    def callback(ok, store):
        if is_impostor(store):
            refused.append(store.get_error())
            return False
        return ok

    with pytest.raises(SSL.SSLError, match="certificate verify failed"):
        shake(*impostor_pair(callback))
    assert refused


def test_an_exception_for_the_issuer_of_a_crl_propagates(shake, impostor_pair):
    def callback(ok, store):
        if is_impostor(store):
            raise LookupError("the issuer is not in the list")
        return True

    with pytest.raises(LookupError, match="the issuer is not in the list"):
        shake(*impostor_pair(callback))
    assert m2.err_peek_error() == 0


# ---- predefined callbacks ------------------------------------------------------------------------


def test_an_unknown_ca_is_accepted_if_the_context_allows_it(pair, shake, client_context, server_of):
    client_context.set_verify(SSL.verify_peer, 9, cb.ssl_verify_callback)
    assert not client_context.get_allow_unknown_ca()
    with pytest.raises(SSL.SSLError, match="certificate verify failed"):
        shake(*pair(client_context, server_of("self_signed.pem")))
    client_context.set_allow_unknown_ca(1)
    shake(*pair(client_context, server_of("self_signed.pem")))
    # Only unknown CAs are accepted.
    with pytest.raises(SSL.SSLError, match="certificate has expired"):
        shake(*pair(client_context, server_of("expired.pem")))


def test_an_unknown_ca_is_accepted_by_ssl_verify_callback_allow_unknown_ca(
    pair, shake, client_context, server_of
):
    client_context.set_verify(SSL.verify_peer, 9, cb.ssl_verify_callback_allow_unknown_ca)
    shake(*pair(client_context, server_of("self_signed.pem")))
    with pytest.raises(SSL.SSLError, match="certificate has expired"):
        shake(*pair(client_context, server_of("expired.pem")))


def test_the_default_verify_callback_keeps_the_result_of_openssl(
    pair, shake, client_context, server_of
):
    client_context.set_verify(SSL.verify_peer, 9, cb.ssl_verify_callback_stub)
    shake(*pair(client_context, server_of("server.pem")))
    with pytest.raises(SSL.SSLError, match="certificate verify failed"):
        shake(*pair(client_context, server_of("self_signed.pem")))


# ---- post-connection checks ----------------------------------------------------------------------


def test_a_custom_post_connection_check_is_called_after_the_handshake(pair, shake, contexts):
    calls = []
    client, server = pair(*contexts)

    def check(certificate, host):
        calls.append((certificate.get_subject().CN, host))
        return True

    client.set_post_connection_check_callback(check)
    client.set1_host("localhost")
    shake(client, server)
    client.connect_ssl()
    assert calls == [("localhost", "localhost")]


def test_a_failed_post_connection_check_closes_the_connection(pair, shake, contexts):
    client, server = pair(*contexts)
    client.set_post_connection_check_callback(lambda certificate, host: False)
    with pytest.raises(SSL.Checker.SSLVerificationError, match="post connection check failed"):
        shake(client, server)
    assert client.closed


def test_a_connection_class_can_disable_the_post_connection_check(stdlib_server, contexts):
    class Trusting(SSL.Connection):
        clientPostConnectionCheck = None  # noqa: N815

    server = stdlib_server("other_host.pem")
    with Trusting(contexts[0]) as client:
        client.settimeout(20)
        assert client.connect(("localhost", server.port)) == 1


# ---- callbacks -----------------------------------------------------------------------------------


def test_an_info_callback_receives_the_states_of_a_handshake(pair, shake, contexts):
    seen = []

    def callback(where, ret, ssl_ptr):
        seen.append((where, m2.ssl_get_state_v(ssl_ptr)))

    contexts[0].set_info_callback(callback)
    shake(*pair(*contexts))
    steps = [where for where, _ in seen]
    assert m2.SSL_CB_HANDSHAKE_START in steps
    assert m2.SSL_CB_HANDSHAKE_DONE in steps
    assert all(isinstance(state, str) for _, state in seen)
    seen.clear()
    contexts[0].set_info_callback(None)
    shake(*pair(*contexts))
    assert seen == []


def test_an_exception_of_an_info_callback_propagates(pair, contexts):
    def callback(where, ret, ssl_ptr):
        raise LookupError("the log is full")

    contexts[0].set_info_callback(callback)
    client, _ = pair(*contexts)
    with pytest.raises(LookupError, match="the log is full"):
        client.connect_ssl()


def test_the_default_info_callback_prints_the_states(
    pair, shake, client_context, server_of, capsys
):
    client_context.set_info_callback()
    with pytest.raises(SSL.SSLError):
        shake(*pair(client_context, server_of("self_signed.pem")))
    lines = capsys.readouterr().err.splitlines()
    assert any(line.startswith("LOOP: SSL connect: ") for line in lines)
    assert "ALERT: write: fatal: unknown CA" in lines


def test_a_verify_callback_can_look_up_its_connection(pair, shake, contexts):
    found = []

    def verify(ok, store):
        handle = store.ctx
        index = m2.ssl_get_ex_data_x509_store_ctx_idx()
        connection = m2.x509_store_ctx_get_ex_data(handle, index)
        found.append((m2.ssl_is_server(connection), m2.ssl_get_ssl_ctx(connection) is not None))
        found.append(m2.x509_store_ctx_get_ex_data(handle, index + 1))
        return ok

    contexts[0].set_verify(SSL.verify_peer, 9, verify)
    shake(*pair(*contexts))
    assert found[:2] == [(0, True), None]
    assert m2.x509_store_ctx_get_ex_data(m2.x509_store_ctx_new(), 0) is None
