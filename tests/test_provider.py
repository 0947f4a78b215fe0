"""Providers are loaded, described and unloaded; stores are read; FIPS can be required."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from M2Crypto import EVP, RSA, X509, Err, Provider, m2

needs_providers = pytest.mark.openssl(">= 3.0")
DATA = Path(__file__).with_name("data")


@pytest.fixture(autouse=True)
def _the_error_queue_stays_empty():
    yield
    assert Err.peek_error_code() == 0


def own():
    """Return the provider that has the algorithms of this process."""
    return Provider.Provider("fips" if Provider.is_fips_enabled() else "default")


@pytest.fixture
def child(python):
    """Run code in a child process and return its output; process-wide state changes there."""

    def run(code):
        done = python("-c", "from M2Crypto import EVP, Provider, m2\n" + code)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    return run


@pytest.mark.openssl("< 3.0")
@pytest.mark.parametrize(
    "use", [lambda: Provider.Provider("default"), Provider.loaded, lambda: Provider.enable_fips()]
)
def test_without_providers_each_use_names_the_missing_feature(use):
    with pytest.raises(Provider.ProviderError, match="this OpenSSL has no providers.*an engine"):
        use()
    assert not Provider.is_fips_enabled()


@needs_providers
def test_a_loaded_provider_is_described():
    provider = Provider.Provider("base")
    assert provider.name == "base"
    assert repr(provider) == "<Provider base>"
    assert re.match(r"\d+\.\d+\.\d+", provider.version)
    assert provider.status() is True
    assert provider.self_test() is True
    assert Provider.is_loaded("base")
    assert "base" in Provider.loaded()
    provider.unload()


@needs_providers
def test_an_unloaded_provider_refuses_each_use():
    provider = Provider.Provider("base")
    provider.unload()
    assert repr(provider) == "<Provider, unloaded>"
    for use in (
        provider.unload,
        provider.status,
        lambda: provider.name,
        lambda: provider.load_key("file:x"),
        provider.generate_rsa_key_pair,
        lambda: provider.destroy_key("pkcs11:id=%01"),
    ):
        with pytest.raises(Provider.ProviderError, match="the provider was unloaded"):
            use()


@needs_providers
def test_an_unknown_provider_is_an_error():
    with pytest.raises(Provider.ProviderError) as raised:
        Provider.Provider("missing")
    assert raised.value.code != 0
    assert raised.value.library


@needs_providers
@pytest.mark.parametrize("name", ["", "a b", "/usr/lib/x.so", "x\n", "a,b=c"])
def test_a_name_of_another_form_is_refused(name):
    with pytest.raises(ValueError, match="is not the name of a provider"):
        Provider.Provider(name)


@needs_providers
@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"a b": "1"}, "not the name of a provider's parameter"),
        ({"activate": "1"}, "not the name of a provider's parameter"),
        ({"x": "1\n[other]"}, "not printable"),
    ],
)
def test_a_parameter_of_another_form_is_refused(parameters, reason):
    with pytest.raises(ValueError, match=reason):
        Provider.Provider("unused", parameters=parameters)


@needs_providers
def test_a_file_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(Provider.ProviderError, match=r"missing\.so: no such file"):
        Provider.Provider("unused", path=tmp_path / "missing.so")


@needs_providers
def test_other_settings_of_a_loaded_provider_are_refused():
    Provider.Provider("base")
    with pytest.raises(Provider.ProviderError, match="base was loaded with another path or other"):
        Provider.Provider("base", parameters={"x": "1"})


@needs_providers
@pytest.mark.parametrize("value", ['a"b', "a'b", "a#b", "$HOME", "back\\slash", "a;b", "é", "a b"])
def test_a_parameter_reaches_openssl_as_it_is(value):
    # The text is one of config(5), whose syntax has quotes, comments and variables.
    text = Provider._configuration("x", Provider._Settings(None, {"key": value}))
    line = text.splitlines()[-1]
    assert re.sub(r"\\(.)", r"\1", line) == f"key = {value}"
    assert re.fullmatch(r"key = ([^\\\"'`#$;]|\\.)*", line)


@needs_providers
def test_loading_a_provider_keeps_the_default_one(child):
    output = child(
        "Provider.Provider('base')\n"
        "print(EVP.MessageDigest('sha256').digest().hex()[:8], Provider.is_loaded('default'))"
    )
    assert output in ("e3b0c442 True\n", "e3b0c442 False\n")


@needs_providers
def test_a_key_and_a_certificate_are_loaded_from_a_file_uri(tmp_path):
    provider = own()
    path = DATA / "keys" / "rsa_2048.pem"
    key = provider.load_key(f"file:{path}")
    assert key.as_der() == EVP.load_key(str(path)).as_der()
    assert isinstance(key.get_rsa(), RSA.RSA)
    assert not isinstance(key.get_rsa(), RSA.RSA_pub)
    path = DATA / "x509" / "leaf.pem"
    assert provider.load_certificate(f"file:{path}").as_der() == X509.load_cert(str(path)).as_der()
    path = tmp_path / "public.pem"
    EVP.load_key(str(DATA / "keys" / "rsa_2048.pem")).get_rsa().save_pub_key(str(path))
    assert isinstance(provider.load_key(f"file:{path}").get_rsa(), RSA.RSA_pub)


@needs_providers
@pytest.mark.parametrize("pin", ["passphrase", b"passphrase", lambda *_: "passphrase"])
def test_an_encrypted_key_is_loaded_with_its_passphrase(pin, tmp_path):
    path = tmp_path / "key.pem"
    key = EVP.load_key(str(DATA / "keys" / "rsa_2048.pem"))
    key.save_key(str(path), "aes_256_cbc", lambda *_: "passphrase")
    provider = own()
    assert provider.load_key(f"file:{path}", pin).as_der() == key.as_der()
    with pytest.raises(Provider.ProviderError):
        provider.load_key(f"file:{path}", "wrong")
    with pytest.raises(Provider.ProviderError):
        provider.load_key(f"file:{path}")


@needs_providers
def test_an_exception_of_the_pin_callback_propagates(tmp_path):
    path = tmp_path / "key.pem"
    key = EVP.load_key(str(DATA / "keys" / "rsa_2048.pem"))
    key.save_key(str(path), "aes_256_cbc", lambda *_: "passphrase")

    def fail(*_):
        raise LookupError("no PIN")

    with pytest.raises(LookupError, match="no PIN"):
        own().load_key(f"file:{path}", fail)


@needs_providers
@pytest.mark.parametrize("uri", ["file:/missing", "nothing:x", "", "file:"])
def test_a_uri_without_an_object_is_an_error(uri):
    provider = own()
    for load in (provider.load_key, provider.load_certificate):
        with pytest.raises(Provider.ProviderError):
            load(uri)


@needs_providers
def test_a_file_without_the_wanted_object_is_an_error():
    provider = own()
    with pytest.raises(Provider.ProviderError, match="no such object"):
        provider.load_certificate(f"file:{DATA / 'keys' / 'rsa_2048.pem'}")
    with pytest.raises(Provider.ProviderError, match="no such object"):
        provider.load_key(f"file:{DATA / 'x509' / 'leaf.pem'}")


@needs_providers
@pytest.mark.parametrize("argument", [None, b"file:x", 1])
def test_a_uri_is_text(argument):
    with pytest.raises(TypeError):
        own().load_key(argument)


@needs_providers
def test_keys_are_generated_by_a_provider():
    provider = own()
    key = provider.generate_rsa_key_pair(2048, 3)
    assert len(key.get_rsa()) == 2048
    assert key.get_rsa().e == b"\0\0\0\x01\x03"
    for bits in (-1, 0, 16):
        with pytest.raises(Provider.ProviderError):
            provider.generate_rsa_key_pair(bits)


@needs_providers
@pytest.mark.needs_ec
def test_ec_keys_are_generated_by_a_provider():
    provider = own()
    assert len(provider.generate_ec_key_pair("secp384r1").get_ec()) == 384
    with pytest.raises(Provider.ProviderError):
        provider.generate_ec_key_pair("no-such-curve")


@needs_providers
@pytest.mark.needs_no_ec
def test_without_ec_no_ec_key_is_generated():
    with pytest.raises(Provider.ProviderError, match="built without EC"):
        own().generate_ec_key_pair()


@needs_providers
@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("file:x", "begins with pkcs11:"),
        ("pkcs11:token=t", "names no key"),
        ("pkcs11:object=a;type=cert", "names no key"),
        ("pkcs11:object=a;object=b", "attribute 'object'"),
        ("pkcs11:object", "attribute 'object'"),
    ],
)
def test_a_uri_that_names_no_key_destroys_nothing(uri, reason):
    with pytest.raises(ValueError, match=reason):
        Provider.Provider("base").destroy_key(uri, module="unused")


@needs_providers
def test_destroying_a_key_needs_a_module(monkeypatch):
    monkeypatch.delenv("PKCS11_PROVIDER_MODULE", raising=False)
    provider = Provider.Provider("base")
    with pytest.raises(Provider.ProviderError, match="module is not known"):
        provider.destroy_key("pkcs11:object=a")
    for module in (__file__, "/missing.so"):
        with pytest.raises(Provider.ProviderError, match="not a PKCS #11 module"):
            provider.destroy_key("pkcs11:object=a", module=module)


@needs_providers
def test_default_properties_select_the_implementations(child):
    output = child(
        "Provider.set_default_properties('provider=nobody')\n"
        "try:\n    EVP.MessageDigest('sha256')\n"
        "except EVP.EVPError as error:\n    print('refused')\n"
        "Provider.set_default_properties('')\n"
        "print(EVP.MessageDigest('sha256').digest().hex()[:8])\n"
        "try:\n    Provider.set_default_properties('=')\n"
        "except Provider.ProviderError as error:\n    print('malformed')\n"
    )
    assert output == "refused\ne3b0c442\nmalformed\n"


@needs_providers
def test_fips_can_be_required_of_every_fetch(child):
    output = child(
        "before = Provider.is_fips_enabled()\n"
        "Provider.enable_fips()\n"
        "print(Provider.is_fips_enabled())\n"
        "try:\n    EVP.MessageDigest('sha256')\n    print(before)\n"
        "except EVP.EVPError:\n    print(not before)\n"
        "Provider.enable_fips(False)\n"
        "print(Provider.is_fips_enabled(), EVP.MessageDigest('sha256').digest().hex()[:8])\n"
    )
    assert output == "True\nTrue\nFalse e3b0c442\n"


@needs_providers
def test_the_fips_provider_is_active_where_the_configuration_activates_it():
    if not Provider.is_fips_enabled():
        pytest.skip("needs OpenSSL with FIPS active")
    provider = Provider.load("fips")
    assert provider.status()
    assert provider.self_test()
    assert provider.version


def test_the_fips_provider_is_loaded_with_the_parameters_of_its_installation(python, tmp_path):
    """The parameters are those that `openssl fipsinstall` writes (fips_config(5))."""
    import os

    named = os.environ.get("M2CRYPTO_OPENSSL_CONF", "")
    text = Path(named).read_text(encoding="utf-8") if named else ""
    found = re.search(r"^\.include\s*=?\s*(\S+)", text, re.MULTILINE)
    module = re.search(r"^module\s*=\s*(\S+)", text, re.MULTILINE)
    if found is None or module is None:
        pytest.skip("needs OpenSSL with a FIPS module")
    pairs = re.findall(r"^([\w-]+)\s*=\s*(\S+)$", Path(found[1]).read_text(), re.MULTILINE)
    parameters = {key: value for key, value in pairs if key != "activate"}
    code = (
        "import json, os, sys\n"
        "del os.environ['M2CRYPTO_OPENSSL_CONF']\n"
        "from M2Crypto import EVP, Provider\n"
        f"p = Provider.load('fips', {module[1]!r}, json.loads(sys.argv[1]))\n"
        "assert p.status() and p.self_test() and 'default' in Provider.loaded()\n"
        "Provider.enable_fips()\n"
        "print(EVP.MessageDigest('sha256').digest().hex()[:8])\n"
        "try:\n    EVP.MessageDigest('md5')\n"
        "except EVP.EVPError:\n    print('refused')\n"
    )
    done = python("-c", code, json.dumps(parameters))
    assert (done.returncode, done.stdout, done.stderr) == (0, "e3b0c442\nrefused\n", "")


def test_the_module_offers_the_documented_names():
    assert issubclass(Provider.ProviderError, ValueError)
    assert issubclass(Provider.ProviderError, Err.M2CryptoError)
    assert hasattr(m2, "provider_load") == (m2.OPENSSL_VERSION_NUMBER >= 0x30000000)
