"""Errors that the user can fix, each reported in one line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

# Characters of a foreign text that a message shows.
SHOWN = 200


class UserError(Exception):
    """An error that the user can fix; its text names what is wrong, where, and the way out."""


def one_line(text: str, shown: int = SHOWN) -> str:
    """Return a text that anyone can have written as a message shows it: printable, and cut."""
    line = "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text[:shown])
    return line + ("..." if len(text) > shown else "")


def suggest(name: str, names: Iterable[str]) -> str:
    """Return the end of a message about an unknown `name`: the nearest of `names`, or all."""
    valid = list(names)
    close = difflib.get_close_matches(name, valid, n=1, cutoff=0.5)
    if close:
        return f"did you mean {close[0]!r}?"
    return "there are " + ", ".join(valid) if valid else "there are none"
