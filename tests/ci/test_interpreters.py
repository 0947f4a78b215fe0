"""Each Python is found where it is installed, for its own series only."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny_openssl import program

from ci import interpreters
from ci.interpreters import Interpreter


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a home directory with no Python in it or on PATH."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    for name in ("PYENV_ROOT", "UV_PYTHON_INSTALL_DIR", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def python(
    path: Path, full_version: str, free: bool = False, implementation: str = "cpython"
) -> Path:
    """Write a stub of a Python of that version, with its headers beside it."""
    major, minor, patch = map(int, full_version.split("."))
    include = path.parent / f"include{full_version}"
    include.mkdir(parents=True, exist_ok=True)
    (include / "Python.h").touch()
    described = {
        "version": f"{major}.{minor}" + ("t" if free else ""),
        "executable": str(path),
        "full_version": full_version,
        "free_threaded": free,
        "implementation": implementation,
        "hexversion": major << 24 | minor << 16 | patch << 8 | 0xF0,
        "include": str(include),
        "ext_suffix": ".so",
        "platform": "linux-x86_64",
    }
    return program(path, f"echo '{json.dumps(described)}'")


def found(*versions: str) -> dict[str, str]:
    """Return the patch version found for each series."""
    return {
        version: each.full_version for version, each in interpreters.installed(versions).items()
    }


def test_the_running_python_is_found() -> None:
    described = interpreters.describe(Path(sys.executable))
    assert isinstance(described, Interpreter)
    assert described.version.removesuffix("t") == f"{sys.version_info[0]}.{sys.version_info[1]}"
    # A virtual environment's is not the one to build for: it goes when the environment does.
    assert not described.executable.is_relative_to(sys.prefix) or sys.prefix == sys.base_prefix


def test_no_python_is_found_in_an_empty_environment(home: Path) -> None:
    assert found("3.9", "3.13") == {}


@pytest.mark.parametrize("name", ["python3.13", "python3", "python"])
def test_a_python_is_found_on_path_by_each_of_its_names(home: Path, name: str) -> None:
    python(home / "bin" / name, "3.13.1")
    assert found("3.12", "3.13") == {"3.13": "3.13.1"}


def test_a_pyenv_python_is_found_whether_selected_or_not(home: Path) -> None:
    python(home / ".pyenv" / "versions" / "3.10.13" / "bin" / "python3.10", "3.10.13")
    assert found("3.10") == {"3.10": "3.10.13"}


def test_the_root_is_queried_from_pyenv(home: Path) -> None:
    program(home / "bin" / "pyenv", f'[ "$1" = root ] && echo {home}/elsewhere')
    python(home / "elsewhere" / "versions" / "3.10.13" / "bin" / "python", "3.10.13")
    assert found("3.10") == {"3.10": "3.10.13"}


@pytest.mark.parametrize("installed", [True, False])
def test_a_python_installed_by_uv_is_found_with_or_without_uv(home: Path, installed: bool) -> None:
    folder = home / ".local" / "share" / "uv" / "python"
    if installed:
        folder = home / "uvs"
        program(home / "bin" / "uv", f"echo {folder}")
    python(folder / "cpython-3.14.0-linux" / "bin" / "python3.14", "3.14.0")
    assert found("3.14") == {"3.14": "3.14.0"}


def test_a_shim_of_an_unselected_version_is_ignored(home: Path) -> None:
    shims = home / ".pyenv" / "shims"
    program(shims / "python3.13", "echo 'pyenv: version not set' >&2; exit 127")
    python(home / ".pyenv" / "versions" / "3.13.0" / "bin" / "python3.13", "3.13.0")
    os.environ["PATH"] = f"{shims}{os.pathsep}{os.environ['PATH']}"
    assert found("3.13") == {"3.13": "3.13.0"}


def test_the_newest_patch_wins(home: Path) -> None:
    python(home / "bin" / "python3.13", "3.13.2")
    python(home / ".pyenv" / "versions" / "a" / "bin" / "python3.13", "3.13.10")
    python(home / ".pyenv" / "versions" / "b" / "bin" / "python3.13", "3.13.9")
    assert found("3.13") == {"3.13": "3.13.10"}


def test_a_python_with_headers_wins_over_a_newer_one_without(home: Path) -> None:
    newer = python(home / "bin" / "python3.13", "3.13.9")
    (newer.parent / "include3.13.9" / "Python.h").unlink()
    assert found("3.13") == {"3.13": "3.13.9"}
    python(home / ".pyenv" / "versions" / "a" / "bin" / "python3.13", "3.13.2")
    assert found("3.13") == {"3.13": "3.13.2"}


def test_a_free_threaded_python_is_used_only_for_its_own_version(home: Path) -> None:
    python(home / "bin" / "python3.13", "3.13.5", free=True)
    python(home / "bin" / "python3", "3.13.1")
    assert found("3.13", "3.13t") == {"3.13": "3.13.1", "3.13t": "3.13.5"}


def test_another_implementation_is_ignored(home: Path) -> None:
    python(home / "bin" / "python3.11", "3.11.5", implementation="pypy")
    assert found("3.11") == {}


@pytest.mark.parametrize(
    "script",
    ["exit 1", "echo hello", "kill -9 $$", "echo []", "echo {}", """echo '{"implementation":1}'"""],
)
def test_a_python_that_does_not_run_is_ignored(home: Path, script: str) -> None:
    program(home / "bin" / "python3.11", script)
    assert found("3.11") == {}


@pytest.mark.parametrize("variable", ["PATH", "PYENV_ROOT", "UV_PYTHON_INSTALL_DIR"])
def test_a_directory_without_permission_is_skipped(
    home: Path,
    variable: str,
    forbid: Callable[[Path], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    python(home / "bin" / "python3.13", "3.13.1")
    closed = home / "closed"
    python(closed / "versions" / "a" / "bin" / "python3.12", "3.12.1")
    named = str(closed / "versions" / "a" / "bin") if variable == "PATH" else str(closed)
    monkeypatch.setenv(variable, named, prepend=os.pathsep if variable == "PATH" else None)
    forbid(closed)
    assert found("3.12", "3.13") == {"3.13": "3.13.1"}


def test_headers_in_a_directory_without_permission_count_as_missing(
    home: Path, forbid: Callable[[Path], None]
) -> None:
    python(home / "bin" / "python3.13", "3.13.1")
    forbid(home / "bin" / "include3.13.1")
    assert not interpreters.installed(["3.13"])["3.13"].has_headers


def test_a_user_without_a_home_directory_gets_the_pythons_on_path(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python(home / "bin" / "python3.13", "3.13.1")
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    assert found("3.13") == {"3.13": "3.13.1"}
