"""Measure four cells from nothing, here and the obvious way: `nox -s bench -- shell_loop`.

The obvious way is a loop of a shell: Configure and make with shared libraries, an environment with
pip, `pip wheel`, and pytest under coverage.py, one cell after the other. Both run in a clone of the
checkout, from the same tarball, without ccache. The output is the seconds of each, and the ratio.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ci import interpreters, manifest, process
from ci.matrix.machine import this_platform
from ci.openssl import sources
from ci.project import Project

SCRIPT = """
set -e
for options in "" no-ec; do
  rm -rf openssl prefix
  mkdir openssl
  tar -xzf "$TARBALL" -C openssl --strip-components=1
  (cd openssl && ./config shared $options --prefix="$PWD/../prefix" --libdir=lib &&
   make -j"$(nproc)" && make install_sw)
  for python in $PYTHONS; do
    rm -rf environment dist
    "$python" -m venv environment
    environment/bin/python -m pip install -q -c "$CLONE/ci/constraints.txt" \
      pytest pytest-timeout coverage
    OPENSSL_DIR="$PWD/prefix" environment/bin/python -m pip wheel -q --no-deps -w dist "$CLONE"
    environment/bin/python -m pip install -q dist/*.whl
    environment/bin/python -P -m coverage run --source=M2Crypto -m pytest -q -p no:cacheprovider \
      -c "$CLONE/pyproject.toml" --rootdir="$CLONE" --ignore="$CLONE/tests/ci" "$CLONE/tests"
    environment/bin/python -m coverage html -q
  done
done
"""


def main() -> int:
    """Print the seconds of both ways and their ratio; return 1 if one of them failed."""
    project = Project.from_environment()
    known = manifest.load(project.manifest)
    release = known.release("3.5")
    installed = interpreters.installed(["3.12", "3.13"])
    if len(installed) < 2:
        print("Python 3.12 and 3.13 must be installed: nox -s pythons -- 3.12 3.13")
        return 1
    tarball = next(sources.tarball(release, project).parent.glob("*.tar.gz"))
    cells = (
        "openssl=3.5 and variant=default,no-ec and link=static and flags=instrumented and "
        f"swig=4.5 and python=3.12,3.13 and platform={this_platform()}"
    )
    with tempfile.TemporaryDirectory(prefix="m2crypto-") as directory:
        clone, loop = Path(directory, "clone"), Path(directory, "loop")
        loop.mkdir()
        process.capture(["git", "clone", "-q", project.root, clone])
        environment = {
            **{name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
            "CCACHE_DISABLE": "1",
            "M2CRYPTO_CACHE": str(Path(directory, "cache")),
            "M2CRYPTO_MIRRORS": str(tarball.parent),
            "TARBALL": str(tarball),
            "CLONE": str(clone),
            "PYTHONS": " ".join(str(each.executable) for each in installed.values()),
        }
        here, status = _time([sys.executable, "-m", "ci", "matrix", cells], clone, environment)
        print(f"the matrix, from an empty cache: {here:.0f} s, exit code {status}", flush=True)
        again, _ = _time(
            [sys.executable, "-m", "ci", "matrix", "--fresh", cells], clone, environment
        )
        print(f"the matrix again, every cell:    {again:.0f} s", flush=True)
        shell, failed = _time(["bash", "-c", SCRIPT], loop, environment)
        print(f"the loop of a shell:             {shell:.0f} s, exit code {failed}", flush=True)
        print(f"ratio: {shell / here:.2f} from nothing, {shell / again:.1f} again")
    return 1 if status or failed else 0


def _time(command: list[str], cwd: Path, environment: dict[str, str]) -> tuple[float, int]:
    """Run a command and return its seconds and its exit code; print its end if it failed."""
    started = time.perf_counter()
    done = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        print("\n".join((done.stdout + done.stderr).splitlines()[-15:]))
    return time.perf_counter() - started, done.returncode


if __name__ == "__main__":
    sys.exit(main())
