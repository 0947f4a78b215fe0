"""XML-RPC over M2Crypto, with the servers of xmlrpc.server."""

from __future__ import annotations

import socket
import xmlrpc.client
import xmlrpc.server

import pytest
from fix_services import PATIENCE, running

from M2Crypto import SSL
from M2Crypto.m2xmlrpclib import SSL_Transport


class Handler(xmlrpc.server.SimpleXMLRPCRequestHandler):
    """Handle requests for a dispatcher that is not the server itself."""

    protocol_version = "HTTP/1.1"

    def setup(self):
        super().setup()
        self.server.seen.append(self.client_address)

    def do_POST(self):  # noqa: N802
        self.server.headers.append(dict(self.headers))
        super().do_POST()


class Server(SSL.ThreadingSSLServer, xmlrpc.server.SimpleXMLRPCDispatcher):
    """An XML-RPC server over TLS."""

    # What the handler expects of SimpleXMLRPCServer.
    _send_traceback_header = False
    logRequests = False  # noqa: N815

    def __init__(self, *arguments, **options):
        SSL.ThreadingSSLServer.__init__(self, *arguments, **options)
        xmlrpc.server.SimpleXMLRPCDispatcher.__init__(self)
        self.seen = []
        self.headers = []
        self.register_function(lambda *values: list(values), "echo")
        self.register_function(lambda: 1 / 0, "fail")


@pytest.fixture
def server(contexts):
    with running(Server(("127.0.0.1", 0), Handler, contexts[1], timeout=PATIENCE)) as started:
        yield started


@pytest.fixture
def proxy(server, contexts):
    transport = SSL_Transport(contexts[0], timeout=PATIENCE, use_builtin_types=True)
    with xmlrpc.client.ServerProxy(
        f"https://localhost:{server.server_address[1]}", transport=transport
    ) as made:
        yield made


def test_calls_share_a_connection(server, proxy):
    assert proxy.echo(1, "é", [True, 2.5], b"bytes", {"a": "b"}) == [
        1, "é", [True, 2.5], b"bytes", {"a": "b"},
    ]  # fmt: skip
    assert proxy.echo() == []
    assert len(server.seen) == 1


def test_a_fault_is_raised(proxy):
    with pytest.raises(xmlrpc.client.Fault, match="ZeroDivisionError"):
        proxy.fail()


def test_user_and_password_of_the_url_are_sent(server, contexts):
    with xmlrpc.client.ServerProxy(
        f"https://Aladdin:open%20sesame@localhost:{server.server_address[1]}",
        transport=SSL_Transport(contexts[0], timeout=PATIENCE),
    ) as proxy:
        proxy.echo()
    # RFC 7617, section 2.
    assert server.headers[0]["Authorization"] == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="


def test_the_timeout_limits_a_call(silent, contexts):
    transport = SSL_Transport(contexts[0], timeout=0.05)
    proxy = xmlrpc.client.ServerProxy(f"https://localhost:{silent}", transport=transport)
    with proxy, pytest.raises(socket.timeout):
        proxy.echo()


def test_an_unknown_ca_is_refused(server, certificates):
    context = SSL.Context()
    context.load_verify_locations(certificates("other_ca.pem"))
    proxy = xmlrpc.client.ServerProxy(
        f"https://localhost:{server.server_address[1]}", transport=SSL_Transport(context)
    )
    with proxy, pytest.raises(SSL.SSLError, match="certificate verify failed"):
        proxy.echo()


@pytest.mark.parametrize(
    ("host", "expected"),
    [("a.example", (None, "a.example")), ("u:p@a.example", ("u:p", "a.example")),
     ("u@v@a.example", ("u@v", "a.example"))],
)  # fmt: skip
def test_splituser(contexts, host, expected):
    assert SSL_Transport(contexts[0]).splituser(host) == expected


@pytest.mark.parametrize(
    ("host", "expected"),
    [("a.example", ("a.example", None)), ("a.example:8443", ("a.example", "8443")),
     ("[::1]:443", ("[::1]", "443")), ("[::1]", ("[::1]", None)),
     ("a.example:", ("a.example", None)),
     ("a.example:http", ("a.example:http", None))],
)  # fmt: skip
def test_splitport(contexts, host, expected):
    assert SSL_Transport(contexts[0]).splitport(host) == expected


@pytest.mark.parametrize("is_compressed", [False, True])
def test_a_response_has_a_limited_length(server, contexts, monkeypatch, is_compressed):
    """The compressed one is 1000 times smaller."""
    if not is_compressed:
        monkeypatch.setattr(Handler, "encode_threshold", None)
    server.register_function(lambda: "x" * 500_000, "long")
    url = f"https://localhost:{server.server_address[1]}"
    for limit, is_enough in ((100_000, False), (600_000, True), (None, True)):
        transport = SSL_Transport(contexts[0], timeout=PATIENCE, max_response=limit)
        with xmlrpc.client.ServerProxy(url, transport=transport) as proxy:
            if is_enough:
                assert proxy.long() == "x" * 500_000
            else:
                with pytest.raises(xmlrpc.client.ResponseError, match="more than 100000 bytes"):
                    proxy.long()
                assert proxy.echo(1) == [1]


def test_a_verbose_proxy_prints_the_response(server, contexts, capsys):
    transport = SSL_Transport(contexts[0], timeout=PATIENCE)
    url = f"https://localhost:{server.server_address[1]}"
    with xmlrpc.client.ServerProxy(url, transport=transport, verbose=True) as proxy:
        assert proxy.echo(1) == [1]
    assert "\nbody: b" in capsys.readouterr().out
