"""`nox -s audit`: check wheels of M2Crypto, or find those of any project with an old OpenSSL.

    nox -s audit -- dist/*.whl                        every check, for wheels of M2Crypto
    nox -s audit -- --older-than 3.5.7 *.whl          the OpenSSL in wheels of any project

The exit code is 1 if a check failed, or a wheel contains an older OpenSSL.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ci.audit import checks, wheel
from ci.audit.wheel import Wheel
from ci.checkout import PACKAGE
from ci.errors import UserError
from ci.project import Project

OLDER = "--older-than"


def main(arguments: Sequence[str], project: Project) -> None:
    """Audit the wheels whose files, or directories, the arguments name.

    Raises:
        UserError: an argument is wrong, a file is no wheel, or one of them does not pass.
    """
    limit, named = _parse(arguments)
    wheels = [wheel.read(path) for path in _paths(named)]
    if limit:
        _print_older(wheels, limit)
        return
    for each in wheels:
        if each.name != PACKAGE.lower():
            raise UserError(
                f"{each.path}: a wheel of {each.name}, and the checks are for {PACKAGE}'s; "
                f"`{OLDER} VERSION` finds the OpenSSL in it"
            )
    failed = [each.path.name for each in wheels if not _check(each, project)]
    if failed:
        raise UserError(f"{len(failed)} of {len(wheels)} wheels failed: {', '.join(failed)}")


def _check(each: Wheel, project: Project) -> bool:
    """Print the findings of a wheel, and return whether none failed."""
    print(each.path.name, flush=True)
    findings = checks.audit(each, project)
    for finding in findings:
        print(f"  {finding.outcome:<8}{finding.check:<11}{finding.detail}")
    return all(finding.outcome != "failed" for finding in findings)


def _print_older(wheels: Sequence[Wheel], limit: str) -> None:
    """Print the OpenSSL in each wheel, and raise an error that counts those with an older one."""
    older = 0
    for each in wheels:
        found = [
            f"OpenSSL {version} in {Path(names[0]).name}"
            + (f", older than {limit}" if wheel.order(version) < wheel.order(limit) else "")
            for version, names in each.openssl.items()
        ]
        found += [f"needs {name}, which is not in it" for name in each.linked]
        older += any(wheel.order(version) < wheel.order(limit) for version in each.openssl)
        print(f"{each.path.name}: {'; '.join(found) or 'no OpenSSL'}")
    if older:
        raise UserError(f"{older} of {len(wheels)} contain OpenSSL older than {limit}")


def _parse(arguments: Sequence[str]) -> tuple[str, list[str]]:
    """Return the version of `--older-than`, or an empty string, and the other arguments."""
    rest = list(arguments)
    limit = ""
    if OLDER in rest:
        at = rest.index(OLDER)
        limit = (rest[at + 1 : at + 2] or [""])[0]
        try:
            wheel.order(limit)
        except ValueError:
            raise UserError(
                f"{OLDER} takes a version of OpenSSL, such as 3.5.7, not {limit!r}"
            ) from None
        del rest[at : at + 2]
    unknown = [each for each in rest if each.startswith("-")]
    if unknown:
        raise UserError(f"audit: unexpected option {unknown[0]!r}; it takes {OLDER} VERSION")
    if not rest:
        raise UserError("audit: name wheels, such as `nox -s audit -- dist/*.whl`")
    return limit, rest


def _paths(named: Sequence[str]) -> list[Path]:
    """Return the files, with the wheels in directories."""
    paths: list[Path] = []
    for name in named:
        path = Path(name)
        found = sorted(path.glob("*.whl")) if path.is_dir() else [path]
        if not found:
            raise UserError(f"{path}: there is no wheel in this directory")
        paths += found
    return paths
