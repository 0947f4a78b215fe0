"""Early data, renegotiation and compression are refused by default."""

from __future__ import annotations

import base64
import threading

import pytest

from M2Crypto import BIO, SSL, m2

# ---- early data ----------------------------------------------------------------------------------


def serve(context, clients):
    """Start a thread that echoes a line to each client; return the port and what is received."""
    listener = SSL.Connection(context)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    listener.settimeout(20)
    received = []

    def run():
        with listener:
            for _ in range(clients):
                connection, _ = listener.accept()
                with connection:
                    try:
                        while data := connection.read(4096):
                            received.append(data)
                            connection.write(data)
                            if b"last" in data:
                                break
                    except SSL.SSLError as error:
                        received.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return listener.getsockname()[1], thread, received


def with_early_data(pem):
    """Return a session that allows 16384 bytes of early data, whatever the server said.

    max_early_data is element [15] of the SSL_SESSION that OpenSSL encodes (i2d_SSL_SESSION(3)).
    """
    der = base64.b64decode(b"".join(pem.split(b"-----")[2].split()))
    rest, elements = der[4:], []
    assert der[:2] == b"\x30\x82"
    while rest:
        long = rest[1] & 0x7F if rest[1] & 0x80 else 0
        length = int.from_bytes(rest[2 : 2 + long], "big") if long else rest[1]
        end = 2 + long + length
        elements.append(rest[:end])
        rest = rest[end:]
    assert not any(element[0] == 0xAF for element in elements), "the server allows early data"
    elements.append(b"\xaf\x04\x02\x02\x40\x00")
    head = [element for element in elements if element[0] < 0xA0]
    tail = sorted(element for element in elements if element[0] >= 0xA0)
    content = b"".join(head + tail)
    encoded = base64.encodebytes(b"\x30\x82" + len(content).to_bytes(2, "big") + content)
    begin, end = (
        f"-----{word} SSL SESSION PARAMETERS-----\n".encode() for word in ("BEGIN", "END")
    )
    return begin + encoded + end


@pytest.mark.needs_tls13
def test_a_server_discards_early_data(openssl, contexts, certificates, tmp_path):
    port, thread, received = serve(contexts[1], 2)
    session = tmp_path / "session.pem"
    early = tmp_path / "early"
    early.write_bytes(b"early data\n")
    # Without EC there are only the groups of DH.
    arguments = [
        "s_client", "-connect", f"127.0.0.1:{port}", "-CAfile", certificates("ca.pem"), "-ign_eof",
    ]  # fmt: skip
    if not m2.OPENSSL_NO_EC:
        arguments += ["-groups", "P-256"]
    output, _ = openssl(*arguments, "-sess_out", str(session)).communicate(b"first, last\n", 20)
    assert b"Max Early Data: 0" in output
    session.write_bytes(with_early_data(session.read_bytes()))
    resumed = openssl(*arguments, "-sess_in", str(session), "-early_data", str(early))
    output, _ = resumed.communicate(b"second, last\n", 20)
    thread.join(20)
    assert b"Early data was rejected" in output
    assert received == [b"first, last\n", b"second, last\n"]


# ---- renegotiation -------------------------------------------------------------------------------


def test_renegotiation_cannot_be_requested(pair, shake, contexts):
    for context in contexts:
        context.set_max_proto_version(m2.TLS1_2_VERSION)
    for connection in shake(*pair(*contexts)):
        with pytest.raises(SSL.SSLError, match="no renegotiation"):
            connection.renegotiate()


def test_a_server_refuses_renegotiation(openssl, contexts, certificates):
    contexts[1].set_max_proto_version(m2.TLS1_2_VERSION)
    port, thread, received = serve(contexts[1], 1)
    client = openssl(
        "s_client", "-connect", f"127.0.0.1:{port}", "-CAfile", certificates("ca.pem"), "-tls1_2"
    )
    # R requests renegotiation (openssl-s_client(1)).
    output, _ = client.communicate(b"R\n", 20)
    thread.join(20)
    assert b"RENEGOTIATING" in output
    assert b"no renegotiation" in output
    # No application data were exchanged in a second handshake.
    assert all(isinstance(each, SSL.SSLError) for each in received)


def test_a_server_refuses_a_client_that_renegotiates(pair, shake, contexts):
    contexts[0].clear_options(m2.SSL_OP_NO_RENEGOTIATION)
    for context in contexts:
        context.set_max_proto_version(m2.TLS1_2_VERSION)
    client, server = shake(*pair(*contexts))
    client.renegotiate()
    with pytest.raises(SSL.SSLError, match="no renegotiation"):
        for _ in range(5):
            client.connect_ssl()
            assert server.read() is None
    # The server's connection continues.
    assert server.write(b"still") == 5


# ---- compression ---------------------------------------------------------------------------------

# A ClientHello and a ServerHello begin with the headers of record and message, the version and the
# random bytes (RFC 5246, section 7.4.1).
_START = 5 + 4 + 2 + 32


def client_hello(context):
    output = BIO.MemoryBuffer()
    with SSL.Connection(context) as client:
        client.set_bio(BIO.MemoryBuffer(), output)
        assert client.connect_ssl() == -1
        return bytearray(output.read_all())


def compression_methods_at(hello):
    """Return the index of the length of the compression methods."""
    at = _START + 1 + hello[_START]
    return at + 2 + int.from_bytes(hello[at : at + 2], "big")


def test_a_client_offers_no_compression(contexts):
    hello = client_hello(contexts[0])
    at = compression_methods_at(hello)
    # One method: null.
    assert hello[at : at + 2] == b"\x01\x00"


def test_a_server_selects_no_compression(contexts):
    for context in contexts:
        context.set_max_proto_version(m2.TLS1_2_VERSION)
    hello = client_hello(contexts[0])
    at = compression_methods_at(hello)
    # DEFLATE (RFC 3749), then null.
    hello[at : at + 2] = b"\x02\x01\x00"
    hello[3:5] = (len(hello) - 5).to_bytes(2, "big")
    hello[6:9] = (len(hello) - 9).to_bytes(3, "big")
    output = BIO.MemoryBuffer()
    with SSL.Connection(contexts[1]) as server:
        server.set_bio(BIO.MemoryBuffer(bytes(hello)), output)
        assert server.accept_ssl() == -1
    answer = output.read_all()
    assert answer[5] == 2, "a ServerHello"
    at = _START + 1 + answer[_START] + 2
    assert answer[at] == 0
