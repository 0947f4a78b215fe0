"""Strict reading of TOML and JSON: a document becomes a record, or one line with file and key.

A record's types and patterns are the schema. A field's type may carry a `description`, which
completes the sentence "KEY must be ..." in messages.
"""

from __future__ import annotations

import re
import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from ci.errors import UserError, one_line, suggest

T = TypeVar("T")

# Characters of a message.
LONGEST = 800


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
        # Unlike json.loads it accepts no NaN, no infinite number and no lone surrogate.
        return msgspec.json.decode(path.read_bytes())
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
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
        explained = _explain(str(error), document, kind, where)
        raise UserError(f"{path}: {one_line(explained, LONGEST)}") from None


def _explain(message: str, document: Any, kind: Any, where: str) -> str:
    """Return msgspec's message with the key in front, and the value or the nearest key."""
    problem, _, location = message.removesuffix("`").partition(" - at `$")
    value, hint = document, kind
    for key, index, _ in re.findall(r"\.(\w+)|\[(\d+)\]|(\[\.\.\.\])", location):
        if key:
            value, hint = value[key], get_type_hints(hint, include_extras=True)[key]
        elif index:
            value, hint = value[int(index)], _element(hint, int(index))
        else:
            # msgspec does not say which key of a mapping it is.
            hint = get_args(hint)[1]
            name, value = next(item for item in value.items() if not _fits(item[1], hint))
            location = location.replace("[...]", f".{name}", 1)
    field = re.fullmatch(r"(?s)Object (contains unknown|missing required) field `(.*?)`?", problem)
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
    what = _description(hint) or _expected(problem)
    return f"{one_line(key)} must be {what}, not {one_line(repr(value))}"


def _fits(value: object, kind: Any) -> bool:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return False
    return True


def _element(hint: Any, index: int) -> Any:
    """Return the type of an element of a list or a tuple."""
    sequence = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    return get_args(sequence)[index if get_origin(sequence) is tuple else 0]


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
