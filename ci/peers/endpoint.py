"""One end of a handshake, by a library for Python: `endpoint.py LIBRARY serve|connect ...`.

    endpoint.py LIBRARY serve VERSION CERTIFICATES
    endpoint.py LIBRARY connect VERSION CERTIFICATES PORT
    endpoint.py LIBRARY version

A server prints its port, serves one client and ends. The client sends a request of HTTP and the
server the answer. Either prints what was negotiated, in JSON. The script needs the library alone.
"""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

PATIENCE = 20
REQUEST = b"GET / HTTP/1.0\r\n\r\n"
ANSWER = b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nhello\r\n"


class End:
    """A connection: how a library reads, writes and closes it, and what it negotiated."""

    def __init__(
        self,
        connection: Any,
        read: Callable[[int], bytes | None],
        write: Callable[[bytes], object],
        close: Callable[[], object],
        **negotiated: object,
    ) -> None:
        self.connection = connection
        self.read, self.write, self.close, self.negotiated = read, write, close, negotiated


class Ours:
    """M2Crypto."""

    def version(self) -> str:
        from M2Crypto import m2

        return str(m2.OPENSSL_VERSION_TEXT).split(" ")[1]

    def _context(self, version: str) -> Any:
        from M2Crypto import SSL

        context = SSL.Context()
        context.set_min_proto_version(version)
        context.set_max_proto_version(version)
        return context

    def _end(self, connection: Any) -> End:
        negotiated = {
            "version": connection.get_version(),
            "cipher": connection.get_cipher().name(),
            "group": connection.get_group(),
        }
        return End(connection, connection.read, connection.write, connection.close, **negotiated)

    def serve(self, sock: socket.socket, version: str, certificates: Path) -> End:
        from M2Crypto import SSL

        context = self._context(version)
        context.load_cert(certificates / "server.pem")
        connection = SSL.Connection(context, sock)
        connection.setup_ssl()
        connection.accept_ssl()
        return self._end(connection)

    def connect(self, sock: socket.socket, version: str, certificates: Path) -> End:
        from M2Crypto import SSL

        context = self._context(version)
        context.load_verify_locations(certificates / "ca.pem")
        connection = SSL.Connection(context, sock)
        connection.set1_host("localhost")
        connection.set_tlsext_host_name("localhost")
        connection.setup_ssl()
        connection.connect_ssl()
        return self._end(connection)


class Stdlib:
    """Python's ssl."""

    def version(self) -> str:
        import ssl

        return ssl.OPENSSL_VERSION.split(" ")[1]

    def _wrapped(self, context: Any, sock: socket.socket, version: str, **options: Any) -> End:
        import ssl

        number = getattr(ssl.TLSVersion, version.replace(".", "_"))
        context.minimum_version = context.maximum_version = number
        connection = context.wrap_socket(sock, **options)
        return End(connection, connection.recv, connection.sendall, connection.close)

    def serve(self, sock: socket.socket, version: str, certificates: Path) -> End:
        import ssl

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificates / "server.pem")
        context.load_dh_params(str(certificates / "dh.pem"))
        return self._wrapped(context, sock, version, server_side=True)

    def connect(self, sock: socket.socket, version: str, certificates: Path) -> End:
        import ssl

        context = ssl.create_default_context(cafile=certificates / "ca.pem")
        return self._wrapped(context, sock, version, server_hostname="localhost")


class PyOpenSSL:
    """pyOpenSSL."""

    def version(self) -> str:
        import OpenSSL

        return str(OpenSSL.__version__)

    def _context(self, version: str) -> Any:
        from OpenSSL import SSL

        context = SSL.Context(SSL.TLS_METHOD)
        number = {"TLSv1.2": SSL.TLS1_2_VERSION, "TLSv1.3": SSL.TLS1_3_VERSION}[version]
        context.set_min_proto_version(number)
        context.set_max_proto_version(number)
        return context

    def _end(self, connection: Any) -> End:
        connection.do_handshake()
        return End(connection, connection.recv, connection.sendall, connection.shutdown)

    def serve(self, sock: socket.socket, version: str, certificates: Path) -> End:
        from OpenSSL import SSL

        context = self._context(version)
        context.use_certificate_file(str(certificates / "server.pem"))
        context.use_privatekey_file(str(certificates / "server.pem"))
        context.load_tmp_dh(str(certificates / "dh.pem"))
        sock.settimeout(None)
        connection = SSL.Connection(context, sock)
        connection.set_accept_state()
        return self._end(connection)

    def connect(self, sock: socket.socket, version: str, certificates: Path) -> End:
        from OpenSSL import SSL

        context = self._context(version)
        context.load_verify_locations(str(certificates / "ca.pem"))
        context.set_verify(SSL.VERIFY_PEER, lambda *arguments: bool(arguments[-1]))
        sock.settimeout(None)
        connection = SSL.Connection(context, sock)
        connection.set_tlsext_host_name(b"localhost")
        connection.set_connect_state()
        return self._end(connection)


class TLSLite:
    """tlslite-ng."""

    def version(self) -> str:
        from importlib.metadata import version

        return version("tlslite-ng")

    def _settings(self, version: str) -> Any:
        from tlslite.api import HandshakeSettings

        settings = HandshakeSettings()
        settings.minVersion = settings.maxVersion = {"TLSv1.2": (3, 3), "TLSv1.3": (3, 4)}[version]
        return settings

    def _end(self, connection: Any) -> End:
        return End(
            connection,
            lambda size: bytes(connection.read(max=size, min=1)),
            connection.write,
            connection.close,
        )

    def serve(self, sock: socket.socket, version: str, certificates: Path) -> End:
        from tlslite.api import X509, TLSConnection, X509CertChain, parsePEMKey

        pem = (certificates / "server.pem").read_text()
        certificate = X509()
        certificate.parse(pem)
        connection = TLSConnection(sock)
        connection.handshakeServer(
            certChain=X509CertChain([certificate]),
            # With M2Crypto it takes a key that comes first.
            privateKey=parsePEMKey(pem[pem.index("-----BEGIN PRIVATE") :], private=True),
            settings=self._settings(version),
        )
        return self._end(connection)

    def connect(self, sock: socket.socket, version: str, certificates: Path) -> End:
        from tlslite.api import TLSConnection

        connection = TLSConnection(sock)
        connection.handshakeClientCert(settings=self._settings(version), serverName="localhost")
        return self._end(connection)


LIBRARIES = {"m2crypto": Ours, "ssl": Stdlib, "pyopenssl": PyOpenSSL, "tlslite-ng": TLSLite}


def main(library: str, what: str, version: str = "", directory: str = "", port: str = "") -> None:
    """Be one end, and print what was negotiated."""
    end: Any = LIBRARIES[library]()
    if what == "version":
        print(end.version())
        return
    certificates = Path(directory)
    if what == "serve":
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.settimeout(PATIENCE)
            print(listener.getsockname()[1], flush=True)
            sock, _ = listener.accept()
        sock.settimeout(PATIENCE)
        talk(end.serve(sock, version, certificates), ANSWER, b"GET ", answers=True)
    else:
        sock = socket.create_connection(("127.0.0.1", int(port)), PATIENCE)
        talk(end.connect(sock, version, certificates), REQUEST, b"HTTP/", answers=False)


def talk(end: End, text: bytes, expected: bytes, *, answers: bool) -> None:
    """Exchange the request and the answer, and print what was negotiated."""
    if not answers:
        end.write(text)
    received = b""
    while len(received) < len(expected) and (data := end.read(1000)):
        received += data
    if not received.startswith(expected):
        sys.exit(f"received {received!r} instead of {expected!r}...")
    if answers:
        end.write(text)
    end.close()
    print(json.dumps(end.negotiated))


if __name__ == "__main__":
    main(*sys.argv[1:])
