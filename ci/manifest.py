"""The manifest (`ci/matrix.toml`): every axis of the matrix, its values and what combines.

`load` returns a `Manifest`, or raises a UserError of one line that names the file and the key.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from dataclasses import field as dataclass_field
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta, field
from packaging.version import Version

from ci import extension, filters
from ci.documents import Record, convert, read_toml
from ci.errors import UserError, suggest
from ci.filters import Filter

SERIES = r"\d+\.\d+(\.\d+)?"
# The rest of a version after its series: 3.5.7 of 3.5, 1.1.1w of 1.1.1.
PATCH = {1: r"\.\d+", 2: r"[a-z]{0,2}"}
# A version in a url, in the name of a tag or of a file.
NAMED = re.compile(r"openssl[-_](\d+(?:[._]\d+)+[a-z]*)", re.IGNORECASE)
OLDEST_SWIG = ".".join(map(str, extension.OLDEST_SWIG))
# The value of the axis `openssl` for the OpenSSL that pkg-config finds.
SYSTEM = "system"
# The value of the axis `runtime` for the libraries that the extension was linked with.
SAME = "same"
# How long before its end of life a release has a warning.
WARNING = timedelta(days=90)
# How a cell ends that runs with other libraries than it was linked with.
WORKS, REFUSES = "works", "refuses"
# The systems of the wheels' tags.
SYSTEMS = {"manylinux": "linux", "musllinux": "linux", "macosx": "macos", "win": "windows"}
# The name of the release wheels' flags.
WHEEL = "wheel"


@dataclass(frozen=True, slots=True)
class Release:
    """An OpenSSL source release, or the system's OpenSSL.

    Attributes:
        series: such as `3.5`; `system` for the system's.
        version: such as `3.5.7`; empty for the system's, which only pkg-config knows.
        url: the tarball on upstream's release page.
        sha256: the tarball's, in lower-case hexadecimal.
        end_of_life: the day after which upstream does not fix it.
    """

    series: str
    version: str
    url: str
    sha256: str
    end_of_life: date

    @property
    def is_system(self) -> bool:
        """Whether it is the system's OpenSSL, which is not built."""
        return self.series == SYSTEM

    def warning(self, today: date) -> str:
        """Return a line if the end of life is past or within 90 days, else an empty string."""
        left = self.end_of_life - today
        if left > WARNING:
            return ""
        if left.days < 0:
            return f"OpenSSL {self.series} is past its end of life, {self.end_of_life}"
        return f"OpenSSL {self.series} reaches its end of life on {self.end_of_life}"


SYSTEM_RELEASE = Release(SYSTEM, "", "", "", date.max)


@dataclass(frozen=True, slots=True)
class Variant:
    """A named set of options of OpenSSL's Configure.

    Attributes:
        name: such as `no-ec`.
        options: Configure's.
        why: what the variant is for.
        releases: the series that it applies to; empty for all.
        provider: the provider module that its cells run with, such as `fips`; empty for none.
    """

    name: str
    options: tuple[str, ...]
    why: str = ""
    releases: tuple[str, ...] = ()
    provider: str = ""

    def applies_to(self, release: Release) -> bool:
        """Return whether a release is built with this variant."""
        return not self.releases or release.series in self.releases


@dataclass(frozen=True, slots=True)
class Flags:
    """How the extension is compiled, and OpenSSL with it.

    Attributes:
        name: such as `instrumented`.
        why: what these flags are for.
        coverage: whether gcov counts the lines of C.
        cflags: the compiler's flags for the extension.
        options: Configure's, for an OpenSSL build of its own.
        preload: libraries of the compiler that are loaded before Python.
        seconds: about how long a cell with these flags runs, to start the longest first.
        upstream: whether OpenSSL has a build of its own with upstream's optimisation and, but for
            that, `cflags`.
        optional: flags that are added to `cflags` if the compiler has them.
    """

    name: str
    why: str = ""
    coverage: bool = False
    cflags: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    preload: tuple[str, ...] = ()
    seconds: float = 10.0
    upstream: bool = False
    optional: tuple[str, ...] = ()

    @property
    def builds_openssl(self) -> bool:
        """Whether OpenSSL has a build of its own for these flags."""
        return bool(self.options) or self.upstream


@dataclass(frozen=True, slots=True)
class Platform:
    """An operating system and processor, and the runner of GitHub Actions that has it."""

    name: str
    runner: str
    container: str = ""


@dataclass(frozen=True, slots=True)
class Runtime:
    """An extension built with the headers of one series that runs with another's libraries.

    Attributes:
        headers: the series of the headers.
        libraries: the series of the shared libraries in the process.
        outcome: `works`, or `refuses` if the import must fail with a line that names both versions.
    """

    headers: str
    libraries: str
    outcome: str


@dataclass(frozen=True, slots=True)
class Rule:
    """A filter with its reason; `until` is the last day on which its cells may fail."""

    when: Filter
    why: str
    until: date | None = None


@dataclass(frozen=True, slots=True)
class Build:
    """An OpenSSL build: a release with a variant's options, static or shared.

    Attributes:
        release: the release.
        variant: the variant.
        link: `static` or `shared`, the libraries that are built.
        flags: the flags with options of Configure of their own, else None.
    """

    release: Release
    variant: Variant
    link: str = "static"
    flags: Flags | None = None

    @property
    def name(self) -> str:
        """The series, and what differs from the default, such as `3.5-no-ec-shared`."""
        parts = [self.release.series]
        if self.variant.name != "default":
            parts.append(self.variant.name)
        # The system's libraries are always shared.
        if self.link != "static" and not self.release.is_system:
            parts.append(self.link)
        return "-".join([*parts, *([self.flags.name] if self.flags else [])])

    @property
    def version(self) -> str:
        """OpenSSL's version, such as `3.5.7` or `1.1.1w`; empty for the system's."""
        return self.release.version

    @property
    def options(self) -> tuple[str, ...]:
        """The options of Configure that the variant and the flags add."""
        return (*self.variant.options, *(self.flags.options if self.flags else ()))


@dataclass(frozen=True, slots=True)
class Wheels:
    """The release wheels.

    Attributes:
        build: the OpenSSL build that they contain.
        flags: how the extension and OpenSSL are compiled, named `wheel`.
        pythons: the series that wheels are built or, if a wheel for an older one fits, tested on.
        tags: the platform of each wheel in cibuildwheel's spelling, such as `manylinux_x86_64`.
        quick: the build identifiers of the few wheels that a pull request builds.
        runners: the runner of GitHub Actions that builds the wheels of each platform.
    """

    build: Build
    flags: Flags
    pythons: tuple[str, ...]
    tags: tuple[str, ...]
    quick: tuple[str, ...] = ()
    runners: Mapping[str, str] = dataclass_field(default_factory=dict)

    @property
    def identifiers(self) -> tuple[str, ...]:
        """The build identifiers of cibuildwheel, such as `cp39-manylinux_x86_64`."""
        names = [f"cp{python.replace('.', '')}" for python in self.pythons]
        return tuple(f"{name}-{tag}" for tag in self.tags for name in names)


def platform_of(tag: str) -> str:
    """Return the platform of a wheel's tag: `linux-x86_64` of `musllinux_x86_64`."""
    system, _, processor = tag.partition("_")
    return f"{SYSTEMS[system]}-{processor}"


@dataclass(frozen=True, slots=True)
class Manifest:
    """The content of `ci/matrix.toml`. The first value of an axis is its default.

    Attributes:
        releases: OpenSSL's source releases.
        system: whether the system's OpenSSL is a value of the axis `openssl`.
        variants: those of OpenSSL.
        pythons: series such as `3.13`, or `3.13t` without the GIL.
        swigs: SWIG's versions by their series.
        links: how the extension is linked, `static` or `shared`.
        flags: how it is compiled.
        platforms: where it runs.
        runtimes: the libraries that differ from the headers.
        quick: the builds of `nox -s tests`.
        every: the variants that the default plan has of every release on every Python.
        exclusions: combinations that do not exist.
        may_fail: combinations that may fail for a time.
        wheels: the release wheels; None if there are none.
    """

    releases: tuple[Release, ...]
    system: bool
    variants: tuple[Variant, ...]
    pythons: tuple[str, ...]
    swigs: dict[str, str]
    links: tuple[str, ...]
    flags: tuple[Flags, ...]
    platforms: tuple[Platform, ...]
    runtimes: tuple[Runtime, ...]
    quick: tuple[Build, ...]
    every: tuple[Variant, ...]
    exclusions: tuple[Rule, ...]
    may_fail: tuple[Rule, ...]
    wheels: Wheels | None = None

    @property
    def builds(self) -> tuple[Build, ...]:
        """Every release with every variant that applies to it, in the manifest's order."""
        return tuple(_builds(self.releases, self.variants))

    @property
    def swig(self) -> str:
        """The default version of SWIG."""
        return next(iter(self.swigs.values()))

    @property
    def axes(self) -> dict[str, tuple[str, ...]]:
        """The values of each axis, the default first."""
        return _axes(self)

    def warnings(self, today: date) -> list[str]:
        """Return a line for each release whose end of life is past or within 90 days."""
        return [line for release in self.releases if (line := release.warning(today))]

    def find_build(self, name: str) -> Build:
        """Return the build of that name, such as `3.5`, `3.5-no-ec-shared` or `3.5-sanitizer`.

        Raises:
            UserError: there is none; the message suggests the nearest name.
        """
        own = (None, *(flags for flags in self.flags if flags.builds_openssl))
        ways = itertools.product(self.builds, self.links, own)
        builds = {
            build.name: build
            for build in (replace(each, link=link, flags=flags) for each, link, flags in ways)
        }
        if self.wheels:
            builds[self.wheels.build.name] = self.wheels.build
        if name not in builds:
            raise UserError(f"unknown OpenSSL build {name!r}: {suggest(name, builds)}")
        return builds[name]

    def release(self, series: str) -> Release:
        """Return the release of a series, or the system's."""
        return next((each for each in self.releases if each.series == series), SYSTEM_RELEASE)

    def variant(self, name: str) -> Variant:
        """Return the variant of a name."""
        return next(each for each in self.variants if each.name == name)

    def flags_of(self, name: str) -> Flags:
        """Return the flags of a name."""
        return next(each for each in self.flags if each.name == name)

    def runtime_of(self, headers: str, libraries: str) -> Runtime | None:
        """Return the runtime of these series; None for the libraries of the headers."""
        return next(
            (r for r in self.runtimes if (r.headers, r.libraries) == (headers, libraries)), None
        )

    def switches(self, release: Release) -> list[str]:
        """Return every macro that a variant of a release defines."""
        variants = [each for each in self.variants if each.applies_to(release)]
        macros = [implied(option) for each in variants for option in each.options]
        return [macro for macro, defined in macros if defined]


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
Flag = Annotated[str, Meta(pattern=r"^-\S+\Z", description="a flag such as '-O3'")]
Library = Annotated[
    str,
    Meta(pattern=r"^lib[\w.+-]+\Z", description="the file name of a library such as 'libasan.so'"),
]
BuildName = Annotated[str, Meta(description="the name of a build such as '3.5-no-ec'")]
VariantName = Annotated[str, Meta(description="the name of a variant such as 'no-ec'")]
SeriesName = Annotated[str, Meta(description="the series of a release such as '3.5'")]
Reason = Annotated[str, Meta(min_length=1, description="a text that says why")]
Link = Annotated[str, Meta(pattern=r"^(static|shared)\Z", description="'static' or 'shared'")]
Outcome = Annotated[
    str, Meta(pattern=rf"^({WORKS}|{REFUSES})\Z", description=f"{WORKS!r} or {REFUSES!r}")
]
Tag = Annotated[
    str,
    Meta(
        pattern=r"^(manylinux|musllinux|macosx|win)_[a-z0-9_]+\Z",
        description="a platform in cibuildwheel's spelling such as 'manylinux_x86_64'",
    ),
]
Table = Annotated[dict[str, Any], Meta(description="a table")]


class _Release(Record, frozen=True):
    version: str
    url: Url
    sha256: Sha256
    end_of_life: Day


class _Variant(Record, frozen=True):
    why: Reason
    options: Annotated[list[Option], Meta(description="a list of options")]
    releases: Annotated[list[SeriesName], Meta(description="a list of series")] = field(
        default_factory=list
    )
    provider: Annotated[str, Meta(pattern=r"^(fips)?\Z", description="'fips', or absent")] = ""


class _Flags(Record, frozen=True):
    why: Reason
    coverage: bool = False
    cflags: Annotated[list[Flag], Meta(description="a list of flags")] = field(default_factory=list)
    options: Annotated[list[Option], Meta(description="a list of options")] = field(
        default_factory=list
    )
    preload: Annotated[list[Library], Meta(description="a list of libraries")] = field(
        default_factory=list
    )
    seconds: Annotated[float, Meta(gt=0, description="a positive number")] = 10.0


class _Platform(Record, frozen=True):
    runner: Annotated[str, Meta(min_length=1, description="the label of a runner")]
    container: str = ""


class _Runtime(Record, frozen=True):
    headers: SeriesName
    libraries: SeriesName
    outcome: Outcome


class _Exclusion(Record, frozen=True):
    when: Annotated[str, Meta(min_length=1, description="a filter")]
    why: Reason


class _MayFail(Record, frozen=True):
    when: Annotated[str, Meta(min_length=1, description="a filter")]
    why: Reason
    until: Day


class _Wheels(Record, frozen=True):
    series: SeriesName
    flags: Annotated[str, Meta(description="the name of flags such as 'release'")]
    hardening: Annotated[list[Flag], Meta(description="a list of flags")]
    pythons: Annotated[list[PythonSeries], Meta(min_length=1, description="a list of series")]
    tags: Annotated[list[Tag], Meta(min_length=1, description="a list of platforms")]
    quick: Annotated[list[str], Meta(description="a list of build identifiers")] = field(
        default_factory=list
    )
    runners: Annotated[dict[str, str], Meta(description="a table of runners")] = field(
        default_factory=dict
    )


class _OpenSSL(Record, frozen=True):
    releases: Table
    variants: Table
    system: bool = False


class _Manifest(Record, frozen=True):
    pythons: Annotated[list[PythonSeries], Meta(min_length=1, description="a list of series")]
    swig: Annotated[list[SwigVersion], Meta(min_length=1, description="a list of versions")]
    quick: Annotated[list[BuildName], Meta(min_length=1, description="a list of builds")]
    every: Annotated[list[VariantName], Meta(min_length=1, description="a list of variants")]
    links: Annotated[list[Link], Meta(min_length=1, description="a list of 'static' and 'shared'")]
    flags: Table
    platforms: Table
    openssl: _OpenSSL
    wheels: Table = field(default_factory=dict)
    runtimes: list[_Runtime] = field(default_factory=list)
    exclude: list[_Exclusion] = field(default_factory=list)
    may_fail: list[_MayFail] = field(default_factory=list)


def load(path: Path) -> Manifest:
    """Return the manifest in the file `path`.

    Raises:
        UserError: it cannot be read, or an entry is invalid.
    """
    top = convert(read_toml(path), _Manifest, path)
    check = _Check(path)
    releases = _releases(top.openssl.releases, check)
    variants = _variants(top.openssl.variants, [each.series for each in releases], check)
    check.unique("pythons", top.pythons)
    check.unique("links", top.links)
    swigs = _swigs(top.swig, check)
    flags = _flags(top.flags, check)
    platforms = _platforms(top.platforms, check)
    runtimes = _runtimes(top.runtimes, [each.series for each in releases], check)
    _distinct(variants, flags, platforms, check)
    without_rules = Manifest(
        releases=releases,
        system=top.openssl.system,
        variants=variants,
        pythons=tuple(top.pythons),
        swigs=swigs,
        links=tuple(top.links),
        flags=flags,
        platforms=platforms,
        runtimes=runtimes,
        quick=_quick(top.quick, tuple(_builds(releases, variants)), check),
        every=_every(top.every, variants, check),
        exclusions=(),
        may_fail=(),
        wheels=_wheels(top.wheels, releases, variants, flags, platforms, top.pythons, check),
    )
    axes = without_rules.axes
    return replace(
        without_rules,
        exclusions=tuple(
            Rule(check.filter(f"exclude[{place}].when", rule.when, axes), rule.why)
            for place, rule in enumerate(top.exclude)
        ),
        may_fail=tuple(
            Rule(check.filter(f"may_fail[{place}].when", rule.when, axes), rule.why, rule.until)
            for place, rule in enumerate(top.may_fail)
        ),
    )


def _axes(manifest: Manifest) -> dict[str, tuple[str, ...]]:
    """Return the values of each axis; what decides the build of OpenSSL comes first."""
    libraries = dict.fromkeys(each.libraries for each in manifest.runtimes)
    return {
        "platform": tuple(each.name for each in manifest.platforms),
        "openssl": (
            *(each.series for each in manifest.releases),
            *((SYSTEM,) if manifest.system else ()),
        ),
        "variant": tuple(each.name for each in manifest.variants),
        "link": manifest.links,
        "flags": tuple(each.name for each in manifest.flags),
        "runtime": (SAME, *libraries),
        "swig": tuple(manifest.swigs),
        "python": manifest.pythons,
    }


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

    def known(self, key: str, names: Sequence[str], known: Sequence[str], what: str) -> None:
        for name in names:
            if name not in known:
                raise self.error(key, f"names an unknown {what} {name!r}; {suggest(name, known)}")
        self.unique(key, names)

    def filter(self, key: str, text: str, axes: filters.Axes) -> Filter:
        try:
            return filters.parse(text, axes)
        except UserError as error:
            raise self.error(key, f"is no filter: {error}") from None


def _builds(releases: Sequence[Release], variants: Sequence[Variant]) -> Iterator[Build]:
    for release in releases:
        for variant in variants:
            if variant.applies_to(release):
                yield Build(release, variant)


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


def _variants(tables: dict[str, Any], series: Sequence[str], check: _Check) -> tuple[Variant, ...]:
    if next(iter(tables), "") != "default":
        raise check.error("openssl.variants.default", "must be there and the first variant")
    variants = tuple(_variant(name, table, series, check) for name, table in tables.items())
    seen: dict[tuple[frozenset[str], str], Variant] = {}
    for variant in variants:
        for release in variant.releases or series:
            same = seen.setdefault((frozenset(variant.options), release), variant)
            if same is not variant:
                raise check.error(
                    f"openssl.variants.{variant.name}", f"has the options of {same.name!r}"
                )
    return variants


NAME = r"[a-z0-9]+([-_][a-z0-9]+)*"


def _check_name(key: str, name: str, check: _Check) -> None:
    if not re.fullmatch(NAME, name, re.ASCII):
        raise check.error(key, "must be a name of small letters, digits and single dashes")


def _variant(name: str, table: object, series: Sequence[str], check: _Check) -> Variant:
    key = f"openssl.variants.{name}"
    _check_name(key, name, check)
    read = convert(table, _Variant, check.path, key)
    # Only `default` may be what Configure makes without options, and it is there for all.
    if bool(read.options) == (name == "default"):
        raise check.error(f"{key}.options", "is empty" if not read.options else "must be empty")
    if name == "default" and read.releases:
        raise check.error(f"{key}.releases", "must be absent; every release has this variant")
    macros = [implied(option)[0] for option in read.options]
    for place, macro in enumerate(macros):
        if macro in macros[:place]:
            raise check.error(f"{key}.options", f"sets {macro} twice")
    check.known(f"{key}.releases", read.releases, series, "series")
    return Variant(name, tuple(read.options), read.why, tuple(read.releases), read.provider)


def _swigs(versions: Sequence[str], check: _Check) -> dict[str, str]:
    for version in versions:
        if Version(version) < Version(OLDEST_SWIG):
            raise check.error("swig", f"must be {OLDEST_SWIG} or newer, not {version!r}")
    series = [version.rpartition(".")[0] for version in versions]
    check.unique("swig", series)
    return dict(zip(series, versions, strict=True))


def _flags(tables: dict[str, Any], check: _Check) -> tuple[Flags, ...]:
    if not tables:
        raise check.error("flags", "is empty")
    flags = []
    for name, table in tables.items():
        _check_name(f"flags.{name}", name, check)
        read = convert(table, _Flags, check.path, f"flags.{name}")
        flags.append(
            Flags(
                name=name,
                why=read.why,
                coverage=read.coverage,
                cflags=tuple(read.cflags),
                options=tuple(read.options),
                preload=tuple(read.preload),
                seconds=read.seconds,
            )
        )
    return tuple(flags)


def _platforms(tables: dict[str, Any], check: _Check) -> tuple[Platform, ...]:
    if not tables:
        raise check.error("platforms", "is empty")
    platforms = []
    for name, table in tables.items():
        _check_name(f"platforms.{name}", name, check)
        read = convert(table, _Platform, check.path, f"platforms.{name}")
        platforms.append(Platform(name, read.runner, read.container))
    return tuple(platforms)


def _runtimes(
    entries: Sequence[_Runtime], series: Sequence[str], check: _Check
) -> tuple[Runtime, ...]:
    runtimes: list[Runtime] = []
    for place, entry in enumerate(entries):
        key = f"runtimes[{place}]"
        check.known(f"{key}.headers", [entry.headers], series, "series")
        check.known(f"{key}.libraries", [entry.libraries], series, "series")
        if entry.headers == entry.libraries:
            raise check.error(f"{key}.libraries", f"is {entry.headers}, the series of the headers")
        pairs = [(each.headers, each.libraries) for each in runtimes]
        if (entry.headers, entry.libraries) in pairs:
            raise check.error(key, f"names {entry.headers} with {entry.libraries} twice")
        runtimes.append(Runtime(entry.headers, entry.libraries, entry.outcome))
    return tuple(runtimes)


def _wheels(
    table: dict[str, Any],
    releases: Sequence[Release],
    variants: Sequence[Variant],
    flags: Sequence[Flags],
    platforms: Sequence[Platform],
    pythons: Sequence[str],
    check: _Check,
) -> Wheels | None:
    if not table:
        return None
    read = convert(table, _Wheels, check.path, "wheels")
    by_series = {each.series: each for each in releases}
    by_name = {each.name: each for each in flags}
    check.known("wheels.series", [read.series], list(by_series), "series")
    check.known("wheels.flags", [read.flags], list(by_name), "flags")
    check.known("wheels.pythons", read.pythons, pythons, "Python")
    check.unique("wheels.tags", read.tags)
    if WHEEL in by_name:
        raise check.error(f"flags.{WHEEL}", "is the name of the release wheels' flags")
    own = by_name[read.flags]
    if own.coverage or own.builds_openssl:
        raise check.error("wheels.flags", f"names {own.name!r}, which is not for releases")
    wheel = replace(own, name=WHEEL, upstream=True, optional=tuple(read.hardening))
    build = Build(by_series[read.series], variants[0], "static", wheel)
    runners = {each.name: each.runner for each in platforms} | read.runners
    for tag in read.tags:
        check.known("wheels.tags", [platform_of(tag)], list(runners), "platform")
    wheels = Wheels(build, wheel, tuple(read.pythons), tuple(read.tags), tuple(read.quick), runners)
    check.known("wheels.quick", read.quick, wheels.identifiers, "wheel")
    return wheels


def _distinct(
    variants: Sequence[Variant],
    flags: Sequence[Flags],
    platforms: Sequence[Platform],
    check: _Check,
) -> None:
    """Check that no two values of axes have one name, because a cell's id is made of them."""
    seen: dict[str, str] = {"static": "links", "shared": "links", SYSTEM: "openssl.system"}
    for table, names in (
        ("openssl.variants", [each.name for each in variants]),
        ("flags", [each.name for each in flags]),
        ("platforms", [each.name for each in platforms]),
    ):
        for name in names:
            other = seen.setdefault(name, table)
            if other != table:
                raise check.error(f"{table}.{name}", f"is a name of {other}, too; choose another")


def _quick(names: list[str], builds: tuple[Build, ...], check: _Check) -> tuple[Build, ...]:
    known = {build.name: build for build in builds}
    check.known("quick", names, list(known), "build")
    return tuple(known[name] for name in names)


def _every(names: list[str], variants: tuple[Variant, ...], check: _Check) -> tuple[Variant, ...]:
    known = {variant.name: variant for variant in variants}
    check.known("every", names, list(known), "variant")
    return tuple(known[name] for name in names)
