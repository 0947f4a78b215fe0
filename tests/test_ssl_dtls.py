"""DTLS 1.2 over datagram sockets (RFC 6347), with datagrams that are lost, and other peers."""

from __future__ import annotations

import contextlib
import select
import signal
import socket
import threading

import pytest
from fix_peers import CERTIFICATES, PATIENCE

from M2Crypto import BIO, SSL, m2

# Seconds: longer than any answer takes on a busy computer.
TIMEOUT = 0.1


@pytest.fixture
def dtls_contexts():
    client, server = SSL.Context("dtls"), SSL.Context("dtls")
    client.load_verify_locations(str(CERTIFICATES / "ca.pem"))
    server.load_cert(str(CERTIFICATES / "server.pem"))
    return client, server


@pytest.fixture
def listener(dtls_contexts):
    with SSL.Connection(dtls_contexts[1]) as connection:
        connection.bind(("127.0.0.1", 0))
        connection.listen()
        connection.settimeout(PATIENCE)
        connection.set_retransmission_timeout(TIMEOUT)
        yield connection


class Server:
    """Accept clients, and echo each datagram of theirs until close_notify."""

    def __init__(self, listener, clients):
        self.listener = listener
        self.clients = clients
        self.received = []
        self.addresses = []
        self.errors = []
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        try:
            for _ in range(self.clients):
                connection, address = self.listener.accept()
                self.addresses.append(address)
                with connection:
                    while data := connection.read(1 << 14):
                        self.received.append(data)
                        connection.write(data)
        except (SSL.SSLError, OSError) as error:
            self.errors.append(error)


@pytest.fixture
def serve(listener):
    servers = []

    def start(clients=1):
        servers.append(Server(listener, clients))
        return servers[-1]

    yield start
    for server in servers:
        server.thread.join(PATIENCE)


def client_of(context, address):
    connection = SSL.Connection(context)
    try:
        connection.settimeout(PATIENCE)
        connection.set_retransmission_timeout(TIMEOUT)
        connection.set_tlsext_host_name("localhost")
        connection.connect(address)
    except BaseException:
        connection.close()
        raise
    return connection


class Path:
    """Forward datagrams between a client and a server, except those of `lost`.

    A datagram is lost the first time that its direction and its number, from 0, are in `lost`.
    Those of `before` come before each other one.
    """

    before: tuple[bytes, ...] = ()

    def __init__(self, server, lost):
        self.server = server
        self.lost = lost
        self.sizes = {"client": [], "server": []}
        self.front = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.back = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.front.bind(("127.0.0.1", 0))
        self.back.connect(server)
        self.address = self.front.getsockname()
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        client = None
        while not self.ended.is_set():
            ready, _, _ = select.select([self.front, self.back], [], [], 0.05)
            for sock in ready:
                sender = "client" if sock is self.front else "server"
                with contextlib.suppress(OSError):
                    data, address = sock.recvfrom(1 << 16)
                    if sock is self.front:
                        client = address
                    self.sizes[sender].append(len(data))
                    if (sender, len(self.sizes[sender]) - 1) in self.lost:
                        continue
                    for each in (*self.before, data):
                        if sock is self.front:
                            self.back.send(each)
                        else:
                            self.front.sendto(each, client)

    def close(self):
        self.ended.set()
        self.thread.join()
        self.front.close()
        self.back.close()


@pytest.fixture
def path(listener):
    with contextlib.ExitStack() as stack:

        def make(*lost):
            made = Path(listener.getsockname(), set(lost))
            stack.callback(made.close)
            return made

        yield make


# ---- the handshake and data ----------------------------------------------------------------------


@pytest.mark.parametrize("protocol", ["dtls", "dtlsv1_2", "DTLSv1.2"])
def test_client_and_server_communicate(dtls_contexts, listener, serve, protocol):
    server = serve()
    context = SSL.Context(protocol)
    context.load_verify_locations(str(CERTIFICATES / "ca.pem"))
    with client_of(context, listener.getsockname()) as client:
        assert client.get_version() == "DTLSv1.2"
        assert client.get_peer_cert().get_subject().CN == "localhost"
        assert client.write(b"hello") == 5
        assert client.read() == b"hello"
        local = client.getsockname()
    server.thread.join(PATIENCE)
    assert (server.received, server.errors) == ([b"hello"], [])
    assert server.addresses == [local]


def test_client_and_server_communicate_by_ipv6(dtls_contexts):
    if not hasattr(socket, "AF_INET6"):
        pytest.skip("this system has no AF_INET6")
    with SSL.Connection(dtls_contexts[1], family=socket.AF_INET6) as listener:
        try:
            listener.bind(("::1", 0))
        except OSError as error:
            pytest.skip(f"no address of AF_INET6: {error}")
        listener.listen()
        listener.settimeout(PATIENCE)
        server = Server(listener, 1)
        with SSL.Connection(dtls_contexts[0], family=socket.AF_INET6) as client:
            client.settimeout(PATIENCE)
            client.set_tlsext_host_name("localhost")
            client.connect(listener.getsockname())
            client.write(b"hello")
            assert client.read() == b"hello"
        server.thread.join(PATIENCE)
    assert (server.received, server.errors) == ([b"hello"], [])


def test_each_datagram_is_read_alone(dtls_contexts, listener, serve):
    serve()
    with client_of(dtls_contexts[0], listener.getsockname()) as client:
        client.write(b"one")
        client.write(b"two")
        assert client.read(1 << 14) == b"one"
        assert client.read(2) == b"tw"
        # The rest of a datagram is kept.
        assert client.read(2) == b"o"
        buffer = bytearray(100)
        client.write(b"three")
        assert client.recv_into(buffer) == 5
        assert buffer[:5] == b"three"


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no interval timers")
def test_a_signal_handler_ends_a_wait_for_a_socket_that_was_shut_down(dtls_contexts):
    class InterruptedWaitError(Exception):
        pass

    def interrupt(*_):
        raise InterruptedWaitError

    ends = socket.socketpair(type=socket.SOCK_DGRAM)
    server = m2.ssl_new(dtls_contexts[1].ctx)
    m2.ssl_set_datagram(server, ends[0].fileno())
    m2.ssl_set_accept_state(server)
    # It is ready for ever, and nothing is received.
    ends[0].shutdown(socket.SHUT_RD)
    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    try:
        with pytest.raises(InterruptedWaitError):
            m2.ssl_io_listen(server, -1.0)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        for end in ends:
            end.close()


def test_a_datagram_has_at_most_16384_bytes(dtls_contexts, listener, serve):
    serve()
    with client_of(dtls_contexts[0], listener.getsockname()) as client:
        with pytest.raises(SSL.SSLError, match="at most 16384") as caught:
            client.write(bytes((1 << 14) + 1))
        assert caught.value.step == "write"


def test_a_server_accepts_one_client_after_another(dtls_contexts, listener, serve):
    server = serve(3)
    for number in range(3):
        with client_of(dtls_contexts[0], listener.getsockname()) as client:
            client.write(b"%d" % number)
            assert client.read() == b"%d" % number
    server.thread.join(PATIENCE)
    assert server.received == [b"0", b"1", b"2"]
    assert len(set(server.addresses)) == 3


def test_the_end_is_close_notify(dtls_contexts, listener):
    result = []

    def accept():
        connection, _ = listener.accept()
        with connection:
            connection.write(b"bye")

    thread = threading.Thread(target=accept)
    thread.start()
    with client_of(dtls_contexts[0], listener.getsockname()) as client:
        assert client.read() == b"bye"
        assert client.read() == b""
        assert client.get_shutdown() == m2.SSL_RECEIVED_SHUTDOWN
    thread.join(PATIENCE)
    assert result == []


def test_an_untrusted_server_is_refused(dtls_contexts, listener, serve):
    server = serve()
    context = SSL.Context("dtls")
    context.load_verify_locations(str(CERTIFICATES / "other_ca.pem"))
    with pytest.raises(SSL.SSLError, match="certificate verify failed") as caught:
        client_of(context, listener.getsockname())
    assert caught.value.step == "certificate verification"
    server.thread.join(PATIENCE)
    assert server.errors[0].alert == (48, "unknown_ca")


# ---- lost datagrams ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "lost",
    [
        # The ClientHello, and the one with the cookie.
        [("client", 0)],
        [("client", 1)],
        # The client's Finished, and the server's.
        [("client", 2)],
        [("server", 2)],
        # The HelloVerifyRequest and the ServerHello.
        [("server", 0), ("server", 1)],
    ],
)
def test_lost_datagrams_are_sent_again(dtls_contexts, serve, path, lost):
    server = serve()
    between = path(*lost)
    with client_of(dtls_contexts[0], between.address) as client:
        client.write(b"after all")
        assert client.read() == b"after all"
    server.thread.join(PATIENCE)
    assert server.errors == []
    assert len(between.sizes[lost[0][0]]) > lost[-1][1] + 1


@pytest.mark.parametrize(
    "datagram",
    [b"", b"\0", b"\x16\xfe\xfd" + bytes(10), b"\x15\xfe\xfd" + bytes(8) + b"\0\2\2\x28"],
    ids=["empty", "short", "no-message", "alert-after-the-handshake"],
)
def test_what_is_no_record_is_dropped(dtls_contexts, serve, path, datagram):
    """As of an attacker who can forge the peer's address (RFC 6347, section 4.1.2.7)."""
    server = serve()
    between = path()
    is_alert = datagram[:1] == b"\x15"
    if not is_alert:
        between.before = (datagram, datagram)
    with client_of(dtls_contexts[0], between.address) as client:
        between.before = (datagram, datagram)
        for number in range(3):
            client.write(b"%d" % number)
            assert client.read(10) == b"%d" % number
    server.thread.join(PATIENCE)
    assert server.errors == []


def test_a_peer_that_does_not_answer_times_out(dtls_contexts):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        with SSL.Connection(dtls_contexts[0]) as client:
            client.settimeout(0.25)
            client.set_retransmission_timeout(0.05)
            with pytest.raises(SSL.SSLTimeoutError) as caught:
                client.connect(silent.getsockname())
            assert caught.value.step == "handshake"
        silent.setblocking(False)
        # The ClientHello, and after the timeout its retransmission (RFC 6347, section 4.2.4.1).
        first, second = silent.recv(2048), silent.recv(2048)
        # They differ in the record's sequence number.
        assert first[13:] == second[13:]


def test_a_program_that_does_not_wait_retransmits_itself(dtls_contexts):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        silent.settimeout(PATIENCE)
        with SSL.Connection(dtls_contexts[0]) as client:
            assert client.get_retransmission_timeout() is None
            client.set_retransmission_timeout(0.2)
            client.setblocking(False)
            assert client.connect(silent.getsockname()) == -1
            left = client.get_retransmission_timeout()
            assert 0 < left <= 0.2
            assert client.handle_retransmission() is False
            silent.recv(2048)
            select.select([], [], [], left + 0.02)
            assert client.handle_retransmission() is True
            silent.recv(2048)


def test_the_first_retransmission_is_after_a_second_by_default(dtls_contexts):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        with SSL.Connection(dtls_contexts[0]) as client:
            client.setblocking(False)
            assert client.connect(silent.getsockname()) == -1
            assert 0.5 < client.get_retransmission_timeout() <= 1


def test_the_timeout_of_retransmissions_doubles(dtls_contexts):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        with SSL.Connection(dtls_contexts[0]) as client:
            client.set_retransmission_timeout(40)
            client.set_retransmission_timeout(0.05)
            client.setblocking(False)
            assert client.connect(silent.getsockname()) == -1
            timeouts = []
            for _ in range(3):
                timeouts.append(client.get_retransmission_timeout())
                select.select([], [], [], timeouts[-1] + 0.001)
                assert client.handle_retransmission()
            assert timeouts[0] <= 0.05
            assert 0.1 < timeouts[2] <= 0.2


@pytest.mark.parametrize("seconds", [0, -1, 61, float("inf"), 1e-9])
def test_an_invalid_timeout_of_retransmissions_is_refused(dtls_contexts, seconds):
    client = SSL.Connection(dtls_contexts[0])
    with client, pytest.raises(SSL.SSLError, match="at least a microsecond, at most a minute"):
        client.set_retransmission_timeout(seconds)


def test_the_mtu_bounds_datagrams(dtls_contexts, serve, path):
    server = serve()
    between = path()
    with SSL.Connection(dtls_contexts[0]) as client:
        client.settimeout(PATIENCE)
        client.set_mtu(300)
        client.set_post_connection_check_callback(None)
        client.connect(between.address)
        client.write(bytes(200))
        assert client.read(1000) == bytes(200)
    assert max(between.sizes["client"]) <= 300
    server.thread.join(PATIENCE)
    with SSL.Connection(dtls_contexts[0]) as client:
        for mtu in (0, -1, 10):
            with pytest.raises(SSL.SSLError, match="MTU"):
                client.set_mtu(mtu)


# ---- cookies -------------------------------------------------------------------------------------

_HELLO_VERIFY_REQUEST = 3


def client_hello(context, port):
    """Return a socket and the ClientHello that a client sends from it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        with SSL.Connection(context) as client:
            client.setblocking(False)
            assert client.connect(silent.getsockname()) == -1
            return silent.recv(2048)


def test_a_client_without_a_cookie_is_not_accepted(dtls_contexts, listener):
    listener.settimeout(0.2)
    hello = client_hello(dtls_contexts[0], listener.getsockname())
    cookies = []
    for _ in range(2):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(PATIENCE)
            sock.connect(listener.getsockname())
            sock.send(hello)
            with pytest.raises(SSL.SSLTimeoutError):
                listener.accept()
            answer = sock.recv(2048)
        # The type of the message follows the record's header of 13 bytes.
        assert answer[13] == _HELLO_VERIFY_REQUEST
        # A message's header has 12 bytes, and the version two.
        cookies.append(answer[13 + 12 + 3 :])
        assert answer[13 + 12 + 2] == len(cookies[-1]) == 32
    # The cookie is of the address, here of the port.
    assert cookies[0] != cookies[1]


def with_cookie(hello, cookie):
    """Return the second ClientHello of a client (RFC 6347, section 4.2.1)."""
    body = bytearray(hello[25:])
    at = 2 + 32 + 1 + body[34]
    assert body[at] == 0
    body[at : at + 1] = bytes([len(cookie)]) + cookie
    length = len(body).to_bytes(3, "big")
    message = b"\x01" + length + b"\x00\x01" + b"\x00\x00\x00" + length + body
    return hello[:10] + b"\x01" + len(message).to_bytes(2, "big") + message


def test_a_cookie_is_valid_for_its_address_only(dtls_contexts, listener):
    listener.settimeout(0.2)
    hello = client_hello(dtls_contexts[0], listener.getsockname())
    with contextlib.ExitStack() as stack:
        own, other = (
            stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(2)
        )
        for sock in (own, other):
            sock.settimeout(PATIENCE)
            sock.connect(listener.getsockname())
        own.send(hello)
        with pytest.raises(SSL.SSLTimeoutError):
            listener.accept()
        cookie = own.recv(2048)[13 + 12 + 3 :]
        other.send(with_cookie(hello, cookie))
        with pytest.raises(SSL.SSLTimeoutError):
            listener._accept_socket()
        assert other.recv(2048)[13] == _HELLO_VERIFY_REQUEST
        own.send(with_cookie(hello, cookie[:-1] + bytes([cookie[-1] ^ 1])))
        with pytest.raises(SSL.SSLTimeoutError):
            listener._accept_socket()
        own.send(with_cookie(hello, cookie))
        connection, address = listener._accept_socket()
        with connection:
            assert address == own.getsockname()


def test_what_is_no_client_hello_is_dropped(dtls_contexts, listener, serve):
    server = serve()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for data in (b"", b"x", bytes(13), bytes(2000), b"\x16\xfe\xff" + bytes(60)):
            sock.sendto(data, listener.getsockname())
    with client_of(dtls_contexts[0], listener.getsockname()) as client:
        client.write(b"hello")
        assert client.read() == b"hello"
    server.thread.join(PATIENCE)
    assert server.errors == []


def test_a_listener_that_does_not_wait_would_block(listener):
    listener.setblocking(False)
    with pytest.raises(BlockingIOError):
        listener.accept()


def test_a_server_on_a_connected_socket_verifies_cookies(dtls_contexts):
    ends = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
    for end in ends:
        end.bind(("127.0.0.1", 0))
    for end, other in zip(ends, reversed(ends)):
        end.connect(other.getsockname())
    client, server = (SSL.Connection(context, end) for context, end in zip(dtls_contexts, ends))
    with client, server:
        client.set_post_connection_check_callback(None)
        for connection in (client, server):
            connection.setblocking(False)
            connection.setup_ssl()
        outcomes = []
        for _ in range(20):
            outcomes.append((client.connect_ssl(), server.accept_ssl()))
            if outcomes[-1] == (1, 1):
                break
        assert outcomes[-1] == (1, 1)
        client.write(b"hello")
        assert server.read() == b"hello"


# ---- arguments -----------------------------------------------------------------------------------


def test_protocols_and_sockets_must_agree(contexts, dtls_contexts):
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with datagrams as sock, pytest.raises(ValueError, match="datagram socket"):
        SSL.Connection(contexts[0], sock)
    with socket.socket() as sock, pytest.raises(ValueError, match="datagram socket"):
        SSL.Connection(dtls_contexts[0], sock)
    connection = SSL.Connection(dtls_contexts[0])
    with connection, pytest.raises(SSL.SSLError, match="datagram socket"):
        connection.set_bio(BIO.MemoryBuffer(), BIO.MemoryBuffer())


def test_versions_of_the_other_protocol_are_refused(contexts, dtls_contexts):
    with pytest.raises(ValueError, match="none of TLS"):
        contexts[0].set_min_proto_version("dtlsv1_2")
    with pytest.raises(ValueError, match="none of DTLS"):
        dtls_contexts[0].set_max_proto_version(m2.TLS1_2_VERSION)
    assert dtls_contexts[0].get_min_proto_version() == m2.DTLS1_2_VERSION
    assert dtls_contexts[0].set_max_proto_version(0)


def test_connections_of_tls_retransmit_nothing(pair, contexts):
    client, _ = pair(*contexts)
    assert client.get_retransmission_timeout() is None
    assert client.handle_retransmission() is False
    with pytest.raises(SSL.SSLError, match="MTU"):
        client.set_mtu(1400)
    with pytest.raises(SSL.SSLError, match="no client"):
        m2.ssl_connect_datagram(client.ssl, 0)
    with pytest.raises(SSL.SSLError, match="closed"):
        m2.ssl_set_datagram(client.ssl, -1)


# ---- the openssl program -------------------------------------------------------------------------


def test_the_openssl_program_is_the_client(openssl, listener, serve, certificates):
    server = serve()
    port = listener.getsockname()[1]
    client = openssl(
        "s_client", "-dtls1_2", "-connect", f"127.0.0.1:{port}",
        "-CAfile", certificates("ca.pem"), "-verify_return_error", "-quiet", "-no_ign_eof",
    )  # fmt: skip
    client.stdin.write(b"hello\n")
    client.stdin.flush()
    while not server.received and server.thread.is_alive():
        server.thread.join(0.05)
    client.communicate(timeout=PATIENCE)
    server.thread.join(PATIENCE)
    assert (server.received, server.errors) == ([b"hello\n"], [])


def test_the_openssl_program_is_the_server(s_server, dtls_contexts):
    process, port = s_server("server.pem", "-dtls1_2", "-listen")
    with client_of(dtls_contexts[0], ("127.0.0.1", port)) as client:
        client.write(b"hello\n")
        assert b"hello\n" in process.stdout
        process.stdin.write(b"answer\n")
        process.stdin.flush()
        assert client.read() == b"answer\n"
