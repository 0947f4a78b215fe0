"""The surfaces of the cells: which name each build offers, and what the golden file expects.

`coverage/surface.toml` lists the names that every build has, and those that some builds lack, with
the reason. `nox -s surface` prints what the builds differ in, and `-- --accept` rewrites the file.
"""

from __future__ import annotations

import json
import os
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ci import console, manifest
from ci.documents import Record, convert, read_toml
from ci.errors import UserError, suggest
from ci.gcov import lines as c_lines
from ci.matrix import results
from ci.matrix.machine import Machine
from ci.matrix.prepare import copy_checkout
from ci.matrix.results import Result
from ci.matrix.surface import Surface
from ci.project import Project
from ci.report.gather import gather

NAME = "coverage/surface.toml"
ACCEPT = "--accept"
# The file of the report with each cell's surface.
TABLE = "surface.json"
# How many names a complaint lists.
LISTED = 5

HEAD = """\
# The names of the extension. Each of `builds` has those of `everywhere`; of the others, `absent`
# says which builds lack them, and why. `nox -s surface -- --accept` writes the file and keeps the
# reasons: write those of new groups, and review the difference.

"""


class _Absent(Record, frozen=True):
    why: str
    builds: list[str]
    names: list[str]


class _Golden(Record, frozen=True):
    builds: list[str]
    absent: list[_Absent]
    everywhere: list[str]


@dataclass(frozen=True, slots=True)
class Golden:
    """What the golden file expects.

    Attributes:
        builds: the builds that it knows.
        everywhere: the names that every build has.
        absent: the names that some builds lack, and why, by the builds that lack them.
    """

    builds: frozenset[str]
    everywhere: frozenset[str]
    absent: Mapping[tuple[str, ...], tuple[frozenset[str], str]]

    def expected(self, build: str) -> frozenset[str]:
        """Return the names that a build must have.

        A build that the file does not have lacks what its variant takes away from other releases.
        """
        series, _, variant = build.partition("-")
        if build in self.builds or series not in self.builds:
            there = [names for builds, (names, _) in self.absent.items() if build not in builds]
            return self.everywhere.union(*there)
        like = [each for each in self.builds if each.partition("-")[2] == variant]
        taken = [self.expected(each.partition("-")[0]) - self.expected(each) for each in like]
        return self.expected(series).difference(*taken)


def read(project: Project) -> Golden:
    """Return what the golden file of a project expects.

    Raises:
        UserError: it cannot be read, or an entry is invalid.
    """
    path = project.root / NAME
    document = convert(read_toml(path), _Golden, path)
    absent = {tuple(each.builds): (frozenset(each.names), each.why) for each in document.absent}
    return Golden(frozenset(document.builds), frozenset(document.everywhere), absent)


def complaints(usable: Iterable[Result], golden: Golden) -> list[str]:
    """Return a line for each build with new or lost names, and for each group without a reason."""
    lines = {}
    for result in usable:
        build = build_of(result)
        if not build or not result.surface.names:
            continue
        expected = golden.expected(build)
        changes = {
            "lost": sorted(expected - result.surface.names),
            "new": sorted(result.surface.names - expected),
        }
        found = ", ".join(f"{what} {_listed(names)}" for what, names in changes.items() if names)
        if found:
            lines[found, build] = (
                f"{result.expected.id}: names of the extension: {found}; if that is right, "
                f"`nox -s surface -- {ACCEPT}` writes {NAME}"
            )
    reasons = [
        f"{NAME}: absent has no reason for {', '.join(builds)}: write why they lack "
        f"{_listed(sorted(names))}"
        for builds, (names, why) in golden.absent.items()
        if not why
    ]
    return [*lines.values(), *reasons]


def build_of(result: Result) -> str:
    """Return the release and variant of a result, such as `3.5-no-ec`; empty for the system's."""
    series, variant = result.expected.series, result.expected.variant
    if series == manifest.SYSTEM:
        return ""
    return series if variant == "default" else f"{series}-{variant}"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more


def table(usable: Iterable[Result]) -> str:
    """Return each cell's surface as JSON: cells with the same surface share it by its number."""
    numbers: dict[str, int] = {}
    cells = {}
    for result in usable:
        text = json.dumps(
            {"constants": result.surface.constants, "functions": result.surface.functions},
            sort_keys=True,
        )
        cells[result.expected.id] = numbers.setdefault(text, len(numbers))
    return json.dumps({"cells": cells, "surfaces": [json.loads(text) for text in numbers]})


def accepted(usable: Iterable[Result], old: Golden) -> Golden:
    """Return what the results have; builds without a result keep what is expected of them."""
    names = {build: old.expected(build) for build in old.builds}
    for result in usable:
        build = build_of(result)
        if build and result.surface.names:
            names[build] = result.surface.names
    union = frozenset[str]().union(*names.values())
    groups: dict[tuple[str, ...], set[str]] = {}
    for name in union:
        lacking = tuple(build for build in sorted(names) if name not in names[build])
        groups.setdefault(lacking, set()).add(name)
    everywhere = frozenset(groups.pop((), set()))
    absent = {
        builds: (frozenset(found), _reason(old, builds, found)) for builds, found in groups.items()
    }
    return Golden(frozenset(names), everywhere, absent)


def _reason(old: Golden, builds: tuple[str, ...], names: set[str]) -> str:
    """Return the reason of the same builds, or of the group that has most of the names."""
    if builds in old.absent:
        return old.absent[builds][1]
    shared = {why: len(names & found) for found, why in old.absent.values()}
    best = max(shared, key=lambda why: shared[why], default="")
    return best if shared.get(best) else ""


def write(golden: Golden, project: Project) -> None:
    """Write the golden file whole."""
    text = HEAD
    for builds, (names, why) in sorted(golden.absent.items()):
        text += f"[[absent]]\nwhy = {json.dumps(why)}\n"
        text += f"builds = {_array(builds)}\nnames = {_array(sorted(names))}\n\n"
    # A key after a table of an array would be one of that table.
    top = f"builds = {_array(sorted(golden.builds))}\n"
    top += f"everywhere = {_array(sorted(golden.everywhere))}\n\n"
    text = text.replace(HEAD, HEAD + top, 1)
    path = project.root / NAME
    new = path.with_name(f".{path.name}.new")
    new.write_text(text, encoding="utf-8")
    os.replace(new, path)  # noqa: PTH105 - Path.replace is the same


def _array(values: Iterable[str]) -> str:
    wrapped = textwrap.wrap(
        ", ".join(json.dumps(each) for each in values),
        width=96,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "[\n" + "".join(f"  {line}\n" for line in wrapped) + "]"


# --- nox -s surface -------------------------------------------------------------------------------


def main(arguments: Sequence[str], project: Project) -> None:
    """Print the size of each build's surface, or what two builds or cells differ in.

    Raises:
        UserError: there is no result, or none of that build or cell.
    """
    known = manifest.load(project.manifest)
    with results.writing(project.results):
        copy_checkout(project)
        usable = gather(known, Machine.here(known), project).usable
    if not usable:
        raise UserError(f"no results in {project.results}; run `nox -s matrix`")
    if list(arguments) == [ACCEPT]:
        golden = accepted(usable, read(project))
        write(golden, project)
        for line in complaints(usable, golden):
            console.log(line)
        return
    if not arguments:
        _print_sizes(usable)
    elif len(arguments) == 2:
        _print_difference(*(_find(each, usable) for each in arguments))
    else:
        raise UserError(
            f"surface takes two builds or cells, or {ACCEPT}, not {' '.join(arguments)!r}"
        )


def _find(name: str, usable: Sequence[Result]) -> Surface:
    by_name = {each.expected.id: each.surface for each in usable}
    by_name |= {build: result.surface for build, result in _first(usable).items()}
    if name not in by_name:
        raise UserError(f"no result of {name!r}: {suggest(name, by_name)}")
    return by_name[name]


def _print_difference(first: Surface, second: Surface) -> None:
    for sign, one, other in (("-", first, second), ("+", second, first)):
        for kind in ("functions", "constants"):
            mine, theirs = getattr(one, kind), getattr(other, kind)
            for name in sorted(mine):
                if mine[name] != theirs.get(name):
                    print(f"{sign} {name} {mine[name]}")


def _first(usable: Iterable[Result]) -> dict[str, Result]:
    """Return a result of each build, one that counted lines of C if there is any."""
    by_build: dict[str, list[Result]] = {}
    for result in usable:
        if result.surface.names:
            by_build.setdefault(build_of(result) or manifest.SYSTEM, []).append(result)
    return {
        build: next((each for each in found if _lines(each)), found[0])
        for build, found in by_build.items()
    }


def _lines(result: Result) -> tuple[int, int] | None:
    """Return how many lines of C were compiled, and how many compiled out; None if unknown."""
    files = c_lines.load(result.directory / results.C_LINES).values()
    if not files:
        return None
    there = sum(len(each.run | each.missed) for each in files)
    return there, sum(len(each.compiled_out) for each in files)


def _print_sizes(usable: Sequence[Result]) -> None:
    """Print what each build has, and what its variant takes away from the release's default."""
    first = _first(usable)
    print(
        f"{'OpenSSL':<20}{'functions':>10}{'constants':>10}{'lines of C':>12}{'compiled out':>14}"
    )
    for name, result in sorted(first.items()):
        there, out = _lines(result) or ("-", "-")
        sizes = len(result.surface.functions), len(result.surface.constants)
        print(f"{name:<20}{sizes[0]:>10}{sizes[1]:>10}{there:>12}{out:>14}")
        default = first.get(result.expected.series)
        if default and default is not result:
            for kind in ("functions", "constants"):
                lacks = getattr(default.surface, kind).keys() - getattr(result.surface, kind).keys()
                if lacks:
                    print(f"    without {len(lacks)} {kind}: {_listed(sorted(lacks))}")
