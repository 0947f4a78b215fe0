"""Servers handle clients one after another, in threads, and in processes."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import subprocess
import sys
import threading

import pytest
from fix_children import unmeasured

from M2Crypto import SSL


class Echo(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(self.rfile.readline())


@pytest.fixture
def serve(contexts):
    """Serve in a thread during the block and yield the server's address."""

    @contextlib.contextmanager
    def serving(kind, handler=Echo):
        # Leaving it waits for the threads of the requests.
        with kind(("127.0.0.1", 0), handler, contexts[1]) as server:
            server.socket.settimeout(20)
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.005})
            thread.start()
            try:
                yield server.server_address
            finally:
                server.shutdown()
                thread.join()

    return serving


def exchange(context, address, line=b"hello\n"):
    with SSL.Connection(context) as client:
        client.settimeout(20)
        client.connect(address)
        client.write(line)
        with client.makefile("rb") as file:
            return file.read()


KINDS = [SSL.SSLServer, SSL.ThreadingSSLServer]


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_handles_several_clients(serve, contexts, kind):
    with serve(kind) as address:
        assert [exchange(contexts[0], address) for _ in range(2)] == [b"hello\n", b"hello\n"]


def test_a_forking_server_handles_clients_in_processes(certificates, tmp_path):
    # Threads and forks do not go together, so it is a program of its own.
    if not hasattr(SSL, "ForkingSSLServer"):
        pytest.skip("this system cannot fork")
    program = f"""
import socketserver
from M2Crypto import SSL

class Echo(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(self.rfile.readline())

context = SSL.Context()
context.load_cert({certificates("server.pem")!r})
with SSL.ForkingSSLServer(("127.0.0.1", 0), Echo, context) as server:
    server.socket.settimeout(20)
    print(server.server_address[1], flush=True)
    server.handle_request()
"""
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, cwd=tmp_path, env=unmeasured()
    ) as process:
        port = int(process.stdout.readline())
        context = SSL.Context()
        context.load_verify_locations(certificates("ca.pem"))
        assert exchange(context, ("127.0.0.1", port)) == b"hello\n"
    assert process.returncode == 0


def test_a_slow_client_does_not_block_the_others(serve, contexts):
    # It connects and sends nothing.
    with serve(SSL.ThreadingSSLServer) as address, socket.create_connection(address):
        assert exchange(contexts[0], address) == b"hello\n"


def test_a_client_that_does_not_speak_tls_is_logged_in_one_line(serve, contexts, capfd):
    with serve(SSL.SSLServer) as address:
        with socket.create_connection(address, 20) as client:
            client.sendall(b"GET / HTTP/1.0\r\n\r\n")
            with contextlib.suppress(ConnectionError):
                while client.recv(100):
                    pass
        assert exchange(contexts[0], address) == b"hello\n"
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("TLS with ('127.0.0.1', ")
    assert "http request" in lines[0]


def test_an_exception_of_a_handler_is_logged_with_its_traceback(serve, contexts, capfd):
    class Broken(socketserver.BaseRequestHandler):
        def handle(self):
            raise LookupError("the echo is lost")

    with serve(SSL.SSLServer, Broken) as address:
        assert exchange(contexts[0], address) == b""
    assert "LookupError: the echo is lost" in capfd.readouterr().err


def test_an_address_in_use_raises(contexts):
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(OSError, match=r"[Aa]ddress already in use"),
    ):
        SSL.SSLServer(taken.getsockname(), Echo, contexts[1])


def test_a_server_can_be_bound_after_construction(contexts):
    server = SSL.SSLServer(("127.0.0.1", 0), Echo, contexts[1], bind_and_activate=False)
    server.server_bind()
    assert server.server_address[1] != 0
    server.server_close()


def test_the_timeout_limits_the_handshake_and_the_wait_for_a_request(contexts, capfd):
    with SSL.SSLServer(("127.0.0.1", 0), Echo, contexts[1], timeout=0.05) as server:
        # Nobody connects.
        server.handle_request()
        with socket.create_connection(server.server_address):
            server.handle_request()
    assert capfd.readouterr().err.endswith(": timed out\n")
