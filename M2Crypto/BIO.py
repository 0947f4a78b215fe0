"""BIOs: OpenSSL's streams in memory, over an open file or a TLS connection (bio(7)).

`BIO` is the base class, `MemoryBuffer` a memory BIO, `File` a BIO on the descriptor of a Python
file, and `SSLBio` a BIO on a TLS connection. `IOBuffer` and `CipherStream` are filters over another
BIO, which they keep.
"""

from __future__ import annotations

import os
import sys

from M2Crypto import m2
from M2Crypto._arguments import handle_of
from M2Crypto._copies import Unique
from M2Crypto._errors import BIOError
from M2Crypto._typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import IO, Any, Callable, TypeAlias

    from M2Crypto import SSL, _m2crypto
    from M2Crypto._m2crypto import Buffer

__all__ = [
    "BIO",
    "BIOError",
    "BIOFileError",
    "CipherStream",
    "File",
    "FilePath",
    "IOBuffer",
    "MemoryBuffer",
    "SSLBio",
    "openfile",
]

FilePath: TypeAlias = "str | bytes | os.PathLike[str] | os.PathLike[bytes]"

_CHUNK = 65536
# OpenSSL's lengths are C ints.
_INT_MAX = 2**31 - 1


def _length(size: int) -> int:
    if size < 0:
        raise BIOError("the number of bytes to read is negative")
    return min(size, _INT_MAX)


class BIOFileError(BIOError, OSError):
    """A file could not be opened. `errno` and `filename` are OSError's."""

    # ValueError's shows the tuple of arguments.
    __str__ = OSError.__str__


class BIO(Unique):
    """A stream on a BIO handle. `_pyfree` is ignored."""

    def __init__(
        self,
        bio: _m2crypto.BIO | None = None,
        _pyfree: int = 0,
        _close_cb: Callable[[], object] | None = None,
    ) -> None:
        self.bio = bio
        self.closed = False
        self.write_closed = False
        self._close_cb = _close_cb

    def _ptr(self) -> _m2crypto.BIO:
        if self.bio is None:
            raise BIOError("the BIO is closed or was never opened")
        return self.bio

    bio_ptr = _ptr

    def __repr__(self) -> str:
        return f"<{type(self).__name__}{', closed' * self.closed}>"

    def fileno(self) -> int:
        """Return the BIO's file descriptor (BIO_get_fd(3))."""
        return m2.bio_get_fd(self._ptr())

    def readable(self) -> bool:
        """Return whether the stream is open."""
        return not self.closed

    def read(self, size: int | None = None) -> bytes:
        """Read up to `size` bytes; None reads to the end of the stream, or until it would block.

        Returns:
            The bytes. They are empty at the end, and if `should_retry` returns true.

        Raises:
            OSError: the BIO is closed.
            BIOError: `size` is negative, or reading failed.
        """
        self._check_readable()
        if size is not None:
            return m2.bio_read(self._ptr(), _length(size))
        chunks = []
        while chunk := m2.bio_read(self._ptr(), _CHUNK):
            chunks.append(chunk)
        return b"".join(chunks)

    def readline(self, size: int = 4096) -> bytes:
        """Read one line of at most `size` bytes with its newline. A NUL does not end it.

        Returns:
            The line, empty at the end of the stream.

        Raises:
            OSError: the BIO is closed.
            BIOError: `size` is negative, or reading failed.
        """
        self._check_readable()
        return self._read_line(_length(size))

    def readlines(self, sizehint: int | str = "ignored") -> list[bytes]:
        """Read the remaining lines with their newlines. `sizehint` is ignored."""
        self._check_readable()
        lines = []
        while line := self._read_line(sys.maxsize):
            lines.append(line)
        return lines

    def _read_line(self, limit: int) -> bytes:
        pieces = []
        while limit > 0:
            wanted = min(limit, _CHUNK)
            piece = m2.bio_gets(self._ptr(), wanted)
            pieces.append(piece)
            limit -= len(piece)
            # A short piece is the last one, or the stream would block.
            if len(piece) < wanted or piece.endswith(b"\n"):
                break
        return b"".join(pieces)

    def _check_readable(self) -> None:
        if not self.readable():
            raise OSError("cannot read: the BIO is closed")

    def writeable(self) -> bool:
        """Return whether the stream, and its write side, is open."""
        return not self.closed and not self.write_closed

    def write(self, data: Buffer | str) -> int:
        """Write bytes, or text as UTF-8 (BIO_write(3)).

        Returns:
            The number of bytes written.

        Raises:
            OSError: the BIO is closed for writing.
            BIOError: writing failed.
        """
        if not self.writeable():
            raise OSError("cannot write: the BIO is closed")
        return m2.bio_write(self._ptr(), data.encode() if isinstance(data, str) else data)

    def write_close(self) -> None:
        """Close the write side."""
        self.write_closed = True

    def flush(self) -> None:
        """Write buffered data to the file or the next BIO (BIO_flush(3))."""
        m2.bio_flush(self._ptr())

    def reset(self) -> int:
        """Reset the BIO to its initial state (BIO_reset(3)).

        Returns:
            1.
        """
        return m2.bio_reset(self._ptr())

    def close(self) -> None:
        """Close the stream. Closing it again does nothing."""
        if self.closed:
            return
        self.closed = True
        if self._close_cb is not None:
            self._close_cb()

    def should_retry(self) -> int:
        """Return whether the last operation should be retried (BIO_should_retry(3))."""
        return m2.bio_should_retry(self._ptr())

    def should_read(self) -> int:
        """Return whether to retry when the BIO is readable (BIO_should_read(3))."""
        return m2.bio_should_read(self._ptr())

    def should_write(self) -> int:
        """Return whether to retry when the BIO is writable (BIO_should_write(3))."""
        return m2.bio_should_write(self._ptr())

    def tell(self) -> int:
        """Return the position in the file (BIO_tell(3))."""
        return m2.bio_tell(self._ptr())

    def seek(self, off: int) -> int:
        """Set the position in the file (BIO_seek(3))."""
        return m2.bio_seek(self._ptr(), off)

    def __enter__(self) -> BIO:
        return self

    def __exit__(self, *args: object) -> None:
        self.close()


class MemoryBuffer(BIO):
    """A memory BIO: bytes that are written can be read once (BIO_s_mem(3))."""

    def __init__(self, data: Buffer | None = None) -> None:
        if data is not None and not isinstance(data, (bytes, bytearray, memoryview)):
            raise TypeError(f"a MemoryBuffer accepts bytes, not {type(data).__name__}")
        super().__init__(m2.bio_new_mem(), 1)
        if data:
            self.write(data)

    def __len__(self) -> int:
        return m2.bio_ctrl_pending(self._ptr())

    def __repr__(self) -> str:
        return f"<MemoryBuffer of {len(self)} bytes>"

    def read(self, size: int | None = None) -> bytes | Any:
        """Read up to `size` bytes; None or 0 reads all.

        Returns:
            The bytes; None if the buffer is empty.

        Raises:
            BIOError: `size` is negative.
        """
        self._check_readable()
        length = _length(size or 0) or len(self)
        # Reading an empty buffer sets the flags that `should_retry` returns.
        return m2.bio_read(self._ptr(), min(length, len(self)) or 1) or None

    getvalue = read
    read_all = read

    def write_close(self) -> None:
        """Close the write side. The remaining bytes can be read; then the stream is at its end."""
        self.write_closed = True
        m2.bio_set_mem_eof_return(self._ptr(), 0)

    close = write_close


class File(BIO):
    """A BIO on the descriptor of an open Python file (BIO_s_fd(3)).

    It starts at the file's position: the file's write buffer is flushed, and the descriptor is set
    to the position up to which Python has read.
    """

    def __init__(
        self,
        pyfile_arg: IO[bytes] | IO[str] | FilePath,
        close_pyfile: int = 1,
        mode: str = "rb",
    ) -> None:
        """Create the BIO.

        Args:
            pyfile_arg: an open file, or the path of a file to open.
            close_pyfile: whether `close` closes the Python file.
            mode: the mode in which a path is opened.
        """
        is_path = isinstance(pyfile_arg, (str, bytes, os.PathLike))
        pyfile: Any = _open(pyfile_arg, mode) if is_path else pyfile_arg  # type: ignore[arg-type]
        if not hasattr(pyfile, "fileno"):
            raise TypeError(
                f"{type(pyfile).__name__} has no descriptor; read it into a MemoryBuffer"
            )
        if pyfile.writable():
            pyfile.flush()
        elif pyfile.seekable():
            os.lseek(pyfile.fileno(), pyfile.tell(), os.SEEK_SET)
        super().__init__(m2.bio_new_fd(pyfile.fileno(), m2.bio_noclose), 1)
        self.pyfile = pyfile
        self.close_pyfile = close_pyfile

    def flush(self) -> None:
        """Flush the BIO and the Python file."""
        super().flush()
        self.pyfile.flush()

    def close(self) -> None:
        """Close the BIO, and the Python file unless `close_pyfile` is 0."""
        if self.closed:
            return
        super().close()
        # No later call may use the descriptor's number, which another file can get.
        self.bio = None
        if self.close_pyfile:
            self.pyfile.close()

    def reset(self) -> int:
        """Set the position to the start of the file."""
        self.pyfile.seek(0)
        return super().reset()


def openfile(filename: FilePath, mode: str = "rb") -> File:
    """Open a file as a BIO.

    Raises:
        BIOFileError: it cannot be opened.
    """
    return File(_open(filename, mode))


class IOBuffer(BIO):
    """A buffer over another BIO (BIO_f_buffer(3)).

    Written data reach the other BIO when the buffer is full, or by `flush` or `close`.
    """

    def __init__(self, under_bio: BIO, mode: str = "rwb", _pyfree: int = 1) -> None:
        """Create the buffer.

        Args:
            under_bio: the BIO that it reads and writes.
            mode: "r" to read, "w" to write, or both.
            _pyfree: ignored.
        """
        super().__init__(m2.bio_new(m2.bio_f_buffer()), _pyfree)
        m2.bio_push(self._ptr(), handle_of(under_bio))
        # The other BIO may own what it uses, such as a Python file.
        self._under_bio = under_bio
        self._reads = "r" in mode
        self.write_closed = "w" not in mode

    def readable(self) -> bool:
        """Return whether the stream is open for reading."""
        return self._reads and not self.closed

    def close(self) -> None:
        """Flush the buffer and close it. The other BIO stays open."""
        if self.closed:
            return
        if self.writeable():
            self.flush()
        super().close()
        self.bio = None


class CipherStream(BIO):
    """A filter that encrypts or decrypts what passes to or from another BIO (BIO_f_cipher(3)).

    The stream is the bare ciphertext. A file of openssl-enc(1) with a salt begins with `Salted__`
    and `SALT_LEN` bytes of salt, which the program reads or writes itself, and with which
    `EVP.Cipher` derives a key from a passphrase.
    """

    SALT_LEN = m2.PKCS5_SALT_LEN

    def __init__(self, obio: BIO) -> None:
        """Create the filter over `obio`. Call `set_cipher` before reading or writing."""
        super().__init__(m2.bio_new(m2.bio_f_cipher()), 1)
        m2.bio_push(self._ptr(), handle_of(obio))
        self.obio = obio
        self._wrote = False

    def set_cipher(self, algo: str, key: Buffer, iv: Buffer, op: int) -> None:
        """Set the cipher, once.

        Args:
            algo: the name of a cipher, such as "aes_256_cbc". Modes that need a whole message, such
                as AEAD, XTS and key wrap, are refused.
            key: the key. Its first bytes are used if it is too long.
            iv: the initialization vector, likewise.
            op: 1 to encrypt (`M2Crypto.encrypt`), 0 to decrypt.

        Raises:
            BIOError: the cipher is unknown or refused, or the key or IV is too short.
        """
        from M2Crypto import _algorithms

        m2.bio_set_cipher(self._ptr(), _algorithms.cipher(algo, BIOError), key, iv, op)

    def flush(self) -> None:
        """Write the last block; then the stream is complete.

        Raises:
            BIOError: the last block cannot be decrypted.
        """
        super().flush()

    def write_close(self) -> None:
        """Write the last block and close the write side."""
        if self.writeable():
            self.flush()
        super().write_close()

    def close(self) -> None:
        """Close the stream. The last block is written if anything was."""
        if self.closed:
            return
        if self._wrote:
            self.write_close()
        super().close()
        self.bio = None

    def write(self, data: Buffer | str) -> int:
        """Write bytes, or text as UTF-8, through the cipher."""
        self._wrote = True
        return super().write(data)


class SSLBio(BIO):
    """A BIO that reads and writes the data of a TLS connection.

    Reading returns no data, and `should_retry` true, where the connection would block.
    """

    def __init__(self, _pyfree: int = 1) -> None:
        super().__init__(m2.bio_new(m2.bio_f_ssl()), _pyfree)
        self._connection: SSL.Connection | None = None

    def set_ssl(self, conn: SSL.Connection, close_flag: int = m2.bio_noclose) -> None:
        """Set the connection, once. The BIO keeps it; closing the BIO does not shut it down.

        Args:
            conn: the connection.
            close_flag: ignored, because the BIO has a reference of its own.

        Raises:
            BIOError: there is a connection already, or its BIOs lead to this one.
        """
        # The extension refuses what is no connection.
        ssl: Any = getattr(conn, "ssl", conn)
        m2.bio_set_ssl(self._ptr(), ssl, close_flag)
        self._connection = conn

    def do_handshake(self) -> int:
        """Perform the TLS handshake (SSL_do_handshake(3)).

        Returns:
            1; 0 if it should be retried, see `should_read` and `should_write`.

        Raises:
            BIOError: the handshake failed.
        """
        return m2.bio_do_handshake(self._ptr())


def _open(filename: FilePath, mode: str) -> IO[bytes]:
    try:
        file: IO[bytes] = open(filename, mode)  # noqa: PTH123, SIM115  (the File closes it)
    except OSError as error:
        raise BIOFileError(error.errno, error.strerror, error.filename) from None
    return file
