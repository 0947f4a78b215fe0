"""An entry of the cache is reused if it is intact and recreated if it is not."""

from __future__ import annotations

import errno
import os
import signal
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tiny_project import here

from ci import cache as caching
from ci import disk
from ci.cache import Store
from ci.errors import UserError
from ci.process import CommandError, in_threads


@pytest.fixture
def things(cache: Path) -> Store:
    return Store(cache, "things")


class Maker:
    """Create an entry of two files and count the calls."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, folder: Path) -> None:
        self.count += 1
        (folder / "sub").mkdir()
        (folder / "sub" / "file").write_text("contents")
        (folder / "link").symlink_to("sub/file")


def left_being_made(things: Store) -> list[Path]:
    return list((things.directory / ".making").iterdir())


def test_a_key_depends_on_every_fact_and_not_on_their_order() -> None:
    assert caching.key(a=1, b=["x"]) == caching.key(b=["x"], a=1)
    assert caching.key(a=1, b=["x"]) != caching.key(a=1, b=["y"])
    assert len(caching.key(a=1)) == 16


def test_the_cache_is_in_the_configured_directory(
    monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    assert here().cache == cache
    monkeypatch.delenv("M2CRYPTO_CACHE")
    assert here().cache.name == "m2crypto"


def test_an_entry_is_created_once(things: Store) -> None:
    make = Maker()
    first = things.get("name", "key", make)
    assert first == things.get("name", "key", make) == things.find("name", "key")
    assert first == things.directory / "name-key"
    assert (first / "link").read_text() == "contents"
    assert make.count == 1
    assert left_being_made(things) == []


def test_entries_with_different_keys_are_separate(things: Store) -> None:
    make = Maker()
    assert things.get("name", "one", make) != things.get("name", "two", make)
    assert make.count == 2


def remove_a_file(entry: Path) -> None:
    (entry / "sub" / "file").unlink()


def cut_a_file(entry: Path) -> None:
    (entry / "sub" / "file").write_text("cont")


def remove_a_link(entry: Path) -> None:
    (entry / "link").unlink()


def remove_the_seal(entry: Path) -> None:
    (entry / caching.SEAL).unlink()


def cut_the_seal(entry: Path) -> None:
    (entry / caching.SEAL).write_text("{")


def put_a_list_in_the_seal(entry: Path) -> None:
    (entry / caching.SEAL).write_text("[]")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (remove_a_file, "file is missing"),
        (cut_a_file, "sub/file has changed its size"),
        (remove_a_link, "link is missing"),
        (remove_the_seal, ".seal.json is missing"),
        (cut_the_seal, ".seal.json cannot be read"),
        (put_a_list_in_the_seal, ".seal.json cannot be read"),
    ],
)
def test_a_damaged_entry_is_detected_and_recreated(
    things: Store,
    damage: Callable[[Path], None],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    make = Maker()
    entry = things.get("name", "key", make)
    damage(entry)
    assert things.find("name", "key") is None
    assert things.get("name", "key", make) == entry
    assert make.count == 2
    assert (entry / "link").read_text() == "contents"
    output = capsys.readouterr().err
    assert output == f"name: {entry} is damaged ({message}): making it again\n"


def test_a_failed_entry_leaves_nothing(things: Store) -> None:
    def fail(folder: Path) -> None:
        (folder / "half").write_text("made")
        raise UserError("no luck")

    with pytest.raises(UserError, match="no luck"):
        things.get("name", "key", fail)
    assert things.find("name", "key") is None
    assert left_being_made(things) == []


def test_the_leftovers_of_dead_processes_are_removed(things: Store) -> None:
    for label in ("name-key.1", "other-key.2"):
        (things.directory / ".making" / label / "half").mkdir(parents=True)
    things.get("name", "key", Maker())
    assert left_being_made(things) == []


def test_the_work_of_a_live_process_is_left_alone(things: Store) -> None:
    def make(folder: Path) -> None:
        things.get("other", "key", Maker())
        assert folder.is_dir()
        (folder / "file").touch()

    assert (things.get("name", "key", make) / "file").exists()


def test_threads_create_an_entry_once(things: Store, capsys: pytest.CaptureFixture[str]) -> None:
    make = Maker()
    paths = in_threads(lambda _: things.get("name", "key", make), range(4), jobs=4)
    assert set(paths) == {things.directory / "name-key"}
    assert make.count == 1
    assert capsys.readouterr().err == ""


def test_a_discarded_entry_is_recreated(things: Store) -> None:
    make = Maker()
    things.get("name", "key", make)
    things.discard("name", "key")
    things.discard("name", "key")
    assert things.find("name", "key") is None
    things.get("name", "key", make)
    assert make.count == 2


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_reported_in_one_line_and_leaves_nothing(things: Store, number: int) -> None:
    def fill(folder: Path) -> None:
        (folder / "half").write_text("made")
        raise OSError(number, os.strerror(number))

    with pytest.raises(UserError, match=r"^the disk is full: no room left for .*M2CRYPTO_CACHE.*$"):
        things.get("name", "key", fill)
    assert left_being_made(things) == []


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (1, "cc: error: x.o: No space left on device"),
        (1, "collect2: fatal error: ld terminated with signal 25 [File size limit exceeded]"),
        (2, "OSError: [Errno 27] File too large"),
        (-signal.SIGXFSZ, ""),
    ],
)
def test_a_compiler_failure_on_a_full_disk_is_reported_as_a_full_disk(
    things: Store, status: int, words: str
) -> None:
    def fill(_folder: Path) -> None:
        raise CommandError(["cc"], status, words)

    with pytest.raises(UserError, match=r"^the disk is full") as caught:
        things.get("name", "key", fill)
    assert "\n" not in str(caught.value)


def test_a_silent_failure_on_a_full_disk_is_reported_as_a_full_disk(
    things: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_folder: Path) -> None:
        raise CommandError(["python", "-m", "venv"], 1, "")

    with pytest.raises(CommandError):
        things.get("name", "key", fail)
    monkeypatch.setattr(disk, "free", lambda _: 0)
    with pytest.raises(UserError, match=r"^the disk is full"):
        things.get("name", "key", fail)


def test_another_failure_is_reported_unchanged(things: Store) -> None:
    failure = CommandError(["cc"], 1, "syntax error")
    with pytest.raises(CommandError) as caught, disk.reported(things.directory):
        raise failure
    assert caught.value is failure
    with pytest.raises(sqlite3.OperationalError), disk.reported(things.directory):
        raise sqlite3.OperationalError("locked")
    with pytest.raises(UserError, match="disk is full"), disk.reported(things.directory):
        raise sqlite3.OperationalError("database or disk is full")


def test_free_space_is_required_of_the_disk_and_of_the_file_size_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"x" * 100)
    disk.require_room(tmp_path)
    monkeypatch.setattr(disk, "file_size_limit", lambda: 101)
    disk.require_room(tmp_path)
    monkeypatch.setattr(disk, "file_size_limit", lambda: 100)
    with pytest.raises(OSError, match="File too large"):
        disk.require_room(tmp_path)
    monkeypatch.setattr(disk, "free", lambda _: 0)
    with pytest.raises(OSError, match="No space left"):
        disk.require_room(tmp_path)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="this system has no /proc")
def test_a_cache_that_cannot_be_created_is_reported_in_one_line() -> None:
    with pytest.raises(UserError, match=r"the cache cannot be used: No such file .*: /proc/cache"):
        Store(Path("/proc/cache"), "things").get("name", "key", Maker())


def test_a_cache_that_is_not_a_directory_is_reported_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(
        UserError, match=r"the cache cannot be used: Not a directory: .*file/things"
    ):
        Store(tmp_path / "file", "things").get("name", "key", Maker())


@pytest.fixture(params=[0o000, 0o555], ids=["unreadable", "unwritable"])
def closed(request: pytest.FixtureRequest) -> Iterator[Path]:
    """Return a directory without permissions; root runs as nobody meanwhile."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(request.param)
        user = os.geteuid()
        if user == 0:
            os.seteuid(65534)
        yield Path(folder)
        os.seteuid(user)
        Path(folder).chmod(0o755)


def test_a_cache_without_permission_is_reported_in_one_line(closed: Path) -> None:
    with pytest.raises(UserError) as refused:
        Store(closed, "things").get("name", "key", Maker())
    assert str(refused.value).startswith("the cache cannot be used: Permission denied: ")
    assert str(refused.value).endswith("or set M2CRYPTO_CACHE to another directory")
    assert "\n" not in str(refused.value)
