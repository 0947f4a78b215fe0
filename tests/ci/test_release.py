"""A release is checked, built, audited and tagged, or there is one line for what stands in the way.

The repository is a clone of a tiny project's, whose matrix is green unless a test makes it red.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
import tiny_wheels
from test_distribution import GROUPS, WHEELS
from tiny_cells import MANIFEST, SERIES
from tiny_openssl import program
from tiny_project import here, write_project

from ci import interpreters, manifest, plans, workflow
from ci.audit import run as audit
from ci.distribution import listed, source
from ci.distribution import main as distribution
from ci.documents import read_toml
from ci.errors import UserError
from ci.matrix import results
from ci.project import ROOT, Project
from ci.release import checks, green, main, news
from ci.report import report
from ci.report.gather import Gathered

pytest.importorskip("auditwheel")
pytest.importorskip("towncrier")

CHANGES = """\
# Changes

## 0.9.0 (2026-01-02)

- Nothing but a start.
"""
INIT = '"""Tiny."""\n\nversion = __version__ = "0.9.0"\n'
NOW = date.today().isoformat()
# A project of one file, whose version is the package's.
TOWNCRIER = re.search(
    r"(?s)\n\[tool\.towncrier\].*?(?=\n\[tool\.importlinter\])",
    (ROOT / "pyproject.toml").read_text(),
)


def git(root: Path, *arguments: str) -> str:
    """Run git in a repository and return its output."""
    return source.git(
        root, "-c", "user.name=a", "-c", "user.email=a@example.org", *arguments
    ).strip()


@pytest.fixture(scope="module")
def origins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with a repository, its clone at 0.9.0, and one that is ready for 1.0.0."""
    assert TOWNCRIER
    directory = tmp_path_factory.mktemp("repositories")
    root = write_project(directory / "origin")
    text = (root / "pyproject.toml").read_text()
    text = text.replace(GROUPS, f"{GROUPS}\nbuild = ['build']").replace(
        'version = "1"', 'dynamic = ["version"]'
    )
    version = '[tool.setuptools.dynamic]\nversion = { attr = "M2Crypto.__version__" }\n'
    (root / "pyproject.toml").write_text(text + version + TOWNCRIER[0])
    (root / "M2Crypto" / "__init__.py").write_text(INIT)
    (root / "CHANGES.md").write_text(CHANGES)
    (root / "MANIFEST.in").write_text("graft tests\n")
    (root / ".gitignore").write_text("/coverage/results/\n/dist/\n")
    (root / "changes").mkdir()
    for name in ("README.md", "template.md.jinja"):
        (root / "changes" / name).write_text((ROOT / "changes" / name).read_text())
    (root / "changes" / "17.fixed.md").write_text("`EC.curve` returns the\nright curve.\n")
    git(root, "init", "-q", "-b", "main")
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "Start")
    git(root, "tag", "v0.9.0")
    git(root, "tag", "other-1.0")
    git(directory, "clone", "-q", "origin", "clone")
    shutil.copytree(directory / "clone", directory / "ready")
    ready = here(directory / "ready")
    news.prepare("1.0.0", date.today(), ready)
    commit(ready)
    return directory


@pytest.fixture
def take(
    origins: Path, project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], Project]:
    """Return a function that copies one of the clones, whose matrix is green."""
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "a")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "a@example.org")
    monkeypatch.setattr(manifest, "load", lambda _: replace(MANIFEST, wheels=WHEELS))
    monkeypatch.setattr(green, "check", lambda *_: "green")

    def copied(name: str) -> Project:
        shutil.copytree(origins / "origin", tmp_path / "origin")
        root = Path(shutil.copytree(origins / name, tmp_path / "clone"))
        config = root / ".git" / "config"
        config.write_text(config.read_text().replace(str(origins), str(tmp_path)))
        return here(root)

    return copied


@pytest.fixture
def clone(take: Callable[[str], Project]) -> Project:
    """Return a fresh clone of the tiny project, version 0.9.0, with one news fragment."""
    return take("clone")


@pytest.fixture
def ready(take: Callable[[str], Project]) -> Project:
    """Return the clone at a commit that is ready to be released as 1.0.0."""
    return take("ready")


def commit(project: Project, message: str = "Change") -> None:
    git(project.root, "add", "-A")
    git(project.root, "commit", "-q", "-m", message)


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[Sequence[str]]:
    """Build nothing; return the list that receives the arguments of `nox -s wheels`."""
    calls: list[Sequence[str]] = []
    monkeypatch.setattr(distribution, "main", lambda arguments, _: calls.append(arguments))
    return calls


def tags(project: Project) -> list[str]:
    """Return the tags; `git` packs those that it clones."""
    loose = {path.name for path in (project.root / ".git" / "refs" / "tags").glob("*")}
    packed = (project.root / ".git" / "packed-refs").read_text()
    return sorted(loose | set(re.findall(r"refs/tags/(\S+)", packed)))


def refused(project: Project, *arguments: str) -> str:
    with pytest.raises(UserError) as caught:
        main.main(list(arguments), project)
    assert tags(project) == ["other-1.0", "v0.9.0"]
    return str(caught.value)


# --- the entry of CHANGES.md ----------------------------------------------------------------------


def test_a_release_is_prepared_of_its_fragments(clone: Project) -> None:
    (clone.root / "changes" / "+curves.added.md").write_text("`EC.curves` exists.\n")
    (clone.root / "changes" / "+more.added.md").write_text("`EC.more` exists.\n")
    commit(clone)
    main.main(["--prepare", "1.0.0"], clone)
    assert (clone.root / "CHANGES.md").read_text() == CHANGES.replace(
        "## 0.9.0",
        f"## 1.0.0 ({NOW})\n\nAdded:\n\n- `EC.curves` exists.\n- `EC.more` exists.\n\n"
        "Fixed:\n\n- `EC.curve` returns the\n  right curve.\n\n## 0.9.0",
    )
    assert (clone.root / "M2Crypto" / "__init__.py").read_text() == INIT.replace("0.9.0", "1.0.0")
    left = {path.name for path in (clone.root / "changes").iterdir()}
    assert left == {"README.md", "template.md.jinja"}


def test_an_entry_from_before_the_fragments_becomes_the_release(clone: Project) -> None:
    old = CHANGES.replace("## 0.9.0", "## 1.0.0 (unreleased)\n\nNew.\n\n- A.\n\n## 0.9.0")
    (clone.root / "CHANGES.md").write_text(old)
    commit(clone)
    main.main(["--prepare", "1.0.0"], clone)
    assert (clone.root / "CHANGES.md").read_text() == CHANGES.replace(
        "## 0.9.0",
        f"## 1.0.0 ({NOW})\n\nNew.\n\n- A.\n\n"
        "Fixed:\n\n- `EC.curve` returns the\n  right curve.\n\n## 0.9.0",
    )


def test_an_entry_from_before_the_fragments_needs_none(clone: Project) -> None:
    (clone.root / "changes" / "17.fixed.md").unlink()
    (clone.root / "CHANGES.md").write_text("# Changes\n\n## 1.0.0 (unreleased)\n\nNew.\n")
    commit(clone)
    main.main(["--prepare", "1.0.0"], clone)
    written = (clone.root / "CHANGES.md").read_text()
    assert written == f"# Changes\n\n## 1.0.0 ({NOW})\n\nNew.\n"


def test_a_version_of_development_has_no_entry(clone: Project) -> None:
    main.main(["--prepare", "1.1.0.dev0"], clone)
    assert '__version__ = "1.1.0.dev0"' in (clone.root / "M2Crypto" / "__init__.py").read_text()
    assert (clone.root / "CHANGES.md").read_text() == CHANGES


def test_without_a_fragment_there_is_nothing_to_release(clone: Project) -> None:
    (clone.root / "changes" / "17.fixed.md").unlink()
    commit(clone)
    assert refused(clone, "--prepare", "1.0.0").startswith("release: changes/ holds no news frag")


@pytest.mark.parametrize("name", ["17.md", "fix.fixed.md", "17.fix.md", "17.fixed.txt"])
def test_a_fragment_without_a_type_is_named(clone: Project, name: str) -> None:
    (clone.root / "changes" / name).touch()
    commit(clone)
    why = refused(clone, "--prepare", "1.0.0")
    assert re.search(rf"{re.escape(name)}: not the name of a fragment; .* of security, rem", why)


def test_the_fragments_of_this_project_make_an_entry() -> None:
    own = here()
    if news.fragments(own):
        assert news.entry("9.9.9", date(2030, 1, 2), own).startswith("## 9.9.9 (2030-01-02)\n\n")


def test_the_version_stands_once() -> None:
    version = news.version(here())
    tracked = git(ROOT, "ls-files", "*.py", "*.toml", "*.md", "*.i", "*.c", "*.h", "*.yml")
    spelled = re.compile(rf"(?<![\w.]){re.escape(version)}(?![\w.])")
    holders = [
        name
        for name in tracked.split()
        # Documents and tests may name a version as an example.
        if not name.startswith(("tests/", "docs/", "CHANGES.md", "SECURITY.md", "ci/release/"))
        and (ROOT / name).is_file()
        and spelled.search((ROOT / name).read_text())
    ]
    assert holders == ["M2Crypto/__init__.py"]


# --- a release ------------------------------------------------------------------------------------


def test_a_dry_run_in_a_fresh_clone_does_all_but_the_tag(
    ready: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    audited: list[str] = []
    found = {SERIES: interpreters.describe(Path(sys.executable))}
    monkeypatch.setattr(interpreters, "installed", lambda _: found)
    monkeypatch.setattr(report, "make", lambda *_, **__: [])
    monkeypatch.setattr(audit, "main", lambda paths, _: audited.extend(paths))
    monkeypatch.setattr(checks, "contained", lambda paths, _: audited.extend(map(str, paths)))
    main.main(["--dry-run", "--host", "1.0.0"], ready)
    made = sorted(path.name for path in (ready.root / "dist").iterdir())
    assert re.fullmatch(r"m2crypto-1\.0\.0-cp\S+\.whl m2crypto-1\.0\.0\.tar\.gz", " ".join(made))
    assert [Path(path).name for path in audited] == [made[0], *made]
    assert tags(ready) == ["other-1.0", "v0.9.0"]
    captured = capsys.readouterr()
    assert [line.split()[:2] for line in captured.out.splitlines()[1:8]] == [
        ["ok", name] for name in checks.CHECKS
    ]
    assert "dry run: v1.0.0 was not made" in captured.err


def test_a_release_is_tagged_with_its_entry_and_says_what_is_next(
    ready: Project, built: list[Sequence[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    main.main(["1.0.0"], ready)
    assert built == [[]]
    assert git(ready.root, "cat-file", "-t", "v1.0.0") == "tag"
    assert git(ready.root, "tag", "--list", "--format=%(contents)", "v1.0.0") == (
        "M2Crypto 1.0.0\n\nFixed:\n\n- `EC.curve` returns the\n  right curve."
    )
    logged = capsys.readouterr().err
    assert "git push --atomic origin main v1.0.0" in logged
    assert "starts .github/workflows/release.yml" in logged
    # It is the only thing that changed; nothing was pushed.
    assert git(ready.root, "ls-remote", "--tags", "origin", "v1.0.0") == ""


def test_a_tag_is_checked_where_its_workflow_runs(
    ready: Project, built: list[Sequence[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    git(ready.root, "tag", "v1.0.0")
    git(ready.root, "update-ref", "refs/remotes/origin/main", "HEAD")
    git(ready.root, "checkout", "-q", "--detach")
    main.main(["--tagged", "v1.0.0"], ready)
    assert built == []
    assert "v1.0.0 is of this commit" in capsys.readouterr().out
    git(ready.root, "update-ref", "refs/remotes/origin/main", "HEAD~1")
    with pytest.raises(UserError, match=r"^branch: the commit of v1\.0\.0 is not on main$"):
        main.main(["--tagged", "v1.0.0"], ready)
    git(ready.root, "tag", "--force", "v1.0.0", "HEAD~1")
    with pytest.raises(UserError, match=r"(?m)tag: the tag v1\.0\.0 is not of the commit that is"):
        main.main(["--tagged", "v1.0.0"], ready)


Spoil = Callable[[Project], object]


def another_version(project: Project) -> None:
    news.set_version("1.0.1", project)
    commit(project)


def another_fragment(project: Project) -> None:
    (project.root / "changes" / "1.fixed.md").touch()
    commit(project)


def no_entry(project: Project) -> None:
    (project.root / "CHANGES.md").write_text(CHANGES)
    commit(project)


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (
            lambda p: (p.root / "new.py").touch(),
            "tree: new.py differs from the commit; commit or remove it",
        ),
        (
            lambda p: git(p.root, "checkout", "-q", "-b", "topic"),
            "branch: topic is checked out, and releases are made of main",
        ),
        (
            lambda p: git(p.root, "checkout", "-q", "--detach"),
            "branch: no branch is checked out, and releases are made of main",
        ),
        (
            lambda p: git(p.root, "tag", "v1.0.0"),
            "tag: the tag v1.0.0 exists; a version is released once",
        ),
        (
            lambda p: git(Path(git(p.root, "remote", "get-url", "origin")), "tag", "v1.0.0"),
            "tag: the tag v1.0.0 exists on origin; a version is released once",
        ),
        (
            lambda p: git(p.root, "remote", "set-url", "origin", "/nowhere"),
            "tag: origin cannot be queried for v1.0.0; connect to the network, or set "
            "M2CRYPTO_OFFLINE=1",
        ),
        (
            lambda p: git(p.root, "tag", "v1.0.1"),
            "version: 1.0.0 is not newer than 1.0.1, which is released",
        ),
        (
            another_version,
            "version: the package's version is 1.0.1; `nox -s release -- --prepare 1.0.0` sets it",
        ),
        (
            another_fragment,
            "CHANGES: changes/1.fixed.md is in no entry of CHANGES.md; "
            "`nox -s release -- --prepare 1.0.0` moves it there",
        ),
        (
            no_entry,
            "CHANGES: CHANGES.md begins with '## 0.9.0 (2026-01-02)', not with `## 1.0.0 (DATE)`; "
            "`nox -s release -- --prepare 1.0.0` makes the entry",
        ),
    ],
    ids=lambda each: each[:28] if isinstance(each, str) else "",
)
def test_what_stands_in_the_way_is_one_line_and_nothing_is_built(
    ready: Project, built: list[Sequence[str]], spoil: Spoil, why: str
) -> None:
    spoil(ready)
    with pytest.raises(UserError) as caught:
        main.main(["1.0.0"], ready)
    assert str(caught.value) == why
    assert built == []


def test_all_that_stands_in_the_way_is_printed_at_once(clone: Project) -> None:
    (clone.root / "new.py").touch()
    git(clone.root, "checkout", "-q", "-b", "topic")
    lines = refused(clone, "1.0.0").split("\nerror: ")
    assert [line.partition(":")[0] for line in lines] == ["tree", "branch", "version", "CHANGES"]


def test_an_openssl_past_its_end_of_life_is_not_released(
    ready: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = replace(WHEELS.build.release, end_of_life=date(2026, 1, 2))
    wheels = replace(WHEELS, build=replace(WHEELS.build, release=old))
    monkeypatch.setattr(manifest, "load", lambda _: replace(MANIFEST, wheels=wheels))
    assert refused(ready, "1.0.0") == (
        "OpenSSL: the wheels' OpenSSL 3.5 is past its end of life, 2026-01-02; set wheels.series in"
        " ci/matrix.toml to a supported series"
    )


def test_a_wheel_with_another_openssl_than_the_manifests_is_not_released(
    ready: Project, built: list[Sequence[str]], tmp_path: Path
) -> None:
    dist = ready.root / "dist"
    dist.mkdir()
    extension = tiny_wheels.binary(tmp_path / "a.so", text="OpenSSL 3.5.6 7 Apr 2026")
    tiny_wheels.wheel(dist, extension)
    assert re.fullmatch(
        r"m2crypto-1\.0-\S+\.whl: contains OpenSSL 3\.5\.6, not the 3\.5 of ci/matrix\.toml; "
        "build it again",
        refused(ready, "1.0.0"),
    )
    assert built == [[]]


def test_a_change_during_the_build_is_not_released(
    ready: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(distribution, "main", lambda *_: (ready.root / "new.py").touch())
    assert refused(ready, "1.0.0").startswith("new.py differs from the commit")
    (ready.root / "new.py").unlink()
    monkeypatch.setattr(
        distribution, "main", lambda *_: git(ready.root, "commit", "-q", "--allow-empty", "-m", "x")
    )
    assert refused(ready, "1.0.0").startswith("release: another commit was checked out during")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ([], "release: name one version, such as `nox -s release -- --dry-run 1.0.0`"),
        (["1.0.0", "1.0.1"], "release: name one version"),
        (["--complete", "v1.0.0"], "--complete takes a tag and a directory"),
        (["--dry-run", "--prepare", "1.0.0"], "release: name one version"),
        (["--dryrun", "1.0.0"], "release: unexpected option '--dryrun': did you mean '--dry-run'?"),
        (["one"], "release: 'one' is not a version; name one such as 1.0.0"),
        (["v1.0.0"], "release: write 'v1.0.0' as '1.0.0'"),
        (["1.0.0+local"], "release: write '1.0.0+local' as '1.0.0'"),
        (["1.0.0.dev1"], "version: 1.0.0.dev1 is a version of development"),
    ],
)
def test_wrong_arguments_are_one_line(clone: Project, arguments: list[str], why: str) -> None:
    assert why in refused(clone, *arguments)


def test_a_release_is_prepared_in_a_clean_checkout(clone: Project) -> None:
    (clone.root / "new.py").touch()
    assert refused(clone, "--prepare", "1.0.0").startswith("release: new.py differs from the com")
    assert (clone.root / "CHANGES.md").read_text() == CHANGES


# --- every wheel of the list ----------------------------------------------------------------------


def test_what_the_jobs_have_built_is_complete_and_audited(
    ready: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    audited: list[str] = []
    monkeypatch.setattr(audit, "main", lambda paths, _: audited.extend(paths))
    monkeypatch.setattr(checks, "contained", lambda *_: None)
    directory = tmp_path / "all"
    directory.mkdir()
    with pytest.raises(UserError, match="2 of the manifest's list are missing: the sdist, cp3"):
        main.main(["--complete", "v1.0.0", str(directory)], ready)
    (directory / "m2crypto-1.0.0.tar.gz").touch()
    wheel = directory / "m2crypto-1.0.0-cp39-abi3-manylinux_2_28_x86_64.whl"
    wheel.touch()
    main.main(["--complete", "v1.0.0", str(directory)], ready)
    assert audited == [str(wheel)]


# --- the matrix -----------------------------------------------------------------------------------


@pytest.fixture
def matrix(monkeypatch: pytest.MonkeyPatch, project: Project) -> dict[str, list[str]]:
    """Return what the results of the checkout show: `failed` and `absent` cells, complaints."""
    state: dict[str, list[str]] = {"failed": [], "absent": [], "complaints": []}

    class Cell:
        def __init__(self, name: str) -> None:
            self.id = name

    class Planned:
        def __init__(self, name: str, *, required: bool) -> None:
            self.cell, self.required = Cell(name), required

    class Expected:
        partial = False

        def __init__(self, name: str) -> None:
            self.id = name

    class Usable:
        def __init__(self, name: str) -> None:
            self.expected = Expected(name)
            failed = frozenset({"t"}) if name in state["failed"] else frozenset()
            self.tests = results.Tests(frozenset({"t"}), failed, {})

    def gather(*_: object) -> object:
        usable = tuple(Usable(name) for name in "abc" if name not in state["absent"])
        planned = tuple(Planned(name, required=name != "c") for name in "abc")
        return Gathered(planned, usable, ())  # type: ignore[arg-type]

    monkeypatch.setattr(green, "gather", gather)
    monkeypatch.setattr(report, "make", lambda *_: state["complaints"])
    return state


def runs(*conclusions: str) -> str:
    made = [
        {"started_at": f"2026-01-0{day}T00:00:00Z", "conclusion": each, "status": "completed"}
        for day, each in enumerate(conclusions, 1)
    ]
    return f"echo '{json.dumps({'check_runs': made})}'"


COMMIT = "0123456789abcdef"


@pytest.mark.parametrize(
    ("failed", "absent", "complaints", "gh", "message", "is_green"),
    [
        ("", "", "", "", "every required cell of the default plan passed in this checkout", True),
        ("c", "c", "", "", "every required cell of the default plan passed", True),
        ("a", "", "", runs("success"), "the matrix is red: 1 cells failed: a", False),
        ("", "", "Python: 90 %", runs("success"), "the matrix is red: Python: 90 %", False),
        (
            "",
            "ab",
            "",
            runs("success"),
            "GitHub's check 'Required' of 0123456789ab succeeded",
            True,
        ),
        ("", "a", "", runs("failure", "success"), "of 0123456789ab succeeded", True),
        (
            "",
            "a",
            "",
            runs("success", "failure"),
            "check 'Required' of 0123456789ab: failure",
            False,
        ),
        ("", "a", "", "echo '{\"check_runs\": []}'", "GitHub has no check 'Required' of 01", False),
        ("", "a", "", "echo '[]'", "GitHub's checks cannot be read: a response without", False),
        ("", "a", "", "echo no network >&2; exit 1", "cannot be read: no network", False),
        ("", "a", "", "", "1 cells of the matrix have no result of this commit: a; run `n", False),
    ],
)
def test_the_matrix_is_green_by_the_results_or_by_github(
    project: Project,
    matrix: dict[str, list[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    failed: str,
    absent: str,
    complaints: str,
    gh: str,
    message: str,
    is_green: bool,
) -> None:
    matrix.update(failed=list(failed), absent=list(absent))
    matrix["complaints"] = [complaints] if complaints else []
    (tmp_path / "bin").mkdir()
    if gh:
        program(tmp_path / "bin" / "gh", gh)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    if is_green:
        assert message in green.check(COMMIT, MANIFEST, project)
        return
    with pytest.raises(UserError) as caught:
        green.check(COMMIT, MANIFEST, project)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_offline_only_the_results_count(
    project: Project, matrix: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    matrix["absent"] = ["a"]
    with pytest.raises(UserError, match="M2CRYPTO_OFFLINE is set"):
        green.check(COMMIT, MANIFEST, replace(project, offline=True))


# --- the workflow, the manifest and the documents -------------------------------------------------

RELEASE = workflow.load(ROOT)


def text(name: str) -> str:
    return (ROOT / name).read_text()


def test_the_workflow_builds_each_tag_of_the_manifest_once() -> None:
    known = manifest.load(here().manifest)
    assert known.wheels
    jobs = plans.wheel_jobs(known)
    assert len({job["platform"] for job in jobs}) == len(jobs)
    assert {job["platform"] for job in jobs} == {
        manifest.platform_of(tag) for tag in known.wheels.tags
    }
    # In cibuildwheel's spelling, which pyproject.toml lists.
    settings = read_toml(here().pyproject)["tool"]["cibuildwheel"]
    for system in ("linux", "macos", "windows"):
        archs = [job["archs"] for job in jobs if job["platform"].startswith(system)]
        assert sorted(archs) == sorted(settings[system]["archs"])
    assert "needs.check.outputs.wheels" in str(RELEASE["build-wheels"][1]["strategy"])


def test_nothing_is_published_unless_every_wheel_is_there_and_a_person_agrees() -> None:
    assert RELEASE["publish"][1]["needs"] == ["collect"]
    assert RELEASE["publish"][1]["environment"] == "pypi"
    assert any("--complete" in step.get("run", "") for step in RELEASE["collect"][1]["steps"])
    assert RELEASE["collect"][1]["needs"] == ["build-wheels"]
    assert set(RELEASE["build-wheels"][1]["needs"]) == {"check", "sdist"}
    steps = RELEASE["publish"][1]["steps"]
    assert not any("run" in step or "checkout" in step["uses"] for step in steps)
    (publish,) = [step for step in steps if "gh-action-pypi-publish" in step["uses"]]
    assert publish["with"] == {"attestations": True}
    # No other job can identify itself to the package index.
    path = ROOT / workflow.WORKFLOWS / "release.yml"
    assert path.read_text().count("id-token: write") == 1


def test_a_release_uses_no_cache() -> None:
    path = ROOT / workflow.WORKFLOWS / "release.yml"
    assert "actions/cache" not in path.read_text()
    assert not re.search(r"(?m)^\s+cache:", path.read_text())


def test_the_required_check_is_that_of_the_matrix() -> None:
    assert RELEASE["required"][1]["name"] == green.CHECK


def test_the_documents_name_what_there_is() -> None:
    releasing = text("docs/releasing.md")
    rows = re.findall(r"(?m)^\| `([\w-]+)` \|", releasing)
    path = ROOT / workflow.WORKFLOWS / "release.yml"
    assert rows == re.findall(r"(?m)^  ([\w-]+):\n    name:", path.read_text())
    listed_ = re.findall(r"(?m)^\| (\w+) \| .* \|$", releasing)
    assert [each for each in listed_ if each in checks.CHECKS] == list(checks.CHECKS)
    assert set(re.findall(r"nox -s release -- (--[\w-]+)", releasing)) <= set(main.MODES)
    security = text("SECURITY.md")
    assert ".github/workflows/release.yml" in security
    types = read_toml(here().pyproject)["tool"]["towncrier"]["type"]
    assert re.findall(r"(?m)^\| `(\w+)` \|", text("changes/README.md")) == [
        each["directory"] for each in types
    ]


def test_the_list_of_a_release_is_what_its_check_needs() -> None:
    known = manifest.load(here().manifest).wheels
    assert known
    with pytest.raises(UserError, match=f"^release: {len(known.identifiers) + 1} of the manifest"):
        listed.check([], "1", known)
