"""Revocation checks under attack: replayed, poisoned, unauthenticated and malformed sources."""

from __future__ import annotations

import contextlib
import os
import socket
import threading

import pytest
import test_ssl_revocation
from test_ssl_revocation import (
    CA,
    CA_KEY,
    DATA,
    DAY,
    HOUR,
    KEY,
    KEY_FILE,
    NOW,
    OCSP_RESPONSE,
    REVOKED,
    answering,
    crl_of,
    leaf,
    response_of,
    web,
)

from M2Crypto import ASN1, OCSP, SSL, X509, m2
from M2Crypto.SSL.Revocation import MAX_CACHED, MAX_URLS, Cache, Revocation, RevocationError, Source

pytestmark = pytest.mark.needs("OCSP")

connect = test_ssl_revocation.connect
VERSIONS = ["tlsv1_2", pytest.param("tlsv1_3", marks=pytest.mark.needs_tls13)]
MUST_STAPLE = {"tlsfeature": "status_request"}
CA_FILE = str(DATA / "certificates" / "ca.pem")


@pytest.fixture
def contexts_of(tmp_path):
    """Return a function that returns a context that checks a server, and the server's."""

    def make(revocation, certificate, staple=None, *chain):
        file = tmp_path / "server.pem"
        certificates = b"".join(each.as_pem() for each in (certificate, *chain))
        file.write_bytes(certificates + KEY_FILE.read_bytes())
        client, server = SSL.Context(), SSL.Context()
        client.load_verify_locations(CA_FILE)
        client.set_revocation(revocation)
        server.load_cert_chain(str(file))
        server.set_ocsp_response(staple)
        return client, server

    return make


def time_of(when):
    made = ASN1.ASN1_TIME()
    made.set_datetime(when)
    return made._ptr()


def old_response(certificate, age, request=None):
    """Return a response of the CA without nextUpdate, with the nonce of a request if there is."""
    basic = m2.ocsp_basic_new()
    identifier = OCSP.CertID(certificate, CA)
    m2.ocsp_basic_add(basic, identifier._ptr(), 0, -1, None, time_of(NOW - age), None)
    if request is not None:
        m2.ocsp_basic_copy_nonce(basic, request._ptr())
    m2.ocsp_basic_sign(basic, CA._ptr(), CA_KEY._ptr(), m2.sha256(), None, 0)
    return OCSP.Response(m2.ocsp_response_create(0, basic))


# ---- resumed sessions ----------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
def test_a_resumed_session_has_the_status_that_was_stapled(pair, shake, contexts_of, version):
    """A server sends no certificate, and therefore staples nothing, when it resumes a session."""
    revocation, certificate = Revocation(ocsp=False), leaf(**MUST_STAPLE)
    contexts = contexts_of(revocation, certificate, response_of(certificate))
    contexts[1].set_max_proto_version(version)
    client, server = shake(*pair(*contexts))
    server.write(b"ticket")
    client.read()
    session = client.get_session()

    def resume():
        again, server = pair(*contexts)
        again.set_session(session)
        shake(again, server)
        assert again.session_reused()

    resume()
    revocation.cache.clear()
    with pytest.raises(RevocationError, match="it stapled none"):
        resume()


def test_a_status_that_was_stapled_counts_for_no_other_handshake(pair, shake, contexts_of):
    certificate = leaf(**MUST_STAPLE)
    contexts = contexts_of(Revocation(ocsp=False), certificate, response_of(certificate))
    shake(*pair(*contexts))
    contexts[1].set_ocsp_response(None)
    with pytest.raises(RevocationError, match="it stapled none"):
        shake(*pair(*contexts))


# ---- paths that are not valid --------------------------------------------------------------------


@pytest.mark.parametrize("chain", [(), (CA,)], ids=["without the CA", "with the CA"])
@pytest.mark.parametrize("accept", [None, lambda ok, store: 1], ids=["verify_none", "callback"])
def test_the_urls_of_a_certificate_without_a_valid_path_are_not_fetched(
    pair, shake, contexts_of, chain, accept
):
    pages = {"/ocsp": answering(OCSP.Status.GOOD), "/crl": lambda _: (404, "text/plain", b"")}
    with web(pages) as (url, asked):
        certificate = leaf(
            authorityInfoAccess=f"OCSP;URI:{url}/ocsp", crlDistributionPoints=f"URI:{url}/crl"
        )
        _, server = contexts_of(None, certificate, None, *chain)
        client = SSL.Context()
        client.set_verify(SSL.verify_peer if accept else SSL.verify_none, 5, accept)
        client.set_revocation(Revocation(distribution_points=True))
        with pytest.raises(RevocationError, match="whose revocation is to be checked, is not val"):
            shake(*pair(client, server))
        client.set_revocation(Revocation(distribution_points=True, soft_fail=True))
        shake(*pair(client, server))
    assert asked == []


# ---- clients' certificates -----------------------------------------------------------------------


def test_a_client_need_not_staple_and_is_not_judged_by_the_server_s_staple(
    pair, shake, contexts_of, tmp_path
):
    certificate, clients = leaf(), leaf(99, **MUST_STAPLE)
    client, server = contexts_of(None, certificate, response_of(certificate))
    file = tmp_path / "client.pem"
    file.write_bytes(clients.as_pem() + KEY_FILE.read_bytes())
    client.load_cert(str(file))
    server.load_verify_locations(CA_FILE)
    server.set_verify(SSL.verify_peer | SSL.verify_fail_if_no_peer_cert, 5)
    server.set_revocation(Revocation(soft_fail=True))
    _, accepted = shake(*pair(client, server))
    assert accepted.get_peer_cert().get_serial_number() == 99
    server.set_revocation(Revocation())
    with pytest.raises(RevocationError, match="was not found: there is no source") as caught:
        shake(*pair(client, server))
    assert caught.value.problems == ()


# ---- replayed responses --------------------------------------------------------------------------


def test_a_status_without_next_update_is_current_for_a_day():
    certificate, store = leaf(), X509.X509_Store()
    store.add_x509(CA)
    identifier = OCSP.CertID(certificate, CA)
    young, old = old_response(certificate, HOUR), old_response(certificate, 2 * DAY)
    assert young.check(identifier, store).status is OCSP.Status.GOOD
    for asked in (identifier, OCSP.Request([identifier])):
        with pytest.raises(OCSP.OCSPError, match="too old"):
            old.check(asked, store)
    assert old.check(identifier, store, max_age=3 * DAY).status is OCSP.Status.GOOD


def test_a_nonce_shows_that_a_status_without_next_update_is_not_replayed():
    certificate, store = leaf(), X509.X509_Store()
    store.add_x509(CA)
    request = OCSP.Request([OCSP.CertID(certificate, CA)])
    response = old_response(certificate, 2 * DAY, request)
    assert response.check(request, store).status is OCSP.Status.GOOD
    with pytest.raises(OCSP.OCSPError, match="too old"):
        response.check(OCSP.CertID(certificate, CA), store)


def test_the_cache_has_no_status_that_is_older_than_accepted(connect):
    with web({"/ocsp": answering(OCSP.Status.GOOD)}) as (url, asked):
        certificate, cache = leaf(authorityInfoAccess=f"OCSP;URI:{url}/ocsp"), Cache()
        connect(Revocation(cache=cache, max_age=DAY), certificate)
        connect(Revocation(cache=cache, max_age=DAY), certificate)
        assert asked == ["/ocsp"]
        # No status is as young as this.
        with pytest.raises(RevocationError, match="too old"):
            connect(Revocation(cache=cache, max_age=-2 * OCSP.SKEW), certificate)
        assert asked == ["/ocsp"] * 2


def test_an_expired_delegate_is_not_trusted(connect):
    delegate = leaf(7, extendedKeyUsage="OCSPSigning")
    delegate.get_subject().O = "delegate"
    delegate.set_not_after(ASN1.ASN1_TIME(time_of(NOW - HOUR)))
    delegate.sign(CA_KEY, "sha256")
    certificate = leaf()
    staple = response_of(certificate, REVOKED, signer=delegate, pkey=KEY)
    with pytest.raises(RevocationError, match="certificate has expired") as caught:
        connect(Revocation(ocsp=False), certificate, staple)
    assert caught.value.status is None


# ---- the cache -----------------------------------------------------------------------------------


@pytest.mark.parametrize("poison", ["forged", "another issuer's"])
def test_a_crl_that_is_not_verified_is_not_kept(connect, openssl, tmp_path, poison):
    good = crl_of(openssl, tmp_path, form="DER").read_bytes()
    forged = X509.load_crl(str(DATA / "x509" / "crl.pem")).as_der()
    if poison == "forged":
        forged = good[:-1] + bytes([good[-1] ^ 1])
    answers = [forged, good]
    pages = {"/crl": lambda body: (200, "application/pkix-crl", answers.pop(0))}
    with web(pages) as (url, asked):
        revocation = Revocation(distribution_points=True)
        certificate = leaf(crlDistributionPoints=f"URI:{url}/crl")
        with pytest.raises(RevocationError, match="signature failure|unable to get certificate"):
            connect(revocation, certificate)
        for _ in range(2):
            connect(revocation, certificate)
        assert asked == ["/crl"] * 2


def test_a_kept_crl_of_no_use_is_fetched_again(connect, openssl, tmp_path):
    """Another context can have put the CRL of another issuer into a shared cache."""
    good = crl_of(openssl, tmp_path, form="DER").read_bytes()
    with web({"/crl": lambda body: (200, "application/pkix-crl", good)}) as (url, _):
        cache = Cache()
        cache.put(f"{url}/crl", [X509.load_crl(str(DATA / "x509" / "crl.pem"))], NOW + DAY)
        revocation = Revocation(distribution_points=True, cache=cache)
        connect(revocation, leaf(crlDistributionPoints=f"URI:{url}/crl"))


def test_threads_share_a_cache():
    cache, failures = Cache(limit=10), []

    def use(name):
        try:
            for number in range(300):
                cache.put((name, number), number, NOW + DAY * (number % 3 - 1))
                assert cache.get((name, number)) in (None, number)
                if number == 150:
                    cache.clear()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=use, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(cache._kept) <= 10


def test_the_cache_has_a_limited_number_of_bytes():
    cache = Cache()
    for name, hours in (("a", 1), ("b", 3), ("c", 2)):
        cache.put(name, name, NOW + hours * HOUR, MAX_CACHED // 2)
    assert [cache.get(name) for name in "abc"] == [None, "b", "c"]
    cache.put("d", "d", NOW + 4 * HOUR, MAX_CACHED + 1)
    assert cache._kept == {}


# ---- files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [None, b"", b"junk"], ids=["none", "empty", "junk"])
def test_a_file_that_is_lost_leaves_the_crls_that_were_read(connect, openssl, tmp_path, content):
    """As one that is just being written."""
    file = tmp_path / "kept.pem"
    file.write_bytes(crl_of(openssl, tmp_path, 4711).read_bytes())
    revocation = Revocation(crls=[file], ocsp=False, soft_fail=True)
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    connect(revocation, leaf(1))
    with pytest.raises(RevocationError, match="was revoked"):
        connect(revocation, leaf())


def test_a_file_without_a_crl_hides_no_other(connect, openssl, tmp_path):
    directory = tmp_path / "crls"
    directory.mkdir()
    crl = crl_of(openssl, tmp_path, 4711).read_bytes()
    (directory / "b.pem").write_bytes(crl)
    revocation = Revocation(crls=[directory], ocsp=False, soft_fail=True)
    (directory / "a.txt").write_bytes(b"junk")
    with pytest.raises(RevocationError, match="was revoked") as caught:
        connect(revocation, leaf())
    assert "a.txt: no CRL" in caught.value.problems[0]
    with pytest.raises(SSL.SSLError, match=r"a\.txt: no CRL"):
        revocation.crls()


def test_crls_of_files_that_are_gone_from_a_directory_are_forgotten(openssl, tmp_path):
    directory = tmp_path / "crls"
    directory.mkdir()
    revocation = Revocation(crls=[directory])
    crl = crl_of(openssl, tmp_path).read_bytes()
    for name in range(5):
        (directory / f"{name}.pem").write_bytes(crl)
        assert len(revocation.crls()) == 1
        (directory / f"{name}.pem").unlink()
    assert revocation.crls() == []
    assert revocation._files == {}


def test_a_directory_that_is_gone_is_a_problem(connect, tmp_path):
    directory = tmp_path / "crls"
    directory.mkdir()
    revocation = Revocation(crls=[directory], ocsp=False)
    directory.rmdir()
    with pytest.raises(RevocationError, match="crls: No such file"):
        connect(revocation, leaf())


def test_a_file_of_the_same_size_and_time_is_read_again(connect, openssl, tmp_path):
    file, other = tmp_path / "kept.pem", tmp_path / "other.pem"
    for path, serial in ((file, 1), (other, 4711)):
        path.write_bytes(crl_of(openssl, tmp_path, serial, form="DER").read_bytes())
        os.utime(path, ns=(1, 1))
    revocation = Revocation(crls=[file], ocsp=False)
    connect(revocation, leaf())
    other.replace(file)
    with pytest.raises(RevocationError, match="was revoked"):
        connect(revocation, leaf())


# ---- certificates --------------------------------------------------------------------------------


def test_a_few_of_many_urls_are_tried(connect):
    with web({f"/{n}": lambda body: (500, "text/plain", b"") for n in range(100)}) as (url, asked):
        access = ",".join(f"OCSP;URI:{url}/{n}" for n in range(100))
        points = ",".join(f"URI:{url}/{n}" for n in range(100))
        certificate = leaf(authorityInfoAccess=access, crlDistributionPoints=points)
        with pytest.raises(RevocationError):
            connect(Revocation(distribution_points=True), certificate)
        assert asked == [f"/{n}" for n in range(MAX_URLS)] * 2


def test_the_timeout_of_the_connection_limits_the_check(contexts_of, silent, monkeypatch):
    """Each of the silent responders would take the time of the Revocation."""
    access = ",".join(f"OCSP;URI:http://127.0.0.1:{silent}/{n}" for n in range(5))
    certificate = leaf(authorityInfoAccess=access)
    client_context, server_context = contexts_of(Revocation(timeout=60), certificate)
    ends = socket.socketpair()
    server = SSL.Connection(server_context, ends[1])
    thread = threading.Thread(target=server.accept_ssl)
    thread.start()
    with SSL.Connection(client_context, ends[0]) as client:
        client.settimeout(60)
        # The handshake has more time than its check here.
        monkeypatch.setattr(client, "gettimeout", lambda: 0.05)
        with pytest.raises(RevocationError, match="no answer in") as caught:
            client.connect_ssl()
    assert len(caught.value.problems) == 5
    thread.join()
    server.close()


@pytest.mark.parametrize("scheme", ["file:", "ldap:", "https:", "ftp:"])
def test_no_url_but_of_http_is_fetched(connect, scheme, tmp_path):
    file = tmp_path / "crl.pem"
    file.write_bytes((DATA / "x509" / "crl.pem").read_bytes())
    certificate = leaf(
        authorityInfoAccess=f"OCSP;URI:{scheme}//localhost{file}",
        crlDistributionPoints=f"URI:{scheme}//localhost{file}",
    )
    with pytest.raises(RevocationError, match=f"{scheme}.*: not an http: URL") as caught:
        connect(Revocation(distribution_points=True), certificate)
    assert len(caught.value.problems) == 2


def test_a_malformed_tls_feature_is_refused(connect):
    certificate = leaf(**{"1.3.6.1.5.5.7.1.24": "DER:30020201"})
    with pytest.raises(RevocationError, match="TLS feature extension of certificate 0x1267"):
        connect(Revocation(soft_fail=True), certificate)


def test_a_malformed_authority_information_access_is_a_problem(connect):
    certificate = leaf(**{"1.3.6.1.5.5.7.1.1": "DER:3000ff"})
    with pytest.raises(RevocationError, match="was not found: .*"):
        connect(Revocation(), certificate)
    connect(Revocation(soft_fail=True), certificate)


# ---- each answer, soft and hard, stapled and asked -----------------------------------------------


ANSWERS = {
    "good": lambda certificate: response_of(certificate),
    "revoked": lambda certificate: response_of(certificate, REVOKED),
    "unknown": lambda certificate: response_of(certificate, OCSP.Status.UNKNOWN),
    "expired": lambda certificate: response_of(certificate, validity=-2 * DAY),
    "replayed": lambda certificate: old_response(certificate, 2 * DAY).as_der(),
    "wrongly signed": lambda certificate: response_of(certificate, signer=certificate, pkey=KEY),
    "another certificate's": lambda certificate: response_of(leaf(1)),
    "try later": lambda certificate: OCSP.Response(m2.ocsp_response_create(3, None)).as_der(),
    "missing": lambda certificate: b"",
}


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("soft_fail", [True, False], ids=["soft", "hard"])
@pytest.mark.parametrize("source", ["stapled", "must be stapled", "asked"])
def test_each_answer(connect, answer, soft_fail, source):
    """A good one passes, a revoked one ends the connection, and all others are a failure."""
    pages = {"/ocsp": lambda body: (200, OCSP_RESPONSE, ANSWERS[answer](certificate))}
    with web(pages) as (url, asked):
        extensions = MUST_STAPLE if source == "must be stapled" else {}
        if source == "asked":
            extensions = {"authorityInfoAccess": f"OCSP;URI:{url}/ocsp"}
        certificate = leaf(**extensions)
        staple = None if source == "asked" else ANSWERS[answer](certificate) or None
        passes = answer == "good" or (
            answer != "revoked" and soft_fail and source != "must be stapled"
        )
        with contextlib.nullcontext() if passes else pytest.raises(RevocationError) as caught:
            connect(Revocation(soft_fail=soft_fail), certificate, staple)
        if not passes:
            assert (caught.value.status is not None) == (answer == "revoked")
        assert asked == ["/ocsp"] * (source == "asked")


# ---- delta CRLs ----------------------------------------------------------------------------------


def test_a_certificate_revoked_by_a_delta_crl_is_refused(connect, openssl, tmp_path):
    """The base has the extension freshestCRL, the delta deltaCRLIndicator (RFC 5280, 5.2)."""
    base = crl_of(openssl, tmp_path, extensions="freshestCRL=URI:http://127.0.0.1:1/").read_bytes()
    delta = crl_of(
        openssl, tmp_path, 4711, number=2, extensions="2.5.29.27=critical,DER:020101"
    ).read_bytes()
    file = tmp_path / "both.pem"
    file.write_bytes(base)
    connect(Revocation(crls=[file], ocsp=False), leaf())
    file.write_bytes(base + delta)
    with pytest.raises(RevocationError, match="was revoked") as caught:
        connect(Revocation(crls=[file], ocsp=False, soft_fail=True), leaf())
    assert caught.value.status.source is Source.CRL
    connect(Revocation(crls=[file], ocsp=False), leaf(4712))
    file.write_bytes(delta)
    with pytest.raises(RevocationError, match="was not found"):
        connect(Revocation(crls=[file], ocsp=False), leaf(4712))
