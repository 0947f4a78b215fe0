"""A wheel as a file: its name, metadata and binaries, read once and without installing it."""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from email.parser import Parser
from pathlib import Path

from packaging.tags import Tag
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from ci.audit import binaries
from ci.audit.binaries import Binary
from ci.errors import UserError


@dataclass(frozen=True, slots=True)
class Wheel:
    """A wheel.

    Attributes:
        path: the file.
        name: the distribution's normalized name.
        version: its version.
        tags: the tags of its file name.
        information: the texts of the .dist-info directory by their paths in it.
        binaries: the extensions and libraries.
    """

    path: Path
    name: str
    version: str
    tags: frozenset[Tag]
    information: dict[str, str]
    binaries: tuple[Binary, ...]

    @property
    def size(self) -> int:
        """The file's size in bytes."""
        return self.path.stat().st_size

    @property
    def metadata(self) -> Message:
        """The core metadata."""
        return Parser().parsestr(self.information.get("METADATA", ""), headersonly=True)

    @property
    def openssl(self) -> dict[str, list[str]]:
        """The versions of the OpenSSL in the wheel, oldest first, with the binaries."""
        found: dict[str, list[str]] = {}
        for each in self.binaries:
            for version in each.openssl:
                found.setdefault(version, []).append(each.name)
        return {version: found[version] for version in sorted(found, key=order)}

    @property
    def linked(self) -> list[str]:
        """The libraries called libcrypto that it is linked to and does not contain."""
        held = {Path(each.name).name for each in self.binaries}
        names = dict.fromkeys(each.libcrypto for each in self.binaries if each.libcrypto)
        return [each for each in names if Path(each).name not in held]


def read(path: Path) -> Wheel:
    """Return the wheel in a file.

    Raises:
        UserError: it cannot be read, is truncated, or is no wheel.
    """
    try:
        name, version, _, tags = parse_wheel_filename(path.name)
    except InvalidWheelFilename:
        raise UserError(f"{path}: not a wheel's name; give NAME-VERSION-TAGS.whl") from None
    try:
        with zipfile.ZipFile(path) as archive:
            information, found = {}, []
            for member, data in _members(archive):
                inside = re.fullmatch(r"[^/]+\.dist-info/(.+)", member)
                if inside:
                    information[inside[1]] = data.decode(errors="replace")
                elif binary := binaries.read(member, data):
                    found.append(binary)
    except UserError as error:
        raise UserError(f"{path}: {error}; build or download it again") from None
    except FileNotFoundError:
        raise UserError(f"{path}: there is no such file") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise UserError(
            f"{path}: truncated or damaged ({error}); build or download it again"
        ) from None
    if "METADATA" not in information:
        raise UserError(f"{path}: not a wheel, because it has no .dist-info/METADATA")
    return Wheel(path, str(name), str(version), tags, information, tuple(found))


def order(version: str) -> tuple[int, int, int, str]:
    """Return what OpenSSL's versions, such as 1.1.1w and 3.5.7, are sorted by.

    Raises:
        ValueError: it is not a version.
    """
    found = re.fullmatch(r"(\d+)\.(\d+)\.(\d+)([a-z]*)", version)
    if found is None:
        raise ValueError(f"{version!r} is not a version of OpenSSL")
    return int(found[1]), int(found[2]), int(found[3]), found[4]


def _members(archive: zipfile.ZipFile) -> Iterator[tuple[str, bytes]]:
    for member in archive.infolist():
        if not member.is_dir():
            yield member.filename, archive.read(member)
