"""Files are written to connections as to sockets (socket.socket.sendfile)."""

from __future__ import annotations

import io
import threading

import pytest

from M2Crypto import BIO, SSL


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
