"""`nox -s leaks`: does memory grow when an operation is repeated (tests/leaks.py)?"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from ci import bench, process
from ci.errors import UserError
from ci.project import Project


def main(arguments: Sequence[str], project: Project) -> None:
    """Repeat the operations, with the optimised wheel of a quick build.

    Raises:
        UserError: the memory of an operation grows.
    """
    environment = {
        **os.environ,
        "PYTHONPATH": bench.optimised(project),
        # Python's objects are counted, too.
        "PYTHONMALLOC": "malloc",
    }
    command = [sys.executable, str(project.root / "tests" / "leaks.py"), *arguments]
    if process.attached(command, env=environment):
        raise UserError("leaks: memory grows, see above")
