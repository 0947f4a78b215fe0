"""Job objects, by which Windows ends programs with all their children.

A process belongs to the jobs of its parent. `guard` puts this process into a job that ends with it,
as the guard of ci/process.py does elsewhere, and each program that it starts gets one of its own.
"""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from typing import Any

# pywin32 is installed on Windows alone.
import pywintypes
import win32api
import win32con
import win32job

_jobs: dict[int, Any] = {}


@cache
def guard() -> None:
    """Have Windows terminate this process's children when it ends, however it ends."""
    job = win32job.CreateJobObject(None, "")
    kind = win32job.JobObjectExtendedLimitInformation
    limits = win32job.QueryInformationJobObject(job, kind)
    flag = win32job.JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE
    limits["BasicLimitInformation"]["LimitFlags"] |= flag
    win32job.SetInformationJobObject(job, kind, limits)
    win32job.AssignProcessToJobObject(job, win32api.GetCurrentProcess())
    # Windows closes the handle at the end. If Python did, this process would end without its code.
    job.Detach()


def add(pid: int) -> None:
    """Put a program that was just started into a job of its own.

    A child that it has already started is in the job of `guard` alone.
    """
    job = win32job.CreateJobObject(None, "")
    _jobs[pid] = job
    # It may have ended already.
    with suppress(pywintypes.error):
        access = win32con.PROCESS_SET_QUOTA | win32con.PROCESS_TERMINATE
        process = win32api.OpenProcess(access, False, pid)
        win32job.AssignProcessToJobObject(job, process)
        process.Close()


def members(pid: int) -> list[int]:
    """Return the ids of the running processes in a program's job."""
    kind = win32job.JobObjectBasicProcessIdList
    return list(win32job.QueryInformationJobObject(_jobs[pid], kind))


def terminate(pid: int) -> None:
    """Terminate a program with its children; it need not run."""
    with suppress(pywintypes.error, KeyError):
        win32job.TerminateJobObject(_jobs[pid], 1)


def forget(pid: int) -> None:
    """Close a program's job; processes in it go on."""
    _jobs.pop(pid).Close()
