"""CRLs are built, signed and read (RFC 5280, section 5), and objects of X.509 are Python's."""

from __future__ import annotations

import copy
import datetime
import pickle
from pathlib import Path

import pytest

from M2Crypto import ASN1, BIO, X509, m2
from M2Crypto.X509 import CRLReason, X509Error

DATA = Path(__file__).parent / "data" / "x509"
NOW = datetime.datetime(2026, 1, 31, 12, 30, 59, tzinfo=datetime.timezone.utc)
DAY = datetime.timedelta(days=1)


@pytest.fixture
def crl(authority):
    crl = X509.CRL()
    crl.set_issuer(authority.cert.get_subject())
    crl.set_lastUpdate(NOW)
    crl.set_nextUpdate(NOW.replace(year=2119))
    return crl


def test_a_crl_is_built_and_signed(crl, authority, openssl_command, tmp_path):
    crl.add_revoked(7, NOW - DAY, CRLReason.KEY_COMPROMISE, NOW - 2 * DAY)
    crl.add_revoked(2**100, NOW)
    crl.set_number(5)
    crl.add_ext(X509.new_extension("authorityKeyIdentifier", "keyid", issuer=authority.cert))
    assert crl.sign(authority.pkey, "sha256") == 256
    assert crl.verify(authority.pkey) == 1
    assert crl.get_version() == 1
    path = tmp_path / "crl.pem"
    assert crl.save_pem(path) == 1
    text = openssl_command(
        "crl", "-in", path, "-noout", "-text", "-CAfile", authority.path
    ).decode()
    assert "Key Compromise" in text
    assert "Invalidity Date" in text
    assert "X509v3 CRL Number" in text
    assert "Last Update: Jan 31 12:30:59 2026 GMT" in text


def test_entries_are_a_sequence(crl, authority):
    entries = [
        X509.Revoked(7, NOW - DAY, CRLReason.KEY_COMPROMISE, NOW - 2 * DAY),
        X509.Revoked(8, NOW, CRLReason.CERTIFICATE_HOLD, None),
        X509.Revoked(2**100, NOW, None, None),
    ]
    for entry in entries:
        assert crl.add_revoked(*entry) == 1
    assert len(crl) == 3
    crl.sign(authority.pkey, "sha256")
    assert list(crl) == entries
    assert crl[-1] == crl[2] == entries[2]
    assert crl.get_revoked(8) == entries[1]
    assert crl.get_revoked(9) is None
    for index in (3, -4):
        with pytest.raises(IndexError):
            crl[index]
    assert repr(crl) == "<CRL /CN=Test root for messages, 3 revoked>"


@pytest.mark.parametrize("reason", list(CRLReason))
def test_each_reason_is_encoded(crl, reason):
    crl.add_revoked(1, NOW, reason)
    assert crl[0].reason is reason
    # CRLReason is an ENUMERATED (RFC 5280, section 5.3.1).
    assert getattr(m2, f"CRL_REASON_{reason.name}") == reason


@pytest.mark.parametrize("reason", [-1, 7, 11, 2**31 - 1])
def test_an_unknown_reason_is_refused(crl, reason):
    with pytest.raises(X509Error, match="unknown reason"):
        crl.add_revoked(1, NOW, reason)
    assert len(crl) == 0


def test_times_need_a_zone(crl):
    naive = NOW.replace(tzinfo=None)
    for call in (crl.set_lastUpdate, crl.set_nextUpdate, lambda time: crl.add_revoked(1, time)):
        with pytest.raises(ValueError, match="no time zone"):
            call(naive)
    time = ASN1.ASN1_TIME()
    time.set_datetime(NOW)
    crl.set_lastUpdate(time)
    assert crl.get_lastUpdate().get_datetime() == NOW
    zone = datetime.timezone(datetime.timedelta(hours=2))
    crl.add_revoked(1, NOW.astimezone(zone))
    assert crl[0].date == NOW


def test_a_crl_revokes_a_certificate(crl, authority, someone, trust):
    def verdict():
        context = X509.X509_Store_Context()
        context.init(trust, someone.cert)
        return context.verify_cert(), context.get_error()

    trust.set_flags(m2.X509_V_FLAG_CRL_CHECK)
    assert verdict() == (0, m2.X509_V_ERR_UNABLE_TO_GET_CRL)
    crl.add_revoked(someone.cert.get_serial_number(), NOW)
    crl.sign(authority.pkey, "sha256")
    trust.add_crl(crl)
    assert verdict() == (0, m2.X509_V_ERR_CERT_REVOKED)


def test_a_crl_of_a_context_is_used(crl, authority, someone, trust):
    trust.set_flags(m2.X509_V_FLAG_CRL_CHECK)
    crl.sign(authority.pkey, "sha256")
    crls = X509.CRL_Stack()
    crls.push(crl)
    context = X509.X509_Store_Context()
    context.init(trust, someone.cert)
    context.add_crls(crls)
    assert context.verify_cert() == 1


def test_every_way_of_loading_gives_the_same_crl(tmp_path):
    crl = X509.load_crl(DATA / "crl.pem")
    crl.save(tmp_path / "der", X509.FORMAT_DER)
    crl.save(tmp_path / "pem")
    loaded = [
        X509.load_crl(tmp_path / "der", X509.FORMAT_DER),
        X509.load_crl(tmp_path / "pem"),
        X509.load_crl_string(crl.as_pem()),
        X509.load_crl_string(crl.as_pem().decode()),
        X509.load_crl_der_string(crl.as_der()),
        X509.load_crl_bio(BIO.MemoryBuffer(crl.as_pem())),
    ]
    assert {each.as_der() for each in loaded} == {crl.as_der()}
    assert [entry.serial_number for entry in crl] == [4]
    with pytest.raises(ValueError, match="unknown format"):
        X509.load_crl(DATA / "crl.pem", 7)


def test_extensions_of_a_crl_are_found(crl):
    assert crl.get_number() is None
    crl.set_number(4)
    crl.set_number(2**100)
    assert crl.get_number() == 2**100
    crl.set_number(5)
    assert crl.get_ext_count() == 1
    assert crl.get_ext("crlNumber").get_value() == crl.get_ext_at(0).get_value() == "5"
    with pytest.raises(LookupError, match="no extension issuingDistributionPoint"):
        crl.get_ext("issuingDistributionPoint")
    for index in (-1, 1):
        with pytest.raises(IndexError):
            crl.get_ext_at(index)
        with pytest.raises(X509Error, match="no such"):
            m2.x509_crl_get_ext(crl.crl, index)
        with pytest.raises(X509Error, match="no such"):
            m2.x509_crl_revoked_value(crl.crl, index)


def test_the_issuer_that_a_crl_returned_changes_it(crl):
    crl.get_issuer().O = "changed"
    assert crl.get_issuer().O == "changed"


def test_an_invalidity_date_must_be_a_time():
    entry = m2.x509_revoked_new()
    with pytest.raises(X509Error, match="not such as"):
        m2.x509_revoked_set_invalidity_date(entry, "yesterday")
    assert m2.x509_revoked_get_invalidity_date(entry) is None
    assert m2.x509_revoked_get_reason(entry) == m2.CRL_REASON_NONE


# ---- extensions with a configuration -------------------------------------------------------------

SECTIONS = """
[names]
DNS.1 = a.example
DNS.2 = b.example
[policy]
policyIdentifier = 1.3.5.8
CPS.1 = "https://example.org/"
[proxy]
language = id-ppl-anyLanguage
pathlen = 3
[point]
fullname = URI:http://example.org/crl
"""


@pytest.mark.parametrize(
    ("name", "value", "texts"),
    [
        ("subjectAltName", "@names", ["DNS:a.example, DNS:b.example"]),
        ("certificatePolicies", "1.2.3.4,@policy", ["1.2.3.4", "1.3.5.8", "https://example.org/"]),
        ("proxyCertInfo", "critical,@proxy", ["Path Length Constraint: 03", "Any language"]),
        ("issuingDistributionPoint", "@point", ["http://example.org/crl"]),
        ("1.2.3.4", "ASN1:SEQUENCE:names", ["a.example"]),
    ],
)
def test_a_value_can_name_a_section(name, value, texts):
    section = SECTIONS
    if value.startswith("ASN1:"):
        section = "[names]\none = UTF8:a.example\n"
    for config in (section, section.encode()):
        extension = X509.new_extension(name, value, config=config)
        assert all(text in extension.get_value() for text in texts)
    assert extension.get_critical() == int(value.startswith("critical"))
    with pytest.raises(X509Error):
        X509.new_extension(name, value)
    assert m2.err_peek_error() == 0


def test_a_malformed_configuration_is_refused():
    with pytest.raises(X509Error):
        X509.new_extension("subjectAltName", "@names", config="[names")
    assert m2.err_peek_error() == 0


def test_an_issuer_and_a_subject_are_behind_the_value(authority, someone):
    keyid = X509.new_extension(
        "authorityKeyIdentifier", "keyid,issuer:always", issuer=authority.cert
    ).get_value()
    assert authority.cert.get_ext("subjectKeyIdentifier").get_value() in keyid
    # OpenSSL 4.0 prints the number without a leading zero.
    assert keyid.strip().endswith(("serial:01", "serial:1"))
    mine = X509.new_extension("subjectKeyIdentifier", "hash", subject=someone.cert)
    assert mine.get_value() == X509.new_extension(
        "subjectKeyIdentifier", "hash", pkey=someone.pkey
    ).get_value()  # fmt: skip
    critical = X509.new_extension("subjectKeyIdentifier", "hash", 1, subject=someone.cert)
    assert critical.get_critical() == 1
    with pytest.raises(ValueError, match="pkey cannot be given"):
        X509.new_extension("subjectKeyIdentifier", "hash", pkey=someone.pkey, issuer=someone.cert)


def test_programs_create_extensions_by_m2():
    context = m2.x509v3_set_nconf()
    handle = m2.x509v3_ext_conf(None, context, "basicConstraints", "CA:TRUE")
    extension = X509.X509_Extension(handle, 1)
    del context
    assert extension.get_value() == "CA:TRUE"
    with pytest.raises(TypeError):
        m2.x509v3_ext_conf(None, None, "basicConstraints", "CA:TRUE")


# ---- functions of m2 -----------------------------------------------------------------------------


def test_names_are_changed_by_m2():
    name = m2.x509_name_new()
    assert m2.x509_name_set_by_nid(name, m2.NID_commonName, "caf\u00e9".encode()) == 1
    assert m2.x509_name_get_by_nid(name, m2.NID_commonName).decode() == "caf\u00e9"
    entry = m2.x509_name_entry_create_by_txt("O", ASN1.MBSTRING_ASC, b"org")
    assert m2.x509_name_add_entry(name, entry, -1, 0) == 1
    assert str(X509.X509_Name(name)) == r"/CN=caf\xC3\xA9/O=org"
    assert m2.x509_name_type_check(name) == 1
    with pytest.raises(TypeError):
        m2.x509_name_type_check(m2.x509_new())
    with pytest.raises(TypeError):
        m2.x509_type_check(name)
    assert m2.x509_type_check(m2.x509_new()) == 1
    with pytest.raises(X509Error, match="no such entry"):
        m2.x509_name_get_by_nid(name, m2.NID_countryName)


def test_gmtime_adj_sets_a_time_relative_to_now():
    time = ASN1.ASN1_TIME()
    # time(2), which OpenSSL calls, can be a clock tick behind.
    second = datetime.timedelta(seconds=1)
    before = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0) - second
    assert m2.x509_gmtime_adj(time._ptr(), 3600) == 1
    assert before <= time.get_datetime() - datetime.timedelta(hours=1) <= before + DAY
    for seconds in (2**62, -(2**62)):
        with pytest.raises(X509Error, match="not between the years"):
            m2.x509_gmtime_adj(time._ptr(), seconds)


def test_a_certificate_is_checked_for_a_name():
    leaf = X509.load_cert(DATA / "leaf.pem").x509
    assert m2.x509_check_host(leaf, "www.example.org", 0) == 1
    assert m2.x509_check_host(leaf, "a.example.net", 0) == 1
    assert m2.x509_check_host(leaf, "www.example.com", 0) == 0
    assert m2.x509_check_email(leaf, "someone@example.org", 0) == 1
    assert m2.x509_check_email(leaf, "other@example.org", 0) == 0
    assert m2.x509_check_ip_asc(leaf, "192.0.2.7", 0) == 1
    assert m2.x509_check_ip_asc(leaf, "2001:db8::7", 0) == 1
    assert m2.x509_check_ip_asc(leaf, "192.0.2.8", 0) == 0
    with pytest.raises(X509Error, match="malformed"):
        m2.x509_check_ip_asc(leaf, "no address", 0)


def test_extension_stacks_have_the_names_that_programs_use():
    stack = m2.sk_x509_extension_new_null()
    assert m2.sk_x509_extension_push(stack, X509.new_extension("nsComment", "one")._ptr()) == 1
    assert m2.sk_x509_extension_num(stack) == 1
    assert X509.X509_Extension(m2.sk_x509_extension_value(stack, 0)).get_value() == "one"
    assert X509.X509_Extension(m2.sk_x509_extension_pop(stack)).get_value() == "one"
    assert m2.sk_x509_extension_pop(stack) is None
    m2.sk_x509_extension_free(stack)


def test_a_store_restricts_purpose_and_depth(trust, someone):
    def verdict():
        context = X509.X509_Store_Context()
        context.init(trust, someone.cert)
        return context.verify_cert()

    trust.set_purpose(m2.X509_PURPOSE_SMIME_SIGN)
    trust.set_depth(1)
    assert verdict() == 1
    trust.set_purpose(m2.X509_PURPOSE_SSL_SERVER)
    assert verdict() == 0
    with pytest.raises(X509Error):
        trust.set_purpose(10**6)


# ---- copies, pickles and text --------------------------------------------------------------------


def objects():
    request = X509.load_request(DATA / "request.pem")
    leaf = X509.load_cert(DATA / "leaf.pem")
    extension = leaf.get_ext("keyUsage")
    return [leaf, request, X509.load_crl(DATA / "crl.pem"), leaf.get_subject(), extension]


@pytest.mark.parametrize("index", range(5))
def test_objects_are_copied_and_pickled(index):
    one = objects()[index]
    for other in (copy.copy(one), copy.deepcopy(one), pickle.loads(pickle.dumps(one))):
        assert type(other) is type(one)
        assert other is not one
        assert other.as_der() == one.as_der()


def test_a_copy_does_not_share_changes():
    leaf = objects()[0]
    copied = copy.copy(leaf)
    copied.get_subject().CN = "changed"
    assert copied.get_subject() != leaf.get_subject()
    assert leaf.get_subject() == objects()[0].get_subject()
    assert leaf.get_subject() != 1


def test_stacks_are_sequences(someone, authority):
    stack = X509.X509_Stack()
    stack.push(someone.cert)
    stack.push(authority.cert)
    assert stack[-1].as_der() == stack[1].as_der() == authority.cert.as_der()
    assert repr(stack) == "<X509_Stack of 2>"
    copied, pickled = copy.copy(stack), pickle.loads(pickle.dumps(stack))
    stack.pop()
    for other in (copied, pickled):
        assert [each.as_der() for each in other] == [someone.cert.as_der(), authority.cert.as_der()]
    for index in (2, -3):
        with pytest.raises(IndexError):
            copied[index]


@pytest.mark.parametrize(
    ("index", "text"),
    [
        (0, "<X509 /C=CZ"),
        (1, "<Request /CN=request.example.org>"),
        (4, "<X509_Extension keyUsage>"),
    ],
)
def test_repr_names_the_subject(index, text):
    assert repr(objects()[index]).startswith(text)
