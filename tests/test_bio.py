"""Memory and file BIOs are read, written and closed like streams."""

from __future__ import annotations

import ast
import os
import socket
import sys
from pathlib import Path

import pytest

import M2Crypto
from M2Crypto import BIO, m2

DATA = Path(__file__).parent / "data" / "x509"


def test_reading_a_memory_bio_consumes_its_data():
    buffer = BIO.MemoryBuffer(b"some data")
    assert len(buffer) == 9
    assert buffer.read(4) == b"some"
    assert buffer.getvalue() == b" data"
    assert len(buffer) == 0


@pytest.mark.parametrize("name", ["read", "read_all", "getvalue"])
@pytest.mark.parametrize("size", [None, 0, 1, 2**40])
def test_an_empty_memory_buffer_reads_none(name, size):
    buffer = BIO.MemoryBuffer(b"x")
    assert getattr(buffer, name)(size) == b"x"
    assert getattr(buffer, name)(size) is None
    buffer.write_close()
    assert getattr(buffer, name)(size) is None


@pytest.mark.parametrize(
    "data",
    [b"x", bytes(range(256)) * 1000, bytearray(b"y"), memoryview(b"z")],
    # pytest would derive the id from 256,000 bytes, which takes a minute in a sanitizer's cell.
    ids=["a byte", "256000 bytes", "bytearray", "memoryview"],
)
def test_a_memory_bio_returns_the_data_written_to_it(data):
    assert BIO.MemoryBuffer(data).read() == bytes(data)


def test_a_memory_bio_refuses_str():
    with pytest.raises(TypeError, match="accepts bytes, not str"):
        BIO.MemoryBuffer("text")


def test_write_returns_the_number_of_bytes_written():
    buffer = BIO.MemoryBuffer()
    assert buffer.write(b"abc") == 3
    assert buffer.write("d\N{LATIN SMALL LETTER E WITH ACUTE}") == 3
    assert buffer.write(b"") == 0
    assert buffer.read() == "abcd\N{LATIN SMALL LETTER E WITH ACUTE}".encode()


def test_readline_keeps_the_line_ending():
    buffer = BIO.MemoryBuffer(b"one\ntwo\nthree")
    assert buffer.readline() == b"one\n"
    assert buffer.readlines() == [b"two\n", b"three"]
    assert buffer.readline() == b""


def test_readline_returns_at_most_size_bytes():
    buffer = BIO.MemoryBuffer(b"abcdef\n")
    assert buffer.readline(4) == b"abcd"
    assert buffer.readline(4) == b"ef\n"


def test_an_empty_memory_bio_should_retry_until_write_close():
    buffer = BIO.MemoryBuffer()
    assert buffer.read(1) is None
    assert buffer.should_retry() == 1
    assert buffer.should_read() == 1
    assert buffer.should_write() == 0
    buffer.write_close()
    assert not buffer.writeable()
    assert buffer.readable()
    assert buffer.read(1) is None
    assert buffer.should_retry() == 0
    with pytest.raises(OSError, match="cannot write"):
        buffer.write(b"late")


def test_reset_empties_a_memory_bio():
    buffer = BIO.MemoryBuffer(b"data")
    assert buffer.reset() == 1
    assert buffer.read() is None


@pytest.mark.parametrize("size", [-1, -2, -(2**31), -(2**70)])
def test_a_negative_size_is_refused(size, tmp_path):
    (tmp_path / "file").write_bytes(b"data")
    with BIO.openfile(tmp_path / "file") as file:
        for bio in (BIO.MemoryBuffer(b"data"), file):
            for read in (bio.read, bio.readline):
                with pytest.raises(BIO.BIOError, match="negative"):
                    read(size)
            assert bio.read() == b"data"
    for read in (m2.bio_read, m2.bio_gets):
        with pytest.raises(BIO.BIOError, match="negative"):
            read(m2.bio_new_mem(), -1)


@pytest.mark.parametrize("size", [2**31 - 1, 2**31, 2**70])
def test_a_huge_size_reads_the_available_data(size, tmp_path):
    (tmp_path / "file").write_bytes(b"one\ntwo")
    with BIO.openfile(tmp_path / "file") as file:
        for bio in (BIO.MemoryBuffer(b"one\ntwo"), file):
            assert bio.readline(size) == b"one\n"
            assert bio.read(size) == b"two"


LINES = [b"a\0b\n", b"\0\n", b"\n", b"long\0" * 14000 + b"\n", b"\0end\0"]


def test_a_nul_does_not_end_a_line(tmp_path):
    (tmp_path / "file").write_bytes(b"".join(LINES))
    with BIO.openfile(tmp_path / "file") as file:
        for bio in (BIO.MemoryBuffer(b"".join(LINES)), file):
            assert [bio.readline() for _ in range(3)] == LINES[:3]
            assert bio.readlines() == LINES[3:]
            assert bio.readline() == b""
            assert bio.readlines() == []


# Sockets of Windows are handles, which its C library does not read.
needs_descriptors_of_sockets = pytest.mark.skipif(
    sys.platform == "win32", reason="this system has no descriptors of sockets"
)


@needs_descriptors_of_sockets
def test_readline_returns_the_available_part_of_an_incomplete_line():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        bio = BIO.BIO(m2.bio_new_fd(ours.fileno(), m2.bio_noclose))
        assert bio.readline() == b""
        assert bio.should_retry()
        theirs.sendall(b"a\0b")
        assert bio.readline() == b"a\0b"
        theirs.sendall(b"c\nd")
        assert bio.readline() == b"c\n"


def test_a_bio_without_a_handle_raises():
    with pytest.raises(BIO.BIOError, match="closed or was never opened"):
        BIO.BIO().read(1)


def test_closing_calls_the_callback_once():
    calls = []
    with BIO.BIO(m2.bio_new_mem(), _close_cb=lambda: calls.append("closed")) as bio:
        assert bio.readable()
    bio.close()
    assert calls == ["closed"]
    assert not bio.readable()
    with pytest.raises(OSError, match="cannot read"):
        bio.read()


def test_reading_an_unreadable_bio_raises():
    reading, writing = os.pipe()
    try:
        bio = BIO.BIO(m2.bio_new_fd(writing, m2.bio_noclose))
        for read in (bio.read, bio.readline):
            with pytest.raises(BIO.BIOError):
                read(2**31 - 1)
    finally:
        os.close(reading)
        os.close(writing)


def test_a_file_is_written_and_read(tmp_path):
    path = tmp_path / "file"
    with BIO.openfile(str(path), "wb") as file:
        assert file.write(b"hello, ") == 7
        assert file.write(b"world") == 5
        file.flush()
    assert file.pyfile.closed
    with BIO.openfile(bytes(path)) as file:
        assert file.fileno() == file.pyfile.fileno()
        assert file.read(5) == b"hello"
        assert file.tell() == 5
        assert file.seek(7) == 7
        assert file.read() == b"world"
        file.reset()
        assert file.readlines() == [b"hello, world"]


def test_a_file_bio_starts_at_the_position_of_the_python_file(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"first\nsecond\n")
    with path.open("rb") as pyfile:
        assert pyfile.readline() == b"first\n"
        assert BIO.File(pyfile, close_pyfile=0).read() == b"second\n"


def test_a_file_bio_flushes_the_python_file_first(tmp_path):
    path = tmp_path / "file"
    with path.open("wb") as pyfile:
        pyfile.write(b"first ")
        BIO.File(pyfile, close_pyfile=0).write(b"second")
    assert path.read_bytes() == b"first second"


def test_close_leaves_the_python_file_open_if_close_pyfile_is_false(tmp_path):
    with (tmp_path / "file").open("wb") as pyfile:
        file = BIO.File(pyfile, close_pyfile=0)
        file.close()
        file.close()
        assert not pyfile.closed
        with pytest.raises(OSError, match="cannot write"):
            file.write(b"late")


def test_a_missing_file_raises_an_error_that_is_bio_error_and_os_error(tmp_path):
    with pytest.raises(BIO.BIOError) as caught:
        BIO.openfile(str(tmp_path / "missing"))
    assert isinstance(caught.value, OSError)
    assert caught.value.filename is None or "missing" in caught.value.filename


def test_an_object_without_a_descriptor_is_refused():
    with pytest.raises(TypeError, match="has no descriptor"):
        BIO.File([])


@needs_descriptors_of_sockets
def test_a_descriptor_that_is_not_ready_should_retry():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        bio = BIO.BIO(m2.bio_new_fd(ours.fileno(), m2.bio_noclose))
        assert bio.read(1) == b""
        assert bio.should_retry()
        theirs.sendall(b"x")
        assert bio.read(1) == b"x"


# ---- paths ---------------------------------------------------------------------------------------

NAMES = ["plain", b"bytes", Path("pathlib"), "caf\N{LATIN SMALL LETTER E WITH ACUTE}"]
if sys.platform == "linux":
    # Latin-1, which is not UTF-8.
    NAMES += [b"caf\xe9", os.fsdecode(b"\xff\xfe"), Path(os.fsdecode(b"\xe9"))]


@pytest.mark.parametrize("name", NAMES, ids=repr)
def test_str_bytes_and_path_objects_are_opened(name, tmp_path):
    path = os.path.join(os.fsencode(tmp_path), os.fsencode(name))  # noqa: PTH118
    path = type(name)(os.fsdecode(path)) if not isinstance(name, bytes) else path
    with BIO.openfile(path, "wb") as file:
        file.write(b"content")
    with BIO.File(path) as file:
        assert file.read() == b"content"


def test_a_path_with_a_nul_is_refused():
    with pytest.raises(ValueError, match="null byte"):
        BIO.openfile("file\0.pem")


# ---- the GIL -------------------------------------------------------------------------------------

# Calls that block on a pipe until another thread of the process has read or written it. That thread
# cannot run before the call releases the GIL: no switch is forced within the interval.
BLOCK = """
import base64, os, sys, threading
from M2Crypto import BIO, EVP, X509, m2

PATH = sys.argv[1]
certificate = X509.load_cert(PATH + "/leaf.pem")
request = X509.load_request(PATH + "/request.pem")
crl = X509.load_crl(PATH + "/crl.pem")
stack = X509.X509_Stack()
stack.push(certificate)
key = EVP.load_key(PATH + "/leaf.key").pkey
rsa = m2.pkey_get1_rsa(key)
time = certificate.get_not_before()._ptr()
entry = certificate.get_subject()[0].get_data()._ptr()
md = m2.get_digestbyname("sha256")
aes = m2.get_cipherbyname("aes_128_cbc")
memory = m2.bio_new_mem()

def content(name):
    with open(PATH + "/" + name, "rb") as file:
        return file.read()

def written(write, *arguments):
    buffer = BIO.MemoryBuffer()
    write(*(buffer.bio_ptr() if argument is BIO else argument for argument in arguments))
    return buffer.read()

def memory_of(data):
    bio = m2.bio_new_mem()
    m2.bio_write(bio, data)
    return bio

signer = (certificate._ptr(), key)
# A detached signature of the data, and one that contains them.
detached = m2.pkcs7_sign0(*signer, memory_of(b"data"), md, m2.PKCS7_DETACHED | m2.PKCS7_BINARY)
message = m2.pkcs7_sign0(*signer, memory_of(b"data"), md, 0)
store = m2.x509_store_new()

READERS = {
    "bio_gets": (b"line\\n", BIO, 100),
    "bio_read": (b"x", BIO, 1),
    "d2i_x509": (certificate.as_der(), BIO),
    "d2i_x509_crl": (crl.as_der(), BIO),
    "d2i_x509_req": (request.as_der(), BIO),
    "pkcs7_encrypt": (b"data", stack._ptr(), BIO, aes, 0),
    "pkcs7_read_bio": (written(m2.pkcs7_write_bio, BIO, message), BIO),
    "pkcs7_read_bio_der": (written(m2.pkcs7_write_bio_der, BIO, message), BIO),
    "pkcs7_sign0": (b"data", *signer, BIO, md, 0),
    "pkcs7_sign1": (b"data", *signer, stack._ptr(), BIO, md, 0),
    "pkcs7_verify1": (b"data", detached, None, store, BIO, m2.PKCS7_NOVERIFY),
    "pkey_read_pem": (content("leaf.key"), BIO, None),
    "pkey_read_pem_pubkey": (written(m2.rsa_write_pub_key, rsa, BIO), BIO, None),
    "rsa_read_key": (content("leaf.key"), BIO, None),
    "rsa_read_pub_key": (written(m2.rsa_write_pub_key, rsa, BIO), BIO),
    "smime_crlf_copy": (b"data", BIO, memory, 0),
    "smime_read_pkcs7": (written(m2.smime_write_pkcs7, BIO, message, 0), BIO, memory),
    "x509_crl_read_pem": (content("crl.pem"), BIO),
    "x509_read_pem": (content("leaf.pem"), BIO),
    "x509_req_read_pem": (content("request.pem"), BIO),
}
WRITERS = {
    "asn1_string_print": (BIO, entry),
    "asn1_string_print_ex": (BIO, entry, 0),
    "asn1_time_print": (BIO, time),
    "asn1_utctime_print": (BIO, time),
    "bio_write": (BIO, b"x"),
    "pkcs7_write_bio": (BIO, message),
    "pkcs7_write_bio_der": (BIO, message),
    "pkey_write_pem": (key, BIO, None, None),
    "pkey_write_pem_no_cipher": (key, BIO, None),
    "rsa_write_key": (rsa, BIO, None, None),
    "rsa_write_key_no_cipher": (rsa, BIO, None),
    "rsa_write_key_der": (rsa, BIO),
    "rsa_write_pub_key": (rsa, BIO),
    "sk_x509_write_degenerate": (BIO, stack._ptr()),
    "smime_write_pkcs7": (BIO, message, 0),
    "smime_write_pkcs7_multi": (BIO, detached, memory_of(b"data"), 0),
    "x509_crl_print": (BIO, crl._ptr()),
    "x509_crl_write_pem": (BIO, crl._ptr()),
    "x509_ext_print": (BIO, certificate.get_ext("keyUsage")._ptr(), 0, 0),
    "x509_name_print_ex": (BIO, certificate.get_subject()._ptr(), 0, 0),
    "x509_print": (BIO, certificate._ptr()),
    "x509_req_print": (BIO, request._ptr()),
    "x509_req_write_pem": (BIO, request._ptr()),
    "x509_write_pem": (BIO, certificate._ptr()),
}
if hasattr(m2, "ec_key_read_bio"):
    from M2Crypto import EC
    ec = EC.gen_params(m2.NID_X9_62_prime256v1)
    ec.gen_key()
    ec = ec._ptr()
    public = written(m2.ec_key_write_pubkey, ec, BIO)
    READERS["ec_key_read_bio"] = (written(m2.ec_key_write_bio, ec, BIO, None, None), BIO, None)
    READERS["ec_key_read_pubkey"] = (public, BIO)
    WRITERS["ec_key_write_bio"] = (ec, BIO, None, None)
    WRITERS["ec_key_write_bio_no_cipher"] = (ec, BIO, None)
    WRITERS["ec_key_write_pubkey"] = (ec, BIO)
if hasattr(m2, "cms_sign"):
    cms = m2.cms_sign(*signer, None, b"data", md, 0)
    READERS["cms_read_der"] = (written(m2.cms_write_der, BIO, cms), BIO)
    READERS["cms_read_pem"] = (written(m2.cms_write_pem, BIO, cms), BIO)
    READERS["smime_read_cms"] = (m2.smime_write_cms(cms, None, 0), BIO, memory)
    WRITERS["cms_write_der"] = (BIO, cms)
    WRITERS["cms_write_pem"] = (BIO, cms)
if hasattr(m2, "ocsp_response_create"):
    # 1 is malformedRequest.
    WRITERS["ocsp_response_print"] = (BIO, m2.ocsp_response_create(1, None))
if hasattr(m2, "dsa_new"):
    dsa = EVP.load_key(PATH + "/../keys/dsa_1024.pem").get_dsa()._ptr()
    for kind, more in (("params", ()), ("key", (None, None)), ("pub_key", ())):
        write = getattr(m2, f"dsa_write_{kind}_bio")
        READERS[f"dsa_read_{kind}"] = (written(write, dsa, BIO, *more), BIO, None)
        WRITERS[f"dsa_write_{kind}_bio"] = (dsa, BIO, *more)
    WRITERS["dsa_write_key_bio_no_cipher"] = (dsa, BIO, None)
if hasattr(m2, "dh_new"):
    dh = EVP.load_key(PATH + "/../keys/dh.pem").get_dh()._ptr()
    READERS["dh_read_parameters"] = (written(m2.dh_write_parameters, dh, BIO), BIO)
    WRITERS["dh_write_parameters"] = (dh, BIO)
    WRITERS["dhparams_print"] = (BIO, dh)

def call(name, descriptor, arguments):
    bio = m2.bio_new_fd(descriptor, m2.bio_noclose)
    getattr(m2, name)(*(bio if argument is BIO else argument for argument in arguments))

def on_another_thread(use):
    go = threading.Event()
    thread = threading.Thread(target=lambda: (go.wait(), use()))
    thread.start()
    return go, thread

def read(name, data, *arguments):
    reading, writing = os.pipe()
    go, thread = on_another_thread(lambda: (os.write(writing, data), os.close(writing)))
    go.set()
    call(name, reading, arguments)
    thread.join()
    os.close(reading)

def drain(reading):
    while os.read(reading, 65536):
        pass

def write(name, *arguments):
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    try:
        while True:
            os.write(writing, bytes(65536))
    except BlockingIOError:
        os.set_blocking(writing, True)
    go, thread = on_another_thread(lambda: drain(reading))
    go.set()
    call(name, writing, arguments)
    os.close(writing)
    thread.join()
    os.close(reading)

sys.setswitchinterval(1000)
for name, arguments in READERS.items():
    print(name, flush=True)
    read(name, *arguments)
for name, arguments in WRITERS.items():
    print(name, flush=True)
    write(name, *arguments)
"""
# Functions with a BIO that do not wait for it, or of which a test cannot make one that does.
NO_WAIT = {
    "bio_ctrl_pending",
    "bio_ctrl_wpending",
    "bio_do_handshake",
    "bio_eof",
    "bio_flush",
    "bio_free",
    "bio_free_all",
    "bio_get_cipher_status",
    "bio_get_fd",
    "bio_get_ssl",
    "bio_may_block",
    "bio_pop",
    "bio_push",
    "bio_reset",
    "bio_seek",
    "bio_set_cipher",
    "bio_set_flags",
    "bio_set_mem_eof_return",
    "bio_set_ssl",
    "bio_should_read",
    "bio_should_retry",
    "bio_should_write",
    "bio_tell",
    "err_print_errors",
}


def functions_with_a_bio():
    stub = Path(M2Crypto.__file__).with_name("_m2crypto.pyi")
    for node in ast.parse(stub.read_text(encoding="utf-8")).body:
        parameters = node.args.posonlyargs if isinstance(node, ast.FunctionDef) else []
        if any(ast.unparse(each.annotation) == "BIO" for each in parameters):
            yield node.name


@pytest.mark.skipif(sys.platform == "win32", reason="this system has no pipes that block")
def test_other_threads_run_while_a_read_blocks(python):
    # The time is only reached if a call keeps the GIL, which then waits for itself.
    done = python("-c", BLOCK, str(DATA), timeout=100)
    assert done.stderr == ""
    waited = set(done.stdout.split())
    # The functions of TLS have their own test.
    others = {name for name in functions_with_a_bio() if not name.startswith("ssl_")}
    assert {name for name in others - NO_WAIT if hasattr(m2, name)} == waited
