"""The surroundings of a cell: Python, libraries, sanitizers and OpenSSL's configuration."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from ci import toolchain
from ci.errors import UserError
from ci.matrix import machine, sanitizers
from ci.matrix.plan import Cell
from ci.matrix.prepare import Inputs
from ci.matrix.results import Surroundings
from ci.openssl import system
from ci.openssl.prefixes import FIPS_MODULE
from ci.openssl.prefixes import libraries as recorded

FIPS = """\
openssl_conf = openssl_init
config_diagnostics = 1
.include {configuration}

[openssl_init]
providers = provider_sect
alg_section = algorithm_sect

[provider_sect]
fips = fips_sect
base = base_sect

[fips_sect]
module = {module}

[base_sect]
activate = 1

[algorithm_sect]
default_properties = fips=yes
"""


def variables(
    cell: Cell, prefixes: Mapping[str, Path | UserError], scratch: Path
) -> dict[str, str]:
    """Return the environment variables of a cell's process; `scratch` is a directory for files.

    Raises:
        UserError: the prefix of the libraries is not available.
    """
    free_threaded = cell.python.endswith("t")
    # The system's openssl.cnf would change every build's behaviour.
    result = {"OPENSSL_CONF": os.devnull}
    if cell.build.variant.provider:
        prefix = _prefix(prefixes, cell.build.name)
        path = scratch / "openssl.cnf"
        text = FIPS.format(configuration=prefix / "fipsmodule.cnf", module=prefix / FIPS_MODULE)
        path.write_text(text, encoding="utf-8")
        # Python's own modules have another OpenSSL, which must not load the same module.
        result["M2CRYPTO_OPENSSL_CONF"] = str(path)
    if cell.runtime:
        own = _prefix(prefixes, cell.build.name)
        other = _prefix(prefixes, cell.runtime.name)
        result["LD_LIBRARY_PATH"] = _stand_ins(own / "lib", other / "lib", scratch / "libraries")
    if cell.flags.preload:
        paths = [str(toolchain.library(each)) for each in cell.flags.preload]
        options = sanitizers.options(scratch, free_threaded=free_threaded)
        result |= {**options, "LD_PRELOAD": " ".join(paths)}
    if free_threaded:
        # Importing the extension enables the GIL, with a warning unless it is enabled already.
        result["PYTHON_GIL"] = "1"
    return result


def describe(cell: Cell, inputs: Inputs) -> Surroundings:
    """Return what can change a cell's result besides its plan, the sources and its wheel.

    Raises:
        UserError: the prefix of the libraries is not available.
    """
    environment = inputs.environments[cell.python]
    builds = [cell.build, *([cell.runtime] if cell.runtime else [])]
    return Surroundings(
        interpreter=environment.version,
        packages=environment.packages,
        prefixes=tuple(
            str(system.describe())
            if build.release.is_system
            else str(_prefix(inputs.prefixes, build.name))
            for build in builds
        ),
        computer=machine.used(),
        library=library(cell, inputs.prefixes),
        libraries=_libraries(cell, inputs.prefixes),
    )


def headers(cell: Cell, prefixes: Mapping[str, Path | UserError]) -> list[str]:
    """Return the compiler's flags that find the OpenSSL headers of a cell's extension."""
    if cell.build.release.is_system:
        return system.describe()["compiler"].split()
    return [f"-I{_prefix(prefixes, cell.build.name) / 'include'}"]


def library(cell: Cell, prefixes: Mapping[str, Path | UserError]) -> str:
    """Return the directory of the OpenSSL that a cell's process must use.

    It is empty for the extension's own and for the system's, whose directory only the loader knows.
    """
    prefix = _shared(cell, prefixes)
    return str((prefix / "lib").resolve()) if prefix else ""


def _libraries(cell: Cell, prefixes: Mapping[str, Path | UserError]) -> dict[str, str]:
    """Return the sha256 of each shared library that a cell's process must use, by its name."""
    prefix = _shared(cell, prefixes)
    return recorded(prefix) if prefix else {}


def _shared(cell: Cell, prefixes: Mapping[str, Path | UserError]) -> Path | None:
    build = cell.runtime or cell.build
    own = build.link == "static" or build.release.is_system
    return None if own else _prefix(prefixes, build.name)


def _prefix(prefixes: Mapping[str, Path | UserError], name: str) -> Path:
    found = prefixes[name]
    if isinstance(found, UserError):
        raise found
    return found


def _stand_ins(own: Path, other: Path, directory: Path) -> str:
    """Link the names of a prefix's libraries to another's, and return the loader's search path.

    An upgrade of the system replaces a library in its place, or leaves a link of the old name.
    """
    directory.mkdir(parents=True, exist_ok=True)
    for library in own.glob("lib*.so.*"):
        stem = re.sub(r"\.so\..*", ".so", library.name)
        (target,) = other.glob(f"{stem}.*")
        link = directory / library.name
        link.unlink(missing_ok=True)
        link.symlink_to(target)
    return f"{directory}{os.pathsep}{other}"
