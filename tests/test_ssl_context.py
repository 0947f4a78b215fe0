"""Contexts are safe as they are made, load what they are told to, and say what they cannot."""

from __future__ import annotations

import pytest

from M2Crypto import SSL, X509, m2
from M2Crypto.SSL import _trust
from M2Crypto.SSL.Context import ctxmap

# ---- protocols -----------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", ["tls", "sslv23", "tls_client", "tls_server", "TLS"])
def test_a_context_speaks_tls_1_2_and_newer(protocol):
    context = SSL.Context(protocol)
    assert context.get_min_proto_version() == m2.TLS1_2_VERSION
    assert context.get_max_proto_version() in (0, m2.TLS1_3_VERSION, m2.TLS1_2_VERSION)


@pytest.mark.parametrize(
    ("protocol", "version"),
    [
        ("tlsv1", m2.TLS1_VERSION),
        ("tlsv1_1", m2.TLS1_1_VERSION),
        ("tlsv1_2", m2.TLS1_2_VERSION),
        ("TLSv1.2", m2.TLS1_2_VERSION),
    ],
)
def test_a_versions_name_pins_it(protocol, version):
    context = SSL.Context(protocol)
    assert context.get_min_proto_version() == version
    assert context.get_max_proto_version() == version


@pytest.mark.parametrize("protocol", ["sslv2", "sslv3", "ssl", "tlsv2", "", "opaque", "bio_new"])
def test_a_protocol_that_is_not_there_is_refused_in_one_sentence(protocol):
    with pytest.raises(ValueError, match="unknown protocol .*; this OpenSSL has tls,") as caught:
        SSL.Context(protocol)
    assert "\n" not in str(caught.value)


def test_tls_1_3_is_there_or_refused_with_the_reason():
    if m2.OPENSSL_NO_TLS1_3:
        with pytest.raises(ValueError, match="built without it"):
            SSL.Context("tlsv1_3")
    else:
        assert SSL.Context("tlsv1_3").get_min_proto_version() == m2.TLS1_3_VERSION


def test_the_range_of_versions_can_be_set():
    context = SSL.Context()
    assert context.set_min_proto_version("tlsv1_1") == 1
    assert context.set_max_proto_version(m2.TLS1_2_VERSION) == 1
    assert context.get_min_proto_version() == m2.TLS1_1_VERSION
    assert context.get_max_proto_version() == m2.TLS1_2_VERSION
    context.set_min_proto_version(0)
    assert context.get_min_proto_version() == 0
    for version in ("sslv3", 0x300, "tlsv1_4", -1):
        with pytest.raises(ValueError, match="protocol version"):
            context.set_min_proto_version(version)


# ---- strength ------------------------------------------------------------------------------------


def test_what_is_weak_is_off():
    context = SSL.Context()
    options = context.set_options(0)
    for name in ("NO_SSLv3", "NO_COMPRESSION", "NO_RENEGOTIATION", "CIPHER_SERVER_PREFERENCE"):
        option = getattr(m2, f"SSL_OP_{name}")
        assert options & option == option, name
    assert not options & m2.SSL_OP_DONT_INSERT_EMPTY_FRAGMENTS
    assert not options & m2.SSL_OP_LEGACY_SERVER_CONNECT
    assert m2.ssl_ctx_get_security_level(context.ctx) >= 2


def test_weak_crypto_has_to_be_asked_for():
    context = SSL.Context(weak_crypto=1)
    assert context.get_min_proto_version() == 0
    assert m2.ssl_ctx_get_security_level(context.ctx) == 0


def test_options_are_added():
    context = SSL.Context()
    assert context.set_options(m2.SSL_OP_NO_TICKET) & m2.SSL_OP_NO_TICKET
    assert context.set_options(0) & m2.SSL_OP_NO_TICKET
    assert SSL.op_all == m2.SSL_OP_ALL


def test_a_list_of_no_ciphers_is_refused():
    context = SSL.Context()
    assert context.set_cipher_list("DHE+AESGCM") == 1
    for none in ("NONE-SUCH", "", ":"):
        with pytest.raises(SSL.SSLError, match="no cipher match"):
            context.set_cipher_list(none)


def names_of_ciphers(context):
    with SSL.Connection(context) as connection:
        return [cipher.name() for cipher in connection.get_ciphers()]


def test_no_list_of_ciphers_leaves_the_default():
    context = SSL.Context()
    before = names_of_ciphers(context)
    assert context.set_cipher_list(None) == 1
    assert names_of_ciphers(context) == before
    with SSL.Connection(context) as connection:
        assert connection.set_cipher_list(None) == 1
        assert [cipher.name() for cipher in connection.get_ciphers()] == before


@pytest.mark.needs_tls13
def test_the_cipher_suites_of_tls_1_3_can_be_in_the_list():
    context = SSL.Context()
    older = [name for name in names_of_ciphers(context) if not name.startswith("TLS_")]
    assert context.set_cipher_list("TLS_AES_128_GCM_SHA256") == 1
    assert names_of_ciphers(context) == ["TLS_AES_128_GCM_SHA256", *older]
    one = "DHE-RSA-AES128-GCM-SHA256"
    assert context.set_cipher_list(f"TLS_AES_256_GCM_SHA384:{one},TLS_AES_128_GCM_SHA256") == 1
    assert names_of_ciphers(context) == ["TLS_AES_256_GCM_SHA384", "TLS_AES_128_GCM_SHA256", one]
    with SSL.Connection(context) as connection:
        connection.set_cipher_list(f"{one}:TLS_AES_128_GCM_SHA256")
        names = [cipher.name() for cipher in connection.get_ciphers()]
        assert names == ["TLS_AES_128_GCM_SHA256", one]
    assert names_of_ciphers(context)[0] == "TLS_AES_256_GCM_SHA384"


@pytest.mark.openssl(">= 3.2")
def test_the_standards_name_of_a_cipher_of_tls_1_2_is_one_of_tls_1_2():
    context = SSL.Context()
    newer = [name for name in names_of_ciphers(context) if name.startswith("TLS_")]
    assert context.set_cipher_list("TLS_DHE_RSA_WITH_AES_256_GCM_SHA384") == 1
    assert names_of_ciphers(context) == [*newer, "DHE-RSA-AES256-GCM-SHA384"]


def test_what_openssl_has_no_more_warns_and_does_nothing():
    context = SSL.Context()
    with pytest.warns(DeprecationWarning, match="temporary RSA"):
        assert context.set_tmp_rsa(object()) == 1
    with pytest.warns(DeprecationWarning, match="temporary RSA"):
        context.set_tmp_rsa_callback(print)
    with pytest.warns(DeprecationWarning, match="DH parameters"):
        context.set_tmp_dh_callback(print)
    context.set_tmp_rsa_callback()
    context.set_tmp_dh_callback()


def test_dh_parameters_have_to_be_ones(certificates):
    context = SSL.Context()
    with pytest.raises(SSL.SSLError):
        context.set_tmp_dh(certificates("ca.pem"))
    with pytest.raises(ValueError, match=r"[Nn]o such file"):
        context.set_tmp_dh(certificates("missing.pem"))


# ---- certificates and keys -----------------------------------------------------------------------


def test_a_certificate_and_its_key_are_loaded(certificates, tmp_path):
    context = SSL.Context()
    context.load_cert(certificates("server.pem"))
    context.load_cert_chain(certificates("chain.pem"))
    context.load_cert(certificates("server.pem").encode(), certificates("server.pem"))


def test_the_passphrase_of_a_key_is_asked_for(certificates):
    asked = []

    def passphrase(writing, *prompts):
        asked.append(writing)
        return b"test"

    context = SSL.Context()
    context.load_cert(certificates("server_encrypted.pem"), callback=passphrase)
    assert asked == [0]
    with pytest.raises(SSL.SSLError, match=r"server_encrypted.pem: "):
        context.load_cert(certificates("server_encrypted.pem"), callback=lambda *_: "wrong")


def test_what_a_passphrase_callback_raises_reaches_the_caller(certificates):
    def passphrase(*_):
        raise LookupError("the safe is closed")

    with pytest.raises(LookupError, match="the safe is closed"):
        SSL.Context().load_cert(certificates("server_encrypted.pem"), callback=passphrase)


@pytest.mark.parametrize("chain", [False, True])
def test_a_context_that_a_passphrase_callback_closes_lives_until_the_call_ends(certificates, chain):
    closed = []

    def passphrase(*_):
        context.close()
        closed.append(context.closed)
        return b"test"

    context = SSL.Context()
    load = context.load_cert_chain if chain else context.load_cert
    # The check of the key, which follows, finds it closed.
    with pytest.raises(ValueError, match="freed already"):
        load(certificates("server_encrypted.pem"), callback=passphrase)
    assert closed == [True]


@pytest.mark.parametrize(
    ("certificate", "key", "fault"),
    [
        ("missing.pem", None, "missing.pem: no such file"),
        ("server.pem", "missing.pem", "missing.pem: no such file"),
        ("README.md", None, "README.md: no usable certificate: no start line"),
        ("ca.pem", None, "ca.pem: no usable private key: "),
        ("server.pem", "ca.key", "ca.key: no usable private key: key values mismatch"),
        ("server.pem", "dh.pem", "dh.pem: no usable private key: "),
    ],
)
def test_what_cannot_be_loaded_is_named(certificates, certificate, key, fault):
    context = SSL.Context()
    with pytest.raises(SSL.SSLError) as caught:
        context.load_cert(certificates(certificate), key and certificates(key))
    assert fault in str(caught.value)
    assert "\n" not in str(caught.value)
    assert m2.err_peek_error() == 0


@pytest.mark.needs_ec
def test_the_key_has_to_be_of_the_certificates_kind(certificates):
    with pytest.raises(SSL.SSLError, match=r"server_ec.pem: no usable private key: "):
        SSL.Context().load_cert(certificates("server.pem"), certificates("server_ec.pem"))


# ---- trust ---------------------------------------------------------------------------------------


def test_loading_cas_turns_verification_on(certificates):
    context = SSL.Context()
    assert context.get_verify_mode() == SSL.verify_none
    assert context.load_verify_locations(certificates("ca.pem")) == 1
    assert context.get_verify_mode() == SSL.verify_peer


@pytest.mark.parametrize("mode", [SSL.verify_none, SSL.verify_peer | SSL.verify_client_once])
def test_what_was_said_about_verification_stands(certificates, mode):
    context = SSL.Context()
    context.set_verify(mode, 7)
    context.load_verify_locations(certificates("ca.pem"))
    assert context.get_verify_mode() == mode
    assert context.get_verify_depth() == 7
    with SSL.Connection(context) as connection:
        assert connection.get_verify_mode() == mode
        assert connection.get_verify_depth() == 7


def test_cas_come_from_a_file_or_a_folder_that_is_there(certificates, tmp_path):
    context = SSL.Context()
    assert context.load_verify_locations(capath=str(tmp_path)) == 1
    assert context.load_verify_info(certificates("ca.pem"), tmp_path) == 1
    with pytest.raises(ValueError, match="both be None"):
        context.load_verify_locations()
    with pytest.raises(SSL.SSLError, match="none: no such directory"):
        context.load_verify_locations(capath=tmp_path / "none")
    with pytest.raises(SSL.SSLError, match=r"none.pem: no such file"):
        context.load_verify_locations("none.pem")
    with pytest.raises(SSL.SSLError, match=r"README.md: "):
        SSL.Context().load_verify_locations(certificates("README.md"))


def test_a_file_of_cas_that_cannot_be_read_does_not_turn_verification_on(certificates):
    context = SSL.Context()
    with pytest.raises(SSL.SSLError):
        context.load_verify_locations(certificates("README.md"))
    assert context.get_verify_mode() == SSL.verify_none


def test_the_machines_cas_are_those_of_the_environment(certificates, monkeypatch, tmp_path):
    monkeypatch.setenv("SSL_CERT_FILE", certificates("ca.pem"))
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    context = SSL.Context()
    assert context.set_default_verify_paths() == 1
    assert context.get_verify_mode() == SSL.verify_peer
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "missing.pem"))
    with pytest.raises(SSL.SSLError, match=r"missing.pem"):
        SSL.Context().set_default_verify_paths()


def test_the_machines_cas_are_else_in_the_usual_places(monkeypatch, tmp_path):
    bundle = tmp_path / "bundle.pem"
    bundle.write_text("")
    monkeypatch.setattr(_trust, "FILES", (str(tmp_path / "none"), str(bundle)))
    monkeypatch.setattr(_trust, "DIRECTORIES", (str(tmp_path),))
    assert _trust.trusted_certificates({}) == (str(bundle), str(tmp_path))
    assert _trust.trusted_certificates({"SSL_CERT_DIR": "/a:/b"}) == (None, "/a:/b")
    monkeypatch.setattr(_trust, "FILES", ())
    monkeypatch.setattr(_trust, "DIRECTORIES", ())
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    with pytest.raises(SSL.SSLError, match="set SSL_CERT_FILE"):
        SSL.Context().set_default_verify_paths()


def test_the_store_is_shared(certificates):
    context = SSL.Context()
    store = context.get_cert_store()
    store.add_x509(X509.load_cert(certificates("ca.pem")))
    context.close()
    assert isinstance(store, X509.X509_Store)
    store.set_flags(SSL.verify_crl_check_leaf | SSL.verify_crl_check_chain)


def test_the_server_names_the_cas_of_its_clients(pair, shake, contexts, certificates):
    client_context, server_context = contexts
    server_context.load_client_CA(certificates("ca.pem"))
    server_context.set_verify(SSL.verify_peer, 9)
    client, server = shake(*pair(client_context, server_context))
    assert [name.CN for name in client.get_client_CA_list()] == ["Test CA"]
    client, server = pair(client_context, server_context)
    server.set_client_CA_list_from_file(certificates("other_ca.pem"))
    shake(client, server)
    assert [name.CN for name in client.get_client_CA_list()] == ["Other Test CA"]
    client, server = pair(client_context, server_context)
    server.set_client_CA_list_from_file(certificates("other_ca.pem"))
    server.set_client_CA_list_from_context()
    shake(client, server)
    assert [name.CN for name in client.get_client_CA_list()] == ["Test CA"]
    with pytest.raises(SSL.SSLError, match=r"README.md"):
        server_context.load_client_CA(certificates("README.md"))


def test_a_callback_written_in_c_gets_two_arguments():
    SSL.Context().set_verify(SSL.verify_peer, 9, max)


# ---- the end -------------------------------------------------------------------------------------


def test_contexts_are_found_by_their_handles_while_they_live():
    context = SSL.Context()
    assert ctxmap()[context.ctx] is context
    assert SSL.Context.map() is ctxmap()
    handle = context.ctx
    context.close()
    with pytest.raises(KeyError):
        ctxmap()[handle]
    with pytest.raises(ValueError, match="freed already"):
        context.get_verify_mode()


@pytest.mark.parametrize("label", ["CERTIFICATE", "DH PARAMETERS"])
def test_encrypted_pem_is_refused_without_a_prompt(label, tmp_path):
    file = tmp_path / "encrypted.pem"
    file.write_text(
        f"-----BEGIN {label}-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,{'0' * 32}\n\n"
        f"{'AAAA' * 8}\n-----END {label}-----\n"
    )
    context = SSL.Context()
    load = context.set_tmp_dh if label == "DH PARAMETERS" else context.set_client_CA_list_from_file
    with pytest.raises(SSL.SSLError, match="no passphrase callback was given"):
        load(str(file))


def test_a_file_without_certificates_names_no_client_ca(tmp_path):
    file = tmp_path / "empty.pem"
    file.write_text("nothing\n")
    with pytest.raises(SSL.SSLError):
        SSL.Context().set_client_CA_list_from_file(str(file))
