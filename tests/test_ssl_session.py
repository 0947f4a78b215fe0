"""Sessions are resumed, saved and loaded, in TLS 1.2 and 1.3."""

from __future__ import annotations

import pytest

from M2Crypto import BIO, SSL, m2

VERSIONS = ["tlsv1_2", pytest.param("tlsv1_3", marks=pytest.mark.needs_tls13)]


@pytest.fixture
def agreed(pair, shake, contexts):
    """Return a session that a client received from a server."""
    client, server = shake(*pair(*contexts))
    # In TLS 1.3 the session ticket arrives with the first read.
    server.write(b"hello")
    assert client.read() == b"hello"
    assert not client.session_reused()
    session = client.get_session()
    client.close()
    server.close()
    return session


@pytest.mark.parametrize("version", VERSIONS)
def test_a_session_is_resumed(pair, shake, contexts, version, request):
    contexts[0].set_max_proto_version(version)
    session = request.getfixturevalue("agreed")
    client, server = pair(*contexts)
    assert client.set_session(session) == 1
    shake(client, server)
    assert client.session_reused()
    assert server.session_reused()
    # The certificate comes from the session and is checked against the host again.
    assert client.get_peer_cert().get_subject().CN == "localhost"
    assert client.verify_ok()


@pytest.mark.parametrize("version", VERSIONS)
def test_a_server_that_verifies_clients_resumes_their_sessions(
    pair, shake, contexts, certificates, version, request
):
    contexts[0].set_max_proto_version(version)
    contexts[0].load_cert(certificates("client.pem"))
    contexts[1].load_verify_locations(certificates("ca.pem"))
    session = request.getfixturevalue("agreed")
    client, server = pair(*contexts)
    client.set_session(session)
    shake(client, server)
    assert server.session_reused()
    assert server.get_peer_cert().get_subject().CN == "client"


def test_a_session_of_another_server_is_not_resumed(pair, shake, contexts, agreed, certificates):
    other = SSL.Context()
    other.load_cert(certificates("server.pem"))
    client, server = pair(contexts[0], other)
    client.set_session(agreed)
    shake(client, server)
    assert not client.session_reused()


def test_a_session_created_without_verification_is_refused_by_a_verifying_client(
    pair, shake, certificates
):
    lenient, strict, server_context = SSL.Context(), SSL.Context(), SSL.Context()
    strict.load_verify_locations(certificates("ca.pem"))
    server_context.load_cert(certificates("self_signed.pem"))
    client, server = shake(*pair(lenient, server_context))
    server.write(b"hello")
    client.read()
    session = client.get_session()
    client.close()
    client, server = pair(strict, server_context)
    client.set_session(session)
    with pytest.raises(SSL.SSLError, match="verify failed when the session was created"):
        shake(client, server)
    assert client.closed


def test_another_context_of_the_client_resumes_a_session(
    pair, shake, contexts, agreed, certificates
):
    # As a program does that loads a session which an earlier run has saved.
    later = SSL.Context()
    later.load_verify_locations(certificates("ca.pem"))
    client, server = pair(later, contexts[1])
    client.set_session(agreed)
    shake(client, server)
    assert client.session_reused()


def test_servers_with_the_same_session_id_context_share_sessions(pair, shake, contexts):
    client_context, server_context = contexts
    client_context.set_max_proto_version("TLSv1.2")
    server_context.set_options(m2.SSL_OP_NO_TICKET)
    server_context.set_session_id_ctx(b"shop")
    first = shake(*pair(client_context, server_context))
    session = first[0].get_session()
    for name, resumed in ((b"shop", True), (b"bank", False)):
        client, server = pair(client_context, server_context)
        server.set_session_id_ctx(name)
        client.set_session(session)
        shake(client, server)
        assert client.session_reused() is resumed


def test_a_session_id_context_has_at_most_32_bytes(contexts):
    assert contexts[1].set_session_id_ctx(b"shop") == 1
    with SSL.Connection(contexts[1]) as server:
        assert server.set_session_id_ctx(bytes(32)) == 1
        with pytest.raises(SSL.SSLError, match="at most 32 bytes"):
            server.set_session_id_ctx(bytes(33))
    with pytest.raises(SSL.SSLError, match="at most 32 bytes"):
        contexts[1].set_session_id_ctx(bytes(33))


def test_a_session_round_trips_through_a_file(agreed, tmp_path):
    buffer = BIO.MemoryBuffer()
    assert agreed.write_bio(buffer) == 1
    path = tmp_path / "session.pem"
    path.write_bytes(buffer.read())
    loaded = SSL.Session.load_session(str(path))
    assert loaded.as_der() == agreed.as_der()
    assert b"SSL-Session:" in loaded.as_text()
    path.write_text("nothing")
    with pytest.raises(SSL.SSLError, match="no start line"):
        SSL.Session.load_session(str(path))


def test_a_session_has_a_time_and_a_timeout(agreed):
    assert agreed.get_time() > 1_700_000_000
    assert agreed.set_time(1_600_000_000) == 1
    assert agreed.get_time() == 1_600_000_000
    assert agreed.set_timeout(60) == 1
    assert agreed.get_timeout() == 60


LONGEST = (2**63 - 1) // 10**9
SECONDS = {
    -1: "negative",
    -(2**62): "negative",
    LONGEST + 1: "too large",
    2**34 + 2**33: "too large",
    2**62: "too large",
    2**63 - 1: "too large",
}


@pytest.mark.parametrize("change", ["set_time", "set_timeout"])
@pytest.mark.parametrize(("seconds", "fault"), SECONDS.items())
def test_a_time_out_of_range_for_openssl_is_refused(agreed, change, seconds, fault):
    before = agreed.get_time(), agreed.get_timeout()
    with pytest.raises(SSL.SSLError, match=f"the number of seconds is {fault}"):
        getattr(agreed, change)(seconds)
    with pytest.raises(OverflowError):
        getattr(agreed, change)(2**64)
    assert (agreed.get_time(), agreed.get_timeout()) == before
    assert m2.err_peek_error() == 0


@pytest.mark.parametrize("seconds", [0, 1, 2**31, 2**32, LONGEST])
def test_a_time_in_range_for_openssl_is_returned(agreed, seconds):
    assert agreed.set_time(seconds) == 1
    assert agreed.get_time() == seconds
    assert agreed.set_timeout(seconds) == 1
    assert agreed.get_timeout() == seconds
    context = SSL.Context()
    before = context.get_session_timeout()
    assert context.set_session_timeout(seconds) == before
    assert context.get_session_timeout() == seconds


@pytest.mark.parametrize(("seconds", "fault"), SECONDS.items())
def test_a_context_timeout_out_of_range_for_openssl_is_refused(seconds, fault):
    context = SSL.Context()
    before = context.get_session_timeout()
    with pytest.raises(SSL.SSLError, match=f"the number of seconds is {fault}"):
        context.set_session_timeout(seconds)
    assert context.get_session_timeout() == before


def test_a_session_is_constructed_from_a_session():
    from M2Crypto.SSL.Session import Session

    with pytest.raises(SSL.SSLError):
        Session(None)


def test_a_context_caches_sessions(agreed):
    context = SSL.Context()
    assert context.set_session_cache_mode(m2.SSL_SESS_CACHE_BOTH) == m2.SSL_SESS_CACHE_SERVER
    assert context.get_session_cache_mode() == m2.SSL_SESS_CACHE_BOTH
    assert context.add_session(agreed) == 1
    assert context.add_session(agreed) == 0
    assert context.remove_session(agreed) == 1
    assert context.remove_session(agreed) == 0
    before = context.get_session_timeout()
    assert context.set_session_timeout(60) == before
    assert context.get_session_timeout() == 60


@pytest.mark.parametrize("version", VERSIONS)
def test_each_context_caches_its_own_copy_of_a_session(pair, shake, contexts, version, request):
    contexts[0].set_max_proto_version(version)
    contexts[1].set_session_cache_mode(m2.SSL_SESS_CACHE_BOTH)
    contexts[0].set_session_cache_mode(m2.SSL_SESS_CACHE_BOTH)
    agreed = request.getfixturevalue("agreed")
    caches = [*contexts, SSL.Context(), SSL.Context()]
    for _ in range(3):
        for context in caches:
            assert context.add_session(agreed) in (0, 1)
            assert context.add_session(agreed) == 0
    # Each list of OpenSSL's is walked to its end when its context goes.
    for context in caches[::2]:
        assert context.remove_session(agreed) == 1
        assert context.remove_session(agreed) == 0
    for context in caches[1::2]:
        context.close()
    assert caches[2].add_session(agreed) == 1
    assert caches[2].remove_session(agreed) == 1


def test_a_session_of_another_context_is_resumed_and_cached(pair, shake, contexts, certificates):
    sessions = []
    for _ in range(3):
        context = SSL.Context()
        context.load_verify_locations(certificates("ca.pem"))
        context.set_session_cache_mode(m2.SSL_SESS_CACHE_CLIENT)
        client, server = pair(context, contexts[1])
        if sessions:
            client.set_session(sessions[-1])
        shake(client, server)
        assert client.session_reused() is bool(sessions)
        server.write(b"hello")
        assert client.read() == b"hello"
        sessions.append(client.get_session())
        context.add_session(sessions[0])
        client.close()
        server.close()
        context.close()
    assert len({session.as_der() for session in sessions}) >= 1


def test_a_connection_without_a_handshake_has_no_session():
    with SSL.Connection(SSL.Context()) as connection:
        assert connection.get_session() is None
        assert connection.get_cipher() is None
        assert connection.get_peer_cert() is None
        assert connection.get_default_session_timeout() > 0
        assert connection.ssl_get_error(1) == m2.SSL_ERROR_NONE
        assert connection.ssl_get_error(-1) == m2.SSL_ERROR_SSL
