"""Programs of the standard library and of others, unchanged, whose TLS is M2Crypto's."""

from __future__ import annotations

import ftplib
import http.client
import http.server
import imaplib
import poplib
import smtplib
import socketserver
import ssl
import threading
import urllib.error
import urllib.request
import xmlrpc.client
import xmlrpc.server

import pytest
from fix_services import PATIENCE, Pages, running
from fix_services_ftp import Server as FTPServer

from M2Crypto import SSL
from M2Crypto.SSL import replacement
from M2Crypto.SSL.stdlib import SSLContext


@pytest.fixture
def made():
    """Install the replacement; these are the contexts of its factory."""
    contexts = []

    def factory():
        contexts.append(SSL.Context())
        return contexts[-1]

    with replacement.installed(factory):
        yield contexts


@pytest.fixture
def trusting(made, certificates):
    """Return a context as a program makes it, that trusts the servers."""
    return ssl.create_default_context(cafile=certificates("ca.pem"))


@pytest.fixture
def serving(made, certificates):
    """Return a server's context as a program makes it."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificates("server.pem"))
    return context


@pytest.fixture
def theirs(certificates):
    """Return a server's context of the standard library."""
    assert not replacement.is_installed()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates("server.pem"))
    # Without EC, M2Crypto offers only DHE in TLS 1.2.
    context.load_dh_params(certificates("dh.pem"))
    return context


class TLSServer(socketserver.ThreadingTCPServer):
    """A server whose clients all begin with the handshake."""

    daemon_threads = True

    def __init__(self, handler, context):
        super().__init__(("127.0.0.1", 0), handler)
        self.context = context
        self.seen = []

    def get_request(self):
        sock, address = super().get_request()
        sock.settimeout(PATIENCE)
        return self.context.wrap_socket(sock, server_side=True), address

    def handle_error(self, request, address):
        pass

    @property
    def port(self):
        return self.server_address[1]


@pytest.fixture
def pages(theirs):
    with running(TLSServer(Pages, theirs)) as server:
        yield server


# ---- http and what is above it -------------------------------------------------------------------


def test_http_client_and_urllib(pages, trusting, made):
    connection = http.client.HTTPSConnection("localhost", pages.port, context=trusting)
    connection.request("GET", "/a")
    assert connection.getresponse().read() == b"GET /a "
    assert type(connection.sock) is ssl.SSLSocket
    assert isinstance(connection.sock.context, SSLContext)
    connection.close()
    url = f"https://localhost:{pages.port}/b"
    with urllib.request.urlopen(url, context=trusting, timeout=PATIENCE) as response:
        assert response.read() == b"GET /b "
    assert len(made) == 1


def test_urllib_s_own_context_is_replaced_too(pages, made, certificates, monkeypatch):
    url = f"https://localhost:{pages.port}/"
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    monkeypatch.setenv("SSL_CERT_FILE", certificates("other_ca.pem"))
    # That of `urlopen` may have been made before.
    with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
        urllib.request.build_opener().open(url, timeout=PATIENCE)
    monkeypatch.setenv("SSL_CERT_FILE", certificates("ca.pem"))
    with urllib.request.build_opener().open(url, timeout=PATIENCE) as response:
        assert response.read() == b"GET / "
    assert len(made) == 2


def test_a_server_of_http(trusting, serving, made):
    with running(TLSServer(Pages, serving)) as server:
        url = f"https://localhost:{server.port}/"
        with urllib.request.urlopen(url, b"sent", context=trusting, timeout=PATIENCE) as response:
            assert response.read() == b"POST / sent"
    assert len(made) == 2


def test_xmlrpc(trusting, serving):
    class Server(xmlrpc.server.SimpleXMLRPCServer):
        def get_request(self):
            sock, address = super().get_request()
            return serving.wrap_socket(sock, server_side=True), address

    server = Server(("127.0.0.1", 0), logRequests=False)
    server.register_function(lambda a, b: a + b, "add")
    with running(server):
        url = f"https://localhost:{server.server_address[1]}/"
        with xmlrpc.client.ServerProxy(url, context=trusting) as proxy:
            assert proxy.add(2, 3) == 5


def test_requests(pages, made, certificates):
    requests = pytest.importorskip("requests", reason="needs requests")
    url = f"https://localhost:{pages.port}/"
    with requests.Session() as session:
        assert session.get(url, verify=certificates("ca.pem"), timeout=PATIENCE).text == "GET / "
    before = len(made)
    assert before
    with pytest.raises(requests.exceptions.SSLError, match="CERTIFICATE_VERIFY_FAILED"):
        requests.get(url, verify=certificates("other_ca.pem"), timeout=PATIENCE)
    assert len(made) > before


def test_urllib3(pages, made, certificates):
    urllib3 = pytest.importorskip("urllib3", reason="needs requests")
    with urllib3.PoolManager(ca_certs=certificates("ca.pem"), timeout=PATIENCE) as pool:
        assert pool.request("GET", f"https://localhost:{pages.port}/").data == b"GET / "
    assert made


def test_httpx(pages, trusting, made):
    httpx = pytest.importorskip("httpx", reason="needs httpx")
    with httpx.Client(verify=trusting, timeout=PATIENCE, trust_env=False) as client:
        assert client.get(f"https://localhost:{pages.port}/").text == "GET / "
    assert made


# ---- mail and files ------------------------------------------------------------------------------


class Dialog(socketserver.StreamRequestHandler):
    """Answer each command by `answers`, and start TLS for STARTTLS and STLS."""

    greeting = b""
    answers: dict[bytes, bytes] = {}  # noqa: RUF012

    def handle(self):
        self.wfile.write(self.greeting)
        while line := self.rfile.readline():
            words = line.strip().split()
            tag, words = (words[0], words[1:]) if self.greeting[:1] == b"*" else (b"", words)
            command = words[0].upper()
            self.server.seen.append((command, isinstance(self.connection, ssl.SSLSocket)))
            self.wfile.write(self.answers[command].replace(b"TAG", tag))
            if command in (b"STARTTLS", b"STLS"):
                self.rfile.close()
                self.wfile.close()
                self.connection = self.server.starttls.wrap_socket(self.request, server_side=True)
                self.setup_streams()

    def finish(self):
        super().finish()
        self.connection.close()

    def setup_streams(self):
        self.rfile = self.connection.makefile("rb")
        self.wfile = self.connection.makefile("wb", 0)


class SMTP(Dialog):
    greeting = b"220 ready\r\n"
    answers = {  # noqa: RUF012
        b"EHLO": b"250-localhost\r\n250 STARTTLS\r\n",
        b"STARTTLS": b"220 go\r\n",
        b"NOOP": b"250 fine\r\n",
        b"QUIT": b"221 bye\r\n",
    }


class IMAP(Dialog):
    greeting = b"* OK ready\r\n"
    answers = {  # noqa: RUF012
        b"CAPABILITY": b"* CAPABILITY IMAP4REV1 STARTTLS\r\nTAG OK done\r\n",
        b"STARTTLS": b"TAG OK go\r\n",
        b"NOOP": b"TAG OK fine\r\n",
        b"LOGOUT": b"* BYE\r\nTAG OK bye\r\n",
    }


class POP3(Dialog):
    greeting = b"+OK ready\r\n"
    answers = {  # noqa: RUF012
        b"CAPA": b"+OK\r\nSTLS\r\n.\r\n",
        b"STLS": b"+OK go\r\n",
        b"NOOP": b"+OK fine\r\n",
        b"QUIT": b"+OK bye\r\n",
    }


class PlainServer(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def __init__(self, handler, starttls):
        super().__init__(("127.0.0.1", 0), handler)
        self.starttls = starttls
        self.seen = []

    @property
    def port(self):
        return self.server_address[1]


def test_smtplib(serving, trusting):
    with running(PlainServer(SMTP, serving)) as server:
        with smtplib.SMTP("localhost", server.port, timeout=PATIENCE) as client:
            assert client.starttls(context=trusting)[0] == 220
            assert client.noop() == (250, b"fine")
        assert server.seen[:2] == [(b"EHLO", False), (b"STARTTLS", False)]
        assert (b"NOOP", True) in server.seen
    with running(TLSServer(SMTP, serving)) as server:
        options = {"context": trusting, "timeout": PATIENCE}
        with smtplib.SMTP_SSL("localhost", server.port, **options) as client:
            assert client.noop() == (250, b"fine")


def test_imaplib(serving, trusting):
    with running(PlainServer(IMAP, serving)) as server:
        with imaplib.IMAP4("localhost", server.port, PATIENCE) as client:
            assert client.starttls(trusting)[0] == "OK"
            assert client.noop()[0] == "OK"
        assert (b"NOOP", True) in server.seen
    with running(TLSServer(IMAP, serving)) as server:
        options = {"ssl_context": trusting, "timeout": PATIENCE}
        with imaplib.IMAP4_SSL("localhost", server.port, **options) as client:
            assert client.noop()[0] == "OK"


def test_poplib(serving, trusting):
    with running(PlainServer(POP3, serving)) as server:
        client = poplib.POP3("localhost", server.port, PATIENCE)
        assert client.stls(trusting).startswith(b"+OK")
        assert client.noop() == b"+OK fine"
        client.quit()
        assert (b"NOOP", True) in server.seen
    with running(TLSServer(POP3, serving)) as server:
        client = poplib.POP3_SSL("localhost", server.port, context=trusting, timeout=PATIENCE)
        assert client.noop() == b"+OK fine"
        client.quit()


def test_ftplib(serving, trusting):
    client = ftplib.FTP_TLS(context=trusting, timeout=PATIENCE)
    with running(FTPServer(serving)) as server, client:
        client.connect("localhost", server.server_address[1])
        client.login("user", "password")
        client.prot_p()
        content = []
        client.retrbinary("RETR é.txt", content.append)
    assert b"".join(content) == b"line 1\r\nline 2\r\n"
    assert ("RETR", True) in server.seen


# ---- the replacement itself ----------------------------------------------------------------------


def test_everything_is_restored():
    before = dict(vars(ssl)), dict(vars(ssl.SSLContext))
    old = ssl.create_default_context()
    with replacement.installed():
        assert replacement.is_installed()
        assert isinstance(ssl.create_default_context(), SSLContext)
        assert isinstance(ssl._create_unverified_context(), SSLContext)
        # One that was made before is not changed, and works.
        old.options |= ssl.OP_NO_TICKET
        old.verify_flags |= ssl.VERIFY_X509_STRICT
        old.minimum_version = ssl.TLSVersion.TLSv1_2
        assert type(old) is ssl.SSLContext
    assert not replacement.is_installed()
    assert (dict(vars(ssl)), dict(vars(ssl.SSLContext))) == before
    assert type(ssl.create_default_context()) is ssl.SSLContext
    replacement.uninstall()


def test_classes_that_derive_are_replaced_too():
    class Mine(ssl.SSLContext):
        def __init__(self, protocol, label="none"):
            super().__init__()
            self.label = label

    with replacement.installed():
        context = Mine(ssl.PROTOCOL_TLS_CLIENT, label="mine")
        assert isinstance(context, Mine)
        assert isinstance(context, SSLContext)
        assert context.label == "mine"
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert type(Mine(ssl.PROTOCOL_TLS_CLIENT)) is type(context)
        assert type(SSLContext()) is SSLContext
    assert type(Mine(ssl.PROTOCOL_TLS_CLIENT)) is Mine


@pytest.mark.filterwarnings("ignore:ssl.PROTOCOL_TLS is deprecated:DeprecationWarning")
def test_the_protocol_for_both_roles_verifies_nothing_by_default():
    with replacement.installed():
        context = ssl.SSLContext(ssl.PROTOCOL_TLS)
    assert context.verify_mode is ssl.CERT_NONE
    assert not context.check_hostname


def test_the_factory_decides(pages, certificates):
    def factory():
        return SSL.Context(post_connection_check=lambda certificate, host: False)

    with replacement.installed(factory):
        context = ssl._create_unverified_context()
        with pytest.raises(urllib.error.URLError, match="post connection check failed"):
            urllib.request.urlopen(f"https://localhost:{pages.port}/", context=context)


def test_an_error_of_the_factory_propagates():
    def broken():
        raise LookupError("no context")

    with replacement.installed(broken), pytest.raises(LookupError, match="no context"):
        ssl.create_default_context()


def test_only_one_replacement_is_installed():
    with pytest.raises(TypeError, match="not int"):
        replacement.install(5)
    with replacement.installed():
        with pytest.raises(RuntimeError, match="installed already"):
            replacement.install()
        assert replacement.is_installed()


def test_threads_create_contexts_at_once(made):
    found = []

    def create():
        found.extend(type(ssl.create_default_context()).__name__ for _ in range(10))

    threads = [threading.Thread(target=create) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == len(made) == 40
