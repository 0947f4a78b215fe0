"""Properties of what is encoded: it is read back, also by the `openssl` program.

Hypothesis makes the values; `nox -s vectors` runs this file, whose name keeps it out of the cells.
"""

from __future__ import annotations

import datetime
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from M2Crypto import ASN1, CMS, EVP, PKCS12, X509, m2
from M2Crypto.X509.names import name_from_der

DATA = Path(__file__).parent / "data"
KEY = EVP.load_key(str(DATA / "keys" / "rsa_2048.pem"))
CA = X509.load_cert(str(DATA / "certificates" / "ca.pem"))
CA_KEY = EVP.load_key(str(DATA / "certificates" / "ca.key"))
OPENSSL = shutil.which("openssl")

settings.register_profile(
    "default",
    deadline=None,
    max_examples=100,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("default")
# A process each.
few = settings(max_examples=15)
needs_program = pytest.mark.skipif(OPENSSL is None, reason="needs the openssl program")


def program(*arguments, given):
    """Return what the `openssl` program makes of its standard input."""
    done = subprocess.run([OPENSSL, *arguments], input=given, capture_output=True, check=True)
    return done.stdout


# ---- values --------------------------------------------------------------------------------------

# No surrogates, which UTF-8 lacks, and no NUL.
characters = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
texts = st.text(characters, min_size=1, max_size=64)
# RFC 5280, section 4.1.2.2: positive, at most 20 octets.
serials = st.integers(1, 2**159 - 1)
# RFC 5280, section 4.1.2.5: UTCTime until 2049, GeneralizedTime from 2050 on; whole seconds.
times = st.datetimes(
    datetime.datetime(1950, 1, 1),
    datetime.datetime(9999, 12, 31),
    timezones=st.just(datetime.timezone.utc),
).map(lambda time: time.replace(microsecond=0))
printable = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=20)
passphrases = st.text(characters, min_size=4, max_size=40)
octets = st.binary(max_size=3000)
# The upper bound of emailAddress is 255, of the others 64 (RFC 5280, appendix A.1).
attributes = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["CN", "O", "OU", "L", "ST", "SN", "GN"]), texts),
        st.tuples(st.just("C"), st.text("ABCDEFXYZ", min_size=2, max_size=2)),
        st.tuples(st.just("emailAddress"), printable),
        st.tuples(st.just("serialNumber"), printable),
    ),
    max_size=8,
)


@st.composite
def names(draw):
    name = X509.X509_Name()
    for field, value in draw(attributes):
        name.add_entry_by_txt(field, ASN1.MBSTRING_UTF8, value.encode())
    return name


def asn1_time(time):
    made = ASN1.ASN1_TIME()
    made.set_datetime(time)
    return made


# ---- names, numbers and times --------------------------------------------------------------------


@given(attributes)
def test_names(fields):
    name = X509.X509_Name()
    for field, value in fields:
        name.add_entry_by_txt(field, ASN1.MBSTRING_UTF8, value.encode())
    read = name_from_der(name.as_der())
    assert read == name
    assert read.as_der() == name.as_der()
    assert [str(each.get_data()) for each in read] == [value for _, value in fields]
    assert read.as_hash() == name.as_hash()


@given(times)
def test_times(time):
    assert asn1_time(time).get_datetime() == time


@given(st.integers(0, 2**4096))
def test_numbers(number):
    handle = m2.bin_to_bn(number.to_bytes(513, "big"))
    assert int.from_bytes(m2.bn_to_bin(handle), "big") == number
    assert int(m2.bn_to_hex(handle), 16) == number
    assert int.from_bytes(m2.bn_to_bin(m2.mpi_to_bn(m2.bn_to_mpi(handle))), "big") == number


# ---- certificates, requests, CRLs ----------------------------------------------------------------


@st.composite
def certificates(draw):
    made = X509.X509()
    made.set_version(2)
    made.set_serial_number(draw(serials))
    made.set_issuer(draw(names()))
    made.set_subject(draw(names()))
    made.set_not_before(asn1_time(draw(times)))
    made.set_not_after(asn1_time(draw(times)))
    made.set_pubkey(KEY)
    hosts = draw(st.lists(printable, max_size=4))
    if hosts:
        value = ",".join(f"DNS:{host}" for host in hosts)
        made.add_ext(X509.new_extension("subjectAltName", value))
    made.sign(KEY, "sha256")
    return made


@given(certificates())
def test_certificates(made):
    for read in (
        X509.load_cert_der_string(made.as_der()),
        X509.load_cert_string(made.as_pem()),
        X509.new_stack_from_der(stack_of(made).as_der())[0],
    ):
        assert read.as_der() == made.as_der()
        assert read.get_serial_number() == made.get_serial_number()
        assert read.get_subject() == made.get_subject()
        assert read.get_issuer() == made.get_issuer()
        assert read.get_not_after().get_datetime() == made.get_not_after().get_datetime()
        assert read.verify(KEY) == 1


def stack_of(*certificates):
    stack = X509.X509_Stack()
    for each in certificates:
        stack.push(each)
    return stack


@needs_program
@few
@given(certificates())
def test_certificates_with_the_program(made):
    assert program("x509", "-inform", "DER", given=made.as_der()) == made.as_pem()
    shown = program("x509", "-noout", "-serial", "-subject_hash", given=made.as_pem()).split()
    assert int(shown[0].partition(b"=")[2], 16) == made.get_serial_number()
    assert int(shown[1], 16) == made.get_subject().as_hash()


def request(name, host):
    made = X509.Request()
    made.set_subject_name(name)
    made.set_pubkey(KEY)
    stack = X509.X509_Extension_Stack()
    stack.push(X509.new_extension("subjectAltName", f"DNS:{host}"))
    made.add_extensions(stack)
    made.sign(KEY, "sha256")
    return made


@given(names(), printable)
def test_requests(name, host):
    made = request(name, host)
    for read in (
        X509.load_request_der_string(made.as_der()),
        X509.load_request_string(made.as_pem()),
    ):
        assert read.as_der() == made.as_der()
        assert read.get_subject() == name
        assert read.verify(KEY) == 1


reasons = st.none() | st.sampled_from(
    [each for each in X509.CRLReason if each.name != "REMOVE_FROM_CRL"]
)


revocations = st.dictionaries(serials, st.tuples(times, reasons), max_size=5)


def crl(issuer, time, revoked):
    made = X509.CRL()
    made.set_version(1)
    made.set_issuer(issuer)
    made.set_lastUpdate(time)
    for serial, (date, reason) in revoked.items():
        made.add_revoked(serial, date, reason)
    made.sign(KEY, "sha256")
    return made


@given(names(), times, revocations)
def test_crls(issuer, time, revoked):
    made = crl(issuer, time, revoked)
    for read in (X509.load_crl_der_string(made.as_der()), X509.load_crl_string(made.as_pem())):
        assert read.as_der() == made.as_der()
        assert read.get_issuer() == issuer
        assert read.get_lastUpdate().get_datetime() == time
        assert {each.serial_number: (each.date, each.reason) for each in read} == revoked
        assert read.verify(KEY) == 1


# ---- keys and messages ---------------------------------------------------------------------------


@few
@given(passphrases, st.sampled_from(["aes_128_cbc", "aes_256_cbc"]))
def test_encrypted_keys(passphrase, cipher):
    secret = passphrase.encode()
    encoded = KEY.as_pem(cipher, lambda *_: secret)
    assert EVP.load_key_string(encoded, lambda *_: secret).private_der(None) == KEY.private_der(
        None
    )
    with pytest.raises(EVP.EVPError):
        EVP.load_key_string(encoded, lambda *_: secret + b"x")


@needs_program
@few
@given(st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=4, max_size=40))
def test_encrypted_keys_with_the_program(passphrase):
    encoded = KEY.as_pem("aes_256_cbc", lambda *_: passphrase.encode())
    read = program("pkey", "-passin", f"pass:{passphrase}", given=encoded)
    assert EVP.load_key_string(read).private_der(None) == KEY.private_der(None)


@pytest.mark.needs_ec
@given(st.binary(min_size=32, max_size=32))
def test_raw_keys(secret):
    for algorithm in ("ED25519", "X25519"):
        key = EVP.load_key_raw(algorithm, secret)
        assert key.raw_private() == secret
        assert EVP.load_key_raw_pubkey(algorithm, key.raw_public()).as_der() == key.as_der()
        assert EVP.load_key_der(key.private_der(None)).raw_private() == secret


# A friendlyName is a BMPString (RFC 2985, section 5.5.1).
basic = st.characters(exclude_categories=["Cs"], exclude_characters="\0", max_codepoint=0xFFFF)


@few
@given(passphrases, st.text(basic, min_size=1, max_size=64), st.booleans())
def test_pkcs12(passphrase, name, is_encrypted):
    cipher = "aes_256_cbc" if is_encrypted else None
    made = PKCS12.create(CA_KEY, CA, [CA], passphrase, name, cipher=cipher, iterations=1)
    read = PKCS12.load_der(made, passphrase)
    assert read.name == name
    assert read.x509.as_der() == CA.as_der()
    assert [each.as_der() for each in read.ca] == [CA.as_der()]
    assert read.pkey.private_der(None) == CA_KEY.private_der(None)
    with pytest.raises(PKCS12.PassphraseError):
        PKCS12.load_der(made, f"{passphrase}x")


@pytest.mark.needs("CMS")
@settings(max_examples=40)
@given(octets)
def test_cms(data):
    store = X509.X509_Store()
    store.add_x509(CA)
    signed = CMS.sign(data, CA, CA_KEY)
    flags = CMS.Flags.BINARY | CMS.Flags.NO_SIGNER_CERT_VERIFY
    for read in (
        CMS.load_der(signed.as_der()),
        CMS.load_pem(signed.as_pem()),
        CMS.load_smime(signed.as_smime())[0],
    ):
        assert read.verify(store, flags=flags) == data
    encrypted = CMS.encrypt(data, [CA])
    assert CMS.load_der(encrypted.as_der()).decrypt(CA_KEY, CA) == data


@needs_program
@pytest.mark.needs("CMS")
@few
@given(octets)
def test_cms_with_the_program(data):
    encrypted = CMS.encrypt(data, [CA]).as_der()
    key = str(DATA / "certificates" / "ca.key")
    arguments = ("cms", "-decrypt", "-binary", "-inform", "DER", "-inkey", key)
    assert program(*arguments, given=encrypted) == data


@given(octets, octets, st.binary(min_size=12, max_size=12))
def test_aead(data, aad, nonce):
    aead = EVP.AEAD("aes_256_gcm", bytes(32))
    sealed = aead.seal(nonce, data, aad)
    assert aead.open(nonce, sealed, aad) == data
    assert len(sealed) == len(data) + 16


@settings(max_examples=40)
@given(octets)
def test_signatures(data):
    signature = EVP.sign(KEY, data)
    assert EVP.verify(KEY, signature, data)
    assert not EVP.verify(KEY, signature, data + b"x")
