"""Run one fuzzer with one seed: `worker.py FUZZER --seed N --seconds S --journal FILE`.

The exit code is 0, or 3 when the oracle printed a finding. A crash, a sanitizer's report and a
hang end the process; ci/fuzz.py reads the journal then. The working directory is for scratch.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import sys
import warnings
from pathlib import Path

from journal import Journal, Watchdog
from session import Session

FOUND = 3


def main() -> int:
    """Run the fuzzer that the command line names."""
    parser = argparse.ArgumentParser()
    parser.add_argument("fuzzer", choices=["raw", "parser", "race", "guided"])
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--journal", type=Path, required=True)
    parser.add_argument("--hang", type=float, default=60.0)
    parser.add_argument("--without", action="append", default=[])
    parser.add_argument("--corpus", type=Path, default=Path("corpus"))
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    watchdog = Watchdog(options.hang)
    watchdog.feed()
    session = Session(
        options.fuzzer,
        options.seed,
        options.seconds,
        Journal(options.journal),
        watchdog,
        frozenset(options.without),
        options.corpus,
    )
    importlib.import_module(f"fuzz_{options.fuzzer}").run(session)
    session.record("garbage collection at the end")
    gc.collect()
    watchdog.stop()
    return FOUND if session.findings else 0


if __name__ == "__main__":
    sys.exit(main())
