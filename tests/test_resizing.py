"""A bytearray that another thread resizes while a call uses it: that thread gets BufferError."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest

from M2Crypto import EVP

KEYS = Path(__file__).parent / "data" / "keys"
# Takes OpenSSL milliseconds, in which the other thread has the GIL.
SIZE = 1 << 22
# Attempts to resize while a call is under way.
ROUNDS = 50
PATIENCE = 20
KEY = bytes(32)


def signed(data):
    key = EVP.load_key(str(KEYS / "rsa_2048.pem"))
    return EVP.sign(key, data)


CALLS = {
    "Cipher.update": lambda data: EVP.Cipher("aes_256_ctr", KEY, bytes(16), 1).update(data),
    "AEAD.seal": lambda data: EVP.AEAD("aes_256_gcm", KEY).seal(bytes(12), data),
    "AEAD.seal aad": lambda data: EVP.AEAD("aes_256_gcm", KEY).seal(bytes(12), b"", data),
    "digest": EVP.digest,
    "hmac": lambda data: EVP.hmac(KEY, data),
    "sign": signed,
}


def updated(made, data):
    made.update(data)
    return made.final()


CALLS["MessageDigest.update"] = lambda data: updated(EVP.MessageDigest("sha256"), data)
CALLS["HMAC.update"] = lambda data: updated(EVP.HMAC(KEY, "sha256"), data)
CALLS["MAC.update"] = lambda data: updated(EVP.MAC("CMAC", KEY, cipher="aes_256_cbc"), data)


def resize(data, thread):
    """Append until it is refused or the thread ends, and return whether it was refused."""
    while thread.is_alive():
        try:
            data.append(0)
        except BufferError:
            return True
    return False


def during(call, data):
    """Call in a thread and resize the data meanwhile; return the result, None if not refused."""
    results = []
    thread = threading.Thread(target=lambda: results.append(call(data)))
    thread.start()
    refused = resize(data, thread)
    thread.join(PATIENCE)
    return results[0] if refused else None


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_buffer_in_use_is_not_resized(call):
    result = None
    for _ in range(ROUNDS):
        data = bytearray(SIZE)
        result = during(call, data)
        if result is not None:
            break
    # The call read the contents that the buffer had when the resizing was refused.
    assert result == call(bytes(data))
    data.append(0)


def test_the_target_of_recv_into_is_not_resized(connected):
    client, server = connected
    target, results = bytearray(100), []
    thread = threading.Thread(target=lambda: results.append(client.recv_into(target)))
    thread.start()
    try:
        # It waits for the peer.
        assert resize(target, thread)
    finally:
        server.write(b"data")
        thread.join(PATIENCE)
    assert results == [4]
    assert target[:4] == b"data"


def test_data_being_written_are_not_resized(connected):
    client, server = connected
    server.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    data, results = bytearray(SIZE), []
    thread = threading.Thread(target=lambda: results.append(client.write(data)))
    thread.start()
    # It waits for the peer.
    assert resize(data, thread)
    length = len(data)
    received = 0
    while received < length:
        received += len(server.read(65536))
    thread.join(PATIENCE)
    assert results == [length]
