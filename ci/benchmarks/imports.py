"""Measure the import of SSL, X509 and EVP beside bare Python and `import ssl`.

Python is started in turn with each. The output is the median wall time over that of bare Python in
milliseconds. The exit code is 1 if M2Crypto's is more than 20.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

ROUNDS = 30
MOST = 20
PROGRAMS = {
    "bare Python": "pass",
    "ssl": "import ssl",
    "M2Crypto": "from M2Crypto import EVP, SSL, X509",
}


def start(program: str) -> float:
    """Return the milliseconds of a run of Python."""
    begin = time.perf_counter()
    subprocess.run([sys.executable, "-c", program], check=True)
    return (time.perf_counter() - begin) * 1000


def main() -> int:
    """Measure, print, and judge."""
    for program in PROGRAMS.values():
        start(program)
    rounds = [{name: start(program) for name, program in PROGRAMS.items()} for _ in range(ROUNDS)]
    over = {
        name: statistics.median(each[name] - each["bare Python"] for each in rounds)
        for name in PROGRAMS
    }
    bare = statistics.median(each["bare Python"] for each in rounds)
    print(
        f"bare Python {bare:.1f} ms; over it: ssl {over['ssl']:.1f} ms, M2Crypto "
        f"{over['M2Crypto']:.1f} ms (at most {MOST})"
    )
    return int(over["M2Crypto"] > MOST)


if __name__ == "__main__":
    sys.exit(main())
