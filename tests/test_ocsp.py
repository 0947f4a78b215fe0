"""OCSP: requests, responses, their checks, a responder, and the openssl program as the peer."""

from __future__ import annotations

import contextlib
import datetime
import http.server
import threading
from pathlib import Path

import pytest

from M2Crypto import ASN1, EVP, OCSP, X509, m2

pytestmark = pytest.mark.needs("OCSP")

DATA = Path(__file__).parent / "data"
NOW = datetime.datetime.now(ASN1.UTC).replace(microsecond=0)
HOUR = datetime.timedelta(hours=1)
DAY = datetime.timedelta(days=1)
REVOKED = OCSP.Revoked(NOW - DAY, OCSP.Reason.KEY_COMPROMISE)


def key(name):
    return EVP.load_key(str(DATA / "keys" / name))


CA = X509.load_cert(str(DATA / "certificates" / "ca.pem"))
CA_KEY = EVP.load_key(str(DATA / "certificates" / "ca.key"))
SERVER = X509.load_cert(str(DATA / "certificates" / "server.pem"))
OTHER_CA = X509.load_cert(str(DATA / "certificates" / "other_ca.pem"))
SERVER_KEY = EVP.load_key(str(DATA / "certificates" / "server.pem"))
ID = OCSP.CertID(SERVER, CA)


def certificate(usage=None, extensions=(), signer=CA_KEY, serial=77):
    """Return a certificate of the test CA for the server's key, with an extended key usage."""
    made = X509.X509()
    made.set_version(2)
    made.set_serial_number(serial)
    made.get_subject().CN = "Test responder"
    made.set_issuer(CA.get_subject())
    for set_time, when in ((made.set_not_before, NOW - DAY), (made.set_not_after, NOW + DAY)):
        time = ASN1.ASN1_TIME()
        time.set_datetime(when)
        set_time(time)
    made.set_pubkey(SERVER.get_pubkey())
    if usage:
        made.add_ext(X509.new_extension("extendedKeyUsage", usage))
    for name, value in extensions:
        made.add_ext(X509.new_extension(name, value))
    made.sign(signer, "sha256")
    return made


def responder(status=OCSP.Status.GOOD, certificate=CA, pkey=CA_KEY, **options):
    return OCSP.Responder(CA, certificate, pkey, lambda serial: status, **options)


@pytest.fixture
def store():
    store = X509.X509_Store()
    store.add_x509(CA)
    return store


def answered(request, by):
    return OCSP.load_response(by.respond(request.as_der()))


# ---- identifiers ---------------------------------------------------------------------------------


def test_an_identifier_has_the_digest_of_the_issuer_and_the_serial_number():
    assert ID.serial_number == SERVER.get_serial_number()
    assert ID.is_issued_by(CA)
    assert not ID.is_issued_by(OTHER_CA)
    assert OCSP.CertID(SERVER, CA) == ID
    assert hash(OCSP.CertID(SERVER, CA)) == hash(ID)
    assert OCSP.CertID(SERVER, OTHER_CA) != ID
    assert OCSP.CertID(SERVER, CA, "sha256") != ID
    assert ID.serial_number != ID
    assert f"{ID.serial_number:#x}" in repr(ID)
    # RFC 6960, section 4.1.1: the SHA-1 of the issuer's name is an octet string of the CertID.
    assert EVP.MessageDigest("sha1").final() not in ID.as_der()
    digest = EVP.MessageDigest("sha1")
    digest.update(CA.get_subject().as_der())
    assert digest.final() in ID.as_der()


def test_an_identifier_needs_a_certificate_and_a_known_digest():
    with pytest.raises(TypeError, match="a certificate and its issuer"):
        OCSP.CertID(SERVER)
    with pytest.raises(OCSP.OCSPError, match="unknown digest algorithm: sha0"):
        OCSP.CertID(SERVER, CA, "sha0")


# ---- requests ------------------------------------------------------------------------------------


def test_a_request_is_what_was_asked_and_round_trips():
    request = OCSP.Request([ID, OCSP.CertID(SERVER, CA, "sha256")])
    assert request.ids == [ID, OCSP.CertID(SERVER, CA, "sha256")]
    assert len(request.nonce) == 32
    assert not request.is_signed
    again = OCSP.load_request(request.as_der())
    assert again.ids == request.ids
    assert again.nonce == request.nonce
    assert OCSP.Request([ID]).nonce != OCSP.Request([ID]).nonce
    assert OCSP.Request([ID], nonce=False).nonce is None


def test_an_empty_nonce_is_refused():
    # OpenSSL would read as many bytes as its own nonces have.
    request = OCSP.Request([ID], nonce=False)
    with pytest.raises(OCSP.OCSPError, match="a nonce has at least one byte"):
        m2.ocsp_request_add_nonce(request.request, b"")
    assert request.nonce is None
    m2.ocsp_request_add_nonce(request.request, b"1")
    assert request.nonce == b"1"


def test_a_response_is_signed_once():
    """By the name and then by the key of the responder, which OpenSSL takes for a name."""
    by_key = 0x400
    for flags in ((0, 0), (0, by_key), (by_key, 0), (by_key, by_key)):
        basic = m2.ocsp_basic_new()
        sign = (basic, CA.x509, CA_KEY.pkey, m2.sha256(), None)
        assert m2.ocsp_basic_sign(*sign, flags[0]) == 1
        with pytest.raises(OCSP.OCSPError, match="already signed"):
            m2.ocsp_basic_sign(*sign, flags[1])


def test_a_request_can_be_signed():
    request = OCSP.Request([ID])
    request.sign(SERVER, SERVER_KEY)
    assert OCSP.load_request(request.as_der()).is_signed
    with pytest.raises(OCSP.OCSPError, match="key"):
        OCSP.Request([ID]).sign(SERVER, CA_KEY)
    with pytest.raises(OCSP.OCSPError, match="unknown digest"):
        OCSP.Request([ID]).sign(SERVER, SERVER_KEY, "sha0")


@pytest.mark.parametrize("load", [OCSP.load_request, OCSP.load_response])
@pytest.mark.parametrize("data", [b"", b"0", b"\x30\x80", b"x" * 100, b"0" * 70000])
def test_malformed_data_are_refused(load, data):
    with pytest.raises(OCSP.OCSPError):
        load(data)
    assert m2.err_peek_error() == 0


@pytest.mark.parametrize("data", [None, "text", 3])
def test_other_types_are_refused(data):
    with pytest.raises(TypeError):
        OCSP.load_response(data)


def test_data_after_a_message_are_refused():
    request = OCSP.Request([ID])
    with pytest.raises(OCSP.OCSPError, match="continues after"):
        OCSP.load_request(request.as_der() + b"\0")
    with pytest.raises(OCSP.OCSPError, match="continues after"):
        OCSP.load_response(responder().respond(request.as_der()) + b"\0")


# ---- responses -----------------------------------------------------------------------------------


def test_a_good_certificate_is_good(store):
    request = OCSP.Request([ID])
    response = answered(request, responder())
    answer = response.check(request, store)
    assert answer.id == ID
    assert answer.status is OCSP.Status.GOOD
    assert abs(answer.this_update - NOW) < HOUR
    assert answer.next_update - answer.this_update == HOUR
    assert answer.revoked_at is None
    assert answer.reason is None
    assert response.status is OCSP.ResponseStatus.SUCCESSFUL
    assert response.nonce == request.nonce
    assert abs(response.produced_at - NOW) < HOUR
    assert response.responder_name.as_der() == CA.get_subject().as_der()
    assert response.responder_key_hash is None
    assert [each.as_der() for each in response.certificates] == [CA.as_der()]
    assert "Cert Status: good" in response.as_text()
    assert OCSP.load_response(response.as_der()).answers == [answer]


def test_a_revoked_certificate_has_its_time_and_reason(store):
    answer = answered(OCSP.Request([ID]), responder(REVOKED)).check(ID, store)
    assert answer.status is OCSP.Status.REVOKED
    assert answer.revoked_at == REVOKED.at
    assert answer.reason is OCSP.Reason.KEY_COMPROMISE
    plain = answered(OCSP.Request([ID]), responder(OCSP.Revoked(NOW))).check(ID, store)
    assert plain.reason is None


def test_a_certificate_of_another_issuer_is_unknown_and_the_answer_not_trusted(store):
    foreign = OCSP.CertID(SERVER, OTHER_CA)
    response = answered(OCSP.Request([foreign]), responder())
    assert response.find(foreign).status is OCSP.Status.UNKNOWN
    with pytest.raises(OCSP.OCSPError, match="not trusted"):
        response.check(foreign, store)


def test_a_certificate_that_the_issuer_does_not_know_is_unknown(store):
    answer = answered(OCSP.Request([ID]), responder(OCSP.Status.UNKNOWN)).check(ID, store)
    assert answer.status is OCSP.Status.UNKNOWN


def test_a_responder_with_a_certificate_of_the_issuer_is_trusted(store):
    delegate = responder(certificate=certificate("OCSPSigning"), pkey=SERVER_KEY)
    assert answered(OCSP.Request([ID]), delegate).check(ID, store).status is OCSP.Status.GOOD


@pytest.mark.parametrize("usage", [None, "serverAuth"])
def test_a_responder_without_the_key_usage_is_not_trusted(store, usage):
    impostor = responder(certificate=certificate(usage), pkey=SERVER_KEY)
    with pytest.raises(OCSP.OCSPError, match="ocsp"):
        answered(OCSP.Request([ID]), impostor).check(ID, store)
    assert m2.err_peek_error() == 0


def test_a_responder_that_the_issuer_did_not_sign_is_not_trusted(store):
    forged = certificate("OCSPSigning", signer=SERVER_KEY)
    impostor = responder(certificate=forged, pkey=SERVER_KEY)
    response = answered(OCSP.Request([ID]), impostor)
    with pytest.raises(OCSP.OCSPError):
        response.check(ID, store)
    assert m2.err_peek_error() == 0


def test_a_response_that_is_not_signed_is_refused(store):
    with pytest.raises(OCSP.OCSPError, match="the response is not signed"):
        m2.ocsp_basic_verify(m2.ocsp_basic_new(), None, store._ptr(), 0)


def test_a_root_is_its_own_issuer():
    assert OCSP.CertID(CA, CA).is_issued_by(CA)


def test_a_store_without_the_issuer_trusts_nothing():
    with pytest.raises(OCSP.OCSPError):
        answered(OCSP.Request([ID]), responder()).check(ID, X509.X509_Store())


def test_an_altered_response_is_refused(store):
    der = bytearray(responder().respond(OCSP.Request([ID]).as_der()))
    refused = 0
    for index in range(0, len(der), 7):
        der[index] ^= 1
        try:
            answer = OCSP.load_response(bytes(der)).check(ID, store)
        except OCSP.OCSPError:
            refused += 1
        else:
            # A byte of the certificate in the response, which the signature does not cover.
            assert answer.status is OCSP.Status.GOOD
        der[index] ^= 1
    assert refused > len(der) // 7 // 3
    assert m2.err_peek_error() == 0


def test_a_nonce_of_another_request_is_refused(store):
    response = answered(OCSP.Request([ID]), responder())
    with pytest.raises(OCSP.OCSPError, match="nonce of another request"):
        response.check(OCSP.Request([ID]), store)
    # A responder that signs in advance has none.
    assert answered(OCSP.Request([ID], nonce=False), responder()).check(OCSP.Request([ID]), store)


def test_a_response_for_another_certificate_is_refused(store):
    other = OCSP.CertID(certificate(serial=78), CA)
    response = answered(OCSP.Request([other]), responder())
    assert response.find(ID) is None
    with pytest.raises(OCSP.OCSPError, match="no status for certificate"):
        response.check(ID, store)


@pytest.mark.parametrize(
    ("at", "problem"),
    [(NOW + 2 * HOUR, "expired"), (NOW - HOUR, "not yet valid")],
    ids=["expired", "future"],
)
def test_a_response_that_is_not_current_is_refused(store, at, problem):
    response = answered(OCSP.Request([ID]), responder())
    with pytest.raises(OCSP.OCSPError, match=problem):
        response.check(ID, store, at=at)


def test_clocks_may_differ_by_minutes(store):
    response = answered(OCSP.Request([ID]), responder())
    minutes = datetime.timedelta(minutes=3)
    begin = response.answers[0].this_update
    assert response.check(ID, store, at=begin - minutes)
    assert response.check(ID, store, at=begin + HOUR + minutes)


def test_an_old_answer_can_be_refused(store):
    response = answered(OCSP.Request([ID]), responder(validity=100 * DAY))
    assert response.check(ID, store, at=NOW + DAY)
    with pytest.raises(OCSP.OCSPError, match="too old"):
        response.check(ID, store, at=NOW + DAY, max_age=HOUR)


def test_a_period_that_ends_before_it_begins_is_refused(store):
    response = answered(OCSP.Request([ID]), responder(validity=-DAY))
    with pytest.raises(OCSP.OCSPError, match="before its thisUpdate"):
        response.check(ID, store)


def test_several_certificates_are_found_one_by_one(store):
    second = OCSP.CertID(certificate(serial=78), CA)
    request = OCSP.Request([ID, second])
    states = {ID.serial_number: OCSP.Status.GOOD, 78: REVOKED}
    response = answered(request, OCSP.Responder(CA, CA, CA_KEY, states.__getitem__))
    with pytest.raises(ValueError, match="for 2 certificates"):
        response.check(request, store)
    response.verify(store)
    assert [answer.status for answer in response.answers] == [0, 1]
    assert response.find(second).status is OCSP.Status.REVOKED


@pytest.mark.parametrize("der", [b"", b"GET / HTTP/1.0", OCSP.Request().as_der()])
def test_a_malformed_request_is_answered_by_its_status(store, der):
    response = OCSP.load_response(responder().respond(der))
    assert response.status is OCSP.ResponseStatus.MALFORMED_REQUEST
    for use in (lambda: response.check(ID, store), lambda: response.answers):
        with pytest.raises(OCSP.OCSPError, match="answered malformed_request"):
            use()


def test_a_revocation_needs_its_time():
    with pytest.raises(ValueError, match=r"return Revoked\(at\)"):
        responder(OCSP.Status.REVOKED).respond(OCSP.Request([ID]).as_der())


def test_an_exception_of_the_status_propagates():
    broken = OCSP.Responder(CA, CA, CA_KEY, {}.__getitem__)
    with pytest.raises(KeyError):
        broken.respond(OCSP.Request([ID]).as_der())


def test_threads_check_one_response(store):
    request = OCSP.Request([ID])
    response = answered(request, responder())
    found = []

    def check():
        found.extend(response.check(request, store).status for _ in range(20))

    threads = [threading.Thread(target=check) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [OCSP.Status.GOOD] * 80


# ---- the network ---------------------------------------------------------------------------------


@contextlib.contextmanager
def served(answer):
    """Serve POST requests by `answer(body)`, which returns status, type and body; yield the URL."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, kind, content = answer(body)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/ocsp?x=1"
        finally:
            server.shutdown()
            thread.join()


KIND = "application/ocsp-response"


def test_a_response_is_fetched_and_checked(store):
    request = OCSP.Request([ID])
    with served(lambda body: (200, KIND, responder(REVOKED).respond(body))) as url:
        answer = OCSP.fetch(request, url, timeout=10).check(request, store)
    assert answer.status is OCSP.Status.REVOKED


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ((404, KIND, b""), "answered 404"),
        ((200, "text/html", b"<html>"), "with text/html"),
        ((200, KIND, b"x" * ((1 << 20) + 1)), "more than 1048576 bytes"),
        ((200, KIND, b"junk"), None),
    ],
    ids=["missing", "HTML", "huge", "junk"],
)
def test_what_is_no_response_is_refused(answer, problem):
    with served(lambda body: answer) as url, pytest.raises(OCSP.OCSPError, match=problem):
        OCSP.fetch(OCSP.Request([ID]), url)


def test_a_responder_that_does_not_answer_times_out():
    proceed = threading.Event()

    def answer(body):
        proceed.wait(30)
        return 200, KIND, b""

    with served(answer) as url:
        with pytest.raises(OCSP.OCSPError, match="no answer in 0.2 s"):
            OCSP.fetch(OCSP.Request([ID]), url, timeout=0.2)
        proceed.set()


@pytest.mark.parametrize(
    "url", ["https://127.0.0.1/", "file:///etc/passwd", "http:///", "http://127.0.0.1:x/", ""]
)
def test_a_url_that_is_not_http_is_refused(url):
    with pytest.raises(OCSP.OCSPError):
        OCSP.fetch(OCSP.Request([ID]), url)


def test_a_responder_that_is_not_there_is_named():
    with served(lambda body: (200, KIND, b"")) as url:
        pass
    with pytest.raises(OCSP.OCSPError, match="http://127.0.0.1"):
        OCSP.fetch(OCSP.Request([ID]), url)


def test_the_urls_are_those_of_the_certificate():
    assert OCSP.urls(SERVER) == []
    access = "OCSP;URI:http://a.example/,caIssuers;URI:http://b.example/,OCSP;URI:http://c.example"
    made = certificate(extensions=[("authorityInfoAccess", access)])
    assert OCSP.urls(made) == ["http://a.example/", "http://c.example"]


# ---- the openssl program -------------------------------------------------------------------------


def test_openssl_verifies_our_response(openssl, tmp_path):
    with served(lambda body: (200, KIND, responder(REVOKED).respond(body))) as url:
        process = openssl(
            "ocsp", "-issuer", DATA / "certificates" / "ca.pem", "-CAfile",
            DATA / "certificates" / "ca.pem", "-cert", DATA / "certificates" / "server.pem",
            "-url", url,
        )  # fmt: skip
        output, _ = process.communicate(timeout=30)
    assert b"Response verify OK" in output
    assert b"revoked" in output
    assert b"keyCompromise" in output


@pytest.mark.parametrize(
    ("entry", "status"),
    [("V", OCSP.Status.GOOD), ("R", OCSP.Status.REVOKED), ("", OCSP.Status.UNKNOWN)],
    ids=["good", "revoked", "unknown"],
)
def test_a_response_of_openssl_is_checked(openssl, store, tmp_path, entry, status):
    index, asked, response = tmp_path / "index", tmp_path / "request", tmp_path / "response"
    revoked = "200102030405Z,superseded" if entry == "R" else ""
    line = f"{entry}\t300101000000Z\t{revoked}\t{SERVER.get_serial_number():02X}\tunknown\t/CN=x\n"
    index.write_text(line if entry else "")
    request = OCSP.Request([ID])
    asked.write_bytes(request.as_der())
    process = openssl(
        "ocsp", "-index", index, "-CA", DATA / "certificates" / "ca.pem",
        "-rsigner", DATA / "certificates" / "ca.pem", "-rkey", DATA / "certificates" / "ca.key",
        "-reqin", asked, "-respout", response, "-ndays", "1",
    )  # fmt: skip
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 0, output
    answer = OCSP.load_response(response.read_bytes()).check(request, store)
    assert answer.status is status
    if status is OCSP.Status.REVOKED:
        assert answer.reason is OCSP.Reason.SUPERSEDED
        assert answer.revoked_at == datetime.datetime(2020, 1, 2, 3, 4, 5, tzinfo=ASN1.UTC)
