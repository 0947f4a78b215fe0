"""The checkout's paths and the settings of a run, read from the environment once.

Every function that reads or writes a file of the checkout or of the cache takes a `Project`.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path

from ci.errors import UserError

ROOT = Path(__file__).resolve().parent.parent

# Seconds a cell may run. A cell takes about ten; the margin is for sanitizers on a busy computer.
TIMEOUT = 900.0
# Seconds a test may run. The slowest takes three.
TEST_TIMEOUT = 120.0
# The longest limit, eleven days. The operating system refuses much longer ones.
LONGEST = 1e6


@dataclass(frozen=True, slots=True)
class Project:
    """A checkout and the settings of a run in it.

    Attributes:
        root: the checkout's directory.
        cache: the directory of everything that is downloaded or built (M2CRYPTO_CACHE).
        mirrors: directories and URLs with OpenSSL's tarballs (M2CRYPTO_MIRRORS).
        offline: whether to send no request over the network (M2CRYPTO_OFFLINE).
        container: the image of a container to run the verb in (M2CRYPTO_CONTAINER).
        ci: whether this is a run of CI, which has all that the tests need (CI).
        timeout: the seconds a cell may run (M2CRYPTO_TIMEOUT).
        test_timeout: the seconds a test may run (M2CRYPTO_TEST_TIMEOUT).
    """

    root: Path
    cache: Path
    mirrors: tuple[str, ...] = ()
    offline: bool = False
    container: str = ""
    ci: bool = False
    timeout: float = TIMEOUT
    test_timeout: float = TEST_TIMEOUT

    @classmethod
    def from_environment(cls, root: Path = ROOT) -> Project:
        """Return the project in `root` with the settings of the environment.

        Raises:
            UserError: a variable has a value of the wrong type.
        """
        return cls(
            root=root,
            cache=_cache(),
            mirrors=tuple(os.environ.get("M2CRYPTO_MIRRORS", "").split()),
            offline=os.environ.get("M2CRYPTO_OFFLINE", "") not in ("", "0"),
            container=os.environ.get("M2CRYPTO_CONTAINER", ""),
            ci=os.environ.get("CI", "") not in ("", "0", "false"),
            timeout=_seconds("M2CRYPTO_TIMEOUT", TIMEOUT, "a cell"),
            test_timeout=_seconds("M2CRYPTO_TEST_TIMEOUT", TEST_TIMEOUT, "a test"),
        )

    @property
    def manifest(self) -> Path:
        """The manifest of releases, variants and Pythons."""
        return self.root / "ci" / "matrix.toml"

    @property
    def constraints(self) -> Path:
        """The versions of everything that the sessions install."""
        return self.root / "ci" / "constraints.txt"

    @property
    def pyproject(self) -> Path:
        """The package's metadata and the settings of every tool."""
        return self.root / "pyproject.toml"

    @property
    def results(self) -> Path:
        """The directory of the cells' results."""
        return self.root / "coverage" / "results"

    @property
    def copy(self) -> Path:
        """The copy of the checkout that a run builds, tests and reports.

        It is the same directory in every run, so that Python finds its bytecode again.
        """
        return self.results / ".checkout"

    @property
    def html(self) -> Path:
        """The directory of the report."""
        return self.root / "coverage" / "html"

    @property
    def peers(self) -> Path:
        """The handshakes with other implementations of TLS, if `nox -s peers` ran."""
        return self.root / "coverage" / "peers.json"

    @property
    def policy(self) -> Path:
        """The floors of coverage and the declared reasons to skip a test."""
        return self.root / "coverage" / "policy.toml"

    @property
    def templates(self) -> Path:
        """The directory of the report's templates and style sheet."""
        return self.root / "coverage"


def _cache() -> Path:
    named = os.environ.get("M2CRYPTO_CACHE")
    if named:
        # os.path, because pathlib raises RuntimeError for a user without a home directory.
        return Path(os.path.expanduser(named)).absolute()  # noqa: PTH111
    from platformdirs import user_cache_path

    return user_cache_path("m2crypto", appauthor=False)


def _seconds(variable: str, default: float, what: str) -> float:
    named = os.environ.get(variable)
    if not named:
        return default
    try:
        seconds = float(named)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= LONGEST:
        raise UserError(
            f"{variable}={named}: not a positive number up to {LONGEST:.0f}; "
            f"set it to the seconds that {what} may run"
        )
    return seconds
