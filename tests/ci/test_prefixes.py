"""A build becomes a prefix once; killed, damaged or shared, the next run uses the cache rightly."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from subprocess import Popen

import pytest
from tiny_openssl import program, release_of, tiny_bytes, tiny_openssl, wait_for
from tiny_project import here

from ci import manifest, toolchain
from ci.errors import UserError
from ci.manifest import Build, Variant
from ci.openssl import prefixes, sources
from ci.process import CommandError

Start = Callable[..., "Popen[str]"]


@pytest.fixture
def tally(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """How often something was really built."""
    path = tmp_path / "tally"
    monkeypatch.setenv("TALLY", str(path))
    return lambda: len(path.read_text().splitlines()) if path.exists() else 0


@pytest.fixture
def gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the builds that are started wait for, in the middle; `.reached` says they do."""
    monkeypatch.setenv("GATE", str(tmp_path / "gate"))
    return tmp_path / "gate"


def reached(gate: Path) -> bool:
    return gate.with_suffix(".reached").exists()


def half_made(cache: Path) -> list[Path]:
    """What lies about in the cache and is no entry."""
    return [path for kind in ("prefixes", "sources") for path in cache.glob(f"{kind}/.making/*")]


def test_a_prefix_is_laid_out_as_openssls_own(build: Build) -> None:
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
    }
    described = (prefix / "lib" / "pkgconfig" / "libcrypto.pc").read_text()
    assert described.startswith("prefix=${pcfiledir}/../..\n")


def test_what_was_built_is_looked_up(build: Build, tally: Callable[[], int], mirror: Path) -> None:
    first = prefixes.ensure([build], here())
    (mirror / "openssl-9.9.1.tar.gz").unlink()
    assert prefixes.ensure([build], here()) == first
    assert prefixes.find(build, here()) == first["9.9"]
    assert tally() == 1


def test_several_are_built_and_named(build: Build, cache: Path) -> None:
    without = replace(build, variant=Variant("no-ec", ("no-ec",)))
    made = prefixes.ensure([build, without], here())
    assert list(made) == ["9.9", "9.9-no-ec"]
    assert "OPENSSL_NO_EC" in (made["9.9-no-ec"] / "include/openssl/opensslconf.h").read_text()
    assert sorted(log.name.partition("-")[0] for log in (cache / "logs").iterdir()) == ["9.9"] * 2


@pytest.fixture
def key(build: Build) -> Callable[[], str]:
    """The key that the build has now."""

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
    """Leave everything where it was installed."""


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
def test_the_key_depends_on_the_variables_that_reach_a_build(
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


def test_code_is_the_same_but_for_comments_and_layout() -> None:
    assert prefixes.code_of(plain) == prefixes.code_of(bare)
    assert prefixes.code_of(plain) != prefixes.code_of(commented)


def test_code_is_read_alike_by_every_python() -> None:
    # None of the fields that 3.12 (type_params) and others add, which ast.dump shows or not.
    text = json.dumps(prefixes.code_of(bare))
    assert "type_params" not in text
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == "ef530aef32f64213"


def test_a_damaged_prefix_is_noticed_and_rebuilt(
    build: Build, tally: Callable[[], int], capsys: pytest.CaptureFixture[str]
) -> None:
    prefix = prefixes.ensure([build], here())["9.9"]
    (prefix / "lib" / "libssl.a").write_bytes(b"")
    assert prefixes.ensure([build], here())["9.9"] == prefix
    assert (prefix / "lib" / "libssl.a").stat().st_size > 0
    assert tally() == 2
    assert "is damaged (lib/libssl.a has changed its size): making it" in capsys.readouterr().err


def test_a_missing_tool_is_said_before_anything_is_fetched(
    build: Build, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path / "only" / "cc", 'exec /usr/bin/env PATH=/usr/bin:/bin cc "$@"')
    monkeypatch.setenv("PATH", str(tmp_path / "only"))
    with pytest.raises(UserError, match="there is no perl, there is no make; install with"):
        prefixes.ensure([build], here())
    assert not cache.exists()


def test_a_build_that_fails_shows_the_logs_last_lines_and_leaves_nothing(
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


def test_a_full_disk_that_the_compiler_meets_is_said_to(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIL", "cc: fatal error: one.o: No space left on device")
    with pytest.raises(UserError, match=r"^the disk is full: no room left for "):
        prefixes.ensure([build], here())


def test_a_release_that_is_another_is_refused_before_it_is_configured(
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


def test_options_are_those_that_each_series_knows() -> None:
    options = {
        build.name: " ".join(prefixes._options(build))
        for build in manifest.load(here().manifest).builds
    }
    assert options["1.1.1"] == "no-shared no-tests"
    assert options["3.0-no-ec"] == "no-shared no-tests no-module no-ec"
    assert options["4.0"] == "no-shared no-tests no-module no-apps no-docs"


@pytest.mark.parametrize(
    ("builds", "cores", "schedule"),
    [(1, 1, (1, 1)), (1, 2, (1, 2)), (2, 2, (2, 2)), (10, 4, (2, 3)), (10, 16, (4, 5))],
)
def test_cores_are_shared_by_the_builds(builds: int, cores: int, schedule: tuple[int, int]) -> None:
    assert prefixes._schedule(builds, cores) == schedule


def test_objects_are_counted_in_what_make_prints() -> None:
    printed = """ccache gcc  -I. -Iinclude -fPIC -O1 -MMD -MF a/x.d.tmp -MT a/x.o -c -o a/x.o a/x.c
    CC="cc" perl a/y.pl elf a/y.s
    cc -O1 -c -o a/y.o a/y.s
    ar r libcrypto.a a/x.o a/y.o"""
    assert prefixes._objects(printed) == {"a/x.o", "a/y.o"}


def test_each_build_named_is_printed_with_its_prefix(start: Start, cache: Path) -> None:
    child = start("openssl", "9.9-no-ec", "9.9", "9.9")
    out, err = child.communicate()
    assert child.returncode == 0, err
    lines = [line.split() for line in out.splitlines()]
    assert [name for name, _ in lines] == ["9.9-no-ec", "9.9"]
    for name, prefix in lines:
        assert Path(prefix).parent == cache / "prefixes"
        assert Path(prefix).name.startswith(f"{name}-")
        assert (Path(prefix) / "lib" / "libcrypto.a").is_file()


def test_none_named_builds_all(start: Start) -> None:
    out, _ = start("openssl").communicate()
    assert [line.split()[0] for line in out.splitlines()] == ["9.9", "9.9-no-ec"]


def test_an_unknown_build_is_one_line_and_builds_nothing(start: Start, cache: Path) -> None:
    child = start("openssl", "9.9", "9.9-noec")
    out, err = child.communicate()
    assert (child.returncode, out) == (1, "")
    assert err == "error: unknown OpenSSL build '9.9-noec': did you mean '9.9-no-ec'?\n"
    assert not cache.exists()


def test_a_disk_without_room_for_the_tarball_is_one_line(start: Start, cache: Path) -> None:
    child = start("openssl", "9.9", limit=2048)
    _, err = child.communicate()
    assert child.returncode == 1
    assert err.startswith("error: the disk is full: no room left for ")
    assert err.count("\n") == 1
    assert half_made(cache) == []


def test_two_runs_at_once_share_a_build(
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
def test_a_run_ended_in_the_middle_leaves_a_cache_that_the_next_uses_rightly(
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


def test_one_who_waits_takes_over_from_one_who_is_killed(
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


# What Configure, make, the compiler, the linker and perl read, each of which could change a build.
STRANGE = (
    *("AR", "ARFLAGS", "AS", "ASFLAGS", "CPP", "CPPFLAGS", "CROSS_COMPILE", "CXX", "LD", "LDFLAGS"),
    *("LDLIBS", "LDSHARED", "RANLIB", "RC", "PERL", "PERL5LIB", "PERL5OPT", "HASHBANGPERL"),
    *("MAKEFLAGS", "MAKEFILES", "MFLAGS", "GNUMAKEFLAGS", "CONFIG_OPTIONS", "MACHINE", "RELEASE"),
    *("SYSTEM", "VERSION", "KERNEL_BITS", "BUILDFILE", "OPENSSL_LOCAL_CONFIG_DIR", "__CNF_CFLAGS"),
    *("CPATH", "C_INCLUDE_PATH", "LIBRARY_PATH", "COMPILER_PATH", "GCC_EXEC_PREFIX", "LD_RUN_PATH"),
    *("SOURCE_DATE_EPOCH", "DESTDIR", "prefix"),
)


def test_the_users_flags_reach_configure_and_nothing_else_does(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in STRANGE:
        monkeypatch.setenv(name, "strange")
    monkeypatch.setenv("CFLAGS", "-g -Wall")
    monkeypatch.setenv("SDKROOT", "/sdk")
    configure = prefixes._commands(build)["configuring"]
    assert configure[configure.index("-O1") :][:3] == ["-O1", "-g", "-Wall"]
    environment = prefixes._environment()
    assert not {"CFLAGS", *STRANGE} & set(environment)
    assert environment["PATH"] == os.environ["PATH"]
    assert environment["SDKROOT"] == "/sdk"
    assert environment["LC_ALL"] == "C"


def test_a_cache_that_cannot_be_used_is_one_line(start: Start, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    child = start("openssl", "9.9", M2CRYPTO_CACHE=str(tmp_path / "file"))
    out, err = child.communicate()
    assert (child.returncode, out) == (1, "")
    assert err.startswith("error: the cache cannot be used: Not a directory: ")
    assert err.count("\n") == 1


def test_a_cache_may_have_a_space_in_its_name(
    build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("M2CRYPTO_CACHE", str(tmp_path / "a cache"))
    assert prefixes.ensure([build], here())["9.9"].is_relative_to(tmp_path / "a cache")
