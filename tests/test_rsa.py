"""RSA: signatures and ciphertexts match RFC 8017; invalid keys and input raise."""

import base64
import hashlib
import mmap
import re
import threading
import warnings
from pathlib import Path

import pytest

from M2Crypto import BIO, EVP, RSA, Err, m2

KEYS = Path(__file__).with_name("data") / "keys"
KEY_FILE = str(KEYS / "rsa_2048.pem")
DIGEST = hashlib.sha256(b"message").digest()

# RFC 8017, 9.2, note 1.
DIGEST_INFO = {
    "md5": "3020300c06082a864886f70d020505000410",
    "sha1": "3021300906052b0e03021a05000414",
    "sha256": "3031300d060960864801650304020105000420",
    "sha384": "3041300d060960864801650304020205000430",
    "sha512": "3051300d060960864801650304020305000440",
}


@pytest.fixture(autouse=True)
def _the_error_queue_stays_empty():
    yield
    assert Err.peek_error_code() == 0


@pytest.fixture(scope="module")
def key():
    return RSA.load_key(KEY_FILE)


@pytest.fixture(scope="module")
def public():
    key = RSA.load_key(KEY_FILE)
    return RSA.new_pub_key(key.pub())


def number(mpi):
    """Return the number of an MPI after checking its length."""
    assert int.from_bytes(mpi[:4], "big") == len(mpi) - 4
    return int.from_bytes(mpi[4:], "big")


def mpi(value):
    octets = value.to_bytes(value.bit_length() // 8 + 1, "big") if value else b""
    return len(octets).to_bytes(4, "big") + octets


def opened(key, octets):
    """Return the result of RSAVP1 in Python integers (RFC 8017, section 5.2.2)."""
    value = pow(int.from_bytes(octets, "big"), number(key.e), number(key.n))
    return value.to_bytes(len(key) // 8, "big")


def secret(_writing):
    return "secret"


def wrong(_writing):
    return b"wrong"


def raising(*_arguments):
    raise LookupError("from the callback")


# ---- numbers -------------------------------------------------------------------------------------


def test_a_key_has_a_length_a_modulus_and_an_exponent(key):
    assert len(key) == 2048
    assert number(key.e) == 65537
    assert number(key.n).bit_length() == 2048
    assert key.pub() == (key.e, key.n)


def test_a_public_key_is_created_from_modulus_and_exponent(key, public):
    assert isinstance(public, RSA.RSA_pub)
    assert public.pub() == key.pub()
    assert public.check_key() == 1


def test_a_public_key_is_completed_value_by_value(key):
    handle = m2.rsa_new()
    m2.rsa_set_e(handle, key.e)
    assert m2.rsa_get_e(handle) == key.e
    with pytest.raises(RSA.RSAError, match="no modulus or no public exponent"):
        m2.rsa_size(handle)
    with pytest.raises(RSA.RSAError, match="this value of the RSA key is not set"):
        m2.rsa_get_n(handle)
    m2.rsa_set_n(handle, key.n)
    assert RSA.RSA_pub(handle, 1).verify(DIGEST, key.sign(DIGEST)) == 1


def test_the_values_of_a_complete_key_cannot_be_set(key, public):
    with pytest.raises(RSA.RSAError, match="complete"):
        m2.rsa_set_e(public.rsa, mpi(3))
    for name in ("e", "n"):
        with pytest.raises(RSA.RSAError, match="cannot be changed"):
            setattr(public, name, mpi(3))
    assert public.pub() == key.pub()


@pytest.mark.parametrize(
    ("e", "n"),
    [
        (b"\x00\x00\x00\x09\x01", mpi(3233)),
        (b"", mpi(3233)),
        (mpi(0), mpi(3233)),
        (mpi(17), b"\x00\x00\x00\x01\x83"),
    ],
    ids=["length too long", "nothing", "exponent 0", "modulus negative"],
)
def test_invalid_key_values_are_refused(e, n):
    with pytest.raises(RSA.RSAError):
        RSA.new_pub_key((e, n))


@pytest.mark.parametrize(("e", "n"), [(1, 3233), (16, 3233), (17, 3232), (3235, 3233)])
def test_check_key_refuses_inconsistent_values(e, n):
    assert RSA.new_pub_key((mpi(e), mpi(n))).check_key() == 0


# ---- key generation ------------------------------------------------------------------------------


def test_key_generation_calls_the_callback():
    steps = []
    key = RSA.gen_key(1024, 65537, lambda p, n: steps.append((p, n)))
    assert len(key) == 1024
    assert key.check_key() == 1
    assert {p for p, _ in steps} >= {0, 3}
    assert (
        key.private_decrypt(
            key.public_encrypt(b"hello", RSA.pkcs1_oaep_padding), RSA.pkcs1_oaep_padding
        )
        == b"hello"
    )


def test_the_default_callback_shows_its_progress(capsys):
    RSA.gen_key(512, 65537)
    assert re.fullmatch(r"[.+*\n]+", capsys.readouterr().out)


def test_keys_are_generated_without_a_callback():
    assert number(RSA.gen_key(512, 3, None).e) == 3


class Truthless:
    """An object that raises if it is tested for truth."""

    def __bool__(self):
        raise LookupError("nobody asks")


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_a_keygen_callback_receives_as_many_arguments_as_it_accepts(count):
    seen = []
    names = ["p", "n", "userdata"][:count]
    callback = eval(f"lambda {', '.join(names)}: seen.append([{', '.join(names)}])", {"seen": seen})
    RSA.gen_key(512, 65537, callback)
    assert seen
    for arguments in seen:
        assert all(isinstance(argument, int) for argument in arguments[:2])
        assert arguments[2:] == [None] * (count == 3)


@pytest.mark.parametrize(
    "callback",
    [
        lambda *arguments: Truthless(),
        lambda p, n=5, *rest: False,
        lambda a, b, c, d: None,
        lambda *, required: None,
        max,
        lambda p, n, *, key=0: 0,
    ],
)
def test_a_keygen_callback_may_accept_and_return_any_value(callback):
    assert len(RSA.gen_key(512, 65537, callback)) == 512


def test_a_keygen_callback_must_be_callable():
    with pytest.raises(TypeError, match="is a callable or None"):
        RSA.gen_key(512, 65537, 5)


def test_an_exception_of_the_keygen_callback_propagates():
    with pytest.raises(LookupError, match="from the callback"):
        RSA.gen_key(1024, 65537, raising)


@pytest.mark.parametrize(
    ("bits", "e"), [(0, 65537), (100, 65537), (-1, 65537), (1024, 0), (1024, 1), (1024, 4)]
)
def test_invalid_key_sizes_and_exponents_are_refused(bits, e):
    with pytest.raises(RSA.RSAError, match=r"too small|exponent must be odd"):
        RSA.gen_key(bits, e, None)


# ---- signatures ----------------------------------------------------------------------------------


@pytest.mark.parametrize("algo", DIGEST_INFO)
def test_a_signature_encodes_the_digest_as_in_rfc_8017(key, public, algo):
    digest = hashlib.new(algo, b"message").digest()
    signature = key.sign(digest, algo)
    encoded = bytes.fromhex(DIGEST_INFO[algo]) + digest
    filler = b"\xff" * (256 - 3 - len(encoded))
    assert opened(public, signature) == b"\x00\x01" + filler + b"\x00" + encoded
    assert public.verify(digest, signature, algo) == 1


def test_sign_and_verify_default_to_sha256(key):
    assert key.sign(DIGEST) == key.sign(DIGEST, algo="sha256")


def test_a_signature_of_other_data_does_not_verify(key, public):
    signature = key.sign(DIGEST)
    other = hashlib.sha256(b"other").digest()
    for digest, bad in [
        (other, signature),
        (DIGEST, signature[:-1] + bytes([signature[-1] ^ 1])),
        (DIGEST, signature[:-1]),
        (DIGEST, b""),
    ]:
        with pytest.raises(RSA.RSAError):
            public.verify(digest, bad)
    with pytest.raises(RSA.RSAError):
        public.verify(hashlib.sha1(b"message").digest(), signature, "sha1")


OTHER_LENGTHS = [b"", b"short", DIGEST[:-1], DIGEST + b"x", b"x" * 100]


def sequence(*parts):
    content = b"".join(parts)
    assert len(content) < 256
    return (b"\x30\x81" if len(content) > 127 else b"\x30") + bytes([len(content)]) + content


@pytest.mark.filterwarnings("ignore::M2Crypto.RSA.DigestLengthWarning")
@pytest.mark.parametrize("algo", ["md5", "sha1", "sha256"])
@pytest.mark.parametrize("digest", OTHER_LENGTHS, ids=len)
def test_a_digest_of_another_length_is_signed_with_a_warning(key, public, digest, algo):
    with pytest.warns(RSA.DigestLengthWarning, match=f"{len(digest)} bytes are not a {algo}"):
        signature = key.sign(digest, algo)
    # RFC 8017, 9.2: the algorithm as it is for the right length, then the octets.
    algorithm = bytes.fromhex(DIGEST_INFO[algo])[2:-2]
    encoded = sequence(algorithm, bytes([4, len(digest)]), digest)
    filler = b"\xff" * (256 - 3 - len(encoded))
    assert opened(public, signature) == b"\x00\x01" + filler + b"\x00" + encoded
    with pytest.warns(RSA.DigestLengthWarning):
        assert public.verify(digest, signature, algo) == 1
    for other in (digest + b"x", b"y" + digest[1:]):
        with pytest.raises(RSA.RSAError):
            public.verify(other, signature, algo)


def test_the_warning_points_at_the_caller_and_can_be_turned_into_an_error(key):
    signature = m2.rsa_sign(key.rsa, b"short", m2.sha256())
    for use in (lambda: key.sign(b"short"), lambda: key.verify(b"short", signature)):
        with pytest.warns(RSA.DigestLengthWarning) as warned:
            use()
        assert [warning.filename for warning in warned] == [__file__]
    with warnings.catch_warnings():
        warnings.simplefilter("error", RSA.DigestLengthWarning)
        with pytest.raises(RSA.DigestLengthWarning):
            key.sign(b"short")
        assert key.verify(DIGEST, key.sign(DIGEST)) == 1
    assert issubclass(RSA.DigestLengthWarning, UserWarning)


@pytest.mark.filterwarnings("ignore::M2Crypto.RSA.DigestLengthWarning")
def test_a_digest_that_does_not_fit_the_modulus_is_refused(key):
    for digest, algo in ((b"x" * 240, "sha256"), (b"short", "md5_sha1"), (bytes(16), "shake128")):
        with pytest.raises(RSA.RSAError):
            key.sign(digest, algo)
    assert key.verify(bytes(36), key.sign(bytes(36), "md5_sha1"), "md5_sha1") == 1


@pytest.mark.filterwarnings("ignore::M2Crypto.RSA.DigestLengthWarning")
def test_a_length_above_32_bits_is_refused(key):
    signature = key.sign(bytes(32))
    pss = key.sign_rsassa_pss(bytes(32))
    with mmap.mmap(-1, 2**32 + 256) as zeros, memoryview(zeros) as view:
        huge = view[: 2**32 + 32]
        for use in (
            lambda: key.verify(huge, signature),
            lambda: key.sign(huge),
            lambda: key.verify(bytes(32), view),
            lambda: key.verify_rsassa_pss(huge, pss),
            lambda: key.verify_rsassa_pss(bytes(32), view),
            lambda: key.sign_rsassa_pss(huge),
            lambda: key.public_encrypt(huge, RSA.pkcs1_padding),
            lambda: key.private_encrypt(huge, RSA.pkcs1_padding),
            lambda: key.private_decrypt(view, RSA.no_padding),
            lambda: key.public_decrypt(view, RSA.no_padding),
            lambda: RSA.new_pub_key((huge, key.n)),
            lambda: RSA.new_pub_key((key.e, huge)),
        ):
            with pytest.raises(RSA.RSAError, match="longer than 2 GiB"):
                use()
        huge.release()


def test_an_unknown_algorithm_is_refused(key):
    with pytest.raises(ValueError, match="unknown digest algorithm: nosuch"):
        key.sign(DIGEST, "nosuch")
    with pytest.raises(ValueError, match="unknown digest algorithm: nosuch"):
        key.verify(DIGEST, b"", "nosuch")
    with pytest.raises(RSA.RSAError, match="unknown digest algorithm: nosuch"):
        key.sign_rsassa_pss(DIGEST, "nosuch")
    with pytest.raises(RSA.RSAError, match="unknown digest algorithm: nosuch"):
        key.verify_rsassa_pss(DIGEST, b"", "nosuch")


def test_a_public_key_cannot_sign(public):
    for sign in (public.sign, public.sign_rsassa_pss):
        with pytest.raises(RSA.RSAError, match="no private part"):
            sign(DIGEST)


def mgf1(seed, length, algo):
    """RFC 8017, B.2.1."""
    mask = b""
    counter = 0
    while len(mask) < length:
        mask += hashlib.new(algo, seed + counter.to_bytes(4, "big")).digest()
        counter += 1
    return mask[:length]


def xor(left, right):
    return bytes(a ^ b for a, b in zip(left, right))


def pss_salt(encoded, digest, algo):
    """Verify an encoded PSS message and return its salt (RFC 8017, section 9.1.2)."""
    size = len(digest)
    masked, hashed, trailer = encoded[: -size - 1], encoded[-size - 1 : -1], encoded[-1:]
    assert trailer == b"\xbc"
    block = xor(masked, mgf1(hashed, len(masked), algo))
    block = bytes([block[0] & 0x7F]) + block[1:]
    filler, _, salt = block.partition(b"\x01")
    assert set(filler) <= {0}
    assert hashlib.new(algo, bytes(8) + digest + salt).digest() == hashed
    return salt


@pytest.mark.parametrize("algo", ["sha1", "sha256", "sha512"])
@pytest.mark.parametrize("salt_length", [0, 20, 32])
def test_a_pss_signature_is_encoded_as_in_rfc_8017(key, public, algo, salt_length):
    digest = hashlib.new(algo, b"message").digest()
    signature = key.sign_rsassa_pss(digest, algo, salt_length)
    assert len(pss_salt(opened(public, signature), digest, algo)) == salt_length
    assert public.verify_rsassa_pss(digest, signature, algo, salt_length) == 1


def test_pss_defaults_to_sha256_and_a_salt_of_20_bytes(key, public):
    signature = key.sign_rsassa_pss(DIGEST)
    assert len(pss_salt(opened(public, signature), DIGEST, "sha256")) == 20
    assert public.verify_rsassa_pss(DIGEST, signature) == 1
    assert public.verify_rsassa_pss(DIGEST, signature, salt_length=-2) == 1
    assert public.verify_rsassa_pss(DIGEST, signature, salt_length=21) == 0


def test_a_pss_signature_of_other_data_does_not_verify(key, public):
    signature = key.sign_rsassa_pss(DIGEST)
    assert public.verify_rsassa_pss(hashlib.sha256(b"other").digest(), signature) == 0
    assert public.verify_rsassa_pss(DIGEST, signature[:-1]) == 0
    assert public.verify_rsassa_pss(DIGEST, key.sign(DIGEST)) == 0


def test_a_pss_salt_too_long_for_the_modulus_is_refused(key):
    with pytest.raises(RSA.RSAError):
        key.sign_rsassa_pss(DIGEST, salt_length=2048)


# ---- encryption ----------------------------------------------------------------------------------


@pytest.mark.parametrize("padding", [RSA.pkcs1_padding, RSA.pkcs1_oaep_padding])
@pytest.mark.parametrize("data", [b"", b"x", b"The magic words are squeamish ossifrage."])
def test_private_decrypt_inverts_public_encrypt(key, public, padding, data):
    assert key.private_decrypt(public.public_encrypt(data, padding), padding) == data


@pytest.mark.parametrize("padding", [RSA.pkcs1_padding, RSA.no_padding])
def test_public_decrypt_inverts_private_encrypt(key, public, padding):
    data = b"\x00" * 255 + b"x" if padding == RSA.no_padding else b"data"
    sealed = key.private_encrypt(data, padding)
    assert public.public_decrypt(sealed, padding) == data
    plain = opened(public, sealed)
    assert plain == (
        data if padding == RSA.no_padding else b"\x00\x01" + b"\xff" * 249 + b"\x00data"
    )


def test_oaep_is_encoded_as_in_rfc_8017(key, public):
    sealed = public.public_encrypt(b"message", RSA.pkcs1_oaep_padding)
    encoded = key.private_decrypt(sealed, RSA.no_padding)
    first, masked_seed, masked_block = encoded[:1], encoded[1:21], encoded[21:]
    seed = xor(masked_seed, mgf1(masked_block, 20, "sha1"))
    block = xor(masked_block, mgf1(seed, len(masked_block), "sha1"))
    # RFC 8017, 7.1.1: the label's hash, zeros, 1, the message.
    zeros = bytes(256 - 2 * 20 - 2 - len(b"message"))
    assert first == b"\x00"
    assert block == hashlib.sha1(b"").digest() + zeros + b"\x01message"


def test_no_padding_is_the_raw_rsa_operation(key, public):
    data = (5).to_bytes(256, "big")
    expected = pow(5, 65537, number(public.n)).to_bytes(256, "big")
    assert public.public_encrypt(data, RSA.no_padding) == expected
    assert key.private_decrypt(expected, RSA.no_padding) == data


@pytest.mark.parametrize(
    ("length", "padding"),
    [(246, RSA.pkcs1_padding), (215, RSA.pkcs1_oaep_padding), (5, RSA.no_padding)],
)
def test_data_of_an_invalid_length_is_refused(public, length, padding):
    with pytest.raises(RSA.RSAError, match=r"data|too|length"):
        public.public_encrypt(b"x" * length, padding)


def test_oaep_detects_modified_data(key, public):
    sealed = bytearray(public.public_encrypt(b"message", RSA.pkcs1_oaep_padding))
    sealed[-1] ^= 1
    # The FIPS provider gives no reason.
    with pytest.raises(RSA.RSAError, match="oaep|RSA decrypt"):
        key.private_decrypt(sealed, RSA.pkcs1_oaep_padding)


def test_public_decrypt_refuses_other_data(public):
    with pytest.raises(RSA.RSAError):
        public.public_decrypt(bytes(255) + b"\x05", RSA.pkcs1_padding)


def test_an_unknown_padding_is_refused(public):
    with pytest.raises(RSA.RSAError, match="padding"):
        public.public_encrypt(b"x", 99)


@pytest.mark.openssl(">= 3.0")
def test_sslv23_padding_raises_where_openssl_removed_it(public):
    with pytest.raises(RSA.RSAError, match="has no sslv23_padding"):
        public.public_encrypt(b"x", RSA.sslv23_padding)


@pytest.mark.openssl("< 3.0")
def test_sslv23_padding_detects_a_version_rollback(key, public):
    sealed = public.public_encrypt(b"x", RSA.sslv23_padding)
    with pytest.raises(RSA.RSAError, match="rollback"):
        key.private_decrypt(sealed, RSA.sslv23_padding)


def test_private_operations_with_a_public_key_are_refused(public):
    for operation in (public.private_encrypt, public.private_decrypt):
        with pytest.raises(RSA.RSAError, match="no private key"):
            operation(b"x", RSA.pkcs1_padding)
    with pytest.raises(RSA.RSAError, match="no private part"):
        m2.rsa_private_decrypt(public.rsa, bytes(256), RSA.pkcs1_padding)


# ---- files ---------------------------------------------------------------------------------------


def test_a_private_key_round_trips_through_pem(key):
    pem = key.as_pem(cipher=None)
    assert pem.startswith(b"-----BEGIN RSA PRIVATE KEY-----\n")
    assert RSA.load_key_string(pem).pub() == key.pub()
    assert RSA.load_key_string(pem.decode(), None).pub() == key.pub()


@pytest.mark.parametrize(
    "cipher",
    [
        "aes_128_cbc",
        "aes_256_cbc",
        pytest.param("des_ede3_cbc", marks=pytest.mark.needs("DES")),
    ],
)
def test_a_private_key_round_trips_through_encrypted_pem(key, cipher):
    pem = key.as_pem(cipher, secret)
    assert b"ENCRYPTED" in pem
    assert RSA.load_key_string(pem, secret).pub() == key.pub()


def test_saving_a_key_encrypts_with_aes_by_default(key):
    assert b"DEK-Info: AES-128-CBC," in key.as_pem(callback=secret)


@pytest.mark.parametrize("save", ["save_key", "save_pem"])
def test_a_private_key_round_trips_through_a_file(key, tmp_path, save):
    file = str(tmp_path / "key.pem")
    assert getattr(key, save)(file, callback=secret) == 1
    assert RSA.load_key(file, secret).pub() == key.pub()


def test_a_private_key_round_trips_through_a_bio(key):
    bio = BIO.MemoryBuffer()
    assert key.save_key_bio(bio, None) == 1
    assert RSA.load_key_bio(bio).pub() == key.pub()


def test_a_key_is_saved_as_der(key, tmp_path):
    file = tmp_path / "key.der"
    assert key.save_key_der(str(file)) == 1
    # RFC 8017, A.1.2: a sequence of version 0, then n.
    start = b"\x02\x01\x00\x02\x82\x01\x01\x00" + key.n[5:]
    assert file.read_bytes()[4:].startswith(start)


def test_a_public_key_round_trips_through_pem(key, public, tmp_path):
    file = str(tmp_path / "public.pem")
    for owner in (key, public):
        assert owner.save_pub_key(file) == 1
        assert RSA.load_pub_key(file).pub() == key.pub()
    assert public.save_key(file, "aes_128_cbc", raising) == 1
    assert RSA.load_pub_key(file).pub() == key.pub()
    bio = BIO.MemoryBuffer()
    assert public.save_key_bio(bio) == 1
    assert RSA.load_pub_key_bio(bio).pub() == key.pub()


def test_a_wrong_passphrase_raises():
    # A key encrypted once: of fresh ones, one in 256 has a right padding by chance.
    with pytest.raises(RSA.RSAError, match="bad decrypt"):
        RSA.load_key(str(KEYS / "rsa_2048_encrypted.pem"), wrong)


def test_an_exception_of_the_passphrase_callback_propagates(key, tmp_path):
    pem = key.as_pem(callback=secret)
    with pytest.raises(LookupError, match="from the callback"):
        RSA.load_key_string(pem, raising)
    file = tmp_path / "key.pem"
    file.write_bytes(b"what was there")
    with pytest.raises(LookupError, match="from the callback"):
        key.save_key(str(file), callback=raising)
    assert file.read_bytes() == b"what was there"


def test_a_passphrase_of_another_type_is_refused(key):
    with pytest.raises(TypeError, match="str or bytes"):
        RSA.load_key_string(key.as_pem(callback=secret), lambda _writing: 5)


def test_without_a_callback_there_is_no_passphrase_prompt(key):
    with pytest.raises(RSA.RSAError, match="no passphrase callback was given"):
        RSA.load_key_string(key.as_pem(callback=secret), None)


@pytest.mark.parametrize("length", [0, 100, 900, 1600])
def test_a_truncated_key_is_refused(key, length):
    with pytest.raises(RSA.RSAError):
        RSA.load_key_string(key.as_pem(None)[:length])


def test_a_key_of_another_kind_is_refused():
    ed25519 = (
        "-----BEGIN PUBLIC KEY-----\n"
        "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n"
        "-----END PUBLIC KEY-----\n"
    )
    with pytest.raises(RSA.RSAError):
        RSA.load_pub_key_bio(BIO.MemoryBuffer(ed25519.encode()))


def test_a_missing_file_is_named_in_the_error(tmp_path):
    for load in (RSA.load_key, RSA.load_pub_key):
        with pytest.raises(BIO.BIOError, match=r"missing\.pem"):
            load(str(tmp_path / "missing.pem"))


def test_an_unknown_cipher_is_refused(key):
    with pytest.raises(RSA.RSAError, match="unknown cipher: nosuch"):
        key.as_pem("nosuch", secret)


def test_a_public_key_cannot_be_saved_as_a_private_key(public):
    assert public.as_pem(None).startswith(b"-----BEGIN PUBLIC KEY-----")
    with pytest.raises(RSA.RSAError, match="no private part"):
        RSA.RSA(public.rsa).as_pem(None)
    with pytest.raises(RSA.RSAError, match="no private part"):
        public.save_key_der_bio(BIO.MemoryBuffer())


# ---- objects -------------------------------------------------------------------------------------


def test_check_key_returns_whether_the_values_are_consistent(key, public):
    assert key.check_key() == 1
    with pytest.raises(RSA.RSAError, match="no private part"):
        RSA.RSA(public.rsa).check_key()


def test_a_key_stays_valid_after_its_pkey_is_freed():
    key = RSA.load_key(KEY_FILE)
    pkey = EVP.PKey()
    pkey.assign_rsa(key)
    signature = key.sign(DIGEST)
    del key
    shared = pkey.get_rsa()
    del pkey
    assert shared.sign(DIGEST) == signature


def test_a_handle_of_another_type_is_refused(key):
    with pytest.raises(TypeError, match="m2_rsa"):
        m2.rsa_size(m2.bn_new())
    with pytest.raises(TypeError, match="m2_rsa"):
        RSA.RSA(None).check_key()
    assert len(key) == 2048


def test_a_freed_handle_is_refused():
    handle = m2.rsa_new()
    m2.rsa_free(handle)
    for use in (m2.rsa_size, m2.rsa_free):
        with pytest.raises(ValueError, match="freed already"):
            use(handle)


def test_a_key_accepts_arbitrary_attributes(key):
    data = object()
    assert key.get_ex_data(1) is None
    assert key.set_ex_data(1, data) == 1
    assert key.get_ex_data(1) is data


def test_rsa_error_is_raised_for_the_queued_error():
    with pytest.raises(RSA.RSAError):
        RSA.rsa_error()


def test_threads_sign_with_the_same_key(key):
    expected = key.sign(DIGEST)
    signatures = []

    def sign():
        signatures.extend(key.sign(DIGEST) for _ in range(5))

    threads = [threading.Thread(target=sign) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert signatures == [expected] * 20


def _tlv(tag, content):
    # Lengths in three octets suffice for a test.
    return bytes([tag, 0x83]) + len(content).to_bytes(3, "big") + content


def _private_key(modulus, *primes):
    """Return an inconsistent RSAPrivateKey (RFC 8017, appendix A.1.2)."""
    p, q, *others = primes
    numbers = (1 if others else 0, modulus, 65537, 65537, p, q, 1, 1, 1)
    body = b"".join(_tlv(2, each.to_bytes(each.bit_length() // 8 + 1, "big")) for each in numbers)
    if others:
        info = b"".join(
            _tlv(
                0x30,
                b"".join(
                    _tlv(2, each.to_bytes(each.bit_length() // 8 + 1, "big"))
                    for each in (prime, 1, 1)
                ),
            )
            for prime in others
        )
        body += _tlv(0x30, info)
    pem = base64.encodebytes(_tlv(0x30, body))
    return RSA.load_key_string(
        b"-----BEGIN RSA PRIVATE KEY-----\n" + pem + b"-----END RSA PRIVATE KEY-----\n"
    )


# A Mersenne prime: no small divisor ends the test of its primality early.
HUGE_PRIME = 2**44497 - 1


def test_a_key_with_an_oversized_modulus_is_refused_at_once():
    with pytest.raises(RSA.RSAError, match="the modulus exceeds OpenSSL's maximum"):
        _private_key(HUGE_PRIME**2, HUGE_PRIME, HUGE_PRIME).check_key()


@pytest.mark.parametrize(
    "primes",
    [(HUGE_PRIME, 3), (3, HUGE_PRIME), (3, 5, HUGE_PRIME)],
    ids=["the first", "the second", "a third"],
)
def test_a_key_with_a_prime_longer_than_the_modulus_is_refused_at_once(primes):
    assert _private_key(2**2047 + 1, *primes).check_key() == 0


def test_a_key_passes_its_handle(key):
    assert key._ptr() is key.rsa
