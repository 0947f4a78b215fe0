"""What the machine needs from the system, and how each system installs it.

`require` is asked before anything is downloaded; it gives a `Problem` with the lines that install
what is missing. `nox -s doctor` prints everything there is and is not. The table below is the only
place that knows which tools and packages those are.
"""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

from ci import interpreters, manifest, store
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
INSTALL = {
    "Debian": "sudo apt-get install {}",
    "Fedora": "sudo dnf install {}",
    "Alpine": "sudo apk add {}",
    "macOS": "brew install {}",
}


@dataclass(frozen=True, slots=True, eq=False)
class Tool:
    """A program from the system.

    `version` asks it, and raises a `Problem` that says why it cannot be used; `packages` are those
    it comes in, by system.
    """

    name: str
    use: str
    needed: bool
    version: Callable[[], str]
    packages: dict[str, str]


@cache
def compiler() -> tuple[str, ...]:
    """The C compiler's command: CC, else the first there is of cc, gcc and clang.

    Raises a `Problem` when there is none, which says what else is missing too.
    """
    command = _compiler_command()
    if not command or not shutil.which(command[0]):
        require()
    return command


def require() -> None:
    """Raise a `Problem` unless everything that builds OpenSSL is there and works."""
    wrong = {tool: why for tool in TOOLS if tool.needed and (why := _wrong(tool))}
    if wrong:
        raise Problem(_how_to_install(list(wrong), ", ".join(wrong.values())))


def main(arguments: list[str]) -> None:
    """Print what is installed and what is missing; a `Problem` when something needed is."""
    if arguments:
        raise Problem(f"doctor takes no arguments, not {arguments[0]!r}")
    plan = manifest.load()
    wrong = {tool: why for tool in TOOLS if (why := _wrong(tool))}
    print("Tools")
    for tool in TOOLS:
        _print(tool not in wrong, tool.name, wrong.get(tool) or tool.version(), tool.use)
    print(f"  ok  {'SWIG':<12} {plan.swig}  (from the package registry; the sessions install it)")
    print("Pythons")
    _print_pythons(plan.pythons)
    print(f"Cache\n      {store.cache_root()}")
    optional = [tool for tool in wrong if not tool.needed]
    if optional:
        print(_how_to_install(optional, "What is optional"))
    require()


def _print_pythons(versions: Sequence[str]) -> None:
    found = interpreters.installed(versions)
    for version in versions:
        python = found.get(version)
        if python is None:
            way = f"uv python install {version}, or pyenv install {version}"
            _print(False, version, "not installed, its cells are not run", way)
        else:
            note = "" if python.has_headers else "its headers are missing: no Python.h"
            _print(not note, version, f"{python.full_version}  {python.executable}", note)


def _print(good: bool, name: str, what: str, note: str) -> None:
    print(f"  {'ok' if good else '--'}  {name:<12} {what}" + (f"  ({note})" if note else ""))


def _wrong(tool: Tool) -> str | None:
    """Why a tool cannot be used, in one line; None when it can."""
    try:
        tool.version()
    except Problem as problem:
        return str(problem).partition("\n")[0]
    return None


def _how_to_install(tools: list[Tool], why: str) -> str:
    lines = [f"{why}: install with"]
    for system, command in INSTALL.items():
        packages = [tool.packages[system] for tool in tools]
        plain = sorted({word for each in packages if each != XCODE for word in each.split()})
        ways = [command.format(" ".join(plain))] if plain else []
        ways += [XCODE] if XCODE in packages else []
        lines.append(f"{system:<8}{' && '.join(ways)}")
    return "\n  ".join(lines)


def _compiler_command() -> tuple[str, ...]:
    named = shlex.split(os.environ.get("CC", ""))
    return tuple(named or [name for name in ("cc", "gcc", "clang") if shutil.which(name)][:1])


def _compiler_version() -> str:
    command = _compiler_command()
    if not command:
        raise Problem("there is no C compiler")
    try:
        # Debian's gcc comes without libc's headers: that it runs is not enough.
        capture([*command, "-fsyntax-only", "-include", "stdlib.h", "-x", "c", os.devnull])
    except CommandFailed as failure:
        raise Problem(f"{shlex.join(command)} does not compile with <stdlib.h>") from failure
    return _first_line(*command, "--version")


def _perl_version() -> str:
    there = _first_line("perl", "-e", "print $^V")
    code = " ".join(
        f"eval {{require {module}; 1}} or print '{module} ';" for module in PERL_MODULES
    )
    missing = capture(["perl", "-e", code]).split()
    if missing:
        raise Problem(f"perl lacks {', '.join(missing)}")
    return there


def _first_line(program: str, *arguments: str) -> str:
    if not shutil.which(program):
        raise Problem(f"there is no {program}")
    return capture([program, *arguments]).partition("\n")[0].strip()


def _packages(debian: str, fedora: str, alpine: str, macos: str) -> dict[str, str]:
    return dict(zip(INSTALL, (debian, fedora, alpine, macos), strict=True))


COMPILER = Tool(
    "C compiler",
    "compiles OpenSSL and the extension",
    True,
    _compiler_version,
    _packages("gcc libc6-dev", "gcc glibc-devel", "gcc musl-dev linux-headers", XCODE),
)
TOOLS = (
    COMPILER,
    Tool(
        "perl",
        "configures OpenSSL and writes its assembler",
        True,
        _perl_version,
        _packages("perl", "perl", "perl", "perl"),
    ),
    Tool(
        "make",
        "builds OpenSSL",
        True,
        lambda: _first_line("make", "--version"),
        _packages("make", "make", "make", XCODE),
    ),
    Tool(
        "gcov",
        "reads which C lines ran, for the report",
        False,
        lambda: _first_line("gcov", "--version"),
        _packages("gcc", "gcc", "gcc", XCODE),
    ),
    Tool(
        "ccache",
        "makes a second OpenSSL build quick",
        False,
        lambda: _first_line("ccache", "--version"),
        _packages("ccache", "ccache", "ccache", "ccache"),
    ),
)
