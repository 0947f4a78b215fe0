"""The names, parameters and defaults that programs use are all there (data/api.txt lists them)."""

from __future__ import annotations

import ast
import importlib
import inspect
import socket
from pathlib import Path
from types import ModuleType

import pytest

LINES = [
    line
    for line in (Path(__file__).parent / "data" / "api.txt").read_text("utf-8").splitlines()
    if line and not line.startswith("#")
]
UNKNOWN = object()


def find(dotted):
    """What `X509.X509.as_pem` is; the longest part that is a module is imported."""
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
    """The parameters of `NAME(a, b=1, *c)`: names, and defaults where they are literals."""
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


@pytest.mark.parametrize("line", [line for line in LINES if line.startswith("class ")])
def test_a_class_has_its_bases(line):
    name, _, bases = line[len("class ") :].rstrip(")").partition("(")
    ancestors = find(name).__mro__
    for base in filter(None, bases.split(", ")):
        # socket.timeout has another name from 3.10 on.
        names = {ancestor.__name__ for ancestor in ancestors}
        found = base.rpartition(".")[2] in names
        assert found or (base == "socket.timeout" and socket.timeout in ancestors), base


@pytest.mark.parametrize("line", [line for line in LINES if not line.startswith("class ")])
def test_a_name_is_there_and_is_called_as_ever(line):
    found = find(line.partition("(")[0])
    if "(" not in line:
        return
    wanted = parameters(line)
    try:
        offered = [p for p in inspect.signature(found).parameters.values() if p.name != "self"]
    except ValueError:
        # A class without a constructor of its own: it takes none.
        assert wanted == {}
        return
    if "*" in line:
        return
    assert [p.name for p in offered[: len(wanted)]] == list(wanted)
    for parameter in offered[len(wanted) :]:
        optional = (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        assert parameter.default is not parameter.empty or parameter.kind in optional
    for parameter in offered[: len(wanted)]:
        default = wanted[parameter.name]
        # What had no default may have one now; a default that is there stays what it was.
        if default is not inspect.Parameter.empty:
            assert parameter.default is not parameter.empty
            assert default is UNKNOWN or parameter.default == default
