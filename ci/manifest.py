"""What exists: OpenSSL releases and variants, Pythons, SWIG.

Given `matrix.toml` it gives a `Manifest` of frozen facts, or a `Problem` of one line that names
the file and the key. It is strict: what it does not know, it refuses.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

from ci.problem import Problem, nearest

MATRIX = Path(__file__).with_name("matrix.toml")

# What a variant may give to Configure: a feature, or a macro.
OPTION = r"(no|enable)-[a-z0-9-]+|-D\w+(=\w+)?"

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
    top = _Table(path, "", _toml(path))
    openssl = top.table("openssl")
    releases = tuple(
        _release(series, table) for series, table in openssl.table("releases").tables()
    )
    openssl.unique("releases.*.version", [release.version for release in releases])
    variants = _variants(openssl.table("variants"))
    openssl.nothing_else()
    manifest = Manifest(
        releases=releases,
        variants=variants,
        pythons=top.strings("pythons", r"3\.\d+t?", "series such as '3.13'"),
        swig=top.string("swig", r"\d+\.\d+\.\d+", "a version such as '4.5.1'"),
        quick=_quick(top, _builds(releases, variants)),
    )
    top.nothing_else()
    return manifest


def _builds(releases: tuple[Release, ...], variants: tuple[Variant, ...]) -> tuple[Build, ...]:
    return tuple(Build(release, variant) for release in releases for variant in variants)


def _release(series: str, table: _Table) -> Release:
    release = Release(
        series=series,
        version=table.string(
            "version", rf"{re.escape(series)}(\.\d+|[a-z])?", f"a version of series {series}"
        ),
        url=table.string("url", r"https://\S+\.tar\.gz", "the https address of a .tar.gz"),
        sha256=table.string("sha256", r"[0-9a-f]{64}", "64 lower-case hexadecimal digits"),
        end_of_life=table.value("end_of_life", date, "a date such as 2030-04-08"),
    )
    table.nothing_else()
    return release


def _variants(table: _Table) -> tuple[Variant, ...]:
    variants = tuple(
        Variant(name, table.strings(name, OPTION, "options of Configure such as 'no-ec'", few=0))
        for name in list(table.entries)
    )
    for name in table.asked:
        if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name):
            raise table.problem(name, "must be a name of small letters, digits and single dashes")
    if "default" not in [variant.name for variant in variants]:
        raise table.problem("default", "is missing; it is the variant without a suffix")
    return variants


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
    """A TOML table that gives each key once, checked, and then refuses whatever is left."""

    def __init__(self, path: Path, where: str, entries: dict[str, Any]) -> None:
        self.path = path
        self.where = where
        self.entries = dict(entries)
        self.asked: list[str] = []

    def value(self, key: str, kind: type[T], words: str) -> T:
        """The value of `key`, which must be a `kind`, in `words`."""
        self.asked.append(key)
        if key not in self.entries:
            # A mistyped key is two complaints, a missing one and an unknown one: make it one.
            typo = nearest(key, self.entries)
            raise self.problem(key, "is missing" + (f"; {typo}" if "mean" in typo else ""))
        value = self.entries.pop(key)
        # bool is an int and datetime a date: only the very type will do.
        if type(value) is not kind:
            raise self.problem(key, f"must be {words}, not {value!r}")
        return value

    def string(self, key: str, pattern: str, words: str) -> str:
        """The string at `key`, all of which matches `pattern`, which is `words` to a person."""
        value = self.value(key, str, words)
        if not re.fullmatch(pattern, value):
            raise self.problem(key, f"must be {words}, not {value!r}")
        return value

    def strings(self, key: str, pattern: str, words: str, few: int = 1) -> tuple[str, ...]:
        """The list at `key`: at least `few` strings, each matching `pattern`, none twice."""
        values = self.value(key, list, f"a list of {words}")
        if len(values) < few:
            raise self.problem(key, "is empty")
        for value in values:
            if not isinstance(value, str) or not re.fullmatch(pattern, value):
                raise self.problem(key, f"must hold {words}, not {value!r}")
        self.unique(key, values)
        return tuple(values)

    def table(self, key: str) -> _Table:
        """The table at `key`."""
        return _Table(self.path, f"{self.where}{key}.", self.value(key, dict, "a table"))

    def tables(self) -> list[tuple[str, _Table]]:
        """Each key with its table; there is at least one."""
        if not self.entries:
            raise Problem(f"{self.path}: {self.where.rstrip('.')} is empty")
        return [(key, self.table(key)) for key in list(self.entries)]

    def unique(self, key: str, values: list[str]) -> None:
        """Refuse a value that stands twice."""
        for place, value in enumerate(values):
            if value in values[:place]:
                raise self.problem(key, f"names {value!r} twice")

    def nothing_else(self) -> None:
        """Refuse the keys that nobody asked for."""
        for key in self.entries:
            raise self.problem(key, f"is an unknown key; {nearest(key, self.asked)}")

    def problem(self, key: str, what: str) -> Problem:
        return Problem(f"{self.path}: {self.where}{key} {what}")
