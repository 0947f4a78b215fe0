"""The programs that build: C compiler, ccache, assembler, gcov, SWIG, make and perl.

Nothing else in ci/ chooses a program of these. On Windows they are Microsoft's compiler and nmake.
`require` checks that they can be used before anything is downloaded or built.
"""

from __future__ import annotations

import os
import platform
import re
import shlex
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ci import host, msvc
from ci.errors import UserError
from ci.packages import VISUAL_STUDIO, XCODE, Packages, install_command, packages
from ci.process import CommandError, capture

# The Perl modules that OpenSSL's Configure and generators load and that systems package apart.
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


class NotInstalledError(UserError):
    """A tool cannot be used until its packages are installed."""


@dataclass(frozen=True, slots=True, eq=False)
class Tool:
    """A program of the system.

    Attributes:
        need: `required`, `recommended` or `optional`, and for what.
        use: what the tooling uses it for.
        version: returns the installed version; raises NotInstalledError if `packages` provide what
            is missing, UserError if it cannot be used for another reason.
        packages: what it is packaged as.
    """

    name: str
    need: str
    use: str
    version: Callable[[], str]
    packages: Packages


@dataclass(frozen=True, slots=True)
class Compiler:
    """The C compiler and what the objects that it writes depend on.

    Attributes:
        command: the command without ccache, CC's if that is set.
        version: the first line of `--version`, or Microsoft's version.
        assembler: the assembler's version, empty if the compiler assembles itself; on Windows
            NASM's, empty if it is not installed.
        target: the operating system and the target triplet.
    """

    command: tuple[str, ...]
    version: str
    assembler: str
    target: str

    @property
    def cached(self) -> tuple[str, ...]:
        """The command with ccache if that is installed."""
        if not host.WINDOWS and shutil.which("ccache") and Path(self.command[0]).name != "ccache":
            return ("ccache", *self.command)
        return self.command


@cache
def compiler() -> Compiler:
    """Return the C compiler: CC's, else the first installed of cc, gcc and clang.

    On Windows it is cl, whatever CC is, because setuptools uses that.

    Raises:
        UserError: it is not installed; the message names all that is missing to build OpenSSL.
    """
    command = _compiler_command()
    if not command or not shutil.which(command[0]):
        require(FOR_OPENSSL)
    if host.WINDOWS:
        return Compiler(command, msvc.version(), _nasm(), platform.system())
    return Compiler(
        command,
        capture([*command, "--version"]).partition("\n")[0],
        _assembler(command),
        f"{platform.system()} {capture([*command, '-dumpmachine']).strip()}",
    )


def checker() -> list[str]:
    """Return the command that only checks a file of C11."""
    if host.WINDOWS:
        return [*compiler().command, "/nologo", "/Zs", "/std:c11"]
    return [
        *compiler().command,
        *("-std=gnu11", "-fsyntax-only", "-Wno-deprecated-declarations"),
    ]


def words(variable: str) -> list[str]:
    """Return the words of an environment variable, split as a shell does."""
    try:
        return shlex.split(os.environ.get(variable, ""))
    except ValueError as error:
        raise UserError(
            f"{variable}={os.environ[variable]}: {error}; correct it or unset it"
        ) from None


def library(name: str) -> Path:
    """Return the path of a library that the compiler links, such as `libasan.so`."""
    command = compiler().command
    return Path(capture([*command, f"-print-file-name={name}"]).strip())


def accepted(flags: Iterable[str]) -> tuple[str, ...]:
    """Return those of `flags` that the compiler has for its target."""
    return tuple(flag for flag in flags if _accepts(compiler().command, flag))


@cache
def _accepts(command: tuple[str, ...], flag: str) -> bool:
    try:
        # clang only warns of a flag that it ignores.
        capture([*command, "-Werror", flag, "-c", "-x", "c", os.devnull, "-o", os.devnull])
    except CommandError:
        return False
    return True


@cache
def has_128_bit_integers() -> bool:
    """Return whether the compiler's target is little-endian and has integers of 128 bits."""
    if host.WINDOWS:
        return False
    macros = capture([*compiler().command, "-dM", "-E", "-x", "c", os.devnull]).splitlines()
    is_little = "#define __BYTE_ORDER__ __ORDER_LITTLE_ENDIAN__" in macros
    return is_little and any("__SIZEOF_INT128__" in macro for macro in macros)


def gcov(command: Sequence[str]) -> list[str]:
    """Return the command of the gcov that reads what the compiler `command` writes."""
    program = next((word for word in command if Path(word).name != "ccache"), "")
    if not program or not shutil.which(program):
        return ["gcov"]
    # `cc` is clang on macOS and GCC elsewhere; only its version output differs.
    if "clang" in capture([program, "--version"]).lower():
        suffix = re.search(r"-\d+$", program)
        return ["llvm-cov" + (suffix[0] if suffix else ""), "gcov"]
    return [re.sub(r"(gcc|cc)(?=(-[\d.]+)?$)", "gcov", Path(program).name)]


def swig(python: Path) -> dict[str, str]:
    """Return the variables SWIG and SWIG_LIB of the swig package that `python` imports.

    The package's script cannot be used: it names the directory that its environment was made in.
    """
    code = "import swig; print(swig.BIN_DIR, swig.SWIG_SHARE_DIR, sep='\\n')"
    programs, share = (Path(line) for line in capture([python, "-c", code]).splitlines())
    library = next(path for path in share.iterdir() if path.is_dir())
    return {"SWIG": str(programs / f"swig{host.EXE}"), "SWIG_LIB": str(library)}


def require(tools: Iterable[Tool]) -> None:
    """Check that each of `tools` can be used.

    Raises:
        UserError: the message names those that cannot, and the command that installs them.
    """
    unusable = reasons(tools)
    if unusable:
        raise UserError(advice(unusable))


def reasons(tools: Iterable[Tool]) -> dict[Tool, UserError]:
    """Return the error of each of `tools` that cannot be used."""
    msvc.enter()
    errors = {}
    for tool in tools:
        try:
            tool.version()
        except UserError as error:
            errors[tool] = error
    return errors


def advice(unusable: Mapping[Tool, UserError]) -> str:
    """Return one line with the errors of tools and the command that installs what is missing."""
    lines = dict.fromkeys(str(error).partition("\n")[0] for error in unusable.values())
    absent = [
        tool.packages for tool, error in unusable.items() if isinstance(error, NotInstalledError)
    ]
    return ", ".join(lines) + (f"; install with: {install_command(absent)}" if absent else "")


def _compiler_command() -> tuple[str, ...]:
    if host.WINDOWS:
        msvc.enter()
        return ("cl",) if shutil.which("cl") else ()
    named = words("CC")
    return tuple(named or [name for name in ("cc", "gcc", "clang") if shutil.which(name)][:1])


def _assembler(command: tuple[str, ...]) -> str:
    """Return the assembler's version: OpenSSL's generators write what it can assemble."""
    try:
        program = capture([*command, "-print-prog-name=as"]).strip()
        return capture([program, "--version"]).partition("\n")[0]
    except UserError:
        # The compiler has no assembler apart.
        return ""


def _nasm() -> str:
    """Return NASM's version, or an empty string: OpenSSL is then built without assembler."""
    return capture(["nasm", "-v"]).strip() if shutil.which("nasm") else ""


def _compiler_version() -> str:
    command = _compiler_command()
    if not command:
        raise NotInstalledError("there is no C compiler")
    if not shutil.which(command[0]):
        raise UserError(
            f"CC={os.environ['CC']}: there is no {command[0]}; "
            "set CC to a C compiler that is installed, or unset it"
        )
    try:
        if host.WINDOWS:
            return msvc.version()
        # Debian's gcc package does not depend on the C library's headers.
        capture([*command, "-fsyntax-only", "-include", "stdlib.h", "-x", "c", os.devnull])
    except CommandError as error:
        raise NotInstalledError(
            f"{shlex.join(command)} does not compile with <stdlib.h>"
        ) from error
    return _first_line(*command, "--version")


def _perl_version() -> str:
    version = _first_line("perl", "-e", "print $^V")
    if host.WINDOWS and not msvc.native_perl():
        raise NotInstalledError("perl is not one that is built for Windows")
    code = " ".join(
        f"eval {{require {module}; 1}} or print '{module} ';" for module in PERL_MODULES
    )
    missing = capture(["perl", "-e", code]).split()
    if missing:
        raise NotInstalledError(f"perl lacks {', '.join(missing)}")
    return version


def _libraries(*names: str) -> str:
    """Return the paths of libraries of the system, one of each of `names`."""
    found = []
    for name in names:
        roots = ("usr/lib/*", "usr/lib64", "usr/lib", "usr/local/lib", "opt/homebrew/lib")
        paths = [path for root in roots for path in Path("/").glob(f"{root}/{name}")]
        if not paths:
            raise NotInstalledError(f"there is no {name}")
        found.append(str(paths[0]))
    return ", ".join(found)


def _first_line(program: str, *arguments: str) -> str:
    if not shutil.which(program):
        raise NotInstalledError(f"there is no {program}")
    return capture([program, *arguments]).partition("\n")[0].strip()


MAKE_PROGRAM = "nmake" if host.WINDOWS else "make"


def _make_version() -> str:
    if not host.WINDOWS:
        return _first_line(MAKE_PROGRAM, "--version")
    if not shutil.which(MAKE_PROGRAM):
        raise NotInstalledError(f"there is no {MAKE_PROGRAM}")
    return MAKE_PROGRAM


COMPILER = Tool(
    "C compiler",
    "required",
    "compiles OpenSSL and the extension",
    _compiler_version,
    packages(
        "gcc libc6-dev",
        "gcc glibc-devel",
        "gcc musl-dev linux-headers",
        "gcc",
        XCODE,
        VISUAL_STUDIO,
    ),
)
PERL = Tool(
    "perl",
    "required",
    "configures OpenSSL and writes its assembler",
    _perl_version,
    packages("perl", "perl", "perl", "perl", "perl", "StrawberryPerl.StrawberryPerl"),
)
MAKE = Tool(
    "make",
    "required",
    "builds OpenSSL",
    _make_version,
    packages("make", "make", "make", "make", XCODE, VISUAL_STUDIO),
)
GCOV = Tool(
    "gcov",
    "required by tests, matrix and each cell",
    "reads which C lines ran",
    lambda: _first_line(gcov(_compiler_command())[0], "--version"),
    packages("gcc", "gcc", "gcc", "gcc", XCODE),
)
OPENSSL = Tool(
    "openssl",
    "recommended",
    "a peer of the tests; the tests that connect to it are skipped without it",
    lambda: _first_line("openssl", "version"),
    packages("openssl", "openssl", "openssl", "openssl", "openssl", "ShiningLight.OpenSSL.Light"),
)
SOFTHSM = Tool(
    "SoftHSM",
    "recommended",
    "a token; the tests of smart cards are skipped without it and the tools below",
    lambda: _first_line("softhsm2-util", "--version"),
    packages("softhsm2", "softhsm", "softhsm", "softhsm", "softhsm"),
)
OPENSC = Tool(
    "OpenSC",
    "recommended",
    "pkcs11-tool writes certificates to the token",
    lambda: _first_line("opensc-tool", "--info"),
    packages("opensc", "opensc", "opensc", "opensc", "opensc"),
)
PKCS11 = Tool(
    "PKCS #11",
    "recommended",
    "the provider (Debian 12: in its backports) and the engine that connect OpenSSL to the token",
    lambda: _libraries("ossl-modules/pkcs11.so", "engines-*/pkcs11.so"),
    packages(
        "pkcs11-provider libengine-pkcs11-openssl",
        "pkcs11-provider openssl-pkcs11",
        "pkcs11-provider libp11",
        "pkcs11-provider libp11",
        "pkcs11-provider libp11",
    ),
)
CCACHE = Tool(
    "ccache",
    "optional",
    "shortens the next build of OpenSSL or the extension",
    lambda: _first_line("ccache", "--version"),
    packages("ccache", "ccache", "ccache", "ccache", "ccache"),
)
NASM = Tool(
    "nasm",
    "optional",
    "assembles OpenSSL's faster code",
    lambda: _first_line("nasm", "-v"),
    packages("", "", "", "", "", "NASM.NASM"),
)
FOR_OPENSSL = (COMPILER, PERL, MAKE)
# No cell of Windows counts lines of C.
FOR_CELLS = (COMPILER,) if host.WINDOWS else (COMPILER, GCOV)
REQUIRED = FOR_OPENSSL if host.WINDOWS else (*FOR_OPENSSL, GCOV)
TOKENS = () if host.WINDOWS else (SOFTHSM, OPENSC, PKCS11)
TOOLS = (*REQUIRED, OPENSSL, NASM if host.WINDOWS else CCACHE, *TOKENS)
