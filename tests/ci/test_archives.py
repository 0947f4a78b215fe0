"""An archive's bytes depend on the names, contents and executable bits of its files alone."""

from __future__ import annotations

import io
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from ci.distribution import archives

MOMENT = 1_700_000_000
FILES = {
    "M2Crypto-1.dist-info/RECORD": (b"record", 0o644),
    "M2Crypto-1.dist-info/METADATA": (b"metadata", 0o644),
    "M2Crypto/_m2crypto.so": (b"\x7fELF", 0o755),
    "M2Crypto/__init__.py": (b"", 0o644),
}


def wheel(path: Path, names: list[str], umask: int, year: int) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.mkdir("M2Crypto")
        for name in names:
            member = zipfile.ZipInfo(name, (year, 1, 1, 0, 0, 0))
            member.external_attr = (stat.S_IFREG | FILES[name][1] & ~umask) << 16
            archive.writestr(member, FILES[name][0])
    return path


def sdist(path: Path, names: list[str], umask: int, moment: int) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        top = tarfile.TarInfo("m2crypto-1")
        top.type, top.mode, top.mtime = tarfile.DIRTYPE, 0o777 & ~umask, moment
        archive.addfile(top)
        for name in names:
            member = tarfile.TarInfo(f"m2crypto-1/{name}")
            member.size, member.mode, member.mtime = len(FILES[name][0]), 0o644 & ~umask, moment
            member.uid, member.uname = moment % 1000, f"user{moment}"
            archive.addfile(member, io.BytesIO(FILES[name][0]))
    return path


@pytest.mark.parametrize(("make", "name"), [(wheel, "m.whl"), (sdist, "m.tar.gz")])
def test_order_times_owners_and_umask_change_no_byte(
    tmp_path: Path, make: type[object], name: str
) -> None:
    names = list(FILES)
    made = []
    for place, (order, umask, year) in enumerate(
        [(names, 0o022, 2001), (names[::-1], 0o077, 2026)]
    ):
        (tmp_path / str(place)).mkdir()
        source = make(tmp_path / str(place) / name, order, umask, year)  # type: ignore[call-arg]
        target = tmp_path / f"{place}-{name}"
        archives.rewrite(source, target, MOMENT)  # type: ignore[arg-type]
        made.append(target.read_bytes())
    assert made[0] == made[1]


def test_a_wheel_keeps_its_files_with_record_last(tmp_path: Path) -> None:
    source = wheel(tmp_path / "m.whl", list(FILES), 0o077, 2026)
    archives.rewrite(source, tmp_path / "new.whl", MOMENT)
    with zipfile.ZipFile(tmp_path / "new.whl") as archive:
        members = archive.infolist()
        assert {each.filename: archive.read(each) for each in members} == {
            name: data for name, (data, _) in FILES.items()
        }
    assert [each.filename for each in members] == [
        "M2Crypto/__init__.py",
        "M2Crypto/_m2crypto.so",
        "M2Crypto-1.dist-info/METADATA",
        "M2Crypto-1.dist-info/RECORD",
    ]
    modes = [stat.S_IMODE(each.external_attr >> 16) for each in members]
    assert modes == [0o644, 0o755, 0o644, 0o644]
    assert {each.date_time for each in members} == {(2023, 11, 14, 22, 13, 20)}


def test_a_time_before_1980_is_that_of_the_oldest_zip(tmp_path: Path) -> None:
    source = wheel(tmp_path / "m.whl", list(FILES), 0o022, 2026)
    archives.rewrite(source, tmp_path / "new.whl", 1)
    with zipfile.ZipFile(tmp_path / "new.whl") as archive:
        assert archive.infolist()[0].date_time == (1980, 1, 1, 0, 0, 0)


def test_an_sdist_belongs_to_nobody_and_keeps_its_links(tmp_path: Path) -> None:
    source = sdist(tmp_path / "m.tar.gz", list(FILES), 0o077, 1234)
    with tarfile.open(tmp_path / "linked.tar", "w") as archive, tarfile.open(source) as other:
        link = tarfile.TarInfo("m2crypto-1/link")
        link.type, link.linkname = tarfile.SYMTYPE, "M2Crypto"
        archive.addfile(link)
        for each in other:
            archive.addfile(each, other.extractfile(each) if each.isfile() else None)
    source = tmp_path / "linked.tar"
    with tarfile.open(source) as archive:
        names = archive.getnames()
    archives.rewrite(source, tmp_path / "new.tar.gz", MOMENT)
    with tarfile.open(tmp_path / "new.tar.gz") as archive:
        members = archive.getmembers()
    assert [each.name for each in members] == sorted(names)
    assert [each.linkname for each in members if each.issym()] == ["M2Crypto"]
    assert {(each.uid, each.uname, each.mtime) for each in members} == {(0, "", MOMENT)}
    assert {each.mode for each in members if each.isfile()} == {0o644}
    # Neither a name nor the time of compression.
    assert (tmp_path / "new.tar.gz").read_bytes()[3] == 0
