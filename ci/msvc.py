"""Microsoft's compiler: where it is, its version, and the environment that it needs."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import tempfile
from functools import cache
from pathlib import Path

from ci import host
from ci.errors import UserError
from ci.process import capture

# Installed with each Visual Studio since 2017, always there.
VSWHERE = Path("Microsoft Visual Studio", "Installer", "vswhere.exe")
VCVARS = Path("VC", "Auxiliary", "Build", "vcvars64.bat")
COMPONENT = "Microsoft.VisualStudio.Component.VC.Tools.x86.x64"
# As JSON, because `set` prints in the console's code page.
PRINT_ENVIRONMENT = "import json, os; print(json.dumps(dict(os.environ)))"
# The compiler's messages in English, as far as the language is installed.
LANGUAGE = {"VSLANG": "1033"}

# The variables that the compiler and the linker read; part of the keys of what they build.
DECIDING = ("CL", "_CL_", "LINK", "_LINK_", "INCLUDE", "EXTERNAL_INCLUDE", "LIB", "LIBPATH")
# The variables that programs of Windows need, and that change no result.
HARMLESS = re.compile(
    r"SYSTEMROOT|SYSTEMDRIVE|COMSPEC|PATHEXT|USERPROFILE|(COMMON)?PROGRAM(FILES|W6432).*|VSLANG"
)

# The preprocessor prints the version; cl itself prints it to the standard error, translated.
PROBE = """\
#include <stdlib.h>
m2_version _MSC_FULL_VER
#ifdef _M_X64
m2_target x64
#endif
"""


@cache
def enter() -> None:
    """Extend this process's environment by Visual Studio's and by a native Perl on PATH.

    It is this process's because Windows looks a program up on the PATH of the one that starts it.
    Where cl is on PATH, as at a developer prompt, its environment stays. Without Visual Studio
    nothing is changed, and toolchain.COMPILER reports that there is no cl.
    """
    if not host.WINDOWS:
        return
    os.environ.update(LANGUAGE)
    if not shutil.which("cl"):
        os.environ.update(_visual_studio())
    perl = native_perl()
    if perl:
        os.environ["PATH"] = f"{perl.parent}{os.pathsep}{os.environ['PATH']}"


def _visual_studio() -> dict[str, str]:
    """Return the environment after vcvars64.bat of the newest Visual Studio that has a compiler."""
    programs = os.environ.get("PROGRAMFILES(X86)") or os.environ.get("PROGRAMFILES", "")
    vswhere = Path(programs, VSWHERE)
    if not vswhere.is_file():
        return {}
    found = capture(
        [
            *(vswhere, "-utf8", "-latest", "-products", "*", "-requires", COMPONENT),
            *("-property", "installationPath"),
        ]
    ).strip()
    if not found:
        return {}
    # `call`, because cmd removes the quotes of a command that begins with one.
    script = ("cmd", "/d", "/c", "call", Path(found, VCVARS), ">nul", "&&")
    printed = capture([*script, sys.executable, "-c", PRINT_ENVIRONMENT])
    environment: dict[str, str] = json.loads(printed)
    return environment


def native_perl() -> Path | None:
    """Return the first Perl on PATH that is built for Windows.

    OpenSSL's Configure refuses the one of Git's shell, which writes paths of Unix.
    """
    for directory in os.environ.get("PATH", "").split(os.pathsep):
        perl = Path(directory, f"perl{host.EXE}")
        if directory and perl.is_file():
            try:
                if capture([perl, "-e", "print $^O"]) == "MSWin32":
                    return perl
            except UserError:
                continue
    return None


@cache
def version() -> str:
    """Return such as `Microsoft C 19.44.35207 x64`.

    Raises:
        UserError: cl does not compile for this platform.
        CommandError: it does not compile with <stdlib.h>.
    """
    with tempfile.TemporaryDirectory() as directory:
        probe = Path(directory, "probe.c")
        probe.write_text(PROBE, encoding="ascii")
        text = capture(["cl", "/nologo", "/EP", probe])
    found = re.search(r"m2_version (\d\d)(\d\d)(\d+)\s+m2_target (\w+)", text)
    if not found:
        raise UserError(
            "cl compiles for another processor than x64; run the sessions after vcvars64.bat, or "
            "where cl is not on PATH"
        )
    return f"Microsoft C {found[1]}.{found[2]}.{found[3]} {found[4]}"
