"""Services over TLS on 127.0.0.1, in threads: M2Crypto's servers, and HTTP proxies."""

from __future__ import annotations

import contextlib
import http.server
import socket
import socketserver
import threading

import pytest

PATIENCE = 20


@contextlib.contextmanager
def running(server):
    """Serve in a thread during the block."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.005})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join(PATIENCE)
        server.server_close()


class Pages(http.server.BaseHTTPRequestHandler):
    """Return the request: its method, path and body."""

    protocol_version = "HTTP/1.1"
    # The head and the body are two writes, of which Nagle's algorithm would delay the second.
    disable_nagle_algorithm = True

    def do_GET(self):
        if self.path == "/redirect":
            self.send_response(302)
            self.send_header("Location", "/redirected")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        content = f"{self.command} {self.path} ".encode() + body
        self.server.seen.append((self.path, dict(self.headers)))
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        if self.path == "/last":
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_GET  # noqa: N815

    def log_message(self, *arguments):
        pass


@pytest.fixture
def https(contexts):
    """Start an SSL.ThreadingSSLServer; `seen` are the paths and headers of its requests."""
    from M2Crypto import SSL

    with contextlib.ExitStack() as stack:

        def start(handler=Pages, context=None):
            server = SSL.ThreadingSSLServer(
                ("127.0.0.1", 0), handler, context or contexts[1], timeout=PATIENCE
            )
            server.seen = []
            stack.enter_context(running(server))
            return server

        yield start


class Proxy(socketserver.StreamRequestHandler):
    """An HTTP proxy that knows CONNECT, and refuses clients without the credentials it requires."""

    timeout = PATIENCE

    def handle(self):
        head = []
        while line := self.rfile.readline().strip():
            head.append(line.decode())
        self.server.seen.append(head)
        wanted = self.server.authorization
        if wanted and f"Proxy-Authorization: {wanted}" not in head:
            self.wfile.write(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
            return
        # Every name is this computer.
        port = int(head[0].split()[1].rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as upstream:
            self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=copy, args=(upstream, self.connection))
            back.start()
            copy(self.connection, upstream)
            back.join(PATIENCE)


def copy(source, target):
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


class ProxyServer(socketserver.ThreadingTCPServer):
    daemon_threads = True


@pytest.fixture
def proxy():
    """Start an HTTP proxy; `seen` are the heads of its requests."""
    with contextlib.ExitStack() as stack:

        def start(authorization=None):
            server = ProxyServer(("127.0.0.1", 0), Proxy)
            server.authorization = authorization
            server.seen = []
            stack.enter_context(running(server))
            return server

        yield start


@pytest.fixture
def silent():
    """Return the port of a server that accepts clients and sends nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]
