"""A prefix is built once; after a kill, damage or a concurrent run the cache stays usable."""

from __future__ import annotations

import hashlib
import io
import json
import os
import platform
import signal
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from subprocess import Popen

import pytest
from tiny_openssl import program, release_of, tiny_bytes, tiny_openssl, wait_for
from tiny_project import here

from ci import manifest, toolchain
from ci.errors import UserError
from ci.manifest import Build, Flags, Release, Variant
from ci.openssl import prefixes, sources
from ci.process import CommandError

Start = Callable[..., "Popen[str]"]


@pytest.fixture
def tally(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Return how often something was built."""
    path = tmp_path / "tally"
    monkeypatch.setenv("TALLY", str(path))
    return lambda: len(path.read_text().splitlines()) if path.exists() else 0


@pytest.fixture
def gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the file that builds wait for; `.reached` exists once they wait."""
    monkeypatch.setenv("GATE", str(tmp_path / "gate"))
    return tmp_path / "gate"


def tarfile_with_config(path: Path, script: str) -> Release:
    """Put a script before the tiny OpenSSL's config, which is a day old in 1970."""
    with tarfile.open(path) as archive:
        texts = {
            each.name: file.read().decode()
            for each in archive
            if (file := archive.extractfile(each))
        }
    config = "openssl-9.9.1/config"
    texts[config] = script + texts[config]
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as archive:
        for name, text in texts.items():
            member = tarfile.TarInfo(name)
            member.size, member.mtime = len(text.encode()), 86400
            archive.addfile(member, io.BytesIO(text.encode()))
    path.write_bytes(data.getvalue())
    return release_of(data.getvalue())


def reached(gate: Path) -> bool:
    return gate.with_suffix(".reached").exists()


def half_made(cache: Path) -> list[Path]:
    """Return the files in the cache that belong to no entry."""
    return [path for kind in ("prefixes", "sources") for path in cache.glob(f"{kind}/.making/*")]


def test_a_prefix_has_the_layout_of_an_openssl_installation(build: Build) -> None:
    prefix = prefixes.ensure([build], here())["9.9"]
    files = {str(path.relative_to(prefix)) for path in prefix.rglob("*") if path.is_file()}
    assert files == {
        ".seal.json",
        "LICENSE.txt",
        "include/openssl/opensslconf.h",
        "include/openssl/opensslv.h",
        "lib/libcrypto.a",
        "lib/libssl.a",
        "lib/pkgconfig/libcrypto.pc",
        "openssl.json",
    }
    source = json.loads((prefix / "openssl.json").read_text())
    assert (source["version"], source["sha256"]) == ("9.9.1", build.release.sha256)
    assert source["options"][0] == "no-shared"
    assert "./config" not in source["options"]
    described = (prefix / "lib" / "pkgconfig" / "libcrypto.pc").read_text()
    assert described.startswith("prefix=${pcfiledir}/../..\n")


def test_an_existing_prefix_is_reused(build: Build, tally: Callable[[], int], mirror: Path) -> None:
    first = prefixes.ensure([build], here())
    (mirror / "openssl-9.9.1.tar.gz").unlink()
    assert prefixes.ensure([build], here()) == first
    assert prefixes.find(build, here()) == first["9.9"]
    assert tally() == 1


def test_several_builds_are_built_and_named(build: Build, cache: Path) -> None:
    without = replace(build, variant=Variant("no-ec", ("no-ec",)))
    made = prefixes.ensure([build, without], here())
    assert list(made) == ["9.9", "9.9-no-ec"]
    assert "OPENSSL_NO_EC" in (made["9.9-no-ec"] / "include/openssl/opensslconf.h").read_text()
    assert sorted(log.name.partition("-")[0] for log in (cache / "logs").iterdir()) == ["9.9"] * 2


@pytest.fixture
def key(build: Build) -> Callable[[], str]:
    """Return the current key of the build."""

    def now() -> str:
        toolchain.compiler.cache_clear()
        prefixes._code.cache_clear()
        return prefixes._key(build)

    return now


def test_the_key_depends_on_the_build(build: Build) -> None:
    builds = [
        build,
        replace(build, variant=Variant("no-ec", ("no-ec",))),
        replace(build, release=replace(build.release, sha256="0" * 64)),
        replace(build, release=replace(build.release, series="3.0")),
    ]
    assert len({prefixes._key(each) for each in builds}) == len(builds)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OPENSSLDIR", Path("/etc/pki/tls")),
        ("COMPILED_IN", Path("/opt/other")),
        ("FLAGS", ("-O2",)),
        ("STAGED", "elsewhere"),
        ("_options", lambda build: ["no-shared"]),
        ("_settings", lambda: {"LC_ALL": "C.UTF-8"}),
        ("_commands", lambda build: {"compiling": ["make", "all"]}),
    ],
)
def test_the_key_depends_on_the_recipe(
    key: Callable[[], str], monkeypatch: pytest.MonkeyPatch, name: str, value: object
) -> None:
    before = key()
    monkeypatch.setattr(prefixes, name, value)
    assert key() != before


def arrange(self: prefixes._Making) -> None:
    """Keep everything where it was installed."""


@pytest.mark.parametrize(
    ("module", "name", "value"),
    [
        (prefixes._Making, "arrange", arrange),
        (sources, "UNPACKING", (arrange,)),
        (platform, "system", lambda: "Plan9"),
        (toolchain, "_assembler", lambda command: "GNU assembler 99"),
    ],
)
def test_the_key_depends_on_the_code_and_the_system(
    key: Callable[[], str],
    monkeypatch: pytest.MonkeyPatch,
    module: object,
    name: str,
    value: object,
) -> None:
    before = key()
    monkeypatch.setattr(module, name, value)
    assert key() != before


@pytest.mark.parametrize("name", ["CFLAGS", *prefixes.DECIDING])
def test_the_key_depends_on_the_environment_of_the_build(
    key: Callable[[], str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.delenv(name, raising=False)
    before = key()
    monkeypatch.setenv(name, "-g")
    assert key() != before


def test_the_key_depends_on_nothing_else(
    key: Callable[[], str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = key()
    for name in (*STRANGE, "HOME", "TMPDIR", "CCACHE_DIR"):
        monkeypatch.setenv(name, str(tmp_path))
    program(tmp_path / "programs" / "ccache", 'exec "$@"')
    assert key() == before


def commented(text: str) -> str:
    """Say hello."""
    # There is more to it than that,
    return f"hello {text!r:>9}"  # but not much.


plain = commented


def commented(  # type: ignore[no-redef]
    text: str,
) -> str:
    return f"hello {text!r:>9}"


bare = commented


def commented(text: str) -> str:  # type: ignore[no-redef]
    return f"hallo {text!r:>9}"


def test_the_digest_of_code_ignores_comments_and_layout() -> None:
    assert prefixes.code_of(plain) == prefixes.code_of(bare)
    assert prefixes.code_of(plain) != prefixes.code_of(commented)


def test_the_digest_of_code_is_the_same_for_every_python() -> None:
    # None of the fields that 3.12 (type_params) and others add, which ast.dump shows or not.
    text = json.dumps(prefixes.code_of(bare))
    assert "type_params" not in text
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == "ef530aef32f64213"


def test_a_damaged_prefix_is_detected_and_rebuilt(
    build: Build, tally: Callable[[], int], capsys: pytest.CaptureFixture[str]
) -> None:
    prefix = prefixes.ensure([build], here())["9.9"]
    (prefix / "lib" / "libssl.a").write_bytes(b"")
    assert prefixes.ensure([build], here())["9.9"] == prefix
    assert (prefix / "lib" / "libssl.a").stat().st_size > 0
    assert tally() == 2
    assert "is damaged (lib/libssl.a has changed its size): making it" in capsys.readouterr().err


def test_a_missing_tool_is_reported_before_any_download(
    build: Build, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path / "only" / "cc", 'exec /usr/bin/env PATH=/usr/bin:/bin cc "$@"')
    monkeypatch.setenv("PATH", str(tmp_path / "only"))
    with pytest.raises(UserError, match="there is no perl, there is no make; install with"):
        prefixes.ensure([build], here())
    assert not cache.exists()


def test_a_failed_build_shows_the_end_of_the_log_and_leaves_nothing(
    build: Build, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIL", "one.c:1: error: it is Monday")
    with pytest.raises(CommandError) as failed:
        prefixes.ensure([build], here())
    assert failed.value.log is not None
    assert str(failed.value.log) in str(failed.value)
    assert "  | one.c:1: error: it is Monday" in str(failed.value)
    assert "it is Monday" in failed.value.log.read_text()
    assert half_made(cache) == []
    assert prefixes.find(build, here()) is None


def test_a_full_disk_during_compilation_is_reported_as_a_full_disk(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIL", "cc: fatal error: one.o: No space left on device")
    with pytest.raises(UserError, match=r"^the disk is full: no room left for "):
        prefixes.ensure([build], here())


def test_a_source_of_another_release_is_refused_before_configure(
    mirror: Path, cache: Path, tally: Callable[[], int]
) -> None:
    (mirror / "openssl-9.9.1.tar.gz").write_bytes(tiny_openssl("9.9.2"))
    build = Build(release_of(tiny_bytes(mirror)), Variant("default", ()))
    with pytest.raises(
        UserError, match=r"holds openssl-9\.9\.2, not openssl-9\.9\.1: version, url"
    ):
        prefixes.ensure([build], here())
    assert half_made(cache) == []
    assert tally() == 0
    assert not (cache / "logs" / f"9.9-{prefixes._key(build)}.log").exists()


def test_headers_of_another_version_are_refused(mirror: Path, cache: Path) -> None:
    other = tiny_openssl("9.9.2", folder="openssl-9.9.1")
    (mirror / "openssl-9.9.1.tar.gz").write_bytes(other)
    build = Build(release_of(other), Variant("default", ()))
    with pytest.raises(
        UserError, match=r"build 9\.9: the headers are not those of OpenSSL 9\.9\.1"
    ):
        prefixes.ensure([build], here())
    assert half_made(cache) == []


def test_an_option_without_effect_is_refused(build: Build) -> None:
    without = replace(build, variant=Variant("no-rsa", ("no-rsa",)))
    with pytest.raises(UserError, match="the headers do not define OPENSSL_NO_RSA, which no-rsa"):
        prefixes.ensure([without], here())


def test_configure_options_exist_in_their_series() -> None:
    options = {
        build.name: " ".join(prefixes._options(build))
        for build in manifest.load(here().manifest).builds
    }
    assert options["1.1.1"] == "no-shared no-tests"
    assert options["3.0-no-ec"] == "no-shared no-tests no-module no-ec"
    assert options["4.0"] == "no-shared no-tests no-module no-apps no-docs"


@pytest.mark.parametrize("has", [True, False])
def test_only_the_wheels_have_the_fast_curves_that_the_compiler_can_compile(
    monkeypatch: pytest.MonkeyPatch, has: bool
) -> None:
    monkeypatch.setattr(toolchain, "has_128_bit_integers", lambda: has)
    known = manifest.load(here().manifest)
    assert known.wheels is not None
    fast = "enable-ec_nistp_64_gcc_128"
    assert (fast in prefixes._options(known.wheels.build)) is has
    assert not any(fast in prefixes._options(build) for build in known.builds)


@pytest.mark.parametrize(
    ("builds", "cores", "schedule"),
    [(1, 1, (1, 1)), (1, 2, (1, 2)), (2, 2, (2, 2)), (10, 4, (2, 3)), (10, 16, (4, 5))],
)
def test_parallel_builds_share_the_cores(
    builds: int, cores: int, schedule: tuple[int, int]
) -> None:
    assert prefixes._schedule(builds, cores) == schedule


def test_compiled_objects_are_counted_in_the_output_of_make() -> None:
    printed = """ccache gcc  -I. -Iinclude -fPIC -O1 -MMD -MF a/x.d.tmp -MT a/x.o -c -o a/x.o a/x.c
    CC="cc" perl a/y.pl elf a/y.s
    cc -O1 -c -o a/y.o a/y.s
    ar r libcrypto.a a/x.o a/y.o"""
    assert prefixes._objects(printed) == {"a/x.o", "a/y.o"}


def test_each_selected_build_is_printed_with_its_prefix(start: Start, cache: Path) -> None:
    child = start("openssl", "9.9-no-ec", "9.9", "9.9")
    out, err = child.communicate()
    assert child.returncode == 0, err
    lines = [line.split() for line in out.splitlines()]
    assert [name for name, _ in lines] == ["9.9-no-ec", "9.9"]
    for name, prefix in lines:
        assert Path(prefix).parent == cache / "prefixes"
        assert Path(prefix).name.startswith(f"{name}-")
        assert (Path(prefix) / "lib" / "libcrypto.a").is_file()


def test_without_arguments_all_builds_are_built(start: Start) -> None:
    out, _ = start("openssl").communicate()
    assert [line.split()[0] for line in out.splitlines()] == ["9.9", "9.9-no-ec"]


def test_an_unknown_build_is_reported_in_one_line_and_builds_nothing(
    start: Start, cache: Path
) -> None:
    child = start("openssl", "9.9", "9.9-noec")
    out, err = child.communicate()
    assert (child.returncode, out) == (1, "")
    assert err == "error: unknown OpenSSL build '9.9-noec': did you mean '9.9-no-ec'?\n"
    assert not cache.exists()


def test_a_disk_without_space_for_the_tarball_is_reported_in_one_line(
    start: Start, cache: Path
) -> None:
    child = start("openssl", "9.9", limit=2048)
    _, err = child.communicate()
    assert child.returncode == 1
    assert err.startswith("error: the disk is full: no room left for ")
    assert err.count("\n") == 1
    assert half_made(cache) == []


def test_two_concurrent_runs_share_a_build(
    start: Start, gate: Path, tally: Callable[[], int], tmp_path: Path
) -> None:
    first = start("openssl", "9.9")
    wait_for(lambda: reached(gate))
    second = start("openssl", "9.9")
    assert second.stderr is not None
    assert second.stderr.readline() == (
        f"9.9: waiting for process {first.pid}, which is making it\n"
    )
    gate.touch()
    assert first.communicate()[0] == second.communicate()[0] != ""
    assert tally() == 1


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_killed_run_leaves_a_usable_cache(
    start: Start, gate: Path, cache: Path, tally: Callable[[], int], signum: signal.Signals
) -> None:
    first = start("openssl", "9.9")
    wait_for(lambda: reached(gate))
    first.send_signal(signum)
    out, err = first.communicate()
    assert out == ""
    assert list((cache / "prefixes").glob("9.9-*")) == []
    if signum is not signal.SIGKILL:
        assert first.returncode == 128 + signum
        assert [line for line in err.splitlines() if line.startswith("error: ")] == [
            err.splitlines()[-1]
        ]
        assert half_made(cache) == []
    gate.touch()
    second = start("openssl", "9.9")
    out, err = second.communicate()
    assert second.returncode == 0, err
    assert Path(out.split()[1], "lib", "libcrypto.a").is_file()
    assert half_made(cache) == []
    assert tally() == 2


def test_a_waiting_run_takes_over_from_a_killed_one(
    start: Start, gate: Path, tally: Callable[[], int]
) -> None:
    first = start("openssl", "9.9")
    wait_for(lambda: reached(gate))
    second = start("openssl", "9.9")
    assert second.stderr is not None
    assert "waiting for process" in second.stderr.readline()
    first.kill()
    gate.touch()
    assert second.communicate()[0].startswith("9.9 ")
    assert tally() == 2


# Variables that Configure, make, the compiler, the linker or perl read.
STRANGE = (
    *("AR", "ARFLAGS", "AS", "ASFLAGS", "CPP", "CPPFLAGS", "CROSS_COMPILE", "CXX", "LD", "LDFLAGS"),
    *("LDLIBS", "LDSHARED", "RANLIB", "RC", "PERL", "PERL5LIB", "PERL5OPT", "HASHBANGPERL"),
    *("MAKEFLAGS", "MAKEFILES", "MFLAGS", "GNUMAKEFLAGS", "CONFIG_OPTIONS", "MACHINE", "RELEASE"),
    *("SYSTEM", "VERSION", "KERNEL_BITS", "BUILDFILE", "OPENSSL_LOCAL_CONFIG_DIR", "__CNF_CFLAGS"),
    *("CPATH", "C_INCLUDE_PATH", "LIBRARY_PATH", "COMPILER_PATH", "GCC_EXEC_PREFIX", "LD_RUN_PATH"),
    *("SOURCE_DATE_EPOCH", "DESTDIR", "prefix"),
)


def test_only_the_users_compiler_flags_reach_configure(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in STRANGE:
        monkeypatch.setenv(name, "strange")
    monkeypatch.setenv("CFLAGS", "-g -Wall")
    monkeypatch.setenv("SDKROOT", "/sdk")
    configure = prefixes._commands(build)["configuring"]
    assert configure[configure.index("-O1") :][:3] == ["-O1", "-g", "-Wall"]
    environment = prefixes._environment(build)
    assert not {"CFLAGS", *STRANGE} & set(environment)
    assert environment["PATH"] == os.environ["PATH"]
    assert environment["SDKROOT"] == "/sdk"
    assert environment["LC_ALL"] == "C"


def test_a_release_build_has_upstreams_optimisation_and_the_flags_of_the_wheel_alone(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CFLAGS", "-g -Wall")
    ccache = toolchain.Compiler(("cc",), "cc 1", "", "Linux x86_64-linux-gnu")
    monkeypatch.setattr(toolchain, "compiler", lambda: ccache)
    monkeypatch.setattr(toolchain.Compiler, "cached", ("ccache", "cc"))
    flags = Flags("wheel", cflags=("-g0", "-O3"), upstream=True, optional=("-fno-such", "-fPIC"))
    wheel = replace(build, flags=flags)
    assert wheel.name == "9.9-wheel"
    configure = prefixes._commands(wheel)["configuring"]
    assert not {"-O1", "-g", "-Wall", "-fno-such"} & set(configure)
    # The optimisation is upstream's.
    assert configure[configure.index("-g0") :][:2] == ["-g0", "-fPIC"]
    assert "-O3" not in configure
    assert prefixes._environment(build)["CC"] == "ccache cc"
    # OpenSSL_version(3) gives it.
    assert prefixes._environment(wheel)["CC"] == "cc"


def test_openssl_is_built_at_the_time_of_its_release(build: Build, mirror: Path) -> None:
    script = '#!/bin/sh\necho "/* $SOURCE_DATE_EPOCH */" > include/openssl/moment.h\n'
    release = tarfile_with_config(mirror / "openssl-9.9.1.tar.gz", script)
    prefix = prefixes.ensure([replace(build, release=release)], here())["9.9"]
    assert (prefix / "include" / "openssl" / "moment.h").read_text() == "/* 86400 */\n"


def test_an_unusable_cache_is_reported_in_one_line(start: Start, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    child = start("openssl", "9.9", M2CRYPTO_CACHE=str(tmp_path / "file"))
    out, err = child.communicate()
    assert (child.returncode, out) == (1, "")
    assert err.startswith("error: the cache cannot be used: Not a directory: ")
    assert err.count("\n") == 1


def test_the_path_of_the_cache_may_contain_a_space(
    build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("M2CRYPTO_CACHE", str(tmp_path / "a cache"))
    assert prefixes.ensure([build], here())["9.9"].is_relative_to(tmp_path / "a cache")
