"""Measure the release wheel beside the `cryptography` wheel and the build of the matrix.

`nox -s bench -- wheel`. The wheel is that of `dist/` for this Python, or else built first. Its
peers are the `cryptography` wheel, with pyOpenSSL for TLS, and M2Crypto as the cells of the matrix
have it, with an OpenSSL that is compiled with -O1. Each library has a process of its own, and they
take turns in each round. The output is the CPU time of an operation, as the median of the rounds,
and the median of the rounds' ratios of the wheel to each peer: below 1, the wheel is faster. The
exit code is 1 if the wheel takes more than 3 % longer than the better peer. `cryptography` reads
certificates by a parser of its own, so that it is no measure of OpenSSL's, and its ratio is in
parentheses.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from ci import environments, interpreters, process
from ci.benchmarks.workers.turns import Worker, median_ratio, take_turns
from ci.distribution.cells import claimed
from ci.errors import UserError
from ci.matrix.machine import this_platform
from ci.project import Project

WORKER = Path(__file__).parent / "workers" / "operations.py"
# What the wheel may take longer than the better peer.
MARGIN = 1.03
OPERATIONS = (
    "RSA-2048 sign",
    "P-256 sign",
    "P-384 sign",
    "AES-256-GCM 1 MiB",
    "SHA-256 1 MiB",
    "TLS 1.3 handshake",
    "PEM RSA key, 1 sign",
    "PEM P-256 key",
    "PEM certificate",
)
# Operations that a peer does without OpenSSL: it is not judged.
WITHOUT_OPENSSL = {("PEM certificate", "cryptography")}


def main() -> int:
    """Measure, print, and judge."""
    project = Project.from_environment()
    data = project.root / "tests" / "data"
    interpreter = interpreters.describe(Path(sys.executable))
    if interpreter is None:
        raise UserError(f"{sys.executable}: not an interpreter that the manifest knows")
    requirements = environments.group(project.pyproject, "bench")
    peers = environments.ensure(project, "bench", interpreter, requirements)
    with tempfile.TemporaryDirectory(prefix="m2crypto-") as directory, ExitStack() as stack:
        wheel = _wheel(project, interpreter.version, Path(directory))
        site = Path(directory, "site")
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(site)
        # `nox -s bench` puts the build of the matrix first.
        matrix = os.environ["PYTHONPATH"].split(os.pathsep)[0]
        python = Path(sys.executable)
        workers = {
            "wheel": Worker([python, WORKER, "m2crypto", data], str(site), OPERATIONS, stack),
            "cryptography": Worker([peers, WORKER, "cryptography", data], "", OPERATIONS, stack),
            "matrix": Worker([python, WORKER, "m2crypto", data], matrix, OPERATIONS, stack),
        }
        print(f"Python {sys.version.split()[0]}, {wheel.name}")
        for name, worker in workers.items():
            print(f"  {name:<14}{worker.version}")
        slow = [name for name in OPERATIONS if not _compare(name, workers)]
    if slow:
        print(f"error: the wheel is more than 3 % behind: {', '.join(slow)}")
    return int(bool(slow))


def _wheel(project: Project, python: str, directory: Path) -> Path:
    """Return the release wheel for a Python, of dist/ or built into a directory."""
    made = sorted((project.root / "dist").glob("m2crypto-*.whl"))
    if found := claimed(made, python, this_platform()):
        return found
    command = [sys.executable, "-m", "ci", "wheels", "--host", f"--into={directory / 'dist'}"]
    if process.attached(command, cwd=project.root):
        raise UserError("benchmark wheel: the wheel cannot be built, see above")
    found = claimed(sorted((directory / "dist").glob("*.whl")), python, this_platform())
    if found is None:
        raise UserError(f"benchmark wheel: no wheel claims Python {python} on {this_platform()}")
    return found


def _compare(operation: str, workers: Mapping[str, Worker]) -> bool:
    """Print the medians and ratios of an operation; return whether the wheel is fast enough."""
    rounds = take_turns(operation, workers)
    own = rounds.pop("wheel")
    ratios = {name: median_ratio(own, times) for name, times in rounds.items()}
    judged = {
        name: ratio for name, ratio in ratios.items() if (operation, name) not in WITHOUT_OPENSSL
    }
    figures = "   ".join(
        f"{name} {statistics.median(times) * 1e6:9.1f} µs, ratio "
        + (f"{ratios[name]:.3f}" if name in judged else f"({ratios[name]:.3f})")
        for name, times in rounds.items()
    )
    print(f"{operation:<19} wheel {statistics.median(own) * 1e6:9.1f} µs   {figures}", flush=True)
    return max(judged.values()) <= MARGIN


if __name__ == "__main__":
    sys.exit(main())
