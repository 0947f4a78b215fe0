"""The files of an instrumented build: gcov's notes, compile commands, and lines compiled out."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from ci.errors import UserError
from ci.gcov.c_source import SOURCES, groups, source_name
from ci.process import capture

COMMANDS = "compile_commands.json"
COMPILED_OUT = "compiled_out.json"


@dataclass(frozen=True, slots=True)
class Command:
    """The compiler's command for one source file (an entry of `compile_commands.json`)."""

    directory: Path
    file: str
    argv: tuple[str, ...]
    output: str

    @property
    def hand_written(self) -> bool:
        """Whether the file is in SWIG/src, whose lines coverage counts."""
        return source_name(self.file) is not None

    def preprocess(self) -> list[str]:
        """Return the command that prints preprocessed text instead of writing an object."""
        # ccache does not cache preprocessed text.
        argv = [word for word in self.argv if Path(word).name != "ccache"]
        if "-o" in argv:
            at = argv.index("-o")
            del argv[at : at + 2]
        return [word for word in argv if word != "-c"] + ["-E"]


def commands(notes: Path) -> list[Command]:
    """Return the compile commands of an instrumented build.

    Raises:
        UserError: they are missing or invalid.
    """
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
        raise UserError(f"{path}: missing; the extension was not built with coverage") from None
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: not a list of compile commands ({error!r})") from None


_LINEMARKER = re.compile(r'^#(?:line)? (\d+) "((?:[^"\\]|\\.)*)".*\n', re.MULTILINE)


def present_lines(preprocessed: str) -> dict[str, set[int]]:
    """Return the lines of each file in SWIG/src of which something is in preprocessed text."""
    present: dict[str, set[int]] = {}
    _, *pieces = _LINEMARKER.split(preprocessed)
    for number, path, text in zip(pieces[::3], pieces[1::3], pieces[2::3], strict=True):
        if name := source_name(path):
            lines = enumerate(text.splitlines(), int(number))
            present.setdefault(name, set()).update(at for at, line in lines if line.strip())
    return present


def compiled_out(project: Path, calls: Iterable[Command]) -> dict[str, list[int]]:
    """Return the code lines of each file in SWIG/src that are in no object.

    The compiler preprocesses each file with the flags of the build. The lines between two
    conditional directives are compiled out if none of them is left. They are judged together,
    because the preprocessor joins a macro call of several lines into its first.
    """
    counted = [call for call in calls if call.hand_written]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        texts = list(pool.map(lambda call: capture(call.preprocess(), cwd=call.directory), counted))
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
    """Copy what cells need of an instrumented build from the directory `objects` into `notes`.

    That is gcov's notes, the compile commands, and the lines that were compiled out, which are
    found once for all cells of the build.
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
