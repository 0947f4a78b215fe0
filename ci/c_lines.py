"""gcov's counts of a cell → the state of every C line, and those lines for coverage.py.

Given: the notes an instrumented build keeps (`.gcno` files, `compile_commands.json`), the counts a
run leaves (`.gcda` files), and the sources in `SWIG/src`. Gives: per cell and file the lines that
ran, were missed or were compiled out; and a file reporter with which coverage.py's own HTML report
shows C beside Python.

The wrapper SWIG generates is not counted: nobody writes it, nobody can act on a gap in it, and at
ten times the size of the hand-written C it would drown every real gap in the total.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from coverage.plugin import CodeRegion, CoveragePlugin, FileReporter

import coverage
from ci.problem import Problem

SOURCES = "SWIG/src"
COMMANDS = "compile_commands.json"
COMPILED_OUT = "compiled_out.json"

# --- reading C ------------------------------------------------------------------------------------

_KEYWORDS = (
    "auto|break|case|char|const|continue|default|do|double|else|enum|extern|float|for|goto|if"
    "|inline|int|long|register|return|short|signed|sizeof|static|struct|switch|typedef|union"
    "|unsigned|void|volatile|while"
)

_TOKEN = re.compile(
    rf"""
      (?P<com> /\*.*?\*/ | //(?:\\\n|[^\n])* )
    | (?P<str> "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*' )
    | (?P<pre> ^[ \t]*\#(?:\\\n|(?!/[*/])[^\n])* )
    | (?P<key> \b(?:{_KEYWORDS})\b )
    | (?P<num> \b\d[\w.]* )
    | (?P<name> [A-Za-z_]\w* )
    | (?P<nl> \n )
    | (?P<ws> [ \t\f\v\r]+ )
    | (?P<op> . )
    """,
    re.VERBOSE | re.MULTILINE | re.DOTALL,
)

# Kinds that make a line code; `pre` is a preprocessor directive.
_CODE = frozenset({"str", "key", "num", "name", "op"})

_CONDITIONAL = re.compile(r"[ \t]*#[ \t]*(?:if|ifdef|ifndef|elif|elifdef|elifndef|else|endif)\b")


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of one line of C; its kind is a group's name in `_TOKEN`, its line counts from 1."""

    kind: str
    text: str
    line: int


def tokens(text: str) -> Iterator[Token]:
    """Cut C source into tokens; one that spans lines is cut at each line's end."""
    line = 1
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup or "op"
        pieces = match.group().split("\n")
        for offset, piece in enumerate(pieces):
            if piece:
                yield Token(kind, piece, line + offset)
        line += len(pieces) - 1


def groups(text: str) -> list[frozenset[int]]:
    """The code lines between any two conditional directives: what is compiled in or out as one."""
    found: list[set[int]] = [set()]
    directive = 0
    for token in tokens(text):
        if token.kind == "pre":
            directive = token.line
            if _CONDITIONAL.match(token.text):
                found.append(set())
        elif token.kind in _CODE and token.line != directive:
            found[-1].add(token.line)
    return [frozenset(group) for group in found if group]


# --- compiled out ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Command:
    """How the compiler was called for one source file (an entry of `compile_commands.json`)."""

    directory: Path
    file: str
    argv: tuple[str, ...]
    output: str

    @property
    def hand_written(self) -> bool:
        """Whether the file is one of `SWIG/src` and so counts."""
        return source_name(self.file) is not None

    def preprocess(self) -> list[str]:
        """The same call, but to write preprocessed text instead of an object."""
        # ccache keeps no preprocessed text, it only costs time.
        argv = [word for word in self.argv if Path(word).name != "ccache"]
        if "-o" in argv:
            at = argv.index("-o")
            del argv[at : at + 2]
        return [word for word in argv if word != "-c"] + ["-E"]


def source_name(path: str) -> str | None:
    """`…/SWIG/src/ec.c` as `SWIG/src/ec.c`, whatever folder it was compiled in; else None."""
    at = f"/{path}".rfind(f"/{SOURCES}/")
    return None if at < 0 else path[at:]


def commands(notes: Path) -> list[Command]:
    """Read the compile commands an instrumented build kept in `notes`."""
    path = notes / COMMANDS
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        return [
            Command(
                Path(entry["directory"]),
                entry["file"],
                tuple(entry.get("arguments") or shlex.split(entry["command"])),
                entry["output"],
            )
            for entry in entries
        ]
    except FileNotFoundError:
        raise Problem(f"{path}: missing; the extension was not built for coverage") from None
    except (ValueError, KeyError, TypeError) as error:
        raise Problem(f"{path}: not a list of compile commands ({error!r})") from None


_LINEMARKER = re.compile(r'^#(?:line)? (\d+) "((?:[^"\\]|\\.)*)".*\n', re.MULTILINE)


def present_lines(preprocessed: str) -> dict[str, set[int]]:
    """The lines of each file of `SWIG/src` that left something behind in preprocessed text."""
    present: dict[str, set[int]] = {}
    _, *pieces = _LINEMARKER.split(preprocessed)
    for number, path, text in zip(pieces[::3], pieces[1::3], pieces[2::3], strict=True):
        if name := source_name(path):
            lines = enumerate(text.splitlines(), int(number))
            present.setdefault(name, set()).update(at for at, line in lines if line.strip())
    return present


def compiled_out(project: Path, calls: Iterable[Command]) -> dict[str, list[int]]:
    """The code lines of each file in `SWIG/src` that the preprocessor left out of every object.

    The compiler itself is asked, with the flags of the build. A group of lines between two
    conditional directives is out when nothing of it is left: judging by groups, a macro call over
    several lines, which the preprocessor joins into its first, is not mistaken for one.
    """
    counted = [call for call in calls if call.hand_written]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        texts = list(pool.map(lambda call: _output(call.preprocess(), call.directory), counted))
    present: dict[str, set[int]] = {}
    for text in texts:
        for name, lines in present_lines(text).items():
            present.setdefault(name, set()).update(lines)
    out = {}
    for path in sorted((project / SOURCES).glob("*.[ch]")):
        name = f"{SOURCES}/{path.name}"
        left = present.get(name, set())
        found = [group for group in groups(path.read_text(encoding="utf-8")) if not group & left]
        out[name] = sorted(set().union(*found))
    return out


def keep_notes(project: Path, objects: Path, notes: Path) -> None:
    """Move what cells need of an instrumented build from its objects' folder into `notes`.

    That is gcov's notes, the compile commands, and what was compiled out, found here once for
    every cell that uses this build, while the sources it was made of are at hand.
    """
    notes.mkdir(parents=True, exist_ok=True)
    calls = commands(objects)
    for call in calls:
        if call.hand_written:
            note = (call.directory / call.output).with_suffix(".gcno")
            shutil.copy2(note, notes / note.name)
    shutil.copy2(objects / COMMANDS, notes / COMMANDS)
    found = compiled_out(project, calls)
    (notes / COMPILED_OUT).write_text(json.dumps(found), encoding="utf-8")


# --- the three states -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Function:
    """A C function and the lines it spans."""

    name: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class CLines:
    """The lines of one C file in one cell. Only `missed` is a gap."""

    run: frozenset[int] = frozenset()
    missed: frozenset[int] = frozenset()
    compiled_out: frozenset[int] = frozenset()
    functions: frozenset[Function] = frozenset()


def measure(notes: Path, counts: Path) -> dict[str, CLines]:
    """Join the notes of a build with the counts of one run, by the compiler's own gcov.

    `counts` is where the run left its `.gcda` files (GCOV_PREFIX); links to the notes are put
    beside them, which is where gcov looks for both. A file nothing of which ran has no counts:
    its notes alone say that all of it was missed.
    """
    calls = [call for call in commands(notes) if call.hand_written]
    links = [_link(notes, call, counts) for call in calls]
    out = json.loads((notes / COMPILED_OUT).read_text(encoding="utf-8"))
    tally = _Tally()
    if calls:
        _ask_gcov(calls[0], links, tally)
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
    """What gcov said of each file: lines that ran, all lines it can count, and functions."""

    ran: dict[str, set[int]] = field(default_factory=dict)
    seen: dict[str, set[int]] = field(default_factory=dict)
    functions: dict[str, set[Function]] = field(default_factory=dict)

    def line(self, name: str, number: int, count: int) -> None:
        # A header's line is there once for every file that includes it: run once is run.
        self.seen.setdefault(name, set()).add(number)
        if count:
            self.ran.setdefault(name, set()).add(number)

    def states(self, name: str, out: frozenset[int]) -> CLines:
        ran = frozenset(self.ran.get(name, ()))
        missed = frozenset(self.seen.get(name, ())) - ran
        return CLines(ran, missed, out, frozenset(self.functions.get(name, ())))


def _ask_gcov(call: Command, links: list[Path], tally: _Tally) -> None:
    """Run the gcov that reads what this compiler wrote: GCC's own, or LLVM's for clang."""
    compiler = next(word for word in call.argv if Path(word).name != "ccache")
    folder = links[0].parent
    names = [link.name for link in links]
    if _is_clang(compiler):
        version = re.search(r"-\d+$", compiler)
        llvm_cov = "llvm-cov" + (version[0] if version else "")
        _output([llvm_cov, "gcov", "-i", *names], folder)
        for name in names:
            _read_intermediate((folder / f"{name}.gcov").read_text(encoding="utf-8"), tally)
    else:
        gcov = re.sub(r"(gcc|cc)(?=(-[\d.]+)?$)", "gcov", Path(compiler).name)
        for line in _output([gcov, "--json-format", "--stdout", *names], folder).splitlines():
            _read_json(json.loads(line), tally)


def _is_clang(compiler: str) -> bool:
    # `cc` is clang on macOS and elsewhere GCC: only its own word tells.
    return "clang" in _output([compiler, "--version"], None).lower()


def _output(argv: list[str], cwd: Path | None) -> str:
    try:
        done = subprocess.run(argv, cwd=cwd, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise Problem(f"{argv[0]}: not found; install it, it comes with the compiler") from None
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        why = next((line for line in said if "error" in line), said[-1])
        raise Problem(f"{argv[0]} failed in {cwd or Path.cwd()}: {why}")
    return done.stdout


def _read_json(document: dict[str, Any], tally: _Tally) -> None:
    """GCC's format (gcov(1), --json-format)."""
    for file in document["files"]:
        if name := source_name(file["file"]):
            for line in file["lines"]:
                tally.line(name, line["line_number"], line["count"])
            tally.functions.setdefault(name, set()).update(
                Function(each["name"], each["start_line"], each["end_line"])
                for each in file["functions"]
            )


def _read_intermediate(text: str, tally: _Tally) -> None:
    """LLVM's format (llvm-cov gcov -i): `file:NAME`, then `lcount:LINE,COUNT` lines."""
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
    """Read the C lines of a cell; a `Problem` when the file is not what `dump` writes."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return {
            name: CLines(
                frozenset(each["run"]),
                frozenset(each["missed"]),
                frozenset(each["compiled_out"]),
                frozenset(Function(*function) for function in each["functions"]),
            )
            for name, each in document.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Problem(f"{path}: not the C lines of a cell ({error!r}); run it again") from None


# --- for coverage.py ------------------------------------------------------------------------------

# A context of its own for every cell that had a line compiled out, so that coverage.py's report
# lists those cells on the line as it lists the ones that ran it. It sorts before the cells' ids.
COMPILED_OUT_IN = "compiled out in "


@dataclass(frozen=True, slots=True)
class CFile:
    """A C file over all the cells of a report.

    `statements` are the lines gcov can count in at least one cell, `run` those of them that ran
    in at least one; `excluded` are the lines of code compiled out in every cell.
    """

    name: str
    statements: frozenset[int]
    run: frozenset[int]
    excluded: frozenset[int]
    functions: frozenset[Function]

    @classmethod
    def over(cls, name: str, cells: Iterable[CLines]) -> CFile:
        """Join the cells' lines of the file `name`."""
        each = list(cells)
        run = frozenset[int]().union(*(lines.run for lines in each))
        statements = run.union(*(lines.missed for lines in each))
        out = [lines.compiled_out for lines in each]
        excluded = frozenset.intersection(*out) - statements if out else frozenset()
        functions = frozenset[Function]().union(*(lines.functions for lines in each))
        return cls(name, statements, run, excluded, functions)


def files_over(cells: Mapping[str, Mapping[str, CLines]]) -> list[CFile]:
    """Join the C lines of all cells (by their ids), file by file.

    A header without code has nothing to show and is not among them.
    """
    names = sorted({name for lines in cells.values() for name in lines})
    files = (
        CFile.over(name, [lines[name] for lines in cells.values() if name in lines])
        for name in names
    )
    return [file for file in files if file.statements or not file.name.endswith(".h")]


def add_to(
    data: coverage.CoverageData, cells: Mapping[str, Mapping[str, CLines]], plugin: CPlugin
) -> None:
    """Put the C lines of each cell (by its id) into coverage.py's data.

    Beside the context of the cell, which has the lines it ran, each cell with something compiled
    out gets a second one with those. `CReporter.translate_lines` keeps the second kind from
    counting as run. Contexts are the one thing coverage.py's pages show on any line, run, missed
    or excluded, and a reporter needs nothing of coverage.py that is not documented for plugins.
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
        # The name under which coverage.py found the plugin; it has no public spelling.
        data.touch_file(path, plugin._coverage_plugin_name)


class CPlugin(CoveragePlugin):
    """Gives coverage.py a reporter for each C file. It measures nothing."""

    def __init__(self, project: Path, files: Iterable[CFile]) -> None:
        self.files = {str(project / file.name): file for file in files}

    def file_reporter(self, filename: str) -> CReporter:
        """Find the reporter of a file that `add_to` added."""
        return CReporter(filename, self.files[filename])


class CReporter(FileReporter):
    """What coverage.py asks about a C file: its lines, their colours, its functions."""

    def __init__(self, filename: str, file: CFile) -> None:
        super().__init__(filename)
        self._file = file

    def relative_filename(self) -> str:
        """Its name from the project's root."""
        return self._file.name

    def lines(self) -> set[int]:
        """The lines that count."""
        return set(self._file.statements)

    def excluded_lines(self) -> set[int]:
        """The lines that were compiled out everywhere."""
        return set(self._file.excluded)

    def translate_lines(self, lines: Iterable[int]) -> set[int]:
        """Of the lines in the data the ones that ran: some are there as compiled out alone."""
        return set(lines) & self._file.run

    def source_token_lines(self) -> Iterator[list[tuple[str, str]]]:
        """Each line in pieces, by coverage.py's own names for their colours."""
        text = self.source()
        lines: list[list[tuple[str, str]]] = [[] for _ in text.splitlines()]
        for token in tokens(text.expandtabs(8)):
            if token.kind != "nl":
                lines[token.line - 1].append((token.kind, token.text))
        yield from lines

    def code_region_kinds(self) -> list[tuple[str, str]]:
        """C has functions; no classes."""
        return [("function", "functions")]

    def code_regions(self) -> list[CodeRegion]:
        """The functions, for the report's page of functions."""
        return [
            CodeRegion("function", each.name, each.first, set(range(each.first, each.last + 1)))
            for each in sorted(self._file.functions, key=lambda each: each.first)
        ]
