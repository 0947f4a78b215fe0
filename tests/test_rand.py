"""Rand returns the requested number of bytes, and reads and writes seed files."""

import pytest

from M2Crypto import Rand


@pytest.mark.parametrize("count", [0, 1, 16, 5000])
def test_rand_bytes_returns_the_requested_number_of_bytes(count):
    assert len(Rand.rand_bytes(count)) == count


def test_two_calls_return_different_bytes():
    assert Rand.rand_bytes(16) != Rand.rand_bytes(16)


def test_a_negative_number_is_refused():
    with pytest.raises(Rand.RandError, match="negative"):
        Rand.rand_bytes(-1)


def test_the_generator_is_seeded():
    assert Rand.rand_status() == 1


def test_rand_add_does_not_make_the_output_predictable():
    Rand.rand_seed(b"seed" * 1000)
    Rand.rand_add(bytearray(b"entropy"), 0.5)
    assert Rand.rand_status() == 1
    with pytest.raises(ValueError, match="not a number"):
        Rand.rand_add(b"entropy", float("nan"))


def test_rand_pseudo_bytes_is_deprecated_and_returns_random_bytes():
    with pytest.warns(DeprecationWarning, match="use rand_bytes"):
        drawn, strong = Rand.rand_pseudo_bytes(16)
    assert len(drawn) == 16
    assert strong == 1


def test_a_saved_seed_file_can_be_loaded(tmp_path):
    path = tmp_path / "seed"
    written = Rand.save_file(str(path))
    assert written == path.stat().st_size > 0
    assert Rand.load_file(bytes(path), -1) == written
    assert Rand.load_file(str(path), 10) == 10


def test_loading_a_missing_seed_file_returns_minus_1(tmp_path):
    assert Rand.load_file(str(tmp_path / "missing"), -1) == -1
    assert Rand.load_file(bytes(tmp_path / "missing"), 10) == -1


def test_an_unusable_seed_file_raises(tmp_path):
    try:
        (tmp_path / "link").symlink_to("missing")
    except OSError:
        pytest.skip("this system cannot make symbolic links for this user")
    with pytest.raises(Rand.RandError):
        Rand.load_file(str(tmp_path / "link"), -1)
    with pytest.raises(Rand.RandError):
        Rand.save_file(str(tmp_path / "no folder" / "seed"))


def test_the_default_seed_file_comes_from_randfile_or_home(monkeypatch):
    assert isinstance(Rand.rand_file_name(), str)
