"""Connections handshake, read, write, time out and close, with M2Crypto on both sides."""

from __future__ import annotations

import contextlib
import errno
import gc
import io
import os
import select
import signal
import socket
import struct
import sys
import threading
import time
import weakref
from pathlib import Path
from unittest import mock

import pytest
from fix_peers import NO_HOST_NAMES

from M2Crypto import BIO, SSL, m2

# ---- the handshake -------------------------------------------------------------------------------


def test_client_and_server_negotiate_the_same_parameters(connected):
    client, server = connected
    assert client.get_version() == server.get_version()
    assert client.get_cipher().name() == server.get_cipher().name()
    assert len(client.get_cipher()) in (128, 256)
    assert client.get_cipher().version() in ("TLSv1.2", "TLSv1.3")
    assert client.get_peer_cert().get_subject().CN == "localhost"
    assert server.get_peer_cert() is None
    assert server.get_peer_cert_chain() is None
    assert client.verify_ok()
    assert isinstance(client.get_state(), str)
    assert client.get_context() is client.ctx


@pytest.mark.parametrize("protocol", ["tlsv1", "tlsv1_1", "tlsv1_2", "tlsv1_3"])
def test_each_protocol_version_can_be_negotiated(pair, shake, certificates, protocol):
    try:
        contexts = [SSL.Context(protocol, weak_crypto=1) for _ in range(2)]
    except ValueError as error:
        assert "built without it" in str(error)
        return
    contexts[1].load_cert(certificates("server.pem"))
    client, _ = shake(*pair(*contexts))
    assert client.get_version().lower().replace(".", "_") == protocol


def test_tls_1_0_and_1_1_require_weak_crypto(pair, shake, certificates):
    contexts = [SSL.Context("tlsv1"), SSL.Context("tls", weak_crypto=1)]
    contexts[1].load_cert(certificates("server.pem"))
    with pytest.raises(SSL.SSLError, match="weak_crypto=1"):
        shake(*pair(*contexts))


def test_the_default_ciphers_are_aead_with_forward_secrecy(pair, contexts):
    client, _ = pair(*contexts)
    ciphers = client.get_ciphers()
    names = [cipher.name() for cipher in ciphers]
    assert len(ciphers) == len(names) > 0
    assert client.get_cipher_list() == names[0]
    assert client.get_cipher_list(len(names)) is None
    assert all(name.startswith(("TLS_", "ECDHE-", "DHE-")) for name in names)
    assert all(len(cipher) >= 128 for cipher in ciphers)
    assert all("GCM" in name or "CHACHA20" in name for name in names)
    with pytest.raises(IndexError):
        ciphers[len(names)]


def test_a_connection_can_have_its_own_cipher_list(pair, shake, contexts):
    client, server = pair(*contexts)
    contexts[0].set_max_proto_version("TLSv1.2")
    client, server = pair(*contexts)
    cipher = "DHE-RSA-AES128-GCM-SHA256" if m2.OPENSSL_NO_EC else "ECDHE-RSA-AES128-GCM-SHA256"
    client.set_cipher_list(cipher)
    shake(client, server)
    assert server.get_cipher().name() == cipher
    with pytest.raises(SSL.SSLError, match="no cipher match"):
        client.set_cipher_list("NONE-SUCH")


@pytest.mark.needs("DH")
def test_dh_parameters_can_be_loaded(pair, shake, contexts, certificates):
    assert contexts[1].set_tmp_dh(certificates("dh.pem")) == 1
    with BIO.openfile(certificates("dh.pem")) as bio:
        assert contexts[1].set_tmp_dh(bio) == 1
    contexts[0].set_max_proto_version("TLSv1.2")
    contexts[0].set_cipher_list("DHE-RSA-AES256-GCM-SHA384")
    client, _ = shake(*pair(*contexts))
    assert client.get_cipher().name() == "DHE-RSA-AES256-GCM-SHA384"


def test_a_handshake_can_start_on_a_connected_socket(contexts):
    ends = socket.socketpair()
    server = SSL.Connection(contexts[1], ends[1])
    server.settimeout(20)
    accepting = threading.Thread(target=server.handshake_on_existing_socket, args=(True,))
    accepting.start()
    with SSL.Connection(contexts[0], ends[0]) as client:
        client.settimeout(20)
        client.set1_host("localhost")
        assert client.handshake_on_existing_socket() == 1
        accepting.join()
        assert client.verify_ok()
        server.close()


def test_a_handshake_in_steps_checks_the_host(contexts):
    ends = socket.socketpair()
    with (
        SSL.Connection(contexts[0], ends[0]) as client,
        SSL.Connection(contexts[1], ends[1]) as server,
    ):
        client.setblocking(False)
        server.setblocking(False)
        client.setup_ssl()
        client.setup_addr(("other.example.org", 443))
        client.set_connect_state()
        assert client.connect_ssl() == -1
        with pytest.raises(SSL.Checker.WrongHost):
            for _ in range(20):
                server.accept_ssl()
                client.connect_ssl()
        assert client.closed


def test_a_connection_can_run_over_bios(contexts):
    to_server, to_client = BIO.MemoryBuffer(), BIO.MemoryBuffer()
    with SSL.Connection(contexts[0]) as client, SSL.Connection(contexts[1]) as server:
        client.set_post_connection_check_callback(None)
        client.set_bio(to_client, to_server)
        server.set_bio(to_server, to_client)
        # Nothing blocks: there is no socket to wait for.
        outcomes = [(client.connect_ssl(), server.accept_ssl()) for _ in range(5)]
        assert outcomes[0] == (-1, -1)
        assert outcomes[-1] == (1, 1)
        assert client.write(b"hello") == 5
        assert server.read() == b"hello"
        assert server.read() is None


def test_threads_can_write_over_the_same_bios(contexts):
    to_server, to_client = BIO.MemoryBuffer(), BIO.MemoryBuffer()
    # More than one record (RFC 8446, section 5.1).
    pieces = [bytes([letter]) * 40_000 for letter in b"abcd"]
    with SSL.Connection(contexts[0]) as client, SSL.Connection(contexts[1]) as server:
        client.set_post_connection_check_callback(None)
        client.set_bio(to_client, to_server)
        server.set_bio(to_server, to_client)
        while (client.connect_ssl(), server.accept_ssl()) != (1, 1):
            pass
        written = []
        threads = [
            threading.Thread(target=lambda piece=piece: written.append(client.write(piece)))
            for piece in pieces
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        got = b"".join(iter(lambda: server.read(1 << 20), None))
    assert written == [40_000] * len(pieces)
    # Each write is whole, in the order in which the threads got the connection.
    assert sorted(got[at : at + 40_000] for at in range(0, len(got), 40_000)) == pieces


def test_a_write_over_bios_is_refused_in_a_callback_of_the_connection(contexts):
    refusals = []

    def inform(where, ret, handle):
        if not refusals:
            with pytest.raises(SSL.SSLError, match="in use") as refused:
                client.write(b"early")
            refusals.append(refused.value)

    contexts[0].set_info_callback(inform)
    to_server, to_client = BIO.MemoryBuffer(), BIO.MemoryBuffer()
    with SSL.Connection(contexts[0]) as client:
        client.set_bio(to_client, to_server)
        assert client.connect_ssl() == -1
    assert len(refusals) == 1


def test_renegotiation_is_refused(connected):
    with pytest.raises(SSL.SSLError):
        connected[0].renegotiate()


# ---- the post-connection check before input and output -------------------------------------------


@pytest.fixture
def unfinished(pair, contexts, certificates):
    """Return a client in the handshake with a server that has another host's certificate."""
    server_context = SSL.Context()
    server_context.load_cert(certificates("other_host.pem"))
    client, server = pair(contexts[0], server_context)
    client.set_post_connection_check_callback(SSL.Checker.Checker())
    client.setup_addr(("localhost", 443))
    assert client.connect_ssl() == -1
    return client, server


TRANSFERS = {
    "read": lambda connection: connection.read(),
    "recv": lambda connection: connection.recv(5),
    "recv_into": lambda connection: connection.recv_into(bytearray(5)),
    "readinto": lambda connection: connection.readinto(bytearray(5)),
    "file.read": lambda connection: connection.makefile("rb", 0).read(5),
    "file.readline": lambda connection: connection.makefile("rb").readline(),
    "write": lambda connection: connection.write(b"secret"),
    "send": lambda connection: connection.send(b"secret"),
    "sendall": lambda connection: connection.sendall(b"secret"),
    "file.write": lambda connection: connection.makefile("wb", 0).write(b"secret"),
}
transfers = pytest.mark.parametrize("transfer", TRANSFERS.values(), ids=TRANSFERS)


def complete(client, server, transfer):
    """Continue the handshake by the client's reads and writes only."""
    for _ in range(20):
        server.accept_ssl()
        # A buffered file raises BlockingIOError where others return None or -1.
        with contextlib.suppress(BlockingIOError):
            assert transfer(client) in (None, -1, b"")
        assert client.pending() == 0


@transfers
def test_a_client_transfers_no_data_before_the_post_connection_check(unfinished, transfer):
    client, server = unfinished
    with pytest.raises(SSL.Checker.WrongHost):
        complete(client, server, transfer)
    assert client.closed
    server.accept_ssl()
    with contextlib.suppress(SSL.SSLError):
        assert not server.read()
    for again in TRANSFERS.values():
        with pytest.raises(SSL.SSLError, match="closed"):
            again(client)


@transfers
def test_a_server_transfers_no_data_before_the_post_connection_check(pair, contexts, transfer):
    client, server = pair(*contexts)
    server.set_post_connection_check_callback(lambda certificate, host: False)
    client.connect_ssl()
    assert server.accept_ssl() == -1
    with pytest.raises(SSL.Checker.SSLVerificationError):
        for _ in range(20):
            with contextlib.suppress(SSL.SSLError):
                client.connect_ssl()
            with contextlib.suppress(BlockingIOError):
                assert transfer(server) in (None, -1, b"")
    assert server.closed


@transfers
def test_a_connection_over_bios_transfers_no_data_before_the_check(
    certificates, contexts, transfer
):
    server_context = SSL.Context()
    server_context.load_cert(certificates("other_host.pem"))
    to_server, to_client = BIO.MemoryBuffer(), BIO.MemoryBuffer()
    with SSL.Connection(contexts[0]) as client, SSL.Connection(server_context) as server:
        client.set_bio(to_client, to_server)
        server.set_bio(to_server, to_client)
        client.set1_host("other.example.org")
        client.setup_addr(("localhost", 443))
        client.set_post_connection_check_callback(lambda certificate, host: host == "localhost")
        assert client.connect_ssl() == -1
        with pytest.raises(SSL.Checker.SSLVerificationError):
            complete(client, server, transfer)
        assert client.closed


def test_a_handshake_resumed_after_a_timeout_runs_the_check(unfinished):
    client, server = unfinished
    client.settimeout(0.001)
    with pytest.raises(SSL.SSLTimeoutError):
        client.connect_ssl()
    server.settimeout(20)
    client.settimeout(20)
    accepting = threading.Thread(target=server.accept_ssl)
    accepting.start()
    with pytest.raises(SSL.Checker.WrongHost):
        client.read()
    accepting.join()
    assert client.closed


def test_read_and_write_complete_a_handshake(pair, contexts):
    client, server = pair(*contexts)
    checked = []
    for connection in (client, server):
        connection.set_post_connection_check_callback(lambda *_: checked.append(1) or True)
        connection.settimeout(20)
    server.set_accept_state()
    client.set_connect_state()
    got = []
    serving = threading.Thread(target=lambda: got.append(server.read()) or server.write(b"back"))
    serving.start()
    assert client.write(b"there") == 5
    assert client.read() == b"back"
    serving.join()
    assert got == [b"there"]
    assert checked == [1, 1]


def test_read_and_write_without_a_role_are_refused(pair, contexts):
    client, _ = pair(*contexts)
    with pytest.raises(SSL.SSLError, match="connection type not set"):
        client.read()


def test_each_handshake_after_clear_runs_the_check(contexts):
    checked = []
    with SSL.Connection(contexts[0]) as client:
        client.set_post_connection_check_callback(lambda *_: checked.append(1) or True)
        client.set_connect_state()
        for count in (1, 2):
            to_server, to_client = BIO.MemoryBuffer(), BIO.MemoryBuffer()
            with SSL.Connection(contexts[1]) as server:
                client.set_bio(to_client, to_server)
                server.set_bio(to_server, to_client)
                while server.accept_ssl() != 1:
                    assert client.read() is None
                assert client.read() is None
                assert len(checked) == count
            client.clear()
            assert client.pending() == 0


def test_two_threads_run_one_handshake_and_one_check(pair, contexts):
    client, server = pair(*contexts)
    client.settimeout(20)
    server.settimeout(20)
    events = []
    waiting = threading.Semaphore(0)

    def check(certificate, host):
        waiting.acquire()
        waiting.acquire()
        events.append("check")
        return True

    def read():
        waiting.release()
        events.append(client.read())

    def write():
        waiting.release()
        events.append(client.write(b"hello"))

    client.set_post_connection_check_callback(check)
    client.set_connect_state()
    threads = [threading.Thread(target=work) for work in (read, write)]
    for thread in threads:
        thread.start()
    server.accept_ssl()
    server.write(b"welcome")
    assert server.read() == b"hello"
    for thread in threads:
        thread.join()
    assert events[0] == "check"
    assert sorted(events[1:], key=str) == [5, b"welcome"]


def test_a_thread_waits_for_another_handshake_no_longer_than_its_timeout(pair, contexts):
    client, _ = pair(*contexts)
    client.set_connect_state()
    client.settimeout(20)
    outcomes = []

    def others():
        client.settimeout(0.001)
        with pytest.raises(SSL.SSLTimeoutError) as caught:
            client.write(b"hello")
        outcomes.append(str(caught.value))
        client.setblocking(False)
        outcomes.extend([client.write(b"hello"), client.read()])

    with client._handshaking:
        thread = threading.Thread(target=others)
        thread.start()
        thread.join()
    assert outcomes == ["timed out", -1, None]


def test_a_handshake_has_a_number_that_opens_the_connection(pair, contexts, shake):
    client, _ = shake(*pair(*contexts))
    number = m2.ssl_io_handshake(client.ssl, 0)
    assert number == 1
    client.set_connect_state()
    with pytest.raises(SSL.SSLError, match="cleared during its handshake"):
        m2.ssl_io_open(client.ssl, number)
    assert m2.ssl_io_open(client.ssl, number + 1) == 1


@pytest.mark.parametrize("reset", [m2.ssl_clear, m2.ssl_set_connect_state])
def test_without_another_check_no_data_are_sent_after_a_reset(pair, contexts, shake, reset):
    # OpenSSL would perform the handshake itself, and nothing would check the peer.
    client, _ = shake(*pair(*contexts))
    reset(client.ssl)
    for transfer in (lambda: client.write(b"secret"), client.read):
        with pytest.raises(SSL.SSLError, match="cleared by another thread"):
            transfer()
    assert m2.ssl_io_pending(client.ssl) == 0


def test_a_signal_handler_can_close_a_connection_that_its_thread_closes(pair, contexts, shake):
    client, _ = shake(*pair(*contexts))
    with client._closing:
        client.close()
    assert client.closed


class Wrapper:
    """A socket as some libraries replace `socket.socket` with."""

    def __init__(self, *arguments, **keywords):
        self._socket = Genuine(*arguments, **keywords)

    def __getattr__(self, name):
        return getattr(self._socket, name)


Genuine = socket.socket


@pytest.mark.parametrize(
    "replaced", [Wrapper, lambda *arguments: Genuine(*arguments), mock.MagicMock(Genuine)]
)
def test_a_connection_takes_what_replaces_a_socket(contexts, monkeypatch, replaced):
    monkeypatch.setattr(socket, "socket", replaced)
    SSL.Connection(contexts[0]).close()


def test_a_mock_of_a_socket_is_a_stream(contexts):
    sock = mock.create_autospec(Genuine, instance=True)
    sock.gettimeout.return_value = None
    assert not SSL.Connection(contexts[0], sock).closed


@pytest.mark.skipif(os.name != "posix", reason="this system has no such mode of a descriptor")
def test_a_non_blocking_handshake_does_not_wait_for_a_blocking_descriptor(pair, contexts):
    client, _ = pair(*contexts)
    client.setblocking(False)
    os.set_blocking(client.fileno(), True)
    assert client.connect_ssl() == -1


def test_a_check_that_clears_the_connection_does_not_pass(pair, contexts):
    client, server = pair(*contexts)
    client.set_post_connection_check_callback(lambda *_: client.clear() == 1)
    with pytest.raises(SSL.SSLError, match="cleared during its handshake"):
        for _ in range(20):
            client.connect_ssl()
            server.accept_ssl()
    assert client.closed


def test_a_connection_cleared_by_another_thread_is_not_read(connected):
    client, server = connected
    client.settimeout(20)
    server.write(b"hello")
    assert client.read() == b"hello"
    errors = []

    def read():
        with pytest.raises(SSL.SSLError) as caught:
            client.read()
        errors.append(str(caught.value))

    thread = threading.Thread(target=read)
    thread.start()
    while not m2.ssl_io_waiting(client.ssl):
        pass
    client.clear()
    # Any incoming data wakes the reader.
    server.write(b"more")
    thread.join()
    assert errors == ["the connection was cleared by another thread"]


# ---- callbacks of the connection's own operations ------------------------------------------------

CHANGES = {
    "clear": lambda connection: connection.clear(),
    "connect": lambda connection: connection.connect(("127.0.0.1", 1)),
    "connect_ssl": lambda connection: connection.connect_ssl(),
    "accept_ssl": lambda connection: connection.accept_ssl(),
    "handshake": lambda connection: connection.handshake_on_existing_socket(),
    "set_accept_state": lambda connection: connection.set_accept_state(),
    "set_connect_state": lambda connection: connection.set_connect_state(),
    "close": lambda connection: connection.close(),
    "close_keeping_the_socket": lambda connection: connection.close(freeBio=False),
    "shutdown": lambda connection: connection.shutdown(socket.SHUT_RDWR),
    "shutdown_of_input": lambda connection: connection.shutdown(socket.SHUT_RD),
    "set_shutdown": lambda connection: connection.set_shutdown(SSL.SSL_SENT_SHUTDOWN),
    "set_bio": lambda connection: connection.set_bio(BIO.MemoryBuffer(), BIO.MemoryBuffer()),
    "setup_ssl": lambda connection: connection.setup_ssl(),
    "renegotiate": lambda connection: connection.renegotiate(),
    "set1_host": lambda connection: connection.set1_host("localhost"),
    "set_tlsext_host_name": lambda connection: connection.set_tlsext_host_name("localhost"),
    "set_cipher_list": lambda connection: connection.set_cipher_list("DHE+AESGCM"),
    "set_session_id_ctx": lambda connection: connection.set_session_id_ctx(b"shop"),
    **TRANSFERS,
}


@pytest.mark.parametrize("kind", ["info", "verify"])
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_callback_cannot_modify_the_connection_that_calls_it(pair, contexts, change, kind):
    refused = []

    def callback(*arguments):
        try:
            change(client)
        except SSL.SSLError as error:
            refused.append(str(error))
        return 1

    if kind == "info":
        contexts[0].set_info_callback(callback)
    else:
        contexts[0].set_verify(SSL.verify_peer, 9, callback)
    client, server = pair(*contexts)
    fd = client.fileno()
    while client.connect_ssl() != 1:
        server.accept_ssl()
    assert refused
    assert all("in use by the" in message for message in refused)
    assert all("that called the callback" in message for message in refused)
    assert not client.closed
    assert client.fileno() == fd
    # The peer and the connection can still communicate.
    server.accept_ssl()
    client.write(b"hello")
    assert server.read() == b"hello"


@pytest.fixture
def alerted(pair, shake, contexts):
    """Return a connected pair, and a list of what the server's info callback does at an alert."""
    actions = []

    def callback(where, ret, ssl_ptr):
        if where & m2.SSL_CB_READ and where & m2.SSL_CB_ALERT:
            for action in actions:
                action()

    contexts[1].set_info_callback(callback)
    client, server = shake(*pair(*contexts))
    server.settimeout(20)
    return client, server, actions


def test_a_callback_during_read_cannot_modify_the_connection(alerted):
    client, server, actions = alerted
    refused = []

    def change_all():
        for change in CHANGES.values():
            with pytest.raises(SSL.SSLError, match="in use by the"):
                change(server)
            refused.append(change)

    actions.append(change_all)
    client.close()
    assert server.read() == b""
    assert len(refused) == len(CHANGES)
    assert not server.closed


def test_a_callback_cannot_close_the_last_file_of_a_closed_connection(alerted):
    client, server, actions = alerted
    file = server.makefile("rb", 0)
    server.close()
    refused = []

    def close():
        with pytest.raises(SSL.SSLError, match="in use by the"):
            file.close()
        refused.append(file.closed)

    actions.append(close)
    client.close()
    assert file.read(1) == b""
    assert refused == [False]
    assert server.fileno() >= 0
    file.close()
    assert server.fileno() == -1


def test_a_callback_can_close_a_file_of_an_open_connection(alerted):
    client, server, actions = alerted
    actions.append(lambda: server.makefile("rb").close())
    client.close()
    assert server.read() == b""
    assert server.fileno() >= 0


def test_a_check_cannot_read_write_or_start_a_handshake(pair, shake, contexts):
    client, server = pair(*contexts)
    refused = []

    def check(certificate, host):
        for change in (*TRANSFERS.values(), SSL.Connection.connect_ssl):
            with pytest.raises(SSL.SSLError, match="in use by the"):
                change(client)
            refused.append(change)
        return True

    client.set_post_connection_check_callback(check)
    shake(client, server)
    assert len(refused) == len(TRANSFERS) + 1


def test_a_callback_can_read_the_state_of_its_connection(pair, shake, contexts):
    seen = []

    def callback(where, ret, ssl_ptr):
        seen.append(client.get_state())
        client.get_version()
        client.get_cipher()
        client.get_ciphers()
        client.get_cipher_list()
        client.get_peer_cert()
        client.get_peer_cert_chain()
        client.get_client_CA_list()
        client.get_session()
        client.get_shutdown()
        client.get_verify_mode()
        client.get_verify_depth()
        client.get_verify_result()
        client.get_default_session_timeout()
        client.session_reused()
        client.verify_ok()
        client.pending()
        client.ssl_get_error(1)
        client.settimeout(20)
        m2.ssl_get_ssl_ctx(ssl_ptr)
        m2.ssl_is_server(ssl_ptr)
        m2.ssl_is_init_finished(ssl_ptr)

    contexts[0].set_info_callback(callback)
    client, server = pair(*contexts)
    server.settimeout(20)
    accepting = threading.Thread(target=server.accept_ssl)
    accepting.start()
    client.settimeout(20)
    assert client.connect_ssl() == 1
    accepting.join()
    assert seen


def test_a_callback_does_not_change_the_error_of_the_operation(pair, shake, contexts):
    def callback(where, ret, ssl_ptr):
        with pytest.raises(FileNotFoundError):
            Path("none").stat()

    for context in contexts:
        context.set_info_callback(callback)
    client, server = pair(*contexts)
    client.connect_ssl()
    client.socket.shutdown(socket.SHUT_WR)
    # The callback is called for the steps before the end is read.
    with pytest.raises(SSL.SSLError, match="unexpected eof while reading") as caught:
        for _ in range(3):
            server.accept_ssl()
    assert not isinstance(caught.value, OSError)


# ---- exceptions of callbacks during input and output ---------------------------------------------


class Raising:
    """An info callback that raises once, for one kind of event."""

    def __init__(self, event):
        self.event = event

    def __call__(self, where, ret, ssl_ptr):
        if where & self.event:
            self.event = 0
            raise LookupError("the log is full")


@pytest.mark.needs_tls13
def test_data_read_before_a_callback_raised_is_returned(pair, shake, contexts):
    callback = Raising(0)
    contexts[0].set_info_callback(callback)
    client, server = shake(*pair(*contexts))
    # The session tickets, for which the callback is called, come before the data.
    server.write(b"hello")
    callback.event = m2.SSL_CB_LOOP | m2.SSL_CB_HANDSHAKE_START
    assert client.read() == b"hello"
    assert callback.event == 0
    server.write(b"again")
    with pytest.raises(LookupError, match="the log is full"):
        client.read()
    assert client.read() == b"again"
    client.close()
    assert server.read() == b""


def test_data_written_before_a_callback_raised_is_counted(pair, contexts):
    contexts[0].set_info_callback(Raising(m2.SSL_CB_HANDSHAKE_DONE))
    client, server = pair(*contexts)
    client.setup_ssl()
    client.set_connect_state()
    # The low-level layer lets SSL_write(3) complete the handshake.
    while (sent := m2.ssl_write(client.ssl, b"hello")) < 0:
        server.accept_ssl()
    assert sent == 5
    with pytest.raises(LookupError, match="the log is full"):
        m2.ssl_write(client.ssl, b"again")
    assert m2.ssl_write(client.ssl, b", world") == 7
    server.accept_ssl()
    assert server.read(5) == b"hello"
    assert server.read() == b", world"


def test_a_postponed_exception_does_not_prevent_close_notify(pair, contexts):
    contexts[0].set_info_callback(Raising(m2.SSL_CB_HANDSHAKE_DONE))
    client, server = pair(*contexts)
    client.setup_ssl()
    client.set_connect_state()
    while m2.ssl_write(client.ssl, b"hello") < 0:
        server.accept_ssl()
    with pytest.raises(LookupError, match="the log is full"):
        m2.ssl_shutdown(client.ssl)
    server.accept_ssl()
    assert server.read() == b"hello"
    assert server.read() == b""


def test_a_postponed_exception_is_discarded_with_its_connection(pair, contexts):
    class LostError(LookupError):
        pass

    gone = []

    def callback(where, ret, ssl_ptr):
        if where & m2.SSL_CB_HANDSHAKE_DONE:
            error = LostError()
            gone.append(weakref.ref(error))
            raise error

    contexts[0].set_info_callback(callback)
    connection = m2.ssl_new(contexts[0].ctx)
    to_server, to_client = BIO.MemoryBuffer(), BIO.MemoryBuffer()
    m2.ssl_set_bio(connection, to_client.bio_ptr(), to_server.bio_ptr())
    m2.ssl_set_connect_state(connection)
    with SSL.Connection(contexts[1]) as server:
        server.set_bio(to_server, to_client)
        while m2.ssl_write(connection, b"hello") < 0:
            server.accept_ssl()
    assert gone[0]() is not None
    del connection
    gc.collect()
    assert gone[0]() is None


# ---- reading and writing -------------------------------------------------------------------------


def test_read_returns_at_most_size_bytes(connected):
    client, server = connected
    assert client.write(b"hello, world") == 12
    assert server.read(5) == b"hello"
    assert server.pending() == 7
    assert server.recv(100) == b", world"
    assert server.read(0) == b""
    with pytest.raises(ValueError, match="negative"):
        server.read(-1)


def test_any_bytes_like_object_can_be_written_and_read_into(connected):
    client, server = connected
    assert client.sendall(memoryview(b"hello")) == 5
    assert client.write(bytearray(b", world")) == 7
    assert client.write(b"") == 0
    target = bytearray(8)
    assert server.recv_into(target, 3) == 3
    assert server.readinto(memoryview(target)[3:]) == 5
    assert target == b"hello, w"
    assert server.recv_into(bytearray()) == 0
    with pytest.raises(TypeError):
        client.write("text")
    with pytest.raises((TypeError, BufferError)):
        server.recv_into(b"read-only")
    with pytest.raises(ValueError, match="negative"):
        server.recv_into(target, -1)


def test_a_non_blocking_connection_returns_when_it_would_block(connected):
    client, server = connected
    server.setblocking(False)
    client.setblocking(False)
    assert server.read() is None
    assert server.recv_into(bytearray(4)) is None
    sent = 0
    data = bytes(1 << 20)
    while (done := client.write(data[sent % len(data) :])) != -1:
        sent += done
    got = 0
    while (piece := server.read(65536)) is not None:
        got += len(piece)
    # A record may be on its way, in part.
    assert sent - 16384 <= got <= sent


def test_a_read_without_data_times_out(connected):
    client, server = connected
    server.settimeout(0.01)
    assert server.gettimeout() == 0.01
    with pytest.raises(SSL.SSLTimeoutError) as caught:
        server.read()
    assert isinstance(caught.value, socket.timeout)
    assert isinstance(caught.value, SSL.SSLError)
    # Nothing is lost: what comes later is read.
    client.write(b"hello")
    server.settimeout(20)
    assert server.read() == b"hello"


def test_a_part_of_a_record_does_not_extend_a_timeout(connected):
    client, server = connected
    client.write(b"hello")
    # The first byte of a record's header.
    server.socket.send(b"\x17")
    client.settimeout(1e-9)
    with pytest.raises(SSL.SSLTimeoutError):
        client.read()


SECONDS = {
    "-1": ValueError,
    "-0.001": ValueError,
    "nan": ValueError,
    "inf": OverflowError,
    "1e10": OverflowError,
    "9223372037": OverflowError,
}


@pytest.mark.parametrize(("seconds", "error"), SECONDS.items())
def test_a_timeout_accepts_the_range_of_socket_timeouts(connected, seconds, error):
    client, _ = connected
    with pytest.raises(error):
        client.socket.settimeout(float(seconds))
    with pytest.raises(error, match="a timeout is"):
        client.settimeout(float(seconds))
    assert client.gettimeout() == 20
    for wrong in (SSL.timeout(float(seconds), 0), SSL.timeout(0, float(seconds) * 1e6)):
        with pytest.raises(error, match="a timeout is"):
            client.set_socket_read_timeout(wrong)
        with pytest.raises(error, match="a timeout is"):
            client.set_socket_write_timeout(wrong)
    assert client.get_socket_read_timeout() == SSL.timeout(0, 0)
    with pytest.raises(TypeError):
        client.settimeout("20")


@pytest.mark.parametrize("seconds", [25 * 86400, 2**31, 2**32, 9223372036])
def test_a_long_timeout_does_not_expire_at_once(connected, seconds):
    client, server = connected
    server.settimeout(seconds)
    server.set_socket_read_timeout(SSL.timeout(seconds, 0))
    waiting = threading.Thread(target=lambda: got.append(server.read()))
    got = []
    waiting.start()
    while not m2.ssl_io_waiting(server.ssl):
        pass
    client.settimeout(seconds)
    client.write(b"hello")
    waiting.join()
    assert got == [b"hello"]


@pytest.mark.parametrize("seconds", [25 * 86400, 2**32, 9223372036])
def test_connect_and_accept_support_a_long_timeout(contexts, seconds):
    with SSL.Connection(contexts[1]) as listener, SSL.Connection(contexts[0]) as client:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        server = []
        for connection in (listener, client):
            connection.settimeout(seconds)
            assert connection.gettimeout() == seconds
        accepting = threading.Thread(target=lambda: server.append(listener.accept()[0]))
        accepting.start()
        assert client.connect(listener.getsockname()) == 1
        accepting.join()
        assert server[0].gettimeout() == seconds
        client.write(b"hello")
        assert server[0].read() == b"hello"
        server[0].close()


def test_accept_splits_a_long_wait_into_several_polls(contexts, monkeypatch):
    waits = []

    class Counting(socket.socket):
        """A listener to which a client connects in the third wait."""

        def settimeout(self, seconds):
            waits.append(seconds)
            if len(waits) == 4:
                client.connect(self.getsockname())
            super().settimeout(seconds)

    monkeypatch.setattr("M2Crypto.SSL._deadlines.LONGEST_WAIT", 0.001)
    with SSL.Connection(contexts[1], Counting()) as listener, socket.socket() as client:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.settimeout(20)
        connection, _ = listener._accept_socket()
        connection.close()
    assert len(waits) >= 4
    assert set(waits) == {0.001}


def test_a_non_blocking_accept_returns_at_once(contexts):
    with SSL.Connection(contexts[1]) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_each_direction_can_have_its_own_timeout(connected):
    client, server = connected
    assert server.get_socket_read_timeout() == SSL.timeout(0, 0)
    server.set_socket_read_timeout(SSL.timeout(0, 5000))
    assert server.get_socket_read_timeout() == SSL.timeout(0, 5000)
    with pytest.raises(SSL.SSLTimeoutError):
        server.read()
    client.set_socket_write_timeout(SSL.timeout(0, 5000))
    assert client.get_socket_write_timeout() == SSL.timeout(0, 5000)
    with pytest.raises(SSL.SSLTimeoutError):
        client.write(bytes(1 << 24))


def test_a_handshake_with_a_silent_peer_times_out(pair, contexts):
    client, _ = pair(*contexts)
    client.settimeout(0.01)
    with pytest.raises(SSL.SSLTimeoutError):
        client.connect_ssl()


def test_a_non_blocking_handshake_completes_in_steps(stdlib_server, contexts):
    server = stdlib_server()
    with SSL.Connection(contexts[0]) as client:
        client.setblocking(False)
        with pytest.raises(BlockingIOError):
            client.connect(("127.0.0.1", server.port))
        client.settimeout(20)
        assert client.connect_ssl() == 1
        assert client.verify_ok()


def test_accept_without_a_client_times_out(contexts):
    with SSL.Connection(contexts[1]) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.settimeout(0.01)
        with pytest.raises(SSL.SSLTimeoutError):
            listener.accept()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems wait for such a socket")
@pytest.mark.parametrize("listens", [False, True])
def test_a_socket_that_is_not_connected_is_not_waited_for(contexts, listens):
    with SSL.Connection(contexts[1]) as server:
        if listens:
            server.bind(("127.0.0.1", 0))
            server.listen()
        with pytest.raises(OSError) as caught:
            server.accept_ssl()
        assert caught.value.errno == errno.ENOTCONN


def test_a_failed_connection_does_not_wait(connected):
    client, server = connected
    client.setblocking(False)
    while client.write(bytes(100_000)) != -1:
        pass
    assert client.read() is None
    # It must be repeated with the same data (SSL_write(3)), so the connection fails.
    with pytest.raises(SSL.SSLError, match="bad"):
        client.write(b"other data")
    # OpenSSL wanted to read, and now the socket is readable.
    server.write(b"data")
    client.settimeout(20)
    with pytest.raises(SSL.SSLError, match="earlier operation of the connection failed"):
        client.read()


def test_one_thread_reads_while_another_writes(connected):
    # Each side has a writer and a reader, and the writers send more than the sockets hold.
    size = 3 << 20
    data = bytes(range(256)) * (size // 256)
    got = {}

    def read(name, connection):
        pieces = []
        left = size
        while left:
            pieces.append(connection.read(65536))
            left -= len(pieces[-1])
        got[name] = b"".join(pieces)

    threads = [
        threading.Thread(target=work)
        for name, connection in zip(("client", "server"), connected)
        for work in (
            lambda name=name, connection=connection: read(name, connection),
            lambda connection=connection: connection.write(data),
        )
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == {"client": data, "server": data}


def test_writers_take_turns(connected):
    client, server = connected
    # Longer than a record, so that two writers have many occasions to mix their pieces.
    messages = [bytes([number]) * 100_000 for number in range(4)]
    threads = [threading.Thread(target=client.write, args=(message,)) for message in messages]
    for thread in threads:
        thread.start()
    whole = b""
    while len(whole) < 400_000:
        whole += server.read(65536)
    for thread in threads:
        thread.join()
    assert sorted(whole[at : at + 100_000] for at in range(0, 400_000, 100_000)) == messages


class InterruptedWaitError(Exception):
    """Raised by a signal handler."""


@pytest.fixture
def occupied(connected):
    """A client, one of whose threads writes more than the server reads, and a reader of all."""
    client, server = connected
    client.settimeout(None)
    size = 1 << 24
    results = []

    def write():
        try:
            results.append(client.write(bytes(size)))
        except SSL.SSLError as error:
            results.append(str(error))

    def read():
        left = size
        while left:
            left -= len(server.read(min(left, 1 << 20)))

    writer = threading.Thread(target=write)
    writer.start()
    while m2.ssl_io_waiting(client.ssl) == 0:
        time.sleep(0.001)
    yield client, server, read, results
    client.close()
    writer.join()


def test_a_write_waits_for_another_one_until_its_timeout(occupied):
    client, server, read, results = occupied
    client.settimeout(0.05)
    with pytest.raises(SSL.SSLTimeoutError, match="timed out") as caught:
        client.write(b"hello")
    assert caught.value.step == "write"
    client.settimeout(20)
    reader = threading.Thread(target=read)
    reader.start()
    assert client.write(b"hello") == 5
    reader.join()
    assert server.read() == b"hello"
    while not results:
        time.sleep(0.001)
    assert results == [1 << 24]


def test_a_non_blocking_write_does_not_wait_for_another_one(occupied):
    client, server, read, results = occupied
    client.setblocking(False)
    assert client.write(b"hello") == -1
    read()
    while not results:
        time.sleep(0.001)
    assert client.write(b"hello") == 5
    assert server.read() == b"hello"


def test_closing_ends_a_write_that_waits_for_another_one(occupied):
    client, _server, _read, results = occupied
    errors = []

    def write():
        try:
            client.write(b"hello")
        except SSL.SSLError as error:
            errors.append(str(error))

    waiting = threading.Thread(target=write)
    waiting.start()
    time.sleep(0.05)
    client.close()
    waiting.join()
    assert len(errors) == 1
    assert "closed" in errors[0]
    assert "closed" in results[0]


def test_a_signal_handler_ends_a_write_that_waits_for_another_one(occupied):
    if not hasattr(signal, "setitimer"):
        pytest.skip("this system has no interval timers")
    client, server, read, _results = occupied

    def interrupt(*_):
        raise InterruptedWaitError

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        with pytest.raises(InterruptedWaitError):
            client.write(b"hello")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    read()
    assert client.write(b"again") == 5
    assert server.read() == b"again"


def test_a_callback_does_not_wait_for_the_write_of_another_thread(pair, shake, contexts):
    errors = []

    def info(where, _ret, _ssl):
        if where & m2.SSL_CB_ALERT:
            try:
                client.write(b"hello")
            except SSL.SSLError as error:
                errors.append(str(error))

    contexts[0].set_info_callback(info)
    client, server = shake(*pair(*contexts))
    client.settimeout(None)

    def write():
        with contextlib.suppress(SSL.SSLError):
            client.write(bytes(1 << 24))

    writer = threading.Thread(target=write)
    writer.start()
    while m2.ssl_io_waiting(client.ssl) == 0:
        time.sleep(0.001)
    server.close(freeBio=False)
    assert client.read() == b""
    assert len(errors) == 1
    assert "in use by the call that called the callback" in errors[0]
    server.socket.close()
    client.close()
    writer.join()


def test_closing_a_connection_wakes_the_threads_that_wait_for_it(connected):
    _, server = connected
    server.settimeout(None)
    errors = []
    waiting = threading.Event()

    def read():
        waiting.set()
        try:
            server.read()
        except SSL.SSLError as error:
            errors.append(str(error))

    thread = threading.Thread(target=read)
    thread.start()
    waiting.wait()
    server.close()
    thread.join()
    assert len(errors) == 1
    assert "closed" in errors[0]


@pytest.mark.parametrize("size", [100, 65536])
def test_one_read_returns_several_records(connected, size):
    client, server = connected
    for number in range(10):
        client.write(bytes([number]) * 100)
    got = server.read(size)
    assert len(got) == min(size, 1000)
    # What was read ahead is pending, though the socket is not readable.
    while len(got) < 1000:
        assert server.pending() == 100
        got += server.read(size)
    assert got == b"".join(bytes([number]) * 100 for number in range(10))
    assert server.pending() == 0


def test_without_read_ahead_data_after_close_notify_remain_in_the_socket(connected):
    client, server = connected
    server.set_read_ahead(False)
    client.close(freeBio=False)
    client.socket.send(b"plain")
    assert server.read() == b""
    assert server.socket.recv(9) == b"plain"
    client.socket.close()


def test_a_non_blocking_read_leaves_later_records_to_the_socket(connected):
    client, server = connected
    server.setblocking(False)
    client.write(b"one")
    client.write(b"two")
    assert server.read() == b"one"
    assert select.select([server], [], [], 20)[0] == [server]
    assert server.read() == b"two"


def test_data_before_an_invalid_record_are_returned(connected):
    client, server = connected
    client.write(b"hello")
    client.socket.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    assert server.read() == b"hello"
    with pytest.raises(SSL.SSLError) as caught:
        server.read()
    assert caught.value.errors
    assert m2.err_peek_error() == 0


@pytest.mark.parametrize("wait", ["read", "recv_into", "write", "connect_ssl"])
def test_a_signal_handler_ends_a_wait(pair, connected, contexts, wait):
    if not hasattr(signal, "setitimer"):
        pytest.skip("this system has no interval timers")

    def interrupt(*_):
        raise InterruptedWaitError

    client, _ = connected
    waits = {
        "read": client.read,
        "recv_into": lambda: client.recv_into(bytearray(9)),
        "write": lambda: client.write(bytes(1 << 24)),
    }
    if wait == "connect_ssl":
        client, _ = pair(*contexts)
        client.settimeout(20)
        waits[wait] = client.connect_ssl
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        with pytest.raises(InterruptedWaitError):
            waits[wait]()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class InterruptedLock:
    """A lock whose next owner runs a signal handler that raises as soon as it is acquired."""

    def __init__(self, lock):
        self.lock = lock

    def __getattr__(self, name):
        return getattr(self.lock, name)

    def acquire(self, *arguments, **options):
        assert self.lock.acquire(*arguments, **options)
        raise KeyboardInterrupt


def test_a_signal_handler_leaves_no_lock_acquired(pair, shake, contexts):
    client, _server = shake(*pair(*contexts))
    lock = client._handshaking
    client._handshaking = InterruptedLock(lock)
    with pytest.raises(KeyboardInterrupt):
        client.connect_ssl()
    client._handshaking = lock
    results = []
    thread = threading.Thread(target=lambda: results.append(client.connect_ssl()))
    thread.start()
    thread.join()
    assert results == [1]


def test_a_signal_handler_cannot_write_during_a_write(connected):
    if not hasattr(signal, "setitimer"):
        pytest.skip("this system has no interval timers")
    client, _ = connected
    client.settimeout(5)

    def write(*_):
        try:
            client.write(b"hello")
        except SSL.SSLError:
            signal.setitimer(signal.ITIMER_REAL, 0)
            raise

    before = signal.signal(signal.SIGALRM, write)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
        with pytest.raises(SSL.SSLError, match="in use by the call that called"):
            client.write(bytes(1 << 24))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_a_signal_handler_that_returns_does_not_end_a_wait(connected):
    if not hasattr(signal, "setitimer"):
        pytest.skip("this system has no interval timers")
    client, server = connected
    before = signal.signal(signal.SIGALRM, lambda *_: server.write(b"hello"))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        assert client.read() == b"hello"
    finally:
        signal.signal(signal.SIGALRM, before)


@pytest.mark.needs_tls13
def test_close_waits_for_the_session_tickets_of_the_server(contexts, monkeypatch):
    # A busy computer takes longer than the usual second.
    monkeypatch.setattr(sys.modules["M2Crypto.SSL.Connection"], "_LINGER", 20.0)
    # Tickets that reach a closed socket reset it, and the server loses what it has not read.
    received = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        sock, _ = listener.accept()
        with SSL.Connection(contexts[1], sock) as server:
            server.settimeout(20)
            server.handshake_on_existing_socket(server_side=True)
            while data := server.read(65536):
                received.append(data)

    serving = threading.Thread(target=serve)
    serving.start()
    with SSL.Connection(contexts[0]) as client:
        client.settimeout(20)
        client.set1_host("localhost")
        client.connect(listener.getsockname())
        client.write(bytes(1 << 20))
    serving.join()
    listener.close()
    assert b"".join(received) == bytes(1 << 20)


# ---- files ---------------------------------------------------------------------------------------


def test_a_file_reads_lines_and_keeps_the_connection_open(connected):
    client, server = connected
    client.write(b"one\ntwo\nthree")
    file = server.makefile("rb")
    assert isinstance(file, io.BufferedReader)
    assert file.readline() == b"one\n"
    # A closed connection lives on for its files.
    server.close()
    assert server.fileno() >= 0
    assert file.readline() == b"two\n"
    client.close()
    assert file.read() == b"three"
    file.close()
    assert server.fileno() == -1


@pytest.mark.parametrize(("mode", "bufsize"), [("rwb", -1), ("rwb", 512), ("rw", -1), ("rwb", 0)])
def test_a_file_can_be_read_and_written(connected, mode, bufsize):
    client, server = connected
    line = b"hello\n" if "b" in mode else "hello\n"
    with client.makefile(mode, bufsize) as mine, server.makefile(mode, bufsize) as other:
        mine.write(line)
        mine.flush()
        assert other.readline() == line
        other.write(line)
        other.flush()
        assert mine.readline() == line
    assert not client.closed


def test_a_file_is_readable_or_writable_or_both(connected):
    client, _ = connected
    with client.makefile() as file:
        assert file.readable()
        assert not file.writable()
    with client.makefile("wb") as file:
        assert not file.readable()
        assert file.writable()
    with pytest.raises(ValueError, match="invalid mode"):
        client.makefile("a+")
    assert client.readable()
    assert client.writable()
    client.flush()


# ---- end of file ---------------------------------------------------------------------------------


def test_closing_sends_close_notify(connected):
    client, server = connected
    client.write(b"bye")
    client.close()
    client.close()
    assert client.closed
    assert not client.readable()
    assert not client.writable()
    assert server.read() == b"bye"
    assert server.read() == b""
    assert server.get_shutdown() == SSL.SSL_RECEIVED_SHUTDOWN
    with pytest.raises(SSL.SSLError, match="closed"):
        client.read()
    with pytest.raises(SSL.SSLError, match="closed"):
        client.connect_ssl()


def test_one_half_can_be_shut_down(connected):
    client, server = connected
    client.shutdown(socket.SHUT_WR)
    assert client.get_shutdown() & SSL.SSL_SENT_SHUTDOWN
    assert server.read() == b""
    server.write(b"still there")
    assert client.read() == b"still there"
    with pytest.raises(SSL.SSLError):
        client.write(b"too late")


def test_an_end_of_file_without_close_notify_raises(connected):
    client, server = connected
    client.socket.shutdown(socket.SHUT_WR)
    with pytest.raises(SSL.SSLError, match="unexpected eof while reading") as caught:
        server.read()
    assert caught.value.reason == "unexpected eof while reading"


@pytest.mark.parametrize("how", [socket.SHUT_RD, socket.SHUT_WR, socket.SHUT_RDWR])
@pytest.mark.parametrize("end", ["close_notify", "eof", "reset"])
def test_shutdown_and_close_succeed_after_the_peer_has_closed(contexts, how, end):
    listener = socket.create_server(("127.0.0.1", 0))
    ours = socket.create_connection(listener.getsockname(), 20)
    theirs, _ = listener.accept()
    listener.close()
    client, server = SSL.Connection(contexts[0], ours), SSL.Connection(contexts[1], theirs)
    server.settimeout(20)
    accepting = threading.Thread(target=lambda: (server.setup_ssl(), server.accept_ssl()))
    accepting.start()
    client.set1_host("localhost")
    client.handshake_on_existing_socket()
    accepting.join()
    if end == "reset":
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    if end == "close_notify":
        server.close()
    else:
        theirs.close()
        server.close()
    with contextlib.suppress(SSL.SSLError):
        assert client.read() == b""
    # The first call detects the end of file, later ones return it.
    client.shutdown(how)
    client.shutdown(how)
    client.close()
    assert client.closed


def test_a_socket_that_was_never_connected_can_be_shut_down(contexts):
    with SSL.Connection(contexts[0]) as client:
        client.shutdown(socket.SHUT_RDWR)
        assert not client.closed


def test_the_socket_can_be_left_open(connected):
    client, server = connected
    client.close(freeBio=False)
    assert server.read() == b""
    client.socket.setblocking(True)
    client.socket.sendall(b"plain")
    server.socket.setblocking(True)
    assert server.socket.recv(5) == b"plain"
    client.socket.close()


def test_a_peer_that_does_not_speak_tls_raises(pair, contexts):
    client, server = pair(*contexts)
    server.socket.send(b"220 mail.example.org ESMTP\r\n")
    with pytest.raises(
        SSL.SSLError, match=r"wrong version number|packet length too long"
    ) as caught:
        for _ in range(3):
            client.connect_ssl()
    assert caught.value.library
    assert m2.err_peek_error() == 0


def test_a_connection_reset_raises_an_error_that_is_ssl_error_and_os_error(connected):
    client, server = connected
    server.socket.close()
    with pytest.raises(SSL.SSLSystemError) as caught:
        for _ in range(3):
            client.write(b"is somebody there?")
    assert isinstance(caught.value, OSError)
    assert isinstance(caught.value, SSL.SSLError)
    assert caught.value.errno
    assert caught.value.strerror


def test_a_cleared_connection_can_start_another_handshake(connected):
    client, _ = connected
    client.set_shutdown(SSL.SSL_SENT_SHUTDOWN | SSL.SSL_RECEIVED_SHUTDOWN)
    assert client.clear() == 1
    assert client.get_shutdown() == 0
    assert not m2.ssl_is_init_finished(client.ssl)


# ---- ownership -----------------------------------------------------------------------------------


def test_a_connection_outlives_its_context(certificates):
    context = SSL.Context()
    connection = SSL.Connection(context)
    context.close()
    context.close()
    del context
    gc.collect()
    assert len(connection.get_ciphers()) > 0
    connection.close()


def test_objects_returned_by_a_connection_outlive_it(pair, shake, contexts):
    client, server = shake(*pair(*contexts))
    certificate = client.get_peer_cert()
    chain = client.get_peer_cert_chain()
    cipher = client.get_cipher()
    ciphers = client.get_ciphers()
    session = client.get_session()
    for connection in (client, server):
        connection.close()
        m2.ssl_free(connection.ssl)
    del client, server, connection
    gc.collect()
    assert certificate.get_subject().CN == "localhost"
    assert [member.get_subject().CN for member in chain] == ["localhost"]
    assert cipher.name() in [one.name() for one in ciphers]
    assert b"Session-ID" in session.as_text()


def test_a_freed_connection_is_refused():
    context = SSL.Context()
    with SSL.Connection(context) as connection:
        m2.ssl_free(connection.ssl)
        with pytest.raises(ValueError, match="freed already"):
            connection.get_version()


def test_a_context_is_freed_with_its_last_user():
    class Application:
        def __init__(self):
            # Callbacks that reference their context.
            self.context = SSL.Context()
            self.context.set_verify(SSL.verify_peer, 9, self.verify)
            self.context.set_info_callback(self.inform)

        def verify(self, ok, store):
            return ok

        def inform(self, where, ret, connection):
            pass

    application = Application()
    SSL.Connection(application.context).close()
    gone = weakref.ref(application.context)
    del application
    gc.collect()
    assert gone() is None


def test_the_low_level_functions_return_the_same_values(connected):
    client, server = connected
    assert m2.ssl_is_server(server.ssl)
    assert not m2.ssl_is_server(client.ssl)
    context = m2.ssl_get_ssl_ctx(client.ssl)
    assert m2.ssl_ctx_get_options(context) == client.ctx.set_options(0)
    assert m2.ssl_version(client.ssl) in (m2.TLS1_2_VERSION, m2.TLS1_3_VERSION)
    assert m2.ssl_get_alert_type(0) == "U"
    assert m2.ssl_get_alert_desc(0) == "CN"
    with pytest.raises(SSL.SSLError, match="no such element"):
        m2.sk_ssl_cipher_value(m2.ssl_get_ciphers(client.ssl), -1)
    with pytest.raises(SSL.SSLError, match="no such entry"):
        m2.ssl_client_ca_value(client.ssl, 0)
    with pytest.raises(SSL.SSLError, match="the socket is closed"):
        m2.ssl_set_fd(client.ssl, -1)


# ---- the underlying socket -----------------------------------------------------------------------


def test_the_socket_is_an_attribute_of_the_connection(contexts):
    with SSL.Connection(contexts[1]) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(5)
        assert listener.getsockname()[0] == "127.0.0.1"
        assert listener.fileno() == listener.socket.fileno()
        assert listener.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE) == socket.SOCK_STREAM
        assert len(listener.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE, 4)) == 4
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        assert listener.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        with pytest.raises(TypeError):
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        with pytest.raises(OSError):
            listener.getpeername()
        listener.set_ssl_close_flag(m2.bio_close)
        with pytest.raises(ValueError, match="bio_close"):
            listener.set_ssl_close_flag(17)


@pytest.mark.parametrize("family", ["AF_INET6", "AF_UNIX"])
def test_a_connection_supports_other_address_families(contexts, family, tmp_path, monkeypatch):
    if not hasattr(socket, family):
        pytest.skip(f"this system has no {family}")
    # A relative name: the path of a socket may have 107 bytes, and a checkout may lie deep.
    monkeypatch.chdir(tmp_path)
    address = ("::1", 0) if family == "AF_INET6" else "socket"
    with SSL.Connection(contexts[1], family=getattr(socket, family)) as listener:
        listener.settimeout(20)
        try:
            listener.bind(address)
        except OSError as error:
            pytest.skip(f"no address of {family}: {error}")
        listener.listen()
        server = []
        accepting = threading.Thread(target=lambda: server.append(listener.accept()[0]))
        accepting.start()
        with SSL.Connection(contexts[0], family=getattr(socket, family)) as client:
            client.settimeout(20)
            assert client.connect(listener.getsockname()) == 1
            accepting.join()
            client.write(b"hello")
            assert server[0].read() == b"hello"
            server[0].close()


def test_hosts_and_names_of_another_type_are_refused(contexts):
    with SSL.Connection(contexts[0]) as client:
        with pytest.raises(ValueError, match="server_name extension must not contain"):
            client.set_tlsext_host_name("127.0.0.1")
        assert client.set1_host("::1") == 1
        assert client.set1_host("fe80::1%eth0.100") == 1
        assert client.set1_host("_sip.example.org") == 1
        assert client.set1_host("a" * 63 + ".example.org") == 1
        assert client.set1_host(".".join(["a" * 63] * 3 + ["a" * 61])) == 1


@pytest.mark.parametrize("name", NO_HOST_NAMES)
def test_an_invalid_host_name_is_refused(contexts, name):
    with SSL.Connection(contexts[0]) as client:
        with pytest.raises(ValueError, match="is not a host name"):
            client.set1_host(name)
        with pytest.raises(ValueError, match="is not a host name"):
            client.set_tlsext_host_name(name)


def test_set1_host_takes_a_name_of_one_character(contexts):
    # X509_VERIFY_PARAM_set1_host(3) refuses it from OpenSSL 4.0 on, unless told otherwise.
    with SSL.Connection(contexts[0]) as client:
        assert client.set1_host("a") == 1
        assert client.set1_host(b"localhost") == 1


def test_connecting_to_a_closed_port_raises_the_system_error(contexts):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with SSL.Connection(contexts[0]) as client, pytest.raises(ConnectionRefusedError):
        client.connect(("127.0.0.1", port))


def test_a_timeout_packs_into_a_timeval():
    packed = SSL.timeout(5, 250_000).pack()
    assert len(packed) == SSL.struct_size()
    assert SSL.struct_to_timeout(packed) == SSL.timeout(5, 250_000)
    assert hash(SSL.timeout(1)) == hash(SSL.timeout(1, 0))
    assert SSL.timeout().sec == 600
    assert repr(SSL.timeout(1, 2)) == "timeout(sec=1, microsec=2)"
    assert SSL.timeout(1) != 1
    with pytest.raises(ValueError, match="bytes"):
        SSL.struct_to_timeout(b"short")


def test_a_connection_without_a_socket_raises(contexts):
    ssl = m2.ssl_new(contexts[0].ctx)
    m2.ssl_set_connect_state(ssl)
    with pytest.raises(SSL.SSLError, match="neither a socket nor BIOs"):
        m2.ssl_do_handshake(ssl)


def test_a_closed_file_has_no_operations(connected):
    client, server = connected
    raw = client.makefile("rb", 0)
    assert raw.fileno() == client.fileno()
    raw.close()
    with pytest.raises(ValueError, match="the file is closed"):
        raw.readinto(bytearray(1))
    server.close()


def test_an_accepted_connection_has_the_check_of_the_listening_one(contexts):
    _, server_context = contexts

    def check(certificate, host):
        return False

    with SSL.Connection(server_context) as listener:
        listener.set_post_connection_check_callback(check)
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        with socket.create_connection(listener.getsockname()):
            accepted, _ = listener._accept_socket()
            with accepted:
                assert accepted._postConnectionCheck is check


class UnreachableSocket(socket.socket):
    def connect(self, address):
        raise socket.timeout


def test_an_unreachable_server_times_out(contexts):
    client, _ = contexts
    connection = SSL.Connection(client, UnreachableSocket())
    with connection, pytest.raises(SSL.SSLTimeoutError, match="^timed out$"):
        connection.connect(("127.0.0.1", 1))


def test_a_text_file_has_an_encoding_and_line_ends(connected):
    client, server = connected
    with server.makefile("w", encoding="latin-1", newline="\r\n") as file:
        file.write("é\n")
    assert client.read() == b"\xe9\r\n"
    server.write(b"\xe9\xff\n")
    with client.makefile("r", encoding="ascii", errors="replace") as file:
        assert file.readline() == "\ufffd\ufffd\n"


@pytest.mark.parametrize("wrong", [None, object(), "context"])
def test_a_context_of_another_type_is_refused(wrong, connected):
    with pytest.raises(TypeError):
        SSL.Connection(wrong)
    with pytest.raises(TypeError):
        connected[1].set_context(wrong)
