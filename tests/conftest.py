"""Load the fixtures and options of the tests; each `fix_*.py` has one concern."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest

pytest_plugins = sorted(path.stem for path in Path(__file__).parent.glob("fix_*.py"))


def pytest_collection(session: pytest.Session) -> None:
    # The tests themselves are no garbage: each collection would look through all of them again.
    gc.disable()


def pytest_collection_finish(session: pytest.Session) -> None:
    gc.freeze()
    gc.enable()
