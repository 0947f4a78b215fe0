"""Locks between processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ci.console import log
from ci.process import check_interrupt

# Seconds between two checks for a shutdown request while waiting for a lock.
INTERVAL = 0.5


@contextmanager
def held(path: Path, waiting: Callable[[], str]) -> Iterator[None]:
    """Hold the lock file `path`; log the line that `waiting` returns if another process holds it.

    The operating system releases the lock of a process that ends, by a signal too.
    """
    # Imported late: it is slow to import, and a look-up of an existing entry takes no lock.
    from filelock import FileLock, Timeout

    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        log(waiting())
        while not lock.is_locked:
            check_interrupt()
            with suppress(Timeout):
                lock.acquire(timeout=INTERVAL)
    try:
        yield
    finally:
        lock.release()
