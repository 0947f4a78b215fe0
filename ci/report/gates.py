"""The gates of a report: floors of coverage, skips, failures (`coverage/policy.toml`)."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from ci.documents import Record, convert, read_toml
from ci.errors import UserError
from ci.matrix.results import Result
from ci.report.measured import COUNTED, Total

NAME = "coverage/policy.toml"

Percent = Annotated[float, Meta(ge=0, le=100, description="a number from 0 to 100")]
Machine = Annotated[
    str, Meta(pattern="^(required|optional)$", description="'required' or 'optional'")
]


class Floor(Record, frozen=True):
    """The least share in percent that must run, and why it is not more."""

    counted: str
    percent: Percent
    reason: str


class _Skip(Record, frozen=True):
    reason: str
    why: str
    machine: Machine = ""


class _Policy(Record, frozen=True):
    floor: list[Floor]
    skip: list[_Skip]


@dataclass(frozen=True, slots=True)
class Skip:
    """A declared reason to skip a test.

    `machine` is empty if the reason is the build's. If it is the computer's, `machine` says whether
    CI's computers must have what is missing: `required` or `optional`.
    """

    reason: re.Pattern[str]
    machine: str = ""


@dataclass(frozen=True, slots=True)
class Policy:
    """The requirements on a report."""

    floors: tuple[Floor, ...]
    skips: tuple[Skip, ...]


def read_policy(path: Path) -> Policy:
    """Return the policy in a file.

    Raises:
        UserError: it cannot be read, or an entry is invalid.
    """
    read = convert(read_toml(path), _Policy, path)
    if sorted(floor.counted for floor in read.floor) != sorted(COUNTED):
        raise UserError(f"{path}: floor.counted must be once each of {', '.join(COUNTED)}")
    return Policy(tuple(read.floor), tuple(_skip(each, path) for each in read.skip))


def _skip(entry: _Skip, path: Path) -> Skip:
    try:
        return Skip(re.compile(entry.reason), entry.machine)
    except re.error as error:
        raise UserError(
            f"{path}: skip.reason {entry.reason!r} is not a regular expression: {error}"
        ) from None


def complaints(
    usable: Sequence[Result],
    totals: Iterable[Total],
    policy: Policy,
    may_fail: Container[str] = (),
) -> list[str]:
    """Return a line for each floor that is not reached and each skip that is not allowed.

    Args:
        usable: the results.
        totals: those of the report.
        policy: the requirements.
        may_fail: the ids of the cells that may fail.
    """
    return [
        *below_floor(totals, policy),
        *skips(usable, policy),
        *only_where_failure_is_allowed(usable, may_fail),
    ]


def only_where_failure_is_allowed(usable: Iterable[Result], may_fail: Container[str]) -> list[str]:
    """Return a line for each test that ran in no cell that must pass."""
    where: dict[str, list[str]] = {}
    for result in usable:
        for test in result.tests.ran:
            where.setdefault(test, []).append(result.expected.id)
    return [
        f"{test} ran only in cells that may fail: {', '.join(cells)}"
        for test, cells in sorted(where.items())
        if all(cell in may_fail for cell in cells)
    ]


def failures(usable: Iterable[Result], logged: Container[str]) -> list[str]:
    """Return a line with the cells whose tests failed, without those of `logged`."""
    failed = [each.expected.id for each in usable if each.tests.failed]
    cells = [cell for cell in failed if cell not in logged]
    return [f"tests failed in {len(cells)} cells: {', '.join(cells)}"] if cells else []


def below_floor(totals: Iterable[Total], policy: Policy) -> list[str]:
    """Return a line for each total below its floor."""
    floors = {floor.counted: floor.percent for floor in policy.floors}
    return [
        f"{total.counted}: {total.percent:.2f} % ran, less than the floor of"
        f" {floors[total.counted]:g} % in {NAME}"
        for total in totals
        if total.percent < floors[total.counted]
    ]


def skips(usable: Iterable[Result], policy: Policy) -> list[str]:
    """Return a line for each test that ran in no cell, and for each undeclared reason to skip.

    `missing` reports the tests that ran in no cell because of the computer.
    """
    ran, reasons = _skipped(usable)
    never = [
        f"{test} ran in no cell: {'; '.join(sorted(why))}"
        for test, why in sorted(reasons.items())
        if test not in ran and not any(machine(reason, policy) for reason in why)
    ]
    undeclared = [
        f"{test} was skipped for a reason that {NAME} does not declare: {why}"
        for test, whys in sorted(reasons.items())
        for why in sorted(whys)
        if not any(skip.reason.fullmatch(why) for skip in policy.skips)
    ]
    return [*never, *undeclared]


def missing(usable: Iterable[Result], policy: Policy, *, optional: bool = True) -> str:
    """Return a line with what the computer lacks for tests that ran in no cell, or nothing.

    Args:
        usable: the results.
        policy: the requirements.
        optional: whether to name what CI's computers need not have, too.
    """
    ran, reasons = _skipped(usable)
    kinds = ("required", "optional") if optional else ("required",)
    never = {
        test: sorted(reason for reason in why if machine(reason, policy) in kinds)
        for test, why in reasons.items()
        if test not in ran
    }
    lacking = sorted({reason for why in never.values() for reason in why})
    count = sum(bool(why) for why in never.values())
    if not lacking:
        return ""
    return f"{count} tests ran in no cell because of this computer: {'; '.join(lacking)}"


def _skipped(usable: Iterable[Result]) -> tuple[set[str], dict[str, set[str]]]:
    """Return the tests that ran in some cell, and the reasons for which each was skipped."""
    ran: set[str] = set()
    reasons: dict[str, set[str]] = {}
    for result in usable:
        ran |= result.tests.ran
        for test, reason in result.tests.skipped.items():
            reasons.setdefault(test, set()).add(reason)
    return ran, reasons


def machine(reason: str, policy: Policy) -> str:
    """Return what the first entry that matches says of the computer."""
    return next((each.machine for each in policy.skips if each.reason.fullmatch(reason)), "")
