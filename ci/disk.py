"""Errors of the file system: a full disk, a limit on file sizes, missing permissions."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ci.errors import UserError
from ci.process import CommandError

# EFBIG is the error of a limit on file sizes (ulimit -f).
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# A program that meets a full disk fails with an exit code of its own; only its output names it.
# The others are a shell's and GCC's name for SIGXFSZ, SQLite's message, and Windows'.
FULL_MESSAGES = (
    # Windows has no text for EDQUOT.
    *(text for text in map(os.strerror, FULL) if text != "Unknown error"),
    "File size limit exceeded",
    "database or disk is full",
    "There is not enough space on the disk",
)
# The last one is that of a directory that another user's files keep from being removed.
REFUSED = (
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST),
    errno.ENOTEMPTY,
)
# No file of ours fits on a disk with fewer free bytes.
NO_ROOM = 64 * 1024
# Bytes at the end of a log that are searched for FULL_MESSAGES.
LOG_END = 16384

CACHE_WAY_OUT = "set M2CRYPTO_CACHE to another directory"


@contextmanager
def reported(
    directory: Path, what: str = "the cache", way_out: str = CACHE_WAY_OUT
) -> Iterator[None]:
    """Raise UserError for an error of the file system under `directory`.

    Args:
        directory: the directory that the block writes.
        what: its name in the message.
        way_out: what the user can do besides freeing room or changing permissions.
    """
    try:
        yield
    except CommandError as error:
        if is_full(error, directory):
            raise _full(directory, way_out) from error
        raise
    except sqlite3.Error as error:
        if any(each in str(error) for each in FULL_MESSAGES) or free(directory) < NO_ROOM:
            raise _full(directory, way_out) from error
        raise
    except OSError as error:
        if error.errno in FULL:
            raise _full(Path(error.filename2 or error.filename or directory), way_out) from error
        if error.errno in REFUSED:
            raise unusable(error, directory, what, way_out) from error
        raise


def is_full(error: CommandError, directory: Path) -> bool:
    """Return whether a program failed because of a full disk or a limit on file sizes."""
    output = error.tail
    if error.log:
        # A traceback may be printed after the message.
        with error.log.open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - LOG_END))
            output = log.read().decode(errors="replace")
    return (
        any(each in output for each in FULL_MESSAGES)
        or error.status == -getattr(signal, "SIGXFSZ", 0)
        or free(directory) < NO_ROOM
    )


def require_room(directory: Path) -> None:
    """Check that files in `directory` were not cut.

    A program whose output is cut, too, fails without a message.

    Raises:
        OSError: the disk is full, or a file in `directory` has reached the limit on file sizes.
    """
    if free(directory) < NO_ROOM:
        raise full(directory)
    limit = file_size_limit()
    if limit is None:
        return
    for path in directory.rglob("*"):
        if path.is_file() and path.stat().st_size >= limit:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))


def full(path: Path) -> OSError:
    """Return the error of a disk that has no room for a path."""
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


def file_size_limit() -> int | None:
    """Return the limit on file sizes in bytes (RLIMIT_FSIZE), or None if there is none."""
    try:
        import resource
    except ImportError:
        return None
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    return None if limit == resource.RLIM_INFINITY else limit


def free(directory: Path) -> int:
    """Return the free bytes of the disk that holds `directory`, which need not exist."""
    existing = next(path for path in (directory, *directory.parents) if path.exists())
    return shutil.disk_usage(existing).free


def unusable(
    error: OSError, directory: Path, what: str = "the cache", way_out: str = CACHE_WAY_OUT
) -> UserError:
    """Return the UserError for a path that may not be read or written."""
    return UserError(
        f"{what} cannot be used: {error.strerror}: {error.filename or directory}; "
        f"make it yours to read and write, or {way_out}"
    )


def _full(directory: Path, way_out: str) -> UserError:
    return UserError(f"the disk is full: no room left for {directory}; free some, or {way_out}")
