"""Certificates, names, extensions, requests and CRLs are loaded, created and signed.

The expected values are the output of the openssl program for the same files (data/x509/make.sh).
"""

from __future__ import annotations

import base64
import contextlib
import datetime
import gc
import ssl
from pathlib import Path

import pytest

from M2Crypto import ASN1, BIO, EVP, X509, m2
from M2Crypto.X509 import X509Error
from M2Crypto.X509.extensions import extension_from_der

DATA = Path(__file__).parent / "data" / "x509"
LEAF = str(DATA / "leaf.pem")
SAID = dict(
    line.split("=", 1)
    for line in (DATA / "leaf.txt").read_text(encoding="utf-8").splitlines()
    if "=" in line
)

# RFC 8410, 10.3: the example key of its appendix.
ED25519_KEY = b"""\
-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC
-----END PRIVATE KEY-----
"""
# The certificate of the same RFC, 10.2: an X25519 key signed with Ed25519.
RFC8410_CERTIFICATE = b"""\
-----BEGIN CERTIFICATE-----
MIIBLDCB36ADAgECAghWAUdKKo3DMDAFBgMrZXAwGTEXMBUGA1UEAwwOSUVURiBUZX
N0IERlbW8wHhcNMTYwODAxMTIxOTI0WhcNNDAxMjMxMjM1OTU5WjAZMRcwFQYDVQQD
DA5JRVRGIFRlc3QgRGVtbzAqMAUGAytlbgMhAIUg8AmJMKdUdIt93LQ+91oNvzoNJj
ga9OukqY6qm05qo0UwQzAPBgNVHRMBAf8EBTADAQEAMA4GA1UdDwEBAAQEAwIDCDAg
BgNVHQ4BAQAEFgQUmx9e7e0EM4Xk97xiPFl1uQvIuzswBQYDK2VwA0EAryMB/t3J5v
/BzKc9dNZIpDmAgs3babFOTQbs+BolzlDUwsPrdGxO3YNGhW7Ibz3OGhhlxXrCe1Cg
w1AH9efZBw==
-----END CERTIFICATE-----
"""


@pytest.fixture
def leaf():
    return X509.load_cert(LEAF)


@pytest.fixture(scope="module")
def key():
    return EVP.load_key(str(DATA / "leaf.key"))


@pytest.fixture
def blank(key):
    """Return a certificate that is ready to be signed."""
    certificate = X509.X509()
    certificate.set_version(2)
    certificate.set_serial_number(1)
    certificate.set_pubkey(key)
    for setter, seconds in ((certificate.set_not_before, 0), (certificate.set_not_after, 2**32)):
        when = ASN1.ASN1_UTCTIME()
        when.set_time(seconds)
        setter(when)
    return certificate


def tlv(tag, content):
    """Encode a DER element of less than 128 octets."""
    assert len(content) < 128
    return bytes([tag, len(content)]) + content


def with_names(blank, *names):
    """Add a subjectAltName of these DER-encoded names to `blank`."""
    value = tlv(0x30, b"".join(names)).hex(":")
    blank.add_ext(X509.new_extension("subjectAltName", "DER:" + value))
    return blank


# ---- loading and saving --------------------------------------------------------------------------


def test_every_way_of_loading_gives_the_same_certificate(tmp_path):
    pem = Path(LEAF).read_text(encoding="ascii")
    der = ssl.PEM_cert_to_DER_cert(pem[pem.index("-----BEGIN") :])
    (tmp_path / "leaf.der").write_bytes(der)
    loaded = [
        X509.load_cert(LEAF),
        X509.load_cert(str(tmp_path / "leaf.der"), X509.FORMAT_DER),
        X509.load_cert_string(pem),
        X509.load_cert_string(pem.encode()),
        X509.load_cert_string(der, X509.FORMAT_DER),
        X509.load_cert_der_string(der),
        X509.load_cert_bio(BIO.MemoryBuffer(pem.encode())),
    ]
    assert {certificate.as_der() for certificate in loaded} == {der}


def test_a_saved_certificate_can_be_loaded(leaf, tmp_path):
    path = str(tmp_path / "saved")
    assert leaf.save_pem(path) == 1
    assert Path(path).read_bytes() == leaf.as_pem()
    assert leaf.save(path, X509.FORMAT_DER) == 1
    assert X509.load_cert(path, X509.FORMAT_DER).as_der() == leaf.as_der()
    assert ssl.DER_cert_to_PEM_cert(leaf.as_der()).encode() == leaf.as_pem()


@pytest.mark.parametrize(
    "load", [X509.load_cert_string, X509.load_request_string, X509.load_crl_string]
)
def test_text_that_is_not_pem_is_refused(load):
    with pytest.raises(X509Error, match="no start line") as caught:
        load("nothing here")
    assert caught.value.library == "PEM routines"
    assert m2.err_peek_error() == 0


@pytest.mark.parametrize("load", [X509.load_cert_der_string, X509.load_request_der_string])
@pytest.mark.parametrize("der", [b"", b"\x30", b"\x30\x03\x02\x01\x01", b"\x30\x80"])
def test_octets_that_are_not_a_certificate_are_refused(load, der):
    with pytest.raises(X509Error):
        load(der)
    assert m2.err_peek_error() == 0


def test_an_unknown_format_is_refused(leaf, tmp_path):
    with pytest.raises(ValueError, match="unknown format 7"):
        X509.load_cert(LEAF, 7)
    with pytest.raises(ValueError, match="unknown format 7"):
        leaf.save(str(tmp_path / "file"), 7)
    assert not (tmp_path / "file").exists()


@pytest.mark.parametrize("load", [X509.load_cert, X509.load_request, X509.load_crl])
def test_a_missing_file_raises_os_error(load, tmp_path):
    with pytest.raises(OSError, match="No such file"):
        load(str(tmp_path / "none.pem"))


# ---- certificate fields --------------------------------------------------------------------------


def test_version_and_serial_number_match_openssl_x509(leaf):
    assert leaf.get_version() == 2
    assert leaf.get_serial_number() == int(SAID["serial"], 16)
    assert leaf.get_subject().as_hash() == int(SAID["subject_hash"], 16)
    assert leaf.get_issuer().as_hash() == int(SAID["issuer_hash"], 16)
    assert leaf.get_fingerprint() == SAID["sha1 Fingerprint"].replace(":", "")
    assert leaf.get_fingerprint("sha256") == SAID["sha256 Fingerprint"].replace(":", "")


def test_the_validity_dates_match_openssl_x509(leaf):
    assert str(leaf.get_not_before()) == SAID["notBefore"]
    assert str(leaf.get_not_after()) == SAID["notAfter"]
    assert leaf.get_not_after().get_datetime() == datetime.datetime(2120, 1, 1, tzinfo=ASN1.UTC)


def test_as_text_matches_openssl_x509(leaf):
    text = leaf.as_text()
    assert "Version: 3 (0x2)" in text
    assert "Subject Alternative Name" in text


@pytest.mark.parametrize("md", ["no such digest", "aes_128_cbc"])
def test_an_unknown_digest_is_refused(leaf, key, md):
    with pytest.raises(X509Error, match="unknown digest"):
        leaf.get_fingerprint(md)
    with pytest.raises(X509Error, match="unknown digest"):
        leaf.sign(key, md)
    with pytest.raises(X509Error, match="needs a digest"):
        leaf.get_fingerprint(None)


# ---- names ---------------------------------------------------------------------------------------


def test_as_text_supports_the_formats_of_x509_name_print_ex(leaf):
    name = leaf.get_subject()
    escaped = m2.XN_FLAG_RFC2253
    assert name.as_text(flags=escaped) == SAID["RFC2253"]
    assert name.as_text(flags=m2.XN_FLAG_ONELINE) == SAID["oneline"]
    assert name.as_text(indent=2, flags=escaped) == "  " + SAID["RFC2253"]
    issuer = leaf.get_issuer()
    assert issuer.as_text() == "C=CZ, O=M2Crypto tests, CN=Test intermediate"
    assert str(issuer) == "/C=CZ/O=M2Crypto tests/CN=Test intermediate"


def test_name_attributes_are_read_by_short_and_long_name(leaf):
    name = leaf.get_subject()
    assert name.C == name.countryName == "CZ"
    assert name.ST == name.SP == name.stateOrProvinceName == "Jižní Čechy"
    assert name.CN == name.commonName == "www.example.org"
    assert name.Email == name.emailAddress == "a@example.org"
    assert name.L is None
    with pytest.raises(AttributeError, match="no attribute 'XX'"):
        name.XX  # noqa: B018


@pytest.mark.parametrize(
    ("attribute", "nid"), [*X509.X509_Name.nid.items()], ids=list(X509.X509_Name.nid)
)
def test_every_attribute_can_be_set_and_read(attribute, nid):
    name = X509.X509_Name()
    setattr(name, attribute, "xy")
    assert getattr(name, attribute) == "xy"
    assert m2.obj_obj2nid(name[0].get_object()._ptr()) == nid


def test_assigning_an_attribute_adds_an_entry():
    name = X509.X509_Name()
    name.OU = "one"
    name.OU = "two"
    assert [str(entry.get_data()) for entry in name] == ["one", "two"]
    assert name.OU == "one"
    assert len(name.get_entries_by_nid(m2.NID_organizationalUnitName)) == 2
    assert name.get_entries_by_nid(m2.NID_commonName) == []


def test_a_nul_does_not_truncate_a_value():
    name = X509.X509_Name()
    name.CN = "good.example\0.evil.example"
    assert name.CN == "good.example\0.evil.example"
    assert str(name) == r"/CN=good.example\x00.evil.example"


def test_an_invalid_attribute_value_is_refused():
    name = X509.X509_Name()
    with pytest.raises(X509Error, match="too long"):
        name.C = "CZE"
    assert len(name) == 0
    with pytest.raises(X509Error):
        name.add_entry_by_txt("nonsense", ASN1.MBSTRING_ASC, "x")


def test_entries_are_added_at_the_given_position_and_type():
    name = X509.X509_Name()
    name.add_entry_by_txt(field="O", type=ASN1.MBSTRING_ASC, entry="abcdef", len=3, loc=-1, set=0)
    name.add_entry_by_txt("CN", ASN1.MBSTRING_ASC, b"caf\xe9", -1, 0, 0)
    name.add_entry_by_txt("2.5.4.11", ASN1.MBSTRING_BMP, "Č", -1, -1, -1)
    assert name.as_text(flags=m2.XN_FLAG_RFC2253 & ~m2.ASN1_STRFLGS_ESC_MSB) == "OU=Č+O=abc,CN=café"
    assert name.entry_count() == len(name) == 3


def test_an_entry_out_of_range_is_an_index_error(leaf):
    for index in (6, -7):
        with pytest.raises(IndexError):
            leaf.get_subject()[index]
    assert bytes(leaf.get_subject()[-1].get_data()) == bytes(leaf.get_subject()[5].get_data())


def test_the_der_encoding_of_a_name_follows_rfc_5280():
    name = X509.X509_Name()
    name.C = "CZ"
    # SEQUENCE of SET of SEQUENCE of 2.5.4.6 and a PrintableString (X.520, 6.3.1).
    attribute = tlv(0x30, tlv(0x06, b"\x55\x04\x06") + tlv(0x13, b"CZ"))
    assert name.as_der() == tlv(0x30, tlv(0x31, attribute))


def test_changing_an_entry_modifies_its_name_and_keeps_its_rdn(leaf):
    name = leaf.get_subject()
    before = len(name)
    name[3].set_data("Two")
    name[4].set_data(b"two.example.org")
    name[0].set_data("SK")
    assert len(name) == before
    changed = SAID["RFC2253"].replace("One", "Two").replace("www.", "two.").replace("CZ", "SK")
    assert leaf.get_subject().as_text(flags=m2.XN_FLAG_RFC2253) == changed
    # The encoding must not be the cached one.
    assert b"two.example.org" in leaf.get_subject().as_der()


def test_a_standalone_entry_is_created_and_changed():
    entry = X509.X509_Name_Entry(m2.x509_name_entry_new())
    entry.create_by_txt("CN", ASN1.MBSTRING_ASC, "someone else", 7)
    assert str(entry.get_data()) == "someone"
    entry.set_object(ASN1.ASN1_Object(m2.obj_nid2obj(m2.NID_organizationName)))
    entry.set_data(b"else")
    assert str(entry.get_object()) == "2.5.4.10"
    name = X509.X509_Name()
    with pytest.raises(X509Error, match="no such entry"):
        m2.x509_name_set_entry(name._ptr(), 0, entry._ptr())
    assert bytes(entry.get_data()) == b"else"


# Types of ASN1_STRING that no attribute of a name has (RFC 5280, section 4.1.2.4).
NO_STRING_TYPES = [
    "BOOLEAN",
    "INTEGER",
    "BIT_STRING",
    "OCTET_STRING",
    "NULL",
    "OBJECT",
    "ENUMERATED",
    "SEQUENCE",
    "SET",
    "UTCTIME",
    "GENERALIZEDTIME",
    "OTHER",
]
BAD_VALUES = [
    *((getattr(m2, f"V_ASN1_{kind}"), b"x" * 40) for kind in NO_STRING_TYPES),
    (m2.V_ASN1_OBJECT, b""),
    (m2.V_ASN1_UTF8STRING, b"\xff"),
    (m2.V_ASN1_BMPSTRING, b"odd"),
    (m2.V_ASN1_UNIVERSALSTRING, b"12345"),
    (ASN1.MBSTRING_BMP, b"odd"),
    (ASN1.MBSTRING_UTF8, b"\xff"),
    (ASN1.MBSTRING_FLAG | 7, b"x"),
    (m2.V_ASN1_UNDEF, b"\xff"),
    (31, b"x"),
    (-1000, b"x"),
    (2**31 - 1, b"x"),
]


def unchanged(name):
    """Return what must be the same before and after a failed change."""
    return name.as_der(), name.as_hash(), [bytes(entry.get_data()) for entry in name]


@pytest.mark.parametrize(("kind", "value"), BAD_VALUES)
def test_an_unencodable_value_is_refused_and_changes_nothing(kind, value):
    name = X509.X509_Name()
    name.CN = "before"
    name.OU = "e\u0301"
    before = unchanged(name)
    entry = name[1]
    # The entry is a UTF8String, which V_ASN1_UNDEF keeps.
    with pytest.raises(X509Error):
        entry.set_data(value, kind)
    with pytest.raises(X509Error):
        name.add_entry_by_txt("CN", kind, value)
    with pytest.raises(X509Error):
        m2.x509_name_add_entry_by_nid(name._ptr(), m2.NID_commonName, kind, value, -1, 0)
    with pytest.raises(X509Error):
        entry.create_by_txt("CN", kind, value)
    assert m2.err_peek_error() == 0
    assert unchanged(name) == before
    assert str(entry.get_data()) == "e\u0301"


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        (m2.V_ASN1_PRINTABLESTRING, b"abc", "abc"),
        (m2.V_ASN1_NUMERICSTRING, b"123", "123"),
        (m2.V_ASN1_T61STRING, b"\xe9", "\xe9"),
        (m2.V_ASN1_IA5STRING, b"a@b", "a@b"),
        (m2.V_ASN1_UTF8STRING, b"\xc3\xa9", "\xe9"),
        (m2.V_ASN1_BMPSTRING, b"\x01\x0c", "\u010c"),
        (m2.V_ASN1_UNIVERSALSTRING, b"\0\0\x01\x0c", "\u010c"),
        (m2.V_ASN1_APP_CHOOSE, b"abc", "abc"),
        (m2.V_ASN1_UTF8STRING, b"", ""),
    ],
)
def test_each_string_type_of_a_name_is_preserved(kind, value, text):
    name = X509.X509_Name()
    name.add_entry_by_txt("CN", kind, value)
    name[0].set_data(value, kind)
    assert str(name[0].get_data()) == text
    again = X509.X509()
    again.set_subject_name(name)
    assert again.get_subject().as_hash() == name.as_hash() != 0


def test_an_attribute_without_an_object_identifier_is_refused():
    undefined = m2.obj_nid2obj(m2.NID_undef)
    name = X509.X509_Name()
    name.CN = "before"
    before = unchanged(name)
    with pytest.raises(X509Error, match="object identifier of the attribute is empty"):
        name[0].set_object(ASN1.ASN1_Object(undefined))
    with pytest.raises(X509Error):
        m2.x509_name_add_entry_by_nid(name._ptr(), 0, ASN1.MBSTRING_ASC, b"x", -1, 0)
    fresh = m2.x509_name_entry_new()
    m2.x509_name_entry_set_data(fresh, m2.V_ASN1_UTF8STRING, b"x")
    with pytest.raises(X509Error, match="object identifier of the attribute is empty"):
        m2.x509_name_set_entry(name._ptr(), 0, fresh)
    assert unchanged(name) == before


def test_an_empty_entry_does_not_replace_another():
    name = X509.X509_Name()
    name.CN = "before"
    before = unchanged(name)
    entry = m2.x509_name_entry_new()
    m2.x509_name_entry_set_object(entry, m2.obj_nid2obj(m2.NID_commonName))
    with pytest.raises(X509Error, match="not a string type"):
        m2.x509_name_set_entry(name._ptr(), 0, entry)
    assert unchanged(name) == before


def test_the_hash_of_an_empty_name_is_a_number():
    # SHA-1 of nothing, its first four octets, the lowest first (X509_NAME_hash).
    assert X509.X509_Name().as_hash() == int.from_bytes(bytes.fromhex("da39a3ee"), "little")
    assert m2.err_peek_error() == 0


def test_the_low_level_text_functions_return_str():
    name = X509.X509_Name()
    name.add_entry_by_txt("CN", m2.V_ASN1_T61STRING, b"\xff\n")
    assert m2.x509_name_oneline(name._ptr()) == str(name) == r"/CN=\xFF\x0A"


# ---- extensions ----------------------------------------------------------------------------------


def test_extensions_are_found_by_name_and_index(leaf):
    usage = leaf.get_ext("keyUsage")
    assert (usage.get_name(), usage.get_value(), usage.get_critical()) == (
        "keyUsage",
        "Digital Signature",
        1,
    )
    assert leaf.get_ext("extendedKeyUsage").get_critical() == 0
    names = [leaf.get_ext_at(i).get_name() for i in range(leaf.get_ext_count())]
    assert names[:3] == ["basicConstraints", "keyUsage", "extendedKeyUsage"]
    with pytest.raises(LookupError, match="no extension nameConstraints"):
        leaf.get_ext("nameConstraints")
    for index in (-1, len(names)):
        with pytest.raises(IndexError):
            leaf.get_ext_at(index)


def test_an_unknown_extension_has_a_dotted_name_and_a_hex_dump(leaf):
    value = leaf.get_ext("1.3.6.1.4.1.55555.1").get_value()
    assert value.startswith("0000 - 0c 0f 6b 6e 6f 77 6e")


def test_the_value_of_an_extension_can_be_indented(leaf):
    assert leaf.get_ext("keyUsage").get_value(indent=4) == "    Digital Signature"


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("basicConstraints", "CA:TRUE, pathlen:3", "CA:TRUE, pathlen:3"),
        ("nsComment", "a comment", "a comment"),
        ("subjectAltName", "DNS:a.example,IP:192.0.2.1", "DNS:a.example, IP Address:192.0.2.1"),
        ("subjectKeyIdentifier", "0102AB", "01:02:AB"),
        (
            "proxyCertInfo",
            "language:id-ppl-anyLanguage,policy:text:AB",
            "Path Length Constraint: infinite\nPolicy Language: Any language\nPolicy Text: AB",
        ),
        (
            "proxyCertInfo",
            "critical,language:Inherit all",
            "Path Length Constraint: infinite\nPolicy Language: Inherit all",
        ),
        ("certificatePolicies", "1.2.3.4", "Policy: 1.2.3.4"),
        ("certificatePolicies", "1.2.3.4, 1.2.5", "Policy: 1.2.3.4\nPolicy: 1.2.5"),
    ],
)
@pytest.mark.parametrize("critical", [0, 1])
def test_extensions_are_created_from_text(name, value, text, critical):
    extension = X509.new_extension(name, value, critical)
    assert extension.get_name() == name
    assert extension.get_value().strip() == text
    assert extension.get_critical() == int(critical or value.startswith("critical,"))


def test_set_critical_marks_an_existing_extension():
    extension = X509.new_extension("keyUsage", "critical,keyCertSign")
    assert extension.get_critical() == 1
    extension.set_critical(0)
    assert extension.get_critical() == 0
    extension.set_critical()
    assert extension.get_critical() == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("noSuchExtension", "1"),
        ("basicConstraints", "nonsense"),
        ("subjectKeyIdentifier", "hash"),
        ("authorityKeyIdentifier", "keyid:always"),
        ("subjectAltName", "email:copy"),
        ("authorityKeyIdentifier", "keyid:0102,issuer"),
        ("authorityKeyIdentifier", "keyid:012"),
        ("proxyCertInfo", "pathlen:3"),
        ("proxyCertInfo", "policy:file:/nonexistent"),
        # The configuration has no section that a value could name.
        ("proxyCertInfo", "@section"),
        ("proxyCertInfo", "language:@section"),
        ("nameConstraints", "permitted;dirName:section"),
        ("issuingDistributionPoint", "@section"),
        ("issuingDistributionPoint", "relativename:section"),
        ("subjectAltName", "@"),
        ("subjectAltName", "@section"),
        ("subjectAltName", "dirName:section"),
        ("certificatePolicies", "@section"),
        ("crlDistributionPoints", "section"),
        ("1.2.3.4", "ASN1:SEQUENCE:section"),
    ],
)
def test_an_invalid_extension_value_is_refused(name, value):
    with pytest.raises(X509Error):
        X509.new_extension(name, value)
    assert m2.err_peek_error() == 0


@pytest.mark.parametrize("critical", ["", "critical,"])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sbgp-ipAddrBlock", "IPv4-SAFI"),
        ("sbgp-ipAddrBlock", "IPv4:192.0.2.0/24,IPv4-SAFI"),
        ("sbgp-autonomousSysNum", "AS"),
        ("sbgp-autonomousSysNum", "RDI"),
        ("issuingDistributionPoint", "fullname"),
        ("issuingDistributionPoint", "onlysomereasons"),
    ],
)
def test_an_extension_item_without_a_value_is_refused(critical, name, value):
    with pytest.raises(X509Error, match="extension value has no value"):
        X509.new_extension(name, critical + value)
    assert m2.err_peek_error() == 0


def test_an_issuing_distribution_point_is_created():
    value = "critical,onlyuser:TRUE,indirectCRL:TRUE"
    extension = X509.new_extension("issuingDistributionPoint", value)
    assert extension.get_critical() == 1
    assert "Only User Certificates" in extension.get_value()


def test_an_empty_key_has_no_subject_key_identifier():
    with pytest.raises(X509Error):
        X509.new_extension("subjectKeyIdentifier", "hash", pkey=EVP.PKey())
    assert m2.err_peek_error() == 0


@pytest.mark.parametrize("octets", ["0102AB", "01:02:ab"])
@pytest.mark.parametrize(("mark", "critical"), [("", 0), ("", 1), ("critical, ", 0)])
def test_an_authority_key_identifier_is_created_from_hexadecimal_octets(octets, mark, critical):
    extension = X509.new_extension("authorityKeyIdentifier", f"{mark}keyid:{octets}", critical)
    assert "01:02:AB" in extension.get_value()
    assert extension.get_critical() == int(critical or bool(mark))


@pytest.mark.parametrize("value", ["keyid", "keyid:always", "keyid,issuer"])
def test_the_authority_key_identifier_equals_the_subject_key_identifier_of_the_issuer(
    value, leaf, key
):
    expected = leaf.get_ext("subjectKeyIdentifier").get_value()
    made = X509.new_extension("authorityKeyIdentifier", value, pkey=key).get_value()
    assert made.strip().replace("keyid:", "") == expected


def test_an_extension_that_openssl_cannot_print_is_hex_dumped():
    # An IA5String without characters.
    assert X509.new_extension("nsBaseUrl", "").get_value().startswith("0000 - 16 00 ")
    assert m2.err_peek_error() == 0


def test_a_nul_does_not_truncate_the_value_of_an_extension():
    with pytest.raises(X509Error, match="NUL"):
        X509.new_extension("subjectAltName", "DNS:good.example\0DNS:evil.example")


def test_key_identifiers_are_the_sha_1_digest_of_the_public_key(leaf, blank, key):
    expected = leaf.get_ext("subjectKeyIdentifier").get_value()
    assert X509.new_extension("subjectKeyIdentifier", "hash", pkey=key).get_value() == expected
    blank.add_subject_key_identifier()
    assert blank.get_ext("subjectKeyIdentifier").get_value() == expected


def test_the_authority_key_identifier_contains_a_key_identifier():
    extension = X509.AuthorityKeyIdentifier(b"\x01\x02\xab").as_extension(critical=1)
    assert extension.get_name() == "authorityKeyIdentifier"
    assert "01:02:AB" in extension.get_value()
    assert extension.get_critical() == 1


def test_an_extension_stack_stores_copies():
    stack = X509.X509_Extension_Stack()
    extension = X509.new_extension("nsComment", "one")
    assert stack.push(extension) == 1
    assert stack.push(X509.new_extension("nsComment", "two")) == 2
    extension.set_critical()
    assert [(one.get_value(), one.get_critical()) for one in stack] == [("one", 0), ("two", 0)]
    with pytest.raises(IndexError):
        stack[2]
    assert stack.pop().get_value() == "two"
    assert stack.pop().get_value() == "one"
    assert stack.pop() is None
    assert len(stack) == 0


# ---- alternative names ---------------------------------------------------------------------------


OTHER_NAME = "a00e06032a0304a0070c056f74686572"


def test_alternative_names_are_pairs_of_type_and_octets(leaf):
    assert leaf.get_subject_alt_names() == [
        (m2.GEN_DNS, b"www.example.org"),
        (m2.GEN_DNS, b"*.example.net"),
        (m2.GEN_IPADD, bytes([192, 0, 2, 7])),
        (m2.GEN_IPADD, bytes.fromhex("20010db8000000000000000000000007")),
        (m2.GEN_EMAIL, b"someone@example.org"),
        (m2.GEN_URI, b"https://example.org/"),
        (m2.GEN_RID, b"1.2.3.4"),
        (m2.GEN_DIRNAME, rb"CN=directory,O=Example\, Ltd."),
        (m2.GEN_OTHERNAME, bytes.fromhex(OTHER_NAME)),
    ]
    assert m2.GEN_DNS == 2


def test_alternative_names_have_a_text_form(leaf):
    assert leaf.get_subject_alt_names_as_text() == [
        ("DNS", "www.example.org"),
        ("DNS", "*.example.net"),
        ("IP Address", "192.0.2.7"),
        ("IP Address", "2001:db8::7"),
        ("email", "someone@example.org"),
        ("URI", "https://example.org/"),
        ("Registered ID", "1.2.3.4"),
        ("DirName", r"CN=directory,O=Example\, Ltd."),
        ("othername", OTHER_NAME),
    ]


def test_a_certificate_without_a_subject_alt_name_returns_none():
    root = X509.load_cert(str(DATA / "root.pem"))
    assert root.get_subject_alt_names() == root.get_subject_alt_names_as_text() == []


@pytest.mark.parametrize(
    ("encoded", "value"),
    [
        (b"good.example\0.evil.example", "good.example\0.evil.example"),
        (b"a.example, DNS:b.example", "a.example, DNS:b.example"),
        (b"a.example\nDNS:b.example", "a.example\nDNS:b.example"),
        (b"caf\xc3\xa9.example", r"caf\xc3\xa9.example"),
        (b"", ""),
    ],
)
def test_a_name_with_separators_stays_one_name(blank, encoded, value):
    names = with_names(blank, tlv(0x82, encoded), tlv(0x82, b"after.example"))
    octets = [value for kind, value in names.get_subject_alt_names()]
    assert octets == [encoded, b"after.example"]
    assert names.get_subject_alt_names_as_text() == [("DNS", value), ("DNS", "after.example")]


def test_an_ip_address_of_another_length_is_not_an_address(blank):
    names = with_names(blank, tlv(0x87, b"\x01\x02\x03"), tlv(0x87, b"\x7f\0\0\x01"))
    assert names.get_subject_alt_names_as_text() == [
        ("IP Address", "<invalid>"),
        ("IP Address", "127.0.0.1"),
    ]


def test_the_repr_of_an_extension_with_an_endless_name_does_not_raise():
    # OBJ_obj2txt refuses an object identifier of more than 586 bytes.
    name = b"\x06\x82\x02\x58" + b"\x55\x1d".ljust(600, b"\x01")
    extension = extension_from_der(b"\x30\x82\x02\x60" + name + b"\x04\x02\x30\x00")
    with pytest.raises(X509.X509Error, match="malformed"):
        extension.get_name()
    assert repr(extension) == "<X509_Extension malformed>"


def test_a_malformed_subject_alt_name_raises(blank):
    blank.add_ext(X509.new_extension("subjectAltName", "DER:30:03:82:05:61"))
    with pytest.raises(X509Error):
        blank.get_subject_alt_names()
    assert m2.err_peek_error() == 0


def test_a_repeated_subject_alt_name_raises(blank):
    for name in ("DNS:a.example", "DNS:b.example"):
        blank.add_ext(X509.new_extension("subjectAltName", name))
    with pytest.raises(X509Error, match="more than one subjectAltName"):
        blank.get_subject_alt_names()


# ---- versions -----------------------------------------------------------------------------------


def with_version(content):
    """Return the leaf with a version of these content octets."""
    der = X509.load_cert(LEAF).as_der()
    # Two SEQUENCEs with two octets of length each: the certificate and what is signed of it.
    assert der[8:13] == b"\xa0\x03\x02\x01\x02"
    version = tlv(0xA0, tlv(0x02, content))
    lengths = [int.from_bytes(der[at : at + 2], "big") + len(version) - 5 for at in (2, 6)]
    heads = [b"\x30\x82" + length.to_bytes(2, "big") for length in lengths]
    return X509.load_cert_der_string(b"".join(heads) + version + der[13:])


@pytest.mark.parametrize(
    "content", [b"\xff", b"\x80\0", b"\x7f" + b"\xff" * 8, b"\x80" + b"\0" * 7]
)
def test_an_invalid_version_is_refused(content):
    with pytest.raises(X509Error):
        with_version(content).get_version()
    assert m2.err_peek_error() == 0


def test_a_version_that_rfc_5280_does_not_define_is_returned():
    assert with_version(b"\x07").get_version() == 7


# ---- creating and signing ------------------------------------------------------------------------


def test_a_certificate_is_created_filled_in_and_signed(blank, key):
    name = blank.get_subject()
    name.CN = "made.example"
    name.O = "M2Crypto tests"
    blank.set_issuer(blank.get_subject())
    blank.add_ext(X509.new_extension("basicConstraints", "CA:TRUE", 1))
    assert blank.sign(key, "sha256") == 256
    again = X509.load_cert_string(blank.as_pem())
    assert again.verify() == 1
    assert again.verify(key) == 1
    assert str(again.get_subject()) == "/CN=made.example/O=M2Crypto tests"
    assert str(again.get_issuer()) == str(again.get_subject())
    assert again.get_not_after().get_datetime().year == 2106
    assert again.check_ca() == 1


def test_a_change_after_signing_invalidates_the_signature(blank, key):
    blank.sign(key, "sha256")
    blank.set_serial_number(2)
    assert blank.verify(key) == 0
    assert m2.err_peek_error() == 0


def test_a_signature_by_another_key_does_not_verify(leaf):
    other = X509.load_cert(str(DATA / "root.pem")).get_pubkey()
    assert leaf.verify(other) == 0
    assert leaf.verify(X509.load_cert(str(DATA / "intermediate.pem")).get_pubkey()) == 1


def test_a_certificate_without_a_key_cannot_be_verified():
    with pytest.raises(X509Error):
        X509.X509().verify()
    with pytest.raises(X509Error):
        X509.X509().get_pubkey()


def test_a_public_key_cannot_sign(blank, leaf):
    with pytest.raises(X509Error):
        blank.sign(leaf.get_pubkey(), "sha256")


@pytest.mark.parametrize("serial", [0, 1, 2**64, 2**159 + 1, -5])
def test_a_serial_number_of_any_size_can_be_set(blank, serial):
    blank.set_serial_number(serial)
    assert blank.get_serial_number() == serial


def test_a_date_returned_by_a_certificate_modifies_it(blank, key):
    blank.sign(key, "sha256")
    blank.get_not_before().set_time(86400)
    blank.get_not_after().set_datetime(datetime.datetime(2060, 1, 1, tzinfo=ASN1.UTC))
    assert str(blank.get_not_before()) == "Jan  2 00:00:00 1970 GMT"
    # RFC 5280, 4.1.2.5.2: GeneralizedTime from 2050 on.
    assert tlv(0x18, b"20600101000000Z") in blank.as_der()


def test_set_subject_and_set_issuer_copy_the_name(blank):
    name = X509.X509_Name()
    name.CN = "before"
    blank.set_subject_name(name)
    blank.set_issuer_name(name)
    name.O = "after"
    assert str(blank.get_subject()) == str(blank.get_issuer()) == "/CN=before"
    blank.get_issuer().O = "changed"
    assert str(blank.get_issuer()) == "/CN=before/O=changed"


@pytest.mark.parametrize(
    ("purpose", "verdict"),
    [("SSL_SERVER", 1), ("SSL_CLIENT", 0), ("SMIME_SIGN", 0), ("ANY", 1)],
)
def test_check_purpose_returns_whether_the_certificate_fits(leaf, purpose, verdict):
    assert leaf.check_purpose(getattr(m2, f"X509_PURPOSE_{purpose}"), 0) == verdict
    assert leaf.check_ca() == 0


def test_an_unknown_purpose_is_refused(leaf):
    with pytest.raises(X509Error):
        leaf.check_purpose(10**6, 0)


@pytest.mark.needs_ec
def test_ed25519_signs_without_a_digest(blank):
    ed25519 = EVP.load_key_string(ED25519_KEY)
    blank.set_pubkey(ed25519)
    assert blank.sign(ed25519, None) == 64
    assert X509.load_cert_string(blank.as_pem()).verify() == 1
    with pytest.raises(X509Error):
        blank.sign(ed25519, "sha256")


@pytest.mark.needs_ec
def test_the_certificate_of_rfc_8410_is_signed_by_its_key():
    certificate = X509.load_cert_string(RFC8410_CERTIFICATE)
    assert certificate.get_serial_number() == 0x5601474A2A8DC330
    assert certificate.verify(EVP.load_key_string(ED25519_KEY)) == 1


# ---- requests ------------------------------------------------------------------------------------


def test_a_certificate_request_is_loaded(key):
    request = X509.load_request(str(DATA / "request.pem"))
    assert str(request.get_subject()) == "/CN=request.example.org"
    assert request.verify(request.get_pubkey()) == 1
    assert request.verify(X509.load_cert(str(DATA / "root.pem")).get_pubkey()) == 0
    assert "DNS:request.example.org" in request.as_text()


def test_a_certificate_request_is_created_signed_and_saved(key, tmp_path):
    request = X509.Request()
    request.set_version(0)
    request.set_pubkey(key)
    request.get_subject().CN = "made.example"
    stack = X509.X509_Extension_Stack()
    stack.push(X509.new_extension("subjectAltName", "DNS:made.example"))
    request.add_extensions(stack)
    assert request.sign(key, "sha256") == 256
    path = str(tmp_path / "request")
    request.save(path, X509.FORMAT_DER)
    der = X509.load_request(path, X509.FORMAT_DER)
    request.save_pem(path)
    pem = X509.load_request(path)
    assert der.as_der() == pem.as_der() == request.as_der()
    assert X509.load_request_der_string(request.as_der()).as_pem() == request.as_pem()
    assert pem.verify(key) == 1
    assert pem.get_version() == 0
    assert str(pem.get_subject()) == "/CN=made.example"
    assert "DNS:made.example" in pem.as_text()


def test_a_certificate_request_without_a_version_is_signed_and_verified(key):
    request = X509.Request()
    request.set_pubkey(key)
    request.sign(key, "sha256")
    assert request.get_version() == 0
    assert request.verify(key) == 1


@pytest.mark.parametrize("version", [-1, 1, 2, 3, 2**31 - 1])
def test_a_certificate_request_accepts_only_version_0(version, key):
    request = X509.Request()
    request.set_pubkey(key)
    assert request.set_version(version) == 0
    assert request.set_version(0) == 1
    assert request.set_version(version) == 0
    assert request.get_version() == 0
    request.sign(key, "sha256")
    again = X509.load_request_string(request.as_pem())
    assert (again.get_version(), again.verify(key)) == (0, 1)
    assert m2.err_peek_error() == 0


def test_set_subject_of_a_certificate_request_copies_the_name():
    request = X509.Request()
    name = X509.X509_Name()
    name.CN = "before"
    request.set_subject_name(name)
    name.O = "after"
    assert str(request.get_subject()) == "/CN=before"


# ---- CRLs ----------------------------------------------------------------------------------------


def test_a_crl_is_loaded():
    crl = X509.load_crl(str(DATA / "crl.pem"))
    assert str(crl.get_issuer()) == "/C=CZ/O=M2Crypto tests/CN=Test intermediate"
    assert crl.get_lastUpdate().get_datetime() == datetime.datetime(2020, 1, 1, tzinfo=ASN1.UTC)
    assert crl.get_nextUpdate().get_datetime() == datetime.datetime(2120, 1, 1, tzinfo=ASN1.UTC)
    assert "Serial Number: 04" in crl.as_text()
    assert crl.verify(X509.load_cert(str(DATA / "intermediate.pem")).get_pubkey()) == 1
    assert crl.verify(X509.load_cert(str(DATA / "root.pem")).get_pubkey()) == 0


def test_loading_a_crl_queues_no_error():
    # The extensions are read when the list is loaded; a malformed one need not fail the load.
    pem = (DATA / "crl.pem").read_text(encoding="ascii")
    pem = pem[pem.index("-----BEGIN") :].replace("X509 CRL", "CERTIFICATE")
    der = ssl.PEM_cert_to_DER_cert(pem)
    broken = der.replace(b"\x06\x03\x55\x1d\x14\x04\x03\x02", b"\x06\x03\x55\x1d\x14\x04\x03\x05")
    assert broken != der
    text = ssl.DER_cert_to_PEM_cert(broken).replace("CERTIFICATE", "X509 CRL")
    # OpenSSL 4.0 refuses it.
    with contextlib.suppress(X509Error):
        assert X509.load_crl_string(text).get_nextUpdate() is not None
    assert m2.err_peek_error() == 0


def test_an_empty_crl_has_no_next_update():
    assert X509.CRL().get_nextUpdate() is None


# ---- stacks --------------------------------------------------------------------------------------


def test_a_certificate_stack_round_trips_through_der(leaf):
    stack = X509.X509_Stack()
    root = X509.load_cert(str(DATA / "root.pem"))
    assert stack.push(leaf) == 1
    assert stack.push(root) == 2
    der = stack.as_der()
    assert der.endswith(leaf.as_der() + root.as_der())
    again = X509.new_stack_from_der(der)
    assert [one.as_der() for one in again] == [leaf.as_der(), root.as_der()]
    with pytest.raises(X509Error):
        X509.new_stack_from_der(b"\x30\x01\x00")


def test_a_certificate_stack_is_saved_as_degenerate_pkcs7(leaf, tmp_path):
    stack = X509.X509_Stack()
    stack.push(leaf)
    buffer = BIO.MemoryBuffer()
    assert stack.create_degenerate(buffer) == 1
    pem = buffer.read()
    assert stack.save_degenerate(str(tmp_path / "chain.p7b")) == 1
    assert (tmp_path / "chain.p7b").read_bytes() == pem
    assert pem.startswith(b"-----BEGIN PKCS7-----\n")
    content = base64.b64decode(b"".join(pem.splitlines()[1:-1]))
    # pkcs7-signedData (RFC 2315, 14), with the certificate as it is.
    assert content[4:15] == bytes.fromhex("06092a864886f70d010702")
    assert leaf.as_der() in content


# ---- ownership -----------------------------------------------------------------------------------


def test_objects_returned_by_a_certificate_outlive_it(leaf):
    parts = [
        leaf.get_subject(),
        leaf.get_subject()[0],
        leaf.get_subject()[0].get_data(),
        leaf.get_not_before(),
        leaf.get_ext("keyUsage"),
        leaf.get_pubkey(),
    ]
    raw = m2.x509_get_subject_name(leaf.x509)
    m2.x509_free(leaf.x509)
    del leaf
    gc.collect()
    assert str(parts[0]).startswith("/C=CZ")
    assert str(parts[1].get_data()) == str(parts[2]) == "CZ"
    assert parts[3].get_datetime().year == 2020
    assert parts[4].get_value() == "Digital Signature"
    assert parts[5].size() == 256
    assert m2.x509_name_entry_count(raw) == 6


def test_a_freed_certificate_is_refused(leaf):
    m2.x509_free(leaf.x509)
    with pytest.raises(ValueError, match="X509 was freed already"):
        leaf.get_subject()
    with pytest.raises(ValueError, match="X509 was freed already"):
        m2.x509_free(leaf.x509)


@pytest.mark.parametrize("index", [-1, 99])
@pytest.mark.parametrize(
    ("make", "get"),
    [
        (m2.x509_new, m2.x509_get_ext),
        (m2.x509_name_new, m2.x509_name_get_entry),
        (m2.sk_x509_new_null, m2.sk_x509_value),
        (m2.sk_x509_crl_new_null, m2.sk_x509_crl_value),
        (m2.sk_x509_ext_new_null, m2.sk_x509_ext_value),
    ],
)
def test_the_low_level_functions_refuse_missing_objects(make, get, index):
    with pytest.raises(X509Error, match="no such"):
        get(make(), index)


def test_elements_outlive_their_stack(leaf):
    stack = X509.X509_Stack()
    stack.push(leaf)
    der = leaf.as_der()
    del leaf
    stack.push(stack[0])
    elements = [stack[0], stack.pop()]
    m2.sk_x509_free(stack.stack)
    del stack
    gc.collect()
    assert [element.as_der() for element in elements] == [der, der]
    assert X509.X509_Stack().pop() is None


@pytest.mark.parametrize("wrong", [None, 1, "x", object()])
def test_an_object_that_is_not_a_handle_is_refused(wrong):
    with pytest.raises(TypeError):
        m2.x509_get_subject_name(wrong)
    with pytest.raises(TypeError):
        m2.x509_get_subject_name(X509.X509_Name().x509_name)


# ---- names of the module -------------------------------------------------------------------------


def test_the_module_exports_the_verification_constants():
    assert X509.X509_V_OK == X509.V_OK == 0
    assert X509.X509_V_ERR_CERT_HAS_EXPIRED == m2.X509_V_ERR_CERT_HAS_EXPIRED == 10
    assert X509.XN_FLAG_RFC2253 == m2.XN_FLAG_RFC2253
    assert X509.X509_PURPOSE_SSL_SERVER == m2.X509_PURPOSE_SSL_SERVER
    assert X509.verify_x509_strict == m2.X509_V_FLAG_X509_STRICT
    assert X509.verify_crl_check_leaf == m2.X509_V_FLAG_CRL_CHECK
    both = m2.X509_V_FLAG_CRL_CHECK | m2.X509_V_FLAG_CRL_CHECK_ALL
    assert X509.verify_crl_check_chain == both


def test_a_name_is_not_searched_beyond_its_last_entry(leaf):
    name = leaf.get_subject().x509_name
    assert m2.x509_name_get_index_by_nid(name, m2.NID_commonName, 2**31 - 1) == -1
    assert m2.x509_name_get_index_by_nid(name, 2**30, -1) == -1


def test_a_pkey_without_a_key_neither_signs_nor_verifies(leaf):
    empty = m2.pkey_new()
    for use in (m2.x509_verify, m2.x509_set_pubkey):
        with pytest.raises(X509.X509Error, match="the PKey has no key"):
            use(leaf.x509, empty)


def test_names_and_requests_show_what_they_are():
    name = X509.X509_Name()
    name.CN = "example.org"
    assert repr(name) == "<X509_Name /CN=example.org>"
    request = X509.Request()
    assert request._ptr() is request.req
