"""The stub declares the types that the typemaps accept and return."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from ci import stubs
from ci.errors import UserError


def attribute(name: str, value: str) -> str:
    return f'<attribute name="{name}" value="{value}"/>'


def parameter(type: str, name: str = "", takes: str = "") -> str:  # noqa: A002
    facts = attribute("type", type) + attribute("name", name) + attribute("tmap_in", takes)
    return f"<parm><attributelist>{facts}</attributelist></parm>"


def function(name: str, decl: str, type: str, *parameters: str, out: str = "") -> str:  # noqa: A002
    facts = "".join(
        attribute(key, value)
        for key, value in {
            "view": "globalfunctionHandler",
            "sym_name": name,
            "name": name,
            "decl": decl,
            "type": type,
            "tmap_out": out,
        }.items()
    )
    inside = f"{facts}<parmlist>{''.join(parameters)}</parmlist>"
    return f"<cdecl><attributelist>{inside}</attributelist></cdecl>"


def typedef(name: str, type: str) -> str:  # noqa: A002
    facts = attribute("storage", "typedef") + attribute("name", name) + attribute("type", type)
    return f"<cdecl><attributelist>{facts}</attributelist></cdecl>"


def lines(tmp_path: Path, *declarations: str) -> list[str]:
    tree = tmp_path / "tree.xml"
    tree.write_text(f"<top>{''.join(declarations)}</top>")
    return [found.line for found in stubs.functions_of(tree)]


@pytest.mark.parametrize(
    ("declaration", "line"),
    [
        (function("f", "f(void).", "void", parameter("void")), "def f() -> None: ..."),
        (function("f", "f().", "m2_bytes"), "def f() -> bytes: ..."),
        (function("f", "f().p.", "X509"), "def f() -> X509: ..."),
        (function("f", "f().p.", "q(const).char"), "def f() -> str: ..."),
        (
            function("f", "f().p.", "X509", out="$result = Py_None;"),
            "def f() -> X509 | None: ...",
        ),
        (
            function("f", "f().", "m2_status", parameter("m2_buffer", "data")),
            "def f(data: Buffer, /) -> int: ...",
        ),
        (
            function("f", "f().", "int", parameter("p.q(const).X509", "OPTIONAL", "Py_None")),
            "def f(argument1: X509 | None, /) -> int: ...",
        ),
        (
            function("f", "f().", "int", parameter("m2_callback", "exchange", "Py_None")),
            "def f(exchange: Callable[..., object] | None, /) -> int: ...",
        ),
    ],
)
def test_a_declaration_becomes_a_stub_line(tmp_path: Path, declaration: str, line: str) -> None:
    assert lines(tmp_path, typedef("m2_status", "int"), declaration) == [line]


def test_an_unknown_type_raises(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="PYTHON_TYPES has no entry for the C type m2_new"):
        lines(tmp_path, function("f", "f().", "m2_new"))


def test_the_first_declaration_of_a_name_is_kept_and_every_handle_is_a_class() -> None:
    text = stubs.stub(
        [
            stubs.Function("f", "def f() -> X509: ...", ("X509",)),
            stubs.Function("f", "def f() -> int: ...", ()),
        ]
    )
    tree = ast.parse(text)
    assert "def f() -> X509: ..." in text
    assert "def f() -> int" not in text
    # The first one is the extension's own (SWIG/objects.stub).
    classes = [node.name for node in tree.body if isinstance(node, ast.ClassDef)]
    assert classes == ["MessageDigest", "X509"]
