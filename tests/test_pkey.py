"""EVP: keys of any type are generated, encoded, read back and used by the same functions."""

import base64
import copy
import os
import pickle
import stat
from pathlib import Path

import pytest

from M2Crypto import BIO, EC, EVP, RSA, X509, Err, m2, util

KEYS = Path(__file__).with_name("data") / "keys"
CERTIFICATE = Path(__file__).with_name("data") / "x509" / "root.pem"
MESSAGE = b"a message"
needs_ec, needs_pqc = pytest.mark.needs_ec, pytest.mark.openssl(">= 3.5")
# What a key of each type is generated with, and the tests' marks.
KINDS = {
    "RSA": ({"bits": 2048}, ()),
    "RSA-PSS": ({"bits": 2048}, ()),
    "DSA": ({"bits": 2048}, (pytest.mark.needs("DSA"),)),
    "DH": ({"group": "ffdhe2048"}, (pytest.mark.needs("DH"),)),
    "EC": ({"curve": "P-256"}, (needs_ec,)),
    "ED25519": ({}, (needs_ec,)),
    "ED448": ({}, (needs_ec,)),
    "X25519": ({}, (needs_ec,)),
    "X448": ({}, (needs_ec,)),
    "ML-KEM-512": ({}, (needs_pqc,)),
    "ML-KEM-768": ({}, (needs_pqc,)),
    "ML-KEM-1024": ({}, (needs_pqc,)),
    "ML-DSA-44": ({}, (needs_pqc,)),
    "ML-DSA-65": ({}, (needs_pqc,)),
    "ML-DSA-87": ({}, (needs_pqc,)),
    "SLH-DSA-SHA2-128f": ({}, (needs_pqc,)),
    "SLH-DSA-SHAKE-128f": ({}, (needs_pqc,)),
}
STORED = {"RSA-PSS": str(KEYS / "rsa_pss.pem"), "DSA": str(KEYS / "dsa_1024.pem")}
SIGN = {"RSA", "RSA-PSS", "DSA", "EC", "ED25519", "ED448"}
DERIVE = {"DH", "EC", "X25519", "X448"}
WITHOUT_RAW = {"RSA", "RSA-PSS", "DSA"}


@pytest.fixture(autouse=True)
def _the_error_queue_stays_empty():
    yield
    assert Err.peek_error_code() == 0


@pytest.fixture(scope="module")
def made():
    """Return a function that generates one key of each type."""
    keys = {}

    def make(kind):
        if kind not in keys:
            keys[kind] = EVP.gen_key(kind, **KINDS[kind][0])
        return keys[kind]

    return make


def kinds(wanted=lambda kind: True):
    return pytest.mark.parametrize(
        "kind", [pytest.param(kind, marks=KINDS[kind][1]) for kind in KINDS if wanted(kind)]
    )


def signs(kind):
    return kind in SIGN or "-DSA" in kind or kind.startswith("ML-DSA")


def secret(_writing):
    return b"for tests"


def wrong(_writing):
    return b"not this one"


def forbidden(_writing):
    raise AssertionError("the callback was called")


@pytest.fixture(scope="module")
def rsa():
    return EVP.load_key(str(KEYS / "rsa_2048.pem"))


# ---- generation and properties -------------------------------------------------------------------


@kinds()
def test_a_key_of_each_type_is_generated(made, kind):
    key, options = made(kind), KINDS[kind][0]
    assert key.algorithm.upper() in (kind.upper(), "X9.42 DH")
    assert key.is_private
    assert key.bits > 0
    assert 100 <= key.security_bits <= 256
    # The generation of primes takes long; test_rsa.py and test_dsa.py generate more than one key.
    other = EVP.load_key(STORED[kind]) if kind in STORED else EVP.gen_key(kind.lower(), **options)
    assert other.has_public_key_of(key) is False


@needs_ec
@pytest.mark.parametrize("curve", ["P-384", "secp384r1", EC.NID_secp384r1])
def test_a_curve_is_chosen_by_name_or_nid(curve):
    key = EVP.gen_key("EC", curve=curve)
    assert len(key.get_ec()) == 384


def test_the_progress_of_a_generation_is_reported():
    calls = []
    EVP.gen_key("RSA", 2048, callback=lambda *numbers: calls.append(numbers))
    assert calls
    assert all(len(numbers) == 2 for numbers in calls)

    class StoppedError(Exception):
        pass

    def stop(p, n):
        raise StoppedError

    with pytest.raises(StoppedError):
        EVP.gen_key("RSA", 2048, callback=stop)


def test_the_exponent_of_an_rsa_key_is_chosen():
    key = EVP.gen_key("RSA", 2048, exponent=65539)
    assert key.get_rsa().e == bytes.fromhex("00000003010003")
    with pytest.raises(EVP.EVPError, match="odd and at least 3"):
        EVP.gen_key("RSA", 2048, exponent=4)


@pytest.mark.parametrize(
    ("algorithm", "options", "message"),
    [
        ("nonsense", {}, "no keys of type nonsense"),
        ("", {}, "no keys of type"),
        ("HMAC", {}, "no keys of type|keys of MACs are bytes"),
        ("RSA", {"curve": "P-256"}, "a key of type RSA has no parameter curve"),
        ("EC", {"bits": 256}, "a key of type EC has no parameter bits"),
        ("EC", {"curve": "nonsense"}, "unknown curve: nonsense"),
        ("DH", {"group": "nonsense"}, "unknown group: nonsense"),
        ("RSA", {"seed": b"x"}, "a key of type RSA has no parameter seed"),
        ("RSA", {"bits": 1}, "key size|small"),
        ("RSA", {"bits": 100_000}, "exceeds OpenSSL's maximum"),
    ],
)
def test_what_cannot_be_generated_is_refused(algorithm, options, message):
    with pytest.raises(EVP.EVPError, match=message):
        EVP.gen_key(algorithm, **options)


@needs_ec
def test_a_type_without_a_seed_refuses_one():
    with pytest.raises(EVP.EVPError, match="is not generated from a seed"):
        EVP.gen_key("ED25519", seed=bytes(32))


@needs_pqc
@pytest.mark.parametrize("length", [0, 31, 33, 1000])
def test_a_seed_of_another_length_is_refused(length):
    with pytest.raises(EVP.EVPError):
        EVP.gen_key("ML-DSA-44", seed=bytes(length))


@pytest.mark.needs_no_ec
@pytest.mark.parametrize("algorithm", ["EC", "ED25519", "X448"])
def test_without_ec_a_key_on_a_curve_names_the_missing_feature(algorithm):
    with pytest.raises(EVP.EVPError, match="no keys of type|built without EC|this OpenSSL"):
        EVP.gen_key(algorithm)


@pytest.mark.openssl("< 3.5")
def test_before_3_5_a_post_quantum_key_names_the_missing_type():
    with pytest.raises(EVP.EVPError, match="this OpenSSL has no keys of type ML-KEM-768"):
        EVP.gen_key("ML-KEM-768")


# ---- encodings -----------------------------------------------------------------------------------


@kinds()
def test_a_private_key_round_trips_through_der(made, kind):
    key = made(kind)
    plain = EVP.load_key_der(key.private_der(None), forbidden)
    encrypted = key.private_der(callback=secret)
    assert encrypted != key.private_der(None)
    for read in (plain, EVP.load_key_der(encrypted, secret)):
        assert read.is_private
        assert read.algorithm == key.algorithm
        assert read.has_public_key_of(key)
        assert read.private_der(None) == key.private_der(None)


@kinds()
def test_a_public_key_round_trips_through_der(made, kind):
    key = made(kind)
    public = EVP.load_key_der_pubkey(key.as_der())
    assert not public.is_private
    assert public.has_public_key_of(key)
    assert public.as_der() == key.as_der()
    with pytest.raises(EVP.EVPError):
        public.private_der(None)


@kinds(lambda kind: kind not in WITHOUT_RAW | {"DH"})
def test_a_key_round_trips_through_octets(made, kind):
    key = made(kind)
    curve = "P-256" if kind == "EC" else None
    private = EVP.load_key_raw(kind, key.raw_private(), curve)
    public = EVP.load_key_raw_pubkey(kind, key.raw_public(), curve)
    assert private.has_public_key_of(key)
    assert public.has_public_key_of(key)
    assert (private.is_private, public.is_private) == (True, False)
    assert private.raw_private() == key.raw_private()
    assert public.raw_public() == key.raw_public()
    with pytest.raises(EVP.EVPError):
        public.raw_private()
    for octets in (b"", key.raw_public()[:-1], key.raw_public() + b"x"):
        with pytest.raises((EVP.EVPError, EC.ECError)):
            EVP.load_key_raw_pubkey(kind, octets, curve)
    for octets in (b"", key.raw_private() + bytes(100)):
        with pytest.raises(EVP.EVPError):
            EVP.load_key_raw(kind, octets, curve)


@kinds(lambda kind: kind in WITHOUT_RAW)
def test_a_type_without_octets_names_der(made, kind):
    for encode in (made(kind).raw_private, made(kind).raw_public):
        with pytest.raises(EVP.EVPError, match="no raw encoding; use DER"):
            encode()


@pytest.mark.parametrize("kind", ["RSA", "HMAC", "nonsense"])
def test_octets_of_other_types_are_refused(kind):
    for load in (EVP.load_key_raw, EVP.load_key_raw_pubkey):
        with pytest.raises(EVP.EVPError):
            load(kind, bytes(32))


@needs_ec
def test_an_ec_key_of_octets_needs_a_curve():
    for load in (EVP.load_key_raw, EVP.load_key_raw_pubkey):
        with pytest.raises(EVP.EVPError, match="the curve is missing"):
            load("EC", b"\1")
    with pytest.raises(EVP.EVPError):
        EVP.load_key_raw("EC", bytes(32), "P-256")


@pytest.mark.parametrize("load", [EVP.load_key_der, EVP.load_key_der_pubkey])
def test_malformed_der_is_refused(rsa, load):
    der = rsa.private_der(None) if load is EVP.load_key_der else rsa.as_der()
    for data in (b"", b"0", der[:-1], der + b"x", b"\0" * 100, b"\x30\x80\0\0", b"\x30\x84\xff"):
        with pytest.raises(EVP.EVPError):
            load(data)
    for data in (None, "text", 1):
        with pytest.raises(TypeError):
            load(data)


def test_a_key_in_the_format_of_its_type_is_read(rsa):
    bio = BIO.MemoryBuffer()
    rsa.get_rsa().save_key_der_bio(bio)
    assert EVP.load_key_der(bio.read()).has_public_key_of(rsa)


def test_openssl_reads_what_is_written_and_writes_what_is_read(rsa, openssl, tmp_path):
    file = tmp_path / "key.der"
    file.write_bytes(rsa.private_der("aes_256_cbc", secret))
    command = ("pkey", "-inform", "DER", "-in", str(file), "-passin", "pass:for tests")
    private, _ = openssl(*command, "-outform", "DER").communicate()
    assert EVP.load_key_der(private, forbidden).has_public_key_of(rsa)
    public, _ = openssl(*command, "-pubout", "-outform", "DER").communicate()
    assert public == rsa.as_der()


# ---- errors of loading ---------------------------------------------------------------------------

ENCRYPTED = str(KEYS / "rsa_2048_encrypted.pem")
MODULES = [
    pytest.param(RSA, RSA.RSAError, id="RSA"),
    pytest.param(EC, EC.ECError, id="EC", marks=needs_ec),
]


def test_a_wrong_passphrase_an_unreadable_file_and_another_type_are_three_errors(rsa, tmp_path):
    file = tmp_path / "key.pem"
    rsa.save_key(str(file), "aes_256_cbc", secret)
    with pytest.raises(EVP.PassphraseError) as caught:
        EVP.load_key(str(file), wrong)
    assert isinstance(caught.value, EVP.EVPError)
    assert caught.value.errors
    with pytest.raises(BIO.BIOFileError):
        EVP.load_key(str(tmp_path / "missing.pem"), wrong)
    with pytest.raises(EVP.EVPError) as caught:
        EVP.load_key(str(CERTIFICATE), wrong)
    assert not isinstance(caught.value, EVP.PassphraseError)


@pytest.mark.parametrize(("module", "error"), MODULES)
def test_each_module_raises_its_own_error_for_a_wrong_passphrase(module, error, rsa, made):
    key = rsa if module is RSA else made("EC")
    bio = BIO.MemoryBuffer(key.as_pem("aes_256_cbc", secret))
    with pytest.raises(EVP.PassphraseError) as caught:
        module.load_key_bio(bio, wrong)
    assert isinstance(caught.value, error)
    assert "\n" not in str(caught.value)
    assert pickle.loads(pickle.dumps(caught.value)).args == caught.value.args


@pytest.mark.parametrize(("module", "error"), MODULES)
def test_a_key_of_another_type_is_an_error_of_its_own(module, error):
    other = KEYS / ("dh.pem" if m2.OPENSSL_NO_DSA else "dsa_1024.pem")
    if m2.OPENSSL_NO_DSA and m2.OPENSSL_NO_DH:
        other = KEYS / ("ec.pem" if module is RSA else "rsa_2048.pem")
    with pytest.raises(EVP.KeyTypeError, match="the key is not an? [A-Z]+ key") as caught:
        module.load_key(str(other))
    assert isinstance(caught.value, error)
    assert not isinstance(caught.value, EVP.PassphraseError)


def test_without_a_callback_an_encrypted_key_is_a_passphrase_error(rsa):
    pem = rsa.as_pem("aes_256_cbc", secret)
    with pytest.raises(EVP.PassphraseError, match="no passphrase callback was given"):
        EVP.load_key_string(pem, None)
    with pytest.raises(EVP.PassphraseError):
        EVP.load_key_der(rsa.private_der("aes_256_cbc", secret), wrong)


# ---- saved keys ----------------------------------------------------------------------------------


@pytest.mark.skipif(os.name == "nt", reason="this system has no file modes")
def test_a_saved_key_replaces_a_readable_file_by_a_private_one(rsa, tmp_path):
    file = tmp_path / "key.pem"
    file.write_text("old")
    file.chmod(0o644)
    link = tmp_path / "link.pem"
    link.symlink_to(file)
    assert rsa.save_key(str(link), "aes_256_cbc", secret) == 1
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert link.is_symlink()
    assert EVP.load_key(str(file), secret).has_public_key_of(rsa)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["key.pem", "link.pem"]


@pytest.mark.skipif(os.name == "nt", reason="this system has no named pipes")
def test_a_key_that_cannot_be_written_leaves_the_old_file(rsa, tmp_path, monkeypatch):
    file = tmp_path / "key.pem"
    file.write_text("old")

    def fail(*paths):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(BIO.BIOFileError, match="No space left"):
        rsa.save_key(str(file), None)
    assert file.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["key.pem"]
    # A device is written to, and not replaced.
    assert rsa.save_key(os.devnull, None) == 1
    assert not Path(os.devnull).is_file()


def test_keys_are_saved_encrypted_by_default(rsa):
    assert b"ENCRYPTED" in rsa.as_pem(callback=secret)
    with pytest.raises(EVP.PassphraseError):
        EVP.load_key_der(rsa.private_der(callback=secret), None)


# ---- signatures ----------------------------------------------------------------------------------


@kinds(signs)
def test_a_signature_in_one_call_verifies(made, kind):
    key = made(kind)
    public = EVP.load_key_der_pubkey(key.as_der())
    signature = EVP.sign(key, MESSAGE)
    assert EVP.verify(public, signature, MESSAGE) is True
    assert EVP.verify(public, signature, MESSAGE + b"x") is False
    assert EVP.verify(public, signature[:-1], MESSAGE) is False
    assert EVP.verify(public, b"", MESSAGE) is False
    assert EVP.verify(key, EVP.sign(key, b""), b"")
    with pytest.raises(EVP.EVPError):
        EVP.sign(public, MESSAGE)


@kinds(lambda kind: not signs(kind))
def test_a_key_that_does_not_sign_is_refused(made, kind):
    for use in (
        lambda: EVP.sign(made(kind), MESSAGE),
        lambda: EVP.verify(made(kind), bytes(64), MESSAGE),
    ):
        with pytest.raises(EVP.EVPError):
            use()


def test_a_signature_is_that_of_the_streaming_interface(rsa):
    rsa.reset_context("sha384")
    rsa.sign_init()
    rsa.sign_update(MESSAGE)
    assert EVP.sign(rsa, MESSAGE, "sha384") == rsa.sign_final()


PSS = {"padding": RSA.pkcs1_pss_padding}


@pytest.mark.parametrize("mgf1", [None, "sha1", "sha512"])
@pytest.mark.parametrize("length", ["digest", "max", "auto", 0, 20, 32])
def test_pss_has_any_salt_length_and_mgf1_digest(rsa, mgf1, length):
    options = {**PSS, "mgf1_md": mgf1}
    signature = EVP.sign(rsa, MESSAGE, salt_length=length, **options)
    assert EVP.verify(rsa, signature, MESSAGE, salt_length="auto", **options)
    # For `auto` a signature has the maximum, and any is accepted.
    expected = {"digest": 32, "max": 2048 // 8 - 2 - 32, "auto": 2048 // 8 - 2 - 32}
    for other in ("digest", "max", 0, 20, 32):
        same = expected.get(other, other) == expected.get(length, length)
        assert EVP.verify(rsa, signature, MESSAGE, salt_length=other, **options) is same
    other = "sha224" if mgf1 != "sha224" else "sha1"
    assert not EVP.verify(rsa, signature, MESSAGE, salt_length="auto", **{**PSS, "mgf1_md": other})
    assert not EVP.verify(rsa, signature, MESSAGE)


def test_pss_of_a_digest_is_pss_of_its_message(rsa):
    import hashlib

    digest, key = hashlib.sha256(MESSAGE).digest(), rsa.get_rsa()
    for length in ("digest", "max", 20):
        signature = key.sign_rsassa_pss(digest, "sha256", length, "sha1")
        assert EVP.verify(rsa, signature, MESSAGE, salt_length=length, mgf1_md="sha1", **PSS)
        assert key.verify_rsassa_pss(digest, signature, "sha256", length, "sha1") == 1
        assert key.verify_rsassa_pss(digest, signature, "sha256", length) == 0
    with pytest.raises(RSA.RSAError, match="unknown salt length"):
        key.sign_rsassa_pss(digest, "sha256", "long")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"md": "nonsense"}, "unknown digest"),
        ({"salt_length": "nonsense"}, "unknown salt length"),
        ({"mgf1_md": "sha1"}, "only PSS padding"),
        ({"padding": RSA.no_padding}, "padding|supported"),
        ({"padding": 99}, "padding|supported"),
        ({"context": b"context"}, "context string"),
        ({"deterministic": True}, "deterministic"),
    ],
)
def test_options_that_an_rsa_key_does_not_have_are_refused(rsa, options, message):
    with pytest.raises(EVP.EVPError, match=message):
        EVP.sign(rsa, MESSAGE, **options)


@needs_ec
def test_options_that_an_ec_key_does_not_have_are_refused(made):
    for options in (PSS, {"mgf1_md": "sha1"}, {"context": b"x"}):
        with pytest.raises(EVP.EVPError):
            EVP.sign(made("EC"), MESSAGE, **options)


@kinds(lambda kind: kind in ("ML-DSA-44", "SLH-DSA-SHA2-128f"))
def test_a_context_string_belongs_to_the_signature(made, kind):
    key = made(kind)
    signature = EVP.sign(key, MESSAGE, context=b"one")
    assert EVP.verify(key, signature, MESSAGE, context=b"one")
    assert not EVP.verify(key, signature, MESSAGE, context=b"two")
    assert not EVP.verify(key, signature, MESSAGE)
    assert EVP.verify(key, EVP.sign(key, MESSAGE), MESSAGE, context=b"")
    assert EVP.verify(key, EVP.sign(key, MESSAGE, context=bytes(255)), MESSAGE, context=bytes(255))
    with pytest.raises(EVP.EVPError):
        EVP.sign(key, MESSAGE, context=bytes(256))
    assert EVP.sign(key, MESSAGE, deterministic=True) == EVP.sign(key, MESSAGE, deterministic=True)
    assert EVP.sign(key, MESSAGE) != EVP.sign(key, MESSAGE)


@pytest.mark.parametrize("data", [None, "text", 1])
def test_a_message_must_be_bytes(rsa, data):
    for use in (
        lambda: EVP.sign(rsa, data),
        lambda: EVP.verify(rsa, b"", data),
        lambda: EVP.verify(rsa, data, b""),
        lambda: rsa.encrypt(data),
        lambda: rsa.decrypt(data),
        lambda: rsa.decapsulate(data),
    ):
        with pytest.raises(TypeError):
            use()


# ---- encryption ----------------------------------------------------------------------------------


@pytest.mark.parametrize("label", [None, b"", b"a label", bytes(1000)])
@pytest.mark.parametrize("mgf1", [None, "sha1", "sha512"])
@pytest.mark.parametrize("md", [None, "sha1", "sha256", "sha384"])
def test_oaep_has_any_digest_mgf1_digest_and_label(rsa, md, mgf1, label):
    ciphertext = rsa.encrypt(MESSAGE, md=md, mgf1_md=mgf1, label=label)
    assert rsa.decrypt(ciphertext, md=md, mgf1_md=mgf1, label=label) == MESSAGE
    assert rsa.decrypt(ciphertext, RSA.pkcs1_oaep_padding, md, mgf1, label) == MESSAGE
    key = rsa.get_rsa()
    padding = RSA.pkcs1_oaep_padding
    assert key.private_decrypt(ciphertext, padding, md or "sha256", mgf1, label) == MESSAGE
    for options in (
        {"md": "sha512", "mgf1_md": mgf1, "label": label},
        {"md": md, "mgf1_md": "sha224", "label": label},
        {"md": md, "mgf1_md": mgf1, "label": b"another"},
    ):
        with pytest.raises(EVP.EVPError):
            rsa.decrypt(ciphertext, **options)
        with pytest.raises(RSA.RSAError):
            key.private_decrypt(ciphertext, padding, **{**options, "md": options["md"] or "sha256"})


def test_an_rsa_key_encrypts_by_oaep_with_options(rsa):
    key = rsa.get_rsa()
    padding = RSA.pkcs1_oaep_padding
    ciphertext = key.public_encrypt(MESSAGE, padding, "sha256", "sha1", b"label")
    assert rsa.decrypt(ciphertext, md="sha256", mgf1_md="sha1", label=b"label") == MESSAGE
    # The default is SHA-1, as ever.
    assert rsa.decrypt(key.public_encrypt(MESSAGE, padding), md="sha1") == MESSAGE
    assert key.private_decrypt(rsa.encrypt(MESSAGE, md="sha1"), padding) == MESSAGE


@pytest.mark.parametrize("padding", ["pkcs1_padding", "pkcs1_oaep_padding", "no_padding"])
def test_the_key_of_a_certificate_encrypts_with_every_padding(certificates, padding):
    number, file = getattr(RSA, padding), certificates("server.pem")
    public, private = X509.load_cert(file).get_pubkey(), EVP.load_key(file)
    message = MESSAGE.rjust(256, b"\0") if padding == "no_padding" else MESSAGE
    ciphertext = public.encrypt(message, number)
    assert private.decrypt(ciphertext, number) == message
    with pytest.raises(EVP.EVPError):
        public.decrypt(ciphertext, number)


@pytest.mark.parametrize(
    "options",
    [
        {"padding": RSA.pkcs1_padding, "md": "sha1"},
        {"padding": RSA.pkcs1_padding, "label": b"x"},
        {"padding": RSA.no_padding, "mgf1_md": "sha1"},
        {"padding": 99},
        {"md": "nonsense"},
        {"md": "null"},
    ],
)
def test_options_that_do_not_fit_the_padding_are_refused(rsa, options):
    with pytest.raises(EVP.EVPError):
        rsa.encrypt(MESSAGE, **options)


@kinds(lambda kind: kind not in ("RSA",))
def test_a_key_that_does_not_encrypt_is_refused(made, kind):
    with pytest.raises(EVP.EVPError):
        made(kind).encrypt(MESSAGE)
    with pytest.raises(EVP.EVPError):
        made(kind).decrypt(MESSAGE)


# ---- key agreement and encapsulation -------------------------------------------------------------


@kinds(lambda kind: kind in DERIVE)
def test_two_keys_have_one_shared_secret(made, kind):
    mine, other = made(kind), EVP.gen_key(kind, **KINDS[kind][0])
    public = EVP.load_key_der_pubkey(other.as_der())
    assert mine.derive(public) == other.derive(mine)
    with pytest.raises(EVP.EVPError):
        public.derive(mine)
    with pytest.raises(EVP.EVPError):
        mine.derive(EVP.PKey())


@kinds(lambda kind: kind not in DERIVE)
def test_a_key_without_a_shared_secret_is_refused(made, kind):
    with pytest.raises(EVP.EVPError):
        made(kind).derive(made(kind))


@needs_ec
def test_keys_of_two_types_or_curves_have_no_shared_secret(made, rsa):
    for peer in (made("X448"), made("EC"), rsa):
        with pytest.raises(EVP.EVPError):
            made("X25519").derive(peer)
    with pytest.raises(EVP.EVPError):
        made("EC").derive(EVP.gen_key("EC", curve="P-384"))


@kinds(lambda kind: kind.startswith("ML-KEM"))
def test_an_encapsulated_secret_is_decapsulated(made, kind):
    key = made(kind)
    public = EVP.load_key_der_pubkey(key.as_der())
    ciphertext, shared = public.encapsulate()
    assert len(shared) == 32
    assert key.decapsulate(ciphertext) == shared
    assert public.encapsulate() != (ciphertext, shared)
    with pytest.raises(EVP.EVPError):
        public.decapsulate(ciphertext)
    for data in (b"", ciphertext[:-1], ciphertext + b"x"):
        with pytest.raises(EVP.EVPError):
            key.decapsulate(data)


@pytest.mark.openssl(">= 3.2")
@pytest.mark.parametrize(
    "kind",
    ["RSA", *(pytest.param(kind, marks=needs_ec) for kind in ("EC", "X25519", "X448"))],
)
def test_older_types_encapsulate_by_rsasve_and_dhkem(made, kind):
    ciphertext, shared = made(kind).encapsulate()
    assert made(kind).decapsulate(ciphertext) == shared


@kinds(lambda kind: signs(kind) and kind != "EC" and not kind.startswith("RSA"))
def test_a_key_without_encapsulation_is_refused(made, kind):
    with pytest.raises(EVP.EVPError):
        made(kind).encapsulate()
    with pytest.raises(EVP.EVPError):
        made(kind).decapsulate(bytes(32))


@pytest.mark.openssl("< 3.0")
def test_before_3_0_encapsulation_names_the_missing_feature(rsa):
    with pytest.raises(EVP.EVPError, match="needs OpenSSL 3.0 or later"):
        rsa.encapsulate()


# ---- Python's protocols --------------------------------------------------------------------------


def test_a_copy_shares_the_key_and_starts_no_operation(rsa):
    for copied in (copy.copy(rsa), copy.deepcopy(rsa)):
        assert type(copied) is EVP.PKey
        assert copied.has_public_key_of(rsa)
        copied.assign_rsa(RSA.load_key(str(CERTIFICATE.with_name("leaf.key"))))
        assert not copied.has_public_key_of(rsa)
    key = rsa.get_rsa()
    key.set_ex_data(1, "one")
    copied = copy.copy(key)
    copied.set_ex_data(1, "two")
    assert key.get_ex_data(1) == "one"
    assert copied.as_pem(None) == key.as_pem(None)


@needs_ec
def test_generating_a_key_does_not_change_a_copy():
    key = EC.gen_params(EC.NID_prime256v1)
    key.gen_key()
    before = copy.copy(key)
    pem = before.as_pem(None)
    key.gen_key()
    assert before.as_pem(None) == pem != key.as_pem(None)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_key_is_not_pickled(rsa, protocol):
    for key in (rsa, rsa.get_rsa()):
        with pytest.raises(TypeError, match="cannot pickle (PKey|RSA), which holds a key"):
            pickle.dumps(key, protocol)


def test_the_representation_names_the_type_and_no_secret(rsa):
    assert repr(rsa) == "<M2Crypto.EVP.PKey: private RSA key>"
    public = EVP.load_key_der_pubkey(rsa.as_der())
    assert repr(public) == "<M2Crypto.EVP.PKey: public RSA key>"
    assert repr(EVP.PKey()) == "<M2Crypto.EVP.PKey: no key>"
    assert repr(rsa.get_rsa()) == "<M2Crypto.RSA.RSA: private key of 2048 bits>"
    assert repr(public.get_rsa()) == "<M2Crypto.RSA.RSA_pub: public key of 2048 bits>"
    assert repr(RSA.RSA(m2.rsa_new())) == "<M2Crypto.RSA.RSA: incomplete key>"


@needs_ec
def test_the_representation_of_an_ec_key_has_its_length():
    assert repr(EC.gen_params(EC.NID_secp384r1)) == "<M2Crypto.EC.EC: 384 bits>"


def test_an_empty_pkey_refuses_every_operation(rsa):
    empty = EVP.PKey()
    assert empty.algorithm == ""
    assert not empty.is_private
    for use in (
        lambda: empty.bits,
        lambda: empty.security_bits,
        empty.raw_private,
        empty.raw_public,
        lambda: empty.private_der(None),
        lambda: empty.encrypt(b""),
        lambda: empty.decrypt(b""),
        lambda: empty.derive(rsa),
        empty.encapsulate,
        lambda: empty.decapsulate(b""),
        lambda: EVP.sign(empty, b""),
        lambda: EVP.verify(empty, b"", b""),
        lambda: empty.has_public_key_of(rsa),
        lambda: rsa.has_public_key_of(empty),
    ):
        with pytest.raises(EVP.EVPError):
            use()


def test_the_functions_without_a_cipher_write_unencrypted_keys(rsa):
    for write, handle, pem in (
        (m2.rsa_write_key_no_cipher, rsa.get_rsa().rsa, rsa.get_rsa().as_pem(None)),
        (m2.pkey_write_pem_no_cipher, rsa.pkey, rsa.as_pem(None)),
    ):
        bio = BIO.MemoryBuffer()
        assert write(handle, bio._ptr(), util.passphrase_callback) == 1
        assert bio.read() == pem


@needs_ec
def test_an_ec_key_is_written_unencrypted_without_a_cipher():
    key, bio = EC.load_key(str(KEYS / "ec.pem")), BIO.MemoryBuffer()
    assert m2.ec_key_write_bio_no_cipher(key.ec, bio._ptr(), None) == 1
    assert bio.read() == key.as_pem(None)


# ---- PEM in memory, whose first key is decoded by its label --------------------------------------


def labelled(label, der):
    body = base64.encodebytes(der).decode()
    return f"-----BEGIN {label}-----\n{body}-----END {label}-----\n".encode()


def stored(name):
    return (KEYS / name).read_bytes()


@pytest.mark.parametrize(
    "first",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(CERTIFICATE.read_bytes(), id="a certificate"),
        pytest.param(labelled("EC PARAMETERS", b"\6\10*\x86H\xce=\3\1\7"), id="parameters"),
    ],
)
def test_keys_are_read_one_after_the_other(first, rsa):
    for pem in (rsa.as_pem(None), stored("rsa_2048.pem"), rsa.as_pem("aes_256_cbc", secret)):
        bio = BIO.MemoryBuffer(first + pem + rsa.get_rsa().as_pem(None) + b"rest\n")
        assert [EVP.load_key_bio(bio, secret).as_der() for _ in range(2)] == [rsa.as_der()] * 2
        assert bio.read() == b"rest\n"
    assert Err.peek_error_code() == 0


def test_a_label_that_is_not_the_types_is_judged_as_in_a_file(rsa, tmp_path):
    der = rsa.private_der(None, secret)
    inner = labelled("RSA PRIVATE KEY", der)
    for pem in (
        inner,
        labelled("EC PRIVATE KEY", der),
        labelled("PRIVATE KEY", der + b"\0"),
        labelled("PRIVATE KEY", der[:-1]),
        labelled("PRIVATE KEY", b"0\0"),
        labelled("ANY PRIVATE KEY", der),
        inner.replace(b"KEY-----\n", b"KEY-----\nProc-Type: 4,ENCRYPTED\n\n", 1),
    ):
        file = tmp_path / "key.pem"
        file.write_bytes(pem)
        outcomes = []
        for load, argument in ((EVP.load_key, str(file)), (EVP.load_key_string, pem)):
            try:
                outcomes.append(load(argument, wrong).as_der())
            except EVP.EVPError as error:
                outcomes.append(type(error))
        assert outcomes[0] == outcomes[1]
        assert Err.peek_error_code() == 0


@pytest.mark.parametrize("name", ["ec.pem", "sm2.pem", "ed25519.pem", "ed448.pem", "x25519.pem"])
@needs_ec
def test_a_key_in_memory_is_the_key_in_the_file(name):
    try:
        key = EVP.load_key(str(KEYS / name))
    except EVP.EVPError:
        with pytest.raises(EVP.EVPError):
            EVP.load_key_string(stored(name))
        return
    loaded = EVP.load_key_string(stored(name))
    assert loaded.algorithm == key.algorithm
    assert loaded.private_der(None, None) == key.private_der(None, None)
