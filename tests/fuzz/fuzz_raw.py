"""The raw layer: every function of `M2Crypto.m2` with random arguments, in a random order.

The functions and the kinds of their parameters come from the extension's stub. The arguments are
of the right kind most of the time: live handles, handles that were freed, the same handle twice,
hostile numbers, text and buffers, and objects whose hooks free the handles in use or re-enter.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hostile
import mutate
import stock
import stub
from samples import EXTENSIONS
from session import PlantedError, Session

STEPS = 4000
# Handles kept per type.
POOL = 14
# Depth of calls in callbacks, and calls that one step may make in its callbacks.
DEPTH = 3
BUDGET = 30

# Arguments that would take long, or need more memory than a computer has, by design of the call:
# the largest that is passed, and from where on larger ones are passed, as they fail at once.
LIMITS: dict[tuple[str, str], tuple[int, int | None]] = {
    # The time is proportional to the count, or worse.
    ("bytes_to_key", "iterations"): (2000, None),
    ("pkcs5_pbkdf2_hmac_sha1", "iterations"): (2000, None),
    ("pkcs5_pbkdf2_hmac_sha1", "length"): (1 << 12, None),
    ("rsa_generate_key", "bits"): (640, None),
    ("bn_rand", "bits"): (1 << 14, 1 << 31),
    # One call of the generator for every 16 bytes.
    ("rand_bytes", "length"): (1 << 18, 1 << 31),
    # The time is that of a search for a prime.
    ("dh_generate_parameters", "bits"): (64, 1 << 31),
    ("dsa_generate_parameters", "bits"): (511, 1 << 31),
    ("provider_generate_rsa", "bits"): (640, None),
    # The time and the memory are proportional to the cost.
    ("pbkdf2", "iterations"): (2000, None),
    ("pbkdf2", "length"): (1 << 12, None),
    ("pkcs12_create", "iterations"): (2000, None),
    ("scrypt", "n"): (1 << 6, None),
    ("scrypt", "length"): (1 << 18, None),
    ("argon2", "iterations"): (3, None),
    ("argon2", "memory"): (64, None),
    # Every line is indented by so many spaces.
    ("x509_name_print_ex", "indent"): (1 << 12, None),
    ("x509_ext_print", "indent"): (1 << 12, None),
}
# Numbers of file descriptors: only the fuzzer's own, as a BIO reads, writes and closes them.
DESCRIPTORS = {
    ("bio_new_fd", "fd"),
    ("ssl_set_fd", "fd"),
    ("ssl_set_datagram", "fd"),
    ("ssl_connect_datagram", "fd"),
}
# Seconds until a signal handler ends a wait, which may be one without a limit. Long finite waits
# have the same end.
PATIENCE = 0.1
SECONDS = [0.0, 0.01, -1.0, 1e300, float("nan"), float("inf")]
PATHS = {"file", "filename", "cafile", "capath"}
# Directories, an absent file and files of another kind. No FIFO and no device: opening or reading
# one blocks by design.
ODD_PATHS = ["", ".", "absent", "absent/absent", "odd.txt", "empty", "\udcff", "x" * 300]
# What a parameter of that name takes, and a function does something with: constants of OpenSSL,
# texts, bytes.
CONSTANTS = {
    "padding": r"RSA_\w*PADDING", "version": r"\w+_VERSION",
    "nid": r"NID_(X9_62_)?(prime|secp|common|sub)\w*",
    "type": r"(V_ASN1|MBSTRING)_\w+", "mode": r"SSL_(VERIFY|SESS_CACHE)_\w+",
    "options": r"SSL_OP_\w+",
    "flags": r"(X509_V|XN|ASN1_STR)_?FL\w+", "salt_length": r"RSA_PSS_SALTLEN_\w+",
    "purpose": r"X509_PURPOSE_\w+",
    "e": r"RSA_(F4|3)", "code": r"X509_V_ERR_\w+", "error": r"X509_V_ERR_\w+",
}  # fmt: skip
TEXTS = {
    "ciphers": ["ALL", "DEFAULT", "ALL:@SECLEVEL=0", "TLS_AES_128_GCM_SHA256"],
    "address": ["192.0.2.1", "2001:db8::1"],
    "digits": ["1234", "00ff"],
    "text": ["20300101000000Z", "991231235959Z", "2.5.4.3", "commonName"],
    "field": ["CN", "C", "O", "emailAddress", "2.5.4.3"],
    "name": [name for name, _ in EXTENSIONS],
    "value": [value for _, value in EXTENSIONS],
}
BYTES = {
    "digits": [b"1234", b"00ff"],
    "bytes": [b"\0\0\0\1\7", b"\0\0\0\3\1\0\1"],
    "number": [b"\0\0\0\3\1\0\1"],
    "e": [b"\0\0\0\3\1\0\1"],
    "n": [b"\0\0\0\x61\0" + b"\xfb" * 96],
    "r": [b"\0\0\0\1\7"],
    "s": [b"\0\0\0\1\7"],
    "iv": [bytes(12), bytes(16), bytes(8), bytes(7)],
    "tag": [bytes(16), bytes(12)],
    "key": [bytes(16), bytes(24), bytes(32), bytes(64)],
    "digest": [bytes(20), bytes(32), bytes(64)],
    "signature": [bytes.fromhex("3006020107020107"), bytes(96)],
    "data": [bytes(10), bytes(96), bytes(3000)],
    "value": [b"XY", b"a.example"],
}
# Inputs of functions by their name.
LABELS = [
    ("crl", b"X509 CRL"), ("req", b"REQUEST"), ("pub", b"PUBLIC KEY"), ("session", b"SESSION"),
    ("dh", b"PARAMETERS"), ("ec", b"EC PRIVATE KEY"), ("x509", b"CERTIFICATE"),
    ("key", b"PRIVATE KEY"),
]  # fmt: skip
READER = re.compile(r"read_|_read|d2i_|tmp_dh")
# The functions that change the process: its recipes would fail without algorithms.
PROCESS = {"provider_enable_fips", "provider_set_default_properties", "set_default_properties"}
# The functions that read the queue of errors, which is what the oracle looks at.
QUEUE = re.compile(r"err_(get|peek)_error|err_clear_error|err_print_errors")


class Named:
    """A handle with its label."""

    __slots__ = ("handle", "label")

    def __init__(self, handle: Any, label: str) -> None:
        self.handle = handle
        self.label = label


def interrupt(number: int, frame: object) -> None:
    """Raise PlantedError: the handler of a signal."""
    raise PlantedError(f"signal {number}")


class RawFuzzer:
    """The state of one run: the handles that live, and the arguments of the calls under way."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.random = session.random
        functions, self.types = stub.read()
        self.functions = {
            name: function
            for name, function in functions.items()
            if name not in session.without | PROCESS
        }
        self.groups = self._groups()
        self.stock = stock.Stock(self.random, Path.cwd())
        Path("odd.txt").write_bytes(b"\0\xff text\n")
        Path("empty").touch()
        self.pool: dict[str, list[Named]] = defaultdict(list)
        self.constants = self._constants(r"[A-Z].*|NID_.*")
        self.likely = {name: self._constants(pattern) for name, pattern in CONSTANTS.items()}
        self.texts = self._texts()
        self.counter = 0
        self.depth = 0
        self.budget = 0
        self.in_use: list[list[tuple[str, Any]]] = []

    def _groups(self) -> list[list[str]]:
        """Each function alone, but the many that only return a cipher or a digest as one group."""
        constants: dict[str, list[str]] = defaultdict(list)
        groups = []
        for function in self.functions.values():
            if not function.parameters and function.result in ("EVP_CIPHER", "EVP_MD"):
                constants[function.result].append(function.name)
            else:
                groups.append([function.name])
        return [*groups, *constants.values()]

    def _constants(self, pattern: str) -> list[int]:
        m2 = self.stock.m2
        names = [name for name in dir(m2) if re.fullmatch(pattern, name)]
        return sorted({value for name in names if type(value := getattr(m2, name)) is int})

    def _texts(self) -> list[str]:
        m2 = self.stock.m2
        names = [name for name in dir(m2) if name.startswith("NID_")]
        short = [name.removeprefix("NID_") for name in names]
        return sorted(short) + [name for name in self.functions if "_" in name]

    # ---- the pool ----

    def keep(self, kind: str, handle: Any) -> str:
        """Add a handle to the pool; its label."""
        self.counter += 1
        named = Named(handle, f"{kind}_{self.counter}")
        handles = self.pool[kind]
        handles.append(named)
        if len(handles) > POOL:
            del handles[self.random.randrange(POOL)]
        return named.label

    def pick(self, kind: str) -> tuple[Any, str]:
        """Return a handle of a type, or None if there is none."""
        if kind == "X509_VERIFY_PARAM":
            kind = self.random.choice(("X509_STORE", "m2_x509_store_ctx", "SSL_CTX", "SSL"))
        handles = self.pool.get(kind)
        if not handles:
            return None, "None"
        # The latest are the most likely to be as their recipe made them.
        for _ in range(3):
            named = handles[int(len(handles) * self.random.random() ** 0.6)]
            # Freed handles are arguments too, but not the most.
            if '"freed"' not in repr(named.handle) or self.random.random() < 0.1:
                break
        return named.handle, named.label

    def readable(self, function: str) -> tuple[Any, str]:
        """Return a new BIO that holds what a function reads, or something else."""
        texts = self.stock.texts
        if self.random.random() < 0.8:
            label = next((label for word, label in LABELS if word in function), b"")
            texts = [text for text in texts if label in text] or texts
        text = self.random.choice(texts)
        if function.startswith("d2i_"):
            text = self.random.choice(mutate.blocks(text) or [("", text)])[1]
        return self.stock.bio(text), f"BIO({text[:30]!r}...)"

    def cook(self, recipe: Any) -> stock.Made:
        """Run a recipe, keep what it makes, and return it."""
        if recipe is stock.elliptic and not self.stock.ec:
            return []
        self.session.record(f"recipe {recipe.__name__}")
        try:
            made: stock.Made = recipe(self.stock)
        except Exception as error:
            # Such as that of a socket whose descriptor an earlier step has closed.
            self.session.check_exception(recipe.__name__, error)
            return []
        for kind, handle in made:
            if handle is not None:
                self.keep(kind, handle)
        self.stock.m2.err_clear_error()
        return made

    # ---- hooks ----

    def act(self, plan: int) -> object:
        """Do what a hook does in the middle of a call: free, re-enter, shake, raise."""
        self.budget -= 1
        if self.depth > DEPTH or self.budget < 0 or "hooks" in self.session.without:
            return None
        random = self.random
        if plan == 0:
            self.session.record("  in a hook: raise")
            raise PlantedError("planted")
        arguments = [each for call in self.in_use for each in call]
        if plan == 1 and arguments:
            self.free(*random.choice(arguments))
        elif plan == 2 and self.in_use:
            # What the handle is used for at this moment, once more.
            kinds = {kind for kind, _ in arguments} - {"int"}
            names = [
                function.name
                for function in self.functions.values()
                if any(parameter.kind in kinds for parameter in function.parameters)
            ]
            if names:
                with contextlib.suppress(Exception):
                    self.call(random.choice(names), preferred=arguments)
        elif plan == 3:
            for kind, value in arguments:
                if kind == "Buffer":
                    hostile.shake(value, random)
        elif plan == 4:
            with contextlib.suppress(Exception):
                self.call(self.choose())
        elif plan == 5:
            self.pool[random.choice(sorted(self.pool) or ["BIO"])].clear()
        return None

    def free(self, kind: str, handle: Any) -> None:
        """Free a handle that a call is using."""
        names = [
            name
            for name, function in self.functions.items()
            if re.search(r"_free(_all)?$", name) and function.parameters[0].kind == kind
        ]
        if names:
            name = self.random.choice(names)
            self.session.record(f"  in a hook: m2.{name}(a {kind} in use)")
            with contextlib.suppress(Exception):
                getattr(self.stock.m2, name)(handle)

    def hooked(self, value: Any) -> tuple[Any, str]:
        """Return an object whose conversions act."""
        plan = self.random.randrange(6)
        dying = self.random.random() < 0.15
        label = f"hooked({plan}, {value!r:.30}{', dying' if dying else ''})"
        return hostile.Hooked(lambda: self.act(plan), value, dying), label

    def callback(self) -> tuple[Any, str]:
        """Return a callable that acts, and returns something."""
        random = self.random
        plan = random.choice((0, 1, 1, 2, 2, 2, 3, 4, 5, 6, 6, 6, 6))
        found: Any = random.choice(
            (
                1,
                1,
                1,
                0,
                -1,
                None,
                "secret",
                "secret",
                b"secret",
                b"",
                "x" * 1000,
                b"\0" * 1024,
                2**70,
                [],
                "\ud800",
            )
        )
        if random.random() < 0.06:
            found = self.hooked(found)[0]

        def call(*arguments: Any) -> Any:
            for argument in arguments:
                kind = re.match(r'<capsule object "(\w+)"', repr(argument))
                # A handle that OpenSSL lends the callback is used after it, too.
                if kind and kind[1] in self.types:
                    self.keep(kind[1], argument)
                    if self.in_use:
                        self.in_use[-1].append((kind[1], argument))
            self.act(plan)
            return found

        return call, f"callback({plan}, {found!r:.30})"

    # ---- arguments ----

    def argument(self, function: str, parameter: stub.Parameter) -> tuple[Any, str]:
        """Return a value for a parameter: of its kind, with exceptions."""
        random = self.random
        if random.random() < 0.03:
            return self.wrong()
        if parameter.optional and random.random() < 0.35:
            return None, "None"
        kind = parameter.kind
        if kind == "BIO" and READER.search(function) and random.random() < 0.6:
            return self.readable(function)
        if kind in self.types:
            return self.pick(kind)
        if kind == "int":
            return self.integer(function, parameter.name)
        if random.random() < 0.07:
            return self.hooked(random.choice((b"text", bytearray(9), 7, "text")))
        if kind in ("str", "Path"):
            if kind == "Path" or parameter.name in PATHS:
                return self.path(kind)
            known = TEXTS.get(parameter.name)
            if known and random.random() < 0.5:
                value = random.choice(known)
                return value, repr(value)
            return hostile.text(random, self.texts)
        if kind == "Buffer":
            likely = BYTES.get(parameter.name, [])
            return hostile.buffer(
                random, likely if likely and random.random() < 0.6 else self.stock.blobs
            )
        if kind == "target":
            return hostile.target(random)
        if kind == "callable":
            return self.callback()
        value = random.choice(SECONDS)
        return value, repr(value)

    def path(self, kind: str) -> tuple[Any, str]:
        """Return a path, in one of the types that a parameter of kind `Path` takes."""
        random = self.random
        path: Any = random.choice(ODD_PATHS)
        if random.random() < 0.7:
            path = str(random.choice(self.stock.files))
        if kind == "Path" and random.random() < 0.3:
            path = random.choice((Path, os.fsencode))(path)
        return path, repr(path)[-60:]

    def integer(self, function: str, name: str) -> tuple[Any, str]:
        """Return an integer for a parameter, within its limits."""
        random = self.random
        if (function, name) in DESCRIPTORS:
            known = self.stock.descriptors.numbers or self.stock.descriptors.pair()
            fd = random.choice((*known, *known, -1, 999, 2**31 - 1, -(2**31), 2**40))
            return fd, repr(fd)
        if random.random() < 0.03:
            return self.hooked(random.randrange(20))
        likely = self.likely.get(name)
        if likely and random.random() < 0.6:
            value = random.choice(likely)
            return value, repr(value)
        value, label = hostile.number(random, self.constants)
        limit, refused = LIMITS.get((function, name), (None, None))
        if limit is not None and value > limit and (refused is None or value < refused):
            value = value % (limit + 1)
            label = repr(value)
        return value, label

    def wrong(self) -> tuple[Any, str]:
        """Return a value of any kind."""
        random = self.random
        choice = random.randrange(6)
        if choice == 0:
            value = random.choice((None, "text", b"bytes", 7, 1.5, [], {}, int, object()))
            return value, repr(value)[:30]
        if choice == 1:
            return self.hooked(random.choice((b"text", 7)))
        return self.pick(random.choice(sorted(self.pool) or ["BIO"]))

    # ---- calls ----

    def choose(self) -> str:
        """Return the name of a function."""
        return self.random.choice(self.random.choice(self.groups))

    def call(
        self, name: str, preferred: list[tuple[str, Any]] | None = None, first: tuple[Any, ...] = ()
    ) -> None:
        """Call a function, check what the oracle can see, and keep what it returns.

        Args:
            name: the function's name.
            preferred: values that are taken for most parameters of their kind.
            first: the first arguments.
        """
        function = self.functions[name]
        values, labels, kinds = [], [], []
        for place, parameter in enumerate(function.parameters):
            value, label = self.argument(name, parameter)
            # Integers have limits of their own.
            known = [] if parameter.kind == "int" else preferred or kinds
            same = [each for kind, each in known if kind == parameter.kind]
            if place < len(first):
                value, label = first[place], f"the {parameter.kind} of this scene"
            elif same and self.random.random() < (0.7 if preferred else 0.1):
                value, label = (
                    self.random.choice(same),
                    "a value in use" if preferred else "the same",
                )
            values.append(value)
            labels.append(label)
            kinds.append((parameter.kind, value))
        self.session.record(
            f"{'  in a hook: ' if self.depth else ''}m2.{name}({', '.join(labels)})"
        )
        self.in_use.append(kinds)
        self.depth += 1
        if self.depth == 1:
            self.budget = BUDGET
        try:
            with self.interruption(function):
                result = getattr(self.stock.m2, name)(*values)
        except Exception as error:
            self.session.check_exception(name, error)
            del error
        else:
            self.take(function, result)
            result = None
        finally:
            self.depth -= 1
            self.in_use.pop()
        if self.depth == 0 and not QUEUE.match(name):
            self.session.check_queue(name)

    @contextlib.contextmanager
    def interruption(self, function: stub.Function) -> Iterator[None]:
        """Raise PlantedError from a signal handler in a call that waits longer than PATIENCE."""
        if not any(parameter.kind == "float" for parameter in function.parameters):
            yield
            return
        signal.setitimer(signal.ITIMER_REAL, PATIENCE, PATIENCE)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    def take(self, function: stub.Function, result: Any) -> None:
        """Keep a result for later arguments."""
        if function.result in self.types and result is not None:
            self.keep(function.result, result)
        elif isinstance(result, bytes) and 0 < len(result) < 70000:
            blobs = self.stock.blobs
            blobs.append(result)
            if len(blobs) > 150:
                del blobs[self.random.randrange(60, 150)]

    def apply(self, name: str, *first: Any) -> None:
        """Call a function with these arguments first; the others are made as ever."""
        if name in self.functions:
            self.call(name, first=first)

    # ---- scenes: sequences of calls with callbacks that act in the last one -----------------

    def shake(self) -> None:
        """Do a handshake between connections whose contexts have callbacks."""
        made = self.cook(self.random.choice((stock.tls, stock.tls, stock.dtls, stock.raw_keys)))
        connections = [handle for kind, handle in made if kind == "SSL"]
        for kind, handle in made:
            if kind == "SSL_CTX":
                for name in ("ssl_ctx_set_info_callback", "ssl_ctx_set_verify"):
                    if self.random.random() < 0.6:
                        self.apply(name, handle)
        for _ in range(5):
            for connection in connections:
                self.apply("ssl_do_handshake", connection)
        for connection in connections:
            self.apply(
                self.random.choice(("ssl_read", "ssl_write", "ssl_shutdown", "ssl_clear")),
                connection,
            )

    def verify(self) -> None:
        """Verify a chain with a callback."""
        made = dict(self.cook(stock.verification))
        self.apply("x509_store_set_verify_cb", made["X509_STORE"])
        self.apply("x509_store_set_lookup_crls", made["X509_STORE"])
        for _ in range(2):
            self.apply("x509_verify_cert", made["m2_x509_store_ctx"])

    def unlock(self) -> None:
        """Write a key with a passphrase, and read it again."""
        kind, write, read = self.random.choice(
            (
                ("m2_rsa", "rsa_write_key", "rsa_read_key"),
                ("EVP_PKEY", "pkey_write_pem", "pkey_read_pem"),
                ("m2_ec", "ec_key_write_bio", "ec_key_read_bio"),
            )
        )
        key, _ = self.pick(kind)
        bio = self.stock.bio()
        self.apply(write, key, bio, self.stock.m2.aes_128_cbc())
        encrypted = self.stock.folder / "keys-rsa_2048_encrypted.pem"
        self.apply(
            read, self.stock.bio(encrypted.read_bytes()) if self.random.random() < 0.5 else bio
        )

    def run(self) -> None:
        """Fill the pool, then make the steps."""
        signal.signal(signal.SIGALRM, interrupt)
        for recipe in stock.RECIPES:
            self.cook(recipe)
        for _ in self.session.steps(STEPS):
            choice = self.random.random()
            if choice < 0.06:
                self.cook(self.random.choice(stock.RECIPES))
            elif choice < 0.1:
                self.random.choice((self.shake, self.verify, self.unlock))()
            else:
                self.call(self.choose())


def run(session: Session) -> None:
    """Run the fuzzer with the session's seed."""
    RawFuzzer(session).run()
