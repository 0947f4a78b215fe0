"""Measure TLS by one library, M2Crypto, ssl, pyOpenSSL or older, and print the figures as JSON.

`older` is M2Crypto before 1.0, in an environment of its own.

The server is a child process with the same library on the same CPU. Rates are per CPU second: of
both processes for handshakes and round trips, of this one for data. The folder with the
certificates and the library are the arguments.
"""

from __future__ import annotations

import abc
import contextlib
import json
import os
import signal
import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HANDSHAKES = 60
ROUND_TRIPS = 10000
MIB = 1 << 20
TOTAL = 128 * MIB
PIECE = 256 * 1024
IDLE = 200
# Every handshake must negotiate these, with each library.
VERSION, CIPHER, GROUP = "TLSv1.3", "TLS_AES_256_GCM_SHA384", "X25519"


class _Library(abc.ABC):
    """A library with a client context and a server context."""

    # Whether a program can resume sessions, and use memory BIOs.
    is_complete = True

    @abc.abstractmethod
    def client(self, sock: socket.socket, session: Any = None) -> Any:
        """Perform the handshake as a client, which verifies the server."""

    @abc.abstractmethod
    def server(self, sock: socket.socket) -> Any:
        """Perform the handshake as a server."""

    @abc.abstractmethod
    def session(self, connection: Any) -> Any:
        """Return the session, after something was read."""

    @abc.abstractmethod
    def was_resumed(self, connection: Any) -> bool | None:
        """Return whether the handshake resumed a session; None if the library does not tell."""

    @abc.abstractmethod
    def negotiated(self, connection: Any) -> tuple[str, str]:
        """Return the protocol version and the cipher suite."""

    @abc.abstractmethod
    def memory_pair(self) -> tuple[Any, Any]:
        """Return a connected client and server over memory BIOs."""

    def move(self, source: Any, target: Any) -> None:  # noqa: B027
        """Move what `source` wrote to `target`, if the BIOs are not shared."""

    def close(self, connection: Any) -> None:
        """Close a connection and its socket."""
        connection.close()


class _M2Crypto(_Library):
    """M2Crypto."""

    def __init__(self, certificates: Path) -> None:
        from M2Crypto import BIO, SSL

        self.module = SSL
        self.buffer = BIO.MemoryBuffer
        self.contexts = SSL.Context(), SSL.Context()
        self.contexts[0].load_verify_locations(certificates / "ca.pem")
        self.contexts[1].load_cert_chain(certificates / "server.pem")
        for each in self.contexts:
            each.set_groups(GROUP)

    def client(self, sock: socket.socket, session: Any = None) -> Any:
        connection = self.module.Connection(self.contexts[0], sock)
        connection.set1_host("localhost")
        connection.set_tlsext_host_name("localhost")
        if session is not None:
            connection.set_session(session)
        connection.handshake_on_existing_socket()
        return connection

    def server(self, sock: socket.socket) -> Any:
        connection = self.module.Connection(self.contexts[1], sock)
        connection.handshake_on_existing_socket(server_side=True)
        return connection

    def session(self, connection: Any) -> Any:
        return connection.get_session()

    def was_resumed(self, connection: Any) -> bool | None:
        return bool(connection.session_reused())

    def negotiated(self, connection: Any) -> tuple[str, str]:
        return connection.get_version(), connection.get_cipher().name()

    def memory_pair(self) -> tuple[Any, Any]:
        to_server, to_client = self.buffer(), self.buffer()
        # A connection over BIOs does not use its socket.
        client, server = (self.module.Connection(each, UNUSED) for each in self.contexts)
        client.set1_host("localhost")
        client.set_bio(to_client, to_server)
        server.set_bio(to_server, to_client)
        while (client.connect_ssl(), server.accept_ssl()) != (1, 1):
            pass
        return client, server


class _Older(_M2Crypto):
    """M2Crypto before 1.0, whose OpenSSL chooses the group."""

    # It frees sessions and memory BIOs twice.
    is_complete = False

    def __init__(self, certificates: Path) -> None:
        from M2Crypto import BIO, SSL

        self.module = SSL
        self.buffer = BIO.MemoryBuffer
        self.contexts = SSL.Context("tls"), SSL.Context("tls")
        self.contexts[0].load_verify_locations(str(certificates / "ca.pem"))
        self.contexts[0].set_verify(SSL.verify_peer, 9)
        self.contexts[1].load_cert_chain(str(certificates / "server.pem"))

    def was_resumed(self, connection: Any) -> bool | None:
        return None


class _Ssl(_Library):
    """The standard library."""

    def __init__(self, certificates: Path) -> None:
        import ssl

        self.module = ssl
        self.contexts = (
            ssl.create_default_context(cafile=certificates / "ca.pem"),
            ssl.create_default_context(ssl.Purpose.CLIENT_AUTH),
        )
        self.contexts[1].load_cert_chain(certificates / "server.pem")
        for each in self.contexts:
            each.set_ecdh_curve(GROUP)

    def client(self, sock: socket.socket, session: Any = None) -> Any:
        return self.contexts[0].wrap_socket(sock, server_hostname="localhost", session=session)

    def server(self, sock: socket.socket) -> Any:
        return self.contexts[1].wrap_socket(sock, server_side=True)

    def session(self, connection: Any) -> Any:
        return connection.session

    def was_resumed(self, connection: Any) -> bool:
        return bool(connection.session_reused)

    def negotiated(self, connection: Any) -> tuple[str, str]:
        return connection.version(), connection.cipher()[0]

    def memory_pair(self) -> tuple[Any, Any]:
        to_server, to_client = self.module.MemoryBIO(), self.module.MemoryBIO()
        client = self.contexts[0].wrap_bio(to_client, to_server, server_hostname="localhost")
        server = self.contexts[1].wrap_bio(to_server, to_client, server_side=True)
        left = [client, server]
        while left:
            for each in tuple(left):
                with contextlib.suppress(self.module.SSLWantReadError):
                    each.do_handshake()
                    left.remove(each)
        return client, server

    def close(self, connection: Any) -> None:
        # close alone sends no close_notify, and unwrap waits for the peer's.
        with contextlib.suppress(OSError):
            connection.settimeout(0)
            connection.unwrap()
        connection.close()


class _PyOpenSSL(_Library):
    """The peer pyOpenSSL."""

    def __init__(self, certificates: Path) -> None:
        from OpenSSL import SSL
        from service_identity.pyopenssl import verify_hostname

        self.module = SSL
        # pyOpenSSL does not compare the host name with the certificate.
        self.check: Callable[[Any, str], None] = verify_hostname
        self.contexts = (
            SSL.Context(SSL.TLS_CLIENT_METHOD),
            SSL.Context(SSL.TLS_SERVER_METHOD),
        )
        self.contexts[0].load_verify_locations(str(certificates / "ca.pem"))
        self.contexts[0].set_verify(SSL.VERIFY_PEER)
        self.contexts[1].use_certificate_chain_file(str(certificates / "server.pem"))
        self.contexts[1].use_privatekey_file(str(certificates / "server.pem"))
        for each in self.contexts:
            # pyOpenSSL offers no such method.
            if SSL._lib.SSL_CTX_set1_curves_list(each._context, GROUP.encode()) != 1:
                raise SystemExit(f"error: pyOpenSSL's OpenSSL has no {GROUP}")

    def _client(self, sock: socket.socket | None) -> Any:
        connection = self.module.Connection(self.contexts[0], sock)
        connection.set_tlsext_host_name(b"localhost")
        connection.set_connect_state()
        return connection

    def _server(self, sock: socket.socket | None) -> Any:
        connection = self.module.Connection(self.contexts[1], sock)
        connection.set_accept_state()
        return connection

    def client(self, sock: socket.socket, session: Any = None) -> Any:
        connection = self._client(sock)
        if session is not None:
            connection.set_session(session)
        connection.do_handshake()
        self.check(connection, "localhost")
        return connection

    def server(self, sock: socket.socket) -> Any:
        connection = self._server(sock)
        connection.do_handshake()
        return connection

    def session(self, connection: Any) -> Any:
        return connection.get_session()

    def was_resumed(self, connection: Any) -> bool:
        # pyOpenSSL offers no such method.
        return bool(self.module._lib.SSL_session_reused(connection._ssl))

    def negotiated(self, connection: Any) -> tuple[str, str]:
        return connection.get_protocol_version_name(), connection.get_cipher_name()

    def memory_pair(self) -> tuple[Any, Any]:
        client, server = self._client(None), self._server(None)
        left = [(client, server), (server, client)]
        while left:
            for source, target in tuple(left):
                with contextlib.suppress(self.module.WantReadError):
                    source.do_handshake()
                    left.remove((source, target))
                self.move(source, target)
        self.move(server, client)
        self.check(client, "localhost")
        return client, server

    def move(self, source: Any, target: Any) -> None:
        with contextlib.suppress(self.module.WantReadError):
            while data := source.bio_read(1 << 20):
                target.bio_write(data)

    def close(self, connection: Any) -> None:
        with contextlib.suppress(self.module.Error):
            connection.shutdown()
        connection.close()


LIBRARIES: dict[str, Callable[[Path], _Library]] = {
    "M2Crypto": _M2Crypto,
    "ssl": _Ssl,
    "pyOpenSSL": _PyOpenSSL,
    "older": _Older,
}
UNUSED = socket.socket()


# ---- the server --------------------------------------------------------------------------------


def serve(library: _Library, listener: socket.socket) -> None:
    """Serve clients without end; the first byte of each is a command."""
    idle = []
    while True:
        sock, _ = listener.accept()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = library.server(sock)
        command = connection.recv(1)
        if command == b"I":
            idle.append((sock, connection))
            connection.sendall(b"+")
            continue
        COMMANDS[command](connection)
        with contextlib.suppress(Exception):
            library.close(connection)
        sock.close()


def answer(connection: Any) -> None:
    """Send a byte, which follows the session tickets."""
    connection.sendall(b"+")


def tell_seconds(connection: Any) -> None:
    """Send the CPU seconds of this process."""
    connection.sendall(f"{time.process_time():.9f}".encode())


def echo(connection: Any) -> None:
    """Return single bytes."""
    for _ in range(ROUND_TRIPS):
        connection.sendall(connection.recv(1))


def send(connection: Any) -> None:
    """Send data."""
    data = bytes(PIECE)
    for _ in range(TOTAL // PIECE):
        connection.sendall(data)
    connection.recv(1)


def receive(connection: Any) -> None:
    """Receive data."""
    buffer = bytearray(PIECE)
    left = TOTAL
    while left:
        left -= connection.recv_into(buffer, min(left, PIECE))
    connection.sendall(b"+")


COMMANDS = {b"H": answer, b"T": tell_seconds, b"E": echo, b"S": send, b"R": receive}


# ---- the client --------------------------------------------------------------------------------


class Client:
    """Connections to the server, and the figures."""

    def __init__(self, library: _Library, address: tuple[str, int]) -> None:
        self.library = library
        self.address = address

    @contextlib.contextmanager
    def connection(self, command: bytes, session: Any = None) -> Iterator[Any]:
        """Connect and send a command, and close the connection after the block."""
        with socket.create_connection(self.address) as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = self.library.client(sock, session)
            if self.library.negotiated(connection) != (VERSION, CIPHER):
                raise SystemExit(f"error: a handshake did not negotiate {VERSION} with {CIPHER}")
            connection.sendall(command)
            yield connection
            self.library.close(connection)

    def server_seconds(self) -> float:
        """Return the CPU seconds of the server."""
        with self.connection(b"T") as connection:
            return float(connection.recv(32))

    def handshakes(self, session: Any = None) -> float:
        """Return full or resumed handshakes per CPU second of both sides, with one byte each."""
        before = self.server_seconds()
        start = time.process_time()
        for _ in range(HANDSHAKES):
            with self.connection(b"H", session) as connection:
                connection.recv(1)
                if self.library.was_resumed(connection) not in (None, session is not None):
                    raise SystemExit("error: a handshake was or was not resumed")
                if session is not None:
                    session = self.library.session(connection)
        seconds = time.process_time() - start
        # The query is one handshake more.
        return (HANDSHAKES + 1) / (seconds + self.server_seconds() - before)

    def resumed(self) -> float:
        """Return resumed handshakes per CPU second."""
        with self.connection(b"H") as connection:
            connection.recv(1)
            session = self.library.session(connection)
        return self.handshakes(session)

    def round_trips(self) -> float:
        """Return round trips of one byte per CPU second of both sides."""
        before = self.server_seconds()
        with self.connection(b"E") as connection:
            start = time.process_time()
            for _ in range(ROUND_TRIPS):
                connection.sendall(b"x")
                connection.recv(1)
            seconds = time.process_time() - start
        return ROUND_TRIPS / (seconds + self.server_seconds() - before)

    def receive(self) -> float:
        """Return MiB received per CPU second."""
        buffer = bytearray(PIECE)
        left = TOTAL
        with self.connection(b"S") as connection:
            start = time.process_time()
            while left:
                left -= connection.recv_into(buffer, min(left, PIECE))
            seconds = time.process_time() - start
            connection.sendall(b"+")
        return TOTAL / MIB / seconds

    def send(self) -> float:
        """Return MiB sent per CPU second."""
        data = bytes(PIECE)
        with self.connection(b"R") as connection:
            start = time.process_time()
            for _ in range(TOTAL // PIECE):
                connection.sendall(data)
            seconds = time.process_time() - start
            connection.recv(1)
        return TOTAL / MIB / seconds

    def idle_kib(self) -> float:
        """Return the KiB of memory of an idle connection."""
        kept = []
        before = resident()
        for _ in range(IDLE):
            sock = socket.create_connection(self.address)
            connection = self.library.client(sock)
            connection.sendall(b"I")
            connection.recv(1)
            kept.append((sock, connection))
        return (resident() - before) / 1024 / IDLE


def resident() -> int:
    """Return the resident memory of this process in bytes."""
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


# ---- memory BIOs -------------------------------------------------------------------------------


def memory_handshakes(library: _Library) -> float:
    """Return handshakes over memory BIOs per CPU second."""
    start = time.process_time()
    for _ in range(HANDSHAKES):
        library.memory_pair()
    return HANDSHAKES / (time.process_time() - start)


def memory_round_trips(library: _Library) -> float:
    """Return round trips of one byte over memory BIOs per CPU second."""
    client, server = library.memory_pair()
    start = time.process_time()
    for _ in range(ROUND_TRIPS):
        for source, target in ((client, server), (server, client)):
            source.write(b"x")
            library.move(source, target)
            target.read(1)
    return ROUND_TRIPS / (time.process_time() - start)


def memory_data(library: _Library) -> float:
    """Return MiB over memory BIOs per CPU second of both sides."""
    client, server = library.memory_pair()
    data = bytes(PIECE // 4)
    start = time.process_time()
    total = TOTAL
    while total > 0:
        # pyOpenSSL writes one record.
        left = client.write(data)
        total -= left
        library.move(client, server)
        while left:
            left -= len(server.read(left))
    return TOTAL / MIB / (time.process_time() - start)


def measure(library: _Library, client: Client) -> dict[str, float]:
    """Return all figures; 0 is not measured."""
    return {
        "full handshakes": client.handshakes(),
        "resumed handshakes": library.is_complete and client.resumed(),
        "round trips of 1 byte": client.round_trips(),
        "MiB received": client.receive(),
        "MiB sent": client.send(),
        "KiB of an idle connection": client.idle_kib(),
        "full handshakes, memory": library.is_complete and memory_handshakes(library),
        "round trips, memory": library.is_complete and memory_round_trips(library),
        "MiB, memory": library.is_complete and memory_data(library),
    }


def share_a_processor() -> None:
    """Run this process and its children on one CPU, where the system can.

    The kernel's time to wake another CPU exceeds that of a round trip, and varies more.
    """
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def main() -> None:
    """Measure and print."""
    share_a_processor()
    library = LIBRARIES[sys.argv[2]](Path(sys.argv[1]))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        child = os.fork()
        if child == 0:
            try:
                serve(library, listener)
            finally:
                os._exit(0)
        try:
            figures = measure(library, Client(library, listener.getsockname()))
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    print(json.dumps(figures), flush=True)
    # The older M2Crypto crashes when its connections are freed at the end.
    os._exit(0)


if __name__ == "__main__":
    main()
