"""BIOs, OpenSSL's streams: over memory, or over an open file (bio(7)).

`BIO` is the base: reading, writing and the questions of non-blocking streams. `MemoryBuffer` holds
bytes in memory; `File` is on the descriptor of a Python file.
"""

from __future__ import annotations

import os
import sys
from typing import IO, TYPE_CHECKING, Any, Callable, Union

from M2Crypto import m2
from M2Crypto._errors import BIOError

if TYPE_CHECKING:
    from M2Crypto import _m2crypto
    from M2Crypto._m2crypto import Buffer

__all__ = ["BIO", "BIOError", "BIOFileError", "File", "FilePath", "MemoryBuffer", "openfile"]

FilePath = Union[str, bytes, "os.PathLike[str]", "os.PathLike[bytes]"]

_CHUNK = 65536
# OpenSSL's lengths are C ints.
_INT_MAX = 2**31 - 1


def _length(size: int) -> int:
    if size < 0:
        raise BIOError("the number of bytes to read is negative")
    return min(size, _INT_MAX)


class BIOFileError(BIOError, OSError):
    """A file could not be opened: the BIOError that programs expect, with OSError's attributes."""

    # ValueError's would show the arguments.
    __str__ = OSError.__str__


class BIO:
    """A stream on a BIO handle. `_pyfree` is for compatibility: the handle frees itself."""

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

    def fileno(self) -> int:
        """The descriptor under the BIO (BIO_get_fd)."""
        return m2.bio_get_fd(self._ptr())

    def readable(self) -> bool:
        """Can it be read? Not once it is closed."""
        return not self.closed

    def read(self, size: int | None = None) -> bytes:
        """Up to `size` bytes; None reads to the end, or to where it would block.

        Returns:
            The bytes; none at the end, and none when `should_retry` says to ask again.

        Raises:
            OSError: the BIO is closed.
            BIOError: `size` is negative, or the BIO cannot be read.
        """
        self._check_readable()
        if size is not None:
            return m2.bio_read(self._ptr(), _length(size))
        chunks = []
        while chunk := m2.bio_read(self._ptr(), _CHUNK):
            chunks.append(chunk)
        return b"".join(chunks)

    def readline(self, size: int = 4096) -> bytes:
        """Read one line with its end, of at most `size` bytes; a NUL does not end it.

        Returns:
            The line; b"" at the end of the stream.

        Raises:
            OSError: the BIO is closed.
            BIOError: `size` is negative, or the BIO cannot be read.
        """
        self._check_readable()
        return self._read_line(_length(size))

    def readlines(self, sizehint: int | str = "ignored") -> list[bytes]:
        """Read all lines that are left, with their ends, however long they are."""
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
            # A short piece is followed by the end, or by a wait.
            if len(piece) < wanted or piece.endswith(b"\n"):
                break
        return b"".join(pieces)

    def _check_readable(self) -> None:
        if not self.readable():
            raise OSError("cannot read: the BIO is closed")

    def writeable(self) -> bool:
        """Can it be written? Not once it, or its writing side, is closed."""
        return not self.closed and not self.write_closed

    def write(self, data: Buffer | str) -> int:
        """Write bytes (text as UTF-8) and say how many were taken (BIO_write).

        Raises:
            OSError: the BIO is closed for writing.
            BIOError: the BIO cannot be written.
        """
        if not self.writeable():
            raise OSError("cannot write: the BIO is closed")
        return m2.bio_write(self._ptr(), data.encode() if isinstance(data, str) else data)

    def write_close(self) -> None:
        """Close the writing side."""
        self.write_closed = True

    def flush(self) -> None:
        """Pass on what was written (BIO_flush)."""
        m2.bio_flush(self._ptr())

    def reset(self) -> int:
        """Go back to the first state (BIO_reset): 1."""
        return m2.bio_reset(self._ptr())

    def close(self) -> None:
        """Close it; a second time does nothing."""
        if self.closed:
            return
        self.closed = True
        if self._close_cb is not None:
            self._close_cb()

    def should_retry(self) -> int:
        """Did the last read or write only fail to go on at once? (BIO_should_retry)."""
        return m2.bio_should_retry(self._ptr())

    def should_read(self) -> int:
        """Is it to be read again when it is readable? (BIO_should_read)."""
        return m2.bio_should_read(self._ptr())

    def should_write(self) -> int:
        """Is it to be written again when it is writable? (BIO_should_write)."""
        return m2.bio_should_write(self._ptr())

    def tell(self) -> int:
        """The position in the file (BIO_tell)."""
        return m2.bio_tell(self._ptr())

    def seek(self, off: int) -> int:
        """Go to a position in the file (BIO_seek)."""
        return m2.bio_seek(self._ptr(), off)

    def __enter__(self) -> BIO:
        return self

    def __exit__(self, *args: object) -> None:
        self.close()


class MemoryBuffer(BIO):
    """Bytes in memory: what is written can be read once (BIO_s_mem)."""

    def __init__(self, data: Buffer | None = None) -> None:
        if data is not None and not isinstance(data, (bytes, bytearray, memoryview)):
            raise TypeError(f"a MemoryBuffer holds bytes, not {type(data).__name__}")
        super().__init__(m2.bio_new_mem(), 1)
        if data:
            self.write(data)

    def __len__(self) -> int:
        return m2.bio_ctrl_pending(self._ptr())

    def read(self, size: int | None = None) -> bytes | Any:
        """Read up to `size` bytes; None or 0 reads all that is there.

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
        """Close the writing side: what is there can still be read, then it is at its end."""
        self.write_closed = True
        m2.bio_set_mem_eof_return(self._ptr(), 0)

    close = write_close


class File(BIO):
    """A stream on the descriptor of an open Python file (BIO_s_fd).

    It goes on where the file is: what Python has buffered is written out first, and the
    descriptor is set to the place that Python has read up to.
    """

    def __init__(
        self,
        pyfile_arg: IO[bytes] | IO[str] | FilePath,
        close_pyfile: int = 1,
        mode: str = "rb",
    ) -> None:
        """Open it.

        Args:
            pyfile_arg: an open file, or the path of one to open.
            close_pyfile: does `close` close the Python file?
            mode: how to open the file if `pyfile_arg` is a path.
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
        """Pass on what was written."""
        super().flush()
        self.pyfile.flush()

    def close(self) -> None:
        """Close it, and the Python file with it unless `close_pyfile` was 0."""
        if self.closed:
            return
        super().close()
        # Without the handle no later call can reach a descriptor that is somebody else's by then.
        self.bio = None
        if self.close_pyfile:
            self.pyfile.close()

    def reset(self) -> int:
        """Go back to the beginning of the file."""
        self.pyfile.seek(0)
        return super().reset()


def openfile(filename: FilePath, mode: str = "rb") -> File:
    """Open a file as a BIO.

    Raises:
        BIOFileError: it cannot be opened; it is a BIOError and an OSError.
    """
    return File(_open(filename, mode))


def _open(filename: FilePath, mode: str) -> IO[bytes]:
    try:
        file: IO[bytes] = open(filename, mode)  # noqa: PTH123, SIM115  (the File closes it)
    except OSError as error:
        raise BIOFileError(error.errno, error.strerror, error.filename) from None
    return file
