"""Strict reading of TOML and JSON: a document becomes a record, or one line with file and key.

A record's types and patterns are the schema. A field's type may carry a `description`, which
completes the sentence "KEY must be ..." in messages.
"""

from __future__ import annotations

import json
import re
import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from ci.errors import UserError, suggest

T = TypeVar("T")


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table of a document: every key that it may hold, with its type."""


def read_toml(path: Path) -> dict[str, Any]:
    """Return the document in a TOML file.

    Raises:
        UserError: it cannot be read, or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise UserError(f"{path}: not TOML: {error}") from None


def read_json(path: Path) -> Any:
    """Return the document in a JSON file.

    Raises:
        UserError: it cannot be read, or is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not JSON: {error}") from None


def convert(document: object, kind: type[T], path: Path, where: str = "") -> T:
    """Return a document as a `kind`.

    Args:
        document: what a TOML or JSON file holds at `where`.
        kind: a subclass of Record, or another type that msgspec knows.
        path: the file, for messages.
        where: the key of the document in the file, for messages.

    Raises:
        UserError: a key is unknown or missing, or a value is not of its type.
    """
    try:
        return msgspec.convert(document, kind)
    except msgspec.ValidationError as error:
        raise UserError(f"{path}: {_explain(str(error), document, kind, where)}") from None


def _explain(message: str, document: Any, kind: Any, where: str) -> str:
    """Return msgspec's message with the key in front, and the value or the nearest key."""
    problem, _, location = message.removesuffix("`").partition(" - at `$")
    value, hint = document, kind
    for key, index in re.findall(r"\.(\w+)|\[(\d+)\]", location):
        value = value[key or int(index)]
        hint = get_type_hints(hint, include_extras=True)[key] if key else _element(hint)
    field = re.fullmatch(r"Object (contains unknown|missing required) field `(.*?)`?", problem)
    if field:
        key = f"{where}{location}.{field[2]}".lstrip(".")
        if field[1] == "missing required":
            return f"{key} is missing"
        # A mistyped key is a missing one, too, so those are suggested first.
        keys = list(get_type_hints(hint))
        missing = [each for each in keys if each not in value]
        likely = missing if get_close_matches(field[2], missing, n=1, cutoff=0.5) else keys
        return f"{key} is an unknown key; {suggest(field[2], likely)}"
    key = f"{where}{location}".lstrip(".")
    if problem.startswith("Expected `array` of length >="):
        return f"{key} is empty"
    return f"{key} must be {_description(hint) or _expected(problem)}, not {value!r}"


def _element(hint: Any) -> Any:
    """Return the type of a list's elements."""
    return get_args(get_args(hint)[0] if get_origin(hint) is Annotated else hint)[0]


def _description(hint: Any) -> str | None:
    """Return the description of a type, None if it has none."""
    metas = (each for each in get_args(hint) if isinstance(each, msgspec.Meta))
    return next((each.description for each in metas if each.description), None)


def _expected(problem: str) -> str:
    """Return the type that msgspec expected, in TOML's terms."""
    words = {"object": "a table", "array": "a list", "str": "a string", "int": "an integer"}
    found = re.match(r"Expected `([^`|]*)", problem)
    name = found[1].strip() if found else problem
    return words.get(name, f"of type {name}")
