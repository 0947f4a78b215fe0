"""The fuzzers of tests/fuzz, each in a sanitized build of several OpenSSL builds.

Given the fuzzers' names (none: all), it builds OpenSSL with AddressSanitizer and the extension with
AddressSanitizer and UndefinedBehaviorSanitizer, and runs one worker process after the other, each
with a seed of its own, until the time of each fuzzer in each cell is up. A finding is one line with
the command that reproduces it, then what the sanitizer printed.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

from ci import interpreters, manifest, plan, prefixes, process, progress, store, wheels
from ci.manifest import Build, Manifest, Variant
from ci.plan import Cell
from ci.problem import Problem
from ci.process import CommandFailed

FUZZERS = ("raw", "parser", "race")
WORKER = wheels.PROJECT / "tests" / "fuzz" / "worker.py"

# Without assembler, which the compiler cannot instrument.
SANITIZED_OPTIONS = ("no-asm", "enable-asan")
LIBRARIES = ("libasan.so", "libubsan.so")
SANITIZERS = {
    # An allocation above the limit fails as it does when memory is short, and is no finding.
    "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1:max_allocation_size_mb=300"
    ":handle_abort=1:detect_stack_use_after_return=1:quarantine_size_mb=64",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
    # Python's own allocator hides objects from the sanitizer.
    "PYTHONMALLOC": "malloc",
    # The order of sets, and so of the steps, depends on the seed alone.
    "PYTHONHASHSEED": "0",
    "PYTHONDONTWRITEBYTECODE": "1",
    "LC_ALL": "C.UTF-8",
}

# The worker's exit code when its oracle printed findings.
FOUND = 3
# Seconds without progress after which a call hangs, and for which a worker may run at most: a crash
# loses the rest of its seed, and a start costs two seconds.
HANG = 60.0
# What OpenSSL's own passphrase callback prints on the terminal.
PROMPT = "Enter PEM pass phrase:"
# Lines of the journal and of the sanitizer's report that a finding shows.
CALLS = 6
FRAMES = 12


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line asks for; `seed` is None for random seeds."""

    fuzzers: tuple[str, ...]
    cells: tuple[str, ...]
    seconds: float
    hang: float
    seed: int | None
    without: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Run:
    """One fuzzer in one cell: the interpreter, the wheel's folder and the libraries to preload."""

    fuzzer: str
    cell: str
    python: Path
    site: Path
    options: Options

    @property
    def label(self) -> str:
        """The fuzzer and the cell, for people."""
        return f"{self.fuzzer} {self.cell}"


@dataclass(frozen=True, slots=True)
class Finding:
    """What went wrong at a step, and in which call.

    `details` are the last calls and the sanitizer's report.
    """

    step: int
    what: str
    call: str = ""
    details: tuple[str, ...] = ()


def main(argv: list[str]) -> None:
    """Run the fuzzers; raise a `Problem` if there was a finding."""
    options = parse(argv)
    runs = prepare(options)
    found = sum(process.in_threads(fuzz, runs, os.cpu_count() or 1))
    if found:
        raise Problem(f"{_count(found, 'finding')}; see above")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise Problem(f"nox -s fuzz: {message}; `nox -s fuzz -- --help` lists the arguments")


def parse(argv: Sequence[str]) -> Options:
    """Return the options that the arguments after `--` stand for."""
    parser = _Parser(prog="nox -s fuzz --", allow_abbrev=False)
    parser.add_argument("fuzzers", nargs="*", metavar="FUZZER", help="raw, parser, race; none: all")
    parser.add_argument(
        "--seconds", type=_positive, default=60.0, help="the time of each fuzzer in each cell"
    )
    parser.add_argument("--seed", type=int, help="run this one seed, to reproduce a finding")
    parser.add_argument(
        "--cells", nargs="+", action="extend", default=[], metavar="CELL",
        help="the cells' ids; none: the quick builds and the oldest release on the newest Python",
    )  # fmt: skip
    parser.add_argument(
        "--without", nargs="+", action="extend", default=[], metavar="NAME",
        help="functions, targets or scenarios to leave out",
    )  # fmt: skip
    parser.add_argument(
        "--hang", type=_positive, default=HANG, help="seconds without progress that are a finding"
    )
    parsed = parser.parse_args(argv)
    for name in parsed.fuzzers:
        if name not in FUZZERS:
            parser.error(f"unknown fuzzer {name!r}: there are {', '.join(FUZZERS)}")
    return Options(
        fuzzers=tuple(dict.fromkeys(parsed.fuzzers)) or FUZZERS,
        cells=tuple(dict.fromkeys(parsed.cells)),
        seconds=parsed.seconds,
        hang=parsed.hang,
        seed=parsed.seed,
        without=tuple(parsed.without),
    )


def _positive(text: str) -> float:
    seconds = float(text)
    if not seconds > 0:
        raise ValueError
    return seconds


def prepare(options: Options) -> list[Run]:
    """Build what the runs need: a sanitized OpenSSL and a sanitized extension for each cell."""
    known = manifest.load()
    found = interpreters.installed(known.pythons)
    cells = [plan.find_cell(known, name) for name in options.cells] or default_cells(
        known, list(found)
    )
    for cell in cells:
        if cell.python not in found:
            raise Problem(f"{cell.id}: Python {cell.python} is not installed")
    builders = wheels.builders(found.values())
    requests = {}
    for cell in cells:
        build = sanitized(cell.build)
        # One after the other: each takes minutes on all cores.
        prefix = prefixes.ensure([build])[build.name]
        builder = builders[wheels.abi(found[cell.python])]
        requests[cell.id] = wheels.Request(build.name, prefix, builder, sanitized=True)
    built = wheels.ensure(requests.values(), known.swig, instrumented=False)
    runs = []
    for cell in cells:
        wheel = built[requests[cell.id].label]
        if isinstance(wheel, Problem):
            raise wheel
        runs += [
            Run(fuzzer, cell.id, found[cell.python].executable, wheel.site, options)
            for fuzzer in options.fuzzers
        ]
    return runs


def default_cells(known: Manifest, installed: Sequence[str]) -> list[Cell]:
    """Return the quick builds and the oldest release, on the newest Python that is installed."""
    if not installed:
        raise Problem("no Python of the manifest is installed")
    oldest = Build(known.releases[0], next(v for v in known.variants if v.name == "default"))
    return [Cell(installed[-1], build) for build in dict.fromkeys([*known.quick, oldest])]


def sanitized(build: Build) -> Build:
    """Return the variant of a build that AddressSanitizer watches."""
    name = "asan" if build.variant.name == "default" else f"{build.variant.name}-asan"
    return replace(build, variant=Variant(name, (*build.variant.options, *SANITIZED_OPTIONS)))


def fuzz(run: Run) -> int:
    """Run one fuzzer in one cell, seed by seed; the number of distinct findings."""
    options = run.options
    started = time.monotonic()
    seed = random.randrange(1_000_000) if options.seed is None else options.seed  # noqa: S311
    seen: set[str] = set()
    steps = seeds = 0
    while True:
        left = options.seconds - (time.monotonic() - started)
        if seeds and (left <= 0 or options.seed is not None):
            break
        count, findings = run_seed(run, seed, left if options.seed is None else 1e6)
        steps += count
        for finding in findings:
            # One defect shows in many calls.
            if finding.what not in seen:
                seen.add(finding.what)
                progress.say(report(run, seed, finding))
        seed += 1
        seeds += 1
    words = _count(len(seen), "finding") if seen else "no finding"
    progress.say(
        f"{run.label}: {steps} steps, {_count(seeds, 'seed')}, "
        f"{time.monotonic() - started:.0f} s: {words}"
    )
    return len(seen)


def report(run: Run, seed: int, finding: Finding) -> str:
    """Return a finding as one line with the command that reproduces it, then its details."""
    line = (
        f"finding: {run.label} seed {seed} step {finding.step}: {finding.what}"
        f"{finding.call and f', in {finding.call}'}; reproduce with "
        f"`nox -s fuzz -- {run.fuzzer} --cells {run.cell} --seed {seed}`"
    )
    return "\n".join([line, *(f"  | {each}" for each in finding.details)])


def run_seed(run: Run, seed: int, seconds: float) -> tuple[int, list[Finding]]:
    """Run one worker; the steps that it made, and what it found."""
    log = store.cache_root() / "logs" / f"fuzz-{run.fuzzer}-{run.cell}.txt"
    log.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(prefix="m2crypto-fuzz-") as scratch:
        journal = Path(scratch) / "journal"
        (Path(scratch) / "work").mkdir()
        failure = None
        try:
            process.run(
                [
                    *(run.python, WORKER, run.fuzzer, f"--journal={journal}"),
                    *(f"--seed={seed}", f"--seconds={seconds}", f"--hang={run.options.hang}"),
                    *(f"--without={each}" for each in run.options.without),
                ],
                log=log,
                cwd=Path(scratch) / "work",
                env=environment(run),
                quiet=True,
            )
        except CommandFailed as failed:
            failure = failed
        calls = read_journal(journal)
    steps = calls[-1][0] if calls else 0
    text = log.read_text(encoding="utf-8", errors="replace")
    return steps, findings_of(text, failure.status if failure else 0, calls)


def environment(run: Run) -> dict[str, str]:
    """Return the environment of a worker, with the sanitizers' libraries preloaded."""
    kept = ("PATH", "HOME", "TMPDIR", "LANG")
    preload = [
        process.capture([*_compiler(), f"-print-file-name={each}"]).strip() for each in LIBRARIES
    ]
    return {
        **{name: os.environ[name] for name in kept if name in os.environ},
        **SANITIZERS,
        "LD_PRELOAD": " ".join(preload),
        "PYTHONPATH": str(run.site),
    }


def _compiler() -> Sequence[str]:
    return prefixes.toolchain().command


def read_journal(path: Path) -> list[tuple[int, str]]:
    """Return the last calls of a worker with their steps, oldest first."""
    if not path.is_file():
        return []
    lines = path.read_text(encoding="ascii", errors="replace").splitlines()
    entries = [line.rstrip().split(" ", 2) for line in lines if line.strip()]
    entries.sort(key=lambda entry: int(entry[0]))
    return [(int(step), text) for _, step, text in (entry for entry in entries if len(entry) == 3)]


def findings_of(log: str, status: int, calls: Sequence[tuple[int, str]]) -> list[Finding]:
    """Return what a worker found, from its log, its exit code and its journal."""
    findings = [
        Finding(int(step), what)
        for step, what in re.findall(r"^finding: step (\d+): (.*)$", log, re.MULTILINE)
    ]
    if PROMPT in log:
        findings.append(Finding(calls[-1][0] if calls else 0, "OpenSSL prompted for a passphrase"))
    if status not in (0, FOUND):
        # Calls in a hook are indented; the one that they happen in stands before them.
        outer = [call for call in calls if not call[1].startswith(" ")]
        step, call = outer[-1] if outer else (0, "the start of the worker")
        details = [text for _, text in calls[-CALLS:]] + crash_details(log)
        name = call.partition("(")[0]
        findings.append(Finding(step, crash_summary(log, status), name, tuple(details)))
    return findings


def crash_summary(log: str, status: int) -> str:
    """Return in a few words why a worker ended."""
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
