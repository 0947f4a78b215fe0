"""`nox -s stubs`: the extension's type stub, M2Crypto/_m2crypto.pyi, from SWIG's parse tree.

It declares every function that the extension has with any release. The constants differ between
builds and are all integers, so `__getattr__` declares them.
"""

from __future__ import annotations

import sys
import tempfile
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ci import manifest, process, prototypes
from ci.errors import UserError
from ci.openssl import prefixes
from ci.prototypes import attributes as attributes_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ci.project import Project

STUB = Path("M2Crypto", "_m2crypto.pyi")
# What the extension adds by Python's API, which SWIG does not see.
OBJECTS = Path(__file__).parent.parent / "SWIG" / "objects.stub"

HEAD = '''\
"""The extension: OpenSSL's functions and constants. Made by `nox -s stubs`; do not edit."""

import os
from collections.abc import Callable
from typing import Union

from typing_extensions import TypeAlias

Buffer: TypeAlias = Union[bytes, bytearray, memoryview]
Path: TypeAlias = Union[str, bytes, os.PathLike[str], os.PathLike[bytes]]

OPENSSL_VERSION_TEXT: str
# The other constants depend on the build, and are integers.
def __getattr__(name: str) -> int: ...
'''

# The Python type of each C type; a pointer to any other type is a handle.
PYTHON_TYPES = {
    **dict.fromkeys(
        ("int", "long", "long long", "unsigned int", "unsigned long", "unsigned long long",
         "size_t", "uint64_t"),
        "int",
    ),
    "double": "float",
    "void": "None",
    "m2_buffer": "Buffer",
    "m2_target": "bytearray | memoryview",
    "m2_bytes": "bytes",
    "m2_integer": "int",
    "m2_pair": "tuple[bytes, bytes]",
    "m2_callback": "Callable[..., object] | None",
    "p.q(const).char": "str",
    "p.char": "str",
    "p.PyObject": "object",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the extension: its Python name, and the stub's line for it."""

    name: str
    line: str
    handles: tuple[str, ...]


def _handle(swig_type: str) -> str | None:
    """Return the handle that a SWIG type such as `p.q(const).X509` is, or None."""
    if swig_type in PYTHON_TYPES or not swig_type.startswith("p."):
        return None
    return swig_type.removeprefix("p.").removeprefix("q(const).").removeprefix("struct ")


def _python_type(swig_type: str, aliases: Mapping[str, str]) -> str:
    swig_type = swig_type.removeprefix("q(const).")
    handle = _handle(swig_type)
    if handle is not None:
        return handle
    if swig_type in PYTHON_TYPES:
        return PYTHON_TYPES[swig_type]
    if swig_type in aliases:
        return _python_type(aliases[swig_type], aliases)
    raise UserError(f"ci/stubs.py: PYTHON_TYPES has no entry for the C type {swig_type}")


def _result_type(attributes: dict[str, str]) -> str:
    pointers = attributes["decl"].rpartition(").")[2]
    return pointers + attributes["type"] if pointers else attributes["type"]


def _takes_none(parameter: Mapping[str, str]) -> bool:
    """Return whether the parameter's typemap accepts None; a callback's type includes it."""
    return "Py_None" in parameter.get("tmap_in", "") and parameter["type"] != "m2_callback"


def _function(element: ET.Element, aliases: Mapping[str, str]) -> Function | None:
    """Return the function that a declaration of SWIG's parse tree makes, or None."""
    attributes = attributes_of(element)
    if attributes.get("view") != "globalfunctionHandler":
        return None
    result = _result_type(attributes)
    returned = _python_type(result, aliases)
    if _handle(result) is not None and "Py_None" in attributes.get("tmap_out", ""):
        returned += " | None"
    parameters = []
    handles = [_handle(result)]
    for number, parameter in enumerate(element.findall("attributelist/parmlist/parm"), start=1):
        facts = attributes_of(parameter)
        if facts["type"] == "void":
            continue
        kind = _python_type(facts["type"], aliases)
        handles.append(_handle(facts["type"]))
        if "m2_path_get" in facts.get("tmap_in", ""):
            kind = "Path"
        if _takes_none(facts):
            kind += " | None"
        name = facts.get("name") or f"argument{number}"
        default = " = ..." if "tmap_default" in facts else ""
        parameters.append(f"{name if name.islower() else f'argument{number}'}: {kind}{default}")
    if parameters:
        parameters.append("/")
    name = attributes["sym_name"]
    line = f"def {name}({', '.join(parameters)}) -> {returned}: ..."
    return Function(name, line, tuple(handle for handle in handles if handle))


def functions_of(tree: Path) -> list[Function]:
    """Return the functions in SWIG's parse tree, an XML file."""
    declarations = list(ET.parse(tree).getroot().iter("cdecl"))  # noqa: S314  (SWIG's own)
    facts = [attributes_of(element) for element in declarations]
    aliases = {each["name"]: each["type"] for each in facts if each.get("storage") == "typedef"}
    found = (_function(element, aliases) for element in declarations)
    return [function for function in found if function is not None]


def parse(prefix: Path, at: Path) -> list[Function]:
    """Run SWIG as a build with `prefix` does, in the directory `at`; return what it parsed."""
    tree = prototypes.parse_tree(Path(sys.executable), Path(), prefix, at, at / "swig.log")
    return functions_of(tree)


def stub(functions: Iterable[Function]) -> str:
    """Return the text of the stub of `functions`, with the first of each name."""
    by_name: dict[str, Function] = {}
    for function in functions:
        by_name.setdefault(function.name, function)
    handles = sorted({handle for function in by_name.values() for handle in function.handles})
    body = '    """A handle that owns one reference."""'
    classes = [f"class {handle}:\n{body}" for handle in handles]
    lines = [by_name[name].line for name in sorted(by_name)]
    return "\n".join([HEAD + OBJECTS.read_text(encoding="utf-8"), *classes, *lines, ""])


def main(arguments: Sequence[str], project: Project) -> None:
    """Write the stub of the named builds, by default of each release's default build."""
    known = manifest.load(project.manifest)
    names = arguments or [build.name for build in known.builds if build.variant.name == "default"]
    installed = prefixes.ensure([known.find_build(name) for name in names], project)
    functions: list[Function] = []
    # The newest release first, because the first declaration of a name is kept.
    for name in reversed(names):
        with tempfile.TemporaryDirectory() as directory:
            functions += parse(installed[name], Path(directory))
    path = project.root / STUB
    path.write_text(stub(functions), encoding="utf-8")
    process.capture(["ruff", "format", "--quiet", path])
    print(f"{STUB}: {len({each.name for each in functions})} functions")
