"""TLS peers: Python's `ssl` in threads, the `openssl` program, and M2Crypto.

Every server binds to a free port of 127.0.0.1 and serves a counted number of clients; every socket
has a timeout, so a test that goes wrong fails instead of hanging. `certificates` is the folder with
the certificates (data/certificates/README.md).
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import ssl
import subprocess
import threading
from pathlib import Path

import pytest

CERTIFICATES = Path(__file__).parent / "data" / "certificates"
PATIENCE = 20

# Neither DNS names (RFC 1123, section 2.1) nor IP addresses.
NO_HOST_NAMES = [
    "", ".", "..", "a..b", ".example.org", "example.org..", "*.example.org",
    "a\0b", "example.org\0", " example.org", "a b.example.org", "example.org\n",
    "-a.example.org", "a-.example.org", "example.org-",
    "a/b", "a:b", "user@example.org", "[::1]",
    "a" * 64 + ".example.org", "é" * 64, "é" * 254, ".".join(["a" * 63] * 3 + ["a" * 62]),
    # Only IPv6 addresses have a zone, and an address is not a DNS name.
    "192.0.2.1%eth0", "192.0.2.1%.evil.example", "192.0.2.1%", "example.org%eth0",
    "::1%", "::1%a%b", "::1%a\nb", "192.0.2.1.", "\uff11\uff19\uff12.0.2.1",
]  # fmt: skip


@pytest.fixture(scope="session")
def certificates():
    """Return a function that returns the path of a test certificate."""
    return lambda name: str(CERTIFICATES / name)


# ---- M2Crypto ------------------------------------------------------------------------------------


@pytest.fixture
def contexts():
    """Return a client context and a server context that trust each other."""
    from M2Crypto import SSL

    client, server = SSL.Context(), SSL.Context()
    client.load_verify_locations(str(CERTIFICATES / "ca.pem"))
    server.load_cert(str(CERTIFICATES / "server.pem"))
    return client, server


@pytest.fixture
def pair():
    """Return a client and a server on a socket pair, non-blocking, before the handshake."""
    from M2Crypto import SSL

    with contextlib.ExitStack() as stack:

        def make(client_context, server_context):
            ends = socket.socketpair()
            made = []
            for context, end in zip((client_context, server_context), ends):
                connection = stack.enter_context(SSL.Connection(context, end))
                connection.setblocking(False)
                connection.set_post_connection_check_callback(None)
                made.append(connection)
            return tuple(made)

        yield make


@pytest.fixture
def shake():
    """Return a function that completes the handshake of a pair in this thread."""

    def handshake(client, server):
        done = set()
        for _ in range(20):
            if client.connect_ssl() == 1:
                done.add("client")
            if server.accept_ssl() == 1:
                done.add("server")
            if len(done) == 2:
                return client, server
        raise AssertionError("the handshake does not come to an end")

    return handshake


@pytest.fixture
def connected(pair, shake, contexts):
    """Return a client and a server after the handshake, blocking with a timeout."""
    client, server = shake(*pair(*contexts))
    client.settimeout(PATIENCE)
    server.settimeout(PATIENCE)
    return client, server


# ---- Python's ssl --------------------------------------------------------------------------------


def stdlib_context(role, version=None):
    context = ssl.SSLContext(role)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if role is ssl.PROTOCOL_TLS_SERVER:
        # Without EC, M2Crypto offers only DHE in TLS 1.2.
        context.load_dh_params(CERTIFICATES / "dh.pem")
    if version is not None:
        context.minimum_version = context.maximum_version = version
    return context


class StdlibServer:
    """Echo the data of its clients, one client after another, in a thread."""

    def __init__(self, context, clients, sudden_end):
        self.context = context
        self.clients = clients
        self.sudden_end = sudden_end
        self.server_names = []
        self.versions = []
        self.client_certificates = []
        self.errors = []
        context.sni_callback = lambda connection, name, _: self.server_names.append(name)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(PATIENCE)
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self):
        for _ in range(self.clients):
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            try:
                self.echo(sock)
            except OSError as error:
                self.errors.append(error)
            finally:
                sock.close()

    def echo(self, sock):
        sock.settimeout(PATIENCE)
        with self.context.wrap_socket(sock, server_side=True) as connection:
            self.versions.append(connection.version())
            self.client_certificates.append(connection.getpeercert())
            while data := connection.recv(65536):
                connection.sendall(data)
                if self.sudden_end:
                    return
            with contextlib.suppress(OSError):
                connection.unwrap()

    def close(self):
        # After a failed test it still waits for a client, which is this one.
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        self.thread.join(PATIENCE)
        self.listener.close()


@pytest.fixture
def stdlib_server():
    """Start an echoing server of Python's ssl."""
    with contextlib.ExitStack() as stack:

        def start(
            certificate="server.pem", version=None, client_ca=None, clients=1, sudden_end=False
        ):
            context = stdlib_context(ssl.PROTOCOL_TLS_SERVER, version)
            context.load_cert_chain(CERTIFICATES / certificate)
            if client_ca is not None:
                context.load_verify_locations(CERTIFICATES / client_ca)
                context.verify_mode = ssl.CERT_REQUIRED
            server = StdlibServer(context, clients, sudden_end)
            stack.callback(server.close)
            return server

        yield start


class StdlibClient:
    """Connect from a thread, send a line and read the response until the end of file."""

    def __init__(self, context, port, line, server_hostname):
        self.context = context
        self.port = port
        self.line = line
        self.server_hostname = server_hostname
        self.response = None
        self.version = None
        self.error = None
        self.thread = threading.Thread(target=self.talk)
        self.thread.start()

    def talk(self):
        try:
            with (
                socket.create_connection(("127.0.0.1", self.port), PATIENCE) as sock,
                self.context.wrap_socket(sock, server_hostname=self.server_hostname) as connection,
            ):
                self.version = connection.version()
                connection.sendall(self.line)
                response = b""
                while data := connection.recv(65536):
                    response += data
                self.response = response
        except OSError as error:
            self.error = error

    def join(self):
        self.thread.join(PATIENCE)
        return self


@pytest.fixture
def stdlib_client():
    """Start a client of Python's ssl that trusts the test CA or another one."""
    started = []

    def start(port, line=b"hello", version=None, ca="ca.pem", certificate=None, name="localhost"):
        context = stdlib_context(ssl.PROTOCOL_TLS_CLIENT, version)
        context.verify_mode = ssl.CERT_REQUIRED
        context.check_hostname = True
        context.load_verify_locations(CERTIFICATES / ca)
        if certificate is not None:
            context.load_cert_chain(CERTIFICATES / certificate)
        started.append(StdlibClient(context, port, line, name))
        return started[-1]

    yield start
    for client in started:
        client.join()


# ---- the openssl program -------------------------------------------------------------------------


@pytest.fixture
def openssl():
    """Start the `openssl` program; it is terminated after the test."""
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("needs the openssl program")
    with contextlib.ExitStack() as stack:

        def start(*arguments):
            process = subprocess.Popen(
                [program, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
            stack.callback(process.communicate)
            stack.callback(process.kill)
            return process

        yield start


@pytest.fixture
def s_server(openssl, certificates):
    """Start `openssl s_server` for one client and return the process and its port."""

    def start(certificate="server.pem", *arguments):
        process = openssl(
            "s_server", "-accept", "127.0.0.1:0", "-naccept", "1",
            "-cert", certificates(certificate), "-dhparam", certificates("dh.pem"), *arguments,
        )  # fmt: skip
        for line in process.stdout:
            if line.startswith(b"ACCEPT"):
                return process, int(line.rpartition(b":")[2])
        raise AssertionError("openssl s_server does not say where it listens")

    return start
