"""The low-level TLS functions accept newly created objects of their types."""

from __future__ import annotations

import ast
import itertools
import socket
from pathlib import Path

import pytest

import M2Crypto
from M2Crypto import BIO, SSL, m2

STUB = Path(M2Crypto.__file__).with_name("_m2crypto.pyi")
TYPES = {"SSL", "SSL_CTX", "SSL_SESSION", "SSL_CIPHER", "m2_ssl_ciphers"}


def signatures():
    """Return the low-level TLS functions with the types of their parameters."""
    for node in ast.parse(STUB.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef) and hasattr(m2, node.name):
            types = [ast.unparse(argument.annotation) for argument in node.args.posonlyargs]
            if TYPES & set(types):
                yield getattr(m2, node.name), types


def plain_values(kind):
    return {
        "int": [0, 1, -1, 2**31 - 1, -(2**31)],
        "float": [0.0, -1.0, 0.001],
        "str": ["", "x", "localhost", "/none", "DHE+AESGCM"],
        "Buffer": [b"", b"x", bytes(40)],
        "Buffer | None": [None, b"x"],
        "bytearray | memoryview": [bytearray(), bytearray(4)],
        "Callable[..., object] | None": [None, lambda *_: 1],
        "str | None": [None, "/none"],
        "Path": ["", "/none"],
        "Path | None": [None, "/none"],
    }[kind]


class Objects:
    """New objects of each type, as created or after the start of a handshake."""

    def __init__(self, stage):
        self.context = m2.ssl_ctx_new(m2.tls_method())
        self.connection = m2.ssl_new(self.context)
        self.bio = BIO.MemoryBuffer()
        if stage != "new":
            m2.ssl_set_connect_state(self.connection)
        if stage == "no BIO":
            with pytest.raises(SSL.SSLError, match="neither a socket nor BIOs"):
                m2.ssl_do_handshake(self.connection)
        if stage == "begun":
            m2.ssl_set_bio(self.connection, BIO.MemoryBuffer().bio_ptr(), self.bio.bio_ptr())
            assert m2.ssl_do_handshake(self.connection) == -m2.SSL_ERROR_WANT_READ

    def values(self, kind):
        ciphers = m2.ssl_get_ciphers(self.connection)
        made = {
            "SSL": lambda: self.connection,
            "SSL_CTX": lambda: self.context,
            "SSL_SESSION": lambda: m2.ssl_get_session(self.connection),
            "SSL_CIPHER": lambda: m2.sk_ssl_cipher_value(ciphers, 0),
            "m2_ssl_ciphers": lambda: ciphers,
            "BIO": BIO.MemoryBuffer().bio_ptr,
            "EVP_PKEY": m2.pkey_new,
            "X509": m2.x509_new,
        }
        return [made[kind]()] if kind in made else plain_values(kind)

    def arguments(self, types):
        return itertools.product(*map(self.values, types))


@pytest.mark.parametrize("stage", ["new", "no BIO", "begun"])
def test_every_function_handles_newly_created_objects(stage):
    called = set()
    for function, types in signatures():
        # New objects for each call, because a call can change an object's state.
        for index in range(sum(1 for _ in Objects(stage).arguments(types))):
            arguments = next(itertools.islice(Objects(stage).arguments(types), index, None))
            try:
                function(*arguments)
            except (SSL.SSLError, ValueError, TypeError, OverflowError, MemoryError) as error:
                assert "\n" not in str(error)
            assert m2.err_peek_error() == 0, (function, arguments)
            called.add(function)
    assert len(called) > 80


@pytest.mark.parametrize("result", [-1, 0])
def test_ssl_get_error_of_a_connection_without_a_bio_is_ssl_error_ssl(result):
    connection = m2.ssl_new(SSL.Context().ctx)
    assert m2.ssl_get_error(connection, result) == m2.SSL_ERROR_SSL
    m2.ssl_set_connect_state(connection)
    with pytest.raises(SSL.SSLError, match="neither a socket nor BIOs"):
        m2.ssl_do_handshake(connection)
    assert m2.ssl_get_error(connection, result) == m2.SSL_ERROR_SSL
    assert m2.ssl_get_error(connection, 1) == m2.SSL_ERROR_NONE


WAITS = [
    lambda connection, seconds: m2.ssl_io_handshake(connection, seconds),
    lambda connection, seconds: m2.ssl_io_listen(connection, seconds),
    lambda connection, seconds: m2.ssl_io_read(connection, 1, seconds),
    lambda connection, seconds: m2.ssl_io_read_into(connection, bytearray(1), seconds),
    lambda connection, seconds: m2.ssl_io_write(connection, b"1", seconds),
    lambda connection, seconds: m2.ssl_io_shutdown(connection, seconds),
    lambda connection, seconds: m2.ssl_io_unwrap(connection, seconds),
]


@pytest.mark.parametrize("wait", WAITS)
def test_a_timeout_that_is_not_a_number_is_refused(wait):
    # It compares false with every limit, so it would be none.
    with pytest.raises(ValueError, match="not a number"):
        wait(m2.ssl_new(SSL.Context().ctx), float("nan"))
    with pytest.raises(TypeError):
        wait(m2.ssl_new(SSL.Context().ctx), "1")


def test_a_handshake_does_not_wait_for_the_socket_that_it_reads_to_become_writable():
    # It was writable, so the handshake attempted to write again and again.
    reading, writing = socket.socketpair(), socket.socketpair()
    connection = m2.ssl_new(SSL.Context().ctx)
    bios = []
    for end in (reading[0], writing[0]):
        end.setblocking(False)
        bios.append(m2.bio_new_fd(end.fileno(), m2.bio_noclose))
    with pytest.raises(BlockingIOError):
        while True:
            writing[0].send(bytes(1 << 16))
    m2.ssl_set_bio(connection, *bios)
    m2.ssl_set_connect_state(connection)
    assert m2.ssl_io_handshake(connection, 60) == -m2.SSL_ERROR_WANT_WRITE
    for end in (*reading, *writing):
        end.close()
