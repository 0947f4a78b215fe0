"""Progress is rewritten in place on a terminal, and sparse in a log."""

from __future__ import annotations

import io
import sys

import pytest

from ci import progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_log_gets_a_line_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with progress.Line("3.5") as line:
        line.show("1 of 3")
        monkeypatch.setattr(progress, "IN_A_LOG", 0.0)
        line.show("2 of 3")
    assert capsys.readouterr().err == "3.5          2 of 3  0:00\n"


def test_a_terminal_has_a_line_for_each_and_none_at_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(progress, "ON_A_TERMINAL", 0.0)
    with progress.Line("3.5") as first, progress.Line("4.0") as second:
        first.show("1 of 3")
        second.show("2 of 3")
        progress.say("something that stays")
    written = terminal.getvalue()
    *_, last = written.split("\x1b[2F\x1b[J")
    assert last == "3.5          1 of 3  0:00\n\x1b[1F\x1b[J"
    assert "\x1b[Jsomething that stays\n3.5          1 of 3  0:00\n4.0          2 of 3" in written


def test_on_a_narrow_terminal_the_text_gives_way_and_the_time_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(progress, "ON_A_TERMINAL", 0.0)
    monkeypatch.setenv("COLUMNS", "60")
    with progress.Line("py3.13-openssl1.1.1-no-ec") as line:
        line.show("312 of 1424 tests/test_ssl_connection.py::test_with_a_long_name")
    lines = [each for each in terminal.getvalue().splitlines() if "312" in each]
    assert [len(each.rpartition("J")[2]) for each in lines] == [59]
    assert lines[0].endswith("  0:00")


def test_time_is_read_as_minutes() -> None:
    assert [progress.minutes(seconds) for seconds in (0, 59.9, 75)] == ["0:00", "0:59", "1:15"]
