"""What ci/distribution/bare_root.sh runs in the root directory: the demands on a foreign computer.

The standard library and the installed M2Crypto are all it needs; it runs on Python 3.9 and newer.
"""

from __future__ import annotations

import socket
import sys
import threading
from pathlib import Path

from M2Crypto import SSL, X509, m2
from M2Crypto.SSL import _trust


def verify_root(context: SSL.Context) -> str:
    """Verify that a certificate of the system's bundle has a path to one of its roots."""
    path = _trust.trusted_certificates({}).cafile
    assert path, "the system has no bundle of CA certificates"
    certificate = X509.load_cert(path)
    validation = X509.X509_Store_Context(m2.x509_store_ctx_new())
    validation.init(context.get_cert_store(), certificate)
    assert validation.verify_cert() == 1, validation.get_error()
    return f"{path}: {certificate.get_subject()} is verified"


def shake_hands(certificates: Path) -> str:
    """Complete a handshake with a server of 127.0.0.1."""
    client, server = SSL.Context(), SSL.Context()
    server.load_cert_chain(str(certificates / "server.pem"))
    client.load_verify_locations(str(certificates / "ca.pem"))
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with SSL.Connection(server, listener.accept()[0]) as connection:
            connection.accept_ssl()
            connection.write(connection.read() or b"")

    thread = threading.Thread(target=serve)
    thread.start()
    with SSL.Connection(client) as connection:
        connection.set_tlsext_host_name("localhost")
        connection.set1_host("localhost")
        connection.connect(listener.getsockname())
        connection.write(b"hello")
        assert connection.read() == b"hello"
        version = connection.get_version()
    thread.join()
    listener.close()
    return f"handshake with 127.0.0.1: {version}"


def refuse(certificates: Path) -> str:
    """Verify that the system's roots do not trust a server of the tests."""
    context = SSL.Context()
    context.set_default_verify_paths()
    validation = X509.X509_Store_Context(m2.x509_store_ctx_new())
    validation.init(context.get_cert_store(), X509.load_cert(str(certificates / "server.pem")))
    assert validation.verify_cert() == 0
    return "the certificate of a test is refused"


def main(certificates: Path) -> None:
    """Run all demands, and print a line for each."""
    context = SSL.Context()
    context.set_default_verify_paths()
    print(f"Python {sys.version.split()[0]}, {m2.openssl_version(0)}, {m2.openssl_library()}")
    print(verify_root(context))
    print(refuse(certificates))
    print(shake_hands(certificates))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
