"""One page holds Python and C with the cells on each line; and the policy's complaints."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from test_results import EXPECTED, STAMP, leave

import coverage
from ci import c_lines, checkout, interpreters, manifest, report, results
from ci.c_lines import CLines, Function
from ci.manifest import Build, Manifest, Release, Variant
from ci.plan import Cell
from ci.problem import Problem
from ci.report import Floor, Policy, Skip, Total
from ci.results import NotRun, Result

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

REAL = Path(__file__).parents[2] / "coverage"
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
    (Floor("Python", 90, "because"), Floor("C", 80, "because")),
    (
        Skip(re.compile("needs EC.*")),
        Skip(re.compile("this system has no .*"), machine=True),
    ),
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
    monkeypatch.setattr(report, "HTML", root / "coverage" / "html")
    monkeypatch.setattr(results, "ROOT", root / "coverage" / "results")
    (root / "coverage").mkdir()
    (root / "coverage" / "coveragerc").write_text((REAL / "coveragerc").read_text())
    for cell in (WITH, WITHOUT):
        write_result(root, cell)
    return root


def make(project: Path, *installed: str) -> list[str]:
    """The complaints of a report on the project."""
    return report.make(MANIFEST, installed or ["3.9"], project)


def gather(project: Path, known: Manifest = MANIFEST) -> report.Gathered:
    """The results of the project that are fit, and why each of the other cells is not."""
    return report.gather(known, ["3.9", "3.13"], results.ROOT, project)


def write_result(
    root: Path, cell: str, *, partial: bool = False, outcome: tuple[str, str] = ("passed", "")
) -> None:
    """Leave a result of the present sources."""
    ec = cell == WITH
    build = Build(RELEASE, DEFAULT if ec else NO_EC)
    expected = results.expectation(
        Cell("3.9", build),
        "4.5.1",
        sources=checkout.digest(root),
        extension=STAMP.sha256,
        partial=partial,
    )
    stamp = replace(STAMP, python="3.9.18", ec=ec)
    folder = leave(results.ROOT / cell, expected, stamp, {"tests/test_t.py::one": outcome})
    data = coverage.CoverageData(str(folder / "fresh"))
    data.set_context(cell)
    data.add_lines({"M2Crypto/EC.py": PYTHON_OF[cell]})
    data.write()
    data.close()
    (folder / "fresh").replace(folder / results.PYTHON)
    c_lines.dump({"SWIG/src/ec.c": C_OF[cell]}, folder / results.C_LINES)
    results.seal(folder)


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
    make(project)
    page = page_of(project, "ec_c")

    assert shown(page, 4) == ("run", [f"compiled out in {WITHOUT}", WITH])
    assert shown(page, 6) == ("run", [f"compiled out in {WITH}", WITHOUT])
    assert shown(page, 1) == ("run", [WITH, WITHOUT])
    assert shown(page, 8) == ("missed", [])


def test_a_line_compiled_out_in_every_cell_is_shown_as_such_and_not_missed(project: Path) -> None:
    make(project)
    both = [f"compiled out in {WITH}", f"compiled out in {WITHOUT}"]
    assert shown(page_of(project, "ec_c"), 10) == ("excluded", both)


def test_a_python_line_says_which_cells_ran_it(project: Path) -> None:
    make(project)
    page = page_of(project, "EC_py")

    assert shown(page, 1) == ("run", [WITH, WITHOUT])
    assert shown(page, 3) == ("run", [WITH])
    assert shown(page, 4) == ("missed", [])


def test_c_is_coloured_and_its_functions_are_listed(project: Path) -> None:
    make(project)

    assert '<span class="key">return</span>' in page_of(project, "ec_c")
    assert "curve" in page_of(project, "function_index")


def test_each_language_has_its_total_and_a_file_nobody_imported_counts(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make(project)
    printed = capsys.readouterr().err

    assert "Python  60.00 %  3 of 5 lines ran" in printed
    assert "C       75.00 %  3 of 4 lines ran" in printed
    assert "Python 60.0 %, C 75.0 %" in page_of(project, "index")


def test_floors_are_judged_when_all_that_could_run_has(project: Path) -> None:
    complaints = make(project)
    assert [line.partition(":")[0] for line in complaints] == ["Python", "C"]

    assert make(project, "3.9", "3.13") == []


def test_floors_are_not_judged_over_some_of_the_tests(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_result(project, WITH, partial=True)
    assert make(project) == []
    assert "not judged: some cells ran only some of the tests" in capsys.readouterr().err


def test_cells_that_did_not_run_are_on_the_page_with_the_reason(project: Path) -> None:
    make(project)
    page = page_of(project, "index")

    assert "2 of 4 cells are in this report" in page
    assert "Python 3.13 is not installed: py3.13-openssl3.5, py3.13-openssl3.5-no-ec" in page


def test_a_result_of_other_sources_is_left_out(project: Path) -> None:
    (project / "M2Crypto" / "EC.py").write_text(EC_PY + "# changed\n")
    gathered = gather(project)

    assert gathered.fit == ()
    assert NotRun(WITH, "the sources have changed since it ran") in gathered.absent
    with pytest.raises(
        Problem, match=r"no results in .* of the present sources; run `nox -s tests`"
    ):
        make(project)


def test_a_refused_result_is_not_in_the_report(project: Path) -> None:
    stamp = results.ROOT / WITH / results.STAMP
    stamp.write_text(stamp.read_text().replace('"runtime": "3.5.7"', '"runtime": "3.0.22"'))
    results.seal(results.ROOT / WITH)
    gathered = gather(project)

    assert [result.expected.id for result in gathered.fit] == [WITHOUT]
    assert "result refused, the OpenSSL in the process is 3.0.22" in gathered.absent[0].why


@pytest.mark.parametrize(
    ("release", "no_ec", "swig", "words"),
    [
        (replace(RELEASE, version="3.5.8"), NO_EC, "4.5.1", "OpenSSL 3.5.7, now it is 3.5.8"),
        (replace(RELEASE, sha256="1" * 64), NO_EC, "4.5.1", "the tarball"),
        (RELEASE, NO_EC, "4.6.0", "SWIG 4.5.1, now it is 4.6.0"),
        (RELEASE, Variant("no-ec", ("no-ec", "no-dsa")), "4.5.1", "it is no-ec no-dsa"),
    ],
)
def test_a_result_of_another_manifest_is_left_out(
    project: Path, release: Release, no_ec: Variant, swig: str, words: str
) -> None:
    known = replace(MANIFEST, releases=(release,), variants=(DEFAULT, no_ec), swig=swig)
    gathered = gather(project, known)
    absent = {each.id: each.why for each in gathered.absent}
    assert words in absent[WITHOUT]
    assert (WITH in absent) == (no_ec == NO_EC)


def test_a_folder_that_was_copied_to_another_cell_is_left_out(project: Path) -> None:
    (results.ROOT / WITH).rename(results.ROOT / "py3.13-openssl3.5")
    gathered = gather(project)
    absent = {each.id: each.why for each in gathered.absent}
    assert f"result refused, it is that of {WITH}" in absent["py3.13-openssl3.5"]
    assert absent[WITH] == "not run yet"


@pytest.mark.parametrize(
    "name", ["tests/test_new.py", "setup.py", "pyproject.toml", "ci/extension.py", "SWIG/x.i"]
)
def test_a_result_of_other_tests_or_tools_is_left_out(project: Path, name: str) -> None:
    (project / name).parent.mkdir(exist_ok=True)
    (project / name).write_text("new")
    assert {each.why for each in gather(project).absent} == {
        "the sources have changed since it ran",
        "not run yet",
    }


def test_edits_of_lines_by_hand_are_left_out(project: Path) -> None:
    path = results.ROOT / WITH / results.C_LINES
    path.write_text(path.read_text().replace('"missed": [8]', '"missed": []'))
    absent = {each.id: each.why for each in gather(project).absent}
    assert absent[WITH] == f"{path}: changed since its run sealed it; run the cell again"


def test_tests_that_failed_fail_the_report_unless_they_were_told(project: Path) -> None:
    write_result(project, WITH, outcome=("failed", ""))
    line = f"tests failed in 1 cells: {WITH}"
    assert make(project)[0] == line
    assert line not in report.make(MANIFEST, ["3.9"], project, told=[WITH])


def test_failing_results_fail_the_session(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_result(project, WITH, outcome=("failed", ""))
    monkeypatch.setattr(manifest, "load", lambda: MANIFEST)
    monkeypatch.setattr(interpreters, "installed", lambda _: ["3.9"])
    monkeypatch.setattr(report.cells, "PROJECT", project)
    with pytest.raises(Problem, match="tests failed in 1 cells"):
        report.main_coverage([])
    assert "Cells" in page_of(project, "index")


def test_the_page_shows_the_copy_that_was_tested(project: Path, tmp_path: Path) -> None:
    copy = checkout.copy(project, tmp_path / "copy")
    (project / "SWIG" / "src" / "ec.c").write_text("/* edited */\n")
    report.make(MANIFEST, ["3.9"], copy)
    assert "edited" not in page_of(project, "ec_c")
    assert shown(page_of(project, "ec_c"), 8) == ("missed", [])


def test_a_report_that_fails_leaves_the_old_page(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(project)
    monkeypatch.setattr(report, "_add_cells", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        make(project)
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
    tests = results.Tests(frozenset(ran), frozenset(), skipped)
    return Result(Path(), EXPECTED, STAMP, tests, results.Timings(0, 0))


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


def test_a_test_that_ran_in_no_cell_because_of_the_computer_is_reported_in_a_line() -> None:
    fit = [
        result_of({"a"}, {"b": "needs EC", "c": "this system has no IPv6"}),
        result_of(set(), {"b": "this system has no IPv6", "c": "this system has no fork"}),
    ]
    assert report.skip_complaints(fit, POLICY) == []
    assert report.lacks(fit, POLICY) == (
        "2 tests ran in no cell because of this computer:"
        " this system has no IPv6; this system has no fork"
    )
    assert report.lacks(fit[:1], POLICY).startswith("1 tests ran in no cell")
    assert report.lacks([result_of({"a", "b", "c"}, {}), *fit], POLICY) == ""


def test_the_projects_own_policy_is_read() -> None:
    policy = report.read_policy(report.POLICY)
    assert {floor.language: floor.percent for floor in policy.floors}.keys() == {"Python", "C"}
    assert all(floor.reason for floor in policy.floors)
    machine = [skip.reason for skip in policy.skips if skip.machine]
    for reason in ("needs the openssl program", "this system has no AF_INET6"):
        assert any(pattern.fullmatch(reason) for pattern in machine)


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
        (FLOORS + '[[skip]]\nreason = "x("\nwhy = "y"\n', r"skip.reason 'x\(' is no pattern: "),
        (FLOORS + '[[skip]]\nreason = 5\nwhy = "y"\n', "skip.reason is of the wrong type: 5"),
        (FLOORS + '[[skip]]\nreason = "x"\nwhy = "y"\nmachine = "no"\n', "skip.machine is of"),
        (FLOORS + '[[skip]]\nreason = "x"\nwhy = "y"\nmachin = true\n', "did you mean 'machine'"),
        (FLOORS + "[skip]\nreason = 5\n", r"skip must be tables: write \[\[skip\]\]"),
        (FLOORS.replace("80", '"80"'), "floor.percent is of the wrong type: '80'"),
        (FLOORS.replace("80", "true"), "floor.percent is of the wrong type: True"),
        ("floor = 3\n", "floor must be tables"),
        ("floor = [3]\n", "floor must be tables"),
    ],
)
def test_a_broken_policy_is_one_clear_line(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(text)
    with pytest.raises(Problem, match=words) as caught:
        report.read_policy(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_policy_that_is_no_text_is_one_clear_line(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_bytes(b"\xff")
    with pytest.raises(Problem, match="cannot be read"):
        report.read_policy(path)
