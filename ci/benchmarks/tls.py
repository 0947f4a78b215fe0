"""Measure TLS beside ssl, pyOpenSSL and M2Crypto before 1.0, over loopback and memory BIOs.

Each library is measured in turn in a process of its own (workers/tls.py), several rounds. The
output is the median of each figure, and the least of the ratios to the peers: the median of the
rounds' ratios, because a busy computer slows a whole round. Rates are per CPU second, which other
programs disturb less than time. The exit code is 1 if a ratio is below the bar.

Every library has the same certificates, TLS 1.3, one cipher suite and one group. The defaults
differ by OpenSSL's release: from 3.5 on, clients and servers exchange keys by X25519MLKEM768, which
takes longer than X25519. M2Crypto has the OpenSSL of its wheels, ssl and the older M2Crypto the
system's, and pyOpenSSL that of the wheel of cryptography: the first line names them. Each client
compares the host name with the certificate; pyOpenSSL leaves that to service-identity.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

ROUNDS = 11
# Ahead of each, with a margin for the spread of the medians.
BAR = 0.97
WORKER = Path(__file__).parent / "workers" / "tls.py"
CERTIFICATES = Path(__file__).parents[2] / "tests" / "data" / "certificates"
OLDER = os.environ.get("M2CRYPTO_OLDER")
PEERS = ("ssl", "pyOpenSSL", *(("older",) if OLDER else ()))
# Less is better.
COSTS = {"KiB of an idle connection"}


def measure(library: str) -> dict[str, float]:
    """Return the figures of one round of a library."""
    python, variables = sys.executable, dict(os.environ)
    if library == "older" and OLDER:
        python = OLDER
        del variables["PYTHONPATH"]
    command = [python, "-P", str(WORKER), str(CERTIFICATES), library]
    run = subprocess.run(command, check=True, capture_output=True, text=True, env=variables)
    figures: dict[str, float] = json.loads(run.stdout)
    return figures


def ratio_to(theirs: list[float], ours: list[float], name: str) -> float:
    """Return how many times better M2Crypto's figures are than a peer's."""
    pairs = zip(theirs, ours, strict=True) if name in COSTS else zip(ours, theirs, strict=True)
    return statistics.median(one / other for one, other in pairs)


def versions() -> str:
    """Return the OpenSSL of each library."""
    import ssl

    from OpenSSL import SSL

    from M2Crypto import m2

    theirs = SSL.SSLeay_version(SSL.SSLEAY_VERSION).decode()
    return f"M2Crypto {m2.openssl_version(0)}; ssl {ssl.OPENSSL_VERSION}; pyOpenSSL {theirs}"


def main() -> int:
    """Measure, print, and judge."""
    if not Path("/proc/self/statm").exists():
        print("not measured: the memory of a process is read from Linux's /proc")
        return 0
    print(f"Python {sys.version.split()[0]}; {versions()}")
    libraries = ("M2Crypto", *PEERS)
    rounds = [{library: measure(library) for library in libraries} for _ in range(ROUNDS)]
    print(
        f"{'per CPU second':28}" + "".join(f"{library:>12}" for library in libraries) + "   ratio"
    )
    good = True
    for name in rounds[0]["M2Crypto"]:
        columns = [[each[library][name] for each in rounds] for library in libraries]
        ratio = min(ratio_to(theirs, columns[0], name) for theirs in columns[1:] if theirs[0])
        good &= ratio >= BAR
        medians = map(statistics.median, columns)
        shown = "".join(f"{median:12.1f}" if median else f"{'-':>12}" for median in medians)
        print(f"{name:28}{shown}{ratio:8.2f}")
    if not good:
        print(f"error: a ratio is below {BAR}")
    return int(not good)


if __name__ == "__main__":
    sys.exit(main())
