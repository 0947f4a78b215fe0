"""`nox -s plan`: print the cells of a plan; and the arguments that choose one."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from ci import github, manifest
from ci.errors import UserError
from ci.manifest import Manifest
from ci.matrix import plan
from ci.matrix.machine import Machine
from ci.matrix.plan import Cell, Planned
from ci.matrix.prepare import builds_of
from ci.project import Project

# The options of `nox -s plan` that choose its output.
JSON, GITHUB, WHEELS = "--json", "--github", "--wheels"


@dataclass(frozen=True, slots=True)
class Choice:
    """What arguments choose.

    Attributes:
        plan: the name of a plan.
        filter: a filter; empty for none.
        others: the remaining arguments.
    """

    plan: str
    filter: str
    others: tuple[str, ...]

    def cells(self, known: Manifest) -> list[Planned]:
        """Return the planned cells.

        Raises:
            UserError: the plan or the filter is invalid, or selects no cell.
        """
        return plan.make(known, self.plan, self.filter, today=date.today())


def choose(arguments: Sequence[str], root: Path, name: str = "default") -> Choice:
    """Return the plan that arguments choose.

    `--plan NAME` names it. A filter is the first argument that is neither an option nor a file; it
    selects among all cells, unless a plan is named.

    Args:
        arguments: those after `--`.
        root: the checkout's directory, to tell tests from filters.
        name: the plan without `--plan` and filter.

    Raises:
        UserError: `--plan` has no value or is given twice, or the filter is empty.
    """
    names: list[str] = []
    rest: list[str] = []
    remaining = iter(arguments)
    for argument in remaining:
        option, equals, value = argument.partition("=")
        if option == "--plan":
            names.append(value if equals else next(remaining, ""))
        else:
            rest.append(argument)
    if not all(names):
        raise UserError(f"--plan needs the name of a plan: {', '.join(plan.NAMES)}")
    if len(names) > 1:
        raise UserError(f"--plan is given {len(names)} times: {', '.join(names)}; name one plan")
    named = "".join(names)
    chosen = ""
    if rest and not rest[0].startswith("-") and not _is_test(rest[0], root):
        chosen = rest.pop(0)
        if not chosen.strip():
            raise UserError("the filter is empty; write such as 'openssl=3.5', or no argument")
    return Choice(named or ("all" if chosen else name), chosen, tuple(rest))


def _is_test(argument: str, root: Path) -> bool:
    """Return whether an argument is pytest's name of a file, directory or test."""
    path = argument.partition("::")[0]
    # A filter can be longer than a file's name, for which pathlib raises.
    exists = bool(path) and os.path.exists(root / path)  # noqa: PTH110
    return "::" in argument or path.endswith(".py") or exists


def main(arguments: Sequence[str], project: Project) -> None:
    """Print a plan as a table, as JSON (`--json`), or as jobs of GitHub Actions (`--github`).

    `--wheels` prints the jobs that build the release wheels.

    Raises:
        UserError: an argument is invalid, or the plan holds no cell.
    """
    outputs = [each for each in arguments if each in (JSON, GITHUB, WHEELS)]
    choice = choose([each for each in arguments if each not in outputs], project.root)
    if choice.others or len(outputs) > 1:
        wrong = choice.others[0] if choice.others else outputs[1]
        raise UserError(
            f"plan: unexpected argument {wrong!r}; it takes --plan NAME, one filter, and {JSON}, "
            f"{GITHUB} or {WHEELS}"
        )
    known = manifest.load(project.manifest)
    if outputs == [WHEELS]:
        github.output("wheels", json.dumps({"include": wheel_jobs(known)}))
        return
    planned = choice.cells(known)
    if outputs == [GITHUB]:
        github.output("matrix", json.dumps({"include": jobs(known, planned)}))
        return
    machine = Machine.here(known)
    if outputs == [JSON]:
        print(json.dumps([_record(each, machine) for each in planned], indent=1))
        return
    _print_table(planned, machine)


def _record(planned: Planned, machine: Machine) -> dict[str, object]:
    cell = planned.cell
    return {
        "id": cell.id,
        "why": planned.why,
        "required": planned.required,
        "runnable": not machine.obstacle(cell),
        **cell.axes,
    }


def jobs(known: Manifest, planned: Sequence[Planned]) -> list[dict[str, str]]:
    """Return a job for each OpenSSL build on each platform, with the filter of its cells.

    A job is optional if each of its cells may fail; else an empty string says that it is not.
    """
    runners = {each.name: each for each in known.platforms}
    made: dict[tuple[str, str], dict[str, str]] = {}
    builds: dict[tuple[str, str], dict[str, None]] = {}
    required = {(e.cell.build.name, e.cell.platform) for e in planned if e.required}
    for each in planned:
        cell = each.cell
        job = cell.build.name, cell.platform
        made.setdefault(
            job,
            {
                "build": cell.build.name,
                "platform": cell.platform,
                "runner": runners[cell.platform].runner,
                "container": runners[cell.platform].container,
                "cells": _filter_of(known, cell),
                "optional": "" if job in required else "optional",
            },
        )
        names = [build.name for build in builds_of([cell])]
        builds.setdefault(job, {}).update(dict.fromkeys(names))
    return [{**made[job], "builds": " ".join(builds[job])} for job in made]


def wheel_jobs(known: Manifest) -> list[dict[str, str]]:
    """Return a job for each platform that has release wheels, with its CIBW_ARCHS."""
    if not known.wheels:
        return []
    platforms = dict.fromkeys(manifest.platform_of(tag) for tag in known.wheels.tags)
    return [
        {"platform": name, "runner": known.wheels.runners[name], "archs": _architecture(name)}
        for name in platforms
    ]


def _architecture(platform: str) -> str:
    """Return a platform's architecture in cibuildwheel's spelling, which is the system's."""
    system, _, processor = platform.partition("-")
    return processor.upper() if system == "windows" else processor


def _filter_of(known: Manifest, cell: Cell) -> str:
    """Return the filter of the cells that share a cell's build and platform."""
    axes = cell.axes
    terms = [f"{axis}={axes[axis]}" for axis in ("platform", "openssl", "variant", "link")]
    own = [flags.name for flags in known.flags if flags.options]
    if cell.build.flags:
        terms.append(f"flags={cell.flags.name}")
    elif own:
        terms.append(f"flags!={','.join(own)}")
    return " and ".join(terms)


def _print_table(planned: Sequence[Planned], machine: Machine) -> None:
    table = Table(Column("cell", no_wrap=True), "here", "why", box=box.SIMPLE_HEAD)
    able = 0
    for each in planned:
        obstacle = machine.obstacle(each.cell)
        able += not obstacle
        why = each.why if each.required else f"{each.why}; may fail: {_allowance(each)}"
        table.add_row(each.cell.id, Text(obstacle or "runs"), Text(why))
    console = Console(soft_wrap=True)
    console.print(table)
    builds = {(each.cell.build.name, each.cell.platform) for each in planned}
    local = {build for build, platform in builds if platform == machine.platform}
    optional = sum(not each.required for each in planned)
    console.print(
        f"{len(planned)} cells of {len(builds)} builds, {optional} may fail; "
        f"{able} cells run here, on {machine.platform}, which has {len(local)} of the builds",
        highlight=False,
    )


def _allowance(planned: Planned) -> str:
    rule = planned.allowed
    return f"{rule.why} until {rule.until}" if rule else ""
