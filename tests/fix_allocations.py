"""The operations of allocations/operations.py, each with one failing allocation after another.

They run in a child process with allocations/failing.c preloaded.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SOURCES = Path(__file__).parent / "allocations"


@pytest.fixture(scope="session")
def failing_allocations(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return the outcome of each operation, by its name; None for one that crashed."""
    # Its assertions are rewritten when it is loaded as a plugin, later than this file.
    from fix_children import unmeasured

    if "ASAN_OPTIONS" in os.environ:
        pytest.skip("needs a process without AddressSanitizer")
    if platform.libc_ver()[0] != "glibc":
        pytest.skip("this system cannot preload a library that replaces malloc of glibc")
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("this system has no C compiler")
    library = tmp_path_factory.mktemp("allocations") / "failing.so"
    source = SOURCES / "failing.c"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    done = subprocess.run(
        [sys.executable, SOURCES / "operations.py", library],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        env={**unmeasured(), "LD_PRELOAD": str(library)},
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    outcomes = dict.fromkeys(line["operation"] for line in lines)
    return outcomes | {line["operation"]: line for line in lines if "wrong" in line}
