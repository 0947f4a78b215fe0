"""An environment is made once for an interpreter and its requirements."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from tiny_openssl import program
from tiny_project import here

from ci import environments, interpreters
from ci.errors import UserError
from ci.process import CommandError


def write_wheel(folder: Path) -> Path:
    """Write a wheel of one module, `tiny`, to install without a network."""
    path = folder / "tiny-1-py3-none-any.whl"
    metadata = "Metadata-Version: 2.1\nName: tiny\nVersion: 1\n"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tiny.py", "there = 1\n")
        archive.writestr("tiny-1.dist-info/METADATA", metadata)
        archive.writestr("tiny-1.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr("tiny-1.dist-info/RECORD", "")
    return path


@pytest.fixture
def without_uv(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only venv and pip are there, and pip reaches no index."""
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.setenv("PIP_NO_INDEX", "1")


@pytest.mark.usefixtures("without_uv")
def test_it_is_made_once_has_the_requirement_and_can_measure_any_child(tmp_path: Path) -> None:
    interpreter = interpreters.describe(Path(sys.executable))
    assert interpreter
    wanted = [str(write_wheel(tmp_path))]
    python = environments.ensure(here(), "tests", interpreter, wanted)
    made = python.stat().st_ctime_ns

    # The module stands in for coverage.py, which the environment does not have.
    (tmp_path / "coverage.py").write_text("def process_startup():\n    print('measured')\n")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "COVERAGE_PROCESS_START": "settings"}
    said = subprocess.check_output(
        [python, "-W", "error", "-c", "import tiny; print(tiny.there)"], env=environment, text=True
    )
    # Some Pythons read an environment's .pth files twice; coverage.py starts once.
    assert set(said.split()) == {"measured", "1"}

    again = environments.ensure(here(), "tests", interpreter, wanted)
    assert (again, again.stat().st_ctime_ns) == (python, made)


@pytest.mark.usefixtures("without_uv")
def test_one_that_cannot_be_made_leaves_the_log_alone(tmp_path: Path) -> None:
    interpreter = interpreters.describe(Path(sys.executable))
    assert interpreter
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho no venv here\nexit 1\n")
    broken.chmod(0o755)
    with pytest.raises(CommandError) as caught:
        environments.ensure(here(), "tests", replace(interpreter, executable=broken), ["a"])

    assert caught.value.log
    assert "no venv here" in caught.value.log.read_text()
    assert not list((here().cache / "environments").glob("tests-*"))


@pytest.mark.usefixtures("without_uv")
@pytest.mark.parametrize(
    "words", ["[Errno 28] No space left on device", "[Errno 27] File too large"]
)
def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path: Path, words: str) -> None:
    interpreter = interpreters.describe(Path(sys.executable))
    assert interpreter
    python = program(
        tmp_path / "python", f'for folder; do :; done\ntouch "$folder/half"\necho "{words}"\nexit 1'
    )
    with pytest.raises(UserError) as caught:
        environments.ensure(here(), "tests", replace(interpreter, executable=python), ["a"])
    assert str(caught.value).startswith("the disk is full: no room left for ")
    assert "\n" not in str(caught.value)
    assert not list((here().cache / "environments").rglob("half"))


@pytest.mark.parametrize("text", [b"[dependency", b"\xff"])
def test_a_pyproject_that_cannot_be_read_is_one_clear_line(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_bytes(text)
    with pytest.raises(UserError, match="not TOML") as caught:
        environments.group(path, "tests")
    assert "\n" not in str(caught.value)


def test_a_group_is_read_from_pyproject(tmp_path: Path) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_text(
        "[dependency-groups]\ntests = ['a>=1', {include-group = 'more'}]\nmore = ['b']\n"
    )
    assert environments.group(path, "tests") == ("a>=1", "b")


@pytest.mark.parametrize(
    "text", ["", "[dependency-groups]\ntests = [{include-group = 'a'}]\n", "dependency-groups = 3"]
)
def test_a_group_that_is_missing_or_invalid_is_one_clear_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_text(text)
    with pytest.raises(UserError, match=r"dependency-groups\.tests: ") as caught:
        environments.group(path, "tests")
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
