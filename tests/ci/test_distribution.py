"""The sdist, the release wheels and their cells."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tiny_cells import MANIFEST, PLAIN, SERIES
from tiny_openssl import program
from tiny_project import here

from ci import interpreters, manifest, process, toolchain, wheels
from ci.audit import run as audit
from ci.distribution import cells, engine, host, listed, main, reproduce, source
from ci.distribution.request import Request
from ci.errors import UserError
from ci.manifest import Flags, Wheels
from ci.matrix import results
from ci.matrix.machine import Machine, this_platform
from ci.openssl import prefixes, sources
from ci.project import ROOT, Project
from ci.report import report
from ci.report.gather import gather

FLAGS = Flags("wheel", cflags=("-O1", "-g0"), upstream=True)
WHEELS = Wheels(replace(PLAIN, flags=FLAGS), FLAGS, (SERIES,), ("manylinux_x86_64",))
GROUPS = 'tests = ["pytest", "pytest-timeout", "coverage"]'


@pytest.mark.parametrize("platform", ["linux", "macos", "windows"])
def test_cibuildwheel_builds_what_the_manifest_lists(platform: str) -> None:
    pytest.importorskip("cibuildwheel")
    kinds = {"linux": "linux_", "macos": "macosx_", "windows": "win_"}
    known = manifest.load(here().manifest).wheels
    assert known
    planned = [each for each in known.identifiers if kinds[platform] in each]
    own = {name: value for name, value in os.environ.items() if not name.startswith("CIBW_")}
    command = ["-m", "cibuildwheel", "--print-build-identifiers", "--platform", platform, "."]
    printed = subprocess.run(
        [sys.executable, *command], cwd=ROOT, env=own, capture_output=True, text=True, check=True
    ).stdout.split()
    assert sorted(printed) == sorted(planned)
    assert len(planned) == len(known.pythons) * sum(kinds[platform] in tag for tag in known.tags)


def git(root: Path, *arguments: str) -> None:
    settings = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    subprocess.run(["git", "-C", root, *settings, *arguments], check=True, capture_output=True)


@pytest.fixture
def committed(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Return the tiny project in a repository, with a manifest that has wheels."""
    pytest.importorskip("auditwheel")
    pyproject = project.root / "pyproject.toml"
    pyproject.write_text(pyproject.read_text().replace(GROUPS, f"{GROUPS}\nbuild = ['build']"))
    (project.root / "MANIFEST.in").write_text("graft tests\n")
    (project.root / ".gitignore").write_text("/coverage/results/\n/dist/\n")
    monkeypatch.setattr(manifest, "load", lambda _: replace(MANIFEST, wheels=WHEELS))
    found = {SERIES: interpreters.describe(Path(sys.executable))}
    monkeypatch.setattr(interpreters, "installed", lambda _: found)
    # What the audit finds in a wheel is the subject of test_audit.py.
    monkeypatch.setattr(audit, "main", lambda *_: None)
    monkeypatch.setenv("GIT_COMMITTER_DATE", "2026-01-02T03:04:05Z")
    git(project.root, "init", "-q")
    git(project.root, "add", "-A")
    git(project.root, "commit", "-q", "-m", "a")
    return here(project.root)


@pytest.fixture
def reported(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the list that receives the cells in a report."""
    ids: list[str] = []

    def make(*_: object, logged: set[str]) -> list[str]:
        ids.extend(logged)
        return []

    monkeypatch.setattr(report, "make", make)
    return ids


def test_the_wheel_of_the_sdist_passes_its_cell_and_stands_in_dist(
    committed: Project, reported: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    stale = committed.root / "dist" / "m2crypto-0-cp39-cp39-linux_x86_64.whl"
    stale.parent.mkdir()
    for path in (stale, stale.with_name("other-1.whl")):
        path.touch()

    main.main(["--host"], committed)

    made = sorted(path.name for path in stale.parent.iterdir())
    assert made[1:] == ["m2crypto-1.tar.gz", "other-1.whl"]
    assert re.fullmatch(r"m2crypto-1-cp\d+-cp\d+-manylinux\S+_\w+\.whl", made[0])
    assert reported == [f"py{SERIES}-openssl3.5-wheel"]
    known = replace(MANIFEST, wheels=WHEELS)
    gathered = gather(known, None, committed, "quick")
    assert [each.expected.id for each in gathered.usable] == reported
    assert gathered.planned[-1].why == "a release wheel"
    result = results.read(committed.results / reported[0])
    assert result.expected.flags == ["wheel", "-O1", "-g0"]
    assert result.tests.passed == 2
    with zipfile.ZipFile(stale.parent / made[0]) as archive:
        (member,) = [each for each in archive.infolist() if each.filename.endswith(".so")]
        assert member.date_time == (2026, 1, 2, 3, 4, 4)
    with tarfile.open(stale.parent / made[1]) as archive:
        assert "m2crypto-1/tests/test_ec.py" in archive.getnames()
        assert {each.mtime for each in archive} == {1767323045}
    logged = capsys.readouterr().err
    assert "--host; building on the host" in logged
    assert f"{stale.parent / made[0]}: 0.0" in logged
    assert "differs from commit" not in logged


def test_a_wheel_whose_test_fails_is_not_put_into_dist(
    committed: Project, reported: list[str]
) -> None:
    test = committed.root / "tests" / "test_ec.py"
    test.write_text("def test_curve():\n    assert not 'right'\n")
    with pytest.raises(UserError, match=f"1 of 1 cells failed: py{SERIES}-openssl3.5-wheel"):
        main.main(["--host"], committed)
    assert not (committed.root / "dist").exists()


def test_the_tests_of_a_wheel_find_no_source_and_no_compiler(
    committed: Project, reported: list[str]
) -> None:
    (committed.root / "tests" / "test_ec.py").write_text(
        "import shutil\nfrom pathlib import Path\n"
        "def test_nothing_is_there():\n"
        "    assert not any(map(shutil.which, ['cc', 'gcc', 'clang', 'swig', 'make']))\n"
        "    assert sorted(each.name for each in Path(__file__).parents[1].iterdir()) == [\n"
        "        'bin', 'pyproject.toml', 'tests']\n"
    )
    git(committed.root, "commit", "-aqm", "b")
    main.main(["--host"], committed)
    assert results.read(committed.results / reported[0]).tests.passed == 1


def test_only_building_runs_no_test_and_two_builds_are_the_same_bytes(
    committed: Project, tmp_path: Path
) -> None:
    for name in ("one", "two"):
        main.main(["--host", f"--into={tmp_path / name}"], committed)
    reproduce.compare(tmp_path / "one", tmp_path / "two")
    assert not (committed.results / f"py{SERIES}-openssl3.5-wheel").exists()
    assert len(list((tmp_path / "one").iterdir())) == 2


def test_a_changed_checkout_is_built_and_named(
    committed: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (committed.root / "M2Crypto" / "new.py").touch()
    (committed.root / "M2Crypto" / "child.py").unlink()
    main.main(["--host", f"--into={tmp_path / 'into'}"], committed)
    assert re.search(
        r"the checkout differs from commit [0-9a-f]{12}, .*: M2Crypto/child\.py and 1 more",
        capsys.readouterr().err,
    )
    with tarfile.open(next((tmp_path / "into").glob("*.gz"))) as archive:
        assert "m2crypto-1/M2Crypto/new.py" in archive.getnames()
        assert "m2crypto-1/M2Crypto/child.py" not in archive.getnames()


def test_a_large_wheel_is_refused(
    committed: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(main, "LARGEST", 100)
    with pytest.raises(UserError, match=r"m2crypto-1-cp\S+\.whl: \d+ bytes, more than 100; "):
        main.main(["--host", f"--into={tmp_path / 'into'}"], committed)
    assert not (tmp_path / "into").exists()


def test_a_wheel_that_the_audit_refuses_is_not_put_into_dist(
    committed: Project, reported: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(paths: Sequence[str], _: Project) -> None:
        raise UserError(f"{len(paths)} of {len(paths)} wheels failed")

    monkeypatch.setattr(audit, "main", refuse)
    for arguments in (["--host"], ["--host", f"--into={tmp_path / 'into'}"]):
        with pytest.raises(UserError, match="1 of 1 wheels failed"):
            main.main(arguments, committed)
    assert not (committed.root / "dist").exists()
    assert not (tmp_path / "into").exists()


def test_the_wheels_of_an_sdist_are_those_of_its_commit(committed: Project, tmp_path: Path) -> None:
    main.main(["--host", f"--into={tmp_path / 'both'}"], committed)
    main.main(["--sdist", f"--into={tmp_path / 'sdist'}"], committed)
    (sdist,) = (tmp_path / "sdist").iterdir()
    main.main(["--host", f"--from={sdist.parent}", f"--into={tmp_path / 'from'}"], committed)
    reproduce.compare(tmp_path / "both", tmp_path / "from")
    with pytest.raises(UserError, match=r"--from=\S+/from/m2crypto-2\.tar\.gz: name one sdist, or"):
        main.main([f"--from={tmp_path / 'from' / 'm2crypto-2.tar.gz'}"], committed)


NAMES = (
    "m2crypto-1.tar.gz",
    "m2crypto-1-cp39-cp39-manylinux_2_17_x86_64.manylinux_2_28_x86_64.whl",
    "m2crypto-1-cp311-abi3-manylinux_2_28_x86_64.whl",
    "m2crypto-1-cp39-cp39-macosx_11_0_arm64.whl",
    "m2crypto-1-cp311-abi3-macosx_11_0_arm64.whl",
)
LIST = replace(WHEELS, pythons=("3.9", "3.11", "3.15"), tags=("manylinux_x86_64", "macosx_arm64"))


@pytest.mark.parametrize(
    ("lost", "more", "complaint"),
    [
        ((), (), ""),
        (NAMES[:1], (), "1 of the manifest's list are missing: the sdist"),
        (NAMES[1:2], (), "1 of the manifest's list are missing: cp39-manylinux_x86_64"),
        (NAMES[4:], (), "2 of the manifest's list are missing: cp311-macosx_arm64, cp315-macosx"),
        (NAMES, (), "7 of .*: the sdist, cp39-manylinux_x86_64, .*, cp39-macosx_arm64 and 2 more"),
        ((), ("m2crypto-1-cp310-cp310-macosx_11_0_arm64.whl",), "cp310.*: for no Python and platf"),
        ((), ("m2crypto-1-cp311-abi3-win_amd64.whl",), "win_amd64.whl: for no Python and platform"),
        ((), ("m2crypto-2-cp39-cp39-macosx_11_0_arm64.whl",), r"m2crypto-2-\S+: not of M2Crypto 1"),
        ((), ("other-1.tar.gz",), r"other-1\.tar\.gz: not of M2Crypto 1"),
        ((), ("m2crypto.tar.gz",), r"m2crypto\.tar\.gz: not the name of an sdist"),
        ((), ("notes.txt",), r"notes\.txt: neither an sdist nor a wheel"),
    ],
)
def test_a_release_is_the_sdist_and_each_wheel_of_the_list(
    lost: Sequence[str], more: Sequence[str], complaint: str
) -> None:
    made = [Path(name) for name in (*NAMES, *more) if name not in lost]
    if not complaint:
        listed.check(made, "1", LIST)
        return
    with pytest.raises(UserError, match=complaint) as refused:
        listed.check(made, "1", LIST)
    assert "\n" not in str(refused.value)


def test_the_wheels_that_cibuildwheel_lists_for_the_manifest_are_a_whole_release() -> None:
    known = manifest.load(here().manifest).wheels
    assert known
    tags = {"manylinux": "manylinux_2_28", "musllinux": "musllinux_1_2", "macosx": "macosx_11_0"}
    made = [Path("m2crypto-1.tar.gz")]
    for tag in known.tags:
        kind, _, processor = tag.partition("_")
        for python in known.pythons:
            abi = wheels.abi(python)
            name = "cp311-abi3" if abi == "abi3" else f"{abi.rstrip('t')}-{abi}"
            platform = f"{tags.get(kind, kind)}_{processor}"
            made.append(Path(f"m2crypto-1-{name}-{platform}.whl"))
    listed.check(made, "1", known)


def test_an_unknown_argument_is_refused(committed: Project) -> None:
    with pytest.raises(UserError, match="unexpected argument '--hots': did you mean '--host'"):
        main.main(["--hots"], committed)
    for wrong in ("--quick=1", "--into", "--from="):
        with pytest.raises(UserError, match=f"unexpected argument '{wrong}'"):
            main.main([wrong], committed)
    with pytest.raises(UserError, match="reproduce takes no arguments, not 'x'"):
        reproduce.main(["x"], committed)


def test_a_manifest_without_wheels_builds_none(
    committed: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manifest, "load", lambda _: MANIFEST)
    with pytest.raises(UserError, match="wheels is missing"):
        main.main([], committed)


def test_a_directory_without_a_commit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no commit is checked out, .*; clone the repository"):
        source.commit(tmp_path)


def test_no_python_to_build_with_is_reported(request_: Request) -> None:
    with pytest.raises(UserError, match=f"none of the Pythons {SERIES} is installed"):
        host.build(request_, {})


@pytest.fixture
def request_(tmp_path: Path, build: manifest.Build) -> Request:
    """Return a request of wheels with the tiny OpenSSL."""
    (tmp_path / "work").mkdir()
    known = replace(WHEELS, build=replace(build, flags=FLAGS))
    return Request(here(), known, tmp_path / "m2crypto-1.tar.gz", "4.5.1", 17, tmp_path / "work")


Run = Callable[[str, str, str], None]


@pytest.fixture
def engines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Make fake engines: the scripts of docker and of podman, and CIBW_CONTAINER_ENGINE."""

    def make(docker: str, podman: str, setting: str) -> None:
        folder = tmp_path / "engines"
        for name, script in (("docker", docker), ("podman", podman)):
            if script:
                program(folder / name, script)
        monkeypatch.setenv("PATH", str(folder))
        monkeypatch.setenv("CIBW_CONTAINER_ENGINE", setting)

    monkeypatch.setattr(sys, "platform", "linux")
    return make


@pytest.mark.parametrize(
    ("docker", "podman", "setting", "found"),
    [
        ("exit 0", "exit 0", "", "docker"),
        ("exit 1", "exit 0", "", "podman"),
        ("exit 1", "", "", ""),
        ("exit 0", "exit 0", "podman; create_args: --network=none", "podman"),
        ("exit 0", "exit 1", "podman", ""),
    ],
)
def test_an_engine_is_one_that_runs(
    engines: Run, docker: str, podman: str, setting: str, found: str
) -> None:
    engines(docker, podman, setting)
    assert engine.available() == found


def test_other_systems_need_no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert engine.available() == "none needed"


@pytest.mark.parametrize(
    ("setting", "whole"),
    [
        (
            "docker",
            "docker; create_args: --volume=/a:/a --volume=/b:/b --label=m2crypto.work=/b",
        ),
        (
            "podman; disable_host_mount: true; create_args: --rm",
            "podman; disable_host_mount: true; create_args: --rm --volume=/a:/a --volume=/b:/b"
            " --label=m2crypto.work=/b",
        ),
    ],
)
def test_the_engine_mounts_what_the_build_reads(setting: str, whole: str) -> None:
    assert engine._engine(setting, [Path("/a"), Path("/b"), Path("/a")], Path("/b")) == whole


def test_cibuildwheel_has_the_variables_that_pyproject_passes(
    request_: Request,
    engines: Run,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    engines("exit 0", "", "")
    monkeypatch.delenv("CIBW_ARCHS", raising=False)
    ran: list[tuple[Sequence[object], Mapping[str, str]]] = []

    def run(
        argv: Sequence[object], *, env: Mapping[str, str], on_line: Callable[[str], None], **_: Any
    ) -> None:
        ran.append((argv, env))
        on_line("\x1b[1mBuilding cp39-manylinux_x86_64 wheel\x1b[0m")
        on_line("gcc -c a.c")
        (request_.work / "prefix").write_text("9.9-wheel /cache/prefixes/9.9-wheel-key\n")

    monkeypatch.setattr(process, "run", run)
    monkeypatch.setattr(toolchain, "compiler", lambda: Compiler())
    assert engine.build(request_, "docker") == Path("/cache/prefixes/9.9-wheel-key")
    logged = capsys.readouterr().err.splitlines()
    assert logged == ["cibuildwheel: Building cp39-manylinux_x86_64 wheel"]
    ((argv, env),) = ran
    assert argv[2:] == ["cibuildwheel", "--output-dir", request_.raw, request_.sdist]
    assert env["CFLAGS"] == "-O1 -g0"
    assert env["SOURCE_DATE_EPOCH"] == "17"
    assert env["CIBW_ARCHS"] == "native"
    assert Path(env["M2CRYPTO_MIRRORS"], "openssl-9.9.1.tar.gz").is_file()
    assert Path(env["PIP_CONSTRAINT"]).read_text().endswith("\nswig==4.5.1\n")
    assert f"--volume={request_.work}:{request_.work}" in env["CIBW_CONTAINER_ENGINE"]
    settings = (ROOT / "pyproject.toml").read_text()
    passed = re.findall(r'"(\w+)"', re.findall(r"environment-pass = \[(.*?)\]", settings, re.S)[0])
    assert set(passed) <= env.keys()


@pytest.mark.parametrize("error", [KeyboardInterrupt, UserError("x"), None])
def test_no_container_is_left(
    request_: Request,
    engines: Run,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    error: BaseException | type[BaseException] | None,
) -> None:
    calls = tmp_path / "calls"
    engines(f'echo "$@" >>{calls}; [ "$1" = ps ] && echo 12 34; exit 0', "", "")

    def run(*_: object, **__: object) -> None:
        (request_.work / "prefix").write_text("9.9-wheel /cache/prefixes/9.9-wheel-key\n")
        # As when this process is terminated.
        monkeypatch.setattr(process, "_shutdown", error is KeyboardInterrupt)
        if error:
            raise error

    monkeypatch.setattr(process, "run", run)
    monkeypatch.setattr(toolchain, "compiler", lambda: Compiler())
    with pytest.raises((KeyboardInterrupt, UserError)) if error else nullcontext():
        engine.build(request_, "docker")
    assert calls.read_text().splitlines()[-2:] == [
        f"ps -aq --filter=label=m2crypto.work={request_.work}",
        "rm -f 12 34",
    ]


def test_on_other_systems_cibuildwheel_links_the_prefix_of_the_host(
    request_: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(process, "run", lambda *_, env, **__: ran.append(env))
    monkeypatch.setattr(prefixes, "ensure", lambda *_: {"9.9-wheel": Path("/p/9.9-wheel")})
    ran: list[Mapping[str, str]] = []
    assert engine.build(request_, engine.available()) == Path("/p/9.9-wheel")
    assert ran[0]["OPENSSL_DIR"] == "/p/9.9-wheel"
    assert "CIBW_CONTAINER_ENGINE" not in ran[0]


IMAGE = "quay.example/manylinux_2_28_x86_64"


@pytest.mark.parametrize(
    ("log", "complaint"),
    [
        (
            f"  '/opt/python/cp315-cp315/bin/python' executable doesn't exist in image '{IMAGE}' to"
            " build 'cp315-manylinux_x86_64'.",
            f"wheels: cp315-manylinux_x86_64 needs a Python that the image {IMAGE} does not have; ",
        ),
        (
            "  'manylinux-interpreters ensure cp315-cp315' needed to build 'cp315-manylinux_x86_64'"
            f" failed in container running image '{IMAGE}'. Either the installation failed",
            f"wheels: cp315-manylinux_x86_64 needs a Python that the image {IMAGE} does not have; ",
        ),
        (
            f'Error: initializing source docker://{IMAGE}: pinging container registry: Get "https://'
            'quay.example/v2/": dial tcp: lookup quay.example: no such host',
            "wheels: the container image cannot be pulled: Error: initializing source docker://",
        ),
        ("gcc: error: a.c", "cibuildwheel"),
    ],
)
def test_what_an_image_lacks_is_named_in_one_line(
    request_: Request, monkeypatch: pytest.MonkeyPatch, log: str, complaint: str
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(prefixes, "ensure", lambda *_: {"9.9-wheel": Path("/p/9.9-wheel")})
    monkeypatch.setattr(toolchain, "compiler", lambda: Compiler())

    def fail(argv: Sequence[Any], *, log: Path, **_: Any) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(f"Here\n{text}\nThere\n")
        raise process.CommandError(argv, 1, text, log)

    text = log
    monkeypatch.setattr(process, "run", fail)
    with pytest.raises(UserError) as refused:
        engine.build(request_, "")
    assert complaint in str(refused.value)
    if "wheels: " in complaint:
        assert "\n" not in str(refused.value)


def test_the_chosen_wheels_are_passed_to_cibuildwheel(request_: Request) -> None:
    assert "CIBW_BUILD" not in engine.environment(request_)
    chosen = replace(request_, chosen=("cp39-a", "cp311-b"))
    assert engine.environment(chosen)["CIBW_BUILD"] == "cp39-a cp311-b"


class Compiler:
    cached = ("cc",)
    command = ("cc",)


@pytest.mark.parametrize(
    ("python", "place"),
    [("3.9", 1), ("3.10", None), ("3.11", 0), ("3.15", 0), ("3.14t", 4), ("3.15t", None)],
)
def test_a_wheel_is_chosen_by_its_tag(python: str, place: int | None) -> None:
    names = [
        "m2crypto-1-cp311-abi3-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl",
        "m2crypto-1-cp39-cp39-manylinux_2_28_x86_64.whl",
        "m2crypto-1-cp39-cp39-musllinux_1_2_x86_64.whl",
        "m2crypto-1-cp310-cp310-manylinux_2_28_aarch64.whl",
        "m2crypto-1-cp314-cp314t-manylinux_2_28_x86_64.whl",
    ]
    made = [Path(name) for name in names]
    found = cells.claimed(made, python, "linux-x86_64")
    assert found == (None if place is None else made[place])


def test_a_python_without_a_wheel_is_named(
    request_: Request, capsys: pytest.CaptureFixture[str]
) -> None:
    known = replace(MANIFEST, wheels=replace(WHEELS, pythons=(SERIES, "3.99t")))
    found = interpreters.describe(Path(sys.executable))
    assert found
    machine = Machine(this_platform(), {SERIES: found})
    with pytest.raises(UserError, match="no Python that is installed can use one"):
        cells.run(request_, [], Path("/p"), known, machine)
    logged = capsys.readouterr().err
    assert f"py{SERIES}-openssl3.5-wheel: no wheel for it was built" in logged
    assert "py3.99t-openssl3.5-wheel: Python 3.99t is not installed" in logged


def archive(path: Path, **members: str) -> None:
    path.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(path, "w") as file:
        for name, text in members.items():
            file.writestr(name, text)


def test_archives_that_differ_are_named_with_their_members(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    archive(tmp_path / "one" / "m.whl", a="1", b="1", c="1")
    archive(tmp_path / "two" / "m.whl", a="1", b="2", d="1")
    with pytest.raises(UserError, match=r"m\.whl: two builds of the commit differ: b, c, d; inst"):
        reproduce.compare(tmp_path / "one", tmp_path / "two")
    (tmp_path / "two" / "n.whl").touch()
    with pytest.raises(UserError, match=r"only one of two builds made n\.whl"):
        reproduce.compare(tmp_path / "one", tmp_path / "two")


@pytest.mark.parametrize(
    ("script", "explanation"),
    [
        ('echo "$4 is longer" > "$2"; exit 1', r"differ: \n  \| \S+/two/m\.tar\.gz is longer$"),
        ('seq 62 > "$2"; exit 1', r"  \| 60\n  \| and 2 lines more$"),
        ("echo no libmagic >&2; exit 2", r"  \| no libmagic$"),
        ("exit 0", r"  \| diffoscope finds none$"),
    ],
)
def test_diffoscope_explains_a_difference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, explanation: str
) -> None:
    program(tmp_path / "bin" / "diffoscope", script)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "m.tar.gz").write_text(name * len(name))
    (tmp_path / "two" / "m.tar.gz").write_text("longer")
    with pytest.raises(UserError, match=explanation):
        reproduce.compare(tmp_path / "one", tmp_path / "two")


def test_reproduce_builds_the_commit_in_two_environments(
    committed: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sources, "tarball", lambda *_: Path("/mirror/a.tar.gz"))
    rounds: list[tuple[str, Mapping[str, str]]] = []
    real = process.run

    def run(argv: Sequence[Any], **settings: Any) -> None:
        if argv[0] == "git":
            real(argv, **settings)
            return
        into = Path(str(argv[-1]).removeprefix("--into="))
        into.mkdir()
        (into / "m2crypto-1.tar.gz").write_text("same")
        rounds.append((argv[2], settings["env"]))
        assert (settings["cwd"] / "M2Crypto" / "EC.py").is_file()

    monkeypatch.setattr(process, "run", run)
    reproduce.main([], committed)
    assert "m2crypto-1.tar.gz: the same bytes twice, sha256 " in capsys.readouterr().err
    assert [umask for umask, _ in rounds] == ['umask 022; exec "$@"', 'umask 077; exec "$@"']
    for name in ("M2CRYPTO_CACHE", "TZ", "LC_ALL", "PYTHONHASHSEED"):
        assert len({env[name] for _, env in rounds}) == 2
    assert all(env["CCACHE_DISABLE"] == "1" for _, env in rounds)


def test_the_builds_of_wheels_take_no_flags_of_the_user(
    request_: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CFLAGS", "-O0")
    monkeypatch.setenv("LDFLAGS", "-Wl,-rpath,/x")
    made = host.environment(request_)
    assert made["CFLAGS"] == " ".join(wheels.cflags(FLAGS)) == "-O1 -g0"
    assert "LDFLAGS" not in made
