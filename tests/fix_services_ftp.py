"""An FTP server with TLS by Python's `ssl` (RFC 959, RFC 4217), for one client after another."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import ssl

import pytest
from fix_peers import CERTIFICATES, PATIENCE, stdlib_context
from fix_services import running


class Session(socketserver.BaseRequestHandler):
    """One control connection."""

    def setup(self):
        self.request.settimeout(PATIENCE)
        # Session tickets and the reply after them are writes that Nagle's algorithm would delay.
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.is_protected = False
        self.listener = None
        self.input = self.request.makefile("rb")

    def finish(self):
        self.input.close()
        if self.listener is not None:
            self.listener.close()
        if isinstance(self.request, ssl.SSLSocket):
            self.request.close()

    def reply(self, text):
        self.request.sendall(text.encode() + b"\r\n")

    def handle(self):
        self.reply("220 ready")
        with contextlib.suppress(OSError):
            while line := self.input.readline():
                command, _, argument = line.decode().strip().partition(" ")
                self.server.seen.append((command, isinstance(self.request, ssl.SSLSocket)))
                if command == "QUIT":
                    self.reply("221 bye")
                    return
                act = getattr(self, command.lower(), None)
                act(argument) if act else self.reply("502 unknown")

    def auth(self, mechanism):
        if mechanism not in self.server.mechanisms:
            self.reply("504 unknown mechanism")
            return
        # What is sent with the reply, in the clear, must not be taken for a reply.
        self.request.sendall(b"234 go\r\n" + self.server.injected)
        self.request = self.server.context.wrap_socket(self.request, server_side=True)
        self.input = self.request.makefile("rb")

    def user(self, name):
        self.reply("331 password")

    def pass_(self, password):
        self.reply("230 in")

    def pbsz(self, size):
        self.reply("200 0" if size == "0" else "501 0 only")

    def prot(self, level):
        self.is_protected = level == "P"
        self.reply("200 done")

    def type(self, kind):
        self.reply("200 done")

    def size(self, name):
        self.reply(f"213 {len(self.server.files[name])}")

    def abor(self, _):
        self.reply(self.server.abort_reply)

    def pasv(self, _):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(PATIENCE)
        high, low = divmod(self.listener.getsockname()[1], 256)
        self.reply(f"227 (127,0,0,1,{high},{low})")

    @contextlib.contextmanager
    def data(self):
        self.reply("150 opening")
        sock, _ = self.listener.accept()
        self.listener.close()
        sock.settimeout(PATIENCE)
        if self.is_protected:
            sock = self.server.context.wrap_socket(sock, server_side=True)
            self.server.resumed.append(sock.session_reused)
        with sock:
            yield sock
            if self.is_protected:
                with contextlib.suppress(OSError):
                    sock.unwrap()
        self.reply("226 done")

    def list(self, _):
        with self.data() as sock:
            sock.sendall("".join(f"{name}\r\n" for name in self.server.files).encode("utf-8"))

    def retr(self, name):
        with self.data() as sock:
            sock.sendall(self.server.files[name])

    def stor(self, name):
        content = b""
        with self.data() as sock:
            while data := sock.recv(65536):
                content += data
            self.server.files[name] = content


setattr(Session, "pass", Session.pass_)


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def __init__(self, context):
        super().__init__(("127.0.0.1", 0), Session)
        self.context = context
        self.mechanisms = ("TLS", "SSL")
        self.injected = b""
        self.abort_reply = "226 aborted"
        self.files = {"é.txt": b"line 1\r\nline 2\r\n"}
        self.seen = []
        self.resumed = []


@pytest.fixture
def ftps():
    """Yield an FTP server; `seen` are its commands, and whether each came over TLS."""
    context = stdlib_context(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATES / "server.pem")
    with running(Server(context)) as server:
        yield server
