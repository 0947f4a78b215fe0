"""Run cells, several at a time."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

from ci import console, disk, process
from ci.errors import UserError
from ci.manifest import Manifest
from ci.matrix import cell as one
from ci.matrix.cell import Outcome
from ci.matrix.machine import Machine
from ci.matrix.plan import Cell, Planned
from ci.matrix.prepare import Inputs, prepare
from ci.matrix.results import NotRun
from ci.project import Project


def run(
    planned: Sequence[Planned],
    manifest: Manifest,
    arguments: Sequence[str],
    machine: Machine,
    project: Project,
) -> tuple[list[Outcome], list[NotRun]]:
    """Run the cells that the computer can run; return their outcomes, and the other cells."""
    started = time.monotonic()
    obstacles = {each.cell: machine.obstacle(each.cell) for each in planned}
    missing = [NotRun(cell.id, why) for cell, why in obstacles.items() if why]
    able = [cell for cell, why in obstacles.items() if not why]
    # The longest first, so that no core is idle at the end.
    able.sort(key=lambda cell: -cell.flags.seconds)
    outcomes = []
    if able:
        inputs = prepare(able, manifest, arguments, machine.pythons, project)
        outcomes = run_all(able, inputs)
    _log_missing(missing)
    passed = sum(not outcome.why for outcome in outcomes)
    console.log(
        f"{passed} of {len(outcomes)} cells passed in {time.monotonic() - started:.0f} s"
        + (f", {len(missing)} not run" if missing else "")
    )
    return outcomes, missing


def run_all(cells: Sequence[Cell], inputs: Inputs) -> list[Outcome]:
    """Run cells, log a line for each, and return their outcomes."""
    done: list[Outcome] = []
    one.check_arguments(cells[0], inputs)

    def run_one(cell: Cell) -> Outcome:
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
            f" {time.monotonic() - started:3.0f} s" + _details(outcome, done)
        )
        done.append(outcome)
        return outcome

    return process.in_threads(run_one, cells, _jobs())


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


def _jobs() -> int:
    # One more than there are cores, because tests wait for peers a tenth of their time.
    return (os.cpu_count() or 1) + 1
