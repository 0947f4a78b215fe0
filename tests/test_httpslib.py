"""HTTPS connections of `http.client`, directly and through proxies."""

from __future__ import annotations

import base64
import contextlib
import http.client
import http.server
import itertools
import socket
import socketserver
import ssl
import threading
import urllib.request

import pytest
from fix_services import PATIENCE, running

from M2Crypto import SSL, httpslib, m2
from M2Crypto.SSL.Checker import WrongHost


@pytest.fixture
def connect(contexts):
    made = []

    def make(port, host="localhost", kind=httpslib.HTTPSConnection, **options):
        options = {"ssl_context": contexts[0], "timeout": PATIENCE, **options}
        made.append(kind(host, port, **options))
        return made[-1]

    yield make
    for connection in made:
        connection.close()


def get(connection, path="/", method="GET", body=None):
    connection.request(method, path, body)
    return connection.getresponse().read()


def test_requests_share_a_connection(https, connect):
    server = https()
    connection = connect(server.server_address[1])
    assert get(connection, "/a") == b"GET /a "
    sock = connection.sock
    assert get(connection, "/b", "POST", b"body") == b"POST /b body"
    assert connection.sock is sock
    assert [headers["Host"] for _, headers in server.seen] == [
        f"localhost:{server.server_address[1]}"
    ] * 2


def test_the_default_port_is_443_and_strict_is_ignored(contexts):
    assert httpslib.HTTPSConnection("localhost", strict=1, ssl_context=contexts[0]).port == 443
    assert httpslib.HTTPSConnection("localhost:8443", ssl_context=contexts[0]).port == 8443


def test_a_response_is_read_after_its_connection_was_closed(https, connect):
    connection = connect(https().server_address[1])
    connection.request("GET", "/last")
    response = connection.getresponse()
    assert connection.sock is None
    assert response.read() == b"GET /last "


def test_a_session_is_kept_and_resumed(https, connect):
    port = https().server_address[1]
    first = connect(port)
    assert first.get_session() is None
    get(first)
    session = first.get_session()
    first.close()
    assert first.get_session() is not None
    get(first)
    assert first.sock.session_reused()
    second = connect(port)
    second.set_session(session)
    get(second)
    assert second.sock.session_reused()


class Hello(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        if self.path == "/length":
            self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *arguments):
        pass


@pytest.fixture
def stdlib_https(certificates):
    """Yield the port of a server of the standard library, which closes without close_notify."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates("server.pem"))
    context.load_dh_params(certificates("dh.pem"))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hello)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    with running(server):
        yield server.server_address[1]


def test_a_server_of_the_standard_library(connect, stdlib_https):
    assert get(connect(stdlib_https), "/length") == b"hello"


def test_a_response_of_unknown_length_without_close_notify_is_incomplete(connect, stdlib_https):
    # RFC 9112, section 9.8.
    with pytest.raises(SSL.SSLError, match="unexpected eof while reading"):
        get(connect(stdlib_https))


@pytest.mark.openssl(">= 3.0")
def test_a_program_can_accept_it(connect, contexts, stdlib_https):
    contexts[0].set_options(m2.SSL_OP_IGNORE_UNEXPECTED_EOF)
    assert get(connect(stdlib_https)) == b"hello"


def test_a_client_of_the_standard_library(https, certificates):
    context = ssl.create_default_context(cafile=certificates("ca.pem"))
    url = f"https://localhost:{https().server_address[1]}/x"
    with urllib.request.urlopen(url, timeout=PATIENCE, context=context) as response:
        assert response.read() == b"GET /x "


def test_a_certificate_for_another_host_is_refused(https, connect, contexts, certificates):
    contexts[1].load_cert(certificates("other_host.pem"))
    connection = connect(https().server_address[1])
    with pytest.raises(WrongHost, match="localhost"):
        connection.connect()


def test_an_unknown_ca_is_refused(https, connect, certificates):
    context = SSL.Context()
    context.load_verify_locations(certificates("other_ca.pem"))
    connection = connect(https().server_address[1], ssl_context=context)
    with pytest.raises(SSL.SSLError, match="certificate verify failed"):
        connection.connect()


def test_the_default_context_trusts_the_system_s_store(https, connect, certificates, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", certificates("ca.pem"))
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    port = https().server_address[1]
    assert get(connect(port, ssl_context=None)) == b"GET / "
    monkeypatch.setenv("SSL_CERT_FILE", certificates("other_ca.pem"))
    with pytest.raises(SSL.SSLError, match="certificate verify failed"):
        get(connect(port, ssl_context=None))


def test_a_client_certificate_is_sent(https, connect, contexts, certificates):
    contexts[1].load_verify_locations(certificates("ca.pem"))
    contexts[1].set_verify(SSL.verify_peer | SSL.verify_fail_if_no_peer_cert, 3)
    port = https().server_address[1]
    client = certificates("client.pem")
    assert get(connect(port, cert_file=client, key_file=client)) == b"GET / "


def test_an_ip_address_is_compared_with_the_certificate(https, connect):
    assert get(connect(https().server_address[1], "127.0.0.1")) == b"GET / "


def test_an_unknown_argument_raises_type_error():
    with pytest.raises(TypeError, match="HTTPSConnection has no argument 'keyfile'"):
        httpslib.HTTPSConnection("localhost", keyfile="x")


def test_the_class_of_the_connection_can_be_chosen(https, connect):
    class Mine(SSL.Connection):
        pass

    connection = connect(https().server_address[1], ssl_conn_cls=Mine)
    get(connection)
    assert type(connection.sock) is Mine


@pytest.mark.parametrize("kind", [httpslib.HTTPSConnection, http.client.HTTPConnection])
def test_timeout_0_is_non_blocking_as_in_the_standard_library(silent, contexts, kind):
    options = {"ssl_context": contexts[0]} if kind is httpslib.HTTPSConnection else {}
    connection = kind("127.0.0.1", silent, timeout=0, **options)
    with pytest.raises(BlockingIOError):
        connection.connect()
    connection.close()


def test_the_timeout_limits_the_handshake(silent, connect):
    connection = connect(silent, timeout=0.05)
    with pytest.raises(socket.timeout):
        connection.connect()


@pytest.fixture
def deaf(https):
    """Yield the port of a server that neither reads nor writes after the handshake."""
    released = threading.Event()

    class Deaf(socketserver.BaseRequestHandler):
        def handle(self):
            released.wait(PATIENCE)

    yield https(Deaf).server_address[1]
    released.set()


def test_the_timeout_limits_reading(deaf, connect):
    connection = connect(deaf)
    connection.connect()
    connection.sock.settimeout(0.05)
    connection.request("GET", "/")
    with pytest.raises(SSL.SSLTimeoutError):
        connection.getresponse()


def test_the_timeout_limits_writing(deaf, connect):
    connection = connect(deaf)
    connection.connect()
    connection.sock.settimeout(0.05)
    with pytest.raises(SSL.SSLTimeoutError):
        connection.request("POST", "/", bytes(1 << 24))


# ---- proxies -------------------------------------------------------------------------------------


def through(connect, server, **options):
    return connect(
        server.server_address[1], "127.0.0.1", kind=httpslib.ProxyHTTPSConnection, **options
    )


def test_a_tunnel_of_http_client(https, proxy, connect):
    target = https().server_address[1]
    connection = connect(proxy().server_address[1], "127.0.0.1")
    connection.set_tunnel("localhost", target)
    assert get(connection, "/x") == b"GET /x "


def test_a_proxy_connects_to_the_host_of_the_url(https, proxy, connect):
    target, server = https(), proxy()
    port = target.server_address[1]
    connection = through(connect, server)
    assert get(connection, f"https://localhost:{port}/x?y") == b"GET /x?y "
    assert get(connection, f"https://localhost:{port}") == b"GET / "
    assert [head[0].split()[:2] for head in server.seen] == [["CONNECT", f"localhost:{port}"]]
    assert target.seen[0][1]["Host"] == f"localhost:{port}"


def test_the_certificate_is_that_of_the_host_and_not_of_the_proxy(https, proxy, connect):
    port = https().server_address[1]
    connection = through(connect, proxy())
    with pytest.raises(WrongHost, match="example.org"):
        get(connection, f"https://example.org:{port}/")


def test_another_host_is_another_tunnel(https, proxy, connect):
    ports = [https().server_address[1] for _ in range(2)]
    server = proxy()
    connection = through(connect, server)
    for port in ports:
        assert get(connection, f"https://localhost:{port}/") == b"GET / "
        assert not connection.sock.session_reused()
    assert [head[0].split()[1] for head in server.seen] == [f"localhost:{p}" for p in ports]


def test_credentials_are_sent_to_the_proxy_alone(https, proxy, connect):
    # RFC 7617, section 2.
    secret = "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
    assert base64.b64decode(secret.split()[1]) == b"Aladdin:open sesame"
    target, server = https(), proxy(secret)
    url = f"https://localhost:{target.server_address[1]}/"
    with pytest.raises(OSError, match="407"):
        get(through(connect, server), url)
    named = through(connect, server, username="Aladdin", password="open sesame")
    assert get(named, url) == b"GET / "
    by_header = through(connect, server)
    by_header.putrequest("GET", url)
    by_header.putheader("Proxy-Authorization", secret)
    by_header.putheader("X-Other", "1")
    by_header.endheaders()
    assert by_header.getresponse().read() == b"GET / "
    for _, headers in target.seen:
        assert "Proxy-Authorization" not in headers
    assert target.seen[-1][1]["X-Other"] == "1"


def test_a_header_for_the_proxy_has_no_line_break(proxy, connect):
    connection = through(connect, proxy())
    connection.putrequest("GET", "https://localhost/")
    with pytest.raises(ValueError, match="line break"):
        connection.putheader(b"Proxy-Authorization", b"Basic x\r\nX: y")


@pytest.mark.parametrize("url", ["/path", "http://localhost/", "https:///x", "ftp://localhost/"])
def test_a_proxy_needs_an_absolute_https_url(proxy, connect, url):
    with pytest.raises(ValueError, match="not an absolute https URL"):
        through(connect, proxy()).request("GET", url)


def test_a_proxy_needs_a_request_before_it_connects(proxy, connect):
    with pytest.raises(ValueError, match="unknown before putrequest"):
        through(connect, proxy()).connect()


@pytest.mark.parametrize(
    ("host", "port", "expected"),
    [("proxy", None, 80), ("proxy:3128", None, 3128), ("proxy", 8080, 8080), ("[::1]", None, 80),
     ("[::1]:443", None, 443), ("proxy:443", None, 443)],
)  # fmt: skip
def test_the_default_port_of_a_proxy_is_80(contexts, host, port, expected):
    connection = httpslib.ProxyHTTPSConnection(host, port, ssl_context=contexts[0])
    assert connection.port == expected


# ---- attacks -------------------------------------------------------------------------------------


@pytest.fixture
def answering():
    """Return a function that starts a server that sends pieces to each client, and what it gets."""
    with contextlib.ExitStack() as stack:

        def start(pieces):
            class Answer(socketserver.BaseRequestHandler):
                def handle(self):
                    self.request.settimeout(PATIENCE)
                    with contextlib.suppress(OSError):
                        self.server.seen.append(self.request.recv(65536))
                        for piece in pieces:
                            self.request.sendall(piece)

            server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Answer)
            server.seen = []
            return stack.enter_context(running(server))

        yield start


def test_no_request_is_sent_without_tls_after_a_failed_connect(answering, connect):
    server = answering([b"junk\r\n\r\n"])
    connection = connect(server.server_address[1], "127.0.0.1")
    connection.set_tunnel("localhost", 443)
    for _ in range(2):
        with pytest.raises(http.client.BadStatusLine):
            connection.connect()
        assert connection.sock is None
    with pytest.raises(http.client.BadStatusLine):
        connection.request("GET", "/secret")
    assert len(server.seen) == 3
    assert not any(b"secret" in request for request in server.seen)


def test_a_connection_can_be_used_after_a_failed_handshake(https, connect, contexts, certificates):
    connection = connect(https().server_address[1], ssl_context=SSL.Context())
    connection.ssl_ctx.load_verify_locations(certificates("other_ca.pem"))
    for _ in range(2):
        with pytest.raises(SSL.SSLError, match="certificate verify failed"):
            get(connection)
    connection.ssl_ctx = contexts[0]
    assert get(connection) == b"GET / "


@pytest.mark.parametrize(
    ("pieces", "error"),
    [
        ([b"\0" * 100], http.client.BadStatusLine),
        ([], http.client.RemoteDisconnected),
        ([b"H" * 100_000], http.client.LineTooLong),
        ([b"HTTP/1.1 200 OK\r\n", b"X: " + b"y" * 100_000], http.client.LineTooLong),
        (itertools.chain([b"HTTP/1.1 200 OK\r\n"], itertools.repeat(b"X: y\r\n" * 99)),
         http.client.HTTPException),
        ([b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"], OSError),
        ([b"HTTP/1.1 200 OK\r\n\r\n", b"no TLS at all"], SSL.SSLError),
    ],
    ids=["zeros", "nothing", "long status", "long header", "endless header", "100", "no TLS"],
)  # fmt: skip
def test_a_proxy_that_sends_garbage_is_refused(answering, connect, pieces, error):
    connection = through(connect, answering(pieces))
    with pytest.raises(error):
        connection.request("GET", "https://localhost/")
    assert connection.sock is None


@pytest.mark.parametrize(
    ("host", "headers"),
    [
        ("a\r\nX: y", None), ("a b", None), ("a\0b", None), ("a\tb", None), ("a\x7f", None),
        ("a", {"X": "y\r\nZ: 1"}), ("a", {"X": "\0"}), ("a", {"X\r\nZ: 1": "y"}), ("a", {"": "y"}),
    ],
)  # fmt: skip
def test_a_tunnel_has_no_lines_of_the_host_or_a_header(connect, host, headers):
    with pytest.raises(ValueError, match="space or control|line break|not the name"):
        connect(1).set_tunnel(host, 443, headers)


@pytest.mark.parametrize("url", ["https://a b/", "https://a\x0bb/", "https://a\0b/"])
def test_a_url_adds_nothing_to_a_connect(proxy, connect, url):
    server = proxy()
    with pytest.raises(ValueError, match="is not a host"):
        through(connect, server).request("GET", url)
    assert server.seen == []


@pytest.mark.parametrize(
    ("username", "password"), [("a:b", "c"), ("a\n", "c"), ("a", "c\r\n"), ("a", "\0")]
)
def test_credentials_that_basic_authentication_does_not_have_are_refused(username, password):
    """RFC 7617, section 2."""
    with pytest.raises(ValueError, match="a colon in the user, or a control character"):
        httpslib.ProxyHTTPSConnection(
            "127.0.0.1", username=username, password=password, ssl_context=SSL.Context()
        )
