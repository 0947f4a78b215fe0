"""A CA and an S/MIME certificate for tests of messages, and the `openssl` program as other side."""

from __future__ import annotations

import datetime
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

DATA = Path(__file__).parent / "data"


class Party(NamedTuple):
    """A key for tests, and its certificate."""

    cert: object
    pkey: object
    path: str
    """A PEM file of both."""


def issue(name, pkey, serial, issuer=None, extensions=()):
    """Return a certificate of `pkey`, signed by `issuer` or by itself."""
    from M2Crypto import ASN1, X509

    cert = X509.X509()
    cert.set_version(2)
    cert.set_serial_number(serial)
    cert.get_subject().CN = name
    cert.set_issuer((issuer.cert if issuer else cert).get_subject())
    cert.set_pubkey(pkey)
    for setter, year in ((cert.set_not_before, 2020), (cert.set_not_after, 2120)):
        time = ASN1.ASN1_TIME()
        time.set_datetime(datetime.datetime(year, 1, 1, tzinfo=ASN1.UTC))
        setter(time)
    for extension in extensions:
        cert.add_ext(X509.new_extension(*extension))
    cert.add_subject_key_identifier()
    cert.sign(issuer.pkey if issuer else pkey, "sha256")
    return cert


def party(cert, pkey, path):
    path.write_bytes(pkey.as_pem(None) + cert.as_pem())
    return Party(cert, pkey, str(path))


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    """Return a root CA for tests."""
    from M2Crypto import EVP

    pkey = EVP.load_key(str(DATA / "x509" / "leaf.key"))
    extensions = [
        ("basicConstraints", "critical,CA:TRUE"),
        ("keyUsage", "critical,keyCertSign,cRLSign"),
    ]
    cert = issue("Test root for messages", pkey, 1, None, extensions)
    return party(cert, pkey, tmp_path_factory.mktemp("authority") / "authority.pem")


MAIL = [
    ("keyUsage", "critical,digitalSignature,keyEncipherment,keyAgreement"),
    ("extendedKeyUsage", "emailProtection"),
    ("subjectAltName", "email:someone@example.org"),
]


@pytest.fixture(scope="session")
def someone(authority, tmp_path_factory):
    """Return an S/MIME certificate for tests, with an RSA key."""
    from M2Crypto import EVP

    pkey = EVP.load_key(str(DATA / "keys" / "rsa_2048.pem"))
    cert = issue("Someone", pkey, 2, authority, MAIL)
    return party(cert, pkey, tmp_path_factory.mktemp("someone") / "someone.pem")


@pytest.fixture(scope="session")
def someone_ec(authority, tmp_path_factory):
    """Return an S/MIME certificate for tests, with a key on P-256."""
    from M2Crypto import EVP

    pkey = EVP.load_key(str(DATA / "keys" / "ec.pem"))
    cert = issue("Someone with EC", pkey, 3, authority, MAIL)
    return party(cert, pkey, tmp_path_factory.mktemp("ec") / "someone.pem")


@pytest.fixture
def trust(authority):
    """Return a store with the root CA."""
    from M2Crypto import X509

    store = X509.X509_Store()
    store.add_x509(authority.cert)
    return store


@pytest.fixture(scope="session")
def openssl_command():
    """Return a function that runs the `openssl` program and returns its output."""
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("needs the openssl program")

    def run(*arguments, data=b"", succeeds=True):
        command = [program, *map(str, arguments)]
        done = subprocess.run(command, input=data, capture_output=True, check=False)
        assert (done.returncode == 0) == succeeds, done.stderr.decode()
        return done.stdout

    return run
