"""What the sessions need from the system, and how each system installs it.

`require` is called before anything is downloaded or built; it raises a `Problem` with the command
that installs what is missing. `nox -s doctor` prints what is installed and what is not. The table
below is the only place that names tools and packages.
"""

from __future__ import annotations

import os
import platform
import re
import shlex
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ci import interpreters, manifest, store
from ci.interpreters import Interpreter
from ci.problem import Problem
from ci.process import CommandFailed, capture

# The Perl modules that OpenSSL's Configure and generators load and that systems pack apart.
PERL_MODULES = (
    "Data::Dumper",
    "File::Basename",
    "File::Compare",
    "File::Copy",
    "File::Path",
    "File::Spec::Functions",
    "FindBin",
    "Getopt::Long",
    "Getopt::Std",
    "IPC::Cmd",
    "Math::BigInt",
    "POSIX",
    "Time::Piece",
)

# A macOS tool that brew does not bring comes with Xcode's own.
XCODE = "xcode-select --install"
# How each system installs packages, and the ID or ID_LIKE of os-release(5) that it goes by.
INSTALL = {
    "Debian": ("debian", "apt-get install {}"),
    "Fedora": ("fedora", "dnf install {}"),
    "Alpine": ("alpine", "apk add {}"),
    "Arch": ("arch", "pacman -S --needed {}"),
    "macOS": ("", "brew install {}"),
}

# Packages by system, separated by spaces.
Packages = Mapping[str, str]


class NotInstalled(Problem):
    """A tool cannot be used until its packages are installed."""


@dataclass(frozen=True, slots=True, eq=False)
class Tool:
    """A program from the system.

    `need` is `required`, `recommended` or `optional`, and for what; `version` returns the version
    installed, or raises a `Problem` with the reason why the tool cannot be used, `NotInstalled` if
    `packages` mend that.
    """

    name: str
    need: str
    use: str
    version: Callable[[], str]
    packages: Packages


@cache
def compiler() -> tuple[str, ...]:
    """Return the C compiler's command: CC, else the first installed of cc, gcc and clang.

    Raises a `Problem` if it is not installed, which names all that is missing to build OpenSSL.
    """
    command = _compiler_command()
    if not command or not shutil.which(command[0]):
        require()
    return command


def words(variable: str) -> list[str]:
    """Return the words of an environment variable, split as a shell does."""
    try:
        return shlex.split(os.environ.get(variable, ""))
    except ValueError as error:
        raise Problem(
            f"{variable}={os.environ[variable]}: {error}; correct it or unset it"
        ) from None


def require(tools: Sequence[Tool] | None = None) -> None:
    """Raise a `Problem` unless all of `tools`, by default those that build OpenSSL, can be used."""
    wrong = _wrong_among(FOR_OPENSSL if tools is None else tools)
    if wrong:
        raise Problem(_advice(wrong))


def install_line(packages: Iterable[Packages]) -> str:
    """Return the command that installs `packages` here, or each system's if this one is unknown."""
    each = list(packages)
    systems = _systems()
    lines = [_install_command(system, each) for system in systems]
    if len(systems) == 1:
        return lines[0]
    return "; ".join(f"{system}: {line}" for system, line in zip(systems, lines, strict=True))


def python_packages(version: str, part: str) -> Packages:
    """Return the packages of a part of Python, `dev` or `venv`, that Debian packs by version."""
    devel, dev = ("python3-devel", "python3-dev") if part == "dev" else ("python3", "py3-pip")
    return _packages(f"python{version}-{part}", devel, dev, "python", "python")


def main(arguments: list[str]) -> None:
    """Print what is installed and what is missing; raise a `Problem` if something required is."""
    if arguments:
        raise Problem(f"doctor takes no arguments, not {arguments[0]!r}")
    known = manifest.load()
    wrong = _wrong_among(TOOLS)
    print("Tools")
    for tool in TOOLS:
        state = str(wrong[tool]) if tool in wrong else tool.version()
        _print(tool not in wrong, tool.name, state, f"{tool.need}: {tool.use}")
    print(f"  ok  {'SWIG':<12} {known.swig}  (from the package registry; the sessions install it)")
    print("Pythons, each required by its own cells")
    usable = _print_pythons(known.pythons)
    print(f"Cache\n      {store.cache_root()}")
    missing = {tool: why for tool, why in wrong.items() if tool not in REQUIRED}
    if missing:
        print(f"Not required: {_advice(missing)}")
    require(REQUIRED)
    if not usable:
        raise Problem("no cell can run: none of the Pythons above can be used")


def _print_pythons(versions: Sequence[str]) -> int:
    """Print a line for each version; return how many can be used."""
    found = interpreters.installed(versions)
    usable = 0
    for version in versions:
        python = found.get(version)
        if python is None:
            way = f"uv python install {version}, or pyenv install {version}"
            _print(False, version, "not installed, its cells are not run", way)
        else:
            note = _python_lacks(python)
            usable += not note
            _print(not note, version, f"{python.full_version}  {python.executable}", note)
    return usable


def _python_lacks(python: Interpreter) -> str:
    """Return what an installed Python lacks to build and run a cell, with the way out."""
    series = python.version.rstrip("t")
    lacks = []
    if not python.has_headers:
        lacks.append(f"no Python.h: {install_line([python_packages(series, 'dev')])}")
    if not (python.has_ensurepip or shutil.which("uv")):
        lacks.append(f"no ensurepip: {install_line([python_packages(series, 'venv')])}")
    return ", ".join(lacks)


def _print(good: bool, name: str, what: str, note: str) -> None:
    print(f"  {'ok' if good else '--'}  {name:<12} {what}" + (f"  ({note})" if note else ""))


def _wrong_among(tools: Iterable[Tool]) -> dict[Tool, Problem]:
    """Return why, for each of `tools` that cannot be used."""
    wrong = {}
    for tool in tools:
        try:
            tool.version()
        except Problem as problem:
            wrong[tool] = problem
    return wrong


def _advice(wrong: Mapping[Tool, Problem]) -> str:
    """Return one line: what is wrong, and the command that installs what is missing."""
    lines = dict.fromkeys(str(why).partition("\n")[0] for why in wrong.values())
    absent = [tool.packages for tool, why in wrong.items() if isinstance(why, NotInstalled)]
    return ", ".join(lines) + (f"; install with: {install_line(absent)}" if absent else "")


def _systems() -> list[str]:
    """Return the system whose packages are those of this one; all of them if there is none."""
    if sys.platform == "darwin":
        return ["macOS"]
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        release = {}
    ids = [release.get("ID", ""), *release.get("ID_LIKE", "").split()]
    return [system for system, (id_, _) in INSTALL.items() if id_ and id_ in ids] or list(INSTALL)


def _install_command(system: str, packages: Iterable[Packages]) -> str:
    needed = [each[system] for each in packages]
    plain = sorted({word for each in needed if each != XCODE for word in each.split()})
    root = system == "macOS" or (hasattr(os, "geteuid") and os.geteuid() == 0)
    install = ("" if root else "sudo ") + INSTALL[system][1].format(" ".join(plain))
    return " && ".join([install] * bool(plain) + [XCODE] * (XCODE in needed))


def _compiler_command() -> tuple[str, ...]:
    named = words("CC")
    return tuple(named or [name for name in ("cc", "gcc", "clang") if shutil.which(name)][:1])


def _compiler_version() -> str:
    command = _compiler_command()
    if not command:
        raise NotInstalled("there is no C compiler")
    if not shutil.which(command[0]):
        raise Problem(
            f"CC={os.environ['CC']}: there is no {command[0]}; "
            "set CC to a C compiler that is installed, or unset it"
        )
    try:
        # Debian's gcc comes without libc's headers: that it runs is not enough.
        capture([*command, "-fsyntax-only", "-include", "stdlib.h", "-x", "c", os.devnull])
    except CommandFailed as failure:
        raise NotInstalled(f"{shlex.join(command)} does not compile with <stdlib.h>") from failure
    return _first_line(*command, "--version")


def _gcov_version() -> str:
    """Return the version of the gcov that reads what the compiler writes: GCC's or LLVM's."""
    command = [word for word in _compiler_command() if Path(word).name != "ccache"]
    if not command or not shutil.which(command[0]):
        return _first_line("gcov", "--version")
    if "clang" in capture([command[0], "--version"]).lower():
        return _first_line("llvm-cov" + (re.findall(r"-\d+$", command[0]) or [""])[0], "--version")
    gcov = re.sub(r"(gcc|cc)(?=(-[\d.]+)?$)", "gcov", Path(command[0]).name)
    return _first_line(gcov, "--version")


def _perl_version() -> str:
    there = _first_line("perl", "-e", "print $^V")
    code = " ".join(
        f"eval {{require {module}; 1}} or print '{module} ';" for module in PERL_MODULES
    )
    missing = capture(["perl", "-e", code]).split()
    if missing:
        raise NotInstalled(f"perl lacks {', '.join(missing)}")
    return there


def _first_line(program: str, *arguments: str) -> str:
    if not shutil.which(program):
        raise NotInstalled(f"there is no {program}")
    return capture([program, *arguments]).partition("\n")[0].strip()


def _packages(debian: str, fedora: str, alpine: str, arch: str, macos: str) -> Packages:
    return dict(zip(INSTALL, (debian, fedora, alpine, arch, macos), strict=True))


COMPILER = Tool(
    "C compiler",
    "required",
    "compiles OpenSSL and the extension",
    _compiler_version,
    _packages("gcc libc6-dev", "gcc glibc-devel", "gcc musl-dev linux-headers", "gcc", XCODE),
)
PERL = Tool(
    "perl",
    "required",
    "configures OpenSSL and writes its assembler",
    _perl_version,
    _packages("perl", "perl", "perl", "perl", "perl"),
)
MAKE = Tool(
    "make",
    "required",
    "builds OpenSSL",
    lambda: _first_line("make", "--version"),
    _packages("make", "make", "make", "make", XCODE),
)
GCOV = Tool(
    "gcov",
    "required by tests, matrix and each cell",
    "reads which C lines ran",
    _gcov_version,
    _packages("gcc", "gcc", "gcc", "gcc", XCODE),
)
OPENSSL = Tool(
    "openssl",
    "recommended",
    "a peer of the tests; without it they skip the tests that speak with it",
    lambda: _first_line("openssl", "version"),
    _packages("openssl", "openssl", "openssl", "openssl", "openssl"),
)
CCACHE = Tool(
    "ccache",
    "optional",
    "makes the next build of OpenSSL or the extension quick",
    lambda: _first_line("ccache", "--version"),
    _packages("ccache", "ccache", "ccache", "ccache", "ccache"),
)
FOR_OPENSSL = (COMPILER, PERL, MAKE)
FOR_CELLS = (COMPILER, GCOV)
REQUIRED = (*FOR_OPENSSL, GCOV)
TOOLS = (*REQUIRED, OPENSSL, CCACHE)
