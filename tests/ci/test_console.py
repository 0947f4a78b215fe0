"""Progress lines are updated in place on a terminal, and printed rarely elsewhere."""

from __future__ import annotations

import io
import re
import sys
import time

import pytest
from rich.console import Console

from ci import console


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def terminal_of(columns: int, monkeypatch: pytest.MonkeyPatch, term: str = "xterm") -> Terminal:
    """Make standard error a terminal; pytest replaces what a fixture sets."""
    monkeypatch.setenv("TERM", term)
    monkeypatch.setenv("COLUMNS", str(columns))
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    # A console detects a terminal when it is created.
    monkeypatch.setattr(console, "_console", Console(stderr=True))
    return terminal


def refresh() -> None:
    """Display the lines now instead of a quarter of a second later."""
    assert console._live
    console._live.refresh()


def test_a_log_receives_one_line_per_interval(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with console.ProgressLine("3.5") as line:
        line.update("1 of 3")
        monkeypatch.setattr(console, "LOG_INTERVAL", 0.0)
        line.update("2 of 3")
    assert capsys.readouterr().err == "3.5          2 of 3  0:00\n"


def test_a_long_line_of_a_log_is_not_wrapped(capsys: pytest.CaptureFixture[str]) -> None:
    console.log("[word] " * 40)
    assert capsys.readouterr().err == "[word] " * 40 + "\n"


def test_a_terminal_shows_running_tasks_below_the_log_and_none_at_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = terminal_of(60, monkeypatch)
    with console.ProgressLine("3.5") as first, console.ProgressLine("4.0") as second:
        first.update("1 of 3")
        second.update("2 of 3")
        refresh()
        console.log("a line that stays")
    written = terminal.getvalue()
    after = written.partition("a line that stays\n")[2]
    assert "3.5          1 of 3  0:00" in after
    assert "4.0          2 of 3  0:00" in after
    # ECMA-48: the cursor is moved up and each line is erased.
    *_, last = after.split("0:00")
    assert last.count("\x1b[1A\x1b[2K") == 1


def test_on_a_narrow_terminal_the_text_is_cut_and_the_time_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = terminal_of(60, monkeypatch)
    with console.ProgressLine("py3.13-openssl1.1.1-no-ec") as line:
        line.update("312 of 1424 tests/test_ssl_connection.py::test_with_a_long_name")
        refresh()
    lines = re.findall(r"py3\.13[^\r\n\x1b]*312 of 1424[^\r\n\x1b]*", terminal.getvalue())
    assert lines
    assert all(each.endswith("  0:00") for each in lines)
    assert all(len(each) <= 60 for each in lines)


def test_seconds_are_formatted_as_minutes() -> None:
    assert [console.minutes(seconds) for seconds in (0, 59.9, 75)] == ["0:00", "0:59", "1:15"]


def test_the_states_of_tasks_are_counted_on_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    with console.Count("cells", {"a": 10.0, "b": 20.0, "c": 30.0}, workers=2) as count:
        with count.task("a"):
            assert count._line.text == "2 waiting, 1 running, 0 done; about 0:30 left"
            now += 20.0
        # It took twice as long as expected, so the others may, too.
        assert count._line.text == "2 waiting, 0 running, 1 done; about 0:50 left"
        with pytest.raises(ZeroDivisionError), count.task("b"):
            _ = 1 / 0
        assert count._line.text.startswith("1 waiting, 0 running, 2 done, 1 failed")


@pytest.mark.parametrize("columns", [1, 5, 20])
def test_a_line_has_one_row_on_a_terminal_of_few_columns(
    monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    terminal = terminal_of(columns, monkeypatch)
    with console.ProgressLine("py3.13-openssl1.1.1-no-ec") as line:
        line.update("312 of 1424 tests/test_é漢字.py::test_漢字")
        refresh()
        refresh()
    # ECMA-48: a further row would move the cursor up.
    *rows, _ = terminal.getvalue().split("\x1b[1A")
    assert len(rows) <= 1


@pytest.mark.parametrize("variables", [{"TERM": "dumb"}, {"FORCE_COLOR": "1"}])
def test_where_no_line_can_be_updated_lines_are_printed_as_in_a_log(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    terminal = terminal_of(60, monkeypatch)
    monkeypatch.setattr(terminal, "isatty", lambda: "FORCE_COLOR" not in variables)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(console, "_console", Console(stderr=True))
    monkeypatch.setattr(console, "LOG_INTERVAL", 0.0)
    with console.ProgressLine("3.5") as line:
        line.update("2 of 3")
        assert console._live is None
    assert terminal.getvalue() == "3.5          2 of 3  0:00\n"
