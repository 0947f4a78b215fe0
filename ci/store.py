"""Content-addressed folders in the user's cache: what was built is found again by its key.

Given a name, a key and a function that makes a folder's contents, `Store.get` gives the folder:
looked up when it is there and whole, else made next door and renamed into place. Killed at any
moment it leaves nothing half done; two processes at once share one making.

    KIND/NAME-KEY/            an entry, with `.seal.json`: the size of each of its files
    KIND/.locks/NAME-KEY      held while the entry is made or mended
    KIND/.making/NAME-KEY.PID what is being made; with no lock held, what a dead process left
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import signal
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ci.problem import Problem
from ci.process import CommandFailed, go_on
from ci.progress import say

if TYPE_CHECKING:
    from filelock import BaseFileLock

SEAL = ".seal.json"
# EFBIG is the error of a limit on file sizes (ulimit -f).
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# A program that meets a full disk fails with an exit code of its own; only its output names it.
# The last one is a shell's and GCC's name for SIGXFSZ.
FULL_WORDS = (*map(os.strerror, FULL), "File size limit exceeded", "database or disk is full")
REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST)
# A disk with fewer bytes than this has no room for any file of ours.
NO_ROOM = 64 * 1024

CACHE_WAY_OUT = "set M2CRYPTO_CACHE to another folder"

_threads: dict[Path, threading.Lock] = {}


def cache_root() -> Path:
    """Where everything built is kept: M2CRYPTO_CACHE, else `m2crypto` in the user's cache."""
    named = os.environ.get("M2CRYPTO_CACHE")
    if named:
        return Path(named).expanduser().absolute()
    from platformdirs import user_cache_path

    return user_cache_path("m2crypto", appauthor=False)


def key(**facts: object) -> str:
    """Sixteen hexadecimal digits of the sha256 over the facts, as canonical JSON."""
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Store:
    """The entries of one kind under `root`."""

    root: Path
    kind: str

    @property
    def folder(self) -> Path:
        """Where this kind's entries are."""
        return self.root / self.kind

    def find(self, name: str, key: str) -> Path | None:
        """The entry's folder if it is there and whole, else None. Takes no lock, makes nothing."""
        entry = self.folder / f"{name}-{key}"
        return entry if _damage(entry) is None else None

    def get(self, name: str, key: str, make: Callable[[Path], None]) -> Path:
        """The entry's folder, made by `make(an empty folder)` if it is not there or damaged.

        `make` may run in a folder other than the one returned, so nothing in it may name it.
        Raises a `Problem` when the cache cannot be read or written or the disk is full.
        """
        with clear_errors(self.folder):
            return self.find(name, key) or self._made(f"{name}-{key}", name, make)

    def discard(self, name: str, key: str) -> None:
        """Remove an entry, so that the next `get` makes it anew."""
        label = f"{name}-{key}"
        with clear_errors(self.folder), self._locked(label, name):
            self._remove(label)

    def _made(self, label: str, name: str, make: Callable[[Path], None]) -> Path:
        making = self.folder / ".making"
        try:
            making.mkdir(parents=True, exist_ok=True)
        except FileNotFoundError as error:
            # Where no folder can be made at all, such as below /proc.
            raise _unusable(error, making) from error
        with self._locked(label, name):
            entry = self.folder / label
            damage = _damage(entry)
            if damage is None:
                return entry
            self._clear_leftovers(label)
            if entry.exists():
                say(f"{name}: {entry} is damaged ({damage}): making it again")
                self._remove(label)
            fresh = making / f"{label}.{os.getpid()}"
            fresh.mkdir()
            try:
                make(fresh)
                _seal(fresh)
                fresh.rename(entry)
            except BaseException:
                shutil.rmtree(fresh, ignore_errors=True)
                raise
            return entry

    def _remove(self, label: str) -> None:
        # Renamed first, so that a kill in between leaves no half of an entry.
        away = self.folder / ".making" / f"{label}.removed"
        with suppress(FileNotFoundError):
            (self.folder / label).rename(away)
            shutil.rmtree(away)

    @contextmanager
    def _locked(self, label: str, name: str) -> Iterator[None]:
        # Threads wait for each other first, and silently: only another process is worth a word.
        mine = _threads.setdefault(self.folder / label, threading.Lock())
        with mine, self._locked_from_processes(label, name):
            yield

    @contextmanager
    def _locked_from_processes(self, label: str, name: str) -> Iterator[None]:
        with held(
            self._lock(label),
            lambda: f"{name}: waiting for {self._maker(label)}, which makes it too",
        ):
            yield

    def _lock(self, label: str) -> BaseFileLock:
        from filelock import FileLock

        locks = self.folder / ".locks"
        locks.mkdir(parents=True, exist_ok=True)
        return FileLock(locks / label)

    def _maker(self, label: str) -> str:
        pids = [path.name.rpartition(".")[2] for path in self._leftovers(label)]
        return f"process {pids[0]}" if pids else "another process"

    def _leftovers(self, label: str) -> list[Path]:
        return [
            path
            for path in (self.folder / ".making").glob("*.*")
            if path.name.rpartition(".")[0] == label
        ]

    def _clear_leftovers(self, mine: str) -> None:
        """Remove what dead processes left: whatever is being made with nobody holding its lock."""
        from filelock import Timeout

        for path in (self.folder / ".making").glob("*.*"):
            label = path.name.rpartition(".")[0]
            try:
                if label == mine:
                    shutil.rmtree(path, ignore_errors=True)
                    continue
                with self._lock(label).acquire(timeout=0):
                    shutil.rmtree(path, ignore_errors=True)
            except Timeout:
                continue


@contextmanager
def held(lock: BaseFileLock, waiting: Callable[[], str]) -> Iterator[None]:
    """Hold a lock between processes; log the line `waiting` gives if another process has it.

    The system releases the lock of a process that ends, whatever ended it.
    """
    # Imported here: slow to load, and no look-up of a finished entry needs it.
    from filelock import Timeout

    try:
        lock.acquire(timeout=0)
    except Timeout:
        say(waiting())
        while not lock.is_locked:
            go_on()
            with suppress(Timeout):
                lock.acquire(timeout=0.5)
    try:
        yield
    finally:
        lock.release()


@contextmanager
def clear_errors(
    folder: Path, what: str = "the cache", way_out: str = CACHE_WAY_OUT
) -> Iterator[None]:
    """Turn what the file system refuses, under `folder`, into a `Problem` of one clear line.

    `what` names the folder in that line and `way_out` is what a person can do beside making room
    or changing permissions.
    """
    try:
        yield
    except CommandFailed as failure:
        if is_full(failure, folder):
            raise _full(folder, way_out) from failure
        raise
    except sqlite3.Error as error:
        if any(word in str(error) for word in FULL_WORDS) or _free(folder) < NO_ROOM:
            raise _full(folder, way_out) from error
        raise
    except OSError as error:
        if error.errno in FULL:
            raise _full(Path(error.filename2 or error.filename or folder), way_out) from error
        if error.errno in REFUSED:
            raise _unusable(error, folder, what, way_out) from error
        raise


def is_full(failure: CommandFailed, folder: Path) -> bool:
    """Return whether a program failed because `folder`'s disk, or a limit on files, is full."""
    said = failure.tail
    if failure.log:
        # A traceback may stand between its words and the end.
        with failure.log.open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - 16384))
            said = log.read().decode(errors="replace")
    return (
        any(word in said for word in FULL_WORDS)
        or failure.status == -getattr(signal, "SIGXFSZ", 0)
        or _free(folder) < NO_ROOM
    )


def require_room(folder: Path) -> None:
    """Raise OSError if the disk of `folder` is full, or a file in it has reached a limit on files.

    For what fails without a word of it, as a program does whose output had no room either.
    """
    if _free(folder) < NO_ROOM:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))
    limit = _file_limit()
    for path in folder.rglob("*") if limit is not None else ():
        if limit is not None and path.is_file() and path.stat().st_size >= limit:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))


def _file_limit() -> int | None:
    """The size beyond which this process and its children can write no file (ulimit -f)."""
    try:
        import resource
    except ImportError:
        return None
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    return None if limit == resource.RLIM_INFINITY else limit


def _free(folder: Path) -> int:
    """Return the free bytes of the disk that holds `folder`, which need not exist."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    return shutil.disk_usage(there).free


def _unusable(
    error: OSError, folder: Path, what: str = "the cache", way_out: str = CACHE_WAY_OUT
) -> Problem:
    return Problem(
        f"{what} cannot be used: {error.strerror}: {error.filename or folder}; "
        f"make it yours to read and write, or {way_out}"
    )


def _full(folder: Path, way_out: str) -> Problem:
    return Problem(f"the disk is full: no room left for {folder}; free some, or {way_out}")


def _seal(entry: Path) -> None:
    sizes = {
        str(path.relative_to(entry)): path.lstat().st_size
        for path in sorted(entry.rglob("*"))
        if path.is_symlink() or not path.is_dir()
    }
    (entry / SEAL).write_text(json.dumps(sizes, indent=0), encoding="utf-8")


def _damage(entry: Path) -> str | None:
    """What is wrong with an entry, in words; None when every sealed file has its sealed size.

    Sizes and not hashes: this runs at every look-up, and what damages a cache is a killed
    process, a full disk or a person who removes files.
    """
    try:
        sizes = json.loads((entry / SEAL).read_text(encoding="utf-8"))
        for name, size in sizes.items():
            if os.lstat(f"{entry}/{name}").st_size != size:
                return f"{name} has changed its size"
    except FileNotFoundError as error:
        return f"{Path(error.filename).name} is missing"
    except (ValueError, AttributeError):
        return f"{SEAL} cannot be read"
    return None
