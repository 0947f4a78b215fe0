"""Connections with peers that speak no TLS, stall, dribble, truncate or vanish."""

from __future__ import annotations

import contextlib
import errno
import select
import socket
import threading

import pytest
from fix_peers import PATIENCE

from M2Crypto import SSL, m2

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
        # They may have been read ahead with the end of the handshake.
        assert client.pending() or select.select([client], [], [], PATIENCE)[0]
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


# ---- peers that stall, dribble, truncate or reset ------------------------------------------------


class Wire:
    """A client and a server, and between them this thread, which forwards their bytes.

    It forwards at most `limit` bytes from `sender`, and `at_once` bytes at a time.
    """

    def __init__(self, contexts, sender="client", limit=1 << 20, at_once=1 << 16):
        self.connections, self.ends, self.left = {}, {}, {"client": 1 << 20, "server": 1 << 20}
        for role, context in zip(("client", "server"), contexts):
            sock, self.ends[role] = socket.socketpair()
            self.ends[role].setblocking(False)
            self.connections[role] = SSL.Connection(context, sock)
            self.connections[role].setblocking(False)
            self.connections[role].set_post_connection_check_callback(None)
        self.left[sender] = limit
        self.at_once = at_once
        self.done = set()

    def step(self):
        """Continue each handshake, forward what was sent, and return whether there was any."""
        self.shake("client")
        self.shake("server")
        return self.forward("client", "server") + self.forward("server", "client") > 0

    def shake(self, role):
        connection = self.connections[role]
        if (connection.connect_ssl if role == "client" else connection.accept_ssl)() == 1:
            self.done.add(role)

    def forward(self, source, target):
        try:
            data = self.ends[source].recv(min(self.at_once, self.left[source]))
        except BlockingIOError:
            return 0
        self.left[source] -= len(data)
        self.ends[target].sendall(data)
        return len(data)

    def run(self):
        """Continue until nothing is sent, or both handshakes are complete."""
        while len(self.done) < 2 and self.step():
            pass

    def close(self):
        for each in (*self.connections.values(), *self.ends.values()):
            each.close()


POINTS = [0, 1, 4, 5, 6, 50, 100, 200, 300, 500, 700, 1000, 1300]
VERSIONS = ["tlsv1_2", pytest.param("tlsv1_3", marks=pytest.mark.needs_tls13)]


@pytest.fixture(params=VERSIONS)
def wire(request, contexts):
    contexts[1].set_max_proto_version(request.param)
    with contextlib.ExitStack() as stack:

        def make(*arguments, **options):
            made = Wire(contexts, *arguments, **options)
            stack.callback(made.close)
            return made

        yield make


def test_a_handshake_of_single_bytes_completes(wire):
    made = wire(at_once=1)
    made.run()
    assert made.done == {"client", "server"}


@pytest.mark.parametrize("sender", ["client", "server"])
def test_a_peer_that_stalls_at_any_point_times_out(wire, sender):
    timed_out = 0
    for point in POINTS:
        made = wire(sender, point)
        made.run()
        for role in {"client", "server"} - made.done:
            made.connections[role].settimeout(0.001)
            with pytest.raises(SSL.SSLTimeoutError):
                made.shake(role)
            timed_out += 1
    assert timed_out >= len(POINTS)


@pytest.mark.parametrize("sender", ["client", "server"])
@pytest.mark.parametrize("how", [socket.SHUT_WR, socket.SHUT_RDWR])
def test_a_handshake_that_ends_at_any_point_is_an_error(wire, sender, how):
    receiver = {"client": "server", "server": "client"}[sender]
    for point in POINTS:
        made = wire(sender, point)
        made.run()
        if receiver in made.done:
            continue
        made.ends[receiver].shutdown(how)
        with pytest.raises(SSL.SSLError, match="unexpected eof|Broken pipe|reset by peer"):
            made.shake(receiver)
        assert m2.err_peek_error() == 0


@pytest.mark.parametrize("sender", ["client", "server"])
def test_a_record_that_is_truncated_or_altered_is_an_error(wire, sender):
    receiver = {"client": "server", "server": "client"}[sender]
    for keep, problem in (
        (-1, "unexpected eof"),
        (None, "bad record mac|decryption failed|cipher op"),
    ):
        made = wire()
        made.run()
        made.connections[sender].write(b"a record")
        record = bytearray(made.ends[sender].recv(1 << 16))
        record[-1] ^= keep is None
        made.ends[receiver].sendall(record[:keep])
        made.ends[receiver].shutdown(socket.SHUT_WR)
        with pytest.raises(SSL.SSLError, match=problem):
            # TLS 1.3 session tickets may precede it.
            made.connections[receiver].read()
