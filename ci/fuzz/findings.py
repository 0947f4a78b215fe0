"""The findings of a fuzzer's worker, from its log and its journal."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

# The worker's exit code if its oracle printed findings.
FOUND = 3
# What OpenSSL's default passphrase callback prints on the terminal.
PROMPT = "Enter PEM pass phrase:"
# Lines of the journal and of the sanitizer's report in a finding.
CALLS = 6
FRAMES = 12


@dataclass(frozen=True, slots=True)
class Finding:
    """A defect at a step, and the call; `details` are the last calls and the report."""

    step: int
    what: str
    call: str = ""
    details: tuple[str, ...] = ()


def read_journal(path: Path) -> list[tuple[int, str]]:
    """Return the last calls of a worker with their steps, oldest first."""
    if not path.is_file():
        return []
    lines = path.read_text(encoding="ascii", errors="replace").splitlines()
    entries = [line.rstrip().split(" ", 2) for line in lines if line.strip()]
    entries.sort(key=lambda entry: int(entry[0]))
    return [(int(step), text) for _, step, text in (entry for entry in entries if len(entry) == 3)]


def findings_of(log: str, status: int, calls: Sequence[tuple[int, str]]) -> list[Finding]:
    """Return the findings in a worker's log, exit code and journal."""
    findings = [
        Finding(int(step), what)
        for step, what in re.findall(r"^finding: step (\d+): (.*)$", log, re.MULTILINE)
    ]
    if PROMPT in log:
        findings.append(Finding(calls[-1][0] if calls else 0, "OpenSSL prompted for a passphrase"))
    if status not in (0, FOUND):
        # Calls in a hook are indented, and follow the call that runs the hook.
        outer = [call for call in calls if not call[1].startswith(" ")]
        step, call = outer[-1] if outer else (0, "the start of the worker")
        details = [text for _, text in calls[-CALLS:]] + crash_details(log)
        name = call.partition("(")[0]
        findings.append(Finding(step, crash_summary(log, status), name, tuple(details)))
    return findings


def crash_summary(log: str, status: int) -> str:
    """Return in a few words why a worker failed."""
    if "\nTimeout (" in f"\n{log}":
        return "hang"
    undefined = re.search(r"^\S+: runtime error: (.*)$", log, re.MULTILINE)
    if undefined:
        return f"undefined behaviour: {undefined[1]}"
    # "SUMMARY: AddressSanitizer: heap-use-after-free /path/file.c:12 in function"
    summary = re.search(r"^SUMMARY: (\w+): (\S+)(?: \S+)?(?: (in .*))?$", log, re.MULTILINE)
    if summary:
        return " ".join(part for part in (f"{summary[1]}: {summary[2]}", summary[3]) if part)
    if status < 0:
        return f"signal {-status}"
    lines = log.strip().splitlines()
    return f"exit code {status}: {lines[-1] if lines else 'no output'}"


def crash_details(log: str) -> list[str]:
    """Return the lines of a log that explain a crash: the error and the stack's first frames."""
    lines = log.splitlines()
    starts = [
        at for at, line in enumerate(lines) if re.search(r"ERROR: |runtime error: |^Timeout", line)
    ]
    if not starts:
        return lines[-FRAMES:]
    frames = [line for line in lines[starts[0] :] if line.strip()]
    return [line[:200] for line in frames[:FRAMES]]
