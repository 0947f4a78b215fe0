"""Pre-shared keys: with M2Crypto, with the openssl program, and with Python's ssl from 3.13 on."""

from __future__ import annotations

import os
import socket
import ssl
import threading

import pytest

from M2Crypto import SSL, m2
from M2Crypto.SSL.stdlib import SSLContext

pytestmark = pytest.mark.needs("PSK")

# Made for these tests.
KEY = bytes(range(32))
TLS12 = m2.TLS1_2_VERSION
VERSIONS = [TLS12, pytest.param(m2.TLS1_3_VERSION, marks=pytest.mark.needs_tls13)]
# Of TLS 1.2 with authentication by the key alone, which every build has.
CIPHERS = "PSK"
NEEDS_PSK_OF_SSL = pytest.mark.skipif(
    not getattr(ssl, "HAS_PSK", False), reason="needs Python 3.13, whose ssl has PSK"
)


def context_of(version):
    context = SSL.Context()
    context.set_min_proto_version(version)
    context.set_max_proto_version(version)
    if version == TLS12:
        context.set_cipher_list(CIPHERS)
    return context


@pytest.fixture(params=VERSIONS)
def psk_contexts(request):
    """Return a client context and a server context of one protocol version."""
    return context_of(request.param), context_of(request.param)


@pytest.fixture
def contexts_of_ciphers():
    """Return a function that makes a client context and a server context."""

    def make(protocol, ciphers):
        made = SSL.Context(protocol), SSL.Context(protocol)
        for context in made:
            context.set_cipher_list(ciphers)
        return made

    return make


def datagram_pair():
    ends = [socket.socket(type=socket.SOCK_DGRAM) for _ in range(2)]
    for end in ends:
        end.bind(("127.0.0.1", 0))
    for end, other in zip(ends, reversed(ends)):
        end.connect(other.getsockname())
    return ends


@pytest.fixture
def connect():
    """Return a function that connects and returns the client, which has the default check.

    It transfers a byte, after which the client has the session tickets. Only the server's side, or
    the client's, raises `error`.
    """
    connections = []

    def start(client_context, server_context, session=None, checks=(), error=None):
        ends = datagram_pair() if client_context.is_dtls else socket.socketpair()
        client = SSL.Connection(client_context, ends[0])
        server = SSL.Connection(server_context, ends[1])
        connections.extend([client, server])
        if checks:
            client.set_post_connection_check_callback(None)
            server.set_post_connection_check_callback(checks[1])
        if session is not None:
            client.set_session(session)
        raised = []

        def run(method):
            try:
                method()
            except Exception as caught:
                raised.append(caught)

        def serve():
            run(server.accept_ssl)
            run(lambda: server.write(b"x"))

        for connection in (client, server):
            connection.settimeout(20)
        thread = threading.Thread(target=serve)
        thread.start()
        run(client.connect_ssl)
        run(lambda: client.read(1))
        # A datagram socket does not learn that the peer is closed.
        server.settimeout(0.1)
        thread.join()
        if error is None:
            assert raised == []
        else:
            assert any(isinstance(each, error) for each in raised), raised
        return client

    yield start
    for connection in connections:
        connection.close()


def test_both_sides_share_a_key(pair, shake, psk_contexts):
    client_context, server_context = psk_contexts
    asked = []

    def key_for(hint):
        asked.append(hint)
        return "müller", KEY

    def key_of(identity):
        asked.append(identity)
        return bytearray(KEY)

    client_context.set_psk_client_callback(key_for)
    server_context.set_psk_server_callback(key_of, "shop")
    client, server = shake(*pair(*psk_contexts))
    is_older = client_context.get_max_proto_version() == TLS12
    # TLS 1.3 asks again after a HelloRetryRequest.
    assert set(asked) == {"shop" if is_older else None, "müller"}
    client.write(b"hello")
    assert server.read() == b"hello"
    assert client.get_peer_cert() is None
    assert client.get_peer_signature_name() is None
    assert ("PSK" in client.get_cipher().name()) is is_older


@pytest.mark.parametrize("verify", [SSL.verify_none, SSL.verify_peer])
def test_a_client_that_verifies_certificates_accepts_a_key(pair, shake, psk_contexts, verify):
    psk_contexts[0].set_verify(verify, 9)
    psk_contexts[0].set_psk_client_callback(lambda hint: ("me", KEY))
    psk_contexts[1].set_psk_server_callback(lambda identity: KEY)
    client, _ = shake(*pair(*psk_contexts))
    assert client.verify_ok()


def test_the_default_check_needs_no_certificate_if_there_is_a_key(pair, shake, psk_contexts):
    psk_contexts[0].set_psk_client_callback(lambda hint: ("me", KEY))
    psk_contexts[1].set_psk_server_callback(lambda identity: KEY)
    client, server = pair(*psk_contexts)
    client._has_own_check = False
    shake(client, server)
    # One that the program sets is called.
    client, server = pair(*psk_contexts)
    client.set_post_connection_check_callback(SSL.Checker.Checker())
    with pytest.raises(SSL.Checker.NoCertificate):
        shake(client, server)


@pytest.mark.needs_tls13
def test_the_default_check_holds_for_a_certificate_beside_a_key(pair, shake, contexts):
    contexts[0].set_psk_client_callback(lambda hint: ("me", KEY))
    client, server = pair(*contexts)
    client._has_own_check = False
    client.addr = ("other.example", 443)
    assert not m2.ssl_uses_psk(client.ssl)
    with pytest.raises(SSL.Checker.WrongHost):
        shake(client, server)


@pytest.mark.parametrize("protocol", ["tlsv1_2", "dtls"])
def test_an_anonymous_server_is_no_server_with_a_key(contexts_of_ciphers, connect, protocol):
    contexts = contexts_of_ciphers(protocol, "aNULL:@SECLEVEL=0")
    contexts[1].set_session_cache_mode(m2.SSL_SESS_CACHE_SERVER)
    contexts[0].set_psk_client_callback(lambda hint: ("me", KEY))
    client = connect(*contexts, error=SSL.Checker.NoCertificate)
    session = client.get_session()
    connect(*contexts, session=session, error=SSL.Checker.NoCertificate)


@pytest.mark.parametrize("protocol", ["tlsv1_2", "dtls"])
def test_a_key_authenticates_the_server_and_a_session_does_not(
    contexts_of_ciphers, connect, protocol
):
    contexts = contexts_of_ciphers(protocol, CIPHERS)
    contexts[1].set_session_cache_mode(m2.SSL_SESS_CACHE_SERVER)
    contexts[0].set_psk_client_callback(lambda hint: ("me", KEY))
    contexts[1].set_psk_server_callback(lambda identity: KEY)
    client = connect(*contexts)
    assert m2.ssl_uses_psk(client.ssl)
    connect(*contexts, session=client.get_session(), error=SSL.Checker.NoCertificate)


@pytest.mark.needs_tls13
def test_a_session_of_another_key_is_no_key(connect):
    contexts = [context_of(m2.TLS1_3_VERSION) for _ in range(3)]
    for context, key in zip(contexts, (KEY, KEY, KEY[::-1])):
        context.set_psk_client_callback(lambda hint, key=key: ("me", key))
    contexts[1].set_psk_server_callback(lambda identity: KEY if identity == "me" else None)
    client = connect(contexts[0], contexts[1])
    session = client.get_session()
    connect(contexts[2], contexts[1], error=SSL.SSLError)
    connect(contexts[2], contexts[1], session=session, error=SSL.Checker.NoCertificate)


@pytest.mark.needs_tls13
def test_a_server_checks_a_client_that_resumes_a_session(connect, contexts):
    contexts[1].set_psk_client_callback(lambda hint: ("me", KEY))
    contexts[1].set_session_id_ctx(b"x")
    checker = SSL.Checker.Checker()
    session = None
    for _ in range(2):
        client = connect(
            *contexts, session=session, checks=("server", checker), error=SSL.Checker.NoCertificate
        )
        session = client.get_session()


def test_another_key_fails(pair, shake, psk_contexts):
    psk_contexts[0].set_psk_client_callback(lambda hint: ("me", KEY))
    psk_contexts[1].set_psk_server_callback(lambda identity: KEY[::-1])
    with pytest.raises(SSL.SSLError):
        shake(*pair(*psk_contexts))
    assert m2.err_peek_error() == 0


@pytest.mark.parametrize("unknown", [None, b""])
def test_an_unknown_identity_fails(pair, shake, psk_contexts, unknown):
    psk_contexts[0].set_psk_client_callback(lambda hint: (b"me", KEY))
    psk_contexts[1].set_psk_server_callback(lambda identity: unknown)
    with pytest.raises(SSL.SSLError):
        shake(*pair(*psk_contexts))


@pytest.mark.parametrize("empty", [None, "", b""])
def test_an_identity_can_be_empty_in_tls_1_2(pair, shake, empty):
    contexts = context_of(TLS12), context_of(TLS12)
    identities = []
    contexts[0].set_psk_client_callback(lambda hint: (empty, KEY))
    contexts[1].set_psk_server_callback(lambda identity: identities.append(identity) or KEY)
    shake(*pair(*contexts))
    assert identities == [None]


@pytest.mark.parametrize("returned", [None, ("me", b"")])
def test_without_a_key_a_handshake_of_tls_1_2_fails(pair, shake, returned):
    contexts = context_of(TLS12), context_of(TLS12)
    contexts[0].set_psk_client_callback(lambda hint: returned)
    contexts[1].set_psk_server_callback(lambda identity: KEY)
    with pytest.raises(SSL.SSLError, match="psk identity not found|handshake failure"):
        shake(*pair(*contexts))


@pytest.mark.needs_tls13
def test_without_a_key_a_handshake_of_tls_1_3_uses_the_certificate(pair, shake, contexts):
    for context in contexts:
        context.set_min_proto_version(m2.TLS1_3_VERSION)
    contexts[0].set_psk_client_callback(lambda hint: None)
    client, _ = shake(*pair(*contexts))
    assert client.get_peer_cert().get_subject().CN == "localhost"


@pytest.mark.parametrize(
    ("returned", "error", "match"),
    [
        ("ab", TypeError, "returns .identity, key. or None"),
        (("me", KEY, 1), TypeError, "returns .identity, key. or None"),
        (("me", 3), TypeError, None),
        ((3, KEY), TypeError, None),
        (("m\0e", KEY), ValueError, "contains NUL"),
        (("m" * 1000, KEY), ValueError, "identity of a pre-shared key has more than"),
        (("me", bytes(1000)), ValueError, "pre-shared key has more than"),
    ],
)
def test_a_client_refuses_what_is_no_key(pair, shake, psk_contexts, returned, error, match):
    psk_contexts[0].set_psk_client_callback(lambda hint: returned)
    psk_contexts[1].set_psk_server_callback(lambda identity: KEY)
    with pytest.raises(error, match=match):
        shake(*pair(*psk_contexts))


@pytest.mark.parametrize(
    ("returned", "error"),
    [("key", TypeError), (3, TypeError), (bytes(1000), ValueError)],
)
def test_a_server_refuses_what_is_no_key(pair, shake, psk_contexts, returned, error):
    psk_contexts[0].set_psk_client_callback(lambda hint: ("me", KEY))
    psk_contexts[1].set_psk_server_callback(lambda identity: returned)
    with pytest.raises(error):
        shake(*pair(*psk_contexts))


def test_the_low_level_callback_returns_a_tuple_of_bytes(pair, shake, psk_contexts):
    psk_contexts[1].set_psk_server_callback(lambda identity: KEY)
    for returned in (KEY, (b"me",), ("me", KEY), (b"me", "key")):
        m2.ssl_ctx_set_psk_client_callback(
            psk_contexts[0].ctx, lambda connection, hint, returned=returned: returned
        )
        with pytest.raises(TypeError):
            shake(*pair(*psk_contexts))


def test_an_exception_of_a_callback_propagates(pair, shake, psk_contexts):
    def fail(_):
        raise KeyError("no such key")

    psk_contexts[0].set_psk_client_callback(lambda hint: ("me", KEY))
    psk_contexts[1].set_psk_server_callback(fail)
    with pytest.raises(KeyError, match="no such key"):
        shake(*pair(*psk_contexts))
    psk_contexts[0].set_psk_client_callback(fail)
    with pytest.raises(KeyError, match="no such key"):
        shake(*pair(*psk_contexts))


def test_an_identity_that_is_not_utf_8_is_unknown(pair, shake, psk_contexts):
    psk_contexts[1].set_psk_server_callback(lambda identity: KEY)
    m2.ssl_ctx_set_psk_client_callback(psk_contexts[0].ctx, lambda connection, hint: (b"\xff", KEY))
    with pytest.raises(SSL.SSLError):
        shake(*pair(*psk_contexts))


def test_none_removes_a_callback(pair, shake):
    contexts = context_of(TLS12), context_of(TLS12)
    contexts[0].set_psk_client_callback(lambda hint: ("me", KEY))
    contexts[1].set_psk_server_callback(lambda identity: KEY)
    shake(*pair(*contexts))
    contexts[0].set_psk_client_callback(None)
    with pytest.raises(SSL.SSLError, match="no ciphers available"):
        shake(*pair(*contexts))
    contexts[0].set_psk_client_callback(lambda hint: ("me", KEY))
    contexts[1].set_psk_server_callback(None)
    with pytest.raises(SSL.SSLError):
        shake(*pair(*contexts))


def test_a_hint_that_is_too_long_changes_nothing(pair, shake):
    contexts = context_of(TLS12), context_of(TLS12)
    hints = []
    contexts[0].set_psk_client_callback(lambda hint: hints.append(hint) or ("me", KEY))
    contexts[1].set_psk_server_callback(lambda identity: KEY, "shop")
    with pytest.raises(SSL.SSLError):
        contexts[1].set_psk_server_callback(None, "x" * 1000)
    shake(*pair(*contexts))
    assert hints == ["shop"]


def test_the_callbacks_end_with_the_context(pair, psk_contexts):
    psk_contexts[0].set_psk_client_callback(lambda hint: ("me", KEY))
    psk_contexts[1].set_psk_server_callback(lambda identity: KEY)
    client, server = pair(*psk_contexts)
    for context in psk_contexts:
        context.close()
    with pytest.raises(SSL.SSLError):
        for _ in range(9):
            client.connect_ssl()
            server.accept_ssl()


# ---- the openssl program -------------------------------------------------------------------------


@pytest.fixture
def psk_server(openssl):
    """Start `openssl s_server` without a certificate, and return its port."""

    def start(version, hint):
        server = openssl(
            "s_server", "-accept", "127.0.0.1:0", "-nocert", "-psk", KEY.hex(),
            "-psk_identity", "me", "-psk_hint", hint, "-rev", "-naccept", "1",
            "-tls1_2" if version == TLS12 else "-tls1_3",
        )  # fmt: skip
        for line in server.stdout:
            if line.startswith(b"ACCEPT"):
                return int(line.rpartition(b":")[2])
        raise AssertionError("openssl s_server does not say where it listens")

    return start


@pytest.mark.parametrize("version", VERSIONS)
def test_a_client_shares_a_key_with_the_openssl_program(psk_server, version):
    port = psk_server(version, "shop")
    context = context_of(version)
    context.set_psk_client_callback(lambda hint: ("me", KEY))
    with SSL.Connection(context) as client:
        client.settimeout(20)
        client.connect(("127.0.0.1", port))
        client.write(b"hello\n")
        assert client.read() == b"olleh\n"


@pytest.mark.skipif(os.name == "nt", reason="arguments of programs are text on this system")
def test_a_hint_that_is_not_utf_8_is_refused(psk_server):
    port = psk_server(TLS12, b"\xff")
    context = context_of(TLS12)
    context.set_psk_client_callback(lambda hint: ("me", KEY))
    with SSL.Connection(context) as client:
        client.settimeout(20)
        with pytest.raises(SSL.SSLError, match="hint of the server is not UTF-8"):
            client.connect(("127.0.0.1", port))


@pytest.mark.parametrize("version", VERSIONS)
def test_a_server_shares_a_key_with_the_openssl_program(openssl, version):
    identities = []
    context = context_of(version)
    context.set_psk_server_callback(lambda identity: identities.append(identity) or KEY)
    with SSL.Connection(context) as listener:
        listener.settimeout(20)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        client = openssl(
            "s_client", "-connect", f"127.0.0.1:{listener.getsockname()[1]}", "-quiet",
            "-psk", KEY.hex(), "-psk_identity", "me",
            "-tls1_2" if version == TLS12 else "-tls1_3",
        )  # fmt: skip
        client.stdin.write(b"hello\n")
        client.stdin.flush()
        connection, _ = listener.accept()
        assert connection.read() == b"hello\n"
        connection.close()
    # Once more after a HelloRetryRequest.
    assert set(identities) == {"me"}


# ---- Python's ssl --------------------------------------------------------------------------------


def older(context):
    """Set up a context of either module for TLS 1.2 with PSK ciphers."""
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    return context


@NEEDS_PSK_OF_SSL
@pytest.mark.parametrize("client_kind", [ssl.SSLContext, SSLContext])
@pytest.mark.parametrize("server_kind", [ssl.SSLContext, SSLContext])
def test_the_two_contexts_of_ssl_share_a_key(client_kind, server_kind):
    asked = []
    client_context = older(client_kind(ssl.PROTOCOL_TLS_CLIENT))
    client_context.set_psk_client_callback(lambda hint: asked.append(hint) or ("me", KEY))
    server_context = older(server_kind(ssl.PROTOCOL_TLS_SERVER))
    server_context.set_psk_server_callback(lambda name: asked.append(name) or KEY, "shop")
    ends = socket.socketpair()
    received = []

    def serve():
        with server_context.wrap_socket(ends[1], server_side=True) as server:
            received.append(server.recv(5))

    thread = threading.Thread(target=serve)
    thread.start()
    with client_context.wrap_socket(ends[0]) as client:
        client.sendall(b"hello")
        thread.join()
    assert received == [b"hello"]
    assert asked == ["shop", "me"]


def test_the_context_of_ssl_refuses_the_callback_of_the_other_role():
    client, server = SSLContext(ssl.PROTOCOL_TLS_CLIENT), SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with pytest.raises(ssl.SSLError, match="client callback to a PROTOCOL_TLS_SERVER context"):
        server.set_psk_client_callback(lambda hint: None)
    with pytest.raises(ssl.SSLError, match="server callback to a PROTOCOL_TLS_CLIENT context"):
        client.set_psk_server_callback(lambda identity: None)
    with pytest.raises(TypeError, match="callable"):
        client.set_psk_client_callback(3)
    with pytest.raises(ValueError, match="failed to set identity hint"):
        server.set_psk_server_callback(lambda identity: None, "x" * 1000)
    assert server.set_psk_server_callback(None, "x" * 1000) is None


def test_what_is_not_callable_changes_nothing():
    context = SSL.Context()
    for method in (context.set_psk_client_callback, context.set_psk_server_callback):
        with pytest.raises(TypeError, match="not callable: int"):
            method(3)
    assert not context.has_psk
