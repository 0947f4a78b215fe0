"""Digests, MACs and key derivation: what misuse raises, threads, copies, and peers."""

import copy
import hashlib
import hmac
import pickle
import threading

import pytest
from fix_fips import is_active

from M2Crypto import EVP, Err, m2

unhex = bytes.fromhex
since_3_0 = pytest.mark.openssl(">= 3.0")


@pytest.fixture(autouse=True)
def _the_error_queue_stays_empty():
    yield
    assert Err.peek_error_code() == 0


def in_threads(work, count=4):
    failures = []

    def run():
        try:
            work()
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def not_approved(need):
    if is_active():
        pytest.skip(f"needs {need}, which FIPS does not approve")


# ---- digests -------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 64, 2048, 2049, 100_000])
@pytest.mark.parametrize("algo", ["sha1", "sha256", "sha3_512"])
def test_a_digest_in_one_call_matches_hashlib(algo, size):
    data = bytes(size)
    assert EVP.digest(data, algo) == hashlib.new(algo, data).digest()
    assert EVP.digest(memoryview(data), algo=algo) == EVP.digest(data=bytearray(data), algo=algo)


def test_a_digest_in_one_call_is_sha_256_by_default():
    # FIPS 180-4, the example "abc".
    assert EVP.digest(b"abc").hex() == (
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )


@pytest.mark.parametrize("length", [1, 16, 32, 500, 5000])
def test_an_extendable_output_function_has_the_length_that_is_asked_for(length):
    expected = hashlib.shake_256(b"data").digest(length)
    assert EVP.digest(b"data", "shake256", length) == expected
    digest = EVP.MessageDigest("shake256", length)
    digest.update(b"da")
    other = digest.copy()
    other.update(b"ta")
    assert other.final() == expected


def test_a_length_that_a_digest_has_not_is_refused():
    assert EVP.digest(b"", "sha256", 32) == EVP.digest(b"")
    for work in (
        lambda: EVP.digest(b"", "sha256", 31),
        lambda: EVP.MessageDigest("sha512", length=32),
    ):
        with pytest.raises(EVP.EVPError, match="only an XOF has other lengths"):
            work()
    for length in (0, -1, 1 << 31, 1 << 70):
        with pytest.raises((ValueError, OverflowError), match=r"length|int"):
            EVP.digest(b"", "shake128", length)
    with pytest.raises(TypeError):
        EVP.digest(b"", "shake128", "16")


def test_a_digest_is_copied():
    digest = EVP.MessageDigest("sha256")
    digest.update(b"a")
    copies = [digest.copy(), copy.copy(digest)]
    digest.update(b"x")
    for each in copies:
        assert each.algo == "sha256"
        each.update(b"bc")
        assert each.final() == EVP.digest(b"abc")
    digest.final()
    with pytest.raises(EVP.EVPError, match="already finalized"):
        digest.copy()


def test_a_digest_is_not_pickled():
    with pytest.raises(TypeError, match="cannot pickle"):
        pickle.dumps(EVP.MessageDigest("sha256"))


def test_a_digest_can_be_subclassed():
    class Named(EVP.MessageDigest):
        def name(self):
            return self.algo

    digest = Named("sha384")
    digest.extra = 1
    digest.update(b"abc")
    assert digest.name() == "sha384"
    assert digest.copy().final() == EVP.digest(b"abc", "sha384")
    assert isinstance(digest.copy(), Named)


def test_a_repr_names_the_algorithm():
    assert repr(EVP.MessageDigest("sha256")) == "<MessageDigest 'sha256'>"
    assert repr(EVP.HMAC(b"0123456789abcdef")) == "<HMAC 'sha256'>"
    assert "secret" not in repr(EVP.MAC("HMAC", b"secret-secret-secret", digest="sha256"))
    assert repr(EVP.AEAD("aes_128_gcm", bytes(16))) == "<AEAD 'aes_128_gcm'>"


WRONG = {
    "no data": lambda: EVP.digest(),
    "str": lambda: EVP.digest("text"),
    "None": lambda: EVP.digest(None),
    "int": lambda: EVP.digest(1),
    "algo None": lambda: EVP.MessageDigest(None),
    "algo bytes": lambda: EVP.MessageDigest(b"sha256"),
    "no algo": lambda: EVP.MessageDigest(),
    "too many": lambda: EVP.digest(b"", "sha256", None, None, None),
    "unknown keyword": lambda: EVP.digest(b"", name="sha256"),
    "twice": lambda: EVP.digest(b"", data=b""),
    "update None": lambda: EVP.MessageDigest("sha256").update(None),
    "update str": lambda: EVP.MessageDigest("sha256").update("text"),
    "hmac without data": lambda: EVP.hmac(b"key"),
    "hmac str key": lambda: EVP.hmac("key", b""),
    "hmac str data": lambda: EVP.hmac(b"key", "data"),
    "hmac algo": lambda: EVP.hmac(b"key", b"", 1),
    "mac name": lambda: EVP.MAC(None, b"key"),
    "mac key": lambda: EVP.MAC("CMAC", None),
    "mac key str": lambda: EVP.MAC("CMAC", "key"),
    "pbkdf2 str": lambda: EVP.pbkdf2("password", b"salt", 1, 20),
    "hkdf None": lambda: EVP.hkdf(None, 20),
    "scrypt str": lambda: EVP.scrypt("", b"", 2, 1, 1, 16),
    "argon2 str": lambda: EVP.argon2("", b"saltsalt", 16),
    "compare": lambda: EVP.compare_digest("a", "a"),
}


@pytest.mark.parametrize("use", WRONG.values(), ids=WRONG)
def test_an_argument_of_a_wrong_type_raises_type_error(use):
    with pytest.raises(TypeError):
        use()


def test_a_name_with_a_nul_is_refused():
    with pytest.raises(ValueError, match="NUL"):
        EVP.digest(b"", "sha256\0")


def test_several_threads_create_and_use_digests():
    expected = hashlib.sha512(bytes(5000)).digest()

    def work():
        for _ in range(100):
            assert EVP.digest(bytes(5000), "sha512") == expected

    in_threads(work)


def test_threads_that_finalize_one_digest_get_it_once():
    digest = EVP.MessageDigest("sha256")
    digest.update(b"abc")
    results = []

    def work():
        try:
            results.append(digest.final())
        except EVP.EVPError as error:
            results.append(str(error))

    in_threads(work)
    assert results.count(EVP.digest(b"abc")) == 1
    assert sum("already finalized" in str(result) for result in results) == 3


@since_3_0
def test_an_algorithm_is_fetched_by_a_property_query():
    not_approved("the default provider")
    assert EVP.digest(b"abc", properties="provider=default") == EVP.digest(b"abc")
    with pytest.raises(EVP.EVPError, match="unsupported"):
        EVP.MessageDigest("sha256", properties="provider=nosuch")
    with pytest.raises(EVP.EVPError, match="unsupported"):
        EVP.AEAD("aes_128_gcm", bytes(16), properties="provider=nosuch")
    with pytest.raises(EVP.EVPError):
        EVP.MAC("HMAC", bytes(16), digest="sha256", properties="provider=nosuch")


@pytest.mark.openssl("< 3.0")
def test_property_queries_need_openssl_3_0():
    for work in (
        lambda: EVP.digest(b"", properties="fips=yes"),
        lambda: EVP.AEAD("aes_128_gcm", bytes(16), properties="fips=yes"),
        lambda: EVP.MAC("HMAC", b"key", digest="sha256", properties="fips=yes"),
        lambda: EVP.set_default_properties("fips=yes"),
    ):
        with pytest.raises(EVP.EVPError, match="need OpenSSL 3.0"):
            work()


@since_3_0
def test_the_default_properties_apply_to_algorithms_that_were_used_before():
    not_approved("the default provider")
    assert not EVP.fips_enabled()
    EVP.digest(b"abc")
    EVP.set_default_properties("provider=nosuch")
    try:
        with pytest.raises(EVP.EVPError, match="unsupported"):
            EVP.digest(b"abc")
    finally:
        EVP.set_default_properties(None)
    assert EVP.digest(b"abc") == hashlib.sha256(b"abc").digest()


def test_fips_is_reported():
    assert EVP.fips_enabled() is is_active()


# ---- MACs ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 64, 2049, 100_000])
@pytest.mark.parametrize("algo", ["sha1", "sha256", "sha3_256"])
def test_an_hmac_in_one_call_matches_the_standard_library(algo, size):
    key = bytes(range(32))
    expected = hmac.digest(key, bytes(size), algo)
    assert EVP.hmac(key, bytes(size), algo) == expected
    mac = EVP.MAC("HMAC", key, digest=algo)
    mac.update(bytes(size))
    assert mac.verify(expected)


# SP 800-185, the KMAC samples of NIST: name, customization string, XOF, MAC.
KMACS = [
    ("KMAC128", None, False, "e5780b0d3ea6f7d3a429c5706aa43a00fadbd7d49628839e3187243f456ee14e"),
    (
        "KMAC-128",
        b"My Tagged Application",
        False,
        "3b1fba963cd8b0b59e8c1a6d71888b7143651af8ba0a7070c0979e2811324aa5",
    ),
    (
        "KMAC256",
        b"My Tagged Application",
        False,
        "20c570c31346f703c9ac36c61c03cb64c3970d0cfc787e9b79599d273a68d2f7"
        "f69d4cc3de9d104a351689f27cf6f5951f0103f33f4f24871024d9c27773a8dd",
    ),
    ("KMAC128", None, True, "cd83740bbd92ccc8cf032b1481a0f4460e7ca9dd12b08a0c4031178bacd6ec35"),
]


@since_3_0
@pytest.mark.parametrize(("name", "custom", "xof", "expected"), KMACS)
def test_kmac_matches_the_samples_of_nist(name, custom, xof, expected):
    key = bytes(range(0x40, 0x60))
    mac = EVP.MAC(name, key, custom=custom, length=len(expected) // 2, xof=xof)
    mac.update(bytes(range(4)))
    assert mac.final().hex() == expected


@pytest.mark.needs("SIPHASH")
def test_siphash_matches_its_reference():
    not_approved("SipHash")
    # Aumasson and Bernstein, SipHash: a fast short-input PRF, appendix A.
    mac = EVP.MAC("SIPHASH", bytes(range(16)), length=8)
    mac.update(bytes(range(15)))
    assert mac.final() == 0xA129CA6149BE45E5.to_bytes(8, "little")
    # vectors.h of the reference implementation, SipHash-2-4-128 of no data.
    assert EVP.MAC("siphash", bytes(range(16))).final().hex() == (
        "a3817f04ba25a8e66df67214c7550293"
    )
    with pytest.raises(EVP.EVPError):
        EVP.MAC("SIPHASH", bytes(15))


@pytest.mark.needs("BLAKE2")
@since_3_0
@pytest.mark.parametrize("length", [16, 32, 64])
def test_a_blake2_mac_matches_hashlib(length):
    not_approved("BLAKE2")
    key = bytes(range(32))
    mac = EVP.MAC("BLAKE2BMAC", key, custom=b"personal", length=length)
    mac.update(b"data")
    peer = hashlib.blake2b(b"data", key=key, person=b"personal", digest_size=length)
    assert mac.final() == peer.digest()


@since_3_0
def test_a_gmac_is_the_tag_of_no_data():
    # McGrew and Viega, The Galois/Counter Mode of Operation, test case 1.
    mac = EVP.MAC("GMAC", bytes(16), cipher="aes_128_gcm", iv=bytes(12))
    assert mac.final().hex() == "58e2fccefa7e3061367f1d57a4e7455a"
    aead = EVP.AEAD("aes_128_gcm", bytes(16))
    mac = EVP.MAC("GMAC", bytes(16), cipher="aes_128_gcm", iv=bytes(12))
    mac.update(b"data")
    assert mac.final() == aead.seal(bytes(12), b"", b"data")


@pytest.mark.openssl("< 3.0")
@pytest.mark.parametrize("name", ["GMAC", "KMAC128", "BLAKE2BMAC"])
def test_other_macs_need_openssl_3_0(name):
    with pytest.raises(EVP.EVPError, match=f"no MAC called {name}; .* need OpenSSL 3.0"):
        EVP.MAC(name, bytes(16))


def test_an_unknown_mac_is_refused():
    with pytest.raises(EVP.EVPError, match="no MAC called nosuch"):
        EVP.MAC("nosuch", bytes(16))


BAD_MACS = {
    "HMAC without a digest": lambda: EVP.MAC("HMAC", bytes(32)),
    "HMAC, unknown digest": lambda: EVP.MAC("HMAC", bytes(32), digest="nosuch"),
    "HMAC, XOF": lambda: EVP.MAC("HMAC", bytes(32), digest="shake128"),
    "HMAC, null digest": lambda: EVP.hmac(bytes(32), b"", "null"),
    "CMAC without a cipher": lambda: EVP.MAC("CMAC", bytes(16)),
    "CMAC, short key": lambda: EVP.MAC("CMAC", bytes(15), cipher="aes_128_cbc"),
    "CMAC, unknown cipher": lambda: EVP.MAC("CMAC", bytes(16), cipher="nosuch"),
    "CMAC, GCM": lambda: EVP.MAC("CMAC", bytes(16), cipher="aes_128_gcm"),
    "negative length": lambda: EVP.MAC("CMAC", bytes(16), cipher="aes_128_cbc", length=-1),
}


@pytest.mark.parametrize("use", BAD_MACS.values(), ids=BAD_MACS)
def test_a_mac_with_invalid_parameters_is_refused(use):
    with pytest.raises(EVP.EVPError):
        use()


def test_a_finalized_mac_cannot_be_used():
    mac = EVP.MAC("CMAC", bytes(16), cipher="aes_128_cbc")
    mac.final()
    for use in (mac.final, mac.copy, lambda: mac.update(b""), lambda: mac.verify(b"")):
        with pytest.raises(EVP.EVPError, match="already finalized"):
            use()


@pytest.mark.openssl("< 3.0")
def test_openssl_1_1_1_copies_hmac_alone():
    with pytest.raises(EVP.EVPError, match="can copy no MAC but HMAC"):
        EVP.MAC("CMAC", bytes(16), cipher="aes_128_cbc").copy()
    mac = EVP.HMAC(bytes(16))
    assert mac.copy().final() == mac.final()


def test_a_mac_is_verified():
    def mac():
        return EVP.MAC("CMAC", bytes(16), cipher="aes_128_cbc")

    right = mac().final()
    assert mac().verify(right)
    assert not mac().verify(right[:-1])
    assert not mac().verify(right[:-1] + bytes([right[-1] ^ 1]))
    assert not mac().verify(b"")
    assert mac().digest() == right


def test_bytes_are_compared():
    assert EVP.compare_digest(b"", b"")
    assert EVP.compare_digest(b"abc", bytearray(b"abc"))
    assert not EVP.compare_digest(b"abc", b"abd")
    assert not EVP.compare_digest(b"abc", b"ab")


def test_threads_update_the_same_mac():
    mac = EVP.MAC("CMAC", bytes(16), cipher="aes_128_cbc")
    in_threads(lambda: [mac.update(bytes(5000)) for _ in range(20)])
    alone = EVP.MAC("CMAC", bytes(16), cipher="aes_128_cbc")
    alone.update(bytes(5000 * 80))
    assert mac.final() == alone.final()


# ---- key derivation ------------------------------------------------------------------------------


@pytest.mark.parametrize("algo", ["sha1", "sha256", "sha512", "sha3_256"])
def test_pbkdf2_with_any_digest_matches_hashlib(algo):
    arguments = (b"password-password", b"salt-salt-salt-salt", 1000)
    assert EVP.pbkdf2(*arguments, 40, algo) == hashlib.pbkdf2_hmac(algo, *arguments, 40)
    with pytest.raises(EVP.EVPError, match="unknown digest"):
        EVP.pbkdf2(*arguments, 40, "nosuch")


@pytest.mark.needs("SCRYPT")
def test_scrypt_matches_hashlib_and_limits_memory():
    not_approved("scrypt")
    peer = hashlib.scrypt(b"password", salt=b"salt", n=1024, r=8, p=2, dklen=40)
    assert EVP.scrypt(b"password", b"salt", 1024, 8, 2, 40) == peer
    assert EVP.scrypt(b"password", b"salt", 1 << 15, 8, 1, 40, 1 << 26)
    for n, r, p in ((1 << 15, 8, 1), (1000, 8, 1), (1, 8, 1), (0, 8, 1), (1024, 0, 1)):
        with pytest.raises(EVP.EVPError):
            EVP.scrypt(b"password", b"salt", n, r, p, 40)
    with pytest.raises(EVP.EVPError, match="not negative"):
        EVP.scrypt(b"password", b"salt", 16, 8, 1, -1)


def test_hkdf_is_extract_and_expand():
    key, salt, info = bytes(range(32)), bytes(16), bytes(2000)
    for algo in ("sha256", "sha512", "sha3_256"):
        extracted = EVP.hkdf_extract(key, salt, algo)
        assert extracted == hmac.digest(salt, key, algo)
        assert EVP.hkdf_expand(extracted, 100, info, algo) == EVP.hkdf(key, 100, salt, info, algo)
    assert EVP.hkdf(key, 0) == b""
    assert len(EVP.hkdf(key, 255 * 32)) == 255 * 32
    for length in (255 * 32 + 1, -1):
        with pytest.raises(EVP.EVPError):
            EVP.hkdf(key, length)
    with pytest.raises(EVP.EVPError, match="no fixed length"):
        EVP.hkdf(key, 10, algo="shake128")
    with pytest.raises(EVP.EVPError, match="mode of HKDF"):
        m2.hkdf(m2.sha256(), 3, key, salt, info, 10)


def test_an_empty_key_of_hkdf_is_allowed():
    not_approved("short keys")
    assert EVP.hkdf_extract(b"", b"salt") == hmac.digest(b"salt", b"", "sha256")
    assert len(EVP.hkdf(b"", 42)) == 42


@pytest.mark.headers(">= 3.2")
def test_argon2_refuses_invalid_parameters():
    not_approved("Argon2")
    assert len(EVP.argon2(b"password", b"saltsalt", 40, memory=64)) == 40
    for arguments in ({"iterations": 0}, {"lanes": 0}, {"memory": 8}, {"variant": "argon2"}):
        with pytest.raises(EVP.EVPError):
            EVP.argon2(b"password", b"saltsalt", 32, **arguments)
    for salt, length in ((b"salt", 32), (b"saltsalt", 3), (b"saltsalt", -1)):
        with pytest.raises(EVP.EVPError):
            EVP.argon2(b"password", salt, length, memory=64)


@pytest.mark.openssl("< 3.2")
def test_argon2_needs_openssl_3_2():
    with pytest.raises(EVP.EVPError, match="Argon2 needs OpenSSL 3.2"):
        EVP.argon2(b"password", b"saltsalt", 32)
