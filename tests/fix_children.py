"""Child Pythons, for tests of state that a process initializes once.

coverage.py does not measure them: the tests run the same lines, and it doubles their time. A Forker
saves the start of the interpreter, where the system can fork.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest


def unmeasured() -> dict[str, str]:
    """Return the environment of a child process that coverage.py does not measure."""
    return {name: value for name, value in os.environ.items() if name != "COVERAGE_PROCESS_START"}


# Modules that M2Crypto imports, none of which loads OpenSSL, and a child for each line. The child
# runs the code as `python -c` does, and ends as it does.
FORK = """
import contextlib, datetime, enum, io, json, os, pathlib, re, socket, sys, threading, time, typing
import urllib.parse, warnings, weakref
for line in sys.stdin:
    code, arguments, *files = json.loads(line)
    child = os.fork()
    if child == 0:
        break
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
else:
    raise SystemExit
for number, file in enumerate(files, 1):
    os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
sys.argv[1:] = arguments
exec(code, {"__name__": "__main__"})
"""


class Forker:
    """A Python without M2Crypto that runs code in forked children, one after another."""

    def __init__(self, process: subprocess.Popen[str], directory: Path) -> None:
        self.process = process
        self.files = [str(directory / name) for name in ("stdout", "stderr")]

    def run(self, code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run code with the arguments and return the child's exit code and output."""
        assert self.process.stdin
        assert self.process.stdout
        print(json.dumps([code, arguments, *self.files]), file=self.process.stdin, flush=True)
        status = int(self.process.stdout.readline())
        output, errors = (Path(file).read_text() for file in self.files)
        return subprocess.CompletedProcess(["-c", *arguments], status, output, errors)


@contextlib.contextmanager
def forker(directory: Path, *options: str) -> Iterator[Forker]:
    """Start a Forker with options of the interpreter; its children write into `directory`."""
    command = [sys.executable, *options, "-c", FORK]
    with subprocess.Popen(
        command, text=True, env=unmeasured(), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        yield Forker(process, directory)


@pytest.fixture(scope="session")
def python() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run Python with the arguments and warnings as errors, and return its output as text."""

    def run(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-W", "error", *arguments]
        return subprocess.run(
            command, capture_output=True, text=True, check=False, env=unmeasured(), **options
        )

    return run
