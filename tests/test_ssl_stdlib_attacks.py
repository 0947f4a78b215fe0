"""A context of `M2Crypto.SSL.stdlib` verifies at least as much as one of `ssl`."""

from __future__ import annotations

import contextlib
import socket
import ssl
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from M2Crypto import SSL, m2
from M2Crypto.SSL import replacement
from M2Crypto.SSL.stdlib import SSLContext

PATIENCE = 20
# The class in C, whose properties code such as truststore calls.
BELOW = ssl.SSLContext.__mro__[1]


@pytest.fixture
def client(certificates):
    made = SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.load_verify_locations(certificates("ca.pem"))
    return made


@pytest.fixture
def server(certificates):
    made = SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(certificates("server.pem"))
    return made


def bios(client, server, **options):
    """Return an object of a client and one of a server that share two BIOs."""
    one, other = ssl.MemoryBIO(), ssl.MemoryBIO()
    options.setdefault("server_hostname", "localhost")
    return client.wrap_bio(one, other, **options), server.wrap_bio(other, one, server_side=True)


def run(*operations):
    """Run operations until none would block, and return their results."""
    results = {}
    for _ in range(20):
        for number, operation in enumerate(operations):
            if number not in results:
                with contextlib.suppress(ssl.SSLWantReadError):
                    results[number] = operation()
        if len(results) == len(operations):
            return [results[number] for number in range(len(operations))]
    raise AssertionError("the operations block each other")


def shake(client, server, **options):
    pair = bios(client, server, **options)
    run(*(each.do_handshake for each in pair))
    return pair


def run_script(script):
    command = [sys.executable, "-bb", "-c", textwrap.dedent(script)]
    subprocess.run(command, check=True, timeout=PATIENCE)


def session_of(client, server):
    """Return the session of a connection that ends without close_notify."""
    one, other = shake(client, server)
    run(lambda: other.write(b"a"), lambda: one.read(1))
    return one.session


# ---- the context below ---------------------------------------------------------------------------


def test_a_verify_callback_of_the_context_stays_in_effect(certificates, server):
    below = SSL.Context()
    below.load_verify_locations(certificates("ca.pem"))
    below.set_verify(SSL.verify_peer, 7, lambda ok, store: 0)
    context = SSLContext(context=below)
    context.check_hostname = False
    for mode in (ssl.CERT_REQUIRED, ssl.CERT_OPTIONAL):
        context.verify_mode = mode
        with pytest.raises(ssl.SSLCertVerificationError):
            shake(context, server)
    assert below.get_verify_depth() == 7


@pytest.mark.parametrize("mode", [ssl.CERT_OPTIONAL, ssl.CERT_REQUIRED])
def test_verification_set_by_the_properties_of_the_class_in_c_is_in_effect(server, mode):
    context = SSLContext(ssl.PROTOCOL_TLS)
    BELOW.verify_mode.__set__(context, mode)
    assert context.verify_mode == mode
    with pytest.raises(ssl.SSLCertVerificationError):
        shake(context, server)


def test_a_host_name_check_set_by_the_properties_of_the_class_in_c_is_in_effect(
    certificates, server
):
    context = SSLContext(ssl.PROTOCOL_TLS)
    context.load_verify_locations(certificates("ca.pem"))
    BELOW.check_hostname.__set__(context, True)
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname
    with pytest.raises(ssl.SSLCertVerificationError):
        shake(context, server, server_hostname="other.example")
    BELOW.check_hostname.__set__(context, False)
    BELOW.verify_mode.__set__(context, ssl.CERT_NONE)
    shake(context, server, server_hostname="other.example")
    context.verify_mode = ssl.CERT_REQUIRED
    assert BELOW.verify_mode.__get__(context) == ssl.CERT_REQUIRED
    BELOW.verify_mode.__set__(context, ssl.CERT_NONE)
    assert context.verify_mode == ssl.CERT_NONE


def test_flags_and_versions_set_by_the_properties_of_the_class_in_c_are_in_effect(client, server):
    BELOW.verify_flags.__set__(client, ssl.VERIFY_CRL_CHECK_LEAF)
    BELOW.options.__set__(client, BELOW.options.__get__(client) | ssl.OP_NO_TICKET)
    BELOW.maximum_version.__set__(client, ssl.TLSVersion.TLSv1_2)
    with pytest.raises(ssl.SSLCertVerificationError, match="CRL"):
        shake(client, server)
    assert client.verify_flags == ssl.VERIFY_CRL_CHECK_LEAF
    assert client.maximum_version == ssl.TLSVersion.TLSv1_2
    assert client.options & ssl.OP_NO_TICKET
    assert client.options & m2.SSL_OP_NO_RENEGOTIATION


def test_a_context_that_delegates_to_another_one_is_in_effect(certificates, server):
    """The way of truststore.SSLContext."""
    original = super(ssl.SSLContext, ssl.SSLContext)
    with replacement.installed():
        inner = ssl.SSLContext(ssl.PROTOCOL_TLS)
        original.verify_mode.__set__(inner, ssl.CERT_REQUIRED)
    with pytest.raises(ssl.SSLCertVerificationError):
        shake(inner, server)


def test_a_class_that_another_package_put_in_place_is_replaced_too():
    """The way of truststore.inject_into_ssl before the replacement is imported."""
    script = """
        import ssl
        original = ssl.SSLContext

        class Injected(original):
            def __init__(self, protocol=None):
                self._ctx = original(protocol)

            def wrap_bio(self, *arguments, **options):
                return self._ctx.wrap_bio(*arguments, **options)

        ssl.SSLContext = Injected
        from M2Crypto.SSL import replacement
        from M2Crypto.SSL._sslobject import SSLObject
        replacement.install()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        tls = context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="localhost")
        assert isinstance(tls._sslobj, SSLObject), tls._sslobj
        replacement.uninstall()
        assert type(original(ssl.PROTOCOL_TLS_CLIENT)) is original
    """
    run_script(script)


def test_a_context_without_m2crypto_cannot_be_set(client, server):
    one, _ = bios(client, server)
    with pytest.raises(TypeError, match="M2Crypto"):
        one.context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


# ---- protocol versions ---------------------------------------------------------------------------


def test_the_extremes_of_versions_are_bounds():
    context = SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    newest = ssl.TLSVersion.TLSv1_2 if m2.OPENSSL_NO_TLS1_3 else ssl.TLSVersion.TLSv1_3
    context.minimum_version = ssl.TLSVersion.MAXIMUM_SUPPORTED
    assert context.minimum_version == newest
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    assert context.minimum_version == ssl.TLSVersion.MINIMUM_SUPPORTED
    context.maximum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    assert context.maximum_version < newest
    context.maximum_version = ssl.TLSVersion.MAXIMUM_SUPPORTED
    assert context.maximum_version == ssl.TLSVersion.MAXIMUM_SUPPORTED


@pytest.mark.needs_tls13
def test_the_newest_version_as_minimum_refuses_older_ones(client, server):
    client.minimum_version = ssl.TLSVersion.MAXIMUM_SUPPORTED
    server.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError):
        shake(client, server)


# ---- sessions ------------------------------------------------------------------------------------


def test_a_session_is_resumed_by_its_context_only(client, server, certificates):
    session = session_of(client, server)
    one, _ = shake(client, server, session=session)
    assert one.session_reused
    # It trusts nothing.
    with pytest.raises(ValueError, match="different SSLContext"):
        bios(SSLContext(ssl.PROTOCOL_TLS_CLIENT), server, session=session)


def test_a_session_has_the_attributes_of_the_standard_library(client, server):
    one, other = session_of(client, server), session_of(client, server)
    assert one.id
    assert one.id in one.as_der()
    assert one.time == one.get_time() > 0
    assert one.timeout == one.get_timeout() > 0
    assert one.has_ticket is True
    assert one.ticket_lifetime_hint > 0
    assert one != other
    assert one != 1
    assert len({one, other}) == 2


def test_a_session_is_set_before_the_handshake_of_a_client(client, server):
    session = session_of(client, server)
    one, other = shake(client, server)
    with pytest.raises(ValueError, match="after handshake"):
        one.session = session
    with pytest.raises(TypeError, match="not a SSLSession"):
        bios(client, server, session=b"no session")
    with pytest.raises(ValueError, match="server-side"):
        other.session = other.session


# ---- server names --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", ".example.org"])
@pytest.mark.parametrize("checks", [True, False])
def test_a_name_that_would_not_be_checked_is_refused(client, server, name, checks):
    client.check_hostname = checks
    with pytest.raises(ValueError):
        bios(client, server, server_hostname=name)


def test_a_name_with_a_null_byte_is_refused(client, server):
    client.check_hostname = False
    with pytest.raises(TypeError, match="null byte"):
        bios(client, server, server_hostname="localhost\0.example.org")


# ---- certificates --------------------------------------------------------------------------------


def test_a_private_key_beside_a_certificate_is_skipped(client, certificates):
    context = SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=Path(certificates("server.pem")).read_text())
    assert context.cert_store_stats() == {"x509": 1, "crl": 0, "x509_ca": 0}
    with pytest.raises(ssl.SSLError, match="no start line"):
        context.load_verify_locations(cadata=Path(certificates("dh.pem")).read_text())


@pytest.mark.parametrize("data", ["", b""])
def test_empty_certificate_data_are_refused(client, data):
    with pytest.raises(ValueError, match="Empty"):
        client.load_verify_locations(cadata=data)


def test_chains_are_compared_by_their_certificates(client, server):
    one, _ = shake(client, server)
    first = one._sslobj.get_unverified_chain()[0]
    assert first == one._sslobj.get_verified_chain()[0]
    assert len({first, one._sslobj.get_verified_chain()[0]}) == 1
    assert first != first.public_bytes()


@pytest.mark.parametrize("name", ["verify_mode", "load_default_certs"])
def test_arguments_of_another_type_are_refused(client, name):
    with pytest.raises(TypeError):
        if name == "verify_mode":
            client.verify_mode = None
        else:
            client.load_default_certs(None)


# ---- operations ----------------------------------------------------------------------------------


def test_reading_and_writing_perform_the_handshake(client, server):
    listener = socket.create_server(("127.0.0.1", 0))
    failures = []

    def serve():
        try:
            sock, _ = listener.accept()
            sock.settimeout(PATIENCE)
            with server.wrap_socket(sock, server_side=True, do_handshake_on_connect=False) as tls:
                tls.sendall(tls.recv(1))
        except Exception as error:
            failures.append(error)

    thread = threading.Thread(target=serve)
    thread.start()
    with listener, socket.create_connection(listener.getsockname(), PATIENCE) as sock:
        options = {"server_hostname": "localhost", "do_handshake_on_connect": False}
        with client.wrap_socket(sock, **options) as tls:
            assert tls.version() is None
            assert tls.session is None
            tls.sendall(b"a")
            assert tls.recv(1) == b"a"
            assert tls.getpeercert()["subject"]
            assert tls.version()
    thread.join(PATIENCE)
    assert not failures


def test_the_handshake_of_a_write_verifies_the_name(client, server):
    one, other = bios(client, server, server_hostname="other.example")
    with pytest.raises(ssl.SSLCertVerificationError):
        run(lambda: one.write(b"secret"), other.do_handshake)
    with pytest.raises(ssl.SSLError):
        one.write(b"secret")


def test_an_unknown_channel_binding_is_refused_before_the_handshake(client, server):
    one, _ = bios(client, server)
    with pytest.raises(ValueError, match="unknown"):
        one.get_channel_binding("unknown")
    assert one.get_channel_binding() is None


def test_bytes_are_not_compared(certificates):
    """Programs run their tests with `python -bb`."""
    script = f"""
        import ssl
        from M2Crypto.SSL.stdlib import SSLContext
        client, server = SSLContext(ssl.PROTOCOL_TLS_CLIENT), SSLContext(ssl.PROTOCOL_TLS_SERVER)
        client.load_verify_locations({certificates("ca.pem")!r})
        server.load_cert_chain({certificates("server.pem")!r})
        here, there = ssl.MemoryBIO(), ssl.MemoryBIO()
        one = client.wrap_bio(here, there, server_hostname="localhost")
        other = server.wrap_bio(there, here, server_side=True)
        for side in (one, other, one, other):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                pass
        other.write(b"a")
        assert one.read(1) == b"a"
    """
    run_script(script)


# ---- post-handshake authentication ---------------------------------------------------------------


@pytest.mark.needs_tls13
@pytest.mark.parametrize("buffer", [None, bytearray(1)], ids=["read", "recv_into"])
def test_a_certificate_that_comes_later_is_checked_as_one_that_comes_first(
    client, server, certificates, buffer
):
    """The check of the context below sees both, and no data of a client that it refuses."""
    seen = []

    def check(certificate, host):
        seen.append(certificate)
        return certificate is None

    client.load_cert_chain(certificates("client.pem"))
    client.post_handshake_auth = server.post_handshake_auth = True
    server.context.post_connection_check = check
    server.load_verify_locations(certificates("ca.pem"))
    server.verify_mode = ssl.CERT_REQUIRED
    one, other = shake(client, server)
    one.write(b"a")
    assert other.read(1, buffer) in (b"a", 1)
    other.verify_client_post_handshake()
    other.write(b"b")
    assert one.read(1) == b"b"
    one.write(b"c")
    with pytest.raises(ssl.SSLCertVerificationError):
        other.read(1, buffer)
    assert [certificate is not None for certificate in seen] == [False, True]
    with pytest.raises(ssl.SSLError):
        other.read(1, buffer)


# ---- errors and the end --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("other.example", "Hostname mismatch, certificate is not valid for 'other.example'."),
        ("192.0.2.1", "IP address mismatch, certificate is not valid for '192.0.2.1'."),
    ],
)
def test_a_mismatch_has_the_text_of_the_standard_library(client, server, name, text):
    with pytest.raises(ssl.SSLCertVerificationError) as raised:
        shake(client, server, server_hostname=name)
    assert raised.value.verify_message == text
    assert text in str(raised.value)


def test_reading_after_both_sides_have_closed_is_an_error(client, server):
    """A loop over what arrives after `unwrap` ends by it, as in CPython's tests of asyncio."""
    one, other = shake(client, server)
    with pytest.raises(ssl.SSLWantReadError):
        other.unwrap()
    one.write(b"late")
    one.unwrap()
    assert other.read(10) == b"late"
    with pytest.raises(ssl.SSLZeroReturnError):
        other.read(10)
    with pytest.raises(ssl.SSLZeroReturnError):
        other.read(10, bytearray(10))
    assert other.read(0) == b""


def test_reading_after_the_peer_has_closed_ends(client, server):
    one, other = shake(client, server)
    with pytest.raises(ssl.SSLWantReadError):
        other.unwrap()
    assert one.read(10) == b""
    assert one.read(10, bytearray(10)) == 0
