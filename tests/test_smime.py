"""S/MIME and PKCS #7: messages are signed, verified, encrypted and decrypted (RFC 2315, RFC 8551).

The other side is the `openssl` program.
"""

from __future__ import annotations

import base64

import pytest

from M2Crypto import BIO, EVP, SMIME, X509, m2
from M2Crypto.SMIME import PKCS7_Error, SMIME_Error

TEXT = b"A line.\nAnother line.\n"
CRLF = TEXT.replace(b"\n", b"\r\n")


@pytest.fixture
def smime(someone, trust):
    smime = SMIME.SMIME()
    smime.load_key(someone.path)
    smime.set_x509_store(trust)
    return smime


def written(smime, *arguments, **options):
    out = BIO.MemoryBuffer()
    assert smime.write(out, *arguments, **options) == 1
    return out.read()


def der_of(message):
    out = BIO.MemoryBuffer()
    assert message.write_der(out) == 1
    return out.read()


# ---- signatures ----------------------------------------------------------------------------------


@pytest.mark.parametrize("algo", ["sha1", "sha256", "sha512"])
def test_a_detached_signature_is_verified_with_its_data(smime, algo):
    message = smime.sign(BIO.MemoryBuffer(TEXT), algo=algo)
    assert message.type() == SMIME.PKCS7_SIGNED
    assert message.type(1) == "pkcs7-signedData"
    smime_text = written(smime, message, BIO.MemoryBuffer(TEXT))
    assert smime_text.startswith(b"MIME-Version: 1.0\n")
    loaded, data = SMIME.smime_load_pkcs7_bio(BIO.MemoryBuffer(smime_text))
    assert smime.verify(loaded, data) == CRLF
    assert m2.err_peek_error() == 0


def test_changed_data_do_not_verify(smime):
    message = smime.sign(BIO.MemoryBuffer(TEXT))
    with pytest.raises(PKCS7_Error, match="digest failure") as caught:
        smime.verify(message, BIO.MemoryBuffer(TEXT + b"more"))
    assert caught.value.library == "PKCS7 routines"
    assert m2.err_peek_error() == 0
    with pytest.raises(PKCS7_Error, match="no content"):
        smime.verify(message)


def test_an_opaque_signature_contains_its_data(smime):
    message = smime.sign(BIO.MemoryBuffer(TEXT), flags=SMIME.PKCS7_BINARY)
    assert smime.verify(message) == TEXT
    text = written(smime, message, flags=0)
    loaded, data = SMIME.smime_load_pkcs7_bio(BIO.MemoryBuffer(text))
    assert data is None
    assert smime.verify(loaded) == TEXT


def test_the_openssl_program_verifies_a_signature(smime, authority, openssl_command, tmp_path):
    message = smime.sign(BIO.MemoryBuffer(TEXT))
    text = written(smime, message, BIO.MemoryBuffer(TEXT))
    arguments = ("smime", "-verify", "-CAfile", authority.path)
    assert openssl_command(*arguments, data=text) == CRLF
    openssl_command(*arguments, data=text.replace(b"Another", b"Bnother"), succeeds=False)


@pytest.mark.parametrize(
    "options", [(), ("-nodetach",), ("-nodetach", "-binary"), ("-md", "sha512")]
)
def test_a_signature_of_the_openssl_program_is_verified(smime, someone, openssl_command, options):
    text = openssl_command("smime", "-sign", "-signer", someone.path, *options, data=TEXT)
    message, data = SMIME.smime_load_pkcs7_bio(BIO.MemoryBuffer(text))
    assert (data is None) == ("-nodetach" in options)
    assert smime.verify(message, data) == (TEXT if "-binary" in options else CRLF)


def test_an_untrusted_signer_is_refused(smime):
    message = smime.sign(BIO.MemoryBuffer(TEXT), flags=0)
    smime.set_x509_store(X509.X509_Store())
    with pytest.raises(PKCS7_Error, match="certificate verify error"):
        smime.verify(message)
    assert smime.verify(message, flags=SMIME.PKCS7_NOVERIFY) == CRLF


def test_an_exception_of_the_verify_callback_propagates(smime, trust):
    message = smime.sign(BIO.MemoryBuffer(TEXT), flags=0)

    def verify(ok, context):
        raise KeyError("from the callback")

    trust.set_verify_cb(verify)
    with pytest.raises(KeyError, match="from the callback"):
        smime.verify(message)
    assert m2.err_peek_error() == 0


def test_the_signers_are_returned(smime, someone):
    message = smime.sign(BIO.MemoryBuffer(TEXT), flags=SMIME.PKCS7_NOCERTS)
    assert len(message.get_certificates()) == 0
    with pytest.raises(PKCS7_Error, match="not found"):
        message.get0_signers(None)
    stack = X509.X509_Stack()
    stack.push(someone.cert)
    signers = message.get0_signers(stack)
    del message
    assert [signer.as_der() for signer in signers] == [someone.cert.as_der()]


def test_certificates_accompany_a_signature(smime, someone, authority):
    stack = X509.X509_Stack()
    stack.push(authority.cert)
    smime.set_x509_stack(stack)
    message = smime.sign(BIO.MemoryBuffer(TEXT))
    found = {certificate.as_der() for certificate in message.get_certificates()}
    assert found == {someone.cert.as_der(), authority.cert.as_der()}
    assert len(message.get_crls()) == 0
    assert smime.verify(message, BIO.MemoryBuffer(CRLF)) == CRLF


def test_the_certificate_can_be_in_another_bio(smime, authority):
    key = BIO.MemoryBuffer(authority.pkey.as_pem(None))
    smime.load_key_bio(key, BIO.MemoryBuffer(authority.cert.as_pem()))
    assert smime.x509.as_der() == authority.cert.as_der()
    smime.load_key_bio(BIO.MemoryBuffer(authority.pkey.as_pem(None) + authority.cert.as_pem()))
    assert smime.sign(BIO.MemoryBuffer(TEXT)).type() == SMIME.PKCS7_SIGNED


def test_a_mismatch_of_key_and_certificate_is_refused(smime, authority):
    smime.x509 = authority.cert
    with pytest.raises(PKCS7_Error, match="mismatch|does not match"):
        smime.sign(BIO.MemoryBuffer(TEXT))
    assert m2.err_peek_error() == 0


# ---- encryption ----------------------------------------------------------------------------------


@pytest.fixture
def encrypting(smime, someone):
    stack = X509.X509_Stack()
    stack.push(someone.cert)
    smime.set_x509_stack(stack)
    smime.set_cipher(SMIME.Cipher("aes_256_cbc"))
    return smime


def test_a_message_is_encrypted_and_decrypted(encrypting):
    message = encrypting.encrypt(BIO.MemoryBuffer(TEXT))
    assert message.type() == SMIME.PKCS7_ENVELOPED
    assert TEXT not in der_of(message)
    text = written(encrypting, message)
    loaded, data = SMIME.smime_load_pkcs7_bio(BIO.MemoryBuffer(text))
    assert data is None
    assert encrypting.decrypt(loaded) == CRLF


@pytest.mark.parametrize("cipher", ["aes_128_cbc", "aes_192_cbc", "aes_256_cfb"])
def test_the_openssl_program_decrypts_a_message(encrypting, someone, openssl_command, cipher):
    encrypting.set_cipher(SMIME.Cipher(cipher))
    message = encrypting.encrypt(BIO.MemoryBuffer(TEXT), SMIME.PKCS7_BINARY)
    text = written(encrypting, message)
    assert openssl_command("smime", "-decrypt", "-recip", someone.path, data=text) == TEXT


@pytest.mark.parametrize("cipher", ["-aes128", "-aes256"])
def test_a_message_of_the_openssl_program_is_decrypted(
    encrypting, someone, openssl_command, cipher
):
    text = openssl_command("smime", "-encrypt", "-binary", cipher, someone.path, data=TEXT)
    message, _ = SMIME.smime_load_pkcs7_bio(BIO.MemoryBuffer(text))
    assert encrypting.decrypt(message) == TEXT


def test_a_certificate_that_is_no_recipient_is_refused(encrypting, authority):
    message = encrypting.encrypt(BIO.MemoryBuffer(TEXT))
    encrypting.load_key(authority.path)
    with pytest.raises(PKCS7_Error, match="no recipient matches certificate"):
        encrypting.decrypt(message)


@pytest.mark.parametrize("name", ["aes_128_gcm", "aes_128_ctr", "aes_128_xts", "aes_128_ecb"])
def test_a_cipher_that_pkcs7_does_not_support_is_refused(encrypting, name):
    encrypting.set_cipher(SMIME.Cipher(name))
    with pytest.raises(PKCS7_Error, match="CBC, CFB or OFB mode"):
        encrypting.encrypt(BIO.MemoryBuffer(TEXT))
    with pytest.raises(EVP.EVPError, match="unknown cipher"):
        SMIME.Cipher("no_such_cipher")


def test_a_message_without_recipients_is_refused(encrypting):
    encrypting.set_x509_stack(X509.X509_Stack())
    with pytest.raises(PKCS7_Error, match="no recipient"):
        encrypting.encrypt(BIO.MemoryBuffer(TEXT))


# ---- what is missing -----------------------------------------------------------------------------


def test_each_operation_names_what_it_lacks():
    smime, data, message = SMIME.SMIME(), BIO.MemoryBuffer(TEXT), SMIME.PKCS7()
    with pytest.raises(SMIME_Error, match="set_cipher"):
        smime.encrypt(data)
    smime.set_cipher(SMIME.Cipher("aes_128_cbc"))
    with pytest.raises(SMIME_Error, match="set_x509_stack"):
        smime.encrypt(data)
    for operation in (lambda: smime.sign(data), lambda: smime.decrypt(message)):
        with pytest.raises(SMIME_Error, match="load_key"):
            operation()
    with pytest.raises(SMIME_Error, match="set_x509_store"):
        smime.verify(message)


def test_what_was_set_can_be_unset(encrypting):
    for unset, attribute in (
        (encrypting.unset_key, "pkey"),
        (encrypting.unset_x509_stack, "x509_stack"),
        (encrypting.unset_x509_store, "x509_store"),
        (encrypting.unset_cipher, "cipher"),
    ):
        assert getattr(encrypting, attribute) is not None
        unset()
        assert getattr(encrypting, attribute) is None


@pytest.mark.parametrize("setter", ["set_x509_stack", "set_x509_store", "set_cipher"])
@pytest.mark.parametrize("wrong", [None, "text", 1])
def test_objects_of_another_type_are_refused(smime, setter, wrong):
    with pytest.raises(TypeError):
        getattr(smime, setter)(wrong)


def test_a_digest_must_be_known(smime):
    with pytest.raises(SMIME_Error, match="unknown digest"):
        smime.sign(BIO.MemoryBuffer(TEXT), algo="nonsense")
    with pytest.raises(SMIME_Error, match="needs a digest"):
        smime.sign(BIO.MemoryBuffer(TEXT), algo=None)


# ---- encodings -----------------------------------------------------------------------------------


def test_every_way_of_loading_gives_the_same_message(smime, tmp_path):
    message = smime.sign(BIO.MemoryBuffer(TEXT), 0)
    der, pem = der_of(message), BIO.MemoryBuffer()
    assert message.write(pem) == 1
    pem = pem.read()
    assert base64.b64decode(b"".join(pem.splitlines()[1:-1])) == der
    (tmp_path / "pem").write_bytes(pem)
    (tmp_path / "der").write_bytes(der)
    (tmp_path / "smime").write_bytes(written(smime, message))
    loaded = [
        SMIME.load_pkcs7(tmp_path / "pem"),
        SMIME.load_pkcs7_der(tmp_path / "der"),
        SMIME.load_pkcs7_bio(BIO.MemoryBuffer(pem)),
        SMIME.load_pkcs7_bio_der(BIO.MemoryBuffer(der)),
        SMIME.smime_load_pkcs7(tmp_path / "smime")[0],
    ]
    assert {der_of(each) for each in loaded} == {der}


@pytest.mark.parametrize(
    "load", [SMIME.load_pkcs7_bio, SMIME.load_pkcs7_bio_der, SMIME.smime_load_pkcs7_bio]
)
@pytest.mark.parametrize("content", [b"", b"nonsense", b"\x30\x80", b"\x30\x03\x02\x01\x01"])
def test_malformed_messages_are_refused(load, content):
    with pytest.raises(PKCS7_Error):
        load(BIO.MemoryBuffer(content))
    assert m2.err_peek_error() == 0


# SEQUENCE of the OID of signedData, envelopedData or data alone: the content is OPTIONAL
# (RFC 2315, section 7).
WITHOUT_CONTENT = [bytes.fromhex(f"300b06092a864886f70d01070{kind}") for kind in "123456"]


@pytest.mark.parametrize("der", WITHOUT_CONTENT, ids=lambda der: der[-1])
def test_a_message_without_content_is_refused(smime, der):
    message = SMIME.load_pkcs7_bio_der(BIO.MemoryBuffer(der))
    operations = [
        lambda: smime.verify(message),
        lambda: smime.verify(message, BIO.MemoryBuffer(TEXT)),
        lambda: smime.decrypt(message),
        lambda: message.get0_signers(None),
        lambda: message.get_certificates(),
        lambda: message.get_crls(),
        lambda: smime.write(BIO.MemoryBuffer(), message),
        lambda: smime.write(BIO.MemoryBuffer(), message, BIO.MemoryBuffer(TEXT)),
    ]
    for operation in operations:
        with pytest.raises(PKCS7_Error, match="no content"):
            operation()
    assert m2.err_peek_error() == 0


def test_a_message_of_another_type_is_refused(encrypting):
    message = encrypting.encrypt(BIO.MemoryBuffer(TEXT))
    for operation in (
        lambda: encrypting.verify(message),
        lambda: message.get0_signers(None),
        lambda: message.get_certificates(),
    ):
        with pytest.raises(PKCS7_Error, match="signed data"):
            operation()
    signed = encrypting.sign(BIO.MemoryBuffer(TEXT))
    with pytest.raises(PKCS7_Error, match="wrong content type"):
        encrypting.decrypt(signed)
    assert repr(signed) == "<PKCS7 pkcs7-signedData>"


# ---- degenerate messages -------------------------------------------------------------------------


def test_certificates_are_saved_and_loaded(someone, authority, tmp_path, openssl_command):
    stack = X509.X509_Stack()
    stack.push(someone.cert)
    stack.push(authority.cert)
    path, buffer = tmp_path / "chain.p7b", BIO.MemoryBuffer()
    assert SMIME.save_degenerate(stack, path) == 1
    assert SMIME.create_degenerate(stack, buffer) == 1
    assert path.read_bytes() == buffer.read()
    wanted = sorted([someone.cert.as_der(), authority.cert.as_der()])
    assert sorted(each.as_der() for each in SMIME.load_certificates(path)) == wanted
    printed = openssl_command("pkcs7", "-in", path, "-print_certs", "-noout")
    assert b"Someone" in printed


# ---- text ----------------------------------------------------------------------------------------


def test_text_crlf_makes_a_text_entity():
    entity = b"Content-Type: text/plain\r\n\r\n" + CRLF
    assert SMIME.text_crlf(TEXT) == SMIME.text_crlf(TEXT.decode()) == entity
    assert SMIME.text_crlf_bio(BIO.MemoryBuffer(TEXT)).read() == entity
    copy = BIO.MemoryBuffer()
    m2.smime_crlf_copy(BIO.MemoryBuffer(TEXT)._ptr(), copy._ptr(), 0)
    assert copy.read() == CRLF


def test_a_write_that_fails_raises(smime, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"kept")
    message = smime.sign(BIO.MemoryBuffer(TEXT))
    detached = smime.sign(BIO.MemoryBuffer(TEXT), SMIME.PKCS7_DETACHED)
    # stdio buffers what is smaller.
    long = BIO.MemoryBuffer(TEXT * 10000)
    for write in (
        lambda bio: m2.smime_write_pkcs7(bio, message._ptr(), 0),
        lambda bio: m2.smime_write_pkcs7_multi(bio, detached._ptr(), long._ptr(), 0),
        lambda bio: m2.smime_crlf_copy(BIO.MemoryBuffer(TEXT)._ptr(), bio, 0),
        lambda bio: m2.pkcs7_write_bio(bio, message._ptr()),
        lambda bio: m2.pkcs7_write_bio_der(bio, message._ptr()),
    ):
        with pytest.raises((SMIME.SMIME_Error, SMIME.PKCS7_Error)):
            write(m2.bio_new_file(path, "rb"))
    assert path.read_bytes() == b"kept"
