"""NIST's Public Key Interoperability Test Suite: 247 certification paths and their outcomes.

data/pkits.json has the tests as the document "Public Key Interoperability Test Suite (PKITS)
Certification Path Validation", version 1.0.1 (2011), describes them: each path, end entity first,
its CRLs, the settings and the initial policies (`n` is NIST-test-policy-n), whether it is valid,
and the authority-constrained and user-constrained policies, `*` being anyPolicy.

The certificates and CRLs are those of the package cryptography-vectors, with the option
`--vectors DIR`. Without it the tests take a selection, data/pkits-selection.json, which this file
makes from the directory: `python tests/fix_pkits.py DIR`.
"""

from __future__ import annotations

import base64
import json
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

TESTS = Path(__file__).with_name("data") / "pkits.json"
SELECTION = Path(__file__).with_name("data") / "pkits-selection.json"
ROOT = "certs/TrustAnchorRootCertificate.crt"
# Policies, mappings and their inhibition; CRLs for some reasons, indirect and delta CRLs.
SELECTED = (
    *("4.1.1", "4.4.3", "4.8.1.1", "4.8.1.2", "4.8.1.3", "4.8.1.4", "4.8.11.1", "4.8.11.2"),
    *("4.8.18.1", "4.8.18.2", "4.8.20", "4.9.3", "4.10.1.1", "4.10.1.2", "4.10.1.3", "4.10.3.2"),
    *("4.11.1", "4.12.3.1", "4.12.3.2", "4.13.2", "4.14.16", "4.14.18", "4.14.22", "4.14.23"),
    *("4.14.28", "4.14.33", "4.14.34", "4.15.1", "4.15.2", "4.15.3", "4.15.5"),
)

# The tests of the last session that agreed, and those that did not.
AGREEMENT = pytest.StashKey[dict[str, list[str]]]()


@cache
def paths() -> dict[str, dict[str, Any]]:
    """Return the tests by number."""
    return {test["test"]: test for test in json.loads(TESTS.read_text(encoding="utf-8"))}


@cache
def selection() -> dict[str, str]:
    return json.loads(SELECTION.read_text(encoding="utf-8"))


def files(test: dict[str, Any]) -> list[str]:
    """Return the names of the files of a test."""
    certificates = [f"certs/{name}.crt" for name in test["certificates"]]
    return [ROOT, *certificates, *(f"crls/{name}.crl" for name in test["crls"])]


@pytest.fixture
def pkits_file(request):
    """Return a function that returns the DER in a file of the suite."""
    directory = request.config.getoption("--vectors")

    def read(name):
        if directory is None:
            return base64.b64decode(selection()[name])
        return (directory / "x509" / "PKITS_data" / name).read_bytes()

    return read


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "pkits" in metafunc.fixturenames:
        whole = metafunc.config.getoption("--vectors") is not None
        metafunc.parametrize("pkits", paths() if whole else SELECTED)


def pytest_configure(config: pytest.Config) -> None:
    config.stash[AGREEMENT] = {"agree": [], "differ": [], "skipped": []}


@pytest.fixture
def pkits_agreement(request):
    return request.config.stash[AGREEMENT]


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    found = config.stash[AGREEMENT]
    if any(found.values()):
        asked = sum(map(len, found.values()))
        text = f"PKITS: {len(found['agree'])} of {asked} paths agree"
        for outcome in ("differ", "skipped"):
            if found[outcome]:
                text += f"; {outcome}: {', '.join(found[outcome])}"
        terminalreporter.write_line(text)


def main(directory: Path) -> None:
    """Write the selection."""
    names = sorted({name for number in SELECTED for name in files(paths()[number])})
    data = directory / "x509" / "PKITS_data"
    found = {name: base64.b64encode((data / name).read_bytes()).decode() for name in names}
    SELECTION.write_text(json.dumps(found, indent=0) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
