"""AEAD, key wrap, XTS and SIV: round trips, what is refused, and threads."""

import threading

import pytest
from fix_fips import is_active

from M2Crypto import EVP, Err, m2

# Cipher, key and nonce lengths.
CIPHERS = [
    ("aes_128_gcm", 16, 12),
    ("aes_256_gcm", 32, 16),
    ("aes_192_ccm", 24, 13),
    ("chacha20_poly1305", 32, 12),
    ("aes_256_ocb", 32, 12),
    ("aes_128_siv", 32, 16),
    ("aes_256_siv", 64, 0),
    ("aes_256_gcm_siv", 32, 12),
]


@pytest.fixture(autouse=True)
def _the_error_queue_stays_empty():
    yield
    assert Err.peek_error_code() == 0


def require(name):
    try:
        m2.fetch_cipher(name, None)
    except EVP.EVPError:
        pytest.skip(
            f"needs {name}, which FIPS does not approve"
            if is_active()
            else f"this OpenSSL was built without {name}"
        )


@pytest.mark.parametrize(("name", "key_length", "nonce_length"), CIPHERS)
@pytest.mark.parametrize("size", [0, 1, 64, 5000])
def test_what_is_sealed_is_opened(name, key_length, nonce_length, size):
    require(name)
    key, nonce, data = bytes(range(key_length)), bytes(nonce_length), bytes(size)
    aead = EVP.AEAD(name, key)
    if size == 0 and name.endswith("_siv") and "gcm" not in name:
        with pytest.raises(EVP.EVPError, match="empty message"):
            aead.seal(nonce, data)
        return
    for aad in (b"", b"header", bytes(3000)):
        sealed = aead.seal(nonce, data, aad)
        assert len(sealed) == size + 16
        # Another message, so that a context is used again.
        other = aead.seal(nonce, data + b"more")
        assert aead.seal(nonce, data, aad) == sealed == EVP.seal(name, key, nonce, data, aad)
        assert aead.open(nonce, other) == data + b"more"
        assert aead.open(nonce, sealed, aad) == data == EVP.open(name, key, nonce, sealed, aad)
        for damaged, header in (
            (sealed[:-1] + bytes([sealed[-1] ^ 1]), aad),
            (bytes([sealed[0] ^ 1]) + sealed[1:], aad),
            (sealed, aad + b"x"),
            (sealed[:16] if size else bytes(16), aad + b"x"),
        ):
            with pytest.raises(EVP.EVPError, match=r"the tag does not match|empty message"):
                aead.open(nonce, damaged, header)
        assert aead.open(nonce, sealed, aad) == data
    for short in (b"", sealed[:15]):
        with pytest.raises(EVP.EVPError, match="shorter than the tag"):
            aead.open(nonce, short)


@pytest.mark.parametrize(
    ("name", "length", "lengths"),
    [("aes_128_gcm", 16, (4, 8, 12, 15)), ("aes_128_ccm", 16, (4, 6, 14)), ("aes_128_ocb", 16, ())],
)
def test_a_shorter_tag_is_a_part_of_the_key(name, length, lengths):
    require(name)
    for tag in lengths:
        aead = EVP.AEAD(name, bytes(length), tag)
        sealed = aead.seal(bytes(12), b"data", b"header")
        assert len(sealed) == 4 + tag
        assert aead.open(bytes(12), sealed, b"header") == b"data"
        with pytest.raises(EVP.EVPError):
            EVP.open(name, bytes(length), bytes(12), sealed, b"header")
    for tag in (-1, 0, 3, 17):
        with pytest.raises(EVP.EVPError, match="no tag of this length"):
            EVP.AEAD(name, bytes(length), tag)


def test_nonces_of_other_lengths():
    aead = EVP.AEAD("aes_128_gcm", bytes(16))
    sealed = {size: aead.seal(bytes(size), b"data") for size in (12, 1, 60, 12, 8)}
    assert len(set(sealed.values())) == 4
    for size in (8, 12, 60, 1, 12):
        assert aead.open(bytes(size), sealed[size]) == b"data"
    with pytest.raises(EVP.EVPError, match="no nonce of"):
        aead.seal(b"", b"data")
    assert aead.open(bytes(12), sealed[12]) == b"data"


def test_a_cipher_with_a_nonce_of_one_length_refuses_others():
    require("chacha20_poly1305")
    for size in (0, 8, 11, 13, 16):
        with pytest.raises(EVP.EVPError, match="no nonce of"):
            EVP.seal("chacha20_poly1305", bytes(32), bytes(size), b"data")


def test_an_iv_of_a_shorter_length_is_set_again():
    # The length in the context, not the cipher's usual one, decides how much of the IV is read.
    cipher = EVP.Cipher("aes_128_gcm", bytes(16), bytes(16), 1)
    cipher.set_iv_len(12)
    expected = EVP.AEAD("aes_128_gcm", bytes(16)).seal(bytes(12), b"data")
    assert cipher.update(b"data") + cipher.final() + cipher.get_tag() == expected


REFUSED = {
    "no AEAD": lambda: EVP.AEAD("aes_128_cbc", bytes(16)),
    "unknown": lambda: EVP.AEAD("nosuch", bytes(16)),
    "short key": lambda: EVP.AEAD("aes_128_gcm", bytes(15)),
    "long key": lambda: EVP.AEAD("aes_128_gcm", bytes(17)),
    "no key": lambda: EVP.AEAD("aes_128_gcm", b""),
    "CCM nonce": lambda: EVP.seal("aes_128_ccm", bytes(16), bytes(14), b""),
    "wrap": lambda: EVP.AEAD("aes_128_wrap", bytes(16)),
}


@pytest.mark.parametrize("use", REFUSED.values(), ids=REFUSED)
def test_invalid_arguments_are_refused(use):
    with pytest.raises(EVP.EVPError):
        use()


WRONG = {
    "key None": lambda: EVP.AEAD("aes_128_gcm", None),
    "key str": lambda: EVP.AEAD("aes_128_gcm", "0123456789abcdef"),
    "name": lambda: EVP.AEAD(None, bytes(16)),
    "nonce": lambda: EVP.AEAD("aes_128_gcm", bytes(16)).seal(None, b""),
    "data": lambda: EVP.AEAD("aes_128_gcm", bytes(16)).seal(bytes(12), "text"),
    "aad": lambda: EVP.AEAD("aes_128_gcm", bytes(16)).seal(bytes(12), b"", None),
    "open": lambda: EVP.AEAD("aes_128_gcm", bytes(16)).open(bytes(12), None),
    "handle": lambda: m2.aead_seal(None, bytes(12), b"", b""),
    "iv": lambda: EVP.Cipher("aes_128_cbc", bytes(16), 16, 1),
    "wrap": lambda: EVP.wrap_key(bytes(16), "text"),
}


@pytest.mark.parametrize("use", WRONG.values(), ids=WRONG)
def test_an_argument_of_a_wrong_type_raises_type_error(use):
    with pytest.raises(TypeError):
        use()


def test_threads_seal_with_one_key():
    aead = EVP.AEAD("aes_128_gcm", bytes(16))
    messages = {size: aead.seal(bytes(12), bytes(size)) for size in (0, 64, 5000, 100_000)}
    failures = []

    def work():
        for _ in range(50):
            for size, sealed in messages.items():
                if aead.seal(bytes(12), bytes(size)) != sealed:
                    failures.append(size)
                if aead.open(bytes(12), sealed) != bytes(size):
                    failures.append(-size)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_key_that_is_freed_cannot_be_used():
    key = m2.aead_new("aes_128_gcm", bytes(16), 16, None)
    m2.aead_free(key)
    with pytest.raises(ValueError, match="freed already"):
        m2.aead_seal(key, bytes(12), b"", b"")


# ---- key wrap, XTS -------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [16, 24, 32])
@pytest.mark.parametrize("pad", [False, True])
def test_a_key_is_wrapped(size, pad):
    kek = bytes(range(size))
    for length in (16, 40, 4000, *((1, 7, 17) if pad else ())):
        wrapped = EVP.wrap_key(kek, bytes(length), pad)
        assert EVP.unwrap_key(kek, wrapped, pad) == bytes(length)
        with pytest.raises(EVP.EVPError):
            EVP.unwrap_key(kek, wrapped[:-1] + bytes([wrapped[-1] ^ 1]), pad)
        with pytest.raises(EVP.EVPError):
            EVP.unwrap_key(bytes(size), wrapped, pad)


def test_a_key_that_cannot_be_wrapped_is_refused():
    for kek, key in ((bytes(15), bytes(16)), *((bytes(16), bytes(n)) for n in (0, 8, 15))):
        with pytest.raises(EVP.EVPError):
            EVP.wrap_key(kek, key)
    for wrapped in (b"", bytes(8), bytes(17), bytes(24)):
        with pytest.raises(EVP.EVPError):
            EVP.unwrap_key(bytes(16), wrapped)


def test_xts_processes_one_data_unit():
    key = bytes(range(64))
    for size in (16, 17, 4096, 5000):
        sealed = EVP.Cipher("aes_256_xts", key, bytes(16), 1).update(bytes(size))
        assert EVP.Cipher("aes_256_xts", key, bytes(16), 0).update(sealed) == bytes(size)
    cipher = EVP.Cipher("aes_256_xts", key, bytes(16), 1)
    with pytest.raises(EVP.EVPError, match="not empty, in one update"):
        cipher.update(b"")
    cipher.update(bytes(32))
    with pytest.raises(EVP.EVPError, match="in one update"):
        cipher.update(bytes(32))
    with pytest.raises(EVP.EVPError):
        EVP.Cipher("aes_256_xts", key, bytes(16), 1).update(bytes(15))
    # SP 800-38E and IEEE 1619: both halves must differ.
    with pytest.raises(EVP.EVPError):
        EVP.Cipher("aes_256_xts", bytes(64), bytes(16), 1)


@pytest.mark.parametrize("name", ["aes_256_gcm", "aes_256_ctr", "aes_256_cbc", "chacha20_poly1305"])
@pytest.mark.parametrize("size", [2048, 2049, (1 << 20) + 5])
def test_large_data_are_encrypted_as_their_parts_are(name, size):
    require(name)
    key, iv, data = bytes(range(32)), bytes(range(16)), bytes(range(256)) * (size // 256 + 1)
    data, iv = data[:size], iv[: m2.cipher_get_iv_length(m2.fetch_cipher(name, None))]
    whole, parts = EVP.Cipher(name, key, iv, 1), EVP.Cipher(name, key, iv, 1)
    sealed = whole.update(data) + whole.final()
    assert sealed == b"".join(
        [*(parts.update(data[at : at + 1000]) for at in range(0, size, 1000)), parts.final()]
    )
    back = EVP.Cipher(name, key, iv, 0)
    if name in ("aes_256_gcm", "chacha20_poly1305"):
        assert EVP.seal(name, key, iv, data) == sealed + whole.get_tag()
        assert EVP.open(name, key, iv, sealed + whole.get_tag()) == data
        with pytest.raises(EVP.EVPError, match="the tag does not match"):
            EVP.open(name, key, iv, sealed + bytes(16))
        back.set_tag(whole.get_tag())
    assert back.update(sealed) + back.final() == data
