"""Servers over TLS, on the standard library's socketserver.

They are `socketserver.TCPServer`s whose requests are `Connection`s. The handshake is done where the
request is handled, in its thread or process, so that a slow client does not hold up the others;
`request.settimeout` in `get_request`, or a timeout on the server's `socket`, bounds it.
"""

from __future__ import annotations

import socketserver
import sys
from typing import TYPE_CHECKING, Any, Callable

from M2Crypto.SSL.Connection import Connection
from M2Crypto.SSL.SSLError import SSLError

if TYPE_CHECKING:
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
    ) -> None:
        """Make one; the context has the server's certificate."""
        socketserver.BaseServer.__init__(self, server_address, RequestHandlerClass)
        self.ssl_ctx = ssl_context
        self.socket: Any = Connection(ssl_context, family=self.address_family)
        if bind_and_activate:
            try:
                self.server_bind()
                self.server_activate()
            except BaseException:
                self.server_close()
                raise

    def get_request(self) -> tuple[Any, Any]:
        """A client's connection, before its handshake, and its address."""
        request, address = self.socket._accept_socket()
        return request, address

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Do the handshake, and let the handler do the rest."""
        request.accept_ssl()
        super().finish_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Say close_notify to the client, and close the connection."""
        try:
            super().shutdown_request(request)
        except SSLError:
            self.close_request(request)

    def handle_request(self) -> None:
        """Handle one request; what goes wrong in it goes to `handle_error`."""
        super().handle_request()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Write what went wrong to standard error: a line for TLS's errors, else a traceback."""
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
