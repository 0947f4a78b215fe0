"""`python3 noxfile.py` installs nox once if it is missing, and runs it."""

from __future__ import annotations

import ast
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from tiny_openssl import program, wait_for
from tiny_project import here

from ci import bootstrap
from ci.errors import UserError

ROOT = Path(__file__).parents[2]
BASE = getattr(sys, "_base_executable", sys.executable)

# A stub of nox that prints its Python and its arguments.
NOX = "import json, sys; print(json.dumps([sys.prefix, sys.argv[1:]]))"


def write_nox(folder: Path, version: str, text: str) -> None:
    """Write a wheel of a nox that runs one line."""
    info = f"nox-{version}.dist-info"
    with zipfile.ZipFile(folder / f"nox-{version}-py3-none-any.whl", "w") as archive:
        archive.writestr("nox/__init__.py", "")
        archive.writestr("nox/__main__.py", f"if __name__ == '__main__':\n    {text}\n")
        archive.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: nox\nVersion: {version}\n"
        )
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the only directory that pip searches, with a nox that is new enough."""
    folder = tmp_path / "index"
    folder.mkdir()
    version = re.findall(r"(?m)^nox==(\S+)", bootstrap.CONSTRAINTS.read_text())[0]
    write_nox(folder, version, NOX)
    # The constraints exclude it.
    write_nox(folder, "9999.1", "raise SystemExit('too new')")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    return folder


def start(*arguments: str, before: str = "pass", cwd: Path = ROOT) -> subprocess.Popen[str]:
    """Start `python3 noxfile.py ARGUMENTS` on a Python without packages."""
    script = f"import runpy, sys; {before}; sys.argv[1:] = {list(arguments)!r}; "
    script += f"sys.path[0] = {str(ROOT)!r}; runpy.run_path('{ROOT}/noxfile.py', None, '__main__')"
    return subprocess.Popen(
        [BASE, "-S", "-c", script],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(*arguments: str, before: str = "pass", cwd: Path = ROOT) -> tuple[int, str, str]:
    """Run it and return the exit code, standard output and standard error."""
    with start(*arguments, before=before, cwd=cwd) as child:
        out, err = child.communicate()
    return child.returncode, out, err


def environments(cache: Path) -> list[Path]:
    """Return the finished and the unfinished environments of the cache."""
    return [*cache.glob("nox/py*"), *cache.glob("nox/.making/*")]


def test_nox_is_installed_once_and_receives_the_arguments(
    index: Path, cache: Path, tmp_path: Path
) -> None:
    code, out, err = run("-s", "tests", "--", "-k", "a b")
    assert code == 0, err
    (folder,) = environments(cache)
    assert json.loads(out) == [str(folder), ["-s", "tests", "--", "-k", "a b"]]
    assert err == f"noxfile.py: installing nox>=2025.5 into {folder}, once\n"
    shutil.rmtree(index)
    code, out, err = run("-l", cwd=tmp_path)
    assert (code, err) == (0, "")
    assert json.loads(out) == [str(folder), ["--noxfile", str(ROOT / "noxfile.py"), "-l"]]


def test_an_installed_nox_is_used(cache: Path) -> None:
    message = [
        subprocess.run(
            [sys.executable, *way, "-l"], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout
        for way in (["noxfile.py"], ["-m", "nox"])
    ]
    assert message[0] == message[1] != ""
    assert not cache.exists()


@pytest.mark.parametrize(
    ("needs", "usable"), [(">=2025.5", True), (">=9999", False), ("==1.0", False)]
)
def test_a_nox_out_of_range_is_not_used(needs: str, usable: bool) -> None:
    assert bootstrap.is_installed(needs) is usable


def test_a_nox_without_its_requirements_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "packaging.specifiers", None)
    assert not bootstrap.is_installed(">=2025.5")


def test_two_concurrent_runs_share_one_environment(index: Path, cache: Path) -> None:
    with start("-l") as first, start("-l") as second:
        printed = [child.communicate() for child in (first, second)]
    assert (first.returncode, second.returncode) == (0, 0)
    (folder,) = environments(cache)
    assert [json.loads(out)[0] for out, _ in printed] == [str(folder)] * 2
    assert "".join(err for _, err in printed).count("installing nox") == 1


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGKILL])
def test_a_killed_run_does_not_break_the_next(
    index: Path, cache: Path, signum: signal.Signals
) -> None:
    with start("-l") as child:
        wait_for(lambda: child.poll() is not None or any(cache.glob("nox/.making/*/*")))
        child.send_signal(signum)
        out, err = child.communicate()
    assert (out, child.returncode != 0) == ("", True)
    if signum is signal.SIGINT:
        assert err.endswith("error: interrupted\n")
        assert "Traceback" not in err
        assert environments(cache) == []
    code, out, err = run("-l")
    assert code == 0, err
    assert [str(path) for path in environments(cache)] == json.loads(out)[:1]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Replace the creation of environments by a stub and return the list of commands run."""
    commands: list[str] = []

    def make(command: Sequence[object]) -> None:
        commands.append(" ".join(map(str, command[1:3])))
        if command[2] == "venv":
            program(Path(str(command[3]), "bin", "python"), 'test -e "${0%/bin/python}/nox"')
        else:
            Path(str(command[0])).parents[1].joinpath("nox").touch()

    monkeypatch.setattr(bootstrap, "_run", make)
    return commands


def lose_its_interpreter(folder: Path) -> None:
    (folder / "bin" / "python").unlink()
    (folder / "bin" / "python").symlink_to("/gone/python3")


def lose_nox(folder: Path) -> None:
    (folder / "nox").unlink()


def become_empty(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


@pytest.mark.parametrize("damage", [lose_its_interpreter, lose_nox, become_empty])
def test_a_broken_environment_is_recreated(
    quick: list[str], cache: Path, damage: Callable[[Path], None]
) -> None:
    python = bootstrap.environment(">=1")
    assert bootstrap.environment(">=1") == python
    assert quick == ["-m venv", "-m pip"]
    (folder,) = environments(cache)
    damage(folder)
    (cache / "nox" / ".making" / f"{folder.name}.1").mkdir()
    assert bootstrap.environment(">=1") == python
    assert quick == ["-m venv", "-m pip"] * 2
    assert environments(cache) == [folder]


def test_each_python_and_version_range_has_its_own_environment(
    quick: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [bootstrap.environment(">=1"), bootstrap.environment(">=2")]
    monkeypatch.setattr(sys, "_base_executable", "/moved/python3")
    made.append(bootstrap.environment(">=2"))
    monkeypatch.setattr(platform, "python_version", lambda: "3.11.99")
    made.append(bootstrap.environment(">=2"))
    assert len(set(made)) == len(made)


@pytest.mark.parametrize("module", ["ensurepip", "venv"])
def test_a_python_without_venv_is_reported_in_one_line(cache: Path, module: str) -> None:
    code, out, err = run("-l", before=f"sys.modules[{module!r}] = None")
    assert (code, out) == (1, "")
    assert err.startswith(f"error: nox is not installed, and {BASE} has no ensurepip")
    assert "install with: " in err
    assert f"{bootstrap.SERIES}-venv" in err or "apt-get" not in err
    assert err.count("\n") == 1
    assert not cache.exists()


def test_a_failed_installation_is_reported_in_one_line_and_leaves_nothing(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = bootstrap._run
    pip = "print('Looking.'); print('ERROR: No nox.'); print('WARNING: pip.'); raise SystemExit(1)"
    monkeypatch.setattr(bootstrap, "_run", lambda _: real([sys.executable, "-c", pip]))
    with pytest.raises(UserError) as refused:
        bootstrap.environment(">=1")
    assert str(refused.value).startswith("nox could not be installed: No nox.; fix that, or ")
    assert "pipx install nox" in str(refused.value)
    assert environments(cache) == []


def test_an_unusable_cache_is_reported_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("M2CRYPTO_CACHE", str(tmp_path / "file"))
    code, out, err = run("-l")
    assert (code, out) == (1, "")
    assert err.startswith("error: the cache cannot be used: ")
    assert "set M2CRYPTO_CACHE to another directory" in err
    assert err.count("\n") == 1


def test_an_older_python_is_refused_in_one_line() -> None:
    code, out, err = run("-l", before="sys.hexversion = 0x030A00F0")
    assert (code, out) == (1, "")
    assert err.startswith("error: the sessions need Python 3.11 or newer to run them, not ")
    assert err.count("\n") == 1


@pytest.mark.parametrize("name", ["noxfile.py", "ci/__init__.py", "ci/bootstrap.py"])
def test_an_older_python_can_parse_the_version_check(name: str) -> None:
    tree = ast.parse(ROOT.joinpath(name).read_text(), feature_version=(3, 6))
    # Of its features Python 3.6 does not know `annotations`, and reports that as a syntax error.
    futures = [node for node in ast.walk(tree) if getattr(node, "module", "") == "__future__"]
    assert futures == []


@pytest.mark.parametrize(
    "variables",
    [
        {"M2CRYPTO_CACHE": "/a/cache"},
        {"M2CRYPTO_CACHE": "~/cache"},
        {"M2CRYPTO_CACHE": "cache"},
        {"XDG_CACHE_HOME": "/xdg"},
        {"XDG_CACHE_HOME": " "},
        {"HOME": "/home/somebody"},
        {},
    ],
)
def test_the_bootstrap_and_the_tooling_use_the_same_cache(
    variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("M2CRYPTO_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert bootstrap.cache_root() == here().cache


def test_the_noxfile_requires_the_nox_of_pyproject() -> None:
    groups = tomllib.loads(ROOT.joinpath("pyproject.toml").read_text())["dependency-groups"]
    assert f"nox{bootstrap.needed_version()}" in groups["tooling"]


def test_a_noxfile_without_a_version_range_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "noxfile.py").touch()
    monkeypatch.setattr(bootstrap, "NOXFILE", tmp_path / "noxfile.py")
    with pytest.raises(UserError, match=r"noxfile\.py: there is no line nox\.needs_version"):
        bootstrap.needed_version()


def test_a_read_only_checkout_keeps_its_environments_in_the_cache(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    assert bootstrap._options() == []
    monkeypatch.setattr(os, "access", lambda *_: False)
    name, folder = bootstrap._options()
    assert name == "--envdir"
    assert Path(folder).parent == cache / "nox"
    # If neither is writable, one line names the cache (see `main`).
    shutil.rmtree(cache)
    cache.touch()
    with pytest.raises(OSError, match=str(cache)):
        bootstrap._options()
