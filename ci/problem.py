"""What a person can put right: one line that says what was wrong, where, and the way out."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class Problem(Exception):
    """Something a person can fix; its text is the one line shown to them."""


def nearest(name: str, names: Iterable[str]) -> str:
    """The rest of a line about an unknown `name`: the nearest valid one, or all there are."""
    known = list(names)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if close:
        return f"did you mean {close[0]!r}?"
    return "there are " + ", ".join(known) if known else "there are none"
