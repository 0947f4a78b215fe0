"""An environment is created once for an interpreter and its requirements."""

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
    """Hide uv and give pip no index."""
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.setenv("PIP_NO_INDEX", "1")


@pytest.mark.usefixtures("without_uv")
def test_an_environment_is_created_once_and_measures_child_processes(tmp_path: Path) -> None:
    interpreter = interpreters.describe(Path(sys.executable))
    assert interpreter
    wanted = [str(write_wheel(tmp_path))]
    python = environments.ensure(here(), "tests", interpreter, wanted)
    made = python.stat().st_ctime_ns

    # The module stands in for coverage.py, which the environment does not have.
    (tmp_path / "coverage.py").write_text("def process_startup():\n    print('measured')\n")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "COVERAGE_PROCESS_START": "settings"}
    message = subprocess.check_output(
        [python, "-W", "error", "-c", "import tiny; print(tiny.there)"], env=environment, text=True
    )
    # Some Pythons read an environment's .pth files twice; coverage.py starts once.
    assert set(message.split()) == {"measured", "1"}

    again = environments.ensure(here(), "tests", interpreter, wanted)
    assert (again, again.stat().st_ctime_ns) == (python, made)


@pytest.mark.usefixtures("without_uv")
def test_an_environment_has_the_versions_of_the_constraints(tmp_path: Path) -> None:
    interpreter = interpreters.describe(Path(sys.executable))
    assert interpreter
    project = here(tmp_path)
    project.constraints.parent.mkdir()
    wanted = [str(write_wheel(tmp_path))]
    project.constraints.write_text("tiny==2\n")
    with pytest.raises(CommandError, match="tiny"):
        environments.ensure(project, "tests", interpreter, wanted)
    project.constraints.write_text("tiny==1\n")
    python = environments.ensure(project, "tests", interpreter, wanted)
    assert "tiny==1" in environments.describe(python).packages
    # Other constraints are another environment.
    project.constraints.write_text("tiny<2\n")
    assert environments.ensure(project, "tests", interpreter, wanted) != python


@pytest.mark.usefixtures("without_uv")
def test_a_failed_environment_keeps_its_log(tmp_path: Path) -> None:
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
def test_a_full_disk_is_reported_in_one_line_and_leaves_nothing(tmp_path: Path, words: str) -> None:
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
def test_an_unreadable_pyproject_is_reported_in_one_line(tmp_path: Path, text: bytes) -> None:
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
def test_a_missing_or_invalid_group_is_reported_in_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_text(text)
    with pytest.raises(UserError, match=r"dependency-groups\.tests: ") as caught:
        environments.group(path, "tests")
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
