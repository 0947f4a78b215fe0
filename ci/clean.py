"""`nox -s clean`: print what the cache holds, and free what no entry of the manifest needs.

sources         tarballs of the manifest's releases
prefixes        the builds that some cell is built or runs with, by their present key
extensions      of each label of a cell, the newest
wheels          likewise
environments    of each Python, as many of the newest as are used at a time
nox             of each Python, the newest
logs            those of the entries above
unfinished      nothing: a dead process left them
pycache         all; a run evicts the bytecode of directories that are gone

What was used in the last hour stays, too. `--all` frees all of these, even then. Nothing is freed
while another process uses the cache, and nothing that the tooling did not make, because
M2CRYPTO_CACHE can name any directory.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ci import cache, manifest, wheels
from ci.cache import IN_USE, Store
from ci.directories import remove
from ci.errors import UserError
from ci.manifest import Manifest
from ci.matrix import plan
from ci.matrix.prepare import builds_of
from ci.openssl import prefixes
from ci.project import Project

ALL = "--all"
# The kinds of entries that have a key in their name, and the others.
KEYED = ("sources", "prefixes", "extensions", "wheels", "environments", "nox")
LOGS, UNFINISHED, BYTECODE = "logs", "unfinished", "pycache"
# The log of a prefix has the key in its name; those of the other kinds have the label alone.
OWN = r"(fuzz|wheel|install|reproduce)-.+|pythons|sdist|cibuildwheel"
LOG = re.compile(rf"((extension|environment)-.+|{OWN})\.txt|.+-[0-9a-f]{{16}}\.log")
# Logs of no entry.
OWN_LOG = re.compile(OWN)
# nox's environments for checkouts that cannot be written to; other checkouts may use them.
SESSIONS = "sessions"
DAY = 86400.0


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of the cache; `used` is the time when it was made or used last."""

    kind: str
    path: Path
    label: str
    size: int
    used: float

    @property
    def name(self) -> str:
        """The label without the key."""
        return self.label.rpartition("-")[0]


def main(arguments: Sequence[str], project: Project) -> None:
    """Print the kinds of entries with age and size, and remove those that are not needed.

    Raises:
        UserError: an argument is unknown, or another process uses the cache.
    """
    if unknown := [each for each in arguments if each != ALL]:
        raise UserError(f"clean: unexpected argument {unknown[0]!r}; it takes {ALL}")
    held = entries(project)
    _print(held)
    if not held:
        print("the cache is empty")
        return
    with cache.users(project.cache) as pids:
        if pids:
            raise UserError(
                f"nothing was freed: process {pids[0]} uses the cache; run clean again when it "
                "has ended"
            )
        # It may have made some since.
        held = entries(project)
        if arguments:
            chosen = held
        else:
            keep = needed(manifest.load(project.manifest), held)
            chosen = [each for each in held if each.path not in keep]
        freed = [each for each in chosen if _free(each, project)]
    if left := len(chosen) - len(freed):
        print(f"{left} could not be freed: they are being made, or run this, or are protected")
    print(f"freed {len(freed)} of {len(held)}, {_size(sum(each.size for each in freed))}")


def entries(project: Project) -> list[Entry]:
    """Return what the cache holds, by kind."""
    stores = [Store(project.cache, kind) for kind in KEYED]
    logs = sorted((project.cache / LOGS).glob("*.*"))
    found = [
        *((each.kind, path, label) for each in stores for path, label in each.entries().items()),
        *((LOGS, path, path.stem) for path in logs if LOG.fullmatch(path.name)),
        (BYTECODE, project.cache / BYTECODE, ""),
        *(
            (UNFINISHED, path, label)
            for each in stores
            for path, label in each.unfinished().items()
        ),
    ]
    return [entry for each in found if (entry := _entry(*each))]


def needed(known: Manifest, held: Sequence[Entry]) -> set[Path]:
    """Return the paths of what a run of the manifest's cells would use, or one used just now."""
    cells = [*plan.cells(known), *plan.wheel_cells(known)]
    exact = {prefixes.entry(build) for build in builds_of(cells)}
    exact |= {f"openssl-{each.version}-{each.sha256[:16]}" for each in known.releases}
    labels = {
        wheels.label(cell.build.name, cell.flags, cell.swig, wheels.abi(cell.python))
        for cell in cells
    }
    # The number of the newest entries of each name that are kept.
    kept = Counter({(kind, label): 1 for kind in ("extensions", "wheels") for label in labels})
    for python in known.pythons:
        kept["environments", f"tests-py{python}"] = 1
        kept["environments", f"build-py{python}"] = len(known.swigs) + bool(known.wheels)
        kept["nox", f"py{python}"] = 1
    recent = time.time() - IN_USE
    keep = {each.path for each in held if each.used > recent or each.kind == BYTECODE}
    logs = set()
    for entry in sorted(held, key=lambda each: each.used, reverse=True):
        name = entry.kind, entry.name
        whole = entry.kind in KEYED and (entry.label in exact or name == ("nox", SESSIONS))
        if whole or kept[name] > 0:
            keep.add(entry.path)
        if entry.path in keep:
            kept[name] -= 1
            logs |= {entry.label, f"{entry.kind.removesuffix('s')}-{entry.name}"}
    return keep | {
        each.path
        for each in held
        if each.kind == LOGS and (each.label in logs or OWN_LOG.fullmatch(each.label))
    }


def _free(entry: Entry, project: Project) -> bool:
    """Remove an entry; return False if another process makes it, or this one runs in it."""
    if Path(sys.prefix).is_relative_to(entry.path):
        return False
    if entry.kind == LOGS:
        entry.path.unlink(missing_ok=True)
    elif entry.kind == BYTECODE:
        remove(entry.path)
    else:
        directory = entry.path.parent
        kind = directory if entry.kind in KEYED else directory.parent
        return Store(project.cache, kind.name).free(entry.path, entry.label)
    return not entry.path.exists()


def _print(held: Iterable[Entry]) -> None:
    kinds: dict[str, list[Entry]] = {}
    for entry in held:
        kinds.setdefault(entry.kind, []).append(entry)
    print(f"{'kind':<14}{'count':>8}{'size':>12}  last used")
    for kind, entries_of in kinds.items():
        size = _size(sum(each.size for each in entries_of))
        oldest, newest = (pick(each.used for each in entries_of) for pick in (min, max))
        ages = dict.fromkeys((_age(newest), _age(oldest)))
        print(f"{kind:<14}{len(entries_of):>8}{size:>12}  {' to '.join(ages)}")


def _age(moment: float) -> str:
    days = int((time.time() - moment) / DAY)
    return {0: "today", 1: "1 day ago"}.get(days, f"{days} days ago")


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB"


def _entry(kind: str, path: Path, label: str) -> Entry | None:
    """Return an entry; None if another process has removed it."""
    try:
        return Entry(kind, path, label, _bytes(path), path.stat().st_mtime)
    except FileNotFoundError:
        return None


def _bytes(path: Path) -> int:
    """Return the bytes of a file, or of a directory's files that no other process removes."""
    total = 0 if path.is_dir() else path.lstat().st_size
    for parent, _, names in os.walk(path):
        for name in names:
            with suppress(OSError):
                total += os.lstat(os.path.join(parent, name)).st_size  # noqa: PTH118 - many files
    return total
