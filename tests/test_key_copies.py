"""Threads that use one RSA private key at once get copies of it (SWIG/src/key_copy.h)."""

import copy
import functools
import gc
import os
import threading
from pathlib import Path

import pytest

from M2Crypto import EVP, RSA

KEY_FILE = str(Path(__file__).with_name("data") / "keys" / "rsa_2048.pem")
# More than a key has copies.
THREADS, ROUNDS = 12, 8
MESSAGE = b"a message to sign"
DIGEST = EVP.digest(MESSAGE)


@pytest.fixture(scope="module")
def rsa():
    return RSA.load_key(KEY_FILE)


def key_of(rsa):
    key = EVP.PKey()
    key.assign_rsa(rsa, 0)
    return key


def at_once(work):
    """Run `work` in threads at once, and return what it returned."""
    start = threading.Barrier(THREADS)
    results = []

    def run():
        start.wait()
        results.extend([work() for _ in range(ROUNDS)])

    threads = [threading.Thread(target=run) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def sign_final(rsa):
    key = key_of(rsa)
    key.sign_init()
    key.sign_update(MESSAGE)
    return key.sign_final()


def test_signatures_of_threads_that_share_a_key_verify(rsa):
    key = key_of(rsa)
    signatures = at_once(lambda: EVP.sign(key, MESSAGE, "sha256"))
    assert len(signatures) == THREADS * ROUNDS
    # RSASSA-PKCS1-v1_5 is deterministic.
    assert set(signatures) == {rsa.sign(DIGEST, "sha256")}
    assert all(EVP.verify(key, each, MESSAGE, "sha256") for each in signatures)


OPERATIONS = {
    "sign": lambda rsa: rsa.sign(DIGEST, "sha256") == EVP.sign(key_of(rsa), MESSAGE, "sha256"),
    "sign_pss": lambda rsa: rsa.verify_rsassa_pss(DIGEST, rsa.sign_rsassa_pss(DIGEST)),
    "sign_final": lambda rsa: EVP.verify(key_of(rsa), sign_final(rsa), MESSAGE, "sha256"),
    "private_encrypt": lambda rsa: (
        rsa.public_decrypt(rsa.private_encrypt(MESSAGE, RSA.pkcs1_padding), RSA.pkcs1_padding)
        == MESSAGE
    ),
    "private_decrypt": lambda rsa: (
        rsa.private_decrypt(
            rsa.public_encrypt(MESSAGE, RSA.pkcs1_oaep_padding), RSA.pkcs1_oaep_padding
        )
        == MESSAGE
    ),
    "decrypt": lambda rsa: key_of(rsa).decrypt(key_of(rsa).encrypt(MESSAGE)) == MESSAGE,
}


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_threads_that_share_a_key_get_right_results(rsa, operation):
    assert all(at_once(lambda: operation(rsa)))


def test_a_copy_of_a_key_outlives_the_key_and_its_copies():
    key = EVP.load_key(KEY_FILE)
    expected = EVP.sign(key, MESSAGE)
    at_once(functools.partial(EVP.sign, key, MESSAGE))
    other = copy.copy(key)
    del key
    gc.collect()
    assert EVP.sign(other, MESSAGE) == expected
    assert set(at_once(lambda: EVP.sign(other, MESSAGE))) == {expected}


def test_a_failure_gives_the_copy_back(rsa):
    key = key_of(rsa)

    def fail():
        with pytest.raises(EVP.EVPError):
            key.decrypt(b"too short")
        return True

    assert all(at_once(fail))
    assert EVP.verify(key, EVP.sign(key, MESSAGE), MESSAGE)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.openssl("< 3.6")
@pytest.mark.openssl(">= 3.0")
def test_a_forked_process_signs_with_a_key_that_threads_of_its_parent_use(python):
    """Of OpenSSL's locks, those in the copies that threads used at the fork are never waited for.

    A few children may wait for another one, which OpenSSL does not release either.
    """
    program = f"""
import os, signal, sys, threading, warnings
from M2Crypto import EVP

key = EVP.load_key({KEY_FILE!r})
expected = EVP.sign(key, b"message")
ends = threading.Event()

def sign():
    while not ends.is_set():
        EVP.sign(key, b"message")

threads = [threading.Thread(target=sign) for _ in range(10)]
for thread in threads:
    thread.start()
warnings.simplefilter("ignore", DeprecationWarning)
statuses = []
for _ in range(20):
    child = os.fork()
    if child == 0:
        signal.alarm(5)
        os._exit(EVP.sign(key, b"message") != expected)
    statuses.append(os.waitpid(child, 0)[1])
ends.set()
for thread in threads:
    thread.join()
waited = statuses.count(signal.SIGALRM)
print(waited < 10 and statuses.count(0) == len(statuses) - waited)
"""
    done = python("-c", program)
    assert (done.returncode, done.stdout, done.stderr) == (0, "True\n", "")
