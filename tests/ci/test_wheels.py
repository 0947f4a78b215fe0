"""A wheel is built once per ABI, and again only after one of its inputs has changed."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tiny_project import INSTRUMENTED, here, write_project

from ci import cache as caching
from ci import environments, interpreters, process, prototypes, toolchain, wheels
from ci import extension as building
from ci.cache import Store
from ci.errors import UserError
from ci.gcov import c_source, notes
from ci.interpreters import Interpreter
from ci.manifest import Flags
from ci.wheels import Request, Wheel


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a tiny project; the Python of the tests has the build requirements."""
    monkeypatch.setattr(environments, "ensure", lambda *_: Path(sys.executable))
    monkeypatch.setattr(toolchain, "swig", lambda _: {})
    monkeypatch.setattr(prototypes, "check", lambda *_: None)
    return write_project(tmp_path / "project")


@pytest.fixture(scope="module")
def python() -> Interpreter:
    """Return the interpreter that runs the tests."""
    found = interpreters.describe(Path(sys.executable))
    assert found
    return found


def request(name: str, prefix: Path, python: Interpreter) -> Request:
    """Return the request of an instrumented wheel."""
    return Request(name, prefix, python, INSTRUMENTED, "4.5.1")


def make(project: Path, *requests: Request) -> list[Wheel | UserError]:
    """Build the instrumented wheels of the requests."""
    return list(wheels.ensure(requests, here(project)).values())


def wheel(project: Path, request: Request) -> Wheel:
    """Build the instrumented wheel of one request."""
    (made,) = make(project, request)
    assert isinstance(made, Wheel), made
    return made


def extension(made: Wheel) -> Path:
    """Return the path of the compiled extension."""
    return next((made.site / "M2Crypto").glob("_m2crypto*.so"))


def test_a_wheel_contains_the_extension_and_the_python_files(
    project: Path, python: Interpreter
) -> None:
    made = wheel(project, request("3.5", Path("/p/3.5"), python))

    names = {path.name for path in (made.site / "M2Crypto").iterdir()}
    assert {"__init__.py", "EC.py", "_build_info.py", extension(made).name} <= names
    assert made.notes
    assert {path.name for path in made.notes.iterdir()} == {
        "ec.gcno",
        notes.COMMANDS,
        notes.COMPILED_OUT,
    }


def test_an_extension_is_built_once_and_parallel_builds_leave_the_project_alone(
    project: Path, python: Interpreter, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(project.rglob("*"))
    requests = [request(name, Path("/p") / name, python) for name in ("3.5", "3.5-no-ec")]
    first = make(project, *requests)
    assert capsys.readouterr().err.count("building") == 2

    assert make(project, *requests) == first
    assert capsys.readouterr().err == ""
    assert sorted(project.rglob("*")) == before


def test_an_edited_python_file_recompiles_nothing(
    project: Path, python: Interpreter, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = request("3.5", Path("/p/3.5"), python)
    old = wheel(project, wanted)
    capsys.readouterr()
    (project / "M2Crypto" / "EC.py").write_text("new = 1\n")
    (project / "M2Crypto" / "child.py").unlink()
    new = wheel(project, wanted)

    assert capsys.readouterr().err == ""
    assert new.extension == old.extension
    assert (new.site / "M2Crypto" / "EC.py").read_text() == "new = 1\n"
    assert not (new.site / "M2Crypto" / "child.py").exists()
    assert (old.site / "M2Crypto" / "EC.py").read_text() != "new = 1\n"


@pytest.mark.parametrize("name", ["SWIG/src/ec.c", "setup.py", "pyproject.toml"])
def test_an_edited_input_of_the_extension_makes_another_extension(
    project: Path, python: Interpreter, name: str
) -> None:
    before = wheels.sources_key(project)
    text = (project / name).read_text()
    (project / name).write_text(text.replace('version = "1"', 'version = "2"') + "\n")
    assert wheels.sources_key(project) != before


def test_other_flags_and_another_swig_make_other_extensions(
    project: Path, python: Interpreter
) -> None:
    plain, other = Flags("plain"), Flags("plain", cflags=("-O3",))
    requests = [
        Request("3.5", Path("/p/3.5"), python, flags, swig)
        for flags in (INSTRUMENTED, plain, other)
        for swig in ("4.4.0", "4.5.1")
    ]
    sites = {wheel(project, each).site for each in requests}
    assert len(sites) == 6


def test_settings_of_other_tools_make_no_other_extension(project: Path) -> None:
    before = wheels.sources_key(project)
    with (project / "pyproject.toml").open("a") as file:
        file.write("[tool.ruff]\nline-length = 80\n")
    assert wheels.sources_key(project) == before


def test_a_failed_build_raises_with_the_log_and_the_others_are_built(
    project: Path, python: Interpreter
) -> None:
    with (project / "SWIG" / "src" / "ec.c").open("a") as file:
        file.write("#ifdef NO_EC\n#error no curve\n#endif\n")
    good, bad = make(
        project,
        request("3.5", Path("/p/3.5"), python),
        request("3.5-no-ec", Path("/p/3.5-no-ec"), python),
    )
    assert isinstance(good, Wheel)
    assert isinstance(bad, UserError)
    log = (
        here().cache
        / "logs"
        / f"extension-3.5-no-ec-instrumented-4.5.1-{wheels.abi(python.version)}.txt"
    )
    assert str(log) in str(bad)
    assert "no curve" in log.read_text()
    kinds = here().cache / "extensions"
    assert not list(kinds.glob("3.5-no-ec*"))


@pytest.mark.parametrize(
    ("python", "expected"),
    [
        ("3.9", "cp39"),
        ("3.10", "cp310"),
        ("3.11", "abi3"),
        ("3.15", "abi3"),
        ("3.13t", "cp313t"),
    ],
)
def test_one_abi_serves_every_python_from_3_11_on(python: str, expected: str) -> None:
    assert wheels.abi(python) == expected


def test_the_oldest_python_of_an_abi_builds_its_extension(python: Interpreter) -> None:
    many = [
        replace(python, version=f"3.{minor}", hexversion=0x03000000 + (minor << 16))
        for minor in (13, 9, 11, 12)
    ]
    builders = wheels.builders(many)
    assert {name: each.version for name, each in builders.items()} == {
        "cp39": "3.9",
        "abi3": "3.11",
    }


def test_old_wheels_are_evicted_and_recently_used_ones_kept(tmp_path: Path) -> None:
    entries = Store(tmp_path, "extensions")

    def entry(label: str, number: int, age: float) -> Path:
        path = entries.directory / f"{label}-{number:016x}"
        path.mkdir(parents=True)
        os.utime(path, (time.time() - age, time.time() - age))
        return path

    old = [entry("3.5-abi3", n, caching.IN_USE * (n + 2)) for n in range(caching.KEPT + 2)]
    other = entry("3.5-no-ec-abi3", 1, caching.IN_USE * 99)
    late = entry("3.5-abi3", 99, 1.0)
    entries.evict("3.5-abi3", used=old[-1])

    # The used one and the latest one are the two newest now.
    assert {path for path in old if path.exists()} == {old[-1], *old[: caching.KEPT - 2]}
    assert late.exists()
    assert other.exists()


def test_a_build_uses_the_requirements_of_pyproject_and_the_swig_of_the_manifest(
    project: Path,
) -> None:
    assert wheels.build_requirements(project, "4.5.1") == ("setuptools", "swig==4.5.1")


# --- the inputs of an extension -------------------------------------------------------------------


def test_an_edit_during_a_build_affects_neither_the_extension_nor_its_key(
    project: Path, python: Interpreter, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = project / "SWIG" / "src" / "ec.c"
    clean = source.read_text()
    run = process.run

    def edit_then_run(*arguments: Any, **settings: Any) -> None:
        source.write_text(clean.replace("25519", "1"))
        run(*arguments, **settings)

    wanted = request("3.5", Path("/p/3.5"), python)
    monkeypatch.setattr(process, "run", edit_then_run)
    built = wheel(project, wanted)
    edited = wheel(project, wanted)
    source.write_text(clean)

    assert wheel(project, wanted) == built != edited
    assert [curve(each) for each in (built, edited)] == [25519, 1]


def curve(made: Wheel) -> int:
    """Return the curve that the extension of a wheel reports."""
    code = "from M2Crypto import m2; print(m2.curve())"
    environment = {**os.environ, "PYTHONPATH": str(made.site), "GCOV_PREFIX": str(made.site.parent)}
    command = [sys.executable, "-c", code]
    return int(subprocess.check_output(command, env=environment, cwd=made.site))


def test_build_leftovers_in_the_checkout_are_ignored(project: Path, python: Interpreter) -> None:
    stray = {
        "M2Crypto/_build_info.py": "LINK = 'stray'\n",
        "M2Crypto/_m2crypto.cpython-39.so": "stray",
        "M2Crypto/old.pyc": "stray",
        "build/lib/M2Crypto/EC.py": "stray",
        "SWIG/src/ec.o": "stray",
    }
    for name, text in stray.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(text)
    made = wheel(project, request("3.5", Path("/p/3.5"), python))

    assert "LINK = 'static'" in (made.site / "M2Crypto" / "_build_info.py").read_text()
    kept = [path for path in here().cache.rglob("*") if path.is_file()]
    assert not [path for path in kept if b"stray" in path.read_bytes()]


def test_writing_into_a_wheel_does_not_modify_the_cached_extension(
    project: Path, python: Interpreter
) -> None:
    made = wheel(project, request("3.5", Path("/p/3.5"), python))
    for path in made.site.rglob("*"):
        assert path.is_dir() or path.stat().st_nlink == 1


@pytest.mark.parametrize("name", wheels.DECIDING)
def test_an_environment_variable_of_the_compiler_makes_another_extension(
    project: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.delenv(name, raising=False)
    before = wheels.sources_key(project)
    toolchain.compiler.cache_clear()
    monkeypatch.setenv(name, "gcc -fno-such" if name == "CC" else "-x")
    if name == "CC":
        monkeypatch.setattr(toolchain, "capture", lambda _: "gcc 12\n")
        monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    assert wheels.sources_key(project) != before


def test_no_other_variable_of_the_user_reaches_a_build(
    project: Path, python: Interpreter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNHEARD_OF", "1")
    monkeypatch.setenv("PYTHONPATH", "nonsense")
    monkeypatch.setenv("LDSHARED", "gcc -shared -Wl,--as-needed")
    seen: list[dict[str, str]] = []
    run = process.run

    def note(*arguments: Any, env: dict[str, str], **settings: Any) -> None:
        seen.append(env)
        run(*arguments, env=env, **settings)

    monkeypatch.setattr(process, "run", note)
    wheel(project, request("3.5", Path("/p/3.5"), python))
    (environment,) = seen
    assert not {"UNHEARD_OF", "PYTHONPATH"} & environment.keys()
    assert environment["LDSHARED"] == "gcc -shared -Wl,--as-needed"


def test_an_edited_recipe_makes_another_extension(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = wheels.sources_key(project)
    for number in range(len(wheels.CODE)):
        recipe = [*wheels.CODE]
        recipe[number] = "edited"
        monkeypatch.setattr(wheels, "CODE", recipe)
        assert wheels.sources_key(project) != before


def test_the_recipe_is_the_code_that_builds_the_extension() -> None:
    code = [wheels, building, notes, c_source, prototypes]
    files = [Path(str(module.__file__)) for module in code]
    assert [hashlib.sha256(path.read_bytes()).hexdigest() for path in files] == wheels.CODE


def test_another_python_of_the_same_version_makes_another_extension(
    project: Path,
    python: Interpreter,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    wanted = request("3.5", Path("/p/3.5"), python)
    wheel(project, wanted)
    capsys.readouterr()
    monkeypatch.setattr(wheels, "PRINT_CONFIGURATION", 'print(\'{"LDSHARED": "another"}\')')
    wheel(project, wanted)
    assert "building" in capsys.readouterr().err


def test_a_moved_cache_keeps_its_extensions(
    project: Path,
    python: Interpreter,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def own() -> Request:
        return request("3.5", here().cache / "prefixes" / "3.5", python)

    old = wheel(project, own()).extension
    capsys.readouterr()
    here().cache.rename(tmp_path / "moved")
    monkeypatch.setenv("M2CRYPTO_CACHE", str(tmp_path / "moved"))
    new = wheel(project, own())

    assert new.extension == old
    assert new.site.is_relative_to(tmp_path / "moved")
    assert capsys.readouterr().err == ""


def test_a_warm_cache_may_be_read_only(
    project: Path, python: Interpreter, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = request("3.5", Path("/p/3.5"), python)
    old = wheel(project, wanted)

    def refuse(path: Path, *_arguments: Any, **_settings: Any) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    for name in ("touch", "mkdir", "rename", "unlink"):
        real = getattr(Path, name)
        monkeypatch.setattr(
            Path,
            name,
            lambda path, *a, _real=real, **k: (
                refuse(path) if path.is_relative_to(here().cache) else _real(path, *a, **k)
            ),
        )
    assert wheel(project, wanted) == old
