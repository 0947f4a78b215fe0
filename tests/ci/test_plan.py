"""Plan the cells of a manifest: what exists, what a plan chooses, why, and what may fail."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from tiny_project import here

from ci import filters, manifest, plans
from ci.errors import UserError
from ci.manifest import Manifest, Rule
from ci.matrix import plan

MANIFEST = manifest.load(here().manifest)
TODAY = date(2026, 11, 25)
TOML = here().manifest.read_text(encoding="utf-8")


def cells(name: str, chosen: str = "", known: Manifest = MANIFEST) -> list[plan.Cell]:
    return [each.cell for each in plan.make(known, name, chosen, today=TODAY)]


def ids(name: str, chosen: str = "") -> list[str]:
    return [cell.id for cell in cells(name, chosen)]


def test_the_id_of_a_cell_spells_what_is_not_the_default() -> None:
    for name in (
        "py3.13-openssl3.5",
        "py3.13-openssl3.5-no-ec",
        "py3.13-openssl3.5-no-ec-shared-swig4.4",
        "py3.13-openssl3.5-release",
        "py3.13-openssl3.5-sanitizer",
        "py3.13-openssl3.0-shared-run3.5",
        "py3.13-openssl3.5-macos-arm64",
        "py3.13-opensslsystem",
    ):
        assert plan.find_cell(MANIFEST, name).id == name


def test_each_cell_of_all_has_an_id_of_its_own() -> None:
    names = ids("all")
    assert len(names) == len(set(names)) > 1000


def test_the_quick_plan_has_the_quick_builds_on_every_python() -> None:
    expected = {
        f"py{python}-openssl{build.name}" for python in MANIFEST.pythons for build in MANIFEST.quick
    }
    assert set(ids("quick")) == expected


def test_the_default_plan_has_each_release_with_and_without_ec_on_every_python() -> None:
    names = {release.series for release in MANIFEST.releases}
    builds = names | {f"{name}-no-ec" for name in names} | {"system"}
    expected = {f"py{python}-openssl{build}" for python in MANIFEST.pythons for build in builds}
    assert expected <= set(ids("default"))


def test_the_default_plan_has_every_pair_of_values_that_all_has() -> None:
    def held(name: str) -> set[frozenset[tuple[str, str]]]:
        found = set()
        for cell in cells(name):
            items = list(cell.axes.items())
            found |= {frozenset((a, b)) for a in items for b in items if a != b}
        return found

    assert held("default") == held("all")


def test_the_reason_of_a_completing_cell_is_a_pair_that_it_alone_has() -> None:
    planned = plan.make(MANIFEST, "default", today=TODAY)
    alone = [each for each in planned if each.why.startswith("the only cell with ")]
    assert alone
    for each in alone:
        first = re.match(r"the only cell with (\S+) × (\S+?)(,| and |$)", each.why)
        assert first
        values = {re.sub(r"^(py|swig|run)(?=\d)", "", first[n]) for n in (1, 2)}
        assert values <= set(each.cell.axes.values())


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ('pythons = ["3.9"', 'pythons = ["3.16", "3.9"'),
        ('swig = ["4.5.1"', 'swig = ["4.6.0", "4.5.1"'),
        (
            "[flags.release]",
            '[flags.lto]\nwhy = "x"\ncflags = ["-flto"]\n[flags.release]',
        ),
        (
            "[openssl.variants.fips]",
            '[openssl.variants.no-ocsp]\nwhy = "x"\noptions = ["no-ocsp"]\n[openssl.variants.fips]',
        ),
        (
            "[platforms.linux-aarch64]",
            '[platforms.linux-s390x]\nrunner = "x"\n[platforms.linux-aarch64]',
        ),
        (
            '[openssl.releases."3.6"]',
            '[openssl.releases."3.7"]\nversion = "3.7.1"\n'
            'url = "https://example.org/openssl-3.7.1.tar.gz"\n'
            f'sha256 = "{"a1" * 32}"\nend_of_life = 2030-01-01\n[openssl.releases."3.6"]',
        ),
        (
            "[flags.instrumented]",
            '[[runtimes]]\nheaders = "3.5"\nlibraries = "3.6"\noutcome = "works"\n'
            "[flags.instrumented]",
        ),
    ],
    ids=["python", "swig", "flags", "variant", "platform", "release", "runtime"],
)
def test_a_new_value_of_an_axis_is_one_entry_of_the_manifest(
    tmp_path: Path, right: str, wrong: str
) -> None:
    path = tmp_path / "matrix.toml"
    path.write_text(TOML.replace(right, wrong, 1))
    known = manifest.load(path)
    new = {(axis, v) for axis, values in known.axes.items() for v in values} - {
        (axis, v) for axis, values in MANIFEST.axes.items() for v in values
    }
    ((axis, value),) = new
    for name in ("default", "all"):
        found = [cell for cell in cells(name, known=known) if cell.axes[axis] == value]
        assert found
        assert all(value in cell.id for cell in found) or axis == "swig"


def test_an_exclusion_and_a_variant_of_some_releases_hold_in_all() -> None:
    for cell in cells("all"):
        axes = cell.axes
        assert not any(rule.when.match(axes) for rule in MANIFEST.exclusions)
        assert cell.build.variant.applies_to(cell.build.release)


def test_a_cell_may_fail_until_the_end_date_of_its_rule() -> None:
    when = filters.parse("python=3.15 and variant=fips", MANIFEST.axes)
    known = replace(MANIFEST, may_fail=(Rule(when, "too new", TODAY),))
    may_fail = [each for each in plan.make(known, "all", today=TODAY) if not each.required]
    assert may_fail
    assert all(each.allowed and each.allowed.why == "too new" for each in may_fail)
    assert {(e.cell.python, e.cell.build.variant.name) for e in may_fail} == {("3.15", "fips")}
    later = plan.make(known, "all", today=date(2026, 11, 26))
    assert all(each.required for each in later)


def test_the_cells_of_wheels_are_in_no_plan_and_found_by_their_ids() -> None:
    assert MANIFEST.wheels
    wheels = plan.wheel_cells(MANIFEST)
    assert len(wheels) == len(MANIFEST.platforms) * len(MANIFEST.wheels.pythons)
    names = [cell.id for cell in wheels]
    assert names[0] == "py3.9-openssl3.5-wheel"
    assert "py3.14t-openssl3.5-wheel-macos-arm64" in names
    assert plan.find_cell(MANIFEST, names[0]) == wheels[0]
    assert not set(names) & set(ids("all"))
    assert plan.wheel_cells(replace(MANIFEST, wheels=None)) == []


def test_an_unknown_cell_is_reported_with_the_nearest_id() -> None:
    with pytest.raises(UserError, match=r"'py3\.13-openssl3\.5-noec': did you mean 'py3\.13-op"):
        plan.find_cell(MANIFEST, "py3.13-openssl3.5-noec")


def test_an_unknown_build_is_reported_with_the_nearest_id_or_all() -> None:
    with pytest.raises(
        UserError, match=r"unknown OpenSSL build '3\.5noec': did you mean '3\.5-no-"
    ):
        MANIFEST.find_build("3.5noec")
    with pytest.raises(UserError, match=r"unknown OpenSSL build 'zzz': there are 1\.1\.1, "):
        MANIFEST.find_build("zzz")


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ("openssl=3.5 and python>=3.12 and not sanitizer", "py3.12-openssl3.5"),
        ("variant=no-ec,fips and (python<3.10 or python=3.13t)", "py3.13t-openssl3.5-fips"),
        ("system and python!=3.9", "py3.10-opensslsystem"),
        ("runtime>3.0", "py3.9-openssl3.0-shared-run3.5"),
    ],
)
def test_a_filter_selects_the_cells_for_which_it_holds(chosen: str, expected: str) -> None:
    selected = cells("all", chosen)
    matches = filters.parse(chosen, MANIFEST.axes).match
    assert {cell.id for cell in selected} == {c.id for c in cells("all") if matches(c.axes)}
    assert expected in {cell.id for cell in selected}


def test_a_filter_compares_versions_as_numbers() -> None:
    selected = cells("all", "python>=3.12 and openssl<3.5")
    assert {cell.python for cell in selected} == {
        "3.12", "3.13", "3.14", "3.15", "3.13t", "3.14t", "3.15t",
    }  # fmt: skip
    assert {cell.build.release.series for cell in selected} == {"1.1.1", "3.0"}


@pytest.mark.parametrize(
    ("chosen", "complaint"),
    [
        ("openssll=3.5", "unknown axis 'openssll'; did you mean 'openssl'?"),
        ("openssl=3.4", "openssl has no value '3.4'; did you mean '3."),
        ("sanitiser", "'sanitiser' is no axis and no value; did you mean 'sanitizer'?"),
        ("3.5", "'3.5' is a value of openssl and runtime; write openssl=3.5"),
        ("openssl=3.5 and", "an axis or a value is missing"),
        ("openssl=", "a value is missing"),
        ("openssl=3.5 python=3.9", "unexpected 'python'"),
        ("(openssl=3.5", "a closing parenthesis is missing"),
        ("and", "an axis or a value is missing before 'and'"),
        ("openssl ! 3.5", "it has a character that is no operator"),
        ("openssl>system", "'system' after > is not a version"),
        ("not " * 150 + "system", ""),
        ("(" * 300, "at most 200 are read"),
        ("openssl=1.1.1 and variant=fips", "selects no cell of the plan 'all'; widen it"),
    ],
)
def test_an_invalid_filter_is_reported_in_one_line(chosen: str, complaint: str) -> None:
    if not complaint:
        assert cells("all", chosen)
        return
    with pytest.raises(UserError) as refused:
        cells("all", chosen)
    assert complaint in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], ("default", "", ())),
        (["--plan", "all"], ("all", "", ())),
        (["--plan=quick", "-k", "rsa"], ("quick", "", ("-k", "rsa"))),
        (["system"], ("all", "system", ())),
        (["system", "--plan", "default", "-x"], ("default", "system", ("-x",))),
        (["tests/test_rsa.py"], ("default", "", ("tests/test_rsa.py",))),
        (["tests"], ("default", "", ("tests",))),
        (["test_x.py::test_y"], ("default", "", ("test_x.py::test_y",))),
        (["-k", "system"], ("default", "", ("-k", "system"))),
    ],
)
def test_arguments_choose_a_plan_and_leave_pytests(
    arguments: list[str], expected: tuple[str, str, tuple[str, ...]]
) -> None:
    choice = plans.choose(arguments, here().root)
    assert (choice.plan, choice.filter, choice.others) == expected


def test_a_plan_is_named_or_refused() -> None:
    with pytest.raises(UserError, match="--plan needs the name of a plan: quick, default, all"):
        plans.choose(["--plan"], here().root)
    with pytest.raises(UserError, match="unknown plan 'dfault'; did you mean 'default'"):
        cells("dfault")


def test_each_build_and_platform_is_a_job_with_the_filter_of_its_cells() -> None:
    planned = plan.make(MANIFEST, "all", today=TODAY)
    jobs = plans.jobs(MANIFEST, planned)
    assert len(jobs) <= 256  # GitHub's limit of a matrix
    covered = [cell.id for job in jobs for cell in cells("all", job["cells"])]
    assert sorted(covered) == sorted(each.cell.id for each in planned)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--plan="], "--plan needs the name of a plan"),
        (["--plan", ""], "--plan needs the name of a plan"),
        (["--plan"], "--plan needs the name of a plan"),
        (["--plan", "all", "--plan=quick"], "--plan is given 2 times: all, quick"),
        ([""], "the filter is empty"),
        (["  ", "-q"], "the filter is empty"),
    ],
)
def test_an_argument_without_a_value_is_reported_in_one_line(
    arguments: list[str], words: str
) -> None:
    with pytest.raises(UserError, match=words):
        plans.choose(arguments, here().root)


def test_a_filter_longer_than_a_files_name_is_a_filter() -> None:
    text = " or ".join(["python=3.12"] * 30)
    assert plans.choose([text], here().root).filter == text


@pytest.mark.parametrize("text", ["python>=" + "9" * 3000, "x" * 5000, "(" * 3000])
def test_a_hostile_filter_is_reported_in_one_line(text: str) -> None:
    with pytest.raises(UserError, match="^filter "):
        filters.parse(text, {"python": ("3.12",)})
