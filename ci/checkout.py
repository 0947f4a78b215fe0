"""The files of the checkout that determine a result: their copy, and the digest over them.

Builds, tests and reports use the copy instead of the checkout, so that an edit during a run changes
none of them. The digest is taken of the copy. Generated files are not copied.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from ci.errors import UserError

PACKAGE = "M2Crypto"
# The files that setup.py writes into it.
BUILD_INFO = "_build_info.py"

# The range of modification times of copied files in seconds: from 2000, because an archive has none
# before 1980, for 17 years, because a time in the future confuses people.
EPOCH, SPAN = 946_684_800, 2**29

# The files that can change a result: the sources, what builds them, the tests, what runs and
# measures them, and the settings of each. The manifest is compared entry by entry instead.
TESTED = (
    "SWIG",
    PACKAGE,
    "setup.py",
    "pyproject.toml",
    "MANIFEST.in",
    "LICENSE",
    "tests",
    "ci",
    "coverage/coveragerc",
)
# Of the directories above, what changes no result: the tooling's tests, the verbs that run no cell,
# and the report, which is made of results.
APART = (
    "tests/ci",
    "tests/fuzz",
    *("ci/audit", "ci/bench.py", "ci/benchmarks", "ci/bootstrap.py", "ci/bump.py", "ci/clean.py"),
    *("ci/container.py", "ci/distribution", "ci/doctor.py", "ci/fuzz", "ci/github.py"),
    "ci/pythons.py",
    *("ci/release", "ci/report", "ci/stubs.py", "ci/workflow.py"),
    # Each entry of these is compared by itself.
    *("ci/constraints.txt", "ci/matrix.toml"),
)

# Generated files: caches, objects, extensions, build directories, setup.py's _build_info.py, and an
# editor's backups.
GENERATED = re.compile(
    r"\..*|.*~|#.*#|__pycache__|build|dist|_build_info\.py"
    r"|.*\.(pyc|pyo|so|pyd|o|obj|gcno|gcda|gcov|egg-info|orig|rej)"
)


def files(root: Path, names: Iterable[str] = TESTED) -> Iterator[Path]:
    """Yield the paths of the named files and of those in the named directories, from `root`."""
    for name in names:
        yield from _below(root, Path(name))


def _below(root: Path, path: Path) -> Iterator[Path]:
    if path.as_posix() in APART:
        return
    if (root / path).is_dir():
        for child in sorted(each.name for each in (root / path).iterdir()):
            if not GENERATED.fullmatch(child):
                yield from _below(root, path / child)
    elif (root / path).is_file():
        yield path


def copy(root: Path, target: Path, names: Iterable[str] = TESTED) -> Path:
    """Copy the named files and directories of `root` to `target`, and return `target`.

    No file is a link, because a test that writes into the copy must not write into the checkout.
    The modification times are made of the contents, because Python compares them with those in its
    bytecode: a file that is replaced by one of the same size and time would not be compiled again.
    """
    for path in files(root, names):
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copy(root / path, target / path)
            contents = hashlib.sha256((target / path).read_bytes()).digest()
            seconds = EPOCH + int.from_bytes(contents[:4], "big") % SPAN
            os.utime(target / path, (seconds, seconds))
        except FileNotFoundError:
            raise UserError(
                f"{root / path}: removed while the checkout was copied; run again"
            ) from None
    return target


def package(root: Path) -> str:
    """Return the sha256 over the paths and contents of the Python files of the package in `root`.

    tests/fix_cell.py computes that of the package in the process.
    """
    total = hashlib.sha256()
    for path in sorted((root / PACKAGE).rglob("*.py")):
        if path.name != BUILD_INFO:
            contents = hashlib.sha256(path.read_bytes()).hexdigest()
            total.update(f"{path.relative_to(root / PACKAGE).as_posix()}\0{contents}\n".encode())
    return total.hexdigest()


def digest(root: Path, names: Iterable[str] = TESTED) -> str:
    """Return the sha256, in hexadecimal, over the paths and contents of the named files."""
    total = hashlib.sha256()
    for path in files(root, names):
        contents = hashlib.sha256((root / path).read_bytes()).hexdigest()
        total.update(f"{path.as_posix()}\0{contents}\n".encode())
    return total.hexdigest()
