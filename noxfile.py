"""The sessions: `nox -l` lists them. Each one runs a verb of the tooling in `ci/`."""

import os
import re
import sys
from pathlib import Path

if __name__ == "__main__":
    # `python3 noxfile.py ARGUMENTS` is `nox ARGUMENTS`, and installs nox if it is missing.
    from ci import bootstrap

    bootstrap.main(sys.argv[1:])

import nox

nox.needs_version = ">=2025.5"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_venv = "yes"
nox.options.sessions = ["tests"]

PROJECT = nox.project.load_toml("pyproject.toml")
# The files whose spelling is checked, without generated ones.
TEXTS = [
    "CHANGES.md",
    "README.md",
    "SECURITY.md",
    "changes",
    "M2Crypto",
    "SWIG",
    "ci",
    "docs",
    "tests",
    "noxfile.py",
    "setup.py",
]
CONSTRAINTS = ["-c", str(Path(__file__).parent / "ci" / "constraints.txt")]
CELL = re.compile(r"\bpy\d[\w.]*-openssl[\w.-]+")


def install(session: nox.Session, *groups: str) -> None:
    """Install dependency groups of `pyproject.toml`."""
    session.install("-q", *CONSTRAINTS, *nox.project.dependency_groups(PROJECT, *groups))


def run(session: nox.Session, verb: str, *arguments: str) -> None:
    """Run a verb of the tooling; after Ctrl-C it has ten seconds to terminate what it runs."""
    install(session, "ci")
    session.run("python", "-m", "ci", verb, *arguments, *session.posargs, interrupt_timeout=10.0)


@nox.session
def tests(session: nox.Session) -> None:
    """Build and test with and without EC on every installed Python, and report the coverage."""
    run(session, "tests")


@nox.session
def matrix(session: nox.Session) -> None:
    """Build and test the default plan, or what `--plan NAME` or a filter after `--` chooses."""
    run(session, "matrix")


@nox.session
def replay(session: nox.Session) -> None:
    """Run the cell of a result, such as CI's, again; name its directory or stamp after `--`."""
    run(session, "cell")


@nox.session
def plan(session: nox.Session) -> None:
    """Print the cells of the default plan, of `-- --plan NAME`, or of a filter, and why."""
    run(session, "plan")


@nox.session
def coverage(session: nox.Session) -> None:
    """Report the existing results in coverage/html/index.html."""
    run(session, "coverage")


@nox.session
def surface(session: nox.Session) -> None:
    """Print the names that each build offers, or that two builds named after `--` differ in."""
    run(session, "surface")


@nox.session
def openssl(session: nox.Session) -> None:
    """Build the OpenSSL builds named after `--`, or all, and print the path of each prefix."""
    run(session, "openssl")


@nox.session
def key(session: nox.Session) -> None:
    """Print one key over the prefixes of the builds named after `--`, for CI's cache."""
    run(session, "key")


@nox.session
def pythons(session: nox.Session) -> None:
    """Install the Pythons named after `--` that are missing, or all of the manifest's, by uv."""
    install(session, "bump")
    run(session, "pythons")


@nox.session
def workflow(session: nox.Session) -> None:
    """Run the steps of the workflow's job that is named after `--` in a fresh clone, as CI does."""
    install(session, "workflow")
    run(session, "workflow")


@nox.session
def doctor(session: nox.Session) -> None:
    """Print which tools and Pythons are installed, which are missing, and what installs them."""
    run(session, "doctor")


@nox.session
def audit(session: nox.Session) -> None:
    """Check the wheels named after `--`, or print which have `--older-than VERSION` of OpenSSL."""
    install(session, "audit")
    run(session, "audit")


@nox.session
def clean(session: nox.Session) -> None:
    """Print what the cache holds, and free what no cell needs, or everything with `-- --all`."""
    run(session, "clean")


@nox.session
def bump(session: nox.Session) -> None:
    """Write newer versions of packages and of OpenSSL releases, and print the differences."""
    install(session, "bump")
    run(session, "bump")


@nox.session
def wheels(session: nox.Session) -> None:
    """Build the sdist and this platform's wheels, test and audit them, and fill dist/."""
    install(session, "wheels", "audit")
    run(session, "wheels")


@nox.session
def beside(session: nox.Session) -> None:
    """Test the wheel named after `--`, or of pip's own build, beside others with an OpenSSL."""
    install(session, "beside")
    session.install("-q", *CONSTRAINTS, *(session.posargs or ["."]))
    session.run("python", "-P", "tests/ci/beside.py")


@nox.session
def reproduce(session: nox.Session) -> None:
    """Build the sdist and the wheels of the commit twice, and compare the bytes."""
    install(session, "wheels", "audit")
    run(session, "reproduce")


@nox.session
def release(session: nox.Session) -> None:
    """Check, build, audit and tag the version named after `--`; `--dry-run` makes no tag."""
    install(session, "wheels", "audit", "release")
    run(session, "release")


@nox.session
def lint(session: nox.Session) -> None:
    """Check the style of Python and C, the direction of imports, the spelling, the workflows."""
    install(session, "lint", "ci")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("lint-imports", env={"PYTHONPATH": str(Path.cwd())}, silent=True)
    session.run("clang-format", "--dry-run", "-Werror", *map(str, Path("SWIG/src").glob("*.[ch]")))
    session.run("codespell", *TEXTS)
    workflows = [str(path) for path in sorted(Path(".github/workflows").glob("*.yml"))]
    session.run("check-jsonschema", "--builtin-schema", "vendor.github-workflows", *workflows)
    session.run("zizmor", "--offline", "--persona=pedantic", *workflows)


@nox.session
def types(session: nox.Session) -> None:
    """Check all types strictly: the package, the tooling with its tests, setup.py."""
    install(session, "types")
    session.run("mypy")


@nox.session
def bench(session: nox.Session) -> None:
    """Run the benchmarks named after `--`, or all, each beside its peer."""
    # The benchmark `wheel` builds the wheel if dist/ has none.
    install(session, "bench", *(["wheels", "audit"] if "wheel" in session.posargs else []))
    # The older M2Crypto is built with SWIG.
    session.install("-q", *CONSTRAINTS, *PROJECT["build-system"]["requires"])
    run(session, "bench")


@nox.session
def peers(session: nox.Session) -> None:
    """Shake hands with other implementations of TLS, in either role, on the builds after `--`."""
    run(session, "peers")


@nox.session
def scan(session: nox.Session) -> None:
    """Scan a server with default settings with sslyze and testssl.sh, and keep what they found."""
    run(session, "scan")


@nox.session
def vectors(session: nox.Session) -> None:
    """Run all known answers of NIST and the RFCs, PKITS and the properties on one OpenSSL."""
    install(session, "vectors")
    session.install("-q", *CONSTRAINTS, ".")
    # The installed package is tested, not the checkout, which has no extension.
    code = "import cryptography_vectors as v; print(v.__path__[0])"
    directory = str(session.run("python", "-c", code, silent=True)).strip()
    names = ("test_vectors", "test_vectors_keys", "test_pkits", "properties", "properties_peers")
    tests = [f"tests/{name}.py" for name in names]
    command = ["-P", "-m", "pytest", *tests, "--vectors", directory]
    session.run("python", *command, *session.posargs)


@nox.session
def fuzz(session: nox.Session) -> None:
    """Fuzz the raw layer, the parsers and threads with sanitizers; `-- --help` lists options."""
    run(session, "fuzz")


@nox.session
def leaks(session: nox.Session) -> None:
    """Repeat each constructor, parser and function, and report how memory grows."""
    install(session, "bench")
    run(session, "leaks")


@nox.session
def stubs(session: nox.Session) -> None:
    """Write the extension's type stub from SWIG's parse tree."""
    install(session, "lint")
    session.install("-q", *CONSTRAINTS, *PROJECT["build-system"]["requires"])
    run(session, "stubs")


@nox.session
def tooling(session: nox.Session) -> None:
    """Test the tooling (tests/ci) and measure its coverage; arguments after `--` are pytest's."""
    # The group of mypy's session has what the tests import, nox included.
    install(session, "types")
    session.install("-q", *CONSTRAINTS, *PROJECT["build-system"]["requires"])
    settings = "--rcfile=coverage/tooling.coveragerc"
    session.run("python", "-m", "coverage", "erase", settings)
    command = ["-m", "pytest", "tests/ci", *session.posargs]
    session.run("python", "-m", "coverage", "run", settings, *command)
    session.run("python", "-m", "coverage", "combine", "--quiet", settings)
    # A part of the tests does not reach the floor.
    floor = ["--fail-under=0"] if session.posargs else []
    session.run("python", "-m", "coverage", "report", settings, *floor)


def cell(session: nox.Session) -> None:
    """Build and test this one cell."""
    run(session, "cell", session.name)


# A cell's id is a session's name. `nox -l` would list seventy, so only those of the command line
# become sessions, a mistyped one, too, for which the tooling suggests the nearest.
for name in set(CELL.findall(" ".join([*sys.argv, os.environ.get("NOXSESSION", "")]))):
    nox.session(name=name)(cell)
