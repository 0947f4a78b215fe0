"""The checks of an M2Crypto wheel, each a function that returns what it found.

The PyPA's tools check what they know: twine the metadata, check-wheel-contents the files,
auditwheel the platform, abi3audit the ABI. The rest is what M2Crypto promises of its wheels.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packaging.tags import platform_tags

from ci import environments, interpreters, manifest, process, sbom
from ci.audit.wheel import Wheel
from ci.errors import UserError
from ci.interpreters import Interpreter
from ci.process import CommandError
from ci.project import Project

# Bytes of a wheel: a download that nobody notices.
LARGEST = 3_000_000
INIT = "PyInit__m2crypto"
# auditwheel's policies, and their names before PEP 600.
POLICY = re.compile(r"(manylinux|musllinux)_(\d+)_(\d+)_(\w+)")
LEGACY = {"manylinux1": "manylinux_2_5", "manylinux2010": "manylinux_2_12"}
LEGACY |= {"manylinux2014": "manylinux_2_17"}
# Words that the text of each licence contains.
LICENCES = {
    "MIT": "Permission is hereby granted, free of charge",
    "Apache-2.0": "Apache License",
    "OpenSSL": "OpenSSL License",
}


class Fault(Exception):  # noqa: N818 - it is a finding, not an error of the audit
    """A defect that a check found."""


class Skipped(Exception):  # noqa: N818 - likewise
    """Why a check does not apply to a wheel, or cannot be done here."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of a check: `ok`, `failed` or `skipped`, and what was found."""

    check: str
    outcome: str
    detail: str


def audit(wheel: Wheel, project: Project) -> list[Finding]:
    """Return the finding of each check."""
    return [_finding(name, check, wheel, project) for name, check in CHECKS.items()]


def _finding(
    name: str, check: Callable[[Wheel, Project], str], wheel: Wheel, project: Project
) -> Finding:
    try:
        return Finding(name, "ok", check(wheel, project))
    except Fault as fault:
        return Finding(name, "failed", str(fault))
    except Skipped as why:
        return Finding(name, "skipped", str(why))


def metadata(wheel: Wheel, _project: Project) -> str:
    """Check the metadata and that its text can be rendered, by twine."""
    _tool("twine", "check", "--strict", wheel.path)
    return f"core metadata {wheel.metadata['Metadata-Version']}"


def contents(wheel: Wheel, _project: Project) -> str:
    """Check for files that do not belong into a wheel, by check-wheel-contents."""
    _tool("check_wheel_contents", wheel.path)
    return f"{len(wheel.binaries)} extension"


def platform(wheel: Wheel, _project: Project) -> str:
    """Check that the wheel works where its tag claims, by auditwheel."""
    claimed = sorted({tag.platform for tag in wheel.tags})
    if not any(re.match(r"(many|musl)?linux", tag) for tag in claimed):
        raise Skipped(f"{claimed[0]} is not Linux")
    policies = [policy for tag in claimed if (policy := _policy(tag))]
    if not policies:
        raise Fault(f"{claimed[0]} is the tag of the computer that built it; repair it")
    needs = _json(_tool("auditwheel", "show", "--json", wheel.path))["overall_tag"]
    needed = _policy(needs)
    if not any(_covers(policy, needed) for policy in policies):
        raise Fault(f"it is tagged {claimed[0]}, but needs {needs}")
    return f"needs {needs}"


def abi(wheel: Wheel, _project: Project) -> str:
    """Check that an abi3 wheel uses the limited API alone, by abi3audit."""
    if not any(tag.abi == "abi3" for tag in wheel.tags):
        raise Skipped(f"for {next(iter(wheel.tags)).abi} alone")
    _tool("abi3audit", "--strict", wheel.path)
    return f"abi3 of {min(tag.interpreter for tag in wheel.tags)}"


def exports(wheel: Wheel, _project: Project) -> str:
    """Check that nothing but the module's init function is exported."""
    if not wheel.binaries:
        raise Fault("there is no extension")
    for each in wheel.binaries:
        others = [name for name in each.exported if name != INIT]
        if others:
            raise Fault(f"{each.name} exports {_some(others)}, too")
        if not each.exported:
            raise Fault(f"{each.name} does not export {INIT}")
    return INIT


def hardening(wheel: Wheel, _project: Project) -> str:
    """Check for the protections that the compiler and the linker offer, and for debug symbols."""
    found = [
        f"{each.name} has {', '.join(each.weaknesses)}"
        for each in wheel.binaries
        if each.weaknesses
    ]
    if found:
        raise Fault("; ".join(found))
    return "hardened and stripped"


def size(wheel: Wheel, _project: Project) -> str:
    """Check the wheel's size."""
    megabytes = f"{wheel.size / 1e6:.2f} MB"
    if wheel.size > LARGEST:
        raise Fault(f"{megabytes}, more than {LARGEST / 1e6:.0f}")
    return megabytes


def openssl(wheel: Wheel, project: Project) -> str:
    """Check that the wheel contains one OpenSSL."""
    version = _openssl_of(wheel)
    known = manifest.load(project.manifest)
    ends = [each.end_of_life for each in known.releases if each.version == version]
    return f"OpenSSL {version}" + (f", supported until {ends[0]}" if ends else "")


def licences(wheel: Wheel, _project: Project) -> str:
    """Check that the licences of M2Crypto and OpenSSL are there, as the metadata says."""
    listed = [str(each) for each in wheel.metadata.get_all("License-File", [])]
    lost = [name for name in listed if f"licenses/{name}" not in wheel.information]
    if lost:
        raise Fault(f"License-File: {lost[0]} is not in .dist-info/licenses")
    texts = "\n".join(wheel.information[f"licenses/{name}"] for name in listed)
    wanted = ["MIT", sbom.spdx(_openssl_of(wheel))]
    missing = [name for name in wanted if LICENCES[name] not in texts]
    if missing:
        raise Fault(f"no License-File has the licence {' or '.join(missing)}")
    expression = str(wheel.metadata["License-Expression"])
    if not set(wanted) <= set(expression.split(" AND ")):
        raise Fault(f"License-Expression is {expression}, not {' AND '.join(wanted)}")
    return expression


def bill(wheel: Wheel, project: Project) -> str:
    """Check that there is an SBOM of CycloneDX, and that it names the OpenSSL in the wheel."""
    text = wheel.information.get(sbom.SBOM.as_posix())
    if text is None:
        raise Fault(f"there is no .dist-info/{sbom.SBOM.as_posix()}")
    error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if error:
        raise Fault(f"the SBOM is not of CycloneDX 1.6: {str(error).splitlines()[0]}")
    named = [each for each in _json(text).get("components", []) if each["name"] == "openssl"]
    if len(named) != 1:
        raise Fault(f"the SBOM has {len(named)} components called openssl")
    (component,) = named
    version, contained = component.get("version"), _openssl_of(wheel)
    if version != contained:
        raise Fault(f"the SBOM says OpenSSL {version}, but the wheel contains {contained}")
    for key in ("cpe", "purl"):
        if not re.search(rf"[:@]{re.escape(version)}(?![\w.])", component.get(key, "")):
            raise Fault(f"the SBOM's {key} is {component.get(key)!r}, not of {version}")
    source = _source(component)
    known = {each.version: each.sha256 for each in manifest.load(project.manifest).releases}
    if not source:
        raise Fault("the SBOM does not have the sha256 of OpenSSL's source")
    if source != known.get(version, source):
        raise Fault(f"the SBOM says sha256 {source}, and ci/matrix.toml {known[version]}")
    return f"CycloneDX 1.6, sha256 {source[:16]}…"


def loaded(wheel: Wheel, project: Project) -> str:
    """Install the wheel alone in a new environment, and compare what it says with what it has."""
    interpreter = interpreter_for(wheel, project)
    with tempfile.TemporaryDirectory(prefix="m2crypto-") as directory:
        log = Path(directory, "log.txt")
        requirements: list[str | Path] = ["--no-index", "--no-deps", wheel.path.resolve()]
        environment = Path(directory).resolve() / "environment"
        try:
            python = environments.create(environment, interpreter, requirements, log)
            text = process.capture([python, "-I", "-m", "M2Crypto", "--json"], cwd=environment)
        except CommandError as error:
            last = (error.tail.splitlines() or [str(error)])[-1].strip()
            raise Fault(f"on Python {interpreter.full_version}: {last}") from None
        said = _json(text)
        library = Path(said["origin"]["openssl_library"]).resolve()
        if not library.is_relative_to(environment):
            raise Fault(f"it runs on the OpenSSL of {library}")
    versions = {
        "M2Crypto": (said["versions"]["m2crypto"], wheel.version),
        "OpenSSL": (said["versions"]["openssl"], _openssl_of(wheel)),
        "OpenSSL's headers": (said["versions"]["openssl_headers"], _openssl_of(wheel)),
    }
    for what, (found, wanted) in versions.items():
        if found != wanted:
            raise Fault(f"the loaded module says {what} {found}, and the wheel has {wanted}")
    return f"Python {interpreter.full_version} loads it with OpenSSL {said['versions']['openssl']}"


def interpreter_for(wheel: Wheel, project: Project) -> Interpreter:
    """Return the oldest interpreter here that can install the wheel.

    Raises:
        Skipped: there is none.
    """
    here = set(platform_tags())
    tags = {(tag.interpreter, tag.abi) for tag in wheel.tags if tag.platform in here}
    if not tags:
        platforms = ", ".join(sorted({tag.platform for tag in wheel.tags}))
        raise Skipped(f"this computer is not {platforms}")
    found = interpreters.installed(manifest.load(project.manifest).pythons)
    for each in sorted(found.values(), key=lambda one: one.hexversion):
        if any(_accepts(each, *tag) for tag in tags):
            return each
    raise Skipped(f"there is no Python here for {min(tags)[0]}")


def _accepts(interpreter: Interpreter, tag: str, abi: str) -> bool:
    """Return whether an interpreter installs wheels with a tag, such as cp311, and an ABI."""
    own = "cp" + interpreter.version.replace(".", "")
    if abi != "abi3":
        return abi == own
    least = int(tag.removeprefix("cp3"))
    return not interpreter.free_threaded and interpreter.hexversion >> 16 >= 0x300 + least


def _openssl_of(wheel: Wheel) -> str:
    """Return the version of the one OpenSSL in the wheel.

    Raises:
        Fault: there is none, or there are several.
    """
    versions = list(wheel.openssl)
    if not versions:
        linked = wheel.linked
        raise Fault("it contains no OpenSSL" + (f", but needs {_some(linked)}" if linked else ""))
    if len(versions) > 1:
        raise Fault(f"it contains OpenSSL {' and '.join(versions)}")
    return versions[0]


def _source(component: Mapping[str, Any]) -> str:
    """Return the sha256 of a component's source, or an empty string."""
    for reference in component.get("externalReferences", []):
        if reference["type"] == "source-distribution":
            for each in reference.get("hashes", []):
                if each["alg"] == "SHA-256":
                    return str(each["content"])
    return ""


def _policy(tag: str) -> tuple[str, int, int, str] | None:
    """Return the C library, its version and the architecture of a platform tag of auditwheel's."""
    old, _, architecture = tag.partition("_")
    if old in LEGACY:
        tag = f"{LEGACY[old]}_{architecture}"
    found = POLICY.fullmatch(tag)
    return (found[1], int(found[2]), int(found[3]), found[4]) if found else None


def _covers(claimed: tuple[str, int, int, str], needed: tuple[str, int, int, str] | None) -> bool:
    """Return whether every system with the claimed policy has what is needed."""
    if needed is None:
        return False
    return (claimed[0], claimed[3]) == (needed[0], needed[3]) and claimed[1:3] >= needed[1:3]


def _tool(module: str, *arguments: str | Path) -> str:
    """Run one of the PyPA's tools, and return its output.

    Raises:
        Fault: it found something; the text is its last lines.
    """
    environment = {**os.environ, "NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "500"}
    with tempfile.TemporaryDirectory(prefix="m2crypto-") as directory:
        log = Path(directory, "output.txt")
        try:
            process.run(
                [sys.executable, "-m", module, *arguments], log=log, env=environment, quiet=True
            )
        except CommandError as error:
            lines = [line.strip() for line in error.tail.splitlines() if line.strip()]
            raise Fault(f"{module}: {' '.join(lines[-3:])}") from None
        return log.read_text(encoding="utf-8").partition("\n")[2]


def _json(text: str) -> Any:
    """Return the object in a text that may have lines around it."""
    try:
        return json.loads(text[text.index("{") : text.rindex("}") + 1])
    except ValueError:
        raise UserError(f"expected JSON, not {text[:80]!r}") from None


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


CHECKS: dict[str, Callable[[Wheel, Project], str]] = {
    "metadata": metadata,
    "contents": contents,
    "platform": platform,
    "ABI": abi,
    "exports": exports,
    "hardening": hardening,
    "size": size,
    "OpenSSL": openssl,
    "licences": licences,
    "SBOM": bill,
    "loaded": loaded,
}
