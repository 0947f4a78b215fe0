"""Every class and function of the package: wrong arguments, copies, pickles and repr.

The tables come from the modules (examples.py), so that nothing new is left out.
"""

from __future__ import annotations

import copy
import gc
import pickle
import sys

import pytest
from examples import EXAMPLES, SECRET, argument, classes, functions, methods, positional

from M2Crypto import ASN1, EVP, _copies, _library, _pem, m2
from M2Crypto.Err import M2CryptoError

# Examples are dropped and not closed, and some functions warn.
pytestmark = pytest.mark.filterwarnings("ignore")

# What an argument of the wrong type or value may raise. LookupError is of an index or a name.
DOCUMENTED = (M2CryptoError, TypeError, ValueError, OverflowError, OSError, LookupError)
WRONG = {"None": None, "object": object(), "text": "a\0\ud800", "float": 1.5, "huge": 2**80}
# Change the process or prompt.
LEFT_OUT = {
    "EVP.set_default_properties",
    "Provider.set_default_properties",
    "Provider.enable_fips",
    "util.passphrase_callback",
    "certdata.main",
}
# Take a buffer of any length, or copy it before OpenSSL refuses it.
ANY_LENGTH = {"EVP.Cipher", "OCSP.Responder.respond", "certdata.parse", "util.bin_to_hex"}
CLASSES = classes()


@pytest.fixture(scope="module", autouse=True)
def _dropped_objects_are_collected():
    yield
    # Here, where their warnings are ignored, and not in another test.
    gc.collect()


def example(name):
    """Return an object of a class, or skip the test if this OpenSSL has none."""
    try:
        return EXAMPLES[name]()
    except (M2CryptoError, AttributeError) as error:
        pytest.skip(f"this OpenSSL was built without {name}: {error}")


def refuses(name, function):
    """Call a function with each wrong argument in each place, the others being right."""
    parameters = positional(function)
    try:
        right = [argument(each) for each in parameters]
    except (M2CryptoError, AttributeError):
        # This OpenSSL lacks the type of an argument.
        return
    for label, wrong in WRONG.items():
        for place, parameter in enumerate(parameters):
            given = [*right[:place], wrong, *right[place + 1 :]]
            try:
                function(*given)
            except DOCUMENTED as error:
                assert str(error), (name, parameter.name, label)
            except Exception as error:
                pytest.fail(f"{name}({parameter.name}={label}) raised {error!r}")
            assert m2.err_peek_error() == 0, (name, parameter.name, label)


def test_every_class_has_an_example():
    assert sorted(CLASSES) == sorted(EXAMPLES)


def test_functions_refuse_wrong_arguments(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name, function in functions().items():
        if name not in LEFT_OUT and not name.startswith("SSL"):
            refuses(name, function)


@pytest.mark.parametrize("name", [name for name in sorted(CLASSES) if name[:3] != "SSL"])
def test_classes_refuse_wrong_arguments(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refuses(name, CLASSES[name])
    made = example(name)
    for method in methods(CLASSES[name]):
        refuses(f"{name}.{method}", getattr(made, method))


# ---- long buffers --------------------------------------------------------------------------------


def refuses_long(name, function, zeros):
    """Call a function with 2 GiB in each place of a buffer; return how many places there are."""
    parameters = [] if name in ANY_LENGTH else positional(function)
    try:
        right = [argument(each) for each in parameters]
    except (M2CryptoError, AttributeError):
        # This OpenSSL lacks the type of an argument.
        return 0
    places = [at for at, each in enumerate(parameters) if "Buffer" in str(each.annotation)]
    for place in places:
        given = [*right[:place], zeros, *right[place + 1 :]]
        with pytest.raises(DOCUMENTED):
            function(*given)
            pytest.fail(f"{name} accepts 2 GiB for {parameters[place].name}")
        assert m2.err_peek_error() == 0, name
    return len(places)


def test_functions_refuse_buffers_longer_than_2_gib(zeros):
    places = [refuses_long(name, function, zeros) for name, function in functions().items()]
    assert sum(places) > 30


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_methods_refuse_buffers_longer_than_2_gib(name, zeros):
    made = example(name)
    refuses_long(name, CLASSES[name], zeros)
    for method in methods(CLASSES[name]):
        refuses_long(f"{name}.{method}", getattr(made, method), zeros)


# ---- copies, pickles, repr -----------------------------------------------------------------------


def handles(value):
    return [each for each in vars(value).values() if "PyCapsule" in type(each).__name__]


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_repr_helps_and_shows_no_secret(name):
    made = example(name)
    shown = repr(made)
    assert type(made).__repr__ is not object.__repr__
    assert "object at 0x" not in shown
    for secret in (SECRET.decode(), SECRET.hex(), "PRIVATE KEY"):
        assert secret not in shown + str(made)


@pytest.mark.parametrize(
    "duplicate", [copy.copy, copy.deepcopy, pickle.dumps], ids=["copy", "deepcopy", "pickle"]
)
@pytest.mark.parametrize("name", sorted(CLASSES))
def test_a_copy_is_independent_or_refused(name, duplicate):
    made = example(name)
    try:
        found = duplicate(made)
    except EVP.EVPError as error:
        assert str(error) == "OpenSSL 1.1.1 can copy no MAC but HMAC"
        return
    except TypeError as error:
        assert str(error).startswith("cannot"), error
        assert "PyCapsule" not in str(error)
        return
    if duplicate is pickle.dumps:
        assert SECRET not in found
        found = pickle.loads(found)
    assert type(found) is type(made)
    # What nothing changes may be shared.
    if hasattr(made, "__dict__") and not isinstance(made, (_copies.Constant, _pem.Key)):
        for one, other in zip(handles(made), handles(found)):
            assert one is not other


def test_a_copied_cipher_continues_from_the_same_state():
    cipher = EVP.Cipher("aes_128_cbc", bytes(16), bytes(16), 1)
    begun = cipher.update(bytes(20))
    copied = copy.copy(cipher)
    rest = cipher.update(b"data") + cipher.final()
    other = copy.deepcopy(copied)
    assert copied.update(b"data") + copied.final() == rest
    assert other.update(b"else") + other.final() != rest
    whole = EVP.Cipher("aes_128_cbc", bytes(16), bytes(16), 1)
    assert whole.update(bytes(20) + b"data") + whole.final() == begun + rest
    with pytest.raises(EVP.EVPError, match="cannot copy aes_128_ccm"):
        copy.copy(EVP.Cipher("aes_128_ccm", bytes(16), bytes(12), 1))


@pytest.mark.parametrize("text", ["20300101000000Z", "991231235959Z", "19500101000000Z", None])
def test_a_copied_time_keeps_its_encoding(text):
    time = ASN1.ASN1_TIME()
    if text is not None:
        time.set_string(text)
    for copied in (copy.copy(time), copy.deepcopy(time), pickle.loads(pickle.dumps(time))):
        assert str(copied) == str(time)
        assert m2.asn1_time_type(copied._ptr()) == m2.asn1_time_type(time._ptr())
        copied.set_time(0)
        assert str(copied) != str(time)


# ---- interpreters --------------------------------------------------------------------------------


def test_a_process_without_the_gil_is_refused(monkeypatch):
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: False, raising=False)
    assert _library.without_gil().startswith("M2Crypto needs the GIL")
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: True)
    assert _library.without_gil() == ""


INTERPRETERS = """
import sys, threading
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters

USE = "from M2Crypto import EVP; [EVP.MessageDigest('sha256').digest() for _ in range(100)]"
is_new = sys.version_info >= (3, 13)
new = interpreters.create("legacy") if is_new else interpreters.create(isolated=False)
# In another thread CPython 3.12 would not end an interpreter that has imported threading.
thread = threading.Thread(target=exec, args=(USE, {}))
thread.start()
interpreters.run_string(new, USE)
thread.join()
interpreters.destroy(new)
isolated = interpreters.create()
REFUSED = "try: import M2Crypto\\nexcept ImportError as error: assert 'subinterp' in str(error)"
REFUSED += "\\nelse: raise SystemError"
assert interpreters.run_string(isolated, REFUSED) is None
interpreters.destroy(isolated)
print("done")
"""


@pytest.mark.skipif(sys.version_info < (3, 12), reason="needs Python 3.12, for subinterpreters")
def test_interpreters_share_the_gil_or_are_refused(python):
    assert python("-c", INTERPRETERS).stdout == "done\n"
