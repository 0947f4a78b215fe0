"""EVP: digests, HMACs, ciphers and signatures match the standards; misuse raises."""

import ast
import base64
import hashlib
import mmap
import threading
from pathlib import Path

import pytest

import M2Crypto
from M2Crypto import BIO, EC, EVP, RSA, X509, Err, m2

KEYS = Path(__file__).with_name("data") / "keys"
KEY_FILE = str(KEYS / "rsa_2048.pem")
needs_ec = pytest.mark.needs_ec
unhex = bytes.fromhex


@pytest.fixture(autouse=True)
def _the_error_queue_stays_empty():
    yield
    assert Err.peek_error_code() == 0


def in_threads(work, count=4):
    """Run `work` in several threads at once and propagate their exceptions."""
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
    for failure in failures:
        raise failure


def secret(_writing):
    return "secret"


def raising(*_arguments):
    raise LookupError("from the callback")


# ---- digests -------------------------------------------------------------------------------------

# FIPS 180-4 and FIPS 202, the example "abc".
ABC = {
    "sha1": "a9993e364706816aba3e25717850c26c9cd0d89d",
    "sha224": "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7",
    "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    "sha384": "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed"
    "8086072ba1e7cc2358baeca134c825a7",
    "sha512": "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
    "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
    "sha3_224": "e642824c3f8cf24ad09234ee7d3c766fc9a3a5168d0c94ad73b46fdf",
    "sha3_256": "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532",
    "sha3_384": "ec01498288516fc926459f58e2c6ad8df9b473cb0fc08c2596da7cf0e49be4b2"
    "98d88cea927ac7f539f1edf228376d25",
    "sha3_512": "b751850b1a57168a5693cd924b6b096e08f621827444f70d884f5d0240d2712e"
    "10e116e9192af3c91a7ec57647e3934057340b4cf408d5a56592f8274eec53f0",
}


@pytest.mark.parametrize("algo", ABC)
def test_a_digest_matches_the_vectors_of_its_standard(algo):
    digest = EVP.MessageDigest(algo)
    assert digest.update(b"a") == 1
    digest.update(bytearray(b""))
    digest.update(memoryview(b"bc"))
    assert digest.final().hex() == ABC[algo]


@pytest.mark.parametrize(
    "name", ["aes_128_cbc", "aes_128_cfb", "aes_128_ctr", "aes_128_gcm", "aes_128_ofb"]
)
@pytest.mark.parametrize("size", [2048, 2049, 100_001])
def test_large_data_are_processed_as_their_pieces_are(name, size):
    data = bytes(i % 251 for i in range(size))

    def encrypt(step):
        cipher = EVP.Cipher(name, bytes(range(16)), bytes(16), 1)
        pieces = [cipher.update(data[i : i + step]) for i in range(0, size, step)]
        return b"".join(pieces) + cipher.final()

    whole = encrypt(size)
    assert whole == encrypt(1000)
    cipher = EVP.Cipher(name, bytes(range(16)), bytes(16), 0)
    assert cipher.update(whole)[: size - 16] == data[: size - 16]


@pytest.mark.parametrize("size", [0, 1, 2048, 2049, 100_000])
def test_a_digest_of_any_length_matches_hashlib(size):
    data = bytes(range(256)) * (size // 256 + 1)
    digest = EVP.MessageDigest("sha256")
    digest.update(data[:size])
    assert digest.digest() == hashlib.sha256(data[:size]).digest()


@pytest.mark.parametrize("name", ["SHA256", "sha3-256", "sha3_256", "md5_sha1"])
def test_digests_are_found_by_the_names_of_m2crypto_and_openssl(name):
    assert len(EVP.MessageDigest(name).final()) in (32, 36)


def test_an_unknown_digest_is_refused():
    for begin in (
        lambda: EVP.MessageDigest("nosuch"),
        lambda: EVP.HMAC(b"key", "nosuch"),
        lambda: EVP.hmac(b"key", b"data", "nosuch"),
        lambda: EVP.MessageDigest("x" * 1000),
        lambda: EVP.PKey(md="nosuch"),
    ):
        with pytest.raises(EVP.EVPError, match="unknown digest algorithm"):
            begin()


def test_a_finalized_digest_cannot_be_updated():
    digest = EVP.MessageDigest("sha256")
    digest.final()
    with pytest.raises(EVP.EVPError, match="already finalized"):
        digest.update(b"more")
    with pytest.raises(EVP.EVPError, match="already finalized"):
        digest.final()


def test_str_is_not_hashed():
    with pytest.raises(TypeError):
        EVP.MessageDigest("sha256").update("text")


@pytest.mark.needs("MD4")
@pytest.mark.openssl(">= 3.0")
def test_a_digest_of_the_legacy_provider_raises_with_the_reason():
    with pytest.raises(EVP.EVPError, match=r"unsupported: .*MD4"):
        EVP.MessageDigest("md4")


@pytest.mark.openssl(">= 3.4")
def test_an_extendable_output_function_is_refused():
    with pytest.raises(EVP.EVPError, match="no digest length of its own"):
        EVP.MessageDigest("shake128").final()


@pytest.mark.needs("MD4")
@pytest.mark.openssl("< 3.0")
def test_legacy_digests_work_before_openssl_3_0():
    # RFC 1320, A.5.
    digest = EVP.MessageDigest("md4")
    digest.update(b"abc")
    assert digest.final().hex() == "a448017aaf21d8525fc10ae87aa6729d"


def test_threads_update_the_same_digest_without_losing_data():
    digest = EVP.MessageDigest("sha256")
    chunk = b"same for all " * 500

    def work():
        for _ in range(50):
            digest.update(chunk)

    in_threads(work)
    assert digest.final() == hashlib.sha256(chunk * 200).digest()


def test_a_context_without_a_digest_is_refused():
    context = m2.md_ctx_new()
    for use in (
        lambda: m2.digest_update(context, b"x"),
        lambda: m2.digest_final(context),
        lambda: m2.sign_final(context, EVP.load_key(KEY_FILE).pkey),
        lambda: m2.digest_sign_update(context, b"x"),
        lambda: m2.digest_sign_final(context),
        lambda: m2.digest_sign(context, b"x"),
        lambda: m2.digest_verify_update(context, b"x"),
        lambda: m2.digest_verify_final(context, b"x"),
        lambda: m2.digest_verify(context, b"x", b"x"),
    ):
        with pytest.raises(EVP.EVPError, match="was not initialized (with a digest|to)"):
            use()


def test_a_context_refuses_an_operation_it_was_not_initialized_for():
    key = EVP.load_key(KEY_FILE).pkey
    context = m2.md_ctx_new()
    m2.digest_sign_init(context, m2.sha256(), key)
    for use in (
        lambda: m2.digest_update(context, b"x"),
        lambda: m2.digest_final(context),
        lambda: m2.sign_final(context, key),
        lambda: m2.verify_final(context, b"x", key),
        lambda: m2.digest_verify_final(context, b"x"),
    ):
        with pytest.raises(EVP.EVPError, match="was not initialized"):
            use()
    m2.digest_init(context, m2.sha256())
    m2.digest_update(context, b"abc")
    assert m2.digest_final(context) == hashlib.sha256(b"abc").digest()


def test_a_cipher_whose_initialization_failed_cannot_be_used():
    context = m2.cipher_ctx_new()
    with pytest.raises(EVP.EVPError, match="the key is 1 bytes"):
        m2.cipher_init(context, m2.aes_128_cbc(), b"k", IV, 1)
    with pytest.raises(EVP.EVPError, match="was not initialized with a cipher"):
        m2.cipher_update(context, b"data")
    with pytest.raises(EVP.EVPError, match="is not in CCM mode"):
        m2.cipher_ccm(context, m2.aes_128_cbc(), KEY128, IV, b"", b"data", bytes(16), 1)


# ---- HMAC, derivation ----------------------------------------------------------------------------

# RFC 4231, 4.2, 4.3, 4.4, 4.5, 4.7, 4.8: key, data, the codes by SHA-224 and SHA-256.
HMACS = [
    (
        b"\x0b" * 20,
        b"Hi There",
        "896fb1128abbdf196832107cd49df33f47b4b1169912ba4f53684b22",
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
    ),
    (
        b"Jefe",
        b"what do ya want for nothing?",
        "a30e01098bc6dbbf45690f3a7e9e6d0f8bbea2a39e6148008fd05e44",
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
    ),
    (
        b"\xaa" * 20,
        b"\xdd" * 50,
        "7fb3cb3588c6c1f6ffa9694d7d6ad2649365b0c1f65d69d1ec8333ea",
        "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
    ),
    (
        bytes(range(1, 26)),
        b"\xcd" * 50,
        "6c11506874013cac6a2abc1bb382627cec6a90d86efc012de7afec5a",
        "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b",
    ),
    (
        b"\xaa" * 131,
        b"Test Using Larger Than Block-Size Key - Hash Key First",
        "95e9a0db962095adaebe9b2d6f0dbce2d499f112f2d2b7273fa6870e",
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
    ),
    (
        b"\xaa" * 131,
        b"This is a test using a larger than block-size key and a larger than block-size data. "
        b"The key needs to be hashed before being used by the HMAC algorithm.",
        "3a854166ac5d9f023f54d517d0b39dbd946770db9c2b95c9f6f565d1",
        "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
    ),
]


@pytest.mark.parametrize(("key", "data", "sha224", "sha256"), HMACS)
def test_an_hmac_matches_rfc_4231(key, data, sha224, sha256):
    assert EVP.hmac(key, data, "sha224").hex() == sha224
    assert EVP.hmac(key, data).hex() == sha256
    code = EVP.HMAC(key)
    code.update(data[:5])
    code.update(data[5:])
    assert code.final().hex() == sha256


def test_an_hmac_is_reset_with_another_key():
    code = EVP.HMAC(b"another", "sha224")
    code.update(b"something else")
    code.reset(HMACS[1][0])
    code.update(HMACS[1][1])
    assert code.digest().hex() == HMACS[1][2]
    for use in (code.final, lambda: code.update(b"more")):
        with pytest.raises(EVP.EVPError, match="reset it"):
            use()
    code.reset(b"")
    assert code.final() == EVP.hmac(b"", b"", "sha224")


def test_an_empty_key_replaces_the_previous_key():
    code = EVP.HMAC(b"key")
    code.reset(b"")
    code.update(b"data")
    assert code.final() == EVP.hmac(b"", b"data")
    assert code.final != EVP.hmac(b"key", b"data")


def test_threads_update_the_same_hmac():
    code = EVP.HMAC(b"key")
    chunk = b"same for all " * 500
    in_threads(lambda: [code.update(chunk) for _ in range(20)])
    assert code.final() == EVP.hmac(b"key", chunk * 80)


@pytest.mark.parametrize(
    ("password", "salt", "iterations", "expected"),
    [
        (b"password", b"salt", 1, "0c60c80f961f0e71f3a9b524af6012062fe037a6"),
        (b"password", b"salt", 2, "ea6c014dc72d6f8ccd1ed92ace1d41f0d8de8957"),
        (b"password", b"salt", 4096, "4b007901b765489abead49d926f721d065a429c1"),
        (
            b"passwordPASSWORDpassword",
            b"saltSALTsaltSALTsaltSALTsaltSALTsalt",
            4096,
            "3d2eec4fe41c849b80c8d83662c0e44a8b291a964cf2f07038",
        ),
        (b"pass\0word", b"sa\0lt", 4096, "56fa6aa75548099dcc37d7f03425e0c3"),
    ],
)
def test_pbkdf2_matches_rfc_6070(password, salt, iterations, expected):
    assert EVP.pbkdf2(password, salt, iterations, len(expected) // 2).hex() == expected


NO_DIGEST = {
    "digest_init": lambda md: m2.digest_init(m2.md_ctx_new(), md),
    "hmac_init": lambda md: m2.hmac_init(m2.hmac_ctx_new(), b"key", md),
    "hmac": lambda md: m2.hmac(b"key", b"data", md),
    "bytes_to_key": lambda md: m2.bytes_to_key(m2.aes_128_cbc(), md, b"password", b"saltsalt", 1),
    "digest_sign_init": lambda md: m2.digest_sign_init(
        m2.md_ctx_new(), md, EVP.load_key(KEY_FILE).pkey
    ),
    "digest_verify_init": lambda md: m2.digest_verify_init(
        m2.md_ctx_new(), md, EVP.load_key(KEY_FILE).pkey
    ),
    "rsa_sign": lambda md: m2.rsa_sign(RSA.load_key(KEY_FILE).rsa, b"", md),
    "rsa_verify": lambda md: m2.rsa_verify(RSA.load_key(KEY_FILE).rsa, b"", bytes(256), md),
    "rsa_sign_pss": lambda md: m2.rsa_sign_pss(RSA.load_key(KEY_FILE).rsa, b"", md, 0),
    "rsa_verify_pss": lambda md: m2.rsa_verify_pss(
        RSA.load_key(KEY_FILE).rsa, b"", bytes(256), md, 0
    ),
    "x509_sign": lambda md: m2.x509_sign(m2.x509_new(), EVP.load_key(KEY_FILE).pkey, md),
    "x509_req_sign": lambda md: m2.x509_req_sign(
        m2.x509_req_new(), EVP.load_key(KEY_FILE).pkey, md
    ),
    "x509_digest": lambda md: m2.x509_digest(m2.x509_new(), md),
}


@pytest.mark.parametrize("use", NO_DIGEST.values(), ids=NO_DIGEST)
def test_the_null_digest_is_refused_everywhere(use):
    with pytest.raises((EVP.EVPError, RSA.RSAError, X509.X509Error), match="null digest"):
        use(m2.md_null())


def test_the_null_digest_is_empty():
    assert m2.md_size(m2.md_null()) == 0


@pytest.mark.parametrize("name", ["hmac_init", "hmac", "bytes_to_key"])
@pytest.mark.parametrize("algo", ["shake128", "shake256"])
def test_an_extendable_output_function_is_refused_for_hmac_and_pbkdf2(name, algo):
    with pytest.raises(EVP.EVPError, match="no fixed length"):
        NO_DIGEST[name](m2.get_digestbyname(algo))


@pytest.mark.parametrize("iterations", [0, -1, -(2**31)])
def test_an_iteration_count_below_1_is_refused(iterations):
    with pytest.raises(EVP.EVPError, match="at least one iteration"):
        EVP.Cipher("aes_128_cbc", b"password", IV, 1, key_as_bytes=1, i=iterations)


def test_the_null_cipher_is_refused_for_key_derivation():
    with pytest.raises(EVP.EVPError, match="null cipher"):
        m2.bytes_to_key(m2.enc_null(), m2.sha256(), b"password", b"saltsalt", 1)


@pytest.mark.parametrize(("iterations", "length"), [(0, 20), (-1, 20), (1, -1)])
def test_pbkdf2_refuses_invalid_arguments(iterations, length):
    with pytest.raises(EVP.EVPError, match="at least one iteration"):
        EVP.pbkdf2(b"password", b"salt", iterations, length)


def test_pbkdf2_of_length_0_is_empty():
    assert EVP.pbkdf2(b"password", b"salt", 1, 0) == b""


# ---- ciphers -------------------------------------------------------------------------------------

# SP 800-38A, F.
PLAIN = unhex(
    "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
    "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
)
KEY128 = unhex("2b7e151628aed2a6abf7158809cf4f3c")
KEY256 = unhex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4")
IV = bytes(range(16))
MODES = [
    (
        "aes_128_ecb",
        KEY128,
        None,
        "3ad77bb40d7a3660a89ecaf32466ef97f5d3d58503b9699de785895a96fdbaaf"
        "43b1cd7f598ece23881b00e3ed0306887b0c785e27e8ad3f8223207104725dd4",
    ),
    (
        "aes_128_cbc",
        KEY128,
        IV,
        "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2"
        "73bed6b8e3c1743b7116e69e222295163ff1caa1681fac09120eca307586e1a7",
    ),
    (
        "aes_256_cbc",
        KEY256,
        IV,
        "f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d"
        "39f23369a9d9bacfa530e26304231461b2eb05e2c39be9fcda6c19078c6a9d1b",
    ),
    (
        "aes_128_cfb",
        KEY128,
        IV,
        "3b3fd92eb72dad20333449f8e83cfb4ac8a64537a0b3a93fcde3cdad9f1ce58b"
        "26751f67a3cbb140b1808cf187a4f4dfc04b05357c5d1c0eeac4c66f9ff7f2e6",
    ),
    (
        "aes_128_ofb",
        KEY128,
        IV,
        "3b3fd92eb72dad20333449f8e83cfb4a7789508d16918f03f53c52dac54ed825"
        "9740051e9c5fecf64344f7a82260edcc304c6528f659c77866a510d9c1d6ae5e",
    ),
    (
        "aes_128_ctr",
        KEY128,
        unhex("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"),
        "874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff"
        "5ae4df3edbd5d35e5b4f09020db03eab1e031dda2fbe03d1792170a0f3009cee",
    ),
]


@pytest.mark.parametrize(("alg", "key", "iv", "expected"), MODES)
def test_a_cipher_mode_matches_sp_800_38a(alg, key, iv, expected):
    cipher = EVP.Cipher(alg, key, iv, 1, padding=0)
    assert (
        cipher.update(PLAIN[:20]) + cipher.update(PLAIN[20:]) + cipher.final()
    ).hex() == expected
    cipher = EVP.Cipher(alg, key, iv, 0, padding=0)
    assert cipher.update(unhex(expected)) + cipher.final() == PLAIN


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 100_000])
def test_padding_fills_the_last_block(size):
    cipher = EVP.Cipher("aes_128_cbc", KEY128, IV, 1)
    sealed = cipher.update(b"x" * size) + cipher.final()
    assert len(sealed) == size // 16 * 16 + 16
    cipher = EVP.Cipher("aes_128_cbc", KEY128, IV, 0)
    assert cipher.update(sealed) + cipher.final() == b"x" * size


def test_without_padding_a_partial_block_is_refused():
    cipher = EVP.Cipher("aes_128_cbc", KEY128, IV, 1)
    assert cipher.set_padding(0) == 1
    cipher.update(b"x")
    with pytest.raises(
        EVP.EVPError, match=r"wrong final block length|not multiple of block length"
    ):
        cipher.final()


def test_a_wrong_key_is_detected_by_the_padding():
    cipher = EVP.Cipher("aes_128_cbc", KEY128, IV, 1)
    sealed = cipher.update(b"x") + cipher.final()
    cipher = EVP.Cipher("aes_128_cbc", bytes(16), IV, 0)
    cipher.update(sealed)
    with pytest.raises(EVP.EVPError, match="bad decrypt"):
        cipher.final()


def test_a_key_is_derived_from_a_password_as_openssl_enc_does():
    # EVP_BytesToKey(3), one round: the key is MD5(password || salt).
    key = hashlib.md5(b"password" + b"saltsalt").digest()
    derived = EVP.Cipher("aes_128_ecb", b"password", None, 1, 1, "md5", b"saltsalt", 1)
    plain = EVP.Cipher("aes_128_ecb", key, None, 1)
    assert derived.update(PLAIN) == plain.update(PLAIN)
    # Further rounds and blocks: D_1 = H^i(password || salt), D_2 = H^i(D_1 || password || salt).
    first = second = b""
    for _ in range(3):
        first = hashlib.sha1(first or b"password" + b"saltsalt").digest()
    for _ in range(3):
        second = hashlib.sha1(second or first + b"password" + b"saltsalt").digest()
    assert (
        m2.bytes_to_key(m2.aes_256_cbc(), m2.sha1(), b"password", b"saltsalt", 3)
        == ((first + second)[:32])
    )


def test_key_derivation_defaults_to_md5_and_one_iteration():
    short = EVP.Cipher("aes_128_cbc", b"goethe", b"12345678", 1, 1)
    key = hashlib.md5(b"goethe" + b"12345678").digest()
    plain = EVP.Cipher("aes_128_cbc", key, b"12345678" + bytes(8), 1)
    assert short.update(PLAIN) == plain.update(PLAIN)


def test_a_salt_of_another_length_is_refused():
    with pytest.raises(EVP.EVPError, match="8 bytes"):
        EVP.Cipher("aes_128_cbc", b"password", IV, 1, key_as_bytes=1, salt=b"short")


@pytest.mark.parametrize(
    ("key", "iv", "reason"),
    [
        (b"short", IV, "the key is 5 bytes and aes-128-cbc needs 16"),
        (b"", IV, "the key is 0 bytes"),
        (KEY128, b"short", "the IV is 5 bytes and aes-128-cbc needs 16"),
        (KEY128, None, "the IV is 0 bytes"),
    ],
)
def test_a_key_or_iv_that_is_too_short_is_refused(key, iv, reason):
    with pytest.raises(EVP.EVPError, match=reason):
        EVP.Cipher("aes_128_cbc", key, iv, 1)


def test_a_longer_key_or_iv_is_truncated():
    longer = EVP.Cipher("aes_128_cbc", KEY128 + b"rest", IV + b"rest", 1)
    exact = EVP.Cipher("aes_128_cbc", KEY128, IV, 1)
    assert longer.update(PLAIN) == exact.update(PLAIN)


@pytest.mark.needs("RC4")
@pytest.mark.openssl("< 3.0")
def test_a_cipher_of_variable_key_length_accepts_a_short_key():
    # RFC 6229, 2: RC4, 40 bit key.
    cipher = EVP.Cipher("rc4", unhex("0102030405"), None, 1)
    assert cipher.update(bytes(16)).hex() == "b2396305f03dc027ccc3524a0a1118a8"


@pytest.mark.openssl(">= 3.0")
@pytest.mark.parametrize("alg", ["rc4", "des_cbc", "bf_cbc"])
def test_a_cipher_of_the_legacy_provider_raises_with_the_reason(alg):
    if m2.get_cipherbyname(alg) is None:
        pytest.skip(f"this OpenSSL was built without {alg}")
    with pytest.raises(EVP.EVPError, match="unsupported: "):
        EVP.Cipher(alg, bytes(16), bytes(8), 1)


def test_an_unknown_cipher_or_direction_is_refused():
    with pytest.raises(EVP.EVPError, match="unknown cipher: nosuch"):
        EVP.Cipher("nosuch", KEY128, IV, 1)
    with pytest.raises(EVP.EVPError, match="op is 1"):
        EVP.Cipher("aes_128_cbc", KEY128, IV, 2)
    with pytest.raises(EVP.EVPError, match="unknown digest algorithm: nosuch"):
        EVP.Cipher("aes_128_cbc", b"password", IV, 1, 1, "nosuch")


@pytest.mark.parametrize("name", ["aes_128_cfb", "aes_128_cfb128", "aes-128-cfb", "AES-128-CFB"])
def test_ciphers_are_found_by_the_names_of_m2crypto_and_openssl(name):
    assert EVP.Cipher(name, KEY128, IV, 1).update(PLAIN[:16]).hex() == MODES[3][3][:32]


def test_a_context_without_a_cipher_is_refused():
    context = m2.cipher_ctx_new()
    for use in (
        lambda: m2.cipher_update(context, b"x"),
        lambda: m2.cipher_final(context),
        lambda: m2.cipher_set_padding(context, 1),
        lambda: m2.cipher_update_aad(context, b"x"),
        lambda: m2.cipher_set_iv(context, IV),
        lambda: m2.cipher_set_tag(context, bytes(16)),
        lambda: m2.cipher_get_tag(context, 16),
    ):
        with pytest.raises(EVP.EVPError, match="was not initialized with a cipher"):
            use()


def test_threads_update_the_same_cipher():
    cipher = EVP.Cipher("aes_128_ctr", KEY128, IV, 1)
    alone = EVP.Cipher("aes_128_ctr", KEY128, IV, 1)
    pieces = []
    in_threads(lambda: pieces.extend(cipher.update(bytes(4096)) for _ in range(20)))
    stream = alone.update(bytes(4096 * 80))
    assert sorted(pieces) == sorted(stream[i : i + 4096] for i in range(0, len(stream), 4096))


# ---- authenticated ciphers -----------------------------------------------------------------------

GCM_KEY = unhex("feffe9928665731c6d6a8f9467308308")
GCM_PLAIN = unhex(
    "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
    "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
)
GCM_AAD = unhex("feedfacedeadbeeffeedfacedeadbeefabaddad2")
CCM_KEY = bytes(range(0x40, 0x50))
# Algorithm, key, IV, what is only authenticated, data, result, tag.
AEAD = {
    # McGrew and Viega, The Galois/Counter Mode of Operation, test cases 4, 5 and 6.
    "GCM 4": (
        "aes_128_gcm",
        GCM_KEY,
        unhex("cafebabefacedbaddecaf888"),
        GCM_AAD,
        GCM_PLAIN,
        "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e"
        "21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091",
        "5bc94fbc3221a5db94fae95ae7121a47",
    ),
    "GCM 5": (
        "aes_128_gcm",
        GCM_KEY,
        unhex("cafebabefacedbad"),
        GCM_AAD,
        GCM_PLAIN,
        "61353b4c2806934a777ff51fa22a4755699b2a714fcdc6f83766e5f97b6c7423"
        "73806900e49f24b22b097544d4896b424989b5e1ebac0f07c23f4598",
        "3612d2e79e3b0785561be14aaca2fccb",
    ),
    "GCM 6": (
        "aes_128_gcm",
        GCM_KEY,
        unhex(
            "9313225df88406e555909c5aff5269aa6a7a9538534f7da1e4c303d2a318a728"
            "c3c0c95156809539fcf0e2429a6b525416aedbf5a0de6a57a637b39b"
        ),
        GCM_AAD,
        GCM_PLAIN,
        "8ce24998625615b603a033aca13fb894be9112a5c3a211a8ba262a3cca7e2ca7"
        "01e4a9a4fba43c90ccdcb281d48c7c6fd62875d2aca417034c34aee5",
        "619cc5aefffe0bfa462af43c1699d050",
    ),
    # SP 800-38C, C.1 to C.3.
    "CCM 1": (
        "aes_128_ccm",
        CCM_KEY,
        bytes(range(0x10, 0x17)),
        bytes(range(8)),
        bytes(range(0x20, 0x24)),
        "7162015b",
        "4dac255d",
    ),
    "CCM 2": (
        "aes_128_ccm",
        CCM_KEY,
        bytes(range(0x10, 0x18)),
        bytes(range(16)),
        bytes(range(0x20, 0x30)),
        "d2a1f0e051ea5f62081a7792073d593d",
        "1fc64fbfaccd",
    ),
    "CCM 3": (
        "aes_128_ccm",
        CCM_KEY,
        bytes(range(0x10, 0x1C)),
        bytes(range(20)),
        bytes(range(0x20, 0x38)),
        "e3b201a9f5b71a7a9b1ceaeccd97e70b6176aad9a4428aa5",
        "484392fbc1b09951",
    ),
    # RFC 8439, 2.8.2.
    "ChaCha20-Poly1305": (
        "chacha20_poly1305",
        bytes(range(0x80, 0xA0)),
        unhex("070000004041424344454647"),
        unhex("50515253c0c1c2c3c4c5c6c7"),
        b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the "
        b"future, sunscreen would be it.",
        "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6"
        "3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36"
        "92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc"
        "3ff4def08e4b7a9de576d26586cec64b6116",
        "1ae10b594f09e26a7e902ecbd0600691",
    ),
}
aead = pytest.mark.parametrize(
    ("alg", "key", "iv", "aad", "plain", "sealed", "tag"), AEAD.values(), ids=AEAD
)


def opened(cipher, sealed):
    return cipher.update(sealed) + cipher.final()


@aead
def test_an_aead_cipher_encrypts_the_vectors_of_its_standard(alg, key, iv, aad, plain, sealed, tag):
    cipher = EVP.Cipher(alg, key, iv, 1)
    if alg.endswith("ccm"):
        cipher.set_tag(bytes(len(tag) // 2))
    assert cipher.update_aad(aad) > 0
    assert (cipher.update(plain) + cipher.final()).hex() == sealed
    assert cipher.get_tag(len(tag) // 2).hex() == tag


@aead
def test_an_aead_cipher_decrypts_with_the_right_tag(alg, key, iv, aad, plain, sealed, tag):
    cipher = EVP.Cipher(alg, key, iv, 0)
    assert cipher.set_tag(unhex(tag), min_length=len(tag) // 2) == 1
    cipher.update_aad(aad)
    assert opened(cipher, unhex(sealed)) == plain


@aead
@pytest.mark.parametrize("damage", ["tag", "aad", "data"])
def test_an_aead_cipher_detects_modified_data(alg, key, iv, aad, plain, sealed, tag, damage):
    def flip(data, what):
        return data[:-1] + bytes([data[-1] ^ (what == damage)])

    cipher = EVP.Cipher(alg, key, iv, 0)
    cipher.set_tag(flip(unhex(tag), "tag"), len(tag) // 2)
    cipher.update_aad(flip(aad, "aad"))
    with pytest.raises(EVP.EVPError, match=r"tag|cipher operation failed"):
        opened(cipher, flip(unhex(sealed), "data"))


@aead
def test_an_aead_cipher_does_not_decrypt_without_a_tag(alg, key, iv, aad, plain, sealed, tag):
    cipher = EVP.Cipher(alg, key, iv, 0)
    cipher.update_aad(aad)
    with pytest.raises(EVP.EVPError, match="tag"):
        opened(cipher, unhex(sealed))


def test_the_length_of_an_iv_can_be_set():
    alg, key, iv, aad, plain, sealed, tag = AEAD["GCM 5"]
    cipher = EVP.Cipher(alg, key, iv + b"more than is used", 1)
    assert cipher.set_iv_len(len(iv)) == 1
    cipher.update_aad(aad)
    assert (cipher.update(plain) + cipher.final()).hex() == sealed
    assert cipher.get_tag().hex() == tag
    cipher = EVP.Cipher("aes_128_ccm", CCM_KEY, bytes(range(0x10, 0x1D)), 1)
    cipher.set_iv_len(12)
    cipher.set_tag(bytes(8))
    cipher.update_aad(AEAD["CCM 3"][3])
    assert cipher.update(AEAD["CCM 3"][4]).hex() == AEAD["CCM 3"][5]


@pytest.mark.parametrize("length", [-1, 13, 0])
def test_an_invalid_iv_length_is_refused(length):
    cipher = EVP.Cipher("aes_128_gcm", GCM_KEY, bytes(12), 1)
    with pytest.raises(EVP.EVPError, match=r"length|IV"):
        cipher.set_iv_len(length)


def test_an_empty_message_is_authenticated():
    # Test case 1 of McGrew and Viega: zeros, and nothing else.
    cipher = EVP.Cipher("aes_128_gcm", bytes(16), bytes(12), 1)
    assert cipher.update(b"") + cipher.final() == b""
    assert cipher.get_tag().hex() == "58e2fccefa7e3061367f1d57a4e7455a"
    cipher = EVP.Cipher("aes_128_ccm", bytes(16), bytes(12), 1)
    assert cipher.final() == b""
    opener = EVP.Cipher("aes_128_ccm", bytes(16), bytes(12), 0)
    opener.set_tag(cipher.get_tag())
    assert opener.update(b"") == b""


def authenticated(alg, tag, **arguments):
    """Decrypt GCM test case 4 or CCM example 3, whose tags have 16 and 8 bytes."""
    _, key, iv, aad, plain, sealed, _ = AEAD["GCM 4" if alg == "gcm" else "CCM 3"]
    cipher = EVP.Cipher(f"aes_128_{alg}", key, iv, 0)
    cipher.set_tag(tag, **arguments)
    cipher.update_aad(aad)
    return opened(cipher, unhex(sealed)) == plain


GCM_TAG = unhex(AEAD["GCM 4"][6])


@pytest.mark.parametrize("length", [1, 4, 8, 12, 15])
def test_a_gcm_tag_must_have_16_bytes_by_default(length):
    with pytest.raises(EVP.EVPError, match=f"the tag has {length} bytes|has no tag of this length"):
        authenticated("gcm", GCM_TAG[:length])
    with pytest.raises(EVP.EVPError, match="tag"):
        authenticated("gcm", GCM_TAG[:length], min_length=length + 1)


@pytest.mark.parametrize("length", [4, 8, 12, 13, 14, 15, 16])
def test_a_shorter_gcm_tag_is_accepted_if_the_program_allows_it(length):
    assert authenticated("gcm", GCM_TAG[:length], min_length=length)
    wrong = GCM_TAG[: length - 1] + bytes([GCM_TAG[length - 1] ^ 1])
    with pytest.raises(EVP.EVPError, match=r"tag|cipher operation failed"):
        authenticated("gcm", wrong, min_length=length)


@pytest.mark.parametrize("length", [0, 1, 2, 3, 5, 6, 7, 9, 10, 11, 17])
def test_gcm_accepts_only_the_tag_lengths_of_sp_800_38d(length):
    with pytest.raises(EVP.EVPError, match="has no tag of this length"):
        authenticated("gcm", (GCM_TAG * 2)[:length], min_length=4)


@pytest.mark.parametrize("min_length", [3, 0, -1, 17])
def test_an_invalid_minimum_tag_length_is_refused(min_length):
    with pytest.raises(EVP.EVPError, match="min_length is from 4 to 16"):
        authenticated("gcm", GCM_TAG, min_length=min_length)


def test_a_shorter_ccm_tag_is_accepted_if_the_program_allows_it():
    tag = unhex(AEAD["CCM 3"][6])
    assert authenticated("ccm", tag, min_length=8)
    for arguments in ({}, {"min_length": 10}):
        with pytest.raises(EVP.EVPError, match="the tag has 8 bytes"):
            authenticated("ccm", tag, **arguments)
    for length in (0, 2, 5, 7):
        with pytest.raises(EVP.EVPError, match="tag"):
            authenticated("ccm", tag[:length], min_length=4)


@pytest.mark.parametrize(("alg", "length"), [("chacha20_poly1305", 32), ("aes_128_ocb", 16)])
def test_chacha20_poly1305_and_ocb_accept_only_full_tags(alg, length):
    if not hasattr(m2, alg):
        pytest.skip(f"this OpenSSL was built without {alg}")
    cipher = EVP.Cipher(alg, bytes(length), bytes(12), 1)
    sealed = cipher.update(b"data") + cipher.final()
    tag = cipher.get_tag()
    opener = EVP.Cipher(alg, bytes(length), bytes(12), 0)
    for shorter in range(16):
        with pytest.raises(EVP.EVPError, match="has no tag of this length"):
            opener.set_tag(tag[:shorter], min_length=4)
    opener.set_tag(tag)
    assert opened(opener, sealed) == b"data"


def test_the_low_level_tag_length_defaults_to_16_bytes():
    context = m2.cipher_ctx_new()
    m2.cipher_init(context, m2.aes_128_gcm(), GCM_KEY, bytes(12), 0)
    with pytest.raises(EVP.EVPError, match="the tag has 12 bytes"):
        m2.cipher_set_tag(context, bytes(12))
    assert m2.cipher_set_tag(context, bytes(12), 12) == 1
    assert m2.cipher_set_tag(context, bytes(16)) == 1


def test_the_tag_is_available_only_after_final():
    cipher = EVP.Cipher("aes_128_gcm", GCM_KEY, bytes(12), 0)
    for length in (0, -1, 16, 33):
        with pytest.raises(EVP.EVPError, match="tag"):
            cipher.get_tag(length)
    with pytest.raises(EVP.EVPError, match="tag"):
        cipher.set_tag(bytes(17))
    with pytest.raises(EVP.EVPError, match="tag"):
        cipher.set_tag(b"")


def test_a_cipher_without_a_tag_raises_when_asked_for_one():
    cipher = EVP.Cipher("aes_128_cbc", KEY128, IV, 1)
    for use in (
        lambda: cipher.update_aad(b"x"),
        lambda: cipher.set_tag(bytes(16)),
        lambda: cipher.get_tag(),
        lambda: cipher.set_iv_len(16),
    ):
        with pytest.raises(EVP.EVPError, match="not an AEAD cipher"):
            use()


def test_ccm_processes_a_message_in_one_update():
    cipher = EVP.Cipher("aes_128_ccm", CCM_KEY, bytes(12), 1)
    cipher.update(b"all")
    with pytest.raises(EVP.EVPError, match="in one update"):
        cipher.update(b"more")
    with pytest.raises(EVP.EVPError, match="before the data"):
        cipher.update_aad(b"more")
    with pytest.raises(EVP.EVPError):
        EVP.Cipher("aes_128_ccm", CCM_KEY, bytes(3), 1).update(b"x")
    cipher = EVP.Cipher("aes_128_ccm", CCM_KEY, bytes(12), 1)
    cipher.set_tag(bytes(3))
    with pytest.raises(EVP.EVPError):
        cipher.update(b"x")


# ---- lengths -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def huge():
    """Return 4 GiB and 32 bytes of zeros, which take no memory until they are read."""
    with mmap.mmap(-1, 2**32 + 32) as zeros, memoryview(zeros) as view:
        yield view


def cipher_of(alg):
    context = m2.cipher_ctx_new()
    m2.cipher_init(context, getattr(m2, alg)(), KEY128, IV, 0)
    return context


def verifier():
    context = m2.md_ctx_new()
    m2.digest_verify_init(context, m2.sha256(), EVP.load_key(KEY_FILE).pkey)
    return context


# Each would be cut to 32 bytes.
HUGE = {
    "hmac key": lambda huge: m2.hmac(huge, b"", m2.sha256()),
    "hmac_init": lambda huge: m2.hmac_init(m2.hmac_ctx_new(), huge, m2.sha256()),
    "pbkdf2 password": lambda huge: m2.pkcs5_pbkdf2_hmac_sha1(huge, b"", 1, 1),
    "pbkdf2 salt": lambda huge: m2.pkcs5_pbkdf2_hmac_sha1(b"", huge, 1, 1),
    "bytes_to_key": lambda huge: m2.bytes_to_key(m2.aes_128_cbc(), m2.md5(), huge, b"", 1),
    "cipher_update": lambda huge: m2.cipher_update(cipher_of("aes_128_cbc"), huge),
    "cipher_update_aad": lambda huge: m2.cipher_update_aad(cipher_of("aes_128_gcm"), huge),
    "cipher_set_iv": lambda huge: m2.cipher_set_iv(cipher_of("aes_128_gcm"), huge),
    "cipher_set_tag": lambda huge: m2.cipher_set_tag(cipher_of("aes_128_gcm"), huge),
    "cipher_init": lambda huge: m2.cipher_init(
        m2.cipher_ctx_new(), m2.aes_128_gcm(), KEY128, huge, 1
    ),
    "ccm data": lambda huge: m2.cipher_ccm(
        m2.cipher_ctx_new(), m2.aes_128_ccm(), KEY128, bytes(12), b"", huge, bytes(16), 1
    ),
    "ccm aad": lambda huge: m2.cipher_ccm(
        m2.cipher_ctx_new(), m2.aes_128_ccm(), KEY128, bytes(12), huge, b"", bytes(16), 1
    ),
    "verify_final": lambda huge: m2.verify_final(begun(), huge, EVP.load_key(KEY_FILE).pkey),
    "digest_verify": lambda huge: m2.digest_verify(verifier(), huge, b""),
    "digest_verify_final": lambda huge: m2.digest_verify_final(verifier(), huge),
}


def begun():
    context = m2.md_ctx_new()
    m2.digest_init(context, m2.sha256())
    return context


@pytest.mark.parametrize("use", HUGE.values(), ids=HUGE)
def test_a_length_above_32_bits_is_refused(use, huge):
    with pytest.raises(EVP.EVPError, match=r"longer than 2 GiB|has no tag of this length"):
        use(huge)


# ---- keys ----------------------------------------------------------------------------------------


def pem(kind, der):
    text = base64.encodebytes(der).decode()
    return f"-----BEGIN {kind}-----\n{text}-----END {kind}-----\n"


# RFC 8032, 7.1, test 2, in PKCS #8 and as a subjectPublicKeyInfo (RFC 8410, 7 and 4).
ED25519_SEED = unhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
ED25519_POINT = unhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
ED25519_KEY = pem("PRIVATE KEY", unhex("302e020100300506032b657004220420") + ED25519_SEED)
ED25519_PUBLIC = pem("PUBLIC KEY", unhex("302a300506032b6570032100") + ED25519_POINT)
ED25519_SIGNATURE = unhex(
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
)


@pytest.fixture(scope="module")
def rsa():
    return EVP.load_key(KEY_FILE)


@pytest.fixture(scope="module")
def public(rsa):
    bio = BIO.MemoryBuffer()
    rsa.get_rsa().save_pub_key_bio(bio)
    return EVP.load_key_bio_pubkey(bio)


def test_sign_final_returns_the_rsa_signature_of_the_digest(rsa, public):
    rsa.sign_init()
    rsa.sign_update(b"mess")
    rsa.update(b"age")
    signature = rsa.sign_final()
    digest = hashlib.sha256(b"message").digest()
    assert signature == rsa.get_rsa().sign(digest)
    for last, verdict in ((b"", 1), (b"x", 0)):
        public.verify_init()
        assert public.verify_update(b"message" + last) == 1
        assert public.verify_final(signature) == verdict


def test_a_signature_can_use_another_digest(rsa):
    key = EVP.PKey(rsa.pkey, md="sha512")
    key.sign_init()
    key.sign_update(b"message")
    assert key.final() == rsa.get_rsa().sign(hashlib.sha512(b"message").digest(), "sha512")
    key.reset_context("sha1")
    key.sign_init()
    assert key.final() == rsa.get_rsa().sign(hashlib.sha1(b"").digest(), "sha1")


def test_sign_and_digest_sign_return_the_same_signature(rsa, public):
    rsa.sign_init()
    rsa.sign_update(b"message")
    signature = rsa.sign_final()
    rsa.digest_sign_init()
    rsa.digest_sign_update(b"message")
    assert rsa.digest_sign_final() == signature
    rsa.digest_sign_init()
    assert rsa.digest_sign(b"message") == signature
    public.digest_verify_init()
    public.digest_verify_update(b"message")
    assert public.digest_verify_final(signature) == 1
    public.digest_verify_init()
    assert public.digest_verify(signature, b"message") == 1
    rsa.reset_context()


@pytest.mark.parametrize("bad", [b"", b"short", bytes(256), b"\xff" * 256, bytes(1000)])
def test_an_invalid_signature_does_not_verify(public, bad):
    public.verify_init()
    public.verify_update(b"message")
    assert public.verify_final(bad) == 0
    public.digest_verify_init()
    public.digest_verify_update(b"message")
    assert public.digest_verify_final(bad) == 0
    public.digest_verify_init()
    assert public.digest_verify(bad, b"message") == 0
    public.reset_context()


def test_a_public_key_cannot_sign(public):
    public.sign_init()
    with pytest.raises(EVP.EVPError):
        public.sign_final()


def test_an_empty_pkey_raises():
    empty = EVP.PKey()
    empty.sign_init()
    empty.verify_init()
    for use in (
        empty.sign_final,
        lambda: empty.verify_final(b"x"),
        empty.size,
        empty.digest_sign_init,
        empty.digest_verify_init,
    ):
        with pytest.raises(EVP.EVPError, match="has no key"):
            use()
    for use in (empty.get_modulus, empty.get_rsa, empty.as_der, empty.get_key_identifier):
        with pytest.raises(EVP.EVPError):
            use()


@needs_ec
def test_ed25519_matches_rfc_8032():
    key = EVP.load_key_string(ED25519_KEY)
    key.reset_context(md=None)
    key.digest_sign_init()
    assert key.digest_sign(b"\x72") == ED25519_SIGNATURE
    public = EVP.load_key_string_pubkey(ED25519_PUBLIC)
    for data, verdict in ((b"\x72", 1), (b"\x73", 0)):
        # Its digest is its own, whatever the PKey's is.
        public.digest_verify_init()
        assert public.digest_verify(ED25519_SIGNATURE, data) == verdict


@needs_ec
def test_ed25519_refuses_to_sign_in_parts():
    key = EVP.load_key_string(ED25519_KEY)
    key.digest_sign_init()
    for use in (lambda: key.digest_sign_update(b"\x72"), key.digest_sign_final):
        with pytest.raises(EVP.EVPError, match="use digest_sign"):
            use()
    public = EVP.load_key_string_pubkey(ED25519_PUBLIC)
    public.digest_verify_init()
    for use in (
        lambda: public.digest_verify_update(b"\x72"),
        lambda: public.digest_verify_final(ED25519_SIGNATURE),
    ):
        with pytest.raises(EVP.EVPError, match="use digest_verify"):
            use()
    key.reset_context(md=None)
    with pytest.raises(EVP.EVPError, match="use digest_sign"):
        key.sign_init()


@needs_ec
def test_an_ec_key_is_assigned_and_returned():
    ec = EC.gen_params(EC.NID_X9_62_prime256v1)
    key = EVP.PKey()
    with pytest.raises(EVP.EVPError, match="only parameters"):
        key.assign_ec(ec)
    ec.gen_key()
    assert key.assign_ec(ec) == 1
    key.sign_init()
    key.sign_update(b"message")
    signature = key.sign_final()
    given = key.get_ec()
    del key
    assert isinstance(given, EC.EC_pub)
    assert given.verify_dsa_asn1(hashlib.sha256(b"message").digest(), signature) == 1
    assert given.get_der() == ec.pub().get_der()


def test_a_key_of_another_type_is_not_returned(rsa):
    with pytest.raises((EVP.EVPError, EC.ECError)):
        rsa.get_ec()
    if not m2.OPENSSL_NO_EC:
        with pytest.raises(EVP.EVPError, match="not an RSA key"):
            EVP.load_key_string(ED25519_KEY).get_rsa()


@pytest.mark.parametrize("capture", [0, 1])
def test_an_rsa_key_is_assigned_and_returned(rsa, capture):
    key = RSA.load_key(KEY_FILE)
    pkey = EVP.PKey()
    assert pkey.assign_rsa(key, capture) == 1
    given = pkey.get_rsa()
    assert not isinstance(given, RSA.RSA_pub)
    assert given.pub() == key.pub()
    assert given.as_pem(None) == key.as_pem(None)
    with pytest.raises(EVP.EVPError, match="no modulus"):
        pkey.assign_rsa(RSA.RSA(m2.rsa_new()))


def test_the_rsa_key_of_a_public_key_is_saved_without_a_prompt(public, monkeypatch):
    monkeypatch.setattr("getpass.getpass", raising)
    given = public.get_rsa()
    assert isinstance(given, RSA.RSA_pub)
    for text in (given.as_pem(), given.as_pem(None), given.as_pem("aes_128_cbc", raising)):
        assert EVP.load_key_string_pubkey(text).as_der() == public.as_der()


def test_an_rsa_key_has_a_size_a_modulus_and_a_key_identifier(rsa, public):
    numbers = rsa.get_rsa()
    assert rsa.size() == 256
    assert int(rsa.get_modulus(), 16) == int.from_bytes(numbers.n[4:], "big")
    assert public.as_der() == rsa.as_der()
    # The last of a subjectPublicKeyInfo of this length is the key, after 24 bytes.
    assert rsa.get_key_identifier() == hashlib.sha1(rsa.as_der()[24:]).digest()
    assert len(rsa.as_der()) == 294


@needs_ec
def test_an_ed25519_key_has_no_modulus():
    key = EVP.load_key_string_pubkey(ED25519_PUBLIC)
    with pytest.raises(EVP.EVPError, match="no modulus"):
        key.get_modulus()
    assert key.as_der()[-32:] == ED25519_POINT
    assert key.get_key_identifier() == hashlib.sha1(ED25519_POINT).digest()


def needs_dsa():
    if m2.OPENSSL_NO_DSA:
        pytest.skip("this OpenSSL was built without DSA")


def test_get_modulus_of_a_dsa_key_returns_its_public_value():
    needs_dsa()
    key = EVP.load_key(str(Path(KEY_FILE).with_name("dsa_1024.pem")))
    octets = unhex(key.get_modulus().decode())
    # RFC 3279, 2.3.2: the public key is the number, at the end of the subjectPublicKeyInfo.
    assert key.as_der().endswith(octets)
    assert EVP.load_key_string(key.as_pem(None)).as_der() == key.as_der()
    text = pem("PUBLIC KEY", key.as_der())
    with pytest.raises(EVP.EVPError, match="no private part"):
        EVP.load_key_string_pubkey(text).as_pem(None)


@needs_ec
def test_a_public_ec_key_cannot_be_saved_as_a_private_key():
    ec = EC.gen_params(EC.NID_X9_62_prime256v1)
    ec.gen_key()
    key = EVP.load_key_string_pubkey(ec.pub().as_pem())
    with pytest.raises(EVP.EVPError, match="no private part"):
        key.as_pem(None)
    with pytest.raises(EVP.EVPError, match="no modulus"):
        key.get_modulus()


@pytest.mark.parametrize("cipher", [None, "aes_128_cbc", "aes_256_cbc"])
def test_a_private_key_round_trips_through_pem(rsa, cipher, tmp_path):
    file = str(tmp_path / "key.pem")
    text = rsa.as_pem(cipher, secret)
    kind = "PRIVATE KEY" if cipher is None else "ENCRYPTED PRIVATE KEY"
    assert text.startswith(f"-----BEGIN {kind}-----\n".encode())
    assert EVP.load_key_string(text, secret).as_der() == rsa.as_der()
    assert rsa.save_key(file, cipher, secret) == 1
    assert EVP.load_key(file, secret).as_der() == rsa.as_der()
    bio = BIO.MemoryBuffer()
    assert rsa.save_key_bio(bio, cipher, secret) == 1
    assert EVP.load_key_bio(bio, secret).as_der() == rsa.as_der()


def test_a_public_key_round_trips_through_pem(rsa, tmp_path):
    file = str(tmp_path / "public.pem")
    rsa.get_rsa().save_pub_key(file)
    assert EVP.load_key_pubkey(file).as_der() == rsa.as_der()
    with pytest.raises(EVP.EVPError):
        EVP.load_key(file)


def test_a_wrong_passphrase_raises():
    # A key encrypted once: of fresh ones, one in 256 has a right padding by chance.
    with pytest.raises(EVP.EVPError, match="bad decrypt"):
        EVP.load_key(str(KEYS / "rsa_2048_encrypted.pem"), lambda _writing: b"wrong")


def test_the_passphrase_callback_receives_whether_it_encrypts_or_decrypts(rsa):
    flags = []

    def callback(writing):
        flags.append(writing)
        return "secret"

    EVP.load_key_string(rsa.as_pem(callback=callback), callback)
    assert flags == [1, 0]


def test_an_exception_of_the_passphrase_callback_propagates(rsa, tmp_path):
    file = tmp_path / "key.pem"
    with pytest.raises(LookupError, match="from the callback"):
        EVP.load_key_string(rsa.as_pem(callback=secret), raising)
    with pytest.raises(LookupError, match="from the callback"):
        rsa.save_key(str(file), callback=raising)
    assert not file.exists()


def test_a_passphrase_that_is_too_long_is_refused(rsa):
    with pytest.raises(ValueError, match="longer than"):
        rsa.as_pem(callback=lambda _writing: "x" * 5000)


def test_without_a_callback_there_is_no_passphrase_prompt(rsa):
    with pytest.raises(EVP.EVPError, match="no passphrase callback was given"):
        EVP.load_key_string(rsa.as_pem(callback=secret), None)


def test_the_default_callback_prompts_with_getpass(rsa, monkeypatch):
    monkeypatch.setattr("getpass.getpass", lambda _prompt: "secret")
    assert EVP.load_key_string(rsa.as_pem()).as_der() == rsa.as_der()


@pytest.mark.parametrize("length", [0, 50, 800, 1650])
def test_a_truncated_key_is_refused(rsa, length):
    with pytest.raises(EVP.EVPError):
        EVP.load_key_string(rsa.as_pem(None)[:length])
    with pytest.raises(EVP.EVPError):
        EVP.load_key_string_pubkey(rsa.as_pem(None)[:length])


STUB = Path(M2Crypto.__file__).with_name("_m2crypto.pyi")


def has_cipher(name):
    """Return whether this OpenSSL has the cipher; some ciphers need a processor with AES-NI."""
    if not hasattr(m2, name):
        return False
    try:
        getattr(m2, name)()
    except Err.M2CryptoError:
        return False
    return True


def ciphers():
    """Return the names in m2 of all ciphers that this OpenSSL has."""
    tree = ast.parse(STUB.read_text(encoding="utf-8"))
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    return [
        function.name
        for function in functions
        if ast.unparse(function.returns) == "EVP_CIPHER"
        and not function.args.posonlyargs
        and has_cipher(function.name)
    ]


MODES_OF_PEM = ("cbc", "cfb", "ofb")


def pem_writers():
    """Return the functions that write a private key to a BIO in PEM with a cipher."""
    pkey = EVP.load_key(KEY_FILE)
    rsa = pkey.get_rsa()
    yield lambda bio, cipher: m2.pkey_write_pem(pkey.pkey, bio, cipher, secret)
    yield lambda bio, cipher: m2.rsa_write_key(rsa.rsa, bio, cipher, secret)
    if not m2.OPENSSL_NO_EC:
        ec = EVP.load_key(str(KEYS / "ec.pem")).get_ec()
        yield lambda bio, cipher: m2.ec_key_write_bio(ec.ec, bio, cipher, secret)


def test_a_pem_key_encrypted_with_any_accepted_cipher_can_be_loaded():
    names = ciphers()
    assert len(names) > 50
    for write in pem_writers():
        plain = BIO.MemoryBuffer()
        write(plain.bio_ptr(), None)
        expected = EVP.load_key_bio(plain).as_der()
        taken = set()
        for name in names:
            encrypted = BIO.MemoryBuffer()
            try:
                write(encrypted.bio_ptr(), getattr(m2, name)())
            except (EVP.EVPError, RSA.RSAError, EC.ECError):
                continue
            assert EVP.load_key_bio(encrypted, secret).as_der() == expected, name
            taken.add(name)
        assert taken >= {f"aes_{bits}_{mode}" for bits in (128, 192, 256) for mode in MODES_OF_PEM}


UNFIT = [
    *("aes_128_gcm", "aes_256_ccm", "aes_128_ocb", "aes_128_xts", "aes_128_wrap"),
    *("aes_256_wrap_pad", "chacha20_poly1305", "chacha20", "rc4", "enc_null"),
    *("aes_128_cbc_hmac_sha1", "des_ede3_wrap"),
]


@pytest.mark.parametrize("cipher", UNFIT)
def test_a_cipher_that_pem_encryption_does_not_support_is_refused(cipher):
    if not has_cipher(cipher):
        pytest.skip(f"this OpenSSL was built without {cipher}")
    for write in pem_writers():
        with pytest.raises(
            (EVP.EVPError, RSA.RSAError, EC.ECError), match="PEM encryption does not support"
        ):
            write(BIO.MemoryBuffer().bio_ptr(), getattr(m2, cipher)())


@pytest.mark.needs("DES")
def test_a_key_is_not_saved_with_weaker_encryption_than_requested(rsa):
    # PKCS #8 has no OID for DES-EDE3-CFB: OpenSSL 1.1.1 takes DES-CFB's, and encrypts with DES.
    with pytest.raises(EVP.EVPError, match="PEM encryption does not support"):
        rsa.as_pem("des_ede3_cfb", secret)


def test_a_missing_file_is_named_in_the_error(tmp_path):
    for load in (EVP.load_key, EVP.load_key_pubkey):
        with pytest.raises(BIO.BIOError, match=r"missing\.pem"):
            load(str(tmp_path / "missing.pem"))


def test_an_unknown_cipher_is_refused(rsa):
    with pytest.raises(EVP.EVPError, match="unknown cipher: nosuch"):
        rsa.as_pem("nosuch", secret)


def test_a_public_key_cannot_be_saved_as_a_private_key(public):
    with pytest.raises(EVP.EVPError, match="no private part"):
        public.as_pem(None)


@needs_ec
def test_a_public_ed25519_key_cannot_be_saved_as_a_private_key():
    with pytest.raises(EVP.EVPError):
        EVP.load_key_string_pubkey(ED25519_PUBLIC).as_pem(None)


def test_threads_sign_with_the_same_key(rsa):
    signatures = []

    def work():
        key = EVP.PKey(rsa.pkey)
        for _ in range(5):
            key.digest_sign_init()
            signatures.append(key.digest_sign(b"message"))

    in_threads(work)
    assert len(signatures) == 20
    assert len(set(signatures)) == 1


def test_a_freed_key_is_refused():
    handle = m2.pkey_new()
    m2.pkey_free(handle)
    with pytest.raises(ValueError, match="freed already"):
        EVP.PKey(handle).size()


def test_the_error_class_is_a_value_error():
    assert EVP.EVPError.__bases__ == (Err.M2CryptoError, ValueError)
