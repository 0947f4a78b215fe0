"""Random bytes are as many as asked for, and differ."""

import pytest

from M2Crypto import Rand


@pytest.mark.parametrize("count", [0, 1, 16, 5000])
def test_as_many_bytes_as_asked_for(count):
    assert len(Rand.rand_bytes(count)) == count


def test_two_draws_differ():
    assert Rand.rand_bytes(16) != Rand.rand_bytes(16)


def test_a_negative_number_is_refused():
    with pytest.raises(Rand.RandError, match="negative"):
        Rand.rand_bytes(-1)


def test_the_generator_is_seeded():
    assert Rand.rand_status() == 1


def test_what_is_added_does_not_weaken_the_generator():
    Rand.rand_seed(b"seed" * 1000)
    Rand.rand_add(bytearray(b"entropy"), 0.5)
    assert Rand.rand_status() == 1


def test_pseudo_bytes_are_deprecated_and_still_random():
    with pytest.warns(DeprecationWarning, match="use rand_bytes"):
        drawn, strong = Rand.rand_pseudo_bytes(16)
    assert len(drawn) == 16
    assert strong == 1


def test_a_seed_file_written_can_be_read(tmp_path):
    path = tmp_path / "seed"
    written = Rand.save_file(str(path))
    assert written == path.stat().st_size > 0
    assert Rand.load_file(bytes(path), -1) == written
    assert Rand.load_file(str(path), 10) == 10


def test_a_missing_seed_file_gives_minus_1(tmp_path):
    assert Rand.load_file(str(tmp_path / "missing"), -1) == -1
    assert Rand.load_file(bytes(tmp_path / "missing"), 10) == -1


def test_a_seed_file_that_cannot_be_used_is_an_error(tmp_path):
    (tmp_path / "link").symlink_to("missing")
    with pytest.raises(Rand.RandError):
        Rand.load_file(str(tmp_path / "link"), -1)
    with pytest.raises(Rand.RandError):
        Rand.save_file(str(tmp_path / "no folder" / "seed"))


def test_the_default_seed_file_is_the_environments(monkeypatch):
    assert isinstance(Rand.rand_file_name(), str)
