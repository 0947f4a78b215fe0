"""Handles as arguments: freed, changed or used by other threads while a call works on them."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path

import pytest

from M2Crypto import BIO, EVP, RSA, SSL, X509, m2
from M2Crypto.BIO import BIOError
from M2Crypto.EVP import EVPError
from M2Crypto.SSL import SSLError

KEYS = Path(__file__).parent / "data" / "keys"
# Seconds after which a test that deadlocks fails.
PATIENCE = 20


@pytest.fixture
def key():
    pkey = EVP.PKey()
    pkey.assign_rsa(RSA.gen_key(1024, 65537, None))
    return pkey


@pytest.fixture
def encrypted_key(certificates):
    return Path(certificates("server_encrypted.pem"))


def write_encrypted(key, bio, passphrase):
    return m2.pkey_write_pem(key._ptr(), bio, m2.get_cipherbyname("aes_128_cbc"), passphrase)


def read_byte(bio):
    """Return a byte of a BIO, or the message of the refusal."""
    try:
        return m2.bio_read(bio, 1)
    except BIOError as error:
        return str(error)


# ---- objects freed during a call -----------------------------------------------------------------


def test_a_bio_freed_by_the_passphrase_callback_stays_valid_until_the_call_returns(key):
    bio = m2.bio_new_mem()

    def passphrase(writing):
        m2.bio_free(bio)
        return b"for tests"

    assert write_encrypted(key, bio, passphrase) == 1
    with pytest.raises(ValueError, match="the BIO was freed already"):
        m2.bio_write(bio, b"more")


def test_a_context_freed_by_the_passphrase_callback_stays_valid_until_the_call_returns(
    encrypted_key,
):
    context = m2.ssl_ctx_new(m2.tls_method())

    def passphrase(writing):
        m2.ssl_ctx_free(context)
        return b"wrong"

    with pytest.raises(SSLError):
        m2.ssl_ctx_use_privkey(context, str(encrypted_key), passphrase)
    with pytest.raises(ValueError, match="the SSL_CTX was freed already"):
        m2.ssl_ctx_get_timeout(context)


def test_a_connection_freed_by_the_info_callback_stays_valid_until_the_call_returns(pair, contexts):
    client_context, server_context = contexts
    freed = []

    def free(where, ret, connection):
        if not freed:
            freed.append(True)
            m2.ssl_free(client.ssl)

    client_context.set_info_callback(free)
    client, _server = pair(client_context, server_context)
    client.setup_ssl()
    client.set_connect_state()
    assert m2.ssl_do_handshake(client.ssl) == -m2.SSL_ERROR_WANT_READ
    with pytest.raises(ValueError, match="the SSL was freed already"):
        m2.ssl_get_version(client.ssl)
    client.ssl = m2.ssl_new(client_context.ctx)


def test_a_store_freed_by_its_former_callback_stays_valid_until_the_call_returns():
    store = m2.x509_store_new()

    class Freeing:
        def __call__(self, ok, context):
            return ok

        def __del__(self):
            m2.x509_store_free(store)

    m2.x509_store_set_verify_cb(store, Freeing())
    assert m2.x509_store_set_verify_cb(store, None) == 1
    with pytest.raises(ValueError, match="the X509_STORE was freed already"):
        m2.x509_store_set_flags(store, 0)


def test_an_rsa_key_freed_by_the_passphrase_callback_stays_valid_until_the_call_returns():
    rsa = RSA.gen_key(1024, 65537, None).rsa

    def passphrase(writing):
        m2.rsa_free(rsa)
        return b"for tests"

    bio = m2.bio_new_mem()
    assert m2.rsa_write_key(rsa, bio, m2.get_cipherbyname("aes_128_cbc"), passphrase) == 1
    with pytest.raises(ValueError, match="the m2_rsa was freed already"):
        m2.rsa_check_key(rsa)


# ---- objects modified by a callback --------------------------------------------------------------


def test_a_callback_cannot_modify_an_object_that_its_caller_uses(key):
    bio = m2.bio_new_mem()

    def passphrase(writing):
        with pytest.raises(BIOError, match="in use by the call that called the callback"):
            m2.bio_write(bio, b"between the lines")
        return b"for tests"

    assert write_encrypted(key, bio, passphrase) == 1
    assert m2.bio_read(bio, 10000).startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n")


def test_a_callback_cannot_start_a_second_operation_of_its_connection(pair, contexts):
    client_context, server_context = contexts
    refused = []

    def inform(where, ret, connection):
        for operation in (m2.ssl_do_handshake, m2.ssl_clear, m2.ssl_shutdown):
            with pytest.raises(SSLError, match="in use by the call that called the callback"):
                operation(connection)
        refused.append(m2.ssl_get_state_v(connection))

    client_context.set_info_callback(inform)
    client, _server = pair(client_context, server_context)
    assert client.connect_ssl() == -1
    assert refused


def test_a_callback_cannot_change_the_context_of_its_connection(pair, contexts):
    client_context, server_context = contexts
    messages = []

    def inform(where, ret, connection):
        try:
            m2.ssl_ctx_set_verify(client_context.ctx, m2.SSL_VERIFY_NONE, None)
        except SSLError as error:
            messages.append(str(error))

    client_context.set_info_callback(inform)
    client, _server = pair(client_context, server_context)
    assert client.connect_ssl() == -1
    assert set(messages) == {"the SSL_CTX is in use by the call that called the callback"}


def test_a_callback_cannot_change_the_context_that_the_server_name_selected(
    pair, shake, contexts, certificates
):
    client_context, server_context = contexts
    selected = SSL.Context()
    selected.load_cert(certificates("server.pem"))
    names, messages = [], []

    def select(name, connection):
        names.append(name)
        return selected

    def inform(where, ret, connection):
        if names:
            try:
                selected.set_alpn_protocols(["h2"])
            except SSLError as error:
                messages.append(str(error))

    server_context.set_server_name_callback(select)
    server_context.set_info_callback(inform)
    client, server = pair(client_context, server_context)
    client.set_tlsext_host_name("localhost")
    shake(client, server)
    assert names == ["localhost"]
    assert messages[0] == "the SSL_CTX is in use by the call that called the callback"
    # Not after the handshake.
    assert selected.set_alpn_protocols(["h2"]) is None


def test_a_callback_cannot_change_the_context_of_a_connection_below_its_own(pair, shake, contexts):
    client_context, server_context = contexts
    selected, messages = [], []

    def select(name, connection):
        selected.append(name)

    def inform(where, ret, connection):
        try:
            server_context.set_verify(SSL.verify_none, 0)
        except SSLError as error:
            messages.append(str(error))

    server_context.set_server_name_callback(select)
    server_context.set_info_callback(inform)
    client, below = pair(client_context, server_context)
    assert client.connect_ssl() == -1
    below.setup_ssl()
    below.set_accept_state()
    bio = BIO.SSLBio()
    bio.set_ssl(below)
    with SSL.Connection(SSL.Context()) as above:
        above.set_bio(bio, bio)
        # It reads from the connection below, which performs its handshake.
        assert above.accept_ssl() == -1
    assert selected == [None]
    assert set(messages) == {"the SSL_CTX is in use by the call that called the callback"}


class Hostile:
    """A buffer that runs Python code when a call acquires it (PEP 688)."""

    def __init__(self, act):
        self.act = act

    def __buffer__(self, flags):
        self.act()
        return memoryview(b"data")


needs_buffer_protocol = pytest.mark.skipif(
    sys.version_info < (3, 12), reason="needs Python 3.12, for __buffer__"
)


@needs_buffer_protocol
def test_a_buffer_method_can_free_the_context_being_updated():
    context = m2.md_ctx_new()
    m2.digest_init(context, m2.get_digestbyname("sha256"))
    assert m2.digest_update(context, Hostile(lambda: m2.md_ctx_free(context))) == 1
    with pytest.raises(ValueError, match="the EVP_MD_CTX was freed already"):
        m2.digest_final(context)


@needs_buffer_protocol
def test_a_buffer_method_cannot_use_the_context_being_updated():
    context = m2.md_ctx_new()
    md = m2.get_digestbyname("sha256")
    m2.digest_init(context, md)
    for act in (lambda: m2.digest_final(context), lambda: m2.digest_init(context, md)):
        with pytest.raises(EVPError, match="in use by the call that called the callback"):
            m2.digest_update(context, Hostile(act))
    m2.digest_update(context, b"data")
    assert m2.digest_final(context) == SHA256_OF_DATA


SHA256_OF_DATA = bytes.fromhex("3a6eb0790f39ac87c94f3856b2dd2c5d110e6811602261a9a923d3bb23adc8b7")


# ---- objects used by other threads ---------------------------------------------------------------


def test_a_thread_waits_until_another_thread_has_written_to_the_bio(key):
    bio = BIO.MemoryBuffer()
    read = []
    reader = threading.Thread(target=lambda: read.append(bio.read()))

    def passphrase(writing):
        reader.start()
        # A reader that does not wait has read nothing by then.
        reader.join(0.05)
        return b"for tests"

    key.save_key_bio(bio, "aes_128_cbc", passphrase)
    reader.join(PATIENCE)
    assert read[0].endswith(b"-----END ENCRYPTED PRIVATE KEY-----\n")


def test_calls_that_only_read_run_in_parallel(certificates):
    # Both are in the callback at once, or the barrier breaks.
    barrier = threading.Barrier(2)
    certificate = X509.load_cert(certificates("server.pem"))
    store = X509.X509_Store()
    store.add_x509(X509.load_cert(certificates("ca.pem")))
    verdicts = []

    def verify():
        context = X509.X509_Store_Context(m2.x509_store_ctx_new(), 1)
        context.init(store, certificate)
        verdicts.append(context.verify_cert())

    store.set_verify_cb(lambda ok, context: barrier.wait(PATIENCE) is not None and ok)
    threads = [threading.Thread(target=verify) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert verdicts == [1, 1]


def test_two_threads_that_would_deadlock_get_an_error(key):
    barrier = threading.Barrier(2)
    bios = [m2.bio_new_mem(), m2.bio_new_mem()]
    outcomes = []

    def save(mine, others):
        def passphrase(writing):
            barrier.wait(PATIENCE)
            try:
                m2.bio_read(others, 1)
            except BIOError as error:
                outcomes.append(str(error))
            else:
                outcomes.append("read")
            return b"for tests"

        write_encrypted(key, mine, passphrase)

    threads = [threading.Thread(target=save, args=pair) for pair in (bios, bios[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert sorted(outcomes) == [
        "read",
        "the BIO is in use by another thread, which waits for this one",
    ]


def test_connections_over_the_same_bios_do_not_deadlock(contexts):
    client_context, server_context = contexts
    client_context.set_verify(SSL.verify_none, 1)
    results = []

    def shake(connection, handshake):
        connection.set_post_connection_check_callback(None)
        while handshake() != 1:
            if failed.is_set():
                return
        results.append(connection)

    def guarded(connection, handshake):
        try:
            shake(connection, handshake)
        except BaseException:
            failed.set()
            raise

    for _ in range(10):
        failed = threading.Event()
        first, second = BIO.MemoryBuffer(), BIO.MemoryBuffer()
        with socket.socket() as one, socket.socket() as other:
            client = SSL.Connection(client_context, one)
            server = SSL.Connection(server_context, other)
            client.set_bio(first, second)
            server.set_bio(second, first)
            threads = [
                threading.Thread(target=guarded, args=(client, client.connect_ssl)),
                threading.Thread(target=guarded, args=(server, server.accept_ssl)),
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(PATIENCE)
            failed.set()
    assert len(results) == 20


def test_connections_and_threads_can_use_one_bio_concurrently(contexts):
    client_context, _ = contexts
    stop = threading.Event()
    incoming, outgoing = BIO.MemoryBuffer(), BIO.MemoryBuffer()

    def disturb():
        while not stop.is_set():
            outgoing.read()

    reader = threading.Thread(target=disturb)
    reader.start()
    try:
        for _ in range(10):
            with socket.socket() as unused:
                client = SSL.Connection(client_context, unused)
                client.set_bio(incoming, outgoing)
                assert client.connect_ssl() == -1
    finally:
        stop.set()
        reader.join(PATIENCE)


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="this system has no pthread_kill")
def test_a_signal_handler_interrupts_the_wait_for_another_thread(key):
    class InterruptError(Exception):
        pass

    def interrupt(signum, frame):
        # Once: the next signal may be on its way.
        if not done.is_set():
            done.set()
            raise InterruptError

    bio = m2.bio_new_mem()
    started, done = threading.Event(), threading.Event()
    main = threading.get_ident()

    def passphrase(writing):
        started.set()
        # Until the main thread waits, the signal finds it on the way there; both raise.
        while not done.wait(0.01):
            signal.pthread_kill(main, signal.SIGUSR1)
        return b"for tests"

    writer = threading.Thread(target=write_encrypted, args=(key, bio, passphrase))
    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        with pytest.raises(InterruptError):
            writer.start()
            started.wait(PATIENCE)
            m2.bio_read(bio, 1)
    finally:
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        done.set()
        writer.join(PATIENCE)
        signal.signal(signal.SIGUSR1, before)


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="this system has no pthread_kill")
def test_a_thread_waits_for_a_signal_handler_whose_call_waits_for_that_thread(key):
    bio = m2.bio_new_mem()
    main = threading.get_ident()
    outcomes = []

    def read():
        outcomes.append(read_byte(bio))

    def slow(writing):
        # The reader comes to its turn meanwhile.
        time.sleep(0.02)
        return b"for tests"

    def interrupt(signum, frame):
        # Once: the next signal may be on its way.
        if not interrupted.is_set():
            interrupted.set()
            write_encrypted(key, bio, slow)

    def wait(writing):
        reader.start()
        # The reader waits before the main thread does.
        reader.join(0.02)
        waits.set()
        while not interrupted.wait(0.02):
            signal.pthread_kill(main, signal.SIGUSR1)
        return b"for tests"

    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        # Which of the threads runs first when the writer ends is the system's choice.
        for _ in range(10):
            waits, interrupted = threading.Event(), threading.Event()
            reader = threading.Thread(target=read)
            writer = threading.Thread(target=write_encrypted, args=(key, bio, wait))
            writer.start()
            waits.wait(PATIENCE)
            read()
            writer.join(PATIENCE)
            reader.join(PATIENCE)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert [type(outcome) for outcome in outcomes] == [bytes] * 20


class Holder(threading.Thread):
    """A thread that uses a BIO until it is released, then reads another one, if there is one."""

    def __init__(self, key, bio, other=None):
        super().__init__()
        self.key, self.bio, self.other = key, bio, other
        self.held, self.released = threading.Event(), threading.Event()
        self.outcome = None
        self.start()
        assert self.held.wait(PATIENCE)

    def run(self):
        write_encrypted(self.key, self.bio, self.wait)

    def wait(self, writing):
        self.held.set()
        assert self.released.wait(PATIENCE)
        if self.other is not None:
            self.outcome = read_byte(self.other)
        return b"for tests"


@pytest.fixture
def on_alarm():
    """Return a function that sets the handler of SIGALRM, and in how many seconds it is called."""
    before = signal.getsignal(signal.SIGALRM)

    def set_handler(handler, seconds):
        signal.signal(signal.SIGALRM, lambda *_: handler())
        signal.setitimer(signal.ITIMER_REAL, seconds)

    yield set_handler
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no interval timers")
def test_no_thread_waits_in_line_behind_a_wait_that_a_signal_handler_interrupted(key, on_alarm):
    bio, unused = m2.bio_new_mem(), m2.bio_new_mem()
    holder, other = Holder(key, bio), Holder(key, unused, bio)
    outcomes = []

    def handler():
        threading.Timer(0.05, other.released.set).start()
        threading.Timer(0.15, holder.released.set).start()
        # Of `other`, which now waits for `holder` alone.
        outcomes.append(read_byte(unused))

    on_alarm(handler, 0.05)
    outcomes.append(read_byte(bio))
    holder.join(PATIENCE)
    other.join(PATIENCE)
    assert [type(outcome) for outcome in (*outcomes, other.outcome)] == [bytes] * 3


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no interval timers")
def test_a_signal_handler_joins_a_thread_that_uses_what_the_handlers_thread_waits_for(
    key, on_alarm
):
    bio = m2.bio_new_mem()
    holder = Holder(key, bio)
    outcomes = []

    def handler():
        reader = threading.Thread(target=lambda: outcomes.append(read_byte(bio)))
        holder.released.set()
        reader.start()
        reader.join(PATIENCE)
        outcomes.append(reader.is_alive())

    on_alarm(handler, 0.05)
    outcomes.append(read_byte(bio))
    holder.join(PATIENCE)
    assert outcomes == [b"-", False, b"-"]


def test_a_long_chain_of_threads_that_wait_is_searched_for_a_deadlock(key):
    bios = [m2.bio_new_mem() for _ in range(40)]
    # Each holds its BIO, and waits for the next one behind another thread.
    holders = [Holder(key, bio, other) for bio, other in zip(bios, [*bios[1:], None])]
    readers = [threading.Thread(target=read_byte, args=(bio,)) for bio in bios]
    for reader in readers:
        reader.start()
    for holder in reversed(holders[:-1]):
        holder.released.set()
        time.sleep(0.002)
    holders[-1].released.set()
    for thread in (*holders, *readers):
        thread.join(PATIENCE)
    assert [type(holder.outcome) for holder in holders[:-1]] == [bytes] * 39


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_forked_process_does_not_wait_for_threads_of_its_parent(python):
    # The child process exits as Python does, so that the lines that it ran are counted.
    program = f"""
import os, signal, sys, threading, warnings
from M2Crypto import EVP, m2

key, bio = EVP.load_key({str(KEYS / "rsa_2048.pem")!r}).pkey, m2.bio_new_mem()
started, done = threading.Event(), threading.Event()

def passphrase(writing):
    started.set()
    done.wait({PATIENCE})
    return b"for tests"

def write():
    m2.pkey_write_pem(key, bio, m2.get_cipherbyname("aes_128_cbc"), passphrase)

writer = threading.Thread(target=write)
writer.start()
assert started.wait({PATIENCE})
warnings.simplefilter("ignore", DeprecationWarning)
child = os.fork()
if child == 0:
    signal.alarm({PATIENCE})
    sys.exit(0 if m2.bio_read(bio, 1) == b"" else 1)
status = os.waitpid(child, 0)[1]
done.set()
writer.join({PATIENCE})
sys.exit(status)
"""
    done = python("-c", program)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_closing_in_a_forked_process_does_not_shut_down_the_socket_of_its_parent(python):
    program = f"""
import os, signal, socket, sys, threading, time, warnings
from M2Crypto import SSL, m2

ours, theirs = socket.socketpair()
theirs.settimeout({PATIENCE})
connection = SSL.Connection(SSL.Context("tls"), ours)
connection.setup_ssl()
connection.set_connect_state()
errors = []

def connect():
    try:
        connection.connect_ssl()
    except SSL.SSLError as error:
        errors.append(str(error))

waiting = threading.Thread(target=connect)
waiting.start()
while not m2.ssl_io_waiting(connection.ssl):
    time.sleep(0.001)
warnings.simplefilter("ignore", DeprecationWarning)
child = os.fork()
if child == 0:
    signal.alarm({PATIENCE})
    assert m2.ssl_io_waiting(connection.ssl) == 0
    connection.close()
    theirs.close()
    sys.exit(0)
status = os.waitpid(child, 0)[1]
theirs.sendall(b"HTTP/1.1 400 Bad Request")
waiting.join({PATIENCE})
connection.close()
theirs.close()
assert "wrong version number" in errors[0] or "packet length too long" in errors[0], errors
sys.exit(status)
"""
    done = python("-c", program)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_call_that_waits_continues_in_a_process_that_a_signal_handler_forked(python):
    program = f"""
import os, signal, sys, threading, time, warnings
from M2Crypto import EVP, m2

key, bio = EVP.load_key({str(KEYS / "rsa_2048.pem")!r}).pkey, m2.bio_new_mem()
started, done = threading.Event(), threading.Event()
children = []

def write(passphrase):
    m2.pkey_write_pem(key, bio, m2.get_cipherbyname("aes_128_cbc"), passphrase)

def first(writing):
    started.set()
    done.wait({PATIENCE})
    return b"for tests"

def second(writing):
    time.sleep(0.3)
    return b"for tests"

def fork(number, frame):
    children.append(os.fork())
    if children == [0]:
        signal.alarm({PATIENCE})
        threading.Thread(target=write, args=(second,)).start()
        time.sleep(0.1)
    done.set()

warnings.simplefilter("ignore", DeprecationWarning)
signal.signal(signal.SIGUSR1, fork)
writer = threading.Thread(target=write, args=(first,))
writer.start()
assert started.wait({PATIENCE})
main = threading.main_thread().ident
threading.Timer(0.2, signal.pthread_kill, (main, signal.SIGUSR1)).start()
m2.bio_read(bio, 1)
sys.exit(os.waitpid(children[0], 0)[1] if children[0] else 0)
"""
    done = python("-c", program)
    assert (done.returncode, done.stderr) == (0, "")


# ---- calls of daemon threads, which do not end when the interpreter is finalized -----------------


def test_an_object_is_used_after_daemon_threads_lost_their_stacks(python):
    # They wait for their sockets, and end without another step as soon as these are ready.
    program = """
import gc, socket, sys, threading, time
from M2Crypto import EVP, SSL, X509, m2

# The last collection, which is after `atexit`, finds the object.
gc.set_threshold(0)

class Last:
    def __del__(self):
        for peer in self.peers:
            peer.close()
        time.sleep(0.1)
        for digest in self.digests:
            digest.update(b"x")
        for name in self.names:
            assert str(name) == ""
        for connection in self.connections:
            connection.close()
        print(sys.is_finalizing())

last = Last()
last.digests = [EVP.MessageDigest("sha256") for _ in range(256)]
last.names = [X509.X509_Name() for _ in range(256)]
last.connections, last.peers = [], []
for _ in range(64):
    ours, theirs = socket.socketpair()
    connection = SSL.Connection(SSL.Context("tls"), ours)
    connection.setup_ssl()
    connection.set_connect_state()
    last.connections.append(connection)
    last.peers.append(theirs)
    threading.Thread(target=connection.read, daemon=True).start()
for connection in last.connections:
    while not m2.ssl_io_waiting(connection.ssl):
        time.sleep(0.001)
last.itself = last
del last, theirs, ours, connection
"""
    done = python("-c", program, timeout=PATIENCE)
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr


def test_a_call_that_would_wait_for_a_daemon_thread_is_refused(python):
    program = f"""
import gc, threading
from M2Crypto import EVP, m2

gc.set_threshold(0)

class Last:
    def __del__(self):
        try:
            m2.bio_read(self.bio, 1)
        except Exception as error:
            print(error)

last = Last()
last.bio = m2.bio_new_mem()
key = EVP.load_key({str(KEYS / "rsa_2048.pem")!r}).pkey
started = threading.Event()

def passphrase(writing):
    started.set()
    threading.Event().wait()

arguments = (key, last.bio, m2.get_cipherbyname("aes_128_cbc"), passphrase)
threading.Thread(target=m2.pkey_write_pem, args=arguments, daemon=True).start()
assert started.wait({PATIENCE})
last.itself = last
del last, arguments
"""
    done = python("-c", program, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    assert "in use by a thread that the end of the interpreter stopped" in done.stdout


def test_a_call_at_exit_is_refused_if_atexit_imported_the_package(python):
    program = f"""
import atexit, gc, threading

gc.set_threshold(0)
is_ready, started = threading.Event(), threading.Event()

class Last:
    def __del__(self):
        try:
            self.read(self.bio, 1)
        except Exception as error:
            print(error)

last = Last()
last.itself = last

def passphrase(writing):
    started.set()
    threading.Event().wait()

def write():
    is_ready.wait()
    last.write(last.key, last.bio, last.cipher, passphrase)

def use():
    global last
    from M2Crypto import EVP, m2

    last.read, last.write, last.bio = m2.bio_read, m2.pkey_write_pem, m2.bio_new_mem()
    last.key = EVP.load_key({str(KEYS / "rsa_2048.pem")!r}).pkey
    last.cipher = m2.get_cipherbyname("aes_128_cbc")
    is_ready.set()
    assert started.wait({PATIENCE})
    del last

atexit.register(use)
threading.Thread(target=write, daemon=True).start()
"""
    done = python("-c", program, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    assert "in use by a thread that the end of the interpreter stopped" in done.stdout


def test_the_handle_of_a_verification_is_valid_after_its_daemon_thread_lost_its_stack(
    python, certificates
):
    # The C library frees a stack of this size when another thread has ended.
    program = f"""
import gc, threading, time
from M2Crypto import X509, m2

gc.set_threshold(0)

class Last:
    def __del__(self):
        for lock in self.locks:
            lock.release()
            self.sleep(0.2)
        for context in self.contexts:
            print(self.get_error(context))

last = Last()
last.itself = last
last.sleep, last.get_error = time.sleep, m2.x509_store_ctx_get_error
last.locks, last.contexts = [], []
certificate = X509.load_cert({certificates("server.pem")!r})
started = threading.Semaphore(0)

def verify(ok, context):
    lock = threading.Lock()
    lock.acquire()
    last.contexts.append(context)
    last.locks.append(lock)
    started.release()
    lock.acquire()

threading.stack_size(64 << 20)
for _ in range(3):
    store, context = m2.x509_store_new(), m2.x509_store_ctx_new()
    m2.x509_store_set_verify_cb(store, verify)
    m2.x509_store_ctx_init(context, store, certificate.x509, None)
    threading.Thread(target=m2.x509_verify_cert, args=(context,), daemon=True).start()
for _ in range(3):
    assert started.acquire(timeout={PATIENCE})
print(m2.X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY)
del last
"""
    done = python("-c", program, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    assert len(set(done.stdout.split())) == 1, done.stdout


# ---- results of calls with a callback exception --------------------------------------------------


@pytest.mark.openssl(">= 3.0")
def test_an_exception_of_a_callback_propagates_even_if_openssl_succeeded():
    class RefusedError(Exception):
        pass

    def refuse(*arguments):
        raise RefusedError

    # OpenSSL skips the private key, whose passphrase it does not get, and reads the public one.
    rsa = RSA.gen_key(1024, 65537, None)
    bio = BIO.MemoryBuffer(rsa.as_pem("aes_128_cbc", lambda writing: b"for tests"))
    rsa.save_pub_key_bio(bio)
    with pytest.raises(RefusedError):
        EVP.load_key_bio_pubkey(bio, refuse)


@pytest.mark.openssl("< 4.0")
def test_a_call_that_returns_a_handle_leaves_no_error_queued():
    # Its crlNumber is no INTEGER, which OpenSSL before 4.0 notices and reads on.
    X509.load_crl(str(Path(__file__).parent / "data" / "x509" / "crl_malformed_number.pem"))
    assert m2.err_peek_error() == 0
