"""The content-addressed cache: an entry is found by a key over its inputs.

`Store.get` returns the directory of an entry: the existing one if it is whole, else a new one that
a function fills. A new entry is made in another directory and renamed, so that a killed process
leaves no part of an entry, and two processes that need the same entry make it once.

    KIND/NAME-KEY/            an entry, with `.seal.json`: the size of each of its files
    KIND/.locks/NAME-KEY      held while the entry is made or removed
    KIND/.making/NAME-KEY.PID an entry being made; if its lock is free, a dead process left it
    KIND/.parts/NAME-KEY      a file that is downloaded for an entry
    .locks/PID.RANDOM         held by a process that uses entries, until it ends
    .locks/all                held while such a process begins, and while entries are freed
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ci import disk
from ci.console import log
from ci.directories import remove, replacement
from ci.locks import held

SEAL = ".seal.json"

# Eviction keeps so many entries of a name, and those used in the last hour (in seconds).
KEPT = 4
IN_USE = 3600.0

# The label of an entry, NAME-KEY. No other directory is listed or freed.
LABEL = re.compile(r"[^.].*-[0-9a-f]{16}")

_threads: dict[Path, threading.Lock] = {}
# The lock by which other processes see that this one uses a cache, by the cache's directory.
_uses: dict[Path, Any] = {}
_using = threading.Lock()


def key(**inputs: object) -> str:
    """Return 16 hexadecimal digits of the sha256 over the inputs as canonical JSON."""
    text = json.dumps(inputs, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def use(root: Path, *entries: Path) -> None:
    """Mark entries as used now, and the cache `root` as used until this process ends.

    A read-only cache can be used, too; nobody frees its entries.
    """
    from filelock import FileLock

    with suppress(OSError):
        for entry in entries:
            os.utime(entry)
    with _using, suppress(OSError):
        # An empty cache is not created for it: the caller may yet find that a tool is missing.
        if root not in _uses and root.is_dir():
            with users(root):
                number, path = tempfile.mkstemp(prefix=f"{os.getpid()}.", dir=root / ".locks")
                os.close(number)
                lock = FileLock(path)
                lock.acquire(timeout=0)
                _uses[root] = lock


@contextmanager
def users(root: Path) -> Iterator[list[str]]:
    """Yield the pids of the other processes that use the cache; none begins meanwhile."""
    from filelock import FileLock, Timeout

    (root / ".locks").mkdir(parents=True, exist_ok=True)
    with _gate(root):
        found = []
        for path in (root / ".locks").glob("*.*"):
            try:
                with FileLock(path).acquire(timeout=0):
                    pass
            except Timeout:
                found.append(path.name.partition(".")[0])
            else:
                # Its process has ended. Windows does not remove a file that is open.
                path.unlink(missing_ok=True)
        yield found


def _gate(root: Path) -> AbstractContextManager[None]:
    waiting = f"the cache {root}: waiting for another process, which frees entries"
    return held(root / ".locks" / "all", lambda: waiting)


@dataclass(frozen=True, slots=True)
class Store:
    """The entries of one kind in the cache's directory `root`."""

    root: Path
    kind: str

    @property
    def directory(self) -> Path:
        """The directory of this kind's entries."""
        return self.root / self.kind

    def find(self, name: str, key: str) -> Path | None:
        """Return the entry's directory if it is whole, else None. It locks and writes nothing."""
        entry = self.directory / f"{name}-{key}"
        return entry if _damage(entry) is None else None

    def get(self, name: str, key: str, make: Callable[[Path], None]) -> Path:
        """Return the entry's directory, made by `make(directory)` if it is missing or damaged.

        The directory that `make` fills is empty and is renamed afterwards, so no file in it may
        hold its path.

        Raises:
            UserError: the cache cannot be read or written, or the disk is full.
        """
        with disk.reported(self.directory):
            use(self.root)
            entry = self.find(name, key) or self._make(f"{name}-{key}", name, make)
            use(self.root, entry)
            return entry

    def entries(self) -> dict[Path, str]:
        """Return the directories of all entries, whole or not, and the label of each."""
        found = {path: path.name for path in self.directory.glob("*-*") if path.is_dir()}
        return {path: label for path, label in sorted(found.items()) if LABEL.fullmatch(label)}

    def unfinished(self) -> dict[Path, str]:
        """Return the directories and files that are no entry yet, and the label of each."""
        making = {each: each.name.rpartition(".")[0] for each in self._made_in(".making")}
        return making | {each: each.name for each in self._made_in(".parts")}

    def free(self, path: Path, label: str) -> bool:
        """Remove one of the above unless another process makes it; return whether it is gone."""
        from filelock import FileLock, Timeout

        try:
            with disk.reported(self.directory), FileLock(self._lock(label)).acquire(timeout=0):
                if path.parent == self.directory:
                    self._remove(label)
                elif path.is_dir():
                    remove(path)
                else:
                    path.unlink(missing_ok=True)
        except Timeout:
            return False
        return not path.exists()

    def discard(self, name: str, key: str) -> None:
        """Remove an entry, so that the next `get` makes it again."""
        label = f"{name}-{key}"
        with disk.reported(self.directory), self._locked(label, name):
            self._remove(label)

    def evict(self, name: str, *, used: Path) -> None:
        """Mark the entry `used` as used, and remove the oldest of the name's entries.

        Four are kept, and all that were used in the last hour, as another process may use them.
        """
        with suppress(OSError):
            # A read-only cache can be used, too.
            used.touch()
        entries = {path: path.stat().st_mtime for path in self.directory.glob(f"{name}-{'?' * 16}")}
        for path in sorted(entries, key=lambda each: entries[each], reverse=True)[KEPT:]:
            if time.time() - entries[path] > IN_USE:
                remove(path)

    def _make(self, label: str, name: str, make: Callable[[Path], None]) -> Path:
        making = self.directory / ".making"
        try:
            making.mkdir(parents=True, exist_ok=True)
        except FileNotFoundError as error:
            # No directory can be made there at all, such as below /proc.
            raise disk.unusable(error, making) from error
        with self._locked(label, name):
            entry = self.directory / label
            damage = _damage(entry)
            if damage is None:
                return entry
            self._clear_leftovers(label)
            if entry.exists():
                log(f"{name}: {entry} is damaged ({damage}): making it again")
            new = making / f"{label}.{os.getpid()}"
            with replacement(entry, new=new, old=making / f"{label}.removed"):
                make(new)
                _seal(new)
            return entry

    def _remove(self, label: str) -> None:
        # Renamed first, so that a killed process leaves no part of an entry.
        (self.directory / ".making").mkdir(exist_ok=True)
        old = self.directory / ".making" / f"{label}.removed"
        with suppress(FileNotFoundError):
            (self.directory / label).rename(old)
            remove(old)

    @contextmanager
    def _locked(self, label: str, name: str) -> Iterator[None]:
        # Threads wait for each other without a message, processes with one.
        lock = _threads.setdefault(self.directory / label, threading.Lock())
        with lock, held(self._lock(label), lambda: self._waiting(label, name)):
            yield

    def _lock(self, label: str) -> Path:
        locks = self.directory / ".locks"
        locks.mkdir(parents=True, exist_ok=True)
        return locks / label

    def _waiting(self, label: str, name: str) -> str:
        pids = [path.name.rpartition(".")[2] for path in self._leftovers(label)]
        maker = f"process {pids[0]}" if pids else "another process"
        return f"{name}: waiting for {maker}, which is making it"

    def _leftovers(self, label: str) -> list[Path]:
        return [path for path in self._made_in(".making") if path.name.rpartition(".")[0] == label]

    def _made_in(self, name: str) -> list[Path]:
        return sorted((self.directory / name).glob("*-*"))

    def _clear_leftovers(self, locked: str) -> None:
        """Remove unfinished entries whose lock is free or held by this process."""
        from filelock import FileLock, Timeout

        for path in (self.directory / ".making").glob("*.*"):
            label = path.name.rpartition(".")[0]
            if label == locked:
                remove(path)
                continue
            with suppress(Timeout), FileLock(self._lock(label)).acquire(timeout=0):
                remove(path)


def _seal(entry: Path) -> None:
    sizes = {
        str(path.relative_to(entry)): path.lstat().st_size
        for path in sorted(entry.rglob("*"))
        if path.is_symlink() or not path.is_dir()
    }
    (entry / SEAL).write_text(json.dumps(sizes, indent=0), encoding="utf-8")


def _damage(entry: Path) -> str | None:
    """Return what is wrong with an entry, or None if every sealed file has its sealed size.

    Sizes are compared and not hashes, because every look-up does so. What damages a cache is a
    killed process, a full disk, or a user who removes files.
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
