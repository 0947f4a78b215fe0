"""What differs on Windows, with stubs of its programs and of pywin32: no test runs there."""

from __future__ import annotations

import importlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path, PureWindowsPath
from types import ModuleType, SimpleNamespace
from typing import ClassVar

import pytest
from tiny_openssl import program, release_of, runs, tarred
from tiny_project import here

from ci import __main__, cache, directories, host, interpreters, msvc, process, toolchain, wheels
from ci import extension as building
from ci.errors import UserError
from ci.manifest import Build, Flags, Variant
from ci.matrix import cell, surface
from ci.matrix.surface import Surface
from ci.openssl import prefixes

# What `cl /EP` prints for the probe.
VERSION = "m2_version 194435207\n\nm2_target x64"
CL = f"""case "$*" in
*/EP*) echo "{VERSION}" ;;
*) echo "constants.c"; echo "constants.c(3): error C2338: static assertion failed: 'NID_sha1'"
   exit 2 ;;
esac"""


class FakeJob:
    """A job object whose processes are those of the process groups that its members lead."""

    def __init__(self) -> None:
        self.pids: list[int] = []
        self.flags = 0
        self.state = "open"

    def Close(self) -> None:  # noqa: N802 - pywin32's name
        self.state = "closed"

    def Detach(self) -> None:  # noqa: N802
        self.state = "detached"


@pytest.fixture
def created(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[FakeJob]]:
    """Simulate Windows with pywin32; return the job objects that were created."""
    made: list[FakeJob] = []

    class Error(Exception):
        pass

    def create(_attributes: None, _name: str) -> FakeJob:
        made.append(FakeJob())
        return made[-1]

    def members(job: FakeJob) -> list[int]:
        return [pid for pid in job.pids if is_running(pid)]

    def query(job: FakeJob, kind: str) -> object:
        if kind == "pids":
            return tuple(members(job))
        return {"BasicLimitInformation": {"LimitFlags": job.flags}}

    def limit(job: FakeJob, _kind: str, limits: dict[str, dict[str, int]]) -> None:
        job.flags = limits["BasicLimitInformation"]["LimitFlags"]

    def terminate(job: FakeJob, _code: int) -> None:
        if job.state != "open":
            raise Error
        for pid in job.pids:
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)

    def opened(_access: int, _inherit: bool, pid: int) -> SimpleNamespace:
        return SimpleNamespace(pid=pid, Close=lambda: None)

    modules: dict[str, dict[str, object]] = {
        "pywintypes": {"error": Error},
        "win32con": {"PROCESS_SET_QUOTA": 1, "PROCESS_TERMINATE": 2},
        "win32api": {
            "OpenProcess": opened,
            "GetCurrentProcess": lambda: SimpleNamespace(pid=os.getpid()),
        },
        "win32job": {
            "JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE": 0x2000,
            "JobObjectExtendedLimitInformation": "limits",
            "JobObjectBasicProcessIdList": "pids",
            "CreateJobObject": create,
            "QueryInformationJobObject": query,
            "SetInformationJobObject": limit,
            "AssignProcessToJobObject": lambda job, each: job.pids.append(each.pid),
            "TerminateJobObject": terminate,
        },
    }
    for name, contents in modules.items():
        module = ModuleType(name)
        vars(module).update(contents)
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.delitem(sys.modules, "ci.jobs", raising=False)
    monkeypatch.setattr(host, "WINDOWS", True)
    # A new session makes the program lead a group, by which `terminate` finds its children.
    monkeypatch.setattr(process, "CREATE_NEW_PROCESS_GROUP", 0)
    popen = subprocess.Popen
    monkeypatch.setattr(
        subprocess, "Popen", lambda *args, **kw: popen(*args, start_new_session=True, **kw)
    )
    for function in (msvc.enter, msvc.version, toolchain.compiler, prefixes._code):
        function.cache_clear()
    yield made
    for function in (msvc.enter, msvc.version, toolchain.compiler, prefixes._code):
        function.cache_clear()
    sys.modules.pop("ci.jobs", None)


def is_running(group: int) -> bool:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, 0)
        return True
    return False


def hide(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Simulate that these programs are not installed."""
    which = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name: None if name in names else which(name))


@pytest.fixture
def programs(created: list[FakeJob], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a directory first on PATH with stubs of cl, nmake and a native perl."""
    directory = tmp_path / "windows"
    program(directory / "cl", CL)
    program(directory / "nmake", "exit 1")
    program(directory / "nasm", "echo NASM version 2.16.01")
    # It has every module, and its other calls print an operating system.
    program(directory / "perl", 'case "$*" in *require*) ;; *) printf MSWin32 ;; esac')
    monkeypatch.setenv("PATH", str(directory), prepend=os.pathsep)
    monkeypatch.setattr(toolchain, "MAKE_PROGRAM", "nmake")
    return directory


# --- processes ------------------------------------------------------------------------------------


def test_this_process_is_in_a_job_that_ends_with_it(created: list[FakeJob]) -> None:
    assert process.capture(["echo", "out"]) == "out\n"
    process.capture(["true"])
    guard, *others = created
    assert guard.pids == [os.getpid()]
    assert guard.flags == 0x2000
    # Closing the handle would end this process without its exit code.
    assert guard.state == "detached"
    assert [job.state for job in others] == ["closed", "closed"]


def test_a_program_that_is_ended_takes_its_children_along(
    created: list[FakeJob], tmp_path: Path
) -> None:
    bounds = process.Bounds(600.0, "MARK=1", lambda: "it hangs")
    with pytest.raises(process.TimeLimitError, match="^it hangs$"):
        process.run(
            ["sh", "-c", "sleep 981 & wait"], log=tmp_path / "log", quiet=True, bounds=bounds
        )
    assert not runs("sleep 981")


def test_processes_left_in_a_job_are_ended_and_named(
    created: list[FakeJob], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # os.kill terminates one process on Windows; the stub's members are groups.
    monkeypatch.setattr(os, "kill", os.killpg)
    monkeypatch.setattr(process, "LEAVING", 0.1)
    bounds = process.Bounds(600.0, "MARK=1", lambda: "")
    with pytest.raises(process.LeftoverProcessError, match=r"were ended: process \d+$"):
        process.run(["sh", "-c", "sleep 982 &"], log=tmp_path / "log", quiet=True, bounds=bounds)
    assert not runs("sleep 982")


def test_a_program_that_has_ended_need_not_be_in_a_job(
    created: list[FakeJob], monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = importlib.import_module("ci.jobs")

    def gone(*_arguments: object) -> None:
        raise sys.modules["pywintypes"].error

    monkeypatch.setattr(sys.modules["win32api"], "OpenProcess", gone)
    jobs.add(1)
    assert jobs.members(1) == []
    jobs.terminate(1)
    jobs.forget(1)
    jobs.terminate(1)


@pytest.mark.parametrize(
    ("status", "crash", "how"),
    [
        (1, "", "exit code 1"),
        (-11, "SIGSEGV", "signal SIGSEGV"),
        (0xC0000005, "STATUS_ACCESS_VIOLATION", "STATUS_ACCESS_VIOLATION"),
        (0xC0000135, "0xc0000135", "0xc0000135"),
    ],
)
def test_the_exception_that_ended_a_program_is_named(status: int, crash: str, how: str) -> None:
    error = process.CommandError(["pytest"], status, "")
    assert error.crash == crash
    assert str(error) == f"pytest failed with {how}"


def test_a_cell_that_an_exception_ended_names_the_test(tmp_path: Path) -> None:
    journal = tmp_path / "scratch" / "work" / cell.JOURNAL
    journal.parent.mkdir(parents=True)
    journal.write_text('{"process": 1}\n{"start": "tests/test_a.py::test_b"}\n')
    error = process.CommandError(["pytest"], 0xC0000005, "", tmp_path / "log")
    assert str(cell._crash(error, tmp_path)).startswith(
        "STATUS_ACCESS_VIOLATION ended the process, tests/test_a.py::test_b was running"
    )


def test_ctrl_break_ends_a_session(monkeypatch: pytest.MonkeyPatch) -> None:
    handled: list[int] = []
    monkeypatch.setattr(signal, "SIGBREAK", 21, raising=False)
    monkeypatch.setattr(signal, "signal", lambda signum, _: handled.append(signum))
    __main__._handle_signals()
    assert 21 in handled


# --- the compiler ---------------------------------------------------------------------------------


def test_the_compiler_is_cl_whatever_cc_is(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "gcc")
    program(programs / "ccache", 'exec "$@"')
    found = toolchain.compiler()
    assert found.command == found.cached == ("cl",)
    assert found.version == "Microsoft C 19.44.35207 x64"
    assert found.assembler == "NASM version 2.16.01"
    toolchain.require(toolchain.FOR_OPENSSL)
    assert toolchain.MAKE.version() == "nmake"


def test_a_compiler_for_another_processor_is_refused(programs: Path) -> None:
    program(programs / "cl", "echo m2_version 194435207")
    with pytest.raises(UserError, match="^cl compiles for another processor than x64; run"):
        toolchain.compiler()


def test_a_compiler_without_its_environment_is_reported(programs: Path) -> None:
    program(programs / "cl", "echo 'probe.c(1): fatal error C1083: stdlib.h'; exit 2")
    with pytest.raises(UserError, match=r"^cl does not compile with <stdlib\.h>; install with: "):
        toolchain.require([toolchain.COMPILER])


def test_missing_tools_are_reported_with_winget(
    created: list[FakeJob], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path / "empty" / "perl", 'case "$*" in *require*) ;; *) printf msys ;; esac')
    monkeypatch.setenv("PATH", f"{tmp_path / 'empty'}{os.pathsep}/bin")
    monkeypatch.setattr(toolchain, "MAKE_PROGRAM", "nmake")
    hide(monkeypatch, "cl", "nmake")
    with monkeypatch.context() as patched:
        unusable = toolchain.reasons(toolchain.FOR_OPENSSL)
        patched.setattr(sys, "platform", "win32")
        message = toolchain.advice(unusable)
    assert message.startswith(
        "there is no C compiler, perl is not one that is built for Windows, there is no nmake; "
        "install with: winget install StrawberryPerl.StrawberryPerl && winget install Microsoft."
    )


def test_the_environment_of_the_newest_visual_studio_is_entered(
    created: list[FakeJob], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio = tmp_path / "Studio 2022"
    path = os.pathsep.join(str(tmp_path / each) for each in ("vc", "git", "strawberry"))
    variables = {"INCLUDE": "C:\\VC\\include", "PATH": path}
    printed = f"cat <<'END'\n{json.dumps(variables)}\nEND"
    program(tmp_path / msvc.VSWHERE, f'echo "$*" > {tmp_path / "asked"}; echo "{studio}"')
    program(tmp_path / "bin" / "cmd", f"printf '%s\\n' \"$@\" > {tmp_path / 'ran'}\n{printed}")
    program(tmp_path / "strawberry" / "perl", "printf MSWin32")
    program(tmp_path / "git" / "perl", "printf msys")
    for name in ("INCLUDE", "VSLANG"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("PROGRAMFILES(X86)", str(tmp_path))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}/bin")
    msvc.enter()
    assert os.environ["INCLUDE"] == "C:\\VC\\include"
    assert os.environ["VSLANG"] == "1033"
    # Git's shell has a perl whose paths are those of Unix.
    assert os.environ["PATH"] == f"{tmp_path / 'strawberry'}{os.pathsep}{path}"
    assert "-latest" in (tmp_path / "asked").read_text()
    ran = (tmp_path / "ran").read_text().splitlines()
    assert ran[:6] == ["/d", "/c", "call", str(studio / msvc.VCVARS), ">nul", "&&"]


@pytest.mark.parametrize("installed", [True, False], ids=["without a compiler", "not at all"])
def test_without_visual_studio_the_environment_stays(
    created: list[FakeJob], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, installed: bool
) -> None:
    if installed:
        program(tmp_path / msvc.VSWHERE, "true")
    monkeypatch.setenv("PROGRAMFILES(X86)", str(tmp_path))
    monkeypatch.setenv("PATH", "/bin")
    monkeypatch.setenv("VSLANG", "")
    msvc.enter()
    assert os.environ["PATH"] == "/bin"


def test_a_constant_that_differs_is_named_by_microsofts_error(programs: Path) -> None:
    with pytest.raises(UserError, match="differs from OpenSSL's headers: static assertion failed"):
        surface.check_constants(Surface({"NID_sha1": 65}, {}), ["-I/prefix"], Path("SWIG"))
    assert toolchain.checker() == ["cl", "/nologo", "/Zs", "/std:c11"]


# --- setup.py's part ------------------------------------------------------------------------------


def test_setup_reads_the_headers_with_cl(tmp_path: Path) -> None:
    include = tmp_path / "include" / "openssl"
    include.mkdir(parents=True)
    for name in building.HEADERS:
        text = "#define OPENSSL_VERSION_NUMBER 0x30500070L\n#define NID_sha1 64\n"
        (include / f"{name}.h").write_text(text if name == "opensslv" else "")
    # Microsoft's options, and line directives with backslashes doubled, as cl writes them.
    translate = 'set -- -E $(printf "%s\\n" "$@" | grep -v "^/[nE]")'
    cl = program(
        tmp_path / "cl",
        f"""case "$*" in */E*) ;; *) exit 1 ;; esac
{translate}
cc "$@" | sed -E 's|^# ([0-9]+) "([^"]+)".*|#line \\1 "\\2"|'""",
    )
    openssl = building.OpenSSL((str(include.parent),), (), True, "here")
    found = building.read_names([str(cl), "/nologo"], openssl, tmp_path)
    assert found.version == 0x30500070
    assert found.constants == ("NID_sha1", "OPENSSL_VERSION_NUMBER")


def test_the_compiler_is_the_one_that_setuptools_finds() -> None:
    class Msvc:
        compiler_type = "msvc"
        initialized = False
        cc = ""
        include_dirs: ClassVar[list[str]] = []

        def initialize(self) -> None:
            assert not self.initialized
            self.initialized, self.cc = True, "C:\\VC\\bin\\cl.exe"
            type(self).include_dirs = ["C:\\VC\\include"]

    found = Msvc()
    for _ in range(2):
        assert building.compiler_command(found) == [found.cc, "/nologo", "-IC:\\VC\\include"]
    other = SimpleNamespace(compiler_type="unix", compiler=["cc", "-O2"])
    assert building.compiler_command(other) == ["cc", "-O2"]


def test_the_recorded_version_of_the_compiler_is_a_number(tmp_path: Path) -> None:
    cl = program(tmp_path / "cl", f'echo "{VERSION}"')
    assert building.compiler_version([str(cl), "/nologo"], tmp_path) == "Microsoft C 19.44.35207"
    silent = program(tmp_path / "silent" / "cl", "echo")
    assert building.compiler_version([str(silent)], tmp_path) == "Microsoft C"
    other = program(tmp_path / "other-cc", 'echo "other-cc $*"; echo more')
    assert building.compiler_version([str(other), "-O2"], tmp_path) == "other-cc --version"


def test_the_extension_exports_by_the_linker_and_links_static_libraries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    (tmp_path / "include" / "openssl").mkdir(parents=True)
    (tmp_path / "include" / "openssl" / "opensslv.h").touch()
    (tmp_path / "lib").mkdir()
    for name in ("libssl.lib", "libcrypto.lib"):
        (tmp_path / "lib" / name).touch()
    openssl = building.from_prefix(tmp_path)
    assert openssl.static
    arguments = building.link_args(openssl, coverage=False, debugging=False)
    assert arguments[:2] == [str(tmp_path / "lib" / n) for n in ("libssl.lib", "libcrypto.lib")]
    # OpenSSL's own list (Configurations/10-main.conf, VC-noCE-common).
    assert set(arguments[2:]) == {
        *("ws2_32.lib", "gdi32.lib", "advapi32.lib", "crypt32.lib", "user32.lib"),
    }
    assert building.compile_args(coverage=False, debugging=False) == ["/we4013"]


# --- prefixes -------------------------------------------------------------------------------------

NMAKE = """case $1 in
build_generated) touch include/openssl/generated.h ;;
build_libs) printf '\\tcl  /Zi -c /Focrypto\\\\aes\\\\libcrypto-lib-aes.obj "aes.c"\\n'
  printf '!<arch>\\n' > libcrypto.lib; cp libcrypto.lib libssl.lib ;;
install_dev) directory=${2#DESTDIR=}$(cat prefix)
  mkdir -p "$directory/lib/cmake" "$directory/bin"
  cp -r include "$directory"
  cp libcrypto.lib libssl.lib "$directory/lib"
  touch "$directory/lib/ossl_static.pdb" ;;
esac"""
# Writes its arguments and the prefix's path without the drive, as OpenSSL's makefile does.
CONFIGURE = """case "$*" in
*require*) exit ;;
-e*) printf MSWin32; exit ;;
esac
printf '%s\\n' "$@" > "$ARGUMENTS"
for option; do case $option in
--prefix=C:*) printf %s "${option#--prefix=C:}" | tr '\\\\' / > prefix ;;
esac; done"""


@pytest.fixture
def windows_build(
    programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Build, Callable[[], list[str]]]:
    """Return a build of a tiny OpenSSL for nmake, and what returns Configure's arguments."""
    data = tarred(
        {
            "openssl-9.9.1/include/openssl/opensslv.h": '#define OPENSSL_VERSION_STR "9.9.1"\n',
            "openssl-9.9.1/LICENSE.txt": "A licence.\n",
        }
    )
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    (mirror / "openssl-9.9.1.tar.gz").write_bytes(data)
    monkeypatch.setenv("M2CRYPTO_MIRRORS", str(mirror))
    program(programs / "perl", CONFIGURE)
    program(programs / "nmake", NMAKE)
    monkeypatch.setenv("ARGUMENTS", str(tmp_path / "arguments"))
    settings = {
        "STATIC": ".lib",
        "FLAGS": (),
        "OPENSSLDIR": PureWindowsPath("C:/Program Files/Common Files/SSL"),
        "COMPILED_IN": PureWindowsPath("C:/Program Files/m2crypto-openssl"),
        "CARRIED": re.compile(f"{prefixes.CARRIED.pattern}|ARGUMENTS"),
        "DECIDING": (*prefixes.DECIDING, *msvc.DECIDING),
    }
    for name, value in settings.items():
        monkeypatch.setattr(prefixes, name, value)
    build = Build(release_of(data), Variant("default", ()))
    return build, lambda: (tmp_path / "arguments").read_text().splitlines()


def test_a_prefix_is_made_by_perl_and_nmake(
    windows_build: tuple[Build, Callable[[], list[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    build, arguments = windows_build
    monkeypatch.setenv("INCLUDE", "C:\\VC\\include")
    prefix = prefixes.ensure([build], here())["9.9"]
    files = {path.relative_to(prefix).as_posix() for path in prefix.rglob("*") if path.is_file()}
    assert files == {
        ".seal.json",
        "LICENSE.txt",
        "include/openssl/generated.h",
        "include/openssl/opensslv.h",
        "lib/libcrypto.lib",
        "lib/libssl.lib",
        "openssl.json",
    }
    assert arguments() == [
        *("Configure", "VC-WIN64A", "no-shared", "no-tests", "no-module", "no-apps", "no-docs"),
        "--prefix=C:\\Program Files\\m2crypto-openssl",
        "--openssldir=C:\\Program Files\\Common Files\\SSL",
        "--libdir=lib",
    ]
    # The headers and libraries of another Visual Studio are others.
    entry = prefixes.entry(build)
    monkeypatch.setenv("INCLUDE", "C:\\VC 18\\include")
    assert prefixes.entry(build) != entry


def test_without_nasm_openssl_has_no_assembler(
    windows_build: tuple[Build, Callable[[], list[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    build, arguments = windows_build
    hide(monkeypatch, "nasm")
    prefixes.ensure([replace(build, variant=Variant("no-ec", ()))], here())
    assert "no-asm" in arguments()


def test_an_object_of_cl_is_counted() -> None:
    line = '\tcl  /Zi /Fdossl_static.pdb -c /Focrypto\\aes\\libcrypto-lib-aes.obj "aes.c"'
    assert prefixes._objects(line) == {"crypto\\aes\\libcrypto-lib-aes.obj"}
    assert prefixes._objects("cc -c -o a.o a.c\ncc -o b.o -c b.c") == {"a.o", "b.o"}


# --- wheels, Pythons, files -----------------------------------------------------------------------


def test_a_wheel_is_built_in_the_environment_of_the_prefix(
    programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(toolchain, "swig", lambda _: {})
    monkeypatch.setenv("CFLAGS", "-DX")
    python = interpreters.describe(Path(sys.executable))
    assert python
    flags = Flags("release", "as wheels are", cflags=("-O3",))
    request = wheels.Request("3.5", tmp_path, python, flags, "4.5.1")
    recipe = wheels._Recipe(tmp_path, tmp_path, Path(sys.executable), {}, "")
    environment = recipe._environment(request, tmp_path)
    assert environment["DISTUTILS_USE_SDK"] == "1"
    # The flags of the manifest are GCC's.
    assert environment["CFLAGS"] == "-DX"


def test_pythons_of_uv_pyenv_and_the_launcher_are_found(
    created: list[FakeJob], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("APPDATA", str(tmp_path / "Roaming"))
    for name in ("PYENV_ROOT", "UV_PYTHON_INSTALL_DIR", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(host, "EXE", ".exe")
    uv = tmp_path / "Roaming" / "uv" / "python" / "cpython-3.14.0-windows-x86_64-none"
    pyenv = tmp_path / ".pyenv" / "pyenv-win" / "versions" / "3.10.13"
    for directory in (uv, pyenv):
        program(directory / "python.exe", "exit 1")
    assert set(interpreters._candidates(["3.14"])) == {uv / "python.exe", pyenv / "python.exe"}


def test_the_py_launcher_lists_pythons(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = " -V:3.13 *        C:\\Python 3.13\\python.exe\n -3.9-64\t\tD:\\py39\\python.exe\r\n"
    monkeypatch.setattr(interpreters, "_output", lambda *words: listed if words[0] == "py" else "")
    assert interpreters._listed_by_launcher() == [
        "C:\\Python 3.13\\python.exe",
        "D:\\py39\\python.exe",
    ]


def test_a_directory_with_an_open_file_is_renamed_later(
    created: list[FakeJob], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)
    rename, refused = Path.rename, [PermissionError(13, "in use")] * 2

    def busy(path: Path, target: Path) -> Path:
        if refused:
            raise refused.pop()
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", busy)
    with directories.replacement(tmp_path / "a", new=tmp_path / "new", old=tmp_path / "old") as new:
        (new / "file").touch()
    assert (tmp_path / "a" / "file").exists()
    refused += [PermissionError(13, "in use")] * 2
    monkeypatch.setattr(directories, "PATIENCE", -1.0)
    with pytest.raises(PermissionError):
        directories.rename(tmp_path / "a", tmp_path / "b")


def test_the_lock_of_a_process_that_has_ended_is_removed_closed(tmp_path: Path) -> None:
    (tmp_path / ".locks").mkdir()
    (tmp_path / ".locks" / "999.x").touch()
    with cache.users(tmp_path) as pids:
        assert pids == []
    assert not (tmp_path / ".locks" / "999.x").exists()
