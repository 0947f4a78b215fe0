"""The manifest (`ci/matrix.toml`): OpenSSL releases and variants, Pythons, SWIG.

`load` returns a `Manifest`, or raises a UserError of one line that names the file and the key.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta
from packaging.version import Version

from ci import extension
from ci.documents import Record, convert, read_toml
from ci.errors import UserError, suggest

SERIES = r"\d+\.\d+(\.\d+)?"
# The rest of a version after its series: 3.5.7 of 3.5, 1.1.1w of 1.1.1.
PATCH = {1: r"\.\d+", 2: r"[a-z]{0,2}"}
# A version in a url, in the name of a tag or of a file.
NAMED = re.compile(r"openssl[-_](\d+(?:[._]\d+)+[a-z]*)", re.IGNORECASE)
OLDEST_SWIG = ".".join(map(str, extension.OLDEST_SWIG))


@dataclass(frozen=True, slots=True)
class Release:
    """An OpenSSL source release.

    Attributes:
        series: such as `3.5`.
        version: such as `3.5.7`.
        url: the tarball on upstream's release page.
        sha256: the tarball's, in lower-case hexadecimal.
        end_of_life: the day after which upstream does not fix it.
    """

    series: str
    version: str
    url: str
    sha256: str
    end_of_life: date


@dataclass(frozen=True, slots=True)
class Variant:
    """A named set of options of OpenSSL's Configure."""

    name: str
    options: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Build:
    """A release configured with the options of a variant."""

    release: Release
    variant: Variant

    @property
    def name(self) -> str:
        """`3.5`, or with a variant other than `default` such as `3.5-no-ec`."""
        if self.variant.name == "default":
            return self.release.series
        return f"{self.release.series}-{self.variant.name}"

    @property
    def version(self) -> str:
        """OpenSSL's version, such as `3.5.7` or `1.1.1w`."""
        return self.release.version


@dataclass(frozen=True, slots=True)
class Manifest:
    """The content of `ci/matrix.toml`; `quick` are the builds of `nox -s tests`."""

    releases: tuple[Release, ...]
    variants: tuple[Variant, ...]
    pythons: tuple[str, ...]
    swig: str
    quick: tuple[Build, ...]

    @property
    def builds(self) -> tuple[Build, ...]:
        """Every release times every variant, in the manifest's order."""
        return _builds(self.releases, self.variants)

    def find_build(self, name: str) -> Build:
        """Return the build of that name.

        Raises:
            UserError: there is none; the message suggests the nearest name.
        """
        builds = {build.name: build for build in self.builds}
        if name not in builds:
            raise UserError(f"unknown OpenSSL build {name!r}: {suggest(name, builds)}")
        return builds[name]

    def switches(self) -> dict[str, bool]:
        """Return every macro that an option of a variant implies, and whether as defined."""
        return dict(implied(option) for each in self.variants for option in each.options)


def implied(option: str) -> tuple[str, bool]:
    """Return the macro that an option of Configure decides, and whether it is then defined.

    `no-ec` defines OPENSSL_NO_EC, `enable-md2` leaves OPENSSL_NO_MD2 undefined, and `-DNAME=1`
    defines NAME for OpenSSL's own compilation alone, which no header shows.
    """
    if option.startswith("-D"):
        return option[2:].partition("=")[0], False
    switch = re.sub(r"^(no|enable)-", "", option).replace("-", "_").upper()
    return f"OPENSSL_NO_{switch}", option.startswith("no-")


PythonSeries = Annotated[
    str, Meta(pattern=r"^3\.(0|[1-9][0-9]*)t?\Z", description="a series such as '3.13'")
]
SwigVersion = Annotated[
    str, Meta(pattern=r"^[0-9]+\.[0-9]+\.[0-9]+\Z", description="a version such as '4.5.1'")
]
Url = Annotated[
    str, Meta(pattern=r"^https://\S+\.tar\.gz\Z", description="the https URL of a .tar.gz file")
]
Sha256 = Annotated[
    str, Meta(pattern=r"^[0-9a-f]{64}\Z", description="64 lower-case hexadecimal digits")
]
Day = Annotated[date, Meta(description="a date such as 2030-04-08")]
Option = Annotated[
    str,
    Meta(
        pattern=r"^((no|enable)-[a-z0-9]+(-[a-z0-9]+)*|-D[A-Za-z_][A-Za-z0-9_]*(=[A-Za-z0-9_]+)?)\Z",
        description="an option of Configure such as 'no-ec'",
    ),
]
BuildName = Annotated[str, Meta(description="the name of a build such as '3.5-no-ec'")]
Table = Annotated[dict[str, Any], Meta(description="a table")]


class _Release(Record, frozen=True):
    version: str
    url: Url
    sha256: Sha256
    end_of_life: Day


class _OpenSSL(Record, frozen=True):
    releases: Table
    variants: Table


class _Manifest(Record, frozen=True):
    pythons: Annotated[list[PythonSeries], Meta(min_length=1, description="a list of series")]
    swig: SwigVersion
    quick: Annotated[list[BuildName], Meta(min_length=1, description="a list of builds")]
    openssl: _OpenSSL


def load(path: Path) -> Manifest:
    """Return the manifest in the file `path`.

    Raises:
        UserError: it cannot be read, or an entry is invalid.
    """
    top = convert(read_toml(path), _Manifest, path)
    check = _Check(path)
    releases = _releases(top.openssl.releases, check)
    variants = _variants(top.openssl.variants, check)
    check.unique("pythons", top.pythons)
    if Version(top.swig) < Version(OLDEST_SWIG):
        raise check.error("swig", f"must be {OLDEST_SWIG} or newer, not {top.swig!r}")
    return Manifest(
        releases=releases,
        variants=variants,
        pythons=tuple(top.pythons),
        swig=top.swig,
        quick=_quick(top.quick, _builds(releases, variants), check),
    )


@dataclass(frozen=True, slots=True)
class _Check:
    """Errors of a manifest's file."""

    path: Path

    def error(self, key: str, what: str) -> UserError:
        return UserError(f"{self.path}: {key} {what}")

    def unique(self, key: str, values: Sequence[str]) -> None:
        for place, value in enumerate(values):
            if value in values[:place]:
                raise self.error(key, f"names {value!r} twice")


def _builds(releases: Sequence[Release], variants: Sequence[Variant]) -> tuple[Build, ...]:
    return tuple(Build(release, variant) for release in releases for variant in variants)


def _releases(tables: dict[str, Any], check: _Check) -> tuple[Release, ...]:
    if not tables:
        raise check.error("openssl.releases", "is empty")
    releases = tuple(_release(series, table, check) for series, table in tables.items())
    check.unique("openssl.releases.*.version", [each.version for each in releases])
    check.unique("openssl.releases.*.sha256", [each.sha256 for each in releases])
    return releases


def _release(series: str, table: object, check: _Check) -> Release:
    key = f"openssl.releases.{series}"
    if not re.fullmatch(SERIES, series, re.ASCII):
        raise check.error(key, "must be a series such as '3.5' or '1.1.1'")
    facts = convert(table, _Release, check.path, key)
    version = facts.version
    if not re.fullmatch(re.escape(series) + PATCH[series.count(".")], version, re.ASCII):
        raise check.error(
            f"{key}.version", f"must be a version of series {series}, not {version!r}"
        )
    if not facts.url.endswith(f"/openssl-{version}.tar.gz"):
        raise check.error(
            f"{key}.url", f"must end with /openssl-{version}.tar.gz, not {facts.url!r}"
        )
    for named in NAMED.findall(facts.url):
        if named.replace("_", ".") != version:
            raise check.error(f"{key}.url", f"names version {named}, and version is {version!r}")
    return Release(series, version, facts.url, facts.sha256, facts.end_of_life)


def _variants(tables: dict[str, Any], check: _Check) -> tuple[Variant, ...]:
    if "default" not in tables:
        raise check.error("openssl.variants.default", "is missing; it is the variant of no suffix")
    variants = tuple(_variant(name, options, check) for name, options in tables.items())
    by_options: dict[frozenset[str], str] = {}
    for variant in variants:
        same = by_options.setdefault(frozenset(variant.options), variant.name)
        if same != variant.name:
            raise check.error(f"openssl.variants.{variant.name}", f"has the options of {same!r}")
    return variants


def _variant(name: str, options: object, check: _Check) -> Variant:
    key = f"openssl.variants.{name}"
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name):
        raise check.error(key, "must be a name of small letters, digits and single dashes")
    chosen = convert(options, list[Option], check.path, key)
    # Only `default` may be what Configure makes without options.
    if not chosen and name != "default":
        raise check.error(key, "is empty")
    macros = [implied(option)[0] for option in chosen]
    for place, macro in enumerate(macros):
        if macro in macros[:place]:
            raise check.error(key, f"sets {macro} twice")
    return Variant(name, tuple(chosen))


def _quick(names: list[str], builds: tuple[Build, ...], check: _Check) -> tuple[Build, ...]:
    known = {build.name: build for build in builds}
    for name in names:
        if name not in known:
            raise check.error("quick", f"names an unknown build {name!r}; {suggest(name, known)}")
    check.unique("quick", names)
    return tuple(known[name] for name in names)
