"""One object of each class, whose methods four threads call: only documented exceptions.

The tables come from the modules (examples.py), so that nothing new is left out.
"""

from __future__ import annotations

import gc
import random
import sys
import threading
import time

import pytest
from examples import EXAMPLES, argument, classes, methods, positional

from M2Crypto import m2
from M2Crypto.Err import M2CryptoError

# Examples are dropped and not closed, and some methods warn.
pytestmark = pytest.mark.filterwarnings("ignore")

DOCUMENTED = (
    M2CryptoError, TypeError, ValueError, OverflowError, OSError, LookupError, NotImplementedError,
)  # fmt: skip
CLASSES = classes()
THREADS = 4
SECONDS = 0.03
# Often enough that a thread loses the GIL in the middle of a method.
SWITCH = 1e-5
PATIENCE = 60
LEFT_OUT = {
    # Generate keys or test primes, which takes long.
    *("DH.gen_key", "DH.check_params", "DSA.gen_key", "EC.gen_key", "RSA.check_key"),
    # The standard library's own, which look at the socket or BIO first.
    *("SSLContext.wrap_socket", "SSLContext.wrap_bio"),
    # After it, accept waits for a client, and none comes.
    "Connection.listen",
}


@pytest.fixture(autouse=True)
def _threads_switch_often():
    before = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH)
    yield
    sys.setswitchinterval(before)
    gc.collect()


def calls_of(name, made):
    """Return the calls of the public methods, and the looks at attributes, of an object."""
    kind = CLASSES[name]
    calls = [lambda: repr(made), lambda: str(made)]
    for attribute, value in vars(kind).items():
        if isinstance(value, property):
            calls.append(lambda attribute=attribute: getattr(made, attribute))
    for attribute in methods(kind):
        if f"{kind.__name__}.{attribute}" in LEFT_OUT:
            continue
        method = getattr(made, attribute)
        try:
            given = [argument(each) for each in positional(method)]
        except (M2CryptoError, AttributeError):
            # This OpenSSL lacks the type of an argument.
            continue
        calls.append(lambda method=method, given=given: method(*given))
    return calls


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_threads_can_share_an_object(name, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    try:
        made = EXAMPLES[name]()
    except (M2CryptoError, AttributeError) as error:
        pytest.skip(f"this OpenSSL was built without {name}: {error}")
    calls = calls_of(name, made)
    found = []
    start = threading.Barrier(THREADS)

    def work(seed):
        chosen = random.Random(seed)
        start.wait(PATIENCE)
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            try:
                chosen.choice(calls)()
            except DOCUMENTED:
                pass
            except BaseException as error:
                found.append(error)
            if m2.err_peek_error():
                found.append(AssertionError(m2.err_reason_error_string(m2.err_get_error())))

    # A thread that does not end fails the test, and does not keep the process.
    threads = [threading.Thread(target=work, args=(i,), daemon=True) for i in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert not any(thread.is_alive() for thread in threads)
    if found:
        raise found[0]
