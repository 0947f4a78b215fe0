"""The checker compares a certificate with the reference identity (RFC 9525)."""

from __future__ import annotations

import base64
import hashlib
import random
import re
import ssl
from pathlib import Path

import pytest
from fix_peers import CERTIFICATES, NO_HOST_NAMES

from M2Crypto import ASN1, BIO, EVP, SSL, X509, m2
from M2Crypto.SSL.Checker import (
    Checker,
    NoCertificate,
    SSLVerificationError,
    WrongCertificate,
    WrongHost,
    reference_identity,
    spki_pin,
)


@pytest.fixture
def certificate(certificates):
    return lambda name: X509.load_cert(certificates(name))


def der(tag, content):
    length = len(content)
    return (
        bytes([tag, *([length] if length < 128 else [0x82, length >> 8, length & 255])]) + content
    )


def named(*names, common_name="server"):
    """Return a certificate, without a signature, with names in its subjectAltName, if any."""
    made = X509.X509()
    made.set_version(2)
    made.set_serial_number(1)
    made.set_not_before(ASN1.ASN1_UTCTIME())
    made.set_pubkey(KEY)
    made.get_subject().add_entry_by_txt("CN", ASN1.MBSTRING_UTF8, common_name, -1, -1, 0)
    made.set_issuer(made.get_subject())
    if names:
        general = der(0x30, b"".join(der(0x82, name.encode("latin-1")) for name in names))
        oid = b"\x06\x03\x55\x1d\x11"
        extension = der(0x30, oid + der(0x04, general))
        made.add_ext(X509.X509_Extension(m2.d2i_x509_extension(extension)))
    return made


KEY = EVP.load_key(str(CERTIFICATES / "ca.key"))


def by_checker(certificate, host):
    try:
        return Checker()(certificate, host)
    except WrongHost:
        return False


def by_certificate(certificate, host):
    try:
        return certificate.check_host(host)
    except ValueError:
        return False


def by_validation(certificate, host):
    """Return the outcome of OpenSSL's own comparison at the end of a validation."""
    store = X509.X509_Store()
    # Neither the path nor the time is the point.
    store.set_verify_cb(lambda _, context: context.get_error() != m2.X509_V_ERR_HOSTNAME_MISMATCH)
    try:
        store.set_host(host)
    except ValueError:
        return False
    validation = X509.X509_Store_Context()
    validation.init(store, certificate)
    return validation.verify_cert() == 1


def matches(presented, host):
    """Return whether a certificate matches, on which all ways to compare names agree."""
    certificate = named(presented)
    found = {way(certificate, host) for way in (by_checker, by_certificate, by_validation)}
    assert len(found) == 1, (presented, host)
    return found.pop()


@pytest.mark.parametrize(
    ("presented", "host"),
    [
        ("a", "a"),
        ("example.org.", "example.org"),
        ("example.org.", "example.org."),
        ("EXAMPLE.ORG.", "example.org"),
        ("example.org", "example.org"),
        ("EXAMPLE.org", "example.ORG"),
        ("example.org", "example.org."),
        ("www.example.org", "www.example.org"),
        ("*.example.org", "www.example.org"),
        ("*.example.org", "xn--bcher-kva.example.org"),
        ("*.www.example.org", "a.www.example.org"),
        # IDNA: names are compared as A-labels.
        ("xn--bcher-kva.example", "bücher.example"),
        ("*.xn--bcher-kva.example", "www.bücher.example"),
        # An underscore is not a host's, yet names with one are in use.
        ("_sip.example.org", "_sip.example.org"),
    ],
)
def test_a_presented_identifier_matches_the_reference_identity(presented, host):
    assert matches(presented, host)


@pytest.mark.parametrize(
    ("presented", "host"),
    [
        ("example.org", "www.example.org"),
        ("www.example.org", "example.org"),
        ("example.org", "example.com"),
        # A wildcard is one whole label (RFC 9525, 6.3), ...
        ("*.example.org", "example.org"),
        ("*.example.org", "a.b.example.org"),
        # ... the left-most one, ...
        ("www.*.org", "www.example.org"),
        ("*.*.org", "www.example.org"),
        ("example.*", "example.org"),
        # ... never a part of a label, ...
        ("w*.example.org", "www.example.org"),
        ("*w.example.org", "www.example.org"),
        ("w*w.example.org", "www.example.org"),
        ("xn--*.example.org", "xn--bcher-kva.example.org"),
        ("**.example.org", "www.example.org"),
        # ... and never all of what a registry gives out.
        ("*", "localhost"),
        ("*.", "localhost"),
        ("*.org", "example.org"),
        # Text that could be truncated or parsed differently.
        ("example.org\0.example.com", "example.org"),
        ("example.org ", "example.org"),
        ("example.org..", "example.org"),
        (".example.org", "www.example.org"),
        # OpenSSL takes no such name for a wildcard.
        ("*.example.org.", "www.example.org"),
        ("", "example.org"),
        ("b\xfccher.example", "bücher.example"),
    ],
)
def test_a_presented_identifier_does_not_match_the_reference_identity(presented, host):
    assert not matches(presented, host)


@pytest.mark.parametrize("host", NO_HOST_NAMES)
def test_an_invalid_host_name_has_no_reference_identity(host):
    with pytest.raises(ValueError, match="is not a host name"):
        reference_identity(host)


@pytest.mark.parametrize("host", ["192.0.2.1%.evil.example", "192.0.2.1%eth0", "192.0.2.1."])
def test_text_that_starts_with_an_ip_address_is_not_that_address(certificate, host):
    assert Checker()(certificate("address_only.pem"), "192.0.2.1")
    with pytest.raises(WrongHost):
        Checker()(certificate("address_only.pem"), host)


# ---- wildcards in OpenSSL and Python's ssl -------------------------------------------------------

# The presented identifier, the reference identity, and whether they match.
TABLE = [
    ("www.example.org", "www.example.org", True),
    ("*.example.org", "www.example.org", True),
    ("*.example.org", "WWW.Example.ORG", True),
    ("*.example.org", "w-w.example.org", True),
    ("*.example.org", "1.example.org", True),
    ("*.example.org", "xn--bcher-kva.example.org", True),
    ("*.xn--bcher-kva.example", "www.xn--bcher-kva.example", True),
    ("*.xn--bcher-kva.example", "xn--bcher-kva.xn--bcher-kva.example", True),
    ("_sip.example.org", "_sip.example.org", True),
    ("*.example.org", "_sip.example.org", False),
    ("*.example.org", "a_b.example.org", False),
    ("*._tcp.example.org", "www._tcp.example.org", False),
    ("*.exam_ple.org", "www.exam_ple.org", False),
    ("*.example.org", "a.b.example.org", False),
    ("*.example.org", "example.org", False),
    ("*.org", "example.org", False),
    ("w*.example.org", "www.example.org", False),
    ("*w.example.org", "www.example.org", False),
    ("xn--*.example.org", "xn--bcher-kva.example.org", False),
    ("xn--b*.example.org", "xn--bcher-kva.example.org", False),
    ("www.*.example.org", "www.a.example.org", False),
    ("*.*.example.org", "www.a.example.org", False),
    ("*.example-.org", "www.example-.org", False),
    ("*.-example.org", "www.-example.org", False),
]
# Invalid host names: none is a reference identity, whatever OpenSSL accepts.
WILDCARDS_OF_NO_HOST = [
    ("*.example.org", "-a.example.org"),
    ("*.example.org", "a-.example.org"),
    ("*.example.org", "a b.example.org"),
    ("*.example.org", ".example.org"),
]


@pytest.fixture
def server_named(certificates, tmp_path):
    """Make a context whose server certificate, issued by the test CA, has one DNS name."""

    def make(name):
        key = EVP.load_key(certificates("ca.key"))
        ca = X509.load_cert(certificates("ca.pem"))
        made = X509.X509()
        made.set_version(2)
        made.set_serial_number(1)
        made.set_not_before(ca.get_not_before())
        made.set_not_after(ca.get_not_after())
        made.set_issuer(ca.get_subject())
        made.get_subject().add_entry_by_txt("CN", ASN1.MBSTRING_ASC, "server", -1, -1, 0)
        made.set_pubkey(key)
        made.add_ext(X509.new_extension("subjectAltName", f"DNS:{name}"))
        made.sign(key, "sha256")
        path = tmp_path / "server.pem"
        path.write_bytes(made.as_pem() + Path(certificates("ca.key")).read_bytes())
        context = SSL.Context()
        context.load_cert(path)
        return context

    return make


@pytest.fixture
def agree(pair, shake, contexts, server_named, certificates):
    """Return whether Checker, OpenSSL's set1_host and Python's ssl agree."""

    def by_connection(context, host):
        client, server = pair(contexts[0], context)
        client.set_post_connection_check_callback(lambda found, _: Checker()(found, host))
        try:
            shake(client, server)
        except WrongHost:
            return False
        return True

    def by_openssl(context, host):
        client, server = pair(contexts[0], context)
        client.set1_host(host)
        try:
            shake(client, server)
        except SSL.SSLError as error:
            assert "ostname mismatch" in str(error)
            return False
        return True

    def by_python(context, host):
        python = ssl.create_default_context(cafile=certificates("ca.pem"))
        python.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
        to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = python.wrap_bio(to_client, to_server, server_hostname=host)
        incoming, outgoing = BIO.MemoryBuffer(), BIO.MemoryBuffer()
        with SSL.Connection(context) as server:
            server.set_bio(incoming, outgoing)
            for _ in range(5):
                try:
                    client.do_handshake()
                except ssl.SSLWantReadError:
                    pass
                except ssl.SSLCertVerificationError as error:
                    assert "match" in str(error)
                    return False
                else:
                    return True
                incoming.write(to_server.read())
                server.accept_ssl()
                to_client.write(outgoing.read() or b"")
        raise AssertionError("the handshake does not come to an end")

    def outcomes(presented, host):
        context = server_named(presented)
        return (
            matches(presented, host),
            by_connection(context, host),
            by_openssl(context, host),
            by_python(context, host),
        )

    return outcomes


def test_the_checker_openssl_and_python_agree(agree):
    differing = []
    for presented, host, matches in TABLE:
        try:
            outcomes = agree(presented, host)
        except ValueError:
            # Not a host name.
            outcomes = (False,) * 4
        if outcomes != (matches,) * 4:
            differing.append((presented, host, outcomes))
    assert differing == []


LABEL = re.compile("[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


def by_rules(presented, host):
    """Return whether the names match: the rules of M2Crypto/_hosts.py again, in Python."""
    try:
        identity = reference_identity(host)
    except ValueError:
        return False
    if not isinstance(identity, str):
        return False
    presented = presented.lower()
    if presented in (identity, f"{identity}."):
        return True
    first, *rest = presented.split(".")
    label, *domain = identity.split(".")
    labels = [label, *rest]
    return first == "*" and rest == domain and len(labels) > 2 and all(map(LABEL.fullmatch, labels))


def test_all_ways_to_compare_generated_names_agree():
    # Reproducible: the names are the same in every run.
    chooser = random.Random(9525)
    parts = [
        "a",
        "b1",
        "W-w",
        "-a",
        "a-",
        "a_b",
        "xn--bcher-kva",
        "xn--",
        "*",
        "w*",
        "",
        "192",
        "0",
    ]

    def name(odd):
        labels = [chooser.choice(parts if odd else parts[:3]) for _ in range(chooser.randint(1, 4))]
        return ".".join(labels) + chooser.choice(["", "", "", "."])

    counts = {True: 0, False: 0}
    for _ in range(2000):
        host = name(odd=chooser.random() < 0.3)
        kind = chooser.random()
        presented = name(odd=True)
        if kind < 0.4:
            presented = "*" + host[host.index(".") :] if "." in host else host
        elif kind < 0.7:
            presented = chooser.choice([host, host.upper(), f"{host}.", host.rstrip(".")])
        expected = by_rules(presented, host)
        assert matches(presented, host) == expected, (presented, host)
        counts[expected] += 1
    assert min(counts.values()) > 500


def test_a_certificate_checks_a_host(certificate):
    server = certificate("server.pem")
    assert server.check_host("localhost")
    assert server.check_host("127.0.0.1")
    assert not server.check_host("127.0.0.2")
    assert not certificate("cn_only.pem").check_host("localhost")
    with pytest.raises(ValueError, match="is not a host name"):
        server.check_host("a b")
    with pytest.raises(TypeError):
        m2.x509_matches_host(server._ptr(), b"localhost", 0)
    broken = server.as_der().replace(b"\x82\x09localhost", b"\x9f\x09localhost")
    with pytest.raises(X509.X509Error):
        X509.load_cert_der_string(broken).check_host("localhost")


@pytest.mark.parametrize(("presented", "host"), WILDCARDS_OF_NO_HOST)
def test_a_wildcard_does_not_match_an_invalid_label(certificate, presented, host):
    assert not matches(presented, host)
    with pytest.raises(WrongHost):
        Checker()(certificate("wildcard.pem"), host)


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST", "127.0.0.1", "::1", "0:0:0:0:0:0:0:1", "::1%lo"]
)
def test_the_dns_names_and_addresses_of_a_certificate_match(certificate, host):
    assert Checker()(certificate("server.pem"), host) is True


@pytest.mark.parametrize(
    ("file", "host"),
    [
        ("server.pem", "www.localhost"),
        ("server.pem", "127.0.0.2"),
        ("server.pem", "::2"),
        ("server.pem", "::ffff:127.0.0.1"),
        ("server.pem", ""),
        ("wildcard.pem", "example.org"),
        ("wildcard.pem", "a.b.example.org"),
        ("other_host.pem", "localhost"),
        # With a subjectAltName of any type the common name is not used.
        ("address_only.pem", "localhost"),
        ("client.pem", "localhost"),
    ],
)
def test_a_certificate_for_another_host_is_refused(certificate, file, host):
    with pytest.raises(WrongHost):
        Checker()(certificate(file), host)


def test_wildcards_and_internationalized_names_of_a_certificate_match(certificate):
    check = Checker()
    assert check(certificate("wildcard.pem"), "www.example.org")
    assert check(certificate("wildcard.pem"), "bücher.example")


def test_the_common_name_is_used_only_without_a_subject_alt_name(certificate):
    assert Checker()(certificate("cn_only.pem"), "localhost")
    with pytest.raises(WrongHost) as caught:
        Checker()(certificate("cn_only.pem"), "other.example.org")
    assert caught.value.fieldName == "commonName"
    assert str(caught.value) == (
        "Peer certificate commonName does not match host, expected other.example.org, got localhost"
    )


def test_a_subject_alt_name_that_cannot_be_read_is_refused(certificates):
    broken = X509.load_cert_der_string(
        X509.load_cert(certificates("server.pem"))
        .as_der()
        # The tag of the first name becomes one that no name has.
        .replace(b"\x82\x09localhost", b"\x9f\x09localhost")
    )
    with pytest.raises(WrongCertificate, match="subjectAltName cannot be read"):
        Checker()(broken, "localhost")


def test_a_certificate_without_names_is_refused():
    nameless = X509.X509()
    nameless.set_pubkey(KEY)
    with pytest.raises(WrongCertificate, match="no names"):
        Checker()(nameless, "localhost")
    assert nameless.check_host("localhost") is False


def test_a_host_name_can_be_bytes(certificate):
    server = certificate("server.pem")
    assert Checker()(server, b"LOCALHOST")
    assert Checker(b"127.0.0.1")(server)
    assert server.check_host(b"localhost.")
    for host in (b"other.example.org", b"\xff", "bücher.example".encode()):
        with pytest.raises(WrongHost):
            Checker()(server, host)
    for host in (None, 1, bytearray(b"localhost")):
        with pytest.raises(TypeError, match="str or bytes"):
            reference_identity(host)


def test_the_common_name_is_never_used_in_strict_mode(certificate):
    with pytest.raises(WrongHost):
        Checker(strict=True)(certificate("cn_only.pem"), "localhost")
    assert Checker(strict=True)(certificate("server.pem"), "localhost")


def test_the_common_name_never_matches_an_ip_address(certificate, certificates, tmp_path):
    from M2Crypto import ASN1, EVP

    made = X509.X509()
    made.get_subject().add_entry_by_txt("CN", ASN1.MBSTRING_ASC, "192.0.2.1", -1, -1, 0)
    made.set_pubkey(EVP.load_key(certificates("ca.key")))
    assert made.get_subject().CN == "192.0.2.1"
    with pytest.raises(WrongHost):
        Checker()(made, "192.0.2.1")


def test_the_host_of_the_constructor_is_the_default_of_the_call(certificate):
    check = Checker(host="localhost")
    assert check(certificate("server.pem"))
    with pytest.raises(WrongHost):
        check(certificate("other_host.pem"))
    assert check(certificate("other_host.pem"), "other.example.org")
    # The call does not change the default.
    assert check(certificate("server.pem"))


def test_without_a_host_any_certificate_passes(certificate):
    assert Checker()(certificate("other_host.pem"))
    with pytest.raises(NoCertificate):
        Checker()(None)


@pytest.mark.parametrize("digest", ["sha1", "sha256", "sha512"])
def test_a_fingerprint_must_match(certificate, digest):
    server = certificate("server.pem")
    fingerprint = server.get_fingerprint(digest)
    pairs = ":".join(fingerprint[at : at + 2] for at in range(0, len(fingerprint), 2))
    for form in (fingerprint, fingerprint.lower(), pairs):
        assert Checker(peerCertHash=form, peerCertDigest=digest)(server, "localhost")
    with pytest.raises(WrongCertificate, match="fingerprint does not match"):
        Checker(peerCertHash=fingerprint, peerCertDigest=digest)(certificate("other_host.pem"))
    with pytest.raises(WrongCertificate):
        Checker(peerCertHash=fingerprint[:-2], peerCertDigest=digest)(server)


def test_a_matching_fingerprint_does_not_replace_the_host_check(certificate):
    server = certificate("server.pem")
    with pytest.raises(WrongHost):
        Checker(peerCertHash=server.get_fingerprint("sha256"))(server, "other.example.org")


# ---- pins ----------------------------------------------------------------------------------------


def test_the_pin_is_that_of_the_openssl_program(certificate):
    # openssl x509 -in server.pem -pubkey -noout | openssl pkey -pubin -outform DER |
    # openssl dgst -sha256 -binary | base64
    server = certificate("server.pem")
    spki = server.get_pubkey().as_der()
    assert spki_pin(server) == base64.b64encode(hashlib.sha256(spki).digest()).decode()


def test_one_pin_must_match(certificate):
    server, other = certificate("server.pem"), certificate("other_host.pem")
    pin = spki_pin(server)
    digest = base64.b64decode(pin)
    other_pin = base64.b64encode(bytes(32)).decode()
    for form in (pin, f"sha256//{pin}", digest.hex(), digest.hex(":").upper(), [other_pin, pin]):
        assert Checker(spki=form)(server, "localhost")
    with pytest.raises(WrongHost):
        Checker(spki=pin)(server, "other.example.org")
    with pytest.raises(WrongCertificate, match="matches no pin"):
        Checker(spki=[other_pin])(other)
    if spki_pin(other) != pin:
        with pytest.raises(WrongCertificate, match="matches no pin"):
            Checker(spki=pin)(other)


def test_a_pin_or_a_fingerprint_instead_of_names(certificate):
    server = certificate("server.pem")
    host = "other.example.org"
    assert Checker(spki=spki_pin(server), check_host=False)(server, host)
    assert Checker(peerCertHash=server.get_fingerprint("sha256"), check_host=False)(server, host)
    with pytest.raises(WrongCertificate):
        Checker(spki="00" * 32, check_host=False)(server, "localhost")
    with pytest.raises(ValueError, match="a fingerprint or a pin is needed"):
        Checker(check_host=False)


@pytest.mark.parametrize("pin", ["", "00", "0" * 63, "g" * 64, "A" * 44, "sha256//", "é" * 44, []])
def test_a_malformed_pin_is_refused(pin):
    with pytest.raises(ValueError, match=r"SHA-256 of a public key|has no pin"):
        Checker(spki=pin)


def test_a_callable_instead_of_a_checker(pair, shake, contexts):
    seen = []
    contexts[0].post_connection_check = None
    client, server = pair(*contexts)
    client.set1_host("localhost")
    client.set_post_connection_check_callback(lambda found, host: seen.append((found, host)) or 1)
    shake(client, server)
    ((found, host),) = seen
    assert found.check_host("localhost")
    assert host == "localhost"


def test_the_checker_has_two_import_names():
    assert SSL.Checker is Checker
    assert SSL.Checker.Checker is Checker
    assert SSL.Checker.WrongHost is WrongHost
    for error in (NoCertificate, WrongCertificate, WrongHost):
        assert issubclass(error, SSLVerificationError)


def test_wrong_host_refuses_an_unknown_field_name():
    with pytest.raises(ValueError, match="commonName or subjectAltName"):
        WrongHost("a", "b", "emailAddress")
