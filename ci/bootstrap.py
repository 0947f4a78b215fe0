"""Run nox for `python3 noxfile.py ARGUMENTS`, where nox need not be installed.

nox is used if this Python can import a version that noxfile.py accepts. Else venv and pip install
it once into an environment in the cache.

    M2CRYPTO_CACHE/nox/py3.11-KEY/            the environment; only `python -m` is used of it
    M2CRYPTO_CACHE/nox/.locks/py3.11-KEY      held while it is made
    M2CRYPTO_CACHE/nox/.making/py3.11-KEY.PID an environment being made; if its lock is free, a
                                              dead process left it

Only the standard library is imported. Python 3.6 must be able to parse this file and noxfile.py, so
that a Python that is too old is refused in one line.
"""

import sys

if sys.hexversion < 0x030B0000:
    raise SystemExit(
        f"error: the sessions need Python 3.11 or newer to run them, not {sys.version.split()[0]}: "
        "run noxfile.py with a newer one (the tests still run on every Python that is installed)"
    )

import contextlib
import hashlib
import importlib.util
import os
import platform
import re
import subprocess
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import NoReturn

from ci.directories import remove, replacement
from ci.errors import UserError
from ci.packages import install_command, python_packages

ROOT = Path(__file__).resolve().parent.parent
NOXFILE = ROOT / "noxfile.py"
CONSTRAINTS = ROOT / "ci" / "constraints.txt"
SERIES = "{}.{}".format(*sys.version_info)
# Variables that make pip install to, or Python import from, another directory.
PERSONAL = ("PIP_PREFIX", "PIP_TARGET", "PIP_USER", "PYTHONHOME", "PYTHONPATH")


def main(arguments: Sequence[str]) -> NoReturn:
    """Replace this process by `nox ARGUMENTS`; if that cannot be done, exit with one line."""
    try:
        needs = needed_version()
        python = Path(sys.executable) if is_installed(needs) else environment(needs)
        _become([python, "-m", "nox", *_options(), *arguments])
    except UserError as problem:
        raise SystemExit(f"error: {problem}") from None
    except OSError as error:
        raise SystemExit(
            f"error: the cache cannot be used: {error.strerror}: {error.filename or cache_root()}; "
            "make it yours to read and write, or set M2CRYPTO_CACHE to another directory"
        ) from None
    except KeyboardInterrupt:
        print("error: interrupted", file=sys.stderr)
        raise SystemExit(130) from None


def needed_version() -> str:
    """Return the specifier of the nox versions that noxfile.py accepts, such as `>=2025.5`."""
    found = re.search(r'(?m)^nox\.needs_version = "(.+)"$', NOXFILE.read_text(encoding="utf-8"))
    if not found:
        raise UserError(f"{NOXFILE}: there is no line nox.needs_version = ")
    return found[1]


def is_installed(needs: str) -> bool:
    """Return whether this Python can import a nox of a version that `needs` accepts."""
    try:
        # nox itself requires packaging, so where it is missing nox does not run.
        from packaging.specifiers import SpecifierSet

        version = metadata.version("nox")
    except (ImportError, metadata.PackageNotFoundError):
        return False
    return importlib.util.find_spec("nox") is not None and version in SpecifierSet(needs)


def cache_root() -> Path:
    """Return the same directory as ci.project, without platformdirs."""
    named = os.environ.get("M2CRYPTO_CACHE")
    home = Path(os.path.expanduser("~"))  # noqa: PTH111 - pathlib's raises where there is none
    if named:
        return Path(os.path.expanduser(named)).absolute()  # noqa: PTH111
    if os.name == "nt":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData/Local", "m2crypto", "Cache")
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "m2crypto"
    return Path(os.environ.get("XDG_CACHE_HOME", "").strip() or home / ".cache", "m2crypto")


def environment(needs: str) -> Path:
    """Return the Python of the environment that has nox, made if the cache has none that works."""
    directory = cache_root() / "nox"
    base = Path(getattr(sys, "_base_executable", None) or sys.executable)
    constraints = CONSTRAINTS.read_text(encoding="utf-8")
    facts = "\0".join([needs, str(base), platform.python_version(), constraints])
    name = f"py{SERIES}-{_key(facts)}"
    if not _has_nox(directory / name):
        _require_ensurepip()
        with _locked(directory / ".locks" / name):
            # Another process may have made it while this one waited for the lock.
            if not _has_nox(directory / name):
                _make(directory, name, base, f"nox{needs}")
    with contextlib.suppress(OSError):
        # `nox -s clean` keeps the one that was used last.
        os.utime(directory / name)
    return _python(directory / name)


def _key(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _python(directory: Path) -> Path:
    return directory / "Scripts" / "python.exe" if os.name == "nt" else directory / "bin" / "python"


def _has_nox(directory: Path) -> bool:
    """Return whether the environment runs and has nox: its base interpreter may have gone."""
    try:
        command = [str(_python(directory)), "-I", "-c", "import nox.__main__"]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def _require_ensurepip() -> None:
    if not (importlib.util.find_spec("venv") and importlib.util.find_spec("ensurepip")):
        packages = python_packages(SERIES, "venv")
        raise UserError(
            f"nox is not installed, and {sys.executable} has no ensurepip to install it with; "
            f"install with: {install_command([packages])}"
        )


def _make(directory: Path, name: str, base: Path, requirement: str) -> None:
    """Make the environment; the caller holds its lock."""
    print(f"noxfile.py: installing {requirement} into {directory / name}, once", file=sys.stderr)
    making = directory / ".making"
    for leftover in making.glob(f"{name}.*"):
        remove(leftover)
    new, old = making / f"{name}.{os.getpid()}", making / f"{name}.removed"
    with replacement(directory / name, new=new, old=old):
        _run([base, "-m", "venv", new])
        pip = [_python(new), "-m", "pip", "--disable-pip-version-check"]
        _run([*pip, "install", "--quiet", "-c", CONSTRAINTS, requirement])


def _run(command: Sequence[object]) -> None:
    clean = {name: value for name, value in os.environ.items() if name not in PERSONAL}
    done = subprocess.run(
        [str(word) for word in command],
        env=clean,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        lines = done.stdout.strip().splitlines() or [f"exit code {done.returncode}"]
        last = [line for line in lines if line.startswith("ERROR: ")] or lines
        raise UserError(
            f"nox could not be installed: {last[-1].removeprefix('ERROR: ')}; "
            "fix that, or install nox another way (pipx install nox; uv tool install nox)"
        )


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock file; the operating system releases it when this process ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as lock:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(lock.fileno(), msvcrt.LK_LOCK, 1)
        else:
            import fcntl

            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _options() -> list[str]:
    """Return the options that name noxfile.py, and where nox can make environments."""
    options = [] if Path.cwd() == ROOT else ["--noxfile", str(NOXFILE)]
    environments = ROOT / ".nox"
    if not os.access(environments if environments.is_dir() else ROOT, os.W_OK):
        # A session that only reads the checkout can run in a read-only one.
        directory = cache_root() / "nox" / f"sessions-{_key(str(ROOT))}"
        directory.mkdir(parents=True, exist_ok=True)
        options += ["--envdir", str(directory)]
    return options


def _become(command: Sequence[str | Path]) -> NoReturn:
    """Replace this process by a program."""
    if os.name == "nt":
        # Windows has no exec that the shell waits for.
        raise SystemExit(subprocess.run(command, check=False).returncode)
    os.execv(command[0], [str(word) for word in command])  # noqa: S606
