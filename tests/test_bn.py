"""BN: random numbers are in range, and conversions round-trip."""

import pytest

from M2Crypto import BN, Err, m2


@pytest.mark.parametrize("bits", [1, 8, 64, 521])
def test_a_random_number_has_at_most_the_requested_bits(bits):
    assert 0 <= BN.rand(bits) < 1 << bits


def test_the_top_bits_can_be_set():
    assert BN.rand(64, top=0).bit_length() == 64
    assert BN.rand(64, top=1) >> 62 == 0b11


def test_the_lowest_bit_can_be_set():
    assert all(BN.rand(32, bottom=1) % 2 == 1 for _ in range(20))


def test_a_random_number_in_a_range_is_below_its_limit():
    assert {BN.rand_range(3) for _ in range(200)} == {0, 1, 2}


@pytest.mark.parametrize("bound", [0, -1])
def test_a_range_must_be_positive(bound):
    with pytest.raises(Err.M2CryptoError, match="invalid range"):
        BN.rand_range(bound)


def test_randfname_is_deprecated_and_returns_letters_and_digits():
    with pytest.warns(DeprecationWarning, match="tempfile"):
        name = BN.randfname(12)
    assert len(name) == 12
    assert name.isalnum()


@pytest.mark.parametrize("value", [0, 1, 127, 128, 255, 256, 2**64 - 1, 2**521 - 1])
def test_bytes_hex_decimal_and_mpi_round_trip(value):
    number = m2.dec_to_bn(str(value).encode())
    assert m2.bn_num_bits(number) == value.bit_length()
    assert int.from_bytes(m2.bn_to_bin(number), "big") == value
    assert int(m2.bn_to_hex(number), 16) == value
    assert m2.bn_to_hex(m2.bin_to_bn(m2.bn_to_bin(number))) == m2.bn_to_hex(number)
    assert m2.bn_to_hex(m2.mpi_to_bn(m2.bn_to_mpi(number))) == m2.bn_to_hex(number)
    assert m2.bn_to_hex(m2.hex_to_bn(m2.bn_to_hex(number))) == m2.bn_to_hex(number)


def test_mpi_is_a_length_and_a_signed_big_endian_number():
    # BN_bn2mpi(3): 0x80 needs a leading zero, or it would be negative.
    assert m2.bn_to_mpi(m2.hex_to_bn(b"80")) == bytes.fromhex("000000020080")


@pytest.mark.parametrize("text", [b"", b"12 34", b"0x12", b"1g"])
def test_an_invalid_number_is_refused(text):
    with pytest.raises(Err.M2CryptoError, match="not a number"):
        m2.hex_to_bn(text)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_randfname_refuses_a_name_that_is_too_long():
    with pytest.raises(ValueError, match="too long"):
        BN.randfname(2**80)
