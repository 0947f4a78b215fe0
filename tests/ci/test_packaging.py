"""Distributions build the sdist offline, against the system's OpenSSL, and run its tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_openssl import program

from ci import checkout, extension
from ci.audit import wheel
from ci.openssl import system
from ci.project import ROOT

DESCRIPTIONS = ("README.md", "CHANGES.md", "docs/packaging.md")
# SWIG need not be a package of Python's.
SKIP = ("--skip-dependency-check",)
# The modules that setup.py imports, and one that it does not.
CARRIED = {"__init__.py", "extension.py", "sbom.py"}
PARTS = (*(f"ci/{name}" for name in sorted(CARRIED)), "ci/wheels.py")
# Some tests of each kind; the cells run all.
TESTS = ("test_cell.py", "test_main.py", "test_err.py", "test_bn.py", "test_ssl_context.py")


def python(*arguments: str | Path, at: Path, **environment: str) -> str:
    """Run Python as a build daemon does, without the network, and return its output."""
    unset = {"OPENSSL_DIR", "CFLAGS", "LDFLAGS", "PYTHONPATH", "M2CRYPTO_COVERAGE"}
    kept = {name: value for name, value in os.environ.items() if name not in unset}
    offline = {"PIP_NO_INDEX": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=at,
        env={**kept, **offline, **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the unpacked sdist."""
    directory = tmp_path_factory.mktemp("sdist")
    names = [name for name in checkout.TESTED if name != "ci"]
    copy = checkout.copy(ROOT, directory / "copy", [*names, *DESCRIPTIONS, *PARTS])
    for name in ("ci", "fuzz"):
        (copy / "tests" / name).mkdir()
        (copy / "tests" / name / "test_apart.py").write_text("")
    python("-m", "build", "--sdist", "--no-isolation", *SKIP, "-o", directory, at=copy)
    shutil.unpack_archive(next(directory.glob("*.tar.gz")), directory)
    return next(path for path in directory.glob("m2crypto-*") if path.is_dir())


def needs_openssl() -> None:
    """Skip a test where the extension cannot be built."""
    if why := system.obstacle():
        pytest.skip(f"this system has no OpenSSL to build with: {why}")
    try:
        extension.find_swig(os.environ)
    except extension.BuildError as error:
        pytest.skip(f"this system has no SWIG to build with: {error}")


def test_the_sdist_holds_the_tests_and_of_the_tooling_what_setup_imports(sdist: Path) -> None:
    assert {path.name for path in (sdist / "ci").iterdir()} == CARRIED
    assert (sdist / "docs" / "packaging.md").is_file()
    assert (sdist / "SWIG" / "exports.map").is_file()
    tests = {path.name for path in (ROOT / "tests").glob("*.py")}
    assert {path.name for path in (sdist / "tests").glob("*.py")} == tests
    assert not list(sdist.rglob("test_apart.py"))
    data = checkout.files(ROOT, ["tests/data"])
    assert all((sdist / path).is_file() for path in data)


def test_its_licence_is_dynamic_because_that_of_a_wheel_may_cover_openssl(sdist: Path) -> None:
    lines = (sdist / "PKG-INFO").read_text().partition("\n\n")[0].splitlines()
    assert "License-Expression: MIT" in lines
    assert {"Dynamic: license-expression", "Dynamic: license-file"} <= set(lines)


def linked(directory: Path) -> Path:
    """Make a prefix of links to the system's headers and shared libraries, for OPENSSL_DIR."""
    flags = extension.from_pkg_config(os.environ)
    places = [*map(Path, flags.include_dirs), Path("/usr/include"), Path("/usr/local/include")]
    (directory / "lib").mkdir(parents=True)
    (directory / "include").mkdir()
    headers = next(path / "openssl" for path in places if (path / "openssl/opensslv.h").is_file())
    (directory / "include" / "openssl").symlink_to(headers)
    for name in ("libssl.so", "libcrypto.so"):
        found = subprocess.run(
            ["cc", f"-print-file-name={name}"], capture_output=True, text=True, check=True
        )
        (directory / "lib" / name).symlink_to(Path(found.stdout.strip()).resolve())
    return directory


def system_swig() -> str:
    """Return the distribution's SWIG if it is new enough, else the build requirements'."""
    try:
        return extension.find_swig({"SWIG": shutil.which("swig", path="/usr/bin") or ""})[0]
    except extension.BuildError:
        return extension.find_swig({})[0]


def test_openssl_dir_and_swig_name_others(sdist: Path, tmp_path: Path) -> None:
    needs_openssl()
    prefix, record = linked(tmp_path / "prefix"), tmp_path / "record"
    swig = tmp_path / "swig4.9"
    program(swig, f'echo "$*" >> {record}; exec {system_swig()} "$@"')
    command = ("-m", "build", "--wheel", "--no-isolation", *SKIP, "-o", tmp_path)
    named = {"OPENSSL_DIR": str(prefix), "SWIG": str(swig)}
    python(*command, at=sdist, CFLAGS="-O0", **named)
    assert "-python" in record.read_text()
    (made,) = wheel.read(next(tmp_path.glob("*.whl"))).binaries
    assert made.libcrypto
    assert {"an RPATH", "an RUNPATH"} & set(made.weaknesses)


def test_a_distribution_builds_installs_and_tests_it(sdist: Path, tmp_path: Path) -> None:
    needs_openssl()
    command = ("-m", "build", "--wheel", "--no-isolation", *SKIP, "-o", tmp_path)
    python(*command, at=sdist, CFLAGS="-O0")
    made = wheel.read(next(tmp_path.glob("*.whl")))
    destination = tmp_path / "destination"
    python("-m", "installer", "--destdir", destination, made.path, at=tmp_path)
    (site,) = {path.parent for path in destination.rglob("M2Crypto") if path.is_dir()}

    # Without -g there are no debug symbols, and no OpenSSL is in it.
    (binary,) = made.binaries
    assert binary.exported == ("PyInit__m2crypto",)
    assert binary.libcrypto
    assert not {"debugging information", "a symbol table (strip it)"} & set(binary.weaknesses)
    assert not any(name.startswith("sboms/") for name in made.information)
    assert made.metadata["License-Expression"] == "MIT"

    (tmp_path / "elsewhere").mkdir()
    files = [sdist / "tests" / name for name in TESTS]
    tests = ("-m", "pytest", "-q", "-p", "no:cacheprovider", f"--rootdir={sdist}")
    output = python(*tests, *files, at=tmp_path / "elsewhere", PYTHONPATH=str(site))
    assert " passed" in output
    assert " failed" not in output
