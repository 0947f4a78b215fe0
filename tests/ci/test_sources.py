"""A tarball is accepted by its sha256 only; a source that fails is dropped for the next."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tiny_openssl import program, release_of, tarred, tiny_bytes, tiny_openssl
from tiny_project import here

from ci.errors import UserError
from ci.openssl import sources

if TYPE_CHECKING:
    from conftest import Server

DATA = tiny_openssl("9.9.1")
NAME = "/openssl-9.9.1.tar.gz"


def test_a_mirror_is_tried_before_upstream(mirror: Path, server: Server) -> None:
    release = release_of(tiny_bytes(mirror), server.address + NAME)
    assert sources.tarball(release, here()).read_bytes() == tiny_bytes(mirror)
    assert server.requests == []


def test_upstream_is_queried_once_and_then_cached(server: Server) -> None:
    server.files[NAME] = DATA
    release = release_of(DATA, server.address + NAME)
    first = sources.tarball(release, here())
    assert sources.tarball(release, here()) == first
    assert [path for path, _ in server.requests] == [NAME]


def test_a_mirror_may_be_a_file_address_with_debians_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "openssl_9.9.1.orig.tar.gz").write_bytes(DATA)
    monkeypatch.setenv("M2CRYPTO_MIRRORS", f"{tmp_path / 'none'} {tmp_path.as_uri()}")
    assert sources.tarball(release_of(DATA), here()).read_bytes() == DATA


def test_a_mirror_without_permission_is_dropped(
    mirror: Path, server: Server, forbid: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    server.files[NAME] = DATA
    monkeypatch.setenv("M2CRYPTO_MIRRORS", f"{mirror / 'closed'} ~no-such-user/mirror")
    (mirror / "closed").mkdir()
    forbid(mirror / "closed")
    assert sources.tarball(release_of(DATA, server.address + NAME), here()).read_bytes() == DATA


def test_a_source_with_a_wrong_sha256_is_dropped_for_the_next(
    mirror: Path, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    (mirror / NAME[1:]).write_bytes(DATA[:-1] + b"!")
    server.files[NAME] = DATA
    found = sources.tarball(release_of(DATA, server.address + NAME), here())
    assert found.read_bytes() == DATA
    output = capsys.readouterr().err
    assert f"not from {mirror.as_uri()}{NAME}: sha256 " in output
    assert f"({len(DATA)} bytes) instead of " in output


def test_a_wrong_sha256_from_every_source_raises_and_leaves_nothing(
    mirror: Path, cache: Path
) -> None:
    (mirror / NAME[1:]).write_bytes(b"something else")
    with pytest.raises(
        UserError, match=r"OpenSSL 9\.9\.1 could not be downloaded from any source"
    ) as refused:
        sources.tarball(release_of(DATA), here())
    assert " bytes) instead of " in str(refused.value)
    assert [
        path for path in cache.rglob("*") if path.is_file() and ".locks" not in path.parts
    ] == []


def test_a_source_with_a_truncated_tarball_is_dropped(
    mirror: Path, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    (mirror / NAME[1:]).write_bytes(DATA[: len(DATA) // 2])
    server.files[NAME] = DATA
    assert sources.tarball(release_of(DATA, server.address + NAME), here()).read_bytes() == DATA
    assert f"({len(DATA) // 2} bytes)" in capsys.readouterr().err


def test_an_interrupted_download_is_resumed(server: Server) -> None:
    server.files[NAME] = DATA
    server.cuts = [1000, 500]
    assert sources.tarball(release_of(DATA, server.address + NAME), here()).read_bytes() == DATA
    assert [wanted for _, wanted in server.requests] == [None, "bytes=1000-", "bytes=1500-"]


def test_a_killed_download_is_resumed_by_the_next_run(server: Server, cache: Path) -> None:
    release = release_of(DATA, server.address + NAME)
    part = cache / "sources" / ".parts" / f"openssl-9.9.1-{release.sha256[:16]}"
    part.parent.mkdir(parents=True)
    part.write_bytes(DATA[:700])
    server.files[NAME] = DATA
    assert sources.tarball(release, here()).read_bytes() == DATA
    assert server.requests == [(NAME, "bytes=700-")]


@pytest.mark.parametrize("size", [700, len(DATA) + 5])
def test_a_partial_download_of_another_file_is_restarted(
    server: Server, cache: Path, size: int
) -> None:
    release = release_of(DATA, server.address + NAME)
    part = cache / "sources" / ".parts" / f"openssl-9.9.1-{release.sha256[:16]}"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"?" * size)
    server.files[NAME] = DATA
    assert sources.tarball(release, here()).read_bytes() == DATA
    assert server.requests == [(NAME, f"bytes={size}-"), (NAME, None)]


def test_a_server_without_range_requests_restarts_the_download(server: Server) -> None:
    server.files[NAME] = DATA
    server.resumes = False
    server.cuts = [1000]
    assert sources.tarball(release_of(DATA, server.address + NAME), here()).read_bytes() == DATA


def test_a_server_that_never_completes_is_dropped(server: Server) -> None:
    server.files[NAME] = DATA
    server.resumes = False
    server.cuts = [1000, 1000, 1000, 1000]
    with pytest.raises(UserError, match=rf"ended after 1000 of {len(DATA)} bytes"):
        sources.tarball(release_of(DATA, server.address + NAME), here())


def test_the_mirrors_of_apt_are_tried_last(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.files["/debian/pool/main/o/openssl/openssl_9.9.1.orig.tar.gz"] = DATA
    program(
        tmp_path / "programs" / "apt-get",
        f'echo "{server.address}/security/ any-security"; echo "{server.address}/debian/ any"',
    )
    release = release_of(DATA, server.address + NAME)
    assert sources.tarball(release, here()).read_bytes() == DATA
    assert [path for path, _ in server.requests] == [
        NAME,
        "/security/pool/updates/main/o/openssl/openssl_9.9.1.orig.tar.gz",
        "/security/pool/main/o/openssl/openssl_9.9.1.orig.tar.gz",
        "/debian/pool/main/o/openssl/openssl_9.9.1.orig.tar.gz",
    ]


@pytest.mark.parametrize(
    ("lists", "requests"),
    [
        ("", ["/security/pool/updates/", "/security/", "/debian/"]),
        ("echo '{server}/debian/ any'", ["/debian/", "/security/pool/updates/", "/security/"]),
        ("exit 1", ["/security/pool/updates/", "/security/", "/debian/"]),
    ],
    ids=["no lists", "part of its lists", "failing"],
)
def test_an_apt_with_missing_lists_is_queried_for_every_mirror(
    server: Server, tmp_path: Path, lists: str, requests: list[str]
) -> None:
    program(
        tmp_path / "programs" / "apt-get",
        f"""if [ "$1" = update ]; then
        echo "'{server.address}/security/dists/any-security/InRelease' any 0"
        echo "'{server.address}/debian/dists/any/InRelease' any 0"
        else {lists.format(server=server.address) or "true"}; fi""",
    )
    with pytest.raises(UserError, match="404"):
        sources.tarball(release_of(DATA, server.address + NAME), here())
    pool = "main/o/openssl/openssl_9.9.1.orig.tar.gz"
    assert [path for path, _ in server.requests] == [
        NAME,
        *(f"{each}{pool}" if "pool" in each else f"{each}pool/{pool}" for each in requests),
    ]


def test_an_apt_whose_update_listing_fails_is_queried_for_its_lists(
    server: Server, tmp_path: Path
) -> None:
    server.files["/debian/pool/main/o/openssl/openssl_9.9.1.orig.tar.gz"] = DATA
    program(
        tmp_path / "programs" / "apt-get",
        f'if [ "$1" = update ]; then exit 100; fi; echo "{server.address}/debian/ any"',
    )
    assert sources.tarball(release_of(DATA), here()).read_bytes() == DATA


def test_a_pinned_file_that_vanished_is_reported_with_the_remedy(server: Server) -> None:
    release = release_of(DATA, server.address + NAME)
    with pytest.raises(UserError) as refused:
        sources.tarball(release, here())
    text = str(refused.value)
    assert f"{server.address}{NAME}: 404 Not Found" in text
    assert "pin that one in ci/matrix.toml, openssl.releases.9.9" in text
    assert "set M2CRYPTO_MIRRORS to a directory with openssl-9.9.1.tar.gz" in text
    assert f"(sha256 {release.sha256})" in text


def test_without_a_network_one_error_lists_each_source() -> None:
    with pytest.raises(UserError) as refused:
        sources.tarball(release_of(DATA), here())
    first, *reasons = str(refused.value).splitlines()
    assert "check the network" in first
    assert reasons == ["  http://127.0.0.1:9/openssl-9.9.1.tar.gz: Connection refused"]


def test_offline_mode_uses_local_directories_only(
    server: Server, mirror: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("M2CRYPTO_OFFLINE", "1")
    monkeypatch.setenv("M2CRYPTO_MIRRORS", f"{server.address}/a {mirror}")
    data = tiny_bytes(mirror)
    assert sources.tarball(release_of(data), here()).read_bytes() == data
    monkeypatch.delenv("M2CRYPTO_MIRRORS")
    with pytest.raises(UserError, match="unset M2CRYPTO_OFFLINE"):
        sources.tarball(release_of(b"other", server.address + NAME), here())
    assert server.requests == []


def test_a_modified_cached_tarball_is_downloaded_again(mirror: Path) -> None:
    release = release_of(tiny_bytes(mirror))
    found = sources.tarball(release, here())
    found.write_bytes(b"!" * found.stat().st_size)
    assert sources.tarball(release, here()).read_bytes() == tiny_bytes(mirror)


@pytest.mark.parametrize(
    "files",
    [
        {"top/../../out": "escaped"},
        {"../out": "escaped"},
        {"top/in": "here", "top/../../out": "escaped"},
        {"/etc/out": "escaped"},
        {"top/link": "-> ../../out"},
        {"top/link": "-> /etc/passwd"},
        {"top/link": "-> ../..", "top/link/out": "escaped"},
    ],
    ids=["dots", "first dots", "later dots", "absolute", "link", "absolute link", "through link"],
)
def test_a_tarball_with_a_path_outside_is_refused_and_leaves_nothing(
    tmp_path: Path, files: dict[str, str]
) -> None:
    folder = tmp_path / "deep" / "er"
    folder.mkdir(parents=True)
    archive = folder / "bad.tar.gz"
    archive.write_bytes(tarred(files))
    with pytest.raises(
        UserError, match=r"bad\.tar\.gz: refused, nothing was unpacked: "
    ) as refused:
        sources.unpack(archive, folder / "tree")
    assert "\n" not in str(refused.value)
    assert list((tmp_path / "deep").rglob("*")) == [folder, archive]


@pytest.mark.parametrize("data", [DATA[:900], b"", b"no tarball", tarred({"a/b": "", "c": ""})])
def test_a_broken_tarball_is_refused_and_leaves_nothing(tmp_path: Path, data: bytes) -> None:
    archive = tmp_path / "bad.tar.gz"
    archive.write_bytes(data)
    with pytest.raises(UserError, match=r"bad\.tar\.gz: not a whole tarball of one directory"):
        sources.unpack(archive, tmp_path / "tree")
    assert not (tmp_path / "tree").exists()
    assert not (tmp_path / "tree.unpacking").exists()


def test_links_inside_a_tarball_are_unpacked(tmp_path: Path) -> None:
    archive = tmp_path / "good.tar.gz"
    archive.write_bytes(tarred({"top/a/file": "here", "top/b/link": "-> ../a/file"}))
    sources.unpack(archive, tmp_path / "tree")
    assert (tmp_path / "tree" / "b" / "link").read_text() == "here"


def test_a_tarball_with_another_top_directory_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    archive = tmp_path / "openssl-9.9.2.tar.gz"
    archive.write_bytes(DATA)
    with pytest.raises(
        UserError, match=r"holds openssl-9\.9\.1, not openssl-9\.9\.2: version, url"
    ):
        sources.unpack(archive, tmp_path / "tree", "openssl-9.9.2")
    assert list(tmp_path.glob("tree*")) == []
