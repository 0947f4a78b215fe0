"""A result is whole, in its place and of the build its cell names; or it is none."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from ci import results
from ci.problem import Problem
from ci.results import Expected, Stamp, Timings

EXPECTED = Expected(
    "py3.13-openssl3.5-no-ec", "3.13", "3.5.7", ec=False, sources="s", partial=False
)
STAMP = Stamp(
    python="3.13.0",
    header="3.5.7",
    header_number="0x30500070",
    runtime="3.5.7",
    runtime_number="0x30500070",
    ec=False,
    library="/wheel/_m2crypto.abi3.so",
    extension="/wheel/_m2crypto.abi3.so",
    sha256="00",
    swig="4.5.1",
    compiler="gcc 12",
    flags="-O0",
    abi="abi3",
    link="static",
)
JUNIT = """<testsuites><testsuite>
<testcase classname="tests.test_rsa" name="test_runs"/>
<testcase classname="tests.test_rsa" name="test_fails"><failure message="no"/></testcase>
<testcase classname="tests.test_ec" name="test_curve"><skipped message="needs EC"/></testcase>
<testcase classname="tests.test_ec" name="test_known"><skipped type="pytest.xfail"/></testcase>
</testsuite></testsuites>"""


def leave(
    folder: Path, expected: Expected = EXPECTED, stamp: Stamp = STAMP, junit: str = JUNIT
) -> Path:
    """Write a whole result."""
    folder.mkdir(parents=True, exist_ok=True)
    results.write(expected, folder)
    results.write(Timings(1.5, 0.1), folder)
    (folder / results.STAMP).write_text(json.dumps(asdict(stamp)))
    (folder / results.JUNIT).write_text(junit)
    (folder / results.PYTHON).write_bytes(b"")
    (folder / results.C_LINES).write_text("{}")
    return folder


def test_a_whole_result_is_read_back(tmp_path: Path) -> None:
    result = results.read(leave(tmp_path / EXPECTED.id))

    assert (result.expected, result.stamp, result.timings) == (EXPECTED, STAMP, Timings(1.5, 0.1))
    assert result.tests.passed == 2
    assert result.tests.failed == {"tests.test_rsa::test_fails"}
    assert result.tests.skipped == {"tests.test_ec::test_curve": "needs EC"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"runtime": "3.0.22"}, "the OpenSSL in the process is 3.0.22 where the cell says 3.5.7"),
        ({"header": "4.0.2"}, "OpenSSL's headers is 4.0.2 where the cell says 3.5.7"),
        (
            {"runtime_number": "0x30500071"},
            "its number is 0x30500071 where the cell says 0x30500070",
        ),
        ({"ec": True}, "EC is there where the cell says not there"),
        ({"python": "3.12.1"}, "Python is 3.12 where the cell says 3.13"),
    ],
)
def test_a_stamp_that_disagrees_with_the_cell_is_refused(
    tmp_path: Path, change: dict[str, Any], words: str
) -> None:
    folder = leave(tmp_path / EXPECTED.id, stamp=replace(STAMP, **change))
    with pytest.raises(Problem) as caught:
        results.read(folder)
    assert str(caught.value).startswith("py3.13-openssl3.5-no-ec: result refused, ")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", results.WHOLE)
def test_a_result_without_one_of_its_parts_is_none(tmp_path: Path, name: str) -> None:
    folder = leave(tmp_path / EXPECTED.id)
    (folder / name).unlink()
    with pytest.raises(Problem, match=f"no result, {name} is missing; see .*log.txt"):
        results.read(folder)


@pytest.mark.parametrize("name", [results.CELL, results.STAMP, results.JUNIT, results.TIMINGS])
@pytest.mark.parametrize("text", ["", "{", "[]", '{"a": 1}'])
def test_a_broken_part_is_one_clear_line(tmp_path: Path, name: str, text: str) -> None:
    folder = leave(tmp_path / EXPECTED.id)
    (folder / name).write_text(text)
    with pytest.raises(Problem, match=f"{name}: .*run the cell again") as caught:
        results.read(folder)
    assert "\n" not in str(caught.value)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An empty folder for results."""
    folder = tmp_path / "results"
    folder.mkdir()
    return folder


def test_a_result_takes_the_place_of_the_old_one_which_is_gone_from_the_start(root: Path) -> None:
    leave(root / "cell")
    with results.in_place(root, "cell") as folder:
        assert not (root / "cell").exists()
        (folder / "new").touch()
    assert [path.name for path in (root / "cell").iterdir()] == ["new"]
    assert results.folders(root) == [root / "cell"]


def test_a_run_that_breaks_off_leaves_no_result(root: Path) -> None:
    def run() -> None:
        with results.in_place(root, "cell") as folder:
            (folder / "half").touch()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run()
    assert results.folders(root) == []
    assert not list(root.rglob("half"))


KILLED = """
import sys
from pathlib import Path
from ci import results
with results.in_place(Path(sys.argv[1]), "cell") as folder:
    (folder / "half").touch()
    print("half", flush=True)
    sys.stdin.read()
"""


def test_a_killed_run_leaves_no_result_and_the_next_one_clears_up(root: Path) -> None:
    leave(root / "cell")
    project = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(root)],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(project)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == b"half\n"
        run.send_signal(signal.SIGKILL)
    assert results.folders(root) == []

    with results.in_place(root, "cell") as folder:
        assert not list(folder.iterdir())
    assert not list(root.rglob("half"))


def test_of_a_run_without_a_result_the_log_stays(tmp_path: Path) -> None:
    folder = leave(tmp_path / "cell")
    (folder / "scratch").mkdir()
    (folder / results.LOG).write_text("why")
    results.keep_log(folder)
    assert [path.name for path in folder.iterdir()] == [results.LOG]
