"""The cell a run is about: what is expected, and a stamp of what is really in the process.

Given `--cell FILE` (JSON: `id`, `python`, `openssl`, `ec`) it offers that as the fixture `cell`;
given `--stamp FILE` it writes there what the loaded extension says of itself. Either may be
missing: then the tests run on whatever M2Crypto is there. pytest's header shows the same facts.
"""

from __future__ import annotations

import hashlib
import json
import platform
import re
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest


class Expected(NamedTuple):
    """What the cell says must be in the process; `python` is a series, `openssl` a version."""

    id: str
    python: str
    openssl: str
    ec: bool


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("cell", "the cell of the matrix that this run is")
    group.addoption("--cell", type=Path, metavar="FILE", help="what is expected, as JSON")
    group.addoption("--stamp", type=Path, metavar="FILE", help="write what was found, as JSON")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # What the others find is about the cell only when the library is the cell's.
    items.sort(key=lambda item: item.path.name != "test_cell.py")


def pytest_sessionstart(session: pytest.Session) -> None:
    path = session.config.getoption("--stamp")
    if path:
        path.write_text(json.dumps(facts(), indent=1), encoding="utf-8")


def pytest_report_header(config: pytest.Config) -> list[str]:
    try:
        found = facts()
    except ImportError as error:
        # The tests of the machine, tests/ci, need no extension.
        return [f"M2Crypto: not there ({error})"]
    return [
        f"OpenSSL: headers {found['header']}, runtime {found['runtime']}, "
        + ("with EC" if found["ec"] else "without EC"),
        f"extension: SWIG {found['swig']}, {found['abi']}, {found['link']}, {found['extension']}",
    ]


def facts() -> dict[str, Any]:
    """Describe the extension in this process and the OpenSSL it runs on."""
    from M2Crypto import _build_info as info
    from M2Crypto import m2

    extension = Path(sys.modules["M2Crypto._m2crypto"].__file__ or "")
    return {
        "python": platform.python_version(),
        "header": version(m2.OPENSSL_VERSION_TEXT),
        "header_number": f"{m2.OPENSSL_VERSION_NUMBER:#x}",
        "runtime": version(m2.openssl_version(0)),
        "runtime_number": f"{m2.openssl_version_num():#x}",
        "ec": not hasattr(m2, "OPENSSL_NO_EC"),
        "library": library(extension, info.LINK),
        "extension": str(extension),
        "sha256": hashlib.sha256(extension.read_bytes()).hexdigest(),
        "swig": info.SWIG_VERSION,
        "compiler": info.COMPILER,
        "flags": info.FLAGS,
        "abi": info.ABI,
        "link": info.LINK,
    }


def version(text: str) -> str:
    """Take `3.5.7` out of `OpenSSL 3.5.7 9 Jun 2026`."""
    return text.split()[1]


def library(extension: Path, link: str) -> str:
    """The file whose libcrypto the extension runs on: itself when linked statically."""
    maps = Path("/proc/self/maps")
    if link == "static" or not maps.exists():
        return str(extension)
    found = sorted(set(re.findall(r"/\S*libcrypto\S*", maps.read_text(encoding="utf-8"))))
    return ", ".join(found)


@pytest.fixture(scope="session")
def cell(request: pytest.FixtureRequest) -> Expected | None:
    """What the cell expects; None when the run is about no cell."""
    path = request.config.getoption("--cell")
    if not path:
        return None
    expected = json.loads(path.read_text(encoding="utf-8"))
    return Expected(*(expected[name] for name in Expected._fields))
