"""Archives whose bytes depend on the contents of their files alone.

The order, times, owners and permissions of an archive's members come from the file system, the
clock and the umask. `rewrite` sorts the members, and gives all one time and one of two permissions.
"""

from __future__ import annotations

import gzip
import stat
import tarfile
import time
import zipfile
from pathlib import Path

# The oldest time that a zip archive can hold, 1980-01-01, in seconds since the epoch.
OLDEST = 315532800


def rewrite(archive: Path, target: Path, moment: int) -> None:
    """Write the wheel or sdist `archive` to `target`, with `moment` as the time of each member."""
    if archive.suffix == ".whl":
        _zip(archive, target, max(moment, OLDEST))
    else:
        _tar(archive, target, moment)


def _zip(archive: Path, target: Path, moment: int) -> None:
    with (
        zipfile.ZipFile(archive) as source,
        zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as sink,
    ):
        files = [each for each in source.infolist() if not each.is_dir()]
        for each in sorted(files, key=lambda each: _rank(each.filename)):
            member = zipfile.ZipInfo(each.filename, time.gmtime(moment)[:6])
            member.compress_type = zipfile.ZIP_DEFLATED
            # The attributes are Unix's on every system.
            member.create_system = 3
            member.external_attr = (stat.S_IFREG | _mode(each.external_attr >> 16)) << 16
            sink.writestr(member, source.read(each))


def _rank(name: str) -> tuple[bool, bool, str]:
    """Put .dist-info last, and in it RECORD, as the specification of wheels recommends."""
    metadata = name.partition("/")[0].endswith(".dist-info")
    return metadata, metadata and name.endswith("/RECORD"), name


def _tar(archive: Path, target: Path, moment: int) -> None:
    with (
        tarfile.open(archive) as source,
        target.open("wb") as file,
        # The header of gzip holds no name.
        gzip.GzipFile("", "wb", 9, file, mtime=moment) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as sink,
    ):
        for each in sorted(source.getmembers(), key=lambda each: each.name):
            member = tarfile.TarInfo(each.name)
            member.type, member.linkname, member.size = each.type, each.linkname, each.size
            member.mtime = moment
            member.mode = 0o755 if each.isdir() else _mode(each.mode)
            sink.addfile(member, source.extractfile(each) if each.isfile() else None)


def _mode(mode: int) -> int:
    return 0o755 if mode & stat.S_IXUSR else 0o644
