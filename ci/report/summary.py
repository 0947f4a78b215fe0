"""The summary of a report in Markdown, which GitHub Actions shows on the page of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from ci.matrix.results import NotRun, Result
from ci.report.gather import Gathered
from ci.report.measured import Total

# How many lines a list has before it counts the others.
LISTED = 20


def markdown(
    gathered: Gathered,
    totals: Sequence[Total],
    complaints: Sequence[str],
    missing: str,
    warnings: Sequence[str],
) -> str:
    """Return what the page of a run shows.

    Args:
        gathered: the results, which become a row for each OpenSSL build, and the cells without one.
        totals: those of the report.
        complaints: why the report fails.
        missing: what the computer lacks for tests that ran in no cell; empty for nothing.
        warnings: those of releases near the end of their life.
    """
    lines = [*_listed("Complaints", complaints), *_listed("Skipped everywhere", [missing])]
    lines += ["", "| | ran | of | |", "|---|--:|--:|--:|"]
    lines += [
        f"| {each.counted} | {each.run} | {each.count} | {each.percent:.2f} % |" for each in totals
    ]
    lines += ["", "| OpenSSL | cells | tests | skipped | failed |", "|---|--:|--:|--:|--:|"]
    builds: dict[str, list[Result]] = {}
    names = {each.cell.id: each.cell.build.name for each in gathered.planned}
    for result in gathered.usable:
        builds.setdefault(names[result.expected.id], []).append(result)
    for name, results in builds.items():
        counts: Counter[str] = Counter()
        for result in results:
            counts["passed"] += result.tests.passed
            counts["skipped"] += len(result.tests.skipped)
            counts["failed"] += len(result.tests.failed)
        row = (name, len(results), counts["passed"], counts["skipped"], counts["failed"])
        lines.append(f"| {' | '.join(map(str, row))} |")
    failed = [each for each in gathered.usable if each.tests.failed]
    lines += _listed(
        "Failed",
        [f"{each.expected.id}: {', '.join(sorted(each.tests.failed)[:3])}" for each in failed],
    )
    lines += _listed("Not run", _by_reason(gathered.absent))
    lines += _listed("Warnings", warnings)
    return "\n".join([*lines, ""])


def _by_reason(absent: Iterable[NotRun]) -> list[str]:
    """Return a line for each reason: the cell, or the number of cells, which can be hundreds."""
    cells: dict[str, list[str]] = {}
    for each in absent:
        cells.setdefault(each.why, []).append(each.id)
    return [
        f"{ids[0] if len(ids) == 1 else f'{len(ids)} cells'}: {why}" for why, ids in cells.items()
    ]


def _listed(title: str, lines: Sequence[str]) -> list[str]:
    """Return a list in Markdown, where a code span has no line break and no backtick."""
    texts = [" ".join(each.split()).replace("`", "'") for each in lines if each]
    if not texts:
        return []
    more = [f"- and {len(texts) - LISTED} more"] if len(texts) > LISTED else []
    return ["", f"### {title}", "", *(f"- `{each}`" for each in texts[:LISTED]), *more]
