"""Threads on one object: each scenario's operations, in a random order, from several threads.

A program that shares an object without a lock gets an exception or a mixed result; it never gets a
crash or a hang. The order in which threads run is the kernel's, so a seed repeats the operations
and not their interleaving.
"""

from __future__ import annotations

import gc
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import stock
from session import PlantedError, Session

ROUNDS = 40
THREADS = 4
# Seconds that a round lasts, and that a blocking operation may wait for its peer.
ROUND = 0.4
PATIENCE = 0.05
# Often enough that a thread loses the GIL in the middle of a call.
SWITCH = 1e-5

Operation = Callable[[], object]
LARGE = bytes(5000)


def bios(kit: stock.Stock) -> list[Operation]:
    """A memory BIO that keys are saved to and loaded from while it is read, written and freed."""
    from M2Crypto import BIO, EVP, RSA, X509

    key = RSA.load_key_string(kit.keys[0])
    pkey = EVP.load_key_string(kit.keys[0])
    certificate = X509.load_cert(kit.file("x509-leaf.pem"))
    bio = BIO.MemoryBuffer()
    box = [bio]

    def renew() -> None:
        box[0] = BIO.MemoryBuffer(kit.texts[0])

    def free() -> None:
        handle = box[0].bio_ptr()
        kit.m2.bio_free(handle)

    return [
        lambda: key.save_key_bio(box[0], None),
        lambda: key.save_pub_key_bio(box[0]),
        lambda: pkey.save_key_bio(box[0], None),
        lambda: RSA.load_key_bio(box[0]),
        lambda: EVP.load_key_bio(box[0]),
        lambda: X509.load_cert_bio(box[0]),
        lambda: kit.m2.x509_print(box[0].bio_ptr(), certificate.x509),
        lambda: box[0].write(LARGE),
        lambda: box[0].read(),
        lambda: box[0].read(100),
        lambda: box[0].readline(),
        lambda: box[0].reset(),
        lambda: box[0].close(),
        renew,
        renew,
        renew,
        free,
    ]


def file_bios(kit: stock.Stock) -> list[Operation]:
    """A file that is read, written, sought and closed."""
    from M2Crypto import BIO, RSA

    key = RSA.load_key_string(kit.keys[0])
    box = [BIO.openfile("race.pem", "w+b")]

    def renew() -> None:
        box[0] = BIO.openfile("race.pem", "w+b")

    return [
        lambda: key.save_key_bio(box[0], None),
        lambda: RSA.load_key_bio(box[0]),
        lambda: box[0].write(LARGE),
        lambda: box[0].read(100),
        lambda: box[0].readline(),
        lambda: box[0].reset(),
        lambda: box[0].flush(),
        lambda: box[0].close(),
        renew,
        renew,
    ]


def _pair(kit: stock.Stock, callbacks: bool) -> tuple[Any, Any]:
    from M2Crypto import SSL

    contexts = SSL.Context(), SSL.Context()
    contexts[0].load_verify_locations(kit.file("certificates-ca.pem"))
    contexts[1].load_cert(
        kit.file("certificates-server_ec.pem" if kit.ec else "certificates-server.pem")
    )
    if not kit.ec:
        contexts[1].set_tmp_dh(kit.file("certificates-dh.pem"))
    if callbacks:
        contexts[0].set_verify(SSL.verify_peer, 9, lambda ok, store: 1)
        for context in contexts:
            context.set_info_callback(lambda where, result, connection: None)
    ends = socket.socketpair()
    made = []
    for context, end in zip(contexts, ends):
        connection = SSL.Connection(context, end)
        connection.settimeout(PATIENCE)
        connection.set_post_connection_check_callback(None)
        made.append(connection)
    return made[0], made[1]


def connections(kit: stock.Stock) -> list[Operation]:
    """A client and a server that shake hands, read, write, close, are queried and modified."""
    box = [*_pair(kit, kit.random.random() < 0.5)]

    def renew() -> None:
        box[:] = _pair(kit, True)

    def resume(side: int) -> None:
        session = box[side].get_session()
        if session is not None:
            box[side].set_session(session)

    def use(side: int) -> list[Operation]:
        return [
            lambda: box[side].connect_ssl() if side == 0 else box[side].accept_ssl(),
            lambda: box[side].connect_ssl() if side == 0 else box[side].accept_ssl(),
            lambda: box[side].read(100),
            lambda: box[side].write(LARGE),
            lambda: box[side].set1_host("localhost"),
            lambda: box[side].set_tlsext_host_name("localhost"),
            lambda: box[side].set_cipher_list("ALL"),
            lambda: box[side].get_peer_cert(),
            lambda: box[side].get_peer_cert_chain(),
            lambda: box[side].get_cipher(),
            lambda: box[side].get_ciphers(),
            lambda: box[side].get_session(),
            lambda: box[side].get_state(),
            lambda: box[side].get_client_CA_list(),
            lambda: box[side].pending(),
            lambda: box[side].clear(),
            lambda: box[side].renegotiate(),
            lambda: box[side].shutdown(2),
            lambda: resume(side),
            lambda: box[side].get_context().set_info_callback(lambda *_: None),
            lambda: box[side].get_verify_result(),
        ]

    return [*use(0), *use(1), lambda: box[kit.random.randrange(2)].close(), renew, renew, renew]


def raw_connections(kit: stock.Stock) -> list[Operation]:
    """The same over memory BIOs, on the raw layer, where handles are freed while they are used."""
    m2, random = kit.m2, kit.random
    box: list[Any] = [stock.tls(kit)]

    def renew() -> None:
        box[0] = stock.tls(kit)

    def handle(kind: str) -> Any:
        return random.choice([each for name, each in box[0] if name == kind])

    def info(*arguments: object) -> None:
        if random.random() < 0.1:
            raise PlantedError("planted")

    return [
        *[lambda: m2.ssl_do_handshake(handle("SSL"))] * 6,
        lambda: m2.ssl_read(handle("SSL"), bytearray(1000)),
        lambda: m2.ssl_write(handle("SSL"), LARGE),
        lambda: m2.ssl_shutdown(handle("SSL")),
        lambda: m2.ssl_clear(handle("SSL")),
        lambda: m2.ssl_set1_host(handle("SSL"), "localhost"),
        lambda: m2.ssl_set_tlsext_host_name(handle("SSL"), "localhost"),
        lambda: m2.ssl_set_bio(handle("SSL"), handle("BIO"), handle("BIO")),
        lambda: m2.ssl_get_session(handle("SSL")),
        lambda: m2.ssl_get_peer_cert_chain(handle("SSL")),
        lambda: m2.ssl_get_ciphers(handle("SSL")),
        lambda: m2.ssl_get_state_v(handle("SSL")),
        lambda: m2.ssl_pending(handle("SSL")),
        lambda: m2.ssl_ctx_set_info_callback(handle("SSL_CTX"), info),
        lambda: m2.ssl_ctx_set_verify(handle("SSL_CTX"), 1, info),
        lambda: m2.ssl_ctx_set_verify(handle("SSL_CTX"), 0, None),
        lambda: m2.ssl_new(handle("SSL_CTX")),
        lambda: m2.bio_read(handle("BIO"), 100),
        lambda: m2.bio_write(handle("BIO"), b"data"),
        lambda: m2.bio_reset(handle("BIO")),
        lambda: m2.bio_free(handle("BIO")),
        lambda: m2.ssl_free(handle("SSL")),
        lambda: m2.ssl_ctx_free(handle("SSL_CTX")),
        *[renew] * 5,
    ]


def contexts(kit: stock.Stock) -> list[Operation]:
    """A context that is configured, callbacks included, while connections are made of it."""
    from M2Crypto import SSL, X509

    context = SSL.Context()
    context.load_cert(kit.file("certificates-server.pem"))
    certificate = X509.load_cert(kit.file("certificates-ca.pem"))
    crl = X509.load_crl(kit.file("x509-crl.pem"))

    def shake() -> None:
        ends = socket.socketpair()
        client = SSL.Connection(SSL.Context(), ends[0])
        server = SSL.Connection(context, ends[1])
        for end in (client, server):
            end.setblocking(False)
            end.set_post_connection_check_callback(None)
        for _ in range(3):
            for step in (client.connect_ssl, server.accept_ssl):
                step()
        for end in (client, server):
            end.close()

    return [
        shake,
        shake,
        shake,
        lambda: context.set_info_callback(lambda *_: None),
        lambda: context.set_verify(kit.random.randrange(4), 5, lambda ok, store: 1),
        lambda: context.set_verify(SSL.verify_none, 5),
        lambda: context.load_verify_locations(kit.file("certificates-ca.pem")),
        lambda: context.load_cert(kit.file("certificates-server.pem")),
        lambda: context.load_cert_chain(
            kit.file("certificates-chain.pem"), kit.file("certificates-server.pem")
        ),
        lambda: context.set_client_CA_list_from_file(kit.file("certificates-ca.pem")),
        lambda: context.set_cipher_list("ALL"),
        lambda: context.set_tmp_dh(kit.file("certificates-dh.pem")),
        lambda: context.get_cert_store().add_x509(certificate),
        lambda: context.get_cert_store().add_crl(crl),
        lambda: context.set_session_id_ctx(b"id"),
        lambda: SSL.Connection(context, socket.socketpair()[0]),
    ]


def stores(kit: stock.Stock) -> list[Operation]:
    """A store that certificates and lists are added to while others verify."""
    from M2Crypto import X509

    store = X509.X509_Store()
    root, middle, leaf = (
        X509.load_cert(kit.file(f"x509-{name}.pem")) for name in ("root", "intermediate", "leaf")
    )
    crl = X509.load_crl(kit.file("x509-crl.pem"))
    stack = X509.X509_Stack()
    stack.push(middle)
    shared = X509.X509_Store_Context()

    def verify(context: X509.X509_Store_Context | None = None) -> None:
        context = context or X509.X509_Store_Context()
        context.init(store, leaf, stack)
        context.verify_cert()
        context.get1_chain()

    return [
        verify,
        verify,
        verify,
        lambda: verify(shared),
        lambda: shared.verify_cert(),
        lambda: shared.get_error(),
        lambda: shared.get_current_cert(),
        lambda: shared.get1_chain(),
        lambda: store.add_x509(root),
        lambda: store.add_x509(middle),
        lambda: store.add_crl(crl),
        lambda: store.set_flags(kit.random.choice((0, 4, 12))),
        lambda: store.set_verify_cb(lambda ok, context: 1),
        lambda: store.set_verify_cb(),
        lambda: store.set_lookup_crls(lambda issuer: [crl]),
        lambda: store.set_lookup_crls(None),
        lambda: store.set_policies(["1.2.3"]),
        lambda: store.set_host("www.example.org"),
        lambda: shared.set_host("www.example.org"),
        lambda: shared.get_policy_tree(),
        lambda: leaf.check_host("www.example.org"),
        lambda: store.load_info(kit.file("x509-root.pem")),
        lambda: stack.push(middle),
        lambda: stack.pop(),
        lambda: stack.as_der(),
        lambda: list(stack),
    ]


def sessions(kit: stock.Stock) -> list[Operation]:
    """A session that is added to contexts, removed, printed and changed."""
    from M2Crypto import BIO, SSL

    while not (found := [each for kind, each in stock.connected(kit) if kind == "SSL_SESSION"]):
        pass
    session = SSL.Session.Session(found[0])
    two = SSL.Context(), SSL.Context()

    def resume() -> None:
        SSL.Connection(two[0], socket.socketpair()[0]).set_session(session)

    def each(operation: Callable[[Any], object]) -> list[Operation]:
        return [lambda: operation(two[0]), lambda: operation(two[1])]

    return [
        *each(lambda context: context.add_session(session)),
        *each(lambda context: context.remove_session(session)),
        *each(lambda context: context.set_session_cache_mode(kit.random.randrange(4))),
        session.as_text,
        session.as_der,
        resume,
        lambda: session.write_bio(BIO.MemoryBuffer()),
        lambda: session.set_time(kit.random.randrange(2**31)),
        session.get_time,
        lambda: session.set_timeout(kit.random.randrange(2**31)),
        session.get_timeout,
    ]


def evp(kit: stock.Stock) -> list[Operation]:
    """A digest, an HMAC, a cipher and a key that sign and encrypt from all threads."""
    from M2Crypto import EVP

    digest, mac = EVP.MessageDigest("sha256"), EVP.HMAC(b"key", "sha256")
    cipher = EVP.Cipher("aes_128_cbc", bytes(16), bytes(16), 1)
    raw = stock.contexts_of_evp(kit)
    key = EVP.load_key_string(kit.keys[0])
    m2 = kit.m2

    def handle(kind: str) -> Any:
        return kit.random.choice([each for name, each in raw if name == kind])

    def renew() -> None:
        raw[:] = stock.contexts_of_evp(kit)

    return [
        lambda: digest.update(LARGE),
        digest.final,
        lambda: mac.update(LARGE),
        mac.final,
        lambda: cipher.update(LARGE),
        cipher.final,
        key.sign_init,
        lambda: key.sign_update(LARGE),
        key.sign_final,
        key.verify_init,
        lambda: key.verify_update(LARGE),
        lambda: key.verify_final(bytes(96)),
        key.digest_sign_init,
        lambda: key.digest_sign_update(LARGE),
        key.digest_sign_final,
        lambda: key.reset_context("sha512"),
        lambda: key.as_pem(None),
        key.as_der,
        key.size,
        key.get_modulus,
        lambda: m2.digest_update(handle("EVP_MD_CTX"), LARGE),
        lambda: m2.digest_final(handle("EVP_MD_CTX")),
        lambda: m2.digest_init(handle("EVP_MD_CTX"), m2.sha1()),
        lambda: m2.digest_sign_final(handle("EVP_MD_CTX")),
        lambda: m2.hmac_update(handle("m2_hmac"), LARGE),
        lambda: m2.hmac_final(handle("m2_hmac")),
        lambda: m2.hmac_init(handle("m2_hmac"), b"other", m2.sha256()),
        lambda: m2.cipher_update(handle("EVP_CIPHER_CTX"), LARGE),
        lambda: m2.cipher_final(handle("EVP_CIPHER_CTX")),
        lambda: m2.cipher_init(handle("EVP_CIPHER_CTX"), m2.aes_256_cbc(), bytes(32), bytes(16), 1),
        lambda: m2.md_ctx_free(handle("EVP_MD_CTX")),
        lambda: m2.hmac_ctx_free(handle("m2_hmac")),
        lambda: m2.cipher_ctx_free(handle("EVP_CIPHER_CTX")),
        renew,
        renew,
        renew,
    ]


def keys(kit: stock.Stock) -> list[Operation]:
    """RSA and EC keys that sign, are written, changed and freed."""
    from M2Crypto import EVP, RSA

    m2 = kit.m2
    box = [RSA.load_key_string(kit.keys[0])]
    signature = box[0].sign(bytes(20), "sha1")

    def renew() -> None:
        box[0] = RSA.load_key_string(kit.keys[0])

    def assign() -> None:
        EVP.PKey().assign_rsa(box[0])

    made: list[Operation] = [
        lambda: box[0].sign(bytes(20), "sha1"),
        lambda: box[0].verify(bytes(20), signature, "sha1"),
        lambda: box[0].public_encrypt(b"data", m2.RSA_PKCS1_PADDING),
        lambda: box[0].as_pem(None),
        lambda: box[0].check_key(),
        lambda: box[0].pub(),
        lambda: m2.rsa_set_e(box[0].rsa, b"\0\0\0\1\3"),
        lambda: m2.rsa_set_en(box[0].rsa, b"\0\0\0\1\3", b"\0\0\0\1\x7f"),
        lambda: m2.rsa_free(box[0].rsa),
        assign,
        renew,
        renew,
        renew,
    ]
    if kit.ec:
        from M2Crypto import EC

        key = EC.load_key_string(kit.keys[1])
        made += [
            lambda: key.sign_dsa(bytes(32)),
            key.gen_key,
            key.pub,
            lambda: key.compute_dh_key(key),
            lambda: key.as_pem(None),
            key.check_key,
        ]
    return made


def certificates(kit: stock.Stock) -> list[Operation]:
    """Certificates, names, requests and stacks that are read, changed, signed and freed."""
    from M2Crypto import EVP, X509

    m2 = kit.m2
    box = [X509.load_cert(kit.file("x509-leaf.pem"))]
    key = EVP.load_key_string(kit.keys[0])
    name = X509.X509_Name()
    request = X509.load_request(kit.file("x509-request.pem"))
    crl = X509.load_crl(kit.file("x509-crl.pem"))

    def renew() -> None:
        box[0] = X509.load_cert(kit.file("x509-leaf.pem"))

    def rename() -> None:
        name.CN = "a.example"

    return [
        lambda: box[0].as_text(),
        lambda: box[0].as_der(),
        lambda: box[0].as_pem(),
        lambda: box[0].get_subject(),
        lambda: str(box[0].get_issuer()),
        lambda: box[0].get_pubkey(),
        lambda: box[0].verify(key),
        lambda: box[0].sign(key, "sha256"),
        lambda: box[0].set_subject_name(name),
        lambda: box[0].set_version(2),
        lambda: box[0].set_serial_number(5),
        lambda: box[0].set_pubkey(key),
        lambda: box[0].check_ca(),
        lambda: box[0].add_ext(X509.new_extension("subjectAltName", "DNS:a")),
        lambda: box[0].get_ext_at(0),
        lambda: box[0].get_subject_alt_names(),
        lambda: box[0].check_purpose(1, 0),
        lambda: box[0].get_fingerprint(),
        rename,
        lambda: str(name),
        lambda: name.as_hash(),
        lambda: name.as_der(),
        lambda: list(name),
        lambda: name.CN,
        lambda: request.sign(key, "sha256"),
        lambda: request.verify(key),
        request.as_text,
        request.as_der,
        lambda: request.set_subject_name(name),
        request.get_subject,
        crl.as_text,
        lambda: crl.verify(key),
        lambda: m2.x509_free(box[0].x509),
        renew,
        renew,
        renew,
    ]


SCENARIOS = [
    bios,
    file_bios,
    connections,
    raw_connections,
    contexts,
    stores,
    sessions,
    evp,
    keys,
    certificates,
]


class RaceFuzzer:
    """The state of one run."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.kit = stock.Stock(session.random, Path.cwd())
        self.lock = threading.Lock()

    def play(self, scenario: Callable[[stock.Stock], list[Operation]]) -> None:
        """Let the threads do the scenario's operations for the time of a round."""
        self.session.record(f"{scenario.__name__}(setting up)")
        operations = scenario(self.kit)
        self.session.record(f"{scenario.__name__}({len(operations)} operations, {THREADS} threads)")
        until = time.monotonic() + ROUND
        seeds = [self.session.random.getrandbits(32) for _ in range(THREADS)]
        threads = [
            threading.Thread(target=self.work, args=(scenario.__name__, operations, seed, until))
            for seed in seeds
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def work(self, name: str, operations: list[Operation], seed: int, until: float) -> None:
        """Be one of the threads."""
        random = Random(seed)
        while time.monotonic() < until:
            operation = random.choice(operations)
            try:
                operation()
            except LookupError:
                pass
            except Exception as error:
                with self.lock:
                    self.session.check_exception(f"{name} line {operation_line(operation)}", error)
                del error
            self.session.check_queue(f"{name} line {operation_line(operation)}")

    def run(self) -> None:
        """Play the scenarios in turn."""
        sys.setswitchinterval(SWITCH)
        chosen = [each for each in SCENARIOS if each.__name__ not in self.session.without]
        self.session.random.shuffle(chosen)
        for step in self.session.steps(ROUNDS):
            self.play(chosen[step % len(chosen)])
            gc.collect()
        self.session.record("the end")


def operation_line(operation: Operation) -> object:
    """Return the line of this file that an operation is written in, or the name of a method."""
    code = getattr(operation, "__code__", None)
    return code.co_firstlineno if code else getattr(operation, "__qualname__", "?")


def run(session: Session) -> None:
    """Run the fuzzer with the session's seed."""
    RaceFuzzer(session).run()
