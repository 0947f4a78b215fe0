"""`nox -s clean`: print what the cache holds, and free what no entry of the manifest needs.

sources         tarballs of the manifest's releases
prefixes        the builds that some cell is built or runs with, by their present key
extensions      of each label of a cell, the newest
wheels          likewise
environments    of each Python, as many of the newest as are used at a time
nox, pycache    removed by `--all` alone
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ci import console, manifest, wheels
from ci.cache import IN_USE, Store
from ci.directories import remove
from ci.errors import UserError
from ci.manifest import Manifest
from ci.matrix import plan
from ci.matrix.prepare import builds_of
from ci.openssl import prefixes
from ci.project import Project

ALL = "--all"
# The kinds of entries that have a key in their name.
KEYED = ("sources", "prefixes", "extensions", "wheels", "environments")
DAY = 86400.0


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of the cache; `used` is the time when it was made or used last."""

    kind: str
    path: Path
    size: int
    used: float


def main(arguments: Sequence[str], project: Project) -> None:
    """Print the kinds of entries with age and size, and remove those that are not needed.

    Raises:
        UserError: an argument is unknown.
    """
    if unknown := [each for each in arguments if each != ALL]:
        raise UserError(f"clean: unexpected argument {unknown[0]!r}; it takes {ALL}")
    held = entries(project)
    _print(held)
    if arguments:
        chosen = held
    else:
        keep = needed(manifest.load(project.manifest), held)
        recent = time.time() - IN_USE
        chosen = [each for each in held if each.path not in keep and each.used < recent]
    freed = [each for each in chosen if _free(each, project)]
    _remove_logs(project)
    if busy := len(chosen) - len(freed):
        console.log(f"{busy} entries are being made by another process, and stay")
    print(f"freed {len(freed)} entries, {_size(sum(each.size for each in freed))}")


def entries(project: Project) -> list[Entry]:
    """Return what the cache holds."""
    found = []
    for directory in sorted(_children(project.cache)):
        children = _children(directory) if directory.name in KEYED else [directory]
        found += [
            Entry(directory.name, path, _bytes(path), path.stat().st_mtime)
            for path in children
            if not path.name.startswith(".")
        ]
    return found


def needed(known: Manifest, held: Iterable[Entry]) -> set[Path]:
    """Return the paths of the entries that a run of the manifest's cells would use."""
    cells = plan.cells(known)
    exact = {prefixes.entry(build) for build in builds_of(cells)}
    exact |= {f"openssl-{each.version}-{each.sha256[:16]}" for each in known.releases}
    labels = {
        wheels.label(cell.build.name, cell.flags, cell.swig, wheels.abi(cell.python))
        for cell in cells
    }
    # How many of the newest entries of a name are kept.
    kept = Counter({(kind, label): 1 for kind in ("extensions", "wheels") for label in labels})
    for python in known.pythons:
        kept["environments", f"tests-py{python}"] = 1
        kept["environments", f"build-py{python}"] = len(known.swigs)
    keep = set()
    for entry in sorted(held, key=lambda each: each.used, reverse=True):
        name = entry.kind, entry.path.name.rpartition("-")[0]
        if entry.kind not in KEYED or entry.path.name in exact or kept[name] > 0:
            keep.add(entry.path)
            kept[name] -= 1
    return keep


def _free(entry: Entry, project: Project) -> bool:
    """Remove an entry; return False if another process is making it."""
    if entry.kind in KEYED:
        return Store(project.cache, entry.kind).free(entry.path)
    remove(entry.path)
    return True


def _remove_logs(project: Project) -> None:
    """Remove the logs of prefixes that are no longer there."""
    held = {path.name for path in Store(project.cache, "prefixes").entries()}
    for log in project.cache.glob("logs/*.log"):
        if log.stem not in held and time.time() - log.stat().st_mtime > IN_USE:
            log.unlink(missing_ok=True)


def _print(held: Iterable[Entry]) -> None:
    kinds: dict[str, list[Entry]] = {}
    for entry in held:
        kinds.setdefault(entry.kind, []).append(entry)
    print(f"{'kind':<14}{'entries':>8}{'size':>10}  last used")
    for kind, entries_of in kinds.items():
        size = _size(sum(each.size for each in entries_of))
        oldest, newest = (pick(each.used for each in entries_of) for pick in (min, max))
        ages = dict.fromkeys((_age(newest), _age(oldest)))
        print(f"{kind:<14}{len(entries_of):>8}{size:>10}  {' to '.join(ages)}")


def _age(moment: float) -> str:
    days = int((time.time() - moment) / DAY)
    return {0: "today", 1: "1 day ago"}.get(days, f"{days} days ago")


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB"


def _children(directory: Path) -> list[Path]:
    try:
        return sorted(path for path in directory.iterdir() if path.is_dir())
    except FileNotFoundError:
        return []


def _bytes(directory: Path) -> int:
    """Return the bytes of a directory's files; those that another process removes count nothing."""
    total = 0
    for parent, _, names in os.walk(directory):
        for name in names:
            with suppress(OSError):
                total += os.lstat(os.path.join(parent, name)).st_size  # noqa: PTH118 - many files
    return total
