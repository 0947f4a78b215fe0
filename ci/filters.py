"""Filters: expressions over the axes of cells, such as `openssl=3.5 and not sanitizer`.

    filter     = conjunction {"or" conjunction}
    conjunction = term {"and" term}
    term       = "not" term | "(" filter ")" | AXIS OPERATOR VALUE {"," VALUE} | VALUE
    OPERATOR   = "=" | "!=" | "<" | "<=" | ">" | ">="

A value alone stands for the one axis that has it. After `=` and `!=` several values are
alternatives. `<` and the like compare versions; a value without one, such as `system`, never
matches.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ci.errors import UserError, suggest

Axes = Mapping[str, Sequence[str]]
Match = Callable[[Mapping[str, str]], bool]

# int() refuses thousands of digits.
VERSION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})*)[a-z]*")
TOKEN = re.compile(r"\s*([(),]|[<>!]=|[<>=]|[^\s(),<>!=]+)")
# Characters and words. A longer expression could exceed the parser's recursion.
MOST, LONGEST = 4000, 200
WORDS = ("and", "or", "not")
ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
OPERATORS = ("=", "!=", *ORDER)


@dataclass(frozen=True, slots=True)
class Filter:
    """A parsed filter.

    Attributes:
        text: the expression.
        axes: the axes that it reads.
        match: returns whether the filter holds for the value of each axis.
    """

    text: str
    axes: frozenset[str]
    match: Match


def parse(text: str, axes: Axes) -> Filter:
    """Return the filter of an expression.

    Args:
        text: the expression.
        axes: the values of each axis.

    Raises:
        UserError: the expression is malformed, or names an unknown axis or value.
    """
    parser = _Parser(text, axes)
    match = parser.alternatives()
    if parser.peek():
        raise parser.error(f"unexpected {parser.peek()!r}")
    return Filter(text, frozenset(parser.used), match)


def version(value: str) -> tuple[int, ...] | None:
    """Return the numbers of a version, such as (3, 13) of `3.13t`; None if it is not one."""
    found = VERSION.fullmatch(value)
    return tuple(int(part) for part in found[1].split(".")) if found else None


class _Parser:
    """A recursive descent over the tokens of one expression."""

    def __init__(self, text: str, axes: Axes) -> None:
        if len(text) > MOST:
            raise UserError(f"filter of {len(text)} characters: at most {MOST} are read")
        self.text = text
        self.axes = axes
        self.used: set[str] = set()
        self.tokens: list[str] = TOKEN.findall(text)
        if "".join(self.tokens) != "".join(text.split()):
            raise self.error("it has a character that is no operator")
        if len(self.tokens) > LONGEST:
            raise UserError(f"filter of {len(self.tokens)} words: at most {LONGEST} are read")

    def error(self, what: str) -> UserError:
        return UserError(
            f"filter {self.text!r}: {what}; write such as 'openssl=3.5 and python>=3.12'"
        )

    def peek(self) -> str:
        return self.tokens[0] if self.tokens else ""

    def take(self, *expected: str) -> str:
        """Remove the next token and return it, if it is one of `expected`; else return ``."""
        return self.tokens.pop(0) if self.peek() in expected else ""

    def alternatives(self) -> Match:
        terms = [self.conjunction()]
        while self.take("or"):
            terms.append(self.conjunction())
        return lambda cell: any(term(cell) for term in terms)

    def conjunction(self) -> Match:
        terms = [self.term()]
        while self.take("and"):
            terms.append(self.term())
        return lambda cell: all(term(cell) for term in terms)

    def term(self) -> Match:
        if self.take("not"):
            negated = self.term()
            return lambda cell: not negated(cell)
        if self.take("("):
            inner = self.alternatives()
            if not self.take(")"):
                raise self.error("a closing parenthesis is missing")
            return inner
        word = self.word("an axis or a value")
        sign = self.take(*OPERATORS)
        return self.comparison(word, sign) if sign else self.value_alone(word)

    def word(self, what: str) -> str:
        token = self.peek()
        if not token or token in WORDS or not re.match(r"[^(),<>!=]", token):
            raise self.error(
                f"{what} is missing before {token!r}" if token else f"{what} is missing"
            )
        return self.tokens.pop(0)

    def comparison(self, axis: str, sign: str) -> Match:
        if axis not in self.axes:
            raise UserError(
                f"filter {self.text!r}: unknown axis {axis!r}; {suggest(axis, self.axes)}"
            )
        self.used.add(axis)
        value = self.word("a value")
        if sign in ORDER:
            return self.ordered(axis, sign, value)
        values = [self.known(axis, value)]
        while self.take(","):
            values.append(self.known(axis, self.word("a value")))
        return lambda cell: (cell[axis] in values) == (sign == "=")

    def ordered(self, axis: str, sign: str, value: str) -> Match:
        limit = version(value)
        if limit is None:
            raise self.error(f"{value!r} after {sign} is not a version")
        compare = ORDER[sign]

        def match(cell: Mapping[str, str]) -> bool:
            own = version(cell[axis])
            return own is not None and compare(own, limit)

        return match

    def known(self, axis: str, value: str) -> str:
        values = self.axes[axis]
        if value not in values:
            raise UserError(
                f"filter {self.text!r}: {axis} has no value {value!r}; {suggest(value, values)}"
            )
        return value

    def value_alone(self, value: str) -> Match:
        having = [axis for axis, values in self.axes.items() if value in values]
        if not having:
            names = [*self.axes, *(each for values in self.axes.values() for each in values)]
            raise UserError(
                f"filter {self.text!r}: {value!r} is no axis and no value; {suggest(value, names)}"
            )
        if len(having) > 1:
            raise UserError(
                f"filter {self.text!r}: {value!r} is a value of {' and '.join(having)}; "
                f"write {having[0]}={value}"
            )
        axis = having[0]
        self.used.add(axis)
        return lambda cell: cell[axis] == value
