"""What GitHub Actions reads of a step: its outputs, and the summary of its job."""

from __future__ import annotations

import os
from pathlib import Path


def output(name: str, value: str) -> None:
    """Print a value of one line, and make it an output of the step."""
    print(value)
    _append("GITHUB_OUTPUT", f"{name}={value}\n")


def summary(text: str) -> None:
    """Append Markdown to the summary of the job."""
    _append("GITHUB_STEP_SUMMARY", text)


def _append(variable: str, text: str) -> None:
    path = os.environ.get(variable)
    if path:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(text)
