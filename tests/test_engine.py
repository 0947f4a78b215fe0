"""Engines are found, controlled and used, or refused where their libcrypto is another version."""

from __future__ import annotations

import ctypes
import gc
from pathlib import Path

import pytest
from fix_tokens import PIN

from M2Crypto import EVP, RSA, Engine, Err, m2

KEYS = Path(__file__).with_name("data") / "keys"
needs_engines = pytest.mark.needs("ENGINE")


@pytest.fixture(autouse=True)
def _the_error_queue_stays_empty():
    yield
    assert Err.peek_error_code() == 0


@pytest.fixture
def builtin():
    """Return the engine of OpenSSL's own implementations."""
    Engine.load_openssl()
    return Engine.Engine("openssl")


def test_engines_are_available_where_openssl_has_them():
    assert Engine.Engine.is_available() == (not m2.OPENSSL_NO_ENGINE)
    assert not issubclass(Engine.EngineError, ValueError)


@pytest.mark.parametrize(
    "use",
    [
        lambda: Engine.Engine("dynamic"),
        lambda: Engine.load_dynamic_engine("x", "x.so"),
        Engine.load_dynamic,
        Engine.load_openssl,
        Engine.cleanup,
    ],
)
def test_without_engines_each_use_names_the_missing_feature(use):
    if not m2.OPENSSL_NO_ENGINE:
        pytest.skip("needs OpenSSL without engines")
    with pytest.raises(Engine.EngineError, match="this OpenSSL was built without engines"):
        use()


@needs_engines
def test_an_engine_is_described(builtin):
    assert builtin.get_id() == "openssl"
    assert builtin.get_name() == "Software engine support"
    assert repr(builtin) == "<Engine openssl>"
    assert Engine.Engine(_ptr=m2.engine_by_id("openssl")).get_id() == "openssl"


def test_an_engine_needs_an_id_or_a_handle():
    with pytest.raises(ValueError, match="needs an id or a handle"):
        Engine.Engine()


@needs_engines
@pytest.mark.parametrize("identifier", ["missing", "", "a" * 5000])
def test_an_unknown_engine_is_an_error(identifier):
    with pytest.raises(Engine.EngineError) as raised:
        Engine.Engine(identifier)
    assert raised.value.library


@needs_engines
@pytest.mark.parametrize("identifier", ["/lib/x.so", "../x", "a\\b"])
def test_an_id_is_no_path(identifier):
    with pytest.raises(Engine.EngineError, match="has no slash"):
        Engine.Engine(identifier)


@needs_engines
@pytest.mark.parametrize("argument", [b"openssl", 1])
def test_an_id_is_text(argument):
    with pytest.raises(TypeError):
        Engine.Engine(argument)


@needs_engines
def test_each_init_needs_a_finish(builtin):
    assert not builtin.is_initialized()
    with builtin as engine:
        assert engine is builtin
        assert builtin.is_initialized()
        assert builtin.init() == 1
        assert builtin.finish() == 1
        assert builtin.is_initialized()
    assert not builtin.is_initialized()
    with pytest.raises(Engine.EngineError, match="not initialized"):
        builtin.finish()


@needs_engines
def test_objects_are_loaded_by_an_initialized_engine_only(builtin):
    for load in (builtin.load_private_key, builtin.load_public_key, builtin.load_certificate):
        with pytest.raises(Engine.EngineError, match="not initialized"):
            load("x")


@needs_engines
def test_a_key_is_loaded_and_outlives_its_engine(capfd):
    """OpenSSL's own engine loads a PEM file and prints its name (crypto/engine/eng_openssl.c)."""
    Engine.load_openssl()
    engine = Engine.Engine("openssl")
    engine.init()
    key = engine.load_private_key(str(KEYS / "rsa_2048.pem"))
    engine.finish()
    del engine
    gc.collect()
    capfd.readouterr()
    assert key.as_der() == EVP.load_key(str(KEYS / "rsa_2048.pem")).as_der()
    rsa = key.get_rsa()
    assert not isinstance(rsa, RSA.RSA_pub)
    assert rsa.verify(bytes(32), rsa.sign(bytes(32))) == 1


@needs_engines
def test_an_object_that_is_missing_is_an_error(builtin, capfd):
    with builtin:
        for load in (builtin.load_private_key, builtin.load_public_key, builtin.load_certificate):
            with pytest.raises(Engine.EngineError):
                load("/missing.pem", "1234") if load != builtin.load_certificate else load("x")
    capfd.readouterr()


@needs_engines
def test_an_unknown_command_is_an_error_unless_it_is_optional(builtin):
    with pytest.raises(Engine.EngineError):
        builtin.ctrl_cmd_string("NO_SUCH_COMMAND", "1")
    assert builtin.ctrl_cmd_string("NO_SUCH_COMMAND", None, 1) == 1


@needs_engines
def test_a_default_engine_changes_no_result(python):
    code = (
        "from M2Crypto import EVP, Engine, m2\n"
        "Engine.load_openssl()\n"
        "engine = Engine.Engine('openssl')\n"
        "engine.init()\n"
        "engine.set_default(m2.ENGINE_METHOD_RSA | m2.ENGINE_METHOD_DIGESTS)\n"
        "engine.set_default()\n"
        "print(EVP.MessageDigest('sha256').digest().hex()[:8])\n"
        "Engine.cleanup()\n"
    )
    done = python("-c", code)
    assert (done.returncode, done.stdout) == (0, "e3b0c442\n")


# ---- dynamic engines -----------------------------------------------------------------------------


@needs_engines
def test_a_dynamic_engine_is_named_by_its_whole_path():
    Engine.load_dynamic()
    engine = Engine.Engine("dynamic")
    for command in ("DIR_ADD", "DIR_LOAD"):
        with pytest.raises(Engine.EngineError, match="by SO_PATH"):
            engine.ctrl_cmd_string(command, "1")
    engine.ctrl_cmd_string("ID", "pkcs11")
    with pytest.raises(Engine.EngineError, match="set SO_PATH"):
        engine.ctrl_cmd_string("LOAD", None)


@needs_engines
@pytest.mark.parametrize("path", ["/missing.so", __file__])
def test_a_file_that_is_no_library_is_an_error(path):
    with pytest.raises(Engine.EngineError, match=Path(path).name):
        Engine.load_dynamic_engine("x", path)


@needs_engines
def test_a_library_without_libcrypto_is_refused():
    with pytest.raises(Engine.EngineError, match="a libcrypto that it does not name"):
        Engine.load_dynamic_engine("x", "libc.so.6")


def version_of(path):
    """Return the number and the text of the version of the libcrypto that a library uses."""
    library = ctypes.CDLL(path)
    library.OpenSSL_version_num.restype = ctypes.c_ulong
    library.OpenSSL_version.restype = ctypes.c_char_p
    return library.OpenSSL_version_num(), library.OpenSSL_version(0).decode()


@needs_engines
def test_an_engine_whose_libcrypto_has_another_version_is_refused(pkcs11_engine, monkeypatch):
    number, text = version_of(pkcs11_engine)
    if number == m2.openssl_version_num():
        pytest.skip("needs OpenSSL of another version than the engine's")
    line = f"uses {text} and cannot be loaded into {m2.openssl_version(0)}: use a provider"
    monkeypatch.setenv("OPENSSL_ENGINES", str(Path(pkcs11_engine).parent))
    for load in (
        lambda: Engine.load_dynamic_engine("pkcs11", pkcs11_engine),
        lambda: Engine.Engine("pkcs11"),
    ):
        with pytest.raises(Engine.EngineError) as raised:
            load()
        assert line in str(raised.value)
        assert "\n" not in str(raised.value)


CHILD = """
import gc, hashlib, sys
from M2Crypto import EVP, Engine, RSA, X509, m2
path, module, uri, pin = sys.argv[1:]
engine = Engine.load_dynamic_engine("pkcs11", path)
assert engine.get_id() == "pkcs11"
engine.ctrl_cmd_string("MODULE_PATH", module)
assert Engine.Engine("pkcs11").get_name() == engine.get_name()
with engine:
    public = engine.load_public_key(uri)
    private = engine.load_private_key(uri, pin)
    try:
        engine.load_private_key(uri + "missing", pin)
    except Engine.EngineError as error:
        assert error.library
    else:
        raise AssertionError("found")
    certificate = engine.load_certificate(uri)
del engine
gc.collect()
assert private.as_der() == public.as_der() == certificate.get_pubkey().as_der()
private.sign_init()
private.sign_update(b"data")
signature = private.sign_final()
public.verify_init()
public.verify_update(b"data")
assert public.verify_final(signature) == 1
rsa = private.get_rsa()
assert not isinstance(rsa, RSA.RSA_pub)
digest = hashlib.sha256(b"data").digest()
assert rsa.verify(digest, rsa.sign(digest)) == 1
assert rsa.private_decrypt(rsa.public_encrypt(b"secret", 1), 1) == b"secret"
for write in (lambda: private.as_pem(None), lambda: rsa.as_pem(None)):
    try:
        write()
    except (EVP.EVPError, RSA.RSAError) as error:
        assert "cannot be exported" in str(error), error
    else:
        raise AssertionError("exported")
request = X509.Request()
request.set_pubkey(private)
request.sign(private, "sha256")
assert request.verify(public) == 1
print("done")
"""


@needs_engines
def test_keys_of_a_token_are_used_through_an_engine_of_the_same_version(
    pkcs11_engine, token, python, tmp_path
):
    import shutil
    import subprocess

    if version_of(pkcs11_engine)[0] != m2.openssl_version_num():
        pytest.skip("needs OpenSSL of the engine's version")
    program = shutil.which("pkcs11-tool")
    if program is None:
        pytest.skip("needs pkcs11-tool")
    certificate = tmp_path / "certificate.der"
    tool = [
        program,
        "--module",
        token.module,
        "--login",
        "--pin",
        PIN,
        "--token-label",
        token.label,
    ]
    tool += ["--id", "21", "--label", "engine"]
    subprocess.run(
        [*tool, "--keypairgen", "--key-type", "rsa:2048"], check=True, capture_output=True
    )
    public = tmp_path / "public.der"
    read = [*tool, "--read-object", "--type", "pubkey", "--output-file", str(public)]
    subprocess.run(read, check=True, capture_output=True)
    certificate.write_bytes(certificate_of(public.read_bytes()))
    write = [*tool, "--write-object", str(certificate), "--type", "cert"]
    subprocess.run(write, check=True, capture_output=True)
    done = python("-c", CHILD, pkcs11_engine, token.module, token.uri("engine", 0x21), PIN)
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr


def certificate_of(der):
    """Return a certificate for a public key, signed by a key in memory."""
    import base64

    from M2Crypto import ASN1, X509

    text = base64.encodebytes(der).decode()
    public = EVP.load_key_string_pubkey(
        f"-----BEGIN PUBLIC KEY-----\n{text}-----END PUBLIC KEY-----\n"
    )
    certificate = X509.X509()
    certificate.set_version(2)
    name = X509.X509_Name()
    name.CN = "engine"
    certificate.set_subject(name)
    certificate.set_issuer(name)
    certificate.set_pubkey(public)
    for set_time, time in (
        (certificate.set_not_before, "250101000000Z"),
        (certificate.set_not_after, "490101000000Z"),
    ):
        value = ASN1.ASN1_UTCTIME()
        value.set_string(time)
        set_time(value)
    certificate.sign(EVP.load_key(str(KEYS / "rsa_2048.pem")), "sha256")
    return certificate.as_der()
