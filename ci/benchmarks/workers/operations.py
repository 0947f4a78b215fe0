"""A worker of the benchmark `wheel`: runs the operations of one library, as often as requested.

`python operations.py LIBRARY DIRECTORY` prints a line that describes the library, `m2crypto` or
`cryptography`. Then it reads lines `OPERATION COUNT` and prints the CPU seconds of each. DIRECTORY
holds the keys and certificates of the tests.
"""

from __future__ import annotations

import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MIB = bytes(1 << 20)
MESSAGE = b"a message of 32 bytes, to sign.."
KEY, NONCE = bytes(range(32)), bytes(12)
# Each turn lets both ends do what they can; TLS 1.3 needs three.
TURNS = 20

Operations = dict[str, "Callable[[], object]"]


def m2crypto(data: Path) -> tuple[str, Operations]:
    """Return M2Crypto's version and its operations."""
    from M2Crypto import EVP, SSL, X509, m2

    rsa = EVP.load_key(str(data / "keys" / "rsa_2048.pem"))
    ec = EVP.load_key(str(data / "keys" / "ec.pem"))
    p384 = EVP.gen_key("EC", curve="P-384")
    rsa_pem = (data / "keys" / "rsa_2048.pem").read_bytes()
    ec_pem = (data / "keys" / "ec.pem").read_bytes()
    certificate = (data / "certificates" / "server_ec.pem").read_bytes()
    certificate = certificate[certificate.index(b"-----BEGIN CERTIFICATE") :]
    client, server = SSL.Context("tls"), SSL.Context("tls")
    client.load_verify_locations(str(data / "certificates" / "ca.pem"))
    server.load_cert(str(data / "certificates" / "server_ec.pem"))

    def digest() -> bytes:
        made = EVP.MessageDigest("sha256")
        made.update(MIB)
        return made.final()

    def handshake() -> None:
        ends = socket.socketpair()
        for end in ends:
            end.setblocking(False)
        left, right = SSL.Connection(client, ends[0]), SSL.Connection(server, ends[1])
        for each in (left, right):
            each.set_post_connection_check_callback(None)
        steps = {left.connect_ssl, right.accept_ssl}
        for _ in range(TURNS):
            steps = {step for step in steps if step() != 1}
            if not steps:
                break
        else:
            raise AssertionError("the handshake does not end")
        # Both send close_notify before a socket is closed.
        for each in (left, right):
            each.close(freeBio=False)
        for end in ends:
            end.close()

    return m2.openssl_version(0), {
        "RSA-2048 sign": lambda: EVP.sign(rsa, MESSAGE),
        "P-256 sign": lambda: EVP.sign(ec, MESSAGE),
        "P-384 sign": lambda: EVP.sign(p384, MESSAGE),
        "AES-256-GCM 1 MiB": lambda: EVP.seal("aes_256_gcm", KEY, NONCE, MIB),
        "SHA-256 1 MiB": digest,
        "TLS 1.3 handshake": handshake,
        "PEM RSA key, 1 sign": lambda: EVP.sign(EVP.load_key_string(rsa_pem), MESSAGE),
        "PEM P-256 key": lambda: EVP.load_key_string(ec_pem),
        "PEM certificate": lambda: X509.load_cert_string(certificate).get_pubkey(),
    }


def cryptography(data: Path) -> tuple[str, Operations]:
    """Return the OpenSSL of the `cryptography` wheel, and its operations; TLS is pyOpenSSL's."""
    from cryptography.hazmat.backends.openssl import backend
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, padding
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.x509 import load_pem_x509_certificate
    from OpenSSL import SSL

    rsa_pem = (data / "keys" / "rsa_2048.pem").read_bytes()
    ec_pem = (data / "keys" / "ec.pem").read_bytes()
    certificate = (data / "certificates" / "server_ec.pem").read_bytes()
    certificate = certificate[certificate.index(b"-----BEGIN CERTIFICATE") :]
    rsa = serialization.load_pem_private_key(rsa_pem, None)
    curve = serialization.load_pem_private_key(ec_pem, None)
    p384 = ec.generate_private_key(ec.SECP384R1())
    sha256, scheme, ecdsa = hashes.SHA256(), padding.PKCS1v15(), ec.ECDSA(hashes.SHA256())
    client, server = SSL.Context(SSL.TLS_METHOD), SSL.Context(SSL.TLS_METHOD)
    client.load_verify_locations(str(data / "certificates" / "ca.pem"))
    client.set_verify(SSL.VERIFY_PEER)
    server.use_certificate_chain_file(str(data / "certificates" / "server_ec.pem"))
    server.use_privatekey_file(str(data / "certificates" / "server_ec.pem"))

    def encrypt() -> bytes:
        made: bytes = AESGCM(KEY).encrypt(NONCE, MIB, None)
        return made

    def digest() -> bytes:
        hashed = hashes.Hash(sha256)
        hashed.update(MIB)
        made: bytes = hashed.finalize()
        return made

    def handshake() -> None:
        ends = socket.socketpair()
        for end in ends:
            end.setblocking(False)
        left, right = SSL.Connection(client, ends[0]), SSL.Connection(server, ends[1])
        left.set_connect_state()
        right.set_accept_state()
        rest = [left, right]
        for _ in range(TURNS):
            for each in list(rest):
                try:
                    each.do_handshake()
                except SSL.WantReadError:
                    continue
                rest.remove(each)
            if not rest:
                break
        else:
            raise AssertionError("the handshake does not end")
        # It sends close_notify.
        for each in (left, right):
            each.shutdown()
        for end in ends:
            end.close()

    return backend.openssl_version_text(), {
        "RSA-2048 sign": lambda: rsa.sign(MESSAGE, scheme, sha256),
        "P-256 sign": lambda: curve.sign(MESSAGE, ecdsa),
        "P-384 sign": lambda: p384.sign(MESSAGE, ecdsa),
        "AES-256-GCM 1 MiB": encrypt,
        "SHA-256 1 MiB": digest,
        "TLS 1.3 handshake": handshake,
        # OpenSSL's own loading does not validate the key, either. The first use completes what
        # loading leaves out.
        "PEM RSA key, 1 sign": lambda: serialization.load_pem_private_key(
            rsa_pem, None, unsafe_skip_rsa_key_validation=True
        ).sign(MESSAGE, scheme, sha256),
        "PEM P-256 key": lambda: serialization.load_pem_private_key(ec_pem, None),
        "PEM certificate": lambda: load_pem_x509_certificate(certificate).public_key(),
    }


LIBRARIES: Mapping[str, Callable[[Path], tuple[str, Operations]]] = {
    "m2crypto": m2crypto,
    "cryptography": cryptography,
}


def main() -> None:
    """Serve the lines of standard input."""
    version, operations = LIBRARIES[sys.argv[1]](Path(sys.argv[2]))
    print(version, flush=True)
    for line in sys.stdin:
        name, _, count = line.rpartition(" ")
        run = operations[name]
        start = time.process_time()
        for _ in range(int(count)):
            run()
        print(time.process_time() - start, flush=True)


if __name__ == "__main__":
    main()
