"""Whether the matrix is green for a commit: by the results of this checkout, or by GitHub's checks.

The results are those of exactly these sources (ci/matrix/results.py), so they are the commit's if
the checkout is clean.
"""

from __future__ import annotations

import json
import shutil
from typing import Any

from ci import process
from ci.errors import UserError
from ci.manifest import Manifest
from ci.matrix import results
from ci.matrix.prepare import copy_checkout
from ci.project import Project
from ci.report import report
from ci.report.gather import gather

# The check of .github/workflows/matrix.yml that needs all others.
CHECK = "Required"


def check(commit: str, known: Manifest, project: Project) -> str:
    """Return how it is known that the matrix is green.

    A failure in a result of this checkout decides. If cells of the default plan have no result,
    GitHub's check of the commit decides.

    Raises:
        UserError: the matrix is red, or there is no record that it is green.
    """
    lacking = _local(known, project)
    if not lacking:
        return "every required cell of the default plan passed in this checkout"
    if project.offline:
        raise UserError(f"{lacking}; run `nox -s matrix` (M2CRYPTO_OFFLINE is set)")
    if not shutil.which("gh"):
        raise UserError(
            f"{lacking}; run `nox -s matrix`, or install gh, which reads GitHub's checks"
        )
    return _github(commit, lacking, project)


def _local(known: Manifest, project: Project) -> str:
    """Return what the results of this checkout lack, or an empty string.

    Raises:
        UserError: a required cell failed, or the report complains.
    """
    with results.writing(project.results):
        copy_checkout(project)
        gathered = gather(known, None, project)
        required = {each.cell.id for each in gathered.planned if each.required}
        failed = [
            each.expected.id
            for each in gathered.usable
            if each.tests.failed and each.expected.id in required
        ]
        if failed:
            raise UserError(f"the matrix is red: {len(failed)} cells failed: {', '.join(failed)}")
        whole = {each.expected.id for each in gathered.usable if not each.expected.partial}
        absent = sorted(required - whole)
        if absent:
            return f"{len(absent)} cells of the matrix have no result of this commit: {absent[0]}"
        complaints = report.make(known, None, project)
    if complaints:
        raise UserError(f"the matrix is red: {complaints[0]}")
    return ""


def _github(commit: str, lacking: str, project: Project) -> str:
    path = f"repos/{{owner}}/{{repo}}/commits/{commit}/check-runs?check_name={CHECK}"
    try:
        runs = _runs(process.capture(["gh", "api", path], cwd=project.root, timeout=60))
    except (UserError, ValueError) as error:
        last = str(error).splitlines()[-1].strip(" |")
        raise UserError(f"{lacking}; GitHub's checks cannot be read: {last}") from None
    if not runs:
        raise UserError(f"{lacking}, and GitHub has no check {CHECK!r} of {commit[:12]}")
    newest = max(runs, key=lambda run: str(run.get("started_at")))
    state = newest.get("conclusion") or newest.get("status")
    if state != "success":
        raise UserError(f"the matrix is red: GitHub's check {CHECK!r} of {commit[:12]}: {state}")
    return f"GitHub's check {CHECK!r} of {commit[:12]} succeeded"


def _runs(text: str) -> list[dict[str, Any]]:
    document = json.loads(text)
    runs = document.get("check_runs") if isinstance(document, dict) else None
    if not isinstance(runs, list):
        raise ValueError("a response without check_runs")
    return runs
