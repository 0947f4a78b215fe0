"""Files are written to connections as to sockets (socket.socket.sendfile)."""

from __future__ import annotations

import io
import os
import socket
import threading

import pytest

from M2Crypto import BIO, SSL, _m2crypto, m2


@pytest.mark.parametrize(
    ("offset", "count", "expected"),
    [(0, None, slice(0, None)), (70000, None, slice(70000, None)), (5, 65537, slice(5, 65542))],
)
def test_a_file_is_written(connected, tmp_path, offset, count, expected):
    client, server = connected
    data = bytes(range(256)) * 600
    path = tmp_path / "file"
    path.write_bytes(data)
    received = bytearray()

    def receive():
        while part := server.read(1 << 16):
            received.extend(part)
        server.close()

    thread = threading.Thread(target=receive)
    thread.start()
    with path.open("rb") as file:
        assert client.sendfile(file, offset, count) == len(data[expected])
        assert file.tell() == offset + len(data[expected])
    client.close()
    thread.join(20)
    assert received == data[expected]


def test_an_object_like_a_file_is_written(connected):
    client, server = connected
    assert client.sendfile(io.BytesIO(b"a file"), 2) == 4
    assert server.read() == b"file"
    assert client.sendfile(io.BytesIO()) == 0


def test_what_sockets_refuse_is_refused(connected, pair, contexts, tmp_path):
    client, _ = connected
    path = tmp_path / "file"
    path.write_text("text")
    with path.open() as file, pytest.raises(ValueError, match="binary mode"):
        client.sendfile(file)
    for count in (0, -1):
        with pytest.raises(ValueError, match="not positive"):
            client.sendfile(io.BytesIO(b"x"), 0, count)
    waiting, _ = pair(*contexts)
    with pytest.raises(ValueError, match="non-blocking"):
        waiting.sendfile(io.BytesIO(b"x"))
    with SSL.Connection(contexts[0]) as over_bios:
        over_bios.set_bio(BIO.MemoryBuffer(), BIO.MemoryBuffer())
        with pytest.raises(ValueError, match="non-blocking"):
            over_bios.sendfile(io.BytesIO(b"x"))
    client.close()
    with pytest.raises(SSL.SSLError, match="closed"):
        client.sendfile(io.BytesIO(b"x"))


def test_the_kernel_encrypts_and_sends_a_file(contexts, shake, tmp_path):
    if m2.OPENSSL_VERSION_NUMBER < 0x30000000:
        pytest.skip("needs OpenSSL >= 3.0")
    path = tmp_path / "file"
    data = bytes(range(256)) * 80
    path.write_bytes(data)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ends = (socket.create_connection(listener.getsockname()), listener.accept()[0])
    for context in contexts:
        context.set_options(m2.SSL_OP_ENABLE_KTLS)
    with (
        SSL.Connection(contexts[0], ends[0]) as client,
        SSL.Connection(contexts[1], ends[1]) as server,
        path.open("rb") as file,
    ):
        for connection in (client, server):
            connection.setblocking(False)
            connection.set_post_connection_check_callback(None)
        shake(client, server)
        if not m2.ssl_uses_ktls(client.ssl):
            pytest.skip("this system has no kTLS")
        client.setblocking(True)
        assert client.sendfile(file, 5, 100) == 100
        assert file.tell() == 105
        assert client.sendfile(file) == len(data) - 105
        assert client.sendfile(file) == 0
        server.settimeout(20)
        received = bytearray()
        while len(received) < len(data) - 5:
            received += server.read(1 << 16)
    assert received == data[5:]


def test_a_kernel_that_does_not_encrypt_sends_no_file(connected, tmp_path):
    client, _ = connected
    assert not m2.ssl_uses_ktls(client.ssl)
    with (tmp_path / "file").open("w+b") as file:
        with pytest.raises(SSL.SSLError, match="the kernel does not encrypt"):
            m2.ssl_io_sendfile(client.ssl, file.fileno(), 0, 1, 1.0)
        for offset, size in ((-1, 1), (0, -1)):
            with pytest.raises(ValueError, match="negative"):
                m2.ssl_io_sendfile(client.ssl, file.fileno(), offset, size, 1.0)


@pytest.mark.skipif(not hasattr(os, "pread"), reason="this system has no pread")
def test_the_parts_that_the_kernel_sends_follow_each_other(connected, tmp_path, monkeypatch):
    """The kernel is this test: it sends at most 1000 bytes at once."""
    client, server = connected

    def send(ssl, fd, offset, size, seconds):
        return m2.ssl_io_write(ssl, os.pread(fd, min(size, 1000), offset), seconds)

    # The functions are those that `Connection` looks up.
    monkeypatch.setattr(_m2crypto, "ssl_uses_ktls", lambda ssl: True)
    monkeypatch.setattr(_m2crypto, "ssl_io_sendfile", send)
    data = bytes(range(256)) * 20
    path = tmp_path / "file"
    path.write_bytes(data)
    with path.open("rb") as file:
        assert client.sendfile(file, 5, 2500) == 2500
        assert file.tell() == 2505
        assert client.sendfile(file) == len(data) - 2505
        assert file.tell() == len(data)
        assert client.sendfile(file) == 0
    assert client.sendfile(io.BytesIO(b"no descriptor")) == 13
    received = bytearray()
    while len(received) < len(data) + 8:
        received += server.read(1 << 16)
    assert received == data[5:] + b"no descriptor"
