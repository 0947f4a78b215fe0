"""EC: signatures and shared secrets match the standards; without EC every function raises."""

import base64
import hashlib
import mmap
import threading

import pytest
from test_contract import CONTRACT

from M2Crypto import BIO, EC, EVP, Err, m2

needs_ec = pytest.mark.needs_ec
unhex = bytes.fromhex
DIGEST = hashlib.sha256(b"sample").digest()

# RFC 6979, A.2.5: a key on P-256, and signatures of "sample" and "test".
PRIVATE = unhex("C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721")
POINT = unhex(
    "0460FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6"
    "7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299"
)
SIGNATURES = [
    (
        b"sample",
        "sha256",
        "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716",
        "F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8",
    ),
    (
        b"sample",
        "sha512",
        "8496A60B5E9B47C825488827E0495B0E3FA109EC4568FD3F8D1097678EB97F00",
        "2362AB1ADBE2B8ADF9CB9EDAB740EA6049C028114F2460F96554F61FAE3302FE",
    ),
    (
        b"test",
        "sha256",
        "F1ABB023518351CD71D881567B1EA663ED3EFCF6C5132B354F28D3B0B7D38367",
        "019F4113742A2B14BD25926B49C649155F267E60D3814B4C0CC84250E46F0083",
    ),
]


@pytest.fixture(autouse=True)
def _the_error_queue_stays_empty():
    yield
    assert Err.peek_error_code() == 0


def p256(private):
    """Return a P-256 key with only its private value, in PEM (RFC 5915 in RFC 5208)."""
    der = unhex("3041020100301306072a8648ce3d020106082a8648ce3d0301070427302502010104 20") + private
    text = base64.encodebytes(der).decode()
    return f"-----BEGIN PRIVATE KEY-----\n{text}-----END PRIVATE KEY-----\n"


def mpi(number):
    """Return a nonzero number in OpenSSL's MPI format."""
    octets = number.to_bytes(number.bit_length() // 8 + 1, "big")
    octets = octets[1:] if octets[0] == 0 and octets[1] < 0x80 else octets
    return len(octets).to_bytes(4, "big") + octets


def secret(_writing):
    return "secret"


def raising(*_arguments):
    raise LookupError("from the callback")


@pytest.fixture(scope="module")
def key():
    return EC.load_key_string(p256(PRIVATE))


@pytest.fixture(scope="module")
def public():
    return EC.pub_key_from_params(EC.NID_X9_62_prime256v1, POINT)


# ---- without EC ----------------------------------------------------------------------------------


def calls():
    key = EC.EC(None)
    public = EC.EC_pub(None)
    bio = BIO.MemoryBuffer()
    return [
        lambda: EC.gen_params(EC.NID_X9_62_prime256v1),
        lambda: EC.load_key_bio(bio),
        lambda: EC.load_key_string(b""),
        lambda: EC.load_key_string_pubkey(b""),
        lambda: EC.load_pub_key_bio(bio),
        lambda: EC.pub_key_from_der(b""),
        lambda: EC.pub_key_from_params(EC.NID_X9_62_prime256v1, b""),
        EC.get_builtin_curves,
        key.gen_key,
        key.pub,
        key.check_key,
        key.as_pem,
        key.__len__,
        lambda: key.sign_dsa(b""),
        lambda: key.sign_dsa_asn1(b""),
        lambda: key.verify_dsa(b"", b"", b""),
        lambda: key.verify_dsa_asn1(b"", b""),
        lambda: key.compute_dh_key(key),
        public.get_der,
        public.get_key,
        lambda: EVP.PKey().assign_ec(key),
        EVP.PKey().get_ec,
    ]


@pytest.mark.needs_no_ec
@pytest.mark.parametrize("number", range(len(calls())))
def test_without_ec_every_function_names_the_missing_feature(number):
    with pytest.raises(EC.ECError, match=r"this OpenSSL was built without EC \(OpenSSL \d"):
        calls()[number]()


def test_curve_constants_exist_with_and_without_ec():
    names = [name for name in vars(EC) if name.startswith("NID_")]
    listed = CONTRACT["modules"]["EC"]["names"]
    assert sorted(names) == sorted(name for name in listed if name.startswith("NID_"))
    prefixed = [name for name in names if name.startswith("NID_X9_62_")]
    short = [name.replace("X9_62_", "") for name in prefixed if "onb" not in name]
    assert len(short) == 23
    assert all(getattr(EC, name) == getattr(EC, f"NID_X9_62_{name[4:]}") for name in short)
    # OpenSSL's own short name of each.
    assert all(m2.obj_nid2sn(getattr(EC, name)) == name[4:] for name in short)
    assert all(getattr(EC, name) == getattr(m2, name) for name in names)
    assert EC.NID_X9_62_prime256v1 == 415
    assert EC.NID_secp384r1 == 715


def test_the_error_class_derives_from_m2crypto_error():
    assert EC.ECError.__bases__ == (Err.M2CryptoError,)
    with pytest.raises(EC.ECError):
        EC.ec_error()


# ---- keys ----------------------------------------------------------------------------------------


@needs_ec
def test_the_public_point_is_derived_from_the_private_value(key, public):
    assert key.pub().get_key() == POINT == public.get_key()
    assert key.check_key() == public.check_key() == 1
    assert len(key) == len(public) == 256
    assert isinstance(key.pub(), EC.EC_pub)


@needs_ec
def test_a_public_key_round_trips_through_der(public):
    der = public.get_der()
    # RFC 5480, 2: the algorithm, then the point.
    assert der == unhex("3059301306072a8648ce3d020106082a8648ce3d030107034200") + POINT
    assert EC.pub_key_from_der(der).get_key() == POINT


@needs_ec
def test_a_compressed_point_decodes_to_the_same_key(public):
    compressed = bytes([2 + POINT[-1] % 2]) + POINT[1:33]
    other = EC.pub_key_from_params(EC.NID_X9_62_prime256v1, compressed)
    shared = EC.load_key_string(p256(bytes(31) + b"\x05"))
    assert shared.compute_dh_key(other) == shared.compute_dh_key(public)


@needs_ec
@pytest.mark.parametrize(
    ("curve", "degree"),
    [
        ("NID_secp256k1", 256),
        ("NID_secp384r1", 384),
        ("NID_secp521r1", 521),
        ("NID_sect233k1", 233),
        ("NID_brainpoolP256r1", 256),
    ],
)
def test_gen_key_uses_the_curve_of_the_parameters(curve, degree):
    key = EC.gen_params(getattr(EC, curve))
    assert len(key) == degree
    assert key.check_key() == 0
    key.gen_key()
    assert len(key) == degree
    assert key.check_key() == 1
    assert key.verify_dsa_asn1(DIGEST, key.sign_dsa_asn1(DIGEST)) == 1


@needs_ec
def test_gen_key_generates_a_different_key_each_time():
    key = EC.gen_params(EC.NID_X9_62_prime256v1)
    key.gen_key()
    before = key.pub().get_key()
    key.gen_key()
    assert key.pub().get_key() != before


@needs_ec
def test_parameters_without_a_key_are_refused_as_a_key(key):
    parameters = EC.gen_params(EC.NID_X9_62_prime256v1)
    for use in (
        parameters.pub,
        lambda: parameters.verify_dsa_asn1(DIGEST, key.sign_dsa_asn1(DIGEST)),
        lambda: key.compute_dh_key(parameters),
        lambda: parameters.save_pub_key_bio(BIO.MemoryBuffer()),
        EC.EC_pub(parameters.ec).get_key,
    ):
        with pytest.raises(EC.ECError, match="only parameters"):
            use()
    for use in (
        lambda: parameters.as_pem(None),
        lambda: parameters.sign_dsa(DIGEST),
        lambda: parameters.compute_dh_key(key),
    ):
        with pytest.raises(EC.ECError):
            use()


@needs_ec
@pytest.mark.parametrize("nid", [0, -1, 672, 10**6, EC.NID_X25519, EC.NID_X9_62_c2onb191v4])
def test_an_unknown_curve_is_refused(nid):
    with pytest.raises(EC.ECError):
        EC.gen_params(nid)
    with pytest.raises(EC.ECError):
        EC.pub_key_from_params(nid, POINT)


@needs_ec
@pytest.mark.parametrize(
    "point",
    [b"", b"\x04", b"\x00", POINT[:-1], POINT + b"x", POINT[:-1] + b"\x98", b"\x05" + POINT[1:]],
)
def test_a_point_off_the_curve_is_refused(point):
    with pytest.raises(EC.ECError):
        EC.pub_key_from_params(EC.NID_X9_62_prime256v1, point)


@needs_ec
def test_data_that_is_not_a_key_is_refused(public):
    der = public.get_der()
    for bad in (b"", b"garbage", der[:-1], der + b"x"):
        with pytest.raises(EC.ECError):
            EC.pub_key_from_der(bad)


@needs_ec
def test_the_builtin_curves_are_listed():
    curves = EC.get_builtin_curves()
    assert len(curves) > 50
    by_nid = {curve["NID"]: curve for curve in curves}
    assert by_nid[EC.NID_X9_62_prime256v1]["sname"] == "prime256v1"
    assert "256 bit prime field" in by_nid[EC.NID_X9_62_prime256v1]["comment"]
    assert set(by_nid) <= {getattr(EC, name) for name in vars(EC) if name.startswith("NID_")}


# ---- ECDSA, ECDH ---------------------------------------------------------------------------------


@needs_ec
@pytest.mark.parametrize(("data", "algo", "r", "s"), SIGNATURES)
def test_the_signatures_of_rfc_6979_verify(public, data, algo, r, s):
    digest = hashlib.new(algo, data).digest()
    numbers = mpi(int(r, 16)), mpi(int(s, 16))
    assert public.verify_dsa(digest, *numbers) == 1
    assert public.verify_dsa(digest, *reversed(numbers)) == 0
    assert public.verify_dsa(digest[::-1], *numbers) == 0


@needs_ec
def test_sign_returns_r_and_s_or_a_der_signature(key, public):
    r, s = key.sign_dsa(DIGEST)
    assert public.verify_dsa(DIGEST, r, s) == 1
    blob = key.sign_dsa_asn1(DIGEST)
    assert public.verify_dsa_asn1(DIGEST, blob) == 1
    assert public.verify_dsa_asn1(DIGEST[::-1], blob) == 0
    # RFC 3279, 2.2.3: a sequence of two integers, which MPI writes with a longer length.
    r, s = m2.ecdsa_sig_get_r(blob), m2.ecdsa_sig_get_s(blob)
    assert blob[2:] == b"\x02" + r[3:] + b"\x02" + s[3:]


@needs_ec
def test_a_signature_that_is_not_der_raises(key, public):
    blob = key.sign_dsa_asn1(DIGEST)
    for bad in (b"", b"garbage", blob[:-1], blob + b"x"):
        with pytest.raises(EC.ECError, match="not a DER-encoded ECDSA-Sig-Value"):
            public.verify_dsa_asn1(DIGEST, bad)
    with pytest.raises(EC.ECError):
        public.verify_dsa(DIGEST, b"no MPI", mpi(5))


@needs_ec
def test_a_length_above_32_bits_is_refused(key):
    signature = key.sign_dsa_asn1(bytes(32))
    with mmap.mmap(-1, 2**32 + 32) as zeros, memoryview(zeros) as huge:
        for use in (
            lambda: key.sign_dsa(huge),
            lambda: key.verify_dsa_asn1(huge, signature),
            lambda: key.verify_dsa(bytes(32), huge, mpi(5)),
            lambda: EC.pub_key_from_der(huge),
            lambda: EC.pub_key_from_params(EC.NID_prime256v1, huge),
        ):
            with pytest.raises(EC.ECError, match="longer than 2 GiB"):
                use()
        with pytest.raises(EC.ECError):
            key.verify_dsa_asn1(bytes(32), huge)


@needs_ec
def test_a_public_key_cannot_sign(public):
    for sign in (public.sign_dsa, public.sign_dsa_asn1):
        with pytest.raises(EC.ECError, match="private"):
            sign(DIGEST)


@needs_ec
def test_a_shared_secret_matches_rfc_5903():
    # RFC 5903, 8.1.
    initiator = EC.load_key_string(
        p256(unhex("C88F01F510D9AC3F70A292DAA2316DE544E9AAB8AFE84049C62A9C57862D1433"))
    )
    responder = EC.load_key_string(
        p256(unhex("C6EF9C5D78AE012A011164ACB397CE2088685D8F06BF9BE0B283AB46476BEE53"))
    )
    expected = "D6840F6B42F6EDAFD13116E0E12565202FEF8E9ECE7DCE03812464D04B9442DE"
    assert initiator.compute_dh_key(responder.pub()).hex().upper() == expected
    assert responder.compute_dh_key(initiator).hex().upper() == expected


@needs_ec
def test_compute_dh_key_requires_the_same_curve_and_a_private_key(key, public):
    other = EC.gen_params(EC.NID_secp384r1)
    other.gen_key()
    with pytest.raises(EC.ECError):
        key.compute_dh_key(other.pub())
    with pytest.raises(EC.ECError):
        public.compute_dh_key(key)


@needs_ec
def test_threads_sign_with_the_same_key(key, public):
    signatures = []
    threads = [
        threading.Thread(
            target=lambda: signatures.extend(key.sign_dsa_asn1(DIGEST) for _ in range(10))
        )
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [public.verify_dsa_asn1(DIGEST, blob) for blob in signatures] == [1] * 40


# ---- files ---------------------------------------------------------------------------------------


@needs_ec
@pytest.mark.parametrize("cipher", [None, "aes_128_cbc", "aes_256_cbc"])
def test_a_private_key_round_trips_through_pem(key, cipher, tmp_path):
    file = str(tmp_path / "key.pem")
    pem = key.as_pem(cipher, secret)
    assert pem.startswith(b"-----BEGIN EC PRIVATE KEY-----\n")
    assert (b"ENCRYPTED" in pem) is (cipher is not None)
    assert EC.load_key_string(pem, secret).pub().get_key() == POINT
    assert key.save_key(file, cipher, secret) == 1
    assert EC.load_key(file, secret).pub().get_key() == POINT
    bio = BIO.MemoryBuffer()
    assert key.save_key_bio(bio, cipher, secret) == 1
    assert EC.load_key_bio(bio, secret).pub().get_key() == POINT


@needs_ec
def test_a_public_key_round_trips_through_pem(key, public, tmp_path):
    file = str(tmp_path / "public.pem")
    pem = public.as_pem()
    assert pem.startswith(b"-----BEGIN PUBLIC KEY-----\n")
    assert EC.load_key_string_pubkey(pem.decode()).get_key() == POINT
    for owner in (key, public):
        assert owner.save_pub_key(file) == 1
        assert EC.load_pub_key(file).get_key() == POINT


@needs_ec
def test_a_wrong_passphrase_raises(key):
    # "bad decrypt", unless the padding is right by chance: then whatever the garbage is not.
    with pytest.raises(EC.ECError):
        EC.load_key_string(key.as_pem(callback=secret), lambda _writing: b"wrong")


@needs_ec
def test_an_exception_of_the_passphrase_callback_propagates(key, tmp_path):
    file = tmp_path / "key.pem"
    with pytest.raises(LookupError, match="from the callback"):
        EC.load_key_string(key.as_pem(callback=secret), raising)
    with pytest.raises(LookupError, match="from the callback"):
        key.save_key(str(file), callback=raising)
    assert not file.exists()


@needs_ec
@pytest.mark.parametrize("length", [0, 40, 100])
def test_a_truncated_key_is_refused(key, length):
    with pytest.raises(EC.ECError):
        EC.load_key_string(key.as_pem(None)[:length])
    with pytest.raises(EC.ECError):
        EC.load_key_string_pubkey(key.pub().as_pem()[:length])


@needs_ec
def test_a_key_of_another_kind_is_refused():
    ed25519 = (
        "-----BEGIN PUBLIC KEY-----\n"
        "MCowBQYDK2VwAyEAPUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw=\n"
        "-----END PUBLIC KEY-----\n"
    )
    with pytest.raises(EC.ECError, match="not an EC key"):
        EC.load_key_string_pubkey(ed25519)


@needs_ec
def test_an_unknown_cipher_or_a_missing_file_raises(key, tmp_path):
    with pytest.raises(EC.ECError, match="unknown cipher: nosuch"):
        key.as_pem("nosuch", secret)
    for load in (EC.load_key, EC.load_pub_key):
        with pytest.raises(BIO.BIOError, match=r"missing\.pem"):
            load(str(tmp_path / "missing.pem"))


@needs_ec
def test_a_public_key_cannot_be_saved_as_a_private_key(public):
    with pytest.raises(EC.ECError, match="no private part"):
        EC.EC(public.ec).as_pem(None)


@needs_ec
def test_a_handle_of_another_type_is_refused(key):
    with pytest.raises(TypeError, match="m2_ec"):
        m2.ec_key_check_key(m2.pkey_new())
    with pytest.raises(TypeError, match="EVP_PKEY"):
        EVP.PKey(key.ec).size()


# The domain parameters of P-256 (SEC 2, section 2.4.2).
P256 = {
    "p": 2**256 - 2**224 + 2**192 + 2**96 - 1,
    "b": 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B,
    "g": "036B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296",
    "n": 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
}


def _tlv(tag, *contents):
    content = b"".join(contents)
    return bytes([tag, 0x82]) + len(content).to_bytes(2, "big") + content


def _integer(number):
    return _tlv(2, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def _explicit_key(order, cofactor=1, private=1):
    """Return an EC key with the explicit parameters of P-256 and another order (RFC 5915)."""
    p = P256["p"]
    parameters = _tlv(
        0x30,
        _integer(1),
        _tlv(0x30, _tlv(6, bytes.fromhex("2A8648CE3D0101")), _integer(p)),
        _tlv(
            0x30,
            _tlv(4, (p - 3).to_bytes(32, "big")),
            _tlv(4, P256["b"].to_bytes(32, "big")),
        ),
        _tlv(4, bytes.fromhex(P256["g"])),
        _integer(order),
        _integer(cofactor),
    )
    key = _tlv(0x30, _integer(1), _tlv(4, private.to_bytes(32, "big")), _tlv(0xA0, parameters))
    return (
        b"-----BEGIN EC PRIVATE KEY-----\n"
        + base64.encodebytes(key)
        + b"-----END EC PRIVATE KEY-----\n"
    )


@needs_ec
def test_an_explicit_curve_whose_generator_has_another_order_is_refused():
    for order in (1, 2, 3, P256["n"] - 2, P256["n"] * 2):
        pem = _explicit_key(order)
        try:
            key = EC.load_key_string(pem)
            same = EVP.load_key_string(pem)
        except (EC.ECError, EVP.EVPError):
            # OpenSSL refuses some of them itself.
            continue
        for use in (
            lambda key=key: key.sign_dsa(b"\0" * 32),
            lambda key=key: key.sign_dsa_asn1(b"\0" * 32),
            key.gen_key,
            same.sign_init,
        ):
            with pytest.raises((EC.ECError, EVP.EVPError)):
                use()
                same.sign_final()


@needs_ec
def test_an_explicit_curve_that_is_a_valid_group_signs():
    key = EC.load_key_string(_explicit_key(P256["n"], private=12345))
    signature = key.sign_dsa_asn1(b"\1" * 32)
    assert key.verify_dsa_asn1(b"\1" * 32, signature) == 1
