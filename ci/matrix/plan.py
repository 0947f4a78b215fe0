"""The cells of a manifest, and the plans that choose among them. Planning has no side effects.

    quick     the manifest's quick builds on every Python
    default   every release with the manifest's `every` variants on every Python, and cells that
              complete the pairs: two values of any two axes that `all` combines meet in some cell
    all       every combination that no exclusion forbids

A filter (ci/filters.py) selects cells of a plan.
"""

from __future__ import annotations

import heapq
import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from ci import filters
from ci.errors import UserError, suggest
from ci.manifest import REFUSES, SAME, SYSTEM, WORKS, Build, Flags, Manifest, Rule

NAMES = ("quick", "default", "all")
# The pairs that the reason of a cell lists before it counts the others.
LISTED = 2
# What ids have before the values of an axis.
PREFIXES = {"python": "py", "swig": "swig", "runtime": "run"}

Axes = Mapping[str, str]
Pair = tuple[tuple[str, str], tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Cell:
    """One value of each axis: a Python with an extension that was built in one way.

    Attributes:
        python: the series, such as `3.13`.
        build: the OpenSSL build whose headers and libraries the extension is built with.
        flags: how the extension is compiled.
        swig: SWIG's version.
        platform: where the cell runs.
        runtime: the build whose shared libraries are in the process; None for those of `build`.
        outcome: `works`, or `refuses` if the import must fail.
        spelled: the values that the id has after the build, because they are not the default.
    """

    python: str
    build: Build
    flags: Flags
    swig: str
    platform: str
    runtime: Build | None = None
    outcome: str = WORKS
    spelled: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """The cell's name everywhere, such as `py3.13-openssl3.5-no-ec-swig4.4`."""
        return "-".join([f"py{self.python}-openssl{self.build.name}", *self.spelled])

    @property
    def axes(self) -> dict[str, str]:
        """The value of each axis, in the manifest's order of axes."""
        return {
            "platform": self.platform,
            "openssl": self.build.release.series,
            "variant": self.build.variant.name,
            "link": self.build.link,
            "flags": self.flags.name,
            "runtime": self.runtime.release.series if self.runtime else SAME,
            "swig": self.swig.rpartition(".")[0],
            "python": self.python,
        }

    @property
    def refuses(self) -> bool:
        """Whether the extension must refuse to be imported."""
        return self.outcome == REFUSES


@dataclass(frozen=True, slots=True)
class Planned:
    """A cell of a plan.

    Attributes:
        cell: the cell.
        why: why it is in the plan.
        allowed: the rule by which it may fail; None if it must pass.
    """

    cell: Cell
    why: str
    allowed: Rule | None

    @property
    def required(self) -> bool:
        """Whether the run fails if the cell fails."""
        return self.allowed is None


def make(known: Manifest, name: str, chosen: str = "", *, today: date) -> list[Planned]:
    """Return the cells of a plan, in the manifest's order.

    Args:
        known: the manifest.
        name: the plan's.
        chosen: a filter; empty for none.
        today: the date, which decides whether a cell may still fail.

    Raises:
        UserError: there is no plan of that name, the filter is invalid, or no cell is selected.
    """
    if name not in NAMES:
        raise UserError(f"unknown plan {name!r}; {suggest(name, NAMES)}")
    reasons = {"quick": _quick, "default": _default, "all": _all}[name](known)
    if chosen:
        matches = filters.parse(chosen, known.axes).match
        reasons = {cell: why for cell, why in reasons.items() if matches(cell.axes)}
        if not reasons:
            raise UserError(f"filter {chosen!r} selects no cell of the plan {name!r}; widen it")
    return [Planned(cell, why, _allowed(known, cell, today)) for cell, why in reasons.items()]


def cells(known: Manifest) -> list[Cell]:
    """Return every combination that exists and that no exclusion forbids."""
    combinations: list[dict[str, str]] = [{}]
    bound: set[str] = set()
    rules = [rule.when for rule in known.exclusions]
    for axis, values in known.axes.items():
        bound.add(axis)
        # A rule is applied as soon as its axes have values, which keeps the product small.
        ready = [rule for rule in rules if rule.axes <= bound]
        rules = [rule for rule in rules if not rule.axes <= bound]
        combinations = [
            axes
            for combination in combinations
            for value in values
            if _exists(known, axes := {**combination, axis: value})
            and not any(rule.match(axes) for rule in ready)
        ]
    return [_cell(known, axes) for axes in combinations]


def wheel_cells(known: Manifest) -> list[Cell]:
    """Return the cells of the release wheels, which are in no plan."""
    if not known.wheels:
        return []
    build, flags = known.wheels.build, known.wheels.flags
    default = known.platforms[0].name
    return [
        Cell(
            python,
            build,
            flags,
            known.swig,
            platform.name,
            spelled=() if platform.name == default else (platform.name,),
        )
        for platform in known.platforms
        for python in known.wheels.pythons
    ]


def find_cell(known: Manifest, id: str) -> Cell:  # noqa: A002 - a cell's name is its id
    """Return the cell of that id.

    Raises:
        UserError: there is none; the message suggests the nearest id.
    """
    by_id = {cell.id: cell for cell in (*cells(known), *wheel_cells(known))}
    if id not in by_id:
        raise UserError(f"unknown cell {id!r}: {suggest(id, by_id)}")
    return by_id[id]


def pairs(axes: Axes) -> Iterator[Pair]:
    """Return each pair of values of two axes."""
    return itertools.combinations(axes.items(), 2)


def _exists(known: Manifest, axes: Axes) -> bool:
    """Return whether a variant applies to its release, and the runtime to the headers."""
    release, variant, runtime = (axes.get(each, "") for each in ("openssl", "variant", "runtime"))
    if variant and not known.variant(variant).applies_to(known.release(release)):
        return False
    return runtime in ("", SAME) or known.runtime_of(release, runtime) is not None


def _cell(known: Manifest, axes: Axes) -> Cell:
    flags = known.flags_of(axes["flags"])
    variant = known.variant(axes["variant"])
    own = flags if flags.builds_openssl else None
    build = Build(known.release(axes["openssl"]), variant, axes["link"], own)
    other = known.runtime_of(axes["openssl"], axes["runtime"])
    runtime = Build(known.release(other.libraries), variant, axes["link"], own) if other else None
    spelled = {
        "flags": "" if own else axes["flags"],
        "swig": _short("swig", axes["swig"]),
        "runtime": _short("runtime", axes["runtime"]),
        "platform": axes["platform"],
    }
    defaults = _defaults(known)
    return Cell(
        python=axes["python"],
        build=build,
        flags=flags,
        swig=known.swigs[axes["swig"]],
        platform=axes["platform"],
        runtime=runtime,
        outcome=other.outcome if other else WORKS,
        spelled=tuple(
            text for axis, text in spelled.items() if text and axes[axis] != defaults[axis]
        ),
    )


def _defaults(known: Manifest) -> dict[str, str]:
    return {axis: values[0] for axis, values in known.axes.items()}


def _allowed(known: Manifest, cell: Cell, today: date) -> Rule | None:
    """Return the rule by which a cell may fail today."""
    rules = (rule for rule in known.may_fail if rule.until and today <= rule.until)
    return next((rule for rule in rules if rule.when.match(cell.axes)), None)


def _all(known: Manifest) -> dict[Cell, str]:
    return dict.fromkeys(cells(known), "every combination")


def _quick(known: Manifest) -> dict[Cell, str]:
    builds = {build.name for build in known.quick}
    plain = _plain(known, cells(known), builds)
    return dict.fromkeys(plain, "a quick build on every Python")


def _default(known: Manifest) -> dict[Cell, str]:
    every = {variant.name for variant in known.every}
    builds = {build.name for build in known.builds if build.variant.name in every}
    universe = cells(known)
    base = _plain(known, universe, builds | {SYSTEM})
    added = _complete(universe, base)
    return {
        **{cell: f"{cell.build.name} on every Python" for cell in base},
        **_reasons(added, [*base, *added]),
    }


def _plain(known: Manifest, universe: Iterable[Cell], builds: Iterable[str]) -> list[Cell]:
    """Return the cells of `builds` that have the default of every other axis but Python."""
    names = set(builds)
    default = _defaults(known)
    others = ("platform", "flags", "runtime", "swig")
    return [
        cell
        for cell in universe
        if cell.build.name in names and all(cell.axes[axis] == default[axis] for axis in others)
    ]


def _complete(universe: Sequence[Cell], base: Sequence[Cell]) -> list[Cell]:
    """Return cells that hold the pairs of `universe` that `base` does not.

    The next cell is the one with the most of the pairs that are left; of several, one whose build
    is planned already. A pairwise generator that is given the exclusions as a predicate misses
    pairs, because most of its partial rows cannot be completed.
    """
    held = [frozenset(pairs(cell.axes)) for cell in universe]
    left = set().union(*held) - {pair for cell in base for pair in pairs(cell.axes)}
    builds = {(cell.build.name, cell.platform) for cell in base}

    def rank(place: int) -> tuple[int, bool, int]:
        cell = universe[place]
        return -len(held[place] & left), (cell.build.name, cell.platform) not in builds, place

    heap = [rank(place) for place in range(len(universe))]
    heapq.heapify(heap)
    chosen: list[Cell] = []
    while left:
        place = heapq.heappop(heap)[-1]
        # The number of pairs only sinks, so a cell that stays first is the best one.
        current = rank(place)
        if heap and current > heap[0]:
            heapq.heappush(heap, current)
            continue
        chosen.append(universe[place])
        builds.add((universe[place].build.name, universe[place].platform))
        left -= held[place]
    return chosen


def _reasons(added: Sequence[Cell], planned: Sequence[Cell]) -> dict[Cell, str]:
    """Return the pairs that each added cell alone has."""
    counts = Counter(pair for cell in planned for pair in pairs(cell.axes))
    reasons = {}
    for cell in added:
        alone = [pair for pair in pairs(cell.axes) if counts[pair] == 1]
        texts = [f"{_short(*first)} × {_short(*second)}" for first, second in alone[:LISTED]]
        more = f" and {len(alone) - LISTED} more" if len(alone) > LISTED else ""
        reasons[cell] = (
            f"the only cell with {', '.join(texts)}{more}" if alone else "completes the pairs"
        )
    return reasons


def _short(axis: str, value: str) -> str:
    """Return a value as ids spell it, because Python, OpenSSL and SWIG have like versions."""
    return f"{PREFIXES.get(axis, '')}{value}"
