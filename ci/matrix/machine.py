"""The abilities of this computer: platform, Pythons, the system's OpenSSL, and sanitizers."""

from __future__ import annotations

import platform
import shutil
import socket
import struct
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from ci import interpreters, process, toolchain
from ci.errors import UserError
from ci.interpreters import Interpreter
from ci.manifest import Manifest
from ci.matrix.plan import Cell
from ci.openssl import system

SYSTEMS = {"linux": "linux", "darwin": "macos", "win32": "windows"}
PROCESSORS = {"amd64": "x86_64", "arm64": "aarch64", "i386": "i686"}
# What wheels of these systems call their processors.
NAMES = {"macos": {"aarch64": "arm64"}, "windows": {"x86_64": "amd64", "aarch64": "arm64"}}


@dataclass(frozen=True, slots=True)
class Machine:
    """The computer that the tooling runs on.

    Attributes:
        platform: its operating system and processor, as the manifest names platforms.
        pythons: the interpreters that are installed, by their series.
    """

    platform: str
    pythons: Mapping[str, Interpreter]

    @classmethod
    def here(cls, known: Manifest) -> Machine:
        """Return this computer with the manifest's Pythons that are installed."""
        return cls(this_platform(), interpreters.installed(known.pythons))

    def obstacle(self, cell: Cell) -> str:
        """Return why a cell cannot run here, or an empty string."""
        if cell.platform != self.platform:
            return f"it needs {cell.platform}"
        if cell.python not in self.pythons:
            return f"Python {cell.python} is not installed"
        if cell.build.release.is_system and (why := system.obstacle()):
            return why
        for library in cell.flags.preload:
            # The compiler returns the bare name of a library that it does not have.
            if not toolchain.library(library).is_absolute():
                return f"the compiler has no {library}"
        return ""


@cache
def used() -> tuple[str, ...]:
    """Return what the tests use of this computer: its kernel, IPv6 and the openssl program."""
    return (platform.platform(), _ipv6(), _openssl_program())


def _ipv6() -> str:
    try:
        with socket.socket(socket.AF_INET6) as listener:
            listener.bind(("::1", 0))
    except OSError:
        return "no IPv6"
    return "IPv6"


def _openssl_program() -> str:
    program = shutil.which("openssl")
    if not program:
        return "no openssl program"
    try:
        # With the day of the build, because a distribution's fix keeps the version.
        return " ".join(process.capture([program, "version", "-v", "-b"]).split())
    except UserError as error:
        return str(error).splitlines()[0]


def this_platform() -> str:
    """Return such as `linux-x86_64`; a 32-bit Python on a 64-bit kernel makes it `linux-i686`."""
    name = SYSTEMS.get(sys.platform, sys.platform)
    machine = platform.machine().lower()
    processor = PROCESSORS.get(machine, machine)
    if struct.calcsize("P") == 4 and processor == "x86_64":
        processor = "i686"
    return f"{name}-{NAMES.get(name, {}).get(processor, processor)}"
