"""The workflows call sessions that exist, agree with the plan, and can be run on a computer."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from tiny_cells import CELL, MANIFEST
from tiny_project import here

from ci import container, filters, github, interpreters, manifest, plans, process, pythons, workflow
from ci.errors import UserError
from ci.manifest import Rule
from ci.matrix import plan
from ci.matrix.prepare import builds_of
from ci.project import Project

ROOT = Path(__file__).parents[2]
JOBS = workflow.load(ROOT)
FILES = sorted((ROOT / workflow.WORKFLOWS).glob("*.yml"))
STEPS = [(name, step) for name, (_, job) in JOBS.items() for step in job["steps"]]


def sessions() -> set[str]:
    """Return the names of noxfile.py's sessions."""
    text = (ROOT / "noxfile.py").read_text()
    return set(re.findall(r"@nox\.session\ndef (\w+)", text))


def test_every_step_calls_sessions_that_exist_and_nothing_else() -> None:
    commands = [step["run"] for _, step in STEPS if "run" in step]
    assert commands
    for command in commands:
        found = re.fullmatch(r"python noxfile\.py -s ([\w ]+?)( -- .*)?", command)
        assert found, command
        assert set(found[1].split()) <= sessions()


def test_every_action_is_pinned_by_hash_and_no_checkout_keeps_credentials() -> None:
    uses = [step for _, step in STEPS if "uses" in step]
    assert uses
    for step in uses:
        assert re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", step["uses"])
        if step["uses"].startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


def test_every_job_has_a_time_limit_and_the_required_check_needs_all_that_can_fail() -> None:
    assert all(job["timeout-minutes"] <= 90 for _, job in JOBS.values())
    assert {"plan", "tooling", "wheels", "build", "report"} == set(JOBS["required"][1]["needs"])


def test_whole_prefixes_are_saved_before_a_test_can_fail() -> None:
    steps = [step.get("run", step.get("uses", "")) for step in JOBS["build"][1]["steps"]]
    order = ("-s key", "cache/restore@", "-s openssl", "cache/save@", "-s matrix")
    places = [[place for place, step in enumerate(steps) if each in step] for each in order]
    assert all(len(each) == 1 for each in places)
    assert places == sorted(places)
    assert not any("always()" in str(step.get("if")) for step in JOBS["build"][1]["steps"][:-1])


@pytest.mark.parametrize("name", plan.NAMES)
def test_the_jobs_run_each_cell_of_the_plan_once(name: str) -> None:
    known = manifest.load(here(ROOT).manifest)
    planned = plan.make(known, name, today=date.today())
    jobs = plans.jobs(known, planned)
    ran = []
    for job in jobs:
        cells = plan.make(known, name, job["cells"], today=date.today())
        ran += [each.cell.id for each in cells]
        assert {each.cell.build.name for each in cells} == {job["build"]}
        assert {each.cell.platform for each in cells} == {job["platform"]}
        needed = {b.name for e in cells for b in (e.cell.build, e.cell.runtime) if b}
        # `nox -s key` and `nox -s openssl` find what the plan builds.
        assert set(builds_of([each.cell for each in cells])) == {
            known.find_build(name) for name in job["builds"].split()
        }
        assert set(job["builds"].split()) == needed - {"system"}
    assert sorted(ran) == sorted(each.cell.id for each in planned)
    # GitHub's limit of a matrix, and artifacts need names of their own.
    assert len({(job["build"], job["platform"]) for job in jobs}) == len(jobs) <= 256


def test_a_job_is_optional_only_if_each_of_its_cells_may_fail() -> None:
    when = filters.parse(f"variant=no-ec or python={MANIFEST.pythons[0]}", MANIFEST.axes)
    known = replace(MANIFEST, may_fail=(Rule(when, "too new", date.max),))
    jobs = plans.jobs(known, plan.make(known, "all", today=date.today()))
    optional = {job["build"]: job["optional"] for job in jobs}
    assert optional == {"3.5": "", "3.5-no-ec": "optional"}
    assert "matrix.optional" in str(JOBS["build"][1]["continue-on-error"])


@pytest.mark.parametrize(
    "command",
    [
        ["check-jsonschema", "--builtin-schema", "vendor.github-workflows"],
        ["zizmor", "--offline", "--persona=pedantic", "--quiet"],
    ],
    ids=["check-jsonschema", "zizmor"],
)
def test_the_checkers_of_workflows_find_nothing(command: list[str]) -> None:
    program = Path(sys.executable).with_name(command[0])
    argv = [str(program), *command[1:], *map(str, FILES)]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


# --- nox -s workflow ------------------------------------------------------------------------------

WORKFLOW = """
env:
  GREETING: hello
  PLAN: ${{ inputs.plan || (github.event_name == 'schedule' && 'all') || 'default' }}
jobs:
  greet:
    env:
      NAME: world
    steps:
      - uses: actions/checkout@0000
      - id: first
        run: echo "said=$GREETING $NAME $PLAN $CI" >> "$GITHUB_OUTPUT"
      - name: Use the output
        env:
          SAID: ${{ steps.first.outputs.said }}
        run: echo "$SAID" > "$RECORD"; git status --short >> "$RECORD"
  fails:
    steps:
      - name: Fail
        run: exit 3
  spread:
    strategy:
      matrix: ${{ fromJSON(needs.plan.outputs.matrix) }}
    steps:
      - run: echo "${{ matrix.build }} on ${{ matrix.platform }}" > "$RECORD"
      - if: matrix.container
        name: Never
        run: exit 3
"""


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Return a repository with a workflow, whose steps can write the file `record`."""
    root = tmp_path / "repository"
    path = root / workflow.WORKFLOWS / "greet.yml"
    path.parent.mkdir(parents=True)
    path.write_text(WORKFLOW)
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "Greet"]):
        identity = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
        subprocess.run(["git", *identity, *command], cwd=root, check=True)
    (root / "uncommitted").touch()
    monkeypatch.setattr(workflow, "CARRIED", re.compile("PATH|HOME|RECORD"))
    monkeypatch.setenv("RECORD", str(tmp_path / "record"))
    monkeypatch.setattr(manifest, "load", lambda _: MANIFEST)
    return here(root)


def test_the_steps_of_a_job_run_in_a_fresh_clone(
    checkout: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    workflow.main(["greet"], checkout)
    assert (tmp_path / "record").read_text() == "hello world default true\n"
    assert "left out: actions/checkout@0000" in capsys.readouterr().err


def test_an_entry_of_the_matrix_is_taken_for_this_platform_or_as_selected(
    checkout: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    workflow.main(["spread"], checkout)
    assert "left out: Never, because matrix.container is false" in capsys.readouterr().err
    assert (tmp_path / "record").read_text() == f"3.5 on {CELL.platform}\n"
    workflow.main(["spread", "build=3.5-no-ec"], checkout)
    assert (tmp_path / "record").read_text() == f"3.5-no-ec on {CELL.platform}\n"
    with pytest.raises(UserError, match="no entry of the job's matrix has build=9, platform="):
        workflow.main(["spread", "build=9"], checkout)


def test_a_failing_step_and_an_unknown_job_are_reported_in_one_line(checkout: Project) -> None:
    with pytest.raises(UserError, match="step 'Fail' failed with exit code 3: exit 3"):
        workflow.main(["fails"], checkout)
    with pytest.raises(UserError, match=r"no job 'gret' in \.github/workflows; did you mean"):
        workflow.main(["gret"], checkout)


# --- what a step leaves ---------------------------------------------------------------------------


def test_outputs_and_summaries_are_appended_where_github_reads_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("GITHUB_OUTPUT", raising=False)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    github.output("key", "1")
    github.summary("# a\n")
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "outputs"))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary"))
    github.output("key", "2")
    github.summary("# b\n")
    assert capsys.readouterr().out == "1\n2\n"
    assert (tmp_path / "outputs").read_text() == "key=2\n"
    assert (tmp_path / "summary").read_text() == "# b\n"


def test_a_container_runs_the_session_with_checkout_and_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_OUTPUT", "/runner/outputs")
    project = here(tmp_path)
    command = container.command("docker", "image", "matrix", ["--plan", "a b"], project)
    assert command[:3] == ["docker", "run", "--rm"]
    assert {f"--volume={tmp_path}:{tmp_path}", "--volume=/runner:/runner"} <= set(command)
    assert {"--env=GITHUB_OUTPUT", f"--workdir={tmp_path}"} <= set(command)
    assert command[-1].endswith(" -s matrix -- --plan 'a b'")
    assert "--envdir" in command[-1]


def test_without_a_container_engine_there_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="M2CRYPTO_CONTAINER=image: neither docker nor podman is"):
        container.run("image", "matrix", [], here(tmp_path))


def test_missing_pythons_are_installed_by_uv(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = interpreters.describe(Path(sys.executable))
    assert found
    commands: list[list[str]] = []
    there = {MANIFEST.pythons[0]: found}
    monkeypatch.setattr(manifest, "load", lambda _: MANIFEST)
    monkeypatch.setattr(interpreters, "installed", lambda _: there)
    monkeypatch.setattr(process, "run", lambda command, **_: commands.append(command))
    pythons.main([], here(tmp_path))
    assert [command[1:] for command in commands] == [["-m", "uv", "python", "install", "3.99"]]
    assert capsys.readouterr().out == f"{MANIFEST.pythons[0]} {found.executable}\n"
    monkeypatch.setenv("M2CRYPTO_OFFLINE", "1")
    pythons.main([], here(tmp_path))
    captured = capsys.readouterr()
    assert "Python 3.99: not installed, because M2CRYPTO_OFFLINE is set" in captured.err
    assert len(commands) == 1
    with pytest.raises(UserError, match=r"pythons: '2\.7' is not in ci/matrix\.toml; it has "):
        pythons.main(["2.7"], here(tmp_path))


def test_a_key_covers_the_prefixes_of_the_named_builds(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from ci.openssl import prefixes

    monkeypatch.setattr(manifest, "load", lambda _: MANIFEST)
    for names in (["3.5"], ["3.5", "3.5-no-ec"], ["3.5-no-ec", "3.5"]):
        prefixes.print_key(names, project)
    one, both, turned = capsys.readouterr().out.splitlines()
    assert one != both == turned


def test_the_jobs_of_the_manifest_are_json_for_github(
    matrix: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plans.main(["--github"], here(matrix.parents[1]))
    (included,) = json.loads(capsys.readouterr().out).values()
    assert [job["build"] for job in included] == ["9.9", "9.9-no-ec"]


def test_the_jobs_of_the_wheels_are_json_for_github(
    matrix: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plans.main(["--wheels"], here(matrix.parents[1]))
    assert json.loads(capsys.readouterr().out) == {"include": []}
    known = manifest.load(here(ROOT).manifest)
    monkeypatch.setattr(manifest, "load", lambda _: known)
    plans.main(["--wheels"], here(matrix.parents[1]))
    jobs = json.loads(capsys.readouterr().out)["include"]
    assert {"platform": "windows-arm64", "runner": "windows-11-arm", "archs": "ARM64"} in jobs


def test_a_job_of_wheels_has_an_entry_for_each_platform() -> None:
    text = str(JOBS["build-wheels"][1]["strategy"]["matrix"])
    known = manifest.load(here(ROOT).manifest)
    assert workflow._entry(["platform=macos-arm64"], text, here(ROOT))["archs"] == "arm64"
    assert workflow._entry([], text, here(ROOT)) in plans.wheel_jobs(known)
