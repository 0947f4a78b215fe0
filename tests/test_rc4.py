"""RC4 encrypts as RFC 6229 lists, where OpenSSL has it, and warns that it is deprecated."""

from __future__ import annotations

import pytest

from M2Crypto import RC4, m2
from M2Crypto.EVP import EVPError

# RFC 6229, section 2: keys, and the key stream at offset 0 and 240.
VECTORS = [
    ("0102030405", "b2396305f03dc027ccc3524a0a1118a8", "28cb1132c96ce286421dcaadb8b69eae"),
    (
        "0102030405060708090a0b0c0d0e0f10",
        "9ac7cc9a609d1ef7b2932899cde41b97",
        "065902e4b620f6cc36c8589f66432f2b",
    ),
    ("833222772a", "80ad97bdc973df8a2e879e92a497efda", "faa148e99046181fec6b2085f3b20ed9"),
]


def make(key=None):
    """Return a cipher; skip where OpenSSL has none."""
    if m2.OPENSSL_NO_RC4:
        pytest.skip("needs RC4")
    try:
        with pytest.warns(DeprecationWarning, match="broken and deprecated"):
            return RC4.RC4(key)
    except EVPError as error:
        if "legacy provider" in str(error):
            pytest.skip("needs RC4 of the legacy provider")
        if "FIPS" in str(error):
            pytest.skip("needs RC4, which FIPS does not approve")
        raise


@pytest.mark.parametrize(("key", "first", "later"), VECTORS)
def test_the_key_stream_is_that_of_rfc_6229(key, first, later):
    cipher = make(bytes.fromhex(key))
    stream = cipher.update(bytes(100)) + cipher.update(bytearray(156)) + cipher.final()
    assert stream[:16].hex() == first
    assert stream[240:256].hex() == later
    cipher.set_key(bytes.fromhex(key))
    assert cipher.update(stream) == bytes(256)


def test_data_beyond_the_threshold_of_the_gil_are_encrypted():
    data = bytes(range(256)) * 100
    encrypted = make(b"for tests").update(data)
    assert make(b"for tests").update(encrypted) == data


@pytest.mark.parametrize("length", [0, 257])
def test_a_key_of_another_length_is_refused(length):
    cipher = make()
    with pytest.raises(EVPError, match="1 to 256 bytes"):
        cipher.set_key(bytes(length))
    with pytest.raises(EVPError, match="RC4 has no key"):
        cipher.update(b"data")


@pytest.mark.parametrize("length", [1, 16, 256])
def test_keys_of_each_length_are_accepted(length):
    key = bytes(range(length))
    assert make(key).update(make(key).update(b"data")) == b"data"


@pytest.mark.parametrize("wrong", [None, "text", 1])
def test_other_types_are_refused(wrong):
    cipher = make(b"for tests")
    with pytest.raises(TypeError):
        cipher.set_key(wrong)
    with pytest.raises(TypeError):
        cipher.update(wrong)


def test_a_handle_is_freed():
    cipher = make(b"for tests")
    cipher.rc4_free(cipher.cipher)
    with pytest.raises(ValueError, match="freed already"):
        cipher.update(b"data")


def test_an_openssl_without_rc4_is_named(monkeypatch):
    monkeypatch.setattr(m2, "OPENSSL_NO_RC4", 1)
    with (
        pytest.raises(EVPError, match="built without RC4"),
        pytest.warns(DeprecationWarning, match="deprecated"),
    ):
        RC4.RC4(b"for tests")
