"""Fuzz one parser with inputs that libFuzzer derives from the code that earlier ones reached.

atheris runs libFuzzer in Python; the extension and OpenSSL are compiled with clang's
-fsanitize=fuzzer-no-link. A seed is one parser for some seconds. The inputs that reached new code
stay in a directory of the corpus for the next run, and an input that shows a defect is written into
the working directory as `found.PARSER.NAME`.
"""

from __future__ import annotations

import contextlib
import hashlib
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mutate
import parsers
import samples
from session import Session

# Seconds of one parser, so that a run reaches many of them.
SLICE = 20.0
# Bytes of an input: larger ones take longer and show the same.
LARGEST = 8192


class GuidedFuzzer:
    """One parser, and the calls that look at what it returns."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.folder = Path.cwd()
        found = parsers.parsers(self.folder)
        names = sorted(name for name in found if name not in session.without)
        self.name = names[session.seed % len(names)]
        self.parser = found[self.name]

    def call(self, name: str, function: Callable[..., Any]) -> Any:
        """Return the result; check an exception, and that no error is left queued."""
        result = None
        try:
            result = function()
        except LookupError:
            pass
        except Exception as error:
            self.session.check_exception(name, error)
            del error
        self.session.check_queue(name)
        return result

    def test(self, data: bytes) -> None:
        """Give an input to the parser, as libFuzzer does."""
        self.session.step += 1
        self.session.record(f"{self.name}({len(data)} bytes)")
        self.session.watchdog.feed()
        before = len(self.session.findings)
        parsers.look(self.call, self.name, self.call(self.name, lambda: self.parser(data)))
        if len(self.session.findings) > before:
            path = Path(f"found.{self.name}.{hashlib.sha256(data).hexdigest()[:16]}")
            path.write_bytes(data)

    def seeds(self) -> Path:
        """Return a directory with the samples that the parser reads, or with all of them."""
        directory = self.folder / "seeds"
        directory.mkdir()
        every = samples.load(self.folder)
        every += [der for data in every for _, der in mutate.blocks(data)]
        taken = []
        for sample in every:
            with contextlib.suppress(Exception):
                self.parser(sample)
                taken.append(sample)
        for number, sample in enumerate(taken or every):
            (directory / str(number)).write_bytes(sample)
        return directory


def run(session: Session) -> None:
    """Run libFuzzer, which ends the process."""
    import atheris

    warnings.simplefilter("ignore")
    session.record("the start")
    fuzzer = GuidedFuzzer(session)
    corpus = session.corpus / fuzzer.name
    corpus.mkdir(parents=True, exist_ok=True)
    atheris.Setup(
        [
            "worker.py",
            f"-seed={session.seed + 1}",
            f"-max_total_time={int(min(session.seconds, SLICE)) or 1}",
            f"-max_len={LARGEST}",
            f"-artifact_prefix=found.{fuzzer.name}.",
            # Before the watchdog, which keeps no input. AddressSanitizer bounds the memory.
            f"-timeout={int(session.watchdog.seconds / 2) or 1}",
            *("-rss_limit_mb=0", "-print_final_stats=0", "-detect_leaks=0"),
            *(str(corpus), str(fuzzer.seeds())),
        ],
        fuzzer.test,
        enable_python_coverage=False,
    )
    atheris.Fuzz()
