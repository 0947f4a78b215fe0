"""M2Crypto.m2: functions are found by name, and handles own their objects."""

import ast
import gc
import os
import runpy
import shutil
import sys
from pathlib import Path

import pytest

import M2Crypto
from M2Crypto import BIO, X509, m2

ROOT = Path(__file__).parent / "data" / "x509" / "root.pem"
STUB = Path(M2Crypto.__file__).with_name("_m2crypto.pyi")


def test_importing_the_package_binds_m2():
    assert M2Crypto.m2 is M2Crypto.m2crypto is m2


def test_every_module_is_an_attribute_of_the_package(python):
    names = ["RSA", "EC", "Err", "SSL", "EVP", "BN", "ASN1", "util"]
    program = f"""
import sys, M2Crypto
assert not {{'M2Crypto.X509', 'M2Crypto.SSL'}} & set(sys.modules), "slow to import"
assert set({names}) <= set(dir(M2Crypto))
import M2Crypto.X509
for name in {names}:
    assert getattr(M2Crypto, name) is sys.modules['M2Crypto.' + name]
assert M2Crypto.SSL.Context
"""
    assert python("-c", program).stderr == ""


@pytest.mark.parametrize("name", ["nonsense", "__wrapped__", "X509.nonsense", "no name", ""])
def test_an_unknown_module_raises_attribute_error(name):
    with pytest.raises(AttributeError, match=f"module 'M2Crypto' has no attribute {name!r}"):
        getattr(M2Crypto, name)
    with pytest.raises(ImportError):
        exec("from M2Crypto import nonsense")


def test_a_module_that_fails_to_import_raises_the_cause(monkeypatch, tmp_path):
    (tmp_path / "broken.py").write_text("import no_such_module")
    monkeypatch.setattr(M2Crypto, "__path__", [*M2Crypto.__path__, str(tmp_path)])
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        M2Crypto.broken  # noqa: B018


def test_importing_without_the_extension_names_the_build_command(python, tmp_path):
    here = Path(M2Crypto.__file__).parent
    ignore = shutil.ignore_patterns("_m2crypto*.so", "_m2crypto*.pyd", "__pycache__")
    shutil.copytree(here, tmp_path / "M2Crypto", ignore=ignore)
    for module in ("M2Crypto", "M2Crypto.X509"):
        done = python("-c", f"import {module}", cwd=tmp_path)
        last = done.stderr.splitlines()[-1]
        assert last.startswith(f"ImportError: M2Crypto was imported from {tmp_path / 'M2Crypto'}, ")
        assert "start Python in another directory" in last


def test_an_extension_that_fails_to_load_raises_the_cause(python, tmp_path):
    here, package = Path(M2Crypto.__file__).parent, tmp_path / "M2Crypto"
    package.mkdir()
    # Not shutil.copytree: the files of a read-only cache would be copied read-only.
    for source in here.glob("*.py"):
        (package / source.name).write_bytes(source.read_bytes())
    for extension in here.glob("_m2crypto.*[!i]"):
        (package / extension.name).write_bytes(b"no library")
    last = python("-c", "import M2Crypto", cwd=tmp_path).stderr.splitlines()[-1]
    assert last.startswith("ImportError")
    assert "M2Crypto was imported from" not in last


def test_another_missing_module_is_not_reported_as_the_extension(monkeypatch):
    for missing, expected in (("M2Crypto._m2crypto", "another directory"), ("M2Crypto.m2", "m2")):
        with monkeypatch.context() as patch:
            patch.delitem(sys.modules, "M2Crypto.m2")
            patch.delattr(M2Crypto, "m2")
            patch.setitem(sys.modules, missing, None)
            with pytest.raises(ImportError, match=expected):
                runpy.run_path(M2Crypto.__file__, {"__path__": M2Crypto.__path__})


def test_the_initialization_of_threads_and_the_empty_module_stay():
    assert M2Crypto.threading.init() is None
    assert M2Crypto.threading.cleanup() is None
    assert M2Crypto.callback.__doc__


def test_the_package_has_its_version_in_every_documented_form():
    assert M2Crypto.__version__ == M2Crypto.version
    assert M2Crypto.version.startswith(M2Crypto.release)
    assert tuple(M2Crypto.version_info[:3]) == M2Crypto.release_tuple
    assert M2Crypto.strict_version == M2Crypto.release
    assert M2Crypto.VersionCtor(1, 2, 3) < M2Crypto.VersionCtor(1, 10, 0)
    assert (M2Crypto.encrypt, M2Crypto.decrypt) == (m2.encrypt, m2.decrypt) == (1, 0)


@pytest.mark.parametrize(
    "name", ["sha256", "aes_128_cbc", "bn_to_bin", "hex_to_bn", "rand_status", "err_peek_error"]
)
def test_functions_are_attributes_of_m2(name):
    assert callable(getattr(m2, name))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NID_commonName", 13),
        ("SSL_VERIFY_PEER", 1),
        ("X509_V_ERR_CERT_HAS_EXPIRED", 10),
        ("X509_V_FLAG_CRL_CHECK", 4),
        ("RSA_F4", 65537),
        ("PKCS5_SALT_LEN", 8),
        ("GEN_DNS", 2),
        ("bio_noclose", 0),
        ("bio_close", 1),
    ],
)
def test_constants_have_the_values_of_openssl(name, value):
    assert getattr(m2, name) == value


@pytest.mark.parametrize("switch", ["EC", "DSA", "DH", "RC4", "ENGINE", "SSL3", "TLS1_3", "MD2"])
def test_the_features_that_the_build_lacks_are_listed(switch):
    assert getattr(m2, f"OPENSSL_NO_{switch}") in (0, 1)


def test_the_list_agrees_with_the_functions_of_the_extension():
    assert (not hasattr(m2, "ec_key_gen_key")) == m2.OPENSSL_NO_EC


def test_a_missing_function_raises_with_the_missing_feature():
    with pytest.raises(AttributeError, match=r"no quantum_cbc: it was built with OpenSSL \d"):
        getattr(m2, "quantum_cbc")  # noqa: B009


def test_the_stub_lists_every_function_of_the_extension():
    tree = ast.parse(STUB.read_text(encoding="utf-8"))
    declared = (ast.FunctionDef, ast.ClassDef)
    listed = {node.name for node in tree.body if isinstance(node, declared)}
    offered = {name for name in dir(m2) if callable(getattr(m2, name)) and not name.startswith("_")}
    assert sorted(offered - listed) == [], "run `nox -s stubs`"


def test_a_handle_of_another_type_is_refused():
    with pytest.raises(TypeError, match="expected a handle of type BIO, not one of type BIGNUM"):
        m2.bio_read(m2.bn_new(), 1)


def test_none_is_refused_as_a_handle():
    with pytest.raises(TypeError, match="expected a handle of type BIO, not <class 'NoneType'>"):
        m2.bio_read(None, 1)


def test_a_freed_handle_can_neither_be_used_nor_freed_again():
    number = m2.bn_new()
    m2.bn_free(number)
    with pytest.raises(ValueError, match="the BIGNUM was freed already"):
        m2.bn_num_bits(number)
    with pytest.raises(ValueError, match="the BIGNUM was freed already"):
        m2.bn_free(number)


def test_a_handle_frees_its_object_when_collected():
    bio = BIO.MemoryBuffer(b"data")
    handle = bio.bio_ptr()
    del bio
    gc.collect()
    assert m2.bio_read(handle, 4) == b"data"


def test_text_arguments_refuse_none_and_bytes():
    with pytest.raises(TypeError, match="expected text, not <class 'NoneType'>"):
        m2.obj_sn2nid(None)
    with pytest.raises(TypeError, match="expected text, not <class 'bytes'>"):
        m2.obj_sn2nid(b"CN")


def test_text_with_a_nul_is_refused():
    with pytest.raises(ValueError, match="obj_sn2nid: the text has a NUL in it"):
        m2.obj_sn2nid("CN\0")


class PathByProtocol:
    """An object that implements only the path protocol (PEP 519)."""

    def __init__(self, path):
        self.path = path

    def __fspath__(self):
        return self.path


NAMES = ["root.pem", b"root.pem", "caf\u00e9.pem"]
if sys.platform == "linux":
    # Latin-1, which is not UTF-8.
    NAMES += [b"caf\xe9.pem", os.fsdecode(b"caf\xe9.pem")]


@pytest.mark.parametrize("wrap", [lambda path: path, PathByProtocol], ids=["plain", "pathlike"])
@pytest.mark.parametrize("name", NAMES, ids=repr)
def test_openssl_opens_str_bytes_and_path_objects(name, wrap, tmp_path):
    place = os.path.join(os.fsencode(tmp_path), os.fsencode(name))  # noqa: PTH118
    shutil.copy(ROOT, place)
    path = wrap(place if isinstance(name, bytes) else os.fsdecode(place))
    store = X509.X509_Store()
    assert store.load_info(path) == 1
    assert m2.x509_store_load_locations(store._ptr(), path) == 1
    context = m2.ssl_ctx_new(m2.tls_method())
    assert m2.ssl_ctx_load_verify_locations(context, path, None) == 1
    assert m2.rand_load_file(path, -1) > 0


def test_a_path_with_a_nul_is_refused():
    for path in ("file\0.pem", b"file\0.pem", PathByProtocol("file\0.pem")):
        with pytest.raises(ValueError, match="rand_load_file: the path has a NUL in it"):
            m2.rand_load_file(path, 1)


@pytest.mark.parametrize("wrong", [None, 1, ["file"], PathByProtocol(None), bytearray(b"file")])
def test_an_object_that_is_not_a_path_is_refused(wrong):
    with pytest.raises(TypeError):
        m2.rand_load_file(wrong, 1)


def test_every_bytes_like_object_is_accepted_as_a_buffer():
    with pytest.raises(TypeError, match="bytes-like"):
        m2.bin_to_bn("text")


def test_a_callback_must_be_callable_or_none():
    with pytest.raises(TypeError, match="is a callable or None"):
        m2.pkey_read_pem(m2.bio_new_mem(), "secret")


def test_a_version_has_numbers_and_the_package_lists_its_modules():
    assert M2Crypto._version_info("1.2.3.dev4") == (1, 2, 3, "dev4")
    with pytest.raises(ValueError, match="^one is not a version$"):
        M2Crypto._version_info("one")
    assert {"SSL", "X509", "version", "m2"} <= set(dir(M2Crypto))
