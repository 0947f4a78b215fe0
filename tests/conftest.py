"""Load the fixtures and options of the tests; each `fix_*.py` has one concern."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import pytest

HERE = Path(__file__).parent
pytest_plugins = sorted(path.stem for path in HERE.glob("fix_*.py"))
# It needs the fuzzers, which are not in the sdist and do not run on Windows.
collect_ignore = [] if os.name == "posix" and (HERE / "fuzz").is_dir() else ["test_fuzz_inputs.py"]


def pytest_collection(session: pytest.Session) -> None:
    # The tests themselves are no garbage: each collection would look through all of them again.
    gc.disable()


def pytest_collection_finish(session: pytest.Session) -> None:
    gc.freeze()
    gc.enable()
