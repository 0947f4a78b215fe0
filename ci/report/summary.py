"""The summary of a report in Markdown, which GitHub Actions shows on the page of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ci.matrix.results import Result
from ci.report.gather import Gathered
from ci.report.measured import Total

# How many failed or absent cells are named.
NAMED = 20


def markdown(gathered: Gathered, totals: Sequence[Total], warnings: Sequence[str]) -> str:
    """Return the totals, a row for each OpenSSL build, `warnings`, and failed or absent cells."""
    lines = ["| | ran | of | |", "|---|--:|--:|--:|"]
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
    lines += ["", *(f"- {each}" for each in warnings)] if warnings else []
    failed = [each for each in gathered.usable if each.tests.failed]
    lines += _named(
        "Failed",
        [f"{each.expected.id}: {', '.join(sorted(each.tests.failed)[:3])}" for each in failed],
    )
    lines += _named("Not run", [f"{each.id}: {each.why}" for each in gathered.absent])
    return "\n".join([*lines, ""])


def _named(title: str, cells: Sequence[str]) -> list[str]:
    if not cells:
        return []
    more = [f"- and {len(cells) - NAMED} more"] if len(cells) > NAMED else []
    return ["", f"### {title}", "", *(f"- `{each}`" for each in cells[:NAMED]), *more]
