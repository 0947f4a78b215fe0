"""A cell writes a complete result, or none and its log; cells that did not run are reported."""

from __future__ import annotations

import json
import os
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tiny_cells import (
    CELL,
    CELL_NO_EC,
    MANIFEST,
    NO_EC,
    PLAIN,
    SERIES,
    MakeInputs,
    refused,
    write_test,
)
from tiny_openssl import runs
from tiny_project import PLATFORM, here, tiny_cell

import coverage
from ci import disk, run, wheels
from ci.errors import UserError
from ci.gcov import lines as c_lines
from ci.matrix import cell as one
from ci.matrix import prepare, results, runner
from ci.matrix.machine import Machine
from ci.matrix.plan import Planned
from ci.openssl import prefixes
from ci.project import Project


def test_a_cell_writes_a_complete_result_for_python_and_c(
    project: Project, inputs: MakeInputs
) -> None:
    outcome = one.run(CELL, inputs())
    result = results.read(project.results / CELL.id)

    assert (outcome.summary, outcome.why) == ("2 run", "")
    assert not result.expected.partial
    assert result.stamp.runtime == "3.5"
    assert {path.name for path in result.directory.iterdir()} == set(results.WHOLE)

    python = coverage.CoverageData(str(result.directory / results.PYTHON))
    python.read()
    assert python.measured_contexts() == {CELL.id}
    assert python.lines("M2Crypto/EC.py") == [1, 4, 5]
    assert python.lines("M2Crypto/child.py") == [1]

    source = (project.root / "SWIG/src/ec.c").read_text().splitlines()
    lines = c_lines.load(result.directory / results.C_LINES)["SWIG/src/ec.c"]
    assert source.index("    return PyLong_FromLong(25519);") + 1 in lines.run


def test_cells_that_share_a_build_or_run_in_parallel_record_separate_lines(
    project: Project, inputs: MakeInputs
) -> None:
    one.run(CELL_NO_EC, inputs())
    lines = c_lines.load(project.results / CELL_NO_EC.id / results.C_LINES)["SWIG/src/ec.c"]
    source = (project.root / "SWIG/src/ec.c").read_text().splitlines()
    assert source.index("    return PyLong_FromLong(25519);") + 1 in lines.compiled_out

    again = one.run(CELL_NO_EC, inputs("-k", "child"))
    assert again.summary == "1 run"
    assert results.read(project.results / CELL_NO_EC.id).expected.partial


def test_a_failing_test_is_shown_with_the_path_of_the_log(
    project: Project, inputs: MakeInputs
) -> None:
    with (project.root / "tests" / "test_ec.py").open("a") as file:
        file.write("def test_broken():\n    assert EC.curve() == 1\n")
    outcome = one.run(CELL, inputs())
    log = project.results / CELL.id / results.LOG

    assert outcome.summary == "1 of 3 failed"
    assert f"the whole log is {log}" in outcome.why
    assert "FAILED tests/test_ec.py::test_broken" in outcome.why
    assert "assert 25519 == 1" in log.read_text()
    # A path in it is the checkout's, from its root.
    assert "\ntests/test_ec.py:13: AssertionError" in log.read_text()
    assert results.read(project.results / CELL.id).tests.failed == {"tests/test_ec.py::test_broken"}


def test_a_crashed_cell_leaves_its_log_and_no_result(project: Project, inputs: MakeInputs) -> None:
    with (project.root / "tests" / "test_ec.py").open("a") as file:
        file.write("def test_crash():\n    import os\n    os.abort()\n")
    with pytest.raises(UserError, match="SIGABRT") as caught:
        one.run(CELL, inputs())

    folder = project.results / CELL.id
    assert str(folder / results.LOG) in str(caught.value)
    assert [path.name for path in folder.iterdir()] == [results.LOG]
    with pytest.raises(UserError, match="no result"):
        results.read(folder)


def test_a_result_of_another_openssl_is_refused(
    project: Project, inputs: MakeInputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        prefixes, "ensure", lambda builds, _: {build.name: Path("/p/3.0") for build in builds}
    )
    with pytest.raises(
        UserError, match=r"result refused, the version of OpenSSL's headers is 3\.0, the plan"
    ):
        one.run(CELL, inputs())
    assert [path.name for path in (project.results / CELL.id).iterdir()] == [results.LOG]


def test_a_failed_extension_build_fails_its_cell_and_the_others_run(
    project: Project, inputs: MakeInputs, capsys: pytest.CaptureFixture[str]
) -> None:
    with (project.root / "SWIG" / "src" / "ec.c").open("a") as file:
        file.write("#ifdef NO_EC\n#error no curve\n#endif\n")
    outcomes = runner.run_all([CELL, CELL_NO_EC], inputs())

    assert [bool(outcome.why) for outcome in outcomes] == [False, True]
    assert "no curve" in outcomes[1].why
    printed = capsys.readouterr().err
    assert f"passed {CELL.id}" in printed
    assert f"FAILED {CELL_NO_EC.id}" in printed


def test_a_failed_openssl_build_fails_its_cells_and_the_others_run(
    project: Project,
    inputs: MakeInputs,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def ensure(*_: object) -> dict[str, Path]:
        raise UserError("openssl-3.5.tar.gz: no source has it")

    there = {"3.5": Path("/p/3.5"), "3.5-no-ec": None}
    monkeypatch.setattr(prefixes, "ensure", ensure)
    monkeypatch.setattr(prefixes, "find", lambda build, _: there[build.name])
    outcomes = runner.run_all([CELL, CELL_NO_EC], inputs())

    assert [outcome.why for outcome in outcomes] == [
        "",
        "OpenSSL 3.5-no-ec is not available, see the error above",
    ]
    assert "no source has it" in capsys.readouterr().err

    there["3.5"] = None
    with pytest.raises(UserError, match="no source has it"):
        inputs()


def test_the_users_variables_do_not_reach_a_cell(
    project: Project, inputs: MakeInputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Those that change Python, pytest, OpenSSL, the loader, malloc, the locale and the time zone.
    for name in (
        *("PYTHONWARNINGS", "PYTHONSAFEPATH", "PYTEST_ADDOPTS", "OPENSSL_CONF", "SSL_CERT_FILE"),
        *("LC_ALL", "LANG", "TZ", "HOME", "DYLD_INSERT_LIBRARIES", "LD_AUDIT", "MALLOC_PERTURB_"),
        *("SSLKEYLOGFILE", "RANDFILE", "CTLOG_FILE", "GLIBC_TUNABLES", "https_proxy", "UNHEARD_OF"),
    ):
        monkeypatch.setenv(name, "nonsense")
    before = os.umask(0o077)
    (project.root / "tests" / "test_ec.py").write_text(
        "import json, os, sys\n"
        "def test_it():\n"
        "    assert 'nonsense' not in os.environ.values()\n"
        "    assert (os.environ['TZ'], os.environ['LANG']) == ('UTC', 'C.UTF-8')\n"
        "    assert os.umask(0) == 0o022\n"
        "    assert sys.flags.dev_mode and sys.warnoptions[-1] == 'error'\n"
    )
    try:
        assert one.run(CELL, inputs()).why == ""
    finally:
        os.umask(before)


def test_a_cell_writes_only_into_its_own_directory(project: Project, inputs: MakeInputs) -> None:
    (project.root / "tests" / "test_ec.py").write_text(
        "from pathlib import Path\ndef test_it(tmp_path):\n    Path('stray').touch()\n"
    )
    made = inputs()
    before = set(project.root.rglob("*"))
    assert one.run(CELL, made).why == ""
    assert set(project.root.rglob("*")) - before == {
        project.results / CELL.id / name for name in ("", *results.WHOLE)
    }


def test_a_failure_shown_for_an_earlier_cell_is_not_repeated(
    project: Project, inputs: MakeInputs, capsys: pytest.CaptureFixture[str]
) -> None:
    with (project.root / "tests" / "test_ec.py").open("a") as file:
        file.write("def test_broken():\n    assert 0, 'once'\n")
    runner.run_all([CELL, CELL_NO_EC], inputs())
    printed = capsys.readouterr().err

    assert printed.count("the whole log is") == 1
    assert printed.count("the same tests as in py") == 1


def test_cells_whose_python_is_missing_are_named_with_the_reason(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = [Planned(tiny_cell("3.99", build), "", None) for build in (PLAIN, NO_EC)]
    machine = Machine(PLATFORM.name, {})
    outcomes, missing = runner.run(wanted, MANIFEST, [], machine, project)

    assert outcomes == []
    assert [each.id for each in missing] == ["py3.99-openssl3.5", "py3.99-openssl3.5-no-ec"]
    printed = capsys.readouterr().err
    assert "Python 3.99 is not installed: py3.99-openssl3.5, py3.99-openssl3.5-no-ec" in printed
    with pytest.raises(UserError, match=r"no cell could run: Python 3\.99 is not installed"):
        run.check(outcomes, missing, [])


def test_each_failed_cell_and_complaint_is_one_line_and_fails_the_session() -> None:
    good = one.Outcome("good", "")
    bad = one.Outcome("bad", "", "why")
    run.check([good], [], [])
    with pytest.raises(UserError) as caught:
        run.check([good, bad], [], ["C: too few"])
    assert str(caught.value) == "1 of 2 cells failed: bad\nerror: C: too few"


def test_only_the_selected_tests_run(project: Project, inputs: MakeInputs) -> None:
    outcome = one.run(CELL, inputs("tests/test_ec.py::test_curve", "-q"))
    assert outcome.summary == "1 run"


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["py3.13-openssl3.5-noec"], "did you mean 'py3.13-openssl3.5-no-ec'"),
        ([], "no cell given"),
    ],
)
def test_an_unknown_cell_is_reported_in_one_line(argv: list[str], words: str) -> None:
    with pytest.raises(UserError, match=words) as caught:
        run.cell(argv, here())
    assert "\n" not in str(caught.value)


def test_pyc_files_are_kept_in_the_cache_only(project: Project, inputs: MakeInputs) -> None:
    made = inputs()
    one.run(CELL, made)
    wheel = made.wheels[CELL.id]
    assert isinstance(wheel, wheels.Wheel)
    assert not list(wheel.site.rglob("*.pyc"))
    assert list((here().cache / "pycache").rglob("EC.*.pyc"))


def test_the_expected_cell_is_written_for_pytest(project: Project, inputs: MakeInputs) -> None:
    one.run(CELL_NO_EC, inputs())
    expected = json.loads((project.results / CELL_NO_EC.id / results.CELL).read_text())
    assert {key: expected[key] for key in ("id", "python", "openssl", "switches")} == {
        "id": CELL_NO_EC.id,
        "python": SERIES,
        "openssl": "3.5",
        "switches": {"OPENSSL_NO_EC": True},
    }


# --- the checkout ---------------------------------------------------------------------------------


def test_edits_during_a_run_do_not_affect_it(project: Project, inputs: MakeInputs) -> None:
    def edited_now() -> None:
        (project.root / "SWIG" / "src" / "ec.c").write_text("#error edited\n")
        (project.root / "M2Crypto" / "EC.py").write_text("raise RuntimeError('edited')\n")
        (project.root / "tests" / "test_ec.py").write_text("def test_edited():\n    assert 0\n")

    made = inputs()
    before = made.sources
    edited_now()
    outcome = one.run(CELL, made)

    assert (outcome.summary, outcome.why) == ("2 run", "")
    assert results.read(project.results / CELL.id).expected.sources == before
    assert inputs().sources != before


@pytest.mark.parametrize(
    "name", ["tests/test_ec.py", "tests/fix_cell.py", "setup.py", "pyproject.toml", "SWIG/src/ec.c"]
)
def test_everything_that_can_change_a_result_is_in_its_digest(
    project: Project, inputs: MakeInputs, name: str
) -> None:
    before = inputs().sources
    with (project.root / name).open("a") as file:
        file.write("\n")
    assert inputs().sources != before


def test_other_files_in_the_checkout_are_in_no_digest(project: Project, inputs: MakeInputs) -> None:
    before = inputs().sources
    for name in ("M2Crypto/_build_info.py", "M2Crypto/_m2crypto.so", "tests/.x.swp", "build/x.py"):
        (project.root / name).parent.mkdir(exist_ok=True)
        (project.root / name).write_text("stray")
    assert inputs().sources == before


# --- complete sessions ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("import pytest\ndef test_a():\n    pytest.exit('enough', 0)\n", "test_more.py::test_a"),
        ("import os\ndef test_a():\n    os._exit(0)\n", "test_more.py::test_a"),
        (
            "import os\ndef test_a():\n    os.fork()\n",
            "a forked child continued the session after tests/test_more.py::test_a",
        ),
        (
            "import os\ndef test_a():\n    if os.fork() == 0:\n        raise SystemExit(0)\n",
            "a forked child continued the session after tests/test_more.py::test_a",
        ),
    ],
    ids=["pytest.exit", "os._exit", "fork", "fork-and-exit"],
)
def test_a_session_that_ended_early_or_forked_is_refused(
    project: Project, inputs: MakeInputs, text: str, words: str
) -> None:
    write_test(project, text)
    assert words in refused(inputs())


def test_an_expected_failure_counts_as_passed_if_it_ran_and_skipped_if_not(
    project: Project, inputs: MakeInputs
) -> None:
    write_test(
        project,
        "import pytest\n"
        "@pytest.mark.xfail(run=False, reason='crashes')\ndef test_a():\n    assert 0\n"
        "@pytest.mark.xfail(reason='known')\ndef test_b():\n    assert 0\n",
    )
    one.run(CELL, inputs())
    tests = results.read(project.results / CELL.id).tests
    assert "tests/test_more.py::test_b" in tests.ran
    assert tests.skipped == {"tests/test_more.py::test_a": "[NOTRUN] crashes"}


def test_a_test_whose_teardown_fails_counts_as_failed(project: Project, inputs: MakeInputs) -> None:
    write_test(
        project,
        "import pytest\n@pytest.fixture\ndef bad():\n    yield\n    assert 0\n"
        "def test_a(bad):\n    pass\n",
    )
    assert one.run(CELL, inputs()).failed == {"tests/test_more.py::test_a"}


def test_unsaved_coverage_data_is_detected(project: Project, inputs: MakeInputs) -> None:
    write_test(
        project,
        "import atexit\nimport coverage\n"
        "def test_a():\n    atexit.unregister(coverage.Coverage.current()._atexit)\n",
    )
    assert "coverage.py saved no data" in refused(inputs())


# --- processes and time ---------------------------------------------------------------------------

LEAVES = """
import subprocess, sys
def test_a():
    subprocess.Popen(["sleep", "987"], start_new_session={apart}, stdout=-3, stderr=-3)
"""


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_process_left_by_a_test_is_killed_and_fails_the_cell(
    project: Project, inputs: MakeInputs, apart: bool
) -> None:
    (project.root / "pyproject.toml").write_text(
        (project.root / "pyproject.toml").read_text()
        + "[tool.pytest.ini_options]\nfilterwarnings = ['ignore']\n"
    )
    write_test(project, LEAVES.format(apart=apart))
    assert "processes were left running, and were ended: sleep 987" in refused(inputs())
    assert not runs("sleep 987")


def test_a_hanging_test_is_killed_and_named(
    project: Project, inputs: MakeInputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_test(project, "import threading\ndef test_a():\n    threading.Event().wait()\n")
    monkeypatch.setenv("M2CRYPTO_TIMEOUT", "10")
    message = refused(inputs())
    assert message.startswith(
        "exceeded the limit of 10 s, tests/test_more.py::test_a was running; the whole"
    )
    # Python's fault handler wrote where.
    assert (
        'test_more.py", line 3 in test_a' in (project.results / CELL.id / results.LOG).read_text()
    )


@pytest.mark.parametrize("limit", ["0", "-1", "nan", "inf", "1e300", "ten"])
def test_an_invalid_timeout_is_reported_in_one_line(
    project: Project, inputs: MakeInputs, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setenv("M2CRYPTO_TIMEOUT", limit)
    with pytest.raises(UserError, match=f"M2CRYPTO_TIMEOUT={limit}: not a positive number up to"):
        inputs()


def test_no_line_wraps_at_60_columns(
    project: Project, inputs: MakeInputs, capsys: pytest.CaptureFixture[str]
) -> None:
    made = inputs()
    capsys.readouterr()
    runner.run_all([CELL, CELL_NO_EC], made)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert all(len(line) < 60 for line in lines)
    longest = one._summary(
        results.Tests(
            frozenset(map(str, range(1424))), frozenset(), {str(n): "" for n in range(99)}
        )
    )
    assert len(f"passed {'py3.13-openssl1.1.1-no-ec':<25} {longest:<20} 100 s") < 60


# --- arguments for pytest -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "summary"),
    [
        (["-k", "docs or child"], "1 run"),
        (["-k", "tests"], "3 run"),
        (["--deselect", "tests/test_ec.py::test_curve"], "2 run"),
        (["--deselect=tests/test_ec.py"], "1 run"),
        (["--ignore=tests/test_ec.py"], "1 run"),
        (["--ignore", "tests/test_ec.py"], "1 run"),
        (["tests/test_ec.py::test_curve"], "1 run"),
        (["./tests"], "3 run"),
        (["{root}/tests/test_ec.py"], "2 run"),
        (["--ignore={root}/tests/test_ec.py"], "1 run"),
    ],
)
def test_pytest_arguments_are_relative_to_the_project_root(
    project: Project, inputs: MakeInputs, arguments: list[str], summary: str
) -> None:
    (project.root / "docs").mkdir()
    write_test(project, "def test_more():\n    pass\n")
    made = inputs(*(argument.format(root=project.root) for argument in arguments))
    assert [each.summary for each in runner.run_all([CELL], made)] == [summary]


def test_an_unknown_option_is_reported_before_any_cell_and_changes_nothing(
    project: Project, inputs: MakeInputs, capsys: pytest.CaptureFixture[str]
) -> None:
    one.run(CELL, inputs())
    before = results.read(project.results / CELL.id)
    for arguments, words in (
        (["--mistyped"], "unrecognized arguments: --mistyped"),
        (["tests/none.py"], "file or directory not found: tests/none.py"),
    ):
        made = inputs(*arguments)
        capsys.readouterr()
        with pytest.raises(UserError) as caught:
            runner.run_all([CELL, CELL_NO_EC], made)
        assert str(caught.value) == f"pytest: {words}"
        assert capsys.readouterr().err == ""
    assert results.read(project.results / CELL.id) == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-k", "nothing_is_called_this"], "pytest: the arguments select no test"),
        (["tests/test_ec.py::test_none"], "pytest: not found: "),
    ],
)
def test_arguments_that_leave_no_test_change_nothing(
    project: Project, inputs: MakeInputs, arguments: list[str], words: str
) -> None:
    one.run(CELL, inputs())
    (outcome,) = runner.run_all([CELL], inputs(*arguments))
    assert outcome.why.startswith(words)
    assert "\n" not in outcome.why
    assert results.read(project.results / CELL.id).tests.passed == 2


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("--collect-only", "<Function test_curve>"),
        ("--co", "<Function test_curve>"),
        ("--help", "--journal=FILE"),
        ("--version", "pytest"),
        ("--markers", "@pytest.mark.skipif"),
        ("--setup-plan", "test_curve"),
    ],
)
def test_an_informational_pytest_option_prints_and_leaves_no_result(
    project: Project,
    session: list[str],
    argument: str,
    words: str,
    capfd: pytest.CaptureFixture[str],
) -> None:
    run.tests([argument], project)
    assert words in capfd.readouterr().out
    assert results.directories(project.results) == []
    assert session == []


def test_a_session_runs_its_cells_and_reports_them(project: Project, session: list[str]) -> None:
    run.tests(["-q"], project)
    assert session == [CELL.id, CELL_NO_EC.id]
    assert [path.name for path in results.directories(project.results)] == session


# --- a full disk ----------------------------------------------------------------------------------


@contextmanager
def file_limit(size: int) -> Iterator[None]:
    """Limit the size of files to `size` bytes (ulimit -f)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.usefixtures("capsys")  # In memory: pytest's own files have no room either.
@pytest.mark.parametrize("size", [0, 100, 1000, 3000, 10_000])
def test_a_full_disk_is_reported_in_one_line_and_keeps_the_old_result(
    project: Project, inputs: MakeInputs, size: int
) -> None:
    one.run(CELL, inputs())
    made = inputs()
    with file_limit(size):
        (outcome,) = runner.run_all([CELL], made)
    assert outcome.why.startswith("the disk is full: no room left for ")
    assert "\n" not in outcome.why
    assert results.read(project.results / CELL.id).tests.passed == 2
    assert [path.name for path in project.results.iterdir() if not path.name.startswith(".ch")] == [
        CELL.id
    ]


def test_a_cell_that_fills_the_disk_is_reported_and_the_others_run(
    project: Project, inputs: MakeInputs
) -> None:
    """The disk has room again when the error is reported, because the cell's files are removed."""
    write_test(
        project,
        "import os\nfrom M2Crypto import m2\ndef test_a():\n"
        "    if m2.OPENSSL_NO_EC:\n        print('No space left on device', flush=True)\n"
        "        os._exit(3)\n",
    )
    full, other = runner.run_all([CELL_NO_EC, CELL], inputs("-s"))
    assert full.why.startswith(
        f"the disk is full: no room left for {project.results / CELL_NO_EC.id}; "
    )
    assert "\n" not in full.why
    assert other.why == ""


def test_tests_that_fail_while_the_disk_is_full_fail_because_of_that(
    project: Project, inputs: MakeInputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_test(project, "import time\ndef test_a():\n    time.sleep(1)\n    assert 0\n")
    answers = iter([0])
    monkeypatch.setattr(disk, "free", lambda _: next(answers, 10**9))
    (outcome,) = runner.run_all([CELL], inputs())
    assert outcome.why.startswith("the disk is full: no room left for ")
    assert not outcome.failed


@pytest.mark.usefixtures("capsys")
def test_a_file_size_limit_during_an_extension_build_is_reported_in_one_line(
    project: Project, inputs: MakeInputs
) -> None:
    with (project.root / "SWIG" / "src" / "ec.c").open("a") as file:
        file.write("const char padding[100000] = {1};\n")
    with file_limit(40_000):
        made = inputs()
    problem = made.wheels[CELL.id]
    assert isinstance(problem, UserError)
    assert str(problem).startswith("the disk is full: no room left for ")
    assert "\n" not in str(problem)
    assert not list((here().cache / "extensions" / ".making").iterdir())


# --- bytecode -------------------------------------------------------------------------------------


def test_bytecode_of_removed_and_inaccessible_directories_is_evicted(
    tmp_path: Path, forbid: Callable[[Path], None]
) -> None:
    root = tmp_path / "pycache"
    there, gone = tmp_path / "there", tmp_path / "gone" / "deep"
    private = tmp_path / "private" / "deep"
    there.mkdir()
    private.mkdir(parents=True)
    forbid(private.parent)
    for folder in (there, gone, private):
        kept = root / folder.relative_to("/")
        kept.mkdir(parents=True)
        (kept / "x.cpython-313.pyc").touch()
    prepare.evict_bytecode(root)
    assert [path.name for path in root.rglob("*.pyc")] == ["x.cpython-313.pyc"]
    assert (root / there.relative_to("/")).is_dir()
    assert not (root / gone.parent.relative_to("/")).exists()
