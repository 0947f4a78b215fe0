"""The HTTP requests of OCSP and CRLs: servers that send too much, too slowly, or garbage."""

from __future__ import annotations

import contextlib
import itertools
import socket
import threading
import time

import pytest

from M2Crypto import _http

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
LIMIT = 100_000
PATIENCE = 20
FLOOD = b"x" * 65536


class HttpError(Exception):
    """The exception of these tests."""


@pytest.fixture
def served():
    """Return a function that serves one client with pieces of raw bytes, and returns the URL."""
    with contextlib.ExitStack() as stack:

        def start(pieces):
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            listener.settimeout(PATIENCE)
            accepted = []

            def serve():
                with contextlib.suppress(OSError):
                    sock, _ = listener.accept()
                    accepted.append(sock)
                    sock.settimeout(PATIENCE)
                    sock.recv(65536)
                    for piece in pieces:
                        sock.sendall(piece)
                    sock.shutdown(socket.SHUT_WR)

            def stop():
                # A client that has gone does not always reset the connection.
                for sock in accepted:
                    with contextlib.suppress(OSError):
                        sock.shutdown(socket.SHUT_RDWR)
                thread.join(PATIENCE)
                for sock in accepted:
                    sock.close()

            thread = threading.Thread(target=serve)
            thread.start()
            stack.callback(stop)
            return f"http://127.0.0.1:{listener.getsockname()[1]}/"

        yield start


def fetch(url, timeout=PATIENCE, **options):
    return _http.fetch(url, timeout, LIMIT, HttpError, **options)


def dripping(head):
    """Return a head and then a byte at a time."""
    yield head
    while True:
        time.sleep(0.01)
        yield b"1"


@pytest.mark.parametrize(
    "pieces",
    [
        [HEAD + b"Content-Length: 2\r\n\r\n", b"ok"],
        [HEAD + b"\r\n", b"o", b"k"],
        [CHUNKED, b"1\r\no\r\n1\r\n", b"k\r\n0\r\n\r\n"],
        [b"HTTP/1.1 100 Continue\r\n\r\n" + HEAD + b"\r\nok"],
    ],
    ids=["length", "end of file", "chunks", "continue"],
)
def test_a_body_is_returned(served, pieces):
    assert fetch(served(pieces)) == b"ok"


@pytest.mark.parametrize(
    "head",
    [
        HEAD + b"\r\n",
        HEAD + b"Content-Length: 1000000000\r\n\r\n",
        HEAD + b"Content-Length: -1\r\n\r\n",
        CHUNKED + b"40000000\r\n",
        # http.client reads a chunk of length -1 to the end of the file.
        CHUNKED + b"-1\r\n",
        CHUNKED + b"-5\r\n",
    ],
    ids=["no length", "length", "negative length", "chunk", "chunk of -1", "chunk of -5"],
)
def test_no_more_than_the_limit_is_read(served, head):
    sent = []

    def pieces():
        yield head
        for _ in range(1 << 12):
            sent.append(1)
            yield FLOOD

    with pytest.raises(HttpError, match=f"more than {LIMIT} bytes"):
        fetch(served(pieces()))
    # The rest is what the sockets hold.
    assert len(sent) < 1 << 9


@pytest.mark.parametrize(
    "head",
    [
        b"",
        HEAD,
        HEAD + b"\r\n",
        HEAD + b"Content-Length: 90000\r\n\r\n",
        CHUNKED + b"10000\r\n",
        CHUNKED + b"1\r\nx\r\n0\r\nX: ",
    ],
    ids=["status", "header", "no length", "length", "chunk", "trailer"],
)
def test_a_byte_at_a_time_ends_in_time(served, head):
    with pytest.raises(HttpError, match=r"no answer in 0\.2 s"):
        fetch(served(dripping(head)), 0.2)


def test_interim_responses_without_end_end_in_time(served):
    interim = b"HTTP/1.1 100 Continue\r\n\r\n" * 1000
    # From 3.14 on http.client counts them.
    with pytest.raises(HttpError, match=r"no answer in 0\.2 s|more than 100 interim"):
        fetch(served(itertools.repeat(interim)), 0.2)


@pytest.mark.parametrize(
    ("pieces", "problem"),
    [
        ([HEAD + b"Content-Length: 10\r\n\r\n", b"abc"], "ends 7 bytes early"),
        ([CHUNKED + b"10\r\n", b"abc"], "IncompleteRead"),
        ([], "closed connection without response"),
        ([b"HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n"], "answered 302"),
        ([HEAD, b"X: y\r\n" * 1000], "more than 100 headers"),
        ([HEAD, b"X: ", FLOOD, FLOOD], "more than 65536 bytes"),
    ],
)
def test_an_incomplete_or_other_answer_is_refused(served, pieces, problem):
    with pytest.raises(HttpError, match=problem):
        fetch(served(pieces))


@pytest.mark.parametrize(
    "pieces",
    [[b"\x1b[2J\0" * 10_000 + b"\n"], [b"HTTP/1.1 500 no\r\nContent-Type: a/\x1b[2J\r\n\r\n"]],
)  # fmt: skip
def test_an_error_is_one_short_printable_line(served, pieces):
    with pytest.raises(HttpError) as caught:
        fetch(served(pieces))
    text = str(caught.value)
    assert "\\x1b[2j" in text.lower()
    assert text.isprintable()
    assert len(text) < 2000


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd", "ldap://127.0.0.1/", "https://127.0.0.1/", "ftp://127.0.0.1/", "//a",
        "http:a", "http://", "http://[::1", "http://a b/", "http://127.0.0.1:99999/",
        "http://127.0.0.1\r\nX: y/", "http://127.0.0.1:1/ HTTP/1.1\r\nX: y", "http://\0/",
    ],
)  # fmt: skip
def test_other_urls_are_refused(url):
    with pytest.raises(HttpError) as caught:
        fetch(url)
    assert str(caught.value).isprintable()


def test_the_addresses_of_a_host_share_the_time(monkeypatch):
    """Each listener's backlog is full, so that connecting to it times out."""
    with contextlib.ExitStack() as stack:
        addresses = []
        for _ in range(5):
            listener = stack.enter_context(socket.socket())
            listener.bind(("127.0.0.1", 0))
            listener.listen(0)
            addresses.append(listener.getsockname())
            for _ in range(3):
                waiting = stack.enter_context(socket.socket())
                waiting.setblocking(False)
                waiting.connect_ex(addresses[-1])
        found = [(socket.AF_INET, socket.SOCK_STREAM, 0, "", address) for address in addresses]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *arguments: found)
        with pytest.raises(HttpError, match=r"no answer in 0\.2 s"):
            fetch("http://a.example/", 0.2)


def test_the_next_address_is_tried(served, monkeypatch):
    url = served([HEAD + b"\r\nok"])
    port = int(url.rpartition(":")[2].strip("/"))
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        found = [
            (socket.AF_INET, socket.SOCK_STREAM, 0, "", address)
            for address in (closed.getsockname(), ("127.0.0.1", port))
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *arguments: found)
        assert fetch("http://a.example/") == b"ok"


def test_an_ipv6_address_without_a_port_has_port_80(monkeypatch):
    asked = []

    def refuse(host, port, end):
        asked.append((host, port))
        raise ConnectionRefusedError

    monkeypatch.setattr(_http, "_connected", refuse)
    with pytest.raises(HttpError):
        fetch("http://[::1]/")
    assert asked == [("::1", 80)]
