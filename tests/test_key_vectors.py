"""Keys and signatures agree with the known answers of the RFCs, NIST and RSA Laboratories.

data/vectors/keys.json holds them, each group with its source. Signatures and keys of more than a
few hundred bytes are there as their SHA-256.
"""

import base64
import hashlib
import json
from pathlib import Path

import pytest

from M2Crypto import EVP, RSA, Err, m2

VECTORS = json.loads((Path(__file__).parent / "data" / "vectors" / "keys.json").read_text("utf-8"))
unhex = bytes.fromhex
needs_pqc = pytest.mark.openssl(">= 3.5")


@pytest.fixture(autouse=True)
def _the_error_queue_stays_empty():
    yield
    assert Err.peek_error_code() == 0


def cases(*groups):
    """Return a parameter for each case of the groups, named by its type or key."""
    return [
        pytest.param(case, id=f"{case.get('type') or case['key']}-{number}")
        for group in groups
        for number, case in enumerate(VECTORS[group]["cases"])
    ]


def key_of(group, case):
    der = base64.b64decode(VECTORS[group]["keys"][case["key"]])
    return EVP.load_key_der(der)


def sha256(data):
    return hashlib.sha256(data).hexdigest()


@needs_pqc
@pytest.mark.parametrize("case", cases("ML-KEM keyGen", "ML-DSA keyGen", "SLH-DSA keyGen"))
def test_a_key_generated_from_a_seed_is_that_of_acvp(case):
    key = EVP.gen_key(case["type"], seed=unhex(case["seed"]))
    assert sha256(key.raw_public()) == case["public_sha256"]
    assert sha256(key.raw_private()) == case["private_sha256"]
    assert EVP.load_key_raw(case["type"], key.raw_private()).has_public_key_of(key)


@needs_pqc
@pytest.mark.parametrize("case", cases("ML-DSA sigGen", "SLH-DSA sigGen"))
def test_a_deterministic_signature_with_a_context_is_that_of_acvp(case):
    key = EVP.load_key_raw(case["type"], unhex(case["private"]))
    message, context = unhex(case["message"]), unhex(case["context"])
    signature = EVP.sign(key, message, context=context, deterministic=True)
    assert sha256(signature) == case["signature_sha256"]
    public = EVP.load_key_raw_pubkey(case["type"], key.raw_public())
    assert EVP.verify(public, signature, message, context=context)
    assert not EVP.verify(public, signature, message + b"x", context=context)
    assert not EVP.verify(public, signature, message, context=context + b"x")


@needs_pqc
@pytest.mark.parametrize("case", cases("ML-KEM decapsulation"))
def test_a_decapsulated_secret_is_that_of_acvp(case):
    key = EVP.load_key_raw(case["type"], unhex(case["private"]))
    ciphertext = unhex(case["ciphertext"])
    assert key.decapsulate(ciphertext).hex() == case["secret"]
    changed = ciphertext[:-1] + bytes([ciphertext[-1] ^ 1])
    # Implicit rejection (FIPS 203, section 6.3).
    assert key.decapsulate(changed).hex() != case["secret"]
    with pytest.raises(EVP.EVPError):
        key.decapsulate(ciphertext[:-1])


@pytest.mark.needs_ec
@pytest.mark.parametrize("case", cases("EdDSA"))
def test_an_eddsa_signature_is_that_of_rfc_8032(case):
    context = unhex(case["context"])
    if context and m2.openssl_version_num() < 0x30200000:
        pytest.skip("needs OpenSSL 3.2, for context strings")
    key = EVP.load_key_raw(case["type"], unhex(case["private"]))
    assert key.raw_public().hex() == case["public"]
    message = unhex(case["message"])
    signature = EVP.sign(key, message, context=context or None)
    assert signature.hex() == case["signature"]
    public = EVP.load_key_raw_pubkey(case["type"], key.raw_public())
    assert EVP.verify(public, signature, message, context=context or None)
    assert not EVP.verify(public, signature, message + b"x", context=context or None)
    assert not EVP.verify(public, bytes(len(signature)), message, context=context or None)


# RFC 7748, sections 6.1 and 6.2: Alice's and Bob's private and public keys, and their secret.
AGREEMENTS = {
    "X25519": (
        "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
        "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
        "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
        "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f",
        "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742",
    ),
    "X448": (
        "9a8f4925d1519f5775cf46b04b5800d4ee9ee8bae8bc5565d498c28dd9c9baf574a94197448973910063"
        "82a6f127ab1d9ac2d8c0a598726b",
        "9b08f7cc31b7e3e67d22d5aea121074a273bd2b83de09c63faa73d2c22c5d9bbc836647241d953d40c5b"
        "12da88120d53177f80e532c41fa0",
        "1c306a7ac2a0e2e0990b294470cba339e6453772b075811d8fad0d1d6927c120bb5ee8972b0d3e21374c"
        "9c921b09d1b0366f10b65173992d",
        "3eb7a829b0cd20f5bcfc0b599b6feccf6da4627107bdb0d4f345b43027d8b972fc3e34fb4232a13ca706"
        "dcb57aec3dae07bdc1c67bf33609",
        "07fff4181ac6cc95ec1c16a94a0f74d12da232ce40a77552281d282bb60c0b56fd2464c335543936521c"
        "24403085d59a449a5037514a879d",
    ),
}


@pytest.mark.needs_ec
@pytest.mark.parametrize("kind", AGREEMENTS)
def test_the_shared_secret_is_that_of_rfc_7748(kind):
    *octets, secret = map(unhex, AGREEMENTS[kind])
    alice, alice_public, bob, bob_public = octets
    for mine, public, peers in ((alice, alice_public, bob_public), (bob, bob_public, alice_public)):
        key = EVP.load_key_raw(kind, mine)
        assert key.raw_private() == mine
        assert key.raw_public() == public
        assert key.derive(EVP.load_key_raw_pubkey(kind, peers)) == secret


@pytest.mark.needs_ec
@pytest.mark.parametrize("kind", AGREEMENTS)
def test_a_peer_of_small_order_is_refused(kind):
    # RFC 7748, section 6: the all-zero shared secret.
    key = EVP.load_key_raw(kind, unhex(AGREEMENTS[kind][0]))
    with pytest.raises(EVP.EVPError):
        key.derive(EVP.load_key_raw_pubkey(kind, bytes(len(key.raw_public()))))


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(*parameter.values, id=parameter.id, marks=pytest.mark.needs("DSA"))
        for parameter in cases("DSA RFC 6979")
    ],
)
def test_a_dsa_signature_of_rfc_6979_verifies(case):
    key = key_of("DSA RFC 6979", case)
    check_rfc_6979(key, case)


@pytest.mark.needs_ec
@pytest.mark.parametrize("case", cases("ECDSA RFC 6979"))
def test_an_ecdsa_signature_of_rfc_6979_verifies(case):
    check_rfc_6979(key_of("ECDSA RFC 6979", case), case)


def check_rfc_6979(key, case):
    message, signature = case["message"].encode(), unhex(case["signature"])
    assert EVP.verify(key, signature, message, case["digest"])
    assert not EVP.verify(key, signature, message + b"x", case["digest"])
    assert not EVP.verify(key, b"", message, case["digest"])
    if m2.openssl_version_num() >= 0x30200000:
        made = EVP.sign(key, message, case["digest"], deterministic=True)
        assert made == signature
    assert EVP.verify(key, EVP.sign(key, message, case["digest"]), message, case["digest"])


@pytest.mark.parametrize("case", cases("RSA OAEP"))
def test_an_oaep_ciphertext_of_rsa_laboratories_is_decrypted(case):
    key = key_of("RSA OAEP", case)
    ciphertext, message = unhex(case["ciphertext"]), unhex(case["message"])
    assert key.decrypt(ciphertext, md="sha1") == message
    assert key.get_rsa().private_decrypt(ciphertext, RSA.pkcs1_oaep_padding) == message
    with pytest.raises(EVP.EVPError):
        key.decrypt(ciphertext, md="sha1", label=b"another")


@pytest.mark.parametrize("case", cases("RSA PSS"))
def test_a_pss_signature_of_rsa_laboratories_verifies(case):
    group = VECTORS["RSA PSS"]["keys"]
    key = EVP.load_key_der_pubkey(base64.b64decode(group[case["key"]])).get_rsa()
    digest, signature = unhex(case["digest"]), unhex(case["signature"])
    assert key.verify_rsassa_pss(digest, signature, "sha1", 20) == 1
    assert key.verify_rsassa_pss(digest, signature, "sha1", "auto") == 1
    assert key.verify_rsassa_pss(digest, signature, "sha1", "max") == 0
    assert key.verify_rsassa_pss(digest, signature, "sha1", 20, mgf1_md="sha256") == 0
