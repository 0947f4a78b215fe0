"""Measure the import of SSL, X509 and EVP beside bare Python, `import ssl` and cryptography.

Python is started in turn with each. The output is the median CPU time over that of bare Python in
milliseconds: an import only computes, and other programs of the computer change its wall time more.
The exit code is 1 if M2Crypto's is more than 20.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys

ROUNDS = 40
# Each module is compiled once.
ENVIRONMENT = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
MOST = 20
JUDGED = "EVP, SSL, X509"
PROGRAMS = {
    JUDGED: "from M2Crypto import EVP, SSL, X509",
    "EVP": "from M2Crypto import EVP",
    "ssl": "import ssl",
    "cryptography.x509": "import cryptography.x509",
}


def start(program: str) -> float:
    """Return the CPU milliseconds of a run of Python."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    # Without -P Python would import M2Crypto from the checkout, which has no extension.
    subprocess.run([sys.executable, "-P", "-c", program], check=True, env=ENVIRONMENT)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    user = after.ru_utime - before.ru_utime
    return (user + after.ru_stime - before.ru_stime) * 1000


def main() -> int:
    """Measure, print, and judge."""
    for program in PROGRAMS.values():
        start(program)
    rounds = [
        (start("pass"), {name: start(program) for name, program in PROGRAMS.items()})
        for _ in range(ROUNDS)
    ]
    bare = statistics.median(bare for bare, _ in rounds)
    print(f"bare Python {bare:.1f} ms of CPU time; over it:")
    over = {
        name: statistics.median(each[name] - bare for bare, each in rounds) for name in PROGRAMS
    }
    for name, taken in over.items():
        bar = f"  (at most {MOST})" if name == JUDGED else ""
        print(f"  {name:<18} {taken:5.1f} ms{bar}")
    return int(over[JUDGED] > MOST)


if __name__ == "__main__":
    sys.exit(main())
