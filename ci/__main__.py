"""`python -m ci VERB [ARGUMENTS]`: what each nox session calls.

Given a verb and its arguments it runs the function that does it. A `Problem`, or an error of the
file system that a person can mend, becomes one `error:` line and exit code 1; Ctrl-C or a kill
becomes one line and the code a shell gives it.
"""

from __future__ import annotations

import sys

if sys.hexversion < 0x030B0000:
    # The package itself runs on 3.9; the machine reads TOML with the standard library.
    raise SystemExit(
        f"error: the sessions need Python 3.11 or newer to run them, not {sys.version.split()[0]}: "
        "install nox with a newer one (the tests still run on every Python that is installed)"
    )

import errno
import importlib
import signal
from types import FrameType

from ci import process
from ci.problem import Problem, nearest

# verb: the function (list[str]) -> None that does it, imported only when it is asked for.
VERBS = {
    "openssl": "ci.prefixes:main",
    "tests": "ci.cells:main_tests",
    "matrix": "ci.cells:main_matrix",
    "cell": "ci.cells:main_cell",
    "coverage": "ci.report:main_coverage",
    "doctor": "ci.doctor:main",
    "stubs": "ci.stubs:main",
    "bench": "ci.bench:main",
    "fuzz": "ci.fuzz:main",
}


# What the file system refuses: a matter of permissions or of room, not of this code.
SYSTEM = {
    **dict.fromkeys((errno.EACCES, errno.EPERM), "make it yours to read and write"),
    errno.EROFS: "use a checkout and a cache that can be written to",
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), "free some room on that disk"),
    errno.EFBIG: "raise the limit of file sizes (ulimit -f)",
}


class Killed(BaseException):
    """The process was told to end by a signal other than Ctrl-C's."""

    def __init__(self, signum: int) -> None:
        super().__init__(signal.Signals(signum).name)
        self.signum = signum


def main(argv: list[str]) -> int:
    """Do the verb `argv` begins with; the exit code."""
    _listen_for_kills()
    try:
        _do(argv)
    except Problem as problem:
        print(f"error: {problem}", file=sys.stderr)
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
        return _stopped(f"ended by {killed}", killed.signum)
    return 0


def _do(argv: list[str]) -> None:
    verb, arguments = (argv[0], argv[1:]) if argv else ("", [])
    if verb not in VERBS:
        raise Problem(f"unknown verb {verb!r}: {nearest(verb, VERBS)}")
    module, _, function = VERBS[verb].partition(":")
    getattr(importlib.import_module(module), function)(arguments)


def _listen_for_kills() -> None:
    def end(signum: int, _frame: FrameType | None) -> None:
        raise Killed(signum)

    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), end)


def _stopped(how: str, signum: int) -> int:
    process.end_all()
    print(f"error: {how}; what was finished is kept for the next run", file=sys.stderr)
    return 128 + signum


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
