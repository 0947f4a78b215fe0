"""The front door: `nox -l` lists the sessions, each calls one verb of the machine in `ci/`."""

import os
import re
import sys
from pathlib import Path

if __name__ == "__main__":
    # `python3 noxfile.py ARGUMENTS` is `nox ARGUMENTS`, on a machine without nox too.
    from ci import bootstrap

    bootstrap.main(sys.argv[1:])

import nox

nox.needs_version = ">=2025.5"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_venv = "yes"
nox.options.sessions = ["tests"]

PROJECT = nox.project.load_toml("pyproject.toml")
# What people wrote; what the machine makes lies beside it and is not spelt by anybody.
TEXTS = [
    "CHANGES.md",
    "README.md",
    "M2Crypto",
    "SWIG",
    "ci",
    "docs",
    "tests",
    "noxfile.py",
    "setup.py",
]
CELL = re.compile(r"\bpy\d[\w.]*-openssl[\w.-]+")


def install(session: nox.Session, *groups: str) -> None:
    """Install what `pyproject.toml` lists for these dependency groups."""
    session.install("-q", *nox.project.dependency_groups(PROJECT, *groups))


def machine(session: nox.Session, verb: str, *arguments: str) -> None:
    """Do a verb of the machine; on Ctrl-C it has time to end what it runs."""
    install(session, "machine")
    session.run("python", "-m", "ci", verb, *arguments, *session.posargs, interrupt_timeout=10.0)


@nox.session
def tests(session: nox.Session) -> None:
    """Build and test with and without EC on every installed Python, and report the coverage."""
    machine(session, "tests")


@nox.session
def matrix(session: nox.Session) -> None:
    """The same in every cell: all OpenSSL builds times all installed Pythons."""
    machine(session, "matrix")


@nox.session
def coverage(session: nox.Session) -> None:
    """Combine the results there are into the page coverage/html/index.html."""
    machine(session, "coverage")


@nox.session
def openssl(session: nox.Session) -> None:
    """Build the OpenSSL builds named after `--`, or all, and print where each is."""
    machine(session, "openssl")


@nox.session
def doctor(session: nox.Session) -> None:
    """Say which tools and Pythons are installed, which are missing, and what installs them."""
    machine(session, "doctor")


@nox.session
def lint(session: nox.Session) -> None:
    """Check the style of Python and C, the spelling, and the workflows."""
    install(session, "lint")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("clang-format", "--dry-run", "-Werror", *map(str, Path("SWIG/src").glob("*.[ch]")))
    session.run("codespell", *TEXTS)
    if Path(".github/workflows").is_dir():
        session.install("-q", "zizmor")
        session.run("zizmor", ".github/workflows")


@nox.session
def types(session: nox.Session) -> None:
    """Check the types of the package and of the machine, strictly."""
    install(session, "types")
    session.run("mypy", "M2Crypto", "ci", "noxfile.py")


@nox.session
def bench(session: nox.Session) -> None:
    """Measure what is promised in figures; the benchmarks named after `--`, or all."""
    machine(session, "bench")


@nox.session
def fuzz(session: nox.Session) -> None:
    """Fuzz the raw layer, the parsers and threads under sanitizers; `-- --help` lists options."""
    machine(session, "fuzz")


@nox.session
def stubs(session: nox.Session) -> None:
    """Write the extension's type stub anew, from what SWIG makes of its interface."""
    install(session, "lint")
    session.install("-q", *PROJECT["build-system"]["requires"])
    machine(session, "stubs")


@nox.session
def tooling(session: nox.Session) -> None:
    """Test the machine itself (tests/ci); arguments after `--` go to pytest."""
    # The group of the types holds the tests' and the machine's, and nox, which is tested too.
    install(session, "types")
    session.run("python", "-m", "pytest", "tests/ci", *session.posargs)


def cell(session: nox.Session) -> None:
    """Build and test this one cell."""
    machine(session, "cell", session.name)


# A cell's id is a session's name. Seventy of them would bury the others in `nox -l`, so only those
# asked for become sessions; a misspelt one too, for the machine to name the nearest.
for name in set(CELL.findall(" ".join([*sys.argv, os.environ.get("NOXSESSION", "")]))):
    nox.session(name=name)(cell)
