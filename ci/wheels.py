"""Wheels of the extension, unpacked: an OpenSSL prefix and a Python → a folder for PYTHONPATH.

Given an installed OpenSSL and a Python it gives the wheel setup.py makes of them, plain or
instrumented for coverage, built once per ABI and found again in the cache. The extension and the
Python files are kept apart there, so that an edit of a Python file compiles nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
import time
import tomllib
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from ci import c_lines, checkout, environments, extension, process, progress, store
from ci.checkout import PACKAGE
from ci.interpreters import Interpreter
from ci.problem import Problem

PROJECT = Path(__file__).resolve().parent.parent

# What decides the compiled extension, beside pyproject.toml's tables of the same purpose.
EXTENSION_SOURCES = ("SWIG", "setup.py", "ci/__init__.py", "ci/extension.py")
BUILD_TABLES = ("build-system", "project")
# What a build of the wheel reads.
WHEEL_SOURCES = (*EXTENSION_SOURCES, PACKAGE, "pyproject.toml", "MANIFEST.in", "LICENSE")
PYTHON_FILES = ("*.py", "*.pyi", "py.typed")

# The code that builds, as this process has it: how an extension is made, and of an instrumented one
# what is kept beside it.
RECIPE = [
    hashlib.sha256(Path(str(path)).read_bytes()).hexdigest()
    for path in (__file__, c_lines.__file__, extension.__file__)
]

# The variables that reach a build. Those that the compiler, the linker, setuptools or pkg-config
# obey are part of the key; the other ones say where programs and temporary files are.
DECIDING = (
    *("AR", "ARFLAGS", "ARCHFLAGS", "CC", "CFLAGS", "CPP", "CPPFLAGS", "LDFLAGS", "LDSHARED"),
    *("RANLIB", "COMPILER_PATH", "GCC_EXEC_PREFIX", "CPATH", "C_INCLUDE_PATH", "LIBRARY_PATH"),
    *("LD_RUN_PATH", "MACOSX_DEPLOYMENT_TARGET", "SDKROOT", "SOURCE_DATE_EPOCH"),
)
HARMLESS = re.compile(
    r"PATH|HOME|USER|LOGNAME|TMPDIR|TEMP|TMP|CCACHE_.*|SYSTEMROOT|LD_LIBRARY_PATH"
)
# What Python itself was built with, which setuptools hands to the compiler and the linker.
ASK_PYTHON = """
import json, sysconfig
names = ("AR ARFLAGS BLDSHARED CC CCSHARED CFLAGS CPPFLAGS EXT_SUFFIX LDFLAGS LDSHARED OPT"
         " PY_CFLAGS PY_LDFLAGS RANLIB SHLIB_SUFFIX").split()
print(json.dumps({name: sysconfig.get_config_var(name) for name in names}))
"""

# How many wheels of a build and ABI are kept, beside those used in the last hour (in seconds).
KEPT = 4
IN_USE = 3600.0

# Added to a build for AddressSanitizer and UndefinedBehaviorSanitizer. The build imports the
# extension once, without the sanitizers' libraries loaded first.
SANITIZED = {
    "CFLAGS": "-O1 -g -fno-omit-frame-pointer"
    " -fsanitize=address,undefined -fno-sanitize-recover=undefined",
    "ASAN_OPTIONS": "verify_asan_link_order=0:detect_leaks=0",
}

# Every interpreter has it, and it is what `pip wheel` calls without its several seconds.
BUILD_WHEEL = "import sys, setuptools.build_meta as backend; backend.build_wheel(sys.argv[1])"


@dataclass(frozen=True, slots=True)
class Request:
    """A wheel that is wanted: of the build `name`, in `prefix`, made by an interpreter."""

    name: str
    prefix: Path
    interpreter: Interpreter
    sanitized: bool = False

    @property
    def abi(self) -> str:
        """`abi3` where one extension serves every later Python too, else such as `cp39`."""
        return abi(self.interpreter)

    @property
    def label(self) -> str:
        """`3.5-no-ec-abi3`: the wheel's name in the cache and in messages."""
        return f"{self.name}-{self.abi}"


@dataclass(frozen=True, slots=True)
class Wheel:
    """An unpacked wheel: `site` goes on PYTHONPATH; `notes` are gcov's, of an instrumented one."""

    site: Path
    notes: Path | None

    def extension_hash(self) -> str:
        """Return the sha256 of the compiled extension, in hexadecimal."""
        (path,) = (self.site / PACKAGE).glob("_m2crypto*.*[od]")
        return hashlib.sha256(path.read_bytes()).hexdigest()


def abi(interpreter: Interpreter) -> str:
    """The ABI an extension for this interpreter is built for."""
    series = tuple(int(part) for part in interpreter.version.rstrip("t").split("."))
    if series >= extension.LIMITED_API and not interpreter.free_threaded:
        return "abi3"
    return "cp" + interpreter.version.replace(".", "")


def builders(installed: Iterable[Interpreter]) -> dict[str, Interpreter]:
    """Which interpreter builds for each ABI: the oldest, as its headers hold for later ones."""
    newest_first = sorted(installed, key=lambda each: each.hexversion, reverse=True)
    return {abi(each): each for each in newest_first}


def ensure(
    requests: Iterable[Request], swig: str, *, instrumented: bool, project: Path = PROJECT
) -> dict[str, Wheel | Problem]:
    """The wheel of each request by its label, several built at a time.

    Of one that cannot be built the `Problem`, which has the build's last lines and its log. The
    project is copied first, and keys and wheels are made of that copy.
    """
    root = store.cache_root()
    with store.clear_errors(root):
        return _ensure(list(requests), swig, instrumented, project, root)


def _ensure(
    requests: list[Request], swig: str, instrumented: bool, project: Path, root: Path
) -> dict[str, Wheel | Problem]:
    wanted = {request.label: request for request in requests}
    needed = {each.interpreter.version: each.interpreter for each in wanted.values()}
    requirements = build_requirements(project, swig)

    def python(interpreter: Interpreter) -> tuple[Path, Any]:
        made = environments.ensure(root, "build", interpreter, requirements)
        return made, json.loads(process.capture([made, "-I", "-c", ASK_PYTHON]))

    made = process.in_threads(python, needed.values(), os.cpu_count() or 1)
    pythons = dict(zip(needed, made, strict=True))

    with tempfile.TemporaryDirectory(prefix="m2crypto-") as folder:
        copy = checkout.copy(project, Path(folder), WHEEL_SOURCES)
        shared = sources_key(copy, swig, instrumented=instrumented)

        def build(request: Request) -> Wheel | Problem:
            python, settings = pythons[request.interpreter.version]
            recipe = _Recipe(copy, root, python, settings, shared, instrumented)
            try:
                return recipe.wheel(request)
            except Problem as problem:
                return problem

        wheels = process.in_threads(build, wanted.values(), os.cpu_count() or 1)
    return dict(zip(wanted, wheels, strict=True))


def build_requirements(project: Path, swig: str) -> tuple[str, ...]:
    """What pyproject.toml says a build needs, with SWIG at the manifest's version."""
    requires = _pyproject(project)["build-system"]["requires"]
    others = [each for each in requires if not re.match(r"swig\b", each)]
    return (*others, f"swig=={swig}")


def sources_key(project: Path, swig: str, *, instrumented: bool) -> str:
    """The key of everything that decides an extension but its prefix and interpreter."""
    tables = _pyproject(project)
    command = _compiler()
    return store.key(
        files=checkout.digest(project, EXTENSION_SOURCES),
        pyproject={name: tables.get(name) for name in BUILD_TABLES},
        packages=tables.get("tool", {}).get("setuptools"),
        recipe=RECIPE,
        swig=swig,
        compiler=[
            command,
            process.capture([*command, "--version"]).partition("\n")[0],
            shutil.which(command[0]),
        ],
        environment=_deciding(),
        instrumented=instrumented,
    )


def _deciding() -> dict[str, str]:
    """The person's variables that decide what a build makes."""
    return {name: os.environ[name] for name in DECIDING if name in os.environ}


@dataclass(frozen=True, slots=True)
class _Recipe:
    """How the wheels of one interpreter are made of a copy of the project.

    `settings` is what the interpreter was built with, `shared` the key of the sources.
    """

    project: Path
    root: Path
    python: Path
    settings: Mapping[str, Any]
    shared: str
    instrumented: bool

    def wheel(self, request: Request) -> Wheel:
        """The extension from the cache or the compiler, with the Python files as they are now."""
        key = store.key(
            sources=self.shared,
            prefix=_prefix_key(request.prefix, self.root),
            python=request.interpreter.full_version,
            settings=self.settings,
            abi=request.abi,
            **({"sanitized": SANITIZED} if request.sanitized else {}),
        )
        kind = "extensions-instrumented" if self.instrumented else "extensions"
        extensions = store.Store(self.root, kind)
        built = extensions.get(
            request.label, key, lambda folder: self._build(request, kind, folder)
        )
        forget(extensions, request.label, used=built)
        python_files = checkout.digest(self.project, [PACKAGE])
        assembled = store.Store(self.root, "wheels")
        whole = assembled.get(
            request.label,
            store.key(extension=key, python_files=python_files),
            lambda folder: _assemble(built / "site", self.project, folder / "site"),
        )
        forget(assembled, request.label, used=whole)
        return Wheel(whole / "site", built / "notes" if self.instrumented else None)

    def _build(self, request: Request, kind: str, folder: Path) -> None:
        log = self.root / "logs" / f"{kind}-{request.label}.txt"
        log.unlink(missing_ok=True)
        progress.say(
            f"extension {request.label}: building with Python {request.interpreter.full_version}"
        )
        # Always the same place: the compiler writes it into objects, so ccache looks at it.
        with _workplace(self.root / kind / ".building" / request.label) as work:
            checkout.copy(self.project, work / "sources", WHEEL_SOURCES)
            # Only the wheel's description: an edit of it is no other wheel.
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
                archive.extractall(folder / "site")
            _remove_copies(folder / "site", work / "sources")
            if self.instrumented:
                c_lines.keep_notes(work / "sources", objects, folder / "notes")

    def _environment(self, request: Request, objects: Path) -> dict[str, str]:
        environment = {
            **{name: value for name, value in os.environ.items() if HARMLESS.fullmatch(name)},
            **_deciding(),
            **_swig(self.python),
            "OPENSSL_DIR": str(request.prefix),
            "CC": " ".join(_ccache() + _compiler()),
            "PYTHONDONTWRITEBYTECODE": "1",
            "LC_ALL": "C",
        }
        if self.instrumented:
            environment["M2CRYPTO_COVERAGE"] = str(objects)
        if request.sanitized:
            environment.update(SANITIZED)
        return environment


def _prefix_key(prefix: Path, root: Path) -> str:
    """What stands for a prefix in a key; in the cache its place there, so that the cache can move.

    A prefix's folder is named after everything that went into it.
    """
    return str(prefix.relative_to(root) if prefix.is_relative_to(root) else prefix)


def forget(entries: store.Store, label: str, *, used: Path) -> None:
    """Note that an entry is used; remove those of its label that so many newer ones came after.

    Every edit makes another, of megabytes each. What was used just now may still be in use.
    """
    with suppress(OSError):
        # A cache that is read-only has wheels that can be used all the same.
        used.touch()
    found = {path: path.stat().st_mtime for path in entries.folder.glob(f"{label}-{'?' * 16}")}
    newest_first = sorted(found, key=lambda path: found[path], reverse=True)
    for path in newest_first[KEPT:]:
        if time.time() - found[path] > IN_USE:
            shutil.rmtree(path, ignore_errors=True)


def _pyproject(project: Path) -> dict[str, Any]:
    path = project / "pyproject.toml"
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Problem(f"{path}: cannot be read: {error}") from None


def _compiler() -> list[str]:
    return os.environ.get("CC", "").split() or ["gcc" if shutil.which("gcc") else "cc"]


def _ccache() -> list[str]:
    return ["ccache"] if shutil.which("ccache") and "ccache" not in _compiler() else []


def _swig(python: Path) -> Mapping[str, str]:
    """The SWIG of an environment, past its script, which names the folder it was made in."""
    found = process.capture(
        [python, "-c", "import swig; print(swig.BIN_DIR, swig.SWIG_SHARE_DIR, sep='\\n')"]
    )
    programs, share = (Path(line) for line in found.splitlines())
    library = next(path for path in share.iterdir() if path.is_dir())
    return {"SWIG": str(programs / "swig"), "SWIG_LIB": str(library)}


@contextmanager
def _workplace(folder: Path) -> Iterator[Path]:
    """An empty folder of that very path, for one process at a time; gone afterwards."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _remove_copies(site: Path, sources: Path) -> None:
    """Leave in an unpacked wheel what the build made, and the folders of its packages."""
    for file in [path for path in site.rglob("*") if path.is_file()]:
        if (sources / file.relative_to(site)).exists():
            file.unlink()


def _assemble(built: Path, project: Path, site: Path) -> None:
    """Put a wheel together: what the build made, and the Python files as they are in the copy.

    A package that the wheel does not list stays out, as it would for whoever installs the wheel.
    Nothing is linked: what writes into a wheel must not write into the extension it was made of.
    """
    shutil.copytree(built, site)
    for package in [
        site / PACKAGE,
        *(path for path in site.glob(f"{PACKAGE}/**/") if path.is_dir()),
    ]:
        for pattern in PYTHON_FILES:
            for file in (project / package.relative_to(site)).glob(pattern):
                shutil.copy2(file, package / file.name)
