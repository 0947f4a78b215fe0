"""CMS messages are signed, verified, encrypted and decrypted (RFC 5652).

The other side is the `openssl` program.
"""

from __future__ import annotations

import pickle

import pytest

from M2Crypto import CMS, X509, m2
from M2Crypto.CMS import CMSError, Flags

DATA = b"Octets \0\xff of any kind.\n"
# Text in multipart/signed has these line ends.
TEXT = b"A line.\r\nAnother line.\r\n"

needs_cms = pytest.mark.needs("CMS")
pytestmark = needs_cms


# ---- signatures ----------------------------------------------------------------------------------


@pytest.mark.parametrize("md", ["sha1", "sha256", "sha384", None])
def test_a_signed_message_is_verified(someone, trust, md):
    message = CMS.sign(DATA, someone.cert, someone.pkey, md=md)
    assert message.type == "pkcs7-signedData"
    assert not message.detached
    assert message.verify(trust) == DATA
    assert [each.as_der() for each in message.signers()] == [someone.cert.as_der()]
    assert m2.err_peek_error() == 0


@pytest.mark.needs_ec
@pytest.mark.parametrize("md", ["sha256", "sha512"])
def test_an_ec_key_signs(someone_ec, trust, md):
    message = CMS.sign(DATA, someone_ec.cert, someone_ec.pkey, md=md)
    assert CMS.load_der(message.as_der()).verify(trust) == DATA


def test_a_detached_signature_needs_its_data(someone, trust):
    message = CMS.sign(DATA, someone.cert, someone.pkey, flags=Flags.DETACHED | Flags.BINARY)
    assert message.detached
    assert DATA not in message.as_der()
    assert message.verify(trust, data=DATA) == DATA
    assert message.verify(trust, data=bytearray(DATA), flags=Flags.BINARY) == DATA
    with pytest.raises(CMSError, match="verification failure|digest"):
        message.verify(trust, data=DATA + b"more")
    with pytest.raises(CMSError, match="no content"):
        message.verify(trust)
    assert m2.err_peek_error() == 0


def test_empty_data_are_signed(someone, trust):
    message = CMS.sign(b"", someone.cert, someone.pkey, flags=Flags.DETACHED | Flags.BINARY)
    assert message.verify(trust, data=b"") == b""


def test_a_changed_message_does_not_verify(someone, trust):
    der = CMS.sign(DATA, someone.cert, someone.pkey).as_der()
    changed = CMS.load_der(der.replace(b"any kind", b"one kind"))
    with pytest.raises(CMSError) as caught:
        changed.verify(trust)
    assert caught.value.library == "CMS routines"
    assert m2.err_peek_error() == 0


def test_an_untrusted_signer_is_refused(someone):
    message = CMS.sign(DATA, someone.cert, someone.pkey)
    nobody = X509.X509_Store()
    with pytest.raises(CMSError, match="certificate verify error"):
        message.verify(nobody)
    assert message.verify(nobody, flags=Flags.NO_SIGNER_CERT_VERIFY) == DATA


def test_the_signers_certificate_can_be_given(someone, trust):
    message = CMS.sign(DATA, someone.cert, someone.pkey, flags=Flags.NOCERTS | Flags.BINARY)
    assert len(message.certificates()) == len(message.crls()) == 0
    again = CMS.load_der(message.as_der())
    with pytest.raises(CMSError, match="signer certificate not found"):
        again.verify(trust)
    assert CMS.load_der(message.as_der()).verify(trust, [someone.cert]) == DATA


def test_certificates_accompany_a_signature(someone, authority, trust):
    message = CMS.sign(DATA, someone.cert, someone.pkey, [authority.cert])
    found = {each.as_der() for each in message.certificates()}
    assert found == {someone.cert.as_der(), authority.cert.as_der()}


@pytest.mark.parametrize("options", [(), ("-nodetach",), ("-keyid",), ("-md", "sha512")])
def test_a_signature_of_the_openssl_program_is_verified(someone, trust, openssl_command, options):
    text = openssl_command("cms", "-sign", "-binary", "-signer", someone.path, *options, data=TEXT)
    message, data = CMS.load_smime(text)
    assert (data is None) == (options == ("-nodetach",))
    assert message.verify(trust, data=data) == TEXT


@pytest.mark.parametrize("form", ["DER", "PEM"])
def test_the_openssl_program_verifies_a_signature(
    someone, authority, openssl_command, tmp_path, form
):
    message = CMS.sign(DATA, someone.cert, someone.pkey)
    (tmp_path / "message").write_bytes(message.as_der() if form == "DER" else message.as_pem())
    arguments = ("cms", "-verify", "-binary", "-inform", form, "-CAfile", authority.path)
    assert openssl_command(*arguments, "-in", tmp_path / "message") == DATA


def test_the_openssl_program_verifies_s_mime(someone, authority, openssl_command):
    message = CMS.sign(TEXT, someone.cert, someone.pkey, flags=Flags.DETACHED)
    text = message.as_smime(TEXT)
    assert openssl_command("cms", "-verify", "-CAfile", authority.path, data=text) == TEXT
    assert CMS.load_smime(text)[1] == TEXT


def test_a_key_of_another_certificate_is_refused(someone, authority):
    with pytest.raises(CMSError, match="mismatch|does not match"):
        CMS.sign(DATA, authority.cert, someone.pkey)
    with pytest.raises(CMSError, match="unknown digest"):
        CMS.sign(DATA, someone.cert, someone.pkey, md="nonsense")
    assert m2.err_peek_error() == 0


# ---- encryption ----------------------------------------------------------------------------------


@pytest.mark.parametrize("cipher", ["aes_128_cbc", "aes_256_cbc", "aes_256_ofb"])
def test_a_message_is_encrypted_and_decrypted(someone, authority, cipher):
    message = CMS.encrypt(DATA, [authority.cert, someone.cert], cipher)
    assert message.type == "pkcs7-envelopedData"
    again = CMS.load_pem(message.as_pem())
    assert again.decrypt(someone.pkey, someone.cert) == DATA
    assert again.decrypt(authority.pkey, authority.cert) == DATA
    # With one recipient: OpenSSL decrypts the key for another one to a random key.
    assert CMS.encrypt(DATA, [someone.cert], cipher).decrypt(someone.pkey) == DATA
    assert m2.err_peek_error() == 0


@pytest.mark.needs_ec
def test_a_message_is_encrypted_for_an_ec_key(someone_ec, openssl_command, tmp_path):
    message = CMS.encrypt(DATA, [someone_ec.cert])
    assert message.decrypt(someone_ec.pkey, someone_ec.cert) == DATA
    (tmp_path / "message").write_bytes(message.as_der())
    arguments = ("cms", "-decrypt", "-inform", "DER", "-recip", someone_ec.path)
    assert openssl_command(*arguments, "-in", tmp_path / "message") == DATA


@pytest.mark.openssl(">= 3.0")
def test_an_authenticated_message_is_encrypted_and_decrypted(someone, openssl_command):
    message = CMS.encrypt(DATA, [someone.cert], "aes_256_gcm")
    assert message.type == "id-smime-ct-authEnvelopedData"
    der = message.as_der()
    assert CMS.load_der(der).decrypt(someone.pkey, someone.cert) == DATA
    # The tag is the last field (RFC 5083, section 2.1).
    changed = der[:-1] + bytes([der[-1] ^ 1])
    with pytest.raises(CMSError):
        CMS.load_der(changed).decrypt(someone.pkey, someone.cert)
    text = openssl_command("cms", "-encrypt", "-binary", "-aes-128-gcm", someone.path, data=DATA)
    assert CMS.load_smime(text)[0].decrypt(someone.pkey, someone.cert) == DATA


@pytest.mark.openssl("< 3.0")
def test_an_authenticated_message_needs_openssl_3(someone):
    with pytest.raises(CMSError, match=r"needs OpenSSL 3\.0"):
        CMS.encrypt(DATA, [someone.cert], "aes_256_gcm")


@pytest.mark.parametrize("options", [("-aes128",), ("-aes256",), ("-aes256", "-keyid")])
def test_a_message_of_the_openssl_program_is_decrypted(someone, openssl_command, options):
    text = openssl_command("cms", "-encrypt", "-binary", *options, "-recip", someone.path,
                           data=DATA)  # fmt: skip
    message, data = CMS.load_smime(text)
    assert data is None
    assert message.decrypt(someone.pkey, someone.cert) == DATA


def test_a_certificate_that_is_no_recipient_is_refused(someone, authority):
    message = CMS.encrypt(DATA, [someone.cert])
    with pytest.raises(CMSError, match="no recipient of this certificate|no matching recipient"):
        message.decrypt(authority.pkey, authority.cert)
    with pytest.raises(CMSError):
        message.decrypt(authority.pkey, flags=Flags.DEBUG_DECRYPT)
    assert m2.err_peek_error() == 0


@pytest.mark.parametrize("cipher", ["aes_128_ctr", "aes_128_ecb", "aes_128_xts", "aes_128_ccm"])
def test_a_cipher_that_cms_does_not_support_is_refused(someone, cipher):
    with pytest.raises(CMSError, match="CMS supports ciphers"):
        CMS.encrypt(DATA, [someone.cert], cipher)


def test_a_message_without_recipients_is_refused():
    with pytest.raises(CMSError, match="no recipient"):
        CMS.encrypt(DATA, [])


# ---- encodings and types -------------------------------------------------------------------------


def test_a_message_is_loaded_from_files_and_pickles(someone, trust, tmp_path):
    message = CMS.sign(DATA, someone.cert, someone.pkey)
    (tmp_path / "message.pem").write_bytes(message.as_pem())
    assert CMS.load(tmp_path / "message.pem").as_der() == message.as_der()
    assert pickle.loads(pickle.dumps(message)).verify(trust) == DATA
    assert repr(message) == "<ContentInfo pkcs7-signedData>"


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\x30\x80", b"\x30\x03\x02\x01\x01"])
@pytest.mark.parametrize("load", ["load_pem", "load_der", "load_smime"])
def test_malformed_messages_are_refused(load, content):
    with pytest.raises(CMSError):
        getattr(CMS, load)(content)
    assert m2.err_peek_error() == 0


@pytest.mark.parametrize("kind", "12356")
def test_a_message_without_content_is_refused(kind):
    # As in PKCS #7; in CMS the content is required (RFC 5652, section 3).
    with pytest.raises(CMSError):
        CMS.load_der(bytes.fromhex(f"300b06092a864886f70d01070{kind}"))


def test_a_message_of_another_type_is_refused(someone, trust):
    encrypted = CMS.encrypt(DATA, [someone.cert])
    signed = CMS.sign(DATA, someone.cert, someone.pkey)
    for operation in (
        lambda: encrypted.verify(trust),
        lambda: encrypted.signers(),
        lambda: signed.decrypt(someone.pkey),
    ):
        with pytest.raises(CMSError, match=r"type|content"):
            operation()
    assert m2.err_peek_error() == 0


@pytest.mark.parametrize("wrong", [None, "text", 1])
def test_arguments_of_another_type_are_refused(someone, trust, wrong):
    with pytest.raises(TypeError):
        CMS.sign(wrong, someone.cert, someone.pkey)
    with pytest.raises(TypeError):
        CMS.encrypt(wrong, [someone.cert])
    with pytest.raises((TypeError, AttributeError)):
        CMS.sign(DATA, wrong, someone.pkey)
    with pytest.raises((TypeError, AttributeError)):
        CMS.sign(DATA, someone.cert, someone.pkey).verify(wrong)


def test_the_flags_have_the_values_of_openssl():
    for flag in Flags:
        assert getattr(m2, f"CMS_{flag.name}") == flag
