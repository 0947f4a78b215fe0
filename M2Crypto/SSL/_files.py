"""The files of `Connection.makefile` and `Connection.sendfile`."""

from __future__ import annotations

import io
import os
import stat

from M2Crypto._typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import IO, Any

    from M2Crypto.SSL.Connection import Connection


def regular_descriptor(file: IO[bytes]) -> int | None:
    """Return the descriptor of a regular file, or None for another object."""
    try:
        descriptor = file.fileno()
    except (AttributeError, io.UnsupportedOperation):
        return None
    return descriptor if stat.S_ISREG(os.fstat(descriptor).st_mode) else None


class ConnectionFile(io.RawIOBase):
    """The raw file of `makefile`, which holds the connection until it is closed."""

    def __init__(self, connection: Connection, reading: bool, writing: bool) -> None:
        self._connection = connection
        self._reading = reading
        self._writes = writing
        connection._open_file()

    def readable(self) -> bool:
        return self._reading

    def writable(self) -> bool:
        return self._writes

    def fileno(self) -> int:
        return self._connection.fileno()

    def readinto(self, b: Any) -> int | None:
        self._check_open()
        return self._connection._read_into(b)

    def write(self, b: Any) -> int | None:
        self._check_open()
        sent = self._connection._write(b)
        return None if sent < 0 else sent

    def close(self) -> None:
        if not self.closed:
            self._connection._close_file()
            super().close()

    def _check_open(self) -> None:
        if self.closed:
            raise ValueError("the file is closed")
