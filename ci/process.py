"""Running programs. Every program that the tooling runs is started here.

Each one leads a session of its own, so that Ctrl-C or a kill ends it with all its children. On
Windows it has a job object of its own (ci/jobs.py).
(ci/extension.py and ci/bootstrap.py use the standard library alone and start theirs themselves.)
"""

from __future__ import annotations

import importlib
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
from types import ModuleType
from typing import Any, TypeVar

from ci import console, host
from ci.errors import UserError

# Lines of the log that an error shows: enough for a compiler's message.
TAIL_LINES = 12
# The lines of Python's fault handler before and after the tracebacks of all threads, and the number
# of lines that an error shows.
ABORTED = "Fatal Python error: Aborted"
EXTENSIONS = "Extension modules:"
STACK_LINES = 60
# Seconds between SIGTERM and SIGKILL.
GRACE = 3.0
# Seconds in which the processes that a program leaves may end by themselves: a killed one is listed
# until its parent has waited for it.
LEAVING = 2.0
# Seconds between two calls of `watch`.
TICK = 0.25
PROC = Path("/proc")
# Of Windows, where the exit code of a process that an exception ended is the exception's. The flag
# keeps Ctrl-C from a program, as a session of its own does elsewhere.
CREATE_NEW_PROCESS_GROUP = 0x200
FIRST_EXCEPTION = 0xC0000000
EXCEPTIONS = {
    0xC0000005: "STATUS_ACCESS_VIOLATION",
    0xC00000FD: "STATUS_STACK_OVERFLOW",
    0xC0000374: "STATUS_HEAP_CORRUPTION",
    0xC0000409: "STATUS_STACK_BUFFER_OVERRUN",
}

# Reads lines `+ GROUP` and `- GROUP`. At the end of its input, when this process has ended even by
# SIGKILL, it terminates the remaining groups, and kills those that remain after three seconds.
GUARD = """
left=' '
while read -r sign group; do
  case $sign in
    +) left="$left$group " ;;
    -) left="${left%% $group *} ${left#* $group }" ;;
  esac
done
for group in $left; do kill -s TERM -- "-$group"; done
for second in 1 2 3; do
  remaining=
  for group in $left; do kill -s 0 -- "-$group" && remaining=1; done
  [ "$remaining" ] || exit
  sleep 1
done
for group in $left; do kill -s KILL -- "-$group"; done
"""

Argument = str | Path
T = TypeVar("T")
R = TypeVar("R")

_running: set[subprocess.Popen[bytes]] = set()
_shutdown = False
_starting = threading.Lock()


class CommandError(UserError):
    """A program failed: one line, then its last lines of output.

    Attributes:
        status: the exit code, or minus the number of the signal that ended it.
        crash: the name of the signal, or of Windows' exception, that ended it; empty if it exited.
        tail: the last lines of its output.
        log: the file with all of its output; None for `capture`.
    """

    def __init__(
        self, argv: Sequence[Argument], status: int, tail: str, log: Path | None = None
    ) -> None:
        self.crash = _crash(status)
        how = f"{'signal ' * (status < 0)}{self.crash}" if self.crash else f"exit code {status}"
        where = f"; the whole log is {log}" if log else ""
        super().__init__(f"{_short(argv)} failed with {how}{where}{quoted(tail)}")
        self.status = status
        self.tail = tail
        self.log = log


def quoted(output: str) -> str:
    """Return a program's output for the lines below an error."""
    return "".join(f"\n  | {line}" for line in output.splitlines())


def _crash(status: int) -> str:
    if status < 0:
        return signal_name(-status)
    return EXCEPTIONS.get(status, f"{status:#x}") if status >= FIRST_EXCEPTION else ""


def signal_name(number: int) -> str:
    """Return such as `SIGSEGV`; `SIGRTMIN+6` of a real-time signal, most of which have no name."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIGRTMIN+{number - signal.SIGRTMIN}"


class TimeLimitError(UserError):
    """A program was terminated because it exceeded its time limit.

    Attributes:
        stacks: what Python's fault handler wrote, each thread's traceback.
    """

    def __init__(self, why: str, stacks: str = "") -> None:
        super().__init__(why)
        self.stacks = stacks


class LeftoverProcessError(UserError):
    """A program succeeded but left processes running; they were terminated."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """The limits of a program.

    Attributes:
        limit: seconds.
        mark: an entry `NAME=VALUE` of the program's environment, by which processes that it leaves
            are found even in sessions of their own.
        watch: called every quarter of a second while the program runs; returns why it must be
            ended, or an empty string.
        umask: the program's; by default this process's.
    """

    limit: float
    mark: str
    watch: Callable[[], str]
    umask: int = -1


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
    """Run a program and append its output to the file `log`.

    Args:
        argv: the program and its arguments.
        log: the file.
        cwd: the working directory, by default this process's.
        env: the environment, by default this process's.
        on_line: called with each line of output, without its line end.
        quiet: whether not to log the command.
        bounds: the limits.

    Raises:
        CommandError: it failed.
        UserError: it cannot be started.
        TimeLimitError: it exceeded the limit of `bounds`.
        LeftoverProcessError: it left processes running.
    """
    if not quiet:
        console.log(f"$ {_short(argv)}")
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
            # A pipe only for `on_line`: a remaining grandchild would keep it open.
            stdout=subprocess.PIPE if on_line else sink,
            stderr=subprocess.STDOUT,
            umask=bounds.umask if bounds and os.name == "posix" else -1,
        )
        try:
            if on_line and child.stdout:
                for line in child.stdout:
                    sink.write(line)
                    on_line(line.decode(errors="replace").rstrip("\r\n"))
            status = _wait(child, bounds) if bounds else child.wait()
        except TimeLimitError as error:
            _end([child])
            raise TimeLimitError(str(error), _stacks(log, start)) from None
        except BaseException:
            _end([child])
            raise
        finally:
            left = _end_left(child.pid, bounds.mark) if bounds else []
            _forget(child)
    if status:
        raise CommandError(argv, status, _tail(log, start), log)
    if left:
        raise LeftoverProcessError(
            f"processes were left running, and were ended: {'; '.join(left)}"
        )


def _wait(child: subprocess.Popen[bytes], bounds: Bounds) -> int:
    """Wait for a child and return its status; raise TimeLimitError at a limit."""
    end = time.monotonic() + bounds.limit
    while True:
        with suppress(subprocess.TimeoutExpired):
            return child.wait(TICK)
        why = bounds.watch()
        if time.monotonic() > end:
            why = f"exceeded the limit of {bounds.limit:.0f} s"
        if why:
            _abort(child)
            raise TimeLimitError(why)


def _abort(child: subprocess.Popen[bytes]) -> None:
    """Have Python's fault handler (-X dev) write every thread's traceback into the log."""
    if host.WINDOWS:
        # No signal can be sent. pytest-timeout has written the tracebacks at the test's limit.
        return
    with suppress(ProcessLookupError):
        child.send_signal(signal.SIGABRT)
    with suppress(subprocess.TimeoutExpired):
        child.wait(GRACE)


def _end_left(session: int, mark: str) -> list[str]:
    """Terminate the processes that a program left, and return their command lines.

    They have two seconds to end by themselves, unless shutdown was requested.
    """
    end = time.monotonic() + LEAVING
    while (left := _left(session, mark)) and time.monotonic() < end and not _shutdown:
        time.sleep(0.05)
    for signum in (signal.SIGTERM, getattr(signal, "SIGKILL", signal.SIGTERM)):
        for pid in _left(session, mark):
            with suppress(OSError):
                os.kill(pid, signum)
        end = time.monotonic() + GRACE
        while _left(session, mark) and time.monotonic() < end:
            time.sleep(0.05)
    return list(left.values())


def _left(session: int, mark: str) -> dict[int, str]:
    """Return the command lines of a session's processes, and of those with `mark`, by their pids.

    Without /proc only the session's first process group is checked, and minus its id returned. On
    Windows the processes of its job are returned.
    """
    if host.WINDOWS:
        return {pid: f"process {pid}" for pid in _jobs().members(session)}
    if not (PROC / "self" / "environ").exists():
        try:
            os.killpg(session, 0)
        except (ProcessLookupError, PermissionError):
            return {}
        return {-session: f"a process of group {session}"}
    found = {}
    for directory in PROC.iterdir():
        if not directory.name.isdigit():
            continue
        # Another user's process cannot be read, and any may end meanwhile.
        with suppress(OSError):
            # proc(5): after the name in parentheses, the state, parent, group and session.
            state, _, _, its_session = (
                (directory / "stat").read_text().rpartition(")")[2].split()[:4]
            )
            environ = (directory / "environ").read_bytes().split(b"\0")
            if state not in "ZX" and (int(its_session) == session or mark.encode() in environ):
                words = (directory / "cmdline").read_bytes().decode(errors="replace").split("\0")
                found[int(directory.name)] = _short([word for word in words if word] or ["?"])
    return found


def capture(
    argv: Sequence[Argument],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float | None = None,
) -> str:
    """Run a program and return its standard output.

    Args:
        argv: the program and its arguments.
        cwd: the working directory, by default this process's.
        env: the environment, by default this process's.
        timeout: seconds.

    Raises:
        CommandError: it failed; its tail is the end of the standard error.
        UserError: it cannot be started, or did not end within `timeout`.
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
        raise UserError(f"{_short(argv)} did not end within {timeout} s") from error
    except BaseException:
        _end([child])
        raise
    finally:
        _forget(child)
    if child.returncode:
        # Microsoft's compiler writes its errors to the standard output.
        tail = (err.strip() or out).decode(errors="replace").splitlines()[-TAIL_LINES:]
        raise CommandError(argv, child.returncode, "\n".join(tail))
    return out.decode(errors="replace")


def clean_up(argv: Sequence[Argument]) -> str:
    """Return the standard output of a program that cleans up, or nothing if it fails.

    It is started even if shutdown was requested, and has a minute.
    """
    with suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(
            [str(each) for each in argv], capture_output=True, check=True, timeout=60
        )
        return done.stdout.decode(errors="replace")
    return ""


def attached(
    argv: Sequence[Argument], *, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> int:
    """Run a program on this process's terminal and return its exit code.

    It stays in this process's group, so that Ctrl-C reaches it.
    """
    check_interrupt()
    return subprocess.run([str(each) for each in argv], cwd=cwd, env=env, check=False).returncode


def in_threads(function: Callable[[T], R], items: Iterable[T], jobs: int) -> list[R]:
    """Call `function` with each item, `jobs` at a time, and return the results in order.

    The failure of one item does not stop the others. Ctrl-C or a kill terminates the running
    programs and starts no more.

    Raises:
        UserError: the error of the one item that failed, or one with the errors of all.
    """
    pool = ThreadPoolExecutor(max_workers=max(jobs, 1))
    # A signal may arrive while the first programs start.
    try:
        futures = [pool.submit(function, item) for item in items]
        failures = [future.exception() for future in futures]
    except BaseException:
        terminate_all()
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()
    errors = [failure for failure in failures if isinstance(failure, UserError)]
    if len(errors) > 1:
        raise UserError("\n".join([f"{len(errors)} of {len(failures)} failed", *map(str, errors)]))
    return [future.result() for future in futures]


def seconds_used() -> float:
    """Return the CPU seconds of all programs that have ended, with those that they waited for."""
    times = os.times()
    return times.children_user + times.children_system


def terminate_all() -> None:
    """Terminate every running program with its group, and let no thread start another."""
    global _shutdown
    # No thread is starting a program, so all that run are known.
    with _starting:
        _shutdown = True
    _end(list(_running))


def is_shutting_down() -> bool:
    """Return whether shutdown was requested."""
    return _shutdown


def check_interrupt() -> None:
    """Raise KeyboardInterrupt if shutdown was requested; for loops that start no program."""
    if _shutdown:
        raise KeyboardInterrupt


def _jobs() -> ModuleType:
    # Imported late, as it needs pywin32.
    return importlib.import_module("ci.jobs")


@cache
def _guard() -> int:
    """Start the guard and return the file descriptor of its input, which no child inherits."""
    guard: Any = subprocess.Popen(
        ["/bin/sh", "-c", GUARD],
        stdin=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    guard.returncode = 0  # It outlives this process, so Popen must not wait for it.
    with guard.stdin as pipe:
        return os.dup(pipe.fileno())


def _start(argv: Sequence[Argument], **settings: object) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own, which the guard ends with this process."""
    with _starting:
        check_interrupt()
        if host.WINDOWS:
            _jobs().guard()
            settings["creationflags"] = CREATE_NEW_PROCESS_GROUP
        else:
            _guard()
            settings["start_new_session"] = True
        try:
            child: subprocess.Popen[bytes] = subprocess.Popen(
                [str(argument) for argument in argv],
                **settings,  # type: ignore[call-overload]
            )
        except OSError as error:
            why = f"{error.strerror}: {error.filename}"
            raise UserError(f"{argv[0]} cannot be run: {why}") from error
        if host.WINDOWS:
            _jobs().add(child.pid)
        else:
            os.write(_guard(), f"+ {child.pid}\n".encode())
        _running.add(child)
        return child


def _forget(child: subprocess.Popen[bytes]) -> None:
    _running.discard(child)
    for pipe in (child.stdout, child.stderr):
        if pipe:
            pipe.close()
    if host.WINDOWS:
        _jobs().forget(child.pid)
    else:
        os.write(_guard(), f"- {child.pid}\n".encode())


def _end(children: Sequence[subprocess.Popen[bytes]]) -> None:
    """Send SIGTERM to each group, and SIGKILL to those that remain."""
    for child in children:
        _signal(child, signal.SIGTERM)
    for child in children:
        with suppress(subprocess.TimeoutExpired):
            child.wait(GRACE)
    for child in children:
        _signal(child, getattr(signal, "SIGKILL", signal.SIGTERM))


def _signal(child: subprocess.Popen[bytes], signum: int) -> None:
    if host.WINDOWS:
        _jobs().terminate(child.pid)
        return
    with suppress(ProcessLookupError, PermissionError):
        # The child leads its session and so its group.
        os.killpg(child.pid, signum)


def _short(argv: Sequence[Argument]) -> str:
    """Return the command as a shell reads it, cut after 120 characters."""
    text = shlex.join([Path(argv[0]).name, *map(str, argv[1:])]).replace("\n", " ")
    return text if len(text) <= 120 else text[:117] + "..."


def _stacks(log: Path, start: int) -> str:
    """Return the tracebacks that end a log, or nothing."""
    _, aborted, stacks = _end_of(log, start).rpartition(ABORTED)
    lines = [line for line in stacks.splitlines() if aborted and not line.startswith(EXTENSIONS)]
    return "\n".join(lines[:STACK_LINES]).strip("\n")


def _tail(log: Path, start: int) -> str:
    return "\n".join(_end_of(log, start).splitlines()[-TAIL_LINES:])


def _end_of(log: Path, start: int) -> str:
    with log.open("rb") as output:
        output.seek(max(start, output.seek(0, os.SEEK_END) - 16384))
        return output.read().decode(errors="replace")
