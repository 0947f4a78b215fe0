"""The methods of a context and its connections do what the documentation of ssl states."""

from __future__ import annotations

import ssl

import pytest
from test_ssl_stdlib import (  # noqa: F401  (a fixture)
    OURS,
    THEIRS,
    Peer,
    client,
    make,
    refusal,
)

from M2Crypto import SSL, m2
from M2Crypto.SSL import replacement
from M2Crypto.SSL.stdlib import SSLContext

# SSL_CIPHER_get_name(3); the numbers are those of RFC 5246 and RFC 5289 with OpenSSL's prefix.
AES = {
    "id": 0x0300009D,
    "name": "AES256-GCM-SHA384",
    "protocol": "TLSv1.2",
    "strength_bits": 256,
    "alg_bits": 256,
    "aead": True,
    "symmetric": "aes-256-gcm",
    "digest": None,
    "kea": "kx-rsa",
    "auth": "auth-rsa",
}


def test_ciphers_have_the_fields_of_the_standard_library(make):  # noqa: F811
    context = make(OURS)
    context.set_ciphers("AES256-GCM-SHA384:AES128-SHA")
    ciphers = {each["name"]: each for each in context.get_ciphers()}
    found = dict(ciphers["AES256-GCM-SHA384"])
    assert found.pop("description").split()[:2] == ["AES256-GCM-SHA384", "TLSv1.2"]
    assert found == AES
    assert ciphers["AES128-SHA"]["digest"] == "sha1"
    assert ciphers["AES128-SHA"]["aead"] is False
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    theirs.set_ciphers("AES256-GCM-SHA384:AES128-SHA")
    for each in theirs.get_ciphers():
        if not each["name"].startswith("TLS_"):
            ours = ciphers[each["name"]]
            assert list(ours) == list(each)
            # The text depends on OpenSSL's version.
            assert {**ours, "description": ""} == {**each, "description": ""}


def test_shared_ciphers_are_those_of_both(make):  # noqa: F811
    server, context = make(OURS, server=True), make(THEIRS)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    server.set_ciphers("AES256-GCM-SHA384:AES128-GCM-SHA256")
    context.set_ciphers("AES128-GCM-SHA256:AES128-SHA256")
    shared = []
    with Peer(server, lambda tls: shared.extend(tls.shared_ciphers())) as peer:
        with client(context, peer) as tls:
            assert tls.recv(1) == b""
        peer.thread.join()
    assert peer.error is None
    assert shared == [("AES128-GCM-SHA256", "TLSv1.2", 128)]


def test_sessions_are_counted(make):  # noqa: F811
    server, context = make(OURS, server=True), make(OURS)
    for made in (server, context):
        made.maximum_version = ssl.TLSVersion.TLSv1_2
    assert list(server.session_stats()) == list(
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).session_stats()
    )
    with Peer(server) as peer, client(context, peer) as tls:
        session = tls.session
        tls.unwrap()
    with Peer(server) as peer, client(context, peer, session=session) as tls:
        assert tls.session_reused
        tls.unwrap()
    stats = server.session_stats()
    assert (stats["accept"], stats["accept_good"], stats["hits"]) == (2, 2, 1)
    assert context.session_stats()["connect_good"] == 2
    with pytest.raises(SSL.SSLError, match="no such statistic"):
        m2.ssl_ctx_sess_statistic(context.context.ctx, 99)


@pytest.mark.parametrize("name", ["TLSv1_1", "TLSv1_2"])
def test_a_protocol_of_one_version_restricts_the_context_of_the_factory(name):
    given = SSL.Context()
    with replacement.installed(lambda: given):
        made = ssl.SSLContext(getattr(ssl, f"PROTOCOL_{name}"))
    assert made.minimum_version is made.maximum_version is ssl.TLSVersion[name]
    number = getattr(m2, f"{name.upper().replace('TLSV', 'TLS')}_VERSION")
    assert given.get_min_proto_version() == given.get_max_proto_version() == number


def test_the_minimum_version_can_be_older_than_all():
    context = SSLContext()
    context.minimum_version = ssl.TLSVersion.SSLv3
    assert context.minimum_version is ssl.TLSVersion.MINIMUM_SUPPORTED
    with pytest.raises(ValueError, match="protocol version"):
        context.maximum_version = ssl.TLSVersion.SSLv3


@pytest.mark.parametrize("whose", [OURS, THEIRS])
@pytest.mark.parametrize("raised", [LookupError, KeyboardInterrupt])
def test_a_callback_that_raises_sends_handshake_failure(make, whose, raised):  # noqa: F811
    server = make(OURS, server=True)

    def choose(*_):
        raise raised("no such name")

    server.sni_callback = choose

    error = []

    class Catching(Peer):
        def run(self):
            try:
                with self.listener, self.listener.accept()[0] as sock:
                    options = {"server_side": True, "do_handshake_on_connect": False}
                    with self.context.wrap_socket(sock, **options) as tls:
                        tls.do_handshake()
            except BaseException as caught:
                error.append(caught)

    made = refusal(make(whose), Catching(server), ssl.SSLError)
    # "sslv3", "ssl/tls" or "tls", by the version of OpenSSL.
    assert made.reason.endswith("_ALERT_HANDSHAKE_FAILURE")
    assert type(error[0]) is raised
    assert error[0].__cause__ is None


def test_the_library_of_an_exception_is_that_of_openssl(certificates):
    with pytest.raises(ssl.SSLError) as caught:
        SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(
            certificates("server.pem"), certificates("client.pem")
        )
    assert caught.value.library == "X509"
    assert caught.value.reason == "KEY_VALUES_MISMATCH"
    assert str(caught.value).startswith("[X509: KEY_VALUES_MISMATCH] ")
    with pytest.raises(ssl.SSLError, match="not enough data: cadata does not contain"):
        SSLContext().load_verify_locations(cadata=b"\x30\x03\2\1\0")
