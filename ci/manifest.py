"""What exists: OpenSSL releases and variants, Pythons, SWIG.

Given `matrix.toml` it gives a `Manifest` of frozen facts, or a `Problem` of one line that names
the file and the key. It is strict: what it does not know, it refuses.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

from ci import extension
from ci.problem import Problem, nearest

MATRIX = Path(__file__).with_name("matrix.toml")

# What a variant may give to Configure: a feature, or a macro.
OPTION = r"(no|enable)-[a-z0-9]+(-[a-z0-9]+)*|-D[A-Za-z_]\w*(=\w+)?"
SERIES = r"\d+\.\d+(\.\d+)?"
# How a release's version follows from its series: 3.5.7 of 3.5, 1.1.1w of 1.1.1.
PATCH = {1: r"\.\d+", 2: r"[a-z]{0,2}"}
# A version in a url, in the folder's name (a tag) or the file's.
NAMED = re.compile(r"openssl[-_](\d+(?:[._]\d+)+[a-z]*)", re.IGNORECASE)
OLDEST_SWIG = ".".join(map(str, extension.OLDEST_SWIG))

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Release:
    """An OpenSSL source release; `sha256` is its tarball's, in lower-case hexadecimal."""

    series: str
    version: str
    url: str
    sha256: str
    end_of_life: date


@dataclass(frozen=True, slots=True)
class Variant:
    """A named set of options for OpenSSL's Configure."""

    name: str
    options: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Build:
    """A release built as a variant says."""

    release: Release
    variant: Variant

    @property
    def name(self) -> str:
        """`3.5`, or with a variant other than `default` `3.5-no-ec`."""
        if self.variant.name == "default":
            return self.release.series
        return f"{self.release.series}-{self.variant.name}"

    @property
    def version(self) -> str:
        """OpenSSL's own version, such as `3.5.7` or `1.1.1w`."""
        return self.release.version


@dataclass(frozen=True, slots=True)
class Manifest:
    """All of it; `quick` are the builds of `nox -s tests`."""

    releases: tuple[Release, ...]
    variants: tuple[Variant, ...]
    pythons: tuple[str, ...]
    swig: str
    quick: tuple[Build, ...]

    @property
    def builds(self) -> tuple[Build, ...]:
        """Every release times every variant, in the manifest's order."""
        return _builds(self.releases, self.variants)


def load(path: Path = MATRIX) -> Manifest:
    """The manifest in the file `path`; a `Problem` says what is wrong with it, and where."""
    top = _Table(path, "", _toml(path), ("pythons", "swig", "quick", "openssl"))
    openssl = top.table("openssl", ("releases", "variants"))
    releases = _releases(openssl.table("releases"))
    variants = _variants(openssl.table("variants"))
    return Manifest(
        releases=releases,
        variants=variants,
        pythons=top.strings("pythons", r"3\.(0|[1-9]\d*)t?", "series such as '3.13'"),
        swig=_swig(top),
        quick=_quick(top, _builds(releases, variants)),
    )


def _builds(releases: tuple[Release, ...], variants: tuple[Variant, ...]) -> tuple[Build, ...]:
    return tuple(Build(release, variant) for release in releases for variant in variants)


def _releases(table: _Table) -> tuple[Release, ...]:
    releases = tuple(_release(table, series) for series in table.names())
    for fact in ("version", "sha256"):
        table.unique(f"*.{fact}", [getattr(release, fact) for release in releases])
    return releases


def _release(releases: _Table, series: str) -> Release:
    if not re.fullmatch(SERIES, series, re.ASCII):
        raise releases.problem(series, "must be a series such as '3.5' or '1.1.1'")
    table = releases.table(series, ("version", "url", "sha256", "end_of_life"))
    version = table.string(
        "version",
        re.escape(series) + PATCH[series.count(".")],
        f"a version of series {series}",
    )
    return Release(
        series=series,
        version=version,
        url=_url(table, version),
        sha256=table.string("sha256", r"[0-9a-f]{64}", "64 lower-case hexadecimal digits"),
        end_of_life=table.value("end_of_life", date, "a date such as 2030-04-08"),
    )


def _url(table: _Table, version: str) -> str:
    url = table.string("url", r"https://\S+\.tar\.gz", "the https address of a .tar.gz")
    if not url.endswith(f"/openssl-{version}.tar.gz"):
        raise table.problem("url", f"must end with /openssl-{version}.tar.gz, not {url!r}")
    for named in NAMED.findall(url):
        if named.replace("_", ".") != version:
            raise table.problem("url", f"names version {named}, and version is {version!r}")
    return url


def _swig(top: _Table) -> str:
    version = top.string("swig", r"\d+\.\d+\.\d+", "a version such as '4.5.1'")
    if tuple(map(int, version.split("."))) < extension.OLDEST_SWIG:
        raise top.problem("swig", f"must be {OLDEST_SWIG} or newer, not {version!r}")
    return version


def _variants(table: _Table) -> tuple[Variant, ...]:
    variants = tuple(_variant(table, name) for name in table.entries)
    if "default" not in table.entries:
        raise table.problem("default", "is missing; it is the variant without a suffix")
    by_options: dict[frozenset[str], str] = {}
    for variant in variants:
        same = by_options.setdefault(frozenset(variant.options), variant.name)
        if same != variant.name:
            raise table.problem(variant.name, f"has the options of {same!r}")
    return variants


def _variant(table: _Table, name: str) -> Variant:
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name):
        raise table.problem(name, "must be a name of small letters, digits and single dashes")
    # Only `default` may be what OpenSSL's Configure makes without options.
    few = 0 if name == "default" else 1
    options = table.strings(name, OPTION, "options of Configure such as 'no-ec'", few)
    # An option and its opposite set the same feature, as two values set the same macro.
    features = [re.sub(r"^(no|enable)-|=.*", "", option) for option in options]
    table.unique(name, features)
    return Variant(name, options)


def _quick(top: _Table, builds: tuple[Build, ...]) -> tuple[Build, ...]:
    known = {build.name: build for build in builds}
    names = top.strings("quick", r".+", "names of builds such as '3.5-no-ec'")
    for name in names:
        if name not in known:
            raise top.problem("quick", f"names an unknown build {name!r}; {nearest(name, known)}")
    return tuple(known[name] for name in names)


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Problem(f"{path}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Problem(f"{path}: not TOML: {error}") from error


class _Table:
    """A TOML table whose values are checked as they are read.

    `keys` are the only ones it may hold, all of them required; None where people choose them.
    """

    def __init__(
        self, path: Path, where: str, entries: dict[str, Any], keys: Sequence[str] | None = None
    ) -> None:
        self.path = path
        self.where = where
        self.entries = entries
        if keys is not None:
            self._require(keys)

    def _require(self, keys: Sequence[str]) -> None:
        missing = [key for key in keys if key not in self.entries]
        # A mistyped key is an unknown one and a missing one: the first is where to mend it.
        for key in self.entries:
            if key not in keys:
                raise self.problem(key, f"is an unknown key; {nearest(key, missing or keys)}")
        for key in missing:
            raise self.problem(key, "is missing")

    def names(self) -> list[str]:
        """Return the keys, of which there is at least one."""
        if not self.entries:
            raise Problem(f"{self.path}: {self.where.rstrip('.')} is empty")
        return list(self.entries)

    def value(self, key: str, kind: type[T], words: str) -> T:
        """Return the value of `key`, which must be a `kind`, in `words`."""
        value = self.entries[key]
        # bool is an int and datetime a date: only the very type will do.
        if type(value) is not kind:
            raise self.problem(key, f"must be {words}, not {value!r}")
        return value

    def string(self, key: str, pattern: str, words: str) -> str:
        """Return the string at `key`; all of it matches `pattern`, in `words` to a person."""
        value = self.value(key, str, words)
        if not re.fullmatch(pattern, value, re.ASCII):
            raise self.problem(key, f"must be {words}, not {value!r}")
        return value

    def strings(self, key: str, pattern: str, words: str, few: int = 1) -> tuple[str, ...]:
        """Return the list at `key`: at least `few` strings, each matching `pattern`, none twice."""
        values = self.value(key, list, f"a list of {words}")
        if len(values) < few:
            raise self.problem(key, "is empty")
        for value in values:
            if not isinstance(value, str) or not re.fullmatch(pattern, value, re.ASCII):
                raise self.problem(key, f"must hold {words}, not {value!r}")
        self.unique(key, values)
        return tuple(values)

    def table(self, key: str, keys: Sequence[str] | None = None) -> _Table:
        """Return the table at `key`, which holds `keys`."""
        entries = self.value(key, dict, "a table")
        return _Table(self.path, f"{self.where}{key}.", entries, keys)

    def unique(self, key: str, values: list[str]) -> None:
        """Refuse a value that stands twice."""
        for place, value in enumerate(values):
            if value in values[:place]:
                raise self.problem(key, f"names {value!r} twice")

    def problem(self, key: str, what: str) -> Problem:
        return Problem(f"{self.path}: {self.where}{key} {what}")
