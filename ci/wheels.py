"""Wheels of the extension, unpacked: a prefix and a Python become a directory for PYTHONPATH.

setup.py builds the wheel once for each ABI, flags of the compiler and version of SWIG. The cache
keeps the extension and the Python files apart, so that an edit of a Python file compiles nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import shutil
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ci import (
    checkout,
    console,
    disk,
    environments,
    extension,
    host,
    msvc,
    process,
    prototypes,
    toolchain,
)
from ci.cache import Store, key
from ci.checkout import PACKAGE
from ci.directories import remove
from ci.documents import read_toml
from ci.errors import UserError
from ci.gcov import c_source, notes
from ci.interpreters import Interpreter
from ci.locks import held
from ci.manifest import Flags
from ci.openssl import system
from ci.project import Project

# The files that determine the compiled extension, besides these tables of pyproject.toml.
EXTENSION_SOURCES = (
    *("SWIG", "setup.py", "ci/__init__.py", "ci/extension.py", "ci/sbom.py"),
    # It holds the version.
    f"{PACKAGE}/__init__.py",
)
BUILD_TABLES = ("build-system", "project")
# The files that a build of the wheel reads.
WHEEL_SOURCES = (*EXTENSION_SOURCES, PACKAGE, "pyproject.toml", "MANIFEST.in", "LICENSE")
PYTHON_FILES = ("*.py", "*.pyi", "py.typed")
# The file beside an extension in the cache that holds its sha256.
HASH = "sha256"

# The code of this process that builds an extension, and that keeps an instrumented one's notes.
CODE = [
    hashlib.sha256(Path(str(path)).read_bytes()).hexdigest()
    for path in (
        __file__,
        extension.__file__,
        notes.__file__,
        c_source.__file__,
        prototypes.__file__,
    )
]

# The environment of a build. The first list is what the compiler, the linker, setuptools and
# pkg-config read, and part of the key; the second one changes no result.
DECIDING = (
    *("AR", "ARFLAGS", "ARCHFLAGS", "CC", "CFLAGS", "CPP", "CPPFLAGS", "LDFLAGS", "LDSHARED"),
    *("RANLIB", "COMPILER_PATH", "GCC_EXEC_PREFIX", "CPATH", "C_INCLUDE_PATH", "LIBRARY_PATH"),
    *("LD_RUN_PATH", "MACOSX_DEPLOYMENT_TARGET", "SDKROOT", "SOURCE_DATE_EPOCH"),
    *("PKG_CONFIG", "PKG_CONFIG_PATH", "PKG_CONFIG_LIBDIR", "PKG_CONFIG_SYSROOT_DIR"),
    *(msvc.DECIDING if host.WINDOWS else ()),
)
HARMLESS = re.compile(
    r"PATH|HOME|USER|LOGNAME|TMPDIR|TEMP|TMP|CCACHE_.*|SYSTEMROOT|LD_LIBRARY_PATH"
    + (f"|{msvc.HARMLESS.pattern}" if host.WINDOWS else "")
)
# The configuration of an interpreter that setuptools passes to the compiler and the linker.
PRINT_CONFIGURATION = """
import json, sysconfig
names = ("AR ARFLAGS BLDSHARED CC CCSHARED CFLAGS CPPFLAGS EXT_SUFFIX LDFLAGS LDSHARED OPT"
         " PY_CFLAGS PY_LDFLAGS RANLIB SHLIB_SUFFIX").split()
print(json.dumps({name: sysconfig.get_config_var(name) for name in names}))
"""

# About how long the build of an extension takes.
SECONDS = 15.0

# What `pip wheel` calls, without its several seconds.
BUILD_WHEEL = "import sys, setuptools.build_meta as backend; backend.build_wheel(sys.argv[1])"


@dataclass(frozen=True, slots=True)
class Request:
    """A wheel to build.

    Attributes:
        name: the name of the OpenSSL build.
        prefix: its prefix; None for the system's OpenSSL.
        interpreter: the Python that builds.
        flags: the flags of the compiler.
        swig: SWIG's version.
    """

    name: str
    prefix: Path | None
    interpreter: Interpreter
    flags: Flags
    swig: str

    @property
    def abi(self) -> str:
        """`abi3` if the extension is for every later Python, too, else such as `cp39`."""
        return abi(self.interpreter.version)

    @property
    def label(self) -> str:
        """The wheel's name in the cache and in messages, such as `3.5-instrumented-4.5.1-abi3`."""
        return label(self.name, self.flags, self.swig, self.abi)


@dataclass(frozen=True, slots=True)
class Wheel:
    """An unpacked wheel.

    Attributes:
        site: the directory for PYTHONPATH.
        notes: what `keep_notes` left of an instrumented build, else None.
        extension: the sha256 of the compiled extension when it was built, in hexadecimal.
    """

    site: Path
    notes: Path | None
    extension: str


def label(build: str, flags: Flags, swig: str, abi: str) -> str:
    """Return a wheel's name in the cache."""
    # The name of a build with flags of its own ends with theirs.
    name = build.removesuffix(f"-{flags.name}")
    return f"{name}-{flags.name}-{swig}-{abi}"


def abi(python: str) -> str:
    """Return the ABI of an extension that a Python, such as `3.13t`, builds."""
    series = tuple(int(part) for part in python.rstrip("t").split("."))
    if series >= extension.LIMITED_API and not python.endswith("t"):
        return "abi3"
    return "cp" + python.replace(".", "")


def builders(installed: Iterable[Interpreter]) -> dict[str, Interpreter]:
    """Return the interpreter that builds for each ABI: the oldest, whose headers fit later ones."""
    newest_first = sorted(installed, key=lambda each: each.hexversion, reverse=True)
    return {abi(each.version): each for each in newest_first}


def ensure(
    requests: Iterable[Request], project: Project, *, sources: Path | None = None
) -> dict[str, Wheel | UserError]:
    """Return the wheel of each request by its label, or the error of its build.

    Args:
        requests: the wheels; several are built at a time.
        project: the project.
        sources: the directory to build, by default the checkout. It is copied first, and keys and
            wheels are made of the copy.
    """
    with disk.reported(project.cache):
        return _ensure(list(requests), project, sources or project.root)


def _ensure(
    requests: list[Request], project: Project, sources: Path
) -> dict[str, Wheel | UserError]:
    wanted = {request.label: request for request in requests}
    needed = {(each.interpreter.version, each.swig): each for each in wanted.values()}

    def python(request: Request) -> tuple[Path, Any]:
        requirements = build_requirements(sources, request.swig)
        made = environments.ensure(project, "build", request.interpreter, requirements)
        return made, json.loads(process.capture([made, "-I", "-c", PRINT_CONFIGURATION]))

    made = process.in_threads(python, needed.values(), os.cpu_count() or 1)
    pythons = dict(zip(needed, made, strict=True))

    with tempfile.TemporaryDirectory(prefix="m2crypto-") as directory:
        copy = checkout.copy(sources, Path(directory), WHEEL_SOURCES)
        shared = sources_key(copy)

        def build(request: Request) -> Wheel | UserError:
            with count.task(request.label):
                return made_of(request)

        def made_of(request: Request) -> Wheel | UserError:
            python, configuration = pythons[request.interpreter.version, request.swig]
            recipe = _Recipe(copy, project.cache, python, configuration, shared)
            try:
                return recipe.wheel(request)
            except UserError as error:
                return error

        jobs = os.cpu_count() or 1
        with console.Count("extensions", dict.fromkeys(wanted, SECONDS), jobs) as count:
            wheels = process.in_threads(build, wanted.values(), jobs)
    return dict(zip(wanted, wheels, strict=True))


def build_requirements(sources: Path, swig: str) -> tuple[str, ...]:
    """Return pyproject.toml's build requirements, with SWIG at the manifest's version."""
    requires = read_toml(sources / "pyproject.toml")["build-system"]["requires"]
    others = [each for each in requires if not re.match(r"swig\b", each)]
    return (*others, f"swig=={swig}")


def sources_key(sources: Path) -> str:
    """Return the key of everything that determines an extension but its request."""
    tables = read_toml(sources / "pyproject.toml")
    compiler = toolchain.compiler()
    return key(
        files=checkout.digest(sources, EXTENSION_SOURCES),
        pyproject={name: tables.get(name) for name in BUILD_TABLES},
        packages=tables.get("tool", {}).get("setuptools"),
        code=CODE,
        compiler=[compiler.command, compiler.version, shutil.which(compiler.command[0])],
        environment=_deciding(),
    )


def _deciding() -> dict[str, str]:
    """Return the user's variables that determine what a build makes."""
    return {name: os.environ[name] for name in DECIDING if name in os.environ}


@dataclass(frozen=True, slots=True)
class _Recipe:
    """How the wheels of one interpreter are made.

    Attributes:
        sources: the copy of the checkout.
        cache: the cache's directory.
        python: the environment that builds.
        configuration: the interpreter's, from sysconfig.
        shared: the key of the sources.
    """

    sources: Path
    cache: Path
    python: Path
    configuration: Mapping[str, Any]
    shared: str

    def wheel(self, request: Request) -> Wheel:
        """Return the wheel: the extension of the cache or of a build, and the Python files."""
        extension_key = key(
            sources=self.shared,
            prefix=_prefix_key(request.prefix, self.cache),
            python=request.interpreter.full_version,
            settings=self.configuration,
            abi=request.abi,
            swig=request.swig,
            flags=[request.flags.coverage, *cflags(request.flags)],
        )
        extensions = Store(self.cache, "extensions")
        built = extensions.get(
            request.label, extension_key, lambda directory: self._build(request, directory)
        )
        extensions.evict(request.label, used=built)
        wheels = Store(self.cache, "wheels")
        whole = wheels.get(
            request.label,
            key(
                extension=extension_key,
                python_files=checkout.digest(self.sources, [PACKAGE]),
            ),
            lambda directory: _assemble(built / "site", self.sources, directory / "site"),
        )
        wheels.evict(request.label, used=whole)
        return Wheel(
            whole / "site",
            built / "notes" if request.flags.coverage else None,
            (built / HASH).read_text(encoding="ascii"),
        )

    def _build(self, request: Request, directory: Path) -> None:
        log = self.cache / "logs" / f"extension-{request.label}.txt"
        log.unlink(missing_ok=True)
        console.log(
            f"extension {request.label}: building with Python {request.interpreter.full_version}"
        )
        # The same directory in every run, because objects hold its path and ccache compares it.
        with _work_directory(self.cache / "extensions" / ".building" / request.label) as work:
            checkout.copy(self.sources, work / "sources", WHEEL_SOURCES)
            # The wheel's description, which is no part of the key.
            (work / "sources" / "README.md").write_text("", encoding="utf-8")
            objects = work / "objects"
            process.run(
                [self.python, "-c", BUILD_WHEEL, work / "dist"],
                log=log,
                cwd=work / "sources",
                env=self._environment(request, objects),
                quiet=True,
            )
            with zipfile.ZipFile(next((work / "dist").glob("*.whl"))) as archive:
                archive.extractall(directory / "site")
            _remove_copies(directory / "site", work / "sources")
            (directory / HASH).write_text(extension_hash(directory / "site"), encoding="ascii")
            if request.flags.coverage:
                notes.keep_notes(work / "sources", objects, directory / "notes")
            if request.flags.coverage and request.abi == "abi3":
                # Once for each OpenSSL build: another Python changes no declaration.
                prototypes.check(self.python, work / "sources", request.prefix, log)

    def _environment(self, request: Request, objects: Path) -> dict[str, str]:
        environment = {
            **{name: value for name, value in os.environ.items() if HARMLESS.fullmatch(name)},
            **_deciding(),
            **toolchain.swig(self.python),
            "CC": shlex.join(toolchain.compiler().cached),
            "PYTHONDONTWRITEBYTECODE": "1",
            "LC_ALL": "C",
        }
        if host.WINDOWS:
            # setuptools uses the compiler of this environment, which made the prefix.
            environment["DISTUTILS_USE_SDK"] = "1"
        if request.prefix:
            environment["OPENSSL_DIR"] = str(request.prefix)
        if request.flags.coverage:
            environment["M2CRYPTO_COVERAGE"] = str(objects)
        # setuptools passes CFLAGS to Unix compilers alone, and optimises with Microsoft's.
        if (chosen := cflags(request.flags)) and not host.WINDOWS:
            own = environment.get("CFLAGS", "").split()
            environment["CFLAGS"] = " ".join([*own, *chosen])
        if request.flags.preload:
            # The build imports the extension once.
            libraries = [str(toolchain.library(each)) for each in request.flags.preload]
            environment["M2CRYPTO_PRELOAD"] = " ".join(libraries)
        return environment


def cflags(flags: Flags) -> tuple[str, ...]:
    """Return the flags of the compiler, with the optional ones that it has."""
    return (*flags.cflags, *toolchain.accepted(flags.optional))


def extension_hash(site: Path) -> str:
    """Return the sha256 of the compiled extension, in hexadecimal."""
    (path,) = (site / PACKAGE).glob("_m2crypto*.*[od]")
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _prefix_key(prefix: Path | None, cache: Path) -> object:
    """Return a prefix's part of a key: its path in the cache, so that the cache can be moved.

    The name of a prefix's directory holds the key of everything that made it.
    """
    if prefix is None:
        return system.describe()
    return str(prefix.relative_to(cache) if prefix.is_relative_to(cache) else prefix)


@contextmanager
def _work_directory(path: Path) -> Iterator[Path]:
    """Yield an empty directory of that path, for one process at a time, and remove it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = path.with_name(f"{path.name}.lock")
    with held(lock, lambda: f"{path.name}: waiting for another process, which is building it"):
        remove(path)
        path.mkdir()
        try:
            yield path
        finally:
            remove(path)


def _remove_copies(site: Path, sources: Path) -> None:
    """Remove from an unpacked wheel the files of `sources`; its directories stay."""
    for file in [path for path in site.rglob("*") if path.is_file()]:
        if (sources / file.relative_to(site)).exists():
            file.unlink()


def _assemble(built: Path, sources: Path, site: Path) -> None:
    """Copy what the build made and the package's Python files into a new directory `site`.

    A package that the wheel does not list is left out, as it is when the wheel is installed. No
    file is a link, because a test that writes into the wheel must not write into the cache.
    """
    shutil.copytree(built, site)
    packages = [path for path in site.glob(f"{PACKAGE}/**/") if path.is_dir()]
    for package in dict.fromkeys([site / PACKAGE, *packages]):
        for pattern in PYTHON_FILES:
            for file in (sources / package.relative_to(site)).glob(pattern):
                shutil.copy2(file, package / file.name)
