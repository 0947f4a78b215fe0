"""The socket of a connection: its mode, and the threads that wait for it."""

from __future__ import annotations

import errno
import os
import queue
import signal
import socket
import struct
import sys
import threading
import time

import pytest

from M2Crypto import SSL, m2

POSIX = pytest.mark.skipif(
    os.name != "posix", reason="this system has no such mode of a descriptor"
)
# OpenSSL's own BIO, and another one without that option.
OPTIONS = sorted({0, getattr(m2, "SSL_OP_ENABLE_KTLS", 0)})
# `read` waits in recv(2) without a timeout, and in poll(2) with one.
TIMEOUTS = [None, 20]


@pytest.fixture
def blocking(pair, shake, contexts):
    """Return a client and a server after the handshake, without a timeout."""
    client, server = shake(*pair(*contexts))
    for connection in (client, server):
        connection.setblocking(True)
        connection.socket.setblocking(True)
    return client, server


class Reader(threading.Thread):
    """A thread that calls a method and keeps its result or error."""

    def __init__(self, connection, method, *arguments):
        super().__init__()
        self.call = lambda: method(*arguments)
        self.results = []
        self.waits = lambda: m2.ssl_io_waiting(connection.ssl) > 0
        self.start()

    def run(self):
        try:
            self.results.append(self.call())
        except SSL.SSLError as error:
            self.results.append(error)

    def wait(self):
        """Wait until the thread waits for the socket."""
        while not self.waits():
            time.sleep(0.001)

    def result(self):
        self.join()
        (result,) = self.results
        return result


class Line:
    """What of a socket's methods a connection calls, for any descriptor."""

    def __init__(self, descriptor):
        self.descriptor = descriptor

    def fileno(self):
        return self.descriptor

    def gettimeout(self):
        return None

    def settimeout(self, seconds):
        pass

    def recv(self, size):
        raise OSError

    def close(self):
        os.close(self.descriptor)


# ---- the mode of the descriptor ------------------------------------------------------------------


@POSIX
@pytest.mark.parametrize("seconds", [None, 0.0, 20.0])
def test_the_socket_keeps_the_mode_of_the_program(contexts, seconds):
    ours, theirs = socket.socketpair()
    ours.settimeout(seconds)
    with theirs, SSL.Connection(contexts[0], ours) as connection:
        connection.setup_ssl()
        assert ours.gettimeout() == seconds
        assert os.get_blocking(ours.fileno()) is (seconds is None)
        connection.settimeout(7)
        assert ours.gettimeout() == seconds


@POSIX
@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("blocks", [True, False])
def test_no_mode_of_the_descriptor_changes_how_operations_wait(
    contexts, pair, shake, option, blocks
):
    for context in contexts:
        context.set_options(option)
    client, server = shake(*pair(*contexts))
    os.set_blocking(client.fileno(), blocks)
    assert client.read() is None
    client.settimeout(0.01)
    os.set_blocking(client.fileno(), blocks)
    with pytest.raises(SSL.SSLTimeoutError):
        client.read()
    with pytest.raises(SSL.SSLTimeoutError):
        client.write(bytes(1 << 24))
    client.setblocking(True)
    os.set_blocking(client.fileno(), blocks)
    reader = Reader(client, client.read)
    reader.wait()
    server.write(b"hello")
    assert reader.result() == b"hello"


@POSIX
def test_a_timeout_of_the_descriptor_does_not_end_a_read(blocking):
    client, server = blocking
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 0, 1000))
    reader = Reader(client, client.read)
    reader.wait()
    time.sleep(0.05)
    server.write(b"hello")
    assert reader.result() == b"hello"


# ---- close_notify --------------------------------------------------------------------------------


@pytest.fixture
def full(pair, shake, contexts):
    """Return a client, a blocking server whose send buffer is full, and the bytes in it."""
    _, server = shake(*pair(*contexts))
    count = 0
    while server.write(b"x") == 1:
        count += 1
    client, server = shake(*pair(*contexts))
    for _ in range(count):
        assert server.write(b"x") == 1
    client.setblocking(True)
    server.setblocking(True)
    return client, server, b"x" * count


@pytest.mark.parametrize("method", [SSL.Connection.close, lambda server: server.shutdown(1)])
def test_close_notify_waits_for_space_in_the_send_buffer(full, method):
    client, server, data = full
    closer = Reader(server, method, server)
    closer.wait()
    received = b""
    while part := client.read():
        received += part
    assert received == data
    assert closer.result() is None


def test_a_non_blocking_close_notify_is_sent_later(full):
    client, server, data = full
    server.setblocking(False)
    assert m2.ssl_io_shutdown(server.ssl, 0) == -m2.SSL_ERROR_WANT_WRITE
    left = len(data)
    while left:
        left -= len(client.read())
    assert m2.ssl_io_shutdown(server.ssl, 0) == 0
    assert client.read() == b""


def test_close_does_not_wait_for_a_peer_that_does_not_read(full):
    _, server, _ = full
    server.settimeout(0.01)
    server.close()
    assert server.closed
    assert server.socket.fileno() == -1


# ---- what is received in a wait ------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 900, 1023, 1024, 1025, 5000, 16384])
def test_a_waiting_read_returns_records_of_all_sizes(blocking, size):
    client, server = blocking
    for _ in range(3):
        # A reply is waited for at once.
        client.write(b"x")
        reader = Reader(client, client.read, 1 << 16)
        reader.wait()
        server.write(b"y" * size)
        server.write(b"z")
        data = reader.result()
        while not data.endswith(b"z"):
            data += client.read(1 << 16)
        assert data == b"y" * size + b"z"
        assert client.pending() == 0
        assert server.read() == b"x"


def test_what_was_received_can_be_read_without_waiting(blocking):
    client, server = blocking
    reader = Reader(client, client.read, 1)
    reader.wait()
    server.write(b"hello")
    assert reader.result() == b"h"
    client.setblocking(False)
    assert client.pending() == 4
    assert client.read() == b"ello"
    assert client.read() is None


@pytest.mark.parametrize("seconds", TIMEOUTS)
def test_threads_that_read_share_a_record(blocking, seconds):
    client, server = blocking
    client.settimeout(seconds)
    for _ in range(50):
        readers = [Reader(client, client.read, 1) for _ in range(5)]
        readers[0].wait()
        server.write(b"abcde")
        assert sorted(reader.result() for reader in readers) == [b"a", b"b", b"c", b"d", b"e"]


@pytest.mark.parametrize("seconds", TIMEOUTS)
def test_threads_that_read_share_a_record_that_arrives_in_parts(blocking, seconds):
    client, server = blocking
    client.settimeout(seconds)
    turns = [threading.Semaphore(0) for _ in range(5)]
    received = queue.Queue()

    def read(turn):
        while turn.acquire() and (data := client.read(1)) != b"":
            received.put(data)

    readers = [Reader(client, read, turn) for turn in turns]
    ours, theirs = socket.socketpair()
    with ours, theirs:
        m2.ssl_set_fd(server.ssl, ours.fileno())
        for number in range(1000):
            for turn in turns:
                turn.release()
            server.write(b"abcde")
            record = theirs.recv(1000)
            # The reader that waits sees each part arrive, at another time each round.
            for part in (record[:7], record[7:]):
                server.socket.sendall(part)
                for _ in range(number % 100):
                    pass
            assert sorted(received.get(timeout=20) for _ in turns) == [b"a", b"b", b"c", b"d", b"e"]
        m2.ssl_set_fd(server.ssl, server.fileno())
    server.shutdown(socket.SHUT_WR)
    for reader, turn in zip(readers, turns):
        turn.release()
        assert reader.result() is None


def test_threads_that_read_share_many_records(blocking):
    client, server = blocking
    count = 2000
    received = []

    def read():
        while (data := client.read(4)) != b"":
            # A record is read alone unless it fits with the one before.
            assert len(data) == 4
            received.append(int.from_bytes(data, "big"))

    readers = [Reader(client, read) for _ in range(4)]
    for number in range(count):
        server.write(number.to_bytes(4, "big"))
    server.shutdown(socket.SHUT_WR)
    for reader in readers:
        assert reader.result() is None
    assert sorted(received) == list(range(count))


@pytest.mark.needs_tls13
@pytest.mark.parametrize("seconds", TIMEOUTS)
def test_a_write_continues_after_another_thread_has_received_the_rest_of_a_handshake(
    contexts, pair, shake, certificates, seconds
):
    contexts[0].set_post_handshake_auth(True)
    contexts[0].load_cert(certificates("client.pem"))
    contexts[1].load_verify_locations(certificates("ca.pem"))
    contexts[1].set_verify(SSL.verify_peer | m2.SSL_VERIFY_POST_HANDSHAKE, 9)
    contexts[1].set_session_id_ctx(b"tests")
    # Which of the threads runs first is the system's choice.
    for _ in range(5):
        client, server = shake(*pair(*contexts))
        client.settimeout(20)
        server.settimeout(seconds)
        ours, theirs = socket.socketpair()
        with ours, theirs:
            m2.ssl_set_fd(server.ssl, ours.fileno())
            server.socket.settimeout(20)
            server.verify_client_post_handshake()
            server.write(b"x")
            server.socket.sendall(theirs.recv(10000))
            assert client.read() == b"x"
            response = server.socket.recv(10000)
            reader = Reader(server, server.read)
            reader.wait()
            first = 5 + int.from_bytes(response[3:5], "big")
            theirs.sendall(response[:first])
            # The reader receives the certificate, and waits again.
            time.sleep(0.02)
            writer = Reader(server, m2.ssl_io_write, server.ssl, b"hello", -1)
            # The writer waits in line.
            time.sleep(0.02)
            theirs.sendall(response[first:])
            assert writer.result() == 5
            server.socket.sendall(theirs.recv(10000))
            assert client.read() == b"hello"
            client.write(b"bye")
            theirs.sendall(server.socket.recv(10000))
            assert reader.result() == b"bye"


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no interval timers")
@pytest.mark.parametrize("seconds", TIMEOUTS)
def test_a_signal_handler_reads_while_its_thread_waits_in_line(blocking, seconds):
    client, server = blocking
    client.settimeout(seconds)
    reader = Reader(client, client.read, 5)
    reader.wait()
    results = []

    def read(*_):
        writer = threading.Timer(0.05, lambda: [server.write(b"hello") for _ in range(3)])
        writer.start()
        results.append(client.read(5))

    before = signal.signal(signal.SIGALRM, read)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        results.append(client.read(5))
    finally:
        signal.signal(signal.SIGALRM, before)
    assert [*results, reader.result()] == [b"hello"] * 3


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no interval timers")
def test_a_signal_handler_writes_while_its_thread_waits_in_line(blocking):
    client, server = blocking
    received = []

    def read():
        while len(received) < 2:
            received.append(client.read(5))

    reader = Reader(client, read)
    reader.wait()

    def write(*_):
        server.write(b"first")
        # The reader comes again.
        while not received or not reader.waits():
            time.sleep(0.001)
        client.write(b"reply")
        server.write(b"next.")
        reader.join()
        server.write(b"last.")

    before = signal.signal(signal.SIGALRM, write)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        assert client.read(5) == b"last."
    finally:
        signal.signal(signal.SIGALRM, before)
    assert received == [b"first", b"next."]
    assert server.read() == b"reply"


@pytest.mark.skipif(sys.platform != "linux", reason="uses what Linux has")
def test_a_descriptor_that_is_no_socket_is_the_transport(contexts):
    import tty

    ends = os.openpty()
    for end in ends:
        tty.setraw(end)
    client, server = (SSL.Connection(*each) for each in zip(contexts, map(Line, ends)))
    with client, server:
        client.set_post_connection_check_callback(None)
        accepting = Reader(server, server.accept_ssl)
        assert client.connect_ssl() == 1
        assert accepting.result() == 1
        reader = Reader(client, client.read, 5000)
        reader.wait()
        server.write(b"x" * 2000)
        assert reader.result() == b"x" * 2000


def test_a_thread_without_waiting_takes_nothing_from_one_that_waits(blocking):
    client, server = blocking
    reader = Reader(client, client.read)
    reader.wait()
    # A timeout of 0 for this read alone.
    assert m2.ssl_io_read(client.ssl, 5, 0) is None
    assert client.pending() == 0
    client.write(b"hello")
    assert server.read() == b"hello"
    server.write(b"world")
    assert reader.result() == b"world"


def test_the_timeout_of_one_thread_holds_beside_the_wait_of_another(blocking):
    client, server = blocking
    reader = Reader(client, client.read)
    reader.wait()
    client.settimeout(0.01)
    with pytest.raises(SSL.SSLTimeoutError, match="timed out"):
        client.read()
    client.settimeout(20)
    server.write(b"hello")
    assert reader.result() == b"hello"


@pytest.mark.parametrize("seconds", TIMEOUTS)
def test_a_reset_while_waiting_is_reported(contexts, shake, seconds):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ends = socket.create_connection(listener.getsockname()), listener.accept()[0]
    with (
        SSL.Connection(contexts[0], ends[0]) as client,
        SSL.Connection(contexts[1], ends[1]) as server,
    ):
        for connection in (client, server):
            connection.setblocking(False)
            connection.set_post_connection_check_callback(None)
        shake(client, server)
        client.settimeout(seconds)
        reader = Reader(client, client.read)
        reader.wait()
        server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        server.socket.close()
        error = reader.result()
        assert error.errno == errno.ECONNRESET
        assert isinstance(error, SSL.SSLError)


@pytest.mark.parametrize("seconds", TIMEOUTS)
def test_an_end_without_close_notify_while_waiting_is_reported(blocking, seconds):
    client, server = blocking
    client.settimeout(seconds)
    reader = Reader(client, client.read)
    reader.wait()
    server.socket.shutdown(socket.SHUT_WR)
    assert "unexpected eof" in str(reader.result())


@pytest.mark.parametrize("seconds", TIMEOUTS)
def test_another_socket_replaces_the_one_of_a_waiting_thread(blocking, seconds):
    client, server = blocking
    client.settimeout(seconds)
    reader = Reader(client, client.read)
    reader.wait()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        m2.ssl_set_fd(client.ssl, ours.fileno())
        server.write(b"to the old one")
        theirs.shutdown(socket.SHUT_WR)
        assert "unexpected eof" in str(reader.result())


@pytest.mark.parametrize("seconds", TIMEOUTS)
def test_close_waits_for_threads_that_read(blocking, seconds):
    client, _ = blocking
    client.settimeout(seconds)
    readers = [Reader(client, client.read) for _ in range(4)]
    for reader in readers:
        reader.wait()
    client.close()
    for reader in readers:
        assert "closed by another thread" in str(reader.result())


@pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's /proc")
def test_a_child_process_reads_although_a_thread_of_its_parent_waits(python, certificates):
    program = f"""
import os, pathlib, signal, socket, threading, time, warnings
from M2Crypto import SSL, m2

# Of Python 3.12, about the fork.
warnings.simplefilter("ignore")
contexts = SSL.Context(), SSL.Context()
contexts[0].load_verify_locations({certificates("ca.pem")!r})
contexts[1].load_cert({certificates("server.pem")!r})
client, server = [SSL.Connection(*each) for each in zip(contexts, socket.socketpair())]
client.set_post_connection_check_callback(None)
thread = threading.Thread(target=server.accept_ssl)
thread.start()
client.connect_ssl()
thread.join()
threading.Thread(target=client.read, daemon=True).start()
while not m2.ssl_io_waiting(client.ssl):
    time.sleep(0.001)
parent = os.getpid()
if os.fork():
    time.sleep(60)

def is_stopped(task):
    return (task / "stat").read_text().rpartition(")")[2].split()[0] in "tT"

# The parent's thread must not receive what the child shall.
os.kill(parent, signal.SIGSTOP)
while not all(map(is_stopped, pathlib.Path(f"/proc/{{parent}}/task").iterdir())):
    time.sleep(0.001)
try:
    server.write(b"hello")
    print(client.read().decode(), flush=True)
finally:
    os.kill(parent, signal.SIGKILL)
    os._exit(0)
"""
    done = python("-c", program)
    assert done.stdout == "hello\n", done.stderr
