"""The front door reads well: every session says what it does, and a cell is one when asked for."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("nox", reason="nox is what these are about; `nox -s tooling` installs it")

ROOT = Path(__file__).parents[2]


def sessions(*arguments: str) -> dict[str, str]:
    """The sessions that `nox -l` lists, with their descriptions."""
    told = subprocess.run(
        [sys.executable, "-m", "nox", "-l", "--json", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return {each["session"]: each["description"] for each in json.loads(told)}


def test_every_session_is_listed_with_what_it_does() -> None:
    names = ["tests", "matrix", "coverage", "openssl", "doctor", "lint", "types", "tooling"]
    listed = sessions("-s", *names)
    assert list(listed) == names
    for said in listed.values():
        assert said.endswith(".")
        assert len(said) < 100


def test_plain_nox_runs_the_tests() -> None:
    assert list(sessions()) == ["tests"]


def test_a_cell_is_a_session_when_it_is_asked_for() -> None:
    assert list(sessions("-s", "py3.13-openssl3.5-no-ec")) == ["py3.13-openssl3.5-no-ec"]
