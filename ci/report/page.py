"""The HTML report: coverage.py's pages of Python and C, the table of cells, that of peers."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

import jinja2

import coverage
from ci.cache import key
from ci.directories import replacement
from ci.documents import Record, convert, read_json
from ci.errors import UserError
from ci.manifest import Manifest
from ci.matrix.results import SEAL, NotRun, Result
from ci.project import Project
from ci.report import measured, peers, surface
from ci.report.gather import Gathered
from ci.report.measured import Total

# What the report was made of, and its totals.
RECORD = "report.json"


class _Made(Record, frozen=True):
    key: str
    totals: list[Total]


@dataclass(frozen=True, slots=True)
class _TableCell:
    """A cell in the table: its result, or why it has none."""

    id: str
    result: Result | None
    why: str

    @property
    def state(self) -> str:
        """The CSS class."""
        if self.result is None:
            return "absent"
        return "failed" if self.result.tests.failed else "passed"

    @property
    def title(self) -> str:
        """The tooltip."""
        if self.result is None:
            return f"{self.id}: {self.why}"
        return f"{self.id}: {self.result.timings.tests:.1f} s, {self.result.stamp.library}"


def update(gathered: Gathered, manifest: Manifest, project: Project) -> list[Total]:
    """Write the report unless the existing one is made of the same, and return the totals.

    Raises:
        UserError: coverage.py cannot read the data or write the report.
    """
    made_of = _key(gathered, manifest, project)
    path = project.html / RECORD
    try:
        made = convert(read_json(path), _Made, path)
    except UserError:
        made = None
    if made and made.key == made_of and (project.html / "index.html").is_file():
        return made.totals
    return write(gathered, manifest, project, made_of)


def _key(gathered: Gathered, manifest: Manifest, project: Project) -> str:
    """Return the key over everything that the report is made of."""
    templates = (*project.templates.glob("*.jinja"), *project.templates.glob("*.css"))
    files = [
        *sorted(Path(__file__).parent.glob("*.py")),
        *sorted(templates),
        *(result.directory / SEAL for result in gathered.usable),
        *filter(Path.is_file, (project.peers,)),
    ]
    return key(
        files=[hashlib.sha256(path.read_bytes()).hexdigest() for path in files],
        planned=[[each.cell.id, each.required] for each in gathered.planned],
        absent=[[each.id, each.why] for each in gathered.absent],
        pythons=manifest.pythons,
        warnings=manifest.warnings(date.today()),
        libraries=[coverage.__version__, jinja2.__version__],
    )


def write(
    gathered: Gathered, manifest: Manifest, project: Project, made_of: str = ""
) -> list[Total]:
    """Write the report of the files in the project's copy, and return the totals.

    Raises:
        UserError: coverage.py cannot read the data or write the report.
    """
    copy, root = project.copy, project.results
    try:
        # coverage.py names files from the working directory.
        with (
            contextlib.chdir(copy),
            replacement(project.html, new=root / ".html", old=root / ".html.old") as new,
        ):
            lines = measured.lines(gathered.usable, copy)
            branches = measured.branches(gathered.usable, copy)
            totals = measured.totals(lines, branches, copy)
            shares = ", ".join(f"{each.counted} {each.percent:.1f} %" for each in totals)
            lines.set_option("html:title", f"M2Crypto: {shares}")
            lines.html_report(
                directory=str(new),
                show_contexts=True,
                extra_css=str(project.templates / "report.css"),
            )
            not_taken = _not_taken(branches, copy)
            table = cells_table(gathered, manifest, project, not_taken)
            _insert(table, new / "index.html")
            (new / surface.TABLE).write_text(surface.table(gathered.usable), encoding="utf-8")
            record = {"key": made_of, "totals": [asdict(each) for each in totals]}
            (new / RECORD).write_text(json.dumps(record, indent=1), encoding="utf-8")
    except coverage.CoverageException as error:
        raise UserError(f"coverage.py cannot make the report: {error}") from None
    return totals


def cells_table(
    gathered: Gathered,
    manifest: Manifest,
    project: Project,
    not_taken: Mapping[str, Sequence[int]],
) -> str:
    """Return the HTML of the cells, builds by Pythons, of the peers, and of branches not taken."""
    usable = {result.expected.id: result for result in gathered.usable}
    why = {each.id: each.why for each in gathered.absent}
    rows: dict[str, dict[str, _TableCell]] = {}
    for cell in (each.cell for each in gathered.planned):
        row = cell.id.partition("-openssl")[2]
        shown = _TableCell(cell.id, usable.get(cell.id), why.get(cell.id, ""))
        rows.setdefault(row, {})[cell.python] = shown
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(project.templates),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template("cells.html.jinja").render(
        pythons=manifest.pythons,
        rows=rows,
        usable=len(usable),
        count=len(gathered.planned),
        absent=_by_reason(gathered.absent),
        peers=peers.read(project),
        not_taken=not_taken,
        warnings=manifest.warnings(date.today()),
    )


def _by_reason(absent: Iterable[NotRun]) -> dict[str, list[str]]:
    by_reason: dict[str, list[str]] = {}
    for each in absent:
        by_reason.setdefault(each.why, []).append(each.id)
    return by_reason


def _not_taken(branches: coverage.Coverage, copy: Path) -> dict[str, list[int]]:
    """Return the lines of each Python file of which a branch was never taken."""
    found = {}
    for path in sorted(branches.get_data().measured_files()):
        stats = branches.branch_stats(path)
        lines = [line for line, (count, taken) in sorted(stats.items()) if taken < count]
        if lines:
            found[Path(path).relative_to(copy).as_posix()] = lines
    return found


def _insert(table: str, index: Path) -> None:
    """Insert the table below coverage.py's list of files."""
    page = index.read_text(encoding="utf-8")
    if page.count("</main>") != 1:
        raise UserError("coverage.py's index page has changed: adapt ci/report/page.py")
    index.write_text(page.replace("</main>", table + "</main>"), encoding="utf-8")
