"""gcov's counts: which lines of each C file ran, were missed or were compiled out in a cell."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta

from ci import toolchain
from ci.documents import Record, convert, read_json
from ci.gcov.c_source import source_name
from ci.gcov.notes import COMPILED_OUT, Command, commands
from ci.process import capture


@dataclass(frozen=True, slots=True)
class Function:
    """A C function and the lines it spans."""

    name: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class CLines:
    """The lines of one C file in one cell. Only `missed` lines lower the coverage."""

    run: frozenset[int] = frozenset()
    missed: frozenset[int] = frozenset()
    compiled_out: frozenset[int] = frozenset()
    functions: frozenset[Function] = frozenset()


def measure(notes: Path, counts: Path) -> dict[str, CLines]:
    """Return the state of each C file's lines after one run.

    Args:
        notes: the directory that `keep_notes` filled.
        counts: the directory of the run's `.gcda` files (GCOV_PREFIX). Links to the notes are
            written there, because gcov reads both from one directory.

    Returns:
        The lines by file. A file of which nothing ran has no counts, and its notes alone list its
        lines as missed.
    """
    calls = [call for call in commands(notes) if call.hand_written]
    links = [_link(notes, call, counts) for call in calls]
    out = json.loads((notes / COMPILED_OUT).read_text(encoding="utf-8"))
    tally = _Tally()
    if calls:
        _run_gcov(calls[0], links, tally)
    return {name: tally.states(name, frozenset(lines)) for name, lines in out.items()}


def _link(notes: Path, call: Command, counts: Path) -> Path:
    note = notes / Path(call.output).with_suffix(".gcno").name
    link = counts / note.name
    counts.mkdir(parents=True, exist_ok=True)
    if not link.is_symlink():
        link.symlink_to(note)
    return link


@dataclass(slots=True)
class _Tally:
    """What gcov reported of each file: lines that ran, lines that can run, and functions."""

    ran: dict[str, set[int]] = field(default_factory=dict)
    seen: dict[str, set[int]] = field(default_factory=dict)
    functions: dict[str, set[Function]] = field(default_factory=dict)

    def line(self, name: str, number: int, count: int) -> None:
        # A header's line is reported once for each file that includes it.
        self.seen.setdefault(name, set()).add(number)
        if count:
            self.ran.setdefault(name, set()).add(number)

    def states(self, name: str, out: frozenset[int]) -> CLines:
        ran = frozenset(self.ran.get(name, ()))
        missed = frozenset(self.seen.get(name, ())) - ran
        return CLines(ran, missed, out, frozenset(self.functions.get(name, ())))


def _run_gcov(call: Command, links: list[Path], tally: _Tally) -> None:
    """Run the gcov of the compiler that wrote the notes."""
    command = toolchain.gcov(call.argv)
    directory = links[0].parent
    names = [link.name for link in links]
    if command[0].startswith("llvm-cov"):
        capture([*command, "-i", *names], cwd=directory)
        for name in names:
            _read_intermediate((directory / f"{name}.gcov").read_text(encoding="utf-8"), tally)
    else:
        output = capture([*command, "--json-format", "--stdout", *names], cwd=directory)
        for line in output.splitlines():
            _read_json(json.loads(line), tally)


def _read_json(document: dict[str, Any], tally: _Tally) -> None:
    """Add GCC's JSON (gcov(1), --json-format) to the tally."""
    for file in document["files"]:
        if name := source_name(file["file"]):
            for line in file["lines"]:
                tally.line(name, line["line_number"], line["count"])
            tally.functions.setdefault(name, set()).update(
                Function(each["name"], each["start_line"], each["end_line"])
                for each in file["functions"]
            )


def _read_intermediate(text: str, tally: _Tally) -> None:
    """Add LLVM's text (llvm-cov gcov -i) to the tally: `file:NAME`, then `lcount:LINE,COUNT`."""
    name: str | None = None
    for line in text.splitlines():
        word, _, rest = line.partition(":")
        if word == "file":
            name = source_name(rest)
        elif word == "lcount" and name:
            number, count = rest.split(",")[:2]
            tally.line(name, int(number), int(count))


def dump(lines: Mapping[str, CLines], path: Path) -> None:
    """Write the C lines of a cell."""
    document = {
        name: {
            "run": sorted(each.run),
            "missed": sorted(each.missed),
            "compiled_out": sorted(each.compiled_out),
            "functions": sorted([f.name, f.first, f.last] for f in each.functions),
        }
        for name, each in lines.items()
    }
    path.write_text(json.dumps(document), encoding="utf-8")


def load(path: Path) -> dict[str, CLines]:
    """Return the C lines of a cell.

    Raises:
        UserError: the file does not hold what `dump` writes.
    """
    files = convert(read_json(path), dict[str, _Lines], path)
    return {
        name: CLines(
            frozenset(each.run),
            frozenset(each.missed),
            frozenset(each.compiled_out),
            frozenset(Function(*function) for function in each.functions),
        )
        for name, each in files.items()
    }


# No file has more lines.
_Number = Annotated[int, Meta(ge=1, le=10**6, description="the number of a line")]


class _Lines(Record, frozen=True):
    run: list[_Number]
    missed: list[_Number]
    compiled_out: list[_Number]
    functions: list[tuple[str, _Number, _Number]]
