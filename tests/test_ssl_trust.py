"""The system's trust store is found on each system, and one line says what to set without one."""

# ruff: noqa: N802  (the names are those of Apple's frameworks)

from __future__ import annotations

import ctypes
import ssl
import sys
from pathlib import Path

import pytest

from M2Crypto import SSL, X509, m2
from M2Crypto.SSL import _keychain, _trust

# The files that each system has, as its packages install them; the first is to be used.
SYSTEMS = {
    "Debian": ("/etc/ssl/certs/ca-certificates.crt",),
    "Fedora": (
        "/etc/pki/tls/certs/ca-bundle.crt",
        "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    ),
    "Fedora without links": ("/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",),
    "Alpine": ("/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/cert.pem"),
    "Alpine without ca-certificates": ("/etc/ssl/cert.pem",),
    "SUSE": ("/etc/ssl/ca-bundle.pem", "/var/lib/ca-certificates/ca-bundle.pem"),
    "FreeBSD": ("/etc/ssl/cert.pem", "/usr/local/share/certs/ca-root-nss.crt"),
    "NixOS": ("/etc/ssl/certs/ca-bundle.crt",),
    "Arch without links": ("/etc/ca-certificates/extracted/tls-ca-bundle.pem",),
}


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)


@pytest.fixture
def root(monkeypatch, tmp_path):
    """Return a directory that stands for the root directory of a system that is not native."""
    monkeypatch.setattr(_trust, "is_native", lambda: False)
    for name in ("FILES", "DIRECTORIES"):
        paths = getattr(_trust, name)
        monkeypatch.setattr(_trust, name, tuple(f"{tmp_path}{path}" for path in paths))
    return tmp_path


def lay(path: Path, text: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return str(path)


def verifies(context: SSL.Context, name: str) -> bool:
    """Return whether a certificate of the tests has a path to a root of the context."""
    path = Path(__file__).parent / "data" / "certificates" / name
    validation = X509.X509_Store_Context(m2.x509_store_ctx_new())
    validation.init(context.get_cert_store(), X509.load_cert(str(path)))
    return validation.verify_cert() == 1


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_bundle_of_each_system_is_found(root, certificates, system):
    roots = Path(certificates("ca.pem")).read_text()
    first, *others = [lay(root / path.lstrip("/"), roots) for path in SYSTEMS[system]]
    assert _trust.trusted_certificates({}) == (first, None)
    context = SSL.Context()
    assert context.set_default_verify_paths() == 1
    assert context.get_verify_mode() == SSL.verify_peer
    assert verifies(context, "server.pem")
    assert not verifies(context, "self_signed.pem")
    assert len(others) < len(SYSTEMS[system])


@pytest.mark.parametrize("directory", _trust.DIRECTORIES)
def test_a_directory_of_hashed_names_is_found(root, certificates, directory):
    anchor = X509.load_cert(certificates("ca.pem"))
    name = f"{m2.x509_name_hash(m2.x509_get_subject_name(anchor.x509)):08x}.0"
    lay(root / directory.lstrip("/") / name, anchor.as_pem().decode())
    assert _trust.trusted_certificates({}) == (None, f"{root}{directory}")
    context = SSL.Context()
    context.set_default_verify_paths()
    assert verifies(context, "server.pem")


def test_empty_files_and_directories_are_no_trust_store(root):
    for path in ("etc/ssl/certs/ca-certificates.crt", "etc/pki/tls/certs/README"):
        lay(root / path, "")
    assert _trust.trusted_certificates({}) == (None, None)
    with pytest.raises(SSL.SSLError, match="no trust store was found; set SSL_CERT_FILE to a PEM"):
        SSL.Context().set_default_verify_paths()


def test_the_variables_come_first(root, certificates, monkeypatch):
    lay(root / "etc/ssl/cert.pem", "not this one")
    monkeypatch.setenv("SSL_CERT_FILE", certificates("ca.pem"))
    context = SSL.Context()
    assert context.set_default_verify_paths() == 1
    assert verifies(context, "server.pem")
    assert _trust.trusted_certificates({"SSL_CERT_DIR": "/a:/b"}) == (None, "/a:/b")
    assert _trust.trusted_certificates({"SSL_CERT_FILE": "", "SSL_CERT_DIR": ""})[1] is None


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_a_variable_with_a_wrong_path_is_named(root, monkeypatch, tmp_path, name):
    monkeypatch.setenv(name, str(tmp_path / "missing"))
    with pytest.raises(SSL.SSLError, match=rf"missing: .*; {name} sets the trust store"):
        SSL.Context().set_default_verify_paths()


def test_a_damaged_bundle_names_its_file_and_the_way_out(root):
    path = lay(root / "etc/ssl/cert.pem", "damaged\n")
    with pytest.raises(SSL.SSLError, match=rf"{path}: .*; set SSL_CERT_FILE to"):
        SSL.Context().set_default_verify_paths()


# ---- native trust stores -------------------------------------------------------------------------


def der(path: str) -> bytes:
    return X509.load_cert(path).as_der()


def test_the_stores_of_windows_are_read_through_pythons_ssl(certificates, monkeypatch):
    trusted, other = der(certificates("ca.pem")), der(certificates("other_ca.pem"))
    mail = "1.3.6.1.5.5.7.3.4"
    stores = {
        "ROOT": [
            (trusted, "x509_asn", True),
            (b"of another kind", "pkcs_7_asn", True),
            (b"damaged", "x509_asn", {ssl.Purpose.SERVER_AUTH.oid}),
        ],
        "CA": [(other, "x509_asn", {mail}), (trusted, "x509_asn", {ssl.Purpose.SERVER_AUTH.oid})],
    }
    monkeypatch.setattr(ssl, "enum_certificates", stores.__getitem__, raising=False)
    monkeypatch.setattr(sys, "platform", "win32")
    assert _trust.certificates() == [trusted, b"damaged"]
    context = SSL.Context()
    assert context.set_default_verify_paths() == 1
    assert context.get_verify_mode() == SSL.verify_peer
    assert verifies(context, "server.pem")


def test_the_variables_replace_a_native_store(certificates, monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(_keychain, "certificates", lambda: pytest.fail("it was read"))
    monkeypatch.setenv("SSL_CERT_FILE", certificates("ca.pem"))
    assert SSL.Context().set_default_verify_paths() == 1


def test_an_empty_native_store_is_an_error(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(_keychain, "certificates", list)
    with pytest.raises(SSL.SSLError, match="no trust store was found"):
        SSL.Context().set_default_verify_paths()


class Framework:
    """CoreFoundation and Security with the trust settings of `domains`, by reference counts.

    A reference is an index into `objects`. A setting is a dictionary with "policy" and "result".
    """

    def __init__(self, domains):
        self.domains = domains
        self.objects = [None]
        self.released = []
        self.buffers = []
        self.created = []

    def new(self, value, *, created=False):
        self.objects.append(value)
        if created:
            self.created.append(len(self.objects) - 1)
        return len(self.objects) - 1

    # CoreFoundation

    def CFStringCreateWithCString(self, _allocator, text, encoding):
        assert encoding == 0x08000100
        return self.new(text.decode(), created=True)

    def CFArrayGetCount(self, array):
        return len(self.objects[array])

    def CFArrayGetValueAtIndex(self, array, index):
        return self.new(self.objects[array][index])

    def CFDataGetLength(self, data):
        return len(self.objects[data])

    def CFDataGetBytePtr(self, data):
        self.buffers.append(ctypes.create_string_buffer(self.objects[data]))
        return ctypes.addressof(self.buffers[-1])

    def CFDictionaryGetValue(self, dictionary, key):
        found = self.objects[dictionary].get(self.objects[key])
        return None if found is None else self.new(found)

    def CFEqual(self, one, other):
        return self.objects[one] == self.objects[other]

    def CFNumberGetValue(self, number, kind, target):
        assert kind == 4
        target._obj.value = self.objects[number]
        return 1

    def CFRelease(self, reference):
        self.released.append(reference)

    # Security

    def SecTrustSettingsCopyCertificates(self, domain, target):
        if domain not in self.domains:
            return -25263
        target._obj.value = self.new(list(self.domains[domain]), created=True)
        return 0

    def SecTrustSettingsCopyTrustSettings(self, certificate, domain, target):
        settings = self.domains[domain][self.objects[certificate]]
        if settings is None:
            return -25300
        target._obj.value = self.new(settings, created=True)
        return 0

    def SecCertificateCopyData(self, certificate):
        return self.new(self.objects[certificate], created=True)


@pytest.fixture
def keychain(monkeypatch):
    """Return a function that sets the trust settings of each domain and reads the certificates."""

    def read(domains):
        framework = Framework(domains)
        monkeypatch.setattr(_keychain, "_load", lambda _name, _functions: framework)
        try:
            return _keychain.certificates()
        finally:
            assert sorted(framework.released) == framework.created

    return read


RESULT, POLICY = "kSecTrustSettingsResult", "kSecTrustSettingsPolicyName"


def test_the_keychain_trusts_the_roots_of_the_system(keychain):
    assert keychain({2: {b"one": None, b"two": []}}) == [b"one", b"two"]


def test_the_settings_of_the_user_and_the_administrator_come_first(keychain):
    distrusted, trusted = [{RESULT: 3}], [{RESULT: 1}]
    domains = {0: {b"one": distrusted}, 1: {b"own": trusted, b"one": trusted}, 2: {b"one": None}}
    assert keychain(domains) == [b"own"]


@pytest.mark.parametrize(
    ("settings", "is_trusted"),
    [
        ([{POLICY: "sslServer", RESULT: 1}], True),
        ([{POLICY: "sslServer", RESULT: 2}], True),
        ([{POLICY: "sslServer"}], True),
        ([{POLICY: "SMIME", RESULT: 1}], False),
        ([{POLICY: "SMIME", RESULT: 1}, {POLICY: "sslServer", RESULT: 3}], False),
        ([{POLICY: "SMIME", RESULT: 3}, {POLICY: "sslServer", RESULT: 1}], True),
        ([{RESULT: 4}], False),
        ([{RESULT: 4}, {RESULT: 1}], True),
    ],
)
def test_only_settings_for_tls_servers_count(keychain, settings, is_trusted):
    assert keychain({1: {b"own": settings}}) == [b"own"] * is_trusted


def test_a_refusal_of_the_framework_is_an_error(monkeypatch):
    framework = Framework({})
    framework.SecTrustSettingsCopyCertificates = lambda _domain, _target: -50
    monkeypatch.setattr(_keychain, "_load", lambda _name, _functions: framework)
    with pytest.raises(OSError, match="OSStatus -50"):
        _keychain.certificates()
    assert sorted(framework.released) == framework.created


def test_the_frameworks_functions_have_their_types(monkeypatch):
    class Library:
        def __init__(self, path):
            assert path == "/System/Library/Frameworks/Security.framework/Security"

        def __getattr__(self, name):
            setattr(self, name, type(name, (), {})())
            return self.__dict__[name]

    monkeypatch.setattr(ctypes, "CDLL", Library)
    library = _keychain._load("Security", _keychain._SECURITY)
    assert library.SecCertificateCopyData.restype is ctypes.c_void_p
    assert library.SecTrustSettingsCopyTrustSettings.argtypes == [
        ctypes.c_void_p, ctypes.c_uint32, ctypes.c_void_p,
    ]  # fmt: skip


@pytest.mark.skipif(
    sys.platform not in ("win32", "darwin"), reason="this system has no native trust store"
)
def test_the_native_store_of_this_system_has_certificates():
    context = SSL.Context()
    assert context.set_default_verify_paths() == 1
    assert len(list(_trust.certificates())) > 20
