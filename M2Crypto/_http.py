"""One HTTP request, for OCSP and CRLs, whose answers are signed and therefore need no TLS."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
import time
import urllib.parse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# The most bytes of one read, and the most characters of an error's text that a server can choose.
_PIECE = 1 << 16
_TEXT = 200


def fetch(
    url: str,
    timeout: float,
    limit: int,
    error: type[Exception],
    *,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
    kind: str | None = None,
) -> bytes:
    """Return the body of the answer to a GET, or to a POST of `body`. No redirection is followed.

    Args:
        url: an `http:` URL.
        timeout: seconds from the start to the last byte, besides the look-up of the host's name.
        limit: the most bytes that are accepted.
        error: the exception.
        body: what is sent.
        headers: those of the request.
        kind: the media type that the answer must have; None for any.

    Raises:
        error: the URL is not HTTP's, the server cannot be reached in time, or answers with another
            status or type or with too much. The message has the URL.
    """
    end = time.monotonic() + timeout
    is_late = threading.Event()
    try:
        parts = urllib.parse.urlsplit(url)
        if parts.scheme != "http" or not parts.hostname:
            raise ValueError("not an http: URL")
        target = urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, ""))
        connection = http.client.HTTPConnection(parts.hostname, parts.port or http.client.HTTP_PORT)
        with contextlib.closing(connection):
            connection.sock = _connected(connection.host, connection.port, end)
            with _ended(connection.sock, end - time.monotonic(), is_late):
                connection.request("GET" if body is None else "POST", target, body, headers or {})
                # An answer without a length keeps the socket when the connection is closed.
                with contextlib.closing(connection.getresponse()) as answer:
                    found = answer.headers.get_content_type()
                    if answer.status != 200 or kind not in (None, found):
                        raise ValueError(f"the server answered {answer.status} with {found}")
                    data = _read(answer, limit)
    except (OSError, ValueError, http.client.HTTPException) as problem:
        if is_late.is_set() or time.monotonic() >= end:
            raise error(_line(url, f"no answer in {timeout:g} s")) from None
        raise error(_line(url, str(problem) or type(problem).__name__)) from None
    if is_late.is_set():
        # The end of data without a length may be that of the time.
        raise error(_line(url, f"no answer in {timeout:g} s"))
    return data


def _connected(host: str, port: int, end: float) -> socket.socket:
    """Return a socket that is connected to one of the host's addresses.

    The time is that of all addresses, and not of each as in `socket.create_connection`.
    """
    problem: OSError = TimeoutError("timed out")
    for family, kind, protocol, _, address in socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM):
        left = end - time.monotonic()
        if left <= 0:
            break
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(left)
            sock.connect(address)
        except BaseException as error:
            sock.close()
            if not isinstance(error, OSError):
                raise
            problem = error
        else:
            return sock
    raise problem


def _read(answer: http.client.HTTPResponse, limit: int) -> bytes:
    """Return the body, which a chunk of negative length would make `read` return without limit."""
    data = bytearray()
    while piece := answer.read1(_PIECE):
        data += piece
        if len(data) > limit:
            raise ValueError(f"the answer has more than {limit} bytes")
    if answer.length:
        raise ValueError(f"the answer ends {answer.length} bytes early")
    return bytes(data)


def _line(url: str, problem: str) -> str:
    """Return an error's text: one line, of which a server cannot choose the length."""
    text = f"{url}: {problem[:_TEXT]}"
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


@contextlib.contextmanager
def _ended(sock: socket.socket, seconds: float, is_late: threading.Event) -> Iterator[None]:
    """End a connection after some seconds, as a timeout of the socket begins again with each read.

    A server that sends a byte a second would otherwise hold its client for ever.
    """

    def shut() -> None:
        is_late.set()
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(max(seconds, 0), shut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
