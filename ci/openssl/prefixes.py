"""Build OpenSSL into a prefix: the directory that `make install_dev` installs into, in the cache.

A prefix holds the headers in `include/openssl`, and in `lib` either `libcrypto.a`, `libssl.a` and
pkg-config's files, or the shared libraries; on Windows `libcrypto.lib` and `libssl.lib`. The FIPS
variant has its module in `lib/ossl-modules` and its configuration in `fipsmodule.cnf`.
`openssl.json` names the source and the options. A prefix's key covers the tarball, commands,
environment, compiler and code that make it.

    M2CRYPTO_CACHE/prefixes/3.5-no-ec-KEY/    the prefix
    M2CRYPTO_CACHE/logs/3.5-no-ec-KEY.log     all that building it wrote
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import json
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

from ci import disk, github, host, manifest, msvc, sbom, toolchain
from ci.cache import Store, key, use
from ci.console import Count, ProgressLine, log, minutes
from ci.documents import convert, read_json
from ci.errors import UserError
from ci.manifest import Build
from ci.openssl import sources
from ci.process import capture, in_threads, run
from ci.project import Project

# Configure's --prefix. It is compiled in and the same for every build, so that ccache finds one
# build's objects in the next. Nothing is installed there: a prefix can be moved. On Windows it is a
# directory that only an administrator can create, as OpenSSL would load an engine from there.
PROGRAM_FILES = Path("C:/Program Files")
COMPILED_IN = PROGRAM_FILES / "m2crypto-openssl" if host.WINDOWS else Path("/opt/m2crypto-openssl")

# OPENSSLDIR, which SSL_CTX_set_default_verify_paths(3) uses. On Debian, Fedora, Alpine and macOS
# /etc/ssl holds the system's trust store and the administrator's openssl.cnf. With another
# directory the extension of a wheel would find no trust store. Windows has no such directory; this
# is upstream's.
OPENSSLDIR = PROGRAM_FILES / "Common Files" / "SSL" if host.WINDOWS else Path("/etc/ssl")

# With -O0 the generation of an RSA key takes four times as long as with -O1; with -O2 a build takes
# a third longer. Microsoft's compiler keeps upstream's flags.
FLAGS = () if host.WINDOWS else ("-O1",)

# OpenSSL's name of Windows on x86-64 with Microsoft's compiler.
WINDOWS_TARGET = "VC-WIN64A"

# About how long a build takes beside another one.
SECONDS = 100.0

# A file of OpenSSL's own Configurations. Beside the shared libraries of a prefix a process has the
# system's, which Python's own modules load. With a name of their own neither is taken for the
# other: libcrypto-m2.so.3 has the symbols of libcrypto.so.3 with versions of its own.
VARIANT_FILE = Path("Configurations", "99-m2crypto.conf")
VARIANT = """my %targets = map {
    ("m2-$_" => { inherit_from => [$_], shlib_variant => "-m2" })
} ("linux-x86_64", "linux-aarch64");
"""

# The file of a prefix with the sha256 of each of its shared libraries.
HASHES = "libraries.json"

# What the FIPS variant adds to the prefix, and where its files are in the source tree.
FIPS_MODULE = Path("lib", "ossl-modules", "fips.so")
FIPS_CONFIGURATION = Path("fipsmodule.cnf")
BUILT_MODULE = "providers/fips.so"
WRITTEN_CONFIGURATION = "m2crypto-fipsmodule.cnf"

# The suffix of a static library.
STATIC = ".lib" if host.WINDOWS else ".a"

# DESTDIR of `make install_dev`, beside the source tree.
STAGED = "staged"

# The environment of a build: paths of programs, temporary files and ccache, which change no result.
CARRIED = re.compile(
    r"PATH|HOME|TMPDIR|TMP|TEMP|LD_LIBRARY_PATH|CCACHE_\w+|XDG_(CACHE|CONFIG)_HOME"
    + (f"|{msvc.HARMLESS.pattern}" if host.WINDOWS else "")
)
# Apple's compiler derives its target from these, so they are part of the key.
DECIDING = (
    *("DEVELOPER_DIR", "MACOSX_DEPLOYMENT_TARGET", "SDKROOT"),
    *(msvc.DECIDING if host.WINDOWS else ()),
)

# An option of Configure, other than the program and its target.
OPTION = re.compile(r"-|(no|enable)-|shared$")

# An object in the command that `make` prints before it compiles it.
OBJECT = re.compile(r"\s-c\s.*?-o\s+(\S+\.o)\b|-o\s+(\S+\.o)\s.*?-c\b|\s/Fo\s*\"?([^\s\"]+\.obj)")


def ensure(builds: Iterable[Build], project: Project) -> dict[str, Path]:
    """Return the prefix of each build by its name, built if the cache does not have it.

    Raises:
        UserError: tools are missing (reported before anything is downloaded), no source provides
            the tarball, or the disk is full.
        CommandError: a build failed.
    """
    chosen = list(builds)
    use(project.cache)
    prefixes = {build.name: find(build, project) for build in chosen}
    use(project.cache, *filter(None, prefixes.values()))
    absent = [build for build in chosen if prefixes[build.name] is None]
    if absent:
        toolchain.require(toolchain.FOR_OPENSSL)
        at_once, jobs = _schedule(len(absent), os.cpu_count() or 1)
        seconds = {build.name: SECONDS for build in absent}
        with Count("OpenSSL", seconds, at_once) as count:

            def make(build: Build) -> Path:
                with count.task(build.name):
                    return _get(build, project, jobs)

            made = in_threads(make, absent, at_once)
        prefixes.update(zip([build.name for build in absent], made, strict=True))
    return {name: prefix for name, prefix in prefixes.items() if prefix is not None}


def find(build: Build, project: Project) -> Path | None:
    """Return the prefix of a build if the cache has it whole, else None."""
    with disk.reported(project.cache):
        return _store(project).find(build.name, _key(build))


def entry(build: Build) -> str:
    """Return the name of a build's entry in the cache, which holds its key."""
    return f"{build.name}-{_key(build)}"


def libraries(prefix: Path) -> dict[str, str]:
    """Return the sha256 of each shared library of a prefix when it was built, by its name.

    A prefix that was built before they were recorded has those of its present files.
    """
    record = prefix / HASHES
    return (
        convert(read_json(record), dict[str, str], record) if record.exists() else _hashes(prefix)
    )


def _hashes(prefix: Path) -> dict[str, str]:
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted((prefix / "lib").glob("lib*.so.*"))
        if not path.is_symlink()
    }


def main(arguments: list[str], project: Project) -> None:
    """Build the named builds, or all, and print a line `NAME PREFIX` for each."""
    plan = manifest.load(project.manifest)
    named = [plan.find_build(name) for name in dict.fromkeys(arguments)]
    for name, prefix in ensure(named or plan.builds, project).items():
        print(name, prefix)


def print_key(arguments: list[str], project: Project) -> None:
    """Print one key over the prefixes of the named builds, or of all, for a cache of CI's."""
    known = manifest.load(project.manifest)
    named = [known.find_build(name) for name in dict.fromkeys(arguments)]
    toolchain.require(toolchain.FOR_OPENSSL)
    github.output("key", key(entries=sorted(entry(build) for build in named or known.builds)))


def _schedule(builds: int, cores: int) -> tuple[int, int]:
    """Return the number of builds at once, and of `make`'s jobs in each.

    Configure and ar use one core, so builds run side by side. Each has one job more than its share
    of the cores, so that the last one to end uses more than its share.
    """
    at_once = min(builds, 2 if cores < 8 else 4)
    return at_once, min(cores, cores // at_once + 1)


def _store(project: Project) -> Store:
    return Store(project.cache, "prefixes")


def _key(build: Build) -> str:
    """Return the key over everything that determines a prefix's contents."""
    compiler = toolchain.compiler()
    return key(
        source=build.release.sha256,
        commands=list(_commands(build).values()),
        settings=_settings(),
        compiler=[compiler.command, compiler.version, compiler.assembler],
        target=compiler.target,
        code=_code(shared=build.link == "shared", module=bool(build.variant.provider)),
        **({"variant": VARIANT} if build.link == "shared" else {}),
    )


@cache
def _code(*, shared: bool, module: bool) -> list[object]:
    """Return the code that shapes a prefix besides its commands."""
    static = _Making.arrange_windows if host.WINDOWS else _Making.arrange
    arranging: list[Callable[..., object]] = [
        _Making.arrange_shared if shared else static,
        *((_Making.arrange_module,) if module else ()),
    ]
    return [code_of(each) for each in (*arranging, *sources.UNPACKING)]


def code_of(function: Callable[..., object]) -> object:
    """Return the syntax tree of a function.

    It does not depend on comments, docstrings, layout and error messages, nor on the version of
    Python, because empty fields, which versions add, are left out.
    """

    def plain(node: object) -> object:
        if isinstance(node, list):
            return [plain(each) for each in node]
        if isinstance(node, ast.Raise):
            return "raise"
        if not isinstance(node, ast.AST):
            return repr(node)
        used = ((name, each) for name, each in ast.iter_fields(node) if each not in (None, []))
        return [type(node).__name__, {name: plain(each) for name, each in used}]

    tree = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    if isinstance(tree, ast.FunctionDef) and ast.get_docstring(tree):
        del tree.body[0]
    return plain(tree)


def _commands(build: Build) -> dict[str, list[str]]:
    """Return the commands that make a prefix, in order, by the name that progress displays."""
    commands = {
        "configuring": [
            *_configure(build),
            *_options(build),
            *_flags(build),
            f"--prefix={COMPILED_IN}",
            f"--openssldir={OPENSSLDIR}",
            "--libdir=lib",
        ],
        "writing headers and assembler": [toolchain.MAKE_PROGRAM, "build_generated"],
    }
    if build.link == "shared":
        # build_libs would compile each object a second time, for the static libraries.
        commands["compiling"] = ["make", "libcrypto.so", "libssl.so"]
    else:
        commands["compiling"] = [toolchain.MAKE_PROGRAM, "build_libs"]
        # Relative, because some recipes fail with a space in DESTDIR, which the cache may have.
        destination = f"DESTDIR={Path('..', STAGED)}"
        commands["installing"] = [toolchain.MAKE_PROGRAM, "install_dev", destination]
    if build.variant.provider:
        commands["building the module"] = ["make", BUILT_MODULE, "apps/openssl"]
        # That of `make install_fips` is stricter than what `openssl fipsinstall` writes for users.
        commands["testing the module"] = [
            # A shared build's program needs its libraries.
            *("env", "LD_LIBRARY_PATH=.", "apps/openssl", "fipsinstall", "-provider_name", "fips"),
            *("-module", BUILT_MODULE, "-out", WRITTEN_CONFIGURATION),
        ]
    return commands


def _configure(build: Build) -> list[str]:
    """Return the program that configures: config, which guesses the target, or Configure."""
    if host.WINDOWS:
        return ["perl", "Configure", WINDOWS_TARGET]
    if build.link == "static":
        return ["sh", "./config"]
    return ["perl", "./Configure", f"m2-linux-{platform.machine()}"]


def _flags(build: Build) -> tuple[str, ...]:
    """Return the compiler's flags, which follow and so override upstream's own -O3.

    A wheel keeps that, and has none of the user's.
    """
    if build.flags and build.flags.upstream:
        own = [flag for flag in build.flags.cflags if not flag.startswith("-O")]
        return (*own, *toolchain.accepted(build.flags.optional))
    return (*FLAGS, *toolchain.words("CFLAGS"))


def _options(build: Build) -> list[str]:
    """Return Configure's options: for the libraries alone, then the build's own.

    Configure refuses the options of later series. A provider module needs modules and the openssl
    program.
    """
    options = ["shared" if build.link == "shared" else "no-shared", "no-tests"]
    if build.release.series != "1.1.1" and not build.variant.provider:
        options += ["no-module"]
        if build.release.series != "3.0":
            options += ["no-apps"]
    if build.release.series not in ("1.1.1", "3.0"):
        options += ["no-docs"]
    if host.WINDOWS and not toolchain.compiler().assembler:
        options += ["no-asm"]
    if build.flags and build.flags.upstream and toolchain.has_128_bit_integers():
        # Signatures with P-384 and P-521 take a fourth and an eighth of the time.
        options += ["enable-ec_nistp_64_gcc_128"]
    return [*options, *build.options]


def _get(build: Build, project: Project, jobs: int) -> Path:
    store, key = _store(project), _key(build)
    log = project.cache / "logs" / f"{build.name}-{key}.log"

    def make(directory: Path) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.unlink(missing_ok=True)
        _Making(build, directory, log, jobs, project).make()
        if build.link == "shared":
            (directory / HASHES).write_text(json.dumps(_hashes(directory)), encoding="utf-8")

    return store.get(build.name, key, make)


@dataclass(frozen=True, slots=True)
class _Making:
    """One build into the directory `prefix`, which holds the source tree until the end."""

    build: Build
    prefix: Path
    log: Path
    jobs: int
    project: Project

    @property
    def tree(self) -> Path:
        return self.prefix / "source"

    def make(self) -> None:
        archive = sources.tarball(self.build.release, self.project)
        with ProgressLine(self.build.name) as line:
            line.update("unpacking")
            sources.unpack(archive, self.tree, f"openssl-{self.build.version}")
            if self.build.link == "shared":
                (self.tree / VARIANT_FILE).write_text(VARIANT, encoding="ascii")
            for step, command in _commands(self.build).items():
                line.update(step)
                self.run(command, self.counter(line, command) if step == "compiling" else None)
            if self.build.link == "shared":
                self.arrange_shared()
            elif host.WINDOWS:
                self.arrange_windows()
            else:
                self.arrange()
            if self.build.variant.provider:
                self.arrange_module()
            self.describe()
            self.validate()
            shutil.rmtree(self.tree)
            log(f"{self.build.name}: built in {minutes(line.elapsed)}")

    def counter(self, line: ProgressLine, command: list[str]) -> Callable[[str], None]:
        """Return a function that displays on `line` the objects in the output of `make`."""
        if host.WINDOWS:
            # nmake's /N does not print the commands of the nmake that a target calls.
            total = ""
        else:
            planned = capture(
                ["make", "-n", *command[1:]], cwd=self.tree, env=_environment(self.build)
            )
            total = f"of {len(_objects(planned))} "
        compiled: set[str] = set()

        def on_line(text: str) -> None:
            compiled.update(_objects(text))
            line.update(f"{len(compiled)} {total}objects")

        on_line("")
        return on_line

    def arrange(self) -> None:
        """Move what was installed to the prefix, and make pkg-config's files relocatable."""
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

    def arrange_shared(self) -> None:
        """Copy the headers and the shared libraries to the prefix."""
        shutil.copytree(
            self.tree / "include" / "openssl",
            self.prefix / "include" / "openssl",
            ignore=shutil.ignore_patterns("*.in", "*.pl"),
        )
        (self.prefix / "lib").mkdir()
        for library in (*self.tree.glob("libcrypto*.so*"), *self.tree.glob("libssl*.so*")):
            shutil.copy2(library, self.prefix / "lib", follow_symlinks=False)

    def arrange_windows(self) -> None:
        """Move the headers, the static libraries and the license to the prefix."""
        staged = self.prefix / STAGED
        installed = staged / COMPILED_IN.relative_to(COMPILED_IN.anchor)
        (installed / "include").rename(self.prefix / "include")
        (self.prefix / "lib").mkdir()
        for library in installed.glob("lib/*.lib"):
            library.rename(self.prefix / "lib" / library.name)
        shutil.rmtree(staged)
        (license_text,) = (*self.tree.glob("LICENSE"), *self.tree.glob("LICENSE.txt"))
        shutil.copy(license_text, self.prefix)

    def arrange_module(self) -> None:
        """Copy the provider module and its configuration to the prefix."""
        (self.prefix / FIPS_MODULE).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(self.tree / BUILT_MODULE, self.prefix / FIPS_MODULE)
        shutil.copy2(self.tree / WRITTEN_CONFIGURATION, self.prefix / FIPS_CONFIGURATION)

    def describe(self) -> None:
        """Write the source and the options for the SBOM of wheels (ci/sbom.py).

        This is no part of the key, which covers the same facts.
        """
        configure = next(iter(_commands(self.build).values()))
        described = {
            "version": self.build.version,
            "url": self.build.release.url,
            "sha256": self.build.release.sha256,
            "options": [each for each in configure if OPTION.match(each)],
        }
        text = json.dumps(described, indent=1) + "\n"
        (self.prefix / sbom.DESCRIPTION).write_text(text, encoding="utf-8")

    def validate(self) -> None:
        """Check that the headers and libraries are those of the build."""
        include = self.prefix / "include" / "openssl"
        headers = "".join(
            (include / name).read_text(encoding="utf-8")
            for name in ("opensslv.h", "opensslconf.h", "configuration.h")
            if (include / name).is_file()
        )
        if not re.search(rf'"(OpenSSL )?{re.escape(self.build.version)}[" ]', headers):
            raise self.wrong(f"the headers are not those of OpenSSL {self.build.version}")
        for option in self.build.options:
            macro, defined = manifest.implied(option)
            if defined and not re.search(rf"define\s+{macro}\b", headers):
                raise self.wrong(f"the headers do not define {macro}, which {option} implies")
        shared = self.build.link == "shared"
        suffix, magic = (".so", b"\x7fELF") if shared else (STATIC, b"!<arch>\n")
        for library in (f"libcrypto{suffix}", f"libssl{suffix}"):
            path = self.prefix / "lib" / library
            if not path.is_file() or not path.read_bytes().startswith(magic):
                raise self.wrong(f"there is no library lib/{library}")

    def wrong(self, what: str) -> UserError:
        return UserError(f"OpenSSL build {self.build.name}: {what}; the whole log is {self.log}")

    def run(self, command: list[str], on_line: Callable[[str], None] | None) -> None:
        # `make install_dev` links nothing, and some of its recipes need their order.
        jobs = [f"-j{self.jobs}"] if command[0] == "make" and "install_dev" not in command else []
        argv = [command[0], *jobs, *command[1:]]
        # The date that OpenSSL_version(3) gives, which must not differ between two builds.
        released = int(next(self.tree.glob("LICENSE*")).stat().st_mtime)
        environment = {**_environment(self.build), "SOURCE_DATE_EPOCH": str(released)}
        run(argv, log=self.log, cwd=self.tree, env=environment, on_line=on_line, quiet=True)


def _objects(text: str) -> set[str]:
    return {next(filter(None, names)) for names in OBJECT.findall(text)}


def _settings() -> dict[str, str]:
    """Return the environment variables that determine what is built."""
    return {"LC_ALL": "C", **{name: os.environ[name] for name in DECIDING if name in os.environ}}


def _environment(build: Build) -> dict[str, str]:
    """Return the environment of a build, with ccache if it is installed.

    OpenSSL_version(3) gives the compiler's command, so in a wheel it must not depend on ccache.
    """
    carried = {name: value for name, value in os.environ.items() if CARRIED.fullmatch(name)}
    compiler = toolchain.compiler()
    upstream = build.flags is not None and build.flags.upstream
    command = shlex.join(compiler.command if upstream else compiler.cached)
    # OpenSSL's Makefile has the compiler write dependencies. With those ccache needs no
    # preprocessor run for each object, which is a quarter of a first build.
    return {"CCACHE_DEPEND": "1", **carried, **_settings(), "CC": command}
