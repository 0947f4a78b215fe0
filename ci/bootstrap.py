"""`python3 noxfile.py ARGUMENTS` becomes `nox ARGUMENTS`, where nox is not installed too.

The nox that this Python can import is used if it is one that noxfile.py accepts. Else nox is
installed once into an environment in the cache, by venv and pip, and used from there.

    M2CRYPTO_CACHE/nox/py3.11-KEY/            the environment; only `python -m` is used of it
    M2CRYPTO_CACHE/nox/.locks/py3.11-KEY      held while it is made
    M2CRYPTO_CACHE/nox/.making/py3.11-KEY.PID what is being made; with the lock free, a leftover

Only the standard library is imported. An older Python than the sessions run on must be able to
parse this file and noxfile.py, to be refused in one line: nothing younger than Python 3.6 in them.
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
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import NoReturn

from ci import doctor
from ci.problem import Problem

ROOT = Path(__file__).resolve().parent.parent
NOXFILE = ROOT / "noxfile.py"
SERIES = "{}.{}".format(*sys.version_info)
# Where pip would install to, or look up modules, other than in the environment itself.
PERSONAL = ("PIP_PREFIX", "PIP_TARGET", "PIP_USER", "PYTHONHOME", "PYTHONPATH")


def main(arguments: Sequence[str]) -> NoReturn:
    """Replace this process by `nox ARGUMENTS`; if that cannot be done, exit with one line."""
    try:
        needs = needed_version()
        python = Path(sys.executable) if is_installed(needs) else environment(needs)
        _become([python, "-m", "nox", *_options(), *arguments])
    except Problem as problem:
        raise SystemExit(f"error: {problem}") from None
    except OSError as error:
        raise SystemExit(
            f"error: the cache cannot be used: {error.strerror}: {error.filename or cache_root()}; "
            "make it yours to read and write, or set M2CRYPTO_CACHE to another folder"
        ) from None
    except KeyboardInterrupt:
        print("error: interrupted", file=sys.stderr)
        raise SystemExit(130) from None


def needed_version() -> str:
    """Return the specifier of the nox versions that noxfile.py accepts, such as `>=2025.5`."""
    found = re.search(r'(?m)^nox\.needs_version = "(.+)"$', NOXFILE.read_text(encoding="utf-8"))
    if not found:
        raise Problem(f"{NOXFILE}: there is no line nox.needs_version = ")
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
    """Return ci.store's cache_root, without platformdirs."""
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
    folder = cache_root() / "nox"
    base = Path(getattr(sys, "_base_executable", None) or sys.executable)
    facts = "\0".join([needs, str(base), platform.python_version()])
    name = f"py{SERIES}-{_key(facts)}"
    if not _has_nox(folder / name):
        _require_ensurepip()
        with _locked(folder / ".locks" / name):
            # Another process may have made it while this one waited for the lock.
            if not _has_nox(folder / name):
                _make(folder, name, base, f"nox{needs}")
    return _python(folder / name)


def _key(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _python(folder: Path) -> Path:
    return folder / "Scripts" / "python.exe" if os.name == "nt" else folder / "bin" / "python"


def _has_nox(folder: Path) -> bool:
    """Return whether the environment runs and has nox: its base interpreter may have gone."""
    try:
        command = [str(_python(folder)), "-I", "-c", "import nox.__main__"]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def _require_ensurepip() -> None:
    if not (importlib.util.find_spec("venv") and importlib.util.find_spec("ensurepip")):
        packages = doctor.python_packages(SERIES, "venv")
        raise Problem(
            f"nox is not installed, and {sys.executable} has no ensurepip to install it with; "
            f"install with: {doctor.install_line([packages])}"
        )


def _make(folder: Path, name: str, base: Path, requirement: str) -> None:
    """Make the environment next door and rename it into place; the caller holds its lock."""
    print(f"noxfile.py: installing {requirement} into {folder / name}, once", file=sys.stderr)
    making = folder / ".making"
    making.mkdir(parents=True, exist_ok=True)
    for leftover in making.glob(f"{name}.*"):
        shutil.rmtree(leftover, ignore_errors=True)
    # Renamed first, so that a kill in between leaves no half of an environment in its place.
    away = making / f"{name}.{os.getpid()}.removed"
    with contextlib.suppress(FileNotFoundError):
        (folder / name).rename(away)
        shutil.rmtree(away, ignore_errors=True)
    fresh = making / f"{name}.{os.getpid()}"
    try:
        _run([base, "-m", "venv", fresh])
        pip = [_python(fresh), "-m", "pip", "--disable-pip-version-check"]
        _run([*pip, "install", "--quiet", requirement])
        fresh.rename(folder / name)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


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
        raise Problem(
            f"nox could not be installed: {last[-1].removeprefix('ERROR: ')}; "
            "mend that, or install nox another way (pipx install nox; uv tool install nox)"
        )


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock file, which the end of this process releases however it ends."""
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
        # In a read-only checkout the sessions that only read it still run.
        folder = cache_root() / "nox" / f"sessions-{_key(str(ROOT))}"
        folder.mkdir(parents=True, exist_ok=True)
        options += ["--envdir", str(folder)]
    return options


def _become(command: Sequence[str | Path]) -> NoReturn:
    """Run a program in the place of this process."""
    if os.name == "nt":
        # Windows has no exec: the shell would not wait for the new process.
        raise SystemExit(subprocess.run(command, check=False).returncode)
    os.execv(command[0], [str(word) for word in command])  # noqa: S606
