"""The system's packages: the package of each tool, and the command that installs it.

Only the standard library is imported, because ci/bootstrap.py runs where nothing is installed.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterable, Mapping

# What the package manager of macOS or Windows does not install by its name alone.
XCODE = "xcode-select --install"
VISUAL_STUDIO = (
    "winget install Microsoft.VisualStudio.2022.BuildTools --override "
    '"--passive --add Microsoft.VisualStudio.Workload.VCTools --includeRecommended"'
)
COMMANDS = (XCODE, VISUAL_STUDIO)
# How each system installs packages, and its ID or ID_LIKE in os-release(5).
INSTALL = {
    "Debian": ("debian", "apt-get install {}"),
    "Fedora": ("fedora", "dnf install {}"),
    "Alpine": ("alpine", "apk add {}"),
    "Arch": ("arch", "pacman -S --needed {}"),
    "macOS": ("", "brew install {}"),
    "Windows": ("", "winget install {}"),
}

# Packages by system, separated by spaces.
Packages = Mapping[str, str]


def packages(
    debian: str, fedora: str, alpine: str, arch: str, macos: str, windows: str = ""
) -> Packages:
    """Return what one tool is packaged as on each system."""
    return dict(zip(INSTALL, (debian, fedora, alpine, arch, macos, windows), strict=True))


def python_packages(version: str, part: str) -> Packages:
    """Return the packages of a part of Python, `dev` or `venv`, which Debian packages apart."""
    devel, dev = ("python3-devel", "python3-dev") if part == "dev" else ("python3", "py3-pip")
    windows = f"Python.Python.{version}"
    return packages(f"python{version}-{part}", devel, dev, "python", "python", windows)


def install_command(wanted: Iterable[Packages]) -> str:
    """Return the command that installs `wanted` here, or each system's if this one is unknown."""
    each = list(wanted)
    systems = _systems()
    commands = [_command(system, each) for system in systems]
    if len(systems) == 1:
        return commands[0]
    return "; ".join(f"{system}: {line}" for system, line in zip(systems, commands, strict=True))


def _systems() -> list[str]:
    """Return the system whose packages this one uses; all of them if it is unknown."""
    if sys.platform == "darwin":
        return ["macOS"]
    if sys.platform == "win32":
        return ["Windows"]
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        release = {}
    ids = [release.get("ID", ""), *release.get("ID_LIKE", "").split()]
    known = [system for system, (id_, _) in INSTALL.items() if id_ and id_ in ids]
    return known or [system for system in INSTALL if system != "Windows"]


def _command(system: str, wanted: Iterable[Packages]) -> str:
    needed = [each[system] for each in wanted]
    plain = sorted({word for each in needed if each not in COMMANDS for word in each.split()})
    root = system in ("macOS", "Windows") or (hasattr(os, "geteuid") and os.geteuid() == 0)
    install = ("" if root else "sudo ") + INSTALL[system][1].format(" ".join(plain))
    return " && ".join([install] * bool(plain) + [each for each in COMMANDS if each in needed])
