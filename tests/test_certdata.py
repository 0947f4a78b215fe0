"""NSS's certdata.txt becomes a PEM bundle; data/make_certdata.py wrote the small one."""

from __future__ import annotations

import datetime
import gzip
import hashlib
import os
import re
import ssl
import sys
from pathlib import Path

import pytest
from fix_certdata import HEADER, certificate_object, trust_object

from M2Crypto import SSL, X509, certdata

FILE = Path(__file__).parent / "data" / "certdata.txt"
DATA = FILE.read_bytes()
BEFORE = datetime.datetime(2026, 5, 31, tzinfo=datetime.timezone.utc)
AFTER = datetime.datetime(2026, 6, 1, tzinfo=datetime.timezone.utc)
# The source of Debian's package, version 20230311+deb12u1.
DEBIAN = "90c470e705b4b5f36f09684dc50e2b79c8b86989a848b62cd1a7bd6460ee65f6"
MOZILLA = Path("/usr/share/ca-certificates/mozilla")
CHANGELOG = Path("/usr/share/doc/ca-certificates/changelog.gz")


def der(file):
    return ssl.PEM_cert_to_DER_cert(
        re.search("-----BEGIN C.*?END C[^\n]*", file.read_text(), re.S)[0]
    )


def labels(purpose, when=AFTER, **options):
    kept, left_out = certdata.select(certdata.parse(DATA), purpose, when, **options)
    return [root.label for root in kept], dict(left_out)


@pytest.fixture
def run(capsys):
    """Run the program and return its exit code, and the lines of its output and of its errors."""

    def main(*arguments):
        code = certdata.main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out.splitlines(), captured.err.splitlines()

    return main


# ---- reading and selecting -----------------------------------------------------------------------


def test_the_certificates_are_read_with_their_trust(certificates):
    roots = certdata.parse(DATA)
    assert [root.label for root in roots] == [
        "Café CA", "Later CA", "Distrusted CA", "Peer", "E-mail CA", "Alone CA", "Absent CA",
    ]  # fmt: skip
    assert roots[0].der == der(Path(certificates("ca.pem")))
    assert roots[0].trust == dict.fromkeys(certdata.PURPOSES, "CKT_NSS_TRUSTED_DELEGATOR")
    assert roots[1].distrust_after == {"server": AFTER}
    assert roots[5].trust == {}
    assert roots[6].der is None


def test_a_purpose_selects_what_is_trusted_for_it():
    assert labels("server") == (
        ["Café CA"],
        {
            "Later CA": "distrusted for certificates issued after 2026-06-01",
            "Distrusted CA": "distrusted",
            "Peer": "trusted for server itself, but not as a CA",
            "E-mail CA": "not trusted for server",
            "Alone CA": "without a statement of trust",
            "Absent CA": "distrusted",
        },
    )
    assert labels("email")[0] == ["Café CA", "Later CA", "E-mail CA"]


def test_distrust_begins_at_its_date():
    assert labels("server", BEFORE)[0] == ["Café CA", "Later CA"]
    assert labels("server", ignore_distrust_after=True)[0] == ["Café CA", "Later CA"]
    assert labels("server", None)[0] == ["Café CA"]


def test_a_trusted_certificate_that_is_absent_is_left_out():
    trust = trust_object("x", None, b"issuer", b"serial")
    roots = certdata.parse(DATA + b"\n" + trust.encode())
    assert certdata.select(roots, "server")[1][-1] == ("x", "without a certificate")


def test_a_utctime_of_the_last_century_is_in_the_past():
    time = "".join(f"\\{octet:03o}" for octet in b"260601000000Z").encode()
    old = "".join(f"\\{octet:03o}" for octet in b"991231235959Z").encode()
    roots = certdata.parse(DATA.replace(time, old))
    assert roots[1].distrust_after["server"].year == 1999


# ---- writing and checking ------------------------------------------------------------------------


def test_a_context_trusts_the_bundle(run, tmp_path, certificates, pair, shake):
    output = tmp_path / "roots.pem"
    code, lines, errors = run(FILE, "-o", output, "--date", "2026-06-01")
    assert (code, errors) == (0, [])
    assert lines[0] == "1 certificates for server, 6 left out"
    assert "left out: Absent CA: distrusted" in lines
    assert f"SHA-256 {hashlib.sha256(DATA).hexdigest()}" in output.read_text("utf-8")
    assert "# Café CA\n-----BEGIN CERTIFICATE-----" in output.read_text("utf-8")
    client, server = SSL.Context(), SSL.Context()
    client.load_verify_locations(output)
    server.load_cert(certificates("server.pem"))
    shake(*pair(client, server))
    assert X509.load_cert(str(output)).check_ca() == 1
    # Nothing else is left in the directory.
    assert list(tmp_path.iterdir()) == [output]


def test_a_bundle_is_replaced_and_a_device_is_written(run, tmp_path):
    output = tmp_path / "roots.pem"
    output.write_bytes(b"old")
    assert run(FILE, "-o", output)[0] == 0
    assert output.read_bytes().startswith(b"# Roots of NSS for server")
    assert run(FILE, "-o", os.devnull)[0] == 0
    assert not Path(os.devnull).is_file()


def test_a_bundle_is_checked(run, tmp_path, certificates):
    output = tmp_path / "roots.pem"
    run(FILE, "-o", output)
    assert run(FILE, "--check", output)[::2] == (0, [])
    code, lines, _ = run(FILE, "--check", output, "--purpose", "email", "--date", "2026-06-01")
    assert code == 1
    assert lines[-2:] == ["missing: Later CA", "missing: E-mail CA"]
    more = output.read_bytes() + Path(certificates("other_ca.pem")).read_bytes()
    more += Path(certificates("other_host.pem")).read_bytes()
    output.write_bytes(more)
    code, lines, _ = run(FILE, "--check", output)
    unknown = hashlib.sha256(der(Path(certificates("other_host.pem")))).hexdigest()
    assert code == 1
    assert sorted(lines[-2:]) == [
        "not expected: Later CA", f"not expected: unknown, SHA-256 {unknown}",
    ]  # fmt: skip


def test_what_standard_output_cannot_encode_is_escaped(monkeypatch):
    with Path(os.devnull).open("w", encoding="ascii") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        assert certdata._printed("Café") == "Caf\\xe9"


# ---- bad input -----------------------------------------------------------------------------------

PARTS = DATA.split(b"\n\n")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the file is no certdata.txt: it has no line BEGINDATA"),
        (bytes(100), "the file is no certdata.txt: it has no line BEGINDATA"),
        (b"<html>", "the file is no certdata.txt: it has no line BEGINDATA"),
        (b"BEGINDATA\n", "the file has no certificates"),
        (b"BEGINDATA\nCKA_CLASS CK_OBJECT_CLASS CKO_DATA\n", "the file has no certificates"),
        (b"BEGINDATA\nCKA_LABEL UTF8 x", "line 2: an object begins with CKA_CLASS"),
        (b"BEGINDATA\nfoo", "line 2: 'foo' is no attribute"),
        (b"BEGINDATA\nCKA_CLASS", "line 2: 'CKA_CLASS' is no attribute"),
        (b"BEGINDATA\n\xff\x1b[2J" + b"x" * 99, r"line 2: '\\xff\x1b[2Jx"),
        (b"BEGINDATA\nCKA_CLASS X Y\nCKA_LABEL UTF8 x\nCKA_LABEL UTF8 x",
         "line 4: the object has CKA_LABEL twice"),
        (b"BEGINDATA\nCKA_CLASS X Y",
         "line 2: the object has no CKA_CLASS of type CK_OBJECT_CLASS"),
        (b"BEGINDATA\nCKA_CLASS CK_OBJECT_CLASS CKO_CERTIFICATE",
         "line 2: the object has no CKA_ISSUER of type MULTILINE_OCTAL"),
        (b"BEGINDATA\nCKA_VALUE MULTILINE_OCTAL\n\\000", "line 2: the value has no END"),
        (b"BEGINDATA\nCKA_VALUE MULTILINE_OCTAL\n\\400\nEND",
         r"line 3: '\\400' is neither octal digits nor END"),
        (b"BEGINDATA\nCKA_VALUE MULTILINE_OCTAL\n\\0000\nEND",
         r"line 3: '\\0000' is neither octal digits nor END"),
        (DATA + b"\n" + PARTS[0].partition(b"BEGINDATA\n")[2],
         "Café CA is a second certificate of its issuer and serial"),
        (DATA + b"\n" + PARTS[1], "the trust in Café CA is stated twice"),
        (DATA.replace(b"CKT_NSS_NOT_TRUSTED", b"CKT_FOO"),
         "CKA_TRUST_SERVER_AUTH of Distrusted CA has the unknown value CKT_FOO"),
        (DATA.replace(b"CKA_TRUST_SERVER_AUTH", b"CKA_TRUST_FOO"),
         "the object has no CKA_TRUST_SERVER_AUTH of type CK_TRUST"),
        (DATA.replace(b"AFTER CK_BBOOL CK_FALSE", b"AFTER CK_BBOOL CK_TRUE", 1),
         "CKA_NSS_SERVER_DISTRUST_AFTER of Café CA is no UTCTime"),
        (DATA.replace(rb"\062\066\060\066\060\061", rb"\062\066\061\063\060\061", 1),
         "CKA_NSS_SERVER_DISTRUST_AFTER of Later CA is no UTCTime"),
    ],
    # pytest 8 makes an id of all the data.
    ids=lambda value: value if isinstance(value, str) else "data",
)  # fmt: skip
def test_bad_input_is_refused_in_one_line(run, tmp_path, data, message):
    file = tmp_path / "certdata.txt"
    file.write_bytes(data)
    output = tmp_path / "roots.pem"
    code, lines, errors = run(file, "-o", output)
    assert (code, lines, len(errors)) == (2, [], 1)
    assert errors[0].startswith(f"python -m M2Crypto.certdata: {file}: ")
    assert message in errors[0]
    assert errors[0].isprintable()
    assert not output.exists()


def altered(certificates, change):
    content = der(Path(certificates("ca.pem")))
    issuer = X509.load_cert(certificates("ca.pem")).get_issuer().as_der()
    serial = X509.load_cert(certificates("ca.pem")).get_serial_number()
    values = {"der": content, "issuer": issuer, "serial": certdata._serial(serial)}
    values.update(change(values))
    return (HEADER + certificate_object("x", **values)).encode()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: {"der": v["der"] + b"\0"}, "x is no certificate"),
        (lambda v: {"der": v["der"][:-1]}, "x is no certificate"),
        (lambda v: {"der": b""}, "x is no certificate"),
        (lambda v: {"issuer": b"0\0"}, "x has another issuer or serial number"),
        (lambda v: {"serial": b"\2\1\5"}, "x has another issuer or serial number"),
    ],
)
def test_a_certificate_must_fit_its_attributes(certificates, change, message):
    with pytest.raises(certdata.CertdataError, match=f"line 3: {message}"):
        certdata.parse(altered(certificates, change))


def test_the_trust_is_that_in_the_certificate():
    other = DATA.replace(PARTS[1].split(b"SHA1_HASH")[1][:60], PARTS[3].split(b"SHA1_HASH")[1][:60])
    with pytest.raises(certdata.CertdataError, match="the trust in Café CA is that in another"):
        certdata.parse(other)


def test_a_label_cannot_begin_another_line(certificates):
    label = r"x\x0a-----BEGIN CERTIFICATE-----\x1b\xff"
    data = altered(certificates, lambda values: {})
    root = certdata.parse(data.replace(b'"x"', f'"{label}"'.encode()))[0]
    assert root.label == r"x\n-----BEGIN CERTIFICATE-----\x1b\xff"
    assert certdata._certificates(certdata.bundle([root])) == {root.der}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.txt", "-o", "x"], "none.txt: No such file or directory"),
        ([FILE, "-o", "none/x"], "No such file or directory"),
        ([FILE, "--check", "none.pem"], "none.pem: No such file or directory"),
    ],
)
def test_a_file_that_cannot_be_opened(run, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    code, _, errors = run(*arguments)
    assert (code, len(errors)) == (2, 1)
    assert errors[0].endswith(message)


@pytest.mark.parametrize(
    ("pem", "message"),
    [
        (b"", "the file has no certificates"),
        (b"x\n-----BEGIN CERTIFICATE-----\nA*==\n-----END CERTIFICATE-----\n",
         "line 2: the certificate is not in base64"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
         b"-----BEGIN CERTIFICATE-----\nAAAA\n", "line 4: the certificate has no END"),
    ],
)  # fmt: skip
def test_a_bundle_without_certificates(run, tmp_path, pem, message):
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes(pem)
    code, _, errors = run(FILE, "--check", bundle)
    assert (code, errors) == (2, [f"python -m M2Crypto.certdata: {bundle}: {message}"])


def test_a_file_that_is_too_large_is_not_read(run, tmp_path, monkeypatch):
    monkeypatch.setattr(certdata, "_LARGEST", 1 << 20)
    file = tmp_path / "certdata.txt"
    file.write_bytes(bytes((1 << 20) + 1))
    code, _, errors = run(file, "-o", tmp_path / "x")
    assert code == 2
    assert errors[0].endswith("the file is larger than 1 MiB")


def test_the_command_line_is_checked(capsys):
    for arguments in (["x"], ["x", "-o", "y", "--check", "z"], ["x", "-o", "y", "--date", "today"]):
        with pytest.raises(SystemExit) as caught:
            certdata.main(arguments)
        assert caught.value.code == 2
        assert capsys.readouterr().err.startswith("usage: python -m M2Crypto.certdata")


def test_it_is_a_program(python, tmp_path):
    output = tmp_path / "roots.pem"
    done = python("-X", "utf8", "-m", "M2Crypto.certdata", str(FILE), "-o", str(output))
    assert (done.returncode, done.stderr) == (0, "")
    assert output.exists()


# ---- Debian's and NSS's own ----------------------------------------------------------------------


def counts(roots):
    """Return how many are trusted for servers and for e-mail, and distrusted."""
    values = [root.trust.get(purpose) for purpose in certdata.PURPOSES for root in roots]
    half = len(roots)
    return (
        values[:half].count("CKT_NSS_TRUSTED_DELEGATOR"),
        values[half:].count("CKT_NSS_TRUSTED_DELEGATOR"),
        values[:half].count("CKT_NSS_NOT_TRUSTED"),
    )


def test_debian_s_source(nssckbi):
    """M2CRYPTO_CERTDATA names the certdata.txt of Debian's source package ca-certificates."""
    path = os.environ.get("M2CRYPTO_CERTDATA")
    if path is None:
        pytest.skip("needs a certdata.txt")
    data = Path(path).read_bytes()
    if hashlib.sha256(data).hexdigest() != DEBIAN or nssckbi.version != "2.60":
        pytest.skip("needs a certdata.txt of 20230311+deb12u1, and libnssckbi 2.60")
    roots = certdata.parse(data)
    assert len(roots) == 160
    assert counts(roots) == (140, 108, 1)
    # NSS's own library has the same.
    assert roots == certdata.parse(nssckbi.text)


def test_nss_s_library_and_debian_s_certificates(nssckbi):
    if not CHANGELOG.exists():
        pytest.skip("needs ca-certificates of Debian")
    changes = gzip.decompress(CHANGELOG.read_bytes()).decode()
    version = re.search(r"authority bundle to\s+version ([0-9.]+)", changes)[1]
    if version != nssckbi.version:
        pytest.skip("needs ca-certificates of the version of libnssckbi")
    roots = certdata.parse(nssckbi.text)
    ours, _ = certdata.select(roots, "server", ignore_distrust_after=True)
    theirs = {der(path): path.stem for path in MOZILLA.glob("*.crt")}
    assert {root.der for root in ours} <= set(theirs)
    # Debian names in its changelog what it adds.
    for extra in set(theirs) - {root.der for root in ours}:
        assert theirs[extra].replace("_", " ") in changes
