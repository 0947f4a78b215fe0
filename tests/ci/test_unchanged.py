"""A cell is run again if anything that can change its result has changed, and else not."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tiny_cells import CELL, CELL_NO_EC, SERIES, MakeInputs, refused, write_test

from ci import run
from ci.errors import UserError
from ci.matrix import cell as one
from ci.matrix import machine, results, runner, surroundings
from ci.matrix.prepare import Inputs
from ci.project import Project


def test_cells_that_passed_are_not_run_again(
    project: Project, inputs: MakeInputs, capsys: pytest.CaptureFixture[str]
) -> None:
    runner.run_all([CELL], inputs())
    before = (project.results / CELL.id / results.LOG).stat().st_mtime_ns
    capsys.readouterr()
    outcomes = runner.run_all([CELL, CELL_NO_EC], inputs(fresh=False))

    assert [(each.id, each.unchanged, each.why) for each in outcomes] == [
        (CELL.id, True, ""),
        (CELL_NO_EC.id, False, ""),
    ]
    assert (project.results / CELL.id / results.LOG).stat().st_mtime_ns == before
    printed = capsys.readouterr().err
    assert f"unchanged {CELL.id}" in printed
    assert f"passed {CELL_NO_EC.id}" in printed

    assert not runner.run_all([CELL], inputs(fresh=True))[0].unchanged


Change = Callable[[Inputs], Inputs]


def other_environment(**changes: object) -> Change:
    def change(made: Inputs) -> Inputs:
        environment = replace(made.environments[SERIES], **changes)  # type: ignore[arg-type]
        return replace(made, environments={SERIES: environment})

    return change


def other_wheel(made: Inputs) -> Inputs:
    wheel = made.wheels[CELL.id]
    assert not isinstance(wheel, UserError)
    return replace(made, wheels={CELL.id: replace(wheel, extension="0" * 64)})


def edited_package(made: Inputs) -> Inputs:
    (made.project.copy / "M2Crypto" / "EC.py").write_text("edited")
    return made


@pytest.mark.parametrize(
    "change",
    [
        other_environment(version=f"{SERIES}.99"),
        other_environment(packages=("pytest==0",)),
        other_wheel,
        lambda made: replace(made, sources="other"),
        lambda made: replace(made, prefixes={CELL.build.name: Path("/q/3.5")}),
        lambda made: replace(made, arguments=("-q",)),
        edited_package,
    ],
    ids=["Python", "packages", "extension", "sources", "prefix", "arguments", "package"],
)
def test_a_change_of_what_can_change_the_result_is_seen(inputs: MakeInputs, change: Change) -> None:
    one.run(CELL, inputs())
    made = inputs(fresh=False)
    assert one.unchanged(CELL, made)
    assert not one.unchanged(CELL, change(made))


def test_another_kernel_or_openssl_program_is_seen(
    inputs: MakeInputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    one.run(CELL, inputs())
    monkeypatch.setattr(machine, "used", lambda: ("another kernel",))
    assert not one.unchanged(CELL, inputs(fresh=False))


def test_a_result_that_failed_or_is_damaged_is_run_again(
    project: Project, inputs: MakeInputs
) -> None:
    write_test(project, "import os\ndef test_a():\n    assert 0\n")
    assert one.run(CELL, inputs()).why
    assert not one.unchanged(CELL, inputs(fresh=False))

    write_test(project, "")
    one.run(CELL, inputs())
    (project.results / CELL.id / results.LOG).write_text("edited")
    assert not one.unchanged(CELL, inputs(fresh=False))


# --- what a result proves -------------------------------------------------------------------------


def test_an_extension_that_was_swapped_in_the_cache_is_refused(inputs: MakeInputs) -> None:
    made = inputs()
    wheel, other = made.wheels[CELL.id], made.wheels[CELL_NO_EC.id]
    assert not isinstance(wheel, UserError)
    assert not isinstance(other, UserError)
    (mine,) = wheel.site.glob("M2Crypto/_m2crypto*.so")
    (theirs,) = other.site.glob("M2Crypto/_m2crypto*.so")
    kept = mine.read_bytes()
    mine.write_bytes(theirs.read_bytes())
    try:
        with pytest.raises(UserError, match="result refused, the extension's sha256 is "):
            one.run(CELL, made)
    finally:
        mine.write_bytes(kept)


def test_a_python_file_that_was_edited_in_the_cache_is_refused(inputs: MakeInputs) -> None:
    made = inputs()
    wheel = made.wheels[CELL.id]
    assert not isinstance(wheel, UserError)
    edited = wheel.site / "M2Crypto" / "child.py"
    kept, times = edited.read_text(), edited.stat()
    # Of the same size, so that the cache takes the entry for whole.
    edited.write_text(kept.replace("True", "None"))
    try:
        with pytest.raises(
            UserError, match="refused, the sha256 of the package's Python files is "
        ):
            one.run(CELL, made)
    finally:
        edited.write_text(kept)
        # Else the bytecode of the edited file, of the same second, is that of this one, too.
        os.utime(edited, ns=(times.st_atime_ns, times.st_mtime_ns))


def test_a_test_that_changes_the_tested_copy_is_refused(
    project: Project, inputs: MakeInputs
) -> None:
    write_test(
        project,
        "from pathlib import Path\n"
        "def test_a():\n    Path(__file__).with_name('test_ec.py').write_text('')\n",
    )
    assert refused(inputs()).startswith("result refused, a test of this cell or ")


def test_an_edit_of_the_same_size_and_time_is_compiled_again(
    project: Project, inputs: MakeInputs
) -> None:
    path = project.root / "tests" / "test_more.py"
    for number, failed in ((1, 0), (2, 1)):
        write_test(project, f"def test_a():\n    assert 1 == {number}\n")
        os.utime(path, (10**9, 10**9))
        assert len(one.run(CELL, inputs()).failed) == failed


def test_another_libcrypto_in_the_process_is_refused(
    inputs: MakeInputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    def preloaded(*_: object) -> dict[str, str]:
        return {"TINY_LIBRARY": "/usr/lib/libcrypto.so.3"}

    monkeypatch.setattr(surroundings, "variables", preloaded)
    with pytest.raises(
        UserError,
        match=r"result refused, the OpenSSL in the process is /usr/lib/libcrypto\.so\.3, ",
    ):
        one.run(CELL, inputs())


# --- crashes, hangs and replays -------------------------------------------------------------------


def one_line_of(inputs: MakeInputs) -> str:
    """Return the first line of the error of a cell."""
    with pytest.raises(UserError) as caught:
        one.run(CELL, inputs())
    return str(caught.value).splitlines()[0]


HANG = """
import signal, time
def test_hang():
    # Like C code that does not return, this does not see the timer of pytest-timeout.
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
    time.sleep(600)
"""


def test_a_crash_names_the_signal_and_the_test(project: Project, inputs: MakeInputs) -> None:
    write_test(project, "import os\ndef test_a():\n    os.kill(os.getpid(), 11)\n")
    with pytest.raises(UserError) as caught:
        one.run(CELL, inputs())
    assert str(caught.value).startswith(
        "SIGSEGV ended the process, tests/test_more.py::test_a was running; the whole log is "
    )


def test_a_real_time_signal_is_named(project: Project, inputs: MakeInputs) -> None:
    write_test(project, "import os\ndef test_a():\n    os.kill(os.getpid(), 40)\n")
    assert "SIGRTMIN+6 ended the process" in one_line_of(inputs)


def test_a_damaged_journal_is_refused(project: Project, inputs: MakeInputs) -> None:
    write_test(
        project,
        "import os\nfrom pathlib import Path\ndef test_a():\n"
        "    with Path('journal.jsonl').open('ab') as file:\n"
        '        file.write(b\'{"end": 5}\\n[\\n\\xff\\n{"new": 1}\\n\')\n',
    )
    assert "result refused, 4 lines of the session's journal are damaged" in refused(inputs())


def test_a_reason_that_is_no_text_is_kept(project: Project, inputs: MakeInputs) -> None:
    write_test(project, "import pytest\ndef test_a():\n    pytest.skip('\\udc80 é bad')\n")
    one.run(CELL, inputs())
    skipped = results.read(project.results / CELL.id).tests.skipped
    assert skipped == {"tests/test_more.py::test_a": "? é bad"}


@pytest.mark.parametrize("levels", [0, 1, 2])
def test_a_test_that_removes_files_of_its_cell_is_refused(
    project: Project, inputs: MakeInputs, levels: int
) -> None:
    write_test(
        project,
        "import shutil\nfrom pathlib import Path\ndef test_a():\n"
        f"    shutil.rmtree([Path.cwd(), *Path.cwd().parents][{levels}])\n",
    )
    assert "result refused, " in one_line_of(inputs)
    assert {path.name for path in project.results.iterdir()} == {".checkout", CELL.id}


def test_endless_output_ends_the_cell(
    project: Project, inputs: MakeInputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_test(
        project,
        "import os\ndef test_a(capfd):\n    with capfd.disabled():\n"
        "        while True:\n            os.write(1, b'x' * 65536)\n",
    )
    monkeypatch.setattr(one, "MOST_OUTPUT", 2 * 1024**2)
    message = refused(inputs())
    assert message.startswith(
        "the cell wrote more than 2 MiB of output, tests/test_more.py::test_a"
    )
    assert (project.results / CELL.id / results.LOG).stat().st_size == 2 * 1024**2


def test_a_test_at_its_limit_fails_with_every_stack_and_the_others_run(
    project: Project, inputs: MakeInputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_test(
        project,
        "import threading\ndef test_a():\n    threading.Event().wait()\ndef test_b():\n    pass\n",
    )
    monkeypatch.setenv("M2CRYPTO_TEST_TIMEOUT", "1")
    outcome = one.run(CELL, inputs())
    assert outcome.failed == {"tests/test_more.py::test_a"}
    assert outcome.summary == "1 of 4 failed"
    log = (project.results / CELL.id / results.LOG).read_text()
    assert "Timeout (>1.0s) from pytest-timeout" in log


def test_a_test_that_hangs_in_c_ends_the_cell_with_its_stack(
    project: Project, inputs: MakeInputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_test(project, HANG)
    monkeypatch.setenv("M2CRYPTO_TEST_TIMEOUT", "1")
    message = refused(inputs())
    assert message.startswith(
        "a test exceeded the limit of 1 s in C code, tests/test_more.py::test_hang was running;"
    )
    assert "in test_hang" in message
    assert "in test_hang" in (project.results / CELL.id / results.LOG).read_text()


def test_a_process_that_does_not_end_after_its_tests_ends_the_cell_with_its_stack(
    project: Project, inputs: MakeInputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_test(
        project,
        "import threading\ndef wait():\n    threading.Event().wait()\n"
        "def test_a():\n    threading.Thread(target=wait).start()\n",
    )
    monkeypatch.setenv("M2CRYPTO_TEST_TIMEOUT", "2")
    message = refused(inputs())
    assert message.startswith(
        "the process did not end within 2 s of its last test, no test was running; the whole log"
    )
    assert "in wait" in message


def test_failures_are_repeated_with_the_commands_that_replay_them(
    inputs: MakeInputs, capsys: pytest.CaptureFixture[str]
) -> None:
    tests = frozenset(f"tests/test_a.py::test_{name}[x y]" for name in "abcdefg")
    runner._log_failures(
        [
            one.Outcome("passes", ""),
            one.Outcome("crashes", "no result", "SIGSEGV ended\n  | more"),
            one.Outcome("fails", "7 of 9 failed", "long", tests),
        ]
    )
    assert capsys.readouterr().err.splitlines() == [
        "failed   crashes: SIGSEGV ended",
        "  nox -s crashes",
        "failed   fails: 7 of 9 failed",
        *(f"  nox -s fails -- 'tests/test_a.py::test_{name}[x y]'" for name in "abcde"),
        "  nox -s fails    # and 2 more tests",
    ]


@pytest.mark.parametrize("name", ["", results.CELL, results.STAMP])
def test_a_cell_is_replayed_from_a_downloaded_result(
    project: Project,
    inputs: MakeInputs,
    session: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
) -> None:
    one.run(CELL_NO_EC, inputs())
    downloaded = (project.results / CELL_NO_EC.id).rename(tmp_path / "artifact")
    if name != results.STAMP:
        described = json.loads((downloaded / results.CELL).read_text())
        described["options"] = ["no-ec", "no-dsa"]
        (downloaded / results.CELL).write_text(json.dumps(described))
    run.cell([str(downloaded / name)], project)

    assert results.read(project.results / CELL_NO_EC.id).tests.passed == 1
    printed = capsys.readouterr().err
    assert ("it ran with the OpenSSL options no-ec no-dsa" in printed) == (name != results.STAMP)


def test_a_file_that_is_no_result_is_reported_in_one_line(
    project: Project, session: list[str], tmp_path: Path
) -> None:
    other = tmp_path / "other.json"
    other.write_text("{}")
    with pytest.raises(UserError, match="other.json") as caught:
        run.cell([str(other)], project)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["", "none", "pipe", "x" * 300])
def test_what_is_no_result_is_reported_in_one_line(
    project: Project, session: list[str], tmp_path: Path, name: str
) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match="no cell given|not a result|unknown cell") as caught:
        run.cell([str(tmp_path / name) if name == "pipe" else name], project)
    assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match=r"not a result; name the directory of a cell's result"):
        run.cell([str(tmp_path)], project)
