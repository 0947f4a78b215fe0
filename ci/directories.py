"""Directories that are created completely or not at all."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ci import host

# Seconds within which the programs of Windows that look into every new file have closed it.
PATIENCE = 10.0


@contextmanager
def replacement(target: Path, *, new: Path, old: Path) -> Iterator[Path]:
    """Yield the empty directory `new`, which becomes `target` when the block ends.

    A block that raises, and a process that is killed in it, change nothing at `target`. The
    directory that it replaces is renamed to `old` before it is removed, so that no kill leaves a
    part of it at `target`. All three must be on one file system, and the caller must be the only
    writer of `new` and `old`.
    """
    remove(new, read_only=True)
    new.mkdir(parents=True)
    try:
        yield new
        remove(old, read_only=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            rename(target, old)
        rename(new, target)
        remove(old, read_only=True)
    finally:
        remove(new, read_only=True)


def rename(path: Path, target: Path) -> None:
    """Rename a directory. Windows refuses that while a file in it is open, so it is tried again."""
    end = time.monotonic() + PATIENCE
    while host.WINDOWS and time.monotonic() < end:
        try:
            path.rename(target)
        except PermissionError:
            time.sleep(0.1)
        else:
            return
    path.rename(target)


def remove(path: Path, *, read_only: bool = False) -> None:
    """Remove a directory and all it holds, as far as the file system permits.

    Of a link, only the link is removed, and a file like a directory.

    Args:
        path: the directory, which need not exist.
        read_only: also remove the content of read-only directories, which tests can leave behind.
    """
    if path.is_symlink() or path.is_file():
        with suppress(OSError):
            path.unlink()
        return
    shutil.rmtree(path, ignore_errors=True)
    if read_only and path.is_dir():
        _make_writable(path)
        for parent, names, _ in os.walk(path):
            for name in names:
                _make_writable(Path(parent, name))
        shutil.rmtree(path, ignore_errors=True)


def _make_writable(directory: Path) -> None:
    if not directory.is_symlink():
        with suppress(OSError):
            directory.chmod(0o700)
