"""`python -m ci VERB [ARGUMENTS]`, which the nox sessions run.

A UserError, and an error of the file system that the user can fix, are printed as one `error:`
line, with exit code 1. After Ctrl-C or a signal the exit code is 128 plus its number.
"""

from __future__ import annotations

import sys

if sys.hexversion < 0x030B0000:
    # M2Crypto needs 3.9; the tooling reads TOML with the standard library.
    raise SystemExit(
        f"error: the sessions need Python 3.11 or newer to run them, not {sys.version.split()[0]}: "
        "install nox with a newer one (the tests still run on every Python that is installed)"
    )

import errno
import importlib
import math
import signal
import time
from pathlib import Path
from types import FrameType

from ci import container, process
from ci.errors import UserError, suggest
from ci.project import ROOT, Project

# The function of each verb, imported when the verb is used: (arguments, project) -> None.
VERBS = {
    "openssl": "ci.openssl.prefixes:main",
    "key": "ci.openssl.prefixes:print_key",
    "pythons": "ci.pythons:main",
    "workflow": "ci.workflow:main",
    "tests": "ci.run:tests",
    "matrix": "ci.run:matrix",
    "plan": "ci.plans:main",
    "cell": "ci.run:cell",
    "coverage": "ci.run:coverage",
    "surface": "ci.report.surface:main",
    "doctor": "ci.doctor:main",
    "audit": "ci.audit.run:main",
    "clean": "ci.clean:main",
    "bump": "ci.bump:main",
    "stubs": "ci.stubs:main",
    "bench": "ci.bench:main",
    "leaks": "ci.leaks:main",
    "peers": "ci.peers.main:main",
    "scan": "ci.peers.scan:scan",
    "fuzz": "ci.fuzz.run:main",
    "wheels": "ci.distribution.main:main",
    "reproduce": "ci.distribution.reproduce:main",
    "release": "ci.release.main:main",
}


# Errors of the file system that the user can fix, and how.
SYSTEM = {
    **dict.fromkeys((errno.EACCES, errno.EPERM), "make it yours to read and write"),
    errno.EROFS: "use a checkout and a cache that can be written to",
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), "free some room on that disk"),
    errno.EFBIG: "raise the limit of file sizes (ulimit -f)",
}


# The signals that end a run.
SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
# Seconds in which the exception of a signal begins the shutdown.
HANDLED = 1.0


class Killed(BaseException):
    """The process received SIGTERM, SIGHUP, or Windows' SIGBREAK."""

    def __init__(self, signum: int) -> None:
        super().__init__(signal.Signals(signum).name)
        self.signum = signum


def main(argv: list[str], root: Path = ROOT) -> int:
    """Run the verb `argv` begins with, and return the exit code."""
    _handle_signals()
    try:
        _run(argv, root)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        if error.errno not in SYSTEM:
            raise
        where = f": {error.filename}" if error.filename else ""
        print(f"error: {error.strerror}{where}; {SYSTEM[error.errno]}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return _stopped("interrupted", signal.SIGINT)
    except Killed as killed:
        return _stopped(f"terminated by {killed}", killed.signum)
    return 0


def _run(argv: list[str], root: Path) -> None:
    verb, arguments = (argv[0], argv[1:]) if argv else ("", [])
    if verb not in VERBS:
        raise UserError(f"unknown verb {verb!r}: {suggest(verb, VERBS)}")
    project = Project.from_environment(root)
    if project.container:
        container.run(project.container, verb, arguments, project)
        return
    module, _, function = VERBS[verb].partition(":")
    getattr(importlib.import_module(module), function)(arguments, project)


def _handle_signals() -> None:
    """Raise an exception for the first signal that ends the run; the following change nothing.

    Another exception, raised where the first one is handled, would leave programs running for which
    the interpreter then waits. An ignored signal stays ignored, such as SIGHUP under nohup(1).
    """
    raised = -math.inf

    def end(signum: int, _frame: FrameType | None) -> None:
        nonlocal raised
        # An exception can be lost, as in a destructor; then a later signal raises another one.
        if not process.is_shutting_down() and time.monotonic() - raised > HANDLED:
            raised = time.monotonic()
            raise KeyboardInterrupt if signum == signal.SIGINT else Killed(signum)

    for name in SIGNALS:
        signum = getattr(signal, name, None)
        if signum and signal.getsignal(signum) != signal.SIG_IGN:
            signal.signal(signum, end)


def _stopped(how: str, signum: int) -> int:
    # At its end the interpreter restores the default of every signal that is not ignored.
    for name in SIGNALS:
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    process.terminate_all()
    print(f"error: {how}; what was finished is kept for the next run", file=sys.stderr)
    return 128 + signum


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
