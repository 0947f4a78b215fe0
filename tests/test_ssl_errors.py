"""Errors of connections name the step, the peer's alert and the certificate at fault."""

from __future__ import annotations

import pytest

from M2Crypto import SSL, X509, m2
from M2Crypto.SSL import _alerts


def fail(*connections):
    """Continue the handshake of each connection until all have failed or succeeded."""
    errors = {}
    for _ in range(20):
        for connection in connections:
            if connection in errors:
                continue
            is_client = connection is connections[0]
            try:
                connection.connect_ssl() if is_client else connection.accept_ssl()
            except (SSL.SSLError, SSL.Checker.SSLVerificationError) as error:
                errors[connection] = error
    return [errors.get(connection) for connection in connections]


def tls12(contexts):
    for context in contexts:
        context.set_max_proto_version(m2.TLS1_2_VERSION)
    return contexts


def server_with(certificates, name):
    context = SSL.Context()
    context.load_cert_chain(certificates(name))
    return context


# ---- certificates --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("certificate", "code", "alert"),
    [
        ("expired.pem", m2.X509_V_ERR_CERT_HAS_EXPIRED, (45, "certificate_expired")),
        ("self_signed.pem", m2.X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, (48, "unknown_ca")),
    ],
)
def test_a_certificate_error_has_its_code_its_depth_and_the_certificate(
    pair, contexts, certificates, certificate, code, alert
):
    bad = server_with(certificates, certificate)
    client, server = pair(contexts[0], bad)
    refused, told = fail(client, server)
    assert type(refused) is SSL.SSLError
    assert refused.step == "certificate verification"
    assert (refused.verify_code, refused.verify_depth) == (code, 0)
    expected = X509.load_cert(certificates(certificate))
    assert refused.certificate.as_der() == expected.as_der()
    assert refused.alert is None
    assert str(refused).startswith("certificate verify failed")
    assert told.step == "handshake"
    assert told.alert == SSL.Alert(*alert)
    assert (told.verify_code, told.verify_depth, told.certificate) == (0, -1, None)


def test_the_certificate_at_fault_may_be_one_of_the_chain(pair, contexts, certificates):
    # The peer's certificate is at depth 0 and its issuer, which has no trusted one, at depth 1.
    client_context = SSL.Context()
    client_context.load_verify_locations(certificates("other_ca.pem"))
    client, server = pair(client_context, server_with(certificates, "chain.pem"))
    refused, told = fail(client, server)
    assert refused.verify_code in (
        m2.X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
        m2.X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT,
    )
    assert refused.verify_depth == 1
    certificate = refused.certificate.get_subject().CN
    assert certificate != X509.load_cert(certificates("chain.pem")).get_subject().CN
    assert told.alert == (48, "unknown_ca")


def test_a_client_without_a_certificate_is_refused(pair, contexts, certificates):
    tls12(contexts)
    contexts[1].load_verify_locations(certificates("ca.pem"))
    contexts[1].set_verify(SSL.verify_peer | SSL.verify_fail_if_no_peer_cert, 9)
    told, refused = fail(*pair(*contexts))
    assert refused.step == "certificate verification"
    assert (refused.verify_code, refused.verify_depth, refused.certificate) == (0, -1, None)
    assert told.alert == (40, "handshake_failure")


@pytest.mark.needs_tls13
def test_the_alert_of_a_refused_client_certificate_comes_with_a_read(pair, contexts, certificates):
    contexts[0].load_cert(certificates("self_signed.pem"))
    contexts[1].load_verify_locations(certificates("ca.pem"))
    contexts[1].set_verify(SSL.verify_peer | SSL.verify_fail_if_no_peer_cert, 9)
    client, server = pair(*contexts)
    nothing, refused = fail(client, server)
    assert nothing is None
    assert refused.verify_depth == 0
    with pytest.raises(SSL.SSLError) as caught:
        client.read()
    assert caught.value.step == "read"
    assert caught.value.alert == (48, "unknown_ca")


def test_a_callback_that_refuses_a_valid_certificate_is_named(pair, contexts):
    contexts[0].set_verify(SSL.verify_peer, 9, lambda ok, store: store.get_error_depth() != 0)
    refused, _ = fail(*pair(*contexts))
    assert refused.verify_code not in (m2.X509_V_OK, m2.X509_V_ERR_CERT_HAS_EXPIRED)
    assert refused.verify_depth == 0
    assert refused.certificate.get_subject().CN == "localhost"


def test_an_error_that_a_callback_accepts_is_remembered(pair, shake, contexts, certificates):
    contexts[0].set_verify(SSL.verify_peer, 9, lambda ok, store: True)
    client, _ = shake(*pair(contexts[0], server_with(certificates, "expired.pem")))
    assert m2.ssl_get_verify_error_depth(client.ssl) == 0
    assert X509.X509(m2.ssl_get_verify_error_cert(client.ssl), 1).get_subject().CN


def test_the_callback_of_the_trust_store_still_decides(pair, shake, contexts, certificates):
    seen = []

    def accept(ok, store):
        seen.append(store.get_error())
        return True

    contexts[0].get_cert_store().set_verify_cb(accept)
    shake(*pair(contexts[0], server_with(certificates, "expired.pem")))
    assert m2.X509_V_ERR_CERT_HAS_EXPIRED in seen


def test_a_valid_certificate_leaves_no_error(connected):
    assert m2.ssl_get_verify_error_depth(connected[0].ssl) == -1
    assert m2.ssl_get_verify_error_cert(connected[0].ssl) is None


def test_the_wrong_host_is_an_error_of_the_certificate(pair, contexts):
    client, server = pair(*contexts)
    client.set_post_connection_check_callback(SSL.Checker())
    client.setup_addr(("other.example.org", 443))
    refused, _ = fail(client, server)
    assert isinstance(refused, SSL.Checker.WrongHost)
    assert refused.step == "certificate verification"
    assert refused.verify_code == m2.X509_V_ERR_HOSTNAME_MISMATCH
    assert refused.verify_depth == 0
    assert refused.certificate.get_subject().CN == "localhost"


# ---- steps ---------------------------------------------------------------------------------------


def test_a_handshake_without_a_common_version_is_answered_by_an_alert(pair, certificates):
    ends = [SSL.Context() for _ in range(2)]
    ends[1].load_cert(certificates("server.pem"))
    ends[0].set_cipher_list("ECDHE-RSA-AES256-GCM-SHA384:DHE-RSA-AES256-GCM-SHA384")
    ends[1].set_cipher_list("ECDHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES128-GCM-SHA256")
    told, refused = fail(*pair(*tls12(ends)))
    assert (refused.step, refused.alert) == ("handshake", None)
    assert told.step == "handshake"
    assert told.alert == SSL.Alert(40, "handshake_failure")
    assert told.alert.number == 40
    assert "alert" in str(told)


@pytest.mark.parametrize("step", ["handshake", "read", "write", "shutdown"])
def test_a_timeout_names_the_step(pair, shake, contexts, step):
    client, server = pair(*contexts)
    if step != "handshake":
        shake(client, server)
    client.settimeout(0.01)
    act = {
        "handshake": client.connect_ssl,
        "read": client.read,
        "write": lambda: client.write(bytes(1 << 24)),
        "shutdown": client.unwrap,
    }[step]
    with pytest.raises(SSL.SSLTimeoutError, match="^timed out$") as caught:
        act()
    assert caught.value.step == step
    assert caught.value.alert is None


@pytest.mark.parametrize("step", ["read", "write"])
def test_a_system_error_names_the_step(connected, step):
    client, server = connected
    server.socket.close()
    with pytest.raises(SSL.SSLError) as caught:
        for _ in range(3):
            client.read() if step == "read" else client.write(bytes(100))
    assert caught.value.step == step


def test_plain_text_after_the_handshake_is_an_error_of_reading(connected):
    client, server = connected
    server.socket.send(b"plain text that is no record")
    with pytest.raises(SSL.SSLError) as caught:
        client.read()
    assert caught.value.step == "read"
    with pytest.raises(SSL.SSLError) as caught:
        server.read()
    assert caught.value.step == "read"
    assert caught.value.alert in {
        (70, "protocol_version"),
        (10, "unexpected_message"),
        (22, "record_overflow"),
    }


def test_errors_that_are_not_of_a_connection_name_no_step():
    with pytest.raises(SSL.SSLError) as caught:
        SSL.Context().set_cipher_list("NONE-SUCH")
    assert (caught.value.step, caught.value.alert) == ("", None)


def test_the_names_of_alerts_are_openssls():
    compared = 0
    for number, name in _alerts._NAMES.items():
        described = m2.ssl_get_alert_desc_v(number).lower().replace(" ", "_")
        # OpenSSL describes alerts that it does not send as unknown.
        if described != "unknown":
            assert name.replace("_RESERVED", "").lower() == described
            compared += 1
    assert compared > 25
