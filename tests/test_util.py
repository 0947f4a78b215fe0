"""Padding, octet conversions, and the default callbacks of key loading and generation."""

import stat
import sys
import unittest

import pytest

from M2Crypto import BIO, Err, m2, util


@pytest.mark.parametrize(
    ("data", "length", "padded"),
    [
        (b"", 8, b"\x08" * 8),
        (b"1234567", 8, b"1234567\x01"),
        (b"12345678", 8, b"12345678" + b"\x08" * 8),
        (b"x", 16, b"x" + b"\x0f" * 15),
        (b"", 255, b"\xff" * 255),
        ("text", 8, "text" + "\x04" * 4),
    ],
)
def test_pkcs7_padding_fills_the_last_block(data, length, padded):
    # RFC 5652, 6.3.
    assert util.pkcs7_pad(data, length) == padded


def test_pkcs5_padding_is_for_blocks_of_8():
    assert util.pkcs5_pad(b"12345") == b"12345\x03\x03\x03"
    assert util.pkcs5_pad(b"12345", 16) == util.pkcs7_pad(b"12345", 16)


@pytest.mark.parametrize("length", [-1, 0, 256])
def test_a_block_size_that_padding_cannot_express_is_refused(length):
    with pytest.raises(ValueError, match=f"illegal block size: {length} "):
        util.pkcs7_pad(b"", length)


def test_bytes_are_formatted_as_upper_case_hex():
    assert util.bin_to_hex(b"\x00\xab\xff") == "00ABFF"
    assert util.bin_to_hex(bytearray(b"\x0a")) == "0A"


@pytest.mark.parametrize(
    ("a", "b", "equal"),
    [
        (b"", b"", True),
        (b"secret", bytearray(b"secret"), True),
        (b"secret", memoryview(b"secreT"), False),
        (b"\0", b"", False),
        (b"secret", b"secret\0", False),
        (bytes(5000), bytes(4999) + b"\1", False),
    ],
)
def test_secrets_are_compared_for_equality(a, b, equal):
    assert util.compare_digest(a, b) is equal
    assert util.compare_digest(b, a) is equal
    assert (m2.crypto_memcmp(a, b) == 0) is equal


@pytest.mark.parametrize("wrong", [None, "secret", 1])
def test_only_bytes_are_compared(wrong):
    for arguments in ((wrong, b"secret"), (b"secret", wrong)):
        with pytest.raises(TypeError):
            util.compare_digest(*arguments)
    with pytest.raises(TypeError):
        util.bin_to_hex(wrong)


@pytest.mark.parametrize(
    ("octets", "number"),
    [(b"", 0), (b"\x01\x00", 256), ("\xff\x00", 0xFF00), (bytes(8) + b"\x07", 7)],
)
def test_octets_convert_to_a_big_endian_number(octets, number):
    assert util.octx_to_num(octets) == number


def test_progress_is_shown_as_one_character_per_step(capsys):
    for step in (0, 1, 2, 3, 7):
        assert util.genparam_callback(step, 0) is None
    assert capsys.readouterr().out == ".+*\n\n"


def test_the_quiet_callback_shows_nothing(capsys):
    assert util.quiet_genparam_callback(0, 0) is None
    assert capsys.readouterr() == ("", "")


def answer_prompts(monkeypatch, *answers):
    """Replace getpass by prepared passphrases and return the list of prompts."""
    prompts = []
    waiting = list(answers)

    def getpass(prompt):
        prompts.append(prompt)
        return waiting.pop(0)

    monkeypatch.setattr("getpass.getpass", getpass)
    return prompts


def test_a_passphrase_for_decryption_is_prompted_for_once(monkeypatch):
    prompts = answer_prompts(monkeypatch, "secret")
    assert util.passphrase_callback(0) == "secret"
    assert prompts == ["Enter passphrase:"]


def test_a_passphrase_for_encryption_is_prompted_for_until_it_is_repeated(monkeypatch):
    prompts = answer_prompts(monkeypatch, "secret", "secert", "secret", "secret")
    assert util.passphrase_callback(1, "One:", "Two:") == "secret"
    assert prompts == ["One:", "Two:", "One:", "Two:"]


def test_no_passphrase_callback_returns_an_empty_passphrase():
    assert util.no_passphrase_callback(1, "anything") == ""


@pytest.mark.parametrize("condition", [True, False])
def test_a_failure_can_be_expected_conditionally(condition):
    class Case(unittest.TestCase):
        @util.expectedFailureIf(condition)
        def runTest(self):  # noqa: N802
            self.fail("as it must")

    result = unittest.TestResult()
    Case().run(result)
    assert bool(result.expectedFailures) is condition
    assert bool(result.failures) is not condition


def test_a_new_private_file_is_readable_only_by_its_owner(tmp_path):
    file = tmp_path / "key.pem"
    assert util.save_private(str(file), b"secret") == 1
    assert file.read_bytes() == b"secret"
    if sys.platform != "win32":
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_an_unwritable_private_file_raises_bio_error(tmp_path):
    with pytest.raises(BIO.BIOError, match="nowhere"):
        util.save_private(str(tmp_path / "nowhere" / "key.pem"), b"secret")


def test_the_error_class_derives_from_m2crypto_error():
    assert util.UtilError.__bases__ == (Err.M2CryptoError,)
