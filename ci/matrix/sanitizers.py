"""The reports that the sanitizers wrote in a cell: errors, and leaks of the extension."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ci.errors import UserError

# The beginning of the names of the files with reports; each process has its own.
REPORTS = "sanitizer"
# A word is searched only from its beginning: a test can write one of a million characters.
ERROR = re.compile(
    r"ERROR: AddressSanitizer: (.*?)(?: at pc| \(pc|$)|(?<!\S)(\S+:\d+:\d+: runtime error: .*)",
    re.M,
)
LEAK = re.compile(r"^((?:Direct|Indirect) leak of .*?) allocated from:\n((?: +#\d+ .*\n)+)", re.M)
# A leak is the extension's if its code, or that of OpenSSL in it, allocated the memory.
OWN = "_m2crypto"
# Functions of OpenSSL that leak, and the defect.
KNOWN = {
    "set_dist_point_name": "1.1.1 does not free a relative name that it refuses (v3_crld.c)",
    "try_decode_PKCS12": "1.1.1 does not free the stack of a chain without certificates "
    "(loader_file.c)",
}
# The frames of a stack that a message shows.
SHOWN = 12


@dataclass(frozen=True, slots=True)
class Report:
    """One error or leak, with its stack."""

    what: str
    stack: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join([self.what, *(f"  | {frame}" for frame in self.stack[:SHOWN])])


def options(scratch: Path, *, free_threaded: bool) -> dict[str, str]:
    """Return the environment variables that have each process write its reports into `scratch`.

    LeakSanitizer is called while Python runs (tests/fix_cell.py): at the exit, memory of Python is
    unreachable, too. A free-threaded Python has an allocator of its own alone, in whose memory
    LeakSanitizer does not look for references, so its leaks are not looked for.
    """
    path = f"log_path={scratch / REPORTS}"
    # With the module in each frame, because a frame with a source line has none.
    frames = "stack_trace_format='    #%n %p in %f %S (%m)'"
    leaks = f"detect_leaks={int(not free_threaded)}:leak_check_at_exit=0"
    result = {
        "ASAN_OPTIONS": f"{path}:{frames}:{leaks}:handle_abort=0"
        ":allocator_may_return_null=1:detect_stack_use_after_return=1",
        "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
    }
    if not free_threaded:
        result["LSAN_OPTIONS"] = "max_leaks=0:print_suppressions=0"
        # AddressSanitizer does not see the objects of Python's allocator.
        result["PYTHONMALLOC"] = "malloc"
    return result


def check(scratch: Path, log: Path) -> None:
    """Check that no process of a cell reported an error or a leak of the extension.

    Raises:
        UserError: the first report, with its stack, and how many there are.
    """
    # UndefinedBehaviorSanitizer of GCC knows no log_path.
    files = [*sorted(scratch.glob(f"{REPORTS}.*")), *([log] if log.exists() else [])]
    texts = [path.read_text(encoding="utf-8", errors="replace") for path in files]
    reports = [report for text in texts for report in read(text)]
    if not reports:
        return
    with log.open("a", encoding="utf-8") as file:
        file.writelines(f"{report}\n" for report in reports)
    more = f", and {len(reports) - 1} more" if len(reports) > 1 else ""
    raise UserError(
        f"result refused, a sanitizer reports{more}: {reports[0]}; the whole log is {log}"
    )


def read(text: str) -> Iterator[Report]:
    """Return the errors and the extension's leaks in the text of one file."""
    for found in ERROR.finditer(text):
        yield Report(found[1] or found[2], tuple(_frames(text[found.end() :])))
    for found in LEAK.finditer(text):
        if OWN in found[2] and not any(function in found[2] for function in KNOWN):
            yield Report(found[1], tuple(_frames(found[2])))


def _frames(text: str) -> Iterator[str]:
    """Return the frames of the first stack in a text."""
    started = False
    for line in text.splitlines():
        frame = re.match(r"\s+#\d+ \S+ (?:in )?(.*)", line)
        if frame:
            started = True
            yield frame[1]
        elif started:
            return
