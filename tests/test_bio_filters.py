"""Filter BIOs buffer, encode and encrypt what passes, and a TLS connection can be below them."""

from __future__ import annotations

import base64
import contextlib
import gc
import itertools
import os
import socket
import sys
import threading
from pathlib import Path

import pytest

import M2Crypto
from M2Crypto import BIO, EVP, SSL, X509, Err, m2
from M2Crypto.BIO import BIOError

PATIENCE = 20
DATA = bytes(range(256)) * 40
# NIST SP 800-38A, F.2.1 and F.5.5: AES-128 in CBC and AES-256 in CTR mode.
PLAIN = bytes.fromhex(
    "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
    "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
)
CBC = (
    "aes_128_cbc",
    "2b7e151628aed2a6abf7158809cf4f3c",
    "000102030405060708090a0b0c0d0e0f",
    "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2"
    "73bed6b8e3c1743b7116e69e222295163ff1caa1681fac09120eca307586e1a7",
)
CTR = (
    "aes_256_ctr",
    "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
    "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
    "601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c5"
    "2b0930daa23de94ce87017ba2d84988ddfc9c58db67aada613c2dd08457941a6",
)
KEY, IV = b"0123456789abcdef", b"fedcba9876543210"


# ---- buffers -------------------------------------------------------------------------------------


def test_a_buffer_writes_when_it_is_flushed_or_closed():
    memory = BIO.MemoryBuffer()
    buffer = BIO.IOBuffer(memory)
    assert buffer.write(b"one") == 3
    assert memory.read() is None
    buffer.flush()
    assert memory.read() == b"one"
    buffer.write("two")
    buffer.close()
    buffer.close()
    assert memory.read() == b"two"
    with pytest.raises(OSError, match="cannot write"):
        buffer.write(b"late")
    with pytest.raises(BIOError, match="closed"):
        buffer.flush()


def test_a_buffer_reads_lines_and_the_rest():
    memory = BIO.MemoryBuffer(b"one\ntwo\0\n" + DATA)
    memory.write_close()
    buffer = BIO.IOBuffer(memory, "rb")
    assert buffer.readline() == b"one\n"
    assert buffer.readline() == b"two\0\n"
    assert buffer.read(10) == DATA[:10]
    assert buffer.read() == DATA[10:]
    assert buffer.read() == b""


def test_the_mode_of_a_buffer_allows_reading_writing_or_both():
    for mode, reads, writes in (("r", True, False), ("w", False, True), ("rwb", True, True)):
        buffer = BIO.IOBuffer(BIO.MemoryBuffer(b"x"), mode)
        assert (buffer.readable(), buffer.writeable()) == (reads, writes)
    with pytest.raises(OSError, match="cannot read"):
        BIO.IOBuffer(BIO.MemoryBuffer(), "w").readline()
    with pytest.raises(OSError, match="cannot write"):
        BIO.IOBuffer(BIO.MemoryBuffer(), "r").write(b"x")


def test_a_buffer_keeps_the_file_below_it(tmp_path):
    with (tmp_path / "file").open("wb") as pyfile:
        buffer = BIO.IOBuffer(BIO.File(pyfile))
        gc.collect()
        with buffer:
            buffer.write(b"data")
    assert (tmp_path / "file").read_bytes() == b"data"


def test_a_key_is_read_through_a_buffer():
    path = Path(__file__).parent / "data" / "x509" / "leaf.key"
    with BIO.openfile(path) as file:
        assert EVP.load_key_bio(BIO.IOBuffer(file)).size() == EVP.load_key(str(path)).size()


def test_a_buffer_over_a_socket_that_is_not_ready_should_retry():
    if sys.platform == "win32":
        pytest.skip("this system has no descriptors of sockets")
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        buffer = BIO.IOBuffer(BIO.BIO(m2.bio_new_fd(ours.fileno(), m2.bio_noclose)))
        assert buffer.read(1) == b""
        assert buffer.should_retry()
        theirs.sendall(b"x\n")
        assert buffer.readline() == b"x\n"


# ---- chains --------------------------------------------------------------------------------------


def filters(*methods):
    return [m2.bio_new(method()) for method in methods]


def test_a_chain_keeps_the_bios_below():
    memory = m2.bio_new(m2.bio_s_mem())
    top = m2.bio_push(m2.bio_new(m2.bio_f_base64()), m2.bio_new(m2.bio_f_null()))
    m2.bio_push(top, memory)
    m2.bio_write(top, DATA)
    m2.bio_flush(top)
    del top
    gc.collect()
    lines = [base64.b64encode(DATA[i : i + 48]) + b"\n" for i in range(0, len(DATA), 48)]
    assert m2.bio_read(memory, 100000) == b"".join(lines)


def test_base64_without_line_ends_is_read_and_written():
    base, memory = filters(m2.bio_f_base64, m2.bio_s_mem)
    m2.bio_set_flags(base, m2.BIO_FLAGS_BASE64_NO_NL)
    m2.bio_push(base, memory)
    m2.bio_write(base, DATA[:100])
    m2.bio_flush(base)
    encoded = m2.bio_read(memory, 1000)
    assert encoded == base64.b64encode(DATA[:100])
    m2.bio_write(memory, encoded)
    m2.bio_set_mem_eof_return(memory, 0)
    assert m2.bio_read(base, 1000) == DATA[:100]
    with pytest.raises(BIOError, match="the only flag"):
        m2.bio_set_flags(memory, m2.BIO_FLAGS_MEM_RDONLY)


def test_an_empty_memory_bio_cannot_claim_to_have_read():
    memory = m2.bio_new_mem()
    with pytest.raises(BIOError, match="returns is positive"):
        m2.bio_set_mem_eof_return(memory, 15)
    assert m2.bio_read(memory, 15) == b""
    m2.bio_set_mem_eof_return(memory, -1)
    assert m2.bio_should_retry(memory)


def test_what_is_below_a_bio_is_removed():
    top, middle, memory = filters(m2.bio_f_null, m2.bio_f_null, m2.bio_s_mem)
    m2.bio_push(m2.bio_push(top, middle), memory)
    below = m2.bio_pop(top)
    assert m2.bio_pop(top) is None
    m2.bio_write(below, b"data")
    del top, middle, below
    gc.collect()
    assert m2.bio_read(memory, 10) == b"data"


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_bios_of_a_chain_are_freed_in_any_order(order):
    chain = filters(m2.bio_f_buffer, m2.bio_f_null, m2.bio_s_mem)
    m2.bio_push(chain[0], chain[1])
    m2.bio_push(chain[0], chain[2])
    for place in order:
        m2.bio_free(chain[place])


def test_two_filters_share_one_bio():
    one, two, memory = filters(m2.bio_f_null, m2.bio_f_null, m2.bio_s_mem)
    m2.bio_push(one, memory)
    m2.bio_push(two, memory)
    m2.bio_write(one, b"1")
    m2.bio_free(one)
    m2.bio_write(two, b"2")
    m2.bio_free(two)
    assert m2.bio_read(memory, 10) == b"12"


def test_a_chain_ends_with_a_filter_and_has_no_loop():
    top, middle, memory = filters(m2.bio_f_null, m2.bio_f_null, m2.bio_s_mem)
    with pytest.raises(BIOError, match="does not end with a filter"):
        m2.bio_push(memory, top)
    for below in (top, m2.bio_push(middle, top)):
        with pytest.raises(BIOError, match="below itself"):
            m2.bio_push(top, below)


def test_a_filter_without_a_bio_below_neither_reads_nor_writes():
    for method in (m2.bio_f_base64, m2.bio_f_buffer, m2.bio_f_cipher, m2.bio_f_null, m2.bio_f_ssl):
        (bio,) = filters(method)
        for use in (lambda: m2.bio_write(bio, b"data"), lambda: m2.bio_flush(bio)):  # noqa: B023
            with pytest.raises(BIOError):
                use()
        with contextlib.suppress(BIOError):
            assert m2.bio_read(bio, 10) == b""
        assert m2.err_peek_error() == 0


@pytest.mark.parametrize("method", ["base64", "buffer", "cipher", "null"])
def test_a_filter_without_a_bio_below_has_no_lines(method):
    # OpenSSL reads PEM with BIO_gets, which dereferenced NULL in a buffer.
    (bio,) = filters(getattr(m2, f"bio_f_{method}"))
    for read in (m2.x509_read_pem, lambda bio: m2.pkey_read_pem(bio, None)):
        with pytest.raises(Err.M2CryptoError):
            read(bio)
        assert m2.err_peek_error() == 0


def test_the_null_bio_discards_everything():
    (null,) = filters(m2.bio_s_null)
    assert m2.bio_write(null, b"data") == 4
    assert m2.bio_read(null, 4) == b""


def test_a_file_is_opened_by_path(tmp_path):
    path = tmp_path / "file"
    bio = m2.bio_new_file(path, "wb")
    m2.bio_write(bio, b"data")
    m2.bio_free(bio)
    assert m2.bio_read(m2.bio_new_file(bytes(path), "rb"), 10) == b"data"
    with pytest.raises(BIOError):
        m2.bio_new_file(tmp_path / "missing", "rb")


@pytest.mark.parametrize("method", [m2.bio_f_base64, m2.bio_f_buffer, m2.bio_f_cipher])
def test_a_filter_over_a_file_that_cannot_be_written_fails(method, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"kept")
    file = m2.bio_new_file(path, "rb")
    with pytest.raises(BIOError, match="Bad file descriptor"):
        m2.bio_write(file, b"data")
    bio = m2.bio_push(m2.bio_new(method()), file)
    if method is m2.bio_f_cipher:
        m2.bio_set_cipher(bio, m2.aes_128_cbc(), bytes(16), bytes(16), 1)
    with pytest.raises(BIOError):
        m2.bio_write(bio, b"data")
        m2.bio_flush(bio)
    assert path.read_bytes() == b"kept"


def test_threads_take_turns_at_a_bio_and_the_filters_over_it():
    memory = BIO.MemoryBuffer()
    buffers = [BIO.IOBuffer(memory) for _ in range(3)]

    def write(buffer):
        for _ in range(200):
            buffer.write(b"x" * 100)
            buffer.flush()

    threads = [threading.Thread(target=write, args=(buffer,)) for buffer in [*buffers, memory]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert memory.read() == b"x" * 80000


def test_a_callback_cannot_use_a_filter_over_the_bio_of_its_caller():
    memory = BIO.MemoryBuffer()
    buffer = BIO.IOBuffer(memory)
    key = EVP.load_key(str(Path(__file__).parent / "data" / "x509" / "leaf.key"))

    def passphrase(writing):
        with pytest.raises(BIOError, match="in use by the call that called the callback"):
            buffer.write(b"between the lines")
        return b"for tests"

    key.save_key_bio(memory, "aes_128_cbc", passphrase)
    assert b"between" not in memory.read()


# ---- ciphers -------------------------------------------------------------------------------------


def encrypted(vector, data, op=M2Crypto.encrypt):
    memory = BIO.MemoryBuffer()
    stream = BIO.CipherStream(memory)
    stream.set_cipher(vector[0], bytes.fromhex(vector[1]), bytes.fromhex(vector[2]), op)
    stream.write(data)
    stream.close()
    return memory.read()


@pytest.mark.parametrize("vector", [CBC, CTR], ids=["cbc", "ctr"])
def test_what_is_written_is_encrypted_as_sp_800_38a_lists(vector):
    result = encrypted(vector, PLAIN)
    # The stream is padded, unlike the vector.
    assert result[: len(PLAIN)].hex() == vector[3]
    assert len(result) == len(PLAIN) + (16 if "cbc" in vector[0] else 0)
    assert encrypted(vector, result, M2Crypto.decrypt) == PLAIN


@pytest.mark.parametrize("vector", [CBC, CTR], ids=["cbc", "ctr"])
@pytest.mark.parametrize("size", [None, 1, 7, 16, 1000])
def test_what_is_read_is_decrypted(vector, size):
    memory = BIO.MemoryBuffer(encrypted(vector, DATA))
    memory.write_close()
    stream = BIO.CipherStream(memory)
    name, key, iv, _ = vector
    stream.set_cipher(name, bytes.fromhex(key), bytes.fromhex(iv), M2Crypto.decrypt)
    parts = [stream.read(size)]
    while size is not None and parts[-1]:
        parts.append(stream.read(size))
    assert b"".join(parts) == DATA
    assert m2.bio_get_cipher_status(stream.bio_ptr()) == 1
    stream.close()


def test_lines_are_read_through_a_cipher_and_a_buffer():
    memory = BIO.MemoryBuffer(encrypted(CBC, b"one\ntwo\n"))
    memory.write_close()
    stream = BIO.CipherStream(memory)
    stream.set_cipher("aes_128_cbc", bytes.fromhex(CBC[1]), bytes.fromhex(CBC[2]), 0)
    assert BIO.IOBuffer(stream).readlines() == [b"one\n", b"two\n"]


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: data[:-16] + bytes(16)])
def test_a_wrong_last_block_raises_when_it_is_read_or_written(damage):
    data = damage(encrypted(CBC, DATA))
    memory = BIO.MemoryBuffer(data)
    memory.write_close()
    stream = BIO.CipherStream(memory)
    stream.set_cipher("aes_128_cbc", bytes.fromhex(CBC[1]), bytes.fromhex(CBC[2]), 0)
    with pytest.raises(BIOError, match="the last block is wrong"):
        stream.read()
    assert m2.bio_get_cipher_status(stream.bio_ptr()) == 0
    with pytest.raises(BIOError, match="the last block is wrong"):
        encrypted(CBC, data, M2Crypto.decrypt)
    assert m2.err_peek_error() == 0


def test_the_write_side_of_a_stream_is_closed():
    memory = BIO.MemoryBuffer()
    stream = BIO.CipherStream(memory)
    stream.set_cipher("aes_128_cbc", KEY, IV, 1)
    stream.write(b"data")
    stream.write_close()
    stream.write_close()
    assert len(memory) == 16
    with pytest.raises(OSError, match="cannot write"):
        stream.write(b"late")
    stream.close()
    stream.close()
    assert len(memory) == 16


def test_a_stream_that_was_only_opened_writes_nothing():
    memory = BIO.MemoryBuffer()
    with BIO.CipherStream(memory) as stream:
        stream.set_cipher("aes_128_cbc", KEY, IV, 1)
    assert len(memory) == 0


def test_a_stream_without_a_cipher_passes_nothing():
    memory = BIO.MemoryBuffer(b"data")
    stream = BIO.CipherStream(memory)
    for use in (lambda: stream.write(b"data"), lambda: stream.read(4)):
        with pytest.raises(BIOError, match="uninitialized"):
            use()
    assert memory.read() == b"data"


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("aes_128_gcm", KEY, IV, 1), "whole messages"),
        (("aes_128_ccm", KEY, IV, 1), "whole messages"),
        (("aes_128_xts", KEY * 2, IV, 1), "whole messages"),
        (("id-aes128-wrap", KEY, IV, 1), "whole messages"),
        (("none_such", KEY, IV, 1), "unknown cipher: none_such"),
        (("aes_128_cbc", KEY[:-1], IV, 1), "the key is 15 bytes"),
        (("aes_128_cbc", KEY, IV[:-1], 1), "the IV is 15 bytes"),
    ],
)
def test_an_unsuitable_cipher_key_or_iv_is_refused(arguments, why):
    memory = BIO.MemoryBuffer()
    stream = BIO.CipherStream(memory)
    with pytest.raises(BIOError, match=why):
        stream.set_cipher(*arguments)
    with pytest.raises(BIOError, match="uninitialized"):
        stream.write(b"data")
    stream.set_cipher("aes_128_cbc", KEY, IV, 1)
    with pytest.raises(BIOError, match="the filter has a cipher"):
        stream.set_cipher("aes_128_cbc", KEY, IV, 1)


def test_only_a_cipher_filter_has_a_cipher():
    memory = m2.bio_new_mem()
    with pytest.raises(BIOError, match="not a cipher filter"):
        m2.bio_set_cipher(memory, m2.get_cipherbyname("aes_128_cbc"), KEY, IV, 1)
    with pytest.raises(BIOError, match="not a cipher filter"):
        m2.bio_get_cipher_status(memory)


def test_a_file_of_openssl_enc_is_read_and_written(openssl, tmp_path):
    # openssl-enc(1): "Salted__", the salt, and the ciphertext; the key of EVP_BytesToKey.
    salt = b"8 octets"
    assert len(salt) == BIO.CipherStream.SALT_LEN
    name = "aes_128_cbc"
    cipher, md = m2.get_cipherbyname(name), m2.get_digestbyname("sha256")
    key = m2.bytes_to_key(cipher, md, b"for tests", salt, 1)
    arguments = ["-aes-128-cbc", "-md", "sha256", "-in", str(tmp_path / "ours")]
    with BIO.openfile(tmp_path / "ours", "wb") as file:
        file.write(b"Salted__" + salt)
        stream = BIO.CipherStream(file)
        stream.set_cipher(name, key, IV, 1)
        stream.write(DATA)
        stream.close()
    # The IV of the command line takes the place of the derived one.
    theirs = openssl("enc", "-d", *arguments, "-pass", "pass:for tests", "-iv", IV.hex())
    output = theirs.communicate(timeout=PATIENCE)[0]
    assert output.endswith(DATA)


# ---- TLS connections -----------------------------------------------------------------------------


def over_ssl(connection):
    bio = BIO.SSLBio()
    bio.set_ssl(connection)
    return bio


def read_all(bio, length):
    data = b""
    for _ in range(1000):
        part = bio.read(length - len(data))
        data += part
        if len(data) == length:
            return data
        assert part or bio.should_retry()
    raise AssertionError(f"{len(data)} of {length} bytes were read")


def test_an_extension_is_printed_over_tls(pair, shake, contexts, certificates):
    client, server = shake(*pair(*contexts))
    extension = X509.load_cert(certificates("server.pem")).get_ext("subjectAltName")
    # X509V3_EXT_print(3) writes with BIO_puts(3), too.
    assert m2.x509_ext_print(over_ssl(client).bio_ptr(), extension.x509_ext, 0, 4) == 1
    text = b"    " + extension.get_value().encode()
    incoming = over_ssl(server)
    assert incoming.read(1) == text[:1]
    assert m2.bio_ctrl_pending(incoming.bio_ptr()) == server.pending()
    assert read_all(incoming, len(text) - 1) == text[1:]


def test_lines_are_read_and_written_over_tls(pair, shake, contexts):
    client, server = shake(*pair(*contexts))
    out = BIO.IOBuffer(over_ssl(client))
    out.write(b"one\n")
    out.write(b"two\n")
    assert server.pending() == 0
    out.flush()
    incoming = BIO.IOBuffer(over_ssl(server))
    assert incoming.readline() == b"one\n"
    assert incoming.readline() == b"two\n"
    assert incoming.readline() == b""
    assert incoming.should_retry()
    assert over_ssl(client).fileno() == client.fileno()


def test_a_connection_stays_open_when_its_bio_is_closed(pair, shake, contexts):
    client, server = shake(*pair(*contexts))
    with over_ssl(client) as bio:
        bio.write(b"first")
        bio.flush()
    del bio
    gc.collect()
    client.write(b"second")
    assert read_all(over_ssl(server), 11) == b"firstsecond"
    assert client.get_shutdown() == 0


def test_the_end_of_a_connection_is_the_end_of_its_bio(pair, shake, contexts):
    client, server = shake(*pair(*contexts))
    client.shutdown(socket.SHUT_RDWR)
    bio = over_ssl(server)
    assert bio.read() == b""
    assert not bio.should_retry()
    assert m2.bio_eof(bio.bio_ptr()) == 1


def test_a_handshake_is_done_through_the_bio(pair, contexts):
    client, server = pair(*contexts)
    client.setup_ssl()
    client.set_connect_state()
    server.setup_ssl()
    server.set_accept_state()
    ours, theirs = over_ssl(client), over_ssl(server)
    assert ours.do_handshake() == 0
    assert ours.should_read()
    for _ in range(10):
        done = theirs.do_handshake(), ours.do_handshake()
    assert done == (1, 1)
    ours.write(DATA)
    assert read_all(theirs, len(DATA)) == DATA


def test_a_handshake_that_fails_raises(pair, contexts):
    client, server = pair(contexts[0], SSL.Context())
    server.setup_ssl()
    server.set_accept_state()
    client.setup_ssl()
    client.set_connect_state()
    over_ssl(client).do_handshake()
    with pytest.raises(BIOError, match="no shared cipher|no suitable"):
        over_ssl(server).do_handshake()
    assert m2.err_peek_error() == 0


def test_tls_runs_over_tls(pair, shake, contexts):
    outer = shake(*pair(*contexts))
    inner = []
    for context, connection in zip(contexts, outer):
        bio = over_ssl(connection)
        with socket.socket() as unused:
            made = SSL.Connection(context, unused)
        made.set_post_connection_check_callback(None)
        made.set_bio(bio, bio)
        inner.append(made)
    client, server = shake(*inner)
    client.write(b"inside")
    assert read_all(over_ssl(server), 6) == b"inside"


def test_a_connection_below_itself_is_refused(pair, contexts):
    client, _ = pair(*contexts)
    client.setup_ssl()
    bio = BIO.SSLBio()
    bio.set_ssl(client)
    with pytest.raises(SSL.SSLError, match="below itself"):
        client.set_bio(BIO.IOBuffer(bio), BIO.MemoryBuffer())
    with pytest.raises(BIOError, match="has a connection"):
        bio.set_ssl(client)
    other, buffer = BIO.SSLBio(), m2.bio_new(m2.bio_f_buffer())
    m2.bio_push(buffer, other.bio_ptr())
    with socket.socket() as unused:
        connection = SSL.Connection(contexts[0], unused)
        m2.ssl_set_bio(connection.ssl, buffer, m2.bio_new_mem())
        with pytest.raises(BIOError, match="below itself"):
            other.set_ssl(connection)


def test_the_connection_of_a_chain_is_returned(pair, contexts):
    client, _ = pair(*contexts)
    buffer = BIO.IOBuffer(over_ssl(client))
    handle = m2.bio_get_ssl(buffer.bio_ptr())
    assert m2.ssl_get_version(handle) == m2.ssl_get_version(client.ssl)
    assert m2.bio_get_ssl(m2.bio_new_mem()) is None
    with pytest.raises(BIOError, match="has no connection"):
        m2.bio_do_handshake(m2.bio_new_mem())
    with pytest.raises(BIOError, match="not one of bio_f_ssl"):
        m2.bio_set_ssl(m2.bio_new_mem(), client.ssl, m2.bio_noclose)


def test_a_bio_over_a_blocking_connection_does_not_wait(connected):
    client, server = connected
    server.settimeout(None)
    os.set_blocking(server.fileno(), True)
    bio = over_ssl(server)
    assert not bio.read(4)
    assert bio.should_retry()
    client.write(b"data")
    read = b""
    while not read:
        read = bio.read(4) or b""
    assert read == b"data"
