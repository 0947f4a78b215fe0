"""A missing tool is reported before anything is built, with the command that installs it."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from tiny_openssl import program
from tiny_project import here

from ci import doctor, interpreters, manifest, toolchain
from ci.errors import UserError
from ci.matrix.prepare import prepare
from ci.packages import INSTALL, install_command
from ci.toolchain import FOR_OPENSSL, compiler

PLATFORMS = {"macos": "darwin", "windows": "win32"}


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a PATH of one directory with a stub of every tool, optional ones included."""
    folder = tmp_path / "tools"
    folder.mkdir()
    monkeypatch.setattr(toolchain, "_libraries", lambda *names: "/stub/pkcs11.so")
    names = ("cc", "as", "sh", "env", "perl", "make", "gcov", "openssl", "ccache")
    for name in (*names, "softhsm2-util", "opensc-tool"):
        # A script, not a link: a compiler looks for its parts beside itself.
        real = shutil.which(name)
        program(folder / name, f'exec {real} "$@"' if real else f"echo {name} 1")
    monkeypatch.setenv("PATH", str(folder))
    on("debian", monkeypatch)
    return folder


def on(system: str, monkeypatch: pytest.MonkeyPatch, like: str = "", user: int = 1000) -> None:
    """Simulate that operating system and an unprivileged process."""
    monkeypatch.setattr(sys, "platform", PLATFORMS.get(system, "linux"))
    release = {"ID": system, "ID_LIKE": like}
    monkeypatch.setattr(platform, "freedesktop_os_release", lambda: release)
    monkeypatch.setattr(os, "geteuid", lambda: user)


def test_nothing_is_reported_if_nothing_is_missing(tools: Path) -> None:
    toolchain.require(FOR_OPENSSL)
    assert compiler().command == ("cc",)


@pytest.mark.parametrize(
    ("gone", "message"),
    [
        (["cc"], "there is no C compiler; install with: sudo apt-get install gcc libc6-dev"),
        (["perl"], "there is no perl; install with: sudo apt-get install perl"),
        (
            ["perl", "make"],
            "there is no perl, there is no make; install with: sudo apt-get install make perl",
        ),
    ],
)
def test_a_missing_tool_is_one_line_with_the_install_command(
    tools: Path, gone: list[str], message: str
) -> None:
    for name in gone:
        (tools / name).unlink()
    with pytest.raises(UserError) as refused:
        toolchain.require(FOR_OPENSSL)
    assert str(refused.value) == message


@pytest.mark.parametrize(
    ("system", "like", "line"),
    [
        ("debian", "", "sudo apt-get install gcc libc6-dev make"),
        ("linuxmint", "ubuntu debian", "sudo apt-get install gcc libc6-dev make"),
        ("rocky", "rhel centos fedora", "sudo dnf install gcc glibc-devel make"),
        ("alpine", "", "sudo apk add gcc linux-headers make musl-dev"),
        ("arch", "", "sudo pacman -S --needed gcc make"),
        ("macos", "", "xcode-select --install"),
        ("windows", "", "winget install Microsoft.VisualStudio.2022.BuildTools --override "),
        ("other", "", "Debian: sudo apt-get install gcc libc6-dev make; Fedora: sudo dnf install "),
    ],
)
def test_each_system_has_its_own_install_command(
    monkeypatch: pytest.MonkeyPatch, system: str, like: str, line: str
) -> None:
    on(system, monkeypatch, like)
    message = install_command([toolchain.COMPILER.packages, toolchain.MAKE.packages])
    assert message.startswith(line)
    assert "\n" not in message


def test_the_install_command_for_root_has_no_sudo(monkeypatch: pytest.MonkeyPatch) -> None:
    on("debian", monkeypatch, user=0)
    assert install_command([toolchain.PERL.packages]) == "apt-get install perl"


def test_a_system_without_os_release_gets_every_install_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    on("debian", monkeypatch)

    def missing() -> dict[str, str]:
        raise OSError("no os-release")

    monkeypatch.setattr(platform, "freedesktop_os_release", missing)
    message = install_command([toolchain.PERL.packages])
    # Windows is known by itself.
    assert [each.partition(":")[0] for each in message.split("; ")] == list(INSTALL)[:-1]


def test_without_a_compiler_everything_missing_is_reported_at_once(tools: Path) -> None:
    for name in ("cc", "perl", "make"):
        (tools / name).unlink()
    with pytest.raises(
        UserError, match="there is no C compiler, there is no perl, there is no make"
    ):
        compiler()


def test_missing_perl_modules_are_reported(tools: Path) -> None:
    program(tools / "perl", 'case $2 in print*) echo v5;; *) echo "FindBin IPC::Cmd ";; esac')
    with pytest.raises(UserError, match="perl lacks FindBin, IPC::Cmd; install with: "):
        toolchain.require(FOR_OPENSSL)


def test_missing_c_library_headers_are_reported(tools: Path) -> None:
    program(tools / "cc", "case $1 in --version) echo cc 1;; *) exit 1;; esac")
    with pytest.raises(UserError, match=r"cc does not compile with <stdlib\.h>; install with: "):
        toolchain.require(FOR_OPENSSL)


def test_the_cc_variable_selects_the_compiler(tools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tools / "ccache", 'exec "$@"')
    program(tools / "some-cc", "echo some-cc 1")
    monkeypatch.setenv("CC", "ccache some-cc -m64")
    assert compiler().command == ("ccache", "some-cc", "-m64")
    assert compiler().cached == compiler().command


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("nope -m64", "CC=nope -m64: there is no nope; set CC to a C compiler that is installed"),
        ('gcc "-m64', 'CC=gcc "-m64: No closing quotation; correct it or unset it'),
    ],
)
def test_an_invalid_cc_is_named_without_an_install_command(
    tools: Path, monkeypatch: pytest.MonkeyPatch, value: str, message: str
) -> None:
    monkeypatch.setenv("CC", value)
    for use in (compiler, lambda: toolchain.require(FOR_OPENSSL)):
        with pytest.raises(UserError) as refused:
            use()
        assert str(refused.value).startswith(message)
        assert "install with" not in str(refused.value)


def test_unparsable_cflags_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CFLAGS", "-DX='")
    with pytest.raises(UserError, match="^CFLAGS=-DX=': No closing quotation; correct it or unset"):
        toolchain.words("CFLAGS")


@pytest.mark.parametrize(
    ("cc", "prints", "gcov_name"),
    [
        ("cc", "cc 1", "gcov"),
        ("gcc-12", "gcc 12", "gcov-12"),
        ("ccache x86_64-linux-gnu-gcc", "gcc 12", "x86_64-linux-gnu-gcov"),
        ("clang-14", "Debian clang version 14", "llvm-cov-14"),
        ("cc", "Apple clang version 15", "llvm-cov"),
    ],
)
def test_the_gcov_matches_the_compiler(
    tools: Path, monkeypatch: pytest.MonkeyPatch, cc: str, prints: str, gcov_name: str
) -> None:
    program(tools / cc.split()[-1], f"echo {prints}")
    monkeypatch.setenv("CC", cc)
    (tools / "gcov").unlink()
    with pytest.raises(UserError, match=f"there is no {gcov_name}; install with: "):
        toolchain.require([toolchain.GCOV])
    program(tools / gcov_name, f"echo {gcov_name} of its own")
    assert toolchain.GCOV.version() == f"{gcov_name} of its own"


def test_cells_without_gcov_are_refused_before_anything_is_built(tools: Path, cache: Path) -> None:
    (tools / "gcov").unlink()
    plan = manifest.load(here().manifest)
    with pytest.raises(UserError, match="^there is no gcov; install with: "):
        prepare([], plan, [], {}, here())
    assert not cache.exists()


def test_doctor_lists_each_tool_with_its_purpose(
    tools: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    there(monkeypatch)
    for name in ("ccache", "openssl"):
        (tools / name).unlink()
    doctor.main([], here())
    output = capsys.readouterr().out
    assert "  ok  C compiler   cc " in output
    assert "(required: compiles OpenSSL and the extension)" in output
    assert "(required by tests, matrix and each cell: reads which C lines ran)" in output
    assert "  --  openssl      there is no openssl  (recommended: " in output
    assert "  --  ccache       there is no ccache  (optional: " in output
    assert f"SWIG         {manifest.load(here().manifest).swig}" in output
    assert "  --  3.9          not installed, its cells are not run" in output
    assert (
        "Not required: there is no openssl, there is no ccache; "
        "install with: sudo apt-get install ccache openssl\n"
    ) in output


def test_doctor_warns_before_an_end_of_life(
    tools: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    there(monkeypatch)
    known = manifest.load(here().manifest)
    today = date.today()
    ends = {"1.1.1": -1, "3.0": 0, "3.5": 90, "3.6": 91}
    releases = [
        replace(each, end_of_life=today + timedelta(days=ends.get(each.series, 1000)))
        for each in known.releases
    ]
    monkeypatch.setattr(manifest, "load", lambda _: replace(known, releases=tuple(releases)))
    doctor.main([], here())
    assert [line.strip() for line in capsys.readouterr().out.splitlines() if "end of" in line] == [
        f"OpenSSL 1.1.1 is past its end of life, {today - timedelta(days=1)}",
        f"OpenSSL 3.0 reaches its end of life on {today}",
        f"OpenSSL 3.5 reaches its end of life on {today + timedelta(days=90)}",
    ]
    monkeypatch.setattr(manifest, "load", lambda _: replace(known, releases=()))
    doctor.main([], here())
    assert "OpenSSL releases\n      none is within 90 days of its" in capsys.readouterr().out


def there(monkeypatch: pytest.MonkeyPatch, *, has_ensurepip: bool = True) -> None:
    """Make the running Python the only one."""
    own = interpreters.describe(Path(sys.executable))
    assert own
    own = replace(own, version="3.13", has_ensurepip=has_ensurepip)
    monkeypatch.setattr(interpreters.Interpreter, "has_headers", True)
    monkeypatch.setattr(interpreters, "installed", lambda versions: {"3.13": own})


def test_doctor_names_the_missing_parts_of_a_python(
    tools: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    there(monkeypatch, has_ensurepip=False)
    monkeypatch.setattr(interpreters.Interpreter, "has_headers", False)
    with pytest.raises(UserError, match="no cell can run: none of the Pythons above can be used"):
        doctor.main([], here())
    output = capsys.readouterr().out
    assert "no Python.h: sudo apt-get install python3.13-dev" in output
    assert "no ensurepip: sudo apt-get install python3.13-venv" in output
    program(tools / "uv", "exit 0")
    with pytest.raises(UserError, match="no cell can run"):
        doctor.main([], here())
    assert "no ensurepip" not in capsys.readouterr().out


@pytest.mark.parametrize("name", ["make", "gcov"])
def test_doctor_fails_when_something_required_is_missing(
    tools: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    there(monkeypatch)
    (tools / name).unlink()
    with pytest.raises(UserError, match=f"there is no {name}; install with: "):
        doctor.main([], here())
    assert f"  --  {name:<12} there is no {name}" in capsys.readouterr().out


def test_doctor_takes_no_arguments() -> None:
    with pytest.raises(UserError, match="doctor takes no arguments, not '--all'"):
        doctor.main(["--all"], here())


@pytest.mark.parametrize("order", ["__ORDER_LITTLE_ENDIAN__", "__ORDER_BIG_ENDIAN__"])
@pytest.mark.parametrize("size", ["#define __SIZEOF_INT128__ 16\n", ""])
def test_integers_of_128_bits_count_on_a_little_endian_target(
    monkeypatch: pytest.MonkeyPatch, order: str, size: str
) -> None:
    macros = f"#define __BYTE_ORDER__ {order}\n{size}"
    monkeypatch.setattr(toolchain, "capture", lambda command: macros)
    monkeypatch.setattr(toolchain, "compiler", lambda: toolchain.Compiler(("cc",), "", "", ""))
    monkeypatch.setattr("ci.host.WINDOWS", False)
    expected = "LITTLE" in order and bool(size)
    assert toolchain.has_128_bit_integers.__wrapped__() is expected
    monkeypatch.setattr("ci.host.WINDOWS", True)
    assert not toolchain.has_128_bit_integers.__wrapped__()


def test_only_the_flags_that_the_compiler_has_are_accepted() -> None:
    assert toolchain.accepted(["-fno-such-flag", "-fPIC", "-O9x"]) == ("-fPIC",)
