"""Certificates, keys and CRLs are loaded by URI (ossl_store(7))."""

from __future__ import annotations

from pathlib import Path

import pytest

from M2Crypto import EVP, PKCS12, STORE, X509, m2
from M2Crypto.STORE import StoreError

DATA = Path(__file__).parent / "data"


def kinds(objects):
    return [type(each) for each in objects]


def no_prompt(writing):
    raise AssertionError("no passphrase is needed")


def test_a_file_yields_its_objects_in_order(someone):
    key, certificate = STORE.load(someone.path, no_prompt)
    assert key.as_pem(None) == someone.pkey.as_pem(None)
    assert certificate.as_der() == someone.cert.as_der()
    assert m2.err_peek_error() == 0


def test_paths_and_uris_name_the_same_file():
    path = DATA / "x509" / "root.pem"
    loaded = [STORE.load(name) for name in (path, str(path), bytes(path), f"file:{path}")]
    assert all(kinds(objects) == [X509.X509] for objects in loaded)
    assert len({objects[0].as_der() for objects in loaded}) == 1


def test_a_crl_and_a_der_file_are_loaded(tmp_path):
    crl = X509.load_crl(DATA / "x509" / "crl.pem")
    crl.save(tmp_path / "crl.der", X509.FORMAT_DER)
    for path in (DATA / "x509" / "crl.pem", tmp_path / "crl.der"):
        (loaded,) = STORE.load(path)
        assert loaded.as_der() == crl.as_der()


def test_objects_of_one_kind_are_selected(someone, tmp_path):
    path = tmp_path / "all.pem"
    crl = (DATA / "x509" / "crl.pem").read_bytes()
    path.write_bytes(Path(someone.path).read_bytes() + crl)
    assert kinds(STORE.load(path)) == [EVP.PKey, X509.X509, X509.CRL]
    assert kinds(STORE.load_certificates(path)) == [X509.X509]
    assert kinds(STORE.load_crls(path)) == [X509.CRL]
    assert kinds(STORE.load_keys(path)) == [EVP.PKey]


@pytest.mark.needs("DH")
def test_domain_parameters_have_no_public_key():
    (parameters,) = STORE.load_keys(DATA / "certificates" / "dh.pem")
    certificate = X509.X509()
    for use in (
        parameters.as_der,
        lambda: m2.pkey_get_key_identifier(parameters.pkey),
        lambda: certificate.set_pubkey(parameters),
        lambda: EVP.verify(parameters, b"signature", b"data"),
    ):
        with pytest.raises(ValueError):
            use()
        assert m2.err_peek_error() == 0


def test_a_directory_yields_the_uris_of_its_entries(tmp_path):
    (tmp_path / "one.pem").write_bytes((DATA / "x509" / "root.pem").read_bytes())
    names = STORE.load(tmp_path)
    assert any(name.endswith("one.pem") for name in names)
    (certificate,) = STORE.load(next(name for name in names if name.endswith("one.pem")))
    assert isinstance(certificate, X509.X509)


def test_the_callback_returns_the_passphrase():
    path = DATA / "keys" / "rsa_2048_encrypted.pem"
    asked = []

    def wrong(writing):
        asked.append(writing)
        return b"certainly wrong"

    with pytest.raises(StoreError):
        STORE.load(path, wrong)
    assert asked[0] == 0
    with pytest.raises(StoreError):
        STORE.load(path, None)
    assert m2.err_peek_error() == 0


def test_an_exception_of_the_callback_propagates():
    def fail(writing):
        raise KeyError("from the callback")

    with pytest.raises(KeyError, match="from the callback"):
        STORE.load(DATA / "keys" / "rsa_2048_encrypted.pem", fail)
    assert m2.err_peek_error() == 0


def test_a_pkcs12_file_is_loaded(someone, authority, tmp_path):
    path = tmp_path / "file.p12"
    PKCS12.save(path, PKCS12.create(someone.pkey, someone.cert, [authority.cert], "secret"))
    objects = STORE.load(path, lambda writing: "secret")
    assert kinds(objects).count(X509.X509) == 2
    assert kinds(objects).count(EVP.PKey) == 1


@pytest.mark.openssl(">= 3.0")
def test_a_public_key_is_loaded(someone, tmp_path):
    der = someone.pkey.as_der()
    (tmp_path / "public.der").write_bytes(der)
    (key,) = STORE.load(tmp_path / "public.der")
    assert key.as_der() == der


@pytest.mark.parametrize("uri", ["", "no/such/file", "file:/no/such/file", "nonsense:x"])
def test_what_does_not_exist_is_refused(uri):
    with pytest.raises(StoreError):
        STORE.load(uri)
    assert m2.err_peek_error() == 0


@pytest.mark.parametrize("wrong", [None, 1, ["file"]])
def test_an_object_that_is_not_a_uri_is_refused(wrong):
    with pytest.raises(TypeError):
        STORE.load(wrong)
    with pytest.raises(ValueError, match="NUL"):
        STORE.load("file\0")


def test_the_low_level_functions_refuse_missing_objects():
    objects = m2.store_load(str(DATA / "x509" / "root.pem"), None)
    assert m2.store_objects_num(objects) == 1
    for get in (m2.store_objects_type, m2.store_objects_cert, m2.store_objects_name):
        for index in (-1, 1):
            with pytest.raises(StoreError, match="no such object"):
                get(objects, index)
    for get in (m2.store_objects_crl, m2.store_objects_pkey, m2.store_objects_name):
        with pytest.raises(StoreError):
            get(objects, 0)
    assert m2.err_peek_error() == 0
