"""Fuzz the parsers with mutated certificates, keys, CRLs, requests, sessions and TLS records.

Every function of the package that loads something gets valid samples, mutated. Of what it returns,
every attribute is read and every method called, with arguments made from their names.
"""

from __future__ import annotations

import contextlib
import inspect
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mutate
import samples
from loaders import PASSPHRASE, arguments_for, find_loaders
from session import Session

STEPS = 400
# How deep results of results are looked at, how many objects, and how many elements of each.
DEPTH = 4
OBJECTS = 120
ELEMENTS = 12
# Methods that are no parser's: they generate keys, which takes long.
LEFT_OUT = {"gen_key"}
NAMES = [
    "localhost",
    "a.example",
    "192.0.2.1",
    "*.example",
    "2001:db8::1",
    "a" * 300,
    "",
    "\0",
    "\ud800",
]


class ParserFuzzer:
    """The state of one run: samples, loaders and which sample a loader takes."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.random = session.random
        self.folder = Path.cwd()
        self.samples = samples.load(self.folder)
        self.ders = [der for data in self.samples for _, der in mutate.blocks(data)]
        self.input = self.folder / "input.pem"
        self.files = {}
        for place, sample in enumerate([*self.samples, *self.ders]):
            self.files[sample] = self.folder / f"sample-{place}"
            self.files[sample].write_bytes(sample)
        self.loaders = {
            name: loader for name, loader in find_loaders() if name not in session.without
        }
        self.taken = {name: self.samples_of(name) for name in self.loaders}
        self.seen: set[int] = set()
        # How many calls are under way: more than one in a callback.
        self.depth = 0
        self.stash: dict[str, list[Any]] = {}

    # ---- calls -------------

    def attempt(
        self, name: str, function: Callable[..., Any], /, *arguments: Any, **named: Any
    ) -> Any:
        """Call; the result, or None. Check the exception, and the queue after an outermost call."""
        given = ", ".join(f"{each!r:.120}" for each in (*arguments, *named.items()))
        self.session.record(f"{'  ' * self.depth}{name}({given})")
        self.session.watchdog.feed()
        result = None
        self.depth += 1
        try:
            result = function(*arguments, **named)
        except LookupError:
            pass
        except Exception as error:
            self.session.check_exception(name, error)
            del error
        finally:
            self.depth -= 1
        if self.depth == 0:
            self.session.check_queue(name)
        return result

    def input_of(self, loader: Callable[..., Any], data: bytes) -> list[Any]:
        """Return the arguments for a loader that is to read `data`."""
        return arguments_for(loader, data, self.path_of, self.random)

    def path_of(self, data: bytes) -> str:
        """Return the path of a file that holds `data`."""
        if data in self.files:
            return str(self.files[data])
        self.input.write_bytes(data)
        return str(self.input)

    def samples_of(self, name: str) -> list[bytes]:
        """Return the samples, in PEM and in DER, that a loader takes as they are."""
        loader = self.loaders[name]
        taken = []
        for sample in [*self.samples, *self.ders]:
            self.session.watchdog.feed()
            with contextlib.suppress(Exception):
                loader(*self.input_of(loader, sample))
                taken.append(sample)
        return taken

    # ---- use of results ----------------

    def explore(self, name: str, value: Any, depth: int = 0) -> None:
        """Read every attribute of an object of the package, and call every method."""
        if isinstance(value, (list, tuple)):
            for element in list(value)[:ELEMENTS]:
                self.explore(name, element, depth)
            return
        if not type(value).__module__.startswith("M2Crypto.") or depth > DEPTH:
            return
        if id(value) in self.seen or len(self.seen) > OBJECTS:
            return
        self.seen.add(id(value))
        self.stash.setdefault(type(value).__name__, []).append(value)
        for convert in (str, repr, hash, len, bytes, int):
            if convert in (str, repr) or hasattr(type(value), f"__{convert.__name__}__"):
                self.attempt(f"{convert.__name__}({name})", convert, value)
        if hasattr(type(value), "__iter__"):
            for element in self.attempt(f"iter({name})", lambda: list(value)[:ELEMENTS]) or ():
                self.explore(f"{name}[]", element, depth + 1)
        for attribute in dir(type(value)):
            if not attribute.startswith("_") and attribute not in LEFT_OUT | self.session.without:
                self.use(f"{type(value).__name__}.{attribute}", value, attribute, depth)

    def use(self, name: str, owner: Any, attribute: str, depth: int) -> None:
        """Read an attribute; call it if it is a method whose arguments can be made."""
        found = self.attempt(name, getattr, owner, attribute)
        if not callable(found) or inspect.isclass(found):
            self.explore(name, found, depth + 1)
            return
        try:
            arguments = self.arguments_of(found)
        except (LookupError, ValueError):
            return
        self.explore(name, self.attempt(name, found, **arguments), depth + 1)

    def arguments_of(self, method: Callable[..., Any]) -> dict[str, Any]:
        """Return arguments for a method: the required ones, some others, and every callback.

        Without a callback a passphrase would be read from the terminal.
        """
        chosen = {}
        for name, parameter in inspect.signature(method).parameters.items():
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                continue
            required = parameter.default is parameter.empty or name == "callback"
            if required or self.random.random() < 0.3:
                chosen[name] = self.argument(parameter)
        return chosen

    def argument(self, parameter: inspect.Parameter) -> Any:
        """Return an argument for a method's parameter; raise LookupError if none can be made."""
        from M2Crypto import BIO, m2

        random = self.random
        name, annotation = parameter.name, str(parameter.annotation)
        if "Callable" in annotation or name == "callback":
            return lambda *_: PASSPHRASE
        if name in ("md", "algo"):
            return random.choice(("sha1", "sha256", "md5", "sha512", "none", ""))
        if name == "cipher":
            return random.choice(
                (None, "aes_128_cbc", "des_ede3_cbc", "aes_128_gcm", "id_aes128_wrap", "none")
            )
        if "file" in name.lower():
            return str(self.folder / "output")
        if "BIO" in annotation:
            return BIO.MemoryBuffer()
        for kind in (
            "PKey",
            "X509_Name_Entry",
            "X509_Name",
            "X509_Extension_Stack",
            "X509_Extension",
            "EC",
            "ASN1_TIME",
        ):
            if re.search(rf"\b{kind}\b", annotation):
                return random.choice(self.stash[kind])
        if name == "padding":
            return random.choice(
                (m2.RSA_PKCS1_PADDING, m2.RSA_NO_PADDING, m2.RSA_PKCS1_OAEP_PADDING, 99)
            )
        if "bool" in annotation or name == "mode":
            return random.randrange(2)
        if "int" in annotation:
            return random.choice((0, 1, -1, 2, 6, 20, 85, 2**31, -(2**31), 2**64))
        if "bytes" in annotation or "Buffer" in annotation:
            return random.choice((b"", bytes(20), bytes(32), bytes(64), random.choice(self.ders)))
        if "str" in annotation:
            return random.choice((*NAMES, "subjectAltName", "basicConstraints", "CN"))
        raise LookupError(name)

    # ---- targets ----

    def loaded(self) -> None:
        """Load a mutated sample and explore the result."""
        random = self.random
        name = random.choice(sorted(self.loaders))
        candidates = (
            self.taken[name] if random.random() < 0.9 and self.taken[name] else self.samples
        )
        sample = random.choice(candidates)
        data = self.mutated(sample)
        loader = self.loaders[name]
        try:
            arguments = self.input_of(loader, data)
        except ValueError:
            return
        self.session.record(f"the input of {name}: {data[:200].hex()}")
        self.explore(name, self.attempt(name, loader, *arguments))

    def mutated(self, sample: bytes) -> bytes:
        """Return a mutated PEM or DER sample; seldom the sample as it is."""
        if self.random.random() < 0.05:
            return sample
        mutation = mutate.whole if sample.startswith(b"-----") else mutate.der
        return mutation(self.random, sample, self.ders)

    def extension(self) -> None:
        """Make extensions from text."""
        from M2Crypto import X509

        field, value = self.random.choice(samples.EXTENSIONS)
        if self.random.random() < 0.2:
            field = self.random.choice(samples.EXTENSIONS)[0]
        data = (
            mutate.flip(self.random, value.encode())
            if self.random.random() < 0.7
            else value.encode()
        )
        if self.random.random() < 0.3:
            data += self.random.choice(
                (b",critical", b"," + data, b":", b";", b"@x", b",email:copy", b",issuer:always")
            )
        made = self.attempt(
            "new_extension",
            X509.new_extension,
            field,
            data.decode("latin-1"),
            self.random.randrange(2),
        )
        self.explore("new_extension", made)

    def name(self) -> None:
        """Make a name of values of every type."""
        from M2Crypto import X509, m2

        random = self.random
        kinds = [getattr(m2, each) for each in dir(m2) if each.startswith(("V_ASN1_", "MBSTRING_"))]
        made = X509.X509_Name()
        for _ in range(random.randrange(1, 5)):
            value = random.choice(
                (
                    b"",
                    b"a",
                    b"ab",
                    b"\0",
                    b"\xff\xfe",
                    bytes(300),
                    "é".encode(),
                    b"\1\2\3\4",
                    b"abc",
                )
            )
            field = random.choice(
                ("CN", "C", "O", "emailAddress", "1.2.3.4", "serialNumber", "none", "DC")
            )
            arguments = (
                field,
                random.choice(kinds),
                value,
                -1,
                random.randrange(-1, 3),
                random.randrange(-1, 2),
            )
            self.attempt("add_entry_by_txt", made.add_entry_by_txt, *arguments)
        self.explore("X509_Name", made)

    def time(self) -> None:
        """Parse a time."""
        from M2Crypto import ASN1

        text = self.random.choice(
            ("20300101000000Z", "300101000000Z", "20300101000000.5Z", "20300101000000+0100")
        )
        data = mutate.flip(self.random, text.encode()).decode("latin-1")
        made = ASN1.ASN1_TIME()
        self.attempt("set_string", made.set_string, data)
        self.explore("ASN1_TIME", made)

    def host(self) -> None:
        """Compare a mutated certificate with a name."""
        from M2Crypto import X509
        from M2Crypto.SSL import Checker

        data = self.mutated(self.random.choice(self.taken["X509.load_cert_string"]))
        made = self.attempt("load_cert_string", X509.load_cert_string, data)
        if made is not None:
            self.attempt("Checker", Checker.Checker(), made, self.random.choice(NAMES))

    def chain(self) -> None:
        """Verify a mutated certificate, with a mutated CA and CRL in the store."""
        from M2Crypto import X509

        random = self.random

        def read(name: str, load: Callable[[bytes], Any]) -> Any:
            data = (self.folder / f"x509-{name}.pem").read_bytes()
            data = self.mutated(data) if random.random() < 0.4 else data
            return self.attempt(name, load, data)

        root, middle, leaf = (
            read(name, X509.load_cert_string) for name in ("root", "intermediate", "leaf")
        )
        crl = read("crl", X509.load_crl_string)
        store = X509.X509_Store()
        for add, value in ((store.add_x509, root), (store.add_crl, crl)):
            if value is not None:
                self.attempt("add", add, value)
        self.attempt(
            "set_flags",
            store.set_flags,
            random.choice((0, 4, 12, 0x1004, 0x100C, 0x80, 0x20, 0x2000)),
        )
        if random.random() < 0.5:
            self.attempt("set_verify_cb", store.set_verify_cb, self.verify)
        stack = X509.X509_Stack()
        if middle is not None:
            stack.push(middle)
        if leaf is not None:
            context = X509.X509_Store_Context()
            self.attempt("init", context.init, store, leaf, stack)
            if crl is not None and random.random() < 0.5:
                crls = X509.CRL_Stack()
                crls.push(crl)
                self.attempt("add_crls", context.add_crls, crls)
            self.attempt("verify_cert", context.verify_cert)
            self.explore("X509_Store_Context", context)

    def verify(self, ok: int, context: Any) -> int:
        """Be a verification callback that looks at everything."""
        self.explore("X509_Store_Context in its callback", context, 2)
        return self.random.choice((ok, 1))

    def context(self) -> None:
        """Load mutated files into a TLS context."""
        from M2Crypto import BIO, SSL

        made = SSL.Context()
        for sample in self.random.sample(self.samples, 4):
            self.input.write_bytes(self.mutated(sample))
            path = str(self.input)
            self.attempt("load_cert", made.load_cert, path, None, lambda *_: PASSPHRASE)
            self.attempt("load_cert_chain", made.load_cert_chain, path, None, lambda *_: PASSPHRASE)
            self.attempt("load_verify_locations", made.load_verify_locations, path)
            self.attempt("set_client_CA_list_from_file", made.set_client_CA_list_from_file, path)
            self.attempt("set_tmp_dh", made.set_tmp_dh, BIO.MemoryBuffer(self.input.read_bytes()))

    def records(self) -> None:
        """Do a TLS handshake whose records are mutated on their way, and whose chain is."""
        from M2Crypto import SSL, X509, m2

        random = self.random
        ec = hasattr(m2, "ec_key_gen_key")
        client, server = SSL.Context(), SSL.Context()
        own = (self.folder / f"certificates-server{'_ec' if ec else ''}.pem").read_bytes()
        issued = own
        crl = (self.folder / "x509-crl.pem").read_bytes()
        extra = (self.folder / "certificates-ca.pem").read_bytes()
        if random.random() < 0.5:
            crl, extra = samples.peers_issuer(crl, issued, extra)
        if random.random() < 0.7:
            # Only the CAs behind the server's own certificate can be anything.
            own += self.mutated(extra) if random.random() < 0.5 else extra
        self.input.write_bytes(own)
        own_path = str(self.input)
        self.attempt(
            "load_cert_chain", server.load_cert_chain, own_path, None, lambda *_: PASSPHRASE
        )
        client.load_verify_locations(str(self.folder / "certificates-ca.pem"))
        if not ec:
            server.set_tmp_dh(str(self.folder / "certificates-dh.pem"))
        if random.random() < 0.6:
            client.set_max_proto_version("TLSv1.2")
        if random.random() < 0.7:
            client.set_verify(SSL.verify_peer, 9, self.verify if random.random() < 0.7 else None)
        if random.random() < 0.6:
            store = client.get_cert_store()
            store.set_flags(random.choice((4, 12, 0x1004, 0x1004, 0x100C, 0x80)))
            crl = self.mutated(crl) if random.random() < 0.3 else crl
            with contextlib.suppress(ValueError):
                store.add_crl(X509.load_crl_string(crl))
        ends = [m2.ssl_new(each.ctx) for each in (client, server)]
        pipes = [(m2.bio_new_mem(), m2.bio_new_mem()) for _ in ends]
        for end, pipe in zip(ends, pipes):
            for bio in pipe:
                m2.bio_set_mem_eof_return(bio, -1)
            m2.ssl_set_bio(end, *pipe)
        m2.ssl_set_connect_state(ends[0])
        m2.ssl_set_accept_state(ends[1])
        for turn in range(10):
            side = turn % 2
            self.attempt(f"ssl_do_handshake of side {side}", m2.ssl_do_handshake, ends[side])
            data = m2.bio_read(pipes[side][1], m2.bio_ctrl_pending(pipes[side][1]))
            if random.random() < 0.15 and data:
                data = mutate.flip(random, data)
            m2.bio_write(pipes[1 - side][0], data)
        for side in (0, 1):
            for function in (
                m2.ssl_get_peer_cert_chain,
                m2.ssl_get_session,
                m2.ssl_client_ca_num,
                m2.ssl_get_version,
            ):
                self.attempt(function.__name__, function, ends[side])
            self.attempt("ssl_read", m2.ssl_read, ends[side], bytearray(100))
            self.attempt("ssl_write", m2.ssl_write, ends[side], b"data")

    def run(self) -> None:
        """Make the steps."""
        targets = {
            target.__name__: target
            for target in (
                self.extension,
                self.name,
                self.time,
                self.host,
                self.chain,
                self.context,
                self.records,
            )
            if target.__name__ not in self.session.without
        }
        warnings.simplefilter("ignore")
        for _ in self.session.steps(STEPS):
            self.seen.clear()
            for objects in self.stash.values():
                del objects[:-8]
            if self.random.random() < 0.6 or not targets:
                self.loaded()
            else:
                self.session.record("a target")
                targets[self.random.choice(sorted(targets))]()


def run(session: Session) -> None:
    """Run the fuzzer with the session's seed."""
    ParserFuzzer(session).run()
