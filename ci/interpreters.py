"""Which Pythons are installed. Given series such as `3.13` it gives an `Interpreter` for each.

Looked for on PATH, among pyenv's versions whether selected or not, and among uv's own. Each
candidate is asked what it is, so a pyenv shim whose version is not selected is no answer.
"""

from __future__ import annotations

import glob
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from ci.problem import Problem
from ci.process import capture

# Isolated, so that neither the folder it is run in nor a PYTHONPATH answers for it.
ASK = """
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
    """A CPython that runs; never a virtual environment's, but the one that it was made from.

    `version` is its series, `3.13` or free-threaded `3.13t`; `include` the folder of `Python.h`;
    `ext_suffix` that of an extension for this ABI alone; `platform` as a wheel's tag has it,
    with `-` and `.` for `_`; without `has_ensurepip` its venv makes no environment with pip
    (Debian packs it apart).
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
        """Whether an extension can be built for it (a distribution packs these apart)."""
        return os.path.isfile(self.include / "Python.h")  # noqa: PTH113 - see _candidates


def installed(versions: Iterable[str]) -> dict[str, Interpreter]:
    """The interpreter for each of `versions` that has one, in that order.

    Of several, those with headers come first, then the newest patch wins, then the order they
    are looked for in. A free-threaded one answers only for a version that ends with `t`.
    """
    wanted = list(versions)
    with ThreadPoolExecutor(max_workers=4) as pool:
        answers = [found for found in pool.map(ask, _candidates(wanted)) if found]
    best: dict[str, Interpreter] = {}
    for version in wanted:
        those = [answer for answer in answers if answer.version == version]
        if those:
            best[version] = max(those, key=lambda each: (each.has_headers, each.hexversion))
    return best


def ask(executable: Path) -> Interpreter | None:
    """What the Python at `executable` says it is; None when it does not run or is no CPython."""
    try:
        facts = json.loads(capture([executable, "-I", "-c", ASK], timeout=30))
        if facts.pop("implementation") != "cpython":
            return None
        facts["executable"] = Path(facts["executable"])
        facts["include"] = Path(facts["include"])
        return Interpreter(**facts)
    except (Problem, ValueError, TypeError, AttributeError, LookupError):
        # It does not run, or what it printed is not what ASK prints.
        return None


def _candidates(versions: list[str]) -> list[Path]:
    """Executables worth asking: the names a version goes by, in each folder, none twice.

    A folder that may not be entered has none: os.path reports that as absent, pathlib raises it.
    """
    names = [*(f"python{version}" for version in versions), "python3", "python"]
    seen: dict[Path, Path] = {}
    for folder in _folders():
        for name in names:
            path = folder / name
            if os.path.isfile(path) and os.access(path, os.X_OK):  # noqa: PTH113
                seen.setdefault(path if _is_shim(path) else Path(os.path.realpath(path)), path)
    return list(seen.values())


def _folders() -> Iterator[Path]:
    for entry in os.environ.get("PATH", "").split(os.pathsep):
        if entry:
            yield Path(entry)
    for versions in (_pyenv_versions(), _uv_pythons()):
        yield from map(Path, sorted(glob.glob(f"{glob.escape(versions)}/*/bin")))  # noqa: PTH207


def _is_shim(path: Path) -> bool:
    # Every shim is the same script: resolving one that is a link would merge them all.
    return path.parent.name == "shims"


def _pyenv_versions() -> str:
    root = os.environ.get("PYENV_ROOT") or _answer("pyenv", "root")
    return (root or _home(".pyenv")) + "/versions"


def _uv_pythons() -> str:
    named = os.environ.get("UV_PYTHON_INSTALL_DIR") or _answer("uv", "python", "dir")
    return named or (os.environ.get("XDG_DATA_HOME") or _home(".local/share")) + "/uv/python"


def _home(below: str) -> str:
    # Where the user has no home directory, pathlib raises RuntimeError.
    return os.path.expanduser(f"~/{below}")  # noqa: PTH111


def _answer(program: str, *arguments: str) -> str:
    """What a program that may not be there answers; nothing when it is not or fails."""
    if not shutil.which(program):
        return ""
    try:
        return capture([program, *arguments], timeout=30).strip()
    except Problem:
        return ""
