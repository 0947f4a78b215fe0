"""The surface of a cell: the names that its extension offers, with their values."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from ci import process, toolchain
from ci.documents import Record, convert, read_json
from ci.errors import UserError
from ci.extension import HEADERS

# These are defined without a value; the stamp's switches are compared with the plan instead.
SWITCH = "OPENSSL_NO_"
# A constant that SWIG/*.i declares under a name of its own.
OWN = re.compile(r"^%constant\s.*?(\w+)\s*=\s*(.+);", re.MULTILINE)


class Surface(Record, frozen=True):
    """What an extension offers; nothing if it refuses its libraries.

    Attributes:
        constants: the value of each constant by its name.
        functions: the signature of each function, as M2Crypto/_m2crypto.pyi declares it.
    """

    constants: dict[str, int | str]
    functions: dict[str, str]

    @property
    def names(self) -> frozenset[str]:
        """The names of both kinds."""
        return frozenset((*self.constants, *self.functions))


def read(path: Path) -> Surface:
    """Return the surface in a file.

    Raises:
        UserError: it cannot be read, or is not a surface.
    """
    return convert(read_json(path), Surface, path)


def check_constants(surface: Surface, include: Sequence[str], swig: Path) -> None:
    """Compare the values of constants with those of OpenSSL's headers, by the compiler.

    Args:
        surface: the surface.
        include: the compiler's flags that find the headers.
        swig: the directory of the interface files, which declare names that no header has.

    Raises:
        UserError: a value differs, a name is declared nowhere, or the headers cannot be compiled.
    """
    values = {
        name: value
        for name, value in surface.constants.items()
        if isinstance(value, int) and not name.startswith(SWITCH)
    }
    texts = [file.read_text(encoding="utf-8") for file in sorted(swig.glob("*.i"))]
    own = dict(pair for text in texts for pair in OWN.findall(text))
    _compile(program(values, own), tuple(include))


def program(values: Mapping[str, int], own: Mapping[str, str]) -> str:
    """Return a C program that compiles if each name has its value.

    Args:
        values: the value of each name.
        own: the C expressions of those names that no header declares.
    """
    lines = [f"#include <openssl/{name}.h>" for name in HEADERS]
    lines += [
        f'_Static_assert(({own.get(name, name)}) == {value}LL, "{name}");'
        for name, value in values.items()
    ]
    return "\n".join([*lines, ""])


# Cells of one build share their program.
@cache
def _compile(text: str, include: tuple[str, ...]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory, "constants.c")
        file.write_text(text, encoding="ascii")
        try:
            process.capture([*toolchain.checker(), *include, file])
        except process.CommandError as error:
            # Microsoft's errors have numbers, such as C2338.
            found = re.search(r"error(?: C\d+)?: (.*)", error.tail)
            why = found[1] if found else "the compiler failed"
            raise UserError(
                f"result refused, a constant differs from OpenSSL's headers: {why}"
            ) from None
