"""OpenSSL's errors become exceptions that contain the whole queue and leave it empty."""

import pickle

import pytest

from M2Crypto import BIO, BN, EC, EVP, RSA, SSL, X509, Err, Rand, m2, util
from M2Crypto._errors import from_queue


def fail():
    """Fail once and return the exception."""
    with pytest.raises(Err.M2CryptoError) as caught:
        BN.rand_range(0)
    return caught.value


def test_an_error_has_openssls_text_library_reason_and_code():
    error = fail()
    assert str(error) == error.reason == "invalid range"
    assert error.library == "bignum routines"
    assert Err.get_error_reason(error.code) == "invalid range"
    assert Err.get_error_lib(error.code) == "bignum routines"
    assert [entry.code for entry in error.errors] == [error.code]


def test_the_queue_is_empty_after_an_exception():
    fail()
    assert Err.peek_error_code() == 0
    assert Err.get_error_code() == 0
    assert Err.get_error() is None
    assert Err.get_error_message() == ""


def test_an_error_raised_by_the_extension_names_the_extension():
    with pytest.raises(Rand.RandError, match="negative") as caught:
        m2.rand_bytes(-1)
    assert caught.value.library == "M2Crypto"
    assert caught.value.reason == "the number of random bytes is negative"


def test_the_message_contains_the_data_of_the_error(tmp_path):
    missing = str(tmp_path / "missing")
    with pytest.raises(Rand.RandError) as caught:
        m2.rand_load_file(missing, -1)
    assert any(missing in str(entry) for entry in caught.value.errors)


def test_an_error_code_is_formatted_as_openssl_does():
    code = fail().code
    # ERR_error_string_n(3): error:CODE:LIBRARY:FUNCTION:REASON.
    start, number, library, _, reason = m2.err_error_string(code).decode().split(":")
    assert (start, int(number, 16)) == ("error", code)
    assert (library, reason) == (Err.get_error_lib(code), Err.get_error_reason(code))


def test_the_last_error_of_an_empty_queue_is_0():
    fail()
    assert m2.err_peek_last_error() == 0


def test_printing_an_empty_queue_writes_nothing():
    buffer = BIO.MemoryBuffer()
    m2.err_print_errors(buffer.bio_ptr())
    assert buffer.read() is None


def test_an_unknown_code_has_no_text():
    assert Err.get_error_reason(0) == ""
    assert Err.get_error_lib(0) == ""
    assert Err.get_error_func(0) == ""


@pytest.mark.parametrize(
    ("code", "text"), [(0, "ok"), (10, "certificate has expired"), (18, "self")]
)
def test_each_verify_error_has_a_text(code, text):
    assert text in Err.get_x509_verify_error(code)


def test_an_area_without_a_class_of_its_own_raises_the_base_class():
    error = from_queue("", "frobnicate", [])
    assert type(error) is Err.M2CryptoError
    assert str(error) == "frobnicate failed without an error in OpenSSL's queue"
    assert error.errors == ()


def test_an_ssl_error_contains_the_client_address():
    error = Err.SSLError(fail().code, ("127.0.0.1", 4433))
    assert str(error) == "('127.0.0.1', 4433): invalid range"
    assert error.client_addr == ("127.0.0.1", 4433)


def test_every_exception_of_the_package_is_an_m2crypto_error_and_is_pickled():
    for error in (
        BIO.BIOError,
        EC.ECError,
        EVP.EVPError,
        Err.SSLError,
        RSA.RSAError,
        Rand.RandError,
        SSL.Checker.SSLVerificationError,
        SSL.SSLError,
        X509.X509Error,
        util.UtilError,
    ):
        assert issubclass(error, Err.M2CryptoError)
        assert (error.code, error.library, error.reason, error.errors) == (0, "", "", ())
        assert pickle.loads(pickle.dumps(error)) is error


def test_a_failed_function_raises_the_exception_of_its_area():
    nothing = m2.bio_new_mem()
    for error, fail in (
        (BIO.BIOError, lambda: m2.bio_read(nothing, -1)),
        (Err.M2CryptoError, lambda: m2.bn_rand_range(m2.bn_new())),
        (EVP.EVPError, lambda: m2.pkey_size(m2.pkey_new())),
        (RSA.RSAError, lambda: m2.rsa_read_key(nothing, None)),
        (Rand.RandError, lambda: m2.rand_bytes(-1)),
        (SSL.SSLError, lambda: m2.ssl_session_read_bio(nothing)),
        (X509.X509Error, lambda: m2.x509_read_pem(nothing)),
    ):
        with pytest.raises(Err.M2CryptoError) as caught:
            fail()
        assert type(caught.value) is error
