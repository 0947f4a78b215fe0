"""A handler of https URLs for `urllib.request`, over M2Crypto."""

from __future__ import annotations

import functools
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

from M2Crypto import SSL, httpslib

if TYPE_CHECKING:
    import http.client

    _Handler = urllib.request.HTTPSHandler
else:
    # `urllib.request.build_opener` leaves out the standard library's handler, which a Python
    # without ssl has not, where one of its class is given.
    _Handler = getattr(urllib.request, "HTTPSHandler", urllib.request.AbstractHTTPHandler)

__all__ = ["HTTPRedirectHandler", "HTTPSHandler", "RefCountingSSLConnection", "build_opener"]


class RefCountingSSLConnection(SSL.Connection):
    """A connection that is closed with its last file, as every `Connection` is."""


class HTTPSHandler(_Handler):
    """Opens https URLs, also through the proxies of `urllib.request.ProxyHandler`."""

    def __init__(
        self,
        ssl_context: SSL.Context | None = None,
        ssl_conn_cls: type[SSL.Connection] = RefCountingSSLConnection,
    ) -> None:
        """Create a handler; without a context it trusts the system's trust store."""
        urllib.request.AbstractHTTPHandler.__init__(self)
        self.ctx = ssl_context
        self.ssl_conn_cls = ssl_conn_cls

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        """Send a request and return the response; the request's timeout limits each operation."""
        connection: Any = functools.partial(
            httpslib.HTTPSConnection, ssl_conn_cls=self.ssl_conn_cls, ssl_context=self.ctx
        )
        return self.do_open(connection, req)

    https_request = urllib.request.AbstractHTTPHandler.do_request_


class HTTPRedirectHandler(urllib.request.HTTPRedirectHandler):
    """Follows redirections, but none that leaves https, and sends credentials to no other host.

    The standard library's follows them all, with the Authorization and Cookie of the request.
    """

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        """Return the request that a redirection leads to.

        Raises:
            urllib.error.HTTPError: it must not be followed.
        """
        new = super().redirect_request(req, fp, code, msg, headers, newurl)
        if new is None:
            return None
        if req.type == "https" and new.type != "https":
            raise urllib.error.HTTPError(
                newurl, code, f"{msg} - a redirection from https to {new.type}", headers, fp
            )
        if new.host != req.host:
            for name in ("Authorization", "Cookie"):
                new.remove_header(name)
        return new


def build_opener(
    ssl_context: SSL.Context | None = None, *handlers: Any
) -> urllib.request.OpenerDirector:
    """Return an opener with these handlers and the default ones.

    Of the default ones https and redirections are M2Crypto's.

    Args:
        ssl_context: the context of https; None for one that trusts the system's trust store.
        handlers: as in `urllib.request.build_opener`. An HTTPSHandler, and any
            `urllib.request.HTTPRedirectHandler`, replaces the default one.
    """
    if not any(_is(HTTPSHandler, handler) for handler in handlers):
        handlers = (HTTPSHandler(ssl_context), *handlers)
    if not any(_is(urllib.request.HTTPRedirectHandler, handler) for handler in handlers):
        handlers = (HTTPRedirectHandler, *handlers)
    return urllib.request.build_opener(*handlers)


def _is(wanted: type, handler: Any) -> bool:
    kind = handler if isinstance(handler, type) else type(handler)
    return issubclass(kind, wanted)
