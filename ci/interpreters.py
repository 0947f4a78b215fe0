"""The installed Pythons: an `Interpreter` for each series such as `3.13`.

They are searched for on PATH, among pyenv's versions, selected or not, and among uv's, on Windows
also among those that the py launcher lists. Each one is run, so a pyenv shim whose version is not
selected is not found.
"""

from __future__ import annotations

import glob
import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ci import host
from ci.errors import UserError
from ci.process import capture, in_threads

# Run with -I, so that no module of the working directory or of PYTHONPATH is imported.
DESCRIBE = """
import importlib.util, json, platform, sys, sysconfig
free = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
print(json.dumps({
    "version": "%d.%d" % sys.version_info[:2] + ("t" if free else ""),
    "executable": getattr(sys, "_base_executable", None) or sys.executable,
    "full_version": platform.python_version(),
    "free_threaded": free,
    "has_ensurepip": bool(importlib.util.find_spec("ensurepip")),
    "implementation": sys.implementation.name,
    "hexversion": sys.hexversion,
    "include": sysconfig.get_path("include"),
    "ext_suffix": sysconfig.get_config_var("EXT_SUFFIX"),
    "platform": sysconfig.get_platform(),
}))
"""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A CPython; of a virtual environment, the one that it was made from.

    Attributes:
        version: the series, `3.13` or free-threaded `3.13t`.
        executable: its path.
        full_version: such as `3.13.1`.
        free_threaded: whether it was built without the GIL.
        hexversion: sys.hexversion.
        include: the directory of `Python.h`.
        ext_suffix: the suffix of an extension for this ABI alone.
        platform: sysconfig.get_platform().
        has_ensurepip: whether venv can install pip (Debian packages ensurepip apart).
    """

    version: str
    executable: Path
    full_version: str
    free_threaded: bool
    hexversion: int
    include: Path
    ext_suffix: str
    platform: str
    has_ensurepip: bool = True

    @property
    def has_headers(self) -> bool:
        """Whether `Python.h` is installed, which distributions package apart."""
        return os.path.isfile(self.include / "Python.h")  # noqa: PTH113 - see _candidates


def installed(versions: Iterable[str]) -> dict[str, Interpreter]:
    """Return the interpreter of each of `versions` that is installed, in that order.

    Of several, one with headers is preferred, then the newest patch release, then the first found.
    A version that ends with `t` is free-threaded.
    """
    wanted = list(versions)
    all_found = [found for found in in_threads(describe, _candidates(wanted), 4) if found]
    best: dict[str, Interpreter] = {}
    for version in wanted:
        those = [found for found in all_found if found.version == version]
        if those:
            best[version] = max(those, key=lambda each: (each.has_headers, each.hexversion))
    return best


def describe(executable: Path) -> Interpreter | None:
    """Return the interpreter at a path, or None if it does not run or is not CPython."""
    try:
        facts = json.loads(capture([executable, "-I", "-c", DESCRIBE], timeout=30))
        if facts.pop("implementation") != "cpython":
            return None
        facts["executable"] = Path(facts["executable"])
        facts["include"] = Path(facts["include"])
        return Interpreter(**facts)
    except (UserError, ValueError, TypeError, AttributeError, LookupError):
        # It does not run, or is another program.
        return None


def _candidates(versions: list[str]) -> list[Path]:
    """Return the paths of programs whose name is a Python's, each once.

    os.path reports a directory without permission as absent, where pathlib raises.
    """
    names = [*(f"python{version}" for version in versions), "python3", "python"]
    seen: dict[Path, Path] = {}
    for directory in _folders():
        for name in names:
            path = directory / f"{name}{host.EXE}"
            if os.path.isfile(path) and os.access(path, os.X_OK):  # noqa: PTH113
                seen.setdefault(path if _is_shim(path) else Path(os.path.realpath(path)), path)
    return list(seen.values())


def _folders() -> Iterator[Path]:
    for entry in os.environ.get("PATH", "").split(os.pathsep):
        if entry:
            yield Path(entry)
    # The installations of Windows have no bin.
    below = "*" if host.WINDOWS else "*/bin"
    for versions in (_pyenv_versions(), *_uv_pythons()):
        yield from map(Path, sorted(glob.glob(f"{glob.escape(versions)}/{below}")))  # noqa: PTH207
    if host.WINDOWS:
        yield from (Path(program).parent for program in _listed_by_launcher())


def _is_shim(path: Path) -> bool:
    # All shims are links to one script, so they must not be resolved.
    return path.parent.name == "shims"


def _pyenv_versions() -> str:
    root = os.environ.get("PYENV_ROOT") or _output("pyenv", "root")
    return (root or _home(".pyenv/pyenv-win" if host.WINDOWS else ".pyenv")) + "/versions"


def _uv_pythons() -> list[str]:
    named = os.environ.get("UV_PYTHON_INSTALL_DIR") or _output("uv", "python", "dir")
    if named:
        return [named]
    if host.WINDOWS:
        data = os.environ.get("APPDATA", "")
        return [f"{data}/uv/python", f"{data}/uv/data/python"]
    return [(os.environ.get("XDG_DATA_HOME") or _home(".local/share")) + "/uv/python"]


def _listed_by_launcher() -> list[str]:
    # Lines such as ` -V:3.13 *        C:\Python313\python.exe`.
    return re.findall(r"(?m)\s([A-Za-z]:\\.+\.exe)\s*$", _output("py", "-0p"))


def _home(below: str) -> str:
    # Where the user has no home directory, pathlib raises RuntimeError.
    return os.path.expanduser(f"~/{below}")  # noqa: PTH111


def _output(program: str, *arguments: str) -> str:
    """Return a program's output, or an empty string if it is not installed or fails."""
    if not shutil.which(program):
        return ""
    try:
        return capture([program, *arguments], timeout=30).strip()
    except UserError:
        return ""
