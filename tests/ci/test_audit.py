"""The audit finds what a wheel contains, and what it lacks of what a release promises."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import tiny_wheels
from packaging.tags import Tag
from packaging.utils import parse_wheel_filename
from tiny_project import here
from tiny_wheels import MAIN, VERSION, binary

from ci import environments, interpreters, process
from ci.audit import binaries, checks, run
from ci.audit import wheel as wheels
from ci.audit.checks import Fault, Skipped
from ci.audit.wheel import Wheel
from ci.errors import UserError
from ci.project import ROOT

PYTHON = Path(sys.executable)
INTEL = platform.machine() == "x86_64"


@pytest.fixture(scope="module")
def extension(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return a hardened extension that contains OpenSSL 3.5.7."""
    return binary(tmp_path_factory.mktemp("extension") / "_m2crypto.abi3.so")


@pytest.fixture
def make(tmp_path: Path, extension: bytes) -> Callable[..., Wheel]:
    """Return a function that writes a wheel and reads it."""

    def made(**changes: str | None) -> Wheel:
        return wheels.read(tiny_wheels.wheel(tmp_path, extension, tiny_wheels.TAG, **changes))

    return made


def tags(name: str) -> frozenset[Tag]:
    return parse_wheel_filename(f"m2crypto-1.0-{name}.whl")[3]


def test_a_hardened_extension_has_no_weakness(extension: bytes) -> None:
    found = binaries.read("a.so", extension)
    assert found
    assert found.weaknesses == ()
    assert found.exported == ("PyInit__m2crypto",)
    assert found.openssl == ("3.5.7",)


@pytest.mark.parametrize(
    ("flags", "weakness"),
    [
        (["-Wl,-z,relro,-z,lazy"], "no full RELRO (-z relro -z now)"),
        (["-Wl,-z,norelro"], "no full RELRO (-z relro -z now)"),
        (["-Wl,-z,execstack"], "an executable stack (-z noexecstack)"),
        (["-fno-stack-protector"], "no stack protector"),
        (["-U_FORTIFY_SOURCE"], "no fortified call (_FORTIFY_SOURCE)"),
        (["-Wl,-rpath,/opt/lib,--disable-new-dtags"], "an RPATH"),
        (["-Wl,-rpath,/opt/lib,--enable-new-dtags"], "an RUNPATH"),
        pytest.param(
            ["-fcf-protection=none"],
            "no control-flow protection (-fcf-protection)",
            marks=pytest.mark.skipif(not INTEL, reason="this system has no x86-64 processor"),
        ),
    ],
)
def test_each_missing_protection_is_named(tmp_path: Path, flags: list[str], weakness: str) -> None:
    data = binary(tmp_path / "weak.so", *tiny_wheels.HARDENED, *flags)
    found = binaries.read("weak.so", data)
    assert found
    assert found.weaknesses == (weakness,)


def test_debugging_information_and_symbols_are_named(tmp_path: Path) -> None:
    flags = [flag for flag in tiny_wheels.HARDENED if flag != "-s"]
    found = binaries.read("big.so", binary(tmp_path / "big.so", *flags, "-g"))
    assert found
    assert found.weaknesses == ("debugging information", "a symbol table (strip it)")


@pytest.mark.parametrize(
    ("text", "versions"),
    [
        ("OpenSSL 1.1.1w  11 Sep 2023", ("1.1.1w",)),
        ("OpenSSL 1.0.2k-fips  26 Jan 2017", ("1.0.2k",)),
        ("OpenSSL 3.0.7+quic 1 Nov 2022", ("3.0.7",)),
        ("OpenSSL 1.1.1 (compatible; AWS-LC 1.40)", ()),
        ("needs OpenSSL 3.5.7 or newer", ()),
    ],
)
def test_the_version_of_openssl_is_the_one_with_a_date(
    tmp_path: Path, text: str, versions: tuple[str, ...]
) -> None:
    found = binaries.read("a.so", binary(tmp_path / "a.so", text=text))
    assert found
    assert found.openssl == versions


def test_the_version_of_headers_is_not_that_of_a_library(tmp_path: Path) -> None:
    library = tmp_path / "libcrypto.so"
    binary(library, "-fPIC", "-Wl,-soname,libcrypto.so.3", text="x")
    linked = (*tiny_wheels.HARDENED, "-Wl,--no-as-needed", f"-L{tmp_path}", "-lcrypto")
    found = binaries.read("a.so", binary(tmp_path / "a.so", *linked))
    assert found
    assert found.openssl == ()
    assert found.libcrypto == "libcrypto.so.3"


def test_files_of_other_kinds_are_no_binaries() -> None:
    assert binaries.read("a.py", b"import os\n") is None
    with pytest.raises(UserError, match=r"a.so is damaged and cannot be read"):
        binaries.read("a.so", b"\x7fELF" + b"\0" * 9)


@pytest.mark.parametrize(
    ("older", "newer"),
    [("1.1.1", "1.1.1w"), ("1.1.1w", "3.0.0"), ("3.0.22", "3.5.7"), ("3.5.9", "3.5.10")],
)
def test_versions_of_openssl_are_ordered(older: str, newer: str) -> None:
    assert wheels.order(older) < wheels.order(newer)


def test_a_wheel_of_another_project_is_refused_in_one_line(
    tmp_path: Path, extension: bytes
) -> None:
    path = tiny_wheels.wheel(tmp_path, extension, name="other")
    with pytest.raises(UserError, match=r"^\S+whl: a wheel of other, and the checks are for") as e:
        run.main([str(path)], here())
    assert "--older-than VERSION" in str(e.value)
    assert "\n" not in str(e.value)


@pytest.mark.parametrize("size", [1000, 0])
def test_a_truncated_wheel_is_refused_in_one_line(
    tmp_path: Path, extension: bytes, size: int
) -> None:
    path = tiny_wheels.wheel(tmp_path, extension)
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(
        UserError, match=r"truncated or damaged \(.*; build or download it"
    ) as caught:
        run.main([str(path)], here())
    assert "\n" not in str(caught.value)


def test_a_wheel_with_a_changed_byte_is_refused(tmp_path: Path, extension: bytes) -> None:
    path = tiny_wheels.wheel(tmp_path, extension)
    data = path.read_bytes()
    path.write_bytes(data.replace(b"Permission is", b"Permission iz"))
    with pytest.raises(UserError, match=r"truncated or damaged \(Bad CRC-32"):
        run.main([str(path)], here())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name wheels, such as"),
        (["--older", "3.5.7"], "unexpected option '--older'; it takes --older-than VERSION"),
        (["--older-than", "new", "a.whl"], "takes a version of OpenSSL, such as 3.5.7, not 'new'"),
        (["--older-than"], "takes a version of OpenSSL, such as 3.5.7, not ''"),
        (["m2crypto-1.0-cp311-abi3-any.whl"], "there is no such file"),
        (["setup.py"], "not a wheel's name"),
        (["docs"], "there is no wheel in this directory"),
    ],
)
def test_wrong_arguments_are_refused_in_one_line(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(ROOT)
    with pytest.raises(UserError, match=message) as caught:
        run.main(arguments, here())
    assert "\n" not in str(caught.value)


def test_wheels_of_any_project_with_an_older_openssl_are_found(
    tmp_path: Path, extension: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    old = binary(tmp_path / "old.so", text="OpenSSL 1.1.1i  8 Dec 2020")
    tiny_wheels.wheel(tmp_path, old, name="other")
    tiny_wheels.wheel(tmp_path, extension)
    tiny_wheels.wheel(tmp_path, binary(tmp_path / "no.so", text="x"), name="zero")
    with pytest.raises(UserError, match=r"^1 of 3 contain OpenSSL older than 3\.5\.7$"):
        run.main(["--older-than", "3.5.7", str(tmp_path)], here())
    assert [line.partition(": ")[2] for line in capsys.readouterr().out.splitlines()] == [
        "OpenSSL 3.5.7 in _m2crypto.abi3.so",
        "OpenSSL 1.1.1i in _m2crypto.abi3.so, older than 3.5.7",
        "no OpenSSL",
    ]
    run.main(["--older-than", "1.1.1", str(tmp_path)], here())


@pytest.mark.skipif(not INTEL, reason="this system has no x86-64 processor")
def test_a_good_wheel_passes_every_check(
    tmp_path: Path, extension: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tiny_wheels.wheel(tmp_path, extension)
    run.main([str(path)], here())
    name, *lines = capsys.readouterr().out.splitlines()
    assert name == path.name
    assert {line.split()[1]: line.split()[0] for line in lines} == dict.fromkeys(
        checks.CHECKS, "ok"
    )


def test_the_number_of_failed_wheels_is_the_last_line(
    tmp_path: Path, extension: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tiny_wheels.wheel(tmp_path, extension)

    def fails(*_: object) -> str:
        raise Fault("broken")

    monkeypatch.setattr(checks, "CHECKS", {"size": fails})
    with pytest.raises(UserError, match=rf"^1 of 1 wheels failed: {path.name}$"):
        run.main([str(path)], here())


def test_metadata_that_cannot_be_rendered_is_a_fault(make: Callable[..., Wheel]) -> None:
    text = tiny_wheels.METADATA.replace("text/markdown", "text/x-rst") + "\n`broken\n"
    with pytest.raises(Fault, match="twine"):
        checks.metadata(make(METADATA=text), here())


def test_a_file_that_does_not_belong_into_a_wheel_is_a_fault(
    tmp_path: Path, extension: bytes
) -> None:
    path = tiny_wheels.wheel(tmp_path, extension, **{"M2Crypto/__init__.pyc": "x"})
    with pytest.raises(Fault, match="check_wheel_contents: .*W001"):
        checks.contents(wheels.read(path), here())


@pytest.mark.parametrize(
    ("claimed", "needed", "covers"),
    [
        ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", True),
        ("manylinux2014_x86_64", "manylinux_2_17_x86_64", True),
        ("manylinux_2_28_x86_64", "manylinux_2_34_x86_64", False),
        ("manylinux_2_28_aarch64", "manylinux_2_17_x86_64", False),
        ("musllinux_1_2_x86_64", "manylinux_2_17_x86_64", False),
        ("manylinux_2_28_x86_64", "linux_x86_64", False),
    ],
)
def test_a_tag_must_cover_what_the_wheel_needs(
    make: Callable[..., Wheel],
    monkeypatch: pytest.MonkeyPatch,
    claimed: str,
    needed: str,
    covers: bool,
) -> None:
    monkeypatch.setattr(checks, "_tool", lambda *_: f'WARNING: x\n{{"overall_tag": "{needed}"}}')
    wheel = replace(make(), tags=tags(f"cp311-abi3-{claimed}"))
    if covers:
        assert checks.platform(wheel, here()) == f"needs {needed}"
    else:
        with pytest.raises(Fault, match=f"it is tagged {claimed}, but needs {needed}"):
            checks.platform(wheel, here())


def test_a_wheel_that_was_not_repaired_is_a_fault(make: Callable[..., Wheel]) -> None:
    wheel = make()
    with pytest.raises(Fault, match="linux_x86_64 is the tag of the computer that built it"):
        checks.platform(replace(wheel, tags=tags("cp311-abi3-linux_x86_64")), here())
    with pytest.raises(Skipped, match="win_amd64 is not Linux"):
        checks.platform(replace(wheel, tags=tags("cp311-abi3-win_amd64")), here())
    with pytest.raises(Skipped, match="for cp39 alone"):
        checks.abi(replace(wheel, tags=tags("cp39-cp39-win_amd64")), here())


def test_another_exported_name_is_a_fault(make: Callable[..., Wheel]) -> None:
    wheel = make()
    (good,) = wheel.binaries
    open_ = replace(good, exported=("PyInit__m2crypto", "SSL_new", "a", "b", "c"))
    with pytest.raises(Fault, match=r"exports SSL_new, a, b and 1 more, too"):
        checks.exports(replace(wheel, binaries=(open_,)), here())
    with pytest.raises(Fault, match="does not export PyInit__m2crypto"):
        checks.exports(replace(wheel, binaries=(replace(good, exported=()),)), here())
    with pytest.raises(Fault, match="there is no extension"):
        checks.exports(replace(wheel, binaries=()), here())


def test_weaknesses_and_size_are_faults(
    make: Callable[..., Wheel], monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = make()
    weak = replace(wheel.binaries[0], weaknesses=("an RPATH", "no stack protector"))
    with pytest.raises(Fault, match="so has an RPATH, no stack protector$"):
        checks.hardening(replace(wheel, binaries=(weak,)), here())
    monkeypatch.setattr(checks, "LARGEST", 1000)
    with pytest.raises(Fault, match="MB, more than 0"):
        checks.size(wheel, here())


def test_a_wheel_contains_one_openssl(make: Callable[..., Wheel]) -> None:
    wheel = make()
    (good,) = wheel.binaries
    linked = replace(good, openssl=(), needed=("libcrypto.so.3",))
    with pytest.raises(Fault, match="contains no OpenSSL, but needs libcrypto.so.3"):
        checks.openssl(replace(wheel, binaries=(linked,)), here())
    two = replace(good, openssl=("3.0.22", "3.5.7"))
    with pytest.raises(Fault, match="contains OpenSSL 3.0.22 and 3.5.7"):
        checks.openssl(replace(wheel, binaries=(two,)), here())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"licenses/OpenSSL/LICENSE.txt": None}, "OpenSSL/LICENSE.txt is not in .dist-info/lic"),
        ({"licenses/OpenSSL/LICENSE.txt": "none"}, "has the licence Apache-2.0"),
        ({"licenses/LICENSE": "none"}, "has the licence MIT"),
        (
            {"METADATA": tiny_wheels.METADATA.replace(" AND Apache-2.0", "")},
            "License-Expression is MIT, not MIT AND Apache-2.0",
        ),
    ],
)
def test_the_licences_of_both_are_required(
    make: Callable[..., Wheel], changes: dict[str, str | None], message: str
) -> None:
    with pytest.raises(Fault, match=message):
        checks.licences(make(**changes), here())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "there is no .dist-info/sboms/openssl.cdx.json"),
        ("{}", "the SBOM is not of CycloneDX 1.6"),
        (tiny_wheels.bom().replace('"name": "openssl"', '"name": "other"'), "0 components"),
        (tiny_wheels.bom("3.5.6"), "the SBOM says OpenSSL 3.5.6, but the wheel contains 3.5.7"),
        (tiny_wheels.bom().replace(":3.5.7:", ":3.5.70:"), "cpe is .*, not of 3.5.7"),
        (tiny_wheels.bom().replace("@3.5.7", "@3.5.6"), "purl is .*, not of 3.5.7"),
        (tiny_wheels.bom(sha256="0" * 64), "the SBOM says sha256 0000.*, and ci/matrix.toml a8c0"),
        (tiny_wheels.bom().replace("source-distribution", "website"), "does not have the sha256"),
    ],
)
def test_a_missing_or_wrong_sbom_is_a_fault(
    make: Callable[..., Wheel], text: str | None, message: str
) -> None:
    with pytest.raises(Fault, match=message):
        checks.bill(make(**{"sboms/openssl.cdx.json": text}), here())


@pytest.mark.parametrize(
    ("main", "message"),
    [
        (MAIN % (VERSION, "3.5.6", "3.5.7"), "module says OpenSSL 3.5.6, and the wheel has 3.5.7"),
        (MAIN % ("2.0", "3.5.7", "3.5.7"), "module says M2Crypto 2.0, and the wheel has 1.0"),
        (
            (MAIN % (VERSION, "3.5.7", "3.5.7")).replace("__file__", "'/lib/libcrypto.so.3'"),
            "it runs on the OpenSSL of .*/libcrypto.so.3",
        ),
        ("import nothing_here", "ModuleNotFoundError: No module named 'nothing_here'"),
    ],
)
def test_the_loaded_module_must_agree_with_the_wheel(
    make: Callable[..., Wheel], monkeypatch: pytest.MonkeyPatch, main: str, message: str
) -> None:
    def run_main(_: object, cwd: Path) -> str:
        code = main.replace("__file__", repr(str(cwd / "a.so")))
        return capture([sys.executable, "-I", "-c", code])

    capture = process.capture
    monkeypatch.setattr(environments, "create", lambda *_: Path("python"))
    monkeypatch.setattr(process, "capture", run_main)
    monkeypatch.setattr(checks, "interpreter_for", lambda *_: interpreters.describe(PYTHON))
    with pytest.raises(Fault, match=message):
        checks.loaded(make(main=main), here())


def test_a_wheel_for_another_computer_is_not_loaded(make: Callable[..., Wheel]) -> None:
    wheel = make()
    with pytest.raises(Skipped, match="this computer is not win_arm64"):
        checks.loaded(replace(wheel, tags=tags("cp311-abi3-win_arm64")), here())
    machine = platform.machine()
    with pytest.raises(Skipped, match="there is no Python here for cp27"):
        checks.loaded(replace(wheel, tags=tags(f"cp27-cp27m-linux_{machine}")), here())
