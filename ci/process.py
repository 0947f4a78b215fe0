"""The one thin layer that runs other programs.

Given an argument list it runs it in a group of its own, so that Ctrl-C or a kill ends the whole
group, with its output in a log file; a failure is a `CommandFailed` with the log's last lines.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from ci.problem import Problem
from ci.progress import say

# What a failure shows of the log: enough for a compiler's message, not a screenful.
TAIL_LINES = 12
# How long a group may take to end by itself before it is killed, in seconds.
GRACE = 3.0
# How long the processes that a program leaves may take to end by themselves, in seconds: one that
# was killed a moment ago is still listed.
LEAVING = 2.0
# How often `watch` is called, in seconds.
TICK = 0.25
PROC = Path("/proc")

# Reads `+ GROUP` and `- GROUP`; at the end of its input, which is this process's end, even by
# SIGKILL, it ends the groups that are left.
GUARD = """
left=' '
while read -r sign group; do
  case $sign in
    +) left="$left$group " ;;
    -) left="${left%% $group *} ${left#* $group }" ;;
  esac
done
for group in $left; do kill -s TERM -- "-$group"; done
"""

Argument = str | Path
T = TypeVar("T")
R = TypeVar("R")

_running: set[subprocess.Popen[bytes]] = set()
_ending = False
_starting = threading.Lock()


class CommandFailed(Problem):
    """A program ended with a failure: one line, then the last lines it wrote, `tail`.

    `status` is the exit code, or minus the signal that ended it; `log` holds all of its output,
    None for `capture`.
    """

    def __init__(
        self, argv: Sequence[Argument], status: int, tail: str, log: Path | None = None
    ) -> None:
        how = f"exit code {status}" if status >= 0 else f"signal {signal.Signals(-status).name}"
        where = f"; the whole log is {log}" if log else ""
        lines = "".join(f"\n  | {line}" for line in tail.splitlines())
        super().__init__(f"{_short(argv)} failed with {how}{where}{lines}")
        self.status = status
        self.tail = tail
        self.log = log


class TimedOut(Problem):
    """A program was ended because it ran for longer than its limit."""


class LeftBehind(Problem):
    """A program ended well, but processes that it started did not; they were ended."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a program is held to: a `limit` in seconds, and a `mark` that its processes carry.

    The mark is an entry `NAME=VALUE` of the program's environment. A process that is left with it
    is found even in a session of its own. `watch` is called now and then while the program runs.
    """

    limit: float
    mark: str
    watch: Callable[[], None]


def run(
    argv: Sequence[Argument],
    *,
    log: Path,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    on_line: Callable[[str], None] | None = None,
    quiet: bool = False,
    bounds: Bounds | None = None,
) -> None:
    """Run `argv` to its end, its output appended to the file `log`.

    Prints the command on stderr unless `quiet`. `on_line` is given each line of output, without
    its end. Raises `CommandFailed`, or a `Problem` when the program is not there; with `bounds`
    also `TimedOut` or `LeftBehind`.
    """
    if not quiet:
        say(f"$ {_short(argv)}")
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as sink:
        sink.write(f"$ {shlex.join(map(str, argv))}\n".encode())
        sink.flush()
        start = sink.tell()
        child = _start(
            argv,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            # A pipe only when somebody listens: a grandchild that stays behind keeps one open.
            stdout=subprocess.PIPE if on_line else sink,
            stderr=subprocess.STDOUT,
        )
        try:
            if on_line and child.stdout:
                for line in child.stdout:
                    sink.write(line)
                    on_line(line.decode(errors="replace").rstrip("\r\n"))
            status = _wait(child, bounds) if bounds else child.wait()
        except BaseException:
            _end([child])
            raise
        finally:
            left = _end_left(child.pid, bounds.mark) if bounds else []
            _ended(child)
    if status:
        raise CommandFailed(argv, status, _tail(log, start), log)
    if left:
        raise LeftBehind(f"processes were left running, and were ended: {'; '.join(left)}")


def _wait(child: subprocess.Popen[bytes], bounds: Bounds) -> int:
    """Wait for a child as its bounds say; raise `TimedOut` beyond the limit."""
    end = time.monotonic() + bounds.limit
    while True:
        with suppress(subprocess.TimeoutExpired):
            return child.wait(TICK)
        bounds.watch()
        if time.monotonic() > end:
            # Python's fault handler (-X dev) writes where every thread is into the log.
            with suppress(ProcessLookupError):
                child.send_signal(signal.SIGABRT)
            with suppress(subprocess.TimeoutExpired):
                child.wait(GRACE)
            raise TimedOut(f"no end within {bounds.limit:.0f} s")


def _end_left(session: int, mark: str) -> list[str]:
    """End what a program left behind; give the command line of each.

    It gets a moment to end by itself, but none once everything is to end.
    """
    end = time.monotonic() + LEAVING
    while (left := _left(session, mark)) and time.monotonic() < end and not _ending:
        time.sleep(0.05)
    for signum in (signal.SIGTERM, getattr(signal, "SIGKILL", signal.SIGTERM)):
        for pid in _left(session, mark):
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signum)
        end = time.monotonic() + GRACE
        while _left(session, mark) and time.monotonic() < end:
            time.sleep(0.05)
    return list(left.values())


def _left(session: int, mark: str) -> dict[int, str]:
    """The processes of a session, or with `mark` in their environment, by their ids.

    Where there is no /proc, only whether the session's first group has one, under the group's id.
    """
    if not (PROC / "self" / "environ").exists():
        try:
            os.killpg(session, 0)
        except (ProcessLookupError, PermissionError):
            return {}
        return {-session: f"a process of group {session}"}
    found = {}
    for folder in PROC.iterdir():
        if not folder.name.isdigit():
            continue
        # Another's process may not be read, and any may end meanwhile.
        with suppress(OSError):
            # After the name, which is in parentheses: state, parent, group, session.
            state, _, _, its_session = (folder / "stat").read_text().rpartition(")")[2].split()[:4]
            environ = (folder / "environ").read_bytes().split(b"\0")
            if state not in "ZX" and (int(its_session) == session or mark.encode() in environ):
                words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
                found[int(folder.name)] = _short([word for word in words if word] or ["?"])
    return found


def capture(
    argv: Sequence[Argument],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float | None = None,
) -> str:
    """What `argv` writes to its standard output; `timeout` in seconds.

    Raises `CommandFailed` with what it wrote to its standard error, or a `Problem` when the
    program is not there or does not answer in time.
    """
    child = _start(
        argv,
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        out, err = child.communicate(timeout=timeout)
    except subprocess.TimeoutExpired as error:
        _end([child])
        raise Problem(f"{_short(argv)} gave no answer within {timeout} s") from error
    except BaseException:
        _end([child])
        raise
    finally:
        _ended(child)
    if child.returncode:
        tail = err.decode(errors="replace").splitlines()[-TAIL_LINES:]
        raise CommandFailed(argv, child.returncode, "\n".join(tail))
    return out.decode(errors="replace")


def in_threads(function: Callable[[T], R], items: Iterable[T], jobs: int) -> list[R]:
    """`function` of each item, `jobs` at a time; the results in the items' order.

    One item's failure does not stop the others; when all are done the problems are raised as one.
    Ctrl-C or a kill ends the programs that run and starts no more.
    """
    with ThreadPoolExecutor(max_workers=max(jobs, 1)) as pool:
        futures = [pool.submit(function, item) for item in items]
        try:
            failures = [future.exception() for future in futures]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            end_all()
            raise
    problems = [failure for failure in failures if isinstance(failure, Problem)]
    if len(problems) > 1:
        told = [f"{len(problems)} of {len(failures)} failed", *map(str, problems)]
        raise Problem("\n".join(told))
    return [future.result() for future in futures]


def end_all() -> None:
    """End every program that runs, with its group, and let no thread start another."""
    global _ending
    _ending = True
    _end(list(_running))


def go_on() -> None:
    """Raise KeyboardInterrupt once everything is to end: for loops that run no program."""
    if _ending:
        raise KeyboardInterrupt


@cache
def _guard() -> int:
    """Where to write to the guard, a file descriptor that no child inherits."""
    guard: Any = subprocess.Popen(
        ["/bin/sh", "-c", GUARD],
        stdin=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    guard.returncode = 0  # It outlives this process: nobody waits for it.
    with guard.stdin as pipe:
        return os.dup(pipe.fileno())


def _start(argv: Sequence[Argument], **settings: object) -> subprocess.Popen[bytes]:
    """Start it in a group of its own, which dies with this process whatever ends that."""
    with _starting:
        go_on()
        guard = _guard()
        try:
            child: subprocess.Popen[bytes] = subprocess.Popen(
                [str(argument) for argument in argv],
                start_new_session=True,
                **settings,  # type: ignore[call-overload]
            )
        except OSError as error:
            why = f"{error.strerror}: {error.filename}"
            raise Problem(f"{argv[0]} cannot be run: {why}") from error
        os.write(guard, f"+ {child.pid}\n".encode())
        _running.add(child)
        return child


def _ended(child: subprocess.Popen[bytes]) -> None:
    _running.discard(child)
    for pipe in (child.stdout, child.stderr):
        if pipe:
            pipe.close()
    os.write(_guard(), f"- {child.pid}\n".encode())


def _end(children: Sequence[subprocess.Popen[bytes]]) -> None:
    """Ask each group to end, wait a little, kill what is left."""
    for child in children:
        _signal(child, signal.SIGTERM)
    for child in children:
        with suppress(subprocess.TimeoutExpired):
            child.wait(GRACE)
    for child in children:
        _signal(child, getattr(signal, "SIGKILL", signal.SIGTERM))


def _signal(child: subprocess.Popen[bytes], signum: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        # The group's number is the child's: it leads its own session.
        os.killpg(child.pid, signum)


def _short(argv: Sequence[Argument]) -> str:
    """The command as a person would type it, cut where it gets long."""
    text = shlex.join([Path(argv[0]).name, *map(str, argv[1:])]).replace("\n", " ")
    return text if len(text) <= 120 else text[:117] + "..."


def _tail(log: Path, start: int) -> str:
    with log.open("rb") as output:
        output.seek(max(start, output.seek(0, os.SEEK_END) - 16384))
        lines = output.read().decode(errors="replace").splitlines()
    return "\n".join(lines[-TAIL_LINES:])
