"""BIOs: memory and files are read, written and closed like streams."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest

from M2Crypto import BIO, m2


def test_memory_is_read_once():
    buffer = BIO.MemoryBuffer(b"some data")
    assert len(buffer) == 9
    assert buffer.read(4) == b"some"
    assert buffer.getvalue() == b" data"
    assert buffer.read() == b""
    assert len(buffer) == 0


@pytest.mark.parametrize(
    "data", [b"", b"x", bytes(range(256)) * 1000, bytearray(b"y"), memoryview(b"z")]
)
def test_memory_gives_back_what_it_got(data):
    assert BIO.MemoryBuffer(data).read() == bytes(data)


def test_memory_holds_bytes_only():
    with pytest.raises(TypeError, match="holds bytes, not str"):
        BIO.MemoryBuffer("text")


def test_writing_says_how_much_was_taken():
    buffer = BIO.MemoryBuffer()
    assert buffer.write(b"abc") == 3
    assert buffer.write("d\N{LATIN SMALL LETTER E WITH ACUTE}") == 3
    assert buffer.write(b"") == 0
    assert buffer.read() == "abcd\N{LATIN SMALL LETTER E WITH ACUTE}".encode()


def test_lines_keep_their_ends():
    buffer = BIO.MemoryBuffer(b"one\ntwo\nthree")
    assert buffer.readline() == b"one\n"
    assert buffer.readlines() == [b"two\n", b"three"]
    assert buffer.readline() == b""


def test_a_line_is_no_longer_than_asked_for():
    buffer = BIO.MemoryBuffer(b"abcdef\n")
    assert buffer.readline(4) == b"abcd"
    assert buffer.readline(4) == b"ef\n"


def test_empty_memory_asks_to_be_read_again_until_its_writing_side_is_closed():
    buffer = BIO.MemoryBuffer()
    assert buffer.read(1) == b""
    assert buffer.should_retry() == 1
    assert buffer.should_read() == 1
    assert buffer.should_write() == 0
    buffer.write_close()
    assert not buffer.writeable()
    assert buffer.readable()
    assert buffer.read(1) == b""
    assert buffer.should_retry() == 0
    with pytest.raises(OSError, match="cannot write"):
        buffer.write(b"late")


def test_reset_empties_memory():
    buffer = BIO.MemoryBuffer(b"data")
    assert buffer.reset() == 1
    assert buffer.read() == b""


def test_a_negative_size_is_refused():
    with pytest.raises(BIO.BIOError, match="negative"):
        BIO.MemoryBuffer(b"data").read(-1)


def test_a_bio_without_a_handle_says_so():
    with pytest.raises(BIO.BIOError, match="closed or was never opened"):
        BIO.BIO().read(1)


def test_closing_calls_the_callback_once():
    calls = []
    with BIO.BIO(m2.bio_new_mem(), _close_cb=lambda: calls.append("closed")) as bio:
        assert bio.readable()
    bio.close()
    assert calls == ["closed"]
    assert not bio.readable()
    with pytest.raises(OSError, match="cannot read"):
        bio.read()


def test_a_bio_that_cannot_be_read_raises():
    reading, writing = os.pipe()
    try:
        bio = BIO.BIO(m2.bio_new_fd(writing, m2.bio_noclose))
        with pytest.raises(BIO.BIOError):
            bio.read(1)
    finally:
        os.close(reading)
        os.close(writing)


def test_a_file_is_written_and_read(tmp_path):
    path = tmp_path / "file"
    with BIO.openfile(str(path), "wb") as file:
        assert file.write(b"hello, ") == 7
        assert file.write(b"world") == 5
        file.flush()
    assert file.pyfile.closed
    with BIO.openfile(bytes(path)) as file:
        assert file.fileno() == file.pyfile.fileno()
        assert file.read(5) == b"hello"
        assert file.tell() == 5
        assert file.seek(7) == 7
        assert file.read() == b"world"
        file.reset()
        assert file.readlines() == [b"hello, world"]


def test_a_file_goes_on_where_python_is(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"first\nsecond\n")
    with path.open("rb") as pyfile:
        assert pyfile.readline() == b"first\n"
        assert BIO.File(pyfile, close_pyfile=0).read() == b"second\n"


def test_what_python_has_buffered_comes_first(tmp_path):
    path = tmp_path / "file"
    with path.open("wb") as pyfile:
        pyfile.write(b"first ")
        BIO.File(pyfile, close_pyfile=0).write(b"second")
    assert path.read_bytes() == b"first second"


def test_close_leaves_the_python_file_open_when_asked(tmp_path):
    with (tmp_path / "file").open("wb") as pyfile:
        file = BIO.File(pyfile, close_pyfile=0)
        file.close()
        file.close()
        assert not pyfile.closed
        with pytest.raises(OSError, match="cannot write"):
            file.write(b"late")


def test_a_missing_file_is_a_bio_error_and_an_os_error(tmp_path):
    with pytest.raises(BIO.BIOError) as caught:
        BIO.openfile(str(tmp_path / "missing"))
    assert isinstance(caught.value, OSError)
    assert caught.value.filename is None or "missing" in caught.value.filename


def test_an_object_without_a_descriptor_is_refused():
    with pytest.raises(TypeError, match="has no descriptor"):
        BIO.File([])


def test_a_descriptor_that_is_not_ready_asks_to_be_read_again():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        bio = BIO.BIO(m2.bio_new_fd(ours.fileno(), m2.bio_noclose))
        assert bio.read(1) == b""
        assert bio.should_retry()
        theirs.sendall(b"x")
        assert bio.read(1) == b"x"


# ---- paths ---------------------------------------------------------------------------------------

NAMES = ["plain", b"bytes", Path("pathlib"), "caf\N{LATIN SMALL LETTER E WITH ACUTE}"]
if sys.platform == "linux":
    # Latin-1, which is not UTF-8.
    NAMES += [b"caf\xe9", os.fsdecode(b"\xff\xfe"), Path(os.fsdecode(b"\xe9"))]


@pytest.mark.parametrize("name", NAMES, ids=repr)
def test_every_kind_of_path_is_opened(name, tmp_path):
    path = os.path.join(os.fsencode(tmp_path), os.fsencode(name))  # noqa: PTH118
    path = type(name)(os.fsdecode(path)) if not isinstance(name, bytes) else path
    with BIO.openfile(path, "wb") as file:
        file.write(b"content")
    with BIO.File(path) as file:
        assert file.read() == b"content"


def test_a_path_with_a_nul_is_refused():
    with pytest.raises(ValueError, match="null byte"):
        BIO.openfile("file\0.pem")
