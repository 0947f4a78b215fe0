"""`nox -s fuzz`: the fuzzers of tests/fuzz in extensions built with sanitizers.

OpenSSL is built with AddressSanitizer, the extension with AddressSanitizer and
UndefinedBehaviorSanitizer. Worker processes with different seeds run one after the other until the
time of each fuzzer in each cell is over. A finding is logged with the command that reproduces it
and the sanitizer's report.

`guided` is libFuzzer: it needs clang, which instruments OpenSSL and the extension, and atheris. The
inputs that it finds defects with are kept in tests/fuzz/inputs, which the tests of each cell read.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

from ci import console, environments, interpreters, manifest, process, toolchain, wheels
from ci.errors import UserError
from ci.fuzz.findings import Finding, findings_of, read_journal
from ci.interpreters import Interpreter
from ci.manifest import Flags, Manifest
from ci.matrix import plan
from ci.matrix.plan import Cell
from ci.openssl import prefixes
from ci.process import CommandError
from ci.project import Project

FUZZERS = ("raw", "parser", "race")
GUIDED = "guided"
WORKER = Path("tests", "fuzz", "worker.py")

# The manifest's flags for the extension, and OpenSSL, with sanitizers.
SANITIZER = "sanitizer"
SANITIZERS = {
    # An allocation above the limit fails as without memory, and is not reported.
    "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1:max_allocation_size_mb=300"
    ":handle_abort=1:detect_stack_use_after_return=1:quarantine_size_mb=64",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
    # AddressSanitizer does not see the objects of Python's allocator.
    "PYTHONMALLOC": "malloc",
    # The iteration order of sets, and so of the steps, depends on the seed alone.
    "PYTHONHASHSEED": "0",
    "PYTHONDONTWRITEBYTECODE": "1",
    "LC_ALL": "C.UTF-8",
}

# The flags of clang for libFuzzer, and the runtime library with which the build imports the
# extension; atheris has one with libFuzzer in it.
CLANG = "clang"
GUIDED_FLAGS = Flags(
    GUIDED,
    "libFuzzer derives inputs from the code that earlier ones reached.",
    cflags=("-O1", "-g", "-fno-omit-frame-pointer", "-fsanitize=fuzzer-no-link,address"),
    # The compiler cannot instrument assembler.
    options=("no-asm",),
    preload=("libclang_rt.asan-x86_64.so",),
)
RUNTIME = "asan_with_fuzzer.so"
# The Pythons that atheris has wheels for.
ATHERIS = ("3.11", "3.12", "3.13", "3.14")
# Inputs that showed a defect, in a directory for each parser.
INPUTS = Path("tests", "fuzz", "inputs")
# Their names in the working directory: found.PARSER.NAME.
FOUND = "found."

# Seconds without progress after which a call counts as a hang.
HANG = 60.0


@dataclass(frozen=True, slots=True)
class Options:
    """The command line's options; `seed` is None for random seeds."""

    fuzzers: tuple[str, ...]
    cells: tuple[str, ...]
    seconds: float
    hang: float
    seed: int | None
    without: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Run:
    """One fuzzer in one cell: the Python, the unpacked wheel, and libraries to preload."""

    fuzzer: str
    cell: str
    python: Path
    site: Path
    preload: tuple[Path, ...]
    options: Options
    project: Project

    @property
    def label(self) -> str:
        """The fuzzer and the cell, for messages."""
        return f"{self.fuzzer} {self.cell}"


def main(arguments: Sequence[str], project: Project) -> None:
    """Run the fuzzers.

    Raises:
        UserError: there was a finding, or an option is invalid.
    """
    options = parse(arguments)
    runs = prepare(options, project)
    found = sum(process.in_threads(fuzz, runs, os.cpu_count() or 1))
    if found:
        raise UserError(f"{_count(found, 'finding')}; see above")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UserError(f"nox -s fuzz: {message}; `nox -s fuzz -- --help` lists the arguments")


def parse(arguments: Sequence[str]) -> Options:
    """Return the options of the arguments after `--`."""
    parser = _Parser(prog="nox -s fuzz --", allow_abbrev=False)
    parser.add_argument(
        "fuzzers", nargs="*", metavar="FUZZER",
        help="raw, parser, race; none: these three; guided, which needs clang",
    )  # fmt: skip
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
    parsed = parser.parse_args(arguments)
    for name in parsed.fuzzers:
        if name not in (*FUZZERS, GUIDED):
            parser.error(f"unknown fuzzer {name!r}: there are {', '.join((*FUZZERS, GUIDED))}")
    if GUIDED in parsed.fuzzers and len(set(parsed.fuzzers)) > 1:
        parser.error(f"{GUIDED} has a compiler of its own, so it cannot run with other fuzzers")
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


def prepare(options: Options, project: Project) -> list[Run]:
    """Build OpenSSL and the extension with sanitizers for each cell, and return the runs."""
    known = manifest.load(project.manifest)
    found = interpreters.installed(known.pythons)
    guided = GUIDED in options.fuzzers
    if guided:
        use_clang()
    cells = [plan.find_cell(known, name) for name in options.cells]
    if not cells and guided:
        cells = default_cells(known, [each for each in found if each in ATHERIS])[:1]
    cells = cells or default_cells(known, list(found))
    for cell in cells:
        if cell.python not in found:
            raise UserError(f"{cell.id}: Python {cell.python} is not installed")
    flags = GUIDED_FLAGS if guided else known.flags_of(SANITIZER)
    sites = build(cells, known, flags, wheels.builders(found.values()), project)
    runs = []
    for cell, site in zip(cells, sites, strict=True):
        python = found[cell.python].executable
        preload = [toolchain.library(each) for each in flags.preload]
        if guided:
            python, runtime = atheris(project, found[cell.python])
            preload = [runtime]
        runs += [
            Run(fuzzer, cell.id, python, site, tuple(preload), options, project)
            for fuzzer in options.fuzzers
        ]
    return runs


def build(
    cells: Sequence[Cell],
    known: Manifest,
    flags: Flags,
    builders: Mapping[str, Interpreter],
    project: Project,
) -> list[Path]:
    """Build OpenSSL and the extension of each cell, and return the unpacked wheels."""
    requests = []
    for cell in cells:
        build = replace(cell.build, flags=flags)
        # One after the other, because each uses all cores.
        prefix = prefixes.ensure([build], project)[build.name]
        builder = builders[wheels.abi(cell.python)]
        requests.append(wheels.Request(build.name, prefix, builder, flags, cell.swig))
    built = wheels.ensure(requests, project)
    sites = []
    for request in requests:
        wheel = built[request.label]
        if isinstance(wheel, UserError):
            raise wheel
        sites.append(wheel.site)
    return sites


def use_clang() -> None:
    """Make clang the compiler, unless CC names one.

    Raises:
        UserError: it is not clang, or clang is not installed.
    """
    if not os.environ.get("CC") and shutil.which(CLANG):
        os.environ["CC"] = CLANG
    if CLANG not in os.environ.get("CC", ""):
        raise UserError(f"{GUIDED} needs clang, whose libFuzzer it is: install it, or set CC")


def atheris(project: Project, interpreter: Interpreter) -> tuple[Path, Path]:
    """Return the Python of an environment with atheris, and its runtime library."""
    requirements = environments.group(project.root / "pyproject.toml", "fuzz")
    python = environments.ensure(project, "fuzz", interpreter, requirements)
    directory = process.capture([python, "-c", "import atheris; print(atheris.path())"])
    return python, Path(directory.strip()) / RUNTIME


def default_cells(known: Manifest, installed: Sequence[str]) -> list[Cell]:
    """Return the quick builds and the oldest release, on the newest Python that is installed."""
    if not installed:
        raise UserError("no Python of the manifest is installed")
    builds = dict.fromkeys([*(each.name for each in known.quick), known.releases[0].series])
    return [plan.find_cell(known, f"py{installed[-1]}-openssl{build}") for build in builds]


def fuzz(run: Run) -> int:
    """Run one fuzzer in one cell, seed by seed; return the number of distinct findings."""
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
            # Many calls can show the same defect.
            if finding.what not in seen:
                seen.add(finding.what)
                console.log(report(run, seed, finding))
        seed += 1
        seeds += 1
    words = _count(len(seen), "finding") if seen else "no finding"
    console.log(
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
    """Run one worker; return the number of its steps and its findings."""
    log = run.project.cache / "logs" / f"fuzz-{run.fuzzer}-{run.cell}.txt"
    log.unlink(missing_ok=True)
    corpus = run.project.cache / "corpus" / run.cell
    with tempfile.TemporaryDirectory(prefix="m2crypto-fuzz-") as scratch:
        journal = Path(scratch) / "journal"
        (Path(scratch) / "work").mkdir()
        failure = None
        try:
            process.run(
                [
                    *(run.python, run.project.root / WORKER, run.fuzzer, f"--journal={journal}"),
                    *(f"--seed={seed}", f"--seconds={seconds}", f"--hang={run.options.hang}"),
                    *(f"--without={each}" for each in run.options.without),
                    *([f"--corpus={corpus}"] if run.fuzzer == GUIDED else []),
                ],
                log=log,
                cwd=Path(scratch) / "work",
                env=environment(run),
                quiet=True,
            )
        except CommandError as failed:
            failure = failed
        calls = read_journal(journal)
        keep(Path(scratch) / "work", run.project)
    steps = calls[-1][0] if calls else 0
    text = log.read_text(encoding="utf-8", errors="replace")
    return steps, findings_of(text, failure.status if failure else 0, calls)


def keep(work: Path, project: Project) -> None:
    """Copy the inputs that showed a defect, so that the tests of the cells read them."""
    for path in sorted(work.glob(f"{FOUND}*")):
        parser, _, name = path.name.removeprefix(FOUND).rpartition(".")
        kept = INPUTS / parser / name
        (project.root / kept).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, project.root / kept)
        console.log(f"kept {kept.as_posix()}, which tests/test_fuzz_inputs.py reads")


def environment(run: Run) -> dict[str, str]:
    """Return the environment of a worker, with the sanitizers' libraries preloaded."""
    kept = ("PATH", "HOME", "TMPDIR", "LANG")
    return {
        **{name: os.environ[name] for name in kept if name in os.environ},
        **SANITIZERS,
        "LD_PRELOAD": " ".join(map(str, run.preload)),
        "PYTHONPATH": str(run.site),
    }
