"""The server that `nox -s scan` scans: `scanned.py CERTIFICATES`.

It has a context with default settings and the tests' certificates, prints its port and serves until
it is terminated. The script needs M2Crypto alone.
"""

from __future__ import annotations

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from M2Crypto import SSL, m2

PATIENCE = 20


class Page(BaseHTTPRequestHandler):
    """A page over TLS."""

    request: SSL.Connection

    def setup(self) -> None:
        """Accept the connection's handshake."""
        self.request.settimeout(PATIENCE)
        self.request.setup_ssl()
        self.request.accept_ssl()
        super().setup()

    def do_GET(self) -> None:
        """Send the page."""
        self.send_response(200)
        # testssl.sh asks for what a site says about itself, too.
        self.send_header("Strict-Transport-Security", "max-age=63072000")
        self.send_header("Content-Security-Policy", "default-src 'none'")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Content-Length", "6")
        self.end_headers()
        self.wfile.write(b"hello\n")

    do_HEAD = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Log nothing."""


class Server(ThreadingHTTPServer):
    """A server of TLS with default settings."""

    daemon_threads = True
    request_queue_size = 100

    def __init__(self, certificates: Path) -> None:
        super().__init__(("127.0.0.1", 0), Page)
        self.context = SSL.Context()
        self.context.load_cert(certificates / "server.pem")
        if not m2.OPENSSL_NO_EC:
            self.context.load_cert(certificates / "server_ec.pem")

    def get_request(self) -> tuple[Any, Any]:
        """Return a connection before its handshake, and the client's address."""
        sock, address = self.socket.accept()
        return SSL.Connection(self.context, sock), address

    def handle_error(self, *_: object) -> None:
        """Ignore a handshake that failed, as most of a scan's do."""


if __name__ == "__main__":
    with Server(Path(sys.argv[1])) as server:
        print(server.server_address[1], flush=True)
        server.serve_forever()
