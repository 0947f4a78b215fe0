"""C lines have three states, which the compiler and gcov determine."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from ci.errors import UserError
from ci.gcov import c_source, notes
from ci.gcov import lines as gcov
from ci.gcov.lines import CLines
from ci.report.plugin import CFile

CURVE_H = """\
#define TWICE(a, b) ((a) + (b))
static inline int tiny(int x) {
    return x;
}
"""

CURVE_C = """\
/* int not_code(void);
 */
#include "curve.h"

#ifndef NO_EC
static int points(int x) /* a comment */
{
    return x * 2;
}

int curve(int x)
{
    if (x > 100)
        return -1;
    return points(x);
}
#else
int curve(int x)
{
    return x - 3;
}
#endif

#ifdef NOBODY_DEFINES_THIS
int never(void)
{
    return 0;
}
#endif

int main(int argc, char **argv)
{
    (void)argv;
    return TWICE(curve(argc),
                 tiny(argc)) == 77;
}
"""


def line_of(text: str, nth: int = 1) -> int:
    """Return the number of the nth line of curve.c that contains `text`."""
    found = [n for n, line in enumerate(CURVE_C.splitlines(), 1) if text in line]
    return found[nth - 1]


class Project:
    """A project of one program, compiled like an instrumented extension."""

    def __init__(self, root: Path, *flags: str, compiler: str = "gcc") -> None:
        self.root = root
        self.notes = root / "notes"
        objects = root / "objects"
        objects.mkdir(parents=True)
        source = root / c_source.SOURCES
        source.mkdir(parents=True)
        (source / "curve.h").write_text(CURVE_H)
        (source / "curve.c").write_text(CURVE_C)
        output = "objects/curve.o"
        argv = [compiler, "-O0", "--coverage", *flags, "-c", "SWIG/src/curve.c", "-o", output]
        subprocess.run(argv, cwd=root, check=True)
        self.program = root / "curve"
        link = [compiler, "--coverage", output, "-o", str(self.program)]
        subprocess.run(link, cwd=root, check=True)
        entry = {
            "directory": str(root),
            "file": "SWIG/src/curve.c",
            "arguments": argv,
            "output": output,
        }
        (objects / notes.COMMANDS).write_text(json.dumps([entry]))
        notes.keep_notes(root, objects, self.notes)

    def run(self, counts: Path) -> dict[str, CLines]:
        environment = {**os.environ, "GCOV_PREFIX": str(counts), "GCOV_PREFIX_STRIP": "999"}
        subprocess.run([str(self.program)], env=environment, check=False)
        return gcov.measure(self.notes, counts)


COMPILERS = [
    pytest.param(name, marks=pytest.mark.skipif(not shutil.which(name), reason=f"needs {name}"))
    for name in ("gcc", "clang-14", "clang")
]


@pytest.mark.parametrize("compiler", COMPILERS)
def test_a_line_is_run_missed_or_compiled_out(tmp_path: Path, compiler: str) -> None:
    lines = Project(tmp_path, compiler=compiler).run(tmp_path / "counts")["SWIG/src/curve.c"]

    assert line_of("return points(x);") in lines.run
    assert line_of("return -1;") in lines.missed
    assert line_of("return x - 3;") in lines.compiled_out
    assert line_of("return 0;") in lines.compiled_out
    assert not lines.run & lines.missed
    assert not (lines.run | lines.missed) & lines.compiled_out


def test_the_same_line_has_another_state_in_a_build_without_it(tmp_path: Path) -> None:
    project = Project(tmp_path, "-DNO_EC")
    lines = project.run(tmp_path / "counts")["SWIG/src/curve.c"]

    assert line_of("return x - 3;") in lines.run
    assert lines.missed == frozenset()
    first, last = line_of("static int points"), line_of("#else")
    blank = {n for n, line in enumerate(CURVE_C.splitlines(), 1) if not line}
    assert set(range(first, last)) - blank <= lines.compiled_out


def test_comments_blank_lines_and_directives_are_never_compiled_out(tmp_path: Path) -> None:
    lines = Project(tmp_path, "-DNO_EC").run(tmp_path / "counts")["SWIG/src/curve.c"]

    words = [CURVE_C.splitlines()[n - 1].strip() for n in lines.compiled_out]
    assert words
    assert not [word for word in words if not word or word[0] in "#/*"]


def test_a_macro_call_over_two_lines_is_not_reported_as_compiled_out(tmp_path: Path) -> None:
    lines = Project(tmp_path).run(tmp_path / "counts")["SWIG/src/curve.c"]

    assert line_of("tiny(argc)") not in lines.compiled_out


def test_a_file_that_never_ran_is_missed(tmp_path: Path) -> None:
    project = Project(tmp_path)
    lines = gcov.measure(project.notes, tmp_path / "counts")["SWIG/src/curve.c"]

    assert lines.run == frozenset()
    assert line_of("return points(x);") in lines.missed


def test_headers_are_measured_and_functions_have_line_ranges(tmp_path: Path) -> None:
    lines = Project(tmp_path).run(tmp_path / "counts")

    assert 3 in lines["SWIG/src/curve.h"].run
    functions = {each.name: each for each in lines["SWIG/src/curve.c"].functions}
    assert functions["curve"].first == line_of("int curve")
    assert functions["curve"].last == line_of("}", 2)


def test_two_runs_of_one_build_have_separate_counts(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.run(tmp_path / "one")
    lines = gcov.measure(project.notes, tmp_path / "two")["SWIG/src/curve.c"]

    assert lines.run == frozenset()
    assert not list(project.notes.glob("*.gcda"))


def test_lines_round_trip_through_their_file(tmp_path: Path) -> None:
    lines = Project(tmp_path).run(tmp_path / "counts")
    gcov.dump(lines, tmp_path / "c_lines.json")

    assert gcov.load(tmp_path / "c_lines.json") == lines


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not JSON"),
        ("[]", "must be a table, not []"),
        ('{"SWIG/src/a.c": {"run": []}}', "missed is missing"),
    ],
)
def test_a_broken_lines_file_is_reported_in_one_line(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "c_lines.json"
    path.write_text(text)
    with pytest.raises(UserError, match=rf"c_lines.json: .*{re.escape(words)}") as caught:
        gcov.load(path)
    assert "\n" not in str(caught.value)


def test_notes_without_compile_commands_are_reported_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"compile_commands.json: missing"):
        notes.commands(tmp_path)


def test_a_line_is_excluded_only_if_every_cell_compiled_it_out() -> None:
    full = CLines(run=frozenset({1}), missed=frozenset({2}), compiled_out=frozenset({3, 9}))
    none = CLines(run=frozenset({3}), compiled_out=frozenset({1, 2, 9}))

    both = CFile.over("SWIG/src/ec.c", [full, none])
    assert [set(lines) for lines in (both.statements, both.run, both.excluded)] == [
        {1, 2, 3},
        {1, 3},
        {9},
    ]

    alone = CFile.over("SWIG/src/ec.c", [none])
    assert [set(lines) for lines in (alone.statements, alone.excluded)] == [{3}, {1, 2, 9}]


def test_tokens_have_line_numbers_and_reproduce_the_text() -> None:
    cut = list(c_source.tokens(CURVE_C))
    lines: dict[int, str] = {}
    for token in cut:
        if token.kind != "nl":
            lines[token.line] = lines.get(token.line, "") + token.text
    assert {n: text for n, text in enumerate(CURVE_C.splitlines(), 1) if text} == lines
    assert [t.text for t in cut if t.kind == "com"][:2] == ["/* int not_code(void);", " */"]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("SWIG/src/ec.c", "SWIG/src/ec.c"),
        ("/a/SWIG/src/b/SWIG/src/ec.c", "SWIG/src/ec.c"),
        ("build/_m2crypto_wrap.c", None),
        ("/usr/include/stdio.h", None),
    ],
)
def test_only_hand_written_sources_are_measured(path: str, name: str | None) -> None:
    assert c_source.source_name(path) == name
