"""Timeouts for reading or writing, for `Connection.set_socket_read_timeout` and the like."""

from __future__ import annotations

import struct
import sys

__all__ = ["DEFAULT_TIMEOUT", "struct_size", "struct_to_timeout", "timeout"]

DEFAULT_TIMEOUT = 600

# Windows uses milliseconds in a DWORD.
_FORMAT = "@L" if sys.platform == "win32" else "@ll"
# The longest timeout of a socket object: CPython stores nanoseconds in 64 bits.
_LONGEST = 2**63 // 10**9


def checked_seconds(seconds: float | None) -> float | None:
    """Return a timeout in seconds as a float; None is no limit.

    Raises:
        ValueError: it is negative or not a number.
        OverflowError: it is larger than a timeout of `socket` can be.
    """
    if seconds is None:
        return None
    # Comparisons with NaN are false.
    if not seconds >= 0:
        raise ValueError(f"a timeout is 0 or more seconds, not {seconds}")
    if seconds > _LONGEST:
        raise OverflowError(f"a timeout is at most {_LONGEST} seconds")
    return float(seconds)


class timeout:
    """A timeout; 0 seconds and 0 microseconds are no limit."""

    def __init__(self, sec: int = DEFAULT_TIMEOUT, microsec: int = 0) -> None:
        self.sec = sec
        self.microsec = microsec

    def seconds(self) -> float:
        """Return the timeout in seconds as a float.

        Raises:
            ValueError, OverflowError: it is negative, not a number or too large.
        """
        checked_seconds(self.sec)
        checked_seconds(self.microsec / 1e6)
        return checked_seconds(self.sec + self.microsec / 1e6) or 0.0

    def pack(self) -> bytes:
        """Return the C structure for setsockopt and SO_RCVTIMEO."""
        if sys.platform == "win32":
            return struct.pack(_FORMAT, self.sec * 1000 + self.microsec // 1000)
        return struct.pack(_FORMAT, self.sec, self.microsec)

    def __repr__(self) -> str:
        return f"timeout(sec={self.sec}, microsec={self.microsec})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, timeout):
            return NotImplemented
        return (self.sec, self.microsec) == (other.sec, other.microsec)

    def __hash__(self) -> int:
        return hash((self.sec, self.microsec))


def struct_to_timeout(binstr: bytes) -> timeout:
    """Return the timeout that `timeout.pack` encoded.

    Raises:
        ValueError: the length is not `struct_size()`.
    """
    if len(binstr) != struct_size():
        raise ValueError(f"a packed timeout has {struct_size()} bytes, not {len(binstr)}")
    numbers = struct.unpack(_FORMAT, binstr)
    if sys.platform == "win32":
        return timeout(numbers[0] // 1000, numbers[0] % 1000 * 1000)
    return timeout(*numbers)


def struct_size() -> int:
    """Return the number of bytes that `timeout.pack` returns."""
    return struct.calcsize(_FORMAT)
