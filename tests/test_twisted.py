"""TLS for Twisted, with a reactor of its own for each test, on 127.0.0.1."""

from __future__ import annotations

import inspect
import socket
import ssl

import pytest
from fix_peers import PATIENCE, stdlib_context

from M2Crypto import SSL
from M2Crypto.SSL.Checker import Checker, WrongHost

pytest.importorskip("zope.interface", reason="needs Twisted")
pytest.importorskip("twisted", reason="needs Twisted")

from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import ClientFactory, Factory, Protocol
from twisted.internet.selectreactor import SelectReactor

from M2Crypto.SSL import TwistedProtocolWrapper as wrapper


@pytest.fixture
def reactor():
    """Return a reactor; `run` runs it until it is stopped, or for PATIENCE seconds."""
    made = SelectReactor()
    timer = made.callLater(PATIENCE, made.stop)

    def run():
        made.run(installSignalHandlers=False)
        assert timer.active(), "the test took too long"
        timer.cancel()

    made.finish = run
    yield made
    made.disconnectAll()


class ContextFactory:
    def __init__(self, context):
        self.context = context

    def getContext(self):
        return self.context


class Recorder(Protocol):
    """Record what is received until `count` bytes, then close; stop the reactor at the end."""

    def connectionMade(self):
        self.factory.protocols.append(self)
        for data in self.factory.greeting:
            self.transport.write(data)

    def dataReceived(self, data):
        self.factory.received += data
        if len(self.factory.received) >= self.factory.count:
            self.transport.loseConnection()

    def connectionLost(self, reason):
        self.factory.reasons.append(reason.value)
        self.factory.reactor.stop()


class Echo(Protocol):
    def dataReceived(self, data):
        self.transport.writeSequence([data[:1], data[1:]])

    def connectionLost(self, reason):
        self.factory.reasons.append(reason.value)


def client(reactor, *greeting, count=1, protocol=Recorder):
    factory = ClientFactory.forProtocol(protocol)
    factory.reactor, factory.greeting, factory.count = reactor, greeting, count
    factory.received, factory.reasons, factory.protocols = b"", [], []
    factory.clientConnectionFailed = lambda connector, reason: reactor.stop()
    return factory


def server(protocol=Echo):
    factory = Factory.forProtocol(protocol)
    factory.reasons = []
    return factory


@pytest.fixture
def listening(reactor, contexts):
    """Return the port of an echoing server, and its factory."""
    factory = server()
    port = wrapper.listenSSL(
        0, factory, ContextFactory(contexts[1]), interface="127.0.0.1", reactor=reactor
    )
    return port.getHost().port, factory


def connect(reactor, port, factory, context, host="127.0.0.1", **options):
    wrapper.connectSSL(host, port, factory, ContextFactory(context), reactor=reactor, **options)
    reactor.finish()


def test_a_client_and_a_server(reactor, contexts, listening):
    port, _ = listening
    data = bytes(range(256)) * 1000
    factory = client(reactor, b"", data[:1], data[1:], count=len(data))
    connect(reactor, port, factory, contexts[0])
    assert factory.received == data
    assert isinstance(factory.reasons[0], ConnectionDone)
    assert factory.protocols[0].transport.tls.get_version().startswith("TLSv1.")


def test_a_host_name_is_sent_and_checked(reactor, contexts, stdlib_server):
    peer = stdlib_server()
    factory = client(reactor, b"hello", count=5)
    connect(reactor, peer.port, factory, contexts[0], host="localhost")
    assert factory.received == b"hello"
    # A HelloRetryRequest makes the client send the name again.
    assert set(peer.server_names) == {"localhost"}


def test_a_client_of_the_standard_library(reactor, contexts, stdlib_client):
    class Once(Echo):
        def dataReceived(self, data):
            super().dataReceived(data)
            self.transport.loseConnection()

        def connectionLost(self, reason):
            self.factory.reactor.stop()

    factory = server(Once)
    factory.reactor = reactor
    port = wrapper.listenSSL(
        0, factory, ContextFactory(contexts[1]), interface="127.0.0.1", reactor=reactor
    )
    peer = stdlib_client(port.getHost().port)
    reactor.finish()
    assert peer.join().response == b"hello"


def test_a_certificate_for_another_host_is_refused(reactor, contexts, certificates, listening):
    contexts[1].load_cert(certificates("other_host.pem"))
    factory = client(reactor, b"secret")
    connect(reactor, listening[0], factory, contexts[0])
    assert isinstance(factory.reasons[0], WrongHost)
    assert factory.received == b""


def test_an_unknown_ca_is_refused_on_both_sides(reactor, certificates, listening):
    context = SSL.Context()
    context.load_verify_locations(certificates("other_ca.pem"))
    factory = client(reactor, b"secret")
    connect(reactor, listening[0], factory, context)
    assert "certificate verify failed" in str(factory.reasons[0])


def test_the_check_can_be_replaced(reactor, contexts, listening):
    seen = []

    def check(certificate, host):
        seen.append((certificate.get_subject().CN, host))
        return False

    factory = client(reactor, b"secret")
    connect(reactor, listening[0], factory, contexts[0], postConnectionCheck=check)
    assert str(factory.reasons[0]) == "post connection check failed"
    assert [host for _, host in seen] == ["127.0.0.1"]


def test_a_silent_server_times_out(reactor, contexts, silent):
    factory = client(reactor, b"hello")
    connect(reactor, silent, factory, contexts[0], timeout=0.2)
    assert isinstance(factory.reasons[0], SSL.SSLTimeoutError)


def test_data_without_close_notify_are_truncated(reactor, contexts, certificates):
    context = stdlib_context(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates("server.pem"))

    class Sudden(Recorder):
        def dataReceived(self, data):
            self.factory.received += data

    def serve(listener):
        sock, _ = listener.accept()
        sock.settimeout(PATIENCE)
        with context.wrap_socket(sock, server_side=True) as connection:
            connection.sendall(connection.recv(100))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        reactor.callInThread(serve, listener)
        factory = client(reactor, b"hello", protocol=Sudden)
        connect(reactor, listener.getsockname()[1], factory, contexts[0])
    assert factory.received == b"hello"
    assert str(factory.reasons[0]) == "unexpected eof while reading"


def test_a_peer_that_does_not_speak_tls(reactor, contexts):
    def serve(listener):
        sock, _ = listener.accept()
        with sock:
            sock.sendall(b"220 smtp.example ready\r\n")
            sock.settimeout(PATIENCE)
            while sock.recv(1000):
                pass

    with socket.create_server(("127.0.0.1", 0)) as listener:
        reactor.callInThread(serve, listener)
        factory = client(reactor)
        connect(reactor, listener.getsockname()[1], factory, contexts[0])
    assert isinstance(factory.reasons[0], SSL.SSLError)
    assert "wrong version number" in str(factory.reasons[0])


def test_tls_can_begin_later(reactor, contexts):
    class Server(Protocol):
        def dataReceived(self, data):
            if data == b"STARTTLS":
                self.transport.write(b"go")
                self.transport.startTLS(contexts[1])
            else:
                self.transport.write(data.upper())

    class Client(Recorder):
        def dataReceived(self, data):
            if data == b"go" and self.transport.tls is None:
                self.transport.startTLS(contexts[0])
                with pytest.raises(SSL.SSLError, match="begun already"):
                    self.transport.startTLS(contexts[0])
                self.transport.write(b"secret")
                # It is sent after the handshake, and the connection closed after it.
                self.factory.was_open = self.transport._is_open
            else:
                super().dataReceived(data)

    port = wrapper.listenTCP(0, server(Server), interface="127.0.0.1", reactor=reactor)
    factory = client(reactor, b"STARTTLS", count=6, protocol=Client)
    wrapper.connectTCP("127.0.0.1", port.getHost().port, factory, reactor=reactor)
    reactor.finish()
    assert factory.received == b"SECRET"
    assert factory.was_open is False


def test_what_was_written_before_the_handshake_is_sent_before_the_end(reactor, contexts):
    received = []

    class Server(Protocol):
        def dataReceived(self, data):
            received.append(data)

        def connectionLost(self, reason):
            received.append(type(reason.value))
            reactor.stop()

    class Brief(Recorder):
        def connectionMade(self):
            self.transport.write(b"brief")
            self.transport.loseConnection()
            self.transport.loseConnection()
            self.transport.write(b"too late")

        def connectionLost(self, reason):
            pass

    port = wrapper.listenSSL(
        0, server(Server), ContextFactory(contexts[1]), interface="127.0.0.1", reactor=reactor
    )
    factory = client(reactor, protocol=Brief)
    connect(reactor, port.getHost().port, factory, contexts[0])
    assert received == [b"brief", ConnectionDone]


def test_a_cleared_wrapper_passes_data_through(contexts):
    sent = []

    class Transport:
        disconnecting = False

        def write(self, data):
            sent.append(data)

        def loseConnection(self):
            sent.append("lost")

    made = wrapper.TLSProtocolWrapper(
        wrapper.WrappingFactory(server()), Echo(), 0, 0, ContextFactory(contexts[1]), None,
        timeout=None,
    )  # fmt: skip
    made.makeConnection(Transport())
    made.write(b"x")
    assert made.tls is not None
    assert sent == []
    made.clear()
    assert made.tls is None
    made.write(b"y")
    made.loseConnection()
    assert sent == [b"y", "lost"]


def test_the_functions_have_the_documented_parameters():
    listed = {
        wrapper.connectSSL: "host port factory contextFactory timeout bindAddress reactor",
        wrapper.connectTCP: "host port factory timeout bindAddress reactor",
        wrapper.listenSSL: "port factory contextFactory backlog interface reactor",
        wrapper.listenTCP: "port factory backlog interface reactor",
    }
    for function, names in listed.items():
        parameters = inspect.signature(function).parameters
        assert list(parameters) == [*names.split(), "postConnectionCheck"]
    assert list(inspect.signature(wrapper.TLSProtocolWrapper).parameters)[:6] == [
        "factory", "wrappedProtocol", "startPassThrough", "client", "contextFactory",
        "postConnectionCheck",
    ]  # fmt: skip


def test_the_default_check_is_that_of_the_host():
    assert isinstance(wrapper.connectSSL.__defaults__[-1], Checker)
    assert wrapper.listenSSL.__defaults__[-1](None, None) == 1
