"""Directories that are created completely or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def replacement(target: Path, *, new: Path, old: Path) -> Iterator[Path]:
    """Yield the empty directory `new`, which becomes `target` when the block ends.

    A block that raises, and a process that is killed in it, change nothing at `target`. The
    directory that it replaces is renamed to `old` before it is removed, so that no kill leaves a
    part of it at `target`. All three must be on one file system, and the caller must be the only
    writer of `new` and `old`.
    """
    remove(new)
    new.mkdir(parents=True)
    try:
        yield new
        remove(old)
        target.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            target.rename(old)
        new.rename(target)
        remove(old)
    finally:
        remove(new)


def remove(path: Path) -> None:
    """Remove a directory and all it holds, as far as the file system permits."""
    shutil.rmtree(path, ignore_errors=True)
