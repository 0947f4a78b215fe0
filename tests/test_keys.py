"""Each type of key in each operation gives a result or the module's exception."""

import base64
import hashlib
from pathlib import Path

import pytest

from M2Crypto import BIO, EC, EVP, RSA, X509, Err, m2

KEYS = Path(__file__).with_name("data") / "keys"
ERRORS = (EVP.EVPError, RSA.RSAError, EC.ECError, X509.X509Error)
DIGEST = hashlib.sha256(b"message").digest()
KINDS = {
    "rsa": "rsa_2048",
    "rsa_pss": "rsa_pss",
    "dsa": "dsa_1024",
    "dh": "dh",
    "dhx": "dhx",
    "ec": "ec",
    "sm2": "sm2",
    "x25519": "x25519",
    "x448": "x448",
    "ed25519": "ed25519",
    "ed448": "ed448",
}
# Keys in PKCS #8 as a seed alone (RFC 9881 and 9935, section 6): OID, bytes of the seed.
SEEDS = {"ml_dsa_44": ("0609608648016503040311", 32), "ml_kem_512": ("0609608648016503040401", 64)}
NEEDS_EC = {"ec", "sm2", "x25519", "x448", "ed25519", "ed448"}
PARTS = ("private", "public")


@pytest.fixture(autouse=True)
def _the_error_queue_stays_empty():
    yield
    assert Err.peek_error_code() == 0


def pem(kind, der):
    text = base64.encodebytes(der).decode()
    return f"-----BEGIN {kind}-----\n{text}-----END {kind}-----\n"


def der(tag, *parts):
    """Encode a DER element of less than 64 KiB."""
    content = b"".join(parts)
    length = len(content)
    if length < 0x80:
        return bytes([tag, length]) + content
    return bytes([tag, 0x82, length >> 8, length & 0xFF]) + content


def load(kind, part):
    if kind in SEEDS:
        algorithm, length = SEEDS[kind]
        seed = der(4, der(0x80, bytes(length)))
        octets = der(0x30, der(2, b"\0"), der(0x30, bytes.fromhex(algorithm)), seed)
        key = EVP.load_key_string(pem("PRIVATE KEY", octets))
    else:
        key = EVP.load_key(str(KEYS / f"{KINDS[kind]}.pem"))
    if part == "public":
        key = EVP.load_key_string_pubkey(pem("PUBLIC KEY", key.as_der()))
    return key


def without_parameters():
    """Return a public DSA key that inherits its parameters (RFC 3279, section 2.3.2), as DER."""
    whole = load("dsa", "private").as_der()
    # A BIT STRING around an INTEGER of 1,024 bits.
    start = whole.index(bytes.fromhex("038185000281810"[:-1]))
    return der(0x30, der(0x30, bytes.fromhex("06072a8648ce380401")), whole[start:])


def certificate(public_key):
    """Return a certificate for `public_key` with a signature of zeros, as DER."""
    algorithm = der(0x30, bytes.fromhex("0609608648016503040302"))
    name = der(0x30)
    validity = der(0x30, *(der(0x17, day + b"000000Z") for day in (b"260101", b"491231")))
    version, serial = der(0xA0, der(2, b"\x02")), der(2, b"\x01")
    tbs = der(0x30, version, serial, algorithm, name, validity, name, public_key)
    return der(0x30, tbs, algorithm, der(3, bytes(48)))


# ---- the operations ------------------------------------------------------------------------------


def sign(key):
    key.reset_context("sha256")
    key.sign_init()
    key.sign_update(b"message")
    return key.sign_final()


def verify(key):
    key.reset_context("sha256")
    key.verify_init()
    key.verify_update(b"message")
    return key.verify_final(bytes(64))


def digest_sign(key, md="sha256"):
    key.reset_context(md)
    key.digest_sign_init()
    return key.digest_sign(b"message")


def digest_sign_in_pieces(key):
    key.reset_context("sha256")
    key.digest_sign_init()
    key.digest_sign_update(b"message")
    return key.digest_sign_final()


def digest_verify(key, md="sha256"):
    key.reset_context(md)
    key.digest_verify_init()
    return key.digest_verify(bytes(64), b"message")


def digest_verify_in_pieces(key):
    key.reset_context("sha256")
    key.digest_verify_init()
    key.digest_verify_update(b"message")
    return key.digest_verify_final(bytes(64))


def the_rsa(use):
    return lambda key: use(key.get_rsa())


def the_ec(use):
    return lambda key: use(key.get_ec())


OPERATIONS = {
    "size": lambda key: key.size(),
    "bits": lambda key: m2.pkey_bits(key.pkey),
    "base_id": lambda key: m2.pkey_base_id(key.pkey),
    "as_der": lambda key: key.as_der(),
    "get_key_identifier": lambda key: key.get_key_identifier(),
    "get_modulus": lambda key: key.get_modulus(),
    "as_pem": lambda key: key.as_pem(None),
    "as_pem encrypted": lambda key: key.as_pem(callback=lambda _writing: "secret"),
    "sign": sign,
    "verify": verify,
    "digest_sign": digest_sign,
    "digest_sign without a digest": lambda key: digest_sign(key, None),
    "digest_sign in pieces": digest_sign_in_pieces,
    "digest_verify": digest_verify,
    "digest_verify without a digest": lambda key: digest_verify(key, None),
    "digest_verify in pieces": digest_verify_in_pieces,
    "x509_sign": lambda key: m2.x509_sign(m2.x509_new(), key.pkey, m2.sha256()),
    "x509_sign without a digest": lambda key: m2.x509_sign(m2.x509_new(), key.pkey, None),
    "x509_verify": lambda key: m2.x509_verify(m2.x509_new(), key.pkey),
    "x509_set_pubkey": lambda key: m2.x509_set_pubkey(m2.x509_new(), key.pkey),
    "x509_req_sign": lambda key: m2.x509_req_sign(m2.x509_req_new(), key.pkey, m2.sha256()),
    "x509_req_sign without": lambda key: m2.x509_req_sign(m2.x509_req_new(), key.pkey, None),
    "x509_req_verify": lambda key: m2.x509_req_verify(m2.x509_req_new(), key.pkey),
    "x509_req_set_pubkey": lambda key: m2.x509_req_set_pubkey(m2.x509_req_new(), key.pkey),
    "x509_crl_verify": lambda key: m2.x509_crl_verify(m2.x509_crl_new(), key.pkey),
    "rsa sign": the_rsa(lambda rsa: rsa.sign(DIGEST)),
    "rsa verify": the_rsa(lambda rsa: rsa.verify(DIGEST, rsa.sign(DIGEST))),
    "rsa pss": the_rsa(lambda rsa: rsa.sign_rsassa_pss(DIGEST)),
    "rsa encrypt": the_rsa(lambda rsa: rsa.public_encrypt(b"x", RSA.pkcs1_padding)),
    "rsa decrypt": the_rsa(lambda rsa: rsa.private_decrypt(bytes(len(rsa) // 8), RSA.no_padding)),
    "rsa pem": the_rsa(lambda rsa: rsa.as_pem(None)),
    "rsa check": the_rsa(lambda rsa: rsa.check_key()),
    "ec sign": the_ec(lambda ec: ec.sign_dsa(DIGEST)),
    "ec verify": the_ec(lambda ec: ec.verify_dsa(DIGEST, *[b"\0\0\0\1\1"] * 2)),
    "ec derive": the_ec(lambda ec: ec.compute_dh_key(ec)),
    "ec pem": the_ec(lambda ec: EC.EC(ec.ec).as_pem(None)),
    "ec check": the_ec(lambda ec: ec.check_key()),
    "ec point": the_ec(lambda ec: ec.get_key()),
}
NEED_PRIVATE = {
    "as_pem",
    "as_pem encrypted",
    "rsa sign",
    "rsa verify",
    "rsa pss",
    "rsa decrypt",
} | {name for name in OPERATIONS if "sign" in name or name in ("ec derive", "ec pem")}
OF_ANY_KEY = {"size", "bits", "base_id", "as_der", "get_key_identifier"}
SIGNERS = {"rsa", "rsa_pss", "dsa", "ec"}
OWN_DIGEST = {"ed25519", "ed448", "ml_dsa_44"}


def works(kind, part, operation):
    """Return whether the operation must succeed, or None if that depends on OpenSSL."""
    if part == "public" and operation in NEED_PRIVATE:
        return False
    if operation in OF_ANY_KEY or operation.startswith("as_pem"):
        return True
    if operation in ("sign", "digest_sign", "digest_sign in pieces"):
        if kind == "sm2":
            return None
        return kind in SIGNERS or (operation == "digest_sign" and kind in OWN_DIGEST)
    if operation == "get_modulus":
        return kind in ("rsa", "rsa_pss", "dsa")
    if operation == "ec point":
        return {"ec": True, "sm2": None}.get(kind, False)
    if operation.startswith("rsa ") and not kind.startswith("rsa"):
        return False
    if operation.startswith("ec ") and kind not in ("ec", "sm2"):
        return False
    return None


def outcome(operation, key):
    """Return whether the operation succeeded; an exception of another class propagates."""
    try:
        OPERATIONS[operation](key)
    except ERRORS as error:
        assert "\n" not in str(error)
        return False
    return True


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize(
    "kind",
    [kind for kind in KINDS if kind not in NEEDS_EC]
    + [pytest.param(kind, marks=pytest.mark.needs_ec) for kind in KINDS if kind in NEEDS_EC]
    + [pytest.param(kind, marks=pytest.mark.openssl(">= 3.5")) for kind in SEEDS],
)
def test_each_operation_on_each_type_of_key_succeeds_or_raises(kind, part):
    if kind == "dsa" and m2.OPENSSL_NO_DSA:
        pytest.skip("this OpenSSL was built without DSA")
    if kind in ("dh", "dhx") and m2.OPENSSL_NO_DH:
        pytest.skip("this OpenSSL was built without DH")
    key = load(kind, part)
    outcomes = {operation: outcome(operation, key) for operation in OPERATIONS}
    expected = {operation: works(kind, part, operation) for operation in OPERATIONS}
    # None where it depends on the OpenSSL.
    assert outcomes == {
        operation: outcomes[operation] if result is None else result
        for operation, result in expected.items()
    }


def test_every_operation_on_an_empty_pkey_raises():
    key = EVP.PKey()
    assert [operation for operation in OPERATIONS if outcome(operation, key)] == ["base_id"]


# ---- DSA keys without parameters -----------------------------------------------------------------


def needs_dsa():
    if m2.OPENSSL_NO_DSA:
        pytest.skip("this OpenSSL was built without DSA")


def test_a_dsa_key_without_parameters_cannot_verify():
    needs_dsa()
    key = EVP.load_key_string_pubkey(pem("PUBLIC KEY", without_parameters()))
    done = [operation for operation in OPERATIONS if outcome(operation, key)]
    assert done == ["base_id", "as_der", "get_key_identifier", "get_modulus"]


@pytest.mark.parametrize("operation", ["size", "verify", "digest_verify", "x509_verify", "sign"])
def test_the_message_names_the_missing_dsa_parameters(operation):
    needs_dsa()
    key = EVP.load_key_string_pubkey(pem("PUBLIC KEY", without_parameters()))
    with pytest.raises(ERRORS, match="no domain parameters"):
        OPERATIONS[operation](key)


def test_a_certificate_whose_dsa_key_has_no_parameters_is_refused():
    needs_dsa()
    read = X509.load_cert_der_string(certificate(without_parameters()))
    # From 3.0 on OpenSSL does not read such a key out of a certificate.
    for use in (read.verify, lambda: read.get_pubkey().size()):
        with pytest.raises((X509.X509Error, EVP.EVPError), match="no domain parameters|decode"):
            use()


# ---- parameters without a key --------------------------------------------------------------------


@pytest.mark.needs_ec
@pytest.mark.parametrize(
    "use",
    [
        lambda ec: ec.sign_dsa(DIGEST),
        lambda ec: ec.verify_dsa(DIGEST, *[b"\0\0\0\1\1"] * 2),
        lambda ec: ec.compute_dh_key(ec),
        lambda ec: ec.as_pem(None),
        lambda ec: ec.pub(),
        lambda ec: EVP.PKey().assign_ec(ec),
        lambda ec: m2.pkey_set1_ec(m2.pkey_new(), ec.ec),
        lambda ec: ec.save_pub_key_bio(BIO.MemoryBuffer()),
    ],
)
def test_parameters_without_a_key_are_refused(use):
    with pytest.raises((EC.ECError, EVP.EVPError)):
        use(EC.gen_params(EC.NID_prime256v1))


# ---- keys assigned to handles --------------------------------------------------------------------


@pytest.mark.parametrize("function", ["pkey_assign_rsa", "pkey_set1_rsa"])
@pytest.mark.parametrize("part", PARTS)
def test_an_rsa_key_is_assigned_to_a_pkey_handle(function, part):
    source = load("rsa", part).get_rsa()
    handle = m2.pkey_new()
    assert getattr(m2, function)(handle, source.rsa) == 1
    given = EVP.PKey(handle)
    assert isinstance(given.get_rsa(), RSA.RSA_pub) is (part == "public")
    assert given.get_rsa().as_pem(None) == source.as_pem(None)
    with pytest.raises(EVP.EVPError, match="has a key"):
        getattr(m2, function)(handle, source.rsa)


@pytest.mark.needs_ec
@pytest.mark.parametrize("function", ["pkey_assign_ec", "pkey_set1_ec"])
def test_an_ec_key_is_assigned_to_a_pkey_handle(function):
    source = load("ec", "private").get_ec()
    handle = m2.pkey_new()
    assert getattr(m2, function)(handle, source.ec) == 1
    signature = sign(EVP.PKey(handle))
    assert source.verify_dsa_asn1(DIGEST, signature) == 1
    with pytest.raises(EVP.EVPError, match="has a key"):
        getattr(m2, function)(handle, source.ec)


def test_a_wrong_passphrase_whose_padding_is_valid_is_one(certificates):
    """It decrypts this file to what is no key, as one in 256 does."""
    with pytest.raises(EVP.PassphraseError):
        EVP.load_key(certificates("server_encrypted.pem"), lambda *_: b"wrong 171")
