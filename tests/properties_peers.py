"""`cryptography` and the `openssl` program read what M2Crypto encodes.

Hypothesis makes the values; `nox -s vectors` runs this file, whose name keeps it out of the cells.
"""

from __future__ import annotations

import tempfile

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import pkcs7, pkcs12
from cryptography.x509 import ocsp
from hypothesis import given
from hypothesis import strategies as st
from properties import (
    CA,
    CA_KEY,
    DATA,
    KEY,
    basic,
    certificates,
    crl,
    few,
    names,
    needs_program,
    octets,
    passphrases,
    printable,
    program,
    request,
    revocations,
    stack_of,
    times,
)

from M2Crypto import BIO, CMS, EVP, OCSP, PKCS12, SMIME, X509

# cryptography counts octets, and the upper bounds are of characters (RFC 5280, appendix A.1).
pytestmark = pytest.mark.filterwarnings("ignore:Attribute's length")

DER = serialization.Encoding.DER
# `pass:` of the program takes the rest of an argument, which has no NUL.
words = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=4, max_size=40)


def public(key):
    """Return cryptography's public key of a key."""
    return serialization.load_der_public_key(key.as_der())


def same_private(read, key):
    """Return whether a private key of cryptography is that of `key`."""
    encoded = read.private_bytes(
        DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return EVP.load_key_der(encoded).private_der(None) == key.private_der(None)


# ---- certificates, requests, CRLs ----------------------------------------------------------------


def check_certificate(read, made):
    assert read.public_bytes(DER) == made.as_der()
    assert read.serial_number == made.get_serial_number()
    assert read.subject.public_bytes() == made.get_subject().as_der()
    assert read.issuer.public_bytes() == made.get_issuer().as_der()
    assert read.not_valid_before_utc == made.get_not_before().get_datetime()
    assert read.not_valid_after_utc == made.get_not_after().get_datetime()
    assert read.public_key() == public(KEY)
    assert read.fingerprint(hashes.SHA256()).hex().upper() == made.get_fingerprint("sha256")


@given(certificates())
def test_certificates(made):
    check_certificate(x509.load_der_x509_certificate(made.as_der()), made)
    check_certificate(x509.load_pem_x509_certificate(made.as_pem()), made)
    (read,) = x509.load_pem_x509_certificates(made.as_pem())
    public(KEY).verify(
        read.signature, read.tbs_certificate_bytes, padding.PKCS1v15(), hashes.SHA256()
    )


@given(names(), printable)
def test_requests(name, host):
    made = request(name, host)
    for read in (
        x509.load_der_x509_csr(made.as_der()),
        x509.load_pem_x509_csr(made.as_pem()),
    ):
        assert read.is_signature_valid
        assert read.subject.public_bytes() == name.as_der()
        assert read.public_key() == public(KEY)
        found = read.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert found.get_values_for_type(x509.DNSName) == [host]


@needs_program
@few
@given(names(), printable)
def test_requests_with_the_program(name, host):
    made = request(name, host)
    assert program("req", "-inform", "DER", "-verify", given=made.as_der()) == made.as_pem()


def reason_of(entry):
    """Return the number of an entry's reason (RFC 5280, section 5.3.1), or None."""
    for extension in entry.extensions:
        if isinstance(extension.value, x509.CRLReason):
            return int(extension.value.public_bytes()[-1])
    return None


@given(names(), times, revocations)
def test_crls(issuer, time, revoked):
    made = crl(issuer, time, revoked)
    for read in (x509.load_der_x509_crl(made.as_der()), x509.load_pem_x509_crl(made.as_pem())):
        assert read.is_signature_valid(public(KEY))
        assert read.issuer.public_bytes() == issuer.as_der()
        assert read.last_update_utc == time
        found = {each.serial_number: (each.revocation_date_utc, reason_of(each)) for each in read}
        assert found == revoked


@needs_program
@few
@given(names(), times, revocations)
def test_crls_with_the_program(issuer, time, revoked):
    made = crl(issuer, time, revoked)
    assert program("crl", "-inform", "DER", given=made.as_der()) == made.as_pem()


# ---- keys ----------------------------------------------------------------------------------------

KEYS = {"RSA": KEY, "EC": EVP.load_key(str(DATA / "keys" / "ec.pem"))}


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
@few
@given(passphrases, st.sampled_from(["aes_128_cbc", "aes_256_cbc"]))
def test_private_keys(key, passphrase, cipher):
    secret = passphrase.encode()
    read = serialization.load_pem_private_key(key.as_pem(cipher, lambda *_: secret), secret)
    assert same_private(read, key)
    encrypted = key.private_der(cipher, lambda *_: secret)
    assert same_private(serialization.load_der_private_key(encrypted, secret), key)
    assert same_private(serialization.load_der_private_key(key.private_der(None), None), key)
    assert public(key) == read.public_key()


@needs_program
@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
@few
@given(words)
def test_private_keys_with_the_program(key, passphrase):
    encrypted = key.private_der("aes_256_cbc", lambda *_: passphrase.encode())
    plain = program("pkey", "-inform", "DER", "-passin", f"pass:{passphrase}", given=encrypted)
    assert EVP.load_key_string(plain).private_der(None) == key.private_der(None)
    shown = program("pkey", "-pubin", "-inform", "DER", "-outform", "DER", given=key.as_der())
    assert shown == key.as_der()


@given(st.binary(min_size=32, max_size=32))
def test_raw_keys(secret):
    for algorithm in ("ED25519", "X25519"):
        key = EVP.load_key_raw(algorithm, secret)
        read = serialization.load_der_private_key(key.private_der(None), None)
        assert read.private_bytes_raw() == secret
        assert public(key).public_bytes_raw() == key.raw_public()


@given(octets)
def test_signatures(data):
    public(KEY).verify(EVP.sign(KEY, data), data, padding.PKCS1v15(), hashes.SHA256())
    signature = EVP.sign(KEYS["EC"], data)
    public(KEYS["EC"]).verify(signature, data, ec.ECDSA(hashes.SHA256()))
    key = EVP.load_key_raw("ED25519", bytes(range(32)))
    public(key).verify(EVP.sign(key, data), data)


# ---- messages ------------------------------------------------------------------------------------


@few
@given(passphrases, st.text(basic, min_size=1, max_size=64))
def test_pkcs12(passphrase, name):
    made = PKCS12.create(CA_KEY, CA, [CA], passphrase, name, cipher="aes_256_cbc", iterations=1)
    read = pkcs12.load_pkcs12(made, passphrase.encode())
    assert same_private(read.key, CA_KEY)
    assert read.cert.certificate.public_bytes(DER) == CA.as_der()
    assert read.cert.friendly_name == name.encode()
    assert [each.certificate.public_bytes(DER) for each in read.additional_certs] == [CA.as_der()]


@needs_program
@few
@given(words)
def test_pkcs12_with_the_program(passphrase):
    made = PKCS12.create(CA_KEY, CA, [], passphrase, "name", cipher="aes_256_cbc", iterations=1)
    arguments = ("pkcs12", "-nodes", "-passin", f"pass:{passphrase}")
    read = program(*arguments, given=made)
    assert EVP.load_key_string(read).private_der(None) == CA_KEY.private_der(None)
    assert X509.load_cert_string(read).as_der() == CA.as_der()


@pytest.mark.needs("CMS")
@few
@given(octets)
def test_cms(data):
    message = CMS.sign(data, CA, CA_KEY)
    for read in (
        pkcs7.load_der_pkcs7_certificates(message.as_der()),
        pkcs7.load_pem_pkcs7_certificates(message.as_pem().replace(b" CMS-", b" PKCS7-")),
    ):
        assert CA.as_der() in [each.public_bytes(DER) for each in read]
    encrypted = CMS.encrypt(data, [CA], "aes_128_cbc").as_der()
    key = serialization.load_der_private_key(CA_KEY.private_der(None), None)
    certificate = x509.load_der_x509_certificate(CA.as_der())
    assert pkcs7.pkcs7_decrypt_der(encrypted, certificate, key, []) == data


@needs_program
@few
@given(octets)
def test_smime_with_the_program(data):
    signer = SMIME.SMIME()
    signer.load_key(str(DATA / "certificates" / "ca.key"), str(DATA / "certificates" / "ca.pem"))
    message = signer.sign(BIO.MemoryBuffer(data), SMIME.PKCS7_BINARY, "sha256")
    out = BIO.MemoryBuffer()
    signer.write(out, message)
    arguments = ("smime", "-verify", "-binary", "-noverify")
    assert program(*arguments, given=out.read()) == data
    signer.set_x509_stack(stack_of(CA))
    signer.set_cipher(SMIME.Cipher("aes_128_cbc"))
    out = BIO.MemoryBuffer()
    signer.write(out, signer.encrypt(BIO.MemoryBuffer(data), SMIME.PKCS7_BINARY))
    key = str(DATA / "certificates" / "ca.key")
    assert program("smime", "-decrypt", "-binary", "-inkey", key, given=out.read()) == data


@given(st.binary(min_size=12, max_size=12), octets, octets)
def test_aead(nonce, data, aad):
    sealed = EVP.AEAD("aes_256_gcm", bytes(32)).seal(nonce, data, aad)
    other = AESGCM(bytes(32))
    assert other.decrypt(nonce, sealed, aad) == data
    with pytest.raises(InvalidTag):
        other.decrypt(nonce, sealed, aad + b"x")


@pytest.mark.needs("OCSP")
@few
@given(certificates(), st.sampled_from(["GOOD", "UNKNOWN"]))
def test_ocsp(made, status):
    made.set_issuer(CA.get_subject())
    asked = OCSP.Request([OCSP.CertID(made, CA)])
    read = ocsp.load_der_ocsp_request(asked.as_der())
    assert read.serial_number == made.get_serial_number()
    # An OCTET STRING in the extension (RFC 8954, section 2.1).
    nonce = read.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce
    assert nonce.endswith(asked.nonce)
    responder = OCSP.Responder(CA, CA, CA_KEY, lambda serial: OCSP.Status[status])
    response = OCSP.load_response(responder.respond(asked.as_der()))
    read = ocsp.load_der_ocsp_response(response.as_der())
    assert read.serial_number == made.get_serial_number()
    assert read.certificate_status.name == status
    assert read.produced_at_utc == response.produced_at


@needs_program
@few
@given(certificates())
def test_stacks_with_the_program(made):
    with tempfile.NamedTemporaryFile() as file:
        file.write(made.as_pem() + CA.as_pem())
        file.flush()
        shown = program("storeutl", "-noout", "-certs", file.name, given=b"")
    assert b"Total found: 2" in shown
