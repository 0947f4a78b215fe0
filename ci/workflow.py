"""`nox -s workflow -- JOB`: run the steps of a workflow's job in a fresh clone, as CI does.

The `run:` steps are run in order by bash, with CI=true and the outputs of the steps before them.
Of a job with a matrix, the first entry that this computer can run is taken, or the one that further
arguments `NAME=VALUE` select. Steps that use an action are listed and left out, and so are those
whose `if:` is false.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from ci import console, manifest, plans, process
from ci.errors import UserError, suggest
from ci.matrix import plan
from ci.matrix.machine import this_platform
from ci.project import Project

WORKFLOWS = Path(".github", "workflows")
# What an expression holds besides literals: names such as `steps.key.outputs.key`.
EXPRESSION = re.compile(r"\$\{\{\s*(.*?)\s*\}\}")
WHEELS = re.compile(r"outputs\.wheels\b")
BASH = ("bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c")
# The variables of a runner; a person's others would change what the steps do.
CARRIED = re.compile(
    r"PATH|HOME|USER|LANG|TMPDIR|PYENV_ROOT|UV_.*|PIP_.*|M2CRYPTO_(CACHE|MIRRORS|OFFLINE)"
)

Context = dict[str, Any]


def main(arguments: Sequence[str], project: Project) -> None:
    """Run the steps of the job that the first argument names.

    Raises:
        UserError: there is no such job or entry of its matrix, or a step failed.
    """
    jobs = load(project.root)
    if not arguments or arguments[0] not in jobs:
        name = arguments[0] if arguments else ""
        raise UserError(f"no job {name!r} in {WORKFLOWS}; {suggest(name, jobs)}")
    workflow, job = jobs[arguments[0]]
    context: Context = {"github": {"event_name": "push", "ref": "refs/heads/main"}, "steps": {}}
    if "matrix" in job.get("strategy", {}):
        context["matrix"] = _entry(arguments[1:], str(job["strategy"]["matrix"]), project)
    with tempfile.TemporaryDirectory(prefix="m2crypto-") as directory:
        clone = Path(directory, "clone")
        process.capture(["git", "clone", "--quiet", project.root, clone])
        _run_steps(workflow, job, context, clone)


def load(root: Path) -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
    """Return each job of the workflows by its name, with its workflow."""
    jobs: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {}
    for path in sorted((root / WORKFLOWS).glob("*.yml")):
        workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
        jobs |= {name: (workflow, job) for name, job in workflow["jobs"].items()}
    return jobs


def evaluate(text: object, context: Mapping[str, Any]) -> str:
    """Return a text with its expressions replaced: names, literals, `==`, `&&` and `||`."""
    return EXPRESSION.sub(lambda found: str(_value(found[1], context) or ""), str(text))


def _value(expression: str, context: Mapping[str, Any]) -> Any:
    """Return the value of an expression, which is false if it is empty."""
    result: Any = ""
    for alternative in re.sub(r"[()]", "", expression).split("||"):
        for term in alternative.split("&&"):
            left, equals, right = (each.strip() for each in term.partition("=="))
            result = _look_up(left, context)
            if equals:
                result = result == _look_up(right, context)
            if not result:
                break
        if result:
            return result
    return result


def _look_up(name: str, context: Mapping[str, Any]) -> Any:
    if name.startswith("'"):
        return name.strip("'")
    value: Any = context
    for part in name.split("."):
        value = value.get(part, "") if isinstance(value, Mapping) else ""
    return value


def _entry(selected: Sequence[str], matrix: str, project: Project) -> dict[str, str]:
    """Return the entry of the matrix with the selected values, on this platform by default.

    The matrix is the output `wheels` or `matrix` of a job that calls `nox -s plan`.
    """
    known = manifest.load(project.manifest)
    wanted = dict(each.partition("=")[::2] for each in selected)
    wanted.setdefault("platform", this_platform())
    if WHEELS.search(matrix):
        jobs = plans.wheel_jobs(known)
    else:
        jobs = plans.jobs(known, plan.make(known, "default", today=date.today()))
    for job in jobs:
        if wanted.items() <= job.items():
            console.log(f"matrix: {json.dumps(job)}")
            return job
    asked = ", ".join(f"{name}={value}" for name, value in wanted.items())
    raise UserError(
        f"no entry of the job's matrix has {asked}; `nox -s plan -- --github` lists them"
    )


def _run_steps(
    workflow: Mapping[str, Any], job: Mapping[str, Any], context: Context, clone: Path
) -> None:
    context["env"] = {}
    for variables in (workflow.get("env", {}), job.get("env", {})):
        context["env"] |= {name: evaluate(value, context) for name, value in variables.items()}
    base = {name: value for name, value in os.environ.items() if CARRIED.fullmatch(name)}
    outputs, summary = clone.parent / "outputs", clone.parent / "summary"
    for step in job["steps"]:
        if "run" not in step:
            console.log(f"left out: {step['uses']}")
            continue
        name, command = step.get("name", step["run"]), evaluate(step["run"], context)
        if not _value(step.get("if", "'true'"), context):
            console.log(f"left out: {name}, because {step['if']} is false")
            continue
        console.log(f"step: {name}")
        outputs.write_text("", encoding="utf-8")
        own = {key: evaluate(value, context) for key, value in step.get("env", {}).items()}
        files = {"GITHUB_OUTPUT": str(outputs), "GITHUB_STEP_SUMMARY": str(summary)}
        # The cache of the user is the only part of the computer that steps share with it.
        environment = {**context["env"], **base, **own, **files, "CI": "true"}
        status = process.attached([*BASH, command], cwd=clone, env=environment)
        if status:
            raise UserError(f"step {name!r} failed with exit code {status}: {command.strip()}")
        if "id" in step:
            lines = outputs.read_text(encoding="utf-8").splitlines()
            made = dict(line.partition("=")[::2] for line in lines)
            context["steps"][step["id"]] = {"outputs": made}
