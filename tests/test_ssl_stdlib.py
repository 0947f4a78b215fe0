"""Contexts of the module ssl over M2Crypto, beside those of the standard library."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import select
import socket
import ssl
import sys
import threading
from pathlib import Path

import pytest
from fix_peers import PATIENCE, stdlib_context

from M2Crypto import SSL, m2
from M2Crypto.SSL.stdlib import SSLContext

OURS = "M2Crypto"
THEIRS = "ssl"
PAIRS = [(OURS, OURS), (OURS, THEIRS), (THEIRS, OURS)]
VERSIONS = [
    ssl.TLSVersion.TLSv1_2,
    pytest.param(ssl.TLSVersion.TLSv1_3, marks=pytest.mark.needs_tls13),
]


@pytest.fixture
def make(certificates):
    """Return a function that makes the context of a role by one of the two implementations."""

    def context(whose, server=False, certificate="server.pem"):
        cls = SSLContext if whose == OURS else ssl.SSLContext
        if server:
            made = cls(ssl.PROTOCOL_TLS_SERVER)
            made.load_cert_chain(certificates(certificate))
            if whose == THEIRS:
                # Without EC, M2Crypto offers only DHE in TLS 1.2.
                made.load_dh_params(certificates("dh.pem"))
        else:
            made = cls(ssl.PROTOCOL_TLS_CLIENT)
            made.load_verify_locations(certificates("ca.pem"))
        return made

    return context


class Peer:
    """A server in a thread that serves one client with `serve(tls)`; `error` is what it raised."""

    def __init__(self, context, serve=None, **options):
        self.context, self.serve, self.options = context, serve, options
        self.error = None
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(PATIENCE)
        self.address = self.listener.getsockname()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        try:
            with self.listener, self.listener.accept()[0] as sock:
                sock.settimeout(PATIENCE)
                with self.context.wrap_socket(sock, server_side=True, **self.options) as tls:
                    (self.serve or echo)(tls)
        except Exception as error:
            self.error = error

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.thread.join(PATIENCE)


def echo(tls):
    while data := tls.recv(65536):
        tls.sendall(data)
    tls.unwrap()


@contextlib.contextmanager
def client(context, peer, host="localhost", **options):
    sock = socket.create_connection(peer.address, PATIENCE)
    with sock, context.wrap_socket(sock, server_hostname=host, **options) as tls:
        yield tls


def refusal(context, peer, error, match=None, host="localhost"):
    """Expect that the client's handshake fails, and return its error."""
    with peer, pytest.raises(error, match=match) as raised, client(context, peer, host):
        pass
    return raised.value


def received(tls, count):
    data = b""
    while len(data) < count:
        data += tls.recv(count - len(data))
    return data


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("whose", PAIRS, ids="-".join)
def test_a_client_and_a_server_exchange_data(make, whose, version):
    context = make(whose[0])
    context.minimum_version = context.maximum_version = version
    with Peer(make(whose[1], server=True)) as peer, client(context, peer) as tls:
        assert isinstance(tls, ssl.SSLSocket)
        assert tls.version() == version.name.replace("_", ".")
        assert tls.cipher()[1:] in ((tls.version(), 128), (tls.version(), 256))
        if whose[0] == OURS:
            assert tls._sslobj.shared_ciphers() is None
        assert tls.sendall(b"a" * 100_000) is None
        assert received(tls, 100_000) == b"a" * 100_000
        assert tls.write(b"some") == 4
        buffer = bytearray(10)
        assert tls.recv_into(buffer, 4) == 4
        assert buffer == b"some" + bytes(6)
        assert tls.unwrap() is tls
    assert peer.error is None


def test_a_certificate_is_decoded_as_by_the_standard_library(make):
    found = []
    for whose in (OURS, THEIRS):
        with Peer(make(OURS, server=True)) as peer, client(make(whose), peer) as tls:
            found.append((tls.getpeercert(), tls.getpeercert(True), tls.version()))
            assert tls.compression() is None
            tls.unwrap()
    assert found[0] == found[1]
    assert found[0][0]["subjectAltName"][0] == ("DNS", "localhost")


def test_certificates_with_many_fields_are_decoded_alike(certificates, tmp_path, make):
    from M2Crypto import ASN1, EVP, X509

    issuer, key = X509.X509(), EVP.load_key(certificates("server.pem"))
    name = X509.X509_Name()
    for field, text in (("C", "DE"), ("O", "Größe"), ("CN", "one"), ("CN", "two")):
        name.add_entry_by_txt(field, ASN1.MBSTRING_UTF8, text, -1, -1, 0)
    issuer.set_version(2)
    issuer.set_serial_number(0x0A0B0C)
    issuer.set_subject_name(name)
    issuer.set_issuer(name)
    issuer.set_not_before(X509.load_cert(certificates("ca.pem")).get_not_before())
    issuer.set_not_after(X509.load_cert(certificates("ca.pem")).get_not_after())
    issuer.set_pubkey(key)
    for extension in (
        ("basicConstraints", "critical,CA:TRUE"),
        ("subjectAltName", "DNS:a.example,IP:192.0.2.1,IP:2001:db8::1,URI:http://u/,"
         "email:m@example.org,RID:1.2.3.4"),
        ("authorityInfoAccess", "OCSP;URI:http://ocsp.example/"),
        ("crlDistributionPoints", "URI:http://crl.example/1.crl"),
    ):  # fmt: skip
        issuer.add_ext(X509.new_extension(*extension))
    issuer.sign(key, "sha256")
    path = tmp_path / "ca.pem"
    issuer.save_pem(path)
    decoded = []
    for context in (SSLContext(), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)):
        context.load_verify_locations(str(path))
        context.load_verify_locations(cadata=issuer.as_der())
        decoded.append(context.get_ca_certs())
        assert context.get_ca_certs(binary_form=True) == [issuer.as_der()]
        assert context.cert_store_stats() == {"x509": 1, "crl": 0, "x509_ca": 1}
    ours, theirs = decoded[0][0], decoded[1][0]
    assert ours.keys() == theirs.keys()
    assert ours == theirs


def test_the_host_name_must_match(make):
    peer = Peer(make(OURS, server=True))
    error = refusal(make(OURS), peer, ssl.SSLCertVerificationError, host="other.example")
    assert "[SSL: CERTIFICATE_VERIFY_FAILED]" in str(error)
    assert error.verify_code == m2.X509_V_ERR_HOSTNAME_MISMATCH
    assert "mismatch" in error.verify_message
    assert error.reason == "CERTIFICATE_VERIFY_FAILED"
    assert isinstance(peer.error, ssl.SSLError)


def test_an_unknown_issuer_is_refused(make, certificates):
    context = SSLContext()
    context.load_verify_locations(certificates("other_ca.pem"))
    error = refusal(context, Peer(make(THEIRS, server=True)), ssl.SSLCertVerificationError)
    assert error.verify_message == "unable to get local issuer certificate"


def test_verification_can_be_disabled(make):
    context = SSLContext()
    with pytest.raises(ValueError, match="check_hostname"):
        context.verify_mode = ssl.CERT_NONE
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with Peer(make(OURS, server=True)) as peer, client(context, peer, "other.example") as tls:
        assert tls.getpeercert() == {}
        assert tls.getpeercert(True)
        tls.unwrap()
    context.check_hostname = True
    assert context.verify_mode is ssl.CERT_REQUIRED
    with pytest.raises(ValueError, match="verify_mode"):
        context.verify_mode = 7


def test_a_server_verifies_a_client(make, certificates):
    seen = []
    server = make(OURS, server=True)
    server.load_verify_locations(certificates("ca.pem"))
    server.verify_mode = ssl.CERT_REQUIRED

    def serve(tls):
        seen.append(tls.getpeercert()["subject"])
        # From 3.13 on they are methods of the socket.
        for chain in (tls._sslobj.get_unverified_chain(), tls._sslobj.get_verified_chain()):
            assert chain[0].public_bytes(2) == tls.getpeercert(True)
            assert chain[0].public_bytes() == ssl.DER_cert_to_PEM_cert(chain[0].public_bytes(2))
        assert tls.cipher() in tls.shared_ciphers()
        assert not tls._sslobj.uses_ktls_for_send()
        echo(tls)

    for whose in (OURS, THEIRS):
        context = make(whose)
        context.load_cert_chain(certificates("client.pem"))
        with Peer(server, serve) as peer, client(context, peer) as tls:
            tls.sendall(b"x")
            assert tls.recv(1) == b"x"
            tls.unwrap()
        assert peer.error is None
    assert seen[0] == seen[1] != ()


def test_the_application_protocol_is_negotiated(make):
    for whose in PAIRS:
        context, server = make(whose[0]), make(whose[1], server=True)
        context.set_alpn_protocols(["h2", "http/1.1"])
        server.set_alpn_protocols(["http/1.1", "spdy/3"])
        with Peer(server) as peer, client(context, peer) as tls:
            assert tls.selected_alpn_protocol() == "http/1.1"
            tls.unwrap()
    context.set_alpn_protocols(["other"])
    refusal(context, Peer(server), ssl.SSLError, "(?i)no.application.protocol")
    with pytest.raises(ssl.SSLError, match="1 to 255"):
        SSLContext().set_alpn_protocols([""])


def test_a_callback_selects_a_context_by_the_server_name(make, certificates):
    other = make(OURS, server=True, certificate="other_host.pem")
    server = make(OURS, server=True)
    asked = []

    def choose(tls, name, context):
        asked.append((type(tls), name, context is server))
        if name == "refused.example":
            return ssl.AlertDescription.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
        if name == "broken.example":
            raise OSError("no such name")
        if name != "localhost":
            tls.context = other
            assert tls.context is other
        return None

    server.set_servername_callback(choose)
    certificates_seen = []
    for name in ("localhost", "other.example", None):
        context = make(THEIRS)
        context.check_hostname = False
        with Peer(server) as peer, client(context, peer, name) as tls:
            certificates_seen.append(tls.getpeercert(True))
            tls.unwrap()
        assert peer.error is None
    assert certificates_seen[0] != certificates_seen[1]
    # A second ClientHello asks again (RFC 8446, section 4.1.4).
    assert list(dict.fromkeys(asked)) == [
        (ssl.SSLSocket, "localhost", True),
        (ssl.SSLSocket, "other.example", True),
        (ssl.SSLSocket, None, True),
    ]
    for name, error in (("refused.example", ssl.SSLError), ("broken.example", OSError)):
        peer = Peer(server)
        refusal(make(THEIRS), peer, ssl.SSLError, host=name)
        assert type(peer.error) is error
    server.sni_callback = None
    with Peer(server) as peer, client(make(OURS), peer) as tls:
        tls.unwrap()
    with pytest.raises(TypeError, match="callable"):
        server.sni_callback = "name"


@pytest.mark.parametrize("kind", ["tls-unique", "tls-server-end-point", "tls-exporter"])
@pytest.mark.parametrize("version", VERSIONS)
def test_both_sides_have_the_same_channel_binding(make, kind, version):
    context = make(THEIRS if kind == "tls-unique" else OURS)
    context.maximum_version = version
    data = []

    def serve(tls):
        data.append(tls.get_channel_binding(kind))
        echo(tls)

    with Peer(make(OURS, server=True), serve) as peer, client(context, peer) as tls:
        mine = tls.get_channel_binding(kind)
        tls.unwrap()
    assert peer.error is None
    if kind == "tls-unique" and version == ssl.TLSVersion.TLSv1_3:
        assert data == [None]
    else:
        assert data == [mine]
        assert len(mine) >= 12


def test_an_unknown_channel_binding_is_refused(make):
    with Peer(make(OURS, server=True)) as peer, client(make(OURS), peer) as tls:
        with pytest.raises(ValueError, match="not implemented"):
            tls.get_channel_binding("tls-other")
        tls.unwrap()


@pytest.mark.parametrize("version", VERSIONS)
def test_a_session_is_resumed(make, version):
    context, server = make(OURS), make(OURS, server=True)
    context.maximum_version = version
    session = None
    for resumes in (False, True):
        with Peer(server) as peer, client(context, peer, session=session) as tls:
            tls.sendall(b"x")
            tls.recv(1)
            assert tls.session_reused is resumes
            session = tls.session
            tls.unwrap()


@pytest.mark.needs_tls13
def test_post_handshake_authentication(make, certificates):
    context, server = make(OURS), make(OURS, server=True)
    context.load_cert_chain(certificates("client.pem"))
    context.post_handshake_auth = True
    server.load_verify_locations(certificates("ca.pem"))
    server.verify_mode = ssl.CERT_REQUIRED
    server.post_handshake_auth = True
    seen = []

    def serve(tls):
        seen.append(tls.getpeercert())
        tls.recv(1)
        tls.verify_client_post_handshake()
        tls.sendall(b"1")
        tls.recv(1)
        seen.append(tls.getpeercert()["subject"])
        tls.sendall(b"2")
        tls.unwrap()

    with Peer(server, serve) as peer, client(context, peer) as tls:
        tls.sendall(b"a")
        assert tls.recv(1) == b"1"
        tls.sendall(b"b")
        assert tls.recv(1) == b"2"
        tls.unwrap()
    assert peer.error is None
    assert seen[0] is None
    assert seen[1]


def test_secrets_are_logged(make, tmp_path):
    context = make(OURS)
    log = tmp_path / "keys"
    context.keylog_filename = log
    assert context.keylog_filename == log
    with Peer(make(THEIRS, server=True)) as peer, client(context, peer) as tls:
        tls.unwrap()
    lines = log.read_text().splitlines()
    assert lines
    assert all(line.split()[0].isupper() and len(line.split()) == 3 for line in lines)
    assert log.stat().st_mode & 0o77 == 0
    context.keylog_filename = None
    with Peer(make(THEIRS, server=True)) as peer, client(context, peer) as tls:
        tls.unwrap()
    assert log.read_text().splitlines() == lines
    with pytest.raises(FileNotFoundError):
        context.keylog_filename = tmp_path / "missing" / "keys"


def test_each_side_sets_its_signature_algorithms(make, certificates):
    algorithms = []

    def serve(tls):
        algorithms.extend([tls._sslobj.client_sigalg, tls._sslobj.server_sigalg])
        tls.sendall(tls.recv(1))
        tls.recv(1)

    server_context, context = make(OURS, server=True), make(OURS)
    server_context.verify_mode = ssl.CERT_REQUIRED
    server_context.load_verify_locations(certificates("ca.pem"))
    context.load_cert_chain(certificates("client.pem"))
    server_context.set_server_sigalgs("rsa_pss_rsae_sha384")
    server_context.set_client_sigalgs("rsa_pss_rsae_sha512")
    for method in (context.set_client_sigalgs, context.set_server_sigalgs):
        with pytest.raises(ssl.SSLError):
            method("none-such")
    with Peer(server_context, serve) as peer, client(context, peer) as tls:
        tls.sendall(b"x")
        assert tls.recv(1) == b"x"
        algorithms.extend([tls._sslobj.client_sigalg, tls._sslobj.server_sigalg])
        if m2.OPENSSL_VERSION_NUMBER < 0x30500000:
            for algorithm in algorithms:
                with pytest.raises(NotImplementedError, match="sigalg requires OpenSSL 3.5"):
                    algorithm()
        else:
            names = [algorithm() for algorithm in algorithms]
            assert names == ["rsa_pss_rsae_sha512", "rsa_pss_rsae_sha384"] * 2
        tls.sendall(b"x")


def test_a_timeout_is_that_of_the_socket(make):
    def serve(tls):
        tls.recv(1)

    with Peer(make(OURS, server=True), serve) as peer, client(make(OURS), peer) as tls:
        tls.settimeout(0.05)
        with pytest.raises(socket.timeout, match="read operation timed out"):
            tls.recv(1)
        tls.settimeout(PATIENCE)
        tls.sendall(b"x")
        assert tls.recv(1) == b""


def test_a_non_blocking_socket_says_what_it_waits_for(make):
    server_end, client_end = socket.socketpair()
    with server_end, client_end:
        for end in (server_end, client_end):
            end.setblocking(False)
        options = {"do_handshake_on_connect": False}
        server = make(OURS, server=True).wrap_socket(server_end, server_side=True, **options)
        tls = make(OURS).wrap_socket(client_end, server_hostname="localhost", **options)
        with server, tls:
            waiting = {server, tls}
            while waiting:
                for each in tuple(waiting):
                    try:
                        each.do_handshake()
                        waiting.discard(each)
                    except ssl.SSLWantReadError as error:
                        assert error.args[0] == ssl.SSL_ERROR_WANT_READ
            with pytest.raises(ssl.SSLWantReadError):
                server.recv(1)
            sent = 0
            with pytest.raises(ssl.SSLWantWriteError):
                while True:
                    sent += tls.send(bytes(100_000))
            got = 0
            while got < sent:
                got += len(server.recv(65536))
            select.select([], [tls], [], PATIENCE)
            assert tls.gettimeout() == 0.0


def test_a_truncated_connection_ends_or_raises(make):
    def serve(tls):
        tls.recv(1)
        tls.close()

    for suppress in (True, False):
        options = {"suppress_ragged_eofs": suppress}
        peer = Peer(make(OURS, server=True), serve)
        with peer, client(make(OURS), peer, **options) as tls:
            tls.sendall(b"x")
            if suppress:
                assert tls.recv(1) == b""
            else:
                with pytest.raises(ssl.SSLEOFError) as raised:
                    tls.recv(1)
                assert raised.value.args[0] == ssl.SSL_ERROR_EOF


def test_a_reset_is_an_os_error(make):
    def serve(tls):
        tls.recv(1)
        linger = b"\1\0\0\0\0\0\0\0" if sys.platform != "win32" else b"\1\0\0\0"
        tls.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        tls.close()

    with Peer(make(OURS, server=True), serve) as peer, client(make(OURS), peer) as tls:
        tls.sendall(b"x")
        with pytest.raises(ConnectionResetError) as raised:
            tls.recv(1)
        assert raised.value.errno == errno.ECONNRESET


def test_a_socket_is_plain_again_after_unwrap(make):
    def serve(tls):
        tls.recv(1)
        plain = tls.unwrap()
        plain.sendall(b"plain")

    with Peer(make(OURS, server=True), serve) as peer, client(make(OURS), peer) as tls:
        tls.settimeout(None)
        tls.sendall(b"x")
        plain = tls.unwrap()
        assert received(plain, 5) == b"plain"
    assert peer.error is None


def test_what_is_not_read_remains_in_the_socket(make):
    def serve(tls):
        tls.recv(1)
        tls.sendall(b"one")
        tls.sendall(b"two")
        plain = tls.unwrap()
        plain.sendall(b"plain")

    with Peer(make(OURS, server=True), serve) as peer, client(make(OURS), peer) as tls:
        tls.sendall(b"x")
        assert tls.recv(100) == b"one"
        assert tls.pending() == 0
        assert select.select([tls], [], [], PATIENCE)[0] == [tls]
        assert tls.recv(100) == b"two"
        assert tls.recv(100) == b""
        assert received(tls.unwrap(), 5) == b"plain"
    assert peer.error is None


def test_memory_bios_carry_a_connection(make):
    ends = [(ssl.MemoryBIO(), ssl.MemoryBIO()) for _ in range(2)]
    server = make(OURS, server=True).wrap_bio(*ends[0], server_side=True)
    tls = make(OURS).wrap_bio(*ends[1], server_hostname="localhost")
    assert tls.version() is None
    assert tls.cipher() is None
    with pytest.raises(ValueError, match="handshake not done"):
        tls.getpeercert()
    waiting = {server, tls}

    def carry():
        for (_, outgoing), (incoming, _) in (ends, ends[::-1]):
            if outgoing.pending:
                incoming.write(outgoing.read())

    while waiting:
        for each in tuple(waiting):
            with contextlib.suppress(ssl.SSLWantReadError):
                each.do_handshake()
                waiting.discard(each)
        carry()
    assert tls.write(b"data") == 4
    assert tls.write(b"") == 0
    carry()
    assert server.read(2) == b"da"
    assert server.pending() == 2
    assert server.read() == b"ta"
    with pytest.raises(ssl.SSLWantReadError):
        server.read()
    assert tls.server_hostname == "localhost"
    assert not tls.server_side
    assert server.server_side
    with pytest.raises(ssl.SSLWantReadError):
        tls.unwrap()
    carry()
    assert server.read() == b""
    server.unwrap()
    carry()
    tls.unwrap()


def test_the_end_of_a_memory_bio_is_a_truncation(make):
    incoming = ssl.MemoryBIO()
    tls = make(OURS).wrap_bio(incoming, ssl.MemoryBIO(), server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    incoming.write_eof()
    with pytest.raises(ssl.SSLEOFError):
        tls.do_handshake()


@pytest.mark.parametrize("whose", PAIRS, ids="-".join)
def test_asyncio_takes_the_context(make, whose):
    async def answer(reader, writer):
        writer.write((await reader.readline()) * 1000)
        await writer.drain()
        writer.close()

    async def talk():
        server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=make(whose[1], server=True))
        async with server:
            host, port = server.sockets[0].getsockname()[:2]
            reader, writer = await asyncio.open_connection(
                host, port, ssl=make(whose[0]), server_hostname="localhost"
            )
            writer.write(b"line\n")
            data = await asyncio.wait_for(reader.read(), PATIENCE)
            names = writer.get_extra_info("peercert")["subjectAltName"]
            writer.close()
            with contextlib.suppress(ssl.SSLError):
                await writer.wait_closed()
        return data, names

    data, names = asyncio.run(talk())
    assert data == b"line\n" * 1000
    assert names[0] == ("DNS", "localhost")


def test_the_context_below_is_in_effect(make):
    """Its own check stays, and a key can be one that only M2Crypto has."""
    checked = []

    def check(certificate, host):
        checked.append((certificate.get_subject().CN, host))
        return host != "refused.example"

    context = SSLContext(context=SSL.Context(post_connection_check=check))
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with Peer(make(OURS, server=True)) as peer, client(context, peer) as tls:
        tls.unwrap()
    peer, error = Peer(make(OURS, server=True)), ssl.SSLCertVerificationError
    refusal(context, peer, error, "post connection check", "refused.example")
    assert checked == [("localhost", "localhost"), ("localhost", "refused.example")]


def test_a_key_and_its_certificate_can_be_objects(make, certificates):
    from M2Crypto import EVP, X509

    context = SSL.Context()
    key = EVP.load_key(certificates("server.pem"))
    context.use_certificate(X509.load_cert(certificates("server.pem")), key)
    server = SSLContext(ssl.PROTOCOL_TLS_SERVER, context)
    with Peer(server) as peer, client(make(THEIRS), peer) as tls:
        tls.unwrap()
    assert peer.error is None


def test_a_context_has_one_role(make):
    peer = Peer(make(OURS, server=True))
    refusal(make(OURS, server=True), peer, ssl.SSLError, "Cannot create a client socket")
    with pytest.raises(ValueError, match="protocol"):
        SSLContext(99)
    for version in ("TLSv1", "TLSv1_1", "TLSv1_2"):
        if not getattr(m2, f"OPENSSL_NO_{version.upper().replace('TLSV', 'TLS')}", 0):
            made = SSLContext(getattr(ssl, f"PROTOCOL_{version}"))
            assert made.maximum_version.name == version


def test_properties_are_those_that_were_set():
    context = SSLContext(ssl.PROTOCOL_TLS_SERVER)
    assert context.protocol is ssl.PROTOCOL_TLS_SERVER
    assert context.verify_mode is ssl.CERT_NONE
    assert not context.check_hostname
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    assert context.minimum_version is ssl.TLSVersion.MINIMUM_SUPPORTED
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.maximum_version is ssl.TLSVersion.MAXIMUM_SUPPORTED
    context.options |= ssl.OP_NO_TICKET
    assert context.options & ssl.OP_NO_TICKET
    context.options &= ~ssl.OP_NO_TICKET
    assert not context.options & ssl.OP_NO_TICKET
    context.verify_flags = ssl.VERIFY_X509_STRICT | ssl.VERIFY_CRL_CHECK_LEAF
    context.verify_flags &= ~ssl.VERIFY_CRL_CHECK_LEAF
    assert context.verify_flags is ssl.VERIFY_X509_STRICT
    context.num_tickets = 1
    assert context.num_tickets == 1
    with pytest.raises(ValueError, match="non-negative"):
        context.num_tickets = -1
    with pytest.raises(ValueError, match="server"):
        SSLContext().num_tickets = 1
    assert not context.post_handshake_auth
    assert context.security_level >= 2
    assert context.session_stats()["number"] == 0
    assert not context.hostname_checks_common_name
    context.hostname_checks_common_name = False
    with pytest.raises(ValueError, match="RFC 9525"):
        context.hostname_checks_common_name = True


@pytest.mark.needs("DH")
def test_dh_parameters_are_loaded(certificates):
    context = SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_dh_params(certificates("dh.pem"))
    with pytest.raises(ssl.SSLError):
        context.load_dh_params(certificates("ca.pem"))


@pytest.mark.skipif(not m2.OPENSSL_NO_DH, reason="this OpenSSL has DH")
def test_without_dh_no_parameters_are_loaded(certificates):
    with pytest.raises(ssl.SSLError, match="built without DH|unsupported algorithm"):
        SSLContext(ssl.PROTOCOL_TLS_SERVER).load_dh_params(certificates("dh.pem"))


def test_ciphers_and_groups_are_selected(make):
    context = make(OURS)
    context.set_ciphers("AES256-GCM-SHA384:@SECLEVEL=2")
    assert "AES256-GCM-SHA384" in [each["name"] for each in context.get_ciphers()]
    with pytest.raises(ssl.SSLError, match="No cipher can be selected"):
        context.set_ciphers("nothing")
    with pytest.raises(ssl.SSLError):
        context.set_ciphersuites("nothing")
    with pytest.raises(ssl.SSLError):
        context.set_groups("nothing")
    with pytest.raises(ValueError, match="unknown elliptic curve name 'nothing'"):
        context.set_ecdh_curve("nothing")
    with pytest.raises(TypeError, match="not int"):
        context.set_ecdh_curve(5)


@pytest.mark.needs_ec
@pytest.mark.needs_tls13
def test_the_group_of_the_key_exchange_is_known(make):
    context = make(OURS)
    context.set_ecdh_curve("secp384r1")
    with Peer(make(OURS, server=True)) as peer, client(context, peer) as tls:
        assert tls._sslobj.group() in ("secp384r1", "P-384")
        tls.unwrap()


@pytest.mark.parametrize("load", ["load_verify_locations", "load_cert_chain", "load_dh_params"])
def test_a_missing_file_is_not_found(load):
    with pytest.raises(FileNotFoundError) as raised:
        getattr(SSLContext(), load)("missing.pem")
    assert raised.value.errno == errno.ENOENT


def test_bad_certificates_and_keys_are_refused(certificates, tmp_path):
    context = SSLContext(ssl.PROTOCOL_TLS_SERVER)
    (tmp_path / "empty").write_bytes(b"")
    for load in (context.load_verify_locations, context.load_cert_chain, context.load_dh_params):
        with pytest.raises(ssl.SSLError):
            load(str(tmp_path / "empty"))
    with pytest.raises(TypeError, match="all omitted"):
        context.load_verify_locations()
    with pytest.raises(ValueError, match="ASCII"):
        context.load_verify_locations(cadata="é")
    for data in ("text", b"\x30\x03\2\1\0"):
        with pytest.raises(ssl.SSLError):
            context.load_verify_locations(cadata=data)
    with pytest.raises(ssl.SSLError):
        context.load_cert_chain(certificates("server.pem"), certificates("client.pem"))


def test_the_passphrase_of_a_key_is_text_bytes_or_a_function(certificates):
    encrypted = certificates("server_encrypted.pem")
    context = SSLContext(ssl.PROTOCOL_TLS_SERVER)
    for password in ("test", b"test", bytearray(b"test"), lambda: "test"):
        context.load_cert_chain(encrypted, password=password)
    with pytest.raises(ssl.SSLError):
        context.load_cert_chain(encrypted, password="wrong")
    with pytest.raises(TypeError, match="must return a string"):
        context.load_cert_chain(encrypted, password=lambda: 5)
    with pytest.raises(ValueError, match="longer than 1024"):
        context.load_cert_chain(encrypted, password="x" * 1025)


def test_pem_text_is_loaded(certificates):
    context = SSLContext()
    texts = [Path(certificates(name)).read_text() for name in ("ca.pem", "other_ca.pem")]
    context.load_verify_locations(cadata="".join(texts))
    assert len(context.get_ca_certs()) == 2


def test_no_trusted_certificates_are_no_error(monkeypatch, tmp_path):
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "missing"))
    with pytest.raises(ssl.SSLError, match="missing"):
        SSLContext().load_default_certs()
    monkeypatch.delenv("SSL_CERT_FILE")
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    monkeypatch.setattr("M2Crypto.SSL._trust.trusted_certificates", lambda env: (None, None))
    monkeypatch.setattr("M2Crypto.SSL._trust.is_native", lambda: False)
    context = SSLContext()
    context.load_default_certs()
    assert context.get_ca_certs() == []


# What the classes of ssl do themselves, by the methods of this module.
INHERITED = {
    "load_default_certs", "set_servername_callback", "sslobject_class", "sslsocket_class",
    "wrap_bio", "wrap_socket",
}  # fmt: skip


def test_nothing_reaches_the_context_of_the_standard_library():
    public = {name for name in dir(ssl.SSLContext) if not name.startswith("_")}
    assert public - set(vars(SSLContext)) - INHERITED == set()
    context = SSLContext()
    with pytest.raises(NotImplementedError):
        context.set_npn_protocols(["http/1.1"])
    with pytest.raises(NotImplementedError):
        context._msg_callback = print


def test_the_peer_of_these_tests_is_the_standard_library():
    assert type(stdlib_context(ssl.PROTOCOL_TLS_CLIENT)) is ssl.SSLContext
