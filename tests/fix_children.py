"""Child Pythons, for tests of state that a process initializes once.

coverage.py does not measure them: the tests run the same lines, and it doubles their time.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest


def unmeasured() -> dict[str, str]:
    """Return the environment of a child process that coverage.py does not measure."""
    return {name: value for name, value in os.environ.items() if name != "COVERAGE_PROCESS_START"}


@pytest.fixture(scope="session")
def python() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run Python with the arguments and warnings as errors, and return its output as text."""

    def run(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-W", "error", *arguments]
        return subprocess.run(
            command, capture_output=True, text=True, check=False, env=unmeasured(), **options
        )

    return run
