"""The noxfile describes every session, and the README and CI use existing ones."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ci.toolchain import TOOLS

pytest.importorskip("nox", reason="nox is what these are about; `nox -s tooling` installs it")

ROOT = Path(__file__).parents[2]
README = ROOT.joinpath("README.md").read_text()


def sessions(*arguments: str) -> dict[str, str]:
    """Return the sessions that `nox -l` lists, with their descriptions."""
    output = subprocess.run(
        [sys.executable, "-m", "nox", "-l", "--json", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return {each["session"]: each["description"] for each in json.loads(output)}


def test_every_session_is_listed_with_its_description() -> None:
    names = ["tests", "matrix", "coverage", "openssl", "doctor", "lint", "types", "tooling"]
    listed = sessions("-s", *names)
    assert list(listed) == names
    for message in listed.values():
        assert message.endswith(".")
        assert len(message) < 100


def test_plain_nox_runs_the_tests() -> None:
    assert list(sessions()) == ["tests"]


def test_every_session_installs_the_versions_of_the_constraints() -> None:
    tree = ast.parse(ROOT.joinpath("noxfile.py").read_text())
    installs = [
        ast.unparse(each)
        for each in ast.walk(tree)
        if isinstance(each, ast.Call) and ast.unparse(each.func) == "session.install"
    ]
    assert installs
    assert [each for each in installs if ", *CONSTRAINTS, " not in each] == []


def test_a_cell_can_be_run_as_a_session() -> None:
    assert list(sessions("-s", "py3.13-openssl3.5-no-ec")) == ["py3.13-openssl3.5-no-ec"]


def test_ci_installs_the_packages_of_the_readme_only() -> None:
    named = re.findall(r"(?m)^sudo apt-get install ([\w. -]+?)(?: +#.*)?$", README)
    installed = re.findall(r"(?m)^install (.+)$", ROOT.joinpath(".ci", "run").read_text())
    assert installed == named != []


def test_the_readme_and_ci_run_existing_sessions() -> None:
    run = re.findall(r"(?m)^sessions (.+)$", ROOT.joinpath(".ci", "run").read_text())
    named = re.findall(r"(?m)^(?:nox|python3 noxfile\.py) -s ([\w. -]+?) +(?:--|#)", README)
    wanted = " ".join([*run, *named]).split()
    assert {"tests", "matrix", "tooling", "py3.13-openssl3.5-no-ec"} <= set(wanted)
    assert set(sessions("-s", *wanted)) == set(wanted)


def test_the_readme_documents_both_ways_to_run_nox() -> None:
    assert "python3 noxfile.py -s tests" in README
    for way in ("`nox`", "`pipx run nox`", "`uvx nox`"):
        assert way in README


def test_the_readme_lists_every_required_tool() -> None:
    for tool in TOOLS:
        assert tool.name in README
