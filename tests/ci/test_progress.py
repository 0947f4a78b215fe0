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


def test_time_is_read_as_minutes() -> None:
    assert [progress.minutes(seconds) for seconds in (0, 59.9, 75)] == ["0:00", "0:59", "1:15"]
