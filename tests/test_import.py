"""The package is imported, or refuses libraries that its extension was not built for."""

from __future__ import annotations

from collections.abc import Callable
from subprocess import CompletedProcess

from fix_cell import Expected


def test_the_import_works_or_refuses_as_the_cell_requires(
    cell: Expected | None, python: Callable[..., CompletedProcess[str]]
) -> None:
    done = python("-c", "import M2Crypto")
    if cell is None or cell.outcome == "works":
        assert (done.returncode, done.stderr) == (0, "")
        return
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"ImportError: M2Crypto was built with OpenSSL {cell.openssl} ")
    assert f"OpenSSL {cell.runtime}, " in last
