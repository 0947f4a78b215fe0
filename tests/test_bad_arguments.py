"""Every function of m2 refuses arguments of wrong types, and works on new and empty objects.

The table comes from the extension's stub, so that nothing new is left out.
"""

from __future__ import annotations

import ast
import gc
import re
import warnings
from pathlib import Path
from typing import NamedTuple

import pytest
from examples import EXAMPLES

import M2Crypto
from M2Crypto import EVP, m2
from M2Crypto.Err import M2CryptoError

BODY = ast.parse(Path(M2Crypto.__file__).with_name("_m2crypto.pyi").read_text("utf-8")).body
TYPES = {node.name for node in BODY if isinstance(node, ast.ClassDef)} - {"MessageDigest"}
# Change the process, end the session's engines or block on a descriptor.
PROCESS = re.compile(
    r".*default_properties|.*_fips|engine_\w+|provider_\w+|openssl_configure|\w+_fd"
)
WRONG = {
    "None": None,
    "object": object(),
    "text": "text\0",
    "float": 1.5,
    "list": [],
    "huge": 2**80,
}


class Parameter(NamedTuple):
    """A parameter: its type, and whether it may be None."""

    kind: str
    optional: bool


def functions():
    for node in BODY:
        if isinstance(node, ast.FunctionDef) and hasattr(m2, node.name) and node.name[0] != "_":
            found = []
            for argument in node.args.posonlyargs:
                kind, *more = ast.unparse(argument.annotation).split(" | ")
                found.append(Parameter(kind.partition("[")[0], "None" in more))
            yield node.name, found


FUNCTIONS = dict(functions())


def kind_of(handle):
    found = re.match(r'<capsule object "(\w+)"', repr(handle))
    return found and found[1]


@pytest.fixture(scope="module")
def makers():
    """Return a function that makes a handle, or one that is shared, for each type."""
    # The examples that are dropped here warn, such as of an open socket.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = made_by_type()
        gc.collect()
    return found


def made_by_type():
    """Return what `makers` does."""
    found = {}
    for name in EXAMPLES.keys() - {"BIO.File"}:
        try:
            made = EXAMPLES[name]()
        except (M2CryptoError, AttributeError):
            # This OpenSSL lacks the type.
            continue
        for value in vars(made).values() if hasattr(made, "__dict__") else ():
            if kind_of(value):
                found.setdefault(kind_of(value), lambda value=value: value)
    # A new object is empty, and not shared by the calls.
    for node in BODY:
        if isinstance(node, ast.FunctionDef) and not node.args.posonlyargs:
            kind = ast.unparse(node.returns)
            if kind in TYPES and hasattr(m2, node.name) and not PROCESS.fullmatch(node.name):
                found[kind] = getattr(m2, node.name)
    rsa = str(Path(__file__).parent / "data" / "keys" / "rsa_2048.pem")
    leaf = EXAMPLES["X509.X509"]().x509
    # OpenSSL 1.1.1 parses no file without a MAC, and FIPS approves only PBMAC1.
    mac = (b"for tests", m2.sha256()) if m2.OPENSSL_VERSION_NUMBER < 0x30000000 else (None, None)
    der = m2.i2d_pkcs12(m2.pkcs12_create(mac[0], b"", None, leaf, None, None, mac[1], 1, 0))
    # They are those of a store, a validation or a connection.
    found["X509_VERIFY_PARAM"] = m2.x509_store_new
    found["CONF"] = lambda: m2.nconf_load(b"")
    found["m2_store_objects"] = lambda: m2.store_load(rsa, None)
    found["PKCS12"] = lambda: m2.d2i_pkcs12(der)
    found["m2_pkcs12_parts"] = lambda: m2.pkcs12_parse(m2.d2i_pkcs12(der), mac[0])
    found["GENERAL_NAMES"] = lambda: m2.x509_get_subject_alt_names(leaf)
    for kind, make in list(found.items()):
        try:
            make()
        except M2CryptoError:
            # Such as RC4 with FIPS.
            del found[kind]
    return found


PLAIN = {
    "int": 1, "float": 1.0, "str": "sha256", "Path": "absent/absent", "Buffer": b"0123456789abcdef",
    "bytearray": bytearray(4), "Callable": lambda *_: b"for tests",
}  # fmt: skip


def right(parameter, makers):
    """Return an argument that the parameter accepts."""
    if parameter.kind in PLAIN:
        return PLAIN[parameter.kind]
    return makers[parameter.kind]() if parameter.kind in makers else None


def has_all(parameters, makers):
    """Return whether each parameter can have an argument: with FIPS there is no RC4."""
    return all(each.optional or each.kind in {**PLAIN, **makers} for each in parameters)


def wrong_for(parameter):
    """Yield arguments that the parameter does not accept."""
    for label, wrong in WRONG.items():
        accepted = {
            "str": label == "text" and wrong != "text\0",
            "float": label in ("float", "huge"),
        }
        if not accepted.get(parameter.kind) and not (wrong is None and parameter.optional):
            yield wrong
    spent = m2.bn_new()
    m2.bn_free(spent)
    yield spent
    yield m2.bn_new() if parameter.kind != "BIGNUM" else m2.bio_new_mem()
    if parameter.kind == "str":
        yield b"bytes"


def test_every_type_has_an_object(makers):
    needed = {each.kind for parameters in FUNCTIONS.values() for each in parameters}
    assert needed - makers.keys() - PLAIN.keys() <= {"m2_engine", "m2_rc4", "OSSL_PROVIDER"}


def test_wrong_types_are_refused_in_each_place(makers):
    tried = 0
    for name, parameters in FUNCTIONS.items():
        function = getattr(m2, name)
        for place, parameter in enumerate(parameters):
            arguments = [right(each, makers) for each in parameters]
            for wrong in wrong_for(parameter):
                arguments[place] = wrong
                # The function is not called: an argument is refused before.
                with pytest.raises((TypeError, ValueError, OverflowError)):
                    function(*arguments)
                    pytest.fail(f"m2.{name} accepts {wrong!r} in place {place}")
                tried += 1
        with pytest.raises(TypeError):
            function(*[1] * (len(parameters) + 1))
    assert m2.err_peek_error() == 0
    assert tried > 5000


def test_buffers_longer_than_2_gib_are_refused_in_each_place(makers, zeros):
    tried = set()
    for name, parameters in FUNCTIONS.items():
        for place, parameter in enumerate(parameters):
            if parameter.kind in ("Buffer", "bytearray") and has_all(parameters, makers):
                arguments = [right(each, makers) for each in parameters]
                arguments[place] = zeros
                with pytest.raises(M2CryptoError, match="the data are longer than 2 GiB"):
                    getattr(m2, name)(*arguments)
                    pytest.fail(f"m2.{name} accepts 2 GiB in place {place}")
                tried.add(name)
    # Those of the type MessageDigest, and functions with keywords.
    for call in (
        lambda: EVP.MessageDigest("sha256").update(zeros),
        lambda: EVP.digest(zeros),
        lambda: EVP.hmac(zeros, b""),
        lambda: EVP.hmac(b"", zeros),
    ):
        with pytest.raises(EVP.EVPError, match="the data are longer than 2 GiB"):
            call()
    assert m2.err_peek_error() == 0
    assert len(tried) > 100


def test_an_output_longer_than_2_gib_is_refused(zeros):
    # The input is one byte shorter than what is refused.
    with memoryview(zeros)[:-1] as data:
        cipher = EVP.Cipher("aes_128_cbc", bytes(16), bytes(16), 1)
        with pytest.raises(EVP.EVPError, match="the data are longer than 2 GiB"):
            cipher.update(data)
        with pytest.raises(EVP.EVPError, match="the data are longer than 2 GiB"):
            EVP.AEAD("aes_128_gcm", bytes(16)).seal(bytes(12), data)


def test_new_objects_are_accepted_or_refused_by_the_functions_error(
    makers, tmp_path, monkeypatch, capfd
):
    monkeypatch.chdir(tmp_path)
    for name, parameters in FUNCTIONS.items():
        if PROCESS.fullmatch(name) or not {each.kind for each in parameters} & TYPES:
            continue
        # The largest number is the width of a line or a number of iterations.
        for numbers in (1, 0, -1, -(2**31)):
            arguments = [
                numbers if each.kind == "int" else right(each, makers) for each in parameters
            ]
            try:
                getattr(m2, name)(*arguments)
            except (M2CryptoError, TypeError, ValueError, OverflowError, MemoryError) as error:
                assert str(error) or isinstance(error, MemoryError), name
            assert m2.err_peek_error() == 0, name
            if all(each.kind != "int" for each in parameters):
                break
