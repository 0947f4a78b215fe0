"""A coverage.py plugin that shows C beside Python in coverage.py's HTML report."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from coverage.plugin import CodeRegion, CoveragePlugin, FileReporter

import coverage
from ci.gcov.c_source import tokens
from ci.gcov.lines import CLines, Function

# The context of the lines that were compiled out in a cell is this and the cell's id. coverage.py's
# report lists it on the line as it lists the cells that ran it. It sorts before the ids.
COMPILED_OUT_IN = "compiled out in "


@dataclass(frozen=True, slots=True)
class CFile:
    """A C file over all cells of a report.

    Attributes:
        statements: the lines that can run in at least one cell.
        run: those of them that ran in at least one cell.
        excluded: the code lines that are compiled out in every cell.
    """

    name: str
    statements: frozenset[int]
    run: frozenset[int]
    excluded: frozenset[int]
    functions: frozenset[Function]

    @classmethod
    def over(cls, name: str, cells: Iterable[CLines]) -> CFile:
        """Return the file `name` with the lines of all cells."""
        each = list(cells)
        run = frozenset[int]().union(*(lines.run for lines in each))
        statements = run.union(*(lines.missed for lines in each))
        out = [lines.compiled_out for lines in each]
        excluded = frozenset.intersection(*out) - statements if out else frozenset()
        functions = frozenset[Function]().union(*(lines.functions for lines in each))
        return cls(name, statements, run, excluded, functions)


def files_over(cells: Mapping[str, Mapping[str, CLines]]) -> list[CFile]:
    """Return each C file with the lines of all cells, except headers without code."""
    names = sorted({name for lines in cells.values() for name in lines})
    files = (
        CFile.over(name, [lines[name] for lines in cells.values() if name in lines])
        for name in names
    )
    return [file for file in files if file.statements or not file.name.endswith(".h")]


def add_to(
    data: coverage.CoverageData, cells: Mapping[str, Mapping[str, CLines]], plugin: CPlugin
) -> None:
    """Add the C lines of each cell to coverage.py's data.

    The cell's context has the lines that ran, and a second context those that were compiled out,
    which `CReporter.translate_lines` does not count as run. coverage.py's pages list contexts on
    every line, run, missed or excluded.
    """
    paths = {file.name: path for path, file in plugin.files.items()}
    shown = {path: file.statements | file.excluded for path, file in plugin.files.items()}
    for cell, lines in cells.items():
        data.set_context(cell)
        files = [(path, lines[name]) for name, path in paths.items() if name in lines]
        data.set_context(cell)
        data.add_lines({path: each.run for path, each in files})
        data.set_context(COMPILED_OUT_IN + cell)
        data.add_lines({path: each.compiled_out & shown[path] for path, each in files})
    for path in plugin.files:
        # coverage.py's name of the plugin is not public.
        data.touch_file(path, plugin._coverage_plugin_name)


class CPlugin(CoveragePlugin):
    """A coverage.py plugin that reports C files and measures nothing."""

    def __init__(self, project: Path, files: Iterable[CFile]) -> None:
        self.files = {str(project / file.name): file for file in files}

    def file_reporter(self, filename: str) -> CReporter:
        """Return the reporter of a file that `add_to` added."""
        return CReporter(filename, self.files[filename])


class CReporter(FileReporter):
    """coverage.py's reporter of a C file: its lines, tokens and functions."""

    def __init__(self, filename: str, file: CFile) -> None:
        super().__init__(filename)
        self._file = file

    def relative_filename(self) -> str:
        """Return the path from the project's root."""
        return self._file.name

    def lines(self) -> set[int]:
        """Return the lines that can run."""
        return set(self._file.statements)

    def excluded_lines(self) -> set[int]:
        """Return the lines that are compiled out in every cell."""
        return set(self._file.excluded)

    def translate_lines(self, lines: Iterable[int]) -> set[int]:
        """Return those of the data's lines that ran, without those compiled out."""
        return set(lines) & self._file.run

    def source_token_lines(self) -> Iterator[list[tuple[str, str]]]:
        """Yield the tokens of each line, with coverage.py's names for their kinds."""
        text = self.source()
        lines: list[list[tuple[str, str]]] = [[] for _ in text.splitlines()]
        for token in tokens(text.expandtabs(8)):
            if token.kind != "nl":
                lines[token.line - 1].append((token.kind, token.text))
        yield from lines

    def code_region_kinds(self) -> list[tuple[str, str]]:
        """Return the kinds of regions in C: functions."""
        return [("function", "functions")]

    def code_regions(self) -> list[CodeRegion]:
        """Return the functions, for the report's page of functions."""
        return [
            CodeRegion("function", each.name, each.first, set(range(each.first, each.last + 1)))
            for each in sorted(self._file.functions, key=lambda each: each.first)
        ]
