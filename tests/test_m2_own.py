"""Functions of m2 that programs call and the package does not, and arguments it never passes."""

from __future__ import annotations

import hashlib
import hmac

import pytest

from M2Crypto import EVP, OCSP, SSL, X509, Err, m2
from M2Crypto.EVP import EVPError

SHA256 = m2.get_digestbyname("sha256")
DATA = b"The quick brown fox jumps over the lazy dog"


# ---- digests, HMAC, derivation -------------------------------------------------------------------


@pytest.mark.parametrize("key", [b"", b"key", bytes(200)], ids=["empty", "short", "long"])
def test_an_hmac_in_parts_is_that_of_python(key):
    context = m2.hmac_ctx_new()
    expected = hmac.digest(key, DATA, "sha256")
    for _ in range(2):
        assert m2.hmac_init(context, key, SHA256) == 1
        assert m2.hmac_update(context, DATA[:9]) == 1
        m2.hmac_update(context, DATA[9:])
        assert m2.hmac_final(context) == expected
    assert m2.hmac(key, DATA, SHA256) == expected
    m2.hmac_ctx_free(context)
    with pytest.raises(ValueError, match="freed already"):
        m2.hmac_update(context, b"")


def test_an_hmac_without_a_digest_is_refused():
    with pytest.raises(EVPError):
        m2.hmac(b"key", b"data", m2.get_digestbyname("null") or m2.md_null())


@pytest.mark.parametrize("length", [1, 20, 100])
def test_pbkdf2_derives_as_python_does(length):
    derived = m2.pkcs5_pbkdf2_hmac_sha1(b"password", b"salt", 3, length)
    assert derived == hashlib.pbkdf2_hmac("sha1", b"password", b"salt", 3, length)


def test_pbkdf2_derives_nothing_from_nothing():
    assert m2.pkcs5_pbkdf2_hmac_sha1(b"password", b"salt", 1, 0) == b""
    for iterations, length in ((0, 20), (-1, 20), (1, -1)):
        with pytest.raises(EVPError, match="at least one iteration and a nonnegative length"):
            m2.pkcs5_pbkdf2_hmac_sha1(b"password", b"salt", iterations, length)


def test_update_takes_one_argument_called_data():
    digest = EVP.MessageDigest("sha256")
    assert digest.update(data=DATA) == 1
    for positional, named in (
        ((), {}),
        ((b"", b""), {}),
        ((), {"other": b""}),
        ((b"",), {"data": b""}),
    ):
        with pytest.raises(TypeError, match="takes one argument, data"):
            digest.update(*positional, **named)
    assert digest.final() == hashlib.sha256(DATA).digest()


# ---- keys ----------------------------------------------------------------------------------------


@pytest.mark.needs_ec
def test_a_key_on_an_unknown_curve_is_not_generated():
    with pytest.raises(EVPError):
        m2.pkey_generate("EC", 0, 0, m2.NID_sha256, None, None)


@pytest.mark.needs("DH")
def test_a_key_of_an_unknown_group_is_not_generated():
    with pytest.raises(EVPError):
        m2.pkey_generate("DH", 0, 0, m2.NID_sha256, None, None)


# ---- configurations, OCSP ------------------------------------------------------------------------


def test_a_configuration_can_be_freed():
    configuration = m2.nconf_load(b"[section]\nname = value\n")
    m2.nconf_free(configuration)
    with pytest.raises(ValueError, match="freed already"):
        m2.nconf_free(configuration)


@pytest.mark.needs("OCSP")
def test_indices_out_of_range_are_refused():
    basic, request = m2.ocsp_basic_new(), m2.ocsp_request_new()
    for use in (m2.ocsp_basic_id, m2.ocsp_basic_status, m2.ocsp_basic_this_update,
                m2.ocsp_basic_next_update, m2.ocsp_basic_revoked_at):  # fmt: skip
        for index in (-1, 0, 2**31 - 1):
            with pytest.raises(OCSP.OCSPError, match="no status at that index"):
                use(basic, index)
    assert m2.ocsp_basic_reason(basic, 0) == -1
    with pytest.raises(OCSP.OCSPError, match="no such CertID"):
        m2.ocsp_request_id(request, 0)
    m2.ocsp_basic_free(basic)
    assert m2.err_peek_error() == 0


@pytest.mark.parametrize(
    ("extension", "use"),
    [
        ("authorityInfoAccess", m2.x509_ocsp_urls),
        ("crlDistributionPoints", m2.x509_crl_urls),
        ("tlsfeature", m2.x509_must_staple),
    ],
)
def test_a_malformed_extension_is_an_error(extension, use):
    certificate = X509.X509()
    assert use(certificate.x509) in (b"", 0)
    certificate.add_ext(X509.new_extension(extension, "DER:0500"))
    with pytest.raises(Err.M2CryptoError):
        use(certificate.x509)
    assert m2.err_peek_error() == 0


@pytest.mark.needs("OCSP")
def test_a_client_with_a_response_of_its_own_receives_the_servers(pair, shake, certificates):
    client_context, context = SSL.Context(), SSL.Context()
    context.load_cert(certificates("server.pem"))
    client_context.load_verify_locations(certificates("ca.pem"))
    m2.ssl_ctx_request_ocsp(client_context.ctx, 1)
    response = m2.i2d_ocsp_response(m2.ocsp_response_create(3, None))
    client_context.set_ocsp_response(response)
    context.set_ocsp_response(response)
    client, _ = shake(*pair(client_context, context))
    # OpenSSL 4.0 does not staple what is no certificate's.
    assert m2.ssl_get_ocsp_response(client.ssl) in (response, b"")
    context.set_ocsp_response(None)
    client, _ = shake(*pair(client_context, context))
    assert m2.ssl_get_ocsp_response(client.ssl) == b""
