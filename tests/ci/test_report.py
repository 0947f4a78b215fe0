"""One page holds Python and C with the cells on each line; and the policy's complaints."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from test_results import STAMP, leave

import coverage
from ci import c_lines, report, results, wheels
from ci.c_lines import CLines, Function
from ci.manifest import Build, Manifest, Release, Variant
from ci.problem import Problem
from ci.report import Floor, Policy, Total
from ci.results import Expected, NotRun, Result

EC_C = """\
int curve(int x)
{
#ifndef OPENSSL_NO_EC
    return x * 2;
#else
    return -1;
#endif
}
#if OPENSSL_VERSION_NUMBER < 0
int never(void);
#endif
"""
EC_PY = """\
def curve(name):
    if name:
        return 1
    return 2
"""

RELEASE = Release("3.5", "3.5.7", "https://example.org/a.tar.gz", "0" * 64, date(2030, 4, 8))
DEFAULT, NO_EC = Variant("default", ()), Variant("no-ec", ("no-ec",))
MANIFEST = Manifest(
    (RELEASE,), (DEFAULT, NO_EC), ("3.9", "3.13"), "4.5.1", (Build(RELEASE, DEFAULT),)
)

WITH, WITHOUT = "py3.9-openssl3.5", "py3.9-openssl3.5-no-ec"
FUNCTIONS = frozenset({Function("curve", 1, 8)})
C_OF = {
    WITH: CLines(frozenset({1, 4}), frozenset({8}), frozenset({6, 10}), FUNCTIONS),
    WITHOUT: CLines(frozenset({1, 6}), frozenset({8}), frozenset({4, 10}), FUNCTIONS),
}
PYTHON_OF = {WITH: [1, 2, 3], WITHOUT: [1]}

POLICY = Policy(
    (Floor("Python", 90, "because"), Floor("C", 80, "because")), (re.compile("needs EC.*"),)
)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of one file in each language, with the results of two cells."""
    root = tmp_path / "project"
    (root / "SWIG" / "src").mkdir(parents=True)
    (root / "SWIG" / "src" / "ec.c").write_text(EC_C)
    (root / "M2Crypto").mkdir()
    (root / "M2Crypto" / "EC.py").write_text(EC_PY)
    (root / "M2Crypto" / "unused.py").write_text("x = 1\n")
    monkeypatch.setattr(report, "PROJECT", root)
    monkeypatch.setattr(report, "HTML", root / "coverage" / "html")
    monkeypatch.setattr(results, "ROOT", root / "coverage" / "results")
    for cell in (WITH, WITHOUT):
        write_result(root, cell)
    return root


def write_result(root: Path, cell: str, *, partial: bool = False) -> None:
    """Leave a result of the present sources."""
    ec = cell == WITH
    sources = wheels.digest(root, wheels.TESTED)
    folder = leave(
        results.ROOT / cell,
        Expected(cell, "3.9", "3.5.7", ec, sources, partial),
        replace(STAMP, python="3.9.18", ec=ec),
        '<testsuite><testcase classname="t" name="one"/></testsuite>',
    )
    data = coverage.CoverageData(str(folder / "fresh"))
    data.set_context(cell)
    data.add_lines({"M2Crypto/EC.py": PYTHON_OF[cell]})
    data.write()
    data.close()
    (folder / "fresh").replace(folder / results.PYTHON)
    c_lines.dump({"SWIG/src/ec.c": C_OF[cell]}, folder / results.C_LINES)


def page_of(root: Path, name: str) -> str:
    """The report's page of a file."""
    folder = root / "coverage" / "html"
    path = folder / f"{name}.html"
    return (path if path.exists() else next(folder.glob(f"*{name}.html"))).read_text()


def shown(page: str, line: int) -> tuple[str, list[str]]:
    """How a line is shown: its style, and the contexts on it."""
    names = dict(re.findall(r'^\s*"(.)": "(.*)",?$', page, re.MULTILINE))
    found = re.search(rf'<p class="(\w+).*?"><span class="n"><a id="t{line}".*?</p>', page)
    assert found
    contexts = re.search(r'<span class="ctxs">1(.*?)</span>', found[0])
    state = {"r": "run", "m": "missed", "e": "excluded"}[found[1][0]]
    return state, sorted(names[code] for code in (contexts[1] if contexts else ""))


def test_a_c_line_says_which_cells_ran_it_and_which_had_it_compiled_out(project: Path) -> None:
    report.make(MANIFEST, ["3.9"])
    page = page_of(project, "ec_c")

    assert shown(page, 4) == ("run", [f"compiled out in {WITHOUT}", WITH])
    assert shown(page, 6) == ("run", [f"compiled out in {WITH}", WITHOUT])
    assert shown(page, 1) == ("run", [WITH, WITHOUT])
    assert shown(page, 8) == ("missed", [])


def test_a_line_compiled_out_in_every_cell_is_shown_as_such_and_not_missed(project: Path) -> None:
    report.make(MANIFEST, ["3.9"])
    both = [f"compiled out in {WITH}", f"compiled out in {WITHOUT}"]
    assert shown(page_of(project, "ec_c"), 10) == ("excluded", both)


def test_a_python_line_says_which_cells_ran_it(project: Path) -> None:
    report.make(MANIFEST, ["3.9"])
    page = page_of(project, "EC_py")

    assert shown(page, 1) == ("run", [WITH, WITHOUT])
    assert shown(page, 3) == ("run", [WITH])
    assert shown(page, 4) == ("missed", [])


def test_c_is_coloured_and_its_functions_are_listed(project: Path) -> None:
    report.make(MANIFEST, ["3.9"])

    assert '<span class="key">return</span>' in page_of(project, "ec_c")
    assert "curve" in page_of(project, "function_index")


def test_each_language_has_its_total_and_a_file_nobody_imported_counts(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report.make(MANIFEST, ["3.9"])
    printed = capsys.readouterr().err

    assert "Python  60.00 %  3 of 5 lines ran" in printed
    assert "C       75.00 %  3 of 4 lines ran" in printed
    assert "Python 60.0 %, C 75.0 %" in page_of(project, "index")


def test_floors_are_judged_when_all_that_could_run_has(project: Path) -> None:
    complaints = report.make(MANIFEST, ["3.9"])
    assert [line.partition(":")[0] for line in complaints] == ["Python", "C"]

    assert report.make(MANIFEST, ["3.9", "3.13"]) == []


def test_floors_are_not_judged_over_some_of_the_tests(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_result(project, WITH, partial=True)
    assert report.make(MANIFEST, ["3.9"]) == []
    assert "not judged: some cells ran only some of the tests" in capsys.readouterr().err


def test_cells_that_did_not_run_are_on_the_page_with_the_reason(project: Path) -> None:
    report.make(MANIFEST, ["3.9"])
    page = page_of(project, "index")

    assert "2 of 4 cells are in this report" in page
    assert "Python 3.13 is not installed: py3.13-openssl3.5, py3.13-openssl3.5-no-ec" in page


def test_a_result_of_other_sources_is_left_out(project: Path) -> None:
    (project / "M2Crypto" / "EC.py").write_text(EC_PY + "# changed\n")
    gathered = report.gather(MANIFEST, ["3.9", "3.13"], results.ROOT)

    assert gathered.fit == ()
    assert NotRun(WITH, "the sources have changed since it ran") in gathered.absent
    with pytest.raises(
        Problem, match=r"no results in .* of the present sources; run `nox -s tests`"
    ):
        report.make(MANIFEST, ["3.9"])


def test_a_refused_result_is_not_in_the_report(project: Path) -> None:
    stamp = results.ROOT / WITH / results.STAMP
    stamp.write_text(stamp.read_text().replace('"runtime": "3.5.7"', '"runtime": "3.0.22"'))
    gathered = report.gather(MANIFEST, ["3.9"], results.ROOT)

    assert [result.expected.id for result in gathered.fit] == [WITHOUT]
    assert "result refused, the OpenSSL in the process is 3.0.22" in gathered.absent[0].why


def test_a_report_that_fails_leaves_the_old_page(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report.make(MANIFEST, ["3.9"])
    monkeypatch.setattr(report, "_add_cells", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        report.make(MANIFEST, ["3.9"])
    assert "Cells" in page_of(project, "index")
    assert not list(results.ROOT.glob(".html"))


# --- the policy -----------------------------------------------------------------------------------


def test_a_total_below_its_floor_is_one_line_and_one_at_its_floor_is_none() -> None:
    totals = [Total("Python", 1000, 899), Total("C", 10, 8)]
    (line,) = report.below_floor(totals, POLICY)
    assert line == (
        "Python: 89.90 % of the lines ran, less than the floor of 90 % in coverage/policy.toml"
    )


def result_of(ran: set[str], skipped: dict[str, str]) -> Result:
    expected = Expected("c", "3.9", "3.5.7", ec=True, sources="", partial=False)
    tests = results.Tests(frozenset(ran), frozenset(), skipped)
    return Result(Path(), expected, STAMP, tests, results.Timings(0, 0))


def test_a_test_that_ran_in_no_cell_fails_the_run() -> None:
    fit = [
        result_of({"a"}, {"b": "needs EC"}),
        result_of(set(), {"a": "needs EC", "b": "needs EC"}),
    ]
    assert report.skip_complaints(fit, POLICY) == ["b ran in no cell: needs EC"]


def test_a_skip_for_a_reason_nobody_declared_fails_the_run() -> None:
    fit = [result_of({"a"}, {}), result_of(set(), {"a": "too tired"})]
    assert report.skip_complaints(fit, POLICY) == [
        "a was skipped for a reason that coverage/policy.toml does not declare: too tired"
    ]


def test_the_projects_own_policy_is_read() -> None:
    policy = report.read_policy(report.POLICY)
    assert {floor.language: floor.percent for floor in policy.floors}.keys() == {"Python", "C"}
    assert all(floor.reason for floor in policy.floors)


FLOORS = """
[[floor]]
language = "Python"
percent = 90
reason = "r"
[[floor]]
language = "C"
percent = 80
reason = "r"
"""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("floor = 3 3", "cannot be read"),
        (FLOORS + '[[floors]]\na = "b"\n', "floors is an unknown key"),
        ('[[floor]]\nlanguage = "C"\npercent = 1\n', "floor.reason is missing"),
        (FLOORS.replace('"C"', '"D"'), "floor.language must be once each of Python, C"),
        (FLOORS + '[[skip]]\nreason = "x"\n', "skip.why is missing"),
    ],
)
def test_a_broken_policy_is_one_clear_line(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(text)
    with pytest.raises(Problem, match=words) as caught:
        report.read_policy(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
