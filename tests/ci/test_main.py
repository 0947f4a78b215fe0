"""`python -m ci VERB` reports a user error in one line and exits with a nonzero status."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ci import __main__

ROOT = Path(__file__).parents[2]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ci", *arguments], cwd=ROOT, capture_output=True, text=True
    )


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ([], "unknown verb '': there are openssl, "),
        (["opensl"], "unknown verb 'opensl': did you mean 'openssl'?"),
        (["openssl", "3.5-noec"], "unknown OpenSSL build '3.5-noec': did you mean '3.5-no-ec'?"),
        (["cell", "py3.13-openssl3.5-noec"], "did you mean 'py3.13-openssl3.5-no-ec'?"),
    ],
)
def test_a_user_error_is_reported_in_one_line(arguments: list[str], line: str) -> None:
    done = run(*arguments)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert line in done.stderr
    assert done.stderr.count("\n") == 1


def test_each_verb_calls_its_function() -> None:
    for place in __main__.VERBS.values():
        module, _, function = place.partition(":")
        source = ROOT.joinpath(*module.split(".")).with_suffix(".py")
        assert f"def {function}(" in source.read_text()


@pytest.mark.parametrize(
    ("code", "way"),
    [
        (errno.EACCES, "make it yours to read and write"),
        (errno.EROFS, "use a checkout and a cache that can be written to"),
        (errno.ENOSPC, "free some room on that disk"),
        (errno.EFBIG, "raise the limit of file sizes"),
    ],
)
def test_an_os_error_is_reported_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], code: int, way: str
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(code, os.strerror(code), "/some/file")

    monkeypatch.setattr(__main__, "_run", refuse)
    monkeypatch.setattr(__main__, "_handle_signals", lambda: None)
    assert __main__.main(["tests"]) == 1
    output = capsys.readouterr().err
    assert output.startswith(f"error: {os.strerror(code)}: /some/file; {way}")
    assert output.count("\n") == 1


def test_an_unexpected_error_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise FileNotFoundError(errno.ENOENT, "No such file", "/some/file")

    monkeypatch.setattr(__main__, "_run", fail)
    monkeypatch.setattr(__main__, "_handle_signals", lambda: None)
    with pytest.raises(FileNotFoundError):
        __main__.main(["tests"])
