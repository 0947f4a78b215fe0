"""Release wheels by cibuildwheel: in its container images on Linux, on the host elsewhere.

Its settings are in pyproject.toml. What depends on the run is passed in the environment.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

from ci import console, process
from ci.distribution import host
from ci.distribution.request import Request
from ci.errors import UserError, one_line
from ci.openssl import prefixes, sources
from ci.process import CommandError

ENGINES = ("docker", "podman")
# Lines that cibuildwheel prints when it begins a build or tests a wheel that it has built before.
STEP = re.compile(r"Building \S+ wheel|Found previously built wheel .*?compatible with [\w-]+")
# What cibuildwheel prints for a build identifier whose Python an image does not have, and an engine
# that cannot get an image.
NO_PYTHON = re.compile(
    r"(?P<python>\S+)' (?:executable doesn't exist in image '(?P<image>\S+)' to build '(?P<id>\S+)'"
    r"|needed to build '(?P<id_>\S+)' failed in container running image '(?P<image_>\S+)')"
)
NO_IMAGE = re.compile(
    r"^.*(?:dial tcp|no such host|Temporary failure in name resolution|pull access denied"
    r"|manifest unknown|initializing source|Client\.Timeout).*$",
    re.MULTILINE,
)
# The settings of cibuildwheel's container engine that this adds to.
ARGUMENTS = "create_args:"
# The label of the containers; its value is the run's directory.
LABEL = "m2crypto.work"


def available() -> str:
    """Return the name of a container engine that runs, `none needed`, or an empty string."""
    if sys.platform != "linux":
        return "none needed"
    named = os.environ.get("CIBW_CONTAINER_ENGINE", "").partition(";")[0].strip()
    for name in (named,) if named else ENGINES:
        if shutil.which(name) and _runs(name):
            return name
    return ""


def _runs(name: str) -> bool:
    try:
        # A client may be installed whose daemon is not.
        process.capture([name, "info"], timeout=60)
    except UserError:
        return False
    return True


def build(request: Request, engine: str) -> Path:
    """Build, repair and test the wheels of this platform into the request's `raw` directory.

    Returns:
        The OpenSSL prefix.

    Raises:
        CommandError: cibuildwheel failed.
        UserError: an image cannot be pulled, or lacks a Python.
    """
    log = request.project.cache / "logs" / "cibuildwheel.txt"
    log.unlink(missing_ok=True)
    variables = environment(request)
    if sys.platform == "linux":
        variables["CIBW_CONTAINER_ENGINE"] = _engine(
            os.environ.get("CIBW_CONTAINER_ENGINE") or engine,
            [request.project.root, request.project.cache, request.work],
            request.work,
        )
    else:
        name = request.wheels.build.name
        variables["OPENSSL_DIR"] = str(
            prefixes.ensure([request.wheels.build], request.project)[name]
        )

    def on_line(line: str) -> None:
        if step := STEP.search(line):
            console.log(f"cibuildwheel: {step[0]}")

    try:
        process.run(
            [sys.executable, "-m", "cibuildwheel", "--output-dir", request.raw, request.sdist],
            log=log,
            env={**os.environ, **variables},
            on_line=on_line,
        )
    except CommandError as error:
        if why := explain(log.read_text(encoding="utf-8", errors="replace")):
            raise UserError(f"wheels: {why}; the whole log is {log}") from error
        raise
    finally:
        # cibuildwheel that is terminated leaves its container running.
        if "CIBW_CONTAINER_ENGINE" in variables:
            _remove_containers(engine, request.work)
    if sys.platform == "linux":
        return Path((request.work / "prefix").read_text(encoding="utf-8").split(" ", 1)[1].strip())
    return Path(variables["OPENSSL_DIR"])


def explain(log: str) -> str:
    """Return what lacks, if cibuildwheel failed because of an image; else an empty string."""
    if found := NO_PYTHON.search(log):
        names = found["id"] or found["id_"], found["image"] or found["image_"]
        return (
            f"{names[0]} needs a Python that the image {names[1]} does not have; choose another"
            " image, or other builds (CIBW_BUILD)"
        )
    if lines := NO_IMAGE.findall(log):
        return (
            f"the container image cannot be pulled: {one_line(lines[0].strip())}; connect to the"
            " network, or build on the host (--host)"
        )
    return ""


def environment(request: Request) -> dict[str, str]:
    """Return the variables of the builds, which pyproject.toml passes into the containers."""
    project = request.project
    limits = request.work / "constraints.txt"
    known = project.constraints.read_text(encoding="utf-8") if project.constraints.exists() else ""
    limits.write_text(f"{known}swig=={request.swig}\n", encoding="utf-8")
    tarball = sources.tarball(request.wheels.build.release, project)
    mine = host.environment(request)
    return {
        "CFLAGS": mine["CFLAGS"],
        "SOURCE_DATE_EPOCH": mine["SOURCE_DATE_EPOCH"],
        "PIP_CONSTRAINT": str(limits),
        "M2CRYPTO_BUILD": request.wheels.build.name,
        "M2CRYPTO_CACHE": str(project.cache),
        "M2CRYPTO_CHECKOUT": str(project.root),
        "M2CRYPTO_MIRRORS": str(tarball.parent),
        "M2CRYPTO_OFFLINE": "1",
        "M2CRYPTO_WORK": str(request.work),
        # Of those in pyproject.toml; GitHub Actions has a runner for each.
        "CIBW_ARCHS": os.environ.get("CIBW_ARCHS", "native"),
        **({"CIBW_BUILD": " ".join(request.chosen)} if request.chosen else {}),
    }


def _remove_containers(engine: str, work: Path) -> None:
    found = process.clean_up([engine, "ps", "-aq", f"--filter=label={LABEL}={work}"]).split()
    if found:
        process.clean_up([engine, "rm", "-f", *found])


def _engine(setting: str, directories: Iterable[Path], work: Path) -> str:
    """Return cibuildwheel's setting of the engine, with a volume for each of `directories`."""
    volumes = " ".join(
        (
            *(f"--volume={path}:{path}" for path in dict.fromkeys(directories)),
            f"--label={LABEL}={work}",
        )
    )
    parts = [part.strip() for part in setting.split(";")]
    for place, part in enumerate(parts):
        if part.startswith(ARGUMENTS):
            parts[place] = f"{part} {volumes}"
            break
    else:
        parts.append(f"{ARGUMENTS} {volumes}")
    return "; ".join(parts)
