"""The wheels of the manifest's list, and those of them that are missing in a directory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from packaging.tags import Tag
from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import Version

from ci import checkout
from ci.errors import UserError
from ci.manifest import Wheels

# The missing wheels that an error names.
NAMED = 5


def claims(tag: Tag, python: str) -> bool:
    """Return whether a wheel's tag claims a Python such as `3.13t`."""
    if tag.abi != "abi3":
        return tag.abi == "cp" + python.replace(".", "")
    oldest = f"{tag.interpreter[2]}.{tag.interpreter[3:]}"
    return not python.endswith("t") and Version(python) >= Version(oldest)


def check(archives: Iterable[Path], version: str, wanted: Wheels) -> None:
    """Check that the archives are one version's sdist and every wheel of the list.

    Raises:
        UserError: one is missing, is of another project or version, or is not in the list.
    """
    archives = list(archives)
    wheels = {path: _tags(path, version) for path in archives if not path.name.endswith(".tar.gz")}
    sdists = [path for path in archives if path not in wheels]
    for path in sdists:
        _check_sdist(path, version)
    missing = [] if sdists else ["the sdist"]
    used = set()
    for tag in wanted.tags:
        for python in wanted.pythons:
            found = [path for path, tags in wheels.items() if _fits(tags, python, tag)]
            used.update(found)
            if not found:
                missing.append(f"cp{python.replace('.', '')}-{tag}")
    if missing:
        more = f" and {len(missing) - NAMED} more" if len(missing) > NAMED else ""
        raise UserError(
            f"release: {len(missing)} of the manifest's list are missing: "
            f"{', '.join(missing[:NAMED])}{more}"
        )
    for path in wheels.keys() - used:
        raise UserError(f"{path.name}: for no Python and platform of the manifest's list")


def _fits(tags: Iterable[Tag], python: str, platform: str) -> bool:
    kind, _, processor = platform.partition("_")
    return any(
        tag.platform.startswith(f"{kind}_")
        and tag.platform.endswith(f"_{processor}")
        and claims(tag, python)
        for tag in tags
    )


def _tags(path: Path, version: str) -> Sequence[Tag]:
    try:
        name, found, _, tags = parse_wheel_filename(path.name)
    except InvalidWheelFilename:
        raise UserError(f"{path.name}: neither an sdist nor a wheel") from None
    _check_name(path, name, found, version)
    return list(tags)


def _check_sdist(path: Path, version: str) -> None:
    try:
        _check_name(path, *parse_sdist_filename(path.name), version)
    except InvalidSdistFilename:
        raise UserError(f"{path.name}: not the name of an sdist") from None


def _check_name(path: Path, name: str, found: Version, version: str) -> None:
    if (name, found) != (checkout.PACKAGE.lower(), Version(version)):
        raise UserError(f"{path.name}: not of {checkout.PACKAGE} {version}")
