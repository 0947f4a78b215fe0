"""PKCS #12 files are loaded and created (RFC 7292).

The files are RFC 9579's examples (data/pkcs12); the other side is the `openssl` program.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from M2Crypto import PKCS12, X509, m2
from M2Crypto.BIO import BIOFileError
from M2Crypto.PKCS12 import PassphraseError, PKCS12Error

FILES = Path(__file__).parent / "data" / "pkcs12"
# Enough for tests.
FEW = {"iterations": 2048}


@pytest.fixture
def der(someone, authority):
    return PKCS12.create(someone.pkey, someone.cert, [authority.cert], "secret", "friendly", **FEW)


def keys_are_equal(one, other):
    return one.as_der() == other.as_der() and one.as_pem(None) == other.as_pem(None)


def test_what_is_created_can_be_loaded(der, someone, authority):
    loaded = PKCS12.load_der(der, "secret")
    assert keys_are_equal(loaded.pkey, someone.pkey)
    assert loaded.x509.as_der() == someone.cert.as_der()
    assert [each.as_der() for each in loaded.ca] == [authority.cert.as_der()]
    assert loaded.name == "friendly"
    assert repr(loaded) == "<PKCS12 /CN=Someone>"
    assert m2.err_peek_error() == 0


@pytest.mark.parametrize("wrong", ["Secret", "", None, "secret ", b"\xff"])
def test_a_wrong_passphrase_has_an_error_of_its_own(der, wrong):
    with pytest.raises(PassphraseError, match="passphrase is wrong"):
        PKCS12.load_der(der, wrong)
    assert m2.err_peek_error() == 0


@pytest.mark.parametrize("passphrase", ["", "a", "p\u00e4sse \u20ac", b"bytes", "x" * 300])
def test_a_passphrase_is_any_text(someone, passphrase):
    created = PKCS12.create(someone.pkey, someone.cert, (), passphrase, **FEW)
    assert keys_are_equal(PKCS12.load_der(created, passphrase).pkey, someone.pkey)


def test_a_nul_in_a_passphrase_is_refused(der, someone):
    with pytest.raises(PKCS12Error, match="NUL"):
        PKCS12.load_der(der, "secret\0")
    with pytest.raises(PKCS12Error, match="NUL"):
        PKCS12.create(someone.pkey, someone.cert, (), "secret\0more")
    with pytest.raises(PKCS12Error, match="NUL"):
        PKCS12.create(someone.pkey, someone.cert, (), "secret", "name\0")


@pytest.mark.parametrize("cipher", ["aes_128_cbc", "aes_192_cbc", "aes_256_cbc"])
@pytest.mark.parametrize("mac", ["sha1", "sha256", "sha512"])
def test_the_openssl_program_reads_a_file(someone, openssl_command, tmp_path, cipher, mac):
    path = tmp_path / "file.p12"
    created = PKCS12.create(someone.pkey, someone.cert, (), "secret", cipher=cipher, mac=mac, **FEW)
    PKCS12.save(path, created)
    arguments = ("pkcs12", "-in", path, "-noenc", "-passin", "pass:secret")
    out = openssl_command(*arguments)
    assert X509.load_cert_string(out).as_der() == someone.cert.as_der()
    # aes128-CBC-PAD and the like, 2.16.840.1.101.3.4.1 (RFC 3565).
    last = {"aes_128_cbc": 2, "aes_192_cbc": 22, "aes_256_cbc": 42}[cipher]
    assert bytes.fromhex("06096086480165030401") + bytes([last]) in created


@pytest.mark.parametrize(
    "options", [("-keypbe", "AES-256-CBC"), ("-keypbe", "NONE", "-certpbe", "NONE"), ("-nomac",)]
)
def test_a_file_of_the_openssl_program_is_loaded(someone, openssl_command, tmp_path, options):
    if options == ("-nomac",) and m2.openssl_version_num() < 0x30500000:
        pytest.skip("needs OpenSSL >= 3.5, to load an encrypted file without a MAC")
    path = tmp_path / "file.p12"
    openssl_command("pkcs12", "-export", "-in", someone.path, "-out", path, "-name", "theirs",
                    "-passout", "pass:secret", *options)  # fmt: skip
    loaded = PKCS12.load(path, "secret")
    assert keys_are_equal(loaded.pkey, someone.pkey)
    assert loaded.name == "theirs"


def test_parts_can_be_missing(someone, authority):
    certificates = PKCS12.load_der(
        PKCS12.create(None, None, [authority.cert], "secret", **FEW), "secret"
    )
    assert certificates.pkey is certificates.x509 is certificates.name is None
    assert [each.as_der() for each in certificates.ca] == [authority.cert.as_der()]
    assert repr(certificates) == "<PKCS12 no certificate>"
    key = PKCS12.load_der(PKCS12.create(someone.pkey, None, (), "secret", **FEW), "secret")
    assert keys_are_equal(key.pkey, someone.pkey)
    assert key.ca == ()


@pytest.mark.openssl(">= 3.0")
def test_a_file_without_encryption_and_mac(someone):
    created = PKCS12.create(someone.pkey, someone.cert, cipher=None, mac=None)
    assert someone.cert.as_der() in created
    assert keys_are_equal(PKCS12.load_der(created).pkey, someone.pkey)


@pytest.mark.parametrize("options", [{"cipher": None}, {"mac": None}, {}])
def test_encryption_and_mac_need_a_passphrase(someone, options):
    with pytest.raises(PKCS12Error, match="need a passphrase"):
        PKCS12.create(someone.pkey, someone.cert, **options)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"cipher": "aes_256_gcm"}, "CBC mode"),
        ({"cipher": "aes_256_ctr"}, "CBC mode"),
        ({"cipher": "nonsense"}, "unknown cipher"),
        ({"mac": "nonsense"}, "unknown digest"),
        ({"iterations": 0}, "iterations"),
        ({"iterations": -(2**31)}, "iterations"),
    ],
)
def test_an_invalid_option_is_refused(someone, options, why):
    with pytest.raises(PKCS12Error, match=why):
        PKCS12.create(someone.pkey, someone.cert, (), "secret", **options)
    assert m2.err_peek_error() == 0


def test_a_key_of_another_certificate_is_refused(someone, authority):
    with pytest.raises(PKCS12Error, match="key values mismatch"):
        PKCS12.create(someone.pkey, authority.cert, (), "secret", **FEW)


def test_a_public_key_is_refused(someone):
    with pytest.raises(PKCS12Error, match="no private"):
        public = X509.load_cert_der_string(someone.cert.as_der()).get_pubkey()
        PKCS12.create(public, someone.cert, (), "secret")


# ---- files and formats ---------------------------------------------------------------------------


def test_a_file_is_saved_for_its_owner_alone(der, tmp_path):
    path = tmp_path / "file.p12"
    assert PKCS12.save(path, der) == 1
    if os.name == "posix":
        assert path.stat().st_mode & 0o777 == 0o600
    assert PKCS12.load(path, "secret").name == "friendly"
    with pytest.raises(BIOFileError):
        PKCS12.load(tmp_path / "none", "secret")


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\x30\x80", b"\x30\x03\x02\x01\x03"])
def test_malformed_files_are_refused(content):
    with pytest.raises(PKCS12Error) as caught:
        PKCS12.load_der(content, "secret")
    assert not isinstance(caught.value, PassphraseError)
    assert m2.err_peek_error() == 0


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_file_without_content_is_refused(number):
    content = (FILES / f"no_content_{number}.p12").read_bytes()
    with pytest.raises(PKCS12Error):
        PKCS12.load_der(content, "")
    assert m2.err_peek_error() == 0


@pytest.mark.parametrize("wrong", [None, "text", 1])
def test_an_object_of_another_type_is_refused(wrong):
    with pytest.raises(TypeError):
        PKCS12.load_der(wrong, "secret")


# ---- PBMAC1 (RFC 9579) ---------------------------------------------------------------------------


@pytest.mark.openssl(">= 3.4")
@pytest.mark.parametrize("example", ["a1", "a2", "a3"])
def test_the_valid_examples_of_rfc_9579_are_loaded(example):
    loaded = PKCS12.load(FILES / f"rfc9579_{example}.p12", "1234")
    assert loaded.pkey.size() == 256
    assert loaded.x509.verify(loaded.pkey) in (0, 1)
    with pytest.raises(PassphraseError):
        PKCS12.load(FILES / f"rfc9579_{example}.p12", "12345")


@pytest.mark.openssl(">= 3.4")
@pytest.mark.parametrize("example", ["a4", "a5", "a6"])
def test_the_invalid_examples_of_rfc_9579_are_refused(example):
    with pytest.raises(PKCS12Error):
        PKCS12.load(FILES / f"rfc9579_{example}.p12", "1234")
    assert m2.err_peek_error() == 0


@pytest.mark.headers(">= 3.4")
@pytest.mark.parametrize("mac", ["sha256", "sha512"])
def test_pbmac1_is_created_and_verified(someone, mac):
    created = PKCS12.create(someone.pkey, someone.cert, (), "secret", mac=mac, pbmac1=True, **FEW)
    # The OID of PBMAC1 (RFC 8018, appendix A.5).
    assert bytes.fromhex("06092a864886f70d01050e") in created
    assert keys_are_equal(PKCS12.load_der(created, "secret").pkey, someone.pkey)
    with pytest.raises(PassphraseError):
        PKCS12.load_der(created, "Secret")


@pytest.mark.openssl("< 3.4")
def test_pbmac1_needs_openssl_3_4(someone):
    with pytest.raises(PKCS12Error, match=r"needs OpenSSL 3\.4"):
        PKCS12.create(someone.pkey, someone.cert, (), "secret", pbmac1=True, **FEW)
