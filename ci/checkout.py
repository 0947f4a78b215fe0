"""The files of the checkout that a result depends on: their copy, and the digest over them.

Given the project's folder it gives a copy that builds, tests and reports use instead of the
checkout, so that an edit made meanwhile changes none of them; the digest is always taken of the
copy. What a build or an editor leaves in the checkout is no file of the project.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from ci.problem import Problem

PACKAGE = "M2Crypto"

# Everything that can change a result: the sources, what builds them, the tests, what runs them and
# measures, and the settings of each. What the manifest says is compared entry by entry instead.
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
# Of the folders above, what changes no result: the tooling's own tests, benchmarks, and the report,
# which is made of results.
APART = ("tests/ci", "ci/benchmarks", "ci/report.py", "ci/matrix.toml")

# What is generated: caches, objects, extensions, build folders, the facts setup.py writes about a
# build; and what editors leave.
GENERATED = re.compile(
    r"\..*|.*~|#.*#|__pycache__|build|dist|_build_info\.py"
    r"|.*\.(pyc|pyo|so|pyd|o|obj|gcno|gcda|gcov|egg-info|orig|rej)"
)


def files(root: Path, names: Iterable[str] = TESTED) -> Iterator[Path]:
    """The files below the named files and folders of `root`, from `root`, in order."""
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
    """Copy the named files and folders of `root` to `target`, which need not exist; give `target`.

    Never by links: what writes into the copy must not write into the checkout. The times stay, by
    which Python judges its bytecode.
    """
    for path in files(root, names):
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copy2(root / path, target / path)
        except FileNotFoundError:
            raise Problem(f"{root / path}: removed while it was copied; run again") from None
    return target


def digest(root: Path, names: Iterable[str] = TESTED) -> str:
    """The sha256, in hexadecimal, over the named files and folders: their names and contents."""
    total = hashlib.sha256()
    for path in files(root, names):
        contents = hashlib.sha256((root / path).read_bytes()).hexdigest()
        total.update(f"{path.as_posix()}\0{contents}\n".encode())
    return total.hexdigest()
