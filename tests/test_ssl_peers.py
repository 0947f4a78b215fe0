"""Handshakes over loopback with Python's ssl and the openssl program."""

from __future__ import annotations

import ssl
import subprocess
import sys

import pytest
from fix_children import unmeasured

from M2Crypto import SSL, m2

VERSIONS = [
    pytest.param("tlsv1_2", ssl.TLSVersion.TLSv1_2, "TLSv1.2"),
    pytest.param("tlsv1_3", ssl.TLSVersion.TLSv1_3, "TLSv1.3", marks=pytest.mark.needs_tls13),
]


@pytest.fixture
def client_context(certificates):
    context = SSL.Context()
    context.load_verify_locations(certificates("ca.pem"))
    return context


@pytest.fixture
def listen():
    """Return a function that listens with a context: the listening connection and its port."""
    listeners = []

    def start(context):
        listener = SSL.Connection(context)
        listeners.append(listener)
        listener.settimeout(20)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        return listener, listener.getsockname()[1]

    yield start
    for listener in listeners:
        listener.close()


@pytest.fixture
def connect():
    """Connect to a port with a context, by default to the name localhost."""
    connections = []

    def start(context, port, host="localhost"):
        connection = SSL.Connection(context)
        connections.append(connection)
        connection.settimeout(20)
        connection.connect((host, port))
        return connection

    yield start
    for connection in connections:
        connection.close()


def server_context(certificates, certificate="server.pem", protocol="tls"):
    context = SSL.Context(protocol)
    context.load_cert_chain(certificates(certificate))
    return context


# ---- as a client ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("protocol", "version", "spoken"), VERSIONS)
def test_a_client_connects_to_a_server_of_the_ssl_module(
    stdlib_server, certificates, connect, protocol, version, spoken
):
    server = stdlib_server(version=version)
    context = SSL.Context(protocol)
    context.load_verify_locations(certificates("ca.pem"))
    connection = connect(context, server.port)
    assert connection.get_version() == spoken
    assert connection.write(b"hello") == 5
    assert connection.read() == b"hello"
    assert connection.verify_ok()
    assert connection.get_peer_cert().get_subject().CN == "localhost"
    connection.close()
    assert server.errors == []


@pytest.mark.needs_tls13
def test_the_newest_version_of_both_peers_is_negotiated(stdlib_server, client_context, connect):
    server = stdlib_server()
    assert connect(client_context, server.port).get_version() == "TLSv1.3"


@pytest.mark.needs_tls13
def test_a_server_below_the_minimum_version_is_refused(stdlib_server, client_context, connect):
    client_context.set_min_proto_version("TLSv1.3")
    server = stdlib_server(version=ssl.TLSVersion.TLSv1_2)
    with pytest.raises(SSL.SSLError, match=r"protocol version|unsupported protocol"):
        connect(client_context, server.port)


def test_more_data_than_one_record_is_transferred(stdlib_server, client_context, connect):
    server = stdlib_server()
    data = bytes(range(256)) * 512
    connection = connect(client_context, server.port)
    assert connection.write(data) == len(data)
    got = b""
    while len(got) < len(data):
        got += connection.read(65536)
    assert got == data


def test_the_host_name_is_sent_as_server_name(stdlib_server, client_context, connect):
    server = stdlib_server()
    connect(client_context, server.port, "localhost")
    # A client whose key share the server does not accept sends the name again.
    assert set(server.server_names) == {"localhost"}


def test_an_ip_address_is_not_sent_as_server_name(stdlib_server, client_context, connect):
    server = stdlib_server()
    connection = connect(client_context, server.port, "127.0.0.1")
    assert connection.verify_ok()
    assert set(server.server_names) == {None}


def test_another_server_name_can_be_set(stdlib_server, client_context):
    server = stdlib_server()
    with SSL.Connection(client_context) as connection:
        connection.settimeout(20)
        # An explicit name replaces the host name.
        connection.set_tlsext_host_name("service.example")
        connection.connect(("127.0.0.1", server.port))
    assert set(server.server_names) == {"service.example"}


@pytest.mark.parametrize(
    ("certificate", "fault"),
    [
        ("self_signed.pem", m2.X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT),
        ("expired.pem", m2.X509_V_ERR_CERT_HAS_EXPIRED),
        ("client.pem", m2.X509_V_ERR_INVALID_PURPOSE),
    ],
)
def test_an_invalid_server_certificate_fails_the_handshake(
    stdlib_server, client_context, certificate, fault
):
    server = stdlib_server(certificate)
    with SSL.Connection(client_context) as connection:
        connection.settimeout(20)
        with pytest.raises(SSL.SSLError, match=r"certificate verify failed: .") as caught:
            connection.connect(("localhost", server.port))
        assert connection.get_verify_result() == fault
        assert not connection.verify_ok()
    assert caught.value.reason == "certificate verify failed"


def test_an_unknown_ca_fails_the_handshake(stdlib_server, certificates, connect):
    context = SSL.Context()
    context.load_verify_locations(certificates("other_ca.pem"))
    server = stdlib_server()
    with pytest.raises(SSL.SSLError, match="unable to get local issuer certificate"):
        connect(context, server.port)


def test_without_verification_only_the_host_is_checked(stdlib_server, connect):
    server = stdlib_server("self_signed.pem", clients=2)
    context = SSL.Context()
    assert context.get_verify_mode() == SSL.verify_none
    connection = connect(context, server.port)
    assert connection.get_verify_result() == m2.X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT
    connection.close()
    with SSL.Connection(context) as connection:
        connection.settimeout(20)
        connection.set1_host("other.example.org")
        with pytest.raises(SSL.Checker.WrongHost):
            connection.connect(("localhost", server.port))


def test_a_certificate_for_another_host_closes_the_connection(stdlib_server, client_context):
    server = stdlib_server("other_host.pem")
    with SSL.Connection(client_context) as connection:
        connection.settimeout(20)
        with pytest.raises(SSL.Checker.WrongHost) as caught:
            connection.connect(("localhost", server.port))
        assert connection.closed
        with pytest.raises(SSL.SSLError, match="closed"):
            connection.write(b"secret")
    assert caught.value.expectedHost == "localhost"
    assert caught.value.actualHost == "other.example.org"
    assert caught.value.fieldName == "subjectAltName"


def test_the_common_name_is_used_without_a_subject_alt_name_unless_strict(
    stdlib_server, certificates, connect
):
    server = stdlib_server("cn_only.pem", clients=2)
    lenient = SSL.Context()
    strict = SSL.Context(post_connection_check=SSL.Checker(strict=True))
    for context in (lenient, strict):
        context.load_verify_locations(certificates("ca.pem"))
    connection = connect(lenient, server.port)
    assert connection.verify_ok()
    connection.close()
    with pytest.raises(SSL.Checker.WrongHost):
        connect(strict, server.port)


def test_openssl_can_check_the_host_during_the_handshake(stdlib_server, client_context):
    server = stdlib_server("other_host.pem")
    with SSL.Connection(client_context) as connection:
        connection.settimeout(20)
        connection.set1_host("localhost")
        with pytest.raises(SSL.SSLError, match=r"[Hh]ostname mismatch"):
            connection.connect(("127.0.0.1", server.port))


def test_a_chain_with_an_intermediate_ca_is_trusted(stdlib_server, client_context, connect):
    server = stdlib_server("chain.pem")
    connection = connect(client_context, server.port)
    chain = connection.get_peer_cert_chain()
    names = [certificate.get_subject().CN for certificate in chain]
    assert names == ["localhost", "Test Intermediate CA"]


@pytest.mark.needs_ec
def test_a_server_with_an_ec_certificate_is_trusted(stdlib_server, client_context, connect):
    server = stdlib_server("server_ec.pem")
    assert connect(client_context, server.port).verify_ok()


def test_a_client_sends_its_certificate_when_requested(
    stdlib_server, client_context, certificates, connect
):
    server = stdlib_server(client_ca="ca.pem")
    client_context.load_cert(certificates("client.pem"))
    connection = connect(client_context, server.port)
    connection.write(b"hello")
    assert connection.read() == b"hello"
    assert (server.client_certificates[0]["subject"]) == (
        (("organizationName", "M2Crypto tests"),),
        (("commonName", "client"),),
    )


def test_an_end_of_file_without_close_notify_raises(stdlib_server, client_context, connect):
    server = stdlib_server(sudden_end=True)
    connection = connect(client_context, server.port)
    connection.write(b"hello")
    assert connection.read() == b"hello"
    with pytest.raises(SSL.SSLError, match="unexpected eof while reading"):
        connection.read()


@pytest.mark.openssl(">= 3.0")
def test_an_end_of_file_without_close_notify_can_be_accepted(
    stdlib_server, client_context, connect
):
    client_context.set_options(m2.SSL_OP_IGNORE_UNEXPECTED_EOF)
    server = stdlib_server(sudden_end=True)
    connection = connect(client_context, server.port)
    connection.write(b"hello")
    assert connection.read() == b"hello"
    assert connection.read() == b""


def test_a_client_connects_to_openssl_s_server(s_server, client_context, connect):
    _, port = s_server("server.pem", "-rev", "-no_ticket")
    connection = connect(client_context, port)
    connection.write(b"hello\n")
    assert connection.read() == b"olleh\n"


# ---- as a server ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("protocol", "version", "spoken"), VERSIONS)
def test_a_client_of_the_ssl_module_connects(
    stdlib_client, listen, certificates, protocol, version, spoken
):
    listener, port = listen(server_context(certificates, protocol=protocol))
    client = stdlib_client(port)
    connection, address = listener.accept()
    with connection:
        assert address[0] == "127.0.0.1"
        assert connection.get_version() == spoken
        assert connection.read() == b"hello"
        assert connection.write(b"good day") == 8
    assert client.join().response == b"good day"
    assert client.version == spoken


def test_the_ssl_module_trusts_the_chain_that_a_server_sends(stdlib_client, listen, certificates):
    listener, port = listen(server_context(certificates, "chain.pem"))
    client = stdlib_client(port)
    connection, _ = listener.accept()
    with connection:
        connection.write(connection.read())
    assert client.join().response == b"hello"


def test_a_client_that_does_not_trust_the_server_raises_on_both_sides(
    stdlib_client, listen, certificates
):
    listener, port = listen(server_context(certificates, protocol="tlsv1_2"))
    client = stdlib_client(port, ca="other_ca.pem")
    with pytest.raises(SSL.SSLError, match="unknown ca"):
        listener.accept()
    assert isinstance(client.join().error, ssl.SSLCertVerificationError)


def test_a_client_without_a_required_certificate_is_refused(stdlib_client, listen, certificates):
    context = server_context(certificates)
    context.load_verify_locations(certificates("ca.pem"))
    context.load_client_ca(certificates("ca.pem"))
    context.set_verify(SSL.verify_peer | SSL.verify_fail_if_no_peer_cert, depth=9)
    listener, port = listen(context)
    client = stdlib_client(port, certificate="client.pem")
    connection, _ = listener.accept()
    with connection:
        assert connection.get_peer_cert().get_subject().CN == "client"
        connection.write(connection.read())
    assert client.join().response == b"hello"
    stdlib_client(port)
    with pytest.raises(SSL.SSLError, match="peer did not return a certificate"):
        listener.accept()


def test_openssl_s_client_connects(openssl, listen, certificates):
    listener, port = listen(server_context(certificates))
    process = openssl(
        "s_client", "-connect", f"127.0.0.1:{port}", "-CAfile", certificates("ca.pem"),
        "-verify_return_error", "-verify_hostname", "localhost", "-quiet",
    )  # fmt: skip
    connection, _ = listener.accept()
    with connection:
        process.stdin.write(b"hello\n")
        process.stdin.flush()
        assert connection.read() == b"hello\n"
        connection.write(b"good day\n")
    assert b"good day\n" in process.stdout.read()


# ---- the sample programs of 2008 -----------------------------------------------------------------


def test_the_sample_server_and_client_of_2008_communicate(certificates, tmp_path):
    # The samples as published, with "tls" for the protocol.
    server = f"""
from M2Crypto import SSL
ctx = SSL.Context('tls')
ctx.load_cert({certificates("server.pem")!r})
s = SSL.Connection(ctx)
s.bind(('127.0.0.1', 0))
s.listen(5)
print(s.getsockname()[1], flush=True)
conn, addr = s.accept()
conn.write(b'the time is now')
conn.close()
s.close()
"""
    process = subprocess.Popen(
        [sys.executable, "-c", server], stdout=subprocess.PIPE, cwd=tmp_path, env=unmeasured()
    )
    with process:
        port = int(process.stdout.readline())
        ctx = SSL.Context("tls")
        ctx.set_verify(SSL.verify_peer | SSL.verify_fail_if_no_peer_cert, depth=9)
        assert ctx.load_verify_locations(certificates("ca.pem")) == 1
        s = SSL.Connection(ctx)
        s.connect(("localhost", port))
        assert s.read() == b"the time is now"
        assert s.read() == b""
        s.close()
    assert process.returncode == 0
