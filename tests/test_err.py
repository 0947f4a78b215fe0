"""OpenSSL's errors become exceptions that carry all of the queue, which is empty afterwards."""

import pytest

from M2Crypto import BIO, BN, Err, Rand, m2


def fail():
    """Fail once: OpenSSL says why."""
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


def test_an_error_of_the_bindings_own_says_so():
    with pytest.raises(Rand.RandError, match="negative") as caught:
        m2.rand_bytes(-1)
    assert caught.value.library == "M2Crypto"
    assert caught.value.reason == "the number of random bytes is negative"


def test_an_error_with_data_shows_it(tmp_path):
    missing = str(tmp_path / "missing")
    with pytest.raises(Rand.RandError) as caught:
        m2.rand_load_file(missing, -1)
    assert any(missing in str(entry) for entry in caught.value.errors)


def test_a_code_is_written_as_openssl_writes_it():
    code = fail().code
    # ERR_error_string_n(3): error:CODE:LIBRARY:FUNCTION:REASON.
    start, number, library, _, reason = m2.err_error_string(code).decode().split(":")
    assert (start, int(number, 16)) == ("error", code)
    assert (library, reason) == (Err.get_error_lib(code), Err.get_error_reason(code))


def test_an_empty_queue_prints_nothing():
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
def test_verify_errors_have_a_text(code, text):
    assert text in Err.get_x509_verify_error(code)


def test_a_function_that_no_area_claims_raises_the_general_class():
    error = Err._exception("frobnicate", [])
    assert type(error) is Err.M2CryptoError
    assert str(error) == "frobnicate failed and OpenSSL does not say why"
    assert error.errors == ()


def test_an_ssl_error_names_the_client():
    error = Err.SSLError(fail().code, ("127.0.0.1", 4433))
    assert str(error) == "('127.0.0.1', 4433): invalid range"
    assert error.client_addr == ("127.0.0.1", 4433)
