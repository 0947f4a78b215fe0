"""setup.py finds OpenSSL and reads its version and features from the headers."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ci import extension
from ci.extension import BuildError, OpenSSL

HEADER = """
#define OPENSSL_VERSION_NUMBER ( (3<<28)|(5<<20)|(7<<4)|0x0L )
#define OPENSSL_VERSION_TEXT "OpenSSL 3.5.7"
#define OPENSSL_NO_EC
#define NID_commonName 13
#define NID_old NID_that_nobody_defines
#define SSL_OP_BIT(n) ((uint64_t)1 << (uint64_t)n)
#define SSL_OP_NO_TICKET SSL_OP_BIT(14)
#define SSL_OP_ALL (SSL_OP_NO_TICKET | 0x80000000U)
#ifdef OPENSSL_NO_DEPRECATED
#define X509_V_OK 0
#else
#define X509_V_DEPRECATED 1
#endif
#define SOMETHING_ELSE 5
#undef XN_FLAG_GONE
typedef struct evp_md_st EVP_MD;
const EVP_MD *EVP_sha256(void);
const EVP_MD
  *EVP_sha3_256(void);
int EVP_MD_size(const EVP_MD *md);
"""


@pytest.fixture
def openssl(tmp_path: Path) -> OpenSSL:
    """Return an OpenSSL of headers only."""
    folder = tmp_path / "prefix" / "include" / "openssl"
    folder.mkdir(parents=True)
    for name in extension.HEADERS:
        text = HEADER if name == "opensslv" else "#include <openssl/opensslv.h>\n"
        (folder / f"{name}.h").write_text(f"#pragma once\n{text}")
    return OpenSSL((str(folder.parent),), (), True, "here")


def names(openssl: OpenSSL, tmp_path: Path) -> extension.Names:
    return extension.read_names(["cc"], openssl, tmp_path)


def test_the_sizes_of_integers_are_read_from_the_headers(openssl: OpenSSL, tmp_path: Path) -> None:
    found = names(openssl, tmp_path)
    assert set(found.constants) == {
        "NID_commonName",
        "OPENSSL_NO_EC",
        "OPENSSL_VERSION_NUMBER",
        "SSL_OP_ALL",
        "SSL_OP_NO_TICKET",
        "X509_V_OK",
    }


def test_the_version_and_the_switches_are_read_from_the_headers(
    openssl: OpenSSL, tmp_path: Path
) -> None:
    found = names(openssl, tmp_path)
    assert found.version == 0x30500070
    assert ("EVP_MD", "EVP_sha256") in found.algorithms
    assert ("EVP_MD", "EVP_sha3_256") in found.algorithms


def test_swig_receives_the_version_and_the_switches(openssl: OpenSSL, tmp_path: Path) -> None:
    command = extension.swig_command("swig", names(openssl, tmp_path), tmp_path)
    assert "-DOPENSSL_VERSION_NUMBER=0x30500070" in command
    assert "-DOPENSSL_NO_EC=1" in command


def test_the_interface_exports_the_switches(openssl: OpenSSL, tmp_path: Path) -> None:
    lines = extension.interface_of(names(openssl, tmp_path)).splitlines()
    assert "%constant long long NID_commonName = NID_commonName;" in lines
    # Quoted and renamed, because SWIG expands macros of the command line.
    assert '%rename("OPENSSL_NO_EC") m2_OPENSSL_NO_EC;' in lines
    assert "const EVP_MD *EVP_sha256(void);" in lines


def test_an_unset_switch_is_exported_as_0(openssl: OpenSSL, tmp_path: Path) -> None:
    found = names(openssl, tmp_path)
    lines = extension.interface_of(found).splitlines()
    assert "%constant long long OPENSSL_NO_DSA = 0;" in lines
    assert "%constant long long OPENSSL_NO_EC = 0;" not in lines
    # SWIG treats any value as defined, so the macro is not passed.
    assert not any("OPENSSL_NO_DSA" in part for part in extension.swig_command("", found, tmp_path))


def test_an_openssl_that_is_too_old_is_refused(openssl: OpenSSL, tmp_path: Path) -> None:
    header = Path(openssl.include_dirs[0]) / "openssl" / "opensslv.h"
    header.write_text("#define OPENSSL_VERSION_NUMBER 0x1000214fL\n")
    with pytest.raises(BuildError, match="here is older than 1.1.1"):
        names(openssl, tmp_path)


def test_headers_that_do_not_compile_are_reported_with_the_compiler_message(
    openssl: OpenSSL, tmp_path: Path
) -> None:
    header = Path(openssl.include_dirs[0]) / "openssl" / "opensslv.h"
    header.write_text("#error not for this machine\n")
    with pytest.raises(
        BuildError, match="cc cannot preprocess OpenSSL.s headers: .*not for this machine"
    ):
        names(openssl, tmp_path)


@pytest.mark.parametrize(
    ("program", "why"), [("/none/such", "No such file"), ("/etc/passwd", "Permission denied")]
)
def test_a_program_that_cannot_run_is_reported_with_its_variable(
    openssl: OpenSSL, tmp_path: Path, program: str, why: str
) -> None:
    with pytest.raises(BuildError, match=f"^{program} cannot be run: {why}.* set CC to another"):
        extension.read_names([program], openssl, tmp_path)
    with pytest.raises(BuildError, match=f"^{program} cannot be run: {why}.* set PKG_CONFIG to"):
        extension.find_openssl({"PKG_CONFIG": program})
    with pytest.raises(BuildError, match=f"^{program} cannot be run: {why}.* set SWIG to another"):
        extension.find_swig({"SWIG": program})


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0x30500070, "3.5.7"),
        (0x40000020, "4.0.2"),
        (0x1010117F, "1.1.1w"),
        (0x1010100F, "1.1.1"),
    ],
)
def test_a_version_number_is_formatted_as_openssl_does(number: int, text: str) -> None:
    assert extension.version_text(number) == text


def test_a_prefix_with_archives_is_linked_statically(openssl: OpenSSL, tmp_path: Path) -> None:
    prefix = tmp_path / "prefix"
    (prefix / "lib").mkdir()
    for name in ("libssl.a", "libcrypto.a"):
        (prefix / "lib" / name).touch()
    found = extension.find_openssl({"OPENSSL_DIR": str(prefix)})
    assert found.static
    assert found.link_args[:2] == (
        str(prefix / "lib" / "libssl.a"),
        str(prefix / "lib" / "libcrypto.a"),
    )
    assert found.include_dirs == (str(prefix / "include"),)


def test_a_prefix_with_shared_libraries_is_linked_to_them(openssl: OpenSSL, tmp_path: Path) -> None:
    lib = tmp_path / "prefix" / "lib64"
    lib.mkdir()
    (lib / "libcrypto.so.3").touch()
    found = extension.find_openssl({"OPENSSL_DIR": str(tmp_path / "prefix")})
    assert not found.static
    assert f"-Wl,-rpath,{lib}" in found.link_args


def test_a_directory_that_is_not_a_prefix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"OPENSSL_DIR: .* has no include/openssl/opensslv.h"):
        extension.find_openssl({"OPENSSL_DIR": str(tmp_path)})


def test_headers_without_libraries_are_refused(openssl: OpenSSL, tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="has no libssl and libcrypto in lib or lib64"):
        extension.find_openssl({"OPENSSL_DIR": str(tmp_path / "prefix")})


@pytest.mark.parametrize("script", ["exit 1", None])
def test_a_missing_openssl_is_reported_with_the_remedy(
    tmp_path: Path, script: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    if script is not None:
        (tmp_path / "pkg-config").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "pkg-config").chmod(0o755)
    with pytest.raises(
        BuildError, match="no OpenSSL: .*set OPENSSL_DIR.*apt-get install"
    ) as refused:
        extension.find_openssl({})
    assert "\n" not in str(refused.value)


def test_without_a_prefix_pkg_config_finds_openssl(tmp_path: Path) -> None:
    program = tmp_path / "pkg-config"
    program.write_text(
        "#!/bin/sh\ncase $1 in --libs) echo -lssl -lcrypto;; *) echo -I/some;; esac\n"
    )
    program.chmod(0o755)
    found = extension.find_openssl({"PKG_CONFIG": str(program)})
    assert found == OpenSSL(("/some",), ("-lssl", "-lcrypto"), False, "pkg-config")


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("SWIG Version 4.3.1", "SWIG 4.3.1 is too old"),
        ("nothing", "prints no version"),
    ],
)
def test_an_unsuitable_swig_is_refused(tmp_path: Path, output: str, message: str) -> None:
    program = tmp_path / "swig"
    program.write_text(f"#!/bin/sh\necho {output}\n")
    program.chmod(0o755)
    with pytest.raises(BuildError, match=message):
        extension.find_swig({"SWIG": str(program)})


def test_an_extension_that_does_not_import_is_refused(tmp_path: Path) -> None:
    broken = tmp_path / "_m2crypto.so"
    broken.write_bytes(b"no library")
    with pytest.raises(BuildError, match="was linked but does not import: ImportError"):
        extension.check_extension(broken, {}, tmp_path)


def test_headers_and_a_library_of_different_versions_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extension, "CHECK", "print('0x30500070 0x30000160')")
    with pytest.raises(BuildError, match="headers are 3.5.7 but its library is 3.0.22"):
        extension.check_extension(tmp_path / "any", {}, tmp_path)


@pytest.mark.parametrize(
    ("cflags", "debugging"),
    [("", False), ("-O2", False), ("-O2 -g", True), ("-g3 -O0", True), ("-g -O3 -g0", False)],
)
def test_debugging_information_is_for_those_who_request_it(cflags: str, debugging: bool) -> None:
    assert extension.wants_debugging({"CFLAGS": cflags}) is debugging
    flags = extension.compile_args(coverage=False, debugging=debugging)
    assert ("-g0" in flags) is not debugging
    linked = OpenSSL((), ("-lssl",), False, "here")
    arguments = extension.link_args(linked, coverage=False, debugging=debugging)
    assert ("-Wl,--strip-all" in arguments) is (sys.platform == "linux" and not debugging)


def test_an_instrumented_extension_keeps_its_symbols() -> None:
    linked = OpenSSL((), ("-lssl",), False, "here")
    arguments = extension.link_args(linked, coverage=True, debugging=False)
    assert "-Wl,--strip-all" not in arguments


def test_an_extension_that_contains_openssl_has_no_run_path() -> None:
    command = ["gcc", "-shared", "-L/py/lib", "-Wl,-rpath,/py/lib", "-Wl,-R/py", "-Wl,-z,now"]
    assert extension.without_run_path(command) == ["gcc", "-shared", "-L/py/lib", "-Wl,-z,now"]


@pytest.mark.skipif(sys.platform != "linux", reason="flags of the linker of ELF")
def test_an_extension_has_full_relro_and_no_executable_stack() -> None:
    args = extension.link_args(OpenSSL((), ("a.a",), True, ""), coverage=False, debugging=False)
    assert "-Wl,-z,relro,-z,now,-z,noexecstack" in args
