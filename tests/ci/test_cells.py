"""A cell leaves a whole result, or none and its log; and what did not run is said."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from tiny_project import write_project

import coverage
from ci import c_lines, cells, environments, interpreters, prefixes, results, store, wheels
from ci.cells import Bench
from ci.manifest import Build, Manifest, Release, Variant
from ci.plan import Cell
from ci.problem import Problem

SERIES = "{}.{}".format(*sys.version_info)
RELEASE = Release("3.5", "3.5", "https://example.org/a.tar.gz", "0" * 64, date(2030, 4, 8))
PLAIN = Build(RELEASE, Variant("default", ()))
NO_EC = Build(RELEASE, Variant("no-ec", ("no-ec",)))
MANIFEST = Manifest(
    (RELEASE,), (PLAIN.variant, NO_EC.variant), (SERIES, "3.99"), "4.5.1", (PLAIN, NO_EC)
)
CELL = Cell(SERIES, PLAIN)
CELL_NO_EC = Cell(SERIES, NO_EC)

MakeBench = Callable[..., Bench]


@pytest.fixture(scope="module")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for all these tests, so that each extension is built once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def project(tmp_path: Path, shared_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tiny project whose cells run with the Python of these tests and a made-up OpenSSL."""
    monkeypatch.setenv("M2CRYPTO_CACHE", str(shared_cache))
    root = write_project(tmp_path / "project")
    monkeypatch.setattr(cells, "PROJECT", root)
    monkeypatch.setattr(results, "ROOT", root / "coverage" / "results")
    monkeypatch.setattr(environments, "ensure", lambda *_: Path(sys.executable))
    monkeypatch.setattr(wheels, "_swig", lambda _: {})
    monkeypatch.setattr(
        prefixes, "ensure", lambda builds: {build.name: Path("/p") / build.name for build in builds}
    )
    monkeypatch.setattr(wheels.ensure, "__kwdefaults__", {"project": root})
    return root


@pytest.fixture
def bench(project: Path) -> MakeBench:
    """Makes what the two cells share; its arguments are pytest's."""

    def make(*arguments: str) -> Bench:
        found = {SERIES: interpreters.ask(Path(sys.executable))}
        assert found[SERIES]
        return cells._bench([CELL, CELL_NO_EC], MANIFEST, arguments, found)  # type: ignore[arg-type]

    return make


def test_a_cell_leaves_a_whole_result_of_both_languages(project: Path, bench: MakeBench) -> None:
    outcome = cells.run_cell(CELL, bench())
    result = results.read(results.ROOT / CELL.id)

    assert (outcome.summary, outcome.why) == ("2 passed, 0 failed, 0 skipped", "")
    assert not result.expected.partial
    assert result.stamp.runtime == "3.5"
    assert {path.name for path in result.folder.iterdir()} == {*results.WHOLE, results.LOG}

    python = coverage.CoverageData(str(result.folder / results.PYTHON))
    python.read()
    assert python.measured_contexts() == {CELL.id}
    assert python.lines("M2Crypto/EC.py") == [1, 4, 5]
    assert python.lines("M2Crypto/child.py") == [1]

    source = (project / "SWIG/src/ec.c").read_text().splitlines()
    lines = c_lines.load(result.folder / results.C_LINES)["SWIG/src/ec.c"]
    assert source.index("    return PyLong_FromLong(25519);") + 1 in lines.run


def test_cells_that_share_a_build_or_run_side_by_side_keep_their_lines_apart(
    project: Path, bench: MakeBench
) -> None:
    cells.run_cell(CELL_NO_EC, bench())
    lines = c_lines.load(results.ROOT / CELL_NO_EC.id / results.C_LINES)["SWIG/src/ec.c"]
    source = (project / "SWIG/src/ec.c").read_text().splitlines()
    assert source.index("    return PyLong_FromLong(25519);") + 1 in lines.compiled_out

    again = cells.run_cell(CELL_NO_EC, bench("-k", "child"))
    assert again.summary == "1 passed, 0 failed, 0 skipped"
    assert results.read(results.ROOT / CELL_NO_EC.id).expected.partial


def test_a_cell_with_a_failing_test_shows_it_and_where_the_log_is(
    project: Path, bench: MakeBench
) -> None:
    with (project / "tests" / "test_ec.py").open("a") as file:
        file.write("def test_broken():\n    assert EC.curve() == 1\n")
    outcome = cells.run_cell(CELL, bench())
    log = results.ROOT / CELL.id / results.LOG

    assert outcome.summary == "2 passed, 1 failed, 0 skipped"
    assert f"the whole log is {log}" in outcome.why
    assert "FAILED tests/test_ec.py::test_broken" in outcome.why
    assert "assert 25519 == 1" in log.read_text()
    assert results.read(results.ROOT / CELL.id).tests.failed == {"tests.test_ec::test_broken"}


def test_a_cell_that_crashes_leaves_its_log_and_no_result(project: Path, bench: MakeBench) -> None:
    with (project / "tests" / "test_ec.py").open("a") as file:
        file.write("def test_crash():\n    import os\n    os.abort()\n")
    with pytest.raises(Problem, match="SIGABRT") as caught:
        cells.run_cell(CELL, bench())

    folder = results.ROOT / CELL.id
    assert str(folder / results.LOG) in str(caught.value)
    assert [path.name for path in folder.iterdir()] == [results.LOG]
    with pytest.raises(Problem, match="no result"):
        results.read(folder)


def test_a_cell_that_tested_another_openssl_is_refused(
    project: Path, bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        prefixes, "ensure", lambda builds: {build.name: Path("/p/3.0") for build in builds}
    )
    with pytest.raises(Problem, match=r"result refused, OpenSSL's headers is 3\.0 where"):
        cells.run_cell(CELL, bench())
    assert [path.name for path in (results.ROOT / CELL.id).iterdir()] == [results.LOG]


def test_a_cell_whose_extension_does_not_build_fails_and_the_other_one_runs(
    project: Path, bench: MakeBench, capsys: pytest.CaptureFixture[str]
) -> None:
    with (project / "SWIG" / "src" / "ec.c").open("a") as file:
        file.write("#ifdef NO_EC\n#error no curve\n#endif\n")
    outcomes = cells._run_all([CELL, CELL_NO_EC], bench())

    assert [bool(outcome.why) for outcome in outcomes] == [False, True]
    assert "no curve" in outcomes[1].why
    printed = capsys.readouterr().err
    assert f"passed  {CELL.id}" in printed
    assert f"FAILED  {CELL_NO_EC.id}" in printed


def test_a_build_that_cannot_be_had_fails_its_cells_and_the_other_ones_run(
    project: Path,
    bench: MakeBench,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def ensure(_: object) -> dict[str, Path]:
        raise Problem("openssl-3.5.tar.gz: no source has it")

    there = {"3.5": Path("/p/3.5"), "3.5-no-ec": None}
    monkeypatch.setattr(prefixes, "ensure", ensure)
    monkeypatch.setattr(prefixes, "find", lambda build: there[build.name])
    outcomes = cells._run_all([CELL, CELL_NO_EC], bench())

    assert [outcome.why for outcome in outcomes] == [
        "",
        "OpenSSL 3.5-no-ec cannot be had, as said above",
    ]
    assert "no source has it" in capsys.readouterr().err

    there["3.5"] = None
    with pytest.raises(Problem, match="no source has it"):
        bench()


def test_ones_own_variables_do_not_reach_a_cell(
    project: Path, bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PYTHONWARNINGS", "PYTEST_ADDOPTS", "OPENSSL_CONF", "SSL_CERT_FILE"):
        monkeypatch.setenv(name, "nonsense")
    (project / "tests" / "test_ec.py").write_text(
        "import json, os, sys\n"
        "def test_it():\n"
        "    assert 'nonsense' not in os.environ.values()\n"
        "    assert sys.flags.dev_mode and sys.warnoptions[-1] == 'error'\n"
    )
    assert cells.run_cell(CELL, bench()).why == ""


def test_a_cell_writes_into_no_folder_but_its_own(project: Path, bench: MakeBench) -> None:
    (project / "tests" / "test_ec.py").write_text(
        "from pathlib import Path\ndef test_it(tmp_path):\n    Path('stray').touch()\n"
    )
    before = {path for path in project.rglob("*") if results.ROOT not in path.parents}
    assert cells.run_cell(CELL, bench()).why == ""
    assert {path for path in project.rglob("*") if results.ROOT not in path.parents} == before | {
        project / "coverage",
        results.ROOT,
    }


def test_what_failed_in_an_earlier_cell_too_is_not_shown_again(
    project: Path, bench: MakeBench, capsys: pytest.CaptureFixture[str]
) -> None:
    with (project / "tests" / "test_ec.py").open("a") as file:
        file.write("def test_broken():\n    assert 0, 'once'\n")
    cells._run_all([CELL, CELL_NO_EC], bench())
    printed = capsys.readouterr().err

    assert printed.count("the whole log is") == 1
    assert printed.count("the same tests as in py") == 1


def test_cells_whose_python_is_missing_are_named_with_the_reason(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = [Cell("3.99", PLAIN), Cell("3.99", NO_EC)]
    outcomes, missing = cells.run(wanted, MANIFEST, [], {})

    assert outcomes == []
    assert [each.id for each in missing] == ["py3.99-openssl3.5", "py3.99-openssl3.5-no-ec"]
    printed = capsys.readouterr().err
    assert "Python 3.99 is not installed: py3.99-openssl3.5, py3.99-openssl3.5-no-ec" in printed
    with pytest.raises(Problem, match=r"no cell could run: Python 3\.99 is not installed"):
        cells._demand(outcomes, missing, [])


def test_failed_cells_and_complaints_fail_the_session_each_in_a_line() -> None:
    good = cells.Outcome("good", "")
    bad = cells.Outcome("bad", "", "why")
    cells._demand([good], [], [])
    with pytest.raises(Problem) as caught:
        cells._demand([good, bad], [], ["C: too few"])
    assert str(caught.value) == "1 of 2 cells failed: bad\nerror: C: too few"


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("tests/test_ec.py", "{root}/tests/test_ec.py"),
        ("tests/test_ec.py::test_curve[a]", "{root}/tests/test_ec.py::test_curve[a]"),
        ("-x", "-x"),
        ("curve and not child", "curve and not child"),
    ],
)
def test_paths_among_pytests_arguments_are_from_the_projects_root(
    project: Path, argument: str, expected: str
) -> None:
    assert cells._absolute(argument) == expected.format(root=project)


def test_only_the_named_tests_run(project: Path, bench: MakeBench) -> None:
    outcome = cells.run_cell(CELL, bench("tests/test_ec.py::test_curve", "-q"))
    assert outcome.summary == "1 passed, 0 failed, 0 skipped"


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["py3.13-openssl3.5-noec"], "did you mean 'py3.13-openssl3.5-no-ec'"),
        ([], "which cell"),
    ],
)
def test_an_unknown_cell_is_one_clear_line(argv: list[str], words: str) -> None:
    with pytest.raises(Problem, match=words) as caught:
        cells.main_cell(argv)
    assert "\n" not in str(caught.value)


def test_pyc_files_are_kept_for_the_next_run_outside_of_checkout_and_wheel(
    project: Path, bench: MakeBench
) -> None:
    made = bench()
    cells.run_cell(CELL, made)
    wheel = made.wheels[CELL.id]
    assert isinstance(wheel, wheels.Wheel)
    assert not list(wheel.site.rglob("*.pyc"))
    assert list((store.cache_root() / "pycache").rglob("EC.*.pyc"))


def test_the_expectation_is_written_where_pytest_reads_it(project: Path, bench: MakeBench) -> None:
    cells.run_cell(CELL_NO_EC, bench())
    expected = json.loads((results.ROOT / CELL_NO_EC.id / results.CELL).read_text())
    assert {key: expected[key] for key in ("id", "python", "openssl", "ec")} == {
        "id": CELL_NO_EC.id,
        "python": SERIES,
        "openssl": "3.5",
        "ec": False,
    }
