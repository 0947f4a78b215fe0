"""Check SWIG's declarations of OpenSSL's functions against the prototypes in OpenSSL's headers.

A C file calls each function with parameters of the types that SWIG read, as the wrapper does, and
returns the result as SWIG's. The compiler refuses what the headers of the build do not convert. The
functions of SWIG/src need no such check: SWIG and the compiler read the same headers.
"""

from __future__ import annotations

import os
import re
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from pathlib import Path

from ci import extension, process, toolchain
from ci.errors import UserError

# The functions of SWIG/src.
OWN = "m2_"

HEAD = (
    "".join(f"#include <openssl/{name}.h>\n" for name in extension.HEADERS) + '#include "m2.h"\n\n'
)

# A narrower integer, another pointer, a lost `const` and a missing prototype are errors: compilers
# before GCC 14 only warn of most. An added `const` is none: headers differ in it between releases.
FLAGS = (
    *("-fsyntax-only", "-Wfatal-errors", "-Wno-deprecated-declarations", "-Werror=conversion"),
    *("-Werror=implicit-function-declaration", "-Werror=int-conversion"),
    *("-Werror=incompatible-pointer-types", "-Werror=discarded-qualifiers"),
)


def check(python: Path, sources: Path, prefix: Path | None, log: Path) -> None:
    """Parse the interface as a build does, and compile the calls of what it declares.

    Args:
        python: the Python that has SWIG.
        sources: the directory with SWIG/.
        prefix: the prefix of the build; None for the system's OpenSSL.
        log: the file for SWIG's output.

    Raises:
        UserError: a declaration does not agree with the headers; the message names the first.
    """
    with tempfile.TemporaryDirectory() as directory:
        tree = parse_tree(python, sources, prefix, Path(directory), log)
        include = [*_openssl(prefix).include_dirs, str(sources / "SWIG" / "src")]
        flags = [f"-I{path}" for path in include]
        _compile(tree, [*toolchain.compiler().command, *flags], Path(directory, "calls.c"))


def parse_tree(python: Path, sources: Path, prefix: Path | None, at: Path, log: Path) -> Path:
    """Return the path of SWIG's parse tree, an XML file, which is written into `at`."""
    names = extension.read_names(toolchain.compiler().command, _openssl(prefix), at)
    (at / "openssl_names.i").write_text(extension.interface_of(names), encoding="ascii")
    variables = toolchain.swig(python)
    tree = at / "tree.xml"
    command = extension.swig_command(variables["SWIG"], names, at)
    process.run(
        [*command[:1], "-xmlout", str(tree), *command[1:]],
        log=log,
        cwd=sources,
        env={**os.environ, **variables},
        quiet=True,
    )
    return tree


def _openssl(prefix: Path | None) -> extension.OpenSSL:
    try:
        return extension.from_prefix(prefix) if prefix else extension.from_pkg_config(os.environ)
    except extension.BuildError as error:
        raise UserError(str(error)) from None


def _compile(tree: Path, compiler: Sequence[str], program: Path) -> None:
    program.write_text(HEAD + "\n".join([*calls(tree), ""]), encoding="ascii")
    try:
        process.capture([*compiler, *FLAGS, program])
    except process.CommandError as error:
        # An error in a header is not that of a declaration.
        at = rf"^{re.escape(str(program))}:(\d+):\d+: (?:fatal )?error: (.*)$"
        refused = re.search(at, error.tail, re.M)
        if not refused or int(refused[1]) <= HEAD.count("\n"):
            raise
        found = program.read_text(encoding="ascii").splitlines()[int(refused[1]) - 1]
        raise UserError(
            f"a declaration in SWIG/ does not agree with OpenSSL's headers: {refused[2]}: {found}"
        ) from None


def calls(tree: Path) -> Iterator[str]:
    """Return a C function of one line that calls each of OpenSSL's functions in a parse tree."""
    seen = set()
    for element in ET.parse(tree).getroot().iter("cdecl"):  # noqa: S314 - SWIG's own
        facts = attributes(element)
        name = facts["name"]
        if facts.get("view") != "globalfunctionHandler" or name.startswith(OWN) or name in seen:
            continue
        seen.add(name)
        found = element.findall("attributelist/parmlist/parm")
        types = [c_type(attributes(each)["type"]) for each in found]
        names = [f"a{number}" for number, each in enumerate(types) if each != "void"]
        parameters = [f"{each} {name}" for each, name in zip(types, names, strict=False)]
        result = c_type(facts["decl"].rpartition(").")[2] + facts["type"])
        call = f"{name}({', '.join(names)})"
        body = call if result == "void" else f"return {call}"
        yield f"{result} check_{name}({', '.join(parameters) or 'void'}) {{ {body}; }}"


def c_type(swig_type: str) -> str:
    """Return a type as C spells it, such as `const char *` for SWIG's `p.q(const).char`."""
    if swig_type.startswith("p."):
        return f"{c_type(swig_type.removeprefix('p.'))} *"
    if swig_type.startswith("q(const)."):
        inner = c_type(swig_type.removeprefix("q(const)."))
        return f"{inner} const" if inner.endswith("*") else f"const {inner}"
    return swig_type


def attributes(element: ET.Element) -> dict[str, str]:
    """Return the attributes of a node of SWIG's parse tree."""
    return {
        item.get("name", ""): item.get("value", "")
        for item in element.findall("attributelist/attribute")
    }
