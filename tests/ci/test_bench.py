"""`nox -s bench` runs each benchmark with the optimised extension, and its peers' environments."""

from __future__ import annotations

import json
import os
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from tiny_project import here

from ci import bench, environments
from ci.benchmarks.workers.turns import Worker, median_ratio, take_turns
from ci.errors import UserError
from ci.project import Project

SCRIPT = """
import json, os, sys
names = ("PYTHONPATH", "M2CRYPTO_OLDER")
print(json.dumps({name: os.environ.get(name) for name in names}), file=open(__file__ + ".out", "w"))
sys.exit("slow" in __file__)
"""
WORKER = """
import sys
print("a library 1.0", flush=True)
for line in sys.stdin:
    name, _, count = line.rpartition(" ")
    if name == "fails":
        raise SystemExit(1)
    print(int(count) * 0.001 * (2 if sys.argv[1] == "slow" else 1), flush=True)
"""


@pytest.fixture
def scripts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """Return the benchmarks `fast`, `slow` and `beside`, the last with the older M2Crypto."""
    made = {name: tmp_path / f"{name}.py" for name in ("fast", "slow", "beside")}
    for path in made.values():
        path.write_text(SCRIPT)
    monkeypatch.setattr(bench, "SCRIPTS", made)
    monkeypatch.setattr(bench, "SLOW", ("slow", "beside"))
    monkeypatch.setattr(bench, "WITH_WHEEL", ("beside",))
    monkeypatch.setattr(bench, "WITH_OLDER", ("beside",))
    monkeypatch.setattr(bench, "optimised", lambda _, *, with_wheel: f"site-{with_wheel}")
    monkeypatch.delenv("M2CRYPTO_OLDER", raising=False)
    return made


def seen(script: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(script.with_name(f"{script.name}.out").read_text())
    return found


def test_without_names_the_quick_ones_run(scripts: dict[str, Path]) -> None:
    bench.main([], here())
    assert seen(scripts["fast"]) == {"PYTHONPATH": "site-False", "M2CRYPTO_OLDER": None}
    assert not scripts["slow"].with_name("slow.py.out").exists()


def test_a_figure_that_is_not_reached_is_an_error(scripts: dict[str, Path]) -> None:
    with pytest.raises(UserError, match="benchmark slow: the figure is not reached"):
        bench.main(["slow"], here())
    with pytest.raises(UserError, match="unknown benchmark 'slwo': did you mean 'slow'"):
        bench.main(["slwo"], here())


def test_the_older_m2crypto_has_an_environment(
    scripts: dict[str, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def ensure(project: Project, kind: str, interpreter: object, requirements: list[str]) -> Path:
        assert (kind, requirements) == ("older", [bench.OLDER])
        return Path("/older/python")

    monkeypatch.setattr(environments, "ensure", ensure)
    bench.main(["beside"], here())
    assert seen(scripts["beside"]) == {
        "PYTHONPATH": "site-True",
        "M2CRYPTO_OLDER": str(Path("/older/python")),
    }

    def fail(*_: object) -> Path:
        raise UserError("there is no opensslv.h\n  | more")

    monkeypatch.setattr(environments, "ensure", fail)
    bench.main(["beside"], here())
    assert seen(scripts["beside"])["M2CRYPTO_OLDER"] == ""
    assert "the older M2Crypto cannot be built: there is no opensslv.h" in capsys.readouterr().out


def test_workers_take_turns(tmp_path: Path) -> None:
    script = tmp_path / "worker.py"
    script.write_text(WORKER)
    with ExitStack() as stack:
        workers = {
            name: Worker([sys.executable, script, name], os.devnull, ["works"], stack)
            for name in ("fast", "slow")
        }
        assert {worker.version for worker in workers.values()} == {"a library 1.0"}
        rounds = take_turns("works", workers)
        assert median_ratio(rounds["slow"], rounds["fast"]) == pytest.approx(2)
        workers["fast"].counts["fails"] = 1
        with pytest.raises(UserError, match=r"worker.py ended"):
            workers["fast"].run("fails")
