"""Run cells, several at a time."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Sequence

from ci import console, disk, process
from ci.errors import UserError
from ci.manifest import Manifest
from ci.matrix import cell as one
from ci.matrix import results
from ci.matrix.cell import Outcome
from ci.matrix.machine import Machine
from ci.matrix.plan import Cell, Planned
from ci.matrix.prepare import Inputs, prepare
from ci.matrix.results import NotRun
from ci.project import Project

# The failed tests of a cell whose commands are logged.
REPLAYED = 5


def run(
    planned: Sequence[Planned],
    manifest: Manifest,
    arguments: Sequence[str],
    machine: Machine,
    project: Project,
    *,
    fresh: bool = True,
) -> tuple[list[Outcome], list[NotRun]]:
    """Run the cells that the computer can run; return their outcomes, and the other cells.

    Unless `fresh`, a cell that passed and that nothing has changed since is not run again.
    """
    started = time.monotonic()
    obstacles = {each.cell: machine.obstacle(each.cell) for each in planned}
    missing = [NotRun(cell.id, why) for cell, why in obstacles.items() if why]
    able = [cell for cell, why in obstacles.items() if not why]
    # The longest first, so that no core is idle at the end.
    able.sort(key=lambda cell: -_estimate(cell, project))
    outcomes = []
    if able:
        inputs = prepare(able, manifest, arguments, machine.pythons, project, fresh=fresh)
        outcomes = run_all(able, inputs)
    _log_missing(missing)
    _log_failures(outcomes)
    passed = sum(not outcome.why for outcome in outcomes)
    unchanged = sum(outcome.unchanged for outcome in outcomes)
    console.log(
        f"{passed} of {len(outcomes)} cells passed in {time.monotonic() - started:.0f} s"
        + (f", {unchanged} of them unchanged and not run again" if unchanged else "")
        + (f", {len(missing)} not run" if missing else "")
    )
    return outcomes, missing


def run_all(cells: Sequence[Cell], inputs: Inputs) -> list[Outcome]:
    """Run the cells that have changed, log a line for each, and return the outcomes of all."""
    kept = {cell.id: outcome for cell in cells if (outcome := one.unchanged(cell, inputs))}
    for outcome in kept.values():
        console.log(f"unchanged {outcome.id:<24} {outcome.summary}")
    changed = [cell for cell in cells if cell.id not in kept]
    if not changed:
        return list(kept.values())
    one.check_arguments(changed[0], inputs)
    seconds = {cell.id: _estimate(cell, inputs.project) for cell in changed}
    done: list[Outcome] = []

    with console.Count("cells", seconds, _jobs()) as count:

        def run_one(cell: Cell) -> Outcome:
            with count.task(cell.id):
                outcome = _run(cell, inputs, done)
                if outcome.why:
                    count.fail()
                done.append(outcome)
            return outcome

        started, used = time.monotonic(), process.seconds_used()
        ran = {each.id: each for each in process.in_threads(run_one, changed, _jobs())}
        used = process.seconds_used() - used
        console.log(
            f"cells: {used:.0f} CPU seconds in {time.monotonic() - started:.0f} s"
            f" on {os.cpu_count()} cores"
        )
    return [kept.get(cell.id) or ran[cell.id] for cell in cells]


def _run(cell: Cell, inputs: Inputs, earlier: Sequence[Outcome]) -> Outcome:
    root = inputs.project.results
    started = time.monotonic()
    try:
        with disk.reported(root, str(root), "use another disk"):
            outcome = one.run(cell, inputs)
    except UserError as error:
        outcome = Outcome(cell.id, "no result", str(error))
    # At most 60 columns.
    console.log(
        f"{'FAILED' if outcome.why else 'passed'} {cell.id:<25} {outcome.summary:<20}"
        f" {time.monotonic() - started:3.0f} s" + _details(outcome, earlier)
    )
    return outcome


def _estimate(cell: Cell, project: Project) -> float:
    """Return the seconds that a cell took when it ran last, or those of its flags."""
    return results.duration(project.results / cell.id) or cell.flags.seconds


def _details(outcome: Outcome, earlier: Sequence[Outcome]) -> str:
    """Return why a cell failed, or the earlier cell in which the same tests failed."""
    if not outcome.why:
        return ""
    same = [other.id for other in earlier if other.failed and other.failed == outcome.failed]
    return f"\n  | the same tests as in {same[0]}" if same else f"\n{outcome.why}"


def _log_missing(missing: Sequence[NotRun]) -> None:
    """Log a line for each reason, because all cells of a Python share one."""
    by_reason: dict[str, list[str]] = {}
    for each in missing:
        by_reason.setdefault(each.why, []).append(each.id)
    for why, ids in by_reason.items():
        console.log(f"  not run  {why}: {', '.join(ids)}")


def _log_failures(outcomes: Sequence[Outcome]) -> None:
    """Log each failed cell with the commands that run it, or one of its tests, again."""
    for outcome in outcomes:
        if not outcome.why:
            continue
        # The first line is what the others explain.
        why = outcome.summary if outcome.failed else outcome.why.splitlines()[0]
        console.log(f"failed   {outcome.id}: {why}")
        tests = sorted(outcome.failed)
        for test in tests[:REPLAYED]:
            console.log(f"  nox -s {outcome.id} -- {shlex.quote(test)}")
        if not tests:
            console.log(f"  nox -s {outcome.id}")
        elif len(tests) > REPLAYED:
            console.log(f"  nox -s {outcome.id}    # and {len(tests) - REPLAYED} more tests")


def _jobs() -> int:
    # One more than there are cores, because tests wait for peers a tenth of their time.
    return (os.cpu_count() or 1) + 1
