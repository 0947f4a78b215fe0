"""Revocation checks of connections: stapled responses, responders, CRLs, and what they refuse."""

from __future__ import annotations

import contextlib
import datetime
import http.server
import os
import threading
from pathlib import Path

import pytest

from M2Crypto import ASN1, EVP, OCSP, SSL, X509
from M2Crypto.SSL.Revocation import Cache, Revocation, RevocationError, Source

pytestmark = pytest.mark.needs("OCSP")

DATA = Path(__file__).parent / "data"
NOW = datetime.datetime.now(ASN1.UTC).replace(microsecond=0)
HOUR = datetime.timedelta(hours=1)
DAY = datetime.timedelta(days=1)

CA = X509.load_cert(str(DATA / "certificates" / "ca.pem"))
CA_KEY = EVP.load_key(str(DATA / "certificates" / "ca.key"))
KEY_FILE = DATA / "keys" / "rsa_2048.pem"
KEY = EVP.load_key(str(KEY_FILE))
OCSP_RESPONSE = "application/ocsp-response"
REVOKED = OCSP.Revoked(NOW - DAY, OCSP.Reason.SUPERSEDED)


def leaf(serial=4711, **extensions):
    """Return a certificate of the test CA for localhost, with further extensions."""
    made = X509.X509()
    made.set_version(2)
    made.set_serial_number(serial)
    made.get_subject().CN = "localhost"
    made.set_issuer(CA.get_subject())
    for set_time, when in ((made.set_not_before, NOW - DAY), (made.set_not_after, NOW + DAY)):
        time = ASN1.ASN1_TIME()
        time.set_datetime(when)
        set_time(time)
    made.set_pubkey(KEY)
    made.add_ext(X509.new_extension("subjectAltName", "DNS:localhost"))
    for name, value in extensions.items():
        made.add_ext(X509.new_extension(name, value))
    made.sign(CA_KEY, "sha256")
    return made


def response_of(certificate, status=OCSP.Status.GOOD, signer=CA, pkey=CA_KEY, **options):
    """Return the DER of an OCSP response for a certificate."""
    responder = OCSP.Responder(CA, signer, pkey, lambda serial: status, **options)
    return responder.respond(OCSP.Request([OCSP.CertID(certificate, CA)], nonce=False).as_der())


@contextlib.contextmanager
def web(pages):
    """Serve `pages`: a path, and a function of the body of a POST, or of None for a GET.

    Yields the URL without a path, and a list that collects the requested paths.
    """
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.answer(None)

        def do_POST(self):
            self.answer(self.rfile.read(int(self.headers["Content-Length"])))

        def answer(self, body):
            asked.append(self.path)
            status, kind, content = pages[self.path](body)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def connect(pair, shake, tmp_path):
    """Return a function that connects a client with a Revocation to a server with a certificate."""

    def connected(revocation, certificate, staple=None, version=None):
        file = tmp_path / "server.pem"
        file.write_bytes(certificate.as_pem() + KEY_FILE.read_bytes())
        client, server = SSL.Context(), SSL.Context()
        client.load_verify_locations(str(DATA / "certificates" / "ca.pem"))
        client.set_revocation(revocation)
        server.load_cert(str(file))
        server.set_ocsp_response(staple)
        if version:
            server.set_max_proto_version(version)
        return shake(*pair(client, server))

    return connected


# ---- stapled responses ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "version", ["tlsv1_2", pytest.param("tlsv1_3", marks=pytest.mark.needs_tls13)]
)
def test_a_good_stapled_response_passes(connect, version):
    certificate = leaf()
    client, _ = connect(Revocation(ocsp=False), certificate, response_of(certificate), version)
    assert client.get_version().lower().replace(".", "_") == version
    assert client.write(b"x") == 1


def test_a_revoked_certificate_ends_the_connection(connect):
    certificate = leaf()
    with pytest.raises(RevocationError, match="0x1267 .* was revoked at .*superseded") as caught:
        staple = response_of(certificate, REVOKED)
        connect(Revocation(ocsp=False, soft_fail=True), certificate, staple)
    assert caught.value.depth == 0
    assert caught.value.certificate.as_der() == certificate.as_der()
    assert caught.value.status.source is Source.STAPLED
    assert caught.value.status.revoked_at == REVOKED.at
    assert caught.value.status.reason is OCSP.Reason.SUPERSEDED


def test_without_a_status_the_connection_ends_unless_the_failure_is_soft(connect):
    with pytest.raises(RevocationError, match="status of .* was not found: there is no source"):
        connect(Revocation(), leaf())
    client, _ = connect(Revocation(soft_fail=True), leaf())
    assert client.write(b"x") == 1


def test_without_revocation_nothing_is_asked(connect):
    with web({}) as (url, asked):
        connect(None, leaf(authorityInfoAccess=f"OCSP;URI:{url}/"), None)
    assert asked == []


@pytest.mark.parametrize(
    ("staple", "problem"),
    [
        # OpenSSL 4.0 does not staple what is another certificate's.
        (lambda certificate: response_of(leaf(serial=1)), "no status for the cert|no source of it"),
        (lambda certificate: response_of(certificate, validity=-2 * DAY), "before its thisUpdate"),
        (
            lambda certificate: response_of(certificate, signer=certificate, pkey=KEY),
            "the stapled OCSP response: ",
        ),
        (lambda certificate: response_of(certificate, OCSP.Status.UNKNOWN), "does not know"),
    ],
    ids=["another certificate", "expired", "wrong signer", "unknown"],
)
def test_an_invalid_stapled_response_counts_for_nothing(connect, staple, problem):
    certificate = leaf()
    with pytest.raises(RevocationError, match=problem) as caught:
        connect(Revocation(ocsp=False), certificate, staple(certificate))
    assert len(caught.value.problems) <= 1
    assert caught.value.status is None


def test_a_server_that_must_staple_and_does_not_is_refused_also_softly(connect):
    certificate = leaf(tlsfeature="status_request")
    with pytest.raises(RevocationError, match="must staple an OCSP response .*: it stapled none"):
        connect(Revocation(soft_fail=True), certificate)
    client, _ = connect(Revocation(), certificate, response_of(certificate))
    assert client.write(b"x") == 1


def test_the_staple_of_another_digest_is_found(connect):
    certificate = leaf()
    responder = OCSP.Responder(CA, CA, CA_KEY, lambda serial: REVOKED)
    request = OCSP.Request([OCSP.CertID(certificate, CA, "sha256")], nonce=False)
    with pytest.raises(RevocationError, match="was revoked"):
        connect(Revocation(ocsp=False), certificate, responder.respond(request.as_der()))


def test_a_response_is_stapled_only_if_it_is_one():
    context = SSL.Context()
    with pytest.raises(OCSP.OCSPError):
        context.set_ocsp_response(b"junk")
    context.set_ocsp_response(None)


def test_a_stapled_file_is_read_again_when_it_changes(connect, pair, shake, tmp_path):
    certificate, file = leaf(), tmp_path / "staple.der"
    pem = tmp_path / "pem"
    pem.write_bytes(certificate.as_pem() + KEY_FILE.read_bytes())
    client, server = SSL.Context(), SSL.Context()
    client.load_verify_locations(str(DATA / "certificates" / "ca.pem"))
    client.set_revocation(Revocation(ocsp=False))
    server.load_cert(str(pem))
    with pytest.raises(SSL.SSLError, match=r"staple.der: No such file"):
        server.staple_file(file)
    file.write_bytes(b"junk")
    with pytest.raises(OCSP.OCSPError, match=r"staple.der: no OCSP response in DER"):
        server.staple_file(file)
    file.write_bytes(response_of(certificate))
    server.staple_file(file)
    shake(*pair(client, server))
    # A file that is not there, or is no response, leaves the last one.
    file.unlink()
    shake(*pair(client, server))
    file.write_bytes(b"junk")
    shake(*pair(client, server))
    file.write_bytes(response_of(certificate, REVOKED))
    os.utime(file, ns=(1, 1))
    with pytest.raises(RevocationError, match="was revoked"):
        shake(*pair(client, server))


def test_an_expired_file_is_no_longer_stapled(pair, shake, tmp_path):
    certificate, file = leaf(), tmp_path / "staple.der"
    pem = tmp_path / "pem"
    pem.write_bytes(certificate.as_pem() + KEY_FILE.read_bytes())
    client, server = SSL.Context(), SSL.Context()
    client.load_verify_locations(str(DATA / "certificates" / "ca.pem"))
    client.set_revocation(Revocation(ocsp=False))
    server.load_cert(str(pem))
    file.write_bytes(response_of(certificate, validity=-HOUR))
    server.staple_file(file)
    with pytest.raises(RevocationError, match="there is no source"):
        shake(*pair(client, server))


# ---- responders ----------------------------------------------------------------------------------


def answering(status):
    responder = OCSP.Responder(CA, CA, CA_KEY, lambda serial: status)
    return lambda body: (200, OCSP_RESPONSE, responder.respond(body))


def test_the_responder_of_the_certificate_is_asked_and_its_answer_kept(connect):
    revocation = Revocation()
    with web({"/ocsp": answering(OCSP.Status.GOOD)}) as (url, asked):
        certificate = leaf(authorityInfoAccess=f"OCSP;URI:{url}/ocsp")
        connect(revocation, certificate)
        connect(revocation, certificate)
        assert asked == ["/ocsp"]
        revocation.cache.clear()
        connect(revocation, certificate)
        assert asked == ["/ocsp"] * 2


def test_a_certificate_that_its_responder_revoked_is_refused(connect):
    with web({"/ocsp": answering(REVOKED)}) as (url, _):
        certificate = leaf(authorityInfoAccess=f"OCSP;URI:{url}/ocsp")
        for _ in range(2):
            with pytest.raises(RevocationError, match="was revoked .*OCSP responder") as caught:
                connect(Revocation(soft_fail=True), certificate)
    assert caught.value.status.source is Source.RESPONDER


def test_the_next_responder_is_asked_when_one_fails(connect):
    pages = {"/broken": lambda body: (500, "text/plain", b""), "/ocsp": answering(REVOKED)}
    with web(pages) as (url, asked):
        access = f"OCSP;URI:{url}/broken,OCSP;URI:{url}/ocsp"
        with pytest.raises(RevocationError, match="was revoked") as caught:
            connect(Revocation(), leaf(authorityInfoAccess=access))
    assert asked == ["/broken", "/ocsp"]
    assert "the server answered 500" in caught.value.problems[0]


def test_a_responder_that_does_not_answer_is_a_failure_in_time(connect):
    proceed = threading.Event()

    def wait(body):
        proceed.wait(30)
        return 200, OCSP_RESPONSE, b""

    with web({"/ocsp": wait}) as (url, _):
        certificate = leaf(authorityInfoAccess=f"OCSP;URI:{url}/ocsp")
        with pytest.raises(RevocationError, match="no answer in 0.2 s"):
            connect(Revocation(timeout=0.2), certificate)
        proceed.set()


def test_an_unknown_certificate_has_no_status(connect):
    with web({"/ocsp": answering(OCSP.Status.UNKNOWN)}) as (url, _):
        certificate = leaf(authorityInfoAccess=f"OCSP;URI:{url}/ocsp")
        with pytest.raises(RevocationError, match="the responder does not know the certificate"):
            connect(Revocation(), certificate)


# ---- CRLs ----------------------------------------------------------------------------------------


def crl_of(openssl, tmp_path, *revoked, next_hours="24", form="PEM", number=1, extensions=""):
    """Return a CRL of the test CA, made by the openssl program."""
    configuration, index = tmp_path / "ca.cnf", tmp_path / "index"
    configuration.write_text(
        f"[ca]\ndefault_ca=a\n[a]\ndatabase={index}\ndefault_md=sha256\ncrlnumber={tmp_path}/n\n"
        f"crl_extensions=e\n[e]\n{extensions}\n"
    )
    index.write_text(
        "".join(
            f"R\t300101000000Z\t200102030405Z,keyCompromise\t{each:04X}\tunknown\t/CN=x\n"
            for each in revoked
        )
    )
    (tmp_path / "n").write_text(f"{number:02X}\n")
    process = openssl(
        "ca", "-gencrl", "-config", configuration, "-cert", DATA / "certificates" / "ca.pem",
        "-keyfile", DATA / "certificates" / "ca.key", "-crlhours", next_hours,
        "-out", tmp_path / "crl.pem",
    )  # fmt: skip
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 0, output
    if form == "DER":
        process = openssl(
            "crl", "-in", tmp_path / "crl.pem", "-outform", "DER", "-out", tmp_path / "crl.der"
        )
        assert process.communicate(timeout=30)[0] == b""
        return tmp_path / "crl.der"
    return tmp_path / "crl.pem"


@pytest.mark.parametrize("form", ["PEM", "DER"])
def test_a_crl_of_the_program_is_used(connect, openssl, tmp_path, form):
    good = Revocation(crls=[crl_of(openssl, tmp_path, 1, form=form)], ocsp=False)
    client, _ = connect(good, leaf())
    assert client.write(b"x") == 1
    bad = Revocation(crls=[crl_of(openssl, tmp_path, 4711, form=form)], ocsp=False)
    with pytest.raises(RevocationError, match=r"was revoked \(CRL\)") as caught:
        connect(bad, leaf())
    assert caught.value.status.source is Source.CRL


def test_crls_are_objects_and_directories_too_and_read_again(connect, openssl, tmp_path):
    directory = tmp_path / "crls"
    directory.mkdir()
    file = directory / "one.pem"
    file.write_bytes(crl_of(openssl, tmp_path).read_bytes())
    revocation = Revocation(crls=[directory], ocsp=False)
    connect(revocation, leaf())
    file.write_bytes(crl_of(openssl, tmp_path, 4711).read_bytes())
    os.utime(file, ns=(1, 1))
    with pytest.raises(RevocationError, match="was revoked"):
        connect(revocation, leaf())
    with pytest.raises(RevocationError, match="was revoked"):
        connect(Revocation(crls=[X509.load_crl(str(file))], ocsp=False), leaf())


def test_a_crl_of_another_issuer_is_no_source(connect):
    crl = DATA / "x509" / "crl.pem"
    with pytest.raises(RevocationError, match="CRL: unable to get certificate CRL"):
        connect(Revocation(crls=[crl], ocsp=False), leaf())


def test_a_file_without_a_crl_is_named(tmp_path):
    with pytest.raises(SSL.SSLError, match=r"none.pem: No such file"):
        Revocation(crls=[tmp_path / "none.pem"])
    with pytest.raises(SSL.SSLError, match=r"ca.pem: no CRL in PEM or DER"):
        Revocation(crls=[DATA / "certificates" / "ca.pem"])


def test_the_crl_of_a_distribution_point_is_fetched_and_kept(connect, openssl, tmp_path):
    der = crl_of(openssl, tmp_path, 4711, form="DER").read_bytes()
    revocation = Revocation(distribution_points=True)
    with web({"/crl": lambda body: (200, "application/pkix-crl", der)}) as (url, asked):
        certificate = leaf(crlDistributionPoints=f"URI:{url}/crl")
        for _ in range(2):
            with pytest.raises(RevocationError, match="was revoked .*distribution point"):
                connect(revocation, certificate)
        client, _ = connect(revocation, leaf(4712, crlDistributionPoints=f"URI:{url}/crl"))
        assert client.write(b"x") == 1
        assert asked == ["/crl"]


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ((404, "text/plain", b""), "answered 404"),
        ((200, "application/pkix-crl", b"junk"), "no CRL in PEM or DER"),
    ],
    ids=["missing", "junk"],
)
def test_a_distribution_point_without_a_crl_is_no_source(connect, answer, problem):
    with web({"/crl": lambda body: answer}) as (url, _):
        certificate = leaf(crlDistributionPoints=f"URI:{url}/crl")
        with pytest.raises(RevocationError, match=problem):
            connect(Revocation(distribution_points=True), certificate)
        connect(Revocation(distribution_points=True, soft_fail=True), certificate)


# ---- the cache -----------------------------------------------------------------------------------


def test_the_cache_forgets_what_expires_and_what_is_too_much():
    cache = Cache(limit=2)
    cache.put("old", 1, datetime.datetime.now(ASN1.UTC) - HOUR)
    assert cache.get("old") is None
    for name, hours in (("a", 1), ("b", 3), ("c", 2)):
        cache.put(name, name, datetime.datetime.now(ASN1.UTC) + hours * HOUR)
    assert [cache.get(name) for name in "abc"] == [None, "b", "c"]
    cache.clear()
    assert cache.get("b") is None
