"""Connections with peers that speak no TLS, stall, dribble, truncate or vanish."""

from __future__ import annotations

import contextlib
import errno
import select
import socket
import threading

import pytest
from fix_peers import PATIENCE

from M2Crypto import SSL

# ---- connecting without blocking -----------------------------------------------------------------


@pytest.fixture
def full():
    """Return the address of a listener that accepts no more clients, so connecting is pending."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(3):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
        yield listener.getsockname()


def test_a_pending_connection_raises_and_can_be_continued(full, contexts):
    with SSL.Connection(contexts[0]) as client:
        client.setblocking(False)
        for _ in range(2):
            with pytest.raises(BlockingIOError):
                client.connect(full)
            assert client.connect_ssl() == -1
        client.settimeout(0.05)
        with pytest.raises(SSL.SSLTimeoutError):
            client.connect(full)


@pytest.mark.parametrize("by", ["connect", "connect_ssl"])
@pytest.mark.parametrize("timeout", [0, PATIENCE])
def test_connecting_is_continued(stdlib_server, contexts, by, timeout):
    server = stdlib_server()
    address = ("localhost", server.port)
    with SSL.Connection(contexts[0]) as client:
        client.setblocking(False)
        with pytest.raises(BlockingIOError):
            client.connect(address)
        client.settimeout(timeout)
        done = -1
        while done != 1:
            select.select([], [client], [], PATIENCE)
            try:
                done = client.connect(address) if by == "connect" else client.connect_ssl()
            except BlockingIOError:
                assert timeout == 0
        assert client.verify_ok()
    server.thread.join(PATIENCE)
    # A second ClientHello names it again (RFC 8446, section 4.1.4).
    assert set(server.server_names) == {"localhost"}


@pytest.mark.parametrize("by", ["connect", "connect_ssl"])
def test_a_refused_connection_says_so(contexts, by):
    with socket.socket() as closed, SSL.Connection(contexts[0]) as client:
        closed.bind(("127.0.0.1", 0))
        client.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            client.connect(closed.getsockname())
        select.select([], [client], [], PATIENCE)
        with pytest.raises(OSError) as caught:
            client.connect(closed.getsockname()) if by == "connect" else client.connect_ssl()
        assert caught.value.errno == errno.ECONNREFUSED


def test_a_connected_socket_is_not_connected_again(connected):
    client, _ = connected
    with socket.socket() as plain, socket.create_server(("127.0.0.1", 0)) as listener:
        plain.connect(listener.getsockname())
        connection = SSL.Connection(client.get_context(), plain)
        with pytest.raises(OSError) as caught:
            connection.connect(listener.getsockname())
        assert caught.value.errno == errno.EISCONN


# ---- closing -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "version", ["tlsv1_2", pytest.param("tlsv1_3", marks=pytest.mark.needs_tls13)]
)
def test_close_loses_no_data_while_session_tickets_are_unread(contexts, version):
    """The server reads slowly, so the data are not sent yet when the connection is closed."""
    contexts[1].set_max_proto_version(version)
    received, is_written, is_closed = [], threading.Event(), threading.Event()
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.settimeout(PATIENCE)

        def serve():
            sock, _ = listener.accept()
            sock.settimeout(PATIENCE)
            with SSL.Connection(contexts[1], sock) as server:
                server.accept_ssl()
                server.write(b"unread")
                is_written.set()
                is_closed.wait(PATIENCE)
                while data := server.read(65536):
                    received.append(len(data))

        thread = threading.Thread(target=serve)
        thread.start()
        client = SSL.Connection(contexts[0])
        client.settimeout(PATIENCE)
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        client.set_post_connection_check_callback(None)
        client.connect(listener.getsockname())
        # What arrives after the end of a connection resets it.
        assert is_written.wait(PATIENCE)
        assert select.select([client], [], [], PATIENCE)[0]
        client.write(bytes(500_000))
        client.close()
        is_closed.set()
        thread.join(PATIENCE)
    assert sum(received) == 500_000


# ---- peers without TLS ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "http request: the peer sent plain HTTP"),
        (b"POST / HTTP/1.0\r\n\r\n", "http request: the peer sent plain HTTP"),
        (b"CONNECT a:443 HTTP/1.1\r\n\r\n", "https proxy request: the peer sent plain HTTP, a CON"),
        (b"EHLO example.org\r\n", "the peer may not use TLS on this port"),
        (bytes(100), "the peer may not use TLS on this port"),
    ],
)
def test_a_client_without_tls_is_named(pair, contexts, data, problem):
    client, server = pair(*contexts)
    client.socket.send(data)
    with pytest.raises(SSL.SSLError, match=problem):
        server.accept_ssl()


@pytest.mark.parametrize(
    "data", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"220 example.org ESMTP\r\n", b"SSH-2.0-a\r\n"]
)
def test_a_server_without_tls_is_named(pair, contexts, data):
    client, server = pair(*contexts)
    server.socket.send(data)
    with pytest.raises(SSL.SSLError, match="the peer may not use TLS on this port"):
        for _ in range(3):
            client.connect_ssl()
