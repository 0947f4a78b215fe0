"""A result is valid only if complete, in its own directory and of the build that its cell names."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import asdict, replace
from tiny_project import PLATFORM, tiny_cell, tiny_manifest

from ci import directories, disk
from ci.errors import UserError
from ci.manifest import Build, Release, Variant
from ci.matrix import results
from ci.matrix.results import Expected, Stamp, Surroundings, Timings

ROOT = Path(__file__).parents[2]
RELEASE = Release("3.5", "3.5.7", "https://example.org/a.tar.gz", "0" * 64, date(2030, 4, 8))
VARIANTS = (Variant("default", ()), Variant("no-ec", ("no-ec",)))
MANIFEST = tiny_manifest(RELEASE, VARIANTS, ("3.13",), ())
NO_EC = tiny_cell("3.13", Build(RELEASE, VARIANTS[1]))
AROUND = Surroundings("3.13.0", ("pytest==9.0",), ("/cache/prefixes/3.5-no-ec-00",), ("Linux",))
EXPECTED = results.expectation(
    NO_EC, MANIFEST, sources="s", extension="00", package="22", around=AROUND
)
STAMP = Stamp(
    id="py3.13-openssl3.5-no-ec",
    python="3.13.0",
    header="3.5.7",
    header_number="0x30500070",
    runtime="3.5.7",
    runtime_number="0x30500070",
    switches=["OPENSSL_NO_EC"],
    package="22",
    library="/wheel/_m2crypto.abi3.so",
    libraries={},
    extension="/wheel/_m2crypto.abi3.so",
    sha256="00",
    swig="4.5.1",
    compiler="gcc 12",
    flags="-O0",
    abi="abi3",
    link="static",
    refusal="",
)
SURFACE = {"constants": {"RSA_F4": 65537}, "functions": {"rsa_new": "() -> RSA"}}
OUTCOMES = {
    "tests/test_rsa.py::test_runs": ("passed", ""),
    "tests/test_rsa.py::test_fails": ("failed", ""),
    "tests/test_ec.py::test_curve": ("skipped", "needs EC"),
}


def leave(
    folder: Path,
    expected: Expected = EXPECTED,
    stamp: Stamp = STAMP,
    outcomes: dict[str, tuple[str, str]] = OUTCOMES,
) -> Path:
    """Write a complete result."""
    folder.mkdir(parents=True, exist_ok=True)
    results.write(expected, folder)
    results.write(Timings(1.5, 0.1), folder)
    results.write_tests(outcomes, folder)
    (folder / results.STAMP).write_text(json.dumps(asdict(stamp)))
    (folder / results.SURFACE).write_text(json.dumps(SURFACE))
    (folder / results.JUNIT).write_text("<testsuites/>")
    (folder / results.PYTHON).write_bytes(b"")
    (folder / results.C_LINES).write_text("{}")
    (folder / results.LOG).write_text("passed")
    results.seal(folder)
    return folder


def refused(folder: Path) -> str:
    """Return the one-line error with which a result is refused."""
    with pytest.raises(UserError) as caught:
        results.read(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_complete_result_round_trips(tmp_path: Path) -> None:
    result = results.read(leave(tmp_path / EXPECTED.id))

    assert (result.expected, result.stamp, result.timings) == (EXPECTED, STAMP, Timings(1.5, 0.1))
    assert result.tests.passed == 1
    assert result.tests.failed == {"tests/test_rsa.py::test_fails"}
    assert result.tests.skipped == {"tests/test_ec.py::test_curve": "needs EC"}


def test_without_options_no_switch_of_another_variant_is_set() -> None:
    plain = tiny_cell("3.13", Build(RELEASE, VARIANTS[0]))
    expected = results.expectation(
        plain, MANIFEST, sources="s", extension="00", package="22", around=AROUND
    )
    assert expected.switches == {"OPENSSL_NO_EC": False}
    stamp = replace(STAMP, id=plain.id, switches=["OPENSSL_NO_EC", "OPENSSL_NO_MD2"])
    with pytest.raises(UserError, match="OPENSSL_NO_EC is defined, the plan is not defined"):
        results.check_stamp(expected, stamp)
    results.check_stamp(expected, replace(stamp, switches=["OPENSSL_NO_MD2"]))


def test_the_expected_stamp_follows_the_manifest() -> None:
    assert (
        Expected(
            id="py3.13-openssl3.5-no-ec",
            python="3.13",
            platform=PLATFORM.name,
            series="3.5",
            variant="no-ec",
            openssl="3.5.7",
            runtime="3.5.7",
            outcome="works",
            tarball="0" * 64,
            options=["no-ec"],
            switches={"OPENSSL_NO_EC": True},
            swig="4.5.1",
            link="static",
            flags=["instrumented"],
            sources="s",
            interpreter="3.13.0",
            packages=["pytest==9.0"],
            prefixes=["/cache/prefixes/3.5-no-ec-00"],
            computer=["Linux"],
            extension="00",
            package="22",
            library="",
            libraries={},
            partial=False,
        )
        == EXPECTED
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"runtime": "3.0.22"}, "the OpenSSL in the process is 3.0.22, the plan is 3.5.7"),
        ({"header": "4.0.2"}, "OpenSSL's headers is 4.0.2, the plan is 3.5.7"),
        (
            {"runtime_number": "0x30500071"},
            "its number is 0x30500071, the plan is 0x30500070",
        ),
        ({"switches": []}, "OPENSSL_NO_EC is not defined, the plan is defined"),
        ({"id": "py3.13-openssl3.5"}, "the cell is py3.13-openssl3.5, the plan is py3.13-openssl3"),
        ({"python": "3.12.1"}, "Python is 3.12.1, the plan is 3.13.0"),
        ({"swig": "4.4.0"}, "SWIG is 4.4.0, the plan is 4.5.1"),
        ({"link": "shared"}, "the link is shared, the plan is static"),
        ({"sha256": "11"}, "the extension's sha256 is 11, the plan is 00"),
        ({"package": "11"}, "the sha256 of the package's Python files is 11, the plan is 22"),
        ({"library": "/usr/lib/libcrypto.so.3"}, "the OpenSSL in the process is /usr/lib/libcr"),
        ({"refusal": "no"}, "the import's error is 'no', the plan is ''"),
    ],
)
def test_a_stamp_that_disagrees_with_the_cell_is_refused(
    tmp_path: Path, change: dict[str, Any], words: str
) -> None:
    message = refused(leave(tmp_path / EXPECTED.id, stamp=replace(STAMP, **change)))
    assert message.startswith("py3.13-openssl3.5-no-ec: result refused, ")
    assert words in message


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"openssl": "3.5.8"}, "it ran with OpenSSL 3.5.7, the plan is 3.5.8"),
        ({"tarball": "1" * 64}, "the tarball 0000"),
        ({"options": ["no-ec", "no-dsa"]}, "options no-ec, the plan is no-ec no-dsa"),
        ({"options": []}, "options no-ec, the plan is none"),
        ({"swig": "4.6.0"}, "SWIG 4.5.1, the plan is 4.6.0"),
        ({"link": "shared"}, "the link static, the plan is shared"),
        ({"flags": ["release", "-O3"]}, "the flags instrumented, the plan is release -O3"),
        ({"runtime": "3.0.22"}, "the OpenSSL in the process 3.5.7, the plan is 3.0.22"),
        ({"sources": "t"}, "the sources have changed since it ran"),
    ],
)
def test_a_stamp_of_an_older_manifest_is_told_apart_from_the_current_one(
    change: dict[str, Any], words: str
) -> None:
    assert EXPECTED.difference(EXPECTED) == ""
    assert words in EXPECTED.difference(replace(EXPECTED, **change))


SHARED = replace(EXPECTED, link="shared", library="/prefix/lib")
LOADED = replace(STAMP, link="shared", library="/prefix/lib/libcrypto-m2.so.3")


def test_a_shared_library_of_another_directory_is_refused() -> None:
    results.check_stamp(SHARED, LOADED)
    with pytest.raises(UserError, match=r"in the process is /usr/lib, the plan is /prefix/lib;"):
        results.check_stamp(SHARED, replace(LOADED, library="/usr/lib/libcrypto.so.3"))


def test_a_shared_library_that_was_swapped_in_its_place_is_refused() -> None:
    hashes = {"libcrypto-m2.so.3": "33", "libssl-m2.so.3": "44"}
    expected = replace(SHARED, libraries=hashes)
    results.check_stamp(expected, replace(LOADED, libraries=hashes))
    for other, words in (
        ({"libcrypto-m2.so.3": "33"}, r"libssl-m2\.so\.3 in the process is none, the plan is 44"),
        ({**hashes, "libcrypto-m2.so.3": "55"}, "process is 55, the plan is 33"),
    ):
        with pytest.raises(UserError, match=words):
            results.check_stamp(expected, replace(LOADED, libraries=other))


def test_other_libraries_than_those_of_the_headers_may_be_in_the_process() -> None:
    expected = replace(SHARED, openssl="3.5.7", runtime="3.6.3")
    results.check_stamp(expected, replace(LOADED, runtime="3.6.3", runtime_number="0x30600030"))
    with pytest.raises(UserError, match=r"in the process is 3\.5\.7, the plan is 3\.6\.3;"):
        results.check_stamp(expected, LOADED)


@pytest.mark.parametrize(
    "refusal",
    ["", "built with 3.5.7", "built with 3.5.7,\nnot 3.0.22"],
    ids=["imported", "one-version", "two-lines"],
)
def test_a_refusal_must_be_a_line_with_both_versions(refusal: str) -> None:
    expected = replace(SHARED, runtime="3.0.22", outcome="refuses")
    results.check_stamp(expected, replace(LOADED, refusal="built with 3.5.7, cannot use 3.0.22"))
    with pytest.raises(UserError, match=r"the import's error is .* that names OpenSSL 3\.5\.7 and"):
        results.check_stamp(expected, replace(LOADED, refusal=refusal))


def test_the_systems_openssl_may_have_any_version() -> None:
    expected = replace(SHARED, openssl="", runtime="", library="", switches={})
    results.check_stamp(expected, replace(LOADED, runtime="3.6.3", library="/usr/lib/x.so"))


def test_a_result_in_the_directory_of_another_cell_is_refused(tmp_path: Path) -> None:
    message = refused(leave(tmp_path / "py3.12-openssl3.5-no-ec"))
    assert (
        message == "py3.12-openssl3.5-no-ec: result refused, it is that of py3.13-openssl3.5-no-ec"
    )


@pytest.mark.parametrize("name", results.WHOLE)
def test_a_result_with_a_missing_part_is_not_read(tmp_path: Path, name: str) -> None:
    folder = leave(tmp_path / EXPECTED.id)
    (folder / name).unlink()
    assert f"no result, {name} is missing; see " in refused(folder)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def swap_a_digit(path: Path) -> None:
    path.write_bytes(b"{" + path.read_bytes()[1:].replace(b"0", b"1") + b" ")


def put_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("name", results.WHOLE)
@pytest.mark.parametrize("edit", [truncate, swap_a_digit, put_a_folder])
def test_an_edited_part_is_reported_in_one_line(
    tmp_path: Path, name: str, edit: Callable[[Path], None]
) -> None:
    folder = leave(tmp_path / EXPECTED.id)
    if name == results.PYTHON:
        (folder / name).write_bytes(b"data 0")
        results.seal(folder)
    edit(folder / name)
    assert str(folder) in refused(folder)


JSON = [results.CELL, results.STAMP, results.TESTS, results.TIMINGS]


@pytest.mark.parametrize("name", JSON)
@pytest.mark.parametrize(
    "text", [b"", b"{", b"[]", b'{"a": 1}', b"\xff", b"[" * 100_000, b'{"t": ["passed"]}']
)
def test_an_edited_and_resealed_part_is_reported_in_one_line(
    tmp_path: Path, name: str, text: bytes
) -> None:
    folder = leave(tmp_path / EXPECTED.id)
    (folder / name).write_bytes(text)
    results.seal(folder)
    assert f"{folder / name}: " in refused(folder)


@pytest.mark.parametrize("name", [results.CELL, results.STAMP, results.TIMINGS])
def test_a_part_with_a_value_of_the_wrong_type_is_reported_in_one_line(
    tmp_path: Path, name: str
) -> None:
    folder = leave(tmp_path / EXPECTED.id)
    document = json.loads((folder / name).read_text())
    last = list(document)[-1]
    (folder / name).write_text(json.dumps(document | {last: None}))
    results.seal(folder)
    assert f"{last} must be " in refused(folder)


@pytest.mark.parametrize("text", ["", "[]", "{}", "\ud800".encode("utf-8", "surrogatepass"), "5"])
def test_a_broken_seal_is_reported_in_one_line(tmp_path: Path, text: str | bytes) -> None:
    folder = leave(tmp_path / EXPECTED.id)
    (folder / results.SEAL).write_bytes(text if isinstance(text, bytes) else text.encode())
    assert "run the cell again" in refused(folder)


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1e999", "-1", "1e300", '"1"', "1" * 5000])
def test_an_impossible_duration_is_refused_and_estimates_nothing(
    tmp_path: Path, value: str
) -> None:
    folder = leave(tmp_path / EXPECTED.id)
    (folder / results.TIMINGS).write_text(f'{{"tests": {value}, "coverage": 0}}')
    results.seal(folder)
    assert f"{folder / results.TIMINGS}: " in refused(folder)
    assert results.duration(folder) == 0.0


@pytest.mark.parametrize("part", [results.CELL, results.STAMP])
def test_a_part_of_a_newer_schema_is_refused(tmp_path: Path, part: str) -> None:
    folder = leave(tmp_path / EXPECTED.id)
    document = json.loads((folder / part).read_text())
    (folder / part).write_text(json.dumps({**document, "schema": 2}))
    results.seal(folder)
    assert "schema is an unknown key" in refused(folder)
    (folder / part).write_text(json.dumps({**document, "a\n" + "x" * 10**5: 2}))
    results.seal(folder)
    message = refused(folder)
    assert message.isprintable()
    assert len(message) < 1200


def test_a_sealed_part_that_is_unknown_is_refused(tmp_path: Path) -> None:
    folder = leave(tmp_path / EXPECTED.id)
    sealed = json.loads((folder / results.SEAL).read_text())
    (folder / results.SEAL).write_text(json.dumps({**sealed, "rust.json": "0"}))
    assert "it has a part that these sources do not know, rust.json" in refused(folder)


@pytest.mark.parametrize(
    "value",
    ["3.5\n::error::no", "\x1b[2J", "\u202e", "x" * 10**6],
    ids=["line", "ESC", "bidi", "huge"],
)
def test_a_hostile_value_is_shown_in_one_short_line(tmp_path: Path, value: str) -> None:
    for stamp in (replace(STAMP, runtime=value), replace(STAMP, extension=value, sha256="1")):
        message = refused(leave(tmp_path / EXPECTED.id, stamp=stamp))
        assert message.isprintable()
        assert len(message) < 700
    assert replace(EXPECTED, openssl=value).difference(EXPECTED).isprintable()


@pytest.mark.parametrize(
    ("outcomes", "words"),
    [
        ({"a": ["passed", ""], "b": ["lost", ""]}, r"b\[0\] must be "),
        ({"a": ["passed", 5]}, r"a\[1\] must be a string, not 5"),
        ({"a": ["passed", ["x" * 10**6]]}, r"a\[1\] must be a string, not \['xxx"),
        ({"a": ["passed"]}, r"a must be a list, not \['passed'\]"),
        ({"a\n": 5}, r"a\\n must be a list, not 5"),
        ({"x" * 10**6: 5}, r"xxx\.\.\. must be a list, not 5"),
    ],
    ids=["outcome", "reason", "huge", "length", "type", "key"],
)
def test_the_key_of_a_wrong_value_is_named(tmp_path: Path, outcomes: object, words: str) -> None:
    folder = leave(tmp_path / EXPECTED.id)
    (folder / results.TESTS).write_text(json.dumps(outcomes))
    results.seal(folder)
    message = refused(folder)
    assert re.search(words, message)
    assert len(message) < 700


def test_a_lone_surrogate_is_not_json(tmp_path: Path) -> None:
    folder = leave(tmp_path / EXPECTED.id)
    text = (folder / results.STAMP).read_text()
    (folder / results.STAMP).write_text(text.replace("gcc 12", "\\ud800"))
    results.seal(folder)
    assert "not JSON" in refused(folder)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return an empty directory for results."""
    folder = tmp_path / "results"
    folder.mkdir()
    return folder


def test_a_result_replaces_the_old_one_once_complete(root: Path) -> None:
    leave(root / "cell")
    with results.in_place(root, "cell") as folder:
        assert (root / "cell" / results.SEAL).exists()
        (folder / "new").touch()
    assert [path.name for path in (root / "cell").iterdir()] == ["new"]
    assert [path.name for path in root.iterdir()] == ["cell"]


def test_an_interrupted_run_keeps_the_old_result(root: Path) -> None:
    leave(root / EXPECTED.id)

    def run() -> None:
        with results.in_place(root, EXPECTED.id) as folder:
            (folder / "half").touch()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run()
    assert results.read(root / EXPECTED.id).expected == EXPECTED
    assert not list(root.rglob("half"))


RUN = """
import sys
from pathlib import Path
from ci.matrix import results
root = Path(sys.argv[1])
with results.writing(root), results.in_place(root, sys.argv[2]) as folder:
    (folder / "half").touch()
    print("half", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def other(root: Path) -> subprocess.Popen[str]:
    """Start another process that locks the results and writes one."""
    run = subprocess.Popen(
        [sys.executable, "-c", RUN, str(root), EXPECTED.id],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert run.stdout
    assert run.stdout.readline() == "half\n"
    return run


def test_a_killed_run_changes_nothing_and_its_leftovers_are_removed(
    root: Path, other: subprocess.Popen[str]
) -> None:
    leave(root / EXPECTED.id)
    other.send_signal(signal.SIGKILL)
    other.communicate()
    assert results.directories(root) == [root / EXPECTED.id]

    with results.writing(root):
        assert not list(root.rglob("half"))
        assert results.read(root / EXPECTED.id).expected == EXPECTED


def test_a_run_waits_for_another_one_and_logs_it(root: Path, other: subprocess.Popen[str]) -> None:
    second = subprocess.Popen(
        [sys.executable, "-c", RUN, str(root), EXPECTED.id],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert second.stderr
    line = f"waiting for process {other.pid}, which runs cells in this checkout\n"
    assert second.stderr.readline() == line
    assert not select_output(second)
    other.communicate()
    assert second.communicate() == ("half\n", "")
    assert second.returncode == other.returncode == 0


def select_output(run: subprocess.Popen[str]) -> bool:
    """Return whether a process has written to its standard output."""
    assert run.stdout
    return bool(select.select([run.stdout], [], [], 0)[0])


def test_an_interrupted_replacement_restores_the_old_result(root: Path) -> None:
    leave(root / results.OLD.format(EXPECTED.id))
    (root / results.NEW.format(EXPECTED.id)).mkdir()
    with results.writing(root):
        assert results.read(root / EXPECTED.id).expected == EXPECTED
        assert results.directories(root) == [root / EXPECTED.id]


@pytest.fixture
def unprivileged() -> Iterator[Path]:
    """Return an empty directory; root runs as nobody meanwhile, because permissions bind it."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    with tempfile.TemporaryDirectory() as directory:
        yield Path(directory)
    os.seteuid(user)


def test_a_read_only_directory_of_a_test_does_not_block_the_next_run(unprivileged: Path) -> None:
    for _ in range(2):
        with results.in_place(unprivileged, EXPECTED.id) as directory:
            (directory / "scratch" / "deep").mkdir(parents=True)
            (directory / "scratch" / "deep" / "file").touch()
            for path in (directory / "scratch" / "deep", directory / "scratch"):
                path.chmod(0o500)
    assert [path.name for path in unprivileged.iterdir()] == [EXPECTED.id]
    results.keep_log(unprivileged / EXPECTED.id)
    assert list((unprivileged / EXPECTED.id).iterdir()) == []


def test_a_result_of_another_user_is_reported_in_one_line(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave(root / EXPECTED.id)
    leave(root / results.OLD.format(EXPECTED.id))
    # Another user's files cannot be removed.
    monkeypatch.setattr(directories, "remove", lambda *_, **__: None)
    with (
        pytest.raises(UserError, match=r"cannot be used: Directory not empty: .*make it yours"),
        disk.reported(root, str(root)),
        results.in_place(root, EXPECTED.id),
    ):
        pass
    assert results.read(root / EXPECTED.id).expected == EXPECTED


def test_a_closed_result_of_another_user_has_no_part(unprivileged: Path) -> None:
    folder = unprivileged / EXPECTED.id
    folder.mkdir()
    folder.chmod(0)
    assert "no result, cell.json is missing" in refused(folder)
    assert results.duration(folder) == 0.0


@pytest.mark.parametrize("target", ["there", "nowhere"])
def test_a_link_in_the_place_of_a_result_is_replaced_and_its_target_is_not(
    root: Path, tmp_path: Path, target: str
) -> None:
    kept = leave(tmp_path / "there")
    for _ in range(2):
        for name in (EXPECTED.id, results.NEW.format(EXPECTED.id), results.OLD.format(EXPECTED.id)):
            if not (root / name).exists():
                (root / name).unlink(missing_ok=True)
                (root / name).symlink_to(tmp_path / target)
        with results.writing(root), results.in_place(root, EXPECTED.id) as directory:
            leave(directory)
    assert not (root / EXPECTED.id).is_symlink()
    assert {path.name for path in kept.iterdir()} == set(results.WHOLE)
    assert [path.name for path in results.directories(root)] == [EXPECTED.id]


def test_a_checkout_without_write_permission_is_reported_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "coverage").touch()
    with pytest.raises(UserError) as caught, results.writing(tmp_path / "coverage" / "results"):
        pass
    assert "cannot be used: " in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_log_of_a_run_without_a_result_is_kept(tmp_path: Path) -> None:
    folder = leave(tmp_path / "cell")
    (folder / "scratch").mkdir()
    (folder / results.LOG).write_text("why")
    results.keep_log(folder)
    assert [path.name for path in folder.iterdir()] == [results.LOG]
