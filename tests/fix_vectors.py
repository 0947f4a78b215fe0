"""The option `--vectors DIR`: known answers in the layout of the package cryptography-vectors.

They are files of records `Name = value` with sections `[Name = value]`, as NIST's. Without the
option the tests take a selection, data/vectors.json, which this file makes from the directory:
`python tests/fix_vectors.py DIR`.
"""

from __future__ import annotations

import json
import re
import sys
from functools import cache
from pathlib import Path

import pytest

DATA = Path(__file__).with_name("data") / "vectors.json"
Case = dict[str, str]
# Cases of a file in the selection, and the most characters of one.
SELECTED = 6
LONGEST = 1000


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("vectors", "known answers")
    group.addoption("--vectors", type=Path, metavar="DIR", help="take all known answers from DIR")


@pytest.fixture
def record_cases(request):
    """Return a function that records how many cases of its file a test has run."""

    def record(count):
        # record_property warns if there is a report in JUnit's format.
        request.node.user_properties.append(("cases", count))

    return record


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print the number of cases of each file that passed if all of them ran."""
    if config.getoption("--vectors") is None:
        return
    for report in terminalreporter.getreports("passed"):
        for count in (value for name, value in report.user_properties if name == "cases"):
            name = report.nodeid.partition("[")[2].rstrip("]")
            terminalreporter.write_line(f"{name}: {count} cases")


def section_of(line: str) -> Case:
    """Return the values of a line `[Name = value, Name]`."""
    parts = (part.partition("=") for part in line.strip("[]").split(","))
    return {name.strip().lower(): value.strip() for name, _, value in parts}


def read(text: str) -> list[Case]:
    """Return the records of a file, each with the values of its section; names are lower case."""
    counted = re.search(r"(?im)^count\s*=", text) is not None
    cases: list[Case] = []
    top: Case = {}
    section: Case | None = None
    case: Case | None = None
    for line in text.splitlines():
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        if line.startswith("["):
            section = {} if case is not None or section is None else section
            case = None
            section.update(section_of(line))
            continue
        name, equals, value = line.partition("=")
        name = name.strip().lower()
        if not equals:
            if case is not None:
                case[name] = name
            continue
        if name == "count" or (not counted and case is None) or (case and name in case):
            case = {**top, **(section or {})}
            cases.append(case)
        kept = case if case is not None else section if section is not None else top
        kept[name] = value.strip()
    return cases


@cache
def selection() -> dict[str, list[Case]]:
    """Return the cases of data/vectors.json by the file that has them."""
    return json.loads(DATA.read_text(encoding="utf-8"))


def cases_of(directory: Path | None, name: str) -> list[Case]:
    """Return the cases of a file in `directory`, or those that the selection has of it."""
    if directory is None:
        return selection()[name]
    return read((directory / name).read_text(encoding="utf-8"))


def select(cases: list[Case]) -> list[Case]:
    """Return some of the cases at equal distances, and the first that must fail."""
    # RFC 6070 has one case that takes seconds.
    cases = [case for case in cases if int(case.get("iterations", 0)) < 1 << 20]
    short = [case for case in cases if sum(map(len, case.values())) <= LONGEST] or cases
    step = max(1, len(short) // SELECTED)
    chosen = short[::step][:SELECTED]
    return chosen + [case for case in short if "fail" in case and case not in chosen][:1]


def main(directory: Path) -> None:
    """Write the selection."""
    from test_vectors import FILES

    found = {name: select(cases_of(directory, name)) for name in FILES}
    lines = (
        f"{json.dumps(name)}: [\n" + ",\n".join(map(json.dumps, cases)) + "\n]"
        for name, cases in found.items()
    )
    DATA.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
