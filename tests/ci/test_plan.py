"""Plan the cells of a manifest; an unknown name is reported with the nearest one."""

from __future__ import annotations

import pytest
from tiny_project import here

from ci import manifest
from ci.errors import UserError
from ci.matrix import plan

MANIFEST = manifest.load(here().manifest)


def test_the_id_of_a_cell_contains_its_python_and_its_build() -> None:
    cell = plan.Cell("3.13", MANIFEST.find_build("3.5-no-ec"))
    assert cell.id == "py3.13-openssl3.5-no-ec"


def test_every_python_is_paired_with_every_build_once() -> None:
    ids = [cell.id for cell in plan.cells(MANIFEST)]
    assert len(ids) == len(MANIFEST.pythons) * len(MANIFEST.builds) == len(set(ids))


def test_cells_can_be_restricted_to_some_builds() -> None:
    cells = plan.cells(MANIFEST, MANIFEST.quick)
    assert {cell.build.name for cell in cells} == {"3.5", "3.5-no-ec"}


def test_a_cell_is_found_by_its_id() -> None:
    for cell in plan.cells(MANIFEST):
        assert plan.find_cell(MANIFEST, cell.id) == cell


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
