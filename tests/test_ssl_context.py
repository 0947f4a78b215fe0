"""Contexts have safe defaults, load certificates and keys, and raise for unusable files."""

from __future__ import annotations

import pytest

from M2Crypto import SSL, X509, m2
from M2Crypto.SSL.Context import ctxmap

# ---- protocols -----------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", ["tls", "sslv23", "tls_client", "tls_server", "TLS"])
def test_a_context_supports_tls_1_2_and_newer_by_default(protocol):
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
def test_a_protocol_name_with_a_version_selects_that_version_only(protocol, version):
    context = SSL.Context(protocol)
    assert context.get_min_proto_version() == version
    assert context.get_max_proto_version() == version


@pytest.mark.parametrize("protocol", ["sslv2", "sslv3", "ssl", "tlsv2", "", "opaque", "bio_new"])
def test_an_unsupported_protocol_is_refused_in_one_sentence(protocol):
    with pytest.raises(ValueError, match="unknown protocol .*; this OpenSSL has tls,") as caught:
        SSL.Context(protocol)
    assert "\n" not in str(caught.value)


def test_tls_1_3_is_supported_or_refused_with_the_reason():
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


# ---- default security ----------------------------------------------------------------------------


def test_weak_protocols_and_ciphers_are_off_by_default():
    context = SSL.Context()
    options = context.set_options(0)
    for name in ("NO_SSLv3", "NO_COMPRESSION", "NO_RENEGOTIATION", "CIPHER_SERVER_PREFERENCE"):
        option = getattr(m2, f"SSL_OP_{name}")
        assert options & option == option, name
    assert not options & m2.SSL_OP_DONT_INSERT_EMPTY_FRAGMENTS
    assert not options & m2.SSL_OP_LEGACY_SERVER_CONNECT
    assert m2.ssl_ctx_get_security_level(context.ctx) >= 2


def test_weak_crypto_must_be_enabled_explicitly():
    context = SSL.Context(weak_crypto=1)
    assert context.get_min_proto_version() == 0
    assert m2.ssl_ctx_get_security_level(context.ctx) == 0


def test_set_options_adds_to_the_existing_options():
    context = SSL.Context()
    assert context.set_options(m2.SSL_OP_NO_TICKET) & m2.SSL_OP_NO_TICKET
    assert context.set_options(0) & m2.SSL_OP_NO_TICKET
    assert SSL.op_all == m2.SSL_OP_ALL


def test_a_cipher_list_that_matches_no_cipher_is_refused():
    context = SSL.Context()
    assert context.set_cipher_list("AESGCM") == 1
    for none in ("NONE-SUCH", "", ":"):
        with pytest.raises(SSL.SSLError, match="no cipher match"):
            context.set_cipher_list(none)


# A build has one of them at least.
FORWARD_SECRET = "DHE" if m2.OPENSSL_NO_EC else "ECDHE"


def names_of_ciphers(context):
    with SSL.Connection(context) as connection:
        return [cipher.name() for cipher in connection.get_ciphers()]


def test_a_cipher_list_of_none_keeps_the_default():
    context = SSL.Context()
    before = names_of_ciphers(context)
    assert context.set_cipher_list(None) == 1
    assert names_of_ciphers(context) == before
    with SSL.Connection(context) as connection:
        assert connection.set_cipher_list(None) == 1
        assert [cipher.name() for cipher in connection.get_ciphers()] == before


@pytest.mark.needs_tls13
def test_the_cipher_list_may_contain_tls_1_3_cipher_suites():
    context = SSL.Context()
    older = [name for name in names_of_ciphers(context) if not name.startswith("TLS_")]
    assert context.set_cipher_list("TLS_AES_128_GCM_SHA256") == 1
    assert names_of_ciphers(context) == ["TLS_AES_128_GCM_SHA256", *older]
    one = f"{FORWARD_SECRET}-RSA-AES128-GCM-SHA256"
    assert context.set_cipher_list(f"TLS_AES_256_GCM_SHA384:{one},TLS_AES_128_GCM_SHA256") == 1
    assert names_of_ciphers(context) == ["TLS_AES_256_GCM_SHA384", "TLS_AES_128_GCM_SHA256", one]
    with SSL.Connection(context) as connection:
        connection.set_cipher_list(f"{one}:TLS_AES_128_GCM_SHA256")
        names = [cipher.name() for cipher in connection.get_ciphers()]
        assert names == ["TLS_AES_128_GCM_SHA256", one]
    assert names_of_ciphers(context)[0] == "TLS_AES_256_GCM_SHA384"


@pytest.mark.openssl(">= 3.2")
def test_the_cipher_list_may_contain_rfc_names_of_tls_1_2_ciphers():
    context = SSL.Context()
    newer = [name for name in names_of_ciphers(context) if name.startswith("TLS_")]
    cipher = f"TLS_{FORWARD_SECRET}_RSA_WITH_AES_256_GCM_SHA384"
    assert context.set_cipher_list(cipher) == 1
    assert names_of_ciphers(context) == [*newer, f"{FORWARD_SECRET}-RSA-AES256-GCM-SHA384"]


def test_functions_that_openssl_removed_warn_and_have_no_effect():
    context = SSL.Context()
    with pytest.warns(DeprecationWarning, match="temporary RSA"):
        assert context.set_tmp_rsa(object()) == 1
    with pytest.warns(DeprecationWarning, match="temporary RSA"):
        context.set_tmp_rsa_callback(print)
    with pytest.warns(DeprecationWarning, match="DH parameters"):
        context.set_tmp_dh_callback(print)
    context.set_tmp_rsa_callback()
    context.set_tmp_dh_callback()


def test_a_file_without_dh_parameters_is_refused(certificates):
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


def test_loading_an_encrypted_key_calls_the_passphrase_callback(certificates):
    flags = []

    def passphrase(writing, *prompts):
        flags.append(writing)
        return b"test"

    context = SSL.Context()
    context.load_cert(certificates("server_encrypted.pem"), callback=passphrase)
    assert flags == [0]
    with pytest.raises(SSL.SSLError, match=r"server_encrypted.pem: "):
        context.load_cert(certificates("server_encrypted.pem"), callback=lambda *_: "wrong")


def test_an_exception_of_the_passphrase_callback_propagates(certificates):
    def passphrase(*_):
        raise LookupError("the safe is closed")

    with pytest.raises(LookupError, match="the safe is closed"):
        SSL.Context().load_cert(certificates("server_encrypted.pem"), callback=passphrase)


@pytest.mark.parametrize("chain", [False, True])
def test_a_context_closed_by_the_passphrase_callback_stays_valid_until_the_call_returns(
    certificates, chain
):
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
def test_a_file_that_cannot_be_loaded_is_named(certificates, certificate, key, fault):
    context = SSL.Context()
    with pytest.raises(SSL.SSLError) as caught:
        context.load_cert(certificates(certificate), key and certificates(key))
    assert fault in str(caught.value)
    assert "\n" not in str(caught.value)
    assert m2.err_peek_error() == 0


@pytest.mark.needs_ec
def test_a_key_of_another_type_than_the_certificate_is_refused(certificates):
    with pytest.raises(SSL.SSLError, match=r"server_ec.pem: no usable private key: "):
        SSL.Context().load_cert(certificates("server.pem"), certificates("server_ec.pem"))


# ---- trust store ---------------------------------------------------------------------------------


def test_loading_ca_certificates_enables_verification(certificates):
    context = SSL.Context()
    assert context.get_verify_mode() == SSL.verify_none
    assert context.load_verify_locations(certificates("ca.pem")) == 1
    assert context.get_verify_mode() == SSL.verify_peer


@pytest.mark.parametrize("mode", [SSL.verify_none, SSL.verify_peer | SSL.verify_client_once])
def test_an_explicit_verify_mode_is_kept(certificates, mode):
    context = SSL.Context()
    context.set_verify(mode, 7)
    context.load_verify_locations(certificates("ca.pem"))
    assert context.get_verify_mode() == mode
    assert context.get_verify_depth() == 7
    with SSL.Connection(context) as connection:
        assert connection.get_verify_mode() == mode
        assert connection.get_verify_depth() == 7


def test_ca_certificates_require_an_existing_file_or_directory(certificates, tmp_path):
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


def test_an_unreadable_ca_file_does_not_enable_verification(certificates):
    context = SSL.Context()
    with pytest.raises(SSL.SSLError):
        context.load_verify_locations(certificates("README.md"))
    assert context.get_verify_mode() == SSL.verify_none


def test_the_store_is_shared(certificates):
    context = SSL.Context()
    store = context.get_cert_store()
    store.add_x509(X509.load_cert(certificates("ca.pem")))
    context.close()
    assert isinstance(store, X509.X509_Store)
    store.set_flags(SSL.verify_crl_check_leaf | SSL.verify_crl_check_chain)


def test_the_server_sends_the_names_of_the_accepted_client_cas(pair, shake, contexts, certificates):
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


def test_a_verify_callback_implemented_in_c_receives_two_arguments():
    SSL.Context().set_verify(SSL.verify_peer, 9, max)


# ---- end of file ---------------------------------------------------------------------------------


def test_contexts_are_found_by_handle_while_alive():
    context = SSL.Context()
    assert ctxmap()[context.ctx] is context
    assert SSL.Context.map() is ctxmap()
    handle = context.ctx
    context.close()
    with pytest.raises(KeyError):
        ctxmap()[handle]
    with pytest.raises(ValueError, match="freed already"):
        context.get_verify_mode()


@pytest.mark.parametrize(
    "label", ["CERTIFICATE", pytest.param("DH PARAMETERS", marks=pytest.mark.needs("DH"))]
)
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


def test_a_client_ca_file_without_certificates_is_refused(tmp_path):
    file = tmp_path / "empty.pem"
    file.write_text("nothing\n")
    with pytest.raises(SSL.SSLError):
        SSL.Context().set_client_CA_list_from_file(str(file))


def test_a_cipher_is_true_and_shows_its_name_and_bits(connected):
    client, _ = connected
    cipher = client.get_cipher()
    assert cipher
    assert repr(cipher) == f"{cipher.name()}-{len(cipher)}"
