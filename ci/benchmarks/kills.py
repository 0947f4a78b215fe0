"""Kill a cold run with SIGKILL at twenty random moments: `nox -s bench -- kills`.

Two cells run in a clone of the checkout with an empty cache. Alternately the top process alone and
its whole process group are killed, a few seconds after each start; the next run continues. A last
one must be green. It fails if a finished prefix was built again, a process was left, or an entry of
the cache is not whole.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ci import cache, manifest, process
from ci.matrix.machine import this_platform
from ci.openssl import sources
from ci.project import Project

KILLS = 20
# Seconds from the start of a run to its kill.
MOMENTS = (0.5, 60.0)
# Seconds in which what the killed process started must end.
PATIENCE = 15.0
CELLS = (
    "openssl=1.1.1 and variant=default,no-ec and link=static and flags=instrumented and "
    f"swig=4.5 and python={'{}.{}'.format(*sys.version_info)} and platform={this_platform()}"
)


def main() -> int:
    """Print a line for each kill and for the last run; return 1 if something is wrong."""
    project = Project.from_environment()
    release = manifest.load(project.manifest).release("1.1.1")
    chance = random.Random(20)  # noqa: S311 - moments, not keys
    with tempfile.TemporaryDirectory(prefix="m2crypto-") as directory:
        clone, cold = Path(directory, "clone"), Path(directory, "cache")
        process.capture(["git", "clone", "-q", project.root, clone])
        mirror = sources.tarball(release, project).parent
        environment = {
            **{name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
            "M2CRYPTO_CACHE": str(cold),
            "M2CRYPTO_MIRRORS": str(mirror),
            # As on a user's computer a killed build continues with it, so that the later kills meet
            # finished prefixes, extensions and cells.
            "CCACHE_DIR": str(Path(directory, "ccache")),
        }
        wrong: list[str] = []
        prefixes: dict[str, int] = {}
        killed = 0
        for number in range(1, KILLS + 1):
            moment = chance.uniform(*MOMENTS)
            group = number % 2 == 0
            status = _run(clone, environment, moment, group=group)
            killed += status is None
            wrong += _left(cold)
            wrong += _rebuilt(prefixes, cold)
            what = "group" if group else "top process"
            ended = "killed" if status is None else f"ended with {status} before"
            print(f"{number:2} {what:<12} after {moment:4.1f} s: {ended}, {len(prefixes)} prefixes")
        status = _run(clone, environment, None, group=False)
        wrong += [f"the last run ended with {status}"] if status else []
        wrong += [*_left(cold), *_rebuilt(prefixes, cold), *_damaged(cold)]
    for line in wrong:
        print(f"wrong: {line}")
    print(f"{killed} kills in {KILLS} runs, {len(prefixes)} prefixes, {len(wrong)} defects")
    return 1 if wrong or len(prefixes) != 2 else 0


def _run(
    clone: Path, environment: dict[str, str], moment: float | None, *, group: bool
) -> int | None:
    """Run the cells; return the exit code, or None if the run was killed after `moment` seconds."""
    child = subprocess.Popen(
        [sys.executable, "-m", "ci", "matrix", "--fresh", CELLS],
        cwd=clone,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        return child.wait(moment)
    except subprocess.TimeoutExpired:
        if group:
            os.killpg(child.pid, signal.SIGKILL)
        else:
            child.kill()
        child.wait()
        return None


def _left(cold: Path) -> list[str]:
    """Return the commands of processes that use the cache and do not end."""
    end = time.monotonic() + PATIENCE
    while (found := _using(cold)) and time.monotonic() < end:
        time.sleep(0.1)
    return [f"left running: {command}" for command in found]


def _using(cold: Path) -> list[str]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if f"M2CRYPTO_CACHE={cold}".encode() in (entry / "environ").read_bytes().split(b"\0"):
                found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            # It ended, or is another user's.
            continue
    return [command for command in found if command]


def _rebuilt(prefixes: dict[str, int], cold: Path) -> list[str]:
    """Return the prefixes that are other directories than before, and note the new ones."""
    found = {path.name: path.stat().st_ino for path in cache.Store(cold, "prefixes").entries()}
    wrong = [
        f"prefix {name} was built again"
        for name, inode in prefixes.items()
        if found.get(name) != inode
    ]
    prefixes.update(found)
    return wrong


def _damaged(cold: Path) -> list[str]:
    """Return the entries that are not whole, and what is left of unfinished ones."""
    wrong = []
    for kind in ("sources", "prefixes", "extensions", "wheels", "environments"):
        store = cache.Store(cold, kind)
        for entry in store.entries():
            name, _, key = entry.name.rpartition("-")
            if not store.find(name, key):
                wrong.append(f"{kind}/{entry.name} is not whole")
        wrong += [f"{kind}/.making holds {path.name}" for path in store.directory.glob(".making/*")]
    return wrong


if __name__ == "__main__":
    sys.exit(main())
