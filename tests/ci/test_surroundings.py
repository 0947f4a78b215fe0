"""What a cell's process has around it, and what this computer can run."""

from __future__ import annotations

import json
import os
import platform
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_project import here

from ci import manifest, plans, toolchain
from ci.errors import UserError
from ci.matrix import machine, plan, surroundings
from ci.matrix.machine import Machine
from ci.matrix.plan import Cell
from ci.openssl import prefixes, system

MANIFEST = manifest.load(here().manifest)


def cell(name: str) -> Cell:
    return plan.find_cell(MANIFEST, name)


def prefix(root: Path, name: str, number: int) -> Path:
    """Return a prefix with shared libraries of this number."""
    lib = root / name / "lib"
    lib.mkdir(parents=True)
    for stem in ("libcrypto-m2", "libssl-m2"):
        (lib / f"{stem}.so.{number}").write_text("")
        (lib / f"{stem.removesuffix('-m2')}.so").symlink_to(f"{stem}.so.{number}")
    return root / name


def test_the_configuration_of_the_system_is_not_read(tmp_path: Path) -> None:
    variables = surroundings.variables(cell("py3.13-openssl3.5"), {}, tmp_path)
    assert variables == {"OPENSSL_CONF": os.devnull}


def test_a_free_threaded_python_runs_with_the_gil(tmp_path: Path) -> None:
    assert surroundings.variables(cell("py3.13t-openssl3.5"), {}, tmp_path)["PYTHON_GIL"] == "1"


def test_a_fips_cell_configures_the_extensions_openssl_alone(tmp_path: Path) -> None:
    found = {"3.5-fips": tmp_path / "prefix"}
    variables = surroundings.variables(cell("py3.13-openssl3.5-fips"), found, tmp_path)
    assert variables["OPENSSL_CONF"] == os.devnull
    text = Path(variables["M2CRYPTO_OPENSSL_CONF"]).read_text()
    assert f".include {tmp_path / 'prefix' / 'fipsmodule.cnf'}" in text
    assert f"module = {tmp_path / 'prefix' / 'lib' / 'ossl-modules' / 'fips.so'}" in text


@pytest.mark.parametrize(("name", "other", "number"), [("run3.5", "3.5", 3), ("run4.0", "4.0", 4)])
def test_the_libraries_of_the_headers_are_replaced_by_others(
    tmp_path: Path, name: str, other: str, number: int
) -> None:
    found: dict[str, Path | UserError] = {
        "3.0-shared": prefix(tmp_path, "own", 3),
        f"{other}-shared": prefix(tmp_path, "other", number),
    }
    chosen = cell(f"py3.13-openssl3.0-shared-{name}")
    variables = surroundings.variables(chosen, found, tmp_path / "scratch")
    links, lib = variables["LD_LIBRARY_PATH"].split(os.pathsep)
    assert Path(lib) == tmp_path / "other" / "lib"
    target = (Path(links) / "libcrypto-m2.so.3").resolve()
    assert target == tmp_path / "other" / "lib" / f"libcrypto-m2.so.{number}"
    assert surroundings.library(chosen, found) == lib


def test_only_a_shared_prefix_has_its_libraries_in_a_directory(tmp_path: Path) -> None:
    found: dict[str, Path | UserError] = {"3.5-shared": prefix(tmp_path, "own", 3)}
    assert surroundings.library(cell("py3.13-openssl3.5"), found) == ""
    assert surroundings.library(cell("py3.13-opensslsystem"), found) == ""
    own = surroundings.library(cell("py3.13-openssl3.5-shared"), found)
    assert own == str(tmp_path / "own" / "lib")
    with pytest.raises(UserError, match="not built"):
        surroundings.library(
            cell("py3.13-openssl3.5-shared"), {"3.5-shared": UserError("not built")}
        )


def test_the_libraries_of_a_prefix_are_those_that_were_built(tmp_path: Path) -> None:
    found = prefix(tmp_path, "own", 3)
    hashes = prefixes.libraries(found)
    assert list(hashes) == ["libcrypto-m2.so.3", "libssl-m2.so.3"]
    (found / prefixes.HASHES).write_text(json.dumps(hashes))
    (found / "lib" / "libssl-m2.so.3").write_text("swapped")
    assert prefixes.libraries(found) == hashes
    (found / prefixes.HASHES).unlink()
    assert prefixes.libraries(found) != hashes


@pytest.mark.parametrize(
    ("system_name", "processor", "bits", "expected"),
    [
        ("linux", "x86_64", 8, "linux-x86_64"),
        ("linux", "aarch64", 8, "linux-aarch64"),
        ("linux", "x86_64", 4, "linux-i686"),
        ("darwin", "arm64", 8, "macos-arm64"),
        ("darwin", "x86_64", 8, "macos-x86_64"),
        ("win32", "AMD64", 8, "windows-amd64"),
    ],
)
def test_a_computer_has_the_name_of_its_platform_in_the_manifest(
    monkeypatch: pytest.MonkeyPatch, system_name: str, processor: str, bits: int, expected: str
) -> None:
    monkeypatch.setattr(sys, "platform", system_name)
    monkeypatch.setattr(platform, "machine", lambda: processor)
    monkeypatch.setattr(struct, "calcsize", lambda _: bits)
    assert machine.this_platform() == expected
    assert expected in MANIFEST.axes["platform"]


def test_a_cell_that_cannot_run_here_has_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    here_ = Machine("linux-x86_64", {"3.13": Machine.here(MANIFEST)})  # type: ignore[dict-item]
    assert here_.obstacle(cell("py3.13-openssl3.5")) == ""
    assert here_.obstacle(cell("py3.12-openssl3.5")) == "Python 3.12 is not installed"
    assert here_.obstacle(cell("py3.13-openssl3.5-macos-arm64")) == "it needs macos-arm64"
    monkeypatch.setattr(system, "obstacle", lambda: "pkg-config is not installed")
    why = here_.obstacle(cell("py3.13-opensslsystem"))
    assert why == "pkg-config is not installed"
    monkeypatch.setattr(toolchain, "library", Path)
    why = here_.obstacle(cell("py3.13-openssl3.5-sanitizer"))
    assert why == "the compiler has no libasan.so"


def test_the_systems_openssl_is_what_pkg_config_finds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "pkg-config"
    script.write_text('#!/bin/sh\n[ "$2" = openssl ] && [ -z "$NONE" ] && echo "found $1"\n')
    script.chmod(0o755)
    monkeypatch.setenv("PKG_CONFIG", str(script))
    system.describe.cache_clear()
    assert system.describe()["version"] == "found --modversion"
    assert system.obstacle() == ""
    system.describe.cache_clear()
    monkeypatch.setenv("NONE", "1")
    assert system.obstacle().startswith("pkg-config finds no OpenSSL: apt-get install libssl-dev")
    monkeypatch.delenv("PKG_CONFIG")
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    assert system.obstacle().startswith("pkg-config is not installed: ")
    system.describe.cache_clear()


def test_a_plan_is_printed_as_json_with_a_string_for_each_axis(
    capsys: pytest.CaptureFixture[str],
) -> None:
    plans.main(["openssl=3.5 and python=3.13 and link=static", "--json"], here())
    records = json.loads(capsys.readouterr().out)
    assert records
    for record in records:
        axes = {name: record[name] for name in MANIFEST.axes}
        assert all(value in MANIFEST.axes[axis] for axis, value in axes.items())
        assert record.keys() == {"id", "why", "required", "runnable", *MANIFEST.axes}
        assert isinstance(record["required"], bool)
        assert isinstance(record["runnable"], bool)


def test_a_plan_is_printed_as_jobs_of_github_actions(capsys: pytest.CaptureFixture[str]) -> None:
    plans.main(["--plan", "quick", "--github"], here())
    jobs = json.loads(capsys.readouterr().out)["include"]
    assert [job["build"] for job in jobs] == ["3.5", "3.5-no-ec"]
    assert {job["runner"] for job in jobs} == {"ubuntu-24.04"}


def test_a_plan_is_printed_as_a_table_with_counts(capsys: pytest.CaptureFixture[str]) -> None:
    plans.main(["--plan", "quick"], here())
    printed = capsys.readouterr().out
    assert "py3.13-openssl3.5-no-ec" in printed
    count = len(MANIFEST.pythons) * 2
    assert f"{count} cells of 2 builds, 0 may fail; " in printed


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--json", "--github"], "unexpected argument '--github'"),
        (["-k", "x"], "unexpected argument '-k'"),
        (["system", "no-ec"], "unexpected argument 'no-ec'"),
    ],
)
def test_plan_refuses_other_arguments(arguments: list[str], complaint: str) -> None:
    with pytest.raises(UserError) as refused:
        plans.main(arguments, here())
    assert complaint in str(refused.value)


def test_configure_names_shared_libraries_apart(tmp_path: Path) -> None:
    """Perl accepts the file of targets, and each inherits from OpenSSL's own."""
    from ci.openssl.prefixes import VARIANT

    code = f"my %found = do {{ {VARIANT} %targets }}; print join ' ', sort keys %found"
    printed = subprocess.check_output(["perl", "-e", code], text=True)
    assert printed.split() == ["m2-linux-aarch64", "m2-linux-x86_64"]
