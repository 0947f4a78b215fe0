"""Reading C: tokens, and the lines between conditional directives."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

# The directory of the C that coverage counts. SWIG's wrapper is not counted: nobody edits it, and
# with ten times as many lines it would dominate the total.
SOURCES = "SWIG/src"

_KEYWORDS = (
    "auto|break|case|char|const|continue|default|do|double|else|enum|extern|float|for|goto|if"
    "|inline|int|long|register|return|short|signed|sizeof|static|struct|switch|typedef|union"
    "|unsigned|void|volatile|while"
)

_TOKEN = re.compile(
    rf"""
      (?P<com> /\*.*?\*/ | //(?:\\\n|[^\n])* )
    | (?P<str> "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*' )
    | (?P<pre> ^[ \t]*\#(?:\\\n|(?!/[*/])[^\n])* )
    | (?P<key> \b(?:{_KEYWORDS})\b )
    | (?P<num> \b\d[\w.]* )
    | (?P<name> [A-Za-z_]\w* )
    | (?P<nl> \n )
    | (?P<ws> [ \t\f\v\r]+ )
    | (?P<op> . )
    """,
    re.VERBOSE | re.MULTILINE | re.DOTALL,
)

# The kinds of tokens that make a line code; `pre` is a preprocessor directive.
_CODE = frozenset({"str", "key", "num", "name", "op"})

_CONDITIONAL = re.compile(r"[ \t]*#[ \t]*(?:if|ifdef|ifndef|elif|elifdef|elifndef|else|endif)\b")


@dataclass(frozen=True, slots=True)
class Token:
    """A token of one line of C; `kind` is a group of `_TOKEN`, `line` counts from 1."""

    kind: str
    text: str
    line: int


def tokens(text: str) -> Iterator[Token]:
    """Yield the tokens of C source; one that spans lines is split at each line's end."""
    line = 1
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup or "op"
        pieces = match.group().split("\n")
        for offset, piece in enumerate(pieces):
            if piece:
                yield Token(kind, piece, line + offset)
        line += len(pieces) - 1


def groups(text: str) -> list[frozenset[int]]:
    """Return the code lines between each two conditional directives, compiled in or out as one."""
    found: list[set[int]] = [set()]
    directive = 0
    for token in tokens(text):
        if token.kind == "pre":
            directive = token.line
            if _CONDITIONAL.match(token.text):
                found.append(set())
        elif token.kind in _CODE and token.line != directive:
            found[-1].add(token.line)
    return [frozenset(group) for group in found if group]


def source_name(path: str) -> str | None:
    """Return `SWIG/src/ec.c` for `.../SWIG/src/ec.c`, None for a path outside of SWIG/src."""
    at = f"/{path}".rfind(f"/{SOURCES}/")
    return None if at < 0 else path[at:]
