"""Measure the look-up of a prefix in the cache: `nox -s bench -- lookup`.

Each OpenSSL build in the cache is looked up a hundred times. The output is the milliseconds of the
first look-up, which runs the compiler to get its version as every process does once, and the
median of the others.
"""

from __future__ import annotations

import statistics
import time

from ci import manifest, toolchain
from ci.openssl import prefixes
from ci.project import Project


def main() -> None:
    """Print a line for each build: its name, the first look-up, and the median."""
    project = Project.from_environment()
    for build in manifest.load(project.manifest).builds:
        toolchain.compiler.cache_clear()
        first = _look_up(build, project)
        if first is None:
            print(f"{build.name:<10} not built")
            continue
        again = [taken for _ in range(100) if (taken := _look_up(build, project)) is not None]
        print(f"{build.name:<10} first {first:6.2f} ms   median {statistics.median(again):6.2f} ms")


def _look_up(build: manifest.Build, project: Project) -> float | None:
    """Return the milliseconds of a look-up, or None if the prefix is not in the cache."""
    start = time.perf_counter()
    found = prefixes.find(build, project)
    return None if found is None else (time.perf_counter() - start) * 1000


if __name__ == "__main__":
    main()
