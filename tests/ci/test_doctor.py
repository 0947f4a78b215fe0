"""A missing tool is reported before anything is done, with the line that installs it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tiny_openssl import program

from ci import doctor, interpreters, manifest
from ci.problem import Problem


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH of one folder, with only what the system has under these names."""
    folder = tmp_path / "tools"
    folder.mkdir()
    for name in ("cc", "as", "sh", "env", "perl", "make", "gcov", "ccache"):
        if shutil.which(name):
            # A script, not a link: a compiler looks for its parts next to itself.
            program(folder / name, f'exec {shutil.which(name)} "$@"')
    monkeypatch.setenv("PATH", str(folder))
    return folder


def test_nothing_is_said_where_all_is_there(tools: Path) -> None:
    doctor.require()
    assert doctor.compiler() == ("cc",)


@pytest.mark.parametrize(
    ("gone", "said", "installs"),
    [
        (
            ["cc"],
            "there is no C compiler",
            ["gcc libc6-dev", "gcc glibc-devel", "gcc linux-headers musl-dev", doctor.XCODE],
        ),
        (["perl"], "there is no perl", ["perl"] * 4),
        (["make"], "there is no make", ["make", "make", "make", doctor.XCODE]),
        (
            ["perl", "make"],
            "there is no perl, there is no make",
            ["make perl", "make perl", "make perl", f"perl && {doctor.XCODE}"],
        ),
    ],
)
def test_what_is_missing_is_said_with_each_systems_line(
    tools: Path, gone: list[str], said: str, installs: list[str]
) -> None:
    for name in gone:
        (tools / name).unlink()
    with pytest.raises(Problem) as refused:
        doctor.require()
    first, *lines = str(refused.value).splitlines()
    assert first == f"{said}: install with"
    assert [line.split()[0] for line in lines] == ["Debian", "Fedora", "Alpine", "macOS"]
    for line, packages in zip(lines, installs, strict=True):
        assert line.endswith(f" {packages}")


def test_without_a_compiler_all_that_is_missing_is_said_at_once(tools: Path) -> None:
    for name in ("cc", "perl", "make"):
        (tools / name).unlink()
    with pytest.raises(Problem, match="there is no C compiler, there is no perl, there is no make"):
        doctor.compiler()


def test_a_perl_without_its_modules_is_said(tools: Path) -> None:
    program(tools / "perl", 'case $2 in print*) echo v5;; *) echo "FindBin IPC::Cmd ";; esac')
    with pytest.raises(Problem, match="perl lacks FindBin, IPC::Cmd: install with"):
        doctor.require()


def test_a_compiler_without_the_c_librarys_headers_is_said(tools: Path) -> None:
    program(tools / "cc", "case $1 in --version) echo cc 1;; *) exit 1;; esac")
    with pytest.raises(Problem, match=r"cc does not compile with <stdlib\.h>: install with"):
        doctor.require()


def test_cc_is_the_users_to_choose(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "ccache some-cc -m64")
    assert doctor.compiler() == ("ccache", "some-cc", "-m64")


def test_doctor_lists_tools_and_pythons(
    tools: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(interpreters, "installed", lambda versions: {})
    (tools / "ccache").unlink(missing_ok=True)
    doctor.main([])
    told = capsys.readouterr().out
    assert "  ok  C compiler   cc " in told
    assert "  --  ccache       there is no ccache" in told
    assert f"SWIG         {manifest.load().swig}" in told
    assert "  --  3.9          not installed, its cells are not run" in told
    assert "apt-get install ccache" in told


def test_doctor_fails_when_something_needed_is_missing(
    tools: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(interpreters, "installed", lambda versions: {})
    (tools / "make").unlink()
    with pytest.raises(Problem, match="there is no make: install with"):
        doctor.main([])
    assert "  --  make         there is no make" in capsys.readouterr().out
    with pytest.raises(Problem, match="doctor takes no arguments"):
        doctor.main(["--all"])
