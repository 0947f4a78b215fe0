"""The loaded OpenSSL is the build of the cell, whatever was imported first."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from subprocess import CompletedProcess

import pytest
from fix_cell import Expected, facts, version

from M2Crypto import m2

# The interpreter's own `_ssl` brings the system's libcrypto into the process.
ASK = """
import {first}
import {second}
import json, ssl, sys
from M2Crypto import SSL, m2
ssl.create_default_context()
SSL.Context().load_verify_locations(sys.argv[1])
print(json.dumps([m2.openssl_version_num(), m2.openssl_version(0), ssl.OPENSSL_VERSION]))
"""


def test_the_loaded_openssl_is_the_build_of_the_cell(cell: Expected | None) -> None:
    found = facts()
    if cell is None or cell.openssl == cell.runtime != "":
        assert found["header"] == found["runtime"]
        assert found["header_number"] == found["runtime_number"]
    if cell is not None:
        assert found["header"] == (cell.openssl or found["header"])
        assert found["runtime"] == (cell.runtime or found["runtime"])
        defined = {name: name in found["switches"] for name in cell.switches}
        assert defined == cell.switches
        assert "{}.{}".format(*sys.version_info) == cell.python.rstrip("t")


@pytest.mark.parametrize(
    ("first", "second"),
    [("ssl", "M2Crypto.SSL"), ("M2Crypto.SSL", "ssl")],
    ids=["ssl-first", "ssl-last"],
)
def test_importing_the_ssl_module_does_not_change_the_loaded_openssl(
    cell: Expected | None,
    certificates: Callable[[str], str],
    python: Callable[..., CompletedProcess[str]],
    first: str,
    second: str,
) -> None:
    program = ASK.format(first=first, second=second)
    done = python("-X", "dev", "-c", program, certificates("ca.pem"))
    if facts()["link"] == "shared" and "not found (required by" in done.stderr:
        # The libraries have one name, so the first that is loaded serves both.
        pytest.skip("this system cannot load its OpenSSL and Python's into one process")
    assert done.stderr == ""
    number, text, beside = json.loads(done.stdout)
    assert number == m2.openssl_version_num()
    assert version(text) == version(m2.openssl_version(0))
    assert beside.startswith(("OpenSSL", "LibreSSL"))
