"""The low-level functions with the types of their parameters, from the extension's stub."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Parameter:
    """A parameter: its name, its kind such as `int`, `Buffer` or `BIO`, and if it may be None."""

    name: str
    kind: str
    optional: bool


@dataclass(frozen=True)
class Function:
    """A function: its name, its parameters, and the kind of its result."""

    name: str
    parameters: tuple[Parameter, ...]
    result: str


KINDS = {"int", "float", "str", "Path", "Buffer", "target", "callable"}


def read() -> tuple[dict[str, Function], set[str]]:
    """Return the functions that this build has, by name, and the types of handles."""
    import M2Crypto
    from M2Crypto import m2

    path = Path(M2Crypto.__file__).with_name("_m2crypto.pyi")
    body = ast.parse(path.read_text(encoding="utf-8")).body
    handles = {node.name for node in body if isinstance(node, ast.ClassDef)}
    functions = {}
    for node in body:
        if isinstance(node, ast.FunctionDef) and hasattr(m2, node.name):
            parameters = tuple(
                Parameter(argument.arg, *_kind(argument.annotation))
                for argument in (*node.args.posonlyargs, *node.args.args)
            )
            functions[node.name] = Function(node.name, parameters, _kind(node.returns)[0])
            for parameter in parameters:
                if parameter.kind not in KINDS | handles:
                    raise ValueError(f"{path}: {node.name}: teach stub.py {parameter.kind}")
    functions.pop("__getattr__", None)
    return functions, handles


def _kind(annotation: ast.expr | None) -> tuple[str, bool]:
    source = ast.unparse(annotation) if annotation else "object"
    parts = source.split(" | ")
    optional = "None" in parts[1:]
    kinds = [part for part in parts if part != "None"] or ["None"]
    if kinds == ["bytearray", "memoryview"]:
        return "target", optional
    if kinds[0].startswith("Callable"):
        return "callable", optional
    return kinds[0], optional
