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
    try:
        parts = urllib.parse.urlsplit(url)
        if parts.scheme != "http" or not parts.hostname:
            raise error(f"{url}: not an http: URL")
        target = urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, ""))
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout)
        with contextlib.closing(connection):
            connection.connect()
            with _ended(connection.sock, end - time.monotonic()):
                connection.request("GET" if body is None else "POST", target, body, headers or {})
                answer = connection.getresponse()
                found = answer.headers.get_content_type()
                if answer.status != 200 or kind not in (None, found):
                    raise error(f"{url}: the server answered {answer.status} with {found}")
                data = answer.read(limit + 1)
    except (OSError, ValueError, http.client.HTTPException) as problem:
        if time.monotonic() >= end:
            raise error(f"{url}: no answer in {timeout:g} s") from None
        raise error(f"{url}: {problem or type(problem).__name__}") from None
    if time.monotonic() >= end and answer.length:
        raise error(f"{url}: no answer in {timeout:g} s")
    if len(data) > limit:
        raise error(f"{url}: the answer has more than {limit} bytes")
    return data


@contextlib.contextmanager
def _ended(sock: socket.socket, seconds: float) -> Iterator[None]:
    """End a connection after some seconds, as a timeout of the socket begins again with each read.

    A server that sends a byte a second would otherwise hold its client for ever.
    """

    def shut() -> None:
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
