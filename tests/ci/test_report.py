"""One page shows Python and C with the cells on each line; the policy's complaints follow."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from msgspec import structs
from test_results import EXPECTED, STAMP, leave
from tiny_project import PLATFORM, here, tiny_cell, tiny_manifest

import coverage
from ci import checkout, interpreters, manifest, run
from ci.errors import UserError
from ci.gcov import lines as c_lines
from ci.gcov.lines import CLines, Function
from ci.manifest import Build, Manifest, Release, Variant
from ci.matrix import results
from ci.matrix.machine import Machine
from ci.matrix.prepare import copy_checkout
from ci.matrix.results import NotRun, Result, Surroundings
from ci.matrix.surface import Surface
from ci.report import gates, page, report
from ci.report.gates import Floor, Policy, Skip
from ci.report.gather import Gathered
from ci.report.gather import gather as gather_results
from ci.report.measured import Total

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
MANIFEST = tiny_manifest(RELEASE, (DEFAULT, NO_EC), ("3.9", "3.13"), (Build(RELEASE, DEFAULT),))

WITH, WITHOUT = "py3.9-openssl3.5", "py3.9-openssl3.5-no-ec"
FUNCTIONS = frozenset({Function("curve", 1, 8)})
C_OF = {
    WITH: CLines(frozenset({1, 4}), frozenset({8}), frozenset({6, 10}), FUNCTIONS),
    WITHOUT: CLines(frozenset({1, 6}), frozenset({8}), frozenset({4, 10}), FUNCTIONS),
}
# Arcs of Python: the cell with EC takes one of the two branches of line 2.
PYTHON_OF = {WITH: [(-1, 1), (-1, 2), (2, 3), (3, -1)], WITHOUT: [(-1, 1)]}

GOLDEN = """
builds = ["3.5", "3.5-no-ec"]
everywhere = ["RSA_F4", "rsa_new"]
absent = []
"""

POLICY = Policy(
    (
        Floor("Python lines", 90, "because"),
        Floor("Python branches", 90, "because"),
        Floor("C lines", 80, "because"),
    ),
    (
        Skip(re.compile("needs EC.*")),
        Skip(re.compile("this system has no keychain"), machine="optional"),
        Skip(re.compile("this system has no .*"), machine="required"),
    ),
)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a project of one file in each language, with the results of two cells."""
    root = tmp_path / "project"
    (root / "SWIG" / "src").mkdir(parents=True)
    (root / "SWIG" / "src" / "ec.c").write_text(EC_C)
    (root / "M2Crypto").mkdir()
    (root / "M2Crypto" / "EC.py").write_text(EC_PY)
    (root / "M2Crypto" / "unused.py").write_text("x = 1\n")
    (root / "coverage").mkdir()
    for name in ("coveragerc", "policy.toml", "cells.html.jinja", "peers.html.jinja", "report.css"):
        (root / "coverage" / name).write_text((REAL / name).read_text())
    (root / "coverage" / "surface.toml").write_text(GOLDEN)
    for cell in (WITH, WITHOUT):
        write_result(root, cell)
    return root


def make(project: Path, *installed: str) -> list[str]:
    """Write the report of the project and return its complaints."""
    copy_checkout(here(project))
    return report.make(MANIFEST, machine(*(installed or ["3.9"])), here(project))


def machine(*pythons: str) -> Machine:
    """Return a computer with these Pythons."""
    found = interpreters.describe(Path(sys.executable))
    assert found
    return Machine(PLATFORM.name, dict.fromkeys(pythons, found))


def gather(project: Path, known: Manifest = MANIFEST) -> Gathered:
    """Return the valid results of the project, and the reason for each excluded cell."""
    copy_checkout(here(project))
    return gather_results(known, machine("3.9", "3.13"), here(project))


def write_result(
    root: Path, cell: str, *, partial: bool = False, outcome: tuple[str, str] = ("passed", "")
) -> None:
    """Write a result of the present sources."""
    ec = cell == WITH
    build = Build(RELEASE, DEFAULT if ec else NO_EC)
    expected = results.expectation(
        tiny_cell("3.9", build),
        MANIFEST,
        sources=checkout.digest(root),
        extension=STAMP.sha256,
        package=STAMP.package,
        around=Surroundings("3.9.18"),
        partial=partial,
    )
    switches = [] if ec else ["OPENSSL_NO_EC"]
    stamp = structs.replace(STAMP, id=cell, python="3.9.18", switches=switches)
    folder = leave(here(root).results / cell, expected, stamp, {"tests/test_t.py::one": outcome})
    data = coverage.CoverageData(str(folder / "fresh"))
    data.set_context(cell)
    data.add_arcs({"M2Crypto/EC.py": PYTHON_OF[cell]})
    data.write()
    data.close()
    (folder / "fresh").replace(folder / results.PYTHON)
    c_lines.dump({"SWIG/src/ec.c": C_OF[cell]}, folder / results.C_LINES)
    results.seal(folder)


def page_of(root: Path, name: str) -> str:
    """Return the page of a file."""
    folder = root / "coverage" / "html"
    path = folder / f"{name}.html"
    return (path if path.exists() else next(folder.glob(f"*{name}.html"))).read_text()


def shown(page: str, line: int) -> tuple[str, list[str]]:
    """Return the style of a line and the contexts on it."""
    names = dict(re.findall(r'^\s*"(.)": "(.*)",?$', page, re.MULTILINE))
    found = re.search(rf'<p class="(\w+).*?"><span class="n"><a id="t{line}".*?</p>', page)
    assert found
    contexts = re.search(r'<span class="ctxs">1(.*?)</span>', found[0])
    state = {"r": "run", "m": "missed", "e": "excluded"}[found[1][0]]
    return state, sorted(names[code] for code in (contexts[1] if contexts else ""))


def test_a_c_line_lists_the_cells_that_ran_it_and_those_that_compiled_it_out(project: Path) -> None:
    make(project)
    page = page_of(project, "ec_c")

    assert shown(page, 4) == ("run", [f"compiled out in {WITHOUT}", WITH])
    assert shown(page, 6) == ("run", [f"compiled out in {WITH}", WITHOUT])
    assert shown(page, 1) == ("run", [WITH, WITHOUT])
    assert shown(page, 8) == ("missed", [])


def test_a_line_compiled_out_in_every_cell_is_not_reported_as_missed(project: Path) -> None:
    make(project)
    both = [f"compiled out in {WITH}", f"compiled out in {WITHOUT}"]
    assert shown(page_of(project, "ec_c"), 10) == ("excluded", both)


def test_a_python_line_lists_the_cells_that_ran_it(project: Path) -> None:
    make(project)
    page = page_of(project, "EC_py")

    assert shown(page, 1) == ("run", [WITH, WITHOUT])
    assert shown(page, 3) == ("run", [WITH])
    assert shown(page, 4) == ("missed", [])


def test_c_code_is_highlighted_and_its_functions_are_listed(project: Path) -> None:
    make(project)

    assert '<span class="key">return</span>' in page_of(project, "ec_c")
    assert "curve" in page_of(project, "function_index")


def test_each_language_has_a_total_that_includes_unimported_files(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make(project)
    printed = capsys.readouterr().err

    assert "Python lines     60.00 %  3 of 5 ran" in printed
    assert "Python branches  50.00 %  1 of 2 ran" in printed
    assert "C lines          75.00 %  3 of 4 ran" in printed
    index = page_of(project, "index")
    assert "Python lines 60.0 %, Python branches 50.0 %, C lines 75.0 %" in index
    assert "<li>M2Crypto/EC.py: 2</li>" in index


def test_floors_are_checked_over_every_cell_that_can_run(project: Path) -> None:
    complaints = make(project)
    assert [line.partition(":")[0] for line in complaints] == [
        "Python lines",
        "Python branches",
        "C lines",
    ]

    assert make(project, "3.9", "3.13") == []


def test_floors_are_not_checked_over_a_selection_of_tests(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_result(project, WITH, partial=True)
    assert make(project) == []
    assert "not checked: some cells ran only some of the tests" in capsys.readouterr().err


def test_cells_that_did_not_run_are_listed_with_the_reason(project: Path) -> None:
    make(project)
    page = page_of(project, "index")

    assert "2 of 4 cells are in this report" in page
    assert "Python 3.13 is not installed: py3.13-openssl3.5, py3.13-openssl3.5-no-ec" in page


def test_a_result_of_other_sources_is_excluded(project: Path) -> None:
    (project / "M2Crypto" / "EC.py").write_text(EC_PY + "# changed\n")
    gathered = gather(project)

    assert gathered.usable == ()
    assert NotRun(WITH, "the sources have changed since it ran") in gathered.absent
    with pytest.raises(
        UserError, match=r"no results in .* of the present sources; run `nox -s tests`"
    ):
        make(project)


def test_a_refused_result_is_excluded(project: Path) -> None:
    stamp = here(project).results / WITH / results.STAMP
    stamp.write_text(stamp.read_text().replace('"runtime": "3.5.7"', '"runtime": "3.0.22"'))
    results.seal(here(project).results / WITH)
    gathered = gather(project)

    assert [result.expected.id for result in gathered.usable] == [WITHOUT]
    assert (
        "result refused, the version of the OpenSSL in the process is 3.0.22"
        in gathered.absent[0].why
    )


@pytest.mark.parametrize("name", ["/etc/hostname", "../../x.py", "M2Crypto/none.py", "a\nb"])
def test_a_result_that_names_other_files_of_this_computer_is_refused(
    project: Path, name: str
) -> None:
    folder = here(project).results / WITH
    kept = (folder / results.C_LINES).read_bytes()
    c_lines.dump({name: C_OF[WITH]}, folder / results.C_LINES)
    results.seal(folder)
    with pytest.raises(UserError, match=r"c_lines\.json: result refused, .* is no file of the sou"):
        make(project)

    (folder / results.C_LINES).write_bytes(kept)
    data = coverage.CoverageData(str(folder / results.PYTHON))
    data.add_arcs({name: [(-1, 1)]})
    data.write()
    data.close()
    results.seal(folder)
    with pytest.raises(
        UserError, match=r"python\.coverage: result refused, .* is no file of the s"
    ):
        make(project)


@pytest.mark.parametrize("line", [0, -1, 10**7, 10**30])
def test_a_line_that_no_file_has_is_refused(project: Path, line: int) -> None:
    folder = here(project).results / WITH
    c_lines.dump({"SWIG/src/ec.c": CLines(run=frozenset({line}))}, folder / results.C_LINES)
    results.seal(folder)
    with pytest.raises(
        UserError,
        match=r"c_lines\.json: SWIG/src/ec\.c\.run\[0\] must be the number of a line, not ",
    ):
        make(project)


@pytest.mark.parametrize(
    ("release", "no_ec", "swig", "words"),
    [
        (replace(RELEASE, version="3.5.8"), NO_EC, "4.5.1", "OpenSSL 3.5.7, the plan is 3.5.8"),
        (replace(RELEASE, sha256="1" * 64), NO_EC, "4.5.1", "the tarball"),
        (RELEASE, NO_EC, "4.6.0", "SWIG 4.5.1, the plan is 4.6.0"),
        (RELEASE, Variant("no-ec", ("no-ec", "no-dsa")), "4.5.1", "the plan is no-ec no-dsa"),
    ],
)
def test_a_result_of_another_manifest_is_excluded(
    project: Path, release: Release, no_ec: Variant, swig: str, words: str
) -> None:
    known = replace(
        MANIFEST,
        releases=(release,),
        variants=(DEFAULT, no_ec),
        every=(DEFAULT, no_ec),
        swigs={swig.rpartition(".")[0]: swig},
    )
    gathered = gather(project, known)
    absent = {each.id: each.why for each in gathered.absent}
    assert words in absent[WITHOUT]
    assert (WITH in absent) == (no_ec == NO_EC)


def test_a_result_copied_to_another_cell_is_excluded(project: Path) -> None:
    (here(project).results / WITH).rename(here(project).results / "py3.13-openssl3.5")
    gathered = gather(project)
    absent = {each.id: each.why for each in gathered.absent}
    assert f"result refused, it is that of {WITH}" in absent["py3.13-openssl3.5"]
    assert absent[WITH] == "not run yet"


@pytest.mark.parametrize(
    "name", ["tests/test_new.py", "setup.py", "pyproject.toml", "ci/extension.py", "SWIG/x.i"]
)
def test_a_result_of_other_tests_or_tools_is_excluded(project: Path, name: str) -> None:
    (project / name).parent.mkdir(exist_ok=True)
    (project / name).write_text("new")
    assert {each.why for each in gather(project).absent} == {
        "the sources have changed since it ran",
        "not run yet",
    }


def test_a_result_with_edited_lines_is_excluded(project: Path) -> None:
    path = here(project).results / WITH / results.C_LINES
    path.write_text(path.read_text().replace('"missed": [8]', '"missed": []'))
    absent = {each.id: each.why for each in gather(project).absent}
    assert absent[WITH] == f"{path}: changed since the run sealed it; run the cell again"


def test_failed_tests_fail_the_report_unless_already_reported(project: Path) -> None:
    write_result(project, WITH, outcome=("failed", ""))
    line = f"tests failed in 1 cells: {WITH}"
    assert make(project)[0] == line
    assert line not in report.make(MANIFEST, machine("3.9"), here(project), logged=[WITH])


def test_failing_results_fail_the_session(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_result(project, WITH, outcome=("failed", ""))
    monkeypatch.setattr(manifest, "load", lambda _: MANIFEST)
    monkeypatch.setattr(interpreters, "installed", lambda _: ["3.9"])
    with pytest.raises(UserError, match="tests failed in 1 cells"):
        run.coverage([], here(project))
    assert "Cells" in page_of(project, "index")


def test_the_page_shows_the_tested_copy_of_a_file(project: Path) -> None:
    copy_checkout(here(project))
    (project / "SWIG" / "src" / "ec.c").write_text("/* edited */\n")
    report.make(MANIFEST, machine("3.9"), here(project))
    assert "edited" not in page_of(project, "ec_c")
    assert shown(page_of(project, "ec_c"), 8) == ("missed", [])


PASSED = {
    "build": "3.5",
    "role": "client",
    "peer": "GnuTLS",
    "peer_version": "3.7.9",
    "version": "TLSv1.3",
    "result": "passed",
    "cipher": "TLS_AES_256_GCM_SHA384",
    "group": "x25519",
    "detail": "",
}


def write_peers(root: Path, *rows: dict[str, str], sources: str = "") -> None:
    """Write what `nox -s peers` leaves."""
    document = {"sources": sources, "missing": ["nginx: not found <b>"], "rows": rows}
    here(root).peers.write_text(json.dumps(document))


def peers_of(root: Path) -> str:
    """Return the part of the page about peers."""
    return page_of(root, "index").partition("<h2>Peers</h2>")[2].partition("<h2>")[0]


def test_handshakes_with_peers_are_a_table(project: Path) -> None:
    make(project)
    assert peers_of(project) == ""
    write_peers(
        project,
        PASSED,
        {**PASSED, "role": "server", "version": "TLSv1.2", "result": "failed", "detail": '"reset"'},
        {**PASSED, "build": "3.5-no-ec", "result": "impossible", "detail": "no group"},
        {**PASSED, "peer": "3.5-no-ec", "peer_version": "3.5.7"},
    )
    make(project)
    table = peers_of(project)
    for part in (
        "1 failed, 1 are impossible",
        "<b>The sources have changed since.</b>",
        '<th colspan="2">3.5</th><th colspan="1">3.5-no-ec</th>',
        "<th>1.2</th><th>1.3</th><th>1.3</th>",
        "<th>client of GnuTLS (3.7.9)</th>",
        "<th>client of M2Crypto with OpenSSL 3.5-no-ec (3.5.7)</th>",
        '<td class="passed" title="TLS_AES_256_GCM_SHA384, x25519">passed</td>',
        '<td class="failed" title="&#34;reset&#34;">failed</td>',
        '<td class="absent" title="no group">impossible</td>',
        "<li>nginx: not found &lt;b&gt;</li>",
    ):
        assert part in table
    # Each row has a cell, an empty one too, for each column.
    rows = re.findall(r"<tr><th>(?:client|server) of .*?</tr>", table, re.DOTALL)
    assert [row.count("<td") for row in rows] == [3, 3, 3]

    write_peers(project, PASSED, sources=checkout.digest(here(project).copy))
    make(project)
    assert "have changed since" not in peers_of(project)


def test_handshakes_that_nobody_wrote_are_refused(project: Path) -> None:
    write_peers(project, {**PASSED, "result": "perhaps"})
    with pytest.raises(UserError, match=r"peers\.json: rows\[0\]\.result must be .*perhaps"):
        make(project)


def test_an_unchanged_report_is_not_written_again(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    index = here(project).html / "index.html"
    make(project)
    printed, written = capsys.readouterr().err, index.stat().st_mtime_ns
    make(project)
    assert (index.stat().st_mtime_ns, capsys.readouterr().err) == (written, printed)

    write_result(project, WITH, outcome=("skipped", "needs EC"))
    make(project)
    rewritten = index.stat().st_mtime_ns
    assert rewritten != written

    (index.parent / page.RECORD).write_text("{")
    make(project)
    assert index.stat().st_mtime_ns != rewritten


def test_github_shows_a_summary_of_the_report(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "summary"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(path))
    write_result(project, WITH, outcome=("failed", ""))
    make(project)
    lines = path.read_text().splitlines()
    assert "| C lines | 3 | 4 | 75.00 % |" in lines
    assert "| 3.5 | 1 | 0 | 0 | 1 |" in lines
    assert f"- `{WITH}: tests/test_t.py::one`" in lines
    assert "- `2 cells: Python 3.13 is not installed`" in lines


def test_the_summary_begins_with_what_fails_the_run(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "summary"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(path))
    for cell in (WITH, WITHOUT):
        write_result(project, cell, outcome=("skipped", "needs the openssl program"))
    monkeypatch.delenv("CI", raising=False)
    complaints = make(project)
    lines = path.read_text().splitlines()
    assert complaints
    assert lines[1:4] == ["### Complaints", "", f"- `{complaints[0]}`"]
    skipped = lines.index("### Skipped everywhere")
    assert lines[skipped + 2].endswith("because of this computer: needs the openssl program`")


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        (91, ""),
        (90, "OpenSSL 3.5 reaches its end of life on {}"),
        (0, "OpenSSL 3.5 reaches its end of life on {}"),
        (-1, "OpenSSL 3.5 is past its end of life, {}"),
    ],
)
def test_the_report_warns_before_an_end_of_life(
    project: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    days: int,
    expected: str,
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary"))
    # The page is made again although the results are the same.
    make(project)
    capsys.readouterr()
    end = date.today() + timedelta(days=days)
    known = replace(MANIFEST, releases=(replace(RELEASE, end_of_life=end),))
    report.make(known, machine("3.9"), here(project))
    line = expected.format(end)
    index = (project / "coverage" / "html" / "index.html").read_text()
    assert f"<li>{line}</li>" in index if line else "End of life" not in index
    logged = capsys.readouterr().err
    assert f"{line}\n" in logged if line else "end of life" not in logged
    written = (tmp_path / "summary").read_text()
    assert f"\n- `{line}`\n" in written if line else "end of life" not in written


def test_results_of_several_computers_must_be_complete(project: Path) -> None:
    copy_checkout(here(project))
    complaints = report.make(MANIFEST, None, here(project))
    assert [line.partition(":")[0] for line in complaints] == [
        "py3.13-openssl3.5",
        "py3.13-openssl3.5-no-ec",
    ]
    assert complaints[0].endswith(": not run yet")
    write_result(project, WITH, partial=True)
    assert f"{WITH}: only some of the tests ran" in report.make(MANIFEST, None, here(project))


def test_a_result_of_a_newer_schema_is_refused_in_one_line(project: Path) -> None:
    folder = here(project).results / WITH
    path = folder / results.CELL
    path.write_text(json.dumps(json.loads(path.read_text()) | {"moon": "full"}))
    results.seal(folder)
    (why,) = (each.why for each in gather(project).absent if each.id == WITH)
    assert why.startswith(f"{path}: moon is an unknown key; ")
    assert "\n" not in why


def test_what_the_computer_lacks_fails_a_run_of_ci(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for cell in (WITH, WITHOUT):
        write_result(project, cell, outcome=("skipped", "needs the openssl program"))
    monkeypatch.delenv("CI", raising=False)
    line = "1 tests ran in no cell because of this computer: needs the openssl program"
    assert line not in make(project)
    monkeypatch.setenv("CI", "true")
    assert line in make(project)


def test_a_failed_report_keeps_the_old_page(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(project)
    write_result(project, WITH, outcome=("skipped", "needs EC"))
    monkeypatch.setattr(page, "_insert", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        make(project)
    assert "Cells" in page_of(project, "index")
    assert not list(here(project).results.glob(".html"))


# --- the policy -----------------------------------------------------------------------------------


def test_a_total_below_its_floor_is_reported_and_one_at_its_floor_is_not() -> None:
    totals = [Total("Python lines", 1000, 899), Total("C lines", 10, 8)]
    (line,) = gates.below_floor(totals, POLICY)
    assert line == (
        "Python lines: 89.90 % ran, less than the floor of 90 % in coverage/policy.toml"
    )


def result_of(ran: set[str], skipped: dict[str, str]) -> Result:
    tests = results.Tests(frozenset(ran), frozenset(), skipped)
    surface = Surface({}, {})
    return Result(Path(), EXPECTED, STAMP, tests, results.Timings(0, 0), surface)


def test_a_test_that_ran_in_no_cell_fails_the_run() -> None:
    fit = [
        result_of({"a"}, {"b": "needs EC"}),
        result_of(set(), {"a": "needs EC", "b": "needs EC"}),
    ]
    assert gates.skips(fit, POLICY) == ["b ran in no cell: needs EC"]


def test_a_skip_with_an_undeclared_reason_fails_the_run() -> None:
    fit = [result_of({"a"}, {}), result_of(set(), {"a": "too tired"})]
    assert gates.skips(fit, POLICY) == [
        "a was skipped for a reason that coverage/policy.toml does not declare: too tired"
    ]


def test_a_test_skipped_everywhere_because_of_the_host_is_reported_in_one_line() -> None:
    fit = [
        result_of({"a"}, {"b": "needs EC", "c": "this system has no IPv6"}),
        result_of(set(), {"b": "this system has no IPv6", "c": "this system has no fork"}),
    ]
    assert gates.skips(fit, POLICY) == []
    assert gates.missing(fit, POLICY) == (
        "2 tests ran in no cell because of this computer:"
        " this system has no IPv6; this system has no fork"
    )
    assert gates.missing(fit[:1], POLICY).startswith("1 tests ran in no cell")
    assert gates.missing([result_of({"a", "b", "c"}, {}), *fit], POLICY) == ""


def test_ci_need_not_have_what_is_optional() -> None:
    fit = [result_of({"a"}, {"b": "this system has no keychain"})]
    assert gates.skips(fit, POLICY) == []
    assert gates.missing(fit, POLICY).endswith("this computer: this system has no keychain")
    assert gates.missing(fit, POLICY, optional=False) == ""
    fit.append(result_of(set(), {"a": "needs EC", "c": "this system has no IPv6"}))
    assert gates.missing(fit, POLICY, optional=False) == (
        "1 tests ran in no cell because of this computer: this system has no IPv6"
    )


def test_the_policy_of_the_project_is_valid() -> None:
    policy = gates.read_policy(here().policy)
    counted = {floor.counted for floor in policy.floors}
    assert counted == {"Python lines", "Python branches", "C lines"}
    assert all(floor.reason for floor in policy.floors)
    kinds = {
        "needs the openssl program": "required",
        "this system has no AF_INET6": "required",
        "this system has no native trust store": "optional",
        "needs a certdata.txt": "optional",
        "needs EC": "",
    }
    assert {reason: gates.machine(reason, policy) for reason in kinds} == kinds


FLOORS = """
[[floor]]
counted = "Python lines"
percent = 90
reason = "r"
[[floor]]
counted = "Python branches"
percent = 90
reason = "r"
[[floor]]
counted = "C lines"
percent = 80
reason = "r"
"""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("floor = 3 3", "not TOML"),
        (FLOORS + '[[floors]]\na = "b"\n', "floors is an unknown key"),
        ('[[floor]]\ncounted = "C lines"\npercent = 1\n', "floor[0].reason is missing"),
        (FLOORS + "skip = []\n", "floor[2].skip is an unknown key"),
        ("skip = []\n" + FLOORS.replace("C l", "D l"), "counted must be once each of Python lines"),
        (FLOORS + '[[skip]]\nreason = "x"\n', "skip[0].why is missing"),
        (
            FLOORS + '[[skip]]\nreason = "x("\nwhy = "y"\n',
            "skip.reason 'x(' is not a regular expression: ",
        ),
        (FLOORS + '[[skip]]\nreason = 5\nwhy = "y"\n', "skip[0].reason must be a string, not 5"),
        (
            FLOORS + '[[skip]]\nreason = "x"\nwhy = "y"\nmachine = "no"\n',
            "skip[0].machine must be 'required' or 'optional', not 'no'",
        ),
        (
            FLOORS + '[[skip]]\nreason = "x"\nwhy = "y"\nmachin = "optional"\n',
            "did you mean 'machine'",
        ),
        (FLOORS + "[skip]\nreason = 5\n", "skip must be a list, not {'reason': 5}"),
        (FLOORS.replace("80", '"80"'), "floor[2].percent must be a number from 0 to 100, not '80'"),
        (FLOORS.replace("80", "true"), "floor[2].percent must be a number from 0 to 100, not True"),
        (FLOORS.replace("80", "101"), "floor[2].percent must be a number from 0 to 100, not 101"),
        ("floor = 3\n", "floor must be a list, not 3"),
        ("floor = [3]\n", "floor[0] must be a table, not 3"),
    ],
)
def test_an_invalid_policy_is_reported_in_one_line(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(text)
    with pytest.raises(UserError, match=re.escape(words)) as caught:
        gates.read_policy(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_policy_that_is_not_utf_8_is_reported_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_bytes(b"\xff")
    with pytest.raises(UserError, match="not TOML"):
        gates.read_policy(path)
