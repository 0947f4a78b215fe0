"""A buffer of 2 GiB, which is one byte longer than an int."""

from __future__ import annotations

import mmap
import sys

import pytest


@pytest.fixture(scope="session")
def zeros(tmp_path_factory):
    """Return the mapping of a sparse file: no page of it is touched."""
    if sys.maxsize < 2**32:
        pytest.skip("this system has no 2 GiB to map")
    path = tmp_path_factory.mktemp("long") / "zeros"
    with path.open("w+b") as file:
        file.truncate(2**31)
        with mmap.mmap(file.fileno(), 2**31) as mapping:
            yield mapping
