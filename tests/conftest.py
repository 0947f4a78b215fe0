"""Loads the fixtures and options of the tests: each `fix_*.py` here is one concern."""

from __future__ import annotations

from pathlib import Path

pytest_plugins = sorted(path.stem for path in Path(__file__).parent.glob("fix_*.py"))
