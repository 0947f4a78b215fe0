"""What an extension offers is recorded, checked against the headers, and expected by build."""

from __future__ import annotations

import json
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs
from test_results import EXPECTED, STAMP, leave
from tiny_cells import CELL, CELL_NO_EC, MANIFEST, MakeInputs
from tiny_project import here

from ci import checkout, extension, manifest, process, prototypes
from ci.errors import UserError
from ci.gcov import lines as c_lines
from ci.gcov.lines import CLines
from ci.matrix import cell as one
from ci.matrix import results
from ci.matrix import surface as of_cell
from ci.matrix.results import Result
from ci.matrix.surface import Surface
from ci.project import Project
from ci.report import surface
from ci.report.surface import Golden


def test_a_cell_records_names_kinds_values_and_signatures(
    project: Project, inputs: MakeInputs
) -> None:
    (project.root / "M2Crypto" / "_m2crypto.pyi").write_text(
        "def curve() -> int: ...\ndef openssl_version(which: int, /) -> str: ...\n"
    )
    for cell in (CELL, CELL_NO_EC):
        assert one.run(cell, inputs()).why == ""
    found = {
        cell.id: results.read(project.results / cell.id).surface for cell in (CELL, CELL_NO_EC)
    }
    with_ec, without = found[CELL.id], found[CELL_NO_EC.id]
    assert with_ec.constants["OPENSSL_NO_EC"] == 0
    assert without.constants["OPENSSL_NO_EC"] == 1
    assert with_ec.functions["openssl_version"] == "(which: int, /) -> str"
    assert with_ec.names - without.names == {"curve"}


# --- the headers ----------------------------------------------------------------------------------


@pytest.fixture
def include(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the flags that find a header with two macros and an enumeration."""
    header = tmp_path / "openssl" / "rsa.h"
    header.parent.mkdir()
    header.write_text("#define RSA_F4 0x10001L\n#define BIG 0x80000000UL\nenum { LOW = -1 };\n")
    monkeypatch.setattr(of_cell, "HEADERS", ("rsa",))
    return [f"-I{tmp_path}"]


def test_constants_have_the_values_of_the_headers(include: list[str], tmp_path: Path) -> None:
    (tmp_path / "rsa.i").write_text(
        "%constant int own = 3;\n%constant long long f4_or_one = RSA_F4 | 1;\n"
    )
    constants: dict[str, int | str] = {
        **{"RSA_F4": 65537, "BIG": 0x80000000, "LOW": -1, "own": 3, "f4_or_one": 65537},
        **{"OPENSSL_NO_EC": 1, "OPENSSL_VERSION_TEXT": "OpenSSL"},
    }
    of_cell.check_constants(Surface(constants, {}), include, tmp_path)
    for wrong in ({"RSA_F4": 3}, {"LOW": 1}, {"own": 4}, {"f4_or_one": 1}, {"nowhere": 1}):
        with pytest.raises(UserError) as caught:
            of_cell.check_constants(Surface({**constants, **wrong}, {}), include, tmp_path)
        message = str(caught.value)
        assert message.startswith("result refused, a constant differs from OpenSSL's headers: ")
        assert next(iter(wrong)) in message
        assert "\n" not in message


def test_every_constant_of_the_interface_is_found() -> None:
    interface = Path(__file__).parents[2] / "SWIG"
    texts = [file.read_text(encoding="utf-8") for file in interface.glob("*.i")]
    found = [name for text in texts for name, _ in of_cell.OWN.findall(text)]
    assert len(found) == sum(text.count("%constant") for text in texts)
    assert {"bio_close", "encrypt", "VERIFY_CRL_CHECK_CHAIN"} <= set(found)


TREE = """<top>
<cdecl><attributelist>
  <attribute name="name" value="RSA_size"/><attribute name="view" value="globalfunctionHandler"/>
  <attribute name="type" value="int"/><attribute name="decl" value="f(p.q(const).RSA)."/>
  <parmlist><parm><attributelist><attribute name="type" value="{type}"/></attributelist></parm>
  </parmlist>
</attributelist></cdecl>
<cdecl><attributelist>
  <attribute name="name" value="m2_own"/><attribute name="view" value="globalfunctionHandler"/>
  <attribute name="type" value="int"/><attribute name="decl" value="f(void)."/>
</attributelist></cdecl>
</top>"""


@pytest.mark.parametrize(
    ("declared", "prototype", "why"),
    [
        ("p.q(const).RSA", "int RSA_size(const RSA *rsa);", ""),
        # Adding const loses nothing.
        ("p.RSA", "int RSA_size(const RSA *rsa);", ""),
        ("p.q(const).RSA", "int RSA_size(RSA *rsa);", "discards .const. qualifier"),
        ("p.q(const).EC", "int RSA_size(const RSA *rsa);", "incompatible pointer type"),
        ("p.q(const).RSA", "long RSA_size(const RSA *rsa);", "may change value"),
        ("p.q(const).RSA", "int RSA_size(const RSA *rsa, int bits);", "too few arguments"),
        ("p.q(const).RSA", "int RSA_bits(const RSA *rsa);", "implicit declaration"),
        ("int", "int RSA_size(const RSA *rsa);", "makes pointer from integer"),
        ("p.RSA", "int RSA_size(int rsa);", "makes integer from pointer"),
    ],
)
def test_declarations_agree_with_the_prototypes(
    tmp_path: Path, declared: str, prototype: str, why: str
) -> None:
    tree = tmp_path / "tree.xml"
    tree.write_text(TREE.format(type=declared))
    (tmp_path / "openssl").mkdir()
    for name in extension.HEADERS:
        (tmp_path / "openssl" / f"{name}.h").write_text("")
    (tmp_path / "m2.h").write_text(f"typedef struct rsa RSA; typedef struct ec EC;\n{prototype}\n")
    command = ["cc", f"-I{tmp_path}"]
    if not why:
        prototypes._compile(tree, command, tmp_path / "calls.c")
        return
    with pytest.raises(UserError, match=why) as caught:
        prototypes._compile(tree, command, tmp_path / "calls.c")
    assert str(caught.value).startswith("a declaration in SWIG/ does not agree with OpenSSL's head")
    assert "check_RSA_size" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_error_in_a_header_is_not_that_of_a_declaration(tmp_path: Path) -> None:
    (tmp_path / "tree.xml").write_text(TREE.format(type="int"))
    with pytest.raises(process.CommandError, match="No such file"):
        prototypes._compile(tmp_path / "tree.xml", ["cc"], tmp_path / "calls.c")


def test_types_are_spelled_as_in_c() -> None:
    spelled = {
        "int": "int",
        "p.q(const).char": "const char *",
        "p.p.X509": "X509 * *",
        "q(const).p.char": "char * const",
    }
    assert {each: prototypes.c_type(each) for each in spelled} == spelled


# --- the golden file ------------------------------------------------------------------------------

GOLDEN = Golden(
    frozenset({"3.5", "3.5-no-ec"}),
    frozenset({"rsa_new", "RSA_F4"}),
    {("3.5-no-ec",): (frozenset({"ec_new", "curve"}), "It has no curves.")},
)


def result(build: str, *names: str, cell: str = "") -> Result:
    """Return a result of a build whose extension has these functions."""
    series, _, variant = build.partition("-")
    expected = structs.replace(
        EXPECTED, id=cell or f"py3.13-openssl{build}", series=series, variant=variant or "default"
    )
    tests = results.Tests(frozenset(), frozenset(), {})
    found = Surface({}, dict.fromkeys(names, "() -> int"))
    return Result(Path(), expected, STAMP, tests, results.Timings(1, 1), found)


WHOLE = result("3.5", "rsa_new", "RSA_F4", "ec_new", "curve")
WITHOUT = result("3.5-no-ec", "rsa_new", "RSA_F4")


def test_expected_absences_are_no_complaint() -> None:
    assert surface.complaints([WHOLE, WITHOUT], GOLDEN) == []
    # A cell that refuses its libraries, and the system's OpenSSL.
    assert surface.complaints([result("3.5"), result("system", "x")], GOLDEN) == []


def test_an_unknown_build_lacks_what_its_variant_lacks_elsewhere() -> None:
    golden = Golden(
        frozenset({"3.0", "3.5", "3.5-no-ec"}),
        frozenset({"rsa_new"}),
        {
            ("3.5-no-ec",): (frozenset({"ec_new"}), "It has no curves."),
            ("3.0",): (frozenset({"added"}), "3.5 added it."),
        },
    )
    assert golden.expected("3.0-no-ec") == {"rsa_new"}
    assert golden.expected("3.5-no-engine") == {"rsa_new", "ec_new", "added"}
    assert surface.complaints([result("3.0-no-ec", "rsa_new")], golden) == []


def test_new_and_lost_names_are_reported_once_for_each_build() -> None:
    changed = result("3.5-no-ec", "rsa_new", "ec_new", "a", "b")
    (line,) = surface.complaints([WHOLE, changed, changed], GOLDEN)
    assert line == (
        "py3.13-openssl3.5-no-ec: names of the extension: lost RSA_F4, new a, b, ec_new; if that "
        "is right, `nox -s surface -- --accept` writes coverage/surface.toml"
    )


def test_a_group_without_a_reason_is_reported() -> None:
    golden = replace(GOLDEN, absent={("3.5-no-ec",): (frozenset({"ec_new"}), "")})
    (line,) = surface.complaints([], golden)
    assert line == (
        "coverage/surface.toml: absent has no reason for 3.5-no-ec: write why they lack ec_new"
    )


def test_accepting_keeps_reasons_and_builds_without_a_result(tmp_path: Path) -> None:
    project = here(tmp_path)
    (tmp_path / "coverage").mkdir()
    new = surface.accepted([result("3.5", "rsa_new", "RSA_F4", "ec_new", "added")], GOLDEN)
    surface.write(new, project)
    assert surface.read(project) == new
    assert new.everywhere == {"rsa_new", "RSA_F4"}
    assert new.absent == {("3.5-no-ec",): (frozenset({"ec_new", "added"}), "It has no curves.")}
    # It is written in the same way from the same.
    text = (tmp_path / surface.NAME).read_text()
    surface.write(surface.accepted([], surface.read(project)), project)
    assert (tmp_path / surface.NAME).read_text() == text
    assert tomllib.loads(text)["absent"][0]["builds"] == ["3.5-no-ec"]


def test_the_table_shares_equal_surfaces() -> None:
    other = result("3.5", *WHOLE.surface.functions, cell="py3.9-openssl3.5")
    made = json.loads(surface.table([WHOLE, other, WITHOUT]))
    assert made["cells"] == {
        "py3.13-openssl3.5": 0,
        "py3.9-openssl3.5": 0,
        "py3.13-openssl3.5-no-ec": 1,
    }
    assert made["surfaces"][1]["functions"] == {"RSA_F4": "() -> int", "rsa_new": "() -> int"}


def test_a_surface_that_the_outcome_contradicts_is_refused(tmp_path: Path) -> None:
    some, nothing = Surface({}, {"rsa_new": "() -> RSA"}), Surface({}, {})
    refuses = structs.replace(EXPECTED, outcome="refuses")
    results.check_surface(EXPECTED, some)
    results.check_surface(refuses, nothing)
    folder = leave(tmp_path / EXPECTED.id)
    (folder / results.SURFACE).write_text('{"constants": {}, "functions": {}}')
    results.seal(folder)
    with pytest.raises(UserError) as caught:
        results.read(folder)
    assert str(caught.value) == (
        f"{EXPECTED.id}: result refused, the extension offers 0 names, the plan is that it works"
    )
    with pytest.raises(UserError, match="offers 1 names, the plan is that it refuses"):
        results.check_surface(refuses, some)


def test_the_system_and_a_result_that_counted_lines_stand_for_a_build(tmp_path: Path) -> None:
    refusing = replace(result("3.0"), directory=tmp_path / "refusing")
    plain = replace(result("3.0", "a", cell="plain"), directory=tmp_path / "plain")
    counted = replace(result("3.0", "a", cell="counted"), directory=tmp_path / "counted")
    system = replace(result("system", "s"), directory=tmp_path / "plain")
    lines = {
        "SWIG/src/ec.c": CLines(frozenset({1, 2}), frozenset({3}), frozenset({4}), frozenset())
    }
    for each in (plain, counted):
        each.directory.mkdir()
        c_lines.dump(lines if each is counted else {}, each.directory / results.C_LINES)
    found = surface._first([refusing, plain, counted, system])
    assert found == {"3.0": counted, "system": system}
    assert surface._lines(counted) == (3, 1)
    assert surface._lines(plain) is None
    assert surface._find("system", [refusing, plain, system]) == system.surface
    assert surface._find("3.0", [refusing, plain]) == plain.surface


# --- nox -s surface -------------------------------------------------------------------------------


@pytest.fixture
def reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Return a project with the results of two builds."""
    project = here(tmp_path)
    surface_of = {
        CELL: {"constants": {"N": 1}, "functions": {"rsa_new": "() -> RSA", "ec_new": "() -> EC"}},
        CELL_NO_EC: {"constants": {"N": 2}, "functions": {"rsa_new": "() -> RSA"}},
    }
    (tmp_path / "coverage").mkdir()
    (tmp_path / surface.NAME).write_text("builds = []\neverywhere = []\nabsent = []\n")
    monkeypatch.setattr(manifest, "load", lambda _: MANIFEST)
    monkeypatch.setattr(checkout, "digest", lambda _: "s")
    for cell, found in surface_of.items():
        around = results.Surroundings("3.13.0")
        expected = results.expectation(
            cell, MANIFEST, sources="s", extension="00", package="22", around=around
        )
        switches = ["OPENSSL_NO_EC"] if cell is CELL_NO_EC else []
        stamp = structs.replace(STAMP, id=cell.id, header="3.5", runtime="3.5", switches=switches)
        folder = leave(project.results / cell.id, expected, stamp)
        (folder / results.SURFACE).write_text(json.dumps(found))
        results.seal(folder)
    return project


def test_the_sizes_of_builds_and_what_a_variant_takes_away_are_printed(
    reported: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    surface.main([], reported)
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["3.5", "2", "1", "-", "-"]
    assert lines[2].split() == ["3.5-no-ec", "1", "1", "-", "-"]
    assert lines[3] == "    without 1 functions: ec_new"


@pytest.mark.parametrize("first", ["3.5", CELL.id])
def test_the_difference_of_two_builds_or_cells_is_printed(
    reported: Project, first: str, capsys: pytest.CaptureFixture[str]
) -> None:
    surface.main([first, "3.5-no-ec"], reported)
    assert capsys.readouterr().out == "- ec_new () -> EC\n- N 1\n+ N 2\n"


def test_accepting_writes_the_file_and_asks_for_reasons(
    reported: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    surface.main(["--accept"], reported)
    golden = surface.read(reported)
    assert golden.everywhere == {"rsa_new", "N"}
    assert "absent has no reason for 3.5-no-ec" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["3.5", "3.6"], "no result of '3.6': did you mean"),
        (["3.5"], "surface takes two builds or cells, or --accept, not '3.5'"),
    ],
)
def test_bad_arguments_are_reported_in_one_line(
    reported: Project, arguments: list[str], words: str
) -> None:
    with pytest.raises(UserError) as caught:
        surface.main(arguments, reported)
    assert str(caught.value).startswith(words)


def test_the_golden_file_of_the_project_is_valid() -> None:
    golden = surface.read(here(Path(__file__).parents[2]))
    assert "rsa_size" in golden.everywhere
    assert all(why for _, why in golden.absent.values())
