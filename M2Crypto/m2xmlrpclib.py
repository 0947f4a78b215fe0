"""A transport for `xmlrpc.client.ServerProxy` over M2Crypto.

::

    proxy = xmlrpc.client.ServerProxy(uri, transport=SSL_Transport(context))
"""

from __future__ import annotations

import contextlib
import datetime
import gzip
import io
import sys
import xmlrpc.client
from typing import TYPE_CHECKING, Any, Union

from M2Crypto import httpslib

if TYPE_CHECKING:
    import http.client
    from collections.abc import Iterator

    from M2Crypto import SSL

__all__ = ["HostType", "Marshallable", "SSL_Transport", "SizedBufferType"]

# A host with its port, or with the x509 options of `xmlrpc.client.Transport.get_host_info` too.
HostType = Union[tuple[str, dict[str, str]], str]
# What XML-RPC transfers.
Marshallable = Union[
    bool, int, float, str, bytes, None, tuple[Any, ...], list[Any], dict[str, Any],
    datetime.datetime, xmlrpc.client.DateTime, xmlrpc.client.Binary,
]  # fmt: skip
SizedBufferType = Union[bytes, bytearray, memoryview]


# The most bytes of a response, also once decompressed.
MAX_RESPONSE = 64 << 20
_PIECE = 1 << 16


class SSL_Transport(xmlrpc.client.Transport):
    """A transport that keeps its connection open between requests."""

    user_agent = f"M2Crypto {xmlrpc.client.Transport.user_agent}"

    def __init__(self, ssl_context: SSL.Context | None = None, *args: Any, **kw: Any) -> None:
        """Create a transport.

        Args:
            ssl_context: the context; None for one that trusts the system's trust store.
            args: as in `xmlrpc.client.Transport`.
            kw: the same, `timeout` as in `httpslib.HTTPSConnection`, and `max_response`, the most
                bytes of a response; by default 64 MiB, None for any number.
        """
        self._max_response: int | None = kw.pop("max_response", MAX_RESPONSE)
        self._options = {"timeout": kw.pop("timeout")} if "timeout" in kw else {}
        super().__init__(*args, **kw)
        self.ssl_ctx = ssl_context

    def splituser(self, host: str) -> tuple[str | None, str]:
        """Return the user information before the last @ of `host`, None if there is none."""
        user, at, rest = host.rpartition("@")
        return user if at else None, rest

    def splitport(self, host: str) -> tuple[str, str | None]:
        """Return the host without its port, and the port, None if there is none."""
        name, colon, port = host.rpartition(":")
        if not colon or "]" in port or not (port.isdecimal() or not port):
            return host, None
        return name, port or None

    def request(self, host: Any, handler: str, request_body: Any, verbose: Any = 0) -> Any:
        """Send a request and return the values of the response.

        Raises:
            xmlrpc.client.ProtocolError: the status of the response is not 200.
            xmlrpc.client.ResponseError: it has more than `max_response` bytes.
            xmlrpc.client.Fault: the server returned a fault.
            SSLError, OSError: see `httpslib.HTTPSConnection.connect`.
        """
        return super().request(host, handler, request_body, verbose)

    def parse_response(self, response: Any) -> Any:
        """Return the values of a response."""
        limit = sys.maxsize - 1 if self._max_response is None else self._max_response
        parser, target = self.getparser()
        # A compressed response is small until it is read.
        is_compressed = response.headers.get("Content-Encoding", "") == "gzip"
        packed = io.BytesIO(b"".join(_pieces(response, limit))) if is_compressed else response
        with contextlib.ExitStack() as stack:
            stream = stack.enter_context(gzip.GzipFile(fileobj=packed)) if is_compressed else packed
            for piece in _pieces(stream, limit):
                if getattr(self, "verbose", False):
                    print("body:", repr(piece))
                parser.feed(piece)
        parser.close()
        return target.close()

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        """Return the connection to a host, which is kept."""
        if self._connection and host == self._connection[0] and self._connection[1]:
            return self._connection[1]
        name, self._extra_headers, _ = self.get_host_info(host)
        connection = httpslib.HTTPSConnection(name, ssl_context=self.ssl_ctx, **self._options)
        self._connection = host, connection
        return connection


def _pieces(stream: Any, limit: int) -> Iterator[bytes]:
    """Return the content of a stream in pieces.

    Raises:
        xmlrpc.client.ResponseError: it has more bytes than the limit.
    """
    size = 0
    while piece := stream.read(min(_PIECE, limit - size + 1)):
        size += len(piece)
        if size > limit:
            raise xmlrpc.client.ResponseError(f"the response has more than {limit} bytes")
        yield piece
