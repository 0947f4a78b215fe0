"""Other Pythons that tests start, for what a process does only once.

They are not measured: what they run is run by the tests too, and coverage doubles their time.
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
    """Run Python with the arguments, warnings as errors, to its end; give its output as text."""

    def run(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-W", "error", *arguments]
        return subprocess.run(
            command, capture_output=True, text=True, check=False, env=unmeasured(), **options
        )

    return run
