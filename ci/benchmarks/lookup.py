"""How long a cached look-up takes: `nox -s bench -- lookup`.

Looks up each OpenSSL build that the cache has, a hundred times, and prints the milliseconds of the
first time, which asks the compiler who it is as every process does once, and of the median.
"""

from __future__ import annotations

import statistics
import time

from ci import manifest, prefixes


def main() -> None:
    """Print a line for each build: its name, the first look-up, the median of a hundred."""
    for build in manifest.load().builds:
        prefixes.toolchain.cache_clear()
        first = _look_up(build)
        if first is None:
            print(f"{build.name:<10} not built")
            continue
        again = [taken for _ in range(100) if (taken := _look_up(build)) is not None]
        print(f"{build.name:<10} first {first:6.2f} ms   median {statistics.median(again):6.2f} ms")


def _look_up(build: manifest.Build) -> float | None:
    """The milliseconds it took, or None when there is nothing to be found."""
    start = time.perf_counter()
    found = prefixes.find(build)
    return None if found is None else (time.perf_counter() - start) * 1000


if __name__ == "__main__":
    main()
