"""A build becomes an installed prefix: OpenSSL, linked statically, in the cache.

Given a `Build` it gives a folder laid out as OpenSSL's own `make install_dev` does: the headers in
`include/openssl`, `libcrypto.a`, `libssl.a` and pkg-config's files in `lib`. What was built once is
found again by a key over everything that went into it.

    M2CRYPTO_CACHE/prefixes/3.5-no-ec-KEY/    the prefix
    M2CRYPTO_CACHE/logs/3.5-no-ec-KEY.log     all that building it wrote
"""

from __future__ import annotations

import ast
import inspect
import os
import platform
import re
import shlex
import shutil
import textwrap
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ci import doctor, manifest, plan, sources
from ci.manifest import Build
from ci.problem import Problem
from ci.process import capture, in_threads, run
from ci.progress import Line, minutes, say
from ci.store import Store, cache_root, clear_errors, key

# Nothing is ever there. It is compiled in, and the same for every build so that ccache can serve
# one build's objects to the next; the finished prefix can be moved.
COMPILED_IN = Path("/opt/m2crypto-openssl")

# OPENSSLDIR, where `set_default_verify_paths` looks: /etc/ssl holds the system's trust on Debian,
# Fedora, Alpine and macOS (certs/, cert.pem), and openssl.cnf with what the administrator decided.
# With a folder of our own a wheel would trust nobody until told where the system's trust is.
OPENSSLDIR = Path("/etc/ssl")

# -O0 makes generating an RSA key four times slower, -O2 the build a third slower than -O1.
FLAGS = ("-O1",)

# Where `make install_dev` puts the prefix, beside the tree, until its parts are in place.
STAGED = "staged"

# What a build takes from the environment besides: where programs, temporary files and ccache are.
CARRIED = re.compile(
    r"PATH|HOME|TMPDIR|TMP|TEMP|LD_LIBRARY_PATH|CCACHE_\w+|XDG_(CACHE|CONFIG)_HOME"
)
# Apple's compiler reads these to choose what it compiles for, so they are part of the key.
DECIDING = ("DEVELOPER_DIR", "MACOSX_DEPLOYMENT_TARGET", "SDKROOT")

# An object that `make` is about to compile, in the line it prints.
OBJECT = re.compile(r"\s-c\s.*?-o\s+(\S+\.o)\b|-o\s+(\S+\.o)\s.*?-c\b")


@dataclass(frozen=True, slots=True)
class Toolchain:
    """What compiles, and the facts about it that a prefix depends on."""

    command: tuple[str, ...]
    version: str
    assembler: str
    target: str
    flags: tuple[str, ...]


def ensure(builds: Iterable[Build]) -> dict[str, Path]:
    """The prefix of each build by its name, built where the cache has none.

    Raises a `Problem`: tools are missing (before anything is downloaded), no source gives the
    tarball, the disk is full, a build fails (`CommandFailed`, with the log's last lines).
    """
    chosen = list(builds)
    prefixes = {build.name: find(build) for build in chosen}
    absent = [build for build in chosen if prefixes[build.name] is None]
    if absent:
        doctor.require()
        at_once, jobs = _schedule(len(absent), os.cpu_count() or 1)
        made = in_threads(lambda build: _get(build, jobs), absent, at_once)
        prefixes.update(zip([build.name for build in absent], made, strict=True))
    return {name: prefix for name, prefix in prefixes.items() if prefix is not None}


def find(build: Build) -> Path | None:
    """The prefix of a build if the cache has it whole; builds nothing."""
    with clear_errors(cache_root()):
        return _store().find(build.name, _key(build))


def main(arguments: list[str]) -> None:
    """Build the builds named, or all of them; print a line `NAME PREFIX` for each on stdout."""
    all_there_is = manifest.load()
    named = [plan.find_build(all_there_is, name) for name in dict.fromkeys(arguments)]
    for name, prefix in ensure(named or all_there_is.builds).items():
        print(name, prefix)


def _schedule(builds: int, cores: int) -> tuple[int, int]:
    """How many builds at once, and the jobs of each.

    Side by side, as Configure and the archiver leave all cores but one idle; one job too many each,
    so that the last build to end does not end alone on one core.
    """
    at_once = min(builds, 2 if cores < 8 else 4)
    return at_once, min(cores, cores // at_once + 1)


def _store() -> Store:
    return Store(cache_root(), "prefixes")


def _key(build: Build) -> str:
    """Return the key over all that decides what a prefix holds."""
    tools = toolchain()
    return key(
        source=build.release.sha256,
        commands=list(_commands(build).values()),
        settings=_settings(),
        compiler=[tools.command, tools.version, tools.assembler],
        target=tools.target,
        code=_code(),
    )


@cache
def _code() -> list[object]:
    """Return what the functions do that shape a prefix around its commands."""
    return [code_of(each) for each in (_Making.arrange, *sources.UNPACKING)]


def code_of(function: Callable[..., object]) -> object:
    """Return the syntax tree of a function, which comments, docstrings and layout do not change.

    Nor does the Python that reads it: fields that are not used, which versions add, are left out.
    """

    def plain(node: object) -> object:
        if isinstance(node, list):
            return [plain(each) for each in node]
        if not isinstance(node, ast.AST):
            return repr(node)
        used = ((name, each) for name, each in ast.iter_fields(node) if each not in (None, []))
        return [type(node).__name__, {name: plain(each) for name, each in used}]

    tree = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    if isinstance(tree, ast.FunctionDef) and ast.get_docstring(tree):
        del tree.body[0]
    return plain(tree)


@cache
def toolchain() -> Toolchain:
    """The compiler and its flags, CFLAGS' last; asked once in a process."""
    command = doctor.compiler()
    return Toolchain(
        command,
        capture([*command, "--version"]).partition("\n")[0],
        _assembler(command),
        f"{platform.system()} {capture([*command, '-dumpmachine']).strip()}",
        (*FLAGS, *doctor.words("CFLAGS")),
    )


def _assembler(command: tuple[str, ...]) -> str:
    """Return the assembler's version: OpenSSL's generators write what it can assemble."""
    try:
        program = capture([*command, "-print-prog-name=as"]).strip()
        return capture([program, "--version"]).partition("\n")[0]
    except Problem:
        # It is the compiler's own.
        return ""


def _commands(build: Build) -> dict[str, list[str]]:
    """Return the commands that make a prefix, in order, each by what progress calls it."""
    return {
        "configuring": [
            *("sh", "./config"),
            *_options(build),
            *toolchain().flags,
            f"--prefix={COMPILED_IN}",
            f"--openssldir={OPENSSLDIR}",
            "--libdir=lib",
        ],
        "writing headers and assembler": ["make", "build_generated"],
        "compiling": ["make", "build_libs"],
        # Relative, as not every recipe bears a cache whose path has a space.
        "installing": ["make", "install_dev", f"DESTDIR=../{STAGED}"],
    }


def _options(build: Build) -> list[str]:
    """What Configure is told: all that a static libcrypto and libssl do without, then the variant.

    A series refuses options younger than itself.
    """
    options = ["no-shared", "no-tests"]
    if build.release.series != "1.1.1":
        options += ["no-module"]
        if build.release.series != "3.0":
            options += ["no-apps", "no-docs"]
    return [*options, *build.variant.options]


def _get(build: Build, jobs: int) -> Path:
    store, key = _store(), _key(build)
    log = cache_root() / "logs" / f"{build.name}-{key}.log"

    def make(folder: Path) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.unlink(missing_ok=True)
        _Making(build, folder, log, jobs).make()

    return store.get(build.name, key, make)


@dataclass(frozen=True, slots=True)
class _Making:
    """One build on its way into the folder `prefix`; its `tree` lies in there until the end."""

    build: Build
    prefix: Path
    log: Path
    jobs: int

    @property
    def tree(self) -> Path:
        return self.prefix / "source"

    def make(self) -> None:
        archive = sources.tarball(self.build.release)
        with Line(self.build.name) as line:
            line.show("unpacking")
            sources.unpack(archive, self.tree, f"openssl-{self.build.version}")
            for step, command in _commands(self.build).items():
                line.show(step)
                self.run(command, self.counter(line) if "build_libs" in command else None)
            self.arrange()
            self.validate()
            shutil.rmtree(self.tree)
            say(f"{self.build.name}: built in {minutes(line.elapsed)}")

    def counter(self, line: Line) -> Callable[[str], None]:
        """Return what counts on `line` the objects that the lines of `make` compile."""
        planned = capture(["make", "-n", "build_libs"], cwd=self.tree, env=_environment())
        objects = _objects(planned)
        compiled: set[str] = set()

        def on_line(text: str) -> None:
            compiled.update(_objects(text))
            line.show(f"{len(compiled)} of {len(objects)} objects")

        on_line("")
        return on_line

    def arrange(self) -> None:
        """Put what was installed in place, such that the prefix can be moved."""
        staged = self.prefix / STAGED
        for part in (staged / COMPILED_IN.relative_to("/")).iterdir():
            part.rename(self.prefix / part.name)
        shutil.rmtree(staged)
        for described in self.prefix.glob("lib/pkgconfig/*.pc"):
            text = described.read_text(encoding="utf-8")
            text = re.sub(r"(?m)^prefix=.*$", "prefix=${pcfiledir}/../..", text)
            described.write_text(text, encoding="utf-8")
        (license_text,) = (*self.tree.glob("LICENSE"), *self.tree.glob("LICENSE.txt"))
        shutil.copy(license_text, self.prefix)

    def validate(self) -> None:
        """Refuse what was built when it is not what was asked for."""
        include = self.prefix / "include" / "openssl"
        headers = "".join(
            (include / name).read_text(encoding="utf-8")
            for name in ("opensslv.h", "opensslconf.h", "configuration.h")
            if (include / name).is_file()
        )
        if not re.search(rf'"(OpenSSL )?{re.escape(self.build.version)}[" ]', headers):
            raise self.wrong(f"the headers are not those of OpenSSL {self.build.version}")
        for option in self.build.variant.options:
            macro = "OPENSSL_NO_" + option.removeprefix("no-").replace("-", "_").upper()
            if option.startswith("no-") and not re.search(rf"define\s+{macro}\b", headers):
                raise self.wrong(f"the headers do not define {macro}, which {option} should")
        for library in ("libcrypto.a", "libssl.a"):
            path = self.prefix / "lib" / library
            if not path.is_file() or not path.read_bytes().startswith(b"!<arch>\n"):
                raise self.wrong(f"there is no archive lib/{library}")

    def wrong(self, what: str) -> Problem:
        return Problem(f"OpenSSL build {self.build.name}: {what}; the whole log is {self.log}")

    def run(self, command: list[str], on_line: Callable[[str], None] | None) -> None:
        jobs = [f"-j{self.jobs}"] if command[1].startswith("build_") else []
        argv = [command[0], *jobs, *command[1:]]
        run(argv, log=self.log, cwd=self.tree, env=_environment(), on_line=on_line, quiet=True)


def _objects(text: str) -> set[str]:
    return {first or second for first, second in OBJECT.findall(text)}


def _settings() -> dict[str, str]:
    """Return the variables of the environment that decide what is built."""
    return {"LC_ALL": "C", **{name: os.environ[name] for name in DECIDING if name in os.environ}}


def _environment() -> dict[str, str]:
    """Return the environment of a build, which no other variable can change, with ccache if any."""
    carried = {name: value for name, value in os.environ.items() if CARRIED.fullmatch(name)}
    command = toolchain().command
    if shutil.which("ccache") and Path(command[0]).name != "ccache":
        command = ("ccache", *command)
    # OpenSSL's Makefile has the compiler write dependencies; ccache can use those and save itself a
    # preprocessor run for each object, a quarter of a first build.
    return {"CCACHE_DEPEND": "1", **carried, **_settings(), "CC": shlex.join(command)}
