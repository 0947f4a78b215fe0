"""TLS servers: `socketserver.TCPServer`s whose requests are `Connection`s.

The handshake runs in the thread or process that handles the request, so a slow client does not
block the others. The server's timeout limits it.
"""

from __future__ import annotations

import socketserver
import sys

from M2Crypto._typing import TYPE_CHECKING
from M2Crypto.SSL.Connection import Connection
from M2Crypto.SSL.SSLError import SSLError

if TYPE_CHECKING:
    from typing import Any, Callable

    from M2Crypto.SSL.Context import Context

__all__ = ["ForkingSSLServer", "SSLServer", "ThreadingSSLServer"]


class SSLServer(socketserver.TCPServer):
    """A TLS server that handles one request at a time."""

    def __init__(
        self,
        server_address: Any,
        RequestHandlerClass: Callable[..., Any],
        ssl_context: Context,
        bind_and_activate: bool = True,
        timeout: float | None = None,
    ) -> None:
        """Create the server.

        Args:
            server_address: the address to bind to.
            RequestHandlerClass: the handler, called with the connection, its address and the
                server.
            ssl_context: the context, which has the server's certificate.
            bind_and_activate: whether to bind and listen.
            timeout: the seconds for each handshake, read and write of a request, and for
                `handle_request` to wait for one; None for no limit.
        """
        socketserver.BaseServer.__init__(self, server_address, RequestHandlerClass)
        self.ssl_ctx = ssl_context
        self.socket: Any = Connection(ssl_context, family=self.address_family)
        self.socket.settimeout(timeout)
        if bind_and_activate:
            try:
                self.server_bind()
                self.server_activate()
            except BaseException:
                self.server_close()
                raise

    def get_request(self) -> tuple[Any, Any]:
        """Accept a client and return its connection, without a handshake, and its address."""
        request, address = self.socket._accept_socket()
        return request, address

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Perform the handshake, and call the handler."""
        request.accept_ssl()
        super().finish_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Send close_notify, and close the connection."""
        try:
            super().shutdown_request(request)
        except SSLError:
            self.close_request(request)

    def handle_request(self) -> None:
        """Handle one request; an exception is passed to `handle_error`."""
        super().handle_request()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print an exception to standard error: a line for an SSLError, else a traceback."""
        error = sys.exc_info()[1]
        if isinstance(error, SSLError):
            print(f"TLS with {client_address}: {error}", file=sys.stderr)
        else:
            super().handle_error(request, client_address)


class ThreadingSSLServer(socketserver.ThreadingMixIn, SSLServer):
    """A TLS server that handles each request in a thread."""


if hasattr(socketserver, "ForkingMixIn"):

    class ForkingSSLServer(socketserver.ForkingMixIn, SSLServer):
        """A TLS server that handles each request in a process. Not on Windows."""
