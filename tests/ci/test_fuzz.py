"""`nox -s fuzz`: its arguments, and how a crash, a hang and the oracle's findings are reported."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tiny_project import here

from ci import manifest
from ci.errors import UserError
from ci.fuzz import findings
from ci.fuzz import run as fuzz
from ci.fuzz.run import Options, Run

OPTIONS = Options(("raw",), (), seconds=0.01, hang=60.0, seed=7, without=())
# The worker's calls in the journal, which is the last argument but one.
CALLS = """
import pathlib, sys
journal = next(each for each in sys.argv if each.startswith("--journal=")).partition("=")[2]
pathlib.Path(journal).write_text("1 12 m2.bio_new_mem()\\n2 13 m2.bio_read(BIO_1, 7)\\n"
                                 "3 13   in a hook: m2.bio_free(BIO_1)\\n")
"""


Capsys = pytest.CaptureFixture[str]
Worker = Callable[[str, Capsys], list[str]]


@pytest.fixture
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Worker:
    """Run a script with this body in place of the worker and return the lines of the report."""

    def plant(body: str, capsys: Capsys) -> list[str]:
        script = tmp_path / "worker.py"
        script.write_text(CALLS + body)
        monkeypatch.setattr(fuzz, "WORKER", script)
        run = Run("raw", "py3.13-openssl3.5", Path(sys.executable), tmp_path, (), OPTIONS, here())
        fuzz.fuzz(run)
        return capsys.readouterr().err.splitlines()

    return plant


def found(what: str) -> str:
    return (
        f"finding: raw py3.13-openssl3.5 seed 7 step 13: {what}; reproduce with "
        "`nox -s fuzz -- raw --cells py3.13-openssl3.5 --seed 7`"
    )


def test_without_arguments_every_fuzzer_runs_for_a_minute() -> None:
    options = fuzz.parse([])
    assert options.fuzzers == ("raw", "parser", "race")
    assert (options.seconds, options.seed, options.cells) == (60.0, None, ())


def test_arguments_name_fuzzers_cells_time_and_seed() -> None:
    options = fuzz.parse(
        ["race", "raw", "--cells", "py3.13-openssl3.5", "--seconds", "600", "--seed", "5"]
    )
    assert options.fuzzers == ("race", "raw")
    assert options.cells == ("py3.13-openssl3.5",)
    assert (options.seconds, options.seed) == (600.0, 5)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["row"], "unknown fuzzer 'row': there are raw, parser, race, guided"),
        (
            ["guided", "raw"],
            "guided has a compiler of its own, so it cannot run with other fuzzers",
        ),
        (["--second", "5"], "unrecognized arguments: --second"),
        (["--seconds", "0"], "argument --seconds: invalid _positive value: '0'"),
        (["--seconds", "nan"], "argument --seconds: invalid _positive value: 'nan'"),
        (["--seed", "x"], "argument --seed: invalid int value: 'x'"),
    ],
)
def test_an_invalid_argument_is_reported_in_one_line(arguments: list[str], why: str) -> None:
    with pytest.raises(UserError, match=why) as caught:
        fuzz.parse(arguments)
    assert "\n" not in str(caught.value)


def test_the_cells_are_the_quick_builds_and_the_oldest_release_on_the_newest_python() -> None:
    cells = fuzz.default_cells(manifest.load(here().manifest), ["3.9", "3.13"])
    assert [cell.id for cell in cells] == [
        "py3.13-openssl3.5", "py3.13-openssl3.5-no-ec", "py3.13-openssl1.1.1",
    ]  # fmt: skip


def test_the_build_of_a_fuzzer_has_sanitizers_and_the_options_of_its_cell() -> None:
    known = manifest.load(here().manifest)
    build = replace(known.find_build("3.5-no-ec"), flags=known.flags_of(fuzz.SANITIZER))
    assert build.name == "3.5-no-ec-sanitizer"
    assert build.options == ("no-ec", "no-asm", "enable-asan")


def test_a_crash_is_reported_with_its_call_and_the_calls_before_it(
    worker: Worker, capsys: Capsys
) -> None:
    lines = worker("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", capsys)
    assert lines[0] == found("signal 9, in m2.bio_read")
    assert lines[1:4] == [
        "  | m2.bio_new_mem()", "  | m2.bio_read(BIO_1, 7)", "  |   in a hook: m2.bio_free(BIO_1)",
    ]  # fmt: skip
    assert lines[-1].endswith("1 finding")


def test_a_sanitizer_report_is_shown_with_its_first_frames(worker: Worker, capsys: Capsys) -> None:
    lines = worker(
        "print('==1==ERROR: AddressSanitizer: heap-use-after-free on address 0x1')\n"
        "print('    #0 0x1 in BIO_read bio_lib.c:1')\n"
        "print('SUMMARY: AddressSanitizer: heap-use-after-free bio_lib.c:1 in BIO_read')\n"
        "sys.exit(1)",
        capsys,
    )
    assert lines[0] == found("AddressSanitizer: heap-use-after-free in BIO_read, in m2.bio_read")
    assert "  |     #0 0x1 in BIO_read bio_lib.c:1" in lines


def test_undefined_behaviour_is_reported_in_one_line(worker: Worker, capsys: Capsys) -> None:
    lines = worker("print('SWIG/src/bio.c:9:3: runtime error: shift by -1'); sys.exit(1)", capsys)
    assert lines[0] == found("undefined behaviour: shift by -1, in m2.bio_read")


def test_a_hang_is_reported_in_one_line(worker: Worker, capsys: Capsys) -> None:
    body = "import faulthandler, time\n"
    body += "faulthandler.dump_traceback_later(0.05, exit=True)\ntime.sleep(60)"
    lines = worker(body, capsys)
    assert lines[0] == found("hang, in m2.bio_read")


def test_each_finding_of_the_oracle_is_one_line(worker: Worker, capsys: Capsys) -> None:
    body = "print('finding: step 13: bio_read left an error in the queue')\n" * 2
    lines = worker(body + "sys.exit(3)", capsys)
    assert lines[0] == found("bio_read left an error in the queue")
    assert lines[1].startswith("raw py3.13-openssl3.5: 13 steps, 1 seed, ")
    assert lines[1].endswith(": 1 finding")


def test_a_prompt_for_a_passphrase_is_a_finding(worker: Worker, capsys: Capsys) -> None:
    lines = worker("print('Enter PEM pass phrase:')", capsys)
    assert lines[0] == found("OpenSSL prompted for a passphrase")


def test_a_worker_that_cannot_start_is_a_finding_with_its_last_output(
    worker: Worker, capsys: Capsys
) -> None:
    lines = worker("raise SystemExit('no such module')", capsys)
    assert lines[0] == found("exit code 1: no such module, in m2.bio_read")


def test_a_run_without_findings_reports_its_steps(worker: Worker, capsys: Capsys) -> None:
    (line,) = worker("", capsys)
    assert line.startswith("raw py3.13-openssl3.5: 13 steps, 1 seed, ")
    assert line.endswith(": no finding")


def test_without_a_seed_workers_run_one_after_another_for_the_given_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[tuple[int, float]] = []
    monkeypatch.setattr(time, "monotonic", lambda: 20.0 * len(started))

    def run_seed(run: Run, seed: int, seconds: float) -> tuple[int, list[findings.Finding]]:
        started.append((seed, seconds))
        return 5, []

    monkeypatch.setattr(fuzz, "run_seed", run_seed)
    options = replace(OPTIONS, seed=None, seconds=60.0)
    fuzz.fuzz(Run("raw", "py3.13-openssl3.5", Path(sys.executable), tmp_path, (), options, here()))
    first = started[0][0]
    assert started == [(first, 60.0), (first + 1, 40.0), (first + 2, 20.0)]


def test_a_finding_fails_the_session(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzz, "prepare", lambda *_: ["one", "two"])
    monkeypatch.setattr(fuzz, "fuzz", lambda run: 1)
    with pytest.raises(UserError, match="^2 findings; see above$"):
        fuzz.main([], here())


def test_guided_needs_clang(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "gcc-12")
    with pytest.raises(UserError, match="^guided needs clang"):
        fuzz.prepare(fuzz.parse(["guided"]), here())
    monkeypatch.delenv("CC")
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(UserError, match="^guided needs clang"):
        fuzz.use_clang()
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    fuzz.use_clang()
    assert os.environ["CC"] == "clang"


def test_an_input_that_shows_a_defect_is_kept_for_the_tests(
    worker: Worker, capsys: Capsys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = "pathlib.Path('found.X509.load_cert_string.crash-1f').write_bytes(b'input')\n"
    project = replace(here(), root=tmp_path)
    script = tmp_path / "worker.py"
    script.write_text(CALLS + body + "sys.exit(77)")
    monkeypatch.setattr(fuzz, "WORKER", script)
    options = replace(OPTIONS, fuzzers=("guided",))
    run = Run("guided", "py3.13-openssl3.5", Path(sys.executable), tmp_path, (), options, project)
    assert fuzz.fuzz(run) == 1
    kept = tmp_path / fuzz.INPUTS / "X509.load_cert_string" / "crash-1f"
    assert kept.read_bytes() == b"input"
    assert "kept tests/fuzz/inputs/X509.load_cert_string/crash-1f" in capsys.readouterr().err
