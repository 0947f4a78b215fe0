"""Programs run in their own process groups, write a log, and are terminated on request."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from tiny_openssl import processes, runs, wait_for

from ci import process
from ci.errors import UserError

ROOT = Path(__file__).parents[2]


def test_the_log_contains_the_command_and_its_output(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "logs" / "it.log"
    process.run(["sh", "-c", "echo out; echo err >&2"], log=log)
    process.run(["echo", "again"], log=log, quiet=True)
    assert log.read_text() == "$ sh -c 'echo out; echo err >&2'\nout\nerr\n$ echo again\nagain\n"
    assert capsys.readouterr().err == "$ sh -c 'echo out; echo err >&2'\n"


def test_each_line_of_output_is_passed_to_the_callback(tmp_path: Path) -> None:
    lines: list[str] = []
    process.run(["printf", "one\\ntwo"], log=tmp_path / "log", on_line=lines.append, quiet=True)
    assert lines == ["one", "two"]
    assert (tmp_path / "log").read_text().endswith("one\ntwo")


def test_a_failure_shows_one_line_the_end_of_the_output_and_the_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with pytest.raises(process.CommandError) as failed:
        process.run(["sh", "-c", "seq 100; exit 3"], log=log, quiet=True)
    first, *tail = str(failed.value).splitlines()
    assert first == f"sh -c 'seq 100; exit 3' failed with exit code 3; the whole log is {log}"
    assert tail == [f"  | {n}" for n in range(89, 101)]
    assert failed.value.status == 3


def test_a_signal_is_named(tmp_path: Path) -> None:
    with pytest.raises(process.CommandError, match="failed with signal SIGKILL"):
        process.run(["sh", "-c", "kill -9 $$"], log=tmp_path / "log", quiet=True)


def test_a_missing_program_raises(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no-such-program cannot be run: No such file"):
        process.run(["no-such-program"], log=tmp_path / "log", quiet=True)
    with pytest.raises(UserError, match="no-such-program cannot be run: No such file"):
        process.capture(["no-such-program"])


def test_capture_returns_the_output_or_raises_with_the_errors() -> None:
    assert process.capture(["sh", "-c", "echo out; echo err >&2"]) == "out\n"
    with pytest.raises(process.CommandError, match=r"exit code 1\n  \| err"):
        process.capture(["sh", "-c", "echo out; echo err >&2; exit 1"])
    with pytest.raises(UserError, match=r"did not end within 0\.1 s"):
        process.capture(["sleep", "60"], timeout=0.1)


def test_results_are_in_the_order_of_the_items() -> None:
    assert process.in_threads(lambda n: n * n, [3, 1, 2], jobs=2) == [9, 1, 4]


def test_one_failed_item_does_not_stop_the_others() -> None:
    done = []

    def work(n: int) -> None:
        done.append(n)
        if n % 2:
            raise UserError(f"{n} is odd")

    with pytest.raises(UserError, match="1 is odd"):
        process.in_threads(work, [1, 2, 4], jobs=1)
    assert done == [1, 2, 4]
    with pytest.raises(UserError, match="2 of 3 failed\n1 is odd\n3 is odd"):
        process.in_threads(work, [1, 2, 3], jobs=2)


RUN = """
import signal, sys
from pathlib import Path
from ci import __main__, process
def work(arguments, project):
    def one(n):
        ready = f"touch {arguments[0]}/ready{n}"
        process.run(["sh", "-c", f"echo $$ > {arguments[0]}/group{n}; sleep 600 & {ready}; wait"],
                    log=Path(arguments[0]) / f"log{n}", quiet=True)
    process.in_threads(one, [1, 2], jobs=2)
sys.modules["work"] = type(sys)("work")
sys.modules["work"].main = work
__main__.VERBS["work"] = "work:main"
sys.exit(__main__.main(["work", sys.argv[1]]))
"""


@pytest.mark.parametrize(
    ("signum", "code", "line"),
    [
        (signal.SIGINT, 130, "error: interrupted; what was finished is kept for the next run\n"),
        (
            signal.SIGTERM,
            143,
            "error: terminated by SIGTERM; what was finished is kept for the next",
        ),
        (signal.SIGKILL, -9, ""),
    ],
)
def test_process_groups_end_with_the_process_that_started_them(
    tmp_path: Path, signum: signal.Signals, code: int, line: str
) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", RUN, str(tmp_path)], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    wait_for(lambda: all((tmp_path / f"ready{n}").exists() for n in (1, 2)))
    child.send_signal(signum)
    assert child.communicate()[1].startswith(line)
    assert child.returncode == code
    for n in (1, 2):
        group = int((tmp_path / f"group{n}").read_text())
        wait_for(partial(has_ended, group))


def test_signals_after_the_first_change_nothing(tmp_path: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", RUN, str(tmp_path)], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    wait_for(lambda: all((tmp_path / f"ready{n}").exists() for n in (1, 2)))

    def interrupt() -> bool:
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            child.send_signal(signum)
        return child.poll() is not None

    child.send_signal(signal.SIGINT)
    wait_for(interrupt)
    # Of signals that arrive at once, Python handles the one with the lowest number first.
    how = {130: "interrupted", 143: "terminated by SIGTERM", 129: "terminated by SIGHUP"}
    line = f"error: {how[child.returncode]}; what was finished is kept for the next run\n"
    assert child.communicate()[1] == line
    for n in (1, 2):
        wait_for(partial(has_ended, int((tmp_path / f"group{n}").read_text())))


def test_an_ignored_signal_stays_ignored(tmp_path: Path) -> None:
    """As under nohup(1)."""
    child = subprocess.Popen(
        ["sh", "-c", 'trap "" HUP; exec "$@"', "sh", sys.executable, "-c", RUN, str(tmp_path)],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for(lambda: all((tmp_path / f"ready{n}").exists() for n in (1, 2)))
    child.send_signal(signal.SIGHUP)
    child.send_signal(signal.SIGTERM)
    assert child.communicate()[1].startswith("error: terminated by SIGTERM;")
    assert child.returncode == 143


def test_a_group_that_ignores_sigterm_ends_with_a_killed_run(tmp_path: Path) -> None:
    script = RUN.replace('["sh", "-c", f"', """["sh", "-c", f"trap '' TERM; """)
    child = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], cwd=ROOT)
    wait_for(lambda: all((tmp_path / f"ready{n}").exists() for n in (1, 2)))
    child.kill()
    child.wait()
    for n in (1, 2):
        wait_for(partial(has_ended, int((tmp_path / f"group{n}").read_text())))


@pytest.mark.parametrize(("number", "name"), [(9, "SIGKILL"), (40, "SIGRTMIN+6")])
def test_every_signal_has_a_name(number: int, name: str) -> None:
    assert process.signal_name(number) == name


def has_ended(group: int) -> bool:
    """Return whether no process of the group runs; zombies do not count."""
    return not any(each == group and not state.startswith("Z") for each, state, _ in processes())


def test_an_unexpected_exception_in_one_item_is_raised_after_the_others_finished(
    tmp_path: Path,
) -> None:
    with pytest.raises(ZeroDivisionError):
        process.in_threads(lambda n: 1 // n, [1, 0], jobs=2)
    process.run(["true"], log=tmp_path / "log", quiet=True)
    assert (tmp_path / "log").read_text() == "$ true\n"


def test_a_file_that_is_not_executable_raises(tmp_path: Path) -> None:
    (tmp_path / "python3").write_bytes(b"\x7fNOT")
    (tmp_path / "python3").chmod(0o755)
    with pytest.raises(UserError, match="python3 cannot be run: Exec format error"):
        process.capture([tmp_path / "python3"])


# setsid(1), which not every system has.
SETSID = f"{sys.executable} -c 'import os, sys; os.setsid(); os.execvp(sys.argv[1], sys.argv[1:])'"


# --- bounds ---------------------------------------------------------------------------------------


def bounded(tmp_path: Path, script: str, limit: float = 600.0, why: str = "") -> list[int]:
    """Run a shell script with limits and return the calls of `watch`."""
    calls: list[int] = []

    def watch() -> str:
        calls.append(1)
        return why

    process.run(
        ["sh", "-c", script],
        log=tmp_path / "log",
        env={**os.environ, "MARK": str(tmp_path)},
        quiet=True,
        bounds=process.Bounds(limit, f"MARK={tmp_path}", watch),
    )
    return calls


def test_a_program_is_ended_for_the_reason_that_watch_returns(tmp_path: Path) -> None:
    with pytest.raises(process.TimeLimitError, match="^it hangs$"):
        bounded(tmp_path, "sleep 974", why="it hangs")
    assert not runs("sleep 974")


def test_a_timeout_kills_the_program_and_its_children(tmp_path: Path) -> None:
    script = f"echo $$ > {tmp_path}/group; sleep 976 & {SETSID} sleep 977 & wait"
    with pytest.raises(process.TimeLimitError, match="exceeded the limit of 1 s"):
        bounded(tmp_path, script, limit=1.0)
    assert has_ended(int((tmp_path / "group").read_text()))
    assert not runs("sleep 97")


@pytest.mark.parametrize(
    "how", ["sleep 978 &", f"{SETSID} sleep 978 &"], ids=["in its group", "apart"]
)
def test_processes_left_by_a_program_are_named_and_killed(tmp_path: Path, how: str) -> None:
    with pytest.raises(
        process.LeftoverProcessError, match="left running, and were ended: .*sleep 978"
    ):
        bounded(tmp_path, how)
    assert not runs("sleep 978")


def test_a_process_that_exits_within_the_grace_period_is_not_reported(tmp_path: Path) -> None:
    bounded(tmp_path, "sleep 0.3 &")
    assert (tmp_path / "log").read_text().startswith("$ sh -c")


def test_without_proc_the_process_group_is_still_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "PROC", tmp_path / "none")
    with pytest.raises(process.LeftoverProcessError, match="a process of group"):
        bounded(tmp_path, "sleep 979 &")
    wait_for(lambda: not runs("sleep 979"))


def test_a_failure_is_reported_before_left_processes(tmp_path: Path) -> None:
    with pytest.raises(process.CommandError, match="exit code 3"):
        bounded(tmp_path, "sleep 975 & exit 3")
    assert not runs("sleep 975")


def test_a_running_program_reports_progress(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    script = f"while [ ! -e {gate} ]; do sleep 0.02; done"
    calls: list[int] = []

    def open_the_gate() -> str:
        calls.append(1)
        if len(calls) == 2:
            gate.touch()
        return ""

    bounds = process.Bounds(600.0, f"MARK={tmp_path}", open_the_gate)
    process.run(["sh", "-c", script], log=tmp_path / "log", quiet=True, bounds=bounds)
    assert len(calls) >= 2
