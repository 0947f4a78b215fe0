"""Which Pythons are installed. Given series such as `3.13` it gives an `Interpreter` for each.

Looked for on PATH, among pyenv's versions whether selected or not, and among uv's own. Each
candidate is asked what it is, so a pyenv shim whose version is not selected is no answer.
"""

from __future__ import annotations

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
import json, platform, sys, sysconfig
free = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
print(json.dumps({
    "version": "%d.%d" % sys.version_info[:2] + ("t" if free else ""),
    "executable": getattr(sys, "_base_executable", None) or sys.executable,
    "full_version": platform.python_version(),
    "free_threaded": free,
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
    with `-` and `.` for `_`.
    """

    version: str
    executable: Path
    full_version: str
    free_threaded: bool
    hexversion: int
    include: Path
    ext_suffix: str
    platform: str

    @property
    def has_headers(self) -> bool:
        """Whether an extension can be built for it (a distribution packs these apart)."""
        return (self.include / "Python.h").is_file()


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
    except (Problem, ValueError):
        return None
    if facts.pop("implementation") != "cpython":
        return None
    facts["executable"] = Path(facts["executable"])
    facts["include"] = Path(facts["include"])
    return Interpreter(**facts)


def _candidates(versions: list[str]) -> list[Path]:
    """Executables worth asking: the names a version goes by, in each folder, none twice."""
    names = [*(f"python{version}" for version in versions), "python3", "python"]
    seen: dict[Path, Path] = {}
    for folder in _folders():
        for name in names:
            path = folder / name
            if path.is_file() and os.access(path, os.X_OK):
                seen.setdefault(path.resolve() if not _is_shim(path) else path, path)
    return list(seen.values())


def _folders() -> Iterator[Path]:
    for entry in os.environ.get("PATH", "").split(os.pathsep):
        if entry:
            yield Path(entry)
    yield from sorted(_pyenv_versions().glob("*/bin"))
    yield from sorted(_uv_pythons().glob("*/bin"))


def _is_shim(path: Path) -> bool:
    # Every shim is the same script: resolving one that is a link would merge them all.
    return path.parent.name == "shims"


def _pyenv_versions() -> Path:
    root = os.environ.get("PYENV_ROOT") or _answer("pyenv", "root")
    return Path(root or Path.home() / ".pyenv") / "versions"


def _uv_pythons() -> Path:
    named = os.environ.get("UV_PYTHON_INSTALL_DIR") or _answer("uv", "python", "dir")
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(named or Path(data) / "uv" / "python")


def _answer(program: str, *arguments: str) -> str:
    """What a program that may not be there answers; nothing when it is not or fails."""
    if not shutil.which(program):
        return ""
    try:
        return capture([program, *arguments], timeout=30).strip()
    except Problem:
        return ""
