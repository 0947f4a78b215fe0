"""Callbacks that raise, end their thread, call back in, close their connection or fork."""

from __future__ import annotations

import contextlib
import gc
import os
import socket
import threading
from pathlib import Path

import pytest

from M2Crypto import DH, DSA, EVP, RSA, SSL, X509, m2
from M2Crypto.Err import M2CryptoError

DATA = Path(__file__).parent / "data"
PASSPHRASE = b"for tests"
PATIENCE = 20


def load(name):
    return X509.load_cert(str(DATA / "certificates" / name))


# ---- operations that call a callback -------------------------------------------------------------

# Each is called with a callback, and runs the operation.


def loads_a_key(callback):
    key = EVP.load_key(str(DATA / "keys" / "rsa_2048.pem"))
    text = key.as_pem("aes_128_cbc", lambda *_: PASSPHRASE)
    return EVP.load_key_string(text, callback)


def saves_a_key(callback):
    return EVP.load_key(str(DATA / "keys" / "rsa_2048.pem")).as_pem("aes_128_cbc", callback)


def generates_rsa(callback):
    return RSA.gen_key(1024, 65537, callback)


def generates_dsa(callback):
    return DSA.gen_params(1024, callback)


def generates_dh(callback):
    return DH.gen_params(512, 2, callback)


def validates(callback, prepare):
    store = X509.X509_Store()
    store.add_x509(load("ca.pem"))
    prepare(store, callback)
    context = X509.X509_Store_Context()
    context.init(store, load("server.pem"))
    return context.verify_cert()


def verifies(callback):
    return validates(callback, X509.X509_Store.set_verify_cb)


def looks_up_crls(callback):
    def prepare(store, callback):
        store.set_lookup_crls(callback)
        store.set_flags(m2.X509_V_FLAG_CRL_CHECK)
        # There is no CRL.
        store.set_verify_cb(lambda ok, context: True)

    return validates(callback, prepare)


def shakes(prepare):
    """Do a handshake in this thread; `prepare` gets the two contexts and the two connections."""
    client, server = SSL.Context(), SSL.Context()
    client.load_verify_locations(str(DATA / "certificates" / "ca.pem"))
    client.set_verify(SSL.verify_peer, 4)
    server.load_cert(str(DATA / "certificates" / "server.pem"))
    with contextlib.ExitStack() as stack:
        prepare(client, server, None)
        ends = [
            stack.enter_context(SSL.Connection(context, end))
            for context, end in zip((client, server), socket.socketpair())
        ]
        for end in ends:
            end.setblocking(False)
            end.set_post_connection_check_callback(None)
        prepare(client, server, ends)
        done = [0, 0]
        for _ in range(20):
            for at, shake in enumerate((ends[0].connect_ssl, ends[1].accept_ssl)):
                if done[at] != 1:
                    done[at] = shake()
        return done == [1, 1]


def shakes_with(setter):
    """Return the operation whose callback `setter` sets in the contexts."""

    def operation(callback):
        def prepare(client, server, ends):
            if ends is None:
                setter(client, server, callback)

        return shakes(prepare)

    return operation


def checks(callback):
    def prepare(client, server, ends):
        if ends is not None:
            ends[0].set_post_connection_check_callback(callback)

    return shakes(prepare)


def verifies_peer(client, server, callback):
    client.set_verify(SSL.verify_peer, 4, callback)


def logs_keys(client, server, callback):
    # The package has only a file.
    m2.ssl_ctx_set_keylog_callback(client.ctx, callback)


TLS = {
    "TLS verification": (shakes_with(verifies_peer), lambda ok, *_: ok),
    "info": (shakes_with(lambda client, _, callback: client.set_info_callback(callback)), None),
    "server name": (
        shakes_with(lambda _, server, callback: server.set_server_name_callback(callback)),
        None,
    ),
    "key log": (shakes_with(logs_keys), None),
    "post-connection check": (checks, lambda *_: True),
}
OPERATIONS = {
    "passphrase of a key": (loads_a_key, lambda *_: PASSPHRASE),
    "passphrase for a key": (saves_a_key, lambda *_: PASSPHRASE),
    "RSA generation": (generates_rsa, None),
    "DSA generation": (generates_dsa, None),
    "DH generation": (generates_dh, None),
    "verification": (verifies, lambda ok, _: ok),
    "look-up of CRLs": (looks_up_crls, None),
    **TLS,
}
MISSING = {"DSA generation": "DSA", "DH generation": "DH"}


def parameters(table):
    return [
        pytest.param(
            operation,
            answer or (lambda *_: None),
            id=name,
            marks=[pytest.mark.needs(MISSING[name])] if name in MISSING else [],
        )
        for name, (operation, answer) in table.items()
    ]


each_callback = pytest.mark.parametrize(("operation", "answer"), parameters(OPERATIONS))


# ---- tests ---------------------------------------------------------------------------------------


@each_callback
def test_the_operation_succeeds(operation, answer):
    calls = []
    assert operation(lambda *given: calls.append(given) or answer(*given))
    assert calls


@pytest.mark.parametrize("kind", [LookupError, KeyboardInterrupt, SystemExit])
@each_callback
def test_an_exception_propagates(operation, answer, kind):
    def fail(*_):
        raise kind("from the callback")

    with pytest.raises(kind, match="^from the callback$"):
        operation(fail)
    assert m2.err_peek_error() == 0
    assert operation(answer)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@each_callback
def test_a_thread_can_exit(operation, answer):
    reached = []

    def run():
        operation(lambda *_: reached.append("callback") or exit_thread())
        reached.append("the end")

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    assert set(reached) == {"callback"}


def exit_thread():
    raise SystemExit


@each_callback
def test_the_same_operation_can_run_in_the_callback(operation, answer):
    inner = []

    def again(*given):
        if not inner:
            inner.append(operation(answer))
        return answer(*given)

    assert operation(again)
    assert all(inner)


@each_callback
def test_the_callback_can_be_the_last_reference_to_itself(operation, answer):
    class Once:
        """Drops the reference that the caller has."""

        def __call__(self, *given):
            held.clear()
            gc.collect()
            return answer(*given)

    held = [Once()]

    def take():
        return held.pop()

    assert operation(take())


@pytest.mark.parametrize(("operation", "answer"), parameters(TLS))
def test_a_connection_can_be_closed(operation, answer, monkeypatch):
    """An operation on a closed connection raises, and does not crash."""
    made = []
    monkeypatch.setattr(SSL, "Connection", lambda *given: made.append(Made(*given)) or made[-1])

    def close(*given):
        for each in made:
            with contextlib.suppress(M2CryptoError):
                each.close()
        return answer(*given)

    with contextlib.suppress(M2CryptoError, OSError, ValueError):
        operation(close)
    assert made
    assert m2.err_peek_error() == 0


Made = SSL.Connection


# ---- fork ----------------------------------------------------------------------------------------


FORK = """
import os, sys, warnings
sys.path.insert(0, {tests!r})
import test_callbacks

warnings.simplefilter("ignore", DeprecationWarning)
children = []

def fork(*given):
    if not children:
        children.append(os.fork())
    return answer(*given)

operation, answer = test_callbacks.OPERATIONS[{name!r}]
answer = answer or (lambda *_: None)
made = operation(fork)
# Of one write(2), so that the lines of two processes do not mix.
os.write(1, getattr(made, "n", b"").hex().encode() + b"\\n")
if children[0]:
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(children[0], 0)[1]))
sys.exit(0 if made else 1)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.parametrize(
    ("name", "unlike"),
    [
        ("passphrase of a key", False),
        ("passphrase for a key", False),
        ("RSA generation", True),
        ("verification", False),
        ("look-up of CRLs", False),
    ],
)
def test_both_processes_continue_after_a_fork(name, unlike, python):
    done = python("-c", FORK.format(tests=str(Path(__file__).parent), name=name))
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.split()
    # Both generate from the same candidates, but with random numbers of their own.
    assert not unlike or len(set(lines)) == 2
