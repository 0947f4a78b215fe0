"""The combined coverage data of the cells in both languages, and the totals."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import coverage
from ci import checkout
from ci.checkout import PACKAGE
from ci.errors import UserError
from ci.gcov import lines as c_lines
from ci.matrix import results
from ci.matrix.cell import SETTINGS
from ci.matrix.results import Result
from ci.report import plugin

# What is counted, in the order of the totals; each has a floor.
COUNTED = ("Python lines", "Python branches", "C lines")


@dataclass(frozen=True, slots=True)
class Total:
    """The lines or branches of one language, and those of them that ran in some cell."""

    counted: str
    count: int
    run: int

    @property
    def percent(self) -> float:
        """The share that ran in percent, 100 if there are none."""
        return 100 * self.run / self.count if self.count else 100.0

    def __str__(self) -> str:
        """Return the line that ends a session."""
        return f"{self.counted:<16}{self.percent:6.2f} %  {self.run} of {self.count} ran"


def lines(usable: Sequence[Result], copy: Path) -> coverage.Coverage:
    """Return the lines of both languages that each cell ran, with its id as their context."""
    c_cells = {each.expected.id: _c_lines(each, copy) for each in usable}
    c_plugin = plugin.CPlugin(copy, plugin.files_over(c_cells))
    measured = coverage.Coverage(
        data_file=None,
        config_file=str(copy / SETTINGS),
        branch=False,
        plugins=[lambda registry: registry.add_file_tracer(c_plugin)],
        messages=False,
    )
    data = measured.get_data()
    for each in usable:
        data.set_context(each.expected.id)
        cell = _load(each.directory / results.PYTHON)
        _check_names(cell.measured_files(), each.directory / results.PYTHON, copy)
        data.add_lines({str(copy / name): cell.lines(name) or [] for name in cell.measured_files()})
    for path in _package(copy):
        # A file that no cell imports is missed, not absent.
        data.touch_file(path)
    plugin.add_to(data, c_cells, c_plugin)
    return measured


def _c_lines(result: Result, copy: Path) -> dict[str, c_lines.CLines]:
    path = result.directory / results.C_LINES
    found = c_lines.load(path)
    _check_names(found, path, copy)
    return found


def _check_names(names: Iterable[str], path: Path, copy: Path) -> None:
    """Check that the files that a result names are among the sources.

    Raises:
        UserError: one is not, and the report would show another file of this computer.
    """
    known = {each.as_posix() for each in checkout.files(copy)}
    for name in names:
        if name not in known:
            raise UserError(f"{path}: result refused, {name!r} is no file of the sources")


def branches(usable: Sequence[Result], copy: Path) -> coverage.Coverage:
    """Return the branches of Python that the cells took whose Python can measure them."""
    measured = coverage.Coverage(
        data_file=None, config_file=str(copy / SETTINGS), branch=True, messages=False
    )
    data = measured.get_data()
    for each in usable:
        cell = _load(each.directory / results.PYTHON)
        if cell.has_arcs():
            arcs = {str(copy / name): cell.arcs(name) or [] for name in cell.measured_files()}
            data.add_arcs(arcs)
    return measured


def totals(lines: coverage.Coverage, branches: coverage.Coverage, copy: Path) -> list[Total]:
    """Return the totals of `COUNTED`."""
    taken = [
        counts
        for path in branches.get_data().measured_files()
        for counts in branches.branch_stats(path).values()
    ]
    return [
        _line_total("Python lines", lines, _package(copy)),
        Total("Python branches", sum(count for count, _ in taken), sum(run for _, run in taken)),
        _line_total(
            "C lines",
            lines,
            [path for path in lines.get_data().measured_files() if not path.endswith(".py")],
        ),
    ]


def _line_total(counted: str, measured: coverage.Coverage, paths: Sequence[str]) -> Total:
    count = missed = 0
    for path in paths:
        _, statements, _, missing, _ = measured.analysis2(path)
        count += len(statements)
        missed += len(missing)
    return Total(counted, count, count - missed)


def _package(copy: Path) -> list[str]:
    return [str(path) for path in sorted((copy / PACKAGE).rglob("*.py"))]


def _load(path: Path) -> coverage.CoverageData:
    """Return the data in a file, in memory."""
    data = coverage.CoverageData(str(path))
    loaded = coverage.CoverageData(no_disk=True)
    try:
        data.read()
        loaded.update(data)
    except (coverage.CoverageException, sqlite3.Error) as error:
        raise UserError(f"{path}: cannot be read ({error}); run the cell again") from None
    finally:
        data.close()
    return loaded
