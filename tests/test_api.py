"""The public API has the names, parameters and defaults that data/api.txt lists."""

from __future__ import annotations

import ast
import importlib
import inspect
import socket
from pathlib import Path
from types import ModuleType

LINES = [
    line
    for line in (Path(__file__).parent / "data" / "api.txt").read_text("utf-8").splitlines()
    if line and not line.startswith("#")
]
UNKNOWN = object()


def find(dotted):
    """Return the object with this dotted name; import its longest prefix that is a module."""
    parts = dotted.split(".")
    for end in range(len(parts), -1, -1):
        try:
            found = importlib.import_module(".".join(["M2Crypto", *parts[:end]]))
        except ModuleNotFoundError:
            continue
        for name in parts[end:]:
            found = getattr(found, name)
        # M2Crypto.SSL.Context is the class, M2Crypto.SSL.Context.Context the same one.
        return getattr(found, parts[-1], found) if isinstance(found, ModuleType) else found
    raise AssertionError(dotted)


def parameters(signature):
    """Return the parameters of `NAME(a, b=1, *c)`: names, and defaults that are literals."""
    _, _, rest = signature.partition("(")
    arguments = ast.parse(f"def f({rest}: pass").body[0].args
    positional = [argument.arg for argument in arguments.args]
    defaults = dict(zip(reversed(positional), reversed(arguments.defaults)))
    return {argument: value(defaults[argument]) if argument in defaults else inspect.Parameter.empty
            for argument in positional}  # fmt: skip


def value(node):
    try:
        return ast.literal_eval(node)
    except ValueError:
        return UNKNOWN


def lacks_a_base(line):
    name, _, bases = line[len("class ") :].rstrip(")").partition("(")
    ancestors = find(name).__mro__
    names = {ancestor.__name__ for ancestor in ancestors}
    # socket.timeout has another name from 3.10 on.
    names |= {"timeout"} if socket.timeout in ancestors else set()
    return not {base.rpartition(".")[2] for base in bases.split(", ") if base} <= names


def test_public_classes_have_the_documented_bases():
    classes = [line for line in LINES if line.startswith("class ")]
    assert classes
    assert [line for line in classes if lacks_a_base(line)] == []


def differs(line):
    """Return whether the object cannot be called with the listed parameters."""
    found = find(line.partition("(")[0])
    if "(" not in line:
        return False
    wanted = parameters(line)
    try:
        offered = [p for p in inspect.signature(found).parameters.values() if p.name != "self"]
    except ValueError:
        # A class without a constructor of its own: it takes none.
        return wanted != {}
    if "*" in line:
        return False
    listed, added = offered[: len(wanted)], offered[len(wanted) :]
    return [p.name for p in listed] != list(wanted) or not (
        all(is_optional(p) for p in added) and all(keeps_default(p, wanted[p.name]) for p in listed)
    )


def is_optional(parameter):
    variable = (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    return parameter.default is not parameter.empty or parameter.kind in variable


def keeps_default(parameter, default):
    """Return whether a listed default is unchanged; a parameter may gain a default."""
    if default is inspect.Parameter.empty:
        return True
    return parameter.default is not parameter.empty and default in (UNKNOWN, parameter.default)


def test_public_names_exist_with_the_documented_signatures():
    listed = [line for line in LINES if not line.startswith("class ")]
    assert listed
    assert [line for line in listed if differs(line)] == []
